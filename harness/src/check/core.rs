//! From an illegal key to the few operations that show it.
//!
//! Delta debugging (Zeller and Hildebrandt, 2002): leave out as much as possible while the rest
//! still has no order. The [plan](super::plan) sees to it that the rest is only ever judged in a
//! way that holds for the whole, so that the core explains the whole history and not only itself.
//! Before a core is shown, the exact search judges it again.

use super::budget::{Cause, Meter};
use super::plan::Part;
use super::search::Found;
use super::sentence::{self, printed};
use crate::summary::ViolationCore;

/// Finds the core of an illegal key whose history after position `until` plays no part.
///
/// # Errors
///
/// [`Cause::Collision`] if the exact search finds an order. A budget that runs out while the core
/// is made smaller ends that, and what is left is the core.
pub(super) fn core(part: &Part<'_>, until: u32, meter: &mut Meter) -> Result<ViolationCore, Cause> {
    let relaxed = part.relaxed();
    let (part, kept) = match &relaxed {
        Some((relaxed, conflict)) => (relaxed, conflict.clone()),
        None => (part, Shrink { part, meter }.run(until)),
    };
    let problem = part.problem(&kept);
    let indexes: Vec<u32> = (0..problem.len()).map(|place| problem.index(place)).collect();
    if indexes.len() <= EXACT_MAX && problem.is_legal_exactly(meter) == Ok(true) {
        return Err(Cause::Collision);
    }
    let history = part.history();
    Ok(ViolationCore {
        key: history.texts.text(part.operation(part.indexes()[0]).key).to_owned(),
        sentence: sentence::explain(part, &problem, &indexes),
        operations: indexes.iter().map(|index| printed(history, *index)).collect(),
    })
}

/// Returns whether a short stretch of time before position `until` has no order by itself, which
/// proves that the whole has none.
pub(super) fn is_refuted(part: &Part<'_>, until: u32, meter: &mut Meter) -> bool {
    let mut shrink = Shrink { part, meter };
    let all = shrink.called_until(until);
    shrink.window(all, REFUTED_MAX).is_some()
}

struct Shrink<'a, 'm> {
    part: &'a Part<'a>,
    meter: &'m mut Meter,
}

impl<'a> Shrink<'a, '_> {
    fn run(mut self, until: u32) -> Vec<u32> {
        let early = self.called_until(until);
        if let Some(kept) = self.window(early, early.len()) {
            return self.chunks(kept);
        }
        let all = if self.is_illegal(early) { early } else { self.part.indexes() };
        self.chunks(all.to_vec())
    }

    fn called_until(&self, until: u32) -> &'a [u32] {
        let all = self.part.indexes();
        let end = all.partition_point(|index| self.part.operation(*index).called <= until);
        &all[..end]
    }

    /// Finds a short stretch of time before the end that has no order, of less than `length_max`
    /// operations and those that they depend on.
    fn window(&mut self, all: &[u32], length_max: usize) -> Option<Vec<u32>> {
        let mut length = WINDOW_MIN;
        while length < length_max.min(all.len()) {
            let kept = self.part.with_support(&all[all.len() - length..]);
            let kept: Vec<u32> =
                kept.into_iter().filter(|i| all.binary_search(i).is_ok()).collect();
            if self.is_illegal(&kept) {
                return Some(kept);
            }
            length *= WINDOW_FACTOR;
        }
        None
    }

    /// Leaves out chunks, ever smaller ones, until no single operation can be left out.
    fn chunks(&mut self, mut kept: Vec<u32>) -> Vec<u32> {
        let mut size = kept.len().div_ceil(2).max(1);
        loop {
            let before = kept.len();
            let mut start = 0;
            while start < kept.len() {
                if self.meter.look(0).is_err() {
                    return kept;
                }
                let end = (start + size).min(kept.len());
                let rest = [&kept[..start], &kept[end..]].concat();
                if !rest.is_empty() && self.is_illegal(&rest) {
                    kept = rest;
                } else {
                    start = end;
                }
            }
            if size > 1 {
                size = size.div_ceil(2);
            } else if kept.len() == before {
                return kept;
            }
        }
    }

    /// Returns whether some operations have no order; no if the budget does not last to tell.
    fn is_illegal(&mut self, kept: &[u32]) -> bool {
        let problem = self.part.problem(kept);
        let steps = STEPS_PER_ATTEMPT.max(kept.len() as u64 * STEPS_PER_OPERATION);
        let search = |meter: &mut Meter| problem.search(meter, &mut |_, _| false);
        matches!(self.meter.with_steps(steps, search), Ok(Found::None { .. }))
    }
}

/// How many operations at most the exact search is given; larger cores come only from a budget that
/// ran out, or from keys on which every operation depends on every other.
const EXACT_MAX: usize = 256;

/// How many steps an attempt to leave something out may take: one that would take longer is likely
/// to have lost what kept the search narrow, and tells a person less.
const STEPS_PER_ATTEMPT: u64 = 50_000;

/// How many steps it may take at least for each operation.
const STEPS_PER_OPERATION: u64 = 16;

/// The longest stretch that is tried while a search is stuck.
const REFUTED_MAX: usize = 2000;

const WINDOW_MIN: usize = 4;
const WINDOW_FACTOR: usize = 4;
