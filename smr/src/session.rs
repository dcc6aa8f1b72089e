//! Sessions: each command of a client changes the state at most once, however often it is sent.
//!
//! The table is part of the replicated state: it is changed by applying commands alone, so it is
//! equal on all nodes at equal slots. The claims kept true: a sequence number is applied at most
//! once; its repetition gets the reply of the first; a number below the first unanswered one is
//! refused for ever; the table is bounded by evicting the session that was idle longest, of a
//! principal over its share or else of the one who has most; and the digest tells tables apart.

mod limits;
mod saved;
mod shares;

use crate::command::{Fingerprint, Principal, Sequence, SessionId, fingerprint, mix};
use bytes::Bytes;
use shares::Shares;
use std::collections::{BTreeMap, BTreeSet};
use synod_paxos::Slot;

pub use saved::{SavedReply, SavedSession, UnsavedSession};

pub use limits::{
    KEPT_BYTES, KEPT_REPLY_BYTES_MAX, SESSION_BYTES, SESSIONS_MAX, SESSIONS_PER_PRINCIPAL_MAX,
    SessionLimits, TABLE_BYTES_MAX, TABLE_BYTES_PER_PRINCIPAL_MAX,
};

/// The most commands of a session that may be unanswered at once.
pub const PIPELINE_MAX: u64 = 32;

/// All sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Sessions {
    limits: SessionLimits,
    table: BTreeMap<SessionId, Session>,
    /// The sessions of each principal by the slot of their last command.
    by_use: BTreeSet<(Principal, Slot, SessionId)>,
    shares: Shares,
    /// The marks of all sessions, added up.
    digest: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Session {
    principal: Principal,
    used: Slot,
    unanswered: Sequence,
    replies: BTreeMap<Sequence, Kept>,
    /// What it takes, with its replies.
    bytes: usize,
    /// The marks of its replies, added up.
    marks: u64,
    /// How it stands in the digest.
    mark: u64,
}

/// What is kept for the repetitions of a command.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Kept {
    /// Tells whether a repetition asks for the same thing.
    payload: Fingerprint,
    reply: KeptReply,
    /// How it stands in the digest.
    mark: u64,
}

/// The reply kept for the repetitions of a command.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum KeptReply {
    /// All of it.
    Whole(Bytes),
    /// Nothing: it was too long to keep, or there was no room.
    Lost,
    /// Nothing: it was too long to be given to anybody.
    TooLong,
}

/// What a session says of a command before it is applied.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SessionVerdict {
    /// It was not applied and may be.
    Fresh,
    /// It was applied; this is left of its reply.
    Applied(KeptReply),
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
    /// Makes the empty table, with limits that all nodes of the cluster have.
    #[must_use]
    pub fn new(limits: SessionLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Opens the session that the command at `position` of `slot` asks for.
    pub fn open(&mut self, slot: Slot, position: u32, principal: Principal) -> SessionId {
        let whose = if self.shares.of(principal).sessions >= self.limits.sessions_per_principal {
            Some(principal)
        } else if self.table.len() >= self.limits.sessions {
            self.shares.with_most_sessions()
        } else {
            None
        };
        // One principal's flood costs its own sessions first; only a full table costs whoever has
        // most of it.
        if let Some(idle) = whose.and_then(|whose| self.longest_idle(whose)) {
            self.evict(idle);
        }
        let id = SessionId { slot, position };
        let mut session = Session {
            principal,
            used: slot,
            unanswered: Sequence::FIRST,
            replies: BTreeMap::new(),
            bytes: SESSION_BYTES,
            marks: 0,
            mark: 0,
        };
        session.mark = session.marked(id);
        self.digest = self.digest.wrapping_add(session.mark);
        self.shares.add_session(principal, session.bytes);
        self.by_use.insert((principal, slot, id));
        let before = self.table.insert(id, session);
        assert!(before.is_none(), "one place of the log opens two sessions");
        self.shed(id, principal);
        assert!(self.table.len() <= self.limits.sessions.max(1), "more sessions than may be");
        assert_eq!(self.by_use.len(), self.table.len(), "each session stands once in its order");
        id
    }

    /// Says how a command stands.
    #[must_use]
    pub fn standing(
        &self,
        id: SessionId,
        principal: Principal,
        sequence: Sequence,
        payload: Fingerprint,
    ) -> SessionVerdict {
        // Another's session is as good as none: whoever asks learns not even that it is there.
        let Some(session) = self.table.get(&id).filter(|held| held.principal == principal) else {
            return SessionVerdict::Expired;
        };
        // Kept replies are looked up before the window: one that is kept can be told however far
        // the client has gone on.
        if let Some(kept) = session.replies.get(&sequence) {
            return if kept.payload == payload {
                SessionVerdict::Applied(kept.reply.clone())
            } else {
                SessionVerdict::Reused
            };
        }
        if sequence < session.unanswered {
            SessionVerdict::Stale
        } else if sequence >= session.unanswered.plus(PIPELINE_MAX) {
            SessionVerdict::TooFar
        } else {
            SessionVerdict::Fresh
        }
    }

    /// Takes note that the client has all answers below `unanswered`, and of the use in `slot`.
    ///
    /// It comes before the command's own standing is asked for: the window begins where the client
    /// says, not where its last applied command said.
    pub fn touch(&mut self, id: SessionId, principal: Principal, unanswered: Sequence, slot: Slot) {
        self.change(id, |session| {
            if session.principal == principal {
                assert!(session.used <= slot, "a session is used in the order of the log");
                session.used = slot;
                session.unanswered = session.unanswered.max(unanswered);
                session.drop_answered();
            }
        });
    }

    /// Keeps the reply to a command that was applied, as far as there is room.
    pub fn keep(
        &mut self,
        id: SessionId,
        sequence: Sequence,
        payload: Fingerprint,
        reply: KeptReply,
    ) {
        let reply = match reply {
            KeptReply::Whole(whole) if whole.len() > self.limits.kept_reply_bytes => {
                KeptReply::Lost
            }
            KeptReply::Whole(_) | KeptReply::Lost | KeptReply::TooLong => reply,
        };
        let kept = Kept::new(sequence, payload, reply);
        let principal = self.change(id, |session| session.keep(sequence, kept));
        // There is no room for it even after all others of this principal are gone. That it was
        // applied stays known: forgetting that would have it applied again.
        if let Some(principal) = principal
            && !self.shed(id, principal)
        {
            let lost = Kept::new(sequence, payload, KeptReply::Lost);
            self.change(id, |session| session.keep(sequence, lost));
            self.make_room(principal);
        }
    }

    /// Tells whether the table knows that a command was applied, whatever it kept of the reply.
    pub(crate) fn has_applied(&self, id: SessionId, sequence: Sequence) -> bool {
        self.table.get(&id).is_some_and(|held| held.replies.contains_key(&sequence))
    }

    /// Returns whose session it is, if there is such a one.
    #[must_use]
    pub fn owner(&self, id: SessionId) -> Option<Principal> {
        self.table.get(&id).map(|session| session.principal)
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

    /// Returns the bytes that all sessions take, with the replies that they keep.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.shares.bytes()
    }

    /// Returns a number that tells tables apart, with all sessions and kept replies.
    #[must_use]
    pub const fn digest(&self) -> u64 {
        self.digest
    }

    /// Changes a session, and all that is counted of it; returns whose it is.
    fn change(&mut self, id: SessionId, change: impl FnOnce(&mut Session)) -> Option<Principal> {
        let session = self.table.get_mut(&id)?;
        let (used, bytes, mark) = (session.used, session.bytes, session.mark);
        change(session);
        session.mark = session.marked(id);
        let principal = session.principal;
        self.digest = self.digest.wrapping_sub(mark).wrapping_add(session.mark);
        self.shares.resize(principal, bytes, session.bytes);
        if used != session.used {
            // The order of use is the order of eviction, the same on all nodes as it follows from
            // the log alone.
            self.by_use.insert((principal, session.used, id));
            let was_there = self.by_use.remove(&(principal, used, id));
            assert!(was_there, "a session is not where its last use put it");
        }
        Some(principal)
    }

    /// Evicts until the bytes are within the limits; false if `current` alone, which `principal`
    /// uses at this moment, has too many.
    fn shed(&mut self, current: SessionId, principal: Principal) -> bool {
        loop {
            let whose = if self.shares.of(principal).bytes > self.limits.bytes_per_principal {
                Some(principal)
            } else if self.shares.bytes() > self.limits.bytes {
                self.shares.with_most_bytes()
            } else {
                return true;
            };
            // There is nobody whose session could go.
            let Some(idle) = whose.and_then(|whose| self.longest_idle(whose)) else { return true };
            // The session in use does not go for the sake of its own reply: the reply goes.
            if idle == current {
                return false;
            }
            self.evict(idle);
        }
    }

    /// Evicts sessions of others than `principal`, which has but the one that it uses, until the
    /// bytes of all are within the limit: even to know that a command was applied takes some.
    fn make_room(&mut self, principal: Principal) {
        while self.shares.bytes() > self.limits.bytes
            && let Some(whose) = self.shares.with_most_bytes_beside(principal)
            && let Some(idle) = self.longest_idle(whose)
        {
            self.evict(idle);
        }
    }

    fn longest_idle(&self, principal: Principal) -> Option<SessionId> {
        let first = SessionId { slot: Slot::FIRST, position: 0 };
        let mut theirs = self.by_use.range((principal, Slot::FIRST, first)..);
        theirs.next().filter(|(whose, ..)| *whose == principal).map(|(_, _, id)| *id)
    }

    fn evict(&mut self, id: SessionId) {
        if let Some(session) = self.table.remove(&id) {
            self.digest = self.digest.wrapping_sub(session.mark);
            self.shares.remove_session(session.principal, session.bytes);
            let was_there = self.by_use.remove(&(session.principal, session.used, id));
            assert!(was_there, "a session is not where its last use put it");
        }
    }
}

impl Session {
    fn drop_answered(&mut self) {
        while let Some(first) = self.replies.first_entry()
            && *first.key() < self.unanswered
        {
            let kept = first.remove();
            self.bytes -= kept.bytes();
            self.marks = self.marks.wrapping_sub(kept.mark);
        }
        assert!(self.bytes >= SESSION_BYTES, "a session takes less than an empty one");
        let is_bare = self.bytes == SESSION_BYTES && self.marks == 0;
        assert!(is_bare || !self.replies.is_empty(), "replies are counted that are gone");
    }

    fn keep(&mut self, sequence: Sequence, kept: Kept) {
        assert!(sequence >= self.unanswered, "a reply is kept that nobody may ask for again");
        self.bytes += kept.bytes();
        self.marks = self.marks.wrapping_add(kept.mark);
        if let Some(before) = self.replies.insert(sequence, kept) {
            self.bytes -= before.bytes();
            self.marks = self.marks.wrapping_sub(before.mark);
        }
        let kept = self.replies.len() as u64;
        assert!(kept <= PIPELINE_MAX, "more replies are kept than a client may wait for");
    }

    /// Computes how the session stands in the digest.
    fn marked(&self, id: SessionId) -> u64 {
        let place = mix(id.slot.number() ^ u64::from(id.position).rotate_left(32));
        let latest = mix(self.used.number() ^ self.unanswered.0.rotate_left(32));
        mix(place ^ latest.rotate_left(1) ^ self.marks ^ self.principal.number().rotate_left(2))
    }
}

impl Kept {
    fn new(sequence: Sequence, payload: Fingerprint, reply: KeptReply) -> Self {
        // A lost reply has a mark of its own: a node that kept it and one that did not have gone
        // astray.
        let held = match &reply {
            KeptReply::Whole(whole) => fingerprint(whole),
            KeptReply::Lost => LOST_MARK,
            KeptReply::TooLong => TOO_LONG_MARK,
        };
        let mark = mix(mix(sequence.0 ^ payload.number()) ^ held);
        Self { payload, reply, mark }
    }

    fn bytes(&self) -> usize {
        match &self.reply {
            KeptReply::Whole(whole) => KEPT_BYTES + whole.len(),
            KeptReply::Lost | KeptReply::TooLong => KEPT_BYTES,
        }
    }
}

/// Stands in the digest for a reply that was not kept; drawn once.
const LOST_MARK: u64 = 0x6A09_E667_F3BC_C908;

/// Stands in the digest for a reply that was too long for anybody; drawn once.
const TOO_LONG_MARK: u64 = 0xBB67_AE85_84CA_A73B;
