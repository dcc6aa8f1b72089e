//! The bounds of a host, each with a name and the reason for its size.
//!
//! They are settings and not constants, so that a simulation can make them so small that they
//! bind. Only those of the sessions must be equal on all nodes.

use crate::snapshots::for_clients::ClientSnapshotLimits;
use crate::snapshots::scrub::ScrubPace;
use synod_paxos::RECORD_COST_BYTES;
use synod_smr::{BATCH_BYTES_MAX, Limits, PAYLOAD_BYTES_MAX, STATE_PART_BYTES_MAX, SessionLimits};

/// The bounds of one host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How far what the replica holds may grow.
    pub replica: Limits,
    /// How far the sessions may grow: equal on all nodes, since the beginning of the cluster.
    pub sessions: SessionLimits,
    /// A commit past this size is followed by another one: a segment must hold each whole.
    pub commit_bytes: u64,
    /// How many batches of records are on their way to the disk at once, and how many commits of
    /// them are with the journal; no more than that takes.
    pub batches_in_flight: usize,
    /// The bytes of commits that the journal keeps, past what a snapshot stands for: half of it
    /// between two snapshots. A peer that lags no further is given decrees.
    pub log_bytes: u64,
    /// The bytes of a snapshot that a peer is given at once, at most
    /// [`STATE_PART_BYTES_MAX`](synod_smr::STATE_PART_BYTES_MAX).
    pub part_bytes: usize,
    /// What clients that make backups are given of snapshots.
    pub client_snapshots: ClientSnapshotLimits,
    /// How fast the newest snapshot is read again.
    pub scrub: ScrubPace,
    /// How many slots the end of a peer's journal moves before it is remembered durably again.
    pub peer_end_step: u64,
    /// With less room than this for work a disk that refused the next segment counts as full: no
    /// less than the largest decree costs, as a leader would wait for room with it for ever. The
    /// journal keeps a reserve for promises below it.
    pub full_below_bytes: u64,
    /// The bytes of replies that are with the transport for one client at once; the rest waits
    /// here, so that what one turn makes never overruns a connection. Here and below each reply
    /// counts with [`REPLY_OVERHEAD_BYTES`], and one may be there in any case.
    pub reply_budget_bytes: usize,
    /// The bytes of replies that are with the transport for all clients together; shares come on
    /// top.
    pub reply_budget_bytes_total: usize,
    /// The bytes of replies that may be with the transport for one client whatever others have
    /// there: those who read nothing keep nobody else from being answered.
    pub reply_share_bytes: usize,
    /// The bytes of replies that may wait for one client. A reply past it is not kept: its client
    /// is told that the outcome is uncertain, and asks again.
    pub replies_waiting_bytes: usize,
    /// The bytes of replies that may wait for all clients together.
    pub replies_waiting_bytes_total: usize,
    /// When the node's certificate ends, in seconds since 1970; told to whoever asks for a status.
    pub certificate_end_s: Option<u64>,
}

impl Default for Settings {
    /// Returns what suits segments of 16 MiB and more.
    fn default() -> Self {
        Self {
            replica: Limits::DEFAULT,
            sessions: SessionLimits::default(),
            commit_bytes: 8 << 20,
            batches_in_flight: BATCHES_IN_FLIGHT_MAX,
            log_bytes: LOG_BYTES,
            part_bytes: STATE_PART_BYTES_MAX,
            client_snapshots: ClientSnapshotLimits::default(),
            scrub: ScrubPace::default(),
            peer_end_step: PEER_END_STEP,
            full_below_bytes: DISK_FULL_BELOW_BYTES,
            reply_budget_bytes: REPLY_BUDGET_BYTES,
            reply_budget_bytes_total: REPLY_BUDGET_BYTES_TOTAL,
            reply_share_bytes: REPLY_SHARE_BYTES,
            replies_waiting_bytes: 64 << 20,
            replies_waiting_bytes_total: 256 << 20,
            certificate_end_s: None,
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

/// The bytes of commits that the journal keeps past what a snapshot stands for.
pub const LOG_BYTES: u64 = 128 << 20;

/// How many slots the end of a peer's journal moves before it is remembered durably again.
///
/// What is remembered of a peer takes some 60 bytes of the journal, and a vote 100 at least. With
/// the eight peers of the largest cluster a step of so many slots makes a journal 2 % longer at
/// most, and one of 16 slots would make it 30 % longer. The price is that once all peers have been
/// started again, an older copy is noticed only if it lacks a promise, or more slots than this.
pub const PEER_END_STEP: u64 = 256;

/// The bytes of replies that are with the transport for one client at once.
pub const REPLY_BUDGET_BYTES: usize = 2 << 20;

/// The bytes of replies that are with the transport for all clients together, beyond their shares.
pub const REPLY_BUDGET_BYTES_TOTAL: usize = 40 << 20;

/// The bytes of replies that may be with the transport for one client whatever others have there.
pub const REPLY_SHARE_BYTES: usize = 16 << 10;

/// What a reply costs beyond its own bytes, here and with the transport: many empty ones must not
/// fill memory either.
pub const REPLY_OVERHEAD_BYTES: usize = 64;

/// How many batches of records are with the journal at once: one is written and synced, and the
/// next one gathers behind it.
pub const BATCHES_IN_FLIGHT_MAX: usize = 2;

const _: () = assert!(BATCHES_IN_FLIGHT_MAX <= synod_journal::IN_FLIGHT_MAX);

/// The longest message on the control lane; a longer one travels with the patient ones.
pub const CONTROL_MESSAGE_BYTES_MAX: usize = 256 << 10;
