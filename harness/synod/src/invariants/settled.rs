//! SettledReads: only a leader whose reported slots are chosen again begins to confirm reads.
//!
//! A leader that is not settled may not know of a write that was acknowledged before it was
//! elected; the rule is protocol knowledge, so it is looked at from outside: the first question of
//! a ballot leaves only when all that the candidate was told is chosen. It was told by the promises
//! that it took in before it led, and by no others that were sent: those of some other quorum may
//! ask for less. What it promised itself no message shows, and is not asked for.

use std::collections::BTreeMap;

use synod_paxos::{AfterSync, Ballot, Message as Paxos, NodeId, Slot, To};
use synod_smr::Message;

use super::Invariant;
use crate::step::{Cause, Kind, Step};

/// What the candidate of each ballot was told.
#[derive(Default)]
pub(crate) struct SettledReads {
    candidates: BTreeMap<Ballot, Candidate>,
}

/// The promises that a candidate took in.
#[derive(Default)]
struct Candidate {
    /// The first slot that it asked for.
    asked: Slot,
    /// Where the promise of each node goes on that was cut; none if it is complete.
    rest: BTreeMap<NodeId, Option<Slot>>,
    /// Up to where it must have chosen before it may serve reads.
    told: Slot,
}

impl Invariant for SettledReads {
    fn name(&self) -> &'static str {
        "settled-reads"
    }

    fn on_step(&mut self, step: &Step<'_>) -> Result<(), String> {
        for given in step.given {
            // A promise that comes once the node leads was not needed for its election.
            let prepares = given.before.ballot.filter(|_| given.before.leads.is_none());
            if let Cause::Message(from, Kind::Promise { ballot, first, cut, told, .. }) =
                given.cause
                && prepares == Some(ballot)
            {
                self.on_promise(ballot, from, (first, cut, told));
            }
        }
        for (to, message) in step.sent {
            self.on_sent(step.node, step.after.chosen, to, message)?;
        }
        Ok(())
    }
}

impl Candidate {
    /// Takes in a promise for the slots from `first` on, unless it repeats what was heard, or
    /// comes before the part that it adjoins: what stands past a gap binds nobody.
    fn hear(&mut self, from: NodeId, first: Slot, cut: Option<Slot>, told: Slot) {
        let due = self.rest.get(&from).copied().unwrap_or(Some(self.asked));
        if due.is_none_or(|due| first > due || cut.is_some_and(|cut| cut <= due)) {
            return;
        }
        self.rest.insert(from, cut);
        self.told = self.told.max(told);
    }
}

impl SettledReads {
    /// Hears that a candidate that does not lead yet took a promise in: from which slot on it
    /// tells, where it was cut, and up to where it binds.
    pub(crate) fn on_promise(
        &mut self,
        ballot: Ballot,
        from: NodeId,
        (first, cut, told): (Slot, Option<Slot>, Slot),
    ) {
        self.candidates.entry(ballot).or_default().hear(from, first, cut, told);
    }

    /// Hears what leaves a node whose chosen prefix ends there.
    ///
    /// # Errors
    ///
    /// Fails where it begins to confirm reads before all that it was told of is chosen.
    pub(crate) fn on_sent(
        &mut self,
        node: NodeId,
        chosen: Slot,
        to: &To,
        message: &Message,
    ) -> Result<(), String> {
        if let Message::Confirm { ballot, .. } = message {
            self.serve(*ballot, node, chosen)?;
        }
        if let Message::Paxos(Paxos::AfterSync(AfterSync::Prepare { ballot, first })) = message
            && *to == To::Peers
        {
            self.candidates.entry(*ballot).or_default().asked = *first;
        }
        Ok(())
    }

    fn serve(&self, ballot: Ballot, node: NodeId, chosen: Slot) -> Result<(), String> {
        // A ballot without promises was told of nothing: a single voter asks nobody else.
        // It asked for nothing below: that was chosen, as it knew.
        let binds = |candidate: &Candidate| candidate.told.max(candidate.asked);
        let told = self.candidates.get(&ballot).map_or(Slot::FIRST, binds);
        if chosen < told {
            return Err(format!(
                "node {node} asks for reads in {ballot} at {chosen}, and was told of {told}"
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANDIDATE: NodeId = NodeId::new(1);
    const BALLOT: Ballot = Ballot::new(3, CANDIDATE);

    fn served(promises: &[(u16, u64, Option<u64>, u64)], chosen: u64) -> bool {
        let mut reads = SettledReads::default();
        for (from, first, cut, told) in promises {
            let candidate = reads.candidates.entry(BALLOT).or_default();
            let (first, told) = (Slot::new(*first), Slot::new(*told));
            candidate.hear(NodeId::new(*from), first, cut.map(Slot::new), told);
        }
        reads.serve(BALLOT, CANDIDATE, Slot::new(chosen)).is_ok()
    }

    /// Of five, nodes 2 and 3 made the quorum: that 2 alone asks for less does not help.
    #[test]
    fn the_promise_that_tells_most_counts() {
        let heard = [(2, 0, None, 5), (3, 0, None, 9)];
        assert!(!served(&heard, 5) && !served(&heard, 8));
        assert!(served(&heard, 9));
        assert!(served(&[], 0), "nobody but itself");
    }

    #[test]
    fn a_promise_counts_in_all_of_its_parts_and_once() {
        let heard = [(2, 0, Some(4), 4), (2, 0, Some(4), 99), (2, 4, None, 7), (2, 4, None, 99)];
        assert!(!served(&heard, 6));
        assert!(served(&heard, 7), "what is repeated later is not taken in");
        let heard = [(2, 4, None, 9), (3, 0, None, 2)];
        assert!(served(&heard, 2), "a part past a gap binds nobody");
    }
}
