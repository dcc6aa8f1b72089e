//! What is to be done with snapshots, and how it went: the words between a host and who waits for
//! its disk.

use std::fmt;

use synod_paxos::{NodeId, Slot};
use synod_smr::wire::StateDescription;
use synod_smr::{Connection, Executor, RequestId, SnapshotView, StatePart};

/// Who is read a part of a snapshot for. Complete by its nature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartReader {
    /// A peer, which asks again where nothing comes.
    Peer(NodeId),
    /// A request of a client, which is answered in any case.
    Client(Connection, RequestId),
}

/// Something to be done with snapshots. Each comes back as a [`SnapshotDone`], in any order.
#[derive(Debug)]
pub enum SnapshotOrder {
    /// This node's state is to be written down.
    Take {
        /// What it must come to.
        description: StateDescription,
        /// The bytes of it.
        view: SnapshotView,
    },
    /// A part of another node's snapshot is to be written: the one after the last, or the first.
    Keep(StatePart),
    /// A part of a snapshot is to be read: for a peer of the newest, for a client of the one that
    /// is named, which is held open from then on.
    Read {
        /// For whom.
        to: PartReader,
        /// Where in the snapshot the part begins.
        offset: u64,
        /// The slot of the snapshot that they have the beginning of; none if they have nothing.
        of: Option<Slot>,
        /// How many bytes it may have.
        bytes_max: usize,
    },
    /// The snapshot that is held open for clients is to be let go.
    LetGo(Slot),
    /// A chunk of the newest snapshot is to be read again, to see whether it is as it was written.
    Scrub {
        /// The slot of the snapshot.
        slot: Slot,
        /// The chunk, counted from zero.
        chunk: u32,
    },
}

/// How an order went. Complete by its nature.
#[derive(Debug)]
pub enum SnapshotDone<M> {
    /// This node's state is durable.
    Taken {
        /// The first slot that it does not stand for.
        slot: Slot,
        /// How many bytes it has.
        bytes: u64,
    },
    /// It was not written down.
    NotTaken,
    /// A part is written, up to this end.
    Kept {
        /// The slot of the snapshot.
        slot: Slot,
        /// How many bytes of it there are.
        end: u64,
    },
    /// A snapshot of another node is not kept, or is not what it was said to be.
    NotKept,
    /// A snapshot of another node is whole, durable, and the state that it was said to be.
    Installed(Box<Executor<M>>),
    /// A part was read, or there is nothing to be sent.
    Read {
        /// For whom.
        to: PartReader,
        /// The part.
        part: Option<StatePart>,
        /// The slot of the snapshot that could not be read, if one could not.
        damaged: Option<Slot>,
    },
    /// A snapshot is not held open for clients any more.
    LetGo,
    /// A chunk was read again.
    Scrubbed(Scrubbed),
}

/// What came of a chunk that was read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scrubbed {
    /// The snapshot.
    pub slot: Slot,
    /// How many bytes were read.
    pub bytes: u64,
    /// Whether it was the last chunk, or there is nothing more to be read.
    pub is_last: bool,
    /// Whether it is damaged.
    pub is_damaged: bool,
}

impl SnapshotOrder {
    /// Returns the end of an order of which nothing came.
    #[must_use]
    pub const fn nothing<M>(&self) -> SnapshotDone<M> {
        match self {
            Self::Take { .. } => SnapshotDone::NotTaken,
            Self::Keep(_) => SnapshotDone::NotKept,
            Self::Read { to, .. } => SnapshotDone::Read { to: *to, part: None, damaged: None },
            Self::LetGo(_) => SnapshotDone::LetGo,
            Self::Scrub { slot, .. } => SnapshotDone::Scrubbed(Scrubbed {
                slot: *slot,
                bytes: 0,
                is_last: true,
                is_damaged: false,
            }),
        }
    }
}

impl fmt::Display for SnapshotOrder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Take { description, .. } => {
                write!(formatter, "a snapshot at {}", description.slot)
            }
            Self::Keep(part) => {
                write!(formatter, "bytes {} on of {}", part.offset, part.description.slot)
            }
            Self::Read { to, offset, .. } => write!(formatter, "bytes {offset} on for {to}"),
            Self::LetGo(slot) => write!(formatter, "the end of {slot} for clients"),
            Self::Scrub { slot, chunk } => write!(formatter, "chunk {chunk} of {slot} again"),
        }
    }
}

impl fmt::Display for PartReader {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peer(node) => write!(formatter, "node {node}"),
            Self::Client(connection, _) => write!(formatter, "the client {}", connection.0),
        }
    }
}
