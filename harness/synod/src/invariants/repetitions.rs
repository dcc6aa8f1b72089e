//! NothingTwiceOnItsWay: what is said again to a peer waits behind nothing that was said before.
//!
//! It is asked of each message as it leaves the host. A second copy of what a slow link has not
//! taken makes the link later still, the more so the slower it is.

use synod_host::repeated_to;
use synod_paxos::{NodeId, To};
use synod_smr::Message;

/// Says what is wrong with a message, where these lanes have not taken what they were given.
///
/// # Errors
///
/// Fails where it says again to one of them what was said before.
pub fn nothing_twice_on_its_way(
    to: &To,
    message: &Message,
    standing: &[NodeId],
) -> Result<(), String> {
    match repeated_to(to, message) {
        Some(peer) if standing.contains(&peer) => {
            Err(format!("node {peer} is told again what is still on its way: {message:?}"))
        }
        Some(_) | None => Ok(()),
    }
}
