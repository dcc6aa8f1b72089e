//! One slot of the specification's state: what was proposed, voted and learned there.
//!
//! It holds `accepts`, `cast` and `learned` of `MultiPaxos`, restricted to a slot, and knows no
//! guard. Decrees are numbered in the order in which the slot sees them, so that each is compared
//! once, when it comes in. The claim kept true: equal numbers of a slot are equal decrees.

use synod_paxos::{Ballot, Decree};
use synod_smr::CommandBatch;
use synod_smr::command::fingerprint;

/// Numbers the decrees of one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Number(u16);

/// An acceptor's place among the voters, which are few (`VOTERS_MAX`).
pub(super) type Place = usize;

/// One element of `cast[a]`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cast {
    pub(super) place: Place,
    pub(super) ballot: Ballot,
    pub(super) decree: Number,
    /// Grows with each vote of the cluster.
    pub(super) when: u64,
}

/// Prints a decree in a few words: it may be a megabyte long.
pub(super) fn show(decree: &Decree<CommandBatch>) -> String {
    match decree {
        Decree::Noop => "Noop".to_owned(),
        Decree::Value(batch) => {
            let bytes = batch.bytes();
            format!("value {:016x} of {} bytes", fingerprint(bytes), bytes.len())
        }
    }
}

/// The state of one slot.
#[derive(Clone, Debug, Default)]
pub(super) struct SlotState {
    decrees: Vec<Decree<CommandBatch>>,
    accepts: Vec<(Ballot, Number)>,
    cast: Vec<Cast>,
    chosen: Option<Number>,
    /// Which acceptors know the decree, a bit each.
    learned: u32,
    /// Which acceptors hold a durable copy of it, with no vote for another decree behind it.
    copied: u32,
}

impl SlotState {
    /// Returns the number of a decree that was proposed here.
    pub(super) fn known(&self, decree: &Decree<CommandBatch>) -> Option<Number> {
        let at = self.decrees.iter().position(|known| known == decree)?;
        u16::try_from(at).ok().map(Number)
    }

    /// Returns the decree of a number.
    pub(super) fn decree(&self, number: Number) -> &Decree<CommandBatch> {
        &self.decrees[usize::from(number.0)]
    }

    /// Returns what `ballot` proposed here.
    pub(super) fn proposed(&self, ballot: Ballot) -> Option<Number> {
        self.accepts.iter().rev().find(|(of, _)| *of == ballot).map(|(_, decree)| *decree)
    }

    /// Returns all proposals.
    pub(super) fn accepts(&self) -> &[(Ballot, Number)] {
        &self.accepts
    }

    /// Adds a proposal.
    pub(super) fn propose(&mut self, ballot: Ballot, decree: &Decree<CommandBatch>) {
        let number = self.known(decree).unwrap_or_else(|| {
            self.decrees.push(decree.clone());
            let count = u16::try_from(self.decrees.len() - 1);
            Number(count.expect("a slot is proposed in by few ballots"))
        });
        self.accepts.push((ballot, number));
    }

    /// Returns the vote that an acceptor cast here in `ballot`.
    pub(super) fn vote_in(&self, place: Place, ballot: Ballot) -> Option<Cast> {
        let mine = |cast: &&Cast| cast.place == place && cast.ballot == ballot;
        self.cast.iter().rev().find(mine).copied()
    }

    /// Returns the last vote that an acceptor cast here below `ballot`.
    pub(super) fn vote_below(&self, place: Place, ballot: Ballot) -> Option<Cast> {
        let mine = |cast: &&Cast| cast.place == place && cast.ballot < ballot;
        self.cast.iter().rev().find(mine).copied()
    }

    /// Returns `accepted[a]`: the last vote of an acceptor.
    pub(super) fn accepted(&self, place: Place) -> Option<Cast> {
        self.cast.iter().rev().find(|cast| cast.place == place).copied()
    }

    /// Adds a vote, and returns how many there are for the same decree in the same ballot.
    pub(super) fn vote(&mut self, cast: Cast) -> usize {
        self.cast.push(cast);
        if self.chosen != Some(cast.decree) {
            self.copied &= !(1 << cast.place);
        }
        self.votes_in(cast.ballot)
    }

    /// Counts the votes of one ballot.
    pub(super) fn votes_in(&self, ballot: Ballot) -> usize {
        self.cast.iter().filter(|cast| cast.ballot == ballot).count()
    }

    /// Returns the decree that a quorum voted for.
    pub(super) const fn chosen(&self) -> Option<Number> {
        self.chosen
    }

    pub(super) const fn choose(&mut self, decree: Number) {
        self.chosen = Some(decree);
    }

    /// Returns the decree that is chosen here.
    pub(super) fn chosen_decree(&self) -> Option<&Decree<CommandBatch>> {
        self.chosen.map(|number| self.decree(number))
    }

    /// Tells whether an acceptor knows what is chosen.
    pub(super) const fn has_learned(&self, place: Place) -> bool {
        self.learned >> place & 1 == 1
    }

    /// Tells whether anybody knows what is chosen.
    pub(super) const fn is_learned(&self) -> bool {
        self.learned != 0
    }

    pub(super) const fn learn(&mut self, place: Place) {
        self.learned |= 1 << place;
    }

    /// Notes that an acceptor holds a durable copy of what is chosen.
    pub(super) const fn copy(&mut self, place: Place) {
        self.copied |= 1 << place;
    }

    /// Tells whether the disk of an acceptor holds a copy of what is chosen here.
    pub(super) const fn has_copy(&self, place: Place) -> bool {
        self.copied >> place & 1 == 1
    }

    /// Tells whether the disk of an acceptor holds what is chosen here, as a vote or as a copy.
    pub(super) fn holds_chosen(&self, place: Place) -> bool {
        let voted = self.accepted(place).map(|cast| cast.decree);
        self.has_copy(place) || (voted.is_some() && voted == self.chosen)
    }
}
