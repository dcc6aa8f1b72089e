//! The specification in Rust: the transition relations that the real code is held against.
//!
//! `synod` and `multi_paxos` are transcriptions of the modules of that name in `paxos/spec`, as
//! plain as they can be: explored, they have exactly the counts of distinct states that are pinned
//! there, and one integer ties the two together. `conformance` follows a cluster of real replicas,
//! event by event, as a translation of the guards of `MultiPaxos` that is fast enough to go along
//! with every step of a simulation; runs tie it to `multi_paxos` in turn. `image` maps a cluster to
//! the model of `paxos/proof`, whose invariants are proved for all sizes.

pub mod conformance;
pub(crate) mod image;
pub mod multi_paxos;
pub mod synod;

use std::collections::BTreeSet;

/// A node that votes.
pub type Acceptor = u8;

/// A ballot, by its rank.
pub type Ballot = u8;

/// Some of the acceptors.
pub type Quorum = BTreeSet<Acceptor>;

/// Lists all sets of `size` of `count` acceptors, which are numbered from one.
///
/// ```
/// use synod_simulated::spec::quorums;
///
/// assert_eq!(quorums(3, 2).len(), 3, "the majorities of three");
/// assert_eq!(quorums(3, 3), [[1, 2, 3].into()]);
/// ```
#[must_use]
pub fn quorums(count: u8, size: usize) -> Vec<Quorum> {
    let members = |mask: u32| (1..=count).filter(move |acceptor| mask >> (acceptor - 1) & 1 == 1);
    let sets = (0..1_u32 << count).map(|mask| members(mask).collect::<Quorum>());
    sets.filter(|quorum| quorum.len() == size).collect()
}

/// Tells whether all members of some quorum are such.
fn some_quorum(quorums: &[Quorum], mut is_such: impl FnMut(Acceptor) -> bool) -> bool {
    quorums.iter().any(|quorum| quorum.iter().all(|acceptor| is_such(*acceptor)))
}
