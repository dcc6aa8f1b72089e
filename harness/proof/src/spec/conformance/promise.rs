//! What a Promise says, held against the disk of its sender.
//!
//! `MultiPaxos!Phase1b` reports `accepted[a]` of one moment at which the ballot was promised. By
//! the time that the message leaves, its sender's disk may have gone on: it may hold votes in that
//! ballot or in higher ones. Votes below the ballot are final by then. So a report is true if it
//! tells exactly the last votes below the ballot, but for slots with a vote in the ballot itself,
//! of which the earlier ones may be told and the later ones not: that is a moment. The claim kept
//! true: a promise that is let in hides no vote from its elect, and makes none up.

use super::Conformance;
use super::ballots::{BallotState, Part};
use super::breach::{Action, Failed, fails};
use super::slots::{Cast, Place, SlotState, show};
use synod_paxos::{Ballot, Report, Slot};
use synod_smr::CommandBatch;

/// One line of a Promise.
type Line = (Slot, Report<CommandBatch>);

const TRUTH: &str = "votes |-> [s \\in Slot |-> IF s < c THEN NoVote ELSE accepted[a][s]]";

impl Conformance {
    /// A Promise leaves. `Phase1b` was when its record became durable, if it has a record of its
    /// own: an acceptor that came to the ballot by voting promises it late.
    pub(super) fn told(
        &mut self,
        place: Place,
        ballot: Ballot,
        part: Part,
        reports: &[Line],
    ) -> Result<(), Failed> {
        if !self.acceptors[place].promises.contains(&ballot) {
            let promised = self.acceptors[place].promised;
            let found = format!("ballot {ballot} is not promised durably, but {promised}");
            return fails(Action::Phase1b, "PersistBeforeSend", found);
        }
        self.knows(Action::Phase1b, place, part.chosen)?;
        let reported = self.is_truth(place, ballot, part, reports)?;
        let acceptors = self.voters.len();
        let of = self.ballots.entry(ballot).or_insert_with(|| BallotState::new(acceptors));
        let held = &mut of.promises[place];
        let is_repeated = held.parts.contains(&part);
        held.reported = held.reported.max(reported);
        for (slot, report) in reports {
            if matches!(report, Report::Chosen(_)) && !held.known.contains(slot) {
                held.known.push(*slot);
            }
        }
        if !is_repeated {
            held.parts.push(part);
        }
        Ok(())
    }

    /// Checks the lines of a promise, and returns the end of those that bind its elect.
    fn is_truth(
        &self,
        place: Place,
        ballot: Ballot,
        part: Part,
        reports: &[Line],
    ) -> Result<Slot, Failed> {
        let first = part.first.max(part.chosen);
        let mut lines = reports.iter().peekable();
        let mut moment = Moment::default();
        let mut end = Slot::FIRST;
        for (slot, state) in self.slots.range(first..) {
            if part.end.is_some_and(|cut| cut <= *slot) {
                break;
            }
            let line = lines.next_if(|(told, _)| told == slot).map(|(_, report)| report);
            if is_line_true(place, ballot, (*slot, state), line, &mut moment)? {
                end = slot.next();
            }
        }
        if let Some((slot, report)) = lines.next() {
            let found =
                format!("ballot {ballot}, slot {slot}: told {}, durable is none", say(report));
            return fails(Action::Phase1b, TRUTH, found);
        }
        if moment.last_told >= moment.first_untold.unwrap_or(u64::MAX) {
            let found = format!("ballot {ballot}: a vote in it is told, and an earlier one is not");
            return fails(Action::Phase1b, TRUTH, found);
        }
        Ok(end)
    }
}

fn say(report: &Report<CommandBatch>) -> String {
    match report {
        Report::Voted(vote) => format!("{} in {}", show(&vote.decree), vote.ballot),
        Report::Chosen(decree) => format!("{} is chosen", show(decree)),
    }
}

/// When the votes in the promised ballot were cast that a promise tells, and does not tell.
#[derive(Debug, Default)]
struct Moment {
    last_told: u64,
    first_untold: Option<u64>,
}

impl Moment {
    fn on_vote(&mut self, vote: Option<Cast>, is_told: bool) {
        let Some(Cast { when, .. }) = vote else { return };
        if is_told {
            self.last_told = self.last_told.max(when);
        } else {
            self.first_untold = Some(self.first_untold.map_or(when, |first| first.min(when)));
        }
    }
}

/// Checks what is told of one slot, and tells whether it binds the elect: a vote below its ballot.
fn is_line_true(
    place: Place,
    ballot: Ballot,
    (slot, state): (Slot, &SlotState),
    line: Option<&Report<CommandBatch>>,
    moment: &mut Moment,
) -> Result<bool, Failed> {
    let (below, within) = (state.vote_below(place, ballot), state.vote_in(place, ballot));
    let says = |vote: &Cast, report: &Report<CommandBatch>| match report {
        Report::Voted(told) => {
            told.ballot == vote.ballot && told.decree == *state.decree(vote.decree)
        }
        Report::Chosen(_) => false,
    };
    let is_within = within.zip(line).is_some_and(|(vote, report)| says(&vote, report));
    moment.on_vote(within, is_within);
    match line {
        Some(_) if is_within => return Ok(false),
        Some(Report::Chosen(decree))
            if state.has_copy(place) && state.chosen_decree() == Some(decree) =>
        {
            return Ok(true);
        }
        Some(report) if below.is_some_and(|vote| says(&vote, report)) => return Ok(true),
        None if below.is_none() => return Ok(false),
        Some(_) | None => {}
    }
    let told = line.map_or_else(|| "nothing".to_owned(), say);
    let durable = below.or(within).map_or_else(
        || "no vote".to_owned(),
        |vote| format!("{} in {}", show(state.decree(vote.decree)), vote.ballot),
    );
    let found = format!("ballot {ballot}, slot {slot}: told {told}, durable is {durable}");
    fails(Action::Phase1b, TRUTH, found)
}
