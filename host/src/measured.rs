//! What can be seen of a host at one moment, for metrics and for whoever asks for its status.
//!
//! How it is shown is left to the node. The claim kept true: each queue stands beside its bound.

use std::time::Duration;

use synod_clock::Moment;
use synod_paxos::{Ballot, NodeId, Slot};
use synod_smr::{
    Disk, DiskHealth, HostStatus, QUEUES, Queue, SLOW_SYNC_MS, StateMachine, Status, Version,
};

use crate::clients::WORDS_WAITING_MAX_TOTAL;
use crate::counts::Counts;
use crate::durations::Durations;
use crate::host::Host;
use crate::stages::STAGES;

/// What was seen of a host at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measured {
    /// What the node tells of itself.
    pub status: Status,
    /// What was counted since the start.
    pub counts: Counts,
    /// How long the stages took, in the order of [`Stage::ALL`](crate::Stage::ALL).
    pub stages: [Durations; STAGES],
    /// What waits, each beside its bound.
    pub queues: Vec<Queue>,
    /// The end of the longest chosen prefix that the node knows of.
    pub highest_chosen: Slot,
    /// How many bytes the newest snapshot has, where that is known.
    pub snapshot_bytes: u64,
    /// How many bytes of records the journal takes for certain.
    pub room_bytes: u64,
    /// Whether the node has the state of what it knows to be chosen: one whose newest snapshot was
    /// damaged when it started has it from a peer.
    pub has_state: bool,
    /// The slot of a damaged snapshot that has nothing whole in its place.
    pub damaged_snapshot: Option<Slot>,
    /// Whether the node is a voter of its cluster.
    pub is_voter: bool,
    /// Whether it was asked to end.
    pub is_draining: bool,
    /// Whether a peer refuses it for good reason.
    pub is_refused: bool,
}

impl Measured {
    /// Returns what is seen of a voter that has heard of nobody and done nothing.
    #[must_use]
    pub fn before_any(node: NodeId) -> Self {
        let status = Status {
            node,
            incarnation: 1,
            promised: Ballot::ZERO,
            leads: None,
            follows: None,
            leader_ok: false,
            chosen: Slot::FIRST,
            applied: Slot::FIRST,
            digest: 0,
            sessions: 0,
            host: HostStatus::default(),
        };
        Self {
            status,
            counts: Counts::default(),
            stages: [Durations::default(); STAGES],
            queues: Vec::new(),
            highest_chosen: Slot::FIRST,
            snapshot_bytes: 0,
            room_bytes: 0,
            has_state: true,
            damaged_snapshot: None,
            is_voter: true,
            is_draining: false,
            is_refused: false,
        }
    }

    /// Returns by how many slots the node lags behind the longest chosen prefix that it knows of.
    #[must_use]
    pub const fn lag(&self) -> u64 {
        self.highest_chosen.number().saturating_sub(self.status.applied.number())
    }
}

impl<M: StateMachine> Host<M> {
    /// Says how the host is doing at this moment.
    pub fn measure(&self, now: Moment) -> Measured {
        let status = Status { host: self.host_status(now), ..self.replica.status() };
        let left = self.room.left(self.commits.waiting_bytes());
        Measured {
            status,
            counts: self.counts,
            stages: *self.stages.histograms(),
            queues: self.queues(),
            highest_chosen: self.replica.highest_chosen(),
            snapshot_bytes: self.snapshots.newest_bytes(),
            room_bytes: left.for_work,
            has_state: self.replica.has_state(),
            damaged_snapshot: self.snapshots.damaged(),
            is_voter: self.replica.is_voter(),
            is_draining: self.replica.is_draining(),
            is_refused: self.is_refused(),
        }
    }

    fn queues(&self) -> Vec<Queue> {
        let (held, settings) = (self.clients.held(), &self.settings);
        let mut queues = Vec::with_capacity(QUEUES + 4);
        queues.extend(self.replica.queues());
        let (waiting_max, sent_max) =
            (settings.replies_waiting_bytes_total, settings.reply_budget_bytes_total);
        queues.extend([
            Queue::new("journal_batches", self.commits.batches(), settings.batches_in_flight),
            Queue::new("reply_bytes_waiting", held.waiting, waiting_max),
            Queue::new("reply_bytes_sent", held.common, sent_max),
            Queue::new("reply_words", held.words, WORDS_WAITING_MAX_TOTAL),
        ]);
        queues
    }

    /// Says what the host knows of the node beside its replica.
    pub(crate) fn host_status(&self, now: Moment) -> HostStatus {
        HostStatus {
            disk: self.disk_state(now),
            snapshot: self.snapshots.newest(),
            version: Version::THIS,
            certificate_end_s: self.settings.certificate_end_s,
        }
    }

    fn disk_state(&self, now: Moment) -> DiskHealth {
        let waits = self.stages.oldest_commit(now);
        let slow = Duration::from_millis(SLOW_SYNC_MS.into());
        if waits >= DISK_HUNG_AFTER {
            DiskHealth::Hung
        } else if self.room.disk() == Disk::Full {
            DiskHealth::Full
        } else if waits > slow || self.replica.sync_ms() > SLOW_SYNC_MS {
            DiskHealth::Slow
        } else {
            DiskHealth::Fine
        }
    }
}

/// A disk that has not answered a commit for so long is called hung.
pub const DISK_HUNG_AFTER: Duration = Duration::from_millis(4_500);
