//! What others may look at in a replica.
//!
//! Nothing here changes a replica. The claim kept true: a status is read off one state, between
//! two steps.

use crate::command::CommandBatch;
use crate::config::Limits;
use crate::executor::Executor;
use crate::replica::Replica;
use crate::state_machine::StateMachine;
use crate::status::Status;
use synod_paxos::{Ballot, MultiPaxos, NodeId};

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

    /// Tells whether a draining replica has nothing left to hand over.
    pub fn is_drained(&self) -> bool {
        self.draining.is_some() && self.paxos.leader().ballot().is_none()
    }
}
