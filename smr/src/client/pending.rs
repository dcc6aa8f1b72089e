//! An operation on its way: its attempts, and what may be concluded from them.
//!
//! The claims kept true: once an attempt of a command was given up without an answer, no refusal of
//! another attempt makes its outcome definite; and an attempt that was given up may still be
//! answered, as far as [`EARLIER_MAX`] attempts reach.

use super::Session;
use super::operation::{Millis, Operation, Outcome, Reason};
use super::retry::Retries;
use crate::command::Sequence;
use crate::request::{Refusal, RequestBody, RequestId};
use std::collections::VecDeque;
use synod_paxos::NodeId;

/// How many attempts of an operation, or of an opening, are known after they were given up. The
/// answer to one before these is not recognised, and the operation waits for another one.
pub const EARLIER_MAX: usize = 8;

/// How long a node may be silent that has an attempt, in milliseconds, and how long the others may
/// be that are asked about it. The first doubles with every round of silences that is as long as
/// there are nodes, up to [`ATTEMPT_MS_MAX`].
pub const ATTEMPT_MS: u64 = 250;

/// How long an attempt waits for its answer at most, in milliseconds, before others are asked
/// whether its node leads; and the longest silence that is borne.
pub const ATTEMPT_MS_MAX: u64 = 2000;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Pending {
    pub(super) operation: Operation,
    pub(super) deadline: Millis,
    /// The time that it had at first, in milliseconds.
    pub(super) time_ms: u64,
    pub(super) sequence: Option<Sequence>,
    /// Whether an attempt may have taken effect, or still may.
    pub(super) uncertain: bool,
    pub(super) attempt: Attempt,
    pub(super) earlier: Earlier,
    /// How often patience ended without an answer.
    pub(super) silences: u32,
    pub(super) retries: Retries,
    pub(super) refusal: Option<Refusal>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Attempt {
    /// None is out; the next may begin at this instant.
    Due(Millis),
    /// One is out since an instant, and patience with its node ends at another.
    Out { id: RequestId, to: NodeId, since: Millis, until: Millis },
}

/// The attempts that were given up and may still be answered, the newest last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Earlier(VecDeque<RequestId>);

impl Earlier {
    pub(super) fn note(&mut self, id: RequestId) {
        if self.0.len() >= EARLIER_MAX {
            self.0.pop_front();
        }
        self.0.push_back(id);
    }

    pub(super) fn contains(&self, id: RequestId) -> bool {
        self.0.contains(&id)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
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
    /// Returns an operation of which nothing was sent.
    pub(super) fn new(operation: Operation, deadline: Millis, now: Millis) -> Self {
        Self {
            operation,
            deadline,
            time_ms: deadline.0.saturating_sub(now.0),
            sequence: None,
            uncertain: false,
            attempt: Attempt::Due(now),
            earlier: Earlier::default(),
            silences: 0,
            retries: Retries::NONE,
            refusal: None,
        }
    }

    /// Tells whether it is not worth the room of a full queue any more: it never left, and has less
    /// time than it needs. A request that is answered too late has those behind it be late, too.
    pub(super) fn is_too_late_to_leave(&self, now: Millis, needed_ms: u64) -> bool {
        let never_left = !self.uncertain && self.earlier.is_empty();
        never_left && now.plus(needed_ms) >= self.deadline
    }

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

    /// Tells whether an attempt is out at this node whose patience has ended.
    pub(super) fn is_silent(&self, now: Millis, node: NodeId) -> bool {
        matches!(self.attempt, Attempt::Out { to, until, .. } if to == node && until <= now)
    }

    /// Returns how long a node may be silent, in a cluster of so many.
    pub(super) fn patience_ms(&self, nodes: usize) -> u64 {
        // It grows once all nodes were silent in turn: a lone silent node says nothing of the way
        // to the others, and they need not be waited for as long.
        let rounds = self.silences / u32::try_from(nodes).unwrap_or(u32::MAX);
        (ATTEMPT_MS << rounds.min(8)).min(ATTEMPT_MS_MAX)
    }

    /// Stops waiting for the answer of an attempt, whose fate stays open. If the answer comes all
    /// the same, it is known whose it is.
    pub(super) fn give_attempt_up(&mut self, due: Millis) {
        if let Attempt::Out { id, .. } = self.attempt {
            self.earlier.note(id);
        }
        self.lose_attempt(due);
    }

    /// Takes note that an attempt will have no answer; its fate stays open.
    pub(super) const fn lose_attempt(&mut self, due: Millis) {
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
