//! The Synod protocol for one decree, told step by step, as `paper.rs` tells the log.
//!
//! The model explores all orders of a small world and takes a minute; these few orders take none,
//! and say by their names what is broken.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::VecDeque;
use synod_paxos::{
    AfterSync, Ballot, Configuration, CoreId, Decree, Effects, Immediate, Message, NodeId, Record,
    Report, Slot, Synod, SynodInput, To, Vote,
};

struct Node {
    core: Synod<char>,
    effects: Effects<char>,
    disk: Vec<Record<char>>,
    incarnation: u64,
}

/// Nodes 1 to `count`, and the messages that are on their way.
struct Cluster {
    nodes: Vec<Node>,
    mail: VecDeque<(NodeId, NodeId, Message<char>)>,
}

impl Cluster {
    fn new(count: u16) -> Self {
        let nodes = (1..=count).map(|number| {
            let core_id = CoreId { node: NodeId::new(number), incarnation: 1 };
            let core = Synod::new(core_id, voters(count));
            Node { core, effects: Effects::new(core_id), disk: Vec::new(), incarnation: 1 }
        });
        Self { nodes: nodes.collect(), mail: VecDeque::new() }
    }

    /// Steps a node, syncs what it wrote, and mails what it said.
    fn step(&mut self, number: u16, input: SynodInput<char>) {
        let count = u16::try_from(self.nodes.len()).unwrap();
        let node = &mut self.nodes[usize::from(number) - 1];
        node.core.step(input, &mut node.effects);
        while let Some(batch) = node.effects.take_batch() {
            node.disk.extend_from_slice(batch.records());
            node.core.step(SynodInput::Synced(batch.confirm_synced()), &mut node.effects);
        }
        let from = NodeId::new(number);
        for (to, message) in node.effects.outbox() {
            for receiver in (1..=count).map(NodeId::new) {
                if to == To::Node(receiver) || (to == To::Peers && receiver != from) {
                    self.mail.push_back((from, receiver, message.clone()));
                }
            }
        }
    }

    fn propose(&mut self, number: u16, value: char) {
        self.step(number, SynodInput::Propose(value));
    }

    fn hear(&mut self, number: u16, from: u16, message: Message<char>) {
        self.step(number, SynodInput::Message { from: NodeId::new(from), message });
    }

    /// Delivers all that is on its way, but what goes to these nodes or comes from them.
    fn settle_without(&mut self, absent: &[u16]) {
        while let Some((from, to, message)) = self.mail.pop_front() {
            if !absent.contains(&from.number()) && !absent.contains(&to.number()) {
                self.hear(to.number(), from.number(), message);
            }
        }
    }

    fn restart(&mut self, number: u16) {
        let count = u16::try_from(self.nodes.len()).unwrap();
        let node = &mut self.nodes[usize::from(number) - 1];
        node.incarnation += 1;
        let core_id = CoreId { node: NodeId::new(number), incarnation: node.incarnation };
        node.core = Synod::recover(core_id, voters(count), node.disk.iter().cloned());
        node.effects = Effects::new(core_id);
    }

    fn core(&self, number: u16) -> &Synod<char> {
        &self.nodes[usize::from(number) - 1].core
    }

    fn learned(&self, number: u16) -> Option<char> {
        self.core(number).learned().map(|decree| match decree {
            Decree::Value(value) => *value,
            Decree::Noop => panic!("nobody proposed a no-op"),
        })
    }

    /// Takes the messages to a node off their way.
    fn take_mail_to(&mut self, number: u16) -> Vec<Message<char>> {
        let (taken, left) = self.mail.drain(..).partition(|(_, to, _)| *to == NodeId::new(number));
        self.mail = left;
        let taken: VecDeque<_> = taken;
        taken.into_iter().map(|(_, _, message)| message).collect()
    }
}

fn voters(count: u16) -> Configuration {
    Configuration::majority((1..=count).map(NodeId::new)).unwrap()
}

const fn ballot(round: u64, node: u16) -> Ballot {
    Ballot::new(round, NodeId::new(node))
}

fn accept(ballot: Ballot, value: char) -> Message<char> {
    let (first, chosen) = (Slot::FIRST, Slot::FIRST);
    Message::Immediate(Immediate::Accept {
        ballot,
        first,
        decrees: vec![Decree::Value(value)],
        chosen,
    })
}

const fn prepare(ballot: Ballot) -> Message<char> {
    Message::AfterSync(AfterSync::Prepare { ballot, first: Slot::FIRST })
}

fn promise(ballot: Ballot, vote: Option<(Ballot, char)>) -> Message<char> {
    let report = vote.map(|(ballot, value)| {
        let vote = Vote { ballot, decree: Decree::Value(value) };
        (Slot::FIRST, Report::Voted(vote))
    });
    let (first, chosen, reports) = (Slot::FIRST, Slot::FIRST, report.into_iter().collect());
    Message::AfterSync(AfterSync::Promise { ballot, first, end: None, chosen, reports })
}

const fn chosen(ballot: Ballot) -> Message<char> {
    Message::Immediate(Immediate::Chosen { ballot, chosen: Slot::new(1) })
}

const fn accepted(ballot: Ballot) -> Message<char> {
    Message::AfterSync(AfterSync::Accepted { ballot, first: Slot::FIRST, end: Slot::new(1) })
}

#[test]
fn what_one_node_proposes_all_learn() {
    let mut cluster = Cluster::new(3);
    cluster.propose(1, 'x');
    cluster.settle_without(&[]);
    assert_eq!([1, 2, 3].map(|number| cluster.learned(number)), [Some('x'); 3]);
    let learner = cluster.core(1).learner().unwrap();
    assert_eq!(learner.decree(), &Decree::Value('x'));
    assert_eq!(learner.ballot(), ballot(1, 1));
    assert!(learner.has_vote_of(NodeId::new(1)) && learner.has_vote_of(NodeId::new(2)));
    assert!(cluster.core(2).learner().is_none(), "it proposed nothing");
}

#[test]
fn a_minority_learns_nothing() {
    let mut cluster = Cluster::new(3);
    cluster.propose(1, 'x');
    cluster.settle_without(&[2, 3]);
    assert_eq!(cluster.learned(1), None);
    cluster.propose(1, 'x');
    // Both promise, and then nobody hears the proposal.
    for number in [2, 3] {
        cluster.hear(1, number, promise(ballot(2, 1), None));
    }
    cluster.mail.clear();
    assert_eq!(cluster.learned(1), None, "its own vote is one of three");
    cluster.hear(1, 2, accepted(ballot(1, 1)));
    assert_eq!(cluster.learned(1), None, "a vote in another ballot");
    cluster.hear(1, 2, accepted(ballot(2, 1)));
    assert_eq!(cluster.learned(1), Some('x'));
}

#[test]
fn a_later_proposer_finds_what_is_chosen() {
    let mut cluster = Cluster::new(3);
    cluster.propose(1, 'x');
    cluster.settle_without(&[3]);
    assert_eq!(cluster.learned(3), None);
    cluster.propose(3, 'y');
    cluster.settle_without(&[1]);
    cluster.propose(3, 'z');
    cluster.settle_without(&[1]);
    assert_eq!(cluster.learned(3), Some('x'));
}

#[test]
fn a_promise_counts_once_and_for_its_own_ballot() {
    let mut cluster = Cluster::new(5);
    cluster.propose(1, 'x');
    cluster.propose(1, 'y');
    cluster.mail.clear();
    let current = ballot(2, 1);
    for number in [2, 3, 4, 5] {
        cluster.hear(1, number, promise(ballot(1, 1), None));
    }
    assert!(cluster.core(1).learner().is_none(), "promises of the first ballot");
    for _ in 0..4 {
        cluster.hear(1, 2, promise(current, None));
    }
    assert!(cluster.core(1).learner().is_none(), "one promise, repeated");
    cluster.hear(1, 3, promise(current, Some((ballot(1, 5), 'z'))));
    let learner = cluster.core(1).learner().unwrap();
    assert_eq!(learner.decree(), &Decree::Value('z'), "a vote was reported, and binds");
}

#[test]
fn an_acceptor_follows_its_promise_and_reports_its_vote() {
    let mut cluster = Cluster::new(3);
    cluster.hear(3, 1, accept(ballot(1, 1), 'x'));
    assert_eq!(cluster.take_mail_to(1), [accepted(ballot(1, 1))]);
    cluster.hear(3, 2, prepare(ballot(2, 2)));
    let report = Some((ballot(1, 1), 'x'));
    assert_eq!(cluster.take_mail_to(2), [promise(ballot(2, 2), report)]);
    cluster.hear(3, 1, accept(ballot(1, 1), 'x'));
    let nack = Immediate::Nack { ballot: ballot(1, 1), promised: ballot(2, 2) };
    assert_eq!(cluster.take_mail_to(1), [Message::Immediate(nack)]);
    cluster.hear(3, 2, accept(ballot(2, 2), 'y'));
    assert_eq!(cluster.take_mail_to(2), [accepted(ballot(2, 2))]);
    let vote = cluster.core(3).acceptor().vote().unwrap();
    assert_eq!((vote.ballot, &vote.decree), (ballot(2, 2), &Decree::Value('y')));
    let records = cluster.nodes[2].disk.len();
    cluster.hear(3, 2, accept(ballot(2, 2), 'y'));
    assert_eq!(cluster.take_mail_to(2), [accepted(ballot(2, 2))], "the first answer may be lost");
    assert_eq!(cluster.nodes[2].disk.len(), records, "and nothing is written twice");
}

#[test]
fn an_announcement_makes_a_vote_of_its_own_ballot_known() {
    let mut cluster = Cluster::new(3);
    cluster.hear(3, 1, chosen(ballot(1, 1)));
    assert_eq!(cluster.learned(3), None, "it has no vote");
    cluster.hear(3, 2, accept(ballot(2, 2), 'y'));
    for other in [ballot(1, 1), ballot(3, 1)] {
        cluster.hear(3, 1, chosen(other));
        assert_eq!(cluster.learned(3), None, "its vote is of another ballot");
    }
    cluster.hear(3, 2, chosen(ballot(2, 2)));
    assert_eq!(cluster.learned(3), Some('y'));
}

#[test]
fn a_refused_proposer_goes_above_what_it_heard_of() {
    let mut cluster = Cluster::new(3);
    cluster.propose(1, 'x');
    let nack = Immediate::Nack { ballot: ballot(1, 1), promised: ballot(6, 3) };
    cluster.hear(1, 3, Message::Immediate(nack));
    cluster.mail.clear();
    cluster.propose(1, 'x');
    assert_eq!(cluster.take_mail_to(2), [prepare(ballot(7, 1))]);
    for message in [prepare(ballot(9, 3)), accept(ballot(11, 3), 'z')] {
        let heard = cluster.core(1).acceptor().promised().ballot().round();
        cluster.hear(1, 3, message);
        assert!(cluster.core(1).acceptor().promised().ballot().round() > heard);
    }
    cluster.propose(1, 'x');
    assert_eq!(cluster.take_mail_to(2), [prepare(ballot(12, 1))]);
}

#[test]
fn a_restart_keeps_promise_and_vote_and_uses_no_ballot_twice() {
    let mut cluster = Cluster::new(3);
    cluster.propose(1, 'x');
    cluster.settle_without(&[3]);
    let before = cluster.core(2).acceptor().clone();
    cluster.restart(2);
    assert_eq!(cluster.core(2).acceptor(), &before);
    assert_eq!(before.vote().map(|vote| vote.ballot), Some(ballot(1, 1)));
    cluster.restart(1);
    cluster.propose(1, 'y');
    assert_eq!(cluster.take_mail_to(2), [prepare(ballot(2, 1))]);
}
