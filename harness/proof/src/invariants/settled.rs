//! SettledReads: only a leader whose reported slots are chosen again begins to confirm reads.
//!
//! A leader that is not settled may not know of a write that was acknowledged before it was
//! elected; the rule is protocol knowledge, so it is looked at from outside: the first question of
//! a ballot leaves only when all that its quorum reported is chosen.

use std::collections::BTreeMap;

use synod_paxos::{Ballot, Bound, Message as Paxos, NodeId, Report, Slot, To};
use synod_smr::Message;

use super::Invariant;
use crate::step::Step;

/// Up to where each ballot must have chosen before it may serve reads.
#[derive(Default)]
pub(super) struct SettledReads {
    reported: BTreeMap<Ballot, BTreeMap<NodeId, Slot>>,
}

impl Invariant for SettledReads {
    fn name(&self) -> &'static str {
        "settled-reads"
    }

    fn on_step(&mut self, step: &Step<'_>) -> Result<(), String> {
        for (to, message) in step.sent {
            match message {
                Message::Paxos(Paxos::Bound(Bound::Promise {
                    ballot, chosen, reports, ..
                })) => {
                    let votes = reports.iter().map(|(slot, report)| match report {
                        Report::Voted(_) | Report::Chosen(_) => slot.next(),
                    });
                    let end = votes.max().unwrap_or(*chosen).max(*chosen);
                    if *to == To::Node(ballot.node()) {
                        // A promise that is repeated later reports votes of this very ballot.
                        let reported = self.reported.entry(*ballot).or_default();
                        reported.entry(step.node).or_insert(end);
                    }
                }
                Message::Confirm { ballot, .. } => self.serve(*ballot, step)?,
                Message::Paxos(_)
                | Message::Heartbeat(_)
                | Message::Confirmed { .. }
                | Message::Fetch { .. }
                | Message::Decrees { .. }
                | Message::Stranger(_) => {}
            }
        }
        Ok(())
    }
}

impl SettledReads {
    /// Every quorum of promises has one that tells of what was chosen. Which ones the leader heard
    /// is not seen from outside, so the least of all that were sent is asked for.
    fn serve(&self, ballot: Ballot, step: &Step<'_>) -> Result<(), String> {
        let Some(reported) = self.reported.get(&ballot) else { return Ok(()) };
        let least = reported.values().min().copied().unwrap_or_default();
        if step.after.chosen < least {
            return Err(format!(
                "node {} asks for reads in {ballot} at {}, and was told of {least}",
                step.node, step.after.chosen
            ));
        }
        Ok(())
    }
}
