//! The witness of a PASS as `check` takes it: kept in a file, or played in place of a search.
//!
//! Playing is the checker's, and the verdict's words are `check`'s. The claim kept true: a file
//! that explains nothing proves nothing, neither a PASS nor a VIOLATION.

use std::path::Path;

use synod_checker::{Judgement, Linearization, LinearizationError, Report, Rules};
use synod_history::{History, HistoryError};
use synod_report::read_whole;

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
/// [`HistoryError::Io`] if the file cannot be read, or is longer than `bytes_max`.
pub(super) fn play(
    file: &Path,
    history: &History,
    rules: &Rules,
    bytes_max: usize,
) -> Result<Result<usize, LinearizationError>, HistoryError> {
    let read = read_whole(file, bytes_max as u64);
    let bytes = read.map_err(|source| HistoryError::Io { path: file.to_owned(), source })?;
    // What is no text is no witness, either: its first such line is named.
    let text = String::from_utf8_lossy(&bytes);
    Ok(Linearization::parse(&text, history).and_then(|witness| witness.replay(history, rules)))
}
