//! Shares: how much of the table each principal has, and who has most.
//!
//! It leaves to the table who is evicted. The claim kept true: the sums are those of the sessions.

use crate::command::Principal;
use std::collections::{BTreeMap, BTreeSet};

/// What every principal has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Shares {
    of: BTreeMap<Principal, Share>,
    by_sessions: BTreeSet<(usize, Principal)>,
    by_bytes: BTreeSet<(usize, Principal)>,
    bytes: usize,
}

/// What one principal has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Share {
    pub(super) sessions: usize,
    pub(super) bytes: usize,
}

impl Shares {
    pub(super) fn add_session(&mut self, principal: Principal, bytes: usize) {
        self.change(principal, |share| {
            share.sessions += 1;
            share.bytes += bytes;
        });
    }

    pub(super) fn remove_session(&mut self, principal: Principal, bytes: usize) {
        self.change(principal, |share| {
            share.sessions -= 1;
            share.bytes -= bytes;
        });
    }

    /// Takes note that a session of `principal` went from `before` bytes to `after`.
    pub(super) fn resize(&mut self, principal: Principal, before: usize, after: usize) {
        if let Some(share) = self.of.get_mut(&principal)
            && before != after
        {
            let held = share.bytes;
            assert!(before <= held && held <= self.bytes, "a part is more than the whole");
            share.bytes = held - before + after;
            self.bytes = self.bytes - before + after;
            // A set that is never empty keeps its memory.
            self.by_bytes.insert((share.bytes, principal));
            self.by_bytes.remove(&(held, principal));
        }
    }

    pub(super) fn of(&self, principal: Principal) -> Share {
        self.of.get(&principal).copied().unwrap_or_default()
    }

    /// Returns the bytes of all.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns who has the most sessions.
    pub(super) fn with_most_sessions(&self) -> Option<Principal> {
        self.by_sessions.last().map(|(_, principal)| *principal)
    }

    /// Returns who has the most bytes.
    pub(super) fn with_most_bytes(&self) -> Option<Principal> {
        self.by_bytes.last().map(|(_, principal)| *principal)
    }

    /// Returns who has the most bytes but for one.
    pub(super) fn with_most_bytes_beside(&self, one: Principal) -> Option<Principal> {
        let mut ranked = self.by_bytes.iter().rev().map(|(_, principal)| *principal);
        ranked.find(|principal| *principal != one)
    }

    fn change(&mut self, principal: Principal, change: impl FnOnce(&mut Share)) {
        let before = self.of(principal);
        let mut after = before;
        change(&mut after);
        self.bytes = self.bytes - before.bytes + after.bytes;
        if before.sessions != after.sessions {
            self.by_sessions.remove(&(before.sessions, principal));
            self.by_sessions.insert((after.sessions, principal));
        }
        self.by_bytes.remove(&(before.bytes, principal));
        self.by_bytes.insert((after.bytes, principal));
        self.of.insert(principal, after);
        assert!(after.bytes <= self.bytes, "one has more than all");
        if after.sessions == 0 {
            assert_eq!(after.bytes, 0, "who has no session has no bytes");
            self.of.remove(&principal);
            self.by_sessions.remove(&(0, principal));
            self.by_bytes.remove(&(0, principal));
        }
        let (by_sessions, by_bytes) = (self.by_sessions.len(), self.by_bytes.len());
        assert_eq!(by_sessions, self.of.len(), "who has sessions is ranked by them once");
        assert_eq!(by_bytes, self.of.len(), "who has sessions is ranked by bytes once");
    }
}
