//! What every part of the page is made from, and how much room it has.

use super::axis::Axis;
use super::digest::Digest;
use super::judged::Subject;
use super::reader::Reading;
use crate::RunSummary;

/// The run, what was counted from its history, and the room there is.
#[derive(Debug)]
pub(super) struct Context<'a> {
    /// What the page is about.
    pub(super) subject: Subject<'a>,
    /// The content of `report.json`.
    pub(super) summary: &'a RunSummary,
    /// What was counted from the history.
    pub(super) digest: &'a Digest,
    /// What was read of it, or why nothing was.
    pub(super) reading: &'a Result<Reading, String>,
    /// The time axis.
    pub(super) axis: Axis,
    /// How much of what has no natural bound is shown.
    pub(super) room: Room,
}

/// How much of what has no natural bound is shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// Rows of a table.
    pub(super) rows: usize,
    /// Bars of faults or leaders in the time line.
    pub(super) bars: usize,
    /// Letters of a text.
    pub(super) letters: usize,
    /// Lines of a node's log.
    pub(super) log_lines: usize,
    /// Letters of a line of a node's log.
    pub(super) log_letters: usize,
    /// Bytes of single operations for the zoomed time line.
    pub(super) op_bytes: usize,
}

impl Room {
    /// The rooms that are tried in turn until the page is small enough.
    pub(super) const TRIED: [Self; 3] = [
        Self {
            rows: 400,
            bars: 600,
            letters: 2000,
            log_lines: 200,
            log_letters: 500,
            op_bytes: 1_300_000,
        },
        Self {
            rows: 150,
            bars: 300,
            letters: 500,
            log_lines: 60,
            log_letters: 240,
            op_bytes: 700_000,
        },
        Self { rows: 40, bars: 100, letters: 160, log_lines: 20, log_letters: 120, op_bytes: 0 },
    ];
}
