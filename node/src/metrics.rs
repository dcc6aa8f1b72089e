//! What the node has counted since it started, and the line that says so from time to time.
//!
//! Counting is a plain addition on the one thread of the loop. The transport counts its own drops
//! and refusals, which the line shows beside.

use std::time::Duration;

use synod_clock::Moment;
use synod_transport_quic::CountersSnapshot;

/// What is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Metrics {
    /// Turns of the loop; few inputs a turn mean an idle node.
    pub(crate) turns: u64,
    /// Inputs that the core has taken.
    pub(crate) steps: u64,
    /// Frames and datagrams of peers that were no message.
    pub(crate) malformed_peer: u64,
    /// Frames of clients that were no request.
    pub(crate) malformed_client: u64,
    /// Messages given to the transport, one for each receiver.
    pub(crate) messages_out: u64,
    /// Messages that the transport dropped, for lack of a link or of room.
    pub(crate) messages_dropped: u64,
    /// Requests of clients.
    pub(crate) requests: u64,
    /// Responses to clients.
    pub(crate) responses: u64,
    /// Batches given to the journal.
    pub(crate) batches: u64,
    /// Records in them.
    pub(crate) records: u64,
    /// Ranges of old slots read back for peers that lag.
    pub(crate) log_reads: u64,
    /// Wishes for old slots that were dropped, as another one was being served.
    pub(crate) log_reads_dropped: u64,
    /// Pauses of the whole process that were noticed.
    pub(crate) pauses: u64,
}

/// The times at which the counts are logged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reporter {
    due: Moment,
    last: Metrics,
}

impl Reporter {
    pub(crate) fn new(present: Moment) -> Self {
        Self { due: present + REPORT_PERIOD, last: Metrics::default() }
    }

    /// Tells whether it is time to log the counts, and something has happened since.
    pub(crate) fn is_due(&mut self, present: Moment, metrics: &Metrics) -> bool {
        if present < self.due {
            return false;
        }
        self.due = present + REPORT_PERIOD;
        let busy = metrics.requests != self.last.requests || metrics.records != self.last.records;
        self.last = *metrics;
        busy
    }
}

impl Metrics {
    /// Logs the counts since the start, with what the transport counted at either port.
    pub(crate) fn log(&self, peers: &CountersSnapshot, clients: &CountersSnapshot) {
        tracing::info!(
            turns = self.turns,
            steps = self.steps,
            malformed_peer = self.malformed_peer,
            malformed_client = self.malformed_client,
            messages_out = self.messages_out,
            messages_dropped = self.messages_dropped,
            requests = self.requests,
            responses = self.responses,
            batches = self.batches,
            records = self.records,
            log_reads = self.log_reads,
            log_reads_dropped = self.log_reads_dropped,
            pauses = self.pauses,
            peer_port = counted(peers),
            client_port = counted(clients),
            "counts since the start"
        );
    }
}

/// Writes what a port has counted at all.
fn counted(counters: &CountersSnapshot) -> String {
    let counted = counters.counts().filter(|(_, number)| *number > 0);
    let words: Vec<String> = counted.map(|(count, number)| format!("{count:?}={number}")).collect();
    words.join(" ")
}

/// How often the counts are logged while there is work.
const REPORT_PERIOD: Duration = Duration::from_secs(10);
