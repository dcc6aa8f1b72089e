//! Traces of real nodes, message for message, held against the specification.
//!
//! Here nothing is filled in: each node wrote down every message before it left, every record when
//! it knew it to be durable, and every decree that it took for chosen. Only the order between nodes
//! is missing. The search is greedy, as in `validate`, and complete for the same reason: what a
//! guard asks of other nodes, that something was asked, proposed, voted for, promised or chosen,
//! only grows, so an event that can be taken is never taken too early. The claim kept true: what is
//! followed is a behaviour that the conformance took event by event, in the order in which each
//! node did it; nothing is skipped.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::PathBuf;

use synod_host::{TraceEvent, TraceReader, print_of};
use synod_paxos::{Configuration, ConfigurationError, NodeId, Slot, To};
use synod_smr::{Message, Record};

use crate::spec::conformance::{Action, Conformance, Deviation};

/// Where the traces of one node are: a file for each of its lives, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeTrace {
    /// The node.
    pub node: NodeId,
    /// The files.
    pub lives: Vec<PathBuf>,
}

/// Why traces are not followed to their ends.
#[derive(Debug, thiserror::Error)]
pub enum Unfollowed {
    /// The nodes cannot be voters.
    #[error("these nodes are no configuration: {0}")]
    Voters(#[from] ConfigurationError),
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
    /// The guard that fails.
    pub breach: Deviation,
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
        let nodes = self.nodes.len();
        write!(formatter, "{events} events of {nodes} nodes followed: {}", actions.join(", "))
    }
}

/// Follows the traces of all voters, event by event, through the specification.
///
/// The nodes are taken to be all voters, and majorities to be quorums.
///
/// # Errors
///
/// Where no order of the events is a behaviour, with the reason for each node; and where a trace
/// cannot be read to its end.
pub fn follow(traces: &[NodeTrace]) -> Result<Followed, Unfollowed> {
    let voters = Configuration::majority(traces.iter().map(|trace| trace.node))?;
    let mut conformance = Conformance::new(&voters);
    let mut walkers: Vec<_> = traces.iter().map(Walker::new).collect();
    loop {
        let mut any = false;
        for walker in &mut walkers {
            any |= walker.walk(&mut conformance)?;
        }
        if any {
            continue;
        }
        let standing: Vec<_> = walkers.iter().filter_map(Walker::standing).collect();
        if standing.is_empty() {
            let nodes = walkers.iter().map(|walker| (walker.node, walker.taken)).collect();
            return Ok(Followed { nodes, actions: conformance.actions() });
        }
        return Err(Unfollowed::Blocked(standing));
    }
}

/// What a node did, as one step of the search.
#[derive(Debug)]
enum Next {
    /// A life began, with all that its journal gave back.
    Life { state_at: Slot, records: Vec<Record> },
    /// Anything else.
    Event(TraceEvent),
}

/// The traces of one node, as far as they are taken.
struct Walker<'t> {
    node: NodeId,
    lives: &'t [PathBuf],
    reader: Option<TraceReader<BufReader<File>>>,
    life: usize,
    at: u64,
    taken: u64,
    next: Option<Next>,
    breach: Option<Deviation>,
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
            next: None,
            breach: None,
        }
    }

    /// Takes what can be taken; tells whether that was anything.
    fn walk(&mut self, conformance: &mut Conformance) -> Result<bool, Unfollowed> {
        let before = self.taken;
        loop {
            if self.next.is_none() {
                self.next = self.read()?;
            }
            let Some(next) = &self.next else { break };
            if let Err(breach) = take(conformance, self.node, next) {
                self.breach = Some(breach);
                break;
            }
            self.next = None;
            self.taken += 1;
        }
        Ok(self.taken > before)
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
                Some(TraceEvent::Began { state_at, incarnation: _ }) => {
                    return Ok(Some(Next::Life { state_at, records }));
                }
                Some(TraceEvent::Full) => return Err(Unfollowed::Full(self.node)),
                Some(
                    event @ (TraceEvent::Durable(_)
                    | TraceEvent::State(_)
                    | TraceEvent::Learned { .. }
                    | TraceEvent::Sent(_)),
                ) => return Ok(Some(Next::Event(event))),
                // A life that did not begin has told nobody anything.
                None if self.life == self.lives.len() => return Ok(None),
                None => {
                    records.clear();
                    self.life += 1;
                    self.at = 0;
                    let file = File::open(&self.lives[self.life - 1]);
                    let file = file.map_err(|error| self.failed(error))?;
                    self.reader = Some(TraceReader::new(BufReader::new(file)));
                }
            }
        }
    }

    fn failed(&self, error: io::Error) -> Unfollowed {
        let path = self.lives.get(self.life.saturating_sub(1)).cloned().unwrap_or_default();
        Unfollowed::Io { path, error }
    }

    fn standing(&self) -> Option<Standing> {
        let (next, breach) = (self.next.as_ref()?, self.breach.clone()?);
        let (life, at) = (self.life, self.at);
        Some(Standing { node: self.node, life, at, event: show(next), breach })
    }
}

/// Lets the specification take what a node did.
fn take(conformance: &mut Conformance, node: NodeId, next: &Next) -> Result<(), Deviation> {
    match next {
        Next::Life { state_at, records } => conformance.on_recovered(node, *state_at, records),
        Next::Event(event) => match event {
            TraceEvent::Durable(record) => {
                conformance.on_durable(node, std::slice::from_ref(record))
            }
            TraceEvent::State(slot) => conformance.on_state(node, *slot),
            TraceEvent::Learned { slot, print } => learned(conformance, node, *slot, *print),
            TraceEvent::Sent(message) => conformance.on_sent(node, &To::Peers, message),
            // Reading makes a life of the first two, and stops at the third.
            TraceEvent::Recovered(_) | TraceEvent::Began { .. } | TraceEvent::Full => Ok(()),
        },
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
        Next::Life { state_at, records } => {
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
        Next::Event(TraceEvent::Sent(message)) => format!("a message: {}", name_of(message)),
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
