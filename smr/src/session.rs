//! Sessions: each command of a client changes the state at most once, however often it is sent.
//!
//! The table is part of the replicated state: it is changed by applying commands alone, so it is
//! equal on all nodes at equal slots. The claims kept true: a sequence number is applied at most
//! once; its repetition gets the reply of the first; a number below the first unanswered one is
//! refused for ever; and the table is bounded by evicting the session that was idle longest.

use crate::command::{Principal, Sequence, SessionId, fingerprint};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use synod_paxos::Slot;

/// The most sessions; one more evicts the one whose last command is oldest.
pub const SESSIONS_MAX: usize = 100_000;

/// The most commands of a session that may be unanswered at once.
pub const PIPELINE_MAX: u64 = 32;

/// The longest reply that is kept for repetitions.
pub const REPLY_BYTES_MAX: usize = 64 << 10;

/// All sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Sessions {
    table: BTreeMap<SessionId, Session>,
    /// The sessions by the slot of their last command.
    by_use: BTreeSet<(Slot, SessionId)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Session {
    principal: Principal,
    used: Slot,
    unanswered: Sequence,
    replies: BTreeMap<Sequence, Kept>,
}

/// The reply kept for the repetitions of a command.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Kept {
    /// Tells whether a repetition asks for the same thing.
    payload: u64,
    /// None if the reply was too long to keep.
    reply: Option<Bytes>,
}

/// What a session says of a command before it is applied.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// It was not applied and may be.
    Fresh,
    /// It was applied; this was the reply.
    Applied(Bytes),
    /// It was applied; the reply was too long to keep.
    AppliedReplyLost,
    /// There is no such session, or it belongs to somebody else.
    Expired,
    /// The client said that it had an answer to this number.
    Stale,
    /// The number was used for another command.
    Reused,
    /// The number is too far past the first unanswered one.
    TooFar,
}

impl Sessions {
    /// Opens the session that the command at `position` of `slot` asks for.
    pub fn open(&mut self, slot: Slot, position: u32, principal: Principal) -> SessionId {
        if self.table.len() >= SESSIONS_MAX
            && let Some((_, idle)) = self.by_use.pop_first()
        {
            self.table.remove(&idle);
        }
        let id = SessionId { slot, position };
        let session = Session {
            principal,
            used: slot,
            unanswered: Sequence::FIRST,
            replies: BTreeMap::new(),
        };
        self.table.insert(id, session);
        self.by_use.insert((slot, id));
        id
    }

    /// Says how a command stands.
    #[must_use]
    pub fn standing(
        &self,
        id: SessionId,
        principal: Principal,
        sequence: Sequence,
        payload: &[u8],
    ) -> Standing {
        let Some(session) = self.table.get(&id).filter(|held| held.principal == principal) else {
            return Standing::Expired;
        };
        if let Some(kept) = session.replies.get(&sequence) {
            return match &kept.reply {
                _ if kept.payload != fingerprint(payload) => Standing::Reused,
                Some(reply) => Standing::Applied(reply.clone()),
                None => Standing::AppliedReplyLost,
            };
        }
        if sequence < session.unanswered {
            Standing::Stale
        } else if sequence >= session.unanswered.plus(PIPELINE_MAX) {
            Standing::TooFar
        } else {
            Standing::Fresh
        }
    }

    /// Takes note that the client has all answers below `unanswered`, and of the use in `slot`.
    ///
    /// It comes before the command's own standing is asked for: the window begins where the client
    /// says, not where its last applied command said.
    pub fn touch(&mut self, id: SessionId, principal: Principal, unanswered: Sequence, slot: Slot) {
        let held = self.table.get_mut(&id);
        if let Some(session) = held.filter(|held| held.principal == principal) {
            self.by_use.remove(&(session.used, id));
            session.used = slot;
            self.by_use.insert((slot, id));
            session.unanswered = session.unanswered.max(unanswered);
            session.replies = session.replies.split_off(&session.unanswered);
        }
    }

    /// Keeps the reply to a command that was applied.
    pub fn keep(&mut self, id: SessionId, sequence: Sequence, payload: &[u8], reply: &Bytes) {
        if let Some(session) = self.table.get_mut(&id) {
            let payload = fingerprint(payload);
            let reply = (reply.len() <= REPLY_BYTES_MAX).then(|| reply.clone());
            session.replies.insert(sequence, Kept { payload, reply });
        }
    }

    /// Counts the sessions.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Tells whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }
}
