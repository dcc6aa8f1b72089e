//! PersistBeforeSend: what a node claims to be durable is in records that were synced.
//!
//! This is the promise of the gate, looked at from outside: it knows nothing of what the core
//! holds back, only what the disk has and what has left.

use std::collections::BTreeMap;

use synod_paxos::{AfterSync, Ballot, Message as Paxos, NodeId, Slot, To};
use synod_smr::{Message, Record};

use super::Invariant;
use super::by_node::ByNode;
use crate::journal_thread::Found;
use crate::step::Step;

/// What is durable on each disk.
#[derive(Default)]
pub(super) struct PersistBeforeSend {
    disks: ByNode<Durable>,
}

struct Durable {
    promised: Ballot,
    votes: BTreeMap<Slot, Ballot>,
}

impl Default for Durable {
    fn default() -> Self {
        Self { promised: Ballot::ZERO, votes: BTreeMap::new() }
    }
}

impl Invariant for PersistBeforeSend {
    fn name(&self) -> &'static str {
        "persist-before-send"
    }

    fn on_recovery(&mut self, node: NodeId, found: &Found) -> Result<(), String> {
        // All that a recovery finds is durable, whether or not the life that wrote it was told.
        let disk = self.disks.of(node);
        for record in &found.records {
            disk.keep(record);
        }
        Ok(())
    }

    fn on_step(&mut self, step: &Step<'_>) -> Result<(), String> {
        let disk = self.disks.of(step.node);
        for record in step.durable {
            disk.keep(record);
        }
        for (to, message) in step.sent {
            if let Message::Paxos(Paxos::AfterSync(bound)) = message
                && let Some(lie) = disk.lie_in(bound)
            {
                return Err(format!("node {} tells {}: {lie}", step.node, receiver(to)));
            }
            if let Message::Heartbeat(beat) = message
                && beat.promised > disk.promised
            {
                return Err(format!(
                    "node {} tells of its promise {}, and {} is durable",
                    step.node, beat.promised, disk.promised
                ));
            }
        }
        Ok(())
    }
}

impl Durable {
    fn keep(&mut self, record: &Record) {
        match record {
            Record::Promised(ballot) => self.promised = self.promised.max(*ballot),
            Record::Accepted { ballot, slot, .. } => {
                self.promised = self.promised.max(*ballot);
                let vote = self.votes.entry(*slot).or_insert(*ballot);
                // A recovery also reads the older votes of a slot again: the highest is what the
                // disk says.
                *vote = (*vote).max(*ballot);
            }
            Record::Learned { .. } | Record::Chosen(_) => {}
        }
    }

    /// Says what a claim says that is not durable.
    fn lie_in<V>(&self, bound: &AfterSync<V>) -> Option<String> {
        match bound {
            AfterSync::Prepare { ballot, .. } | AfterSync::Promise { ballot, .. } => {
                let lacks = *ballot > self.promised;
                lacks.then(|| format!("{ballot}, and only {} is durable", self.promised))
            }
            AfterSync::Accepted { ballot, first, end } => {
                let mut slots = (first.number()..end.number()).map(Slot::new);
                let missing =
                    slots.find(|slot| self.votes.get(slot).is_none_or(|vote| vote < ballot));
                missing.map(|slot| format!("its vote of {ballot} in slot {slot} is not durable"))
            }
        }
    }
}

fn receiver(to: &To) -> String {
    match to {
        To::Node(node) => format!("node {node}"),
        To::Peers => "all".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_without_its_record_is_a_lie() {
        let (low, high) = (Ballot::new(1, NodeId::new(1)), Ballot::new(2, NodeId::new(1)));
        let mut disk = Durable::default();
        let prepare = AfterSync::<char>::Prepare { ballot: low, first: Slot::default() };
        assert!(disk.lie_in(&prepare).is_some());
        disk.keep(&Record::Promised(low));
        assert_eq!(disk.lie_in(&prepare), None);
        let decree = synod_paxos::Decree::Noop;
        disk.keep(&Record::Accepted { ballot: low, slot: Slot::new(0), decree });
        let accepted = |ballot, end| {
            let end = Slot::new(end);
            AfterSync::<char>::Accepted { ballot, first: Slot::new(0), end }
        };
        assert_eq!(disk.lie_in(&accepted(low, 1)), None);
        assert!(disk.lie_in(&accepted(high, 1)).is_some());
        assert!(disk.lie_in(&accepted(low, 2)).is_some());
    }
}
