//! A trace on its way: what a host is given and what that brings about, as bytes.
//!
//! What a turn took in is held until its end, as only then its time is known. The claim kept true:
//! the time of a turn is later than that of whatever it rests on, and earlier than that of whatever
//! rests on it.

use bytes::Bytes;
use synod_paxos::{AfterSync, Ballot, Decree, Message as Paxos, Slot};
use synod_smr::wire::{JournalRecord, decode_message, decode_request};
use synod_smr::{
    Command, CommandBatch, Connection, Fingerprint, Message, Principal, Record, Request,
    RequestBody, StateMachine,
};

use super::answer::{CommandStanding, Said};
use super::event::{CommandName, TraceEvent, print_of};
use crate::event::Event;
use crate::flush::Brought;
use crate::host::Host;

/// Makes a trace of what one life of a host does.
///
/// Its owner calls, in this order: [`TraceRecorder::on_recovered`] for each record that
/// [`open`](crate::open) shows; [`TraceRecorder::on_began`]; then, in each turn,
/// [`TraceRecorder::on_event`] for each event before the host takes it, and
/// [`TraceRecorder::on_turn`] from within [`Host::flush_watched`]. The time that it gives is of one
/// clock for all nodes, and never goes back.
#[derive(Debug)]
pub struct TraceRecorder {
    bytes: Vec<u8>,
    /// What was taken in this turn, which is told of once its time is known.
    taken: Vec<u8>,
    /// How many bytes may still be made.
    left: u64,
    /// The end of the chosen prefix that was told of; nothing before the first turn.
    chosen: Option<Slot>,
    /// How many snapshots of others the host had gone on from.
    installed: u64,
}

impl TraceRecorder {
    /// Begins a trace of at most so many bytes, and one event beyond them.
    #[must_use]
    pub fn new(bytes_max: u64) -> Self {
        let (bytes, taken) = (Vec::new(), Vec::new());
        Self { bytes, taken, left: bytes_max, chosen: None, installed: 0 }
    }

    /// Takes note of a record that the journal gave back.
    pub fn on_recovered(&mut self, record: &JournalRecord) {
        if let JournalRecord::Replica(record) = record {
            self.put(&TraceEvent::Recovered(record.clone()));
        }
    }

    /// Takes note that the life begins.
    pub fn on_began(&mut self, at_ns: u64, incarnation: u64, state_at: Slot) {
        self.put(&TraceEvent::Began { at_ns, incarnation, state_at });
    }

    /// Takes note of an event that the host is about to take.
    pub fn on_event<M: StateMachine>(&mut self, host: &Host<M>, event: &Event) {
        match event {
            Event::Committed(committed) => {
                for record in committed.ticket.records() {
                    TraceEvent::Durable(record.clone()).encode_into(&mut self.taken);
                }
            }
            Event::PeerFrame { peer, bytes } => {
                let leader = host.replica().paxos().leader();
                let prepares = leader.ballot().filter(|_| leader.leads().is_none());
                // What the host does not hear, the replica is not told.
                if host.hears(*peer)
                    && let Some(message) = claim_in(bytes, prepares)
                {
                    TraceEvent::Heard { from: *peer, message }.encode_into(&mut self.taken);
                }
            }
            Event::ClientFrame { connection, bytes } => {
                let principal = host.clients.principal(*connection);
                if let (Ok(request), Some(principal)) = (decode_request(bytes), principal)
                    && let Some(event) = asked(*connection, principal, &request)
                {
                    event.encode_into(&mut self.taken);
                }
            }
            Event::PeerUp { .. }
            | Event::PeerDown(_)
            | Event::PeerReplaced(_)
            | Event::LogWaiting { .. }
            | Event::BulkWaiting(_)
            | Event::ClientUp { .. }
            | Event::ClientWrote { .. }
            | Event::ClientDown(_)
            | Event::Room(_)
            | Event::OldDecrees(_)
            | Event::Drain => {}
        }
    }

    /// Takes note of what a turn brought about.
    pub fn on_turn<M: StateMachine>(&mut self, at_ns: u64, host: &Host<M>, brought: &Brought<'_>) {
        let (paxos, log) = (host.replica().paxos(), host.replica().paxos().log());
        // What a node knows when its life begins, it had learned before.
        let chosen = paxos.chosen();
        let known = self.chosen.replace(chosen).unwrap_or(chosen);
        // The base alone tells nothing: what was chosen and applied in this turn may be gone, too.
        let installed = host.counts().snapshots_installed;
        let is_passed_over =
            std::mem::replace(&mut self.installed, installed) < installed && log.base() > known;
        let is_idle = self.taken.is_empty()
            && known == chosen
            && !is_passed_over
            && brought.sent.is_empty()
            && brought.replies.is_empty();
        if is_idle {
            return;
        }
        self.put(&TraceEvent::Turn { at_ns, chosen });
        self.put_taken();
        if is_passed_over {
            self.put(&TraceEvent::State(log.base()));
        }
        for number in known.number()..chosen.number() {
            let slot = Slot::new(number);
            if let Some(decree) = log.decree(slot) {
                let record = Record::Learned { slot, decree: decree.clone() };
                self.put(&TraceEvent::Learned { slot, print: print_of(&record) });
                self.put_standings(host, slot, decree);
            }
        }
        for (to, message) in brought.sent {
            self.put(&TraceEvent::Sent(*to, message.clone()));
        }
        for (connection, id, response) in brought.replies {
            let (connection, id, said) = (*connection, *id, Said::of(response));
            self.put(&TraceEvent::Answered { connection, id, said });
        }
    }

    /// Tells how the commands of a decree stand. What is chosen is applied in the same turn, but by
    /// a node that has no state to apply it to, which tells nothing.
    fn put_standings<M: StateMachine>(
        &mut self,
        host: &Host<M>,
        slot: Slot,
        decree: &Decree<CommandBatch>,
    ) {
        let Decree::Value(batch) = decree else { return };
        let executor = host.replica().executor();
        if slot >= executor.applied() {
            return;
        }
        let sessions = executor.sessions();
        for (position, command) in (0..).zip(batch.commands()) {
            let Command::Apply { principal, session, sequence, payload, .. } = &command else {
                continue;
            };
            let print = Fingerprint::of(payload);
            let standing =
                CommandStanding::of(&sessions.standing(*session, *principal, *sequence, print));
            self.put(&TraceEvent::Stands { slot, position, standing });
        }
    }

    /// Returns what was made since the last [`TraceRecorder::clear`].
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Forgets what was written.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    fn put(&mut self, event: &TraceEvent) {
        if self.left > 0 {
            let before = self.bytes.len();
            event.encode_into(&mut self.bytes);
            self.spend(self.bytes.len() - before);
        }
    }

    /// Tells of what was taken in this turn.
    fn put_taken(&mut self) {
        if self.left > 0 {
            let length = self.taken.len();
            self.bytes.append(&mut self.taken);
            self.spend(length);
        }
        self.taken.clear();
    }

    fn spend(&mut self, length: usize) {
        self.left = self.left.saturating_sub(length as u64);
        if self.left == 0 {
            TraceEvent::Full.encode_into(&mut self.bytes);
        }
    }
}

/// Returns what a trace tells of a request; nothing of one that no rule is about.
fn asked(connection: Connection, principal: Principal, request: &Request) -> Option<TraceEvent> {
    let id = request.id;
    match &request.body {
        RequestBody::Query(_) => Some(TraceEvent::Asked(connection, id)),
        RequestBody::Command { session, sequence, payload, unanswered: _ } => {
            let (session, sequence) = (*session, *sequence);
            let payload = Fingerprint::of(payload);
            let command = CommandName { principal, session, sequence, payload };
            Some(TraceEvent::Commanded { connection, id, command })
        }
        RequestBody::Open { .. } | RequestBody::Status | RequestBody::FetchSnapshot { .. } => None,
    }
}

/// Returns the votes that a frame holds, or the promise of the ballot that is prepared; nothing for
/// any other message.
fn claim_in(frame: &Bytes, prepares: Option<Ballot>) -> Option<Message> {
    let message = decode_message(frame).ok()?;
    let Message::Paxos(Paxos::AfterSync(claim)) = &message else { return None };
    let counts = match claim {
        AfterSync::Prepare { .. } => false,
        AfterSync::Promise { ballot, .. } => prepares == Some(*ballot),
        AfterSync::Accepted { .. } => true,
    };
    counts.then_some(message)
}
