//! The bounds of a host, each with a name and the reason for its size.
//!
//! They are settings and not constants, so that a simulation can make them so small that they
//! bind. Only those of the sessions must be equal on all nodes.

use synod_paxos::RECORD_COST_BYTES;
use synod_smr::command::{BATCH_BYTES_MAX, PAYLOAD_BYTES_MAX};
use synod_smr::config::Limits;
use synod_smr::session::SessionLimits;

/// The bounds of one host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How far what the replica holds may grow.
    pub replica: Limits,
    /// How far the sessions may grow: equal on all nodes, since the beginning of the cluster.
    pub sessions: SessionLimits,
    /// A commit past this size is followed by another one: a segment must hold each whole.
    pub commit_bytes: u64,
    /// With less room than this for work a disk that refused the next segment counts as full: no
    /// less than the largest decree costs, as a leader would wait for room with it for ever. The
    /// journal keeps a reserve for promises below it.
    pub full_below_bytes: u64,
    /// The bytes of replies that are with the transport for one client at once; the rest waits
    /// here, so that what one turn makes never overruns a connection.
    pub reply_budget_bytes: usize,
    /// The bytes of replies that are with the transport for all clients together.
    pub reply_budget_bytes_total: usize,
    /// The bytes of replies that may wait for one client. A reply past it is not kept: its client
    /// is told that the outcome is uncertain, and asks again.
    pub replies_waiting_bytes: usize,
    /// The bytes of replies that may wait for all clients together.
    pub replies_waiting_bytes_total: usize,
}

impl Default for Settings {
    /// Returns what suits segments of 16 MiB and more.
    fn default() -> Self {
        Self {
            replica: Limits::DEFAULT,
            sessions: SessionLimits::default(),
            commit_bytes: 8 << 20,
            full_below_bytes: DISK_FULL_BELOW_BYTES,
            reply_budget_bytes: REPLY_BUDGET_BYTES,
            reply_budget_bytes_total: REPLY_BUDGET_BYTES_TOTAL,
            replies_waiting_bytes: 64 << 20,
            replies_waiting_bytes_total: 256 << 20,
        }
    }
}

// What a leader may propose in one slot fits where the disk does not count as full.
const _: () = assert!(
    DISK_FULL_BELOW_BYTES >= BATCH_BYTES_MAX as u64 + RECORD_COST_BYTES
        && DISK_FULL_BELOW_BYTES >= 2 * PAYLOAD_BYTES_MAX as u64
);

/// With less room than this for work a disk that refused the next segment counts as full.
const DISK_FULL_BELOW_BYTES: u64 = 4 << 20;

/// The bytes of replies that are with the transport for one client at once.
pub const REPLY_BUDGET_BYTES: usize = 2 << 20;

/// The bytes of replies that are with the transport for all clients together.
pub const REPLY_BUDGET_BYTES_TOTAL: usize = 48 << 20;

/// How many batches of records are with the journal at once: one is written and synced, and the
/// next one gathers behind it.
pub const BATCHES_IN_FLIGHT_MAX: usize = 2;

/// The longest message on the control lane; a longer one travels with the patient ones.
pub const CONTROL_MESSAGE_BYTES_MAX: usize = 256 << 10;
