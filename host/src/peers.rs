//! The peers of a host: by which journal each is known, and whether it may be heard.
//!
//! A node that lost its journal and began anew, that was restored from a backup or that runs as a
//! copy has forgotten promises and votes, and would vote twice. So each node remembers durably the
//! journal, the life and the promise of each peer, as its heartbeats tell them, and hears nobody
//! who comes under that name with another journal or an earlier life. The claim kept true: no
//! message of a peer's life reaches the replica before a heartbeat of that life was found to go on
//! from what is known.

use std::collections::BTreeMap;

use synod_paxos::{Ballot, NodeId};
use synod_smr::message::{Folder, Heartbeat, Life};
use synod_smr::wire::record::JournalRecord;

/// All peers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Peers {
    known: BTreeMap<NodeId, Known>,
    links: BTreeMap<NodeId, Link>,
    /// What is not in a commit yet.
    unwritten: BTreeMap<NodeId, Life>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    life: Life,
    /// What the peer had promised before its present life, which began with no less.
    before: Ballot,
}

/// The life at the other end of a link, and what is thought of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Link {
    incarnation: u64,
    standing: Standing,
}

/// What is thought of a life of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// No heartbeat of it has come.
    Unheard,
    /// It goes on from what is known.
    Heard,
    /// It does not.
    Refused,
}

/// What is to be done with a message of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hearing {
    /// The replica takes it.
    Granted,
    /// It is dropped: nothing is known yet of the life that sent it, or it was refused before.
    Dropped,
    /// It is dropped, and the peer is told by what it is known.
    Refused {
        /// What is known.
        known: Life,
        /// Whether that life was refused before.
        again: bool,
    },
}

impl Peers {
    /// Takes in what an earlier life remembered.
    pub(crate) fn on_record(&mut self, peer: NodeId, life: Life) {
        self.known.insert(peer, Known { life, before: Ballot::ZERO });
    }

    /// Takes note of a link; tells whether the peer has begun another life.
    pub(crate) fn on_up(&mut self, peer: NodeId, incarnation: u64) -> bool {
        let link = Link { incarnation, standing: Standing::Unheard };
        match self.links.get_mut(&peer) {
            Some(known) if known.incarnation == incarnation => false,
            Some(known) => {
                *known = link;
                true
            }
            None => {
                self.links.insert(peer, link);
                false
            }
        }
    }

    /// Says whether a message other than a heartbeat is heard.
    pub(crate) fn hears(&self, peer: NodeId) -> bool {
        self.links.get(&peer).is_some_and(|link| link.standing == Standing::Heard)
    }

    /// Judges a heartbeat of the life at the other end of the link.
    pub(crate) fn on_heartbeat(&mut self, peer: NodeId, beat: &Heartbeat) -> Hearing {
        let Heartbeat { folder, incarnation, promised, .. } = *beat;
        let life = Life { folder, incarnation, promised };
        // A transport that tells of no lives leaves it to the first heartbeat.
        let fresh = Link { incarnation, standing: Standing::Unheard };
        let link = self.links.entry(peer).or_insert(fresh);
        if link.incarnation != incarnation {
            return Hearing::Dropped;
        }
        let verdict = match self.known.get(&peer) {
            Some(known) if !known.goes_on_in(&life) => {
                let again = std::mem::replace(&mut link.standing, Standing::Refused);
                let again = again == Standing::Refused;
                return Hearing::Refused { known: known.life, again };
            }
            Some(known) => known.with(life),
            None => Known { life, before: Ballot::ZERO },
        };
        link.standing = Standing::Heard;
        let news = self.known.insert(peer, verdict).map(|known| known.life) != Some(verdict.life);
        if news {
            self.unwritten.insert(peer, verdict.life);
        }
        Hearing::Granted
    }

    /// Takes out what is to be remembered and is not written.
    pub(crate) fn take_unwritten(&mut self) -> impl Iterator<Item = JournalRecord> {
        let unwritten = std::mem::take(&mut self.unwritten).into_iter();
        unwritten.map(|(peer, life)| JournalRecord::Peer(peer, life))
    }

    /// Tells whether something is to be remembered and is not written.
    pub(crate) fn has_unwritten(&self) -> bool {
        !self.unwritten.is_empty()
    }
}

impl Known {
    /// Tells whether a life can be one that came after what is known, or that very one.
    fn goes_on_in(&self, life: &Life) -> bool {
        let known = &self.life;
        let promised =
            if life.incarnation > known.incarnation { known.promised } else { self.before };
        life.folder == known.folder
            && life.incarnation >= known.incarnation
            && life.promised >= promised
    }

    /// Takes in what a life tells that goes on from here. Heartbeats may come out of order.
    fn with(self, life: Life) -> Self {
        let next = life.incarnation > self.life.incarnation;
        let before = if next { self.life.promised } else { self.before };
        let promised = self.life.promised.max(life.promised);
        Self { life: Life { promised, ..life }, before }
    }
}

/// Says why a node must not go on that a peer refuses, and what to do; none if it is the peer that
/// is behind, as where its word was on its way while this node began a life.
pub(crate) fn verdict(mine: (Folder, u64), by: NodeId, known: &Life) -> Option<String> {
    let (folder, incarnation) = mine;
    let remedy = "a node that goes on without all that it promised and voted lets acknowledged \
                  writes be lost. Give it the folder that it had last, or leave it off";
    if folder != known.folder {
        return Some(format!(
            "node {by} knows this node by journal {:032x}, and this is journal {:032x}: {remedy}",
            known.folder.0, folder.0
        ));
    }
    (incarnation <= known.incarnation).then(|| {
        format!(
            "node {by} knows of start {} of this node with a promise of {}, and this is start \
             {incarnation}: the folder is an older copy, as of a backup or a snapshot; {remedy}",
            known.incarnation, known.promised
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: NodeId = NodeId::new(2);

    fn beat(folder: u128, incarnation: u64, round: u64) -> Heartbeat {
        Heartbeat {
            folder: Folder(folder),
            incarnation,
            promised: Ballot::new(round, PEER),
            leads: None,
            follows: None,
            content: false,
            chosen: synod_paxos::Slot::FIRST,
            hears: Vec::new(),
            priority: 0,
            checkpoint: None,
            applied: synod_smr::message::Checkpoint { slot: synod_paxos::Slot::FIRST, digest: 0 },
            tick: 0,
            echoes: Vec::new(),
            sync_ticks: None,
            prepares: None,
        }
    }

    fn known() -> Peers {
        let mut peers = Peers::default();
        peers.on_up(PEER, 3);
        assert!(!peers.hears(PEER), "nothing is known of that life");
        assert_eq!(peers.on_heartbeat(PEER, &beat(7, 3, 5)), Hearing::Granted);
        assert!(peers.hears(PEER));
        peers
    }

    fn told(peers: &mut Peers, beat: &Heartbeat) -> bool {
        peers.on_up(PEER, beat.incarnation);
        match peers.on_heartbeat(PEER, beat) {
            Hearing::Granted => true,
            Hearing::Refused { .. } => false,
            Hearing::Dropped => panic!("the heartbeat is of the life at the other end"),
        }
    }

    #[test]
    fn a_later_life_of_the_same_journal_is_heard_and_no_other() {
        assert!(told(&mut known(), &beat(7, 4, 5)), "the next start");
        assert!(told(&mut known(), &beat(7, 9, 8)), "starts that nobody heard of");
        assert!(!told(&mut known(), &beat(8, 4, 5)), "another journal");
        assert!(!told(&mut known(), &beat(8, 1, 0)), "a fresh one");
        assert!(!told(&mut known(), &beat(7, 2, 5)), "an earlier start");
        assert!(!told(&mut known(), &beat(7, 4, 4)), "a start that has forgotten a promise");
    }

    #[test]
    fn a_heartbeat_that_is_late_refuses_nobody() {
        let mut peers = known();
        assert_eq!(peers.on_heartbeat(PEER, &beat(7, 3, 9)), Hearing::Granted);
        assert_eq!(peers.on_heartbeat(PEER, &beat(7, 3, 6)), Hearing::Granted, "it was overtaken");
        peers.on_up(PEER, 4);
        assert_eq!(peers.on_heartbeat(PEER, &beat(7, 3, 9)), Hearing::Dropped, "of a life before");
        assert!(!peers.hears(PEER));
        assert_eq!(peers.on_heartbeat(PEER, &beat(7, 4, 9)), Hearing::Granted);
    }

    #[test]
    fn what_was_heard_is_remembered_once_and_across_starts() {
        let mut peers = known();
        let written: Vec<_> = peers.take_unwritten().collect();
        assert_eq!(written.len(), 1);
        assert_eq!(peers.on_heartbeat(PEER, &beat(7, 3, 5)), Hearing::Granted);
        assert!(!peers.has_unwritten(), "nothing is new");
        let mut later = Peers::default();
        for record in written {
            if let JournalRecord::Peer(peer, life) = record {
                later.on_record(peer, life);
            }
        }
        assert!(!told(&mut later, &beat(8, 1, 0)));
    }

    #[test]
    fn a_node_that_is_refused_knows_why() {
        let mine = (Folder(7), 3);
        let known = |folder, incarnation| Life {
            folder: Folder(folder),
            incarnation,
            promised: Ballot::ZERO,
        };
        assert!(verdict(mine, PEER, &known(8, 1)).is_some_and(|why| why.contains("journal")));
        assert!(verdict(mine, PEER, &known(7, 3)).is_some_and(|why| why.contains("older copy")));
        assert_eq!(verdict(mine, PEER, &known(7, 2)), None, "that was said to an earlier start");
    }
}
