//! What a node holds in memory, and for how long: windows of bytes, and what may be let go of.
//!
//! One node is fed by hand, and its disk syncs only when it is told to. The claims: memory lets go
//! of a slot only once the disk has it as it was chosen; a full window delays and never wedges; a
//! disk that hangs does not fill memory.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(clippy::wildcard_enum_match_arm, reason = "a test looks for one variant")]

use synod_paxos::{
    AfterSync, Ballot, Batch, Configuration, CoreId, Decree, Effects, Immediate, Input, LogLimits,
    Message, MultiPaxos, NodeId, Record, Report, Slot, Value, Vote,
};

const ME: NodeId = NodeId::new(1);
const OLD: Ballot = Ballot::new(1, NodeId::new(2));
const NEW: Ballot = Ballot::new(2, NodeId::new(3));
/// How many bytes fit a window.
const WINDOW: usize = 100;

/// A value with a name that weighs so many bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Block(char, usize);

impl Value for Block {
    fn weight(&self) -> usize {
        self.1
    }
}

struct World {
    node: MultiPaxos<Block>,
    effects: Effects<Block>,
    in_flight: Vec<Batch<Block>>,
    /// The votes that were told of, as first slots and ends.
    told: Vec<(u64, u64)>,
}

impl World {
    fn new(limits: LogLimits) -> Self {
        let core_id = CoreId { node: ME, incarnation: 1 };
        let voters = Configuration::majority([1, 2, 3].map(NodeId::new)).unwrap();
        let node = MultiPaxos::new(core_id, voters, 256).with_limits(limits);
        let effects = Effects::new(core_id);
        Self { node, effects, in_flight: Vec::new(), told: Vec::new() }
    }

    fn step(&mut self, input: Input<Block>) {
        self.node.step(input, &mut self.effects);
        self.in_flight.extend(self.effects.take_batch());
        let told = self.effects.outbox().filter_map(|(_, message)| match message {
            Message::AfterSync(AfterSync::Accepted { first, end, .. }) => {
                Some((first.number(), end.number()))
            }
            _ => None,
        });
        self.told.extend(told);
    }

    fn sync(&mut self) {
        while !self.in_flight.is_empty() {
            let batch = self.in_flight.remove(0);
            self.step(Input::Synced(batch.confirm_synced()));
        }
    }

    fn accept(&mut self, ballot: Ballot, first: u64, decrees: &[Decree<Block>], chosen: u64) {
        let (first, chosen) = (Slot::new(first), Slot::new(chosen));
        let accept = Immediate::Accept { ballot, first, decrees: decrees.to_vec(), chosen };
        self.step(Input::Message { from: ballot.node(), message: Message::Immediate(accept) });
    }

    /// Syncs, and returns the votes that were told of since the last call.
    fn votes(&mut self) -> Vec<(u64, u64)> {
        self.sync();
        std::mem::take(&mut self.told)
    }

    fn forget(&mut self, below: u64) -> u64 {
        self.step(Input::ForgetBelow(Slot::new(below)));
        self.node.log().base().number()
    }

    /// Brings this node to lead.
    fn lead(&mut self) {
        self.lead_after(Vec::new());
    }

    /// Brings this node to lead, after a promise with these reports.
    fn lead_after(&mut self, reports: Vec<(Slot, Report<Block>)>) {
        self.step(Input::Campaign { above: Ballot::ZERO });
        self.sync();
        let ballot = self.node.leader().ballot().unwrap();
        let (first, chosen) = (Slot::FIRST, Slot::FIRST);
        let promise = AfterSync::Promise { ballot, first, end: None, chosen, reports };
        self.step(Input::Message { from: OLD.node(), message: Message::AfterSync(promise) });
        assert_eq!(self.node.leader().leads(), Some(ballot));
    }

    /// Counts how many blocks of this weight are proposed until no more may be.
    fn propose_all(&mut self, bytes: usize) -> u64 {
        let before = self.node.next_slot().unwrap();
        while self.node.can_propose() {
            self.step(Input::Propose(Block('p', bytes)));
        }
        self.node.next_slot().unwrap().past(before)
    }

    /// Lets both peers vote for this leader's proposals below `end`.
    fn vote(&mut self, end: u64) {
        let ballot = self.node.leader().ballot().unwrap();
        for from in [OLD.node(), NEW.node()] {
            let accepted = AfterSync::Accepted { ballot, first: Slot::FIRST, end: Slot::new(end) };
            self.step(Input::Message { from, message: Message::AfterSync(accepted) });
        }
    }
}

fn block(name: char, bytes: usize) -> Decree<Block> {
    Decree::Value(Block(name, bytes))
}

fn narrow() -> LogLimits {
    LogLimits { unchosen_bytes: WINDOW, ..LogLimits::DEFAULT }
}

#[test]
fn a_slot_is_forgotten_only_once_the_disk_has_it_as_it_was_chosen() {
    let mut world = World::new(LogLimits::DEFAULT);
    // The old leader's proposal reaches this node alone, and the disk has it.
    world.accept(OLD, 0, &[block('x', 1)], 0);
    world.sync();
    // From here on the disk hangs. A new leader, whose quorum did not see x, has d chosen.
    world.accept(NEW, 0, &[block('d', 1)], 0);
    world.accept(NEW, 1, &[block('e', 1)], 1);
    assert_eq!(world.node.chosen(), Slot::new(1));
    assert_eq!(world.node.durable_chosen(), Slot::FIRST);
    assert_eq!(world.forget(1), 0, "the disk would give x back, which was never chosen");
    assert_eq!(world.node.log().decree(Slot::FIRST), Some(&block('d', 1)));
    // The first of the two batches has d; that it is chosen was known with the second.
    let batch = world.in_flight.remove(0);
    world.step(Input::Synced(batch.confirm_synced()));
    assert_eq!(world.forget(1), 0);
    world.sync();
    assert_eq!(world.node.durable_chosen(), Slot::new(1));
    assert_eq!(world.forget(9), 1, "and no more than that");
}

#[test]
fn what_is_chosen_weighs_apart_from_what_is_not() {
    let mut world = World::new(LogLimits::DEFAULT);
    world.accept(NEW, 0, &[block('a', 7), block('b', 5), block('c', 3)], 0);
    let weights = |world: &World| {
        let log = world.node.log();
        (log.chosen_weight(), log.unchosen_weight(), log.weight())
    };
    assert_eq!(weights(&world), (0, 15, 15));
    world.accept(NEW, 3, &[block('d', 1)], 2);
    assert_eq!(weights(&world), (12, 4, 16));
    world.sync();
    world.forget(1);
    assert_eq!(weights(&world), (5, 4, 9));
    // A higher ballot repeats a chosen decree, and replaces a vote that was not chosen.
    let higher = NEW.next(NEW.node());
    world.accept(higher, 1, &[block('b', 5), block('z', 8)], 0);
    assert_eq!(weights(&world), (5, 9, 14));
}

#[test]
fn a_full_window_gets_no_vote_but_in_its_first_slot() {
    let mut world = World::new(narrow());
    world.accept(NEW, 1, &[block('b', 60), block('c', 60), block('d', 1)], 0);
    assert_eq!(world.votes(), [(1, 3)], "one decree may pass the window, and nothing after it");
    assert_eq!(world.node.log().unchosen_weight(), 120);
    world.accept(NEW, 1, &[block('b', 60), block('c', 60), block('d', 1)], 0);
    assert_eq!(world.votes(), [(1, 3)], "what has a vote is told of again");
    world.accept(NEW, 0, &[block('a', 90)], 0);
    assert_eq!(world.votes(), [(0, 1)], "or no room would ever come");
    // What is announced makes room for what comes with it.
    world.accept(NEW, 3, &[block('d', 1), block('e', 200), block('f', 1)], 3);
    assert_eq!(world.votes(), [(3, 5)]);
    world.accept(NEW, 5, &[block('f', 1)], 5);
    assert_eq!(world.votes(), [(5, 6)]);
}

#[test]
fn a_full_window_takes_a_higher_ballots_decree_that_is_no_larger() {
    let mut world = World::new(narrow());
    world.accept(OLD, 1, &[block('b', 60), block('c', 60)], 0);
    world.votes();
    world.accept(NEW, 1, &[block('b', 60), block('z', 61), Decree::Noop], 0);
    assert_eq!(world.votes(), [(1, 3)], "without its own sixty bytes slot 2 has room");
    world.accept(NEW, 3, &[block('d', 1)], 0);
    assert_eq!(world.votes(), []);
}

#[test]
fn a_leader_opens_no_slot_past_its_window_unless_none_is_open() {
    let mut world = World::new(narrow());
    world.lead();
    assert_eq!(world.propose_all(60), 2, "the second passes it");
    world.vote(1);
    assert_eq!(world.propose_all(60), 1);
    world.vote(3);
    assert_eq!(world.propose_all(500), 1, "one larger decree goes alone");
    assert_eq!(world.node.log().unchosen_weight(), 500);
    world.vote(4);
    assert_eq!(world.node.chosen(), Slot::new(4));
}

#[test]
fn a_leader_has_the_decree_of_whatever_it_counts() {
    // Its acceptor's window is full of votes of an old ballot, and a promise reports a larger one.
    let mut world = World::new(narrow());
    world.accept(OLD, 1, &[block('b', 90), block('c', 120)], 0);
    world.sync();
    let vote = Vote { ballot: NEW, decree: block('z', 95) };
    world.lead_after(vec![(Slot::new(1), Report::Voted(vote))]);
    world.vote(3);
    assert_eq!(world.node.chosen(), Slot::new(3));
    assert_eq!(world.node.log().decree(Slot::new(1)), Some(&block('z', 95)));
}

#[test]
fn while_the_disk_hangs_votes_and_copies_wait_and_promises_do_not() {
    let mut world = World::new(LogLimits { unsynced_bytes: WINDOW, ..LogLimits::DEFAULT });
    world.accept(NEW, 0, &[block('a', 60), block('b', 60)], 0);
    assert!(world.node.is_backlogged());
    world.accept(NEW, 2, &[block('c', 1)], 0);
    assert_eq!(world.node.log().len(), 2, "no record is added to those that wait");
    let decrees = vec![block('a', 60), block('y', 60)];
    world.step(Input::Decrees { first: Slot::FIRST, decrees: decrees.clone() });
    assert_eq!(world.node.chosen(), Slot::FIRST);
    let higher = NEW.next(OLD.node());
    let prepare = Message::AfterSync(AfterSync::Prepare { ballot: higher, first: Slot::FIRST });
    world.step(Input::Message { from: OLD.node(), message: prepare });
    assert_eq!(world.node.log().promised(), higher);
    world.sync();
    assert!(!world.node.is_backlogged());
    world.step(Input::Decrees { first: Slot::FIRST, decrees });
    assert_eq!(world.node.chosen(), Slot::new(2));
    let learned = |record: &Record<Block>| matches!(record, Record::Learned { .. });
    assert_eq!(world.in_flight[0].records().iter().filter(|record| learned(record)).count(), 1);
}

#[test]
fn a_leader_whose_disk_hangs_proposes_no_more_than_its_memory_holds() {
    let mut world = World::new(LogLimits { unsynced_bytes: WINDOW, ..LogLimits::DEFAULT });
    world.lead();
    assert_eq!(world.propose_all(60), 2);
    world.vote(2);
    assert_eq!(world.propose_all(60), 0, "a quorum of others is no help to its own memory");
    world.sync();
    assert_eq!(world.propose_all(60), 2);
}
