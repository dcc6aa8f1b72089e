//! One ballot of the specification's state: its promises, and what its leader announced.
//!
//! A promise is kept as what it covers. Its votes are not kept twice: the votes that an acceptor
//! cast below a ballot are final once it promised the ballot, and a promise is let in only if it
//! tells them truly, so they are read from the slots. The claim kept true: `allows` is the guard of
//! `MultiPaxos!Phase2a`, decided without trying every quorum.

use synod_paxos::{Ballot, Decree, Slot};
use synod_smr::CommandBatch;

use super::deviation::{Action, Failed, fails};
use super::slots::{COPIED, Number, Place, SlotState, show};

/// The slots that one Promise message tells of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PromisePart {
    /// The first slot asked for; the message says nothing of those below.
    pub(super) first: Slot,
    /// Where a report that was cut goes on.
    pub(super) end: Option<Slot>,
    /// The sender called all slots below this one chosen.
    pub(super) chosen: Slot,
    /// Where it tells a copy.
    pub(super) copied: Vec<Slot>,
}

impl PromisePart {
    pub(super) const fn new(first: Slot, end: Option<Slot>, chosen: Slot) -> Self {
        Self { first, end, chosen, copied: Vec::new() }
    }

    /// Tells whether a candidate that holds this may propose in `slot`.
    fn covers(&self, slot: Slot) -> bool {
        self.first.max(self.chosen) <= slot && self.end.is_none_or(|end| slot < end)
    }
}

/// The promises of one acceptor in one ballot.
#[derive(Clone, Debug, Default)]
pub(super) struct Promises {
    pub(super) parts: Vec<PromisePart>,
    /// The end of the slots in which copies, or votes below the ballot, were reported.
    pub(super) reported: Slot,
}

/// The state of one ballot; that there is one says that it is among `prepares`.
#[derive(Clone, Debug, Default)]
pub(super) struct BallotState {
    /// By acceptor.
    pub(super) promises: Vec<Promises>,
    /// The end of the prefix that the leader announced: what the ballot proposed below was held
    /// against what is chosen, and it proposes nothing there any more.
    pub(super) announced: Slot,
}

impl BallotState {
    pub(super) fn new(acceptors: usize) -> Self {
        let promises = vec![Promises::default(); acceptors];
        Self { promises, announced: Slot::FIRST }
    }

    /// Decides the guard of `Phase2a`: some phase-1 quorum promised, and allows the decree.
    ///
    /// Every quorum is a set of promisers, and a larger quorum allows no more of a decree that is
    /// reported, so it is enough to count: those whose votes are not above the best vote for the
    /// decree; or, for a decree that nobody reported, those that report nothing.
    pub(super) fn allows(
        &self,
        quorum: usize,
        (ballot, slot): (Ballot, Slot),
        decree: &Decree<CommandBatch>,
        state: Option<&SlotState>,
    ) -> Result<(), Failed> {
        let promised = self.promises.iter().filter(|promise| !promise.parts.is_empty()).count();
        if promised < quorum {
            let found = format!("ballot {ballot}, slot {slot}: {promised} of {quorum} promised");
            return fails(Action::Phase2a, "{m.acc : m \\in Q} = p", found);
        }
        let reports = self.reports((ballot, slot), state);
        if reports.len() < quorum {
            let found = format!(
                "ballot {ballot}, slot {slot}: {promised} promised, {} of them for this slot \
                 and without calling it chosen, of {quorum}",
                reports.len()
            );
            return fails(Action::Phase2a, "\\A m \\in P : m.chosen <= s", found);
        }
        let number = state.and_then(|state| state.known(decree));
        if is_proposal(&reports, quorum, decree, number) {
            return Ok(());
        }
        let told: Vec<_> = reports.iter().map(|report| report.show(state)).collect();
        let found = format!(
            "ballot {ballot}, slot {slot}: {}, but the promises say: {}",
            show(decree),
            told.join("; ")
        );
        fails(Action::Phase2a, "d \\in Proposals(P, s)", found)
    }

    /// Lists what the promises that cover a slot report there.
    fn reports(&self, (ballot, slot): (Ballot, Slot), state: Option<&SlotState>) -> Vec<Report> {
        let report = |(place, promises): (Place, &Promises)| {
            let below = state.and_then(|state| state.vote_below(place, ballot));
            let below = below.map(|cast| (cast.ballot, cast.decree));
            // A copied decree is the chosen one, so that it is not kept with the promise.
            let copy = state.and_then(SlotState::chosen).map(|decree| (COPIED, decree));
            let parts = promises.parts.iter().filter(|part| part.covers(slot));
            let votes = parts.map(|part| if part.copied.contains(&slot) { copy } else { below });
            let (votes, later) = (votes.collect::<Vec<_>>(), promises.reported > slot.next());
            (!votes.is_empty()).then_some(Report { votes, later })
        };
        self.promises.iter().enumerate().filter_map(report).collect()
    }
}

/// What the promises of one acceptor say of a slot.
#[derive(Clone, Debug)]
struct Report {
    /// `m.votes[s]`, for each promise m.
    votes: Vec<Option<(Ballot, Number)>>,
    /// Whether a later slot is reported.
    later: bool,
}

/// Tells whether some quorum of these makes the decree one of `Proposals(P, s)`.
fn is_proposal(
    reports: &[Report],
    quorum: usize,
    decree: &Decree<CommandBatch>,
    number: Option<Number>,
) -> bool {
    let told = reports.iter().flat_map(|report| &report.votes).copied().flatten();
    // A decree that the slot has not seen has no number, and equals none that was told.
    let best = told.filter(|(_, voted)| Some(*voted) == number).map(|(ballot, _)| ballot).max();
    let is_highest = best.is_some_and(|best| {
        let below = |vote: &Option<(Ballot, Number)>| vote.is_none_or(|(ballot, _)| ballot <= best);
        reports.iter().filter(|report| report.votes.iter().any(below)).count() >= quorum
    });
    is_highest || is_free(reports, quorum, decree)
}

/// Tells whether some quorum reports nothing, and a gap for a Noop, or none for a value.
fn is_free(reports: &[Report], quorum: usize, decree: &Decree<CommandBatch>) -> bool {
    let silent = || reports.iter().filter(|report| report.votes.iter().any(Option::is_none));
    match decree {
        Decree::Noop => silent().count() >= quorum && silent().any(|report| report.later),
        Decree::Value(_) => silent().filter(|report| !report.later).count() >= quorum,
    }
}

impl Report {
    fn show(&self, state: Option<&SlotState>) -> String {
        let later = if self.later { ", votes later on" } else { "" };
        let show = |vote: &Option<(Ballot, Number)>| match vote.zip(state) {
            Some(((COPIED, decree), state)) => format!("{}, copied", show(state.decree(decree))),
            Some(((ballot, decree), state)) => {
                format!("{} in {ballot}", show(state.decree(decree)))
            }
            None => "no vote".to_owned(),
        };
        format!("{}{later}", self.votes.iter().map(show).collect::<Vec<_>>().join(" or "))
    }
}
