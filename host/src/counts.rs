//! What a host has counted since it was made; for logs and metrics.

use synod_smr::{ElectionCause, Refusal};

/// What is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Turns; few steps a turn mean an idle node.
    pub turns: u64,
    /// Inputs that the replica has taken.
    pub steps: u64,
    /// Frames and datagrams of peers that were no message.
    pub malformed_peer: u64,
    /// Messages of peers of whose present life nothing is known yet, or that are refused.
    pub unheard: u64,
    /// Frames of clients that were no request.
    pub malformed_client: u64,
    /// Messages for peers, one for each receiver.
    pub messages_out: u64,
    /// Messages that were left out, as what they say again was still on its way.
    pub repetitions_left_out: u64,
    /// Words of lanes on which something waited and some of it had passed.
    pub lanes_moved: u64,
    /// Requests of clients.
    pub requests: u64,
    /// Responses to clients.
    pub responses: u64,
    /// Responses that were not kept for a client that reads too slowly.
    pub responses_let_go: u64,
    /// Batches given to the journal.
    pub batches: u64,
    /// Records in them.
    pub records: u64,
    /// Ranges of old slots read back for peers that lag.
    pub log_reads: u64,
    /// Wishes for old slots that were dropped, as another one was being served.
    pub log_reads_dropped: u64,
    /// Snapshots of other nodes that the replica has gone on from.
    pub snapshots_installed: u64,
    /// Snapshots of this node's own state that became durable.
    pub snapshots_taken: u64,
    /// Snapshots of this node's own state that were not made.
    pub snapshots_failed: u64,
    /// Snapshots of this node that were found to be damaged, by the start too.
    pub snapshots_damaged: u64,
    /// Damaged snapshots in whose place a whole one stands.
    pub snapshots_repaired: u64,
    /// Bytes of snapshots that were read again, to see whether they are as they were written.
    pub scrubbed_bytes: u64,
    /// How often a whole snapshot was.
    pub scrub_rounds: u64,
    /// Snapshots of other nodes that were not kept, or were not what they were said to be.
    pub snapshots_not_kept: u64,
    /// Bytes of snapshots of other nodes that were received.
    pub snapshot_bytes_received: u64,
    /// Bytes of snapshots that were sent to others.
    pub snapshot_bytes_sent: u64,
    /// Bytes of a torn tail of the journal that the start cut off.
    pub cut_bytes: u64,
    /// Reads of old decrees that ended at what cannot be read.
    pub damaged_log_reads: u64,
    /// Reads of the newest snapshot that failed.
    pub damaged_snapshot_reads: u64,
    /// Requests that were refused, by the reasons in [`REFUSALS`].
    pub refused: [u64; REFUSALS.len()],
    /// Ballots that this node began, by their causes in the order of [`ElectionCause::ALL`].
    pub elections: [u64; ElectionCause::ALL.len()],
    /// Ballots in which this node came to lead.
    pub elections_won: u64,
    /// Changes of the node that leads, as this node saw them; the first leader is one.
    pub leader_changes: u64,
    /// Pauses of the whole process that were noticed.
    pub pauses: u64,
}

/// The reasons for which requests are refused, joined by `_`.
pub const REFUSALS: [&str; 12] = [
    "not_leader",
    "overloaded",
    "disk_full",
    "session_expired",
    "sequence_stale",
    "sequence_reused",
    "pipeline_full",
    "reply_lost",
    "invalid",
    "reply_too_long",
    "not_allowed",
    "no_part",
];

/// Returns the place of a reason in [`REFUSALS`].
pub(crate) const fn refusal_place(refusal: &Refusal) -> usize {
    match refusal {
        Refusal::NotLeader { .. } => 0,
        Refusal::Overloaded { .. } => 1,
        Refusal::DiskFull => 2,
        Refusal::SessionExpired => 3,
        Refusal::SequenceStale => 4,
        Refusal::SequenceReused => 5,
        Refusal::PipelineFull => 6,
        Refusal::ReplyLost => 7,
        Refusal::Invalid(_) => 8,
        Refusal::ReplyTooLong => 9,
        Refusal::NotAllowed => 10,
        Refusal::NoPart { .. } => 11,
    }
}
