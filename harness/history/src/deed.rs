//! One operation of another tool's history, as its dialect reads it.
//!
//! Which dialects there are is left to `operations`.

use super::{Action, Answer};

/// What was asked and answered.
pub(super) struct Deed {
    pub(super) key: String,
    pub(super) action: Action,
    pub(super) answer: Answer,
}

/// Why an operation is not read.
pub(super) enum Unread {
    /// It is not of this form.
    Malformed(String),
    /// It is of a kind that no model knows.
    NoModel(String),
}

impl From<String> for Unread {
    fn from(problem: String) -> Self {
        Self::Malformed(problem)
    }
}
