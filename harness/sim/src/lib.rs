//! A deterministic simulator: one thread, virtual time, one seed, any system.
//!
//! A [`System`] brings its nodes, its clients and its judgement; the simulator brings time, links,
//! clocks, crashes, pauses and chance, and obeys the same fault verdicts as a live run's proxies.
//! What is broken, and when, is a scenario of `synod-fault`, the same as for a live run. The claim
//! kept true: a scenario fixes a run bit for bit, on every machine and in every build, which its
//! trace hash witnesses.
//!
//! What faults make of links is in `network_faults`; the world that a system sees is in `world`,
//! the loop, and the faults that it lets come and go, in `run` and `faults`. The search for a
//! smaller failure is `synod-fault`'s, as it serves both worlds.

mod event_queue;
mod faults;
mod network_faults;
mod run;
mod run_tally;
mod world;

use std::fmt;

use synod_fault::{DiskFault, NodeId};

pub use event_queue::Micros;
pub use run::Simulation;
pub use run_tally::RunTally;
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

/// How a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// The process is killed; what it wrote is in the page cache.
    Kill,
    /// The power fails: what was not synced is lost, torn or kept, as the dice say.
    Power,
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

    /// Returns who leads, if a node does: the one that a fault may be aimed at.
    fn leader(&self) -> Option<NodeId>;

    /// Asks a node to hand over and end, as an operator would.
    fn retire(&mut self, node: NodeId, world: &mut World<Self::Message, Self::Wakeup>);

    /// Lets a node's disk begin or cease to misbehave. Of several faults of one kind that are in
    /// force at once it is told of the worst, and of the end with the last.
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
