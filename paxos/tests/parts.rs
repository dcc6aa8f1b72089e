//! Long promises and late answers: parts, runs, and what is asked for again.
//!
//! One node is fed by hand. The claims: a promise in parts counts once they cover everything, in
//! whatever order they come; several parts are on their way at a time; what a node has not answered
//! is repeated to it in runs of a bounded size, and to nobody else.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(clippy::wildcard_enum_match_arm, reason = "a test looks for one variant")]

use synod_paxos::{
    AfterSync, Ballot, Configuration, CoreId, Decree, Effects, Immediate, Input, LogLimits,
    Message, MultiPaxos, NodeId, Report, Slot, To, Value, Vote,
};

const ME: NodeId = NodeId::new(1);
const PEER: NodeId = NodeId::new(2);
const OTHER: NodeId = NodeId::new(3);
const THEIRS: Ballot = Ballot::new(1, PEER);
const MIB: usize = 1 << 20;

/// A value that weighs so many bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Block(usize);

impl Value for Block {
    fn weight(&self) -> usize {
        self.0
    }
}

struct World {
    node: MultiPaxos<Block>,
    effects: Effects<Block>,
    sent: Vec<(To, Message<Block>)>,
}

impl World {
    /// A node in whose promises a part has ten bytes, and three parts are on their way at once.
    fn new() -> Self {
        let core_id = CoreId { node: ME, incarnation: 1 };
        let voters = Configuration::majority([ME, PEER, OTHER]).unwrap();
        let limits = LogLimits { promise_bytes: 10, promise_parts: 3, ..LogLimits::DEFAULT };
        let node = MultiPaxos::new(core_id, voters, 256).with_limits(limits);
        Self { node, effects: Effects::new(core_id), sent: Vec::new() }
    }

    fn step(&mut self, input: Input<Block>) {
        self.node.step(input, &mut self.effects);
        while let Some(batch) = self.effects.take_batch() {
            self.node.step(Input::Synced(batch.confirm_synced()), &mut self.effects);
        }
        self.sent.extend(self.effects.outbox());
    }

    fn hear(&mut self, from: NodeId, message: Message<Block>) {
        self.step(Input::Message { from, message });
    }

    fn ballot(&self) -> Ballot {
        self.node.leader().ballot().unwrap()
    }

    /// Hears the part `[first, end)` of the peer's promise, with a vote in its first slot.
    fn part(&mut self, first: u64, end: Option<u64>) {
        let vote = Vote { ballot: THEIRS, decree: Decree::Value(Block(1)) };
        let promise = AfterSync::Promise {
            ballot: self.ballot(),
            first: Slot::new(first),
            end: end.map(Slot::new),
            chosen: Slot::FIRST,
            reports: vec![(Slot::new(first), Report::Voted(vote))],
        };
        self.hear(PEER, Message::AfterSync(promise));
    }

    /// Lists whom this node asks for a promise, from which slot on, since the last call.
    fn asked(&mut self) -> Vec<(To, u64)> {
        let prepares = self.sent.drain(..).filter_map(|(to, message)| match message {
            Message::AfterSync(AfterSync::Prepare { first, .. }) => Some((to, first.number())),
            _ => None,
        });
        prepares.collect()
    }

    /// Lists the runs of the Accepts since the last call: receiver, first slot, how many decrees.
    fn runs(&mut self) -> Vec<(To, u64, usize)> {
        let accepts = self.sent.drain(..).filter_map(|(to, message)| match message {
            Message::Immediate(Immediate::Accept { first, decrees, .. }) => {
                Some((to, first.number(), decrees.len()))
            }
            _ => None,
        });
        accepts.collect()
    }
}

#[test]
fn several_parts_of_a_promise_leave_at_once() {
    let mut world = World::new();
    let decrees = (0..9).map(|_| Decree::Value(Block(4))).collect();
    let (first, chosen) = (Slot::FIRST, Slot::FIRST);
    world.hear(
        PEER,
        Message::Immediate(Immediate::Accept { ballot: THEIRS, first, decrees, chosen }),
    );
    let ballot = Ballot::new(2, OTHER);
    for (from, expected) in
        [(0, vec![(0, Some(2)), (2, Some(4)), (4, Some(6))]), (6, vec![(6, Some(8)), (8, None)])]
    {
        world.sent.clear();
        let first = Slot::new(from);
        world.hear(OTHER, Message::AfterSync(AfterSync::Prepare { ballot, first }));
        let parts = world.sent.iter().filter_map(|(_, message)| match message {
            Message::AfterSync(AfterSync::Promise { first, end, .. }) => {
                Some((first.number(), end.map(Slot::number)))
            }
            _ => None,
        });
        assert_eq!(parts.collect::<Vec<_>>(), expected);
    }
}

#[test]
fn parts_count_in_any_order_and_once() {
    let mut world = World::new();
    world.step(Input::Campaign { above: Ballot::ZERO });
    world.sent.clear();
    world.part(4, Some(6));
    world.part(2, Some(4));
    world.part(2, Some(4));
    assert_eq!(world.node.preparing().unwrap().1, 3, "this node's own, and two more");
    assert_eq!(world.asked(), [], "the third is on its way");
    world.part(0, Some(2));
    assert_eq!(world.asked(), [(To::Node(PEER), 6)]);
    world.part(8, None);
    assert_eq!(world.node.leader().leads(), None, "slots 6 and 7 are not covered");
    world.part(6, Some(8));
    assert!(world.node.leader().leads().is_some());
    let log = world.node.log();
    let voted = (0..9).filter(|slot| log.decree(Slot::new(*slot)) != Some(&Decree::Noop));
    assert_eq!(voted.collect::<Vec<_>>(), [0, 2, 4, 6, 8]);
}

/// The first parts of one promise are on their way, and may hold votes, when another one elects.
#[test]
fn nothing_is_filled_where_a_promise_has_a_gap() {
    let mut world = World::new();
    world.step(Input::Campaign { above: Ballot::ZERO });
    world.part(4, Some(6));
    let ballot = world.ballot();
    let (first, chosen) = (Slot::FIRST, Slot::FIRST);
    let promise = AfterSync::Promise { ballot, first, end: None, chosen, reports: Vec::new() };
    world.hear(OTHER, Message::AfterSync(promise));
    assert_eq!(world.node.leader().leads(), Some(ballot));
    assert_eq!(world.node.next_slot(), Some(Slot::FIRST), "no slot has a Noop");
    assert!(world.node.is_settled());
}

#[test]
fn a_part_that_is_lost_is_asked_for_again() {
    let mut world = World::new();
    world.step(Input::Campaign { above: Ballot::ZERO });
    world.sent.clear();
    world.part(0, Some(2));
    world.part(4, Some(6));
    assert_eq!(world.asked(), []);
    assert!(world.node.awaits(PEER));
    world.step(Input::Resend(PEER));
    assert_eq!(world.asked(), [(To::Node(PEER), 2)]);
    // The sender's slots fall into other parts than before.
    world.part(2, Some(5));
    world.part(5, Some(7));
    world.part(7, None);
    assert!(world.node.leader().leads().is_some());
    assert!(world.node.awaits(PEER), "slots are open now");
}

#[test]
fn what_a_node_has_not_answered_is_repeated_to_it_in_runs() {
    let mut world = World::new();
    world.step(Input::Campaign { above: Ballot::ZERO });
    world.part(0, None);
    for _ in 0..70 {
        world.step(Input::Propose(Block(1)));
    }
    let ballot = world.ballot();
    let accepted = AfterSync::Accepted { ballot, first: Slot::new(5), end: Slot::new(6) };
    world.hear(PEER, Message::AfterSync(accepted));
    world.sent.clear();
    world.step(Input::Resend(PEER));
    assert_eq!(world.runs(), [], "all of it was sent but now, for all that this node knows");
    world.step(Input::Resend(PEER));
    let to = To::Node(PEER);
    assert_eq!(world.runs(), [(to, 0, 5), (to, 6, 59)], "64 slots, and none that has its vote");
}

#[test]
fn a_resend_has_a_bound_of_bytes() {
    let mut world = World::new();
    world.step(Input::Campaign { above: Ballot::ZERO });
    world.part(0, None);
    for mib in [1, 1, 1, 5, 1] {
        world.step(Input::Propose(Block(mib * MIB)));
    }
    world.step(Input::Resend(PEER));
    world.sent.clear();
    world.step(Input::Resend(PEER));
    let to = To::Node(PEER);
    // What phase 1 found is in slot 0, and weighs a byte.
    let runs = (0..4).map(|slot| (to, slot, 1)).collect::<Vec<_>>();
    assert_eq!(world.runs(), runs, "four mebibytes at most");
}

#[test]
fn a_late_vote_of_an_earlier_ballot_counts_for_no_proposal() {
    let mut world = World::new();
    world.step(Input::Campaign { above: Ballot::ZERO });
    world.part(0, None);
    let earlier = world.ballot();
    // The peer votes in that ballot, and its word is late.
    world.step(Input::Campaign { above: Ballot::ZERO });
    world.part(0, None);
    let ballot = world.ballot();
    assert!(ballot > earlier && world.node.leader().leads() == Some(ballot));
    let accepted = |ballot| {
        let end = Slot::new(1);
        Message::AfterSync(AfterSync::Accepted { ballot, first: Slot::FIRST, end })
    };
    world.hear(PEER, accepted(earlier));
    assert_eq!(world.node.chosen(), Slot::FIRST, "another leader may have had its vote since");
    world.hear(PEER, accepted(ballot));
    assert_eq!(world.node.chosen(), Slot::new(1));
}
