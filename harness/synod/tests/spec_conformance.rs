//! Runs of real nodes conform to the specification, and corruptions of them do not.
//!
//! A corruption changes one event of a recorded run in a way that no behaviour of the
//! specification can follow. The first run that it can be applied to must be refused, at the guard
//! that is named, and all others that it can be applied to must be refused as well.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(clippy::print_stdout, reason = "a test says what it followed")]

#[path = "spec/corruptions.rs"]
mod corruptions;
#[path = "spec/projection.rs"]
mod projection;
#[path = "spec/world.rs"]
mod world;

use synod_paxos::{
    AfterSync, Ballot, Decree, Immediate, Message as Paxos, NodeId, Report, Slot, To, Vote,
};
use synod_simulated::spec::conformance::{Action, Conformance};
use synod_smr::{CommandBatch, Message, Record};

use corruptions::{
    CORRUPTIONS, Corruption, another_value, double_value, vote_below_the_promise, vote_for_another,
};
use projection::{Projection, walk};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use world::{Event, Rough, World, follow, tell, value};

const CALM: Rough = Rough { nodes: 3, steps: 1500, values: 200, crashes: false };
const ROUGH: Rough = Rough { crashes: true, ..CALM };
const FIVE: Rough = Rough { nodes: 5, ..ROUGH };

/// Few enough slots, decrees and ballots for the plain relation.
const SMALL: Rough = Rough { steps: 700, values: 30, ..ROUGH };

/// What happened in runs that conform.
#[derive(Default)]
struct Followed {
    events: usize,
    crashes: u32,
    chosen: u64,
    /// Promises that tell of one slot that it is chosen.
    known: usize,
    actions: BTreeMap<&'static str, u64>,
    time: Duration,
}

impl Followed {
    fn follow(&mut self, seed: u64, rough: Rough) {
        let world = World::run(seed, rough);
        let begun = Instant::now();
        let conformance = follow(&world.voters, &world.events).unwrap_or_else(|(at, breach)| {
            panic!("seed {seed}, event {at}: {breach}\n{:?}", world.events[at])
        });
        self.time += begun.elapsed();
        self.events += world.events.len();
        self.crashes += world.crashes;
        self.chosen += world.chosen();
        self.known += world.events.iter().filter(|event| is_of_one_slot(event)).count();
        for (name, count) in conformance.actions() {
            *self.actions.entry(name).or_default() += count;
        }
    }
}

fn is_of_one_slot(event: &Event) -> bool {
    let Event::Sent(_, _, Message::Paxos(Paxos::AfterSync(AfterSync::Promise { reports, .. }))) =
        event
    else {
        return false;
    };
    reports.iter().any(|(_, report)| matches!(report, Report::Chosen(_)))
}

#[test]
fn runs_of_real_nodes_conform() {
    let mut all = Followed::default();
    for (seeds, rough) in [(0..100, CALM), (100..800, ROUGH), (800..1000, FIVE)] {
        for seed in seeds {
            all.follow(seed, rough);
        }
    }
    let Followed { events, crashes, chosen, known, actions, time } = all;
    let each = time.as_nanos() / events as u128;
    println!("{events} events, {each} ns each; {crashes} crashes, {chosen} slots; {actions:?}");
    // Runs prove something only if something happens in them.
    assert!(actions.values().all(|count| *count > 1000), "{actions:?}");
    assert!(chosen > 10_000 && crashes > 5_000 && known > 0);
}

#[test]
fn corrupted_runs_are_refused() {
    let worlds: Vec<_> = (0..100).map(|seed| World::run(seed, ROUGH)).collect();
    for (what, guard, corrupt) in CORRUPTIONS {
        let mut refused = 0;
        for world in &worlds {
            let mut events = world.events.clone();
            if corrupt(&mut events).is_none() {
                continue;
            }
            let Err((_, breach)) = follow(&world.voters, &events) else {
                panic!("{what}: followed");
            };
            assert_eq!(breach.guard, *guard, "{what}: {breach}");
            assert!(!breach.to_string().contains('\n'));
            assert!(is_quoted(breach.guard), "{guard} is not in the specification");
            refused += 1;
        }
        println!("{what}: {refused} runs refused");
        assert!(refused > 0, "{what}: no run is suited");
    }
}

/// One and the same run: what `Conformance` follows, the relation takes, and what they then hold
/// to be chosen is the same.
#[test]
fn the_relation_takes_the_runs_that_are_followed() {
    let mut taken = 0;
    for (seeds, rough) in [(0..160, SMALL), (160..240, Rough { nodes: 5, ..SMALL })] {
        for seed in seeds {
            let world = World::run(seed, rough);
            let projection = Projection::of(&world.events, &world.voters);
            let relation = projection.relation(&world.voters);
            let state = walk(&relation, &projection.actions)
                .unwrap_or_else(|action| panic!("seed {seed}: {action:?} is not enabled"));
            assert!(relation.agreement(&state) && relation.one_value_per_ballot(&state));
            assert!(relation.safe_at(&state), "seed {seed}");
            let conformance = follow(&world.voters, &world.events).unwrap();
            for slot in (0..u64::from(relation.last)).map(Slot::new) {
                let chosen = projection.chosen(&relation, &state, slot);
                assert_eq!(chosen, conformance.chosen(slot), "seed {seed}, slot {slot}");
            }
            taken += projection.actions.len();
        }
    }
    println!("{taken} actions taken");
    assert!(taken > 10_000, "{taken}");
}

/// What a proposer or an acceptor does wrong, the relation refuses as well.
#[test]
fn the_relation_refuses_the_corruptions_of_voting() {
    let visible =
        [another_value as Corruption, double_value, vote_for_another, vote_below_the_promise];
    let worlds: Vec<_> = (0..150).map(|seed| World::run(seed, SMALL)).collect();
    for (number, corrupt) in visible.into_iter().enumerate() {
        let mut refused = 0;
        for world in &worlds {
            let mut events = world.events.clone();
            if corrupt(&mut events).is_some() {
                let projection = Projection::of(&events, &world.voters);
                let walked = walk(&projection.relation(&world.voters), &projection.actions);
                assert!(walked.is_err(), "corruption {number} is taken");
                refused += 1;
            }
        }
        assert!(refused > 0, "corruption {number}: no run is suited");
    }
}

/// Tells whether the specification has a guard, word for word.
fn is_quoted(guard: &str) -> bool {
    let modules = [
        include_str!("../../../paxos/spec/MultiPaxos.tla"),
        include_str!("../../../paxos/spec/SynodDurable.tla"),
    ];
    modules.iter().any(|module| module.contains(guard))
}

/// A cluster of three with nothing said yet, and its nodes.
fn three() -> (Conformance, [NodeId; 3]) {
    let nodes = [1, 2, 3].map(NodeId::new);
    (Conformance::new(&synod_paxos::Configuration::majority(nodes).unwrap()), nodes)
}

fn promise(ballot: Ballot, chosen: u64, votes: &[(u64, Ballot, Decree<CommandBatch>)]) -> Message {
    let line = |(slot, ballot, decree): &(u64, Ballot, Decree<CommandBatch>)| {
        let vote = Vote { ballot: *ballot, decree: decree.clone() };
        (Slot::new(*slot), Report::Voted(vote))
    };
    let reports = votes.iter().map(line).collect();
    let (first, chosen) = (Slot::FIRST, Slot::new(chosen));
    Message::Paxos(Paxos::AfterSync(AfterSync::Promise {
        ballot,
        first,
        end: None,
        chosen,
        reports,
    }))
}

fn accept(ballot: Ballot, first: u64, decree: Decree<CommandBatch>) -> Message {
    let (first, decrees, chosen) = (Slot::new(first), vec![decree], Slot::FIRST);
    Message::Paxos(Paxos::Immediate(Immediate::Accept { ballot, first, decrees, chosen }))
}

fn vote(ballot: Ballot, slot: u64, decree: Decree<CommandBatch>) -> Record {
    Record::Accepted { ballot, slot: Slot::new(slot), decree }
}

/// Node 1 leads ballot 1.1, and everybody has promised it.
fn led() -> (Conformance, [NodeId; 3], Ballot) {
    let (mut conformance, nodes) = three();
    let ballot = Ballot::new(1, nodes[0]);
    for node in nodes {
        tell(&mut conformance, &Event::Durable(node, vec![Record::Promised(ballot)])).unwrap();
    }
    conformance.on_sent(nodes[1], &To::Node(nodes[0]), &promise(ballot, 0, &[])).unwrap();
    (conformance, nodes, ballot)
}

#[test]
fn a_decree_is_chosen_by_the_actions_of_the_paper() {
    let (mut conformance, nodes, ballot) = led();
    conformance.on_sent(nodes[0], &To::Peers, &accept(ballot, 0, value(1))).unwrap();
    conformance.on_durable(nodes[1], &[vote(ballot, 0, value(1))]).unwrap();
    assert_eq!(conformance.chosen(Slot::FIRST), None, "one vote is no quorum");
    conformance.on_durable(nodes[0], &[vote(ballot, 0, value(1))]).unwrap();
    assert_eq!(conformance.chosen(Slot::FIRST), Some(&value(1)));
    let breach = conformance.on_learned(nodes[2], Slot::FIRST, &value(1)).unwrap_err();
    assert_eq!(breach.guard, "\\E w \\in accepts : Choose(a, w)", "nobody told it");
    conformance.on_learned(nodes[0], Slot::FIRST, &value(1)).unwrap();
    let announcement = Immediate::Chosen { ballot, chosen: Slot::new(1) };
    let announcement = Message::Paxos(Paxos::Immediate(announcement));
    conformance.on_sent(nodes[0], &To::Peers, &announcement).unwrap();
    conformance.on_learned(nodes[1], Slot::FIRST, &value(1)).unwrap();
    conformance.on_learned(nodes[2], Slot::FIRST, &value(1)).unwrap();
    let expected = [
        ("Announce", 1),
        ("Choose", 1),
        ("Copy", 1),
        ("Learn", 1),
        ("Phase1a", 1),
        ("Phase1b", 3),
        ("Phase2a", 1),
        ("Phase2b", 2),
    ];
    assert_eq!(conformance.actions(), BTreeMap::from(expected));
}

#[test]
fn a_leaders_vote_found_after_a_crash_is_its_proposal() {
    let (mut conformance, nodes, ballot) = led();
    let found = [Record::Promised(ballot), vote(ballot, 0, value(1))];
    conformance.on_recovered(nodes[0], Slot::FIRST, &found).unwrap();
    conformance.on_recovered(nodes[0], Slot::FIRST, &found).unwrap();
    assert_eq!((conformance.actions()["Phase2a"], conformance.actions()["Phase2b"]), (1, 1));
    let breach =
        conformance.on_sent(nodes[0], &To::Peers, &accept(ballot, 1, value(2))).unwrap_err();
    assert_eq!(breach.guard, "b > Promised(a)");
}

/// Ballot 1.1 proposed value 1 in slot 0, and node 1 alone voted for it; 2.2 is on its way.
fn outbid() -> (Conformance, [NodeId; 3], [Ballot; 2]) {
    let (mut conformance, nodes, low) = led();
    let high = Ballot::new(2, nodes[1]);
    conformance.on_sent(nodes[0], &To::Peers, &accept(low, 0, value(1))).unwrap();
    conformance.on_durable(nodes[0], &[vote(low, 0, value(1))]).unwrap();
    conformance.on_durable(nodes[1], &[Record::Promised(high)]).unwrap();
    (conformance, nodes, [low, high])
}

#[test]
fn a_vote_binds_the_elects_whose_quorum_must_hear_of_it() {
    let (mut conformance, nodes, [low, high]) = outbid();
    conformance.on_durable(nodes[0], &[Record::Promised(high)]).unwrap();
    let told = promise(high, 0, &[(0, low, value(1))]);
    conformance.on_sent(nodes[0], &To::Node(nodes[1]), &told).unwrap();
    let mut other = conformance.clone();
    let breach = other.on_sent(nodes[1], &To::Peers, &accept(high, 0, value(2))).unwrap_err();
    assert_eq!((breach.node, breach.action), (nodes[1], Action::Phase2a));
    // A third promise makes a quorum that is free.
    other.on_durable(nodes[2], &[Record::Promised(high)]).unwrap();
    other.on_sent(nodes[2], &To::Node(nodes[1]), &promise(high, 0, &[])).unwrap();
    other.on_sent(nodes[1], &To::Peers, &accept(high, 0, value(2))).unwrap();
    conformance.on_sent(nodes[1], &To::Peers, &accept(high, 0, value(1))).unwrap();
}

#[test]
fn a_gap_takes_a_noop_and_nothing_else() {
    let (mut conformance, nodes, low) = led();
    let high = Ballot::new(2, nodes[1]);
    conformance.on_sent(nodes[0], &To::Peers, &accept(low, 3, value(1))).unwrap();
    conformance.on_durable(nodes[0], &[vote(low, 3, value(1))]).unwrap();
    conformance.on_durable(nodes[1], &[Record::Promised(high)]).unwrap();
    conformance.on_durable(nodes[0], &[Record::Promised(high)]).unwrap();
    let told = promise(high, 0, &[(3, low, value(1))]);
    conformance.on_sent(nodes[0], &To::Node(nodes[1]), &told).unwrap();
    let breach = conformance.on_sent(nodes[1], &To::Peers, &accept(high, 2, value(2))).unwrap_err();
    assert_eq!(breach.guard, "d \\in Proposals(P, s)");
    conformance.on_sent(nodes[1], &To::Peers, &accept(high, 2, Decree::Noop)).unwrap();
    let breach =
        conformance.on_sent(nodes[1], &To::Peers, &accept(high, 4, Decree::Noop)).unwrap_err();
    assert_eq!(breach.guard, "d \\in Proposals(P, s)", "behind the last vote there is no gap");
}

#[test]
fn what_a_promise_calls_chosen_is_not_proposed_in() {
    let (mut conformance, nodes, [low, high]) = outbid();
    conformance.on_durable(nodes[2], &[vote(low, 0, value(1))]).unwrap();
    conformance.on_learned(nodes[0], Slot::FIRST, &value(1)).unwrap();
    conformance.on_durable(nodes[0], &[Record::Promised(high)]).unwrap();
    conformance.on_sent(nodes[0], &To::Node(nodes[1]), &promise(high, 1, &[])).unwrap();
    let breach = conformance.on_sent(nodes[1], &To::Peers, &accept(high, 0, value(1))).unwrap_err();
    assert_eq!(breach.guard, "\\A m \\in P : m.chosen <= s");
    conformance.on_sent(nodes[1], &To::Peers, &accept(high, 1, value(2))).unwrap();
}

#[test]
fn a_leader_does_not_announce_over_a_slot_where_another_decree_won() {
    let (mut conformance, nodes, [_, high]) = outbid();
    conformance.on_durable(nodes[2], &[Record::Promised(high)]).unwrap();
    conformance.on_sent(nodes[2], &To::Node(nodes[1]), &promise(high, 0, &[])).unwrap();
    conformance.on_sent(nodes[1], &To::Peers, &accept(high, 0, value(2))).unwrap();
    conformance
        .on_durable(nodes[2], &[vote(high, 0, value(2))])
        .and_then(|()| conformance.on_durable(nodes[1], &[vote(high, 0, value(2))]))
        .unwrap();
    conformance.on_learned(nodes[1], Slot::FIRST, &value(2)).unwrap();
    let copied = Record::Learned { slot: Slot::FIRST, decree: value(2) };
    conformance.on_durable(nodes[0], &[copied]).unwrap();
    let announcement = Immediate::Chosen { ballot: Ballot::new(1, nodes[0]), chosen: Slot::new(1) };
    let announcement = Message::Paxos(Paxos::Immediate(announcement));
    let breach = conformance.on_sent(nodes[0], &To::Peers, &announcement).unwrap_err();
    assert_eq!(breach.guard, "w[3] = learned[a][w[1]]");
    assert_eq!(
        breach.to_string(),
        "node 1 cannot take Announce: the guard `w[3] = learned[a][w[1]]` fails: \
         ballot 1.1, slot 0: it proposed something else"
    );
}

/// A node that copies need not promise, so ballot 1.1 lives on, and what it announces is true. But
/// whoever voted for value 1 in 1.1 would take it for what was announced.
#[test]
fn a_candidate_does_not_propose_in_a_slot_that_it_announced() {
    let (mut conformance, nodes, low) = led();
    let high = Ballot::new(2, nodes[1]);
    for node in [nodes[1], nodes[2]] {
        conformance.on_durable(node, &[Record::Promised(high)]).unwrap();
    }
    conformance.on_sent(nodes[2], &To::Node(nodes[1]), &promise(high, 0, &[])).unwrap();
    conformance.on_sent(nodes[1], &To::Peers, &accept(high, 0, value(2))).unwrap();
    for node in [nodes[1], nodes[2]] {
        conformance.on_durable(node, &[vote(high, 0, value(2))]).unwrap();
    }
    conformance.on_learned(nodes[1], Slot::FIRST, &value(2)).unwrap();
    conformance.on_learned(nodes[0], Slot::FIRST, &value(2)).unwrap();
    let mut unannounced = conformance.clone();
    let announcement = Immediate::Chosen { ballot: low, chosen: Slot::new(1) };
    let announcement = Message::Paxos(Paxos::Immediate(announcement));
    conformance.on_sent(nodes[0], &To::Peers, &announcement).unwrap();
    let breach = conformance.on_sent(nodes[0], &To::Peers, &accept(low, 0, value(1))).unwrap_err();
    assert_eq!(breach.guard, "\\A m \\in announced : m[1] = b => m[2] <= s");
    conformance.on_sent(nodes[0], &To::Peers, &accept(low, 1, value(1))).unwrap();
    unannounced.on_sent(nodes[0], &To::Peers, &accept(low, 0, value(1))).unwrap();
    let breach = unannounced.on_sent(nodes[0], &To::Peers, &announcement).unwrap_err();
    assert_eq!(breach.guard, "w[3] = learned[a][w[1]]");
}

/// What leads to a candidate that hears, in ballot 2.5, of a vote for value 1 in slot 1, and that
/// value 2 is chosen there, in ballot 3.2.
fn copied_behind_its_back() -> Vec<Event> {
    let [n1, n2, n3, n4, n5] = [1, 2, 3, 4, 5].map(NodeId::new);
    let [e, f, b, c] = [(1, n1), (1, n2), (2, n5), (3, n2)].map(|(r, n)| Ballot::new(r, n));
    let promised = |node, ballot| Event::Durable(node, vec![Record::Promised(ballot)]);
    let told = |node, ballot: Ballot, votes: &[_]| {
        Event::Sent(node, To::Node(ballot.node()), promise(ballot, 0, votes))
    };
    let proposed =
        |ballot: Ballot, decree| Event::Sent(ballot.node(), To::Peers, accept(ballot, 1, decree));
    let voted = |node, ballot, decree| Event::Durable(node, vec![vote(ballot, 1, decree)]);
    let first = [promised(n1, e), promised(n3, e), promised(n4, e), told(n3, e, &[])];
    let second = [promised(n2, f), promised(n3, f), promised(n5, f), told(n3, f, &[])];
    let low = (1, e, value(1));
    let third = [promised(n5, b), promised(n1, b), told(n1, b, std::slice::from_ref(&low))];
    let last = [promised(n2, c), promised(n1, c), promised(n3, c), told(n1, c, &[low])];
    let copied = Record::Learned { slot: Slot::new(1), decree: value(2) };
    first
        .into_iter()
        .chain([told(n4, e, &[]), proposed(e, value(1)), voted(n1, e, value(1))])
        .chain(second)
        .chain([told(n5, f, &[]), proposed(f, value(2)), voted(n2, f, value(2))])
        .chain(third)
        .chain(last)
        .chain([told(n3, c, &[]), proposed(c, value(2))])
        .chain([n1, n2, n3].map(|node| voted(node, c, value(2))))
        .chain([Event::Learned(n2, Slot::new(1), value(2)), Event::Durable(n4, vec![copied])])
        .chain([promised(n4, b)])
        .collect()
}

/// It needs a copied decree that is durable without the hint behind it, and a candidate that is
/// overtaken and does not know.
#[test]
fn a_candidate_may_propose_what_a_promise_says_is_chosen() {
    let voters = synod_paxos::Configuration::majority((1..=5).map(NodeId::new)).unwrap();
    let mut events = copied_behind_its_back();
    let (candidate, ballot) = (NodeId::new(5), Ballot::new(2, NodeId::new(5)));
    let says = |decree| {
        let reports = vec![(Slot::new(1), Report::Chosen(decree))];
        let (first, chosen) = (Slot::FIRST, Slot::FIRST);
        let told = AfterSync::Promise { ballot, first, end: None, chosen, reports };
        Event::Sent(NodeId::new(4), To::Node(candidate), Message::Paxos(Paxos::AfterSync(told)))
    };
    let untrue: Vec<_> = events.iter().cloned().chain([says(value(1))]).collect();
    assert!(follow(&voters, &untrue).is_err(), "another decree is chosen");
    events.push(says(value(2)));
    let bound = |decree| Event::Sent(candidate, To::Peers, accept(ballot, 1, decree));
    let other: Vec<_> = events.iter().cloned().chain([bound(value(3))]).collect();
    assert_eq!(follow(&voters, &other).unwrap_err().1.guard, "d \\in Proposals(P, s)");
    events.push(bound(value(2)));
    let conformance = follow(&voters, &events).unwrap();
    assert_eq!(conformance.chosen(Slot::new(1)), Some(&value(2)));
    let projection = Projection::of(&events, &voters);
    let state = walk(&projection.relation(&voters), &projection.actions).unwrap();
    assert!(projection.relation(&voters).safe_at(&state));
    let projection = Projection::of(&other, &voters);
    let refused = walk(&projection.relation(&voters), &projection.actions).unwrap_err();
    assert_eq!(Some(&refused), projection.actions.last());
}
