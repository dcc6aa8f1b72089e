//! What is wrong with a model, where, and what to do about it.
//!
//! Every error of a reader is one of these, so that each names a file, a line and a remedy.

use std::fmt;

/// A place in a file: line and column, both counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

/// Says why a model cannot be read; its author's fault each time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelError {
    /// The path of the file, as it was given.
    pub file: String,
    /// Where in the file.
    pub at: Position,
    /// What is wrong there.
    pub what: String,
    /// What its author can do.
    pub remedy: String,
}

impl fmt::Display for ModelError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, at: Position { line, column }, what, remedy } = self;
        write!(out, "{file}:{line}:{column}: {what}; {remedy}")
    }
}

impl std::error::Error for ModelError {}

/// A complaint before it is known which file it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Complaint {
    pub(crate) at: Position,
    pub(crate) what: String,
    pub(crate) remedy: String,
}

impl Complaint {
    pub(crate) fn new(at: Position, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { at, what: what.into(), remedy: remedy.into() }
    }

    pub(crate) fn in_file(self, file: &str) -> ModelError {
        let Self { at, what, remedy } = self;
        ModelError { file: file.to_owned(), at, what, remedy }
    }
}
