//! What the papers leave out: whatever can grow has a bound, and whoever is broken is not believed.
//!
//! One node is fed by hand. The claims of the papers are left to `paper.rs`, where bounds play no
//! part, and all orders of events to the model, whose worlds are too small to reach them.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(clippy::wildcard_enum_match_arm, reason = "a test looks for one variant")]

use std::hash::{DefaultHasher, Hash, Hasher};
use synod_paxos::{
    AfterSync, Ballot, Configuration, CoreId, Decree, Effects, Immediate, Input, LogLimits,
    Message, MultiPaxos, NodeId, Record, RecordRoom, Recovery, Report, Slot, To, Value, Vote,
};

const ME: NodeId = NodeId::new(1);
const PEER: NodeId = NodeId::new(2);
const OTHER: NodeId = NodeId::new(3);
const CORE_ID: CoreId = CoreId { node: ME, incarnation: 1 };
/// A ballot of the peer's.
const THEIRS: Ballot = Ballot::new(1, PEER);
const ALPHA: u64 = 256;
const MIB: usize = 1 << 20;

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
    sent: Vec<(To, Message<Block>)>,
    records: Vec<Record<Block>>,
}

impl World {
    fn new() -> Self {
        Self::of(Configuration::majority([ME, PEER, OTHER]).unwrap())
    }

    fn of(configuration: Configuration) -> Self {
        Self::windowed(configuration, ALPHA)
    }

    fn windowed(configuration: Configuration, alpha: u64) -> Self {
        let (node, effects) =
            (MultiPaxos::new(CORE_ID, configuration, alpha), Effects::new(CORE_ID));
        Self { node, effects, sent: Vec::new(), records: Vec::new() }
    }

    /// A world whose node leads, with nothing in the way.
    fn leading(configuration: Configuration) -> Self {
        let mut world = Self::of(configuration);
        world.step(Input::Campaign { above: Ballot::ZERO });
        for node in [PEER, OTHER] {
            let ballot = world.ballot();
            world.hear(node, promise(ballot, 0, None, Vec::new()));
        }
        assert!(world.node.leader().leads().is_some());
        world.sent.clear();
        world
    }

    /// Steps, and syncs all that was recorded.
    fn step(&mut self, input: Input<Block>) {
        self.node.step(input, &mut self.effects);
        while let Some(batch) = self.effects.take_batch() {
            self.records.extend_from_slice(batch.records());
            self.node.step(Input::Synced(batch.confirm_synced()), &mut self.effects);
        }
        self.sent.extend(self.effects.outbox());
    }

    fn hear(&mut self, from: NodeId, message: Message<Block>) {
        self.step(Input::Message { from, message });
    }

    /// Proposes without emptying the outbox, and then returns what is in it.
    fn propose_all(
        &mut self,
        blocks: impl IntoIterator<Item = Block>,
    ) -> Vec<(To, Message<Block>)> {
        for block in blocks {
            self.node.step(Input::Propose(block), &mut self.effects);
        }
        self.effects.outbox().collect()
    }

    fn vote(&mut self, from: NodeId, first: u64, end: u64) {
        let (ballot, first, end) = (self.ballot(), Slot::new(first), Slot::new(end));
        self.hear(from, Message::AfterSync(AfterSync::Accepted { ballot, first, end }));
    }

    /// Votes for these blocks, from slot 0 on, in the peer's ballot.
    fn accept(&mut self, blocks: impl IntoIterator<Item = Block>) {
        let decrees = blocks.into_iter().map(Decree::Value).collect();
        let (ballot, first, chosen) = (THEIRS, Slot::FIRST, Slot::FIRST);
        self.hear(PEER, Message::Immediate(Immediate::Accept { ballot, first, decrees, chosen }));
    }

    /// Asks for a promise, and returns the slots that it reports and where it was cut.
    fn prepare(&mut self, ballot: Ballot, first: u64) -> Option<(Vec<u64>, Option<Slot>)> {
        self.sent.clear();
        let first = Slot::new(first);
        self.hear(ballot.node(), Message::AfterSync(AfterSync::Prepare { ballot, first }));
        self.sent.iter().find_map(|(to, message)| match message {
            Message::AfterSync(AfterSync::Promise { end, reports, .. }) => {
                assert_eq!(*to, To::Node(ballot.node()));
                Some((reports.iter().map(|(slot, _)| slot.number()).collect(), *end))
            }
            _ => None,
        })
    }

    /// Lists whom this node asks for a promise, from which slot on, since the last call.
    fn asked(&mut self) -> Vec<(To, u64)> {
        let prepares = self.sent.drain(..).filter_map(|(to, message)| match message {
            Message::AfterSync(AfterSync::Prepare { first, .. }) => Some((to, first.number())),
            _ => None,
        });
        prepares.collect()
    }

    fn ballot(&self) -> Ballot {
        self.node.leader().ballot().unwrap()
    }
}

fn promise(
    ballot: Ballot,
    first: u64,
    end: Option<u64>,
    reports: Vec<(u64, char)>,
) -> Message<Block> {
    let voted = |(slot, name)| {
        let vote = Vote { ballot: THEIRS, decree: Decree::Value(Block(name, 1)) };
        (Slot::new(slot), Report::Voted(vote))
    };
    Message::AfterSync(AfterSync::Promise {
        ballot,
        first: Slot::new(first),
        end: end.map(Slot::new),
        chosen: Slot::FIRST,
        reports: reports.into_iter().map(voted).collect(),
    })
}

fn all_of_three() -> Configuration {
    Configuration::flexible([ME, PEER, OTHER], 1, 3).unwrap()
}

/// Lists the runs of the Accepts in `sent`: receiver, first slot, how many decrees.
fn runs(sent: &[(To, Message<Block>)]) -> Vec<(To, u64, usize)> {
    let accepts = sent.iter().filter_map(|(to, message)| match message {
        Message::Immediate(Immediate::Accept { first, decrees, .. }) => {
            Some((*to, first.number(), decrees.len()))
        }
        _ => None,
    });
    accepts.collect()
}

fn small(count: usize) -> impl Iterator<Item = Block> {
    (0..count).map(|_| Block('s', 1))
}

#[test]
fn a_promise_is_cut_where_it_grows_too_long() {
    let mut world = World::new();
    world.accept([MIB / 2, MIB / 2, 1, MIB + 1, 1].map(|bytes| Block('b', bytes)));
    let ballot = Ballot::new(2, OTHER);
    assert_eq!(world.prepare(ballot, 0), Some((vec![0, 1], Some(Slot::new(2)))));
    assert_eq!(world.prepare(ballot, 2), Some((vec![2], Some(Slot::new(3)))));
    assert_eq!(world.prepare(ballot, 3), Some((vec![3], Some(Slot::new(4)))), "alone");
    assert_eq!(world.prepare(ballot, 4), Some((vec![4], None)));
    assert_eq!(world.prepare(ballot, 9), Some((vec![], None)));
}

#[test]
fn a_candidate_asks_for_the_rest_of_a_promise_that_was_cut() {
    let mut world = World::new();
    world.node = world.node.with_limits(LogLimits { promise_parts: 1, ..LogLimits::DEFAULT });
    world.step(Input::Campaign { above: Ballot::ZERO });
    let ballot = world.ballot();
    assert_eq!(world.asked(), [(To::Peers, 0)]);
    world.hear(PEER, promise(ballot, 0, Some(2), vec![(0, 'x'), (1, 'y')]));
    assert_eq!(world.asked(), [(To::Node(PEER), 2)]);
    assert_eq!(world.node.leader().leads(), None, "slots from 2 on are not covered");
    world.hear(PEER, promise(ballot, 0, Some(2), vec![(0, 'x'), (1, 'y')]));
    assert_eq!(world.asked(), [], "a repetition covers nothing more");
    world.step(Input::ResendTimer);
    assert_eq!(world.asked(), [(To::Node(PEER), 2), (To::Node(OTHER), 0)]);
    world.hear(PEER, promise(ballot, 2, None, vec![(2, 'z')]));
    assert_eq!(world.node.leader().leads(), Some(ballot));
    let names: Vec<_> = (0..3).map(|slot| world.node.log().decree(Slot::new(slot))).collect();
    let expected = ['x', 'y', 'z'].map(|name| Decree::Value(Block(name, 1)));
    assert_eq!(names, expected.iter().map(Some).collect::<Vec<_>>());
}

#[test]
fn proposals_of_one_moment_travel_together_up_to_a_count() {
    let mut world = World::leading(all_of_three());
    let max = 64;
    let sent = world.propose_all(small(max + 1));
    assert_eq!(runs(&sent), [(To::Peers, 0, max), (To::Peers, max as u64, 1)]);
    assert_eq!(runs(&world.propose_all(small(2))), [(To::Peers, max as u64 + 1, 2)]);
}

#[test]
fn proposals_of_one_moment_travel_together_up_to_a_size() {
    let mut world = World::leading(all_of_three());
    let sent = world.propose_all([MIB / 2, MIB / 2, 1, 2 * MIB].map(|bytes| Block('b', bytes)));
    assert_eq!(runs(&sent), [(To::Peers, 0, 2), (To::Peers, 2, 1), (To::Peers, 3, 1)]);
}

#[test]
fn only_adjoining_slots_travel_together() {
    let mut world = World::leading(all_of_three());
    world.propose_all(small(3));
    while let Some(batch) = world.effects.take_batch() {
        world.step(Input::Synced(batch.confirm_synced()));
    }
    world.vote(PEER, 0, 3);
    world.vote(OTHER, 1, 2);
    assert_eq!(world.node.chosen(), Slot::FIRST, "slot 0 has two votes of three");
    world.step(Input::ResendTimer);
    world.sent.clear();
    world.step(Input::ResendTimer);
    let other = To::Node(OTHER);
    assert_eq!(runs(&world.sent), [(other, 0, 1), (other, 2, 1)], "who voted is not asked again");
}

#[test]
fn an_announcement_travels_with_a_proposal_of_its_ballot() {
    let mut world = World::leading(Configuration::majority([ME, PEER, OTHER]).unwrap());
    let ballot = world.ballot();
    world.step(Input::Propose(Block('x', 1)));
    let (first, end) = (Slot::FIRST, Slot::new(1));
    let message = Message::AfterSync(AfterSync::Accepted { ballot, first, end });
    world.node.step(Input::Message { from: PEER, message }, &mut world.effects);
    // The announcement of slot 0 waits in the outbox while slot 1 is proposed.
    let sent = world.propose_all([Block('y', 1)]);
    let [(To::Peers, Message::Immediate(Immediate::Accept { first, chosen, .. }))] = &sent[..]
    else {
        panic!("{sent:?}");
    };
    assert_eq!((*first, *chosen), (Slot::new(1), Slot::new(1)));
    // And the other way round: what is announced after a proposal joins it.
    let proof = world.effects.take_batch().unwrap().confirm_synced();
    world.step(Input::Synced(proof));
    world.node.step(Input::Propose(Block('z', 1)), &mut world.effects);
    let message =
        Message::AfterSync(AfterSync::Accepted { ballot, first: *first, end: first.next() });
    world.node.step(Input::Message { from: PEER, message }, &mut world.effects);
    let sent: Vec<_> = world.effects.outbox().collect();
    let [(To::Peers, Message::Immediate(Immediate::Accept { first, chosen, .. }))] = &sent[..]
    else {
        panic!("{sent:?}");
    };
    assert_eq!((*first, *chosen), (Slot::new(2), Slot::new(2)));
}

#[test]
fn forgotten_slots_weigh_nothing_and_are_closed() {
    let mut world = World::new();
    let learned = |first, names: &[char]| Input::Decrees {
        first: Slot::new(first),
        decrees: names.iter().map(|name| Decree::Value(Block(*name, 10))).collect(),
    };
    world.step(learned(0, &['a', 'b', 'c']));
    assert_eq!((world.node.log().len(), world.node.log().weight()), (3, 30));
    world.step(Input::ForgetBelow(Slot::new(2)));
    let log = world.node.log();
    assert_eq!((log.len(), log.weight(), log.base()), (1, 10, Slot::new(2)));
    world.records.clear();
    world.sent.clear();
    world.accept(['x', 'y', 'c'].map(|name| Block(name, 10)));
    let votes = world.sent.iter().filter_map(|(_, message)| match message {
        Message::AfterSync(AfterSync::Accepted { first, end, .. }) => {
            Some((first.number(), end.number()))
        }
        _ => None,
    });
    assert_eq!(votes.collect::<Vec<_>>(), [(2, 3)], "what was forgotten cannot be voted for");
    world.step(Input::ForgetBelow(Slot::new(9)));
    let log = world.node.log();
    assert_eq!((log.len(), log.weight(), log.base()), (0, 0, Slot::new(3)), "only what is chosen");
    world.step(learned(3, &['d']));
    assert_eq!(world.node.log().decree(Slot::new(3)), Some(&Decree::Value(Block('d', 10))));
}

#[test]
fn a_vote_that_replaces_another_takes_its_place() {
    let mut world = World::new();
    world.accept([Block('a', 10), Block('b', 10)]);
    let later = Ballot::new(2, PEER);
    let (first, decrees) = (Slot::FIRST, vec![Decree::Value(Block('c', 3)), Decree::Noop]);
    let accept = Immediate::Accept { ballot: later, first, decrees, chosen: Slot::FIRST };
    world.hear(PEER, Message::Immediate(accept));
    assert_eq!((world.node.log().len(), world.node.log().weight()), (2, 4), "a no-op weighs one");
}

#[test]
fn the_ballot_of_a_broken_sender_is_not_heard() {
    let mut world = World::new();
    let step_max = 4_294_967_296;
    let far = Ballot::new(step_max + 1, PEER);
    assert_eq!(world.prepare(far, 0), None, "no cluster has come so far in one step");
    let just = Ballot::new(step_max, PEER);
    assert_eq!(world.prepare(just, 0), Some((vec![], None)));
    assert_eq!(world.node.seen(), just);
    let message =
        Message::AfterSync(AfterSync::Prepare { ballot: just.next(OTHER), first: Slot::FIRST });
    world.hear(PEER, message);
    assert_eq!(world.node.log().promised(), just, "the ballot is not the sender's");
    let (ballot, decrees) = (just.next(OTHER), vec![Decree::Noop]);
    let (first, chosen) = (Slot::FIRST, Slot::FIRST);
    world.hear(PEER, Message::Immediate(Immediate::Accept { ballot, first, decrees, chosen }));
    assert!(world.node.log().is_empty());
}

#[test]
fn a_node_says_what_it_waits_for() {
    let mut world = World::new();
    assert!(!world.node.is_pending());
    world.step(Input::Campaign { above: Ballot::ZERO });
    assert!(world.node.is_pending(), "for promises");
    world.hear(PEER, promise(world.ballot(), 0, None, Vec::new()));
    assert!(!world.node.is_pending() && world.node.is_settled());
    assert!(world.node.last_is_durable(), "there is none");
    world.node.step(Input::Propose(Block('x', 1)), &mut world.effects);
    assert!(world.node.is_pending(), "for votes");
    assert!(!world.node.last_is_durable());
    assert_eq!(world.node.next_slot(), Some(Slot::new(1)));
    let proof = world.effects.take_batch().unwrap().confirm_synced();
    world.step(Input::Synced(proof));
    assert!(world.node.last_is_durable());
    world.vote(PEER, 0, 1);
    assert!(!world.node.is_pending());
    assert_eq!(world.node.chosen(), Slot::new(1));
}

#[test]
fn a_leader_is_settled_once_it_knows_all_that_its_promises_reported() {
    let mut world = World::new();
    world.step(Input::Campaign { above: Ballot::ZERO });
    world.hear(PEER, promise(world.ballot(), 0, None, vec![(1, 'x')]));
    assert!(world.node.leader().leads().is_some());
    assert!(!world.node.is_settled() && world.node.is_pending(), "slots 0 and 1 may be chosen");
    world.vote(PEER, 0, 1);
    assert!(!world.node.is_settled());
    world.vote(PEER, 1, 2);
    assert!(world.node.is_settled());
}

#[test]
fn a_node_is_bound_until_it_has_proposed_what_phase_1_found() {
    let majority = Configuration::majority([ME, PEER, OTHER]).unwrap();
    let mut world = World::windowed(majority, 1);
    assert!(!world.node.is_bound(), "it asked for nothing");
    world.step(Input::Campaign { above: Ballot::ZERO });
    assert!(world.node.is_bound(), "what it will find is to be proposed");
    world.hear(PEER, promise(world.ballot(), 0, None, vec![(0, 'x'), (1, 'y')]));
    assert_eq!(runs(&world.sent), [(To::Peers, 0, 1)]);
    assert!(world.node.is_bound(), "the window has no room for the second one");
    world.vote(PEER, 0, 1);
    assert!(!world.node.is_bound(), "both are proposed");
}

#[test]
fn a_promise_is_repeated_where_there_is_room_for_no_other() {
    let mut world = World::new();
    let asked = world.prepare(THEIRS, 0);
    assert!(asked.is_some());
    world.effects.set_room(RecordRoom { work: 0, promises: 0 });
    assert_eq!(world.prepare(THEIRS, 0), asked, "its record is on the disk");
    assert_eq!(world.prepare(THEIRS.next(PEER), 0), None);
}

#[test]
fn a_promise_by_an_accept_is_recorded_although_nothing_is_voted_for() {
    let mut world = World::new();
    let (first, decrees) = (Slot::FIRST, vec![Decree::Value(Block('c', 1))]);
    world.step(Input::Decrees { first, decrees });
    world.accept([Block('x', 1)]);
    assert!(world.records.contains(&Record::Promised(THEIRS)), "{:?}", world.records);
    assert!(world.sent.is_empty(), "another decree is chosen there");
    assert_eq!(world.prepare(THEIRS, 0), Some((vec![], None)), "what is chosen is not reported");
    let again = Ballot::new(2, PEER);
    let accept = |chosen| {
        let (ballot, first) = (again, Slot::new(1));
        Message::Immediate(Immediate::Accept { ballot, first, decrees: vec![Decree::Noop], chosen })
    };
    world.records.clear();
    world.hear(PEER, accept(Slot::FIRST));
    let (ballot, slot) = (again, Slot::new(1));
    let vote = Record::Accepted { ballot, slot, decree: Decree::Noop };
    assert_eq!(world.records, [vote], "a vote promises by itself");
}

#[test]
#[should_panic(expected = "two decrees are chosen in slot 0")]
fn a_decree_that_contradicts_what_is_chosen_stops_the_node() {
    let mut world = World::new();
    for name in ['a', 'b'] {
        let (first, decrees) = (Slot::FIRST, vec![Decree::Value(Block(name, 1))]);
        world.step(Input::Decrees { first, decrees });
    }
}

#[test]
fn decrees_behind_a_gap_are_left_alone_and_known_ones_may_come_again() {
    let mut world = World::new();
    world.accept(['a', 'b', 'c'].map(|name| Block(name, 1)));
    let decrees = |first, names: &[char]| Input::Decrees {
        first: Slot::new(first),
        decrees: names.iter().map(|name| Decree::Value(Block(*name, 1))).collect(),
    };
    world.step(decrees(2, &['z']));
    assert_eq!(world.node.chosen(), Slot::FIRST, "slots 0 and 1 are not known to be chosen");
    assert_eq!(world.node.log().decree(Slot::new(2)), Some(&Decree::Value(Block('c', 1))));
    world.step(decrees(0, &['a', 'y', 'z']));
    assert_eq!(world.node.chosen(), Slot::new(3));
    world.step(decrees(0, &['a', 'y', 'z', 'd']));
    assert_eq!(world.node.chosen(), Slot::new(4));
    assert_eq!(world.node.log().decree(Slot::new(1)), Some(&Decree::Value(Block('y', 1))));
}

#[test]
fn a_window_of_slots_is_open_at_most() {
    let mut world = World::leading(all_of_three());
    let alpha = usize::try_from(ALPHA).unwrap();
    world.propose_all(small(alpha - 1));
    assert!(world.node.can_propose());
    world.propose_all(small(2));
    assert!(!world.node.can_propose());
    assert_eq!(world.node.next_slot(), Some(Slot::new(ALPHA)), "the last was one too many");
}

#[test]
fn a_promise_is_durable_once_its_own_record_was_synced() {
    let mut world = World::new();
    let mut durable = Ballot::ZERO;
    for ballot in [THEIRS, Ballot::new(2, OTHER)] {
        let message = Message::AfterSync(AfterSync::Prepare { ballot, first: Slot::FIRST });
        world.node.step(Input::Message { from: ballot.node(), message }, &mut world.effects);
        assert_eq!(world.node.log().promised(), ballot);
        assert_eq!(world.node.durable_promised(), durable);
        let proof = world.effects.take_batch().unwrap().confirm_synced();
        world.step(Input::Synced(proof));
        assert_eq!(world.node.durable_promised(), ballot);
        durable = ballot;
    }
}

#[test]
fn an_accept_that_contradicts_what_is_chosen_gets_no_vote() {
    let mut world = World::new();
    world.accept([Block('a', 1)]);
    let chosen = Slot::new(1);
    world.hear(PEER, Message::Immediate(Immediate::Chosen { ballot: THEIRS, chosen }));
    assert_eq!(world.node.chosen(), chosen, "by its own vote, not by a copy");
    world.sent.clear();
    let (ballot, first) = (Ballot::new(2, OTHER), Slot::FIRST);
    for (name, votes) in [('z', 0), ('a', 1)] {
        let decrees = vec![Decree::Value(Block(name, 1))];
        world.hear(
            OTHER,
            Message::Immediate(Immediate::Accept { ballot, first, decrees, chosen: first }),
        );
        assert_eq!(world.sent.len(), votes, "{:?}", world.sent);
    }
    assert_eq!(world.node.log().decree(first), Some(&Decree::Value(Block('a', 1))));
}

#[test]
fn recovery_holds_a_window_of_what_is_chosen() {
    let mut recovery = Recovery::new();
    let decree = |name| Decree::Value(Block(name, 10));
    for (slot, name) in (0..).zip(['a', 'b', 'c']) {
        let (slot, decree) = (Slot::new(slot), decree(name));
        recovery.on_record(Record::Accepted { ballot: THEIRS, slot, decree });
    }
    assert_eq!((recovery.held(), recovery.chosen()), ((0, 0), Slot::FIRST));
    recovery.forget_below(Slot::new(3));
    assert_eq!(recovery.decree(Slot::FIRST), Some(&decree('a')), "nothing is known to be chosen");
    recovery.on_record(Record::Chosen(Slot::new(2)));
    assert_eq!(recovery.held(), (2, 20));
    assert_eq!(recovery.decree(Slot::new(1)), Some(&decree('b')));
    recovery.forget_below(Slot::new(3));
    assert_eq!((recovery.held(), recovery.chosen()), ((0, 0), Slot::new(2)));
    assert_eq!(recovery.decree(Slot::new(1)), None);
    assert_eq!(recovery.decree(Slot::new(2)), Some(&decree('c')), "it may yet be another");
    assert_eq!(recovery.promised(), THEIRS, "a vote promises its ballot, too");
    let voters = Configuration::majority([ME, PEER, OTHER]).unwrap();
    let node = recovery.finish(CORE_ID, voters, ALPHA);
    assert_eq!((node.chosen(), node.log().base()), (Slot::new(2), Slot::new(2)));
}

#[test]
fn what_holds_the_same_back_is_equal_and_hashes_alike() {
    fn hash(of: &impl Hash) -> u64 {
        let mut hasher = DefaultHasher::new();
        of.hash(&mut hasher);
        hasher.finish()
    }
    let prepared = |ballot| {
        let mut world = World::new();
        let message = Message::AfterSync(AfterSync::Prepare { ballot, first: Slot::FIRST });
        world.node.step(Input::Message { from: PEER, message }, &mut world.effects);
        let full = world.effects.clone();
        let batch = world.effects.take_batch().unwrap();
        (world, full, batch)
    };
    let (mut world, full, batch) = prepared(THEIRS);
    let (same, same_full, same_batch) = prepared(THEIRS);
    let (other, other_full, other_batch) = prepared(THEIRS.next(PEER));
    assert_eq!((&world.node, &full, &batch), (&same.node, &same_full, &same_batch));
    assert_eq!(hash(&(&world.node, &full, &batch)), hash(&(&same.node, &same_full, &same_batch)));
    assert_ne!(world.node, other.node);
    assert_ne!(hash(&world.node), hash(&other.node));
    assert_ne!(batch, other_batch);
    assert_ne!(hash(&batch), hash(&other_batch));
    assert_ne!(full, other_full);
    assert_ne!(hash(&full), hash(&other_full));
    // Synced records count no more, and beside the others, what may leave counts, too.
    let mut same = same;
    for (world, batch) in [(&mut world, batch), (&mut same, same_batch)] {
        world.step(Input::Synced(batch.confirm_synced()));
    }
    assert_eq!(world.node, same.node);
    let late = Message::Immediate(Immediate::Chosen { ballot: THEIRS, chosen: Slot::FIRST });
    world.node.step(Input::Message { from: PEER, message: late }, &mut world.effects);
    assert_eq!(world.effects, same.effects, "nothing to say");
    let (ballot, first, chosen) = (Ballot::new(0, OTHER), Slot::FIRST, Slot::FIRST);
    let refused =
        Message::Immediate(Immediate::Accept { ballot, first, decrees: Vec::new(), chosen });
    world.node.step(Input::Message { from: OTHER, message: refused }, &mut world.effects);
    assert_ne!(world.effects, same.effects, "a refusal waits");
    assert_ne!(hash(&world.effects), hash(&same.effects));
}

#[test]
fn slots_are_counted_up_to_a_number_that_no_log_reaches() {
    let (early, late) = (Slot::new(3), Slot::new(10));
    assert_eq!((late.past(early), early.past(late), early.plus(7)), (7, 0, late));
    assert_eq!(Slot::NUMBER_MAX, 72_057_594_037_927_936, "two to the 56th");
}

#[test]
fn values_weigh_what_they_hold() {
    assert_eq!(("four".weight(), 'x'.weight(), 7_u16.weight()), (4, 4, 2));
    assert_eq!((Decree::Value("four").weight(), Decree::<u8>::Noop.weight()), (4, 1));
}

#[test]
fn quorums_of_two_sizes_meet_and_fit_in_the_voters() {
    let of_four =
        |phase1, phase2| Configuration::flexible((1..=4).map(NodeId::new), phase1, phase2).is_ok();
    assert!(of_four(4, 1) && of_four(1, 4) && of_four(2, 3));
    assert!(!of_four(2, 2), "they need not meet");
    assert!(!of_four(5, 1) && !of_four(1, 5), "nobody has so many votes");
    let voters = |count| Configuration::majority((0..count).map(NodeId::new));
    assert_eq!(voters(31).unwrap().voters().len(), 31);
    assert!(voters(32).is_err());
}
