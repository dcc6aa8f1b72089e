//! The end of a turn: what the replica brought about becomes outputs.
//!
//! In this order: timers; records to the journal; messages to peers; responses to clients; wishes
//! for old slots. All that the outbox holds may leave, so nothing here has to wait for anything. A
//! replica that halts brings nothing about any more. Encoding happens once for each message,
//! however many receive it.

use std::time::Duration;

use synod_clock::Moment;
use synod_paxos::To;
use synod_smr::wire::encode_message;
use synod_smr::{
    Connection, Disk, Input, Lane, Message, NoSnapshot, Record, RequestId, Response, StateMachine,
    Status,
};

use crate::clients::Answered;
use crate::counts::refusal_place;
use crate::event::Output;
use crate::host::Host;
use crate::old_decrees::ReadOrder;
use crate::settings::CONTROL_MESSAGE_BYTES_MAX;
use crate::snapshots::order::SnapshotOrder;

/// What a turn brought about, before it is encoded, for those who look on.
#[derive(Clone, Copy, Debug)]
pub struct Brought<'a> {
    /// The records that go to the journal as the next batch.
    pub records: &'a [Record],
    /// The messages that leave, each to one peer or to all.
    pub sent: &'a [(To, Message)],
    /// What clients are told.
    pub replies: &'a [(Connection, RequestId, Response)],
    /// Peers that were found to be in another state at the same slot.
    pub differences: &'a [String],
}

impl<M: StateMachine> Host<M> {
    /// Ends a turn: what its events brought about becomes outputs.
    pub fn flush(&mut self, now: Moment) {
        self.flush_watched(now, |_, _| ());
    }

    /// Ends a turn, and shows what it brought about before any of it becomes an output.
    pub fn flush_watched(&mut self, now: Moment, watch: impl FnOnce(&Self, &Brought<'_>)) {
        self.stages.on_flush(now);
        self.counts.turns += 1;
        let differences: Vec<String> =
            self.effects.differences().map(|difference| difference.to_string()).collect();
        for difference in &differences {
            tracing::error!(difference, "two nodes are in different states");
        }
        if self.refused.is_some() || self.halted().is_some() {
            // The commits go on all the same: the note of why this node is refused may be among
            // them.
            self.hand_over_commits();
            return;
        }
        self.set_timers(now);
        self.look_at_crowd(now);
        // Without a place the records stay with the replica, and so do the claims that rest on
        // them; what gathers there meanwhile becomes one batch and needs one sync.
        let batch = if self.commits.has_place() { self.effects.take_batch() } else { None };
        let mut sent = std::mem::take(&mut self.sent);
        sent.extend(self.effects.outbox());
        self.counts.repetitions_left_out += self.lanes.end_turn(&mut sent);
        for (_, message) in &mut sent {
            if let Message::Heartbeat(beat) = message {
                // The replica knows none of them. The end is that of durable records: told of a
                // vote that a power loss can still take, peers would refuse the node after it.
                (beat.mark, beat.journal_end) = (self.mine.mark, self.slots.end());
                beat.began = self.began;
            }
        }
        let mut replies = std::mem::take(&mut self.replies);
        replies.extend(self.effects.replies());
        let records = batch.as_ref().map_or(&[][..], |batch| batch.records());
        let (sent_now, replies_now) = (&sent[..], &replies[..]);
        watch(
            self,
            &Brought { records, sent: sent_now, replies: replies_now, differences: &differences },
        );
        self.write(batch);
        sent.drain(..).for_each(|(to, message)| self.send(to, &message));
        replies.drain(..).for_each(|reply| self.answer(&reply));
        (self.sent, self.replies) = (sent, replies);
        self.read_old_decrees();
        self.work_on_snapshots(now);
        self.watch.look(&self.replica);
        self.elections.look(&self.replica, &mut self.counts);
    }

    /// Sets the timers that the replica asked for, each at an instant drawn between its bounds.
    pub(crate) fn set_timers(&mut self, now: Moment) {
        for set in self.effects.timers() {
            let at = |ms: u32| now + Duration::from_millis(u64::from(ms));
            let due = self.jitter.moment(at(set.earliest_ms), at(set.latest_ms));
            self.timers.set(set.timer, due);
        }
    }

    fn write(&mut self, batch: Option<synod_smr::Batch>) {
        // It is asked before the batch is added, which would itself be found waiting.
        let may_note = !self.commits.is_waiting() && (batch.is_some() || self.commits.has_place());
        if let Some(batch) = batch {
            self.counts.batches += 1;
            self.counts.records += batch.records().len() as u64;
            self.commits.write(batch, self.settings.commit_bytes);
        }
        if self.peers.has_unwritten() && may_note {
            // The records come first, as their room was promised, and the reserve is not for notes:
            // on a full disk they are withheld until it has room.
            let unwritten = self.commits.waiting_bytes() + self.effects.cost();
            let room = self.room.left(unwritten).for_work;
            if self.commits.note(self.peers.unwritten(), room) {
                self.peers.on_written();
            }
        }
        // A disk that is never idle has a place for batches alone: were the cut to wait for one,
        // the log would grow for as long as the load lasts.
        if may_note {
            self.record_cut();
        }
        self.hand_over_commits();
    }

    /// Records that the log below a snapshot may go, where there is room for that.
    fn record_cut(&mut self) {
        let Some(slot) = self.snapshots.to_cut() else { return };
        let unwritten = self.commits.waiting_bytes() + self.effects.cost();
        let room = self.room.left(unwritten).for_work;
        if self.commits.cut(slot, self.peers.remembered(), room) {
            self.peers.on_written();
            self.snapshots.on_recorded();
        }
    }

    /// Has snapshots taken, kept and read: one of each at a time.
    fn work_on_snapshots(&mut self, now: Moment) {
        let parts: Vec<_> = self.effects.parts().collect();
        for part in parts {
            if self.snapshots.may_keep() {
                self.snapshots.on_part(part.total);
                self.counts.snapshot_bytes_received += part.bytes.len() as u64;
                self.transfers.on_received(now, self.me, &part);
                self.outputs.push_back(Output::Snapshot(SnapshotOrder::Keep(part)));
            } else {
                self.step(Input::NotKept);
            }
        }
        self.read_parts(now);
        self.take_snapshot(now);
        let newest = self.snapshots.newest();
        let again = self.snapshots.scrub.begin(now, newest, &self.settings.scrub);
        self.outputs.extend(again.map(Output::Snapshot));
    }

    fn take_snapshot(&mut self, now: Moment) {
        // A state that is on its way to the one at the log's beginning is not written down.
        if !self.replica.has_state() {
            return;
        }
        let (applied, log_bytes) = (self.replica.executor().applied(), self.settings.log_bytes);
        let Some(cause) = self.snapshots.due(now, applied, log_bytes) else { return };
        if self.room.disk() == Disk::Full {
            return;
        }
        match self.replica.executor().snapshot() {
            Ok((description, view)) => {
                self.snapshots.on_begun(now, cause, &self.settings.client_snapshots);
                let order = SnapshotOrder::Take { description, view };
                self.outputs.push_back(Output::Snapshot(order));
            }
            Err(NoSnapshot) => {
                tracing::warn!("{NoSnapshot}; the journal grows for as long as the node runs");
                self.snapshots.on_refused();
            }
        }
    }

    /// Gives the journal the commits that it has a place for.
    pub(crate) fn hand_over_commits(&mut self) {
        while let Some(commit) = self.commits.next() {
            let bytes = commit.records.frame_bytes();
            self.room.on_commit(bytes);
            self.snapshots.on_commit(bytes);
            self.stages.on_commit();
            self.outputs.push_back(Output::Commit(commit));
        }
    }

    fn send(&mut self, to: To, message: &Message) {
        let bytes = encode_message(message);
        let lane = lane_of(message, bytes.len());
        if matches!(message, Message::Heartbeat(_)) {
            self.outputs.push_back(Output::Beacon(bytes.clone()));
        }
        let receivers = match &to {
            To::Node(node) => std::slice::from_ref(node),
            To::Peers => &self.members[..],
        };
        for &to in receivers.iter().filter(|node| **node != self.me) {
            self.counts.messages_out += 1;
            let bytes = bytes.clone();
            self.outputs.push_back(Output::Send { to, lane, bytes });
        }
    }

    pub(crate) fn answer(
        &mut self,
        (connection, id, response): &(Connection, RequestId, Response),
    ) {
        self.counts.responses += 1;
        self.stages.on_answer(*connection, *id);
        let told = match response {
            // What the replica does not know of its node is filled in here.
            Response::Status(status) => {
                let host = self.host_status(self.stages.now());
                Some(Response::Status(Status { host, ..*status }))
            }
            Response::Refused(refusal) => {
                self.counts.refused[refusal_place(refusal)] += 1;
                None
            }
            Response::Opened(_)
            | Response::Reply(_)
            | Response::Uncertain { .. }
            | Response::Snapshot { .. } => None,
        };
        let reply = (*connection, *id, told.as_ref().unwrap_or(response));
        match self.clients.on_response(self.me, reply, &self.settings) {
            Answered::Now(output) => self.outputs.push_back(output),
            Answered::LetGo => self.counts.responses_let_go += 1,
            Answered::Later | Answered::Gone => {}
        }
    }

    fn read_old_decrees(&mut self) {
        let bytes_max = self.settings.replica.fetch_bytes;
        for wish in self.effects.log_reads() {
            // The decrees are gone, and a snapshot stands for them.
            if wish.first < self.slots.base() {
                self.wanted_parts.push((wish.to, None, 0));
                continue;
            }
            if self.reading {
                self.counts.log_reads_dropped += 1;
                continue;
            }
            self.reading = true;
            self.counts.log_reads += 1;
            self.outputs.push_back(Output::Read(ReadOrder::new(wish, &self.slots, bytes_max)));
        }
    }
}

/// Says how a message travels. A long report of votes would hold up the control lane, and is longer
/// than its frames may be: it travels with the patient ones.
fn lane_of(message: &Message, bytes: usize) -> Lane {
    match message.lane() {
        Lane::Control if bytes > CONTROL_MESSAGE_BYTES_MAX => Lane::Bulk,
        lane @ (Lane::Control | Lane::Log { .. } | Lane::Bulk | Lane::Datagram) => lane,
    }
}
