//! PromiseMonotone: what a node promised durably it keeps, across every restart.

use synod_paxos::Ballot;
use synod_smr::Record;

use super::Invariant;
use super::by_node::ByNode;
use crate::step::Step;

/// The highest ballot that each node promised in records that are durable.
#[derive(Default)]
pub(super) struct PromiseMonotone {
    durable: ByNode<Option<Ballot>>,
}

impl Invariant for PromiseMonotone {
    fn name(&self) -> &'static str {
        "promise-monotone"
    }

    fn on_step(&mut self, step: &Step<'_>) -> Result<(), String> {
        let durable = self.durable.of(step.node).get_or_insert(Ballot::ZERO);
        for record in step.durable {
            *durable = (*durable).max(promised(record));
        }
        // In one life the promise in memory never falls, durable or not; from one life to the next
        // only the durable one has to stay.
        let (before, after) = (step.before.promised, step.after.promised);
        if after < before {
            return Err(format!("node {} went from {before} to {after}", step.node));
        }
        if after < *durable {
            return Err(format!("node {} promised {durable}, stands at {after}", step.node));
        }
        Ok(())
    }
}

/// A vote promises its ballot, too.
fn promised(record: &Record) -> Ballot {
    match record {
        Record::Promised(ballot) | Record::Accepted { ballot, .. } => *ballot,
        Record::Learned { .. } | Record::Chosen(_) => Ballot::ZERO,
    }
}
