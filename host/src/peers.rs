//! The peers of a host: by which journal each is known, and whether it may be heard.
//!
//! A node that lost its journal and began anew, that was restored from a backup or that runs as a
//! copy has forgotten promises and votes, and would vote twice. So each node remembers durably the
//! journal of each peer, the number and the mark of its start, its promise and, in steps, the end
//! of its journal, as its heartbeats tell them, and hears nobody who comes under that name with
//! another journal, an earlier or another start, or less than was known. A node that is refused
//! for that remembers it of itself, as each start counts.
//!
//! Whoever is not heard could hear all others, grow past what it lacks, and be heard in its next
//! start. So hearing goes both ways: a peer that finds a life to go on from what it knows vouches
//! for it, and until it does, its own messages are not heard either. The claims kept true: no
//! message of a peer's life reaches the replica before a heartbeat of that life was found to go on
//! from what is known, nor before that peer has vouched for the present life of this node.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use synod_paxos::{Ballot, NodeId, Slot};
use synod_smr::wire::JournalRecord;
use synod_smr::{Heartbeat, PeerStart};

/// All peers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Peers {
    known: BTreeMap<NodeId, Known>,
    links: BTreeMap<NodeId, Link>,
    /// Those who were found to have begun elsewhere.
    elsewhere: BTreeSet<NodeId>,
    /// What is not in a commit yet.
    unwritten: BTreeMap<NodeId, PeerStart>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    life: PeerStart,
    /// What the peer had promised before its present life, which began with no less.
    promised_before: Ballot,
    /// The end that its journal had before its present life, which began with no less.
    end_before: Slot,
    /// The end of its journal that this node remembers durably.
    end_remembered: Slot,
}

/// The life at the other end of a link, and what is thought of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Link {
    incarnation: u64,
    standing: SessionVerdict,
    /// Whether that life has vouched for the present one of this node.
    vouches: bool,
    /// Whether it was told on this link that this node knows it.
    told: bool,
}

impl Link {
    const fn of(incarnation: u64) -> Self {
        Self { incarnation, standing: SessionVerdict::Unheard, vouches: false, told: false }
    }

    const fn is_heard(&self) -> bool {
        self.vouches && matches!(self.standing, SessionVerdict::Heard)
    }
}

/// What is thought of a life of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SessionVerdict {
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
    /// The life goes on from what is known. The replica takes the heartbeat if that life vouches
    /// for this node.
    Granted {
        /// What is known of the life.
        known: PeerStart,
        /// Whether that is to be told the peer: once a link, as the other end has begun anew with
        /// it, too, and until the peer hears this node.
        tell: bool,
    },
    /// It is dropped: nothing is known yet of the life that sent it, or it was refused before.
    Dropped,
    /// It is dropped, and the peer is told by what it is known.
    Refused {
        /// What is known.
        known: PeerStart,
        /// Whether that life was refused before.
        again: bool,
    },
}

impl Peers {
    /// Takes in what an earlier life remembered.
    pub(crate) fn on_record(&mut self, peer: NodeId, life: PeerStart) {
        self.known.insert(peer, Known::first(life));
    }

    /// Says why the node of this journal must not go on that was refused in an earlier start.
    pub(crate) fn refused_earlier(&self, me: NodeId) -> Option<String> {
        self.known.get(&me).map(|Known { life, .. }| {
            format!(
                "this journal was refused in an earlier start: the others know this node by start \
                 {} of journal {:032x}, with a promise of {} and decrees up to slot {}; {REMEDY}",
                life.incarnation, life.folder.0, life.promised, life.journal_end
            )
        })
    }

    /// Takes note of a link; tells whether the peer has begun another life.
    pub(crate) fn on_up(&mut self, peer: NodeId, incarnation: u64) -> bool {
        let link = Link::of(incarnation);
        match self.links.get_mut(&peer) {
            // It may be another copy of the folder that counts its starts the same: its heartbeat
            // tells, and that of the start which vouched for this node needs no new word of it.
            Some(known) if known.incarnation == incarnation => {
                known.standing = SessionVerdict::Unheard;
                known.told = false;
                false
            }
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

    /// Says whether a message is heard.
    pub(crate) fn hears(&self, peer: NodeId) -> bool {
        self.links.get(&peer).is_some_and(Link::is_heard)
    }

    /// Takes note that a peer's state began elsewhere; tells whether that is news. Whatever was
    /// thought of it before, it is not heard.
    pub(crate) fn on_other_beginning(&mut self, peer: NodeId) -> bool {
        self.links.remove(&peer);
        self.elsewhere.insert(peer)
    }

    /// Tells whether a peer of `me` is known, in this life or from an earlier one: with it this
    /// node has been in a cluster.
    pub(crate) fn has_met_any(&self, me: NodeId) -> bool {
        self.known.keys().any(|peer| *peer != me)
    }

    /// Takes note that a peer knows this node by the life in which it is.
    pub(crate) fn on_vouched(&mut self, peer: NodeId) {
        if let Some(link) = self.links.get_mut(&peer) {
            link.vouches = true;
        }
    }

    /// Judges a heartbeat of the life at the other end of the link.
    /// The end of its journal is remembered in steps of so many slots.
    pub(crate) fn on_heartbeat(
        &mut self,
        me: NodeId,
        peer: NodeId,
        beat: &Heartbeat,
        end_step: u64,
    ) -> Hearing {
        let Heartbeat { folder, incarnation, mark, promised, journal_end, .. } = *beat;
        let life = PeerStart { folder, incarnation, mark, promised, journal_end };
        // A transport that tells of no lives leaves it to the first heartbeat.
        let link = self.links.entry(peer).or_insert_with(|| Link::of(incarnation));
        if link.incarnation != incarnation {
            return Hearing::Dropped;
        }
        let mut verdict = match self.known.get(&peer) {
            Some(known) if !known.goes_on_in(&life) => {
                let again = std::mem::replace(&mut link.standing, SessionVerdict::Refused);
                let again = again == SessionVerdict::Refused;
                return Hearing::Refused { known: known.life, again };
            }
            Some(known) => known.with(life),
            // The first life that is ever heard of is believed, as there is nothing to hold it
            // against.
            None => Known::first(life),
        };
        link.standing = SessionVerdict::Heard;
        let tell = !std::mem::replace(&mut link.told, true) || !beat.hears.contains(&me);
        let known = self.known.get(&peer);
        if known.is_none_or(|known| verdict.is_to_be_remembered_after(known, end_step)) {
            verdict.end_remembered = verdict.life.journal_end;
            self.unwritten.insert(peer, verdict.life);
        }
        self.known.insert(peer, verdict);
        Hearing::Granted { known: verdict.life, tell }
    }

    /// Lists what is to be remembered and is not written: the latest of each peer.
    pub(crate) fn unwritten(&self) -> impl Iterator<Item = JournalRecord> {
        self.unwritten.iter().map(|(peer, life)| JournalRecord::Peer(*peer, *life))
    }

    /// Lists all that is remembered, written or not.
    pub(crate) fn remembered(&self) -> impl Iterator<Item = JournalRecord> {
        self.known.iter().map(|(peer, known)| JournalRecord::Peer(*peer, known.life))
    }

    /// Takes note that all of it is in a commit.
    pub(crate) fn on_written(&mut self) {
        self.unwritten.clear();
    }

    /// Tells whether something is to be remembered and is not written.
    pub(crate) fn has_unwritten(&self) -> bool {
        !self.unwritten.is_empty()
    }
}

impl Known {
    /// Tells whether a life can be one that came after what is known, or that very one.
    fn goes_on_in(&self, life: &PeerStart) -> bool {
        let known = &self.life;
        let is_later = life.incarnation > known.incarnation;
        let is_same = life.incarnation == known.incarnation && life.mark == known.mark;
        let (promised, end) = if is_later {
            (known.promised, known.journal_end)
        } else {
            (self.promised_before, self.end_before)
        };
        life.folder == known.folder
            && (is_later || is_same)
            && life.promised >= promised
            && life.journal_end >= end
    }

    /// Takes in what a life tells that goes on from here. Heartbeats may come out of order.
    fn with(self, life: PeerStart) -> Self {
        let next = life.incarnation > self.life.incarnation;
        let (promised_before, end_before) = if next {
            (self.life.promised, self.life.journal_end)
        } else {
            (self.promised_before, self.end_before)
        };
        let promised = self.life.promised.max(life.promised);
        let journal_end = self.life.journal_end.max(life.journal_end);
        let life = PeerStart { promised, journal_end, ..life };
        Self { life, promised_before, end_before, ..self }
    }

    const fn first(life: PeerStart) -> Self {
        Self {
            life,
            // What that life began with is not known, so a lower number from the same start is
            // taken for an overtaken heartbeat and not for a loss.
            promised_before: Ballot::ZERO,
            end_before: Slot::FIRST,
            end_remembered: life.journal_end,
        }
    }

    /// Tells whether a power loss must not take what is new here. The end of a journal moves with
    /// every vote: it is remembered in steps.
    fn is_to_be_remembered_after(&self, known: &Self, end_step: u64) -> bool {
        let end = known.end_remembered.plus(end_step);
        let old = PeerStart { journal_end: known.life.journal_end, ..self.life };
        old != known.life || self.life.journal_end >= end
    }
}

/// What a node is told that must not go on.
const REMEDY: &str = "a node that goes on without all that it promised and voted lets acknowledged \
                      writes be lost. Give it the folder that it had last, or leave it off";

/// Tells whether two lives are the very same start of a journal.
pub(crate) fn is_same_start(mine: &PeerStart, known: &PeerStart) -> bool {
    let of = |life: &PeerStart| (life.folder, life.incarnation, life.mark);
    of(mine) == of(known)
}

/// Says why a node must not go on that a peer refuses, and what to do; none if it is the peer that
/// is behind, as where its word was on its way while this node began a life.
pub(crate) fn verdict(mine: &PeerStart, by: NodeId, known: &PeerStart) -> Option<String> {
    let (folder, incarnation) = (mine.folder, mine.incarnation);
    if folder != known.folder {
        return Some(format!(
            "node {by} knows this node by journal {:032x}, and this is journal {:032x}: {REMEDY}",
            known.folder.0, folder.0
        ));
    }
    let is_copy = match incarnation.cmp(&known.incarnation) {
        Ordering::Less => true,
        Ordering::Equal => mine.mark != known.mark,
        // A later start is measured by what it began with: what it has promised since would hide
        // what it lost.
        Ordering::Greater => mine.promised < known.promised || mine.journal_end < known.journal_end,
    };
    is_copy.then(|| {
        format!(
            "node {by} knows of start {} of this node with a promise of {} and decrees up to slot \
             {}, and this is start {incarnation}, which began with {} and {}: the folder is an \
             older copy, as of a backup or a snapshot, or another copy of it runs; {REMEDY}",
            known.incarnation, known.promised, known.journal_end, mine.promised, mine.journal_end
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use synod_smr::Folder;

    const END_STEP: u64 = 256;

    const ME: NodeId = NodeId::new(1);
    const PEER: NodeId = NodeId::new(2);

    fn beat(folder: u128, incarnation: u64, round: u64) -> Heartbeat {
        Heartbeat {
            folder: Folder(folder),
            incarnation,
            mark: incarnation,
            promised: Ballot::new(round, PEER),
            journal_end: Slot::new(4),
            leads: None,
            follows: None,
            leader_ok: false,
            chosen: Slot::FIRST,
            hears: Vec::new(),
            is_connected: false,
            priority: 0,
            checkpoint: None,
            applied: synod_smr::Checkpoint { slot: Slot::FIRST, digest: 0 },
            tick: 0,
            echoes: Vec::new(),
            sync_ticks: None,
            began: None,
            prepares: None,
        }
    }

    fn known() -> Peers {
        let mut peers = Peers::default();
        peers.on_up(PEER, 3);
        assert!(!peers.hears(PEER), "nothing is known of that life");
        assert!(is_granted(peers.on_heartbeat(ME, PEER, &beat(7, 3, 5), END_STEP)));
        peers.on_vouched(PEER);
        assert!(peers.hears(PEER));
        peers
    }

    fn is_granted(hearing: Hearing) -> bool {
        matches!(hearing, Hearing::Granted { .. })
    }

    fn told(peers: &mut Peers, beat: &Heartbeat) -> bool {
        peers.on_up(PEER, beat.incarnation);
        match peers.on_heartbeat(ME, PEER, beat, END_STEP) {
            Hearing::Granted { .. } => true,
            Hearing::Refused { .. } => false,
            Hearing::Dropped => panic!("the heartbeat is of the life at the other end"),
        }
    }

    #[test]
    fn heartbeats_that_come_late_take_nothing_back() {
        let mut peers = known();
        let long = |end, round| Heartbeat { journal_end: Slot::new(end), ..beat(7, 3, round) };
        let told = |peers: &mut Peers, beat: &Heartbeat| {
            let heard = peers.on_heartbeat(ME, PEER, beat, END_STEP);
            let Hearing::Granted { known, .. } = heard else { panic!("{heard:?}") };
            (known.promised.round(), known.journal_end)
        };
        assert_eq!(told(&mut peers, &long(20, 9)), (9, Slot::new(20)));
        assert_eq!(told(&mut peers, &long(10, 6)), (9, Slot::new(20)), "it was sent before");
        // The next life has to go on from the end of this one.
        peers.on_up(PEER, 4);
        let next = |end| Heartbeat { journal_end: Slot::new(end), ..beat(7, 4, 9) };
        assert!(!is_granted(peers.on_heartbeat(ME, PEER, &next(19), END_STEP)));
        assert!(is_granted(peers.on_heartbeat(ME, PEER, &next(20), END_STEP)));
        assert!(!is_granted(peers.on_heartbeat(ME, PEER, &next(19), END_STEP)), "nor later on");
    }

    #[test]
    fn a_life_that_falls_behind_the_one_before_it_is_refused_and_told_of_once() {
        let mut peers = known();
        assert!(told(&mut peers, &beat(7, 4, 6)), "another life, which goes on from the last");
        let older = beat(7, 4, 4);
        let again = |peers: &mut Peers| match peers.on_heartbeat(ME, PEER, &older, END_STEP) {
            Hearing::Refused { again, .. } => again,
            hearing @ (Hearing::Granted { .. } | Hearing::Dropped) => panic!("{hearing:?}"),
        };
        assert!(!again(&mut peers), "its promise is below that of the life before");
        assert!(again(&mut peers), "which is told of once");
    }

    #[test]
    fn a_later_life_of_the_same_journal_is_heard_and_no_other() {
        assert!(told(&mut known(), &beat(7, 4, 5)), "the next start");
        assert!(told(&mut known(), &beat(7, 9, 8)), "starts that nobody heard of");
        assert!(!told(&mut known(), &beat(8, 4, 5)), "another journal");
        assert!(!told(&mut known(), &beat(8, 1, 0)), "a fresh one");
        assert!(!told(&mut known(), &beat(7, 2, 5)), "an earlier start");
        assert!(!told(&mut known(), &beat(7, 4, 4)), "a start that has forgotten a promise");
        let journal_end = Slot::new(3);
        let forgot = Heartbeat { journal_end, ..beat(7, 4, 5) };
        assert!(!told(&mut known(), &forgot), "a start that has forgotten a vote");
        let copy = Heartbeat { mark: 9, ..beat(7, 3, 5) };
        assert!(!told(&mut known(), &copy), "a copy that counts its starts the same");
    }

    #[test]
    fn nothing_of_a_new_link_is_heard_before_its_heartbeat() {
        let mut peers = known();
        peers.on_up(PEER, 3);
        assert!(!peers.hears(PEER), "a copy may be at its other end");
        peers.on_vouched(PEER);
        assert!(!peers.hears(PEER), "nothing is known of it yet, whatever it says");
        assert!(is_granted(peers.on_heartbeat(ME, PEER, &beat(7, 3, 5), END_STEP)));
        assert!(peers.hears(PEER));
    }

    #[test]
    fn a_link_that_comes_back_is_heard_with_the_first_heartbeat_of_the_same_start() {
        let mut peers = known();
        assert!(!peers.on_up(PEER, 3));
        assert!(is_granted(peers.on_heartbeat(ME, PEER, &beat(7, 3, 5), END_STEP)));
        assert!(peers.hears(PEER), "a peer that hears this node does not vouch again");
        peers.on_up(PEER, 3);
        let copy = Heartbeat { mark: 9, ..beat(7, 3, 5) };
        assert!(!is_granted(peers.on_heartbeat(ME, PEER, &copy, END_STEP)));
        assert!(!peers.hears(PEER), "a copy is at its other end");
    }

    #[test]
    fn nothing_is_heard_of_a_peer_that_has_not_vouched_for_this_life() {
        let mut peers = known();
        peers.on_up(PEER, 4);
        assert!(is_granted(peers.on_heartbeat(ME, PEER, &beat(7, 4, 5), END_STEP)));
        assert!(!peers.hears(PEER), "it may refuse this node");
        peers.on_vouched(PEER);
        assert!(peers.hears(PEER));
    }

    #[test]
    fn the_end_of_a_journal_is_remembered_in_steps() {
        let mut peers = known();
        assert_eq!(peers.unwritten().count(), 1);
        peers.on_written();
        let at = |end| Heartbeat { journal_end: Slot::new(end), ..beat(7, 3, 5) };
        assert!(is_granted(peers.on_heartbeat(ME, PEER, &at(4 + END_STEP - 1), END_STEP)));
        assert!(!peers.has_unwritten());
        assert!(is_granted(peers.on_heartbeat(ME, PEER, &at(4 + END_STEP), END_STEP)));
        assert!(peers.has_unwritten());
    }

    #[test]
    fn a_heartbeat_that_is_late_refuses_nobody() {
        let mut peers = known();
        assert!(is_granted(peers.on_heartbeat(ME, PEER, &beat(7, 3, 9), END_STEP)));
        assert!(
            is_granted(peers.on_heartbeat(ME, PEER, &beat(7, 3, 6), END_STEP)),
            "it was overtaken"
        );
        peers.on_up(PEER, 4);
        assert_eq!(
            peers.on_heartbeat(ME, PEER, &beat(7, 3, 9), END_STEP),
            Hearing::Dropped,
            "of a life before"
        );
        assert!(!peers.hears(PEER));
        assert!(is_granted(peers.on_heartbeat(ME, PEER, &beat(7, 4, 9), END_STEP)));
    }

    #[test]
    fn what_was_heard_is_remembered_once_and_across_starts() {
        let mut peers = known();
        let written: Vec<_> = peers.unwritten().collect();
        assert_eq!(written.len(), 1);
        peers.on_written();
        assert!(is_granted(peers.on_heartbeat(ME, PEER, &beat(7, 3, 5), END_STEP)));
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
        let life = |folder, incarnation, mark| PeerStart {
            folder: Folder(folder),
            incarnation,
            mark,
            promised: Ballot::new(1, PEER),
            journal_end: Slot::new(4),
        };
        let mine = life(7, 3, 30);
        let told = |known: &PeerStart| verdict(&mine, PEER, known);
        assert!(told(&life(8, 1, 1)).is_some_and(|why| why.contains("journal")));
        assert!(told(&life(7, 4, 40)).is_some_and(|why| why.contains("older copy")));
        assert!(told(&life(7, 3, 31)).is_some_and(|why| why.contains("older copy")));
        assert_eq!(told(&mine), None, "that was said to an earlier start");
        assert_eq!(told(&life(7, 2, 20)), None, "that was said to an earlier start");
        let (promised, journal_end) = (Ballot::new(2, PEER), Slot::new(5));
        assert!(told(&PeerStart { promised, ..life(7, 2, 20) }).is_some(), "a promise is lost");
        assert!(told(&PeerStart { journal_end, ..life(7, 2, 20) }).is_some(), "a vote is lost");
    }
}
