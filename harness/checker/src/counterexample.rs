//! From an illegal key to the few operations that show it.
//!
//! Delta debugging (Zeller and Hildebrandt, 2002): leave out as much as possible while the rest
//! still has no order. The [reduction](super::reduce) sees to it that the rest is only ever judged
//! in a way that holds for the whole, so that the core explains the whole history and not only
//! itself. Before a core is shown, the exact search judges it again.

use super::budget::{Cause, Meter};
use super::explain::{self, printed};
use super::reduce::{KeyHistory, Problem};
use super::search::Found;
use super::zones::{self, Ruling};
use crate::ViolationCore;

/// A core, and why the exact search did not confirm it, where it did not.
pub(super) struct Shown {
    pub(super) core: ViolationCore,
    pub(super) unverified: Option<String>,
}

/// Finds the core of an illegal key whose history after position `until` plays no part.
///
/// # Errors
///
/// [`Cause::Collision`] if the exact search finds an order. A budget that runs out while the core
/// is made smaller ends that, and what is left is the core.
pub(super) fn core(part: &KeyHistory<'_>, until: u32, meter: &mut Meter) -> Result<Shown, Cause> {
    let relaxed = part.relaxed();
    let (part, kept) = match &relaxed {
        Some((relaxed, conflict)) => (relaxed, conflict.clone()),
        // Some time is left for the exact search.
        None => {
            (part, meter.with_share(2, |meter| Ok::<_, Cause>(Shrink { part, meter }.run(until)))?)
        }
    };
    shown(part, &kept, meter)
}

/// Makes a core of a few operations that were found to have no order without a search.
///
/// # Errors
///
/// As [`core()`].
pub(super) fn core_of(
    part: &KeyHistory<'_>,
    mut found: Vec<u32>,
    meter: &mut Meter,
) -> Result<Shown, Cause> {
    found.sort_unstable();
    found.dedup();
    let supported = part.with_support(&found);
    let kept = meter.with_share(2, |meter| {
        let mut shrink = Shrink { part, meter };
        // Alone these few may prove nothing, where a value that they found has writers that are not
        // among them.
        let kept = [found, supported].into_iter().find(|kept| shrink.is_illegal(kept));
        // Few operations were chosen to tell a story; the writers of what was seen are part of it.
        Ok::<_, Cause>(
            kept.map(|kept| if kept.len() <= STORY_MAX { kept } else { shrink.minimal(kept) }),
        )
    })?;
    // The rest of the history is what makes these few impossible.
    let kept = kept.unwrap_or_else(|| part.indexes().to_vec());
    shown(part, &kept, meter)
}

/// Judges a core by the exact search, and tells of it.
fn shown(part: &KeyHistory<'_>, kept: &[u32], meter: &mut Meter) -> Result<Shown, Cause> {
    let problem = part.problem(kept);
    let indexes: Vec<u32> = (0..problem.len()).map(|place| problem.index(place)).collect();
    let unverified = match meter.with_share(2, |meter| problem.is_legal_exactly(meter)) {
        Ok(false) => None,
        Ok(true) => return Err(Cause::Collision),
        Err(cause) => Some(format!(
            "the {} operations of the counterexample were judged by 128-bit hashes of \
             configurations alone; {cause} before the search without hashes had ended",
            indexes.len()
        )),
    };
    let history = part.history();
    let core = ViolationCore {
        key: history.texts.text(part.operation(part.indexes()[0]).key).to_owned(),
        sentence: explain::explain(part, &problem, &indexes),
        operations: indexes.iter().map(|index| printed(history, *index)).collect(),
    };
    Ok(Shown { core, unverified })
}

/// Returns whether a short stretch of time before position `until` has no order by itself, which
/// proves that the whole has none.
pub(super) fn is_refuted(part: &KeyHistory<'_>, until: u32, meter: &mut Meter) -> bool {
    let mut shrink = Shrink { part, meter };
    let all = shrink.called_until(until);
    shrink.window(all, REFUTED_MAX).is_some()
}

struct Shrink<'a, 'm> {
    part: &'a KeyHistory<'a>,
    meter: &'m mut Meter,
}

impl<'a> Shrink<'a, '_> {
    fn run(mut self, until: u32) -> Vec<u32> {
        let early = self.called_until(until);
        if let Some(kept) = self.window(early, early.len()) {
            return self.minimal(kept);
        }
        let all = if self.is_illegal(early) { early } else { self.part.indexes() };
        self.minimal(all.to_vec())
    }

    /// Leaves out what can be, but a writer for each value that was seen.
    fn minimal(&mut self, kept: Vec<u32>) -> Vec<u32> {
        let kept = self.chunks(kept);
        let told = self.part.with_one_writer(&kept);
        if told.len() <= STORY_MAX && self.is_illegal(&told) { told } else { kept }
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
        while length < length_max.min(all.len()) && self.meter.look(0).is_ok() {
            let kept = self.part.with_support(&all[all.len() - length..]);
            let kept: Vec<u32> =
                kept.into_iter().filter(|i| all.binary_search(i).is_ok()).collect();
            // Writers that began after the end are left out again, and the reduction sees to it
            // that nothing is judged that would need them.
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
            // What could not be left out before may be superfluous once another one is gone, so
            // single operations are tried until a whole round brings nothing.
            } else if kept.len() == before {
                return kept;
            }
        }
    }

    /// Returns whether some operations have no order; no if the budget does not last to tell.
    fn is_illegal(&mut self, kept: &[u32]) -> bool {
        let problem = self.part.problem(kept);
        if let Problem::Register(model, steps) = &problem {
            match zones::rule(model.initial, steps, self.meter) {
                Ok(Ruling::Illegal(_)) => return true,
                // Where it cannot be told the operations count as legal: a core may so be larger
                // than it need be, and never one that shows nothing.
                Ok(Ruling::Legal(_)) | Err(_) => return false,
                Ok(Ruling::Open) => {}
            }
        }
        let steps = STEPS_PER_ATTEMPT.max(kept.len() as u64 * STEPS_PER_OPERATION);
        // An attempt asks for no refutation of its own, as that would make attempts within
        // attempts.
        let search = |meter: &mut Meter| problem.search(meter, &mut |_, _| false);
        matches!(self.meter.with_steps(steps, search), Ok(Found::None { .. }))
    }
}

/// How many steps an attempt to leave something out may take: one that would take longer is likely
/// to have lost what kept the search narrow, and tells a person less.
const STEPS_PER_ATTEMPT: u64 = 50_000;

/// How many steps it may take at least for each operation.
const STEPS_PER_OPERATION: u64 = 16;

/// How many operations a person takes in at once.
const STORY_MAX: usize = 6;

/// The longest stretch that is tried while a search is stuck.
const REFUTED_MAX: usize = 2000;

const WINDOW_MIN: usize = 1;
const WINDOW_FACTOR: usize = 4;
