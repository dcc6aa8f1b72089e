//! What a host says while a snapshot is on its way, which may take long.
//!
//! The claim kept true: one line when a transfer begins, and after that at most one in each
//! [`SAID_EVERY`], however small the parts are.

use std::time::Duration;

use synod_clock::Moment;
use synod_paxos::{NodeId, Slot};
use synod_smr::StatePart;

/// The transfers that were told of last: one that is received, and those that are sent.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Transfers {
    received: Pace,
    sent: Pace,
}

/// When something was said last, and of what.
#[derive(Clone, Copy, Debug, Default)]
struct Pace {
    said: Option<(Moment, NodeId, Slot)>,
}

impl Transfers {
    /// Takes note of a part of another node's snapshot.
    pub(crate) fn on_received(&mut self, now: Moment, me: NodeId, part: &StatePart) {
        let slot = part.description.slot;
        if self.received.is_due(now, me, slot) {
            let (bytes, total, slot) = (part.end(), part.total, slot.number());
            tracing::info!(slot, bytes, total, "receiving a snapshot of another node");
        }
    }

    /// Takes note of a part of this node's snapshot that goes to a peer.
    pub(crate) fn on_sent(&mut self, now: Moment, to: NodeId, part: &StatePart) {
        let slot = part.description.slot;
        if self.sent.is_due(now, to, slot) {
            let (bytes, total, slot) = (part.end(), part.total, slot.number());
            tracing::info!(%to, slot, bytes, total, "sending a snapshot");
        }
    }
}

impl Pace {
    /// Tells whether a line is due: for a transfer that begins, and from time to time.
    fn is_due(&mut self, now: Moment, peer: NodeId, slot: Slot) -> bool {
        let due = self.said.is_none_or(|(at, with, of)| {
            let waits = now.since(at);
            // Two peers that pull in turn are each a new transfer with each part.
            let begins = (with, of) != (peer, slot) && waits >= SAID_AFTER;
            begins || waits >= SAID_EVERY
        });
        if due {
            self.said = Some((now, peer, slot));
        }
        due
    }
}

/// How long nothing more is said of a transfer.
const SAID_EVERY: Duration = Duration::from_secs(1);

/// How long nothing is said of another one.
const SAID_AFTER: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transfer_is_told_of_when_it_begins_and_once_a_second() {
        let mut pace = Pace::default();
        let (peer, slot) = (NodeId::new(2), Slot::new(7));
        let at = |ms: u64| Moment::from_nanos(ms * 1_000_000);
        let lines = (0..2_500).filter(|ms| pace.is_due(at(*ms), peer, slot));
        assert_eq!(lines.collect::<Vec<_>>(), [0, 1_000, 2_000]);
        let turns = (2_500..3_500).filter(|ms| {
            let peer = NodeId::new(2 + u16::try_from(ms % 2).unwrap_or(0));
            pace.is_due(at(*ms), peer, slot)
        });
        assert!(turns.count() <= 6, "two that pull in turn do not fill the log");
    }
}
