//! What the state of a cluster began with: nothing, or a backup.
//!
//! A cluster that begins with a backup goes on above its slot, with nothing below. A node of it
//! that began with nothing would choose those slots once more, with whoever else did; so what a
//! journal began with is a part of its identity, each heartbeat tells it, and peers that began
//! differently do not hear each other. The claim kept true: no message of a node reaches the
//! replica of another one that began differently.

use synod_paxos::{NodeId, Slot};
use synod_smr::Checkpoint;

/// Spells a beginning as it stands in the identity of a journal.
pub(crate) fn spell(began: Checkpoint) -> String {
    format!("{FROM}slot {} of digest {:016x}", began.slot.number(), began.digest)
}

/// Takes the beginning off the identity of a journal.
pub(crate) fn split(identity: &str) -> (&str, Option<Checkpoint>) {
    let parsed = identity.rsplit_once(FROM).and_then(|(rest, began)| {
        let (slot, digest) = began.strip_prefix("slot ")?.split_once(" of digest ")?;
        let slot = Slot::new(slot.parse().ok()?);
        let digest = u64::from_str_radix(digest, 16).ok()?;
        let began = Checkpoint { slot, digest };
        // One beginning has one spelling.
        (spell(began).len() + rest.len() == identity.len()).then_some((rest, Some(began)))
    });
    parsed.unwrap_or((identity, None))
}

/// Returns what a journal of this identity began with; none for nothing.
#[must_use]
pub fn beginning_of(identity: &str) -> Option<Checkpoint> {
    split(identity).1
}

/// Says in words what a cluster began with.
#[must_use]
pub fn in_words(began: Option<Checkpoint>) -> String {
    began.map_or_else(
        || "nothing".to_owned(),
        |Checkpoint { slot, digest }| {
            format!("the backup of slot {} with digest {digest:016x}", slot.number())
        },
    )
}

/// Says how two nodes differ that are to make one cluster, and what to do.
pub(crate) fn difference(
    peer: NodeId,
    theirs: Option<Checkpoint>,
    mine: Option<Checkpoint>,
) -> String {
    let (theirs, mine) = (in_words(theirs), in_words(mine));
    format!(
        "node {peer} began with {theirs}, and this node with {mine}: no vote of one counts with \
         the other. All nodes of a cluster begin with the same: take away the folder of the one \
         that was made otherwise, and make it with `synod-kv init --node N --from BACKUP`"
    )
}

/// What stands before the beginning in a journal's identity.
const FROM: &str = " from ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_is_read_back_and_nothing_else_is_taken_for_one() {
        let began = Checkpoint { slot: Slot::new(300), digest: 0xabc };
        let identity = format!("synod/x/node/1 among 1, 2, 3{}", spell(began));
        assert_eq!(split(&identity), ("synod/x/node/1 among 1, 2, 3", Some(began)));
        for other in ["", "synod/x/node/1 among 1", "a from b", "a from slot 3 of digest abc"] {
            assert_eq!(split(other), (other, None));
        }
    }
}
