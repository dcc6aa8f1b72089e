//! A state that stands for the decrees below its slot: what a node that installs one keeps, passes
//! over, and may still say.
//!
//! One node is fed by hand, and its disk syncs only when it is told to. The claims: votes at and
//! above the slot stay; below it nothing is voted for or told but that it is chosen; a leader goes
//! on only where it can tell what was chosen of its proposals; and a journal that was cut at the
//! slot gives the same node back.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(clippy::wildcard_enum_match_arm, reason = "a test looks for one variant")]

use synod_paxos::{
    AfterSync, Ballot, Batch, Configuration, CoreId, Decree, Effects, Immediate, Input, Message,
    MultiPaxos, NodeId, Record, Recovery, Report, Slot, Value, Vote,
};

const ME: NodeId = NodeId::new(1);
const OLD: Ballot = Ballot::new(1, NodeId::new(2));
const NEW: Ballot = Ballot::new(2, NodeId::new(3));

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Letter(char);

impl Value for Letter {
    fn weight(&self) -> usize {
        1
    }
}

fn letter(name: char) -> Decree<Letter> {
    Decree::Value(Letter(name))
}

fn voters() -> Configuration {
    Configuration::majority([1, 2, 3].map(NodeId::new)).unwrap()
}

struct World {
    node: MultiPaxos<Letter>,
    effects: Effects<Letter>,
    in_flight: Vec<Batch<Letter>>,
    sent: Vec<Message<Letter>>,
}

impl World {
    fn new() -> Self {
        let core_id = CoreId { node: ME, incarnation: 1 };
        let node = MultiPaxos::new(core_id, voters(), 256);
        Self { node, effects: Effects::new(core_id), in_flight: Vec::new(), sent: Vec::new() }
    }

    fn step(&mut self, input: Input<Letter>) {
        self.node.step(input, &mut self.effects);
        self.in_flight.extend(self.effects.take_batch());
        self.sent.extend(self.effects.outbox().map(|(_, message)| message));
    }

    fn sync(&mut self) {
        while !self.in_flight.is_empty() {
            let batch = self.in_flight.remove(0);
            self.step(Input::Synced(batch.confirm_synced()));
        }
    }

    fn hear(&mut self, from: NodeId, message: Message<Letter>) {
        self.step(Input::Message { from, message });
    }

    fn accept(&mut self, ballot: Ballot, first: u64, names: &[char], chosen: u64) {
        let decrees = names.iter().copied().map(letter).collect();
        let (first, chosen) = (Slot::new(first), Slot::new(chosen));
        let accept = Immediate::Accept { ballot, first, decrees, chosen };
        self.hear(ballot.node(), Message::Immediate(accept));
    }

    fn install(&mut self, slot: u64) {
        self.step(Input::Install(Slot::new(slot)));
    }

    /// Brings this node to lead, after an empty promise of the second node.
    fn lead(&mut self) -> Ballot {
        self.step(Input::Campaign { above: Ballot::ZERO });
        self.sync();
        let ballot = self.node.leader().ballot().unwrap();
        let (first, chosen) = (self.node.chosen(), Slot::FIRST);
        let promise = AfterSync::Promise { ballot, first, end: None, chosen, reports: Vec::new() };
        self.hear(OLD.node(), Message::AfterSync(promise));
        assert_eq!(self.node.leader().leads(), Some(ballot));
        ballot
    }

    /// Syncs, and returns what was sent since the last call.
    fn said(&mut self) -> Vec<Message<Letter>> {
        self.sync();
        std::mem::take(&mut self.sent)
    }

    /// Returns what the node promises a candidate of this ballot that asks for all slots.
    fn promise(&mut self, ballot: Ballot) -> (Slot, Vec<(Slot, Report<Letter>)>) {
        self.said();
        let prepare = AfterSync::Prepare { ballot, first: Slot::FIRST };
        self.hear(ballot.node(), Message::AfterSync(prepare));
        let promised = self.said().into_iter().find_map(|message| match message {
            Message::AfterSync(AfterSync::Promise { chosen, reports, .. }) => {
                Some((chosen, reports))
            }
            _ => None,
        });
        promised.unwrap()
    }
}

fn announced(message: &Message<Letter>) -> bool {
    matches!(message, Message::Immediate(Immediate::Chosen { .. }))
}

#[test]
fn votes_at_and_above_the_slot_stay_and_below_it_there_are_none() {
    let mut world = World::new();
    world.accept(OLD, 0, &['a', 'b', 'c', 'd'], 0);
    world.sync();
    world.install(2);
    let log = world.node.log();
    assert_eq!((log.base(), world.node.chosen()), (Slot::new(2), Slot::new(2)));
    assert_eq!(log.decree(Slot::new(1)), None);
    let votes = [2, 3].map(|slot| log.voted_in(Slot::new(slot)));
    assert_eq!(votes, [Some(OLD), Some(OLD)], "others may count on them");
    assert_eq!((log.weight(), log.chosen_weight()), (2, 0));
    let vote = |name| Report::Voted(Vote { ballot: OLD, decree: letter(name) });
    let reports = vec![(Slot::new(2), vote('c')), (Slot::new(3), vote('d'))];
    assert_eq!(world.promise(NEW), (Slot::new(2), reports));
    // A late Accept below it finds nobody who votes.
    world.said();
    world.accept(NEW, 1, &['x'], 0);
    assert_eq!(world.said(), []);
}

#[test]
fn what_was_announced_and_is_voted_for_is_known_from_the_slot_on() {
    let mut world = World::new();
    // The first slot was never heard of, so nothing is known to be chosen.
    world.accept(OLD, 1, &['b', 'c', 'd'], 3);
    assert_eq!(world.node.chosen(), Slot::FIRST);
    world.install(1);
    assert_eq!(world.node.chosen(), Slot::new(3), "what waited behind the gap is known with it");
}

#[test]
fn an_older_state_is_no_news() {
    let mut world = World::new();
    world.accept(OLD, 0, &['a', 'b', 'c'], 2);
    let before = world.node.clone();
    for slot in 0..=2 {
        world.install(slot);
        assert_eq!(world.node, before);
    }
}

/// Of five nodes two voted in its ballot for what it proposed, and the three others chose something
/// else: what it announced would be taken for true by the one that voted with it.
#[test]
fn a_leader_that_is_passed_over_where_it_waits_for_votes_resigns_and_announces_nothing() {
    let mut world = World::new();
    world.lead();
    world.step(Input::Propose(Letter('x')));
    world.said();
    world.install(1);
    assert_eq!(world.node.leader().ballot(), None);
    world.step(Input::Announce);
    world.step(Input::ResendTimer);
    assert_eq!(world.said().into_iter().find(announced), None);
}

#[test]
fn a_leader_that_proposed_nothing_below_the_slot_leads_on_above_it() {
    let mut world = World::new();
    let ballot = world.lead();
    world.install(5);
    assert_eq!(world.node.leader().leads(), Some(ballot));
    world.step(Input::Propose(Letter('y')));
    let accepted = world.said().into_iter().find_map(|message| match message {
        Message::Immediate(Immediate::Accept { first, .. }) => Some(first),
        _ => None,
    });
    assert_eq!(accepted, Some(Slot::new(5)), "it proposes nothing where all is chosen");
}

#[test]
fn a_state_is_durable_and_what_waits_for_the_disk_does_not_take_it_back() {
    let mut world = World::new();
    world.accept(OLD, 0, &['a', 'b'], 1);
    assert_eq!(world.node.durable_chosen(), Slot::FIRST);
    world.install(7);
    assert_eq!(world.node.durable_chosen(), Slot::new(7));
    world.sync();
    assert_eq!(world.node.durable_chosen(), Slot::new(7));
    world.accept(OLD, 7, &['h'], 8);
    assert_eq!(world.node.chosen(), Slot::new(8));
    assert_eq!(world.node.durable_chosen(), Slot::new(7));
    world.sync();
    assert_eq!(world.node.durable_chosen(), Slot::new(8));
}

fn recovered(state_at: u64, records: Vec<Record<Letter>>) -> Recovery<Letter> {
    let mut recovery = Recovery::above(Slot::new(state_at));
    records.into_iter().for_each(|record| recovery.on_record(record));
    recovery
}

#[test]
fn a_journal_that_was_cut_gives_the_same_node_back() {
    let vote = |slot, name| {
        let (slot, decree) = (Slot::new(slot), letter(name));
        Record::Accepted { ballot: NEW, slot, decree }
    };
    // Of slot 3 the vote in an earlier ballot was cut off. The hint that rested on it is here, and
    // before the vote that took its place.
    let hint = Record::Chosen(Slot::new(4));
    let records = vec![vote(1, 'z'), vote(2, 'c'), hint, vote(3, 'd'), vote(5, 'f')];
    let recovery = recovered(2, records);
    assert_eq!((recovery.chosen(), recovery.hinted()), (Slot::new(4), Slot::new(4)));
    assert_eq!(recovery.promised(), NEW);
    let node = recovery.finish(CoreId { node: ME, incarnation: 2 }, voters(), 256);
    let log = node.log();
    assert_eq!(
        (log.base(), node.chosen(), node.durable_chosen().number()),
        (Slot::new(2), Slot::new(4), 4)
    );
    assert_eq!(log.decree(Slot::new(1)), None, "the state stands for it");
    assert_eq!(log.voted_in(Slot::new(5)), Some(NEW));
}

#[test]
fn records_that_are_missing_below_a_hint_are_told() {
    let records = vec![
        Record::Accepted { ballot: NEW, slot: Slot::new(2), decree: letter('c') },
        Record::Chosen(Slot::new(5)),
    ];
    let recovery = recovered(2, records);
    assert_eq!((recovery.chosen(), recovery.hinted()), (Slot::new(3), Slot::new(5)));
}

#[test]
fn a_state_stands_for_hints_below_it() {
    let recovery = recovered(9, vec![Record::Promised(OLD), Record::Chosen(Slot::new(4))]);
    assert_eq!((recovery.chosen(), recovery.hinted()), (Slot::new(9), Slot::new(9)));
    assert_eq!(recovery.held(), (0, 0));
}
