//! Three nodes of the log of Synod, each of whose batches is vouched for at once.

use crate::engine::{Applied, Case, Engine, slot_of};
use bytes::Bytes;
use std::collections::VecDeque;
use synod_paxos::{
    Ballot, Configuration, CoreId, Decree, Effects, Input, Message, MultiPaxos, NodeId, Slot, To,
    Value,
};

/// What a slot holds: one command or several.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Commands(Bytes);

impl Value for Commands {
    fn weight(&self) -> usize {
        self.0.len()
    }
}

/// How many applied slots a node holds before it lets go of them.
const HELD_SLOTS: u64 = 65_536;

struct Node {
    core: MultiPaxos<Commands>,
    effects: Effects<Commands>,
    next: Slot,
    applied: Applied,
}

impl Node {
    fn step(&mut self, input: Input<Commands>) {
        self.core.step(input, &mut self.effects);
    }

    /// Vouches for what was recorded, until nothing is left to record.
    fn sync(&mut self) {
        while let Some(batch) = self.effects.take_batch() {
            self.step(Input::Synced(batch.confirm_synced()));
        }
    }

    fn apply(&mut self) {
        while self.next < self.core.chosen() {
            if let Some(Decree::Value(commands)) = self.core.log().decree(self.next) {
                self.applied.apply(&commands.0);
            }
            self.next = self.next.next();
        }
        if self.next.past(self.core.log().base()) > 2 * HELD_SLOTS {
            let base = Slot::new(self.next.number() - HELD_SLOTS);
            self.step(Input::ForgetBelow(base));
        }
    }
}

/// Three nodes, the first of which leads.
pub struct Synod {
    case: Case,
    proposed: u64,
    nodes: [Node; 3],
    under_way: VecDeque<(usize, NodeId, Message<Commands>)>,
}

impl Synod {
    /// Makes three nodes, and has the first one elected.
    pub fn new(case: &Case) -> Self {
        let ids = [1, 2, 3].map(NodeId::new);
        let voters = Configuration::majority(ids).expect("three voters");
        let node = |node| {
            let core_id = CoreId { node, incarnation: 1 };
            let core = MultiPaxos::new(core_id, voters.clone(), 4_096);
            let (next, applied) = (Slot::FIRST, Applied::default());
            Node { core, effects: Effects::new(core_id), next, applied }
        };
        let nodes = ids.map(node);
        let mut synod = Self { case: *case, proposed: 0, nodes, under_way: VecDeque::new() };
        synod.nodes[0].step(Input::Campaign { above: Ballot::ZERO });
        synod.settle();
        assert!(synod.nodes[0].core.can_propose(), "nobody else campaigns");
        synod
    }

    /// Has all messages delivered, until there are none.
    fn settle(&mut self) {
        self.collect(0);
        while let Some((place, from, message)) = self.under_way.pop_front() {
            self.nodes[place].step(Input::Message { from, message });
            self.collect(place);
        }
    }

    /// Takes what a node sends; what it recorded is on its disk by then.
    fn collect(&mut self, place: usize) {
        let node = &mut self.nodes[place];
        node.sync();
        let from = node.core.me();
        for (to, message) in node.effects.outbox() {
            match to {
                To::Node(node) => {
                    self.under_way.push_back((usize::from(node.number()) - 1, from, message));
                }
                To::Peers => {
                    let [first, second] = [(place + 1) % 3, (place + 2) % 3];
                    self.under_way.push_back((first, from, message.clone()));
                    self.under_way.push_back((second, from, message));
                }
            }
        }
        node.apply();
    }
}

impl Engine for Synod {
    fn run(&mut self, commands: u64) {
        let end = self.proposed + commands;
        while self.nodes[0].applied.commands < end {
            let stop = end.min(self.nodes[0].applied.commands + self.case.window);
            while self.proposed < stop && self.nodes[0].core.can_propose() {
                let commands = Commands(slot_of(self.proposed, self.case.a_slot));
                self.nodes[0].step(Input::Propose(commands));
                self.proposed += self.case.a_slot;
            }
            self.settle();
        }
    }

    fn applied(&self) -> [Applied; 3] {
        [0, 1, 2].map(|place| self.nodes[place].applied)
    }
}
