//! What all models share: nodes with disks, and a network that forgets nothing.

use std::collections::BTreeSet;
use synod_paxos::{
    Batch, Configuration, CoreId, Effects, Message, NodeId, Record, Slot, Synced, To,
};

/// The values are small numbers.
pub(crate) type V = u8;

/// Three nodes.
pub(crate) const NODES: u16 = 3;

/// A core that a model can drive.
pub(crate) trait Core: Clone + std::fmt::Debug + Eq + std::hash::Hash {
    /// Makes the core of a life from what its disk holds.
    fn recover(core_id: CoreId, configuration: Configuration, disk: &Disk) -> Self;
    /// Hands it a message.
    fn on_message(&mut self, from: NodeId, message: Message<V>, effects: &mut Effects<V>);
    /// Hands it a proof.
    fn on_synced(&mut self, proof: Synced, effects: &mut Effects<V>);
    /// Tells whether a message can still change anything: answers to ballots that are over cannot,
    /// and where no crash can come any more, nor can what was heard already. Leaving such messages
    /// out leaves the reachable behaviour as it is.
    fn is_live(&self, from: NodeId, message: &Message<V>, may_crash: bool) -> bool;
}

/// What a disk holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Disk {
    pub(crate) records: Vec<Record<V>>,
    /// The slots below this one are left out: a state stands for them.
    pub(crate) state_at: Slot,
}

impl Disk {
    /// Keeps a state at `slot`, and cuts off the records that it stands for. What they promise
    /// stays known, as every frame of a journal repeats it.
    pub(crate) fn keep_state(&mut self, slot: Slot) {
        let state_at = self.state_at.max(slot);
        let promises = self.records.iter().filter_map(|record| match record {
            Record::Promised(ballot) | Record::Accepted { ballot, .. } => Some(*ballot),
            Record::Learned { .. } | Record::Chosen(_) => None,
        });
        let promised = promises.max().map(Record::Promised);
        let kept = |record: &Record<V>| match record {
            Record::Promised(_) => false,
            Record::Accepted { slot, .. } | Record::Learned { slot, .. } => *slot >= state_at,
            Record::Chosen(chosen) => *chosen > state_at,
        };
        self.records.retain(kept);
        self.records.splice(0..0, promised);
        self.state_at = state_at;
    }
}

/// One node: its core, its disk, and what is on its way to the disk.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Node<C> {
    pub(crate) core: C,
    effects: Effects<V>,
    pub(crate) disk: Disk,
    in_flight: Vec<Batch<V>>,
    /// How often it crashed.
    life: u8,
}

/// All nodes, and all messages ever sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct World<C> {
    pub(crate) nodes: Vec<Node<C>>,
    pub(crate) network: BTreeSet<Packet>,
    pub(crate) crashes: u8,
    quorums: Quorums,
}

/// How many nodes are a quorum of phase 1, and of phase 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Quorums(pub(crate) usize, pub(crate) usize);

/// Two of three, in both phases.
pub(crate) const MAJORITIES: Quorums = Quorums(2, 2);

/// A message on the network.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Packet {
    pub(crate) from: NodeId,
    pub(crate) to: NodeId,
    pub(crate) message: Message<V>,
}

/// What the environment can do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Act {
    Deliver(Packet),
    Sync(usize),
    Crash { node: usize, kept: usize },
}

pub(crate) fn ids() -> impl Iterator<Item = NodeId> {
    (1..=NODES).map(NodeId::new)
}

fn configuration(Quorums(phase1, phase2): Quorums) -> Configuration {
    Configuration::flexible(ids(), phase1, phase2).unwrap()
}

impl<C: Core> World<C> {
    pub(crate) fn new(crashes: u8, quorums: Quorums) -> Self {
        let node = |id| {
            let core_id = CoreId { node: id, incarnation: 0 };
            Node {
                core: C::recover(core_id, configuration(quorums), &Disk::default()),
                effects: Effects::new(core_id),
                disk: Disk::default(),
                in_flight: Vec::new(),
                life: 0,
            }
        };
        Self { nodes: ids().map(node).collect(), network: BTreeSet::new(), crashes, quorums }
    }

    /// Lists what the environment may do next.
    pub(crate) fn acts(&self) -> Vec<Act> {
        let mut acts: Vec<_> = self.network.iter().cloned().map(Act::Deliver).collect();
        for (place, node) in self.nodes.iter().enumerate() {
            if !node.in_flight.is_empty() {
                acts.push(Act::Sync(place));
            }
            if self.crashes > 0 {
                let pending: usize = node.in_flight.iter().map(|b| b.records().len()).sum();
                acts.extend((0..=pending).map(|kept| Act::Crash { node: place, kept }));
            }
        }
        acts
    }

    pub(crate) fn act(&mut self, act: Act) {
        match act {
            Act::Deliver(Packet { from, to, message }) => {
                let place = usize::from(to.number()) - 1;
                self.step(place, |core, effects| core.on_message(from, message, effects));
            }
            Act::Sync(place) => {
                let batch = self.nodes[place].in_flight.remove(0);
                self.nodes[place].disk.records.extend_from_slice(batch.records());
                let proof = batch.confirm_synced();
                self.step(place, |core, effects| core.on_synced(proof, effects));
            }
            Act::Crash { node, kept } => self.crash(node, kept),
        }
    }

    fn crash(&mut self, place: usize, kept: usize) {
        self.crashes -= 1;
        let node = &mut self.nodes[place];
        let pending: Vec<_> =
            node.in_flight.drain(..).flat_map(|batch| batch.records().to_vec()).collect();
        node.disk.records.extend_from_slice(&pending[..kept]);
        node.life += 1;
        let id = NodeId::new(u16::try_from(place).unwrap() + 1);
        let core_id = CoreId { node: id, incarnation: u64::from(node.life) };
        node.effects = Effects::new(core_id);
        node.core = C::recover(core_id, configuration(self.quorums), &node.disk);
        self.sync_if_nothing_can_crash();
        self.bury_the_dead();
    }

    /// Steps a core and flushes at once, so that a crash may come between any two steps.
    pub(crate) fn step(&mut self, place: usize, step: impl FnOnce(&mut C, &mut Effects<V>)) {
        let node = &mut self.nodes[place];
        step(&mut node.core, &mut node.effects);
        if let Some(batch) = node.effects.take_batch() {
            node.in_flight.push(batch);
        }
        let from = NodeId::new(u16::try_from(place).unwrap() + 1);
        for (to, message) in node.effects.outbox() {
            for receiver in ids() {
                if to == To::Node(receiver) || (to == To::Peers && receiver != from) {
                    let message = message.clone();
                    self.network.insert(Packet { from, to: receiver, message });
                }
            }
        }
        self.sync_if_nothing_can_crash();
        self.bury_the_dead();
    }

    /// Where no crash can come any more, a sync delays messages and nothing else, and the network
    /// delays them in all ways already: nodes sync at once.
    fn sync_if_nothing_can_crash(&mut self) {
        if self.crashes > 0 {
            return;
        }
        while let Some(place) = self.nodes.iter().position(|node| !node.in_flight.is_empty()) {
            self.act(Act::Sync(place));
        }
    }

    fn bury_the_dead(&mut self) {
        let (nodes, may_crash) = (&self.nodes, self.crashes > 0);
        self.network.retain(|packet| {
            let receiver = &nodes[usize::from(packet.to.number()) - 1].core;
            receiver.is_live(packet.from, &packet.message, may_crash)
        });
    }
}
