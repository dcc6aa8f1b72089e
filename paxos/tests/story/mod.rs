//! A cluster in the hands of a story-teller: every delivery, sync and crash is a command.
//!
//! It drives real nodes of the log and says, in words, what each command made them do. Tests of the
//! paper's claims and the transcripts go through it, so that they do not know the API.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use synod_paxos::multi::leader::Leader;
use synod_paxos::{
    Ballot, Batch, Bound, Brand, Configuration, Decree, Effects, Free, Input, Message, MultiPaxos,
    NodeId, Record, Recovery, Report, Slot, To,
};

type Value = char;

struct Teller {
    core: MultiPaxos<Value>,
    effects: Effects<Value>,
    disk: Vec<Record<Value>>,
    in_flight: VecDeque<Batch<Value>>,
    life: u64,
}

/// The cluster.
pub(crate) struct Story {
    nodes: BTreeMap<NodeId, Teller>,
    network: BTreeMap<(NodeId, NodeId), VecDeque<Message<Value>>>,
    said: String,
}

impl Story {
    pub(crate) fn new(count: u16) -> Self {
        let ids = (1..=count).map(NodeId::new);
        let voters = Configuration::majority(ids.clone()).unwrap();
        let nodes = ids.map(|id| (id, Teller::start(id, &voters, Vec::new(), 1)));
        Self { nodes: nodes.collect(), network: BTreeMap::new(), said: String::new() }
    }

    /// Carries one command out, and returns what happened, a line each.
    ///
    /// # Panics
    ///
    /// Panics on a command that makes no sense; the text of a story is part of a test.
    pub(crate) fn tell(&mut self, command: &str) -> String {
        let words: Vec<_> = command.split_whitespace().collect();
        match words[..] {
            ["campaign", node] => self.step(id(node), Input::Campaign { above: Ballot::ZERO }),
            ["propose", node, value] => {
                self.step(id(node), Input::Propose(value.chars().next().unwrap()));
            }
            ["resend", node] => self.step(id(node), Input::ResendTimer),
            ["sync", node] => self.sync(id(node)),
            ["deliver", from, to] => self.deliver(id(from), id(to), false),
            ["repeat", from, to] => self.deliver(id(from), id(to), true),
            ["drop", from, to] => {
                self.network.entry((id(from), id(to))).or_default().pop_front().unwrap();
            }
            ["drop-all"] => self.network.clear(),
            ["settle"] => self.settle(),
            ["settle-without", node] => self.settle_without(id(node)),
            ["crash", node] => self.crash(id(node)),
            ["copy", from, to] => self.copy(id(from), id(to)),
            ["show"] => self.show(),
            _ => panic!("no such command: {command}"),
        }
        std::mem::take(&mut self.said)
    }

    pub(crate) fn core(&self, node: u16) -> &MultiPaxos<Value> {
        &self.nodes[&NodeId::new(node)].core
    }

    /// Returns the decrees of the chosen prefix, `-` for Noop.
    pub(crate) fn chosen(&self, node: u16) -> String {
        let core = self.core(node);
        let slots = 0..core.chosen().number();
        slots.map(|slot| letter(core.log().decree(Slot::new(slot)).unwrap())).collect()
    }

    fn say(&mut self, line: &str) {
        self.said.push_str(line);
        self.said.push('\n');
    }

    fn step(&mut self, node: NodeId, input: Input<Value>) {
        let teller = self.nodes.get_mut(&node).unwrap();
        teller.core.step(input, &mut teller.effects);
        let mut lines = Vec::new();
        if let Some(batch) = teller.effects.take_batch() {
            lines.extend(
                batch.records().iter().map(|record| format!("{node} writes {}", told(record))),
            );
            teller.in_flight.push_back(batch);
        }
        let sent: Vec<_> = teller.effects.outbox().collect();
        for (to, message) in sent {
            let whom = match to {
                To::Node(to) => format!("{to}"),
                To::Peers => "all".to_owned(),
            };
            lines.push(format!("{node} to {whom}: {}", spoken(&message)));
            let everybody: Vec<_> = self.nodes.keys().copied().collect();
            for receiver in everybody {
                if to == To::Node(receiver) || (to == To::Peers && receiver != node) {
                    let link = self.network.entry((node, receiver)).or_default();
                    link.push_back(message.clone());
                }
            }
        }
        for line in lines {
            self.say(&line);
        }
    }

    fn sync(&mut self, node: NodeId) {
        let teller = self.nodes.get_mut(&node).unwrap();
        let batch = teller.in_flight.pop_front().expect("something to sync");
        teller.disk.extend_from_slice(batch.records());
        self.step(node, Input::Synced(batch.vouch_synced()));
    }

    fn deliver(&mut self, from: NodeId, to: NodeId, keep: bool) {
        let link = self.network.entry((from, to)).or_default();
        let message = link.pop_front().expect("something to deliver");
        if keep {
            link.push_front(message.clone());
        }
        self.step(to, Input::Message { from, message });
    }

    /// Syncs and delivers until nothing is left to do.
    fn settle(&mut self) {
        self.settle_among(&self.nodes.keys().copied().collect::<Vec<_>>());
    }

    /// The same, with one node cut off and its packets lost.
    fn settle_without(&mut self, lonely: NodeId) {
        let others: Vec<_> = self.nodes.keys().copied().filter(|node| *node != lonely).collect();
        self.settle_among(&others);
        self.network.clear();
    }

    fn settle_among(&mut self, nodes: &[NodeId]) {
        loop {
            let unsynced = nodes.iter().find(|node| !self.nodes[node].in_flight.is_empty());
            if let Some(node) = unsynced {
                self.sync(*node);
                continue;
            }
            let waiting = self.network.iter().find(|((from, to), link)| {
                !link.is_empty() && nodes.contains(from) && nodes.contains(to)
            });
            let Some((link, _)) = waiting else { return };
            self.deliver(link.0, link.1, false);
        }
    }

    fn crash(&mut self, node: NodeId) {
        let lost: usize =
            self.nodes[&node].in_flight.iter().map(|batch| batch.records().len()).sum();
        let teller = &self.nodes[&node];
        let voters = teller.core.configuration().clone();
        let (disk, life) = (teller.disk.clone(), teller.life + 1);
        self.nodes.insert(node, Teller::start(node, &voters, disk, life));
        self.say(&format!("{node} is back without {lost} records"));
    }

    fn copy(&mut self, from: NodeId, to: NodeId) {
        let first = self.nodes[&to].core.chosen();
        let source = &self.nodes[&from].core;
        let slots = first.number()..source.chosen().number();
        let decrees = slots.map(|slot| source.log().decree(Slot::new(slot)).unwrap().clone());
        let decrees = decrees.collect();
        self.step(to, Input::Decrees { first, decrees });
    }

    fn show(&mut self) {
        let ids: Vec<_> = self.nodes.keys().copied().collect();
        for node in ids {
            let core = &self.nodes[&node].core;
            let role = match core.leader() {
                Leader::Idle => String::new(),
                Leader::Preparing(_) => ", an elect".to_owned(),
                Leader::Leading(_) => ", a leader".to_owned(),
            };
            let line = format!(
                "{node} promised {}, chose \"{}\"{role}",
                core.log().promised(),
                self.chosen(node.number())
            );
            self.say(&line);
        }
    }
}

impl Teller {
    fn start(node: NodeId, voters: &Configuration, disk: Vec<Record<Value>>, life: u64) -> Self {
        let brand = Brand { node, incarnation: life };
        let mut recovery = Recovery::new();
        for record in &disk {
            recovery.on_record(record.clone());
        }
        Self {
            core: recovery.finish(brand, voters.clone(), 16),
            effects: Effects::new(brand),
            disk,
            in_flight: VecDeque::new(),
            life,
        }
    }
}

fn id(text: &str) -> NodeId {
    NodeId::new(text.parse().unwrap())
}

fn letter(decree: &Decree<Value>) -> char {
    match decree {
        Decree::Noop => '-',
        Decree::Value(value) => *value,
    }
}

fn told(record: &Record<Value>) -> String {
    match record {
        Record::Promised(ballot) => format!("promised {ballot}"),
        Record::Accepted { ballot, slot, decree } => {
            format!("accepted {} in slot {slot} of {ballot}", letter(decree))
        }
        Record::Learned { slot, decree } => format!("learned {} in slot {slot}", letter(decree)),
        Record::Chosen(slot) => format!("chosen up to {slot}"),
    }
}

fn spoken(message: &Message<Value>) -> String {
    match message {
        Message::Bound(Bound::Prepare { ballot, first }) => {
            format!("Prepare {ballot} from {first}")
        }
        Message::Bound(Bound::Promise { ballot, chosen, reports, .. }) => {
            let mut text = format!("Promise {ballot}, chosen up to {chosen}");
            for (slot, report) in reports {
                match report {
                    Report::Voted(vote) => {
                        let decree = letter(&vote.decree);
                        write!(text, ", {decree} in slot {slot} of {}", vote.ballot).unwrap();
                    }
                    Report::Chosen(decree) => {
                        write!(text, ", {} chosen in slot {slot}", letter(decree)).unwrap();
                    }
                }
            }
            text
        }
        Message::Bound(Bound::Accepted { ballot, first, end }) => {
            format!("Accepted {ballot} from {first} to {end}")
        }
        Message::Free(Free::Accept { ballot, first, decrees, chosen }) => {
            let decrees: String = decrees.iter().map(letter).collect();
            format!("Accept {ballot} {decrees} from {first}, chosen up to {chosen}")
        }
        Message::Free(Free::Chosen { ballot, chosen }) => {
            format!("Chosen {ballot} up to {chosen}")
        }
        Message::Free(Free::Nack { ballot, promised }) => {
            format!("Nack {ballot}, promised {promised}")
        }
    }
}
