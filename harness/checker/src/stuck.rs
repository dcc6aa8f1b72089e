//! Where a search was when its budget ran out: the key, the stretch of time, and the operations
//! with an unknown outcome that it had to place.

use super::explain::printed;
use super::reduce::{KeyHistory, Problem};
use crate::CoreOperation;

/// Where a search was when its budget ran out.
#[derive(Clone, Debug)]
pub struct Stuck {
    /// The key.
    pub key: String,
    /// The positions of the first event of the stretch and of the one that was waited for.
    pub positions: (u32, u32),
    /// The times of these events, in nanoseconds since the start of the run.
    pub times_ns: (u64, u64),
    /// How many operations were open there that returned later.
    pub open: u64,
    /// How many operations with an unknown outcome had been called, and may matter.
    pub unknown_count: u64,
    /// The last of these, the latest ones only.
    pub unknown: Vec<CoreOperation>,
}

impl Stuck {
    /// Describes the place in a key's history where no order got past a position.
    pub(super) fn new(part: &KeyHistory<'_>, problem: &Problem<'_>, until: u32) -> Self {
        let history = part.history();
        let operations = || part.indexes().iter().map(|index| part.operation(*index));
        let is_open = |returned: Option<u32>| returned.is_some_and(|returned| returned >= until);
        let open: Vec<_> = operations()
            .filter(|operation| operation.called <= until && is_open(operation.returned))
            .collect();
        let first = open.iter().min_by_key(|operation| operation.called);
        let last = open.iter().min_by_key(|operation| operation.returned);
        let unknown = problem.unknown_until(until);
        let shown = unknown.iter().skip(unknown.len().saturating_sub(SHOWN_MAX));
        Self {
            key: operations().next().map_or("", |one| history.texts.text(one.key)).to_owned(),
            positions: (first.map_or(until, |first| first.called), until),
            times_ns: (
                first.map_or(0, |first| first.call_ns),
                last.map_or(0, |last| last.return_ns),
            ),
            open: open.len() as u64,
            unknown_count: unknown.len() as u64,
            unknown: shown.map(|index| printed(history, *index)).collect(),
        }
    }
}

/// How many operations with an unknown outcome are named.
const SHOWN_MAX: usize = 5;
