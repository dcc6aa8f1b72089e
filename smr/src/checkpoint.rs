//! Checkpoints: replicas compare digests of their states, so that a difference is loud.
//!
//! A state machine that is not deterministic, memory that went bad, or a journal that was exchanged
//! makes replicas differ without any fault of the protocol. Digests are compared by count, at slots
//! that all nodes pass, also while they recover, and by time: each heartbeat tells the latest one.
//! A difference from one peer is said at once; a node that differs from a majority halts, and where
//! no majority can agree any more, all do. The claim kept true: nodes that agree are never told to
//! halt, and one that was told to is told so again in its next life.

use crate::message::Checkpoint;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use synod_paxos::{Configuration, NodeId, Slot};

/// A digest is compared at each slot that is a multiple of this.
pub const CHECKPOINT_SLOTS: u64 = 1024;

/// How many digests at such slots are kept for comparison.
const REGULAR_MAX: usize = 8;

/// How many slots that heartbeats told of are kept for comparison.
const RECENT_MAX: usize = 64;

/// The digests of this node and of its peers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Checkpoints {
    /// Those at multiples of [`CHECKPOINT_SLOTS`].
    regular: Series<REGULAR_MAX>,
    /// Those that heartbeats told, at whatever slot.
    recent: Series<RECENT_MAX>,
    last: Option<Checkpoint>,
    /// The peers whose difference was said.
    blamed: BTreeSet<NodeId>,
}

/// The last digests of a kind, by slot; no more than `MAX` slots.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Series<const MAX: usize> {
    own: BTreeMap<Slot, u64>,
    peers: BTreeMap<Slot, Digests>,
    /// Where something can be compared that was not yet.
    unjudged: BTreeSet<Slot>,
}

/// What each peer told of one slot, in the order of the peers: one digest each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Digests(Vec<(NodeId, u64)>);

/// A peer whose state is another one, after the same slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Difference {
    /// The peer.
    pub peer: NodeId,
    /// The slots below this one are applied.
    pub slot: Slot,
    /// The digest of this node.
    pub mine: u64,
    /// The digest of the peer.
    pub theirs: u64,
}

/// What a comparison found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// A peer differs; nobody knows yet who is wrong.
    Differs(Difference),
    /// This node must halt, for this reason.
    Halt(String),
}

impl Checkpoints {
    /// Takes note that all below `slot` is applied; the digest is asked for where it is compared.
    pub fn on_applied(&mut self, slot: Slot, digest: impl FnOnce() -> u64) {
        let is_regular = slot.number().is_multiple_of(CHECKPOINT_SLOTS);
        // A digest of a large state takes time, so it is asked for only where somebody has one to
        // compare.
        let is_awaited = self.recent.peers.contains_key(&slot);
        if !is_regular && !is_awaited {
            return;
        }
        let checkpoint = Checkpoint { slot, digest: digest() };
        if is_regular {
            self.last = Some(checkpoint);
            self.regular.on_own(checkpoint);
        }
        if is_awaited {
            self.recent.on_own(checkpoint);
        }
    }

    /// Takes in the state that this node has reached at a heartbeat.
    pub fn on_tick(&mut self, applied: Checkpoint) {
        self.recent.on_own(applied);
    }

    /// Takes in what a peer's heartbeat tells: its last regular digest, and its latest.
    pub fn on_peer(&mut self, peer: NodeId, regular: Option<Checkpoint>, applied: Checkpoint) {
        if let Some(checkpoint) = regular {
            self.regular.on_peer(peer, checkpoint);
        }
        self.recent.on_peer(peer, applied);
    }

    /// Returns this node's last own digest at a multiple of [`CHECKPOINT_SLOTS`].
    #[must_use]
    pub const fn last(&self) -> Option<Checkpoint> {
        self.last
    }

    /// Compares what came in since the last time.
    pub fn judge(&mut self, voters: &Configuration) -> Vec<Finding> {
        let mut findings = Vec::new();
        // This is asked after every step, and mostly nothing came in.
        if self.regular.unjudged.is_empty() && self.recent.unjudged.is_empty() {
            return findings;
        }
        for slot in std::mem::take(&mut self.regular.unjudged) {
            findings.extend(self.regular.judge(slot, voters, &mut self.blamed));
        }
        for slot in std::mem::take(&mut self.recent.unjudged) {
            findings.extend(self.recent.judge(slot, voters, &mut self.blamed));
        }
        findings
    }
}

impl Digests {
    /// Takes in what a peer tells, and returns what it told before.
    fn insert(&mut self, peer: NodeId, digest: u64) -> Option<u64> {
        match self.0.binary_search_by_key(&peer, |(of, _)| *of) {
            Ok(place) => Some(std::mem::replace(&mut self.0[place].1, digest)),
            Err(place) => {
                self.0.insert(place, (peer, digest));
                None
            }
        }
    }
}

impl<const MAX: usize> Series<MAX> {
    fn on_own(&mut self, Checkpoint { slot, digest }: Checkpoint) {
        let is_new = self.own.insert(slot, digest).is_none();
        if is_new && self.peers.contains_key(&slot) {
            self.unjudged.insert(slot);
        }
        while self.own.len() > MAX {
            self.own.pop_first();
        }
    }

    fn on_peer(&mut self, peer: NodeId, Checkpoint { slot, digest }: Checkpoint) {
        // Most of what is told is of the latest slot that was told of.
        let before = if let Some(mut latest) = self.peers.last_entry()
            && *latest.key() == slot
        {
            latest.get_mut().insert(peer, digest)
        } else {
            self.peers.entry(slot).or_default().insert(peer, digest)
        };
        // A digest that is told again has nothing in it to be judged.
        if before != Some(digest) && self.own.contains_key(&slot) {
            self.unjudged.insert(slot);
        }
        while self.peers.len() > MAX {
            self.peers.pop_first();
        }
    }

    fn judge(
        &self,
        slot: Slot,
        voters: &Configuration,
        blamed: &mut BTreeSet<NodeId>,
    ) -> Vec<Finding> {
        assert!(self.own.len() <= MAX && self.peers.len() <= MAX, "more digests are kept than may");
        let (Some(&mine), Some(peers)) = (self.own.get(&slot), self.peers.get(&slot)) else {
            return Vec::new();
        };
        let mut findings = Vec::new();
        for &(peer, theirs) in &peers.0 {
            // A difference is said once, and again only after the two have agreed in between.
            if theirs == mine {
                blamed.remove(&peer);
            } else if blamed.insert(peer) {
                findings.push(Finding::Differs(Difference { peer, slot, mine, theirs }));
            }
        }
        findings.extend(verdict(slot, mine, peers, voters).map(Finding::Halt));
        findings
    }
}

/// Returns why the node whose digest is `mine` must halt, if it must.
fn verdict(slot: Slot, mine: u64, peers: &Digests, voters: &Configuration) -> Option<String> {
    let spoke = 1 + peers.0.iter().filter(|(node, _)| voters.contains(*node)).count();
    assert!(spoke <= voters.voters().len(), "a digest of its own came as that of a peer");
    match other_majority(mine, peers, voters) {
        Some(digest) => Some(format!(
            "the state at slot {slot} has digest {mine:016x}, a majority has {digest:016x}: this \
             replica is corrupt, or the state machine is not deterministic"
        )),
        // Only once all have spoken, as one that is silent could still make a majority.
        None if spoke == voters.voters().len() && !has_majority(mine, peers, voters) => {
            Some(format!(
                "no majority agrees on the state at slot {slot}: the state machine is not \
                 deterministic"
            ))
        }
        None => None,
    }
}

/// Returns the digest other than `mine` that a majority of the voters has.
fn other_majority(mine: u64, peers: &Digests, voters: &Configuration) -> Option<u64> {
    let mut others = peers.0.iter().map(|(_, digest)| *digest).filter(|digest| *digest != mine);
    others.find(|digest| is_majority(count(*digest, peers, voters), voters))
}

fn has_majority(mine: u64, peers: &Digests, voters: &Configuration) -> bool {
    is_majority(1 + count(mine, peers, voters), voters)
}

fn count(digest: u64, peers: &Digests, voters: &Configuration) -> usize {
    let same = peers.0.iter().filter(|(node, held)| *held == digest && voters.contains(*node));
    same.count()
}

fn is_majority(votes: usize, voters: &Configuration) -> bool {
    2 * votes > voters.voters().len()
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { peer, slot, mine, theirs } = self;
        write!(
            formatter,
            "the state at slot {slot} has digest {mine:016x} here and {theirs:016x} at node {peer}"
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    const SLOT: Slot = Slot::new(CHECKPOINT_SLOTS);

    /// Takes digests in at a slot, this node's first, and returns all that is found.
    fn findings(slot: Slot, digests: [Option<u64>; 3]) -> Vec<Finding> {
        let ids = [1, 2, 3].map(NodeId::new);
        let voters = Configuration::majority(ids).unwrap();
        let mut checkpoints = Checkpoints::default();
        for (node, digest) in ids.into_iter().zip(digests) {
            let Some(digest) = digest else { continue };
            let checkpoint = Checkpoint { slot, digest };
            if node == ids[0] {
                checkpoints.on_applied(slot, || digest);
                checkpoints.on_tick(checkpoint);
            } else {
                let regular = Some(checkpoint).filter(|_| slot == SLOT);
                checkpoints.on_peer(node, regular, checkpoint);
            }
        }
        let findings = checkpoints.judge(&voters);
        assert_eq!(checkpoints.judge(&voters), [], "a thing is said once");
        findings
    }

    fn halts(digests: [Option<u64>; 3]) -> Option<String> {
        let at = |slot| {
            findings(slot, digests).into_iter().find_map(|finding| match finding {
                Finding::Halt(reason) => Some(reason),
                Finding::Differs(_) => None,
            })
        };
        let (regular, any) = (at(SLOT), at(Slot::new(7)));
        assert_eq!(regular.is_some(), any.is_some(), "a slot is as good as another");
        regular
    }

    #[test]
    fn the_odd_node_halts_and_the_others_do_not() {
        assert_eq!(halts([Some(1), Some(1), Some(2)]), None);
        assert!(halts([Some(2), Some(1), Some(1)]).unwrap().contains("corrupt"));
        assert!(halts([Some(1), Some(2), Some(3)]).unwrap().contains("no majority"));
    }

    #[test]
    fn two_that_differ_wait_for_the_third_and_say_so() {
        assert_eq!(halts([Some(1), Some(2), None]), None);
        assert_eq!(halts([None, Some(2), Some(3)]), None, "a node without a digest cannot tell");
        let difference = Difference { peer: NodeId::new(2), slot: SLOT, mine: 1, theirs: 2 };
        assert_eq!(findings(SLOT, [Some(1), Some(2), None]), [Finding::Differs(difference)]);
        assert_eq!(findings(SLOT, [Some(1), Some(1), Some(1)]), []);
    }

    #[test]
    fn who_lags_compares_when_it_gets_there() {
        let voters = Configuration::majority([1, 2, 3].map(NodeId::new)).unwrap();
        let mut checkpoints = Checkpoints::default();
        let ahead = Checkpoint { slot: Slot::new(9), digest: 5 };
        checkpoints.on_peer(NodeId::new(2), None, ahead);
        checkpoints.on_applied(Slot::new(8), || panic!("nobody asked for it"));
        assert_eq!(checkpoints.judge(&voters), []);
        checkpoints.on_applied(Slot::new(9), || 6);
        assert!(matches!(checkpoints.judge(&voters)[..], [Finding::Differs(_)]));
    }

    #[test]
    fn no_more_is_kept_than_the_bounds_say() {
        let mut checkpoints = Checkpoints::default();
        for number in 1..10 * CHECKPOINT_SLOTS {
            let checkpoint = Checkpoint { slot: Slot::new(number), digest: 0 };
            checkpoints.on_peer(NodeId::new(2), Some(checkpoint), checkpoint);
            checkpoints.on_applied(Slot::new(number), || 0);
            checkpoints.on_tick(checkpoint);
        }
        assert_eq!(checkpoints.regular.own.len(), REGULAR_MAX);
        assert_eq!(checkpoints.regular.peers.len(), REGULAR_MAX);
        assert_eq!(checkpoints.recent.own.len(), RECENT_MAX);
        assert_eq!(checkpoints.recent.peers.len(), RECENT_MAX);
    }
}
