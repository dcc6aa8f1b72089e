//! One test for each claim of Lamport, "Paxos Made Simple" (2001), in the order of the paper.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a test reads files and clocks; the core that it drives does not"
)]

mod story;

use story::Story;
use synod_paxos::{Ballot, Choice, Configuration, Decree, NodeId, Report, Slot, Vote};

/// Returns the ballot that is printed as `round.node`.
fn ballot(text: &str) -> Ballot {
    let (round, node) = text.split_once('.').unwrap();
    Ballot::new(round.parse().unwrap(), NodeId::new(node.parse().unwrap()))
}

fn told(commands: &[&str]) -> Story {
    let mut story = Story::new(3);
    for command in commands {
        story.tell(command);
    }
    story
}

/// Section 2.1: only a value that has been proposed may be chosen.
#[test]
fn only_what_was_proposed_is_chosen() {
    let story = told(&["campaign 1", "settle", "propose 1 x", "settle", "propose 1 y", "settle"]);
    for node in 1..=3 {
        assert_eq!(story.chosen(node), "xy");
    }
}

/// Section 2.1: a single acceptor's vote chooses nothing; that of a majority does.
#[test]
fn a_majority_chooses_and_less_does_not() {
    let mut story = told(&["campaign 1", "settle", "propose 1 x", "sync 1"]);
    assert_eq!(story.chosen(1), "", "one vote of three");
    story.tell("deliver 1 2");
    story.tell("sync 2");
    story.tell("deliver 2 1");
    assert_eq!(story.chosen(1), "x");
}

/// Section 2.2, P1: an acceptor must accept the first proposal that it receives.
#[test]
fn p1_an_acceptor_without_a_promise_accepts() {
    let mut story = told(&["campaign 1", "settle-without 3", "propose 1 x"]);
    let did = story.tell("deliver 1 3");
    assert!(did.contains("3 writes accepted x"), "node 3 promised nothing and was told {did}");
}

/// Section 2.2, P1a: an acceptor accepts in ballot b iff it has promised no higher one.
#[test]
fn p1a_an_acceptor_refuses_below_its_promise() {
    let mut story = told(&["campaign 1", "settle-without 3", "propose 1 x"]);
    for command in ["campaign 3", "sync 3"] {
        story.tell(command);
    }
    let did = story.tell("deliver 1 3");
    assert_eq!(did, "3 to 1: Nack 1.1, promised 1.3\n");
    assert_eq!(story.core(3).log().decree(Slot::FIRST), None);
}

/// Section 2.2, P2b: if x is chosen, every higher-numbered proposal has x.
#[test]
fn p2b_later_ballots_propose_what_is_chosen() {
    let mut story = told(&["campaign 1", "settle", "propose 1 x", "settle-without 3"]);
    assert_eq!(story.chosen(1), "x");
    // Node 3 knows nothing; node 2 voted, but was not told that x is chosen.
    let mut unaware = told(&["campaign 1", "settle", "propose 1 x", "sync 1", "deliver 1 2"]);
    for command in ["sync 2", "deliver 2 1", "drop-all", "campaign 3", "settle-without 1"] {
        unaware.tell(command);
    }
    assert_eq!(unaware.chosen(3), "x");
    unaware.tell("propose 3 y");
    unaware.tell("settle-without 1");
    assert_eq!(unaware.chosen(3), "xy");
    story.tell("campaign 3");
    story.tell("settle");
    story.tell("copy 1 3");
    assert_eq!(story.chosen(3), "x");
}

/// Section 2.2, P2c: the decree is that of the highest-numbered vote reported, if there is one.
#[test]
fn p2c_the_highest_reported_vote_binds() {
    let vote = |round, value| {
        let ballot = Ballot::new(round, NodeId::new(1));
        Report::Voted(Vote { ballot, decree: Decree::Value(value) })
    };
    let choice = |reports: &[Report<char>]| {
        let mut choice = Choice::free();
        reports.iter().cloned().for_each(|report| choice.on_report(report));
        choice.decree().cloned()
    };
    assert_eq!(choice(&[]), None, "free");
    assert_eq!(choice(&[vote(2, 'y'), vote(1, 'x')]), Some(Decree::Value('y')));
    assert_eq!(choice(&[vote(1, 'x'), vote(2, 'y')]), Some(Decree::Value('y')));
    let chosen = Report::Chosen(Decree::Value('c'));
    assert_eq!(choice(&[vote(9, 'x'), chosen.clone()]), Some(Decree::Value('c')));
    assert_eq!(choice(&[chosen, vote(9, 'x')]), Some(Decree::Value('c')));
}

/// Section 2.2: ballots are totally ordered, and two nodes never share one.
#[test]
fn ballots_of_different_nodes_differ() {
    assert!(ballot("1.2") > ballot("1.1"));
    assert!(ballot("2.1") > ballot("1.2"));
    assert_ne!(Ballot::ZERO.next(NodeId::new(1)), Ballot::ZERO.next(NodeId::new(2)));
}

/// Section 2.2: a promise of an earlier ballot does not count for a later one.
#[test]
fn a_stale_promise_does_not_count() {
    let mut story = told(&["campaign 1", "sync 1", "deliver 1 2", "sync 2"]);
    // Node 1 begins a second ballot before the promise of the first comes in.
    story.tell("campaign 1");
    story.tell("sync 1");
    story.tell("deliver 2 1");
    assert_eq!(story.core(1).leader().leads(), None);
}

/// Section 2.3: learners find out by counting; a repeated vote of one acceptor is one vote.
#[test]
fn a_repeated_vote_counts_once() {
    let voters = Configuration::majority((1..=5).map(NodeId::new)).unwrap();
    let mut learner = synod_paxos::Learner::new(ballot("1.1"), Decree::Value('x'));
    for _ in 0..5 {
        assert!(!learner.on_accepted(NodeId::new(2), ballot("1.1"), &voters));
    }
    assert!(!learner.on_accepted(NodeId::new(3), ballot("1.1"), &voters));
    assert!(!learner.on_accepted(NodeId::new(4), ballot("2.1"), &voters), "of another ballot");
    assert!(!learner.on_accepted(NodeId::new(9), ballot("1.1"), &voters), "of no voter");
    assert!(learner.on_accepted(NodeId::new(4), ballot("1.1"), &voters));
}

/// Section 2.5: acceptors remember over a restart what they promised and accepted.
#[test]
fn what_was_told_survives_a_restart() {
    let mut story = told(&["campaign 1", "settle", "propose 1 x", "settle"]);
    for node in 1..=3 {
        let before = story.core(node).log().promised();
        story.tell(&format!("crash {node}"));
        assert_eq!(story.core(node).log().promised(), before);
        assert_eq!(story.core(node).log().decree(Slot::FIRST), Some(&Decree::Value('x')));
    }
}

/// Section 2.5: a proposer never issues two proposals in one ballot, not even after a restart.
#[test]
fn a_ballot_is_never_used_twice() {
    let mut story = told(&["campaign 1", "settle"]);
    let first = story.core(1).leader().leads().unwrap();
    story.tell("crash 1");
    story.tell("campaign 1");
    story.tell("settle");
    assert!(story.core(1).leader().leads().unwrap() > first);
}

/// Section 3: one phase 1 serves all slots, and commands then cost one round each.
#[test]
fn one_phase_1_serves_all_slots() {
    let mut story = told(&["campaign 1", "settle"]);
    for value in ["a", "b", "c"] {
        let did = story.tell(&format!("propose 1 {value}")) + &story.tell("settle");
        assert!(!did.contains("Prepare"), "{did}");
    }
    assert_eq!(story.chosen(2), "abc");
}

/// Section 3: a candidate fills a gap with a no-op, and keeps what is behind it.
#[test]
fn gaps_are_filled_with_noop() {
    let mut story = told(&["campaign 1", "settle", "propose 1 x", "drop-all", "propose 1 y"]);
    for command in ["deliver 1 2", "sync 2", "drop-all", "campaign 2", "settle-without 1"] {
        story.tell(command);
    }
    assert_eq!(story.chosen(2), "-y");
}
