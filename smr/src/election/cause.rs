//! Why a node sees need for another leader, for those who count elections.
//!
//! Nothing is decided here, and nothing remembered: the cause is read off the links at the moment
//! at which the node stops being content. The claim kept true: a leader whose last word was that it
//! leads no more is one that handed over, however silent it has become.

use super::{Election, SLOW_SYNC_MS};
use synod_paxos::Ballot;

/// The leader that a node follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FollowedLeader {
    /// The ballot that it leads.
    pub ballot: Ballot,
    /// Which start of its node it is.
    pub incarnation: u64,
}

/// Why a node sees need for another leader. Complete by its nature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ElectionCause {
    /// It has followed nobody since its start.
    Start,
    /// Nothing is heard of the leader any more, or it hears nothing of this node.
    Silence,
    /// The leader gave its lead up, or says that it must: it ends, or its disk is full.
    HandOver,
    /// The disk of the leader is slow.
    SlowDisk,
    /// The leader gets nothing chosen, or says that it has no quorum.
    Stall,
    /// This node leads, and raises its ballot to have a voter back that promised a higher one.
    Raise,
}

impl ElectionCause {
    /// Every cause, in order.
    pub const ALL: [Self; 6] =
        [Self::Start, Self::Silence, Self::HandOver, Self::SlowDisk, Self::Stall, Self::Raise];

    /// Returns the words for it, joined by `_`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Silence => "silence",
            Self::HandOver => "hand_over",
            Self::SlowDisk => "slow_disk",
            Self::Stall => "stall",
            Self::Raise => "raise",
        }
    }
}

impl Election {
    /// Returns whom this node follows, itself included.
    #[must_use]
    pub fn followed(&self, leads: Option<Ballot>) -> Option<FollowedLeader> {
        let ballot = self.follows(leads)?;
        let beat = self.links.get(&ballot.node()).and_then(|link| link.beat.as_ref());
        let mine = self.config.core_id.incarnation;
        Some(FollowedLeader { ballot, incarnation: beat.map_or(mine, |beat| beat.incarnation) })
    }

    /// Says why this node, whose own sync takes so many ticks, sees need for another leader than
    /// `last`, whom it followed while it was content.
    #[must_use]
    pub fn cause(&self, sync_ticks: Option<u32>, last: Option<FollowedLeader>) -> ElectionCause {
        let Some(last) = last else { return ElectionCause::Start };
        let leader = last.ballot.node();
        if leader == self.me() {
            let slow = self.is_slow(sync_ticks);
            return if slow { ElectionCause::SlowDisk } else { ElectionCause::Stall };
        }
        let Some(link) = self.links.get(&leader) else { return ElectionCause::Silence };
        let Some(beat) = &link.beat else { return ElectionCause::Silence };
        if self.is_slow(beat.sync_ticks) && self.works(link) {
            return ElectionCause::SlowDisk;
        }
        // Its last word counts, as it ends right after it. One that began anew has led nobody yet.
        if beat.leads.is_none() && beat.incarnation == last.incarnation {
            return ElectionCause::HandOver;
        }
        if !self.works(link) {
            return ElectionCause::Silence;
        }
        // Who cannot lead tells of no sync.
        let gives_way = !beat.leader_ok && beat.sync_ticks.is_none();
        if gives_way { ElectionCause::HandOver } else { ElectionCause::Stall }
    }

    fn is_slow(&self, sync_ticks: Option<u32>) -> bool {
        sync_ticks.is_some_and(|ticks| ticks > SLOW_SYNC_MS / self.config.heartbeat_ms)
    }
}
