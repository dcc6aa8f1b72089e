//! Why a proof did not end well, and the words in which the tool says so.
//!
//! What is a failure is left to whoever finds it.

use std::fmt;
use std::io::{self, Write as _};

/// Why a proof did not end well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The caller's: an unknown model, query or flag.
    Usage(String),
    /// The project's: something is not proved.
    Found(String),
    /// The environment's, or this program's own.
    Internal(String),
}

impl Failure {
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Found(_) => 1,
            Self::Usage(_) => 64,
            Self::Internal(_) => 70,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) => write!(out, "usage: {text}\n{USAGE}"),
            Self::Found(text) => out.write_str(text),
            Self::Internal(text) => write!(out, "error: {text}"),
        }
    }
}

/// Prints a text. A reader who has seen enough, such as `head`, ends no proof: the exit code says
/// what came of it.
pub(crate) fn say(text: impl fmt::Display) {
    drop(write!(io::stdout(), "{text}"));
}

pub(crate) const USAGE: &str =
    "usage: prove [MODEL] [--broken NAME] [--cross] [--why QUERY] [--emit FOLDER] \
    [--seed N] [--limit S] [--jobs N]
  MODEL         one model, such as MultiPaxos; without it all of them
  --broken NAME switch one rule off, and tell how it goes wrong
  --cross       ask cvc5 as well as z3
  --emit FOLDER write each query into a file, in SMT-LIB 2, and ask nobody
  --why QUERY   show what a query asserts, where it leads, and what its proof needs
exit codes: 0 proved, 1 not proved, 64 usage, 70 internal";
