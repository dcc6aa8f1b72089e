//! Who could lead in this node's place, as far as heartbeats tell.
//!
//! What follows from it is left to the election. The claim kept true: a node whose disk is slow
//! gives way only to somebody who could have anything chosen. Where it alone is connected to a
//! quorum it leads all the same, as otherwise nobody would.

use super::{Election, SLOW_SYNC_MS};
use crate::message::Heartbeat;
use synod_paxos::NodeId;

impl Election {
    /// Tells whether a sync of this node's disk, of so many ticks, is slow, and the last one of
    /// some peer that could lead took at most half as long: then that peer had better lead.
    #[must_use]
    pub fn is_outpaced(&self, sync_ticks: Option<u32>) -> bool {
        let slow = SLOW_SYNC_MS / self.config.heartbeat_ms;
        sync_ticks.is_some_and(|mine| {
            let is_faster =
                |beat: &Heartbeat| beat.sync_ticks.is_some_and(|ticks| ticks <= mine / 2);
            mine > slow
                && self.beats().any(|(node, beat)| is_faster(beat) && self.could_lead(node, beat))
        })
    }

    /// Tells whether a peer gets on, and says that it is connected to quorums of both phases.
    ///
    /// Whom it hears would not do: of those, some may be deaf to it, and nobody else may see that.
    fn could_lead(&self, peer: NodeId, beat: &Heartbeat) -> bool {
        let is_held_up = self.links.get(&peer).is_some_and(super::link::Link::is_held_up);
        !is_held_up && beat.is_connected
    }
}
