//! Traces of real nodes, message for message, held against the specification.
//!
//! Here nothing is filled in: each node wrote down every message before it left, every record when
//! it knew it to be durable, and every decree that it took for chosen. All of them have the time of
//! one clock, read after all that a turn took in had come and before anything left: so a cause has
//! an earlier time than its effect, and events in the order of their times are a behaviour, or the
//! nodes are wrong. Answers to questions are held against the rounds that confirm them, too.
//!
//! Where clocks were made to fail, only the order of each node is believed. The search for one of
//! all is greedy then, as in `validate`, and complete for the same reason: what a guard asks of
//! other nodes, that something was asked, proposed, voted for, promised or chosen, only grows, so
//! an event that can be taken is never taken too early. Less is found in this way: what a node did
//! too early is explained by what came later.
//!
//! The claim kept true: what is followed is a behaviour that the conformance took event by event,
//! in the order in which each node did it; nothing is skipped.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::PathBuf;

use synod_host::{TraceEvent, TraceReader, print_of};
use synod_paxos::{Configuration, NodeId, Slot};
use synod_simulator::Micros;
use synod_smr::{Connection, Message, Record, RequestId};

use crate::invariants::{ConfirmedReads, Occasion, SettledReads};
use crate::spec::conformance::{Action, Conformance, Deviation};
use crate::step::Kind;

/// What the times in traces are worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clocks {
    /// All nodes read one clock that nobody sets: the order of the times is that of the events.
    Shared,
    /// Some were made to jump, or to run fast or slow: the times say nothing.
    Faulty,
}

/// The traces of one node: one for each of its lives, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeTrace {
    /// The node.
    pub node: NodeId,
    /// The traces.
    pub lives: Vec<TraceLife>,
}

/// Where the trace of one life is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TraceLife {
    /// In a file.
    File(PathBuf),
    /// Here.
    Bytes(Vec<u8>),
}

impl TraceLife {
    fn open(&self) -> io::Result<Box<dyn Read + '_>> {
        Ok(match self {
            Self::File(path) => Box::new(BufReader::new(File::open(path)?)),
            Self::Bytes(bytes) => Box::new(&bytes[..]),
        })
    }

    fn path(&self) -> PathBuf {
        match self {
            Self::File(path) => path.clone(),
            Self::Bytes(_) => PathBuf::new(),
        }
    }
}

/// Why traces are not followed to their ends.
#[derive(Debug, thiserror::Error)]
pub enum Unfollowed {
    /// What a node did next is no action of the specification, whatever the others did before.
    #[error("no order explains the traces:{}", lines(.0))]
    Blocked(Vec<Standing>),
    /// A trace is as long as it may be: what follows in it is not known, and nothing can be said.
    #[error("the trace of node {0} is longer than one may be")]
    Full(NodeId),
    /// A file cannot be read.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said, or what is wrong in it.
        error: io::Error,
    },
}

/// Where a node's trace stands that cannot be followed any further.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("life {life} of node {node}, event {at}, {event}: {breach}")]
pub struct Standing {
    /// The node.
    pub node: NodeId,
    /// Which of its traces it is, counted from 1.
    pub life: usize,
    /// Which event of that trace, counted from 1.
    pub at: u64,
    /// The event, in a few words.
    pub event: String,
    /// What is wrong with it: the guard that fails, or the rule that is broken.
    pub breach: String,
}

fn lines(standing: &[Standing]) -> String {
    standing.iter().map(|standing| format!("\n  {standing}")).collect()
}

/// Traces that were followed to their ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Followed {
    /// How many events each node's traces hold.
    pub nodes: BTreeMap<NodeId, u64>,
    /// How often each action was taken.
    pub actions: BTreeMap<&'static str, u64>,
}

impl fmt::Display for Followed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let events: u64 = self.nodes.values().sum();
        let actions: Vec<_> =
            self.actions.iter().map(|(name, count)| format!("{count} {name}")).collect();
        let (nodes, actions) = (self.nodes.len(), actions.join(", "));
        write!(formatter, "{events} events of {nodes} nodes followed: {actions}")?;
        let silent = self.nodes.iter().filter(|(_, events)| **events == 0);
        silent.into_iter().try_for_each(|(node, _)| write!(formatter, "; none of node {node}"))
    }
}

/// Follows the traces of all voters, event by event, through the specification.
///
/// # Errors
///
/// Where the events are no behaviour, with the reason for each node that stands; and where a trace
/// cannot be read to its end.
pub fn follow(
    voters: &Configuration,
    traces: &[NodeTrace],
    clocks: Clocks,
) -> Result<Followed, Unfollowed> {
    let mut judges = Judges {
        conformance: Conformance::new(voters).where_hearing_is_told(),
        confirmed: ConfirmedReads::new(voters),
        settled: SettledReads::default(),
        clocks,
    };
    let mut walkers: Vec<_> = traces.iter().map(Walker::new).collect();
    for walker in &mut walkers {
        walker.look()?;
    }
    match clocks {
        Clocks::Shared => follow_in_time(&mut walkers, &mut judges)?,
        Clocks::Faulty => follow_in_any_order(&mut walkers, &mut judges)?,
    }
    let standing: Vec<_> = walkers.iter().filter_map(Walker::standing).collect();
    if !standing.is_empty() {
        return Err(Unfollowed::Blocked(standing));
    }
    let nodes = walkers.iter().map(|walker| (walker.node, walker.taken)).collect();
    Ok(Followed { nodes, actions: judges.conformance.actions() })
}

/// Takes one turn after the other, the earliest first, until the end or the first that is refused.
fn follow_in_time(walkers: &mut [Walker<'_>], judges: &mut Judges) -> Result<(), Unfollowed> {
    loop {
        let waiting = walkers.iter_mut().filter(|walker| walker.next.is_some());
        let Some(first) = waiting.min_by_key(|walker| walker.begins_at()) else { return Ok(()) };
        loop {
            if !first.take(judges)? {
                return Ok(());
            }
            if first.begins_at().is_some() || first.next.is_none() {
                break;
            }
        }
    }
}

/// Takes what can be taken of each node in turn, until nothing can.
fn follow_in_any_order(walkers: &mut [Walker<'_>], judges: &mut Judges) -> Result<(), Unfollowed> {
    let mut any = true;
    while any {
        any = false;
        for walker in walkers.iter_mut() {
            while walker.next.is_some() && walker.take(judges)? {
                any = true;
            }
        }
    }
    Ok(())
}

/// Who judges the events.
struct Judges {
    conformance: Conformance,
    confirmed: ConfirmedReads,
    settled: SettledReads,
    clocks: Clocks,
}

/// What a node did, as one step of the search.
#[allow(clippy::large_enum_variant, reason = "there is one of each node at a time")]
#[derive(Debug)]
enum Next {
    /// A life began, with all that its journal gave back.
    Life { at_ns: u64, incarnation: u64, state_at: Slot, records: Vec<Record> },
    /// Anything else.
    Event(TraceEvent),
}

/// The traces of one node, as far as they are taken.
struct Walker<'t> {
    node: NodeId,
    lives: &'t [TraceLife],
    reader: Option<TraceReader<Box<dyn Read + 't>>>,
    life: usize,
    at: u64,
    taken: u64,
    /// Which start of the node the life under way is.
    incarnation: u64,
    /// When the turn under way took place.
    now: Micros,
    /// The end of the chosen prefix in it.
    chosen: Slot,
    /// What clients asked in it.
    asked: BTreeSet<(Connection, RequestId)>,
    next: Option<Next>,
    breach: Option<String>,
}

impl<'t> Walker<'t> {
    fn new(trace: &'t NodeTrace) -> Self {
        Self {
            node: trace.node,
            lives: &trace.lives,
            reader: None,
            life: 0,
            at: 0,
            taken: 0,
            incarnation: 0,
            now: Micros(0),
            chosen: Slot::FIRST,
            asked: BTreeSet::new(),
            next: None,
            breach: None,
        }
    }

    /// Returns when the next event took place, if it is the first of a life or a turn.
    fn begins_at(&self) -> Option<u64> {
        match self.next.as_ref()? {
            Next::Life { at_ns, .. } | Next::Event(TraceEvent::Turn { at_ns, .. }) => Some(*at_ns),
            Next::Event(_) => None,
        }
    }

    /// Takes the next event, if it can be taken; tells whether it was.
    fn take(&mut self, judges: &mut Judges) -> Result<bool, Unfollowed> {
        let Some(next) = self.next.take() else { return Ok(false) };
        let judged = self.judge(judges, &next);
        self.breach = judged.err();
        if self.breach.is_some() {
            self.next = Some(next);
            return Ok(false);
        }
        self.taken += 1;
        self.look()?;
        Ok(true)
    }

    /// Looks at what comes next.
    fn look(&mut self) -> Result<(), Unfollowed> {
        self.next = self.read()?;
        Ok(())
    }

    /// Reads what the node did next; nothing after the end of its last life.
    fn read(&mut self) -> Result<Option<Next>, Unfollowed> {
        let mut records = Vec::new();
        loop {
            let event = self.reader.as_mut().and_then(Iterator::next).transpose();
            let event = event.map_err(|error| self.failed(error))?;
            self.at += 1;
            match event {
                Some(TraceEvent::Recovered(record)) => records.push(record),
                Some(TraceEvent::Began { at_ns, incarnation, state_at }) => {
                    return Ok(Some(Next::Life { at_ns, incarnation, state_at, records }));
                }
                Some(TraceEvent::Full) => return Err(Unfollowed::Full(self.node)),
                Some(
                    event @ (TraceEvent::Turn { .. }
                    | TraceEvent::Durable(_)
                    | TraceEvent::Heard { .. }
                    | TraceEvent::Asked(..)
                    | TraceEvent::State(_)
                    | TraceEvent::Learned { .. }
                    | TraceEvent::Sent(..)
                    | TraceEvent::Answered { .. }),
                ) => return Ok(Some(Next::Event(event))),
                // A life that did not begin has told nobody anything.
                None if self.life == self.lives.len() => return Ok(None),
                None => {
                    records.clear();
                    self.life += 1;
                    self.at = 0;
                    let input = self.lives[self.life - 1].open();
                    let input = input.map_err(|error| self.failed(error))?;
                    self.reader = Some(TraceReader::new(input));
                }
            }
        }
    }

    fn failed(&self, error: io::Error) -> Unfollowed {
        let path = self.lives.get(self.life.saturating_sub(1)).map(TraceLife::path);
        let path = path.unwrap_or_default();
        Unfollowed::Io { path, error }
    }

    fn standing(&self) -> Option<Standing> {
        let (next, breach) = (self.next.as_ref()?, self.breach.clone()?);
        let (life, at) = (self.life, self.at);
        Some(Standing { node: self.node, life, at, event: show(next), breach })
    }

    /// Shows an event to those who judge it.
    fn judge(&mut self, judges: &mut Judges, next: &Next) -> Result<(), String> {
        let (node, conformance) = (self.node, &mut judges.conformance);
        let told = |breach: Deviation| breach.to_string();
        let event = match next {
            Next::Life { incarnation, state_at, records, at_ns: _ } => {
                if *incarnation <= self.incarnation {
                    let before = self.incarnation;
                    return Err(format!("start {incarnation} does not come after start {before}"));
                }
                conformance.on_recovered(node, *state_at, records).map_err(told)?;
                self.incarnation = *incarnation;
                return Ok(());
            }
            Next::Event(event) => event,
        };
        match event {
            TraceEvent::Durable(record) => {
                conformance.on_durable(node, std::slice::from_ref(record)).map_err(told)
            }
            TraceEvent::State(slot) => conformance.on_state(node, *slot).map_err(told),
            TraceEvent::Learned { slot, print } => {
                learned(conformance, node, *slot, *print).map_err(told)
            }
            TraceEvent::Sent(to, message) => {
                conformance.on_sent(node, to, message).map_err(told)?;
                self.judge_reads(judges, event)
            }
            TraceEvent::Heard { from, message } => {
                conformance.on_heard(node, *from, message).map_err(told)?;
                self.judge_reads(judges, event)
            }
            TraceEvent::Turn { .. } | TraceEvent::Asked(..) | TraceEvent::Answered { .. } => {
                self.judge_reads(judges, event)
            }
            // Reading makes a life of the first two, and stops at the third.
            TraceEvent::Recovered(_) | TraceEvent::Began { .. } | TraceEvent::Full => Ok(()),
        }
    }

    /// Holds answers to questions against the rounds before them, and rounds against what their
    /// leader was told of. Both are rules of what came first, so they need times.
    fn judge_reads(&mut self, judges: &mut Judges, event: &TraceEvent) -> Result<(), String> {
        if judges.clocks == Clocks::Faulty {
            return Ok(());
        }
        let (node, now, life) = (self.node, self.now, self.life as u64);
        let at = Occasion { now, node, life };
        match event {
            TraceEvent::Turn { at_ns, chosen } => {
                self.now = Micros(at_ns / 1_000);
                self.chosen = *chosen;
                self.asked.clear();
            }
            TraceEvent::Heard { from, message } => {
                if let Kind::Promise { ballot, first, cut, told, .. } = Kind::of(message) {
                    judges.settled.on_promise(ballot, *from, (first, cut, told));
                }
            }
            TraceEvent::Asked(connection, id) => {
                self.asked.insert((*connection, *id));
                judges.confirmed.on_question(at, (*connection, *id));
            }
            TraceEvent::Sent(to, message) => {
                judges.settled.on_sent(node, self.chosen, to, message)?;
                judges.confirmed.on_sent(at, to, message);
            }
            TraceEvent::Answered { connection, id, is_reply } => {
                let asked = (*connection, *id);
                if *is_reply {
                    return judges.confirmed.on_answered(at, asked);
                }
                judges.confirmed.on_refused(at, asked, self.asked.contains(&asked));
            }
            TraceEvent::Recovered(_)
            | TraceEvent::Began { .. }
            | TraceEvent::Durable(_)
            | TraceEvent::State(_)
            | TraceEvent::Learned { .. }
            | TraceEvent::Full => {}
        }
        Ok(())
    }
}

/// A trace tells of a decree that is chosen only by what it tells it from others.
fn learned(
    conformance: &mut Conformance,
    node: NodeId,
    slot: Slot,
    print: u32,
) -> Result<(), Deviation> {
    let (action, guard) = (Action::Choose, "LearnedIsChosen");
    let Some(decree) = conformance.chosen(slot).cloned() else {
        let found = format!("slot {slot}: nothing is chosen");
        return Err(Deviation { node, action, guard, found });
    };
    let chosen = print_of(&Record::Learned { slot, decree: decree.clone() });
    if chosen != print {
        let found = format!("slot {slot}: it has a decree of print {print:08x}, not {chosen:08x}");
        return Err(Deviation { node, action, guard, found });
    }
    conformance.on_learned(node, slot, &decree)
}

fn show(next: &Next) -> String {
    match next {
        Next::Life { state_at, records, at_ns: _, incarnation: _ } => {
            format!("a life above slot {state_at}, from {} records", records.len())
        }
        Next::Event(TraceEvent::Durable(record)) => match record {
            Record::Promised(ballot) => format!("a promise of {ballot}"),
            Record::Accepted { ballot, slot, .. } => format!("a vote in {ballot} for slot {slot}"),
            Record::Learned { slot, .. } => format!("a copy of slot {slot}"),
            Record::Chosen(end) => format!("the hint {end}"),
        },
        Next::Event(TraceEvent::State(slot)) => format!("a state of all below slot {slot}"),
        Next::Event(TraceEvent::Learned { slot, .. }) => format!("slot {slot} is learned"),
        Next::Event(TraceEvent::Sent(_, message)) => format!("a message: {}", name_of(message)),
        Next::Event(TraceEvent::Heard { from, message }) => {
            format!("node {from} is heard: {}", name_of(message))
        }
        Next::Event(TraceEvent::Asked(connection, id)) => {
            format!("question {} of client {}", id.0, connection.0)
        }
        Next::Event(TraceEvent::Answered { connection, id, .. }) => {
            format!("an answer to request {} of client {}", id.0, connection.0)
        }
        Next::Event(TraceEvent::Turn { .. }) => "a turn".to_owned(),
        Next::Event(TraceEvent::Recovered(_) | TraceEvent::Began { .. } | TraceEvent::Full) => {
            "a life".to_owned()
        }
    }
}

fn name_of(message: &Message) -> String {
    let whole = format!("{message:?}");
    // The first words name the kind; the values that follow may be long.
    whole.chars().take(SHOWN_CHARACTERS).collect()
}

/// How much of a message is shown.
const SHOWN_CHARACTERS: usize = 120;
