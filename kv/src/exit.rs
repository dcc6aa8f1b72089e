//! How the program ends: an exit code that is part of the interface, and one line that says why.

use std::fmt::Display;
use std::process::ExitCode;

use crate::client::KvError;
use crate::log;

/// The end of the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    code: u8,
    reason: Option<String>,
}

impl Exit {
    /// Everything was done.
    #[must_use]
    pub fn done() -> Self {
        Self { code: 0, reason: None }
    }

    /// The answer is no, which the caller asked to hear as a code.
    #[must_use]
    pub fn no() -> Self {
        Self { code: 1, reason: None }
    }

    /// The answer is no, and the reason must be seen.
    #[must_use]
    pub fn differs(reason: impl Display) -> Self {
        Self::with(1, reason)
    }

    /// It was done, and what came of it could not be printed: the reason has both.
    #[must_use]
    pub fn untold(reason: impl Display) -> Self {
        Self::with(3, reason)
    }

    /// The command line or a value on it is wrong.
    #[must_use]
    pub fn usage(reason: impl Display) -> Self {
        Self::with(64, reason)
    }

    /// An operation has no answer: its fate is unknown, or it certainly did not happen.
    #[must_use]
    pub fn operation(error: &KvError, connection_errors: &str) -> Self {
        let code = match error {
            KvError::Unknown(_) => 2,
            KvError::NotApplied(_) => 69,
        };
        if connection_errors.is_empty() {
            return Self::with(code, error);
        }
        Self::with(code, format!("{error} ({connection_errors})"))
    }

    /// What was asked for was certainly not done: nobody could, or those who could refused.
    #[must_use]
    pub fn unavailable(reason: impl Display) -> Self {
        Self::with(69, reason)
    }

    /// Something went wrong inside.
    #[must_use]
    pub fn internal(reason: impl Display) -> Self {
        Self::with(70, reason)
    }

    /// A file or folder cannot be made.
    #[must_use]
    pub fn cannot_make(reason: impl Display) -> Self {
        Self::with(73, reason)
    }

    /// The data folder or a port cannot be used.
    #[must_use]
    pub fn unusable(reason: impl Display) -> Self {
        Self::with(74, reason)
    }

    /// The configuration is wrong.
    #[must_use]
    pub fn config(reason: impl Display) -> Self {
        Self::with(78, reason)
    }

    /// Somebody ended with Ctrl-C what would have gone on.
    #[must_use]
    pub fn interrupted() -> Self {
        Self { code: 130, reason: None }
    }

    /// Prints the reason as one line on stderr, behind the log, and returns the code.
    #[must_use]
    pub fn report(self) -> ExitCode {
        match &self.reason {
            Some(reason) => log::say_last(&format!("synod-kv: {reason}")),
            None => log::settle(),
        }
        ExitCode::from(self.code)
    }

    fn with(code: u8, reason: impl Display) -> Self {
        Self { code, reason: Some(reason.to_string().replace('\n', " ")) }
    }
}
