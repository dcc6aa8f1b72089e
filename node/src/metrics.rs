//! The line that says from time to time what was counted since the node started.
//!
//! The host counts what it does, and the transport its own drops and refusals, which the line shows
//! beside.

use std::time::Duration;

use synod_clock::Moment;
use synod_host::Counts;
use synod_transport_quic::CountersSnapshot;

/// The times at which the counts are logged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reporter {
    due: Moment,
    last: Counts,
    /// Messages that the transport dropped, for lack of a link or of room.
    messages_dropped: u64,
}

impl Reporter {
    pub(crate) fn new(now: Moment) -> Self {
        let due = now + REPORT_PERIOD;
        Self { due, last: Counts::default(), messages_dropped: 0 }
    }

    pub(crate) const fn on_dropped(&mut self) {
        self.messages_dropped += 1;
    }

    /// Tells whether it is time to log the counts, and something has happened since.
    pub(crate) fn is_due(&mut self, now: Moment, counts: &Counts) -> bool {
        if now < self.due {
            return false;
        }
        // Counted from here and not from when it was due: a node that was late has one report and
        // not several.
        self.due = now + REPORT_PERIOD;
        let busy = counts.requests != self.last.requests || counts.records != self.last.records;
        self.last = *counts;
        busy
    }

    /// Logs the counts since the start, with what the transport counted at either port.
    pub(crate) fn log(
        &self,
        counts: &Counts,
        peers: &CountersSnapshot,
        clients: &CountersSnapshot,
    ) {
        tracing::info!(
            turns = counts.turns,
            steps = counts.steps,
            malformed_peer = counts.malformed_peer,
            malformed_client = counts.malformed_client,
            unheard = counts.unheard,
            messages_out = counts.messages_out,
            repetitions_left_out = counts.repetitions_left_out,
            lanes_moved = counts.lanes_moved,
            messages_dropped = self.messages_dropped,
            requests = counts.requests,
            responses = counts.responses,
            responses_let_go = counts.responses_let_go,
            batches = counts.batches,
            records = counts.records,
            log_reads = counts.log_reads,
            log_reads_dropped = counts.log_reads_dropped,
            snapshots_installed = counts.snapshots_installed,
            pauses = counts.pauses,
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
