//! Where runs leave their files, and in which form they say what came of them: the flags of every
//! command that makes runs.
//!
//! What a run prints is the live crate's to say.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use synod_live::console::{Console, Format};

#[derive(Clone, Debug, Args)]
pub(super) struct OutputArguments {
    /// Where run folders are made.
    #[arg(long, value_name = "DIR", default_value = "target/chaos")]
    pub(super) runs_dir: PathBuf,
    /// How many runs are kept; those that found a violation are kept beyond that.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(super) keep: usize,
    /// What is printed: lines for people, or one JSON object at the end.
    #[arg(long, value_enum, default_value_t = FormatArgument::Text)]
    pub(super) format: FormatArgument,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum FormatArgument {
    Text,
    Json,
}

impl FormatArgument {
    /// Makes a console that prints in this form.
    pub(super) fn console(self) -> Console {
        Console::new(match self {
            Self::Text => Format::Text,
            Self::Json => Format::Json,
        })
    }
}
