//! How a replica is doing, as it tells whoever asks.
//!
//! How it is read off a replica is left to `observe.rs`; what the replica does not know of its
//! node, such as how its disk keeps up, its host fills in.

use std::fmt;

use synod_paxos::{Ballot, NodeId, Slot};

/// How a replica is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Status {
    /// The node.
    pub node: NodeId,
    /// Which start of it this is.
    pub incarnation: u64,
    /// The highest ballot promised.
    pub promised: Ballot,
    /// The ballot in which it leads.
    pub leads: Option<Ballot>,
    /// The ballot that it follows.
    pub follows: Option<Ballot>,
    /// Whether it sees no need for another leader.
    pub leader_ok: bool,
    /// The end of its chosen prefix.
    pub chosen: Slot,
    /// The first slot that is not applied.
    pub applied: Slot,
    /// The digest of the state at `applied`.
    pub digest: u64,
    /// How many sessions there are.
    pub sessions: u64,
    /// What the host of the replica knows.
    pub host: HostStatus,
}

/// What a host tells of its node beside the replica.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct HostStatus {
    /// How the disk is doing.
    pub disk: DiskHealth,
    /// The first slot that the newest durable snapshot does not stand for; none before the first.
    pub snapshot: Option<Slot>,
    /// The version of the program.
    pub version: Version,
    /// When the node's certificate ends, in seconds since 1970, where the host was told.
    pub certificate_end_s: Option<u64>,
}

/// How the disk of a node is doing. Complete by its nature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DiskHealth {
    /// It takes what it is given.
    #[default]
    Fine,
    /// A sync takes longer than [`SLOW_SYNC_MS`](crate::SLOW_SYNC_MS).
    Slow,
    /// It has no room for records.
    Full,
    /// It has not answered for so long that nobody can say whether it will.
    Hung,
    /// It failed, and the node ends.
    Failed,
}

impl DiskHealth {
    /// Every state, in order.
    pub const ALL: [Self; 5] = [Self::Fine, Self::Slow, Self::Full, Self::Hung, Self::Failed];

    /// Returns the word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Fine => "ok",
            Self::Slow => "slow",
            Self::Full => "full",
            Self::Hung => "hung",
            Self::Failed => "failed",
        }
    }
}

/// The version of the program that a node runs: major, minor, patch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub [u16; 3]);

impl Version {
    /// The version of this program.
    pub const THIS: Self = Self([
        number(env!("CARGO_PKG_VERSION_MAJOR")),
        number(env!("CARGO_PKG_VERSION_MINOR")),
        number(env!("CARGO_PKG_VERSION_PATCH")),
    ]);
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.0;
        write!(formatter, "{major}.{minor}.{patch}")
    }
}

/// Reads a part of the version that Cargo was given.
const fn number(digits: &str) -> u16 {
    match u16::from_str_radix(digits, 10) {
        Ok(number) => number,
        Err(_) => panic!("a part of the version is no number"),
    }
}
