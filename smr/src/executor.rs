//! The executor: it applies the chosen decrees, in order, without a gap, each once.
//!
//! It owns what is replicated: the state machine, the sessions, the applied slot, and a hash chain
//! over all decrees. It leaves to the replica who is told of a result. The claims kept true: two
//! replicas that applied the same slots are equal; nothing is applied over a gap; a command that a
//! session has applied is not applied again, whoever proposed it.

use crate::command::{Command, CommandBatch, Principal, Sequence, SessionId, fingerprint, mix};
use crate::request::{Refusal, Response};
use crate::session::{Sessions, Standing};
use crate::state_machine::StateMachine;
use bytes::Bytes;
use synod_paxos::{Decree, Slot};

/// Names what a client waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Awaited {
    /// The opening of a session.
    Open(Principal, u64),
    /// The reply to a command.
    Apply(SessionId, Sequence),
}

/// The replicated state of one node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Executor<M> {
    machine: M,
    sessions: Sessions,
    applied: Slot,
    chain: u64,
}

impl<M: StateMachine> Executor<M> {
    /// Begins with the machine before any command.
    pub fn new(machine: M) -> Self {
        Self { machine, sessions: Sessions::default(), applied: Slot::FIRST, chain: 0 }
    }

    /// Returns the machine.
    pub const fn machine(&self) -> &M {
        &self.machine
    }

    /// Returns the sessions.
    pub const fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// Returns the first slot that is not applied; all below it are.
    pub const fn applied(&self) -> Slot {
        self.applied
    }

    /// Returns the hash chain over all decrees applied.
    pub const fn chain(&self) -> u64 {
        self.chain
    }

    /// Returns a number that tells different states apart: machine, decrees and applied slot.
    pub fn digest(&self) -> u64 {
        mix(self.machine.digest() ^ mix(self.chain ^ self.applied.number()))
    }

    /// Applies the decree of the next slot, and tells `settle` what each command led to.
    ///
    /// spec: Smr!Apply
    pub fn apply(
        &mut self,
        decree: &Decree<CommandBatch>,
        mut settle: impl FnMut(Awaited, Response),
    ) {
        let slot = self.applied;
        match decree {
            Decree::Noop => self.chain = mix(self.chain ^ 1),
            Decree::Value(batch) => {
                self.chain = mix(self.chain ^ fingerprint(batch.bytes()));
                for (position, command) in (0..).zip(batch.commands()) {
                    let (awaited, response) = self.execute(slot, position, &command);
                    settle(awaited, response);
                }
            }
        }
        self.applied = slot.next();
    }

    fn execute(&mut self, slot: Slot, position: u32, command: &Command) -> (Awaited, Response) {
        match command {
            Command::Open { principal, nonce } => {
                let session = self.sessions.open(slot, position, *principal);
                (Awaited::Open(*principal, *nonce), Response::Opened(session))
            }
            Command::Apply { principal, session, sequence, unanswered, payload } => {
                self.sessions.touch(*session, *principal, *unanswered, slot);
                let standing = self.sessions.standing(*session, *principal, *sequence, payload);
                let response = match answer(standing) {
                    Some(response) => response,
                    None => Response::Reply(self.change(*session, *sequence, payload)),
                };
                (Awaited::Apply(*session, *sequence), response)
            }
        }
    }

    fn change(&mut self, session: SessionId, sequence: Sequence, payload: &Bytes) -> Bytes {
        let reply = self.machine.apply(payload);
        self.sessions.keep(session, sequence, payload, &reply);
        reply
    }
}

/// Returns the answer to a command that must not be applied; none if it must.
pub fn answer(standing: Standing) -> Option<Response> {
    match standing {
        Standing::Fresh => None,
        Standing::Applied(reply) => Some(Response::Reply(reply)),
        Standing::AppliedReplyLost => Some(Response::Refused(Refusal::ReplyLost)),
        Standing::Expired => Some(Response::Refused(Refusal::SessionExpired)),
        Standing::Stale => Some(Response::Refused(Refusal::SequenceStale)),
        Standing::Reused => Some(Response::Refused(Refusal::SequenceReused)),
        Standing::TooFar => Some(Response::Refused(Refusal::PipelineFull)),
    }
}
