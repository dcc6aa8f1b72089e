//! Sessions as they stand in a snapshot: one after another, in the order of their names.
//!
//! What is saved is what commands brought about; sums, marks and the order of use follow from it.
//! The claim kept true: the table that takes all saved sessions back is equal to the one that saved
//! them, and no other sequence of sessions makes it.

use super::{Kept, KeptReply, PIPELINE_MAX, SESSION_BYTES, Session, SessionLimits, Sessions};
use crate::command::{Fingerprint, Principal, Sequence, SessionId};
use std::fmt;
use synod_paxos::Slot;

/// One session, as a snapshot has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedSession {
    /// Which one it is.
    pub id: SessionId,
    /// Whose it is.
    pub principal: Principal,
    /// The slot of its last command.
    pub used: Slot,
    /// The first number that its client has no answer to.
    pub unanswered: Sequence,
    /// What is kept for repetitions, in the order of the numbers.
    pub replies: Vec<SavedReply>,
}

/// What is kept of one command of a saved session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedReply {
    /// Its number.
    pub sequence: Sequence,
    /// What it asked for.
    pub payload: Fingerprint,
    /// What it was answered.
    pub reply: KeptReply,
}

/// Says why a session cannot have been saved by a table with the same limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnsavedSession {
    /// It does not come after the one before it.
    Order,
    /// It was used before it was opened.
    Used,
    /// It keeps more replies than a client may wait for.
    Replies,
    /// A reply is kept to a number that was answered, or does not come after the one before it.
    Sequence,
    /// A reply is longer than any that is kept.
    Length,
    /// The table has no more room.
    Room,
}

impl fmt::Display for UnsavedSession {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Order => "a session stands out of order",
            Self::Used => "a session was used before it was opened",
            Self::Replies => "a session keeps more replies than a client may wait for",
            Self::Sequence => "a session keeps a reply that nobody may ask for",
            Self::Length => "a session keeps a reply longer than any that is kept",
            Self::Room => "the sessions are more than the table holds",
        })
    }
}

impl std::error::Error for UnsavedSession {}

impl Sessions {
    /// Lists the sessions as a snapshot has them.
    pub fn saved(&self) -> impl Iterator<Item = SavedSession> + '_ {
        self.table.iter().map(|(id, session)| SavedSession {
            id: *id,
            principal: session.principal,
            used: session.used,
            unanswered: session.unanswered,
            replies: session.replies.iter().map(saved_reply).collect(),
        })
    }

    /// Takes the next saved session back.
    ///
    /// # Errors
    ///
    /// Fails on what no table with these limits saves; the table is as it was.
    pub fn take_back(&mut self, saved: SavedSession) -> Result<(), UnsavedSession> {
        let SavedSession { id, principal, used, .. } = saved;
        if self.table.last_key_value().is_some_and(|(last, _)| *last >= id) {
            return Err(UnsavedSession::Order);
        }
        let session = Session::taken_back(saved, &self.limits)?;
        let share = self.shares.of(principal);
        let fits = self.table.len() < self.limits.sessions.max(1)
            && share.sessions < self.limits.sessions_per_principal.max(1);
        if !fits {
            return Err(UnsavedSession::Room);
        }
        self.digest = self.digest.wrapping_add(session.mark);
        self.shares.add_session(principal, session.bytes);
        self.by_use.insert((principal, used, id));
        self.table.insert(id, session);
        assert_eq!(self.by_use.len(), self.table.len(), "each session stands once in its order");
        Ok(())
    }
}

impl Session {
    fn taken_back(saved: SavedSession, limits: &SessionLimits) -> Result<Self, UnsavedSession> {
        let SavedSession { id, principal, used, unanswered, replies } = saved;
        if used < id.slot {
            return Err(UnsavedSession::Used);
        }
        if replies.len() as u64 > PIPELINE_MAX {
            return Err(UnsavedSession::Replies);
        }
        let (bytes, kept) = (SESSION_BYTES, std::collections::BTreeMap::new());
        let mut session =
            Self { principal, used, unanswered, replies: kept, bytes, marks: 0, mark: 0 };
        for SavedReply { sequence, payload, reply } in replies {
            let after = session.replies.last_key_value().is_none_or(|(last, _)| *last < sequence);
            if sequence < unanswered || !after {
                return Err(UnsavedSession::Sequence);
            }
            if matches!(&reply, KeptReply::Whole(whole) if whole.len() > limits.kept_reply_bytes) {
                return Err(UnsavedSession::Length);
            }
            session.keep(sequence, Kept::new(sequence, payload, reply));
        }
        session.mark = session.marked(id);
        Ok(session)
    }
}

fn saved_reply((sequence, kept): (&Sequence, &Kept)) -> SavedReply {
    SavedReply { sequence: *sequence, payload: kept.payload, reply: kept.reply.clone() }
}
