//! What a node says of the leader.

use synod_paxos::{Ballot, NodeId, Slot};
use synod_smr::{Response, Status};

/// Returns the status of `node`, which follows `leader` and is content with it, or knows of none.
pub(crate) fn naming(node: NodeId, leader: Option<NodeId>) -> Response {
    Response::Status(Status {
        node,
        incarnation: 1,
        promised: Ballot::ZERO,
        leads: None,
        follows: leader.map(|leader| Ballot::new(1, leader)),
        leader_ok: leader.is_some(),
        chosen: Slot::FIRST,
        applied: Slot::FIRST,
        digest: 0,
        sessions: 0,
    })
}
