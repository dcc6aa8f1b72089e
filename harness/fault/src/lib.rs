//! The fault decisions, sans-IO: which packet is dropped, delayed, doubled, damaged, cut, and which
//! bytes of a stream wait, come in pieces, or are its last.
//!
//! Nothing here opens a socket or reads a clock. A [`Link`] is asked about each packet and answers
//! with a [`Verdict`], a [`StreamLink`] about each chunk; a [`Shape`] says which links a partition
//! cuts. Which fault comes when is planned by a [`nemesis`](nemesis::Nemesis), before anything
//! runs, and written down as a [`Plan`](schedule::Plan). Whoever carries packets and starts
//! processes (the proxies of a live run, a simulator, a transport of yours) obeys. The claim kept
//! true: what chance decides about a packet or a chunk follows from the seed, the link and its
//! number alone, never from timing.
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

mod dice;
mod link;
pub mod nemesis;
mod rules;
pub mod schedule;
mod shape;
mod stream;
mod transport;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use link::{Copies, DropReason, Link, Verdict};
pub use rules::{LinkRules, PartsPerMillion, RateLimit};
pub use shape::{Shape, all_links};
pub use stream::{ChunkVerdict, Passage, StreamLink};
pub use transport::{Transport, Transports, UnfitRule, UnknownTransport, check_fit, lossy};

/// A node of the system under test, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub u16);

impl fmt::Display for NodeId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// One direction between two nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
