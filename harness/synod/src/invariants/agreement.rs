//! Agreement: no slot ever has two decrees, whoever learns them and whenever.

use synod_paxos::{Decree, NodeId, Slot};
use synod_smr::fingerprint;

use super::Invariant;
use super::by_node::ByNode;
use crate::journal_thread::Found;
use crate::step::Step;

/// The decree that the first node to know it knew, of every slot.
#[derive(Default)]
pub(super) struct Agreement {
    decrees: Vec<Option<(u64, NodeId)>>,
    /// How far each node has been looked at, in its present life.
    seen: ByNode<(u64, Slot)>,
}

impl Invariant for Agreement {
    fn name(&self) -> &'static str {
        "agreement"
    }

    fn judges_strangers(&self) -> bool {
        true
    }

    fn on_recovery(&mut self, node: NodeId, _: &Found) -> Result<(), String> {
        *self.seen.of(node) = Default::default();
        Ok(())
    }

    fn on_step(&mut self, step: &Step<'_>) -> Result<(), String> {
        let log = step.replica.paxos().log();
        let seen = self.seen.of(step.node);
        // What lies below the base of a life is not in its memory; it was judged in the life that
        // learned it.
        if seen.0 != step.life {
            *seen = (step.life, log.base());
        }
        let first = seen.1;
        seen.1 = step.after.chosen;
        for number in first.number()..step.after.chosen.number() {
            let slot = Slot::new(number);
            match log.decree(slot) {
                Some(decree) => self.learn(number, Some(mark(decree)), step.node)?,
                // It was learned, applied and let go of in one step.
                None if slot < log.base() => self.learn(number, None, step.node)?,
                None => return Err(format!("slot {number} is chosen and empty")),
            }
        }
        Ok(())
    }
}

impl Agreement {
    /// Takes in that a node knows what is chosen in a slot, and what it is, if that can be seen.
    fn learn(&mut self, slot: u64, decree: Option<u64>, node: NodeId) -> Result<(), String> {
        let place = usize::try_from(slot).unwrap_or(usize::MAX);
        let count = self.decrees.len();
        match self.decrees.get_mut(place) {
            Some(Some((known, other))) => match decree {
                Some(decree) if decree != *known => {
                    Err(format!("nodes {other} and {node} have different decrees in slot {slot}"))
                }
                Some(_) | None => Ok(()),
            },
            Some(unseen) => {
                *unseen = decree.map(|decree| (decree, node));
                Ok(())
            }
            None if place == count => {
                self.decrees.push(decree.map(|decree| (decree, node)));
                Ok(())
            }
            None => Err(format!("node {node} chose slot {slot} before {count}")),
        }
    }
}

/// Returns what stands for a decree in comparisons.
pub(super) fn mark(decree: &Decree<synod_smr::CommandBatch>) -> u64 {
    match decree {
        Decree::Noop => 0,
        // Never 0, which stands for a Noop.
        Decree::Value(batch) => fingerprint(batch.bytes()) | 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_decree_of_a_slot_is_refused_and_so_is_a_hole() {
        let (one, other) = (NodeId::new(1), NodeId::new(2));
        let mut agreement = Agreement::default();
        assert!(agreement.learn(0, Some(7), one).is_ok());
        assert!(agreement.learn(0, Some(7), other).is_ok());
        assert!(agreement.learn(0, Some(8), other).is_err());
        assert!(agreement.learn(2, Some(9), one).is_err());
    }
}
