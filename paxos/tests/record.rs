//! Recorded runs: real nodes in a seeded world, their steps written down for the specification.
//!
//! Each run becomes a module `TraceData`, which `cargo xtask spec --traces FOLDER` holds against
//! `spec/TraceMultiPaxos.tla`. What a run shall look like is said there; what makes its steps is
//! chance, by a seed. The claim kept true: events are told as messages leave, in one order.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a test writes files; the core does not")]

#[path = "record/corruptions.rs"]
mod corruptions;

use corruptions::corruptions;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use synod_paxos::{
    AfterSync, Ballot, Batch, Configuration, CoreId, Decree, Effects, Immediate, Input, Message,
    MultiPaxos, NodeId, Record, Recovery, Report, Slot, To,
};

type Value = char;

/// A step of the specification that a node took.
#[derive(Clone, Debug)]
enum Event {
    Phase1a {
        node: NodeId,
        ballot: Ballot,
    },
    Phase1b {
        node: NodeId,
        ballot: Ballot,
        first: Slot,
        chosen: Slot,
        votes: Vec<Told>,
    },
    /// One that is about a decree in a slot and ballot.
    Decreed {
        act: &'static str,
        node: NodeId,
        ballot: Ballot,
        slot: Slot,
        decree: Decree<Value>,
    },
    Announce {
        node: NodeId,
        ballot: Ballot,
        upto: Slot,
    },
    /// One that is about a copy: a node comes to know it, or it is durable.
    Copied {
        act: &'static str,
        node: NodeId,
        slot: Slot,
        decree: Decree<Value>,
    },
}

/// What a promise tells of a slot: a vote, or without a ballot a copy.
type Told = (Slot, Option<Ballot>, Decree<Value>);

struct Node {
    core: MultiPaxos<Value>,
    effects: Effects<Value>,
    disk: Vec<Record<Value>>,
    in_flight: VecDeque<Batch<Value>>,
    incarnation: u64,
    /// What this node's own promise of a ballot reports, as of its campaign.
    own_promises: BTreeMap<Ballot, Event>,
}

struct World {
    nodes: BTreeMap<NodeId, Node>,
    network: Vec<(NodeId, NodeId, Message<Value>)>,
    events: Vec<Event>,
    asked: BTreeSet<Ballot>,
    proposed: BTreeMap<(Ballot, Slot), Decree<Value>>,
    announced: BTreeSet<(Ballot, Slot)>,
    random: u64,
    values: u8,
    crashes: u32,
}

const NODES: u16 = 3;
const RUNS: u64 = 20;
const RARE: u64 = 2000;
const STEPS: u64 = 600;
const VALUES_MAX: u8 = 20;
const WINDOW: u64 = 4;

#[test]
fn runs_are_recorded_for_the_specification() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("traces");
    std::fs::create_dir_all(&folder).unwrap();
    let mut worlds: Vec<_> = (1..=RUNS).map(World::run).collect();
    // That a promise tells a copy is rare: the first run in which one does is taken, too.
    let tells = |world: &World| world.events.iter().any(tells_copy);
    worlds.extend((RUNS + 1..RARE).map(World::run).find(tells));
    for (world, seed) in worlds.iter().zip(1_u64..) {
        write(&folder, &format!("run-{seed:04}"), &world.module(&world.events));
        for (what, events) in corruptions(world) {
            write(&folder, &format!("bad-{seed:04}-{what}"), &world.module(&events));
        }
    }
    // Recorded runs prove something only if something happens in them.
    assert!(worlds.iter().filter(|world| world.chosen() > 2).count() > RUNS as usize / 2);
    assert!(worlds.iter().filter(|world| world.crashes > 0).count() > RUNS as usize / 2);
    assert!(worlds.iter().any(|world| world.has("Learn") && world.has("Choose")));
    assert!(worlds.iter().any(tells));
    assert!(worlds.iter().any(|world| world.proposed.values().any(|d| *d == Decree::Noop)));
}

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(format!("{name}.tla")), text).unwrap();
}

impl World {
    fn run(seed: u64) -> Self {
        let ids = (1..=NODES).map(NodeId::new);
        let voters = Configuration::majority(ids.clone()).unwrap();
        let mut world = Self {
            nodes: ids.map(|id| (id, Node::start(id, &voters, Vec::new(), 1))).collect(),
            network: Vec::new(),
            events: Vec::new(),
            asked: BTreeSet::new(),
            proposed: BTreeMap::new(),
            announced: BTreeSet::new(),
            random: seed.wrapping_mul(0xD6E8_FEB8_6659_FD93),
            values: 0,
            crashes: 0,
        };
        for _ in 0..STEPS {
            world.happen();
        }
        world
    }

    /// Draws a number below `bound` (SplitMix64).
    fn draw(&mut self, bound: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.random ^ (self.random >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }

    fn draw_node(&mut self) -> NodeId {
        NodeId::new(1 + u16::try_from(self.draw(NODES.into())).unwrap())
    }

    fn happen(&mut self) {
        let node = self.draw_node();
        match self.draw(100) {
            0..55 => self.deliver(),
            55..80 => self.sync(node),
            80..82 => self.step(node, Input::Campaign { above: Ballot::ZERO }),
            82..92 => self.propose(node),
            92..96 => self.step(node, Input::ResendTimer),
            96..98 => self.copy(node),
            _ => self.crash(node),
        }
    }

    /// Delivers any message; one in eight stays to be delivered again, one in twelve is lost.
    fn deliver(&mut self) {
        let Some(count) = u64::try_from(self.network.len()).ok().filter(|count| *count > 0) else {
            return;
        };
        let at = usize::try_from(self.draw(count)).unwrap();
        let (from, to, message) = match self.draw(8) {
            0 => self.network[at].clone(),
            _ => self.network.swap_remove(at),
        };
        if self.draw(12) > 0 {
            self.step(to, Input::Message { from, message });
        }
    }

    fn propose(&mut self, node: NodeId) {
        if self.nodes[&node].core.can_propose() && self.values < VALUES_MAX {
            let value = char::from(b'a' + self.values);
            self.values += 1;
            self.step(node, Input::Propose(value));
        }
    }

    fn copy(&mut self, to: NodeId) {
        let from = self.draw_node();
        let first = self.nodes[&to].core.chosen();
        let source = &self.nodes[&from].core;
        let slots = (first.number()..source.chosen().number()).map(Slot::new);
        let decrees: Vec<_> =
            slots.map(|slot| source.log().decree(slot).unwrap().clone()).collect();
        if !decrees.is_empty() {
            self.step(to, Input::Decrees { first, decrees });
            // A crash behind a copy may leave it without the word how far all is chosen.
            if self.draw(2) == 0 {
                self.crash(to);
            }
        }
    }

    /// Ends a life. What is on its way to the disk may get there in part: nothing of it was told
    /// before, and what is found of it is told as if it left.
    fn crash(&mut self, id: NodeId) {
        self.crashes += 1;
        let batches = self.nodes[&id].in_flight.iter();
        let mut found: Vec<_> = batches.flat_map(|batch| batch.records().to_vec()).collect();
        let cut = u64::try_from(found.len()).unwrap();
        found.truncate(usize::try_from(self.draw(cut + 1)).unwrap());
        for record in &found {
            self.tell_durable(id, record);
            if let Record::Accepted { ballot, slot, decree } = record {
                self.tell_decreed("Phase2b", id, *ballot, *slot, decree.clone());
            }
        }
        self.nodes.get_mut(&id).unwrap().disk.extend(found);
        let node = &self.nodes[&id];
        let voters = node.core.configuration().clone();
        let back = Node::start(id, &voters, node.disk.clone(), node.incarnation + 1);
        self.nodes.insert(id, back);
    }

    /// Makes the oldest batch durable. The claims on the node itself do not pass the network, so
    /// they are told here: each has a record of its own in the batch of its step.
    fn sync(&mut self, id: NodeId) {
        let node = self.nodes.get_mut(&id).unwrap();
        let Some(batch) = node.in_flight.pop_front() else { return };
        node.disk.extend_from_slice(batch.records());
        for record in batch.records() {
            self.tell_durable(id, record);
        }
        self.step(id, Input::Synced(batch.confirm_synced()));
    }

    fn tell_durable(&mut self, id: NodeId, record: &Record<Value>) {
        match record {
            Record::Promised(ballot) => {
                if let Some(own) = self.nodes[&id].own_promises.get(ballot).cloned() {
                    self.tell_asked(id, *ballot);
                    self.events.push(own);
                }
            }
            Record::Accepted { ballot, slot, decree } => {
                if ballot.node() == id {
                    self.tell_decreed("Phase2b", id, *ballot, *slot, decree.clone());
                }
            }
            Record::Learned { slot, decree } => {
                let (slot, decree) = (*slot, decree.clone());
                self.events.push(Event::Copied { act: "Keep", node: id, slot, decree });
            }
            Record::Chosen(_) => {}
        }
    }

    fn step(&mut self, id: NodeId, input: Input<Value>) {
        let mut copied = Slot::FIRST;
        if let Input::Decrees { first, decrees } = &input {
            copied = first.plus(u64::try_from(decrees.len()).unwrap());
        }
        let campaigns = matches!(input, Input::Campaign { .. });
        let node = self.nodes.get_mut(&id).unwrap();
        let (before, own) = (node.core.chosen(), node.votes());
        node.core.step(input, &mut node.effects);
        if campaigns {
            let ballot = node.core.log().promised();
            let own =
                Event::Phase1b { node: id, ballot, first: before, chosen: before, votes: own };
            node.own_promises.insert(ballot, own);
        }
        // A batch a step: what a sync releases is then what one step claimed.
        node.in_flight.extend(node.effects.take_batch());
        let sent: Vec<_> = node.effects.outbox().collect();
        self.tell_learned(id, before, copied);
        for (to, message) in sent {
            self.tell_sent(id, &message);
            let all = (1..=NODES).map(NodeId::new);
            let heard = |node: &NodeId| match to {
                To::Node(one) => one == *node,
                To::Peers => *node != id,
            };
            self.network.extend(all.filter(heard).map(|node| (id, node, message.clone())));
        }
    }

    fn tell_learned(&mut self, id: NodeId, before: Slot, copied: Slot) {
        let core = &self.nodes[&id].core;
        let leads = core.leader().leads();
        let mut news = Vec::new();
        for slot in (before.number()..core.chosen().number()).map(Slot::new) {
            let decree = core.log().decree(slot).unwrap().clone();
            news.push(match core.log().voted_in(slot) {
                Some(ballot) if slot >= copied => {
                    let act = if leads == Some(ballot) { "Choose" } else { "Learn" };
                    Event::Decreed { act, node: id, ballot, slot, decree }
                }
                Some(_) | None => Event::Copied { act: "Copy", node: id, slot, decree },
            });
        }
        self.events.extend(news);
    }

    fn tell_sent(&mut self, id: NodeId, message: &Message<Value>) {
        match message {
            Message::AfterSync(AfterSync::Prepare { ballot, .. }) => self.tell_asked(id, *ballot),
            Message::AfterSync(AfterSync::Promise { ballot, first, end: _, chosen, reports }) => {
                let votes = reports.iter().map(told).collect();
                let (ballot, first, chosen) = (*ballot, *first, *chosen);
                self.events.push(Event::Phase1b { node: id, ballot, first, chosen, votes });
            }
            Message::AfterSync(AfterSync::Accepted { ballot, first, end }) => {
                for slot in (first.number()..end.number()).map(Slot::new) {
                    let decree = self.proposed[&(*ballot, slot)].clone();
                    self.tell_decreed("Phase2b", id, *ballot, slot, decree);
                }
            }
            Message::Immediate(Immediate::Accept { ballot, first, decrees, chosen }) => {
                for (slot, decree) in (first.number()..).map(Slot::new).zip(decrees) {
                    if self.proposed.insert((*ballot, slot), decree.clone()).is_none() {
                        self.tell_decreed("Phase2a", id, *ballot, slot, decree.clone());
                    }
                }
                self.tell_announced(id, *ballot, *chosen);
            }
            Message::Immediate(Immediate::Chosen { ballot, chosen }) => {
                self.tell_announced(id, *ballot, *chosen);
            }
            Message::Immediate(Immediate::Nack { .. }) => {}
        }
    }

    fn tell_asked(&mut self, node: NodeId, ballot: Ballot) {
        if self.asked.insert(ballot) {
            self.events.push(Event::Phase1a { node, ballot });
        }
    }

    fn tell_decreed(
        &mut self,
        act: &'static str,
        node: NodeId,
        ballot: Ballot,
        slot: Slot,
        decree: Decree<Value>,
    ) {
        self.events.push(Event::Decreed { act, node, ballot, slot, decree });
    }

    fn tell_announced(&mut self, node: NodeId, ballot: Ballot, upto: Slot) {
        if upto > Slot::FIRST && self.announced.insert((ballot, upto)) {
            self.events.push(Event::Announce { node, ballot, upto });
        }
    }

    fn chosen(&self) -> u64 {
        self.nodes.values().map(|node| node.core.chosen().number()).max().unwrap()
    }

    fn has(&self, wanted: &str) -> bool {
        let is = |event: &Event| matches!(event, Event::Decreed { act, .. } if *act == wanted);
        self.events.iter().any(is)
    }

    /// Prints events as the module that the specification reads.
    fn module(&self, events: &[Event]) -> String {
        let number: BTreeMap<Ballot, usize> = self.asked.iter().copied().zip(1..).collect();
        let owners: Vec<_> =
            self.asked.iter().map(|ballot| format!("\"n{}\"", ballot.node())).collect();
        let values: Vec<_> =
            (0..VALUES_MAX).map(|value| format!("\"{}\"", char::from(b'a' + value))).collect();
        let nodes: Vec<_> = (1..=NODES).map(|node| format!("\"n{node}\"")).collect();
        let slots = self.proposed.keys().map(|(_, slot)| slot.number() + 1).max().unwrap_or(1);
        let lines: Vec<_> = events.iter().map(|event| line(event, &number)).collect();
        let mut text = String::from("---- MODULE TraceData ----\nEXTENDS Naturals, Sequences\n");
        writeln!(text, "TraceNodes == {{{}}}", nodes.join(", ")).unwrap();
        writeln!(text, "TraceOwners == <<{}>>", owners.join(", ")).unwrap();
        writeln!(text, "TraceBallots == 1..{}", owners.len()).unwrap();
        writeln!(text, "TraceSlots == 1..{slots}").unwrap();
        writeln!(text, "TraceValues == {{{}}}", values.join(", ")).unwrap();
        writeln!(text, "Trace == <<\n{}\n>>\n====", lines.join(",\n")).unwrap();
        text
    }
}

impl Node {
    fn start(
        id: NodeId,
        voters: &Configuration,
        disk: Vec<Record<Value>>,
        incarnation: u64,
    ) -> Self {
        let core_id = CoreId { node: id, incarnation };
        let mut recovery = Recovery::new();
        for record in &disk {
            recovery.on_record(record.clone());
        }
        Self {
            core: recovery.finish(core_id, voters.clone(), WINDOW),
            effects: Effects::new(core_id),
            disk,
            in_flight: VecDeque::new(),
            incarnation,
            own_promises: BTreeMap::new(),
        }
    }

    /// Lists the votes and copies from the chosen prefix on.
    fn votes(&self) -> Vec<Told> {
        let from = self.core.chosen().number();
        let slots = (from..from + 2 * WINDOW * u64::from(NODES)).map(Slot::new);
        let log = self.core.log();
        let vote = |slot| Some((slot, log.voted_in(slot), log.decree(slot)?.clone()));
        slots.filter_map(vote).collect()
    }
}

fn told((slot, report): &(Slot, Report<Value>)) -> Told {
    match report {
        Report::Voted(vote) => (*slot, Some(vote.ballot), vote.decree.clone()),
        Report::Chosen(decree) => (*slot, None, decree.clone()),
    }
}

fn line(event: &Event, number: &BTreeMap<Ballot, usize>) -> String {
    let one = |slot: &Slot| slot.number() + 1;
    match event {
        Event::Phase1a { node, ballot } => {
            format!(r#"  [act |-> "Phase1a", node |-> "n{node}", bal |-> {}]"#, number[ballot])
        }
        Event::Phase1b { node, ballot, first, chosen, votes } => {
            let votes: Vec<_> = votes
                .iter()
                .map(|(slot, ballot, decree)| {
                    let ballot = ballot.map_or(number.len() + 1, |ballot| number[&ballot]);
                    format!("<<{}, {ballot}, \"{}\">>", one(slot), name(decree))
                })
                .collect();
            format!(
                "  [act |-> \"Phase1b\", node |-> \"n{node}\", bal |-> {}, first |-> {}, \
                 chosen |-> {}, votes |-> << {} >>]",
                number[ballot],
                one(first),
                one(chosen),
                votes.join(", ")
            )
        }
        Event::Decreed { act, node, ballot, slot, decree } => format!(
            r#"  [act |-> "{act}", node |-> "n{node}", bal |-> {}, slot |-> {}, val |-> "{}"]"#,
            number[ballot],
            one(slot),
            name(decree)
        ),
        Event::Announce { node, ballot, upto } => format!(
            r#"  [act |-> "Announce", node |-> "n{node}", bal |-> {}, upto |-> {}]"#,
            number[ballot],
            one(upto)
        ),
        Event::Copied { act, node, slot, decree } => format!(
            r#"  [act |-> "{act}", node |-> "n{node}", slot |-> {}, val |-> "{}"]"#,
            one(slot),
            name(decree)
        ),
    }
}

fn name(decree: &Decree<Value>) -> String {
    match decree {
        Decree::Noop => "noop".into(),
        Decree::Value(value) => value.to_string(),
    }
}

fn tells_copy(event: &Event) -> bool {
    matches!(event, Event::Phase1b { votes, .. } if votes.iter().any(|told| told.1.is_none()))
}
