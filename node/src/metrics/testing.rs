//! A node that is in good order, as tests of the metrics see it.

use synod_host::api::{Ballot, NodeId, Slot, Status};
use synod_host::smr::HostStatus;
use synod_host::{Counts, Histogram, Measured, STAGES};

/// Returns what a follower shows that has all that is chosen.
pub(crate) fn measured() -> Measured {
    let status = Status {
        node: NodeId::new(2),
        incarnation: 1,
        promised: Ballot::new(1, NodeId::new(1)),
        leads: None,
        follows: Some(Ballot::new(1, NodeId::new(1))),
        leader_ok: true,
        chosen: Slot::new(10),
        applied: Slot::new(10),
        digest: 7,
        sessions: 0,
        host: HostStatus::default(),
    };
    Measured {
        status,
        counts: Counts::default(),
        stages: [Histogram::default(); STAGES],
        queues: Vec::new(),
        highest_chosen: Slot::new(10),
        snapshot_bytes: 0,
        room_bytes: 0,
        is_voter: true,
        is_draining: false,
        is_refused: false,
    }
}
