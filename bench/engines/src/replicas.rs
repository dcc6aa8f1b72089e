//! Three replicas of Synod: sessions, and a map of keys to values, above the log.

use crate::engine::{Applied, COMMAND_BYTES, Case, Engine, slot_of};
use bytes::Bytes;
use std::collections::{HashMap, VecDeque};
use synod_paxos::{Configuration, CoreId, NodeId, To};
use synod_smr::{
    ClientId, Config, Connection, Effects, Input, Invalid, Message, Opening, Principal, Recovering,
    Replica, Request, RequestBody, RequestId, Response, Sequence, SessionId, StateMachine, Timer,
    mix,
};

/// A map: the first half of a command is the key, of few, and the second half the value.
#[derive(Clone, Debug, Default)]
struct Map {
    values: HashMap<u64, [u8; 8]>,
    digest: u64,
    applied: Applied,
}

/// How many keys there are.
const KEYS: u64 = 10_000;

impl StateMachine for Map {
    fn validate(&self, command: &[u8]) -> Result<(), Invalid> {
        if command.len() == COMMAND_BYTES { Ok(()) } else { Err(Invalid::new("16 bytes, please")) }
    }

    fn apply(&mut self, command: &[u8]) -> Bytes {
        self.applied.apply(command);
        let (number, value) = command.split_at(8);
        let key = number.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes)) % KEYS;
        let value = value.first_chunk().copied().unwrap_or_default();
        let before = self.values.insert(key, value);
        let mark = |value: [u8; 8]| mix(key ^ mix(u64::from_le_bytes(value)));
        self.digest = self.digest.wrapping_sub(before.map_or(0, mark)).wrapping_add(mark(value));
        Bytes::new()
    }

    fn query(&self, _: &[u8]) -> Bytes {
        Bytes::new()
    }

    fn digest(&self) -> u64 {
        self.digest
    }
}

struct Node {
    me: NodeId,
    replica: Replica<Map>,
    effects: Effects,
}

impl Node {
    fn step(&mut self, input: Input) {
        self.replica.step(input, &mut self.effects);
    }

    fn sync(&mut self) {
        while let Some(batch) = self.effects.take_batch() {
            self.step(Input::Synced(batch.confirm_synced()));
        }
    }
}

/// A client with a session, that waits for one command at a time.
struct Client {
    session: SessionId,
    next: u64,
}

/// Three replicas, the first of which leads, and as many clients as the case has commands
/// outstanding.
pub struct Replicas {
    case: Case,
    proposed: u64,
    answered: u64,
    nodes: [Node; 3],
    clients: Vec<Client>,
    /// The clients that wait for nothing.
    idle: VecDeque<usize>,
    under_way: VecDeque<(usize, NodeId, Message)>,
}

impl Replicas {
    /// Makes three replicas, has the first one elected, and opens a session for each client.
    pub fn new(case: &Case) -> Self {
        let ids = [1, 2, 3].map(NodeId::new);
        let voters = Configuration::majority(ids).expect("three voters");
        let node = |me| {
            let core_id = CoreId { node: me, incarnation: 1 };
            let mut effects = Effects::new(core_id);
            let config = Config::lan(core_id, voters.clone());
            let replica = Recovering::new(Map::default()).finish(config, &mut effects);
            Node { me, replica, effects }
        };
        let mut replicas = Self {
            case: *case,
            proposed: 0,
            answered: 0,
            nodes: ids.map(node),
            clients: Vec::new(),
            idle: VecDeque::new(),
            under_way: VecDeque::new(),
        };
        replicas.elect();
        replicas.open_sessions();
        replicas
    }

    /// Beats until the first node leads; the others never campaign.
    fn elect(&mut self) {
        for _ in 0..100 {
            self.beat();
            let campaigns = self.nodes[0].effects.timers().any(|set| set.timer == Timer::Campaign);
            if campaigns {
                self.nodes[0].step(Input::Timer(Timer::Campaign));
                self.settle();
            }
        }
        assert!(self.nodes[0].replica.paxos().can_propose(), "nobody else campaigns");
    }

    fn beat(&mut self) {
        for place in 0..3 {
            self.nodes[place].step(Input::Timer(Timer::Heartbeat));
            self.collect(place);
            self.settle();
        }
    }

    fn open_sessions(&mut self) {
        for client in 0..self.case.window {
            let opening = Opening::first(ClientId::new(u128::from(client) + 1));
            self.ask(client, RequestBody::Open { opening });
        }
        self.settle();
        assert_eq!(self.clients.len() as u64, self.case.window, "each has its session");
    }

    fn ask(&mut self, client: u64, body: RequestBody) {
        self.nodes[0].step(Input::Request {
            connection: Connection(client),
            principal: Principal::of_number(client % 16),
            request: Request { id: RequestId(client), body },
        });
    }

    fn settle(&mut self) {
        self.collect(0);
        while let Some((place, from, message)) = self.under_way.pop_front() {
            self.nodes[place].step(Input::Message { from, message });
            self.collect(place);
        }
    }

    fn collect(&mut self, place: usize) {
        let node = &mut self.nodes[place];
        node.sync();
        for (to, message) in node.effects.outbox() {
            match to {
                To::Node(to) => {
                    self.under_way.push_back((usize::from(to.number()) - 1, node.me, message));
                }
                To::Peers => {
                    let [first, second] = [(place + 1) % 3, (place + 2) % 3];
                    self.under_way.push_back((first, node.me, message.clone()));
                    self.under_way.push_back((second, node.me, message));
                }
            }
        }
        for (connection, _, response) in node.effects.replies() {
            let client = usize::try_from(connection.0).expect("one of the clients");
            match response {
                Response::Opened(session) => self.clients.push(Client { session, next: 1 }),
                Response::Reply(_) => self.answered += 1,
                Response::Refused(_)
                | Response::Uncertain { .. }
                | Response::Status(_)
                | Response::Snapshot { .. } => {
                    panic!("client {client} is told {response:?}")
                }
            }
            self.idle.push_back(client);
        }
    }

    fn command(&mut self, client: usize) {
        let Client { session, next } = self.clients[client];
        self.clients[client].next += 1;
        let (sequence, unanswered) = (Sequence(next), Sequence(next));
        let payload = slot_of(self.proposed, 1);
        self.proposed += 1;
        self.ask(client as u64, RequestBody::Command { session, sequence, unanswered, payload });
    }
}

impl Engine for Replicas {
    fn run(&mut self, commands: u64) {
        let end = self.proposed + commands;
        let mut beat = self.proposed;
        while self.answered < end {
            let mut waiting = 0;
            while self.proposed < end
                && let Some(client) = self.idle.pop_front()
            {
                self.command(client);
                waiting += 1;
                // A leader proposes what gathered once its last batch is durable.
                if waiting == self.case.a_slot {
                    self.nodes[0].sync();
                    waiting = 0;
                }
            }
            self.settle();
            if self.proposed - beat >= COMMANDS_PER_BEAT {
                beat = self.proposed;
                self.beat();
            }
        }
    }

    fn applied(&self) -> [Applied; 3] {
        [0, 1, 2].map(|place| self.nodes[place].replica.executor().machine().applied)
    }
}

/// How many commands are answered between two heartbeats.
const COMMANDS_PER_BEAT: u64 = 4_000;
