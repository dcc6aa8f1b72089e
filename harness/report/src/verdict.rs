//! The outcome of a run: its word, and the code by which a program says it.
//!
//! Who comes to it is the runner. The claim kept true: each outcome has one word and one code, and
//! both are here.

use serde::{Deserialize, Serialize};

/// The outcome of a run, with the exit code that stands for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The history is correct and enough was exercised. Exit code 0.
    Pass,
    /// The history, or the state after healing, breaks a promise. Exit code 1.
    Violation,
    /// What was healed did not serve again in time. Exit code 3.
    NotServed,
    /// The checker ran out of its budget. Exit code 2.
    Unknown,
    /// Too little was exercised for the run to mean anything. Exit code 2.
    Void,
    /// The user ended the run. Exit code 130.
    Interrupted,
}

impl Verdict {
    /// Returns the exit code of the harness for this verdict.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Violation => 1,
            Self::Unknown | Self::Void => 2,
            Self::NotServed => 3,
            Self::Interrupted => 130,
        }
    }

    /// Returns the word that the last lines of a run and the report page show.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Violation => "VIOLATION",
            Self::NotServed => "NOT SERVED",
            Self::Unknown => "UNKNOWN",
            Self::Void => "VOID",
            Self::Interrupted => "INTERRUPTED",
        }
    }
}
