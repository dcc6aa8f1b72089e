//! Reads: when a leader may answer, and when it may not although it seems to.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use bytes::Bytes;
use synod_paxos::{Ballot, Configuration, NodeId, Slot};
use synod_smr::{Connection, READS_MAX, Read, ReadLimits, Reads, RequestId};

const ME: NodeId = NodeId::new(1);
const PEER: NodeId = NodeId::new(2);
const BALLOT: Ballot = Ballot::new(5, ME);

fn voters() -> Configuration {
    Configuration::majority([1, 2, 3].map(NodeId::new)).unwrap()
}

fn question(number: u64) -> Read {
    Read { connection: Connection(1), id: RequestId(number), query: Bytes::new() }
}

fn answered(reads: &mut Reads) -> Vec<u64> {
    let confirmed = reads.finish(&voters());
    confirmed.map(|done| done.reads.iter().map(|read| read.id.0).collect()).unwrap_or_default()
}

#[test]
fn an_echo_of_a_quorum_answers_all_that_waited() {
    let mut reads = Reads::default();
    reads.ask(question(1));
    reads.ask(question(2));
    let round = reads.begin(ME, Slot::new(9)).unwrap();
    assert_eq!(answered(&mut reads), [0; 0], "the leader alone is no quorum");
    reads.on_confirmed(PEER, round, BALLOT, BALLOT);
    assert_eq!(answered(&mut reads), [1, 2]);
}

#[test]
fn a_higher_promise_confirms_nothing() {
    let mut reads = Reads::default();
    reads.ask(question(1));
    let round = reads.begin(ME, Slot::FIRST).unwrap();
    reads.on_confirmed(PEER, round, BALLOT.next(PEER), BALLOT);
    assert_eq!(answered(&mut reads), [0; 0]);
}

#[test]
fn a_question_that_came_during_a_round_waits_for_the_next() {
    let mut reads = Reads::default();
    reads.ask(question(1));
    let first = reads.begin(ME, Slot::FIRST).unwrap();
    reads.ask(question(2));
    assert_eq!(reads.begin(ME, Slot::FIRST), None, "one round at a time");
    reads.on_confirmed(PEER, first, BALLOT, BALLOT);
    assert_eq!(answered(&mut reads), [1]);
    let second = reads.begin(ME, Slot::FIRST).unwrap();
    reads.on_confirmed(PEER, first, BALLOT, BALLOT);
    assert_eq!(answered(&mut reads), [0; 0], "a late echo of an earlier round");
    reads.on_confirmed(PEER, second, BALLOT, BALLOT);
    assert_eq!(answered(&mut reads), [2]);
}

#[test]
fn a_leader_that_gives_up_hands_all_questions_back() {
    let mut reads = Reads::default();
    reads.ask(question(1));
    reads.begin(ME, Slot::FIRST).unwrap();
    reads.ask(question(2));
    let ids: Vec<_> = reads.give_up().iter().map(|read| read.id.0).collect();
    assert_eq!(ids, [1, 2]);
    assert!(reads.is_empty());
}

#[test]
fn confirmed_rounds_are_counted() {
    let mut reads = Reads::default();
    assert_eq!(reads.confirmed(), 0);
    for count in 1..=2 {
        reads.ask(question(count));
        let round = reads.begin(ME, Slot::FIRST).unwrap();
        reads.on_confirmed(PEER, round, BALLOT, BALLOT);
        assert_eq!(answered(&mut reads), [count]);
        assert_eq!(reads.confirmed(), count);
    }
}

#[test]
fn questions_have_a_bound_of_bytes_until_they_are_answered() {
    let mut reads = Reads::new(ReadLimits { count: 9, bytes: 10 });
    let long = |id, bytes| Read { query: Bytes::from(vec![0; bytes]), ..question(id) };
    assert!(!reads.ask(long(1, 11)));
    assert!(reads.ask(long(1, 6)));
    let round = reads.begin(ME, Slot::FIRST).unwrap();
    assert!(!reads.ask(long(2, 5)), "what a round asks for waits still");
    assert!(reads.ask(long(2, 4)));
    reads.on_confirmed(PEER, round, BALLOT, BALLOT);
    assert_eq!(answered(&mut reads), [1]);
    assert!(!reads.ask(long(3, 7)));
    reads.break_off();
    assert!(reads.ask(long(3, 6)));
    assert_eq!(reads.give_up().len(), 2);
    assert!(reads.ask(long(4, 10)), "who gives up has room again");
}

#[test]
fn questions_have_a_bound_with_those_of_the_running_round() {
    let mut reads = Reads::default();
    let max = READS_MAX as u64;
    assert!(reads.is_empty());
    (1..max).for_each(|number| assert!(reads.ask(question(number))));
    reads.begin(ME, Slot::FIRST).unwrap();
    assert!(!reads.is_empty(), "what a round asks for waits still");
    assert!(reads.ask(question(max)));
    assert_eq!(reads.len(), READS_MAX);
    assert!(!reads.ask(question(max + 1)));
}
