//! What an acceptor writes down, what that costs on a disk, and the room that the disk has for it.
//!
//! When it is written, and what may leave after it, is left to the effects. The claim kept true: a
//! record takes no more of a disk than its weight and [`RECORD_COST_BYTES`]; the host holds each
//! commit against that (`host/tests/full_disk.rs`, and an invariant of the simulator).

use crate::ballot::Ballot;
use crate::multi::decree::{Decree, Value};
use crate::multi::slot::Slot;

/// Something that an acceptor must still know after a restart, in the order of writing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Record<V> {
    /// The acceptor promised this ballot.
    Promised(Ballot),
    /// The acceptor voted; this promises the ballot, too.
    Accepted {
        /// The ballot.
        ballot: Ballot,
        /// The slot.
        slot: Slot,
        /// The decree.
        decree: Decree<V>,
    },
    /// The node copied a decree known to be chosen. It is no vote.
    Learned {
        /// The slot.
        slot: Slot,
        /// The decree.
        decree: Decree<V>,
    },
    /// A hint: the node knows all slots below this one to be chosen, and has their decrees.
    Chosen(Slot),
}

impl<V: Value> Record<V> {
    /// Returns the bytes of its decree, and one for what has none.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Accepted { decree, .. } | Self::Learned { decree, .. } => decree.weight(),
            Self::Promised(_) | Self::Chosen(_) => 1,
        }
    }
}

/// How many bytes of records a disk takes for certain, those included that wait to be taken.
///
/// A core records nothing that does not fit: what it cannot record it does not take on, as if its
/// message had been lost. So nothing that a core records can ever meet a full disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RecordRoom {
    /// For votes, copies and proposals.
    pub work: u64,
    /// For promises, which a full disk keeps a reserve for; at least as many.
    pub promises: u64,
}

impl RecordRoom {
    /// The room of a disk whose end nobody knows.
    pub const UNBOUNDED: Self = Self { work: u64::MAX, promises: u64::MAX };
}

/// What a record may cost on the disk beyond the bytes of its decree, in a commit of its own: the
/// numbers in it, its length, the header of its frame and the padding.
pub const RECORD_COST_BYTES: u64 = 192;
