//! ReadBackIsChosen: what is handed on as chosen is what was chosen, wherever it was read.
//!
//! A node that lags is answered from the memory of another one, or from its journal, in which
//! older votes of the same slot stand as well. So every answer is held against the decree that the
//! first node to know it as chosen knew.

use std::collections::BTreeMap;

use synod_paxos::{NodeId, Slot};
use synod_smr::Message;

use super::Invariant;
use super::agreement::mark;
use super::by_node::ByNode;
use crate::step::Step;

/// What was chosen, as far as it was asked for.
#[derive(Default)]
pub(super) struct ReadBackIsChosen {
    chosen: BTreeMap<Slot, u64>,
    /// How far each node has been looked at, in its present life.
    seen: ByNode<(u64, Slot)>,
}

impl Invariant for ReadBackIsChosen {
    fn name(&self) -> &'static str {
        "read-back-is-chosen"
    }

    fn on_step(&mut self, step: &Step<'_>) -> Result<(), String> {
        self.learn(step);
        for (_, message) in step.sent {
            if let Message::Decrees { first, decrees, .. } = message {
                for (decree, behind) in decrees.iter().zip(0..) {
                    self.compare(first.plus(behind), mark(decree), step.node)?;
                }
            }
        }
        Ok(())
    }
}

impl ReadBackIsChosen {
    /// Takes in what the node of a step has come to know as chosen.
    fn learn(&mut self, step: &Step<'_>) {
        let log = step.replica.paxos().log();
        let seen = self.seen.of(step.node);
        if seen.0 != step.life {
            *seen = (step.life, log.base());
        }
        let first = std::mem::replace(&mut seen.1, step.after.chosen);
        for slot in (first.number()..step.after.chosen.number()).map(Slot::new) {
            if let Some(decree) = log.decree(slot) {
                self.chosen.entry(slot).or_insert_with(|| mark(decree));
            }
        }
    }

    fn compare(&self, slot: Slot, decree: u64, node: NodeId) -> Result<(), String> {
        match self.chosen.get(&slot) {
            Some(chosen) if *chosen != decree => {
                Err(format!("node {node} hands on a decree of slot {slot} that lost"))
            }
            // Where it was let go of in the step in which it was learned, the specification is
            // left to judge.
            Some(_) | None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decree_that_lost_is_refused() {
        let (mut read_back, node) = (ReadBackIsChosen::default(), NodeId::new(1));
        read_back.chosen.insert(Slot::new(4), 7);
        assert!(read_back.compare(Slot::new(4), 7, node).is_ok());
        assert!(read_back.compare(Slot::new(4), 8, node).is_err());
    }
}
