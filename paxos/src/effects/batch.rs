//! Records on their way to the disk, and the proof that they are there.
//!
//! Which claims wait for them is left to the gate. The claim kept true: a proof comes only from
//! giving up the batch that it is about.

use super::{CoreId, Record};
use std::hash::{Hash, Hasher};

/// Records to be written and synced, in order, after those of all earlier batches.
#[derive(Clone, Debug)]
#[must_use = "claims wait until the batch is synced and vouched for"]
pub struct Batch<V> {
    pub(super) core_id: CoreId,
    pub(super) first: u64,
    pub(super) records: Vec<Record<V>>,
    pub(super) bytes: u64,
}

impl<V> Batch<V> {
    /// Returns the records.
    #[must_use]
    pub fn records(&self) -> &[Record<V>] {
        &self.records
    }

    /// Gives the batch up for the proof that it is durable.
    ///
    /// A driver calls this after the sync, never before: nothing else releases a claim.
    #[must_use]
    pub fn confirm_synced(self) -> Synced {
        let end = self.first + self.records.len() as u64;
        Synced { core_id: self.core_id, first: self.first, end, bytes: self.bytes }
    }
}

/// The proof that a batch is durable. It comes from [`Batch::confirm_synced`] alone.
///
/// ```compile_fail
/// # use synod_paxos::{CoreId, NodeId, Synced};
/// let core_id = CoreId { node: NodeId::new(1), incarnation: 1 };
/// let forged = Synced { core_id, first: 0, end: 1, bytes: 0 };
/// ```
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Synced {
    pub(super) core_id: CoreId,
    pub(super) first: u64,
    pub(super) end: u64,
    pub(super) bytes: u64,
}

// Counters grow for ever, so batches are the same when their records are.

impl<V: PartialEq> PartialEq for Batch<V> {
    fn eq(&self, other: &Self) -> bool {
        self.records == other.records
    }
}

impl<V: Eq> Eq for Batch<V> {}

impl<V: Hash> Hash for Batch<V> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.records.hash(state);
    }
}
