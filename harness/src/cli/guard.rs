//! `synod-harness guard`: for the harness itself, not for people.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Args;
use synod_live::guard::{Limits, become_guarded};

use super::{INTERNAL, fail};

#[derive(Debug, Args)]
pub(super) struct GuardArguments {
    /// The process that must be alive for the command to run.
    #[arg(long, value_name = "PID")]
    parent: u32,
    /// How many files the command may have open.
    #[arg(long, value_name = "N")]
    nofile: Option<u64>,
    /// To how many bytes the command may grow a file.
    #[arg(long, value_name = "BYTES")]
    fsize: Option<u64>,
    /// How many bytes of address space the command may take.
    #[arg(long = "as", value_name = "BYTES")]
    memory: Option<u64>,
    /// The command.
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

pub(super) fn guard(arguments: &GuardArguments) -> ExitCode {
    let limits = Limits {
        files: arguments.nofile,
        file_bytes: arguments.fsize,
        memory_bytes: arguments.memory,
    };
    fail(INTERNAL, &become_guarded(arguments.parent, limits, &arguments.command))
}
