//! How long the stages of a proposal take, on the node that leads; and syncs and turns on any.
//!
//! A replica has no clock, so its host looks at it after each step, with the time that it was given
//! for the event, and sees how far it has come. Commands leave the queue in their order, and slots
//! are proposed, made durable and chosen in theirs, so a count of each is enough: nothing is asked
//! of the replica but how long its queue is and where its slots end. The claims kept true: nothing
//! here is decided or waited for; and what is remembered has a bound, past which it is not timed.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use synod_clock::Moment;
use synod_paxos::{Ballot, Slot};
use synod_smr::{
    Connection, READS_MAX, Replica, RequestBody, RequestId, StateMachine, WAITERS_MAX,
};

use crate::durations::Durations;

/// A part of the way of a request. Complete by its nature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// From the receipt of the oldest command of a proposal to its proposal.
    Propose,
    /// From the proposal until this node's own vote is durable.
    Durable,
    /// From the proposal until it is chosen.
    Choose,
    /// From there until it is applied, with the rest of the turn that it was chosen in.
    Apply,
    /// From the receipt of a command to its answer.
    Answer,
    /// From the receipt of a question to its answer.
    Read,
    /// From the hand-over of a commit to the journal until it is durable, on any node.
    Commit,
    /// From the first event of a turn to its end, on any node.
    Turn,
}

impl Stage {
    /// Every stage, in order.
    pub const ALL: [Self; STAGES] = [
        Self::Propose,
        Self::Durable,
        Self::Choose,
        Self::Apply,
        Self::Answer,
        Self::Read,
        Self::Commit,
        Self::Turn,
    ];

    /// Returns the word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Propose => "propose",
            Self::Durable => "durable",
            Self::Choose => "choose",
            Self::Apply => "apply",
            Self::Answer => "answer",
            Self::Read => "read",
            Self::Commit => "commit",
            Self::Turn => "turn",
        }
    }
}

/// How many stages there are.
pub const STAGES: usize = 8;

/// What is under way, and how long what went before took.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stages {
    histograms: [Durations; STAGES],
    /// The time of the event that is taken.
    now: Moment,
    /// When the turn began, if one is under way.
    turn: Option<Moment>,
    /// The ballot led at the last look, and the slot that was next in it.
    led: Option<(Ballot, Slot)>,
    /// When the commands were received that wait for a slot, in their order.
    queued: VecDeque<Moment>,
    /// The slots that were proposed here, and are not both durable and chosen.
    open: VecDeque<Open>,
    /// How many of them are durable, and how many chosen.
    durable: usize,
    chosen: usize,
    /// How many slots were chosen in this turn, and when.
    unapplied: Option<(Moment, u64)>,
    /// When requests were received that have no answer.
    asked: BTreeMap<(Connection, RequestId), Asked>,
    /// When the commits were handed over that are with the journal.
    commits: VecDeque<Moment>,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    slot: Slot,
    proposed: Moment,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    at: Moment,
    stage: Stage,
}

impl Stages {
    /// Takes note of the time of an event.
    pub(crate) fn on_event(&mut self, now: Moment) {
        self.now = now;
        self.turn.get_or_insert(now);
    }

    /// Returns the time of the last event.
    pub(crate) const fn now(&self) -> Moment {
        self.now
    }

    /// Takes note of a request that the replica is about to be given.
    pub(crate) fn on_request(
        &mut self,
        connection: Connection,
        id: RequestId,
        body: &RequestBody,
    ) -> bool {
        let stage = match body {
            RequestBody::Open { .. } | RequestBody::Command { .. } => Stage::Answer,
            RequestBody::Query(_) => Stage::Read,
            RequestBody::Status | RequestBody::FetchSnapshot { .. } => return false,
        };
        if self.asked.len() < ASKED_TIMED_MAX {
            self.asked.insert((connection, id), Asked { at: self.now, stage });
        }
        stage == Stage::Answer
    }

    /// Looks at the replica after a step; `is_command` where the step was one command of a client.
    pub(crate) fn on_step<M: StateMachine>(&mut self, replica: &Replica<M>, is_command: bool) {
        let next = replica.paxos().leader().leads().zip(replica.paxos().next_slot());
        let Some((ballot, next)) = next else {
            self.led = None;
            return self.forget();
        };
        let before = self.led.replace((ballot, next)).filter(|(led, _)| *led == ballot);
        let Some((_, before)) = before else {
            // What phase 1 found was received elsewhere, or in another ballot.
            return self.forget();
        };
        let queued = replica.queued();
        if next > before {
            if is_command {
                self.queued.push_back(self.now);
            }
            self.on_proposed(before, next, queued);
        } else if is_command && queued > self.queued.len() {
            self.queued.push_back(self.now);
        }
        // What was refused, or was never timed, is not waited for.
        while self.queued.len() > queued {
            self.queued.pop_front();
        }
        self.on_chosen(replica.paxos().chosen());
    }

    fn on_proposed(&mut self, before: Slot, next: Slot, queued: usize) {
        if self.queued.len() > queued
            && let Some(oldest) = self.queued.front()
        {
            let waited = self.now.since(*oldest);
            self.observe(Stage::Propose, waited, 1);
        }
        for number in before.number()..next.number() {
            if self.open.len() < OPEN_TIMED_MAX {
                self.open.push_back(Open { slot: Slot::new(number), proposed: self.now });
            }
        }
    }

    fn on_chosen(&mut self, chosen: Slot) {
        while let Some(open) = self.open.get(self.chosen)
            && open.slot < chosen
        {
            let took = self.now.since(open.proposed);
            self.chosen += 1;
            self.unapplied.get_or_insert((self.now, 0)).1 += 1;
            self.observe(Stage::Choose, took, 1);
        }
        self.let_go();
    }

    /// Takes note that the journal holds the slots below `end` durably.
    pub(crate) fn on_durable(&mut self, end: Slot) {
        while let Some(open) = self.open.get(self.durable)
            && open.slot < end
        {
            let took = self.now.since(open.proposed);
            self.durable += 1;
            self.observe(Stage::Durable, took, 1);
        }
        self.let_go();
    }

    fn let_go(&mut self) {
        let done = self.durable.min(self.chosen);
        self.open.drain(..done);
        (self.durable, self.chosen) = (self.durable - done, self.chosen - done);
    }

    /// This node does not lead any more, or in another ballot.
    fn forget(&mut self) {
        self.queued.clear();
        self.open.clear();
        (self.durable, self.chosen) = (0, 0);
    }

    /// Takes note of a commit that is handed to the journal.
    pub(crate) fn on_commit(&mut self) {
        self.commits.push_back(self.now);
    }

    /// Takes note that the oldest commit is durable.
    pub(crate) fn on_committed(&mut self) {
        if let Some(began) = self.commits.pop_front() {
            self.observe(Stage::Commit, self.now.since(began), 1);
        }
    }

    /// Takes note of an answer that leaves.
    pub(crate) fn on_answer(&mut self, connection: Connection, id: RequestId) {
        if let Some(Asked { at, stage }) = self.asked.remove(&(connection, id)) {
            self.observe(stage, self.now.since(at), 1);
        }
    }

    /// Takes note that nobody waits on a connection any more.
    pub(crate) fn on_client_down(&mut self, connection: Connection) {
        let of_it = (connection, RequestId(0))..=(connection, RequestId(u64::MAX));
        let gone: Vec<_> = self.asked.range(of_it).map(|(key, _)| *key).collect();
        for key in gone {
            self.asked.remove(&key);
        }
    }

    /// Takes note of the end of a turn: what was chosen in it is applied, and answered after this.
    pub(crate) fn on_flush(&mut self, now: Moment) {
        self.now = now;
        if let Some((chosen, times)) = self.unapplied.take() {
            self.observe(Stage::Apply, now.since(chosen), times);
        }
        if let Some(began) = self.turn.take() {
            self.observe(Stage::Turn, now.since(began), 1);
        }
    }

    /// Returns for how long the oldest commit has been with the journal; nothing if there is none.
    pub(crate) fn oldest_commit(&self, now: Moment) -> Duration {
        self.commits.front().map_or(Duration::ZERO, |began| now.since(*began))
    }

    /// Returns what was measured, in the order of [`Stage::ALL`].
    pub(crate) const fn histograms(&self) -> &[Durations; STAGES] {
        &self.histograms
    }

    fn observe(&mut self, stage: Stage, took: Duration, times: u64) {
        self.histograms[stage as usize].observe(took, times);
    }
}

/// How many proposals are timed at once; those past it are not.
pub const OPEN_TIMED_MAX: usize = 4_096;

/// How many requests are timed at once: as many as may wait for an answer.
pub const ASKED_TIMED_MAX: usize = WAITERS_MAX + READS_MAX;
