//! The heartbeat of a peer, for tests of a lone replica.

use synod_paxos::{Ballot, NodeId, Slot};
use synod_smr::{Checkpoint, Heartbeat};

/// The replica that is fed by hand; its peers hear it.
pub(crate) const ME: NodeId = NodeId::new(1);

/// The state of a peer at a slot that no test reaches, so that it is compared with none.
pub(crate) const FAR: Checkpoint = Checkpoint { slot: Slot::new(1 << 40), digest: 0 };

/// Returns what a discontent peer says that follows nobody and knows so many slots to be chosen.
pub(crate) fn beat(chosen: u64) -> Heartbeat {
    Heartbeat {
        folder: synod_smr::Folder(0),
        incarnation: 1,
        mark: 0,
        promised: Ballot::ZERO,
        journal_end: Slot::FIRST,
        leads: None,
        follows: None,
        leader_ok: false,
        chosen: Slot::new(chosen),
        hears: vec![ME],
        is_connected: true,
        priority: 0,
        checkpoint: None,
        applied: FAR,
        tick: 0,
        echoes: Vec::new(),
        sync_ticks: None,
        prepares: None,
        began: None,
    }
}
