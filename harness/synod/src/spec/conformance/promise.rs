//! What a Promise says, held against the disk of its sender.
//!
//! `MultiPaxos!Phase1b` reports `accepted[a]` of one moment at which the ballot was promised. By
//! the time that the message leaves, its sender's disk may have gone on: it may hold votes in that
//! ballot or in higher ones, and copies. So a report is true if there is one moment, while the
//! ballot was the one promised, at which the disk held in each slot what is told of it. The claim
//! kept true: a promise that is let in hides no vote from its candidate, and makes none up.

use synod_paxos::{Ballot, Report, Slot};
use synod_smr::CommandBatch;

use super::Conformance;
use super::ballots::{BallotState, PromisePart};
use super::deviation::{Action, Failed, fails};
use super::slots::{COPIED, Cast, Place, SlotState, show};
use std::ops::Bound;

/// One line of a Promise.
type Line = (Slot, Report<CommandBatch>);

const TRUTH: &str = "votes |-> [s \\in Slot |-> IF s < c THEN NoVote ELSE Told(a, s)]]";

impl Conformance {
    /// A Promise leaves. `Phase1b` was when its record became durable, if it has a record of its
    /// own: an acceptor that came to the ballot by voting promises it late.
    pub(super) fn told(
        &mut self,
        place: Place,
        ballot: Ballot,
        part: PromisePart,
        reports: &[Line],
    ) -> Result<(), Failed> {
        if self.heard.is_none() {
            return self.promise_heard(place, ballot, part, reports);
        }
        self.promise_told(place, ballot, &part, reports).map(drop)
    }

    /// Checks a Promise, and returns the end of those of its lines that bind its candidate.
    fn promise_told(
        &mut self,
        place: Place,
        ballot: Ballot,
        part: &PromisePart,
        reports: &[Line],
    ) -> Result<Slot, Failed> {
        if !self.acceptors[place].promises.contains_key(&ballot) {
            let promised = self.acceptors[place].promised;
            let found = format!("ballot {ballot} is not promised durably, but {promised}");
            return fails(Action::Phase1b, "PersistBeforeSend", found);
        }
        self.knows(Action::Phase1b, place, part.chosen)?;
        self.is_truth(place, ballot, part, reports)
    }

    /// A Promise counts for its candidate from here on.
    pub(super) fn promise_heard(
        &mut self,
        place: Place,
        ballot: Ballot,
        mut part: PromisePart,
        reports: &[Line],
    ) -> Result<(), Failed> {
        let reported = self.promise_told(place, ballot, &part, reports)?;
        let copied = |(slot, report): &Line| matches!(report, Report::Chosen(_)).then_some(*slot);
        part.copied = reports.iter().filter_map(copied).collect();
        let acceptors = self.voters.len();
        let of = self.ballots.entry(ballot).or_insert_with(|| BallotState::new(acceptors));
        let held = &mut of.promises[place];
        held.reported = held.reported.max(reported);
        // A part is sent again until it is heard, and counts once.
        if !held.parts.contains(&part) {
            held.parts.push(part);
        }
        Ok(())
    }

    /// Checks the lines of a promise, and returns the end of those that bind its candidate.
    fn is_truth(
        &self,
        place: Place,
        ballot: Ballot,
        part: &PromisePart,
        reports: &[Line],
    ) -> Result<Slot, Failed> {
        let first = part.first.max(part.chosen);
        let mut lines = reports.iter().peekable();
        let promises = &self.acceptors[place].promises;
        let higher = promises.range((Bound::Excluded(ballot), Bound::Unbounded)).next();
        let leadership = Moment {
            // The caller has seen that it is promised.
            since: promises.get(&ballot).copied().unwrap_or(0),
            until: higher.map_or(u64::MAX, |(_, when)| *when),
        };
        let mut moment = leadership;
        let mut end = Slot::FIRST;
        for (slot, state) in self.slots.range(first..) {
            if part.end.is_some_and(|cut| cut <= *slot) {
                break;
            }
            let line = lines.next_if(|(told, _)| told == slot).map(|(_, report)| report);
            if is_line_true(place, ballot, (*slot, state), line, (leadership, &mut moment))? {
                end = slot.next();
            }
        }
        if let Some((slot, report)) = lines.next() {
            let found =
                format!("ballot {ballot}, slot {slot}: told {}, durable is none", say(report));
            return fails(Action::Phase1b, TRUTH, found);
        }
        if moment.is_empty() {
            let found = format!("ballot {ballot}: a later vote is told, and an earlier one is not");
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

/// A span of the cluster's time, from one event of a disk on and up to another.
#[derive(Clone, Copy, Debug)]
struct Moment {
    since: u64,
    until: u64,
}

impl Moment {
    /// Returns what the spans have in common.
    fn and(self, other: Self) -> Self {
        Self { since: self.since.max(other.since), until: self.until.min(other.until) }
    }

    const fn is_empty(self) -> bool {
        self.since >= self.until
    }
}

/// Finds the last span within `leadership` in which the disk held what is told of a slot, and the
/// ballot of that vote or copy.
fn span(
    place: Place,
    state: &SlotState,
    line: Option<&Report<CommandBatch>>,
    leadership: Moment,
) -> Option<(Moment, Option<Ballot>)> {
    let says = |cast: Option<Cast>| match (cast, line) {
        (None, None) => true,
        (Some(cast), Some(Report::Voted(told))) => {
            told.ballot == cast.ballot && told.decree == *state.decree(cast.decree)
        }
        (Some(cast), Some(Report::Chosen(told))) => {
            cast.ballot == COPIED && told == state.decree(cast.decree)
        }
        (None, Some(_)) | (Some(_), None) => false,
    };
    let mut found = None;
    let mut held: Option<Cast> = None;
    for next in state.history(place).map(Some).chain([None]) {
        let since = held.map_or(0, |cast| cast.when);
        let until = next.map_or(u64::MAX, |cast| cast.when);
        let span = leadership.and(Moment { since, until });
        if says(held) && !span.is_empty() {
            found = Some((Moment { since, until }, held.map(|cast| cast.ballot)));
        }
        held = next;
    }
    found
}

/// Checks what is told of one slot, and tells whether it binds the candidate: a copy, or a vote
/// below its ballot.
fn is_line_true(
    place: Place,
    ballot: Ballot,
    (slot, state): (Slot, &SlotState),
    line: Option<&Report<CommandBatch>>,
    (leadership, moment): (Moment, &mut Moment),
) -> Result<bool, Failed> {
    if let Some((span, told)) = span(place, state, line, leadership) {
        *moment = moment.and(span);
        return Ok(told.is_some_and(|told| told != ballot));
    }
    let told = line.map_or_else(|| "nothing".to_owned(), say);
    let durable = state.history(place).take_while(|cast| cast.when < leadership.until).last();
    let durable = durable.map_or_else(
        || "no vote".to_owned(),
        |cast| match (cast.ballot, show(state.decree(cast.decree))) {
            (COPIED, decree) => format!("{decree}, copied"),
            (ballot, decree) => format!("{decree} in {ballot}"),
        },
    );
    let found = format!("ballot {ballot}, slot {slot}: told {told}, durable is {durable}");
    fails(Action::Phase1b, TRUTH, found)
}
