//! The heartbeat of a peer, for tests of a lone replica.

use synod_paxos::{Ballot, NodeId, Slot};
use synod_smr::message::Heartbeat;

/// The replica that is fed by hand; its peers hear it.
pub(crate) const ME: NodeId = NodeId::new(1);

/// Returns what a discontent peer says that follows nobody and knows so many slots to be chosen.
pub(crate) fn beat(chosen: u64) -> Heartbeat {
    Heartbeat {
        incarnation: 1,
        promised: Ballot::ZERO,
        leads: None,
        follows: None,
        content: false,
        chosen: Slot::new(chosen),
        hears: vec![ME],
        priority: 0,
        checkpoint: None,
        tick: 0,
        echoes: Vec::new(),
        sync_ticks: None,
        prepares: None,
    }
}
