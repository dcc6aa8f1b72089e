//! What others may look at in a replica.
//!
//! Nothing here changes a replica. The claim kept true: a status is read off one state, between
//! two steps.

use crate::command::CommandBatch;
use crate::config::Limits;
use crate::election::cause::{ElectionCause, FollowedLeader};
use crate::executor::Executor;
use crate::proposals::WAITERS_MAX;
use crate::queue::Queue;
use crate::replica::Replica;
use crate::state_machine::StateMachine;
use crate::status::{HostStatus, Status, Version};
use synod_paxos::{Ballot, MultiPaxos, NodeId, Slot};

/// How many queues a replica has.
pub const QUEUES: usize = 7;

impl<M: StateMachine> Replica<M> {
    /// Returns how the replica is doing.
    pub fn status(&self) -> Status {
        Status {
            node: self.paxos.me(),
            incarnation: self.config.core_id.incarnation,
            promised: self.paxos.log().promised(),
            leads: self.paxos.leader().leads(),
            follows: self.follows(),
            leader_ok: self.election.is_leader_ok(),
            chosen: self.paxos.chosen(),
            applied: self.executor.applied(),
            digest: self.executor.digest(),
            sessions: self.executor.sessions().len() as u64,
            host: HostStatus { version: Version::THIS, ..HostStatus::default() },
        }
    }

    /// Returns the highest ballot that somebody on a working link leads, this node included.
    pub fn follows(&self) -> Option<Ballot> {
        self.election.follows(self.paxos.leader().leads())
    }

    /// Returns the leader that this node follows, unless it is this node.
    pub(crate) fn leader_elsewhere(&self) -> Option<NodeId> {
        self.follows().map(Ballot::node).filter(|node| *node != self.paxos.me())
    }

    /// Returns the Paxos node.
    pub const fn paxos(&self) -> &MultiPaxos<CommandBatch> {
        &self.paxos
    }

    /// Returns how far what it holds may grow.
    pub const fn limits(&self) -> &Limits {
        &self.config.limits
    }

    /// Returns the replicated state.
    pub const fn executor(&self) -> &Executor<M> {
        &self.executor
    }

    /// Returns whom this node follows, itself included.
    pub fn followed(&self) -> Option<FollowedLeader> {
        self.election.followed(self.paxos.leader().leads())
    }

    /// Tells whether this node sees no need for another leader.
    pub const fn is_leader_ok(&self) -> bool {
        self.election.is_leader_ok()
    }

    /// Says why this node sees need for another leader than `last`, whom it followed while it was
    /// content, if it ever was.
    pub fn election_cause(&self, last: Option<FollowedLeader>) -> ElectionCause {
        self.election.cause(self.pace.sync_ticks(), last)
    }

    /// Returns the end of the longest chosen prefix that this node knows of: its own, or that of a
    /// peer on a working link, as it told last.
    pub fn highest_chosen(&self) -> Slot {
        let told = self.election.beats().map(|(_, beat)| beat.chosen);
        told.chain([self.paxos.chosen()]).max().unwrap_or(Slot::FIRST)
    }

    /// Counts what waits here, each beside its bound.
    pub fn queues(&self) -> [Queue; QUEUES] {
        let (limits, sessions) = (&self.config.limits, self.executor.sessions());
        let open = self.paxos.next_slot().map_or(0, |next| next.past(self.paxos.chosen()));
        let open = usize::try_from(open).unwrap_or(usize::MAX);
        let alpha = usize::try_from(self.config.alpha).unwrap_or(usize::MAX);
        let reads_max = self.config.reads;
        let (table, rows) = (sessions.limits(), sessions.len());
        [
            Queue::new("open_slots", open, alpha),
            Queue::new("requests", self.proposals.waiting(), WAITERS_MAX),
            Queue::new("proposal_bytes", self.proposals.bytes(), limits.waiting_bytes),
            Queue::new("reads", self.reads.len(), reads_max.count),
            Queue::new("read_bytes", self.reads.bytes(), reads_max.bytes),
            Queue::new("sessions", rows, table.sessions),
            Queue::new("session_bytes", sessions.bytes(), table.bytes),
        ]
    }

    /// Counts the commands that wait for a slot.
    pub fn queued(&self) -> usize {
        self.proposals.queued()
    }

    /// Returns how many milliseconds a sync of the disk takes, as this node's heartbeats count it.
    pub fn sync_ms(&self) -> u32 {
        self.pace.sync_ticks().unwrap_or(0).saturating_mul(self.config.heartbeat_ms)
    }

    /// Tells whether this node was asked to end.
    pub const fn is_draining(&self) -> bool {
        self.draining.is_some()
    }

    /// Tells whether this node is a voter.
    pub fn is_voter(&self) -> bool {
        self.config.voters.contains(self.paxos.me())
    }

    /// Tells whether a draining replica has nothing left to hand over.
    pub fn is_drained(&self) -> bool {
        self.draining.is_some() && self.paxos.leader().ballot().is_none()
    }
}
