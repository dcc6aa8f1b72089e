//! How long links and disks take, as this node sees them, in ticks.
//!
//! What is waited for that long is the election's to say, and that of resends and of admission. The
//! claim kept true: what a quorum takes is what the slowest of its fastest members takes.

use super::{Election, ElectionView};
use crate::pace::{RTT_TICKS_MAX, path_ticks, round_ticks};
use synod_paxos::{NodeId, Tally};

impl Election {
    /// Returns how many ticks the way to `peer` and back takes, as seen last, up to a bound: the
    /// echo of a peer that was suspended says how long that was.
    #[must_use]
    pub fn rtt_ticks(&self, peer: NodeId) -> u32 {
        self.links.get(&peer).map_or(0, |link| link.rtt.min(RTT_TICKS_MAX))
    }

    /// Returns within how many ticks a word of any peer is here. So long a candidate that no quorum
    /// hears may take to be heard again; and so long a leader that gives up lets others campaign
    /// first, as it knows most of the log and would win again, for its log to stand as before.
    pub(super) fn way_ticks(&self) -> u32 {
        let farthest = self.links.values().map(|link| link.rtt).max().unwrap_or(0);
        self.config.suspicion_ticks + farthest.min(RTT_TICKS_MAX)
    }

    /// Returns how many ticks something may need to `peer`, through its disk, and back.
    #[must_use]
    pub fn ticks_through(&self, peer: NodeId) -> u32 {
        self.links.get(&peer).map_or(0, |link| path_ticks(link.rtt, link.sync_ticks()))
    }

    /// Returns how many ticks links and disks may take to have something chosen.
    #[must_use]
    pub fn commit_ticks(&self, view: &ElectionView) -> u32 {
        let is_quorum = |tally: &Tally| self.config.voters.is_phase2_quorum(tally);
        self.quorum_ticks(view.sync_ticks, path_ticks, is_quorum)
    }

    /// Returns how many ticks it takes to have something chosen that nothing waits before, by a
    /// leader whose syncs take so many.
    #[must_use]
    pub fn round_ticks(&self, sync_ticks: Option<u32>) -> u32 {
        let is_quorum = |tally: &Tally| self.config.voters.is_phase2_quorum(tally);
        self.quorum_ticks(sync_ticks, round_ticks, is_quorum)
    }

    /// Returns how many ticks links and disks take to bring about what the fastest quorum can.
    pub(super) fn quorum_ticks(
        &self,
        sync_ticks: Option<u32>,
        ticks: impl Fn(u32, Option<u32>) -> u32,
        is_quorum: impl Fn(&Tally) -> bool,
    ) -> u32 {
        let peers =
            self.beats().map(|(node, beat)| (ticks(self.rtt_ticks(node), beat.sync_ticks), node));
        let mine = (ticks(0, sync_ticks), self.me());
        let mut nodes: Vec<_> = peers.chain([mine]).collect();
        nodes.sort_unstable();
        let mut tally = Tally::default();
        // Nodes join from the fastest on, until they are enough; the last of them sets the time.
        let enough = nodes.iter().find(|(_, node)| {
            tally.add(*node);
            is_quorum(&tally)
        });
        enough.or_else(|| nodes.last()).map_or(0, |(ticks, _)| *ticks)
    }
}
