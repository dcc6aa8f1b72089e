//! An operation on its way: its attempts, and what may be concluded from them.
//!
//! The claim kept true: once an attempt of a command was given up without an answer, no refusal of
//! another attempt makes its outcome definite.

use super::Session;
use super::operation::{Millis, Operation, Outcome, Reason};
use super::retry::Retries;
use crate::command::Sequence;
use crate::request::{Refusal, RequestBody, RequestId};
use synod_paxos::NodeId;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Pending {
    pub(super) operation: Operation,
    pub(super) deadline: Millis,
    pub(super) sequence: Option<Sequence>,
    /// Whether an attempt may have taken effect, or still may.
    pub(super) uncertain: bool,
    pub(super) attempt: Attempt,
    /// How many attempts were given up without an answer.
    pub(super) silences: u32,
    pub(super) retries: Retries,
    pub(super) refusal: Option<Refusal>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Attempt {
    /// None is out; the next may begin at this instant.
    Due(Millis),
    /// One is out.
    Out { id: RequestId, to: NodeId, until: Millis },
}

impl Attempt {
    /// Returns when the attempt is due, or when its answer is.
    ///
    /// Never inlined: rustc 1.95 merges both arms into one load at an offset made from the tag, and
    /// does it before the caller has looked whether there is an attempt at all. In an open session
    /// the tag is other bytes, and the client crashed on the address made from them.
    #[inline(never)]
    pub(super) const fn instant(self) -> Millis {
        match self {
            Self::Due(at) => at,
            Self::Out { until, .. } => until,
        }
    }
}

impl Pending {
    pub(super) const fn is_in_flight(&self) -> bool {
        matches!(self.attempt, Attempt::Out { .. })
    }

    pub(super) fn is_out(&self, asked: RequestId) -> bool {
        matches!(self.attempt, Attempt::Out { id, .. } if id == asked)
    }

    /// Tells whether an attempt is out or may be made as soon as it is due.
    pub(super) const fn can_go(&self, session: &Session) -> bool {
        match (&self.operation, session) {
            (Operation::Query(_), _) => true,
            (Operation::Command(_), Session::Open { .. }) => self.sequence.is_some(),
            (Operation::Command(_), Session::Closed { .. }) => false,
        }
    }

    /// Stops waiting for the answer of an attempt, whose fate stays open.
    pub(super) const fn give_attempt_up(&mut self, due: Millis) {
        self.uncertain |= self.sequence.is_some();
        self.silences = self.silences.saturating_add(1);
        self.attempt = Attempt::Due(due);
    }

    /// Returns the outcome of an operation that ends without a reply.
    pub(super) fn without_reply(&self, reason: Reason, may_apply: bool) -> Outcome {
        match self.operation {
            Operation::Command(_) if self.uncertain || may_apply => Outcome::Unknown(reason),
            Operation::Command(_) | Operation::Query(_) => Outcome::NotApplied(reason),
        }
    }

    pub(super) fn body(&self, session: &Session, unanswered: Sequence) -> Option<RequestBody> {
        match (&self.operation, session) {
            (Operation::Query(query), _) => Some(RequestBody::Query(query.clone())),
            (Operation::Command(payload), Session::Open { id, .. }) => Some(RequestBody::Command {
                session: *id,
                sequence: self.sequence?,
                unanswered,
                payload: payload.clone(),
            }),
            (Operation::Command(_), Session::Closed { .. }) => None,
        }
    }
}
