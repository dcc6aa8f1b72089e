//! The host: it takes events, steps the replica with what they mean, and ends turns.
//!
//! A turn is any number of events, then what is due, then a flush (`flush`). Batching happens at
//! the flush and nowhere else, and nobody lingers for it. The claim kept true: all that leaves
//! comes from the replica's outbox, which holds claims back until the proof of a sync has come in
//! as an event of its own.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use synod_clock::Moment;
use synod_paxos::{NodeId, Slot, To};
use synod_smr::wire::{JournalRecord, decode_message, decode_request};
use synod_smr::{
    Checkpoint, Connection, Disk, Effects, Heartbeat, Input, Message, PeerStart, Principal,
    Replica, RequestId, Response, StateMachine, Timer,
};

use crate::beginning;
use crate::clients::{Clients, Held};
use crate::commits::{Commits, Committed, Confirmed};
use crate::counts::Counts;
use crate::crowd::Crowd;
use crate::elections::Elections;
use crate::event::{Event, Output};
use crate::jitter::Jitter;
use crate::lanes::Lanes;
use crate::leadership_log::LeadershipLog;
use crate::old_decrees::OldDecrees;
use crate::peers::{self, Hearing, Peers};
use crate::room::DiskRoom;
use crate::settings::Settings;
use crate::slot_index::SlotIndex;
use crate::snapshots::Snapshots;
use crate::snapshots::for_clients::WantedByClient;
use crate::stages::Stages;
use crate::timers::{Fired, Timers};
use crate::transfers::Transfers;

/// One replica with all that stands between it and the world.
///
/// It is made by [`open`](crate::open) from a journal.
pub struct Host<M> {
    pub(crate) me: NodeId,
    pub(crate) members: Vec<NodeId>,
    pub(crate) replica: Replica<M>,
    pub(crate) effects: Effects,
    pub(crate) settings: Settings,
    pub(crate) clients: Clients,
    pub(crate) crowd: Crowd,
    /// The journal of this node, and which start of it this is.
    pub(crate) mine: PeerStart,
    /// The backup that the cluster began with; none if it began with nothing.
    pub(crate) began: Option<Checkpoint>,
    pub(crate) peers: Peers,
    /// Why a peer refuses this node, if one does for good reason.
    pub(crate) refused: Option<String>,
    pub(crate) commits: Commits,
    pub(crate) room: DiskRoom,
    pub(crate) slots: SlotIndex,
    pub(crate) snapshots: Snapshots,
    /// Whether an order to read old decrees is out.
    pub(crate) reading: bool,
    pub(crate) timers: Timers<Timer>,
    pub(crate) jitter: Jitter,
    pub(crate) watch: LeadershipLog,
    pub(crate) lanes: Lanes,
    pub(crate) counts: Counts,
    pub(crate) stages: Stages,
    pub(crate) elections: Elections,
    pub(crate) transfers: Transfers,
    /// When a node that was asked to end does so in any case.
    pub(crate) drain_by: Option<Moment>,
    /// The parts of the newest snapshot that peers asked for since the last flush: of which one,
    /// and from where on.
    pub(crate) wanted_parts: Vec<(NodeId, Option<Slot>, u64)>,
    /// The parts that clients asked for since the last flush.
    pub(crate) wanted_by_clients: Vec<WantedByClient>,
    /// Who may read the whole state.
    pub(crate) readers_of_all: BTreeSet<Principal>,
    /// What the next flush sends.
    pub(crate) sent: Vec<(To, Message)>,
    /// Empty between two flushes; kept for its memory.
    pub(crate) replies: Vec<(Connection, RequestId, Response)>,
    pub(crate) outputs: VecDeque<Output>,
}

impl<M: StateMachine> Host<M> {
    /// Takes an event in. What it brings about becomes outputs with the next flush.
    ///
    /// A node that was refused hears of its journal alone, until it has written why.
    pub fn take(&mut self, now: Moment, event: Event) {
        self.stages.on_event(now);
        let of_the_journal = matches!(event, Event::Committed(_) | Event::Room(_));
        if self.refused.is_some() && !of_the_journal {
            return;
        }
        match event {
            Event::PeerUp { peer, life } => self.on_peer_up(peer, life),
            Event::PeerDown(peer) => {
                tracing::info!(%peer, "link down");
                // What is thought of the peer's life stays as it is: that life may go on without a
                // link, and the next link has its heartbeat judged anew.
                self.lanes.on_link(peer);
                self.step(Input::LinkDown(peer));
            }
            // What was under way on the old link may be lost, as any message may: it is said again.
            Event::PeerReplaced(peer) => {
                tracing::debug!(%peer, "link replaced");
                self.lanes.on_link(peer);
            }
            Event::LogWaiting { peer, passed, waiting } => {
                if self.lanes.on_log_waiting(peer, passed) {
                    self.counts.lanes_moved += 1;
                    self.step(Input::LaneMoved { peer, waiting });
                }
            }
            Event::BulkWaiting(peer) => self.lanes.on_bulk_waiting(peer),
            Event::PeerFrame { peer, bytes } => self.on_peer_frame(peer, &bytes),
            Event::ClientUp { connection, name } => self.clients.on_up(connection, &name),
            Event::ClientFrame { connection, bytes } => self.on_client_frame(connection, &bytes),
            Event::ClientWrote { connection, bytes } => {
                self.clients.on_wrote(connection, bytes, &self.settings, &mut self.outputs);
            }
            Event::ClientDown(connection) => {
                self.stages.on_client_down(connection);
                self.clients.on_down(connection, &self.settings, &mut self.outputs);
            }
            Event::Committed(committed) => self.on_committed(committed),
            Event::Room(room) => self.room.on_room(room),
            Event::OldDecrees(old) => self.on_old_decrees(old),
            Event::Drain => self.on_drain(now),
        }
    }

    /// Fires the timers that are due.
    pub fn on_time(&mut self, now: Moment) {
        while self.fire(now).is_some() {}
    }

    /// Fires the timer that is due first, and returns it. After a pause of the process none fires
    /// for a grace, as the inbox goes first.
    pub fn fire(&mut self, now: Moment) -> Option<Timer> {
        self.stages.on_event(now);
        self.look_at_crowd(now);
        if self.refused.is_some() {
            return None;
        }
        match self.timers.fire(now) {
            Fired::None => None,
            Fired::Timer(timer) => {
                self.step(Input::Timer(timer));
                // The timers that a step sets are drawn at once, or they would miss this turn.
                self.set_timers(now);
                Some(timer)
            }
            Fired::Paused(pause) => {
                self.counts.pauses += 1;
                let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
                tracing::warn!(pause_ms, "this process was held up; reading before timers");
                None
            }
        }
    }

    /// Returns when [`Host::on_time`] is to be called next.
    #[must_use]
    pub fn next_wake(&self) -> Option<Moment> {
        if self.refused.is_some() {
            return None;
        }
        // Once `drain_by` is past it wakes without end, but that wake finds the node done.
        let again = self.snapshots.scrub.next_at(self.snapshots.newest());
        let others = self.drain_by.into_iter().chain(self.crowd.heard_at()).chain(again);
        self.timers.next().into_iter().chain(others).min()
    }

    /// Tells whether the shell may hand over the next event of a client. Where it may not, the
    /// event stays where it is: what fills up there is to hold the client back.
    #[must_use]
    pub fn hears_clients(&self) -> bool {
        self.crowd.hears(self.replica.is_crowded())
    }

    /// Takes note of whether the replica is crowded, and gets on.
    pub(crate) fn look_at_crowd(&mut self, now: Moment) {
        let is_crowded = self.replica.is_crowded();
        // Only a crowded leader has to know what a round takes.
        let round_ms = if is_crowded { self.replica.round_ms() } else { 0 };
        let round = Duration::from_millis(round_ms.into());
        self.crowd.look(now, is_crowded, self.replica.paxos().chosen(), round);
    }

    /// Takes the next output.
    pub fn output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Returns why the replica must not go on, if it must not. Nothing leaves it then.
    #[must_use]
    pub fn halted(&self) -> Option<&str> {
        // A start that ended before the journal holds why would let a later one be taken for a node
        // in good order, so the commits that are under way come first.
        let refused = self.refused.as_deref().filter(|_| self.commits.is_idle());
        refused.or_else(|| self.effects.halt())
    }

    /// Tells whether a peer refuses this node for good reason, in this start or an earlier one.
    #[must_use]
    pub const fn is_refused(&self) -> bool {
        self.refused.is_some()
    }

    /// Tells whether a node that was asked to end has handed over, and its clients have taken what
    /// it answered but for the share of each, or it has no more time to wait for that.
    ///
    /// A share is what a transport need not tell of: it writes that before its goodbye.
    #[must_use]
    pub fn is_done(&self, now: Moment) -> bool {
        let Some(by) = self.drain_by else { return false };
        let held = self.clients.held();
        let has_said_all = held.waiting == 0 && held.common == 0;
        (self.replica.is_drained() && self.commits.is_idle() && has_said_all) || now >= by
    }

    /// Returns for how much longer clients may take what a node answered that is asked to end: what
    /// is left of [`DRAIN_MAX`], which is one bound for what waits here and with the transport.
    #[must_use]
    pub fn time_left(&self, now: Moment) -> Duration {
        self.drain_by.map_or(Duration::ZERO, |by| by.since(now))
    }

    /// Steps the replica, which is told before how its disk is doing and what that takes.
    pub(crate) fn step(&mut self, input: Input) {
        self.step_timed(input, false);
    }

    /// Steps the replica with what may be a command of a client, and sees how far all have come.
    fn step_timed(&mut self, input: Input, is_command: bool) {
        self.tell_room();
        self.counts.steps += 1;
        self.replica.step(input, &mut self.effects);
        self.stages.on_step(&self.replica, is_command);
    }

    /// Tells the replica how its disk is doing, and how much it may record.
    pub(crate) fn tell_room(&mut self) {
        let waiting = self.commits.waiting_bytes();
        // The effects take off what their own records cost, so only the commits are taken off here,
        // and the room stays right through both steps.
        self.effects.set_room(self.room.for_records(waiting));
        if let Some(disk) = self.room.look(waiting + self.effects.cost(), &self.settings) {
            LeadershipLog::disk(disk);
            self.counts.steps += 1;
            self.replica.step(Input::Disk(disk), &mut self.effects);
        }
    }

    fn on_peer_up(&mut self, peer: NodeId, life: u64) {
        tracing::info!(%peer, life, "link up");
        self.lanes.on_link(peer);
        // What was said in an earlier life may be forgotten in this one.
        if self.peers.on_up(peer, life) {
            self.step(Input::LinkDown(peer));
        }
    }

    /// Tells whether what a peer says in its present life is handed to the replica.
    pub(crate) fn hears(&self, peer: NodeId) -> bool {
        self.peers.hears(peer)
    }

    fn on_peer_frame(&mut self, from: NodeId, bytes: &Bytes) {
        match decode_message(bytes) {
            Ok(message) => self.on_message(from, message),
            Err(error) => {
                self.counts.malformed_peer += 1;
                tracing::warn!(peer = %from, %error, "a frame that is no message");
            }
        }
    }

    fn on_message(&mut self, from: NodeId, message: Message) {
        let heard = match &message {
            Message::Heartbeat(beat) => self.hear_beat(from, beat),
            // This one is what hearing rests on: were it to wait until its sender is heard, no two
            // nodes would ever begin to hear each other.
            Message::Known(known) => {
                self.on_known(from, known);
                false
            }
            Message::FetchSnapshot { slot, offset } => {
                if self.peers.hears(from) {
                    self.wanted_parts.push((from, Some(*slot), *offset));
                }
                false
            }
            Message::Paxos(_)
            | Message::Confirm { .. }
            | Message::Confirmed { .. }
            | Message::Fetch { .. }
            | Message::Snapshot(_)
            | Message::Decrees { .. } => self.peers.hears(from),
        };
        if heard {
            self.step(Input::Message { from, message });
        } else {
            self.counts.unheard += 1;
        }
    }

    /// Judges whether the life that sent a heartbeat goes on from what is known of that peer.
    fn hear_beat(&mut self, from: NodeId, beat: &Heartbeat) -> bool {
        if beat.began != self.began {
            self.on_other_beginning(from, beat.began);
            return false;
        }
        match self.peers.on_heartbeat(self.me, from, beat, self.settings.peer_end_step) {
            Hearing::Granted { known, tell } => {
                if tell {
                    self.sent.push((To::Node(from), Message::Known(known)));
                }
                self.peers.hears(from)
            }
            Hearing::Dropped => false,
            Hearing::Refused { known, again } => {
                if !again {
                    tracing::error!(
                        peer = %from,
                        known_journal = format!("{:032x}", known.folder.0),
                        its_journal = format!("{:032x}", beat.folder.0),
                        known_start = known.incarnation,
                        its_start = beat.incarnation,
                        "a stranger, or an older copy, comes under the name of a node, and is \
                         refused: give the node the folder that it had last, or leave it off"
                    );
                }
                // It is logged once and said each time, as the word that it is refused may be lost
                // like any other.
                self.sent.push((To::Node(from), Message::Known(known)));
                false
            }
        }
    }

    /// Hears nothing of a peer whose state began elsewhere: what is chosen there was never chosen
    /// here, and one vote of it would count in two quorums (`OneHistory` of Backup.tla).
    fn on_other_beginning(&mut self, from: NodeId, theirs: Option<Checkpoint>) {
        let told = beginning::difference(from, theirs, self.began);
        if self.peers.on_other_beginning(from) {
            tracing::error!(peer = %from, "{told}");
        }
        // A cluster that begins with a backup has no node that begins with nothing. Whoever has met
        // others that began as it did, if in an earlier life, is not the one who is wrong: after a
        // start it may hear the one who is before any of them.
        if self.began.is_none() && !self.peers.has_met_any(self.me) {
            self.refused = Some(told);
        }
    }

    /// Stops where a peer knows this node by what it does not have, and has the journal remember
    /// it: each start counts, so that a later one might not look like an older copy any more.
    fn on_known(&mut self, by: NodeId, known: &PeerStart) {
        if peers::is_same_start(&self.mine, known) {
            return self.peers.on_vouched(by);
        }
        self.refused = peers::verdict(&self.mine, by, known);
        if self.refused.is_some() {
            let total = self.room.left(self.commits.waiting_bytes()).total;
            // With a disk that takes nothing more the next start is told again.
            self.commits.note([JournalRecord::Peer(self.me, *known)].into_iter(), total);
        }
    }

    fn on_client_frame(&mut self, connection: Connection, bytes: &Bytes) {
        self.counts.requests += 1;
        match (decode_request(bytes), self.clients.principal(connection)) {
            (Ok(request), Some(principal)) => {
                if !self.on_wish((connection, principal), request.id, &request.body) {
                    let is_command = self.stages.on_request(connection, request.id, &request.body);
                    self.step_timed(Input::Request { connection, principal, request }, is_command);
                }
            }
            // The connection is gone, and nobody waits for an answer.
            (Ok(_), None) => {}
            (Err(error), _) => {
                self.counts.malformed_client += 1;
                tracing::warn!(connection = connection.0, %error, "no request");
                let reason = "the frame is no request";
                self.outputs.push_back(Output::Close { connection, reason });
            }
        }
    }

    fn on_committed(&mut self, committed: Committed) {
        let Confirmed { proof, cut } = self.commits.on_committed(committed, &mut self.slots);
        self.stages.on_committed();
        self.stages.on_durable(self.slots.end());
        if let Some(slot) = cut {
            tracing::info!(slot = slot.number(), "the log below may go");
        }
        if let Some(proof) = proof {
            self.step(Input::Synced(proof));
        }
        self.hand_over_commits();
    }

    fn on_old_decrees(&mut self, old: OldDecrees) {
        let OldDecrees { to, message, is_damaged } = old;
        self.reading = false;
        self.counts.damaged_log_reads += u64::from(is_damaged);
        self.sent.extend(message.map(|message| (To::Node(to), message)));
    }

    fn on_drain(&mut self, now: Moment) {
        // Whoever asks a second time gives it no more time.
        if self.drain_by.is_none() {
            tracing::info!("draining: handing over before the end");
            self.drain_by = Some(now + DRAIN_MAX);
        }
        self.step(Input::Drain);
    }
}

/// What others may look at.
impl<M: StateMachine> Host<M> {
    /// Returns the journal of this node, which start of it this is, and what it began with.
    #[must_use]
    pub const fn life(&self) -> PeerStart {
        self.mine
    }

    /// Returns the replica.
    #[must_use]
    pub const fn replica(&self) -> &Replica<M> {
        &self.replica
    }

    /// Returns what was counted.
    #[must_use]
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Returns how the disk is thought to be doing.
    #[must_use]
    pub const fn disk(&self) -> Disk {
        self.room.disk()
    }

    /// Returns what the replies of all clients take that are not written.
    #[must_use]
    pub const fn replies_held(&self) -> Held {
        self.clients.held()
    }

    /// Counts the batches that were handed over and are not durable.
    #[must_use]
    pub const fn batches_in_flight(&self) -> usize {
        self.commits.batches()
    }
}

impl<M> std::fmt::Debug for Host<M> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = formatter.debug_struct("Host");
        debug.field("me", &self.me).field("counts", &self.counts).finish_non_exhaustive()
    }
}

/// How long a leader may take to hand over, and clients to read what they were answered, before the
/// node ends all the same.
pub const DRAIN_MAX: Duration = Duration::from_secs(5);
