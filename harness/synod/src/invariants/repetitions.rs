//! NothingTwiceOnItsWay: what is said again to a peer waits behind nothing that was said before,
//! and no answer behind an earlier one.
//!
//! It is asked of each message as it leaves the host. A second copy of what a slow link has not
//! taken makes the link later still, the more so the slower it is. What is a second copy is said
//! here once more, and not asked of the host, which might be wrong about it.

use synod_paxos::{AfterSync, Immediate, Message as Paxos, NodeId, To};
use synod_smr::Message;

/// Says what is wrong with a message, where these lanes have not taken what they were given: those
/// of the log, and those of what is long.
///
/// # Errors
///
/// Fails where it says again to one of them what was said before.
pub fn nothing_twice_on_its_way(
    to: &To,
    message: &Message,
    [log, bulk]: &[Vec<NodeId>; 2],
) -> Result<(), String> {
    // What goes to all is said for the first time.
    let To::Node(peer) = to else { return Ok(()) };
    if log.contains(peer) && is_of_the_log(message) {
        return Err(format!("node {peer} is told again what is still on its way: {message:?}"));
    }
    if bulk.contains(peer) && matches!(message, Message::Decrees { .. }) {
        return Err(format!("node {peer} is answered behind what is still on its way to it"));
    }
    Ok(())
}

/// Tells whether a message is one that a leader says to all, and to one alone only again.
const fn is_of_the_log(message: &Message) -> bool {
    match message {
        Message::Paxos(Paxos::Immediate(Immediate::Accept { .. })) => true,
        Message::Paxos(
            Paxos::Immediate(Immediate::Chosen { .. } | Immediate::Nack { .. })
            | Paxos::AfterSync(
                AfterSync::Prepare { .. } | AfterSync::Promise { .. } | AfterSync::Accepted { .. },
            ),
        )
        | Message::Heartbeat(_)
        | Message::Confirm { .. }
        | Message::Confirmed { .. }
        | Message::Fetch { .. }
        | Message::Decrees { .. }
        | Message::FetchSnapshot { .. }
        | Message::Snapshot(_)
        | Message::Known(_) => false,
    }
}
