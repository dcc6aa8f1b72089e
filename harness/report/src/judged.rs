//! A history that was judged by itself: what is known of it, and how it comes onto the page.
//!
//! Judging is the caller's, and the page is that of a run without what a file alone cannot tell.
//! The claim kept true: nothing of a run is made up for it, and each operation of the history is
//! counted once, with the answer that it was judged by.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use synod_checker::{CheckerSummary, CoreOperation, ViolationCore};
use synod_history::{Action, Answer, Ending, History, Operation, Text};

use super::clock::Clock;
use super::digest::Digest;
use super::reader::{Event, Kind, Printed};
use crate::{PlanSummary, RunSummary, Verdict};

/// A history that was judged by itself, and what was found.
#[derive(Clone, Copy, Debug)]
pub struct JudgedHistory<'a> {
    /// The file, as it was named.
    pub file: &'a str,
    /// The name of its format.
    pub format: &'a str,
    /// What it was judged by, where that was decided.
    pub model: Option<&'a str>,
    /// The verdict.
    pub verdict: Verdict,
    /// Why the verdict is what it is, one sentence each.
    pub reasons: &'a [String],
    /// What was read; none if the file could not be.
    pub history: Option<&'a History>,
    /// The few operations that no order explains, where there are some.
    pub violation: Option<&'a ViolationCore>,
    /// What the checker did, if it was asked.
    pub checker: Option<&'a CheckerSummary>,
    /// The command that judges the history again.
    pub reproduce: &'a str,
    /// The version of the program that judged it.
    pub version: &'a str,
}

/// What a page is about.
#[derive(Clone, Copy, Debug)]
pub(super) enum Subject<'a> {
    /// A run: all that was seen of it is in its summary.
    Run,
    /// A history alone.
    History(&'a JudgedHistory<'a>),
}

impl<'a> Subject<'a> {
    /// Returns the history that a page is about, if it is about no run.
    pub(super) fn history(self) -> Option<&'a JudgedHistory<'a>> {
        match self {
            Self::Run => None,
            Self::History(judged) => Some(judged),
        }
    }

    /// Names where the figures are that have no room on the page.
    pub(super) fn figures(self) -> &'static str {
        match self {
            Self::Run => "report.json",
            Self::History(_) => "what the command prints",
        }
    }

    /// Names where the operations are that have no room on the page.
    pub(super) fn operations(self) -> &'static str {
        match self {
            Self::Run => "history.jsonl",
            Self::History(_) => "the history",
        }
    }

    /// Tells whether there are operations to be drawn.
    pub(super) fn has_operations(self) -> bool {
        self.history().is_none_or(|judged| judged.history.is_some())
    }
}

impl JudgedHistory<'_> {
    /// Returns what there would be in the summary of a run. What no history tells stays empty, and
    /// the page says of it that it is not known.
    pub(super) fn summary(&self, clock: Clock, events: Option<&Events<'_>>) -> RunSummary {
        RunSummary {
            verdict: self.verdict,
            reasons: self.reasons.to_vec(),
            checks: Vec::new(),
            seed: 0,
            version: self.version.to_owned(),
            system: self.file.to_owned(),
            started_unix_ms: 0,
            duration_ms: 0,
            reproduce: self.reproduce.to_owned(),
            plan: PlanSummary {
                nodes: 0,
                clients: events.map_or(1, |events| events.clients),
                time_s: 0,
                workload: String::new(),
                nemesis: String::new(),
            },
            counts: self.history.map(|history| history.counts).unwrap_or_default(),
            exercise: None,
            audit: None,
            space_time: None,
            violation: self.violation.map(|core| placed(core, clock)),
            faults: Vec::new(),
            leaders: Vec::new(),
            links: Vec::new(),
            after_heal: None,
            nodes: Vec::new(),
            checker: self.checker.cloned(),
        }
    }
}

/// Puts the operations of a core on the axis.
fn placed(core: &ViolationCore, clock: Clock) -> ViolationCore {
    let place = |one: &CoreOperation| {
        let end = one.return_ns.map(|at| clock.place(at, one.returned.unwrap_or(one.called)));
        CoreOperation {
            key: key_name(&one.key).to_owned(),
            call_ns: clock.place(one.call_ns, one.called),
            return_ns: end,
            ..one.clone()
        }
    };
    let operations = core.operations.iter().map(place).collect();
    ViolationCore { key: key_name(&core.key).to_owned(), operations, ..core.clone() }
}

/// The events of a history in their order, each with the client in whose lane it is drawn.
#[derive(Debug)]
pub(super) struct Events<'a> {
    history: &'a History,
    all: Vec<Moment<'a>>,
    /// One more than the largest number of a client.
    clients: u32,
}

/// An event of a history that was read.
#[derive(Clone, Copy, Debug)]
struct Moment<'a> {
    position: u32,
    client: u32,
    operation: &'a Operation,
    what: What<'a>,
}

#[derive(Clone, Copy, Debug)]
enum What<'a> {
    Call,
    Answer,
    Failed(&'a Ending),
    Unknown(&'a Ending),
}

impl<'a> Events<'a> {
    /// Puts the events of a history in order.
    pub(super) fn of(history: &'a History) -> Self {
        let ends: BTreeMap<u32, &Ending> =
            history.endings.iter().map(|ending| (ending.called, ending)).collect();
        let kept = history.operations.iter().map(|operation| (operation, false));
        let failed = history.failed.iter().map(|operation| (operation, true));
        let mut operations: Vec<(&Operation, bool)> = kept.chain(failed).collect();
        operations.sort_by_key(|(operation, _)| operation.called);
        let mut clients = Clients::of(operations.iter().map(|(operation, _)| operation.process));
        let mut all = Vec::with_capacity(operations.len() * 2);
        for (operation, has_failed) in operations {
            let end = match (operation.returned, ends.get(&operation.called)) {
                (Some(at), _) => Some((at, What::Answer)),
                (None, Some(ending)) if has_failed => Some((ending.at, What::Failed(ending))),
                (None, Some(ending)) => Some((ending.at, What::Unknown(ending))),
                (None, None) => None,
            };
            let client = clients.take(operation, end.map(|(at, _)| at));
            let moment = |position, what| Moment { position, client, operation, what };
            all.push(moment(operation.called, What::Call));
            all.extend(end.map(|(at, what)| moment(at, what)));
        }
        // Calls and ends were gathered by operation, and are told in the order of the events.
        all.sort_by_key(|moment| moment.position);
        Self { history, all, clients: clients.count() }
    }

    /// Returns how many there are.
    pub(super) fn count(&self) -> u64 {
        self.all.len() as u64
    }

    /// Counts all of them.
    pub(super) fn feed(&self, clock: Clock, digest: &mut Digest) {
        for moment in &self.all {
            digest.take(&self.event(clock, moment));
        }
    }

    fn event(&self, clock: Clock, moment: &Moment<'a>) -> Event<'a> {
        let (history, operation) = (self.history, moment.operation);
        let (kind, time_ns, value) = match moment.what {
            What::Call => (Kind::Invoke, operation.call_ns, argument(history, operation.action)),
            What::Answer => (Kind::Ok, operation.return_ns, answer(history, operation.answer)),
            What::Failed(ending) => (Kind::Fail, ending.time_ns, Printed::default()),
            What::Unknown(ending) => (Kind::Info, ending.time_ns, Printed::default()),
        };
        let error = match moment.what {
            What::Call | What::Answer => None,
            What::Failed(ending) | What::Unknown(ending) => {
                let reason = ending.reason.map_or(NO_REASON, |reason| history.texts.text(reason));
                Some(Printed(Cow::Borrowed(reason)))
            }
        };
        Event {
            time_ns: clock.place(time_ns, moment.position),
            process: Printed(Cow::Owned(moment.client.to_string())),
            kind,
            f: Printed(Cow::Borrowed(operation.action.f())),
            key: Printed(Cow::Borrowed(key_name(history.texts.text(operation.key)))),
            value,
            error,
        }
    }
}

/// In whose lane an operation is drawn: in its client's, unless that one is busy. Some tools know
/// of no clients, and give all operations one number.
struct Clients {
    /// Until which position each client that called is busy.
    busy: BTreeMap<u32, u32>,
    /// The same of lanes beyond those of the clients, the first to be free first.
    more: BTreeSet<(u32, u32)>,
    next: u32,
}

impl Clients {
    fn of(processes: impl Iterator<Item = u32>) -> Self {
        // Further lanes are numbered from here on, so that none has the number of a client.
        let next = processes.max().map_or(0, |last| last.saturating_add(1));
        Self { busy: BTreeMap::new(), more: BTreeSet::new(), next }
    }

    /// Returns the client for an operation. What never ends keeps nobody busy: it is drawn until
    /// the next call of its client.
    fn take(&mut self, operation: &Operation, end: Option<u32>) -> u32 {
        let (called, until) = (operation.called, end.unwrap_or(operation.called));
        let own = self.busy.entry(operation.process).or_default();
        if *own <= called {
            *own = until;
            return operation.process;
        }
        let free = self.more.first().copied().filter(|(busy, _)| *busy <= called);
        let client = if let Some(place) = free {
            self.more.remove(&place);
            place.1
        } else {
            self.next = self.next.saturating_add(1);
            self.next - 1
        };
        self.more.insert((until, client));
        client
    }

    fn count(&self) -> u32 {
        self.next.max(1)
    }
}

fn argument(history: &History, action: Action) -> Printed<'_> {
    let text = |text: Text| history.texts.text(text);
    match action {
        Action::Read | Action::Delete => Printed(Cow::Borrowed(NULL)),
        Action::Write(value) | Action::Append(value) => Printed(Cow::Borrowed(text(value))),
        Action::Cas { from, to } => {
            let pair = format!("[{}, {}]", from.map_or(NULL, text), text(to));
            Printed(Cow::Owned(pair))
        }
        Action::Add(delta) => Printed(Cow::Owned(delta.to_string())),
    }
}

fn answer(history: &History, answer: Answer) -> Printed<'_> {
    Printed(match answer {
        Answer::Unknown | Answer::Done | Answer::Seen(None) => Cow::Borrowed(NULL),
        Answer::Seen(Some(seen)) => Cow::Borrowed(history.texts.text(seen)),
        Answer::Swapped(swapped) => Cow::Borrowed(if swapped { "true" } else { "false" }),
        Answer::Sum(sum) => Cow::Owned(sum.to_string()),
    })
}

/// Names the key of a history that has one alone.
fn key_name(key: &str) -> &str {
    if key.is_empty() { ONLY_KEY } else { key }
}

/// How the key is named of a history that has one alone, as the checker does.
pub(super) const ONLY_KEY: &str = "the register";

/// Where there is no value.
const NULL: &str = "null";

/// Where a history gives no reason for an end, or was read by one that keeps none.
const NO_REASON: &str = "no reason was read";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a broken setup should fail the test")]

    use super::*;
    use synod_history::import::Format;

    /// Returns how the operations of a history are counted: ok, failed, unknown, open, out of turn.
    fn check(format: Format, text: &str) -> [u64; 5] {
        let history = format.read(text, "test").unwrap();
        let judged = JudgedHistory {
            file: "test",
            format: format.name(),
            model: None,
            verdict: Verdict::Pass,
            reasons: &[],
            history: Some(&history),
            violation: None,
            checker: None,
            reproduce: "",
            version: "",
        };
        let (clock, events) = (Clock::of(&history), Events::of(&history));
        let mut digest = Digest::new(&judged.summary(clock, Some(&events)));
        events.feed(clock, &mut digest);
        digest.finish();
        let total = digest.total;
        [total.ok, total.fail, total.info, digest.open_at_end, digest.out_of_turn]
    }

    #[test]
    fn every_end_is_counted_as_it_was_read() {
        let text = "{:process 0 :type :invoke :f :write :value 1}\
            {:process 1 :type :invoke :f :read}\
            {:process 0 :type :ok :f :write :value 1}\
            {:process 1 :type :fail :f :read :error :timeout}\
            {:process 2 :type :invoke :f :cas :value [1 2]}\
            {:process 2 :type :info :f :cas :value [1 2]}\
            {:process 3 :type :invoke :f :write :value 9}";
        assert_eq!(check(Format::Edn, text), [1, 1, 1, 1, 0]);
    }

    #[test]
    fn operations_of_one_number_at_once_are_all_counted() {
        let one = |call: u32, end: u32, value: u32| {
            format!(
                "{{\"ClientId\":0,\"Input\":{{\"Op\":1,\"Key\":\"x\",\"Value\":\"{value}\"}},\
                 \"Call\":{call},\"Output\":null,\"Return\":{end}}}\n"
            )
        };
        let text = one(1, 9, 1) + &one(2, 8, 2) + &one(3, 4, 3) + &one(5, 6, 4) + &one(10, 11, 5);
        assert_eq!(check(Format::PorcupineJson, &text), [5, 0, 0, 0, 0]);
    }
}
