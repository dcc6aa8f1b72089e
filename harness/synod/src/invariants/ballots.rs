//! BallotsUnique: a ballot belongs to one life of one node, which prepares no other's.

use std::collections::BTreeMap;

use synod_paxos::{AfterSync, Ballot, Immediate, Message as Paxos, NodeId};
use synod_smr::Message;

use super::Invariant;
use crate::step::Step;

/// The life in which each ballot was first used.
#[derive(Default)]
pub(super) struct BallotsUnique {
    lives: BTreeMap<Ballot, u64>,
}

impl Invariant for BallotsUnique {
    fn name(&self) -> &'static str {
        "ballots-unique"
    }

    fn on_step(&mut self, step: &Step<'_>) -> Result<(), String> {
        for (_, message) in step.sent {
            let Message::Paxos(message) = message else { continue };
            match message {
                // Whoever says any of these says that the ballot is its own.
                Paxos::AfterSync(AfterSync::Prepare { ballot, .. })
                | Paxos::Immediate(
                    Immediate::Accept { ballot, .. } | Immediate::Chosen { ballot, .. },
                ) => {
                    self.lead(*ballot, step.node, step.life)?;
                }
                Paxos::AfterSync(AfterSync::Promise { .. } | AfterSync::Accepted { .. })
                | Paxos::Immediate(Immediate::Nack { .. }) => {}
            }
        }
        Ok(())
    }
}

impl BallotsUnique {
    fn lead(&mut self, ballot: Ballot, node: NodeId, life: u64) -> Result<(), String> {
        if ballot.node() != node {
            return Err(format!("node {node} leads in {ballot}"));
        }
        let known = *self.lives.entry(ballot).or_insert(life);
        if known == life {
            return Ok(());
        }
        Err(format!("node {node} leads in {ballot} in life {life}, and did in life {known}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ballot_of_another_node_or_of_an_earlier_life_is_refused() {
        let node = NodeId::new(2);
        let mut ballots = BallotsUnique::default();
        assert!(ballots.lead(Ballot::new(1, node), node, 1).is_ok());
        assert!(ballots.lead(Ballot::new(1, node), node, 1).is_ok());
        assert!(ballots.lead(Ballot::new(1, node), node, 2).is_err());
        assert!(ballots.lead(Ballot::new(2, NodeId::new(1)), node, 2).is_err());
    }
}
