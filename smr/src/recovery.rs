//! Recovery: a replica is made again from its journal, record by record.
//!
//! Decrees are applied as their hints come and let go of soon after, so that memory holds a window
//! of the log. The claim kept true: the recovered replica is one that the journal's writer could
//! have been, and it has told nobody anything that it does not know any more.

use crate::checkpoint::Checkpoints;
use crate::command::CommandBatch;
use crate::config::{Config, Limits};
use crate::effects::{Effects, Record};
use crate::executor::Executor;
use crate::replica::Replica;
use crate::session::SessionLimits;
use crate::state_machine::StateMachine;
use synod_paxos::{Ballot, Slot};

/// A replica on its way back.
///
/// A replica that never ran is recovered from no record at all.
#[derive(Debug)]
pub struct Recovering<M> {
    paxos: synod_paxos::Recovery<CommandBatch>,
    executor: Executor<M>,
    limits: Limits,
    checkpoints: Checkpoints,
}

impl<M: StateMachine> Recovering<M> {
    /// Begins with the machine before any command, within [`Limits::DEFAULT`].
    pub fn new(machine: M) -> Self {
        Self::bounded(machine, Limits::DEFAULT, SessionLimits::default())
    }

    /// Begins with the machine before any command, within these limits. Those of sessions are part
    /// of the replicated state: all nodes of the cluster have had the same since its beginning.
    pub fn bounded(machine: M, limits: Limits, sessions: SessionLimits) -> Self {
        Self {
            paxos: synod_paxos::Recovery::new(),
            executor: Executor::with_limits(machine, sessions),
            limits,
            checkpoints: Checkpoints::default(),
        }
    }

    /// Begins with a state that stands for the decrees below its slot: records below it say
    /// nothing.
    ///
    /// spec: Snapshot!Crash
    pub fn above(state: Executor<M>, limits: Limits) -> Self {
        let (paxos, mut checkpoints) =
            (synod_paxos::Recovery::above(state.applied()), Checkpoints::default());
        checkpoints.on_applied(state.applied(), || state.digest());
        Self { paxos, executor: state, limits, checkpoints }
    }

    /// Begins above a slot without the state there, as the snapshot that stands for it is damaged:
    /// all that was voted is here, and the replica does not lead before it has the state from its
    /// peers. It goes on from `state`, which is that of an earlier slot.
    pub fn without_state(state: Executor<M>, slot: Slot, limits: Limits) -> Self {
        let paxos = synod_paxos::Recovery::above(slot);
        Self { paxos, executor: state, limits, checkpoints: Checkpoints::default() }
    }

    /// Takes the next record in.
    pub fn on_record(&mut self, record: Record) {
        self.paxos.on_record(record);
        let has_state = self.has_state();
        while has_state && self.executor.applied() < self.paxos.chosen() {
            let decree = self.paxos.decree(self.executor.applied());
            let decree = decree.expect("a hint counts as far as decrees were read").clone();
            self.executor.apply(&decree, |_, _| {});
            self.checkpoints.on_applied(self.executor.applied(), || self.executor.digest());
        }
        let (slots, bytes) = self.paxos.held();
        let Limits { cache_slots, cache_bytes, .. } = self.limits;
        // What is chosen is applied, or the state that it would be applied to is not here.
        let done = self.paxos.chosen();
        if bytes > cache_bytes {
            self.paxos.forget_below(done);
        } else if slots > cache_slots + cache_slots / 4 {
            self.paxos.forget_below(Slot::new(done.number().saturating_sub(cache_slots)));
        }
    }

    /// Returns the promise read so far.
    pub const fn promised(&self) -> Ballot {
        self.paxos.promised()
    }

    /// Returns the first slot whose decree is missing, though it was recorded that all slots up to
    /// some later one are chosen. At the end of the records there must be none.
    pub fn missing(&self) -> Option<Slot> {
        let chosen = self.paxos.chosen();
        (chosen < self.paxos.hinted()).then_some(chosen)
    }

    /// Returns the first slot that is not applied yet.
    pub const fn applied(&self) -> Slot {
        self.executor.applied()
    }

    /// Tells whether the state is here of what is known to be chosen.
    pub fn has_state(&self) -> bool {
        self.executor.applied() >= self.paxos.base()
    }

    /// Makes the replica, in the life that `config` names.
    ///
    /// The incarnation in `config` must be durable and larger than in all earlier lives.
    pub fn finish(self, config: Config, effects: &mut Effects) -> Replica<M> {
        let (core_id, voters) = (config.core_id, config.voters.clone());
        let paxos = self.paxos.finish(core_id, voters, config.alpha);
        let paxos = paxos.with_limits(config.limits.log);
        Replica::assemble(config, paxos, (self.executor, self.checkpoints), effects)
    }
}
