//! The executor: it applies the chosen decrees, in order, without a gap, each once.
//!
//! It owns what is replicated: the state machine, the sessions, the applied slot, and a hash chain
//! over all decrees. It leaves to the replica who is told of a result. The claims kept true: two
//! replicas that applied the same slots are equal; nothing is applied over a gap; a command that a
//! session has applied is not applied again, whoever proposed it.

use crate::command::{
    Command, CommandBatch, Fingerprint, Opening, Principal, Sequence, SessionId, fingerprint, mix,
};
use crate::request::{Refusal, Response};
use crate::session::{KeptReply, NamedCommand, SessionLimits, SessionVerdict, Sessions};
use crate::state_machine::{REPLY_BYTES_MAX, StateMachine};
use synod_paxos::{Decree, Slot};

/// Names what a client waits for. Who asks and for what is a part of the name: a candidate that
/// does not know a session yet cannot tell whether a stranger has guessed its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WaitKey {
    /// The opening of a session.
    Open {
        /// Who asks.
        principal: Principal,
        /// Which opening it is.
        opening: Opening,
    },
    /// The reply to a command.
    Apply {
        /// Who asks.
        principal: Principal,
        /// The session.
        session: SessionId,
        /// The number in the session.
        sequence: Sequence,
        /// Stands for the payload.
        payload: Fingerprint,
    },
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
        Self::with_limits(machine, SessionLimits::default())
    }

    /// Begins with the machine before any command, and with limits that all nodes have.
    pub fn with_limits(machine: M, limits: SessionLimits) -> Self {
        Self { machine, sessions: Sessions::new(limits), applied: Slot::FIRST, chain: 0 }
    }

    /// Stands for a state at `slot` of which nothing else is known, for those who look at a journal
    /// above it and ask nothing of the state.
    pub fn unknown(machine: M, limits: SessionLimits, slot: Slot) -> Self {
        Self { applied: slot, ..Self::with_limits(machine, limits) }
    }

    /// Goes on where a state was saved.
    pub(crate) const fn taken_back(
        machine: M,
        sessions: Sessions,
        applied: Slot,
        chain: u64,
    ) -> Self {
        Self { machine, sessions, applied, chain }
    }

    /// Lets go of all sessions, for another cluster that begins with this state. Its clients show
    /// certificates of another authority, and a session is bound to the certificate that opened it:
    /// nobody could use one that was kept, and it would only take the place of others.
    #[must_use]
    pub fn without_sessions(self, limits: SessionLimits) -> Self {
        Self { sessions: Sessions::new(limits), ..self }
    }

    /// Returns the machine.
    pub const fn machine(&self) -> &M {
        &self.machine
    }

    /// Answers a question.
    pub fn query(&self, query: &[u8]) -> Response {
        let answer = self.machine.query(query);
        if answer.len() > REPLY_BYTES_MAX {
            return Response::Refused(Refusal::ReplyTooLong);
        }
        Response::Reply(answer)
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

    /// Returns a number that tells different states apart: machine, sessions with the replies that
    /// they keep, decrees and applied slot.
    pub fn digest(&self) -> u64 {
        let log = mix(self.chain ^ self.applied.number());
        mix(self.machine.digest() ^ mix(self.sessions.digest() ^ log))
    }

    /// Applies the decree of the next slot, and tells `settle` what each command led to.
    ///
    /// spec: Smr!Apply
    pub fn apply(
        &mut self,
        decree: &Decree<CommandBatch>,
        mut settle: impl FnMut(WaitKey, Response),
    ) {
        let slot = self.applied;
        match decree {
            // A Noop moves the chain as well, or one that is left out would not show.
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

    fn execute(&mut self, slot: Slot, position: u32, command: &Command) -> (WaitKey, Response) {
        match command {
            Command::Open { principal, opening } => {
                let session = self.sessions.open(slot, position, *principal);
                let awaited = WaitKey::Open { principal: *principal, opening: *opening };
                (awaited, Response::Opened(session))
            }
            Command::Apply { principal, session, sequence, unanswered, payload } => {
                let (principal, session, sequence) = (*principal, *session, *sequence);
                let (unanswered, print) = (*unanswered, Fingerprint::of(payload));
                let named =
                    NamedCommand { session, principal, sequence, unanswered, payload: print };
                let machine = &mut self.machine;
                // A command is in the log as often as it was proposed; here, in the order that all
                // nodes share, it is applied the first time alone.
                let standing = self.sessions.apply_once(named, slot, || change(machine, payload));
                let response = answer(standing).expect("what is fresh is applied");
                (WaitKey::Apply { principal, session, sequence, payload: print }, response)
            }
        }
    }
}

fn change(machine: &mut impl StateMachine, payload: &[u8]) -> KeptReply {
    let reply = machine.apply(payload);
    if reply.len() > REPLY_BYTES_MAX { KeptReply::TooLong } else { KeptReply::Whole(reply) }
}

/// Returns the answer to a command that must not be applied; none if it must.
pub fn answer(standing: SessionVerdict) -> Option<Response> {
    match standing {
        SessionVerdict::Fresh => None,
        SessionVerdict::Applied(kept) => Some(response_of(kept)),
        SessionVerdict::Expired => Some(Response::Refused(Refusal::SessionExpired)),
        SessionVerdict::Stale => Some(Response::Refused(Refusal::SequenceStale)),
        SessionVerdict::Reused => Some(Response::Refused(Refusal::SequenceReused)),
        SessionVerdict::TooFar => Some(Response::Refused(Refusal::PipelineFull)),
    }
}

/// Returns what the client of an applied command is told.
pub(crate) fn response_of(kept: KeptReply) -> Response {
    match kept {
        KeptReply::Whole(reply) => Response::Reply(reply),
        KeptReply::Lost => Response::Refused(Refusal::ReplyLost),
        KeptReply::TooLong => Response::Refused(Refusal::ReplyTooLong),
    }
}
