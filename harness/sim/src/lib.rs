//! A deterministic simulator: one thread, virtual time, one seed, any system.
//!
//! A [`System`] brings its nodes, its clients and its judgement; the simulator brings time, links,
//! clocks, crashes, pauses and chance, and obeys the same fault verdicts as a live run's proxies.
//! Swarm testing (Groce and others, 2012): each seed draws which kinds of faults it uses at all,
//! as faults of one kind hide the bugs that another kind needs. The claim kept true: seed and plan
//! fix a run bit for bit, on every machine and in every build, which its trace hash witnesses.
//!
//! What a plan holds is in `plan`, how it is drawn in `swarm`, how it is obeyed in
//! `network_faults`; the world that a system sees is in `world`, the loop in `run`, the search for
//! a smaller failure in `shrink`.

mod event_queue;
mod network_faults;
mod plan;
mod run;
mod run_tally;
mod shrink;
mod swarm;
mod world;

use std::fmt;

use synod_fault::NodeId;

pub use event_queue::Micros;
pub use plan::{Action, Crash, DiskFault, Fault, Plan};
pub use run::Simulation;
pub use run_tally::RunTally;
pub use shrink::{Shrunk, shrink};
pub use swarm::{SwarmConfig, draw};
pub use world::World;

/// Who sends, receives and waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// A node.
    Node(NodeId),
    /// A client.
    Client(u32),
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(node) => write!(formatter, "node {node}"),
            Self::Client(client) => write!(formatter, "client {client}"),
        }
    }
}

/// A system that can be simulated: its nodes, its clients and what must be true of them.
///
/// All calls come from one thread, in virtual time. A system draws its own chance from
/// [`World::chance`] alone, looks at no clock but [`World::now`], and iterates over no hash map.
pub trait System {
    /// What travels between nodes and clients.
    type Message: Clone;
    /// What a node or client waits for: a timer, the end of a sync.
    type Wakeup;

    /// Starts the process of a node, for the first time or again.
    fn start(&mut self, node: NodeId, world: &mut World<Self::Message, Self::Wakeup>);

    /// Ends the process of a node without a word; its disk is left as `crash` says.
    fn crash(&mut self, node: NodeId, crash: Crash, world: &mut World<Self::Message, Self::Wakeup>);

    /// Asks a node to hand over and end, as an operator would.
    fn retire(&mut self, node: NodeId, world: &mut World<Self::Message, Self::Wakeup>);

    /// Lets a node's disk begin or cease to misbehave.
    fn disk(
        &mut self,
        node: NodeId,
        fault: DiskFault,
        begins: bool,
        world: &mut World<Self::Message, Self::Wakeup>,
    );

    /// Hands a message over.
    fn deliver(
        &mut self,
        from: Address,
        to: Address,
        message: Self::Message,
        world: &mut World<Self::Message, Self::Wakeup>,
    );

    /// Says that what was waited for has come.
    fn wake(
        &mut self,
        at: Address,
        wakeup: Self::Wakeup,
        world: &mut World<Self::Message, Self::Wakeup>,
    );

    /// Judges the system after every event; the first violation ends the run.
    ///
    /// # Errors
    ///
    /// Fails with what must not be and is.
    fn judge(&mut self, world: &World<Self::Message, Self::Wakeup>) -> Result<(), Violation>;
}

/// What must not be and was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The name of what was violated: equal for two runs that fail in the same way.
    pub invariant: &'static str,
    /// What was seen.
    pub detail: String,
}

impl Violation {
    /// Names what was violated and says what was seen.
    #[must_use]
    pub fn new(invariant: &'static str, detail: impl Into<String>) -> Self {
        Self { invariant, detail: detail.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.invariant, self.detail)
    }
}

impl std::error::Error for Violation {}
