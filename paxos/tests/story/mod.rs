//! A cluster in the hands of a story-teller: every delivery, sync and crash is a command.
//!
//! It drives real nodes of the log and says, in words, what each command made them do. Tests of the
//! paper's claims and the transcripts go through it, so that they do not know the API; and the
//! simulator writes its runs down in these commands, so that they can be told here again.
//!
//! | command | what happens |
//! |---|---|
//! | `campaign N` | node N begins a ballot |
//! | `campaign N above R.M` | the same, told that somebody promised ballot R.M |
//! | `propose N x` | node N, if it leads, proposes x |
//! | `resend N` | what waits for an answer at node N is sent again |
//! | `resend N to M` | the same, to node M alone |
//! | `announce N` | node N says to all what is chosen, if it leads |
//! | `resign N` | node N ceases to lead |
//! | `forget N S` | node N lets go of its decrees below slot S |
//! | `sync N` | the oldest batch of node N is durable |
//! | `deliver A B` | B takes the oldest message that waits on the link from A |
//! | `deliver A B K` | the K-th of them, counted from 1 |
//! | `repeat A B`, `repeat A B K` | the same, and the message waits on: it will come again |
//! | `drop A B`, `drop A B K`, `drop-all` | messages are lost |
//! | `copy A B` | B copies all that A knows to be chosen and B does not |
//! | `learn N S xy-` | N is told that x, y and Noop are chosen from slot S on |
//! | `crash N` | N loses what is not durable, and is back |
//! | `crash N keeping K` | the same, but K records survived although nobody had synced them |
//! | `settle`, `settle-without N` | syncs and deliveries until nothing is left to do |
//! | `show` | how all nodes stand |
//! | `nodes N` | a cluster of N nodes in place of 3, that never ran |
//! | `window A` | with at most A open slots, not 16; they never ran either |
//! | `batches B` | a node has at most B batches in flight: later records share the next one |
//!
//! Several commands with `;` between them are one step of a driver, for one node: all of them
//! happen before the records are taken and the messages leave. A command's messages and records
//! are merged with the next one's then, as in a real replica, where one input may lead to several
//! of these.

mod words;

use std::collections::{BTreeMap, VecDeque};
use synod_paxos::{
    Ballot, Batch, Configuration, CoreId, Effects, Input, Message, MultiPaxos, NodeId, Record,
    Recovery, Role, Slot, To,
};
use words::{ballot, decree, id, letter, number, spoken, told};

type Value = char;

/// The slots that may be open, unless a story says otherwise.
const WINDOW: u64 = 16;

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
    window: u64,
    /// The most batches of a node that are in flight.
    batches: usize,
    said: String,
}

impl Story {
    pub(crate) fn new(count: u16) -> Self {
        let mut story = Self {
            nodes: BTreeMap::new(),
            network: BTreeMap::new(),
            window: WINDOW,
            batches: usize::MAX,
            said: String::new(),
        };
        story.begin(count);
        story
    }

    /// Makes the nodes, none of which ever ran.
    fn begin(&mut self, count: u16) {
        let ids = (1..=count).map(NodeId::new);
        let voters = Configuration::majority(ids.clone()).unwrap();
        let node = |id| (id, Teller::start(id, &voters, self.window, Vec::new(), 1));
        self.nodes = ids.map(node).collect();
    }

    /// Carries one command out, and returns what happened, a line each.
    ///
    /// # Panics
    ///
    /// Panics on a command that makes no sense; the text of a story is part of a test.
    pub(crate) fn tell(&mut self, command: &str) -> String {
        let mut inputs = Vec::new();
        for command in command.split(';') {
            let words: Vec<_> = command.split_whitespace().collect();
            if let Some((node, input)) = self.input(&words) {
                inputs.push((node, input));
            } else {
                assert!(inputs.is_empty(), "not a part of a step: {command}");
                self.arrange(&words);
            }
        }
        if let Some((node, _)) = inputs.first() {
            self.step(*node, inputs);
        }
        std::mem::take(&mut self.said)
    }

    /// Returns what a node is given, if the command is of that kind.
    fn input(&mut self, words: &[&str]) -> Option<(NodeId, Input<Value>)> {
        Some(match *words {
            ["campaign", node] => (id(node), Input::Campaign { above: Ballot::ZERO }),
            ["campaign", node, "above", above] => {
                (id(node), Input::Campaign { above: ballot(above) })
            }
            ["propose", node, value] => (id(node), Input::Propose(value.parse().unwrap())),
            ["resend", node] => (id(node), Input::ResendTimer),
            ["resend", node, "to", to] => (id(node), Input::Resend(id(to))),
            ["announce", node] => (id(node), Input::Announce),
            ["resign", node] => (id(node), Input::Resign),
            ["forget", node, slot] => (id(node), Input::ForgetBelow(Slot::new(number(slot)))),
            ["sync", node] => (id(node), self.sync(id(node))),
            ["deliver", from, to] => (id(to), self.deliver(id(from), id(to), 1)),
            ["deliver", from, to, place] => (id(to), self.deliver(id(from), id(to), number(place))),
            ["repeat", from, to] => (id(to), self.repeat(id(from), id(to), 1)),
            ["repeat", from, to, place] => (id(to), self.repeat(id(from), id(to), number(place))),
            ["copy", from, to] => (id(to), self.copy(id(from), id(to))),
            ["learn", node, first, decrees] => {
                let first = Slot::new(number(first));
                (id(node), Input::Decrees { first, decrees: decrees.chars().map(decree).collect() })
            }
            _ => return None,
        })
    }

    /// Carries out what is no input of one node.
    fn arrange(&mut self, words: &[&str]) {
        match *words {
            ["drop", from, to] => drop(self.take(id(from), id(to), 1)),
            ["drop", from, to, place] => drop(self.take(id(from), id(to), number(place))),
            ["drop-all"] => self.network.clear(),
            ["settle"] => self.settle(),
            ["settle-without", node] => self.settle_without(id(node)),
            ["crash", node] => self.crash(id(node), 0),
            ["crash", node, "keeping", count] => self.crash(id(node), number(count)),
            ["show"] => self.show(),
            ["nodes", count] => self.begin(count.parse().unwrap()),
            ["window", alpha] => {
                self.window = number(alpha);
                self.begin(u16::try_from(self.nodes.len()).unwrap());
            }
            ["batches", count] => self.batches = number(count),
            _ => panic!("no such command: {}", words.join(" ")),
        }
    }

    pub(crate) fn core(&self, node: u16) -> &MultiPaxos<Value> {
        &self.nodes[&NodeId::new(node)].core
    }

    /// Returns the decrees of the chosen prefix that are still here, `-` for Noop.
    pub(crate) fn chosen(&self, node: u16) -> String {
        let core = self.core(node);
        let slots = core.log().base().number()..core.chosen().number();
        slots.map(|slot| letter(core.log().decree(Slot::new(slot)).unwrap())).collect()
    }

    fn say(&mut self, line: &str) {
        self.said.push_str(line);
        self.said.push('\n');
    }

    /// Takes inputs of one node, and then what they brought about.
    fn step(&mut self, node: NodeId, inputs: Vec<(NodeId, Input<Value>)>) {
        let teller = self.nodes.get_mut(&node).unwrap();
        for (whose, input) in inputs {
            assert_eq!(whose, node, "one step is of one node");
            teller.core.step(input, &mut teller.effects);
        }
        let mut lines = Vec::new();
        if teller.in_flight.len() < self.batches
            && let Some(batch) = teller.effects.take_batch()
        {
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

    fn sync(&mut self, node: NodeId) -> Input<Value> {
        let teller = self.nodes.get_mut(&node).unwrap();
        let batch = teller.in_flight.pop_front().expect("something to sync");
        teller.disk.extend_from_slice(batch.records());
        Input::Synced(batch.confirm_synced())
    }

    /// Takes the message that waits on a link in this place, counted from 1.
    fn take(&mut self, from: NodeId, to: NodeId, place: usize) -> Message<Value> {
        let link = self.network.entry((from, to)).or_default();
        link.remove(place - 1).expect("a message in this place")
    }

    fn deliver(&mut self, from: NodeId, to: NodeId, place: usize) -> Input<Value> {
        Input::Message { from, message: self.take(from, to, place) }
    }

    fn repeat(&self, from: NodeId, to: NodeId, place: usize) -> Input<Value> {
        let message = self.network[&(from, to)].get(place - 1);
        Input::Message { from, message: message.expect("a message in this place").clone() }
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
                let (node, input) = (*node, self.sync(*node));
                self.step(node, vec![(node, input)]);
                continue;
            }
            let waiting = self.network.iter().find(|((from, to), link)| {
                !link.is_empty() && nodes.contains(from) && nodes.contains(to)
            });
            let Some((&(from, to), _)) = waiting else { return };
            let input = self.deliver(from, to, 1);
            self.step(to, vec![(to, input)]);
        }
    }

    fn crash(&mut self, node: NodeId, kept: usize) {
        let teller = self.nodes.get_mut(&node).unwrap();
        let batches = teller.in_flight.iter();
        let mut lost: Vec<_> = batches.flat_map(|batch| batch.records().to_vec()).collect();
        let mut disk = std::mem::take(&mut teller.disk);
        disk.extend(lost.drain(..kept));
        let voters = teller.core.configuration().clone();
        *teller = Teller::start(node, &voters, self.window, disk, teller.life + 1);
        self.say(&format!("{node} is back without {} records", lost.len()));
    }

    /// Lists what `from` knows to be chosen and `to` does not.
    fn copy(&self, from: NodeId, to: NodeId) -> Input<Value> {
        let first = self.nodes[&to].core.chosen();
        let source = &self.nodes[&from].core;
        let slots = first.number()..source.chosen().number();
        let decrees = slots.map(|slot| source.log().decree(Slot::new(slot)).unwrap().clone());
        Input::Decrees { first, decrees: decrees.collect() }
    }

    fn show(&mut self) {
        let ids: Vec<_> = self.nodes.keys().copied().collect();
        for node in ids {
            let core = &self.nodes[&node].core;
            let role = match core.leader() {
                Role::Idle => String::new(),
                Role::Preparing(_) => ", a candidate".to_owned(),
                Role::Leading(_) => ", a leader".to_owned(),
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
    fn start(
        node: NodeId,
        voters: &Configuration,
        window: u64,
        disk: Vec<Record<Value>>,
        life: u64,
    ) -> Self {
        let core_id = CoreId { node, incarnation: life };
        let mut recovery = Recovery::new();
        for record in &disk {
            recovery.on_record(record.clone());
        }
        Self {
            core: recovery.finish(core_id, voters.clone(), window),
            effects: Effects::new(core_id),
            disk,
            in_flight: VecDeque::new(),
            life,
        }
    }
}
