//! The words by which a journal knows whose it is, among which voters, and what it began with.
//!
//! That a journal of other words is refused is left to the journal. The claim kept true: two nodes
//! that would count other majorities, or that began otherwise, have other words.

use synod_journal::OpenError;
use synod_paxos::{Configuration, NodeId};
use synod_smr::Checkpoint;

use crate::beginning;
use crate::recovery_error::RecoveryError;

/// Returns the words by which a journal knows whose it is, and among which voters.
///
/// The voters are a part of it, as nothing else keeps two nodes from counting different majorities:
/// a node that was started with fewer of them could choose alone what the others never hear of. The
/// sizes of quorums are no part of it: whoever starts a host with others than majorities gives all
/// nodes the same.
#[must_use]
pub fn identity_of(cluster: &str, node: NodeId, voters: &Configuration) -> String {
    let voters: Vec<_> = voters.voters().iter().map(|voter| voter.number().to_string()).collect();
    format!("synod/{cluster}/node/{}{AMONG}{}", node.number(), voters.join(", "))
}

/// Does as [`identity_of`] for a node of a cluster that begins with a backup, which is a part of
/// the identity, too: a node that began with nothing could choose with another one what all others
/// have chosen.
#[must_use]
pub fn identity_from(
    cluster: &str,
    node: NodeId,
    voters: &Configuration,
    began: Option<Checkpoint>,
) -> String {
    let began = began.map(beginning::spell).unwrap_or_default();
    format!("{}{began}", identity_of(cluster, node, voters))
}

/// Takes apart what [`identity_of`] made, or [`identity_from`]: whose cluster it is, which node,
/// and among whom. What it began with, [`beginning_of`](crate::beginning_of) tells.
#[must_use]
pub fn parts_of_identity(identity: &str) -> Option<(&str, &str, &str)> {
    let (identity, _) = beginning::split(identity);
    let (whose, voters) = identity.rsplit_once(AMONG)?;
    let (cluster, node) = whose.rsplit_once("/node/")?;
    Some((cluster, node, voters))
}

impl From<OpenError> for RecoveryError {
    /// Tells the wrong voters of the right node from another node's journal.
    fn from(error: OpenError) -> Self {
        if let OpenError::OtherIdentity { path, found, expected } = &error {
            let found = String::from_utf8_lossy(found);
            let expected = String::from_utf8_lossy(expected);
            if let (Some((cluster, node, made)), Some((mine, me, asked))) =
                (parts_of_identity(&found), parts_of_identity(&expected))
                && (cluster, node) == (mine, me)
                && made != asked
            {
                let (path, made, asked) = (path.clone(), made.to_owned(), asked.to_owned());
                return Self::OtherVoters { path, made, asked };
            }
        }
        Self::Journal(error)
    }
}

/// What stands before the voters in a journal's identity.
const AMONG: &str = " among ";
