//! Checkpoints: replicas compare digests of their states, so that a difference is loud.
//!
//! A state machine that is not deterministic, or memory that went bad, makes replicas differ
//! without any fault of the protocol. A node that differs from a majority halts; where no majority
//! can agree any more, all do. The claim kept true: nodes that agree are never told to halt.

use crate::message::Checkpoint;
use std::collections::BTreeMap;
use synod_paxos::{Configuration, NodeId, Slot, Tally};

/// A digest is compared at each slot that is a multiple of this.
pub const CHECKPOINT_SLOTS: u64 = 1024;

/// How many slots' digests are kept for comparison.
const KEPT_MAX: usize = 8;

/// The digests seen at the last checkpoints, by slot and node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Checkpoints {
    seen: BTreeMap<Slot, BTreeMap<NodeId, u64>>,
    last: Option<Checkpoint>,
}

impl Checkpoints {
    /// Takes this node's own digest in, if `slot` is a checkpoint.
    pub fn on_applied(&mut self, me: NodeId, slot: Slot, digest: impl FnOnce() -> u64) {
        if slot.number().is_multiple_of(CHECKPOINT_SLOTS) {
            let checkpoint = Checkpoint { slot, digest: digest() };
            self.last = Some(checkpoint);
            self.on_checkpoint(me, checkpoint);
        }
    }

    /// Takes a digest in.
    pub fn on_checkpoint(&mut self, from: NodeId, checkpoint: Checkpoint) {
        let digests = self.seen.entry(checkpoint.slot).or_default();
        digests.insert(from, checkpoint.digest);
        while self.seen.len() > KEPT_MAX {
            self.seen.pop_first();
        }
    }

    /// Returns this node's last own digest.
    #[must_use]
    pub const fn last(&self) -> Option<Checkpoint> {
        self.last
    }

    /// Returns why this node must halt, if it must.
    #[must_use]
    pub fn verdict(&self, me: NodeId, voters: &Configuration) -> Option<String> {
        self.seen.iter().find_map(|(slot, digests)| {
            let mine = digests.get(&me)?;
            let majority = majority(digests, voters);
            let all_spoke = voters.voters().iter().all(|node| digests.contains_key(node));
            match majority {
                Some(digest) if digest != *mine => Some(format!(
                    "the state at slot {slot} has digest {mine:016x}, a majority has \
                     {digest:016x}: this replica is corrupt, or the state machine is not \
                     deterministic"
                )),
                None if all_spoke => Some(format!(
                    "no majority agrees on the state at slot {slot}: the state machine is not \
                     deterministic"
                )),
                Some(_) | None => None,
            }
        })
    }
}

/// Returns the digest that a majority of the voters has.
fn majority(digests: &BTreeMap<NodeId, u64>, voters: &Configuration) -> Option<u64> {
    digests.values().copied().find(|digest| {
        let same = digests.iter().filter(|(_, other)| *other == digest);
        let tally: Tally = same.map(|(node, _)| *node).collect();
        let votes = tally.nodes().filter(|node| voters.contains(*node)).count();
        2 * votes > voters.voters().len()
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    fn verdict(digests: [Option<u64>; 3]) -> Option<String> {
        let ids = [1, 2, 3].map(NodeId::new);
        let mut checkpoints = Checkpoints::default();
        for (node, digest) in ids.into_iter().zip(digests) {
            if let Some(digest) = digest {
                checkpoints.on_checkpoint(node, Checkpoint { slot: Slot::new(1024), digest });
            }
        }
        checkpoints.verdict(ids[0], &Configuration::majority(ids).unwrap())
    }

    #[test]
    fn the_odd_node_halts_and_the_others_do_not() {
        assert_eq!(verdict([Some(1), Some(1), Some(2)]), None);
        assert!(verdict([Some(2), Some(1), Some(1)]).unwrap().contains("corrupt"));
        assert!(verdict([Some(1), Some(2), Some(3)]).unwrap().contains("no majority"));
    }

    #[test]
    fn two_that_differ_wait_for_the_third() {
        assert_eq!(verdict([Some(1), Some(2), None]), None);
        assert_eq!(verdict([None, Some(2), Some(3)]), None, "a node without a digest cannot tell");
    }
}
