//! Real log nodes in a seeded world, whose events are written down for the specification.
//!
//! What happens is chance: delivery, loss and repetition, syncs that cover several steps, crashes
//! that keep any prefix of what was not synced, campaigns, copies. A run is a list of [`Event`]s in
//! one order, which a test gives to a `Conformance` as it is, or corrupts first.

use std::collections::{BTreeMap, VecDeque};
use synod_paxos::{
    Ballot, Batch, Configuration, CoreId, Decree, Effects, Input, MultiPaxos, NodeId, Recovery,
    Slot, To,
};
use synod_simulated::spec::conformance::{Conformance, Deviation};
use synod_smr::{
    Checkpoint, ClientId, Command, CommandBatch, Heartbeat, Message, Opening, Principal, Record,
};

/// What a conformance is told.
#[allow(clippy::large_enum_variant, reason = "a test keeps a few of them, for a moment")]
#[derive(Clone, Debug)]
pub(crate) enum Event {
    Durable(NodeId, Vec<Record>),
    Recovered(NodeId, Vec<Record>),
    Sent(NodeId, To, Message),
    Learned(NodeId, Slot, Decree<CommandBatch>),
}

/// Gives the events to a conformance, and returns it, or the first breach and where it is.
pub(crate) fn follow(
    voters: &Configuration,
    events: &[Event],
) -> Result<Conformance, (usize, Deviation)> {
    let mut conformance = Conformance::new(voters);
    for (at, event) in events.iter().enumerate() {
        tell(&mut conformance, event).map_err(|breach| (at, breach))?;
    }
    Ok(conformance)
}

pub(crate) fn tell(conformance: &mut Conformance, event: &Event) -> Result<(), Deviation> {
    match event {
        Event::Durable(node, records) => conformance.on_durable(*node, records),
        Event::Recovered(node, records) => conformance.on_recovered(*node, Slot::FIRST, records),
        Event::Sent(from, to, message) => conformance.on_sent(*from, to, message),
        Event::Learned(node, slot, decree) => conformance.on_learned(*node, *slot, decree),
    }
}

/// Makes a value that differs from those with other numbers.
pub(crate) fn value(number: u64) -> Decree<CommandBatch> {
    Decree::Value(batch(number))
}

fn batch(number: u64) -> CommandBatch {
    let opening = Opening { client: ClientId::new(0), count: number };
    CommandBatch::encode(&[Command::Open { principal: Principal::of_name("me"), opening }])
}

struct Node {
    core: MultiPaxos<CommandBatch>,
    effects: Effects<CommandBatch>,
    disk: Vec<Record>,
    in_flight: VecDeque<Batch<CommandBatch>>,
    incarnation: u64,
}

/// How rough a world is.
#[derive(Clone, Copy)]
pub(crate) struct Rough {
    pub(crate) nodes: u16,
    pub(crate) steps: u64,
    pub(crate) values: u64,
    pub(crate) crashes: bool,
}

pub(crate) struct World {
    pub(crate) voters: Configuration,
    pub(crate) events: Vec<Event>,
    pub(crate) crashes: u32,
    nodes: BTreeMap<NodeId, Node>,
    network: Vec<(NodeId, NodeId, Message)>,
    /// Hears nothing but what it asked to copy, until it is heard of again.
    deaf: Option<NodeId>,
    rough: Rough,
    random: u64,
    values: u64,
}

const WINDOW: u64 = 4;

/// The oldest messages of a network that grows past this are lost.
const NETWORK_MAX: usize = 200;

impl World {
    pub(crate) fn run(seed: u64, rough: Rough) -> Self {
        let ids = (1..=rough.nodes).map(NodeId::new);
        let voters = Configuration::majority(ids.clone()).unwrap();
        let mut world = Self {
            nodes: ids.map(|id| (id, Node::start(id, &voters, Vec::new(), 1))).collect(),
            voters,
            events: Vec::new(),
            crashes: 0,
            network: Vec::new(),
            deaf: None,
            rough,
            random: seed.wrapping_mul(0xD6E8_FEB8_6659_FD93),
            values: 0,
        };
        for _ in 0..rough.steps {
            world.happen();
        }
        world
    }

    /// Returns how many slots the best informed node knows to be chosen.
    pub(crate) fn chosen(&self) -> u64 {
        self.nodes.values().map(|node| node.core.chosen().number()).max().unwrap()
    }

    /// Draws a number below `bound` (SplitMix64).
    fn draw(&mut self, bound: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.random ^ (self.random >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }

    fn draw_node(&mut self) -> NodeId {
        NodeId::new(1 + u16::try_from(self.draw(self.rough.nodes.into())).unwrap())
    }

    fn happen(&mut self) {
        let node = self.draw_node();
        match self.draw(1000) {
            0..560 => self.deliver(),
            560..780 => self.sync(node),
            780..786 => self.step(node, Input::Campaign { above: Ballot::ZERO }),
            786..890 => self.propose(node),
            890..930 => self.step(node, Input::ResendTimer),
            930..950 => self.copy(node),
            950..970 => self.beat(node),
            970..975 => self.step(node, Input::Resign),
            975..985 => self.forget(node),
            985..990 => self.crash(node),
            990..993 => self.deaf = Some(node),
            993..995 => self.deaf = None,
            995..998 => self.step(node, Input::Announce),
            _ => self.deliver(),
        }
    }

    /// Delivers any message; one in eight stays to be delivered again, one in twelve is lost.
    fn deliver(&mut self) {
        let is_heard = |(_, to, message): &(NodeId, NodeId, Message)| {
            self.deaf != Some(*to) || matches!(message, Message::Decrees { .. })
        };
        let heard = (0..self.network.len()).filter(|at| is_heard(&self.network[*at]));
        let heard: Vec<_> = heard.collect();
        if heard.is_empty() {
            return;
        }
        let at = heard[usize::try_from(self.draw(heard.len() as u64)).unwrap()];
        let (from, to, message) = match self.draw(8) {
            0 => self.network[at].clone(),
            _ => self.network.swap_remove(at),
        };
        if self.draw(12) == 0 {
            return;
        }
        match message {
            Message::Paxos(message) => self.step(to, Input::Message { from, message }),
            Message::Decrees { first, decrees, .. } => {
                self.step(to, Input::Decrees { first, decrees });
                // What is copied may be on disk, and the hint that speaks of it not.
                if self.draw(4) == 0 {
                    self.crash(to);
                }
            }
            Message::Heartbeat(_)
            | Message::Confirm { .. }
            | Message::Confirmed { .. }
            | Message::Fetch { .. }
            | Message::FetchSnapshot { .. }
            | Message::Snapshot(_)
            | Message::Known(_) => {}
        }
    }

    fn propose(&mut self, node: NodeId) {
        if self.nodes[&node].core.can_propose() && self.values < self.rough.values {
            self.values += 1;
            self.step(node, Input::Propose(batch(self.values)));
        }
    }

    /// Lets a node hand its chosen decrees to another.
    fn copy(&mut self, from: NodeId) {
        let to = self.draw_node();
        let first = self.nodes[&to].core.chosen();
        let source = &self.nodes[&from].core;
        if from == to || first < source.log().base() {
            return;
        }
        let chosen = source.chosen();
        let slots = (first.number()..chosen.number()).map(Slot::new);
        let decrees: Vec<_> =
            slots.map(|slot| source.log().decree(slot).unwrap().clone()).collect();
        if !decrees.is_empty() {
            self.send(from, To::Node(to), Message::Decrees { first, decrees, chosen });
        }
    }

    fn beat(&mut self, node: NodeId) {
        let core = &self.nodes[&node].core;
        let beat = Heartbeat {
            folder: synod_smr::Folder(0),
            incarnation: self.nodes[&node].incarnation,
            mark: 0,
            promised: core.durable_promised(),
            journal_end: Slot::FIRST,
            leads: core.leader().leads(),
            follows: None,
            leader_ok: true,
            chosen: core.chosen(),
            hears: Vec::new(),
            is_connected: true,
            priority: 0,
            checkpoint: None,
            applied: Checkpoint { slot: Slot::new(1 << 40), digest: 0 },
            tick: 0,
            echoes: Vec::new(),
            sync_ticks: None,
            began: None,
            prepares: None,
        };
        self.send(node, To::Peers, Message::Heartbeat(beat));
    }

    fn forget(&mut self, node: NodeId) {
        let keep = 3 * WINDOW;
        let chosen = self.nodes[&node].core.chosen().number();
        self.step(node, Input::ForgetBelow(Slot::new(chosen.saturating_sub(keep))));
    }

    /// Stops a node and starts it again; any prefix of what was not synced is on disk all the same.
    fn crash(&mut self, id: NodeId) {
        if !self.rough.crashes {
            return;
        }
        self.crashes += 1;
        let node = self.nodes.get_mut(&id).unwrap();
        let pending: Vec<_> =
            node.in_flight.drain(..).flat_map(|batch| batch.records().to_vec()).collect();
        let kept = self.draw(pending.len() as u64 + 1);
        let node = self.nodes.get_mut(&id).unwrap();
        node.disk.extend_from_slice(&pending[..usize::try_from(kept).unwrap()]);
        let back = Node::start(id, &self.voters, node.disk.clone(), node.incarnation + 1);
        self.events.push(Event::Recovered(id, back.disk.clone()));
        self.nodes.insert(id, back);
        self.tell_learned(id, Slot::FIRST);
    }

    /// Makes the oldest batch durable.
    fn sync(&mut self, id: NodeId) {
        let node = self.nodes.get_mut(&id).unwrap();
        if let Some(batch) = node.in_flight.pop_front() {
            node.disk.extend_from_slice(batch.records());
            self.events.push(Event::Durable(id, batch.records().to_vec()));
            self.step(id, Input::Synced(batch.confirm_synced()));
        }
    }

    fn step(&mut self, id: NodeId, input: Input<CommandBatch>) {
        let takes = self.draw(3) > 0;
        let node = self.nodes.get_mut(&id).unwrap();
        let before = node.core.chosen();
        node.core.step(input, &mut node.effects);
        let sent: Vec<_> = node.effects.outbox().collect();
        if takes {
            node.in_flight.extend(node.effects.take_batch());
        }
        self.tell_learned(id, before);
        for (to, message) in sent {
            self.send(id, to, Message::Paxos(message));
        }
    }

    fn tell_learned(&mut self, id: NodeId, before: Slot) {
        let core = &self.nodes[&id].core;
        let before = before.max(core.log().base());
        for slot in (before.number()..core.chosen().number()).map(Slot::new) {
            let decree = core.log().decree(slot).unwrap().clone();
            self.events.push(Event::Learned(id, slot, decree));
        }
    }

    fn send(&mut self, from: NodeId, to: To, message: Message) {
        self.events.push(Event::Sent(from, to, message.clone()));
        let heard = |node: &NodeId| match to {
            To::Node(one) => one == *node,
            To::Peers => *node != from,
        };
        let receivers = self.nodes.keys().copied().filter(heard);
        self.network.extend(receivers.map(|node| (from, node, message.clone())));
        let surplus = self.network.len().saturating_sub(NETWORK_MAX);
        self.network.drain(..surplus);
    }
}

impl Node {
    fn start(id: NodeId, voters: &Configuration, disk: Vec<Record>, incarnation: u64) -> Self {
        let core_id = CoreId { node: id, incarnation };
        let mut recovery = Recovery::new();
        for record in &disk {
            recovery.on_record(record.clone());
        }
        let core = recovery.finish(core_id, voters.clone(), WINDOW);
        let effects = Effects::new(core_id);
        Self { core, effects, disk, in_flight: VecDeque::new(), incarnation }
    }
}
