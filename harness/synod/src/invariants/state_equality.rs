//! StateEquality: replicas that applied equally many slots are equal: machine, sessions with the
//! replies that they keep, and decrees, all of which the digest covers.

use std::collections::BTreeMap;

use synod_paxos::{NodeId, Slot};

use super::Invariant;
use crate::step::Step;

/// How many slots back digests are kept: longer than any node lags in a run, but for a sleeper.
const KEPT: usize = 4_096;

/// The digest at each slot, by whoever came first.
#[derive(Default)]
pub(super) struct StateEquality {
    digests: BTreeMap<Slot, (u64, NodeId)>,
}

impl Invariant for StateEquality {
    fn name(&self) -> &'static str {
        "state-equality"
    }

    fn on_step(&mut self, step: &Step<'_>) -> Result<(), String> {
        // Nothing changes a state but what is applied.
        if step.before.applied == step.after.applied {
            return Ok(());
        }
        self.compare(step.after.applied, step.replica.executor().digest(), step.node)
    }
}

impl StateEquality {
    fn compare(&mut self, at: Slot, digest: u64, node: NodeId) -> Result<(), String> {
        let known = *self.digests.entry(at).or_insert((digest, node));
        if self.digests.len() > KEPT {
            self.digests.pop_first();
        }
        if known.0 == digest {
            return Ok(());
        }
        Err(format!("nodes {} and {node} differ after {at} slots", known.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_digests_at_one_slot_are_refused() {
        let mut equality = StateEquality::default();
        assert!(equality.compare(Slot::new(4), 1, NodeId::new(1)).is_ok());
        assert!(equality.compare(Slot::new(5), 2, NodeId::new(2)).is_ok());
        assert!(equality.compare(Slot::new(4), 2, NodeId::new(2)).is_err());
    }
}
