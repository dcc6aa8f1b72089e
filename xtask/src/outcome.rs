//! How a verb ends: well, or with a failure that has a text and an exit code.
//!
//! The codes are those of the harness, so that a script can tell a violation from a typing
//! error whichever of the two it started.

use std::fmt;
use std::io;
use std::path::Path;

/// What every verb returns.
pub(crate) type Outcome = Result<(), Failure>;

/// Why a verb did not end well.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The caller's: an unknown verb or flag, or a bad value.
    Usage(String),
    /// The project's: a check found something. The text is what it found.
    Found(String),
    /// A command that was run failed. Its output is on the terminal or in `detail`.
    Command {
        /// The command as one would type it.
        line: String,
        /// How it ended, in words.
        ended: String,
        /// What this process exits with.
        code: u8,
        /// What the command said, when it did not say it on the terminal.
        detail: String,
    },
    /// The environment's, or this program's own.
    Internal(String),
}

impl Failure {
    /// Wraps an IO error with what was being done to which path.
    pub(crate) fn io(doing: &str, path: &Path, error: &io::Error) -> Self {
        Self::Internal(format!("cannot {doing} {}: {error}", path.display()))
    }

    /// Gives the exit code of the process.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => USAGE,
            Self::Found(_) => FOUND,
            Self::Command { code, .. } => *code,
            Self::Internal(_) => INTERNAL,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) => {
                write!(out, "usage: {text}\nusage: `cargo xtask` without a verb lists all verbs")
            }
            Self::Found(text) => out.write_str(text),
            Self::Command { line, ended, detail, .. } => {
                if !detail.is_empty() {
                    writeln!(out, "{}", detail.trim_end())?;
                }
                write!(out, "failed ({ended}): {line}")
            }
            Self::Internal(text) => write!(out, "error: {text}"),
        }
    }
}

impl From<lexopt::Error> for Failure {
    fn from(error: lexopt::Error) -> Self {
        Self::Usage(error.to_string())
    }
}

/// A check found something, or a test failed.
pub(crate) const FOUND: u8 = 1;
/// The command line is wrong.
pub(crate) const USAGE: u8 = 64;
/// The environment or the tool itself failed.
pub(crate) const INTERNAL: u8 = 70;
