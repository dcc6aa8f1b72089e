//! The fault decisions, sans-IO: which packet is dropped, delayed, doubled, damaged, cut, and which
//! bytes of a stream wait, come in pieces, or are its last.
//!
//! Nothing here opens a socket or reads a clock. A [`Link`] is asked about each packet and answers
//! with a [`Verdict`], a [`StreamLink`] about each chunk; a [`Shape`] says which links a partition
//! cuts. Which fault comes when is said by a [`Scenario`], which people write, or a
//! [`nemesis`](nemesis::Nemesis) or the [`swarm`] draws before anything runs; what several faults
//! are together, by the faults [in force](InForce). Whoever carries packets and starts processes
//! is a [`World`] and obeys: the proxies of a live run, a simulator, a transport of yours. The
//! claim kept true: what chance decides about a packet or a chunk follows from the seed, the link
//! and its number alone, never from timing.
//!
//! # Examples
//!
//! A link that loses a tenth of its packets, and holds the others back for up to 20 ms:
//!
//! ```
//! use std::time::Duration;
//! use synod_fault::{Link, LinkId, LinkRules, Millis, NodeId, PartsPerMillion, Verdict};
//! use synod_rng::Seed;
//!
//! let mut link = Link::new(Seed(7), LinkId::new(NodeId(1), NodeId(2)));
//! let loss = PartsPerMillion(100_000);
//! link.set_rules(LinkRules { loss, jitter_ms: Millis(20), ..LinkRules::default() });
//! let mut lost = 0;
//! for packet in 0..1_000 {
//!     match link.verdict(1_200, Duration::from_millis(packet)) {
//!         Verdict::Drop(_) => lost += 1,
//!         Verdict::Deliver(copies) => assert!(copies.first <= Duration::from_millis(20)),
//!     }
//! }
//! assert!((70..130).contains(&lost), "{lost}");
//! ```

mod action;
mod dice;
mod in_force;
mod link;
mod listed;
pub mod nemesis;
mod rules;
mod scenario;
mod sense;
mod shape;
mod shrink;
mod stream;
pub mod swarm;
mod target;
mod transport;
mod trigger;
pub mod varied;
mod world;
mod written;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use action::{Action, DiskFault};
pub use in_force::{Active, FaultId, InForce, JointRules};
pub use link::{Copies, DropReason, Link, Verdict};
pub use listed::{AskedBy, ListedFault};
pub use rules::{LinkRules, PartsPerMillion, RateLimit};
pub use scenario::{BY_HAND, Conditions, LEADER_GONE_MS_MIN, PlannedFault, Scenario};
pub use sense::{CLIENTS_MAX, REST_MS_MAX, STILL_PPM, TIME_MS_MAX, TIMEOUT_MS_MAX};
pub use shape::{Shape, all_links};
pub use shrink::{Shrunk, shrink};
pub use stream::{ChunkVerdict, Passage, StreamLink};
pub use target::{ResolvedTarget, Target};
pub use transport::{Transport, Transports, UnfitRule, UnknownTransport, check_fit, lossy};
pub use trigger::{LEADER_PATIENCE, LedBefore, RunProgress, TRIGGER_STEP, Trigger};
pub use world::{Abilities, DiskReach, LIVE_NODES_MAX, SIMULATED_NODES_MAX, Unsupported, World};
pub use written::{Malformed, Unwritable};

/// A node of the system under test, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub u16);

impl fmt::Display for NodeId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// One direction between two nodes, written as `1->2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LinkId {
    /// The sending node.
    pub from: NodeId,
    /// The receiving node.
    pub to: NodeId,
}

impl LinkId {
    /// Names the link that carries packets from one node to another.
    #[must_use]
    pub fn new(from: NodeId, to: NodeId) -> Self {
        Self { from, to }
    }

    /// Returns the opposite direction.
    #[must_use]
    pub fn reversed(self) -> Self {
        Self::new(self.to, self.from)
    }
}

impl fmt::Display for LinkId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}->{}", self.from, self.to)
    }
}

/// A word that names no link.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no link `{0}`; write \"1->2\" for what node 1 sends to node 2, and 0 for the clients"
)]
pub struct UnknownLink(pub String);

impl FromStr for LinkId {
    type Err = UnknownLink;

    fn from_str(word: &str) -> Result<Self, UnknownLink> {
        let end = |word: &str| word.parse().map(NodeId);
        let ends =
            word.split_once("->").and_then(|(from, to)| Some((end(from).ok()?, end(to).ok()?)));
        ends.map(|(from, to)| Self { from, to }).ok_or_else(|| UnknownLink(word.to_owned()))
    }
}

impl TryFrom<String> for LinkId {
    type Error = UnknownLink;

    fn try_from(word: String) -> Result<Self, UnknownLink> {
        word.parse()
    }
}

impl From<LinkId> for String {
    fn from(link: LinkId) -> Self {
        link.to_string()
    }
}

/// The clients' place in the network: no node of the system has this number.
pub const CLIENTS: NodeId = NodeId(0);

/// A length of time in whole milliseconds, as plans write it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl Millis {
    /// Returns the same length as the standard library writes it.
    #[must_use]
    pub fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            short if short < 1_000 => write!(formatter, "{short} ms"),
            long => write!(formatter, "{}.{} s", long / 1_000, long % 1_000 / 100),
        }
    }
}
