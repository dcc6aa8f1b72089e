//! The witness of a PASS as `check` takes it: kept in a file, or played in place of a search.
//!
//! Playing is the checker's, and the verdict's words are `check`'s. The claim kept true: a file
//! that explains nothing proves nothing, neither a PASS nor a VIOLATION.

use std::path::Path;

use synod_checker::{Judgement, Linearization, LinearizationError, Report, Rules};
use synod_history::{History, HistoryError};

/// Writes the order that a report found, if it found one.
///
/// # Errors
///
/// [`HistoryError::Io`] if the file cannot be written.
pub(super) fn keep(file: &Path, history: &History, report: &Report) -> Result<(), HistoryError> {
    let Judgement::Legal { witness } = &report.judgement else { return Ok(()) };
    let text = Linearization::new(witness.clone()).written(history);
    std::fs::write(file, text).map_err(|source| HistoryError::Io { path: file.to_owned(), source })
}

/// Plays the order in a file, and returns how many operations it has.
///
/// # Errors
///
/// [`HistoryError::Io`] if the file cannot be read.
pub(super) fn play(
    file: &Path,
    history: &History,
    rules: &Rules,
) -> Result<Result<usize, LinearizationError>, HistoryError> {
    let read = std::fs::read(file);
    let bytes = read.map_err(|source| HistoryError::Io { path: file.to_owned(), source })?;
    // What is no text is no witness, either: its first such line is named.
    let text = String::from_utf8_lossy(&bytes);
    Ok(Linearization::parse(&text, history).and_then(|witness| witness.replay(history, rules)))
}
