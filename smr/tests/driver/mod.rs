//! A driver of replicas and clients in virtual time.
#![allow(dead_code, reason = "each test that drives a cluster uses a part of it")]

use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use synod_paxos::{Configuration, CoreId, NodeId, Slot, To};
use synod_smr::client::{Client, ClientEffects, ClientInput, Millis, Operation, Outcome, Ticket};
use synod_smr::wire::{decode_message, encode_message};
use synod_smr::{
    Batch, ClientId, Config, Connection, Effects, Input, Invalid, LogRead, Message, NoSnapshot,
    Principal, Record, Recovering, Replica, Request, Response, RestoreError, SnapshotPieces,
    SnapshotView, StateMachine, Timer, fingerprint, mix,
};

/// Appends numbers to a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Appender {
    pub(crate) list: Vec<u64>,
    digest: u64,
}

impl StateMachine for Appender {
    fn validate(&self, command: &[u8]) -> Result<(), Invalid> {
        let number = <[u8; 8]>::try_from(command);
        number.map(|_| ()).map_err(|_| Invalid::new("eight bytes, please"))
    }

    fn apply(&mut self, command: &[u8]) -> Bytes {
        self.list.push(u64::from_le_bytes(command.try_into().unwrap()));
        self.digest = mix(self.digest ^ fingerprint(command));
        self.query(&[])
    }

    fn query(&self, _: &[u8]) -> Bytes {
        Bytes::copy_from_slice(&(self.list.len() as u64).to_le_bytes())
    }

    fn digest(&self) -> u64 {
        self.digest
    }

    fn snapshot(&self) -> Result<SnapshotView, NoSnapshot> {
        let numbers = std::iter::once(&self.digest).chain(&self.list);
        let bytes: Vec<u8> = numbers.flat_map(|number| number.to_le_bytes()).collect();
        Ok(SnapshotView::whole(bytes))
    }

    fn restore(&mut self, snapshot: &mut SnapshotPieces<'_>) -> Result<(), RestoreError> {
        self.digest = u64::from_le_bytes(snapshot.take_array()?);
        self.list.clear();
        while snapshot.end().is_err() {
            self.list.push(u64::from_le_bytes(snapshot.take_array()?));
        }
        Ok(())
    }
}

/// What goes wrong.
#[derive(Clone, Copy)]
pub(crate) struct Faults {
    pub(crate) loss_percent: u64,
    pub(crate) double_percent: u64,
    pub(crate) delay_ms_max: u64,
    /// How long a sync takes, beside the one to three milliseconds that it takes anyway.
    pub(crate) sync_ms: u64,
    pub(crate) crashes: bool,
    pub(crate) cuts: bool,
}

impl Faults {
    pub(crate) const NONE: Self = Self {
        loss_percent: 0,
        double_percent: 0,
        delay_ms_max: 1,
        sync_ms: 0,
        crashes: false,
        cuts: false,
    };
    pub(crate) const ALL: Self = Self {
        loss_percent: 5,
        double_percent: 5,
        delay_ms_max: 15,
        sync_ms: 0,
        crashes: true,
        cuts: true,
    };
}

struct Node {
    replica: Option<Replica<Appender>>,
    effects: Effects,
    incarnation: u64,
    /// Records on disk.
    disk: Vec<Record>,
    in_flight: Vec<Batch>,
    timers: BTreeMap<Timer, u64>,
}

impl Node {
    /// Reads the last records of some slots back, as far as one answer reaches.
    fn read(&self, wish: LogRead) -> Message {
        let last = |wanted: Slot| {
            let of = |record: &Record| match record {
                Record::Accepted { slot, decree, .. } | Record::Learned { slot, decree } => {
                    (*slot == wanted).then(|| decree.clone())
                }
                Record::Promised(_) | Record::Chosen(_) => None,
            };
            self.disk.iter().rev().find_map(of).unwrap()
        };
        let end = wish.end.min(wish.first.plus(READ_SLOTS_MAX));
        let slots = (wish.first.number()..end.number()).map(Slot::new);
        Message::Decrees {
            first: wish.first,
            decrees: slots.map(last).collect(),
            chosen: wish.chosen,
        }
    }
}

enum Event {
    Peer { from: NodeId, to: NodeId, bytes: Bytes },
    Request { client: usize, to: NodeId, request: Request },
    Response { client: usize, from: NodeId, id: synod_smr::RequestId, response: Response },
    Synced { node: usize, life: u64 },
    Restart { node: usize },
    Heal,
}

struct TestClient {
    client: Client,
    wake: Option<u64>,
    /// The number being appended, or none for a read, and how many appends were acknowledged when
    /// the operation began.
    open: Option<(Option<u64>, usize)>,
    next: u64,
}

pub(crate) struct Cluster {
    ids: Vec<NodeId>,
    nodes: Vec<Node>,
    clients: Vec<TestClient>,
    events: BTreeMap<(u64, u64), Event>,
    now: u64,
    count: u64,
    chance: u64,
    faults: Faults,
    cut: BTreeSet<(NodeId, NodeId)>,
    acknowledged: Vec<u64>,
    stopped: bool,
    trace: u64,
    /// How long syncs take on nodes that differ from the others.
    slow: BTreeMap<usize, u64>,
}

impl Cluster {
    pub(crate) fn new(count: u16, seed: u64, faults: Faults) -> Self {
        let ids: Vec<_> = (1..=count).map(NodeId::new).collect();
        let mut cluster = Self {
            nodes: Vec::new(),
            clients: Vec::new(),
            events: BTreeMap::new(),
            now: 0,
            count: 0,
            chance: mix(seed),
            faults,
            cut: BTreeSet::new(),
            acknowledged: Vec::new(),
            stopped: false,
            trace: 0,
            slow: BTreeMap::new(),
            ids,
        };
        for place in 0..cluster.ids.len() {
            let effects = Effects::new(cluster.core_id(place, 0));
            let node = Node {
                replica: None,
                effects,
                incarnation: 0,
                disk: Vec::new(),
                in_flight: Vec::new(),
                timers: BTreeMap::new(),
            };
            cluster.nodes.push(node);
            cluster.start(place);
        }
        for number in 0..4 {
            let client =
                Client::new(cluster.ids.clone(), ClientId::new(number.into()), number << 40);
            let client = TestClient { client, wake: None, open: None, next: number << 32 };
            cluster.clients.push(client);
        }
        cluster
    }

    pub(crate) fn acknowledged(&self) -> usize {
        self.acknowledged.len()
    }

    pub(crate) fn trace(&self) -> u64 {
        self.trace
    }

    /// All nodes begin again with these records on their disks.
    pub(crate) fn preload(&mut self, records: &[Record]) {
        for place in 0..self.nodes.len() {
            let node = &mut self.nodes[place];
            node.disk = records.to_vec();
            node.in_flight.clear();
            node.timers.clear();
            self.start(place);
        }
    }

    /// The syncs of one node take so long after this.
    pub(crate) fn slow_down(&mut self, place: usize, sync_ms: u64) {
        self.slow.insert(place, sync_ms);
    }

    /// Kills a node, which stays away.
    pub(crate) fn kill(&mut self, place: usize) {
        self.crash(place, None);
    }

    /// Starts a node that was killed.
    pub(crate) fn revive(&mut self, place: usize) {
        self.start(place);
    }

    /// Returns the node that leads in the highest ballot.
    pub(crate) fn leader(&self) -> Option<usize> {
        let statuses = self.nodes.iter().enumerate().filter_map(|(place, node)| {
            let leads = node.replica.as_ref()?.status().leads?;
            Some((leads, place))
        });
        statuses.max().map(|(_, place)| place)
    }

    pub(crate) const fn now(&self) -> u64 {
        self.now
    }

    pub(crate) fn stop_clients(&mut self) {
        self.stopped = true;
    }

    pub(crate) fn heal(&mut self) {
        self.cut.clear();
        self.faults = Faults::NONE;
        for place in 0..self.nodes.len() {
            if self.nodes[place].replica.is_none() {
                self.start(place);
            }
        }
    }

    /// Runs for some virtual milliseconds.
    pub(crate) fn run_ms(&mut self, millis: u64) {
        let end = self.now + millis;
        while self.now < end {
            self.now += 1;
            self.break_something();
            self.fire_timers();
            while let Some(entry) = self.events.first_entry()
                && entry.key().0 <= self.now
            {
                let event = entry.remove();
                self.on_event(event);
            }
            self.run_clients();
            self.assert_agreement();
        }
    }

    /// Checks all that was acknowledged against the most advanced state.
    pub(crate) fn check(&self) {
        let list = self.longest();
        let distinct: BTreeSet<_> = list.iter().collect();
        assert_eq!(distinct.len(), list.len(), "a command was applied twice");
        for number in &self.acknowledged {
            assert!(distinct.contains(number), "acknowledged append {number} is lost");
        }
    }

    pub(crate) fn assert_converged(&self) {
        let statuses: Vec<_> =
            self.nodes.iter().flat_map(|node| &node.replica).map(Replica::status).collect();
        assert_eq!(statuses.len(), self.nodes.len());
        for status in &statuses {
            assert_eq!(status.applied, statuses[0].applied, "{statuses:#?}");
            assert_eq!(status.digest, statuses[0].digest, "{statuses:#?}");
        }
    }

    fn longest(&self) -> Vec<u64> {
        let lists = self.nodes.iter().flat_map(|node| &node.replica);
        let lists = lists.map(|replica| replica.executor().machine().list.clone());
        lists.max_by_key(Vec::len).unwrap_or_default()
    }

    fn assert_agreement(&self) {
        let running: Vec<_> = self.nodes.iter().flat_map(|node| &node.replica).collect();
        for pair in running.windows(2) {
            let lists = [pair[0], pair[1]].map(|node| &node.executor().machine().list);
            let len = lists[0].len().min(lists[1].len());
            assert_eq!(lists[0][..len], lists[1][..len], "prefixes differ at {}", self.now);
        }
    }

    fn draw(&mut self, bound: u64) -> u64 {
        self.chance = self.chance.wrapping_add(1);
        mix(self.chance) % bound.max(1)
    }

    fn core_id(&self, place: usize, incarnation: u64) -> CoreId {
        CoreId { node: self.ids[place], incarnation }
    }

    fn start(&mut self, place: usize) {
        let incarnation = self.nodes[place].incarnation + 1;
        let core_id = self.core_id(place, incarnation);
        let voters = Configuration::majority(self.ids.iter().copied()).unwrap();
        let node = &mut self.nodes[place];
        node.incarnation = incarnation;
        node.effects = Effects::new(core_id);
        let mut recovering = Recovering::new(Appender::default());
        for record in node.disk.clone() {
            recovering.on_record(record);
        }
        let config = Config::lan(core_id, voters);
        node.replica = Some(recovering.finish(config, &mut node.effects));
        self.flush(place);
    }

    fn crash(&mut self, place: usize, away_ms: Option<u64>) {
        let survivors = self.draw(4);
        let node = &mut self.nodes[place];
        if node.replica.take().is_none() {
            return;
        }
        // Some of the un-synced records reached the disk all the same, in order.
        let pending: Vec<_> =
            node.in_flight.drain(..).flat_map(|batch| batch.records().to_vec()).collect();
        let kept = pending.len() * usize::try_from(survivors).unwrap() / 3;
        node.disk.extend_from_slice(&pending[..kept.min(pending.len())]);
        node.timers.clear();
        if let Some(away_ms) = away_ms {
            self.schedule(self.now + away_ms, Event::Restart { node: place });
        }
        for client in 0..self.clients.len() {
            let lost = ClientInput::Lost(self.ids[place]);
            self.step_client(client, lost);
        }
    }

    fn break_something(&mut self) {
        if self.faults.crashes && self.draw(700) == 0 {
            let place = self.draw(self.ids.len() as u64);
            let away_ms = 50 + self.draw(800);
            self.crash(usize::try_from(place).unwrap(), Some(away_ms));
        }
        if self.faults.cuts && self.cut.is_empty() && self.draw(900) == 0 {
            let lonely = self.draw(self.ids.len() as u64);
            let lonely = self.ids[usize::try_from(lonely).unwrap()];
            let ways = self.draw(3);
            for other in self.ids.clone() {
                if ways != 1 {
                    self.cut.insert((lonely, other));
                }
                if ways != 0 {
                    self.cut.insert((other, lonely));
                }
            }
            let heal = self.now + 200 + self.draw(1500);
            self.schedule(heal, Event::Heal);
        }
    }

    fn schedule(&mut self, at: u64, event: Event) {
        self.count += 1;
        self.events.insert((at, self.count), event);
    }

    fn fire_timers(&mut self) {
        for place in 0..self.nodes.len() {
            let due = self.nodes[place].timers.iter().find(|(_, at)| **at <= self.now);
            if let Some(timer) = due.map(|(timer, _)| *timer) {
                self.nodes[place].timers.remove(&timer);
                self.step(place, Input::Timer(timer));
            }
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Peer { from, to, bytes } => {
                // The first bytes tell messages apart, and decrees are long.
                let told = &bytes[..bytes.len().min(TRACED_BYTES)];
                self.trace = mix(self.trace ^ fingerprint(told) ^ bytes.len() as u64);
                let place = usize::from(to.number()) - 1;
                let message = decode_message(&bytes).unwrap();
                self.step(place, Input::Message { from, message });
            }
            Event::Request { client, to, request } => {
                let connection = Connection(client as u64);
                let principal = Principal::of_name("tester");
                let place = usize::from(to.number()) - 1;
                self.step(place, Input::Request { connection, principal, request });
            }
            Event::Response { client, from, id, response } => {
                self.step_client(client, ClientInput::Response { from, id, response });
            }
            Event::Synced { node: place, life } => {
                let node = &mut self.nodes[place];
                if node.incarnation == life && node.replica.is_some() {
                    let batch = node.in_flight.remove(0);
                    node.disk.extend_from_slice(batch.records());
                    self.step(place, Input::Synced(batch.confirm_synced()));
                }
            }
            Event::Restart { node } => {
                if self.nodes[node].replica.is_none() {
                    self.start(node);
                }
            }
            Event::Heal => self.cut.clear(),
        }
    }

    fn step(&mut self, place: usize, input: Input) {
        let node = &mut self.nodes[place];
        if let Some(replica) = &mut node.replica {
            replica.step(input, &mut node.effects);
            self.flush(place);
        }
    }

    /// What a driver does after a step: batch, timers, outbox, replies.
    fn flush(&mut self, place: usize) {
        assert_eq!(self.nodes[place].effects.halt(), None);
        if self.nodes[place].in_flight.len() < 2
            && let Some(batch) = self.nodes[place].effects.take_batch()
        {
            self.nodes[place].in_flight.push(batch);
            let last = self.nodes[place].in_flight.len() as u64;
            let sync_ms = self.slow.get(&place).copied().unwrap_or(self.faults.sync_ms);
            let at = self.now + (sync_ms + 1) * last + self.draw(3);
            let life = self.nodes[place].incarnation;
            self.schedule(at, Event::Synced { node: place, life });
        }
        let timers: Vec<_> = self.nodes[place].effects.timers().collect();
        for set in timers {
            let spread = u64::from(set.latest_ms - set.earliest_ms) + 1;
            let at = self.now + u64::from(set.earliest_ms) + self.draw(spread);
            self.nodes[place].timers.insert(set.timer, at);
        }
        let outbox: Vec<_> = self.nodes[place].effects.outbox().collect();
        for (to, message) in outbox {
            self.send(place, to, &message);
        }
        let replies: Vec<_> = self.nodes[place].effects.replies().collect();
        for (connection, id, response) in replies {
            let (client, from) = (usize::try_from(connection.0).unwrap(), self.ids[place]);
            let at = self.now + 1 + self.draw(2);
            self.schedule(at, Event::Response { client, from, id, response });
        }
        let wishes: Vec<_> = self.nodes[place].effects.log_reads().collect();
        for wish in wishes {
            let message = self.nodes[place].read(wish);
            self.send(place, To::Node(wish.to), &message);
        }
    }

    fn send(&mut self, place: usize, to: To, message: &Message) {
        let from = self.ids[place];
        let bytes = encode_message(message);
        for receiver in self.ids.clone() {
            let wanted = to == To::Node(receiver) || (to == To::Peers && receiver != from);
            if !wanted || self.cut.contains(&(from, receiver)) {
                continue;
            }
            if self.draw(100) < self.faults.loss_percent {
                continue;
            }
            let copies = if self.draw(100) < self.faults.double_percent { 2 } else { 1 };
            for _ in 0..copies {
                let at = self.now + 1 + self.draw(self.faults.delay_ms_max);
                let bytes = bytes.clone();
                self.schedule(at, Event::Peer { from, to: receiver, bytes });
            }
        }
    }

    fn run_clients(&mut self) {
        for place in 0..self.clients.len() {
            if self.clients[place].wake.is_some_and(|at| at <= self.now) {
                self.step_client(place, ClientInput::Timer);
            }
            if self.clients[place].open.is_none() && !self.stopped {
                self.submit(place);
            }
        }
    }

    fn submit(&mut self, place: usize) {
        let is_read = self.draw(4) == 0;
        let acknowledged = self.acknowledged.len();
        let client = &mut self.clients[place];
        let (open, operation) = if is_read {
            (None, Operation::Query(Bytes::new()))
        } else {
            client.next += 1;
            let payload = Bytes::copy_from_slice(&client.next.to_le_bytes());
            (Some(client.next), Operation::Command(payload))
        };
        client.open = Some((open, acknowledged));
        let (ticket, deadline) =
            (Ticket(self.now), Millis(self.now + PATIENCE_MS + 20 * self.faults.sync_ms));
        self.step_client(place, ClientInput::Submit { ticket, operation, deadline });
    }

    fn step_client(&mut self, place: usize, input: ClientInput) {
        let mut effects = ClientEffects::default();
        let client = &mut self.clients[place];
        client.client.step(Millis(self.now), input, &mut effects);
        client.wake = effects.wake_at.map(|at| at.0);
        for (_, outcome) in effects.outcomes {
            let (number, before) = self.clients[place].open.take().unwrap();
            self.trace = mix(self.trace ^ before as u64);
            if let Outcome::Ok(reply) = outcome {
                let seen = u64::from_le_bytes(reply[..].try_into().unwrap());
                assert!(seen >= before as u64, "a stale answer at {}: {seen} < {before}", self.now);
                self.acknowledged.extend(number);
            }
        }
        for (to, request) in effects.requests {
            let at = self.now + 1 + self.draw(2);
            self.schedule(at, Event::Request { client: place, to, request });
        }
    }
}

/// How many slots are read back at a time.
const READ_SLOTS_MAX: u64 = 4;

/// How long a client waits for an answer, beside twenty syncs.
const PATIENCE_MS: u64 = 3_000;

/// How much of a message counts for the trace of a run.
const TRACED_BYTES: usize = 1024;
