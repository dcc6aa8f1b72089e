//! Three nodes of OmniPaxos on its storage in memory: one command an entry, and as many entries
//! sent at a time as the case has in a slot.

use crate::engine::{Applied, Case, Engine, slot_of};
use bytes::Bytes;
use omnipaxos::messages::Message;
use omnipaxos::storage::{Entry, NoSnapshot};
use omnipaxos::util::LogEntry;
use omnipaxos::{ClusterConfig, OmniPaxos, ServerConfig};
use omnipaxos_storage::memory_storage::MemoryStorage;
use std::collections::VecDeque;

/// One command.
#[derive(Clone, Debug)]
pub struct Command(Bytes);

impl Entry for Command {
    type Snapshot = NoSnapshot;
}

type Core = OmniPaxos<Command, MemoryStorage<Command>>;

/// How many decided entries a node holds before it trims them.
const HELD_ENTRIES: usize = 65_536;

struct Node {
    core: Core,
    next: usize,
    applied: Applied,
}

impl Node {
    fn apply(&mut self) {
        if self.core.get_decided_idx() == self.next {
            return;
        }
        let entries = self.core.read_decided_suffix(self.next).unwrap_or_default();
        for entry in &entries {
            if let LogEntry::Decided(Command(bytes)) = entry {
                self.applied.apply(bytes);
            }
        }
        self.next += entries.len();
    }
}

/// Three nodes, the first of which leads.
pub struct Omni {
    case: Case,
    proposed: u64,
    nodes: [Node; 3],
    outgoing: Vec<Message<Command>>,
    under_way: VecDeque<Message<Command>>,
    trimmed: usize,
}

impl Omni {
    /// Makes three nodes, and has the first one elected.
    pub fn new(case: &Case) -> Self {
        let node = |pid| {
            let cluster = ClusterConfig {
                configuration_id: 1,
                nodes: vec![1, 2, 3],
                ..ClusterConfig::default()
            };
            let batch_size = usize::try_from(case.a_slot).expect("a small number");
            let server = ServerConfig { pid, batch_size, ..ServerConfig::default() };
            let core = cluster.build_for_server(server, MemoryStorage::default());
            Node {
                core: core.expect("a sound configuration"),
                next: 0,
                applied: Applied::default(),
            }
        };
        let mut omni = Self {
            case: *case,
            proposed: 0,
            nodes: [1, 2, 3].map(node),
            outgoing: Vec::new(),
            under_way: VecDeque::new(),
            trimmed: 0,
        };
        omni.nodes[0].core.try_become_leader();
        omni.settle();
        omni
    }

    fn settle(&mut self) {
        self.collect(0);
        while let Some(message) = self.under_way.pop_front() {
            let place = usize::try_from(message.get_receiver()).expect("one of three") - 1;
            self.nodes[place].core.handle_incoming(message);
            self.collect(place);
        }
    }

    fn collect(&mut self, place: usize) {
        self.nodes[place].core.take_outgoing_messages(&mut self.outgoing);
        self.under_way.extend(self.outgoing.drain(..));
        self.nodes[place].apply();
    }

    fn trim(&mut self) {
        let least = self.nodes.iter().map(|node| node.next).min().unwrap_or(0);
        if least - self.trimmed > 2 * HELD_ENTRIES {
            self.trimmed = least - HELD_ENTRIES;
            self.nodes[0].core.trim(Some(self.trimmed)).expect("all have decided these");
            self.settle();
        }
    }
}

impl Engine for Omni {
    fn run(&mut self, commands: u64) {
        let end = self.proposed + commands;
        while self.nodes[0].applied.commands < end {
            let stop = end.min(self.nodes[0].applied.commands + self.case.window);
            while self.proposed < stop {
                let command = Command(slot_of(self.proposed, 1));
                self.nodes[0].core.append(command).expect("it leads");
                self.proposed += 1;
            }
            if self.proposed == end {
                // The last batch may not be full, and goes when its time is over.
                (0..1_000).for_each(|_| self.nodes[0].core.tick());
            }
            self.settle();
            self.trim();
        }
    }

    fn applied(&self) -> [Applied; 3] {
        [0, 1, 2].map(|place| self.nodes[place].applied)
    }
}
