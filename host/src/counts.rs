//! What a host has counted since it was made; for logs and metrics.

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
    /// Pauses of the whole process that were noticed.
    pub pauses: u64,
}
