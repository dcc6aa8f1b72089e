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
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{Hash, Hasher};
use synod_paxos::Slot;

pub use saved::{SavedReply, SavedSession, UnsavedSession};

pub use limits::{
    KEPT_BYTES, KEPT_REPLY_BYTES_MAX, SESSION_BYTES, SESSIONS_MAX, SESSIONS_PER_PRINCIPAL_MAX,
    SessionLimits, TABLE_BYTES_MAX, TABLE_BYTES_PER_PRINCIPAL_MAX,
};

/// The most commands of a session that may be unanswered at once.
pub const PIPELINE_MAX: u64 = 32;

/// All sessions.
#[derive(Clone, Debug, Default)]
pub struct Sessions {
    limits: SessionLimits,
    table: BTreeMap<SessionId, Session>,
    /// The sessions of each principal by the slot of a command, of the last one where nothing came
    /// since they were looked through: most commands never need the order.
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
    /// In the order of their numbers.
    replies: VecDeque<(Sequence, Kept)>,
    /// What it takes, with its replies.
    bytes: usize,
    /// The marks of its replies, added up.
    marks: u64,
    /// How it stands in the digest.
    mark: u64,
}

/// A command as its client names it.
#[derive(Clone, Copy, Debug)]
pub struct NamedCommand {
    /// The session.
    pub session: SessionId,
    /// Who asks.
    pub principal: Principal,
    /// The number in the session.
    pub sequence: Sequence,
    /// The first number that the client still has no answer for.
    pub unanswered: Sequence,
    /// Stands for what is asked.
    pub payload: Fingerprint,
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
            replies: VecDeque::new(),
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
        let session = self.table.get(&id).filter(|held| held.principal == principal);
        session.map_or(SessionVerdict::Expired, |held| held.standing(sequence, payload))
    }

    /// Has `apply` change the state and keeps its reply, unless the command was applied before or
    /// may not be; says how it stands then.
    ///
    /// It counts as a use of the session in `slot` whatever comes of it, as all nodes must evict
    /// alike.
    pub fn apply_once(
        &mut self,
        command: NamedCommand,
        slot: Slot,
        apply: impl FnOnce() -> KeptReply,
    ) -> SessionVerdict {
        let NamedCommand { session: id, principal, sequence, unanswered, payload } = command;
        let held = self.table.get_mut(&id).filter(|held| held.principal == principal);
        let Some(session) = held else { return SessionVerdict::Expired };
        let before = (session.bytes, session.mark);
        // The window begins where the client says, not where its last applied command said.
        session.touch(unanswered, slot);
        let mut verdict = session.standing(sequence, payload);
        let is_fresh = verdict == SessionVerdict::Fresh;
        if is_fresh {
            let reply = apply();
            // What is kept is part of the replicated state, so its bounds are the same on all
            // nodes.
            let kept = self.limits.kept(reply.clone());
            session.keep(sequence, Kept::new(sequence, payload, kept));
            verdict = SessionVerdict::Applied(reply);
        }
        session.settle(id, before, &mut self.digest, &mut self.shares);
        if is_fresh && !self.shed(id, principal) {
            self.lose_reply(command);
        }
        verdict
    }

    /// Forgets a reply for which there is no room even after all other sessions of its principal
    /// are gone. That its command was applied stays known: forgetting that would have it applied
    /// again.
    fn lose_reply(
        &mut self,
        NamedCommand { session: id, principal, sequence, payload, .. }: NamedCommand,
    ) {
        let Some(session) = self.table.get_mut(&id) else { return };
        let before = (session.bytes, session.mark);
        session.keep(sequence, Kept::new(sequence, payload, KeptReply::Lost));
        session.settle(id, before, &mut self.digest, &mut self.shares);
        self.make_room(principal);
        let knows = |held: &Session| held.place(sequence).is_ok();
        assert!(self.table.get(&id).is_some_and(knows), "it would be applied once more");
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

    /// Returns how far the table may grow.
    #[must_use]
    pub const fn limits(&self) -> &SessionLimits {
        &self.limits
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

    /// Returns the session of a principal whose last command is the oldest.
    fn longest_idle(&mut self, principal: Principal) -> Option<SessionId> {
        let first = SessionId { slot: Slot::FIRST, position: 0 };
        loop {
            let mut theirs = self.by_use.range((principal, Slot::FIRST, first)..);
            let (_, slot, id) = *theirs.next().filter(|(whose, ..)| *whose == principal)?;
            let used = self.table.get(&id).map(|session| session.used)?;
            // No session was used before it says, so the first whose word holds is the one. All
            // moves together are no more than commands were, but one call may make many of them:
            // some 10 ms where each of 50,000 sessions was used since the last one.
            if used == slot {
                return Some(id);
            }
            self.by_use.remove(&(principal, slot, id));
            self.by_use.insert((principal, used, id));
        }
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

// The order of use follows from the table, as far as anybody asked for it.

impl PartialEq for Sessions {
    fn eq(&self, other: &Self) -> bool {
        self.limits == other.limits
            && self.table == other.table
            && self.shares == other.shares
            && self.digest == other.digest
    }
}

impl Eq for Sessions {}

impl Hash for Sessions {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.limits.hash(state);
        self.table.hash(state);
        self.shares.hash(state);
        self.digest.hash(state);
    }
}

impl Session {
    fn standing(&self, sequence: Sequence, payload: Fingerprint) -> SessionVerdict {
        // Kept replies are looked up before the window: one that is kept can be told however far
        // the client has gone on.
        if let Ok(place) = self.place(sequence) {
            let (_, kept) = &self.replies[place];
            return if kept.payload == payload {
                SessionVerdict::Applied(kept.reply.clone())
            } else {
                SessionVerdict::Reused
            };
        }
        if sequence < self.unanswered {
            SessionVerdict::Stale
        } else if sequence >= self.unanswered.plus(PIPELINE_MAX) {
            SessionVerdict::TooFar
        } else {
            SessionVerdict::Fresh
        }
    }

    /// Returns where the reply to a number stands, or where it would.
    fn place(&self, sequence: Sequence) -> Result<usize, usize> {
        self.replies.binary_search_by_key(&sequence, |(number, _)| *number)
    }

    /// Takes note that the client has all answers below `unanswered`, and of the use in `slot`.
    fn touch(&mut self, unanswered: Sequence, slot: Slot) {
        assert!(self.used <= slot, "a session is used in the order of the log");
        self.used = slot;
        self.unanswered = self.unanswered.max(unanswered);
        while let Some((first, kept)) = self.replies.front()
            && *first < self.unanswered
        {
            self.bytes -= kept.bytes();
            self.marks = self.marks.wrapping_sub(kept.mark);
            self.replies.pop_front();
        }
        // Its client may have had many commands on their way, and what they took is counted no
        // more.
        let needed = self.replies.len() + 1;
        if self.replies.capacity() > 4 * needed {
            self.replies.shrink_to(4.max(2 * needed));
        }
        assert!(self.bytes >= SESSION_BYTES, "a session takes less than an empty one");
        let is_bare = self.bytes == SESSION_BYTES && self.marks == 0;
        assert!(is_bare || !self.replies.is_empty(), "replies are counted that are gone");
    }

    fn keep(&mut self, sequence: Sequence, kept: Kept) {
        assert!(sequence >= self.unanswered, "a reply is kept that nobody may ask for again");
        self.bytes += kept.bytes();
        self.marks = self.marks.wrapping_add(kept.mark);
        match self.place(sequence) {
            Ok(place) => {
                let (_, before) = std::mem::replace(&mut self.replies[place], (sequence, kept));
                self.bytes -= before.bytes();
                self.marks = self.marks.wrapping_sub(before.mark);
            }
            Err(place) => self.replies.insert(place, (sequence, kept)),
        }
        let kept = self.replies.len() as u64;
        assert!(kept <= PIPELINE_MAX, "more replies are kept than a client may wait for");
    }

    /// Has the table count anew what the session takes, and how it stands in the digest.
    fn settle(
        &mut self,
        id: SessionId,
        (bytes, mark): (usize, u64),
        digest: &mut u64,
        shares: &mut Shares,
    ) {
        self.mark = self.marked(id);
        *digest = digest.wrapping_sub(mark).wrapping_add(self.mark);
        shares.resize(self.principal, bytes, self.bytes);
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    /// Replies that are answered leave no memory behind that no limit counts.
    #[test]
    fn a_session_gives_back_the_room_of_what_was_answered() {
        let (mut sessions, principal) = (Sessions::default(), Principal::of_name("alice"));
        let session = sessions.open(Slot::FIRST, 0, principal);
        let apply = |sessions: &mut Sessions, sequence, unanswered| {
            let (sequence, unanswered) = (Sequence(sequence), Sequence(unanswered));
            let payload = Fingerprint::of(b"");
            let command = NamedCommand { session, principal, sequence, unanswered, payload };
            sessions.apply_once(command, Slot::FIRST, || KeptReply::TooLong);
            sessions.table.get(&session).unwrap().replies.capacity()
        };
        let full = (1..=PIPELINE_MAX).map(|sequence| apply(&mut sessions, sequence, 1)).last();
        assert!(full.unwrap() >= 32);
        assert!(apply(&mut sessions, 33, 32) <= 8, "two are kept");
    }
}
