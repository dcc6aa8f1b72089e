//! The end of a turn: what the core brought about is carried out.
//!
//! In this order: a halt stops everything; timers; records to the journal; messages to peers;
//! responses to clients; wishes for old slots. All that the outbox holds may leave, so nothing here
//! has to wait for anything. Encoding happens once for each message, however many receive it.

use bytes::Bytes;
use synod_clock::{Moment, TimeSource as _};
use synod_paxos::To;
use synod_smr::proposals::WAITING_BYTES_MAX;
use synod_smr::wire::client::encode_response;
use synod_smr::wire::peer::encode_message;
use synod_smr::{Lane, StateMachine};
use synod_transport_quic::{ConnectionId, Epoch, PeerHandle, PeerId, Sent, limits};

use crate::driver::Driver;
use crate::log_reader::OldDecrees;
use crate::node::NodeError;

impl<M: StateMachine> Driver<M> {
    /// Carries out what the steps of this turn brought about.
    pub(crate) fn flush(&mut self) -> Result<(), NodeError> {
        if let Some(reason) = self.effects.halt() {
            return Err(NodeError::Halted(reason.to_owned()));
        }
        self.set_timers(self.time.now());
        self.write_records();
        self.send_messages();
        self.send_responses();
        self.read_old_slots();
        self.watch.look(&self.replica);
        Ok(())
    }

    pub(crate) fn set_timers(&mut self, present: Moment) {
        for set in self.effects.timers() {
            let at = |ms: u32| present + std::time::Duration::from_millis(u64::from(ms));
            let due = self.chance.moment(at(set.earliest_ms), at(set.latest_ms));
            self.timers.set(set.timer, due);
        }
    }

    fn write_records(&mut self) {
        if !self.journal.has_place() {
            return;
        }
        match self.effects.take_batch() {
            Some(batch) => {
                self.metrics.batches += 1;
                self.metrics.records += batch.records().len() as u64;
                self.journal.write(batch);
            }
            None => self.journal.nothing_to_write(),
        }
    }

    fn send_messages(&mut self) {
        for (to, message) in self.effects.outbox() {
            let lane = message.lane();
            let bytes = encode_message(&message);
            let receivers = match &to {
                To::Node(node) => std::slice::from_ref(node),
                To::Peers => &self.members[..],
            };
            for &node in receivers.iter().filter(|node| **node != self.me) {
                let peer = PeerId(node.number());
                // The log is said to all once; to one node alone it is said again. What a peer has
                // not taken yet is still on its way, and a second copy would only make it later.
                let again = matches!((&to, lane), (To::Node(_), Lane::Log { .. }));
                if again && self.peers.log_bytes_waiting(peer) > 0 {
                    continue;
                }
                self.metrics.messages_out += 1;
                if let Sent::Dropped(reason) = send(&self.peers, peer, lane, bytes.clone()) {
                    self.metrics.messages_dropped += 1;
                    tracing::trace!(%node, ?lane, ?reason, "a message was dropped");
                }
            }
        }
    }

    fn send_responses(&mut self) {
        for (connection, id, response) in self.effects.replies() {
            self.metrics.responses += 1;
            let bytes = encode_response(id, &response);
            // A client that is gone asks again elsewhere; its session knows what was applied.
            let _ = self.clients.reply(ConnectionId(connection.0), bytes);
        }
    }

    fn read_old_slots(&mut self) {
        for wish in self.effects.log_reads() {
            if self.log_reader.read(wish, self.journal.slots()) {
                self.metrics.log_reads += 1;
            } else {
                self.metrics.log_reads_dropped += 1;
            }
        }
    }

    pub(crate) fn on_old_decrees(&mut self, old: OldDecrees) {
        let OldDecrees { to, message } = old;
        self.log_reader.on_done();
        if let Some(message) = message {
            let _ = send(&self.peers, PeerId(to.number()), Lane::Bulk, encode_message(&message));
        }
    }
}

/// Gives an encoded message to the transport. A long report of votes would hold up the control
/// lane, and is longer than its frames may be: it travels with the patient ones.
fn send(peers: &PeerHandle, peer: PeerId, lane: Lane, bytes: Bytes) -> Sent {
    match lane {
        Lane::Control if bytes.len() > limits::CONTROL_FRAME_BYTES_MAX => {
            peers.send_bulk(peer, bytes)
        }
        Lane::Control => peers.send_control(peer, bytes),
        Lane::Log { epoch } => peers.send_log(peer, Epoch(epoch), bytes),
        Lane::Bulk => peers.send_bulk(peer, bytes),
        Lane::Datagram => peers.send_datagram(peer, bytes),
    }
}

// All that a leader may have admitted and not chosen fits into the queue of each peer: a decree
// that was dropped there is said again only after a while.
const _: () =
    assert!(limits::LOG_QUEUE_BYTES_MAX >= WAITING_BYTES_MAX + limits::LOG_FRAME_BYTES_MAX);
