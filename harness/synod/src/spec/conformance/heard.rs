//! What nodes heard of each other, where a trace tells it.
//!
//! In the specification a message counts once it is sent, as it may arrive at any time. A node
//! knows only what arrived: where that is told, a candidate proposes by the promises that it heard,
//! and a leader counts the votes that it heard of, its own aside. The claim kept true: this asks no
//! less than the guard of the action, as whatever is heard was sent.

use std::collections::BTreeMap;
use std::ops::Range;

use synod_paxos::{Ballot, Slot};

use super::Conformance;
use super::deviation::Failed;
use super::slots::Place;

/// The votes of which the leaders of ballots heard.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard {
    /// A bit for each place of a voter, of whom there are at most 31.
    votes: BTreeMap<(Slot, Ballot), u32>,
    /// How many were left when those that nobody asks about any more were last given up.
    kept: usize,
}

/// As long as there are fewer, none is given up.
const KEPT_MIN: usize = 1 << 14;

impl Heard {
    /// Counts who voted in a ballot, as its leader at `place` knows: itself, if it did, and whoever
    /// it heard of.
    pub(super) fn votes(&self, slot: Slot, ballot: Ballot, (place, voted): (Place, bool)) -> usize {
        let others = self.votes.get(&(slot, ballot)).copied().unwrap_or(0);
        let own = if voted { 1 << place } else { 0 };
        (others & !(1 << place) | own).count_ones() as usize
    }
}

impl Conformance {
    /// An Accepted counts for its leader from here on.
    pub(super) fn votes_heard(
        &mut self,
        (by, of): (Place, Place),
        ballot: Ballot,
        slots: Range<Slot>,
    ) -> Result<(), Failed> {
        self.answered(of, ballot, slots.clone())?;
        // What a leader learned it asks nobody about any more.
        let learned = self.acceptors[by].learned_end;
        let Some(heard) = &mut self.heard else { return Ok(()) };
        let mut slot = slots.start.max(learned);
        while slot < slots.end {
            *heard.votes.entry((slot, ballot)).or_default() |= 1 << of;
            slot = slot.next();
        }
        if heard.votes.len() >= 2 * heard.kept.max(KEPT_MIN) {
            let learned_by = |ballot: Ballot| {
                let owner = self.voters.binary_search(&ballot.node());
                owner.map_or(Slot::FIRST, |place| self.acceptors[place].learned_end)
            };
            heard.votes.retain(|(slot, ballot), _| *slot >= learned_by(*ballot));
            heard.kept = heard.votes.len();
        }
        Ok(())
    }
}
