//! Bounds: what a replica holds stays within the limits that it was set.
//!
//! They are those of the replica that is judged, so that tiny ones bind. One decree may pass a
//! window, as the first slot that is not known to be chosen is always taken, and a leader's own
//! proposals follow its own window; so the largest decree counts beside each bound of bytes.

use synod_paxos::{Decree, NodeId, Record};

use super::Invariant;
use super::by_node::ByNode;
use crate::journal_thread::Found;
use crate::step::Step;

/// Looks at sizes.
#[derive(Default)]
pub(super) struct Bounds {
    /// The bytes of un-chosen votes with which each node began its life, or came to lead, as far as
    /// they are left: the leader of that time may have had a wider window, and a leader's own
    /// window counts what it proposes, not what it has yet to copy.
    found: ByNode<Option<usize>>,
    /// The largest decree that any node recorded.
    largest: usize,
}

impl Invariant for Bounds {
    fn name(&self) -> &'static str {
        "bounds"
    }

    fn on_recovery(&mut self, node: NodeId, _: &Found) -> Result<(), String> {
        *self.found.of(node) = None;
        Ok(())
    }

    fn on_step(&mut self, step: &Step<'_>) -> Result<(), String> {
        self.weigh(step.records);
        let (paxos, limits) = (step.replica.paxos(), step.replica.limits());
        let (log, node) = (paxos.log(), step.node);
        let slots = paxos.durable_chosen().past(log.base());
        if slots > limits.cache_slots + limits.cache_slots / 4 {
            return Err(format!("node {node} keeps {slots} durable chosen slots in memory"));
        }
        let durable = (log.base().number()..paxos.durable_chosen().number())
            .filter_map(|slot| log.decree(synod_paxos::Slot::new(slot)));
        // The sum walks over the log, and cannot be too large where all that is chosen weighs less.
        let bytes = if log.chosen_weight() > limits.cache_bytes {
            durable.map(Decree::weight).sum()
        } else {
            0
        };
        if bytes > limits.cache_bytes + self.largest {
            return Err(format!("node {node} keeps {bytes} bytes of durable decrees in memory"));
        }
        let found = self.found.of(node).get_or_insert_with(|| log.unchosen_weight());
        let comes_to_lead = step.after.leads.is_some() && step.after.leads != step.before.leads;
        *found = if comes_to_lead { usize::MAX } else { *found }.min(log.unchosen_weight());
        let unchosen = log.unchosen_weight() - *found;
        if unchosen > 2 * (limits.log.unchosen_bytes + self.largest) {
            // The record of the latest vote may wait for its batch, and was not weighed then.
            self.largest = self.largest.max(largest_unchosen(step));
        }
        if unchosen > 2 * (limits.log.unchosen_bytes + self.largest) {
            return Err(format!("node {node} holds {unchosen} bytes that are not chosen"));
        }
        Ok(())
    }
}

/// Returns the weight of the largest decree that a node knows and does not know to be chosen.
fn largest_unchosen(step: &Step<'_>) -> usize {
    let paxos = step.replica.paxos();
    let open = (0..SLOTS_LOOKED_AT).map(|more| paxos.chosen().plus(more));
    let weights = open.filter_map(|slot| paxos.log().decree(slot)).map(Decree::weight);
    weights.max().unwrap_or(0)
}

/// How far past the chosen prefix votes are looked for; farther than any window reaches.
const SLOTS_LOOKED_AT: u64 = 4_096;

impl Bounds {
    fn weigh(&mut self, records: &[synod_smr::Record]) {
        let weights = records.iter().map(|record| match record {
            Record::Accepted { decree, .. } | Record::Learned { decree, .. } => decree.weight(),
            Record::Promised(_) | Record::Chosen(_) => 0,
        });
        self.largest = weights.fold(self.largest, usize::max);
    }
}
