//! Checkpoints: a node whose state went astray is told, by count and by time, life after life.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(clippy::wildcard_enum_match_arm, reason = "a test looks for one variant")]

#[path = "lone/beat.rs"]
mod beat;
#[path = "lone/nothing.rs"]
mod nothing;

use beat::{ME, beat};
use nothing::Nothing;
use synod_paxos::{Configuration, CoreId, Decree, NodeId, Slot};
use synod_smr::{
    CHECKPOINT_SLOTS, Checkpoint, Checkpoints, Config, Difference, Effects, Finding, Heartbeat,
    Input, Message, Record, Recovering, Replica, Timer,
};

const PEER: NodeId = NodeId::new(2);
const OTHER: NodeId = NodeId::new(3);

/// A follower that is told decrees, and keeps its journal.
struct World {
    replica: Replica<Nothing>,
    effects: Effects,
    beats: Vec<Heartbeat>,
    journal: Vec<Record>,
}

impl World {
    fn new() -> Self {
        Self::recovered(&[])
    }

    fn recovered(journal: &[Record]) -> Self {
        let core_id = CoreId { node: ME, incarnation: 1 };
        let mut effects = Effects::new(core_id);
        let mut recovering = Recovering::new(Nothing);
        journal.iter().for_each(|record| recovering.on_record(record.clone()));
        let replica = recovering.finish(Config::lan(core_id, voters()), &mut effects);
        Self { replica, effects, beats: Vec::new(), journal: journal.to_vec() }
    }

    fn step(&mut self, input: Input) {
        self.replica.step(input, &mut self.effects);
        while let Some(batch) = self.effects.take_batch() {
            self.journal.extend_from_slice(batch.records());
            self.replica.step(Input::Synced(batch.confirm_synced()), &mut self.effects);
        }
        let beats = self.effects.outbox().filter_map(|(_, message)| match message {
            Message::Heartbeat(beat) => Some(beat),
            _ => None,
        });
        self.beats.extend(beats);
    }

    fn hear(&mut self, from: NodeId, beat: Heartbeat) {
        self.step(Input::Message { from, message: Message::Heartbeat(beat) });
    }

    fn learn_noops(&mut self, count: u64) {
        for _ in 0..count {
            let first = self.replica.paxos().chosen();
            let (decrees, chosen) = (vec![Decree::Noop], first.next());
            let message = Message::Decrees { first, decrees, chosen };
            self.step(Input::Message { from: PEER, message });
        }
    }

    /// Returns what the heartbeat of the next tick tells.
    fn tick(&mut self) -> Heartbeat {
        self.step(Input::Timer(Timer::Heartbeat));
        self.beats.pop().unwrap()
    }

    fn state(&self) -> Checkpoint {
        let status = self.replica.status();
        Checkpoint { slot: status.applied, digest: status.digest }
    }
}

fn voters() -> Configuration {
    Configuration::majority([ME, PEER, OTHER]).unwrap()
}

/// A heartbeat that tells this regular digest.
fn regular(checkpoint: Checkpoint) -> Heartbeat {
    Heartbeat { checkpoint: Some(checkpoint), ..beat(0) }
}

/// A heartbeat that tells that the peer's state is this one.
fn stands(applied: Checkpoint) -> Heartbeat {
    Heartbeat { applied, ..beat(0) }
}

const fn wrong(right: Checkpoint) -> Checkpoint {
    Checkpoint { slot: right.slot, digest: right.digest ^ 1 }
}

#[test]
fn a_digest_is_taken_at_each_checkpoint_and_told() {
    let mut world = World::new();
    world.learn_noops(CHECKPOINT_SLOTS - 1);
    assert_eq!(world.tick().checkpoint, None);
    world.learn_noops(1);
    let checkpoint = world.state();
    world.learn_noops(1);
    let told = world.tick();
    assert_eq!(told.checkpoint, Some(checkpoint));
    assert_eq!(told.applied, world.state(), "the latest is told as well");
    assert_ne!(told.applied.digest, checkpoint.digest, "the slot counts");
}

#[test]
fn a_replica_that_differs_from_both_others_stops() {
    let mut world = World::new();
    world.learn_noops(CHECKPOINT_SLOTS);
    let other = regular(wrong(world.state()));
    world.hear(PEER, other.clone());
    assert_eq!(world.effects.halt(), None, "who of the two is wrong, nobody knows");
    world.hear(OTHER, other);
    assert!(world.effects.halt().is_some_and(|reason| reason.contains("corrupt")));
}

#[test]
fn a_replica_that_was_told_to_stop_is_told_again_in_its_next_life() {
    let mut world = World::new();
    world.learn_noops(CHECKPOINT_SLOTS);
    let other = regular(wrong(world.state()));
    world.learn_noops(70);
    let mut again = World::recovered(&world.journal);
    assert_eq!(again.state(), world.state());
    for world in [&mut world, &mut again] {
        assert_eq!(world.effects.halt(), None);
        [PEER, OTHER].into_iter().for_each(|node| world.hear(node, other.clone()));
        assert!(world.effects.halt().is_some_and(|reason| reason.contains("corrupt")));
    }
}

#[test]
fn states_are_compared_by_time_at_whatever_slot() {
    let mut world = World::new();
    world.learn_noops(5);
    world.tick();
    let other = stands(wrong(world.state()));
    world.hear(PEER, other.clone());
    assert_eq!(world.effects.halt(), None);
    world.hear(OTHER, other);
    assert!(world.effects.halt().is_some_and(|reason| reason.contains("slot 5")));
}

#[test]
fn one_who_lags_compares_when_it_has_come_so_far() {
    let mut ahead = World::new();
    ahead.learn_noops(5);
    let right = ahead.state();
    for (state, is_wrong) in [(right, false), (wrong(right), true)] {
        let mut world = World::new();
        [PEER, OTHER].into_iter().for_each(|node| world.hear(node, stands(state)));
        world.learn_noops(4);
        assert_eq!(world.effects.halt(), None);
        world.learn_noops(2);
        assert_eq!(world.effects.halt().is_some(), is_wrong);
    }
}

#[test]
fn a_difference_from_one_peer_is_said_at_once_and_once() {
    let mut world = World::new();
    world.learn_noops(5);
    world.tick();
    let (mine, theirs) = (world.state(), wrong(world.state()));
    world.hear(PEER, stands(theirs));
    let slot = mine.slot;
    let difference = Difference { peer: PEER, slot, mine: mine.digest, theirs: theirs.digest };
    assert_eq!(world.effects.differences().collect::<Vec<_>>(), [difference]);
    let text = difference.to_string();
    assert!(text.contains("slot 5") && text.contains("node 2"), "{text}");
    world.learn_noops(1);
    world.tick();
    world.hear(PEER, stands(wrong(world.state())));
    assert_eq!(world.effects.differences().count(), 0, "it was said");
}

#[test]
fn a_majority_of_five_tells_who_is_wrong() {
    let slot = Slot::new(CHECKPOINT_SLOTS);
    let voters = Configuration::majority((1..=5).map(NodeId::new)).unwrap();
    let verdict = |mine: u64, digests: &[u64]| {
        let mut checkpoints = Checkpoints::default();
        checkpoints.on_applied(slot, || mine);
        for (node, digest) in (2..).map(NodeId::new).zip(digests) {
            let checkpoint = Checkpoint { slot, digest: *digest };
            checkpoints.on_peer(node, Some(checkpoint), beat::FAR);
        }
        let findings = checkpoints.judge(&voters);
        findings.into_iter().find_map(|finding| match finding {
            Finding::Halt(reason) => Some(reason),
            Finding::Differs(_) => None,
        })
    };
    assert_eq!(verdict(5, &[6, 6]), None, "two of five are no majority");
    assert!(verdict(5, &[6, 6, 6]).is_some_and(|reason| reason.contains("corrupt")));
    assert_eq!(verdict(5, &[5, 5, 6, 6]), None);
    assert!(verdict(5, &[5, 6, 6, 7]).is_some_and(|reason| reason.contains("no majority")));
}

#[test]
fn digests_of_the_last_eight_checkpoints_are_compared() {
    let at = |number: u64| Slot::new(number * CHECKPOINT_SLOTS);
    let mut checkpoints = Checkpoints::default();
    (1..=8).for_each(|number| checkpoints.on_applied(at(number), || 5));
    checkpoints.on_applied(Slot::new(CHECKPOINT_SLOTS + 1), || panic!("no checkpoint"));
    assert_eq!(checkpoints.last(), Some(Checkpoint { slot: at(8), digest: 5 }));
    let differs = |checkpoints: &Checkpoints| {
        let mut checkpoints = checkpoints.clone();
        let first = Checkpoint { slot: at(1), digest: 6 };
        for node in [PEER, OTHER] {
            checkpoints.on_peer(node, Some(first), beat::FAR);
        }
        !checkpoints.judge(&voters()).is_empty()
    };
    assert!(differs(&checkpoints), "the first of eight is kept");
    checkpoints.on_applied(at(9), || 5);
    assert!(!differs(&checkpoints), "the ninth took its place");
}
