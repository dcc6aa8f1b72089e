//! One slot of the specification's state: what was proposed, voted and learned there.
//!
//! It holds `accepts`, `cast` and `learned` of `MultiPaxos`, restricted to a slot, and knows no
//! guard. Decrees are numbered in the order in which the slot sees them, so that each is compared
//! once, when it comes in. The claim kept true: equal numbers of a slot are equal decrees.

use synod_paxos::{Ballot, Decree, NodeId};
use synod_smr::{CommandBatch, fingerprint};

/// Numbers the decrees of one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Number(u16);

/// An acceptor's place among the voters, which are few (`VOTERS_MAX`).
pub(super) type Place = usize;

/// `Copied`: the ballot in which a copied decree counts as voted for, above all others.
pub(super) const COPIED: Ballot = Ballot::new(u64::MAX, NodeId::new(u16::MAX));

/// One element of `cast[a]`; or, in the ballot [`COPIED`], what an acceptor has copied.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cast {
    pub(super) place: Place,
    pub(super) ballot: Ballot,
    pub(super) decree: Number,
    /// Grows with each promise, vote and copy of the cluster.
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

    /// Returns `accepted[a]`: the last vote of an acceptor, or the copy that took its place.
    pub(super) fn accepted(&self, place: Place) -> Option<Cast> {
        self.cast.iter().rev().find(|cast| cast.place == place).copied()
    }

    /// Returns all that `accepted[a]` ever was, in order.
    pub(super) fn history(&self, place: Place) -> impl Iterator<Item = Cast> {
        self.cast.iter().filter(move |cast| cast.place == place).copied()
    }

    /// Adds a vote, and returns how many there are for the same decree in the same ballot.
    pub(super) fn vote(&mut self, cast: Cast) -> usize {
        self.cast.push(cast);
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

    /// Notes that an acceptor copied what is chosen: `Kept(a, s, d)`.
    pub(super) fn copy(&mut self, place: Place, when: u64) {
        let Some(decree) = self.chosen.filter(|_| !self.holds_chosen(place)) else { return };
        self.cast.push(Cast { place, ballot: COPIED, decree, when });
    }

    /// Counts the copies that an acceptor made.
    pub(super) fn copies(&self, place: Place) -> usize {
        self.history(place).filter(|cast| cast.ballot == COPIED).count()
    }

    /// Tells whether the disk of an acceptor holds what is chosen here, as a vote or as a copy.
    pub(super) fn holds_chosen(&self, place: Place) -> bool {
        self.accepted(place).is_some_and(|cast| Some(cast.decree) == self.chosen)
    }
}
