//! Which states are still needed, and by what they can still be reached.
//!
//! A state that some completed operation has yet to find, and that no operation can bring about
//! again, must not be left. Seeing that at once keeps the search from trying everything that could
//! follow; with unique values it hardly ever goes wrong for longer than one operation.

use crate::model::{Model, Timed};

/// Counts per numbered state.
#[derive(Default)]
pub(super) struct Needs {
    /// How many completed operations have yet to find it.
    wanted: Vec<u32>,
    /// How many operations that are not taken can bring it about.
    sources: Vec<u32>,
    /// The position of the last call of a completed operation that has to find it.
    last: Vec<u32>,
}

impl Needs {
    pub(super) fn new<M: Model>(model: &M, operations: &[Timed<M::Operation>]) -> Self {
        let mut needs = Self::default();
        for Timed { operation, called, returned, .. } in operations {
            if let Some(state) = model.needs(operation).filter(|_| returned.is_some()) {
                *slot(&mut needs.wanted, state) += 1;
                let last = slot(&mut needs.last, state);
                *last = (*last).max(*called);
            }
            if let Some(state) = model.leaves(operation) {
                *slot(&mut needs.sources, state) += 1;
            }
        }
        needs
    }

    pub(super) fn take<M: Model>(&mut self, model: &M, timed: &Timed<M::Operation>) {
        self.change(model, timed, |count| *count -= 1);
    }

    pub(super) fn give_back<M: Model>(&mut self, model: &M, timed: &Timed<M::Operation>) {
        self.change(model, timed, |count| *count += 1);
    }

    /// Returns, of a state that is needed again and cannot be reached again, the position of the
    /// last call that has to find it.
    pub(super) fn lost(&self, state: u32) -> Option<u32> {
        let count = |counts: &[u32]| counts.get(state as usize).copied().unwrap_or(0);
        // The last call is that of all which have to find it, taken ones too: it only says how far
        // a core is to be looked for, and a bound that is too late costs time and no truth.
        let is_lost = count(&self.wanted) > 0 && count(&self.sources) == 0;
        is_lost.then(|| count(&self.last))
    }

    pub(super) fn bytes(&self) -> usize {
        (self.wanted.len() + self.sources.len() + self.last.len()) * size_of::<u32>()
    }

    fn change<M: Model>(
        &mut self,
        model: &M,
        Timed { operation, returned, .. }: &Timed<M::Operation>,
        change: impl Fn(&mut u32),
    ) {
        if let Some(state) = model.needs(operation).filter(|_| returned.is_some()) {
            change(&mut self.wanted[state as usize]);
        }
        if let Some(state) = model.leaves(operation) {
            change(&mut self.sources[state as usize]);
        }
    }
}

fn slot(counts: &mut Vec<u32>, state: u32) -> &mut u32 {
    let place = state as usize;
    if place >= counts.len() {
        counts.resize(place + 1, 0);
    }
    &mut counts[place]
}
