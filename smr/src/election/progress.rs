//! What counts as progress of a leader: what was chosen, and rounds of reads within limits.
//!
//! What follows from a lack of it is the election's to say. The claim kept true: whoever writes
//! does not wait for as long as others read, where another leader may have its command chosen.

use super::{Election, ElectionView, SLOW_SYNC_MS};
use synod_paxos::NodeId;

impl Election {
    /// Tells whether this node has achieved something since the last tick.
    ///
    /// That reads go on excuses no log that stands, as whoever writes would wait as long as others
    /// read: unless no other leader would have anything chosen either, and reads are what is left.
    pub(super) fn gets_on(&self, view: &ElectionView) -> bool {
        let log_counts_alone = view.log_pending && self.may_be_outdone(view);
        view.progress.chosen != self.progress.chosen
            || (!log_counts_alone && view.progress.reads != self.progress.reads)
    }

    /// Tells whether quorums of both phases come about of nodes that hear this one and whose disks
    /// are fit to lead and not slow, one of the peers among them.
    fn may_be_outdone(&self, view: &ElectionView) -> bool {
        let slow = SLOW_SYNC_MS / self.config.heartbeat_ms;
        let is_able = |sync_ticks: Option<u32>| sync_ticks.is_some_and(|ticks| ticks <= slow);
        let peers = self.beats().filter(|(_, beat)| is_able(beat.sync_ticks));
        let peers: Vec<NodeId> = peers.map(|(node, _)| node).collect();
        let me = is_able(view.sync_ticks).then_some(self.me());
        let able = || peers.iter().copied().chain(me);
        let voters = &self.config.voters;
        // By itself alone a node is outdone by nobody.
        !peers.is_empty()
            && voters.is_phase1_quorum_of(able())
            && voters.is_phase2_quorum_of(able())
    }
}
