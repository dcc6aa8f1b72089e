//! The cluster as a system of the simulator: machines, clients, and the monitor over them.
//!
//! It hands every event to whom it is for, and tells peers and clients of a process that is gone
//! what a transport would tell them.

use std::collections::BTreeSet;

use synod_fault::{DiskFault, NodeId as Place, Scenario};
use synod_history::Request;
use synod_paxos::NodeId;
use synod_simulator::{Address, Crash, Micros, System, Violation};
use synod_smr::{Replica, Status};

use crate::clients::{Outcomes, SimClient, name_of};
use crate::invariants;
use crate::kv_model::KvModel;
use crate::machine::{Machine, Packet, SimWorld, Wakeup};
use crate::monitor::Monitor;
use crate::trace::RecordedTraces;
use crate::tuning::Tuning;

/// A cluster with its clients.
pub struct Cluster {
    machines: Vec<Machine>,
    tuning: Tuning,
    clients: Vec<SimClient>,
    /// Who judges.
    pub monitor: Monitor,
    /// How many operations all clients began.
    calls: u64,
    keys: BTreeSet<String>,
    /// Whether what happens inside is judged, too.
    inside: bool,
}

impl Cluster {
    /// Makes the cluster of a plan, of these bounds, with nothing running.
    ///
    /// # Panics
    ///
    /// Panics if the plan has no node, or a workload that there is not.
    #[must_use]
    pub fn new(plan: &Scenario, tuning: Tuning) -> Self {
        let nodes: Vec<NodeId> = (1..=plan.nodes).map(NodeId::new).collect();
        let machine = |node: &NodeId| {
            // Plans have far fewer than a thousand nodes, so that no two nodes of neighbouring
            // seeds share one.
            let seed = plan.seed.0.wrapping_mul(1_000).wrapping_add(u64::from(node.number()));
            Machine::new(*node, &tuning, seed, plan)
        };
        let client = |number| {
            let mut client = SimClient::new(number, &nodes, plan, tuning.padding_max);
            // One that may read all, and one that may not.
            if tuning.backups && number < 4 {
                client.make_backups();
            }
            client
        };
        let mut monitor = Monitor::new(&tuning.voters, invariants::is_asked(plan.seed));
        monitor.chosen.is_asked = tuning.backups;
        Self {
            machines: nodes.iter().map(machine).collect(),
            clients: (0..plan.clients).map(client).collect(),
            monitor,
            tuning,
            calls: 0,
            keys: BTreeSet::new(),
            inside: true,
        }
    }

    /// Leaves the judgement to what shows outside: answers, and states in the end.
    pub fn judge_outside_alone(&mut self) {
        self.inside = false;
    }

    /// Has what the nodes do written down as they would; to be asked for before any node starts.
    pub fn record_traces(&mut self) {
        self.monitor.traces = Some(RecordedTraces::new(self.tuning.voters.voters()));
    }

    /// Has the transcript of the run written; to be asked for before any node starts.
    pub fn keep_transcript(&mut self) {
        self.monitor.keep_transcript(&self.tuning);
    }

    /// Lets every client begin its first operation.
    pub fn begin(&mut self, world: &mut SimWorld) {
        for number in 0..self.clients.len() {
            self.clients[number].await_denials(world);
            self.clients[number].await_backup(world);
            self.begin_operation(number, world);
        }
    }

    /// Counts the nodes.
    #[must_use]
    pub fn size(&self) -> u16 {
        u16::try_from(self.machines.len()).expect("a plan has few nodes")
    }

    /// Returns the replicas that run.
    pub fn replicas(&self) -> impl Iterator<Item = &Replica<KvModel>> {
        self.machines.iter().filter_map(Machine::replica)
    }

    /// Returns how every replica that runs is doing.
    #[must_use]
    pub fn statuses(&self) -> Vec<Status> {
        self.replicas().map(Replica::status).collect()
    }

    /// Returns how the operations of all clients ended.
    #[must_use]
    pub fn outcomes(&self) -> Outcomes {
        let mut sum = Outcomes::default();
        self.clients.iter().for_each(|client| sum.add(&client.outcomes));
        sum
    }

    /// Returns the clients.
    #[must_use]
    pub fn clients(&self) -> &[SimClient] {
        &self.clients
    }

    /// Tells whether every client has had an answer to an operation begun since. One that asks a
    /// node alone which does not lead has none to expect, and has to hear that from its node; and
    /// of one whose node will never serve again nothing is asked.
    #[must_use]
    pub fn all_served_since(&self, instant: Micros, world: &SimWorld) -> bool {
        let leader = self.leader();
        let is_gone = |node: Place| {
            world.is_ruined(node) || self.machines[usize::from(node.0) - 1].is_changed()
        };
        let expects_none = |client: &SimClient, node: Place| {
            is_gone(node) || (leader != Some(node) && client.was_told_since(instant))
        };
        self.clients.iter().all(|client| {
            let pin = client.pin().map(|node| Place(node.number()));
            client.served().any_since(instant) || pin.is_some_and(|pin| expects_none(client, pin))
        })
    }

    /// Tells whether any client may ask whoever leads, and waits so long for an answer.
    #[must_use]
    pub fn any_is_free(&self, patience_ms: u64) -> bool {
        self.free(patience_ms).next().is_some()
    }

    fn free(&self, patience_ms: u64) -> impl Iterator<Item = &SimClient> {
        let is_free = move |client: &&SimClient| {
            client.pin().is_none() && client.patience_ms() >= patience_ms
        };
        self.clients.iter().filter(is_free)
    }

    /// Tells whether any client asks one node alone.
    #[must_use]
    pub fn any_is_pinned(&self) -> bool {
        self.clients.iter().any(|client| client.pin().is_some())
    }

    /// Tells whether any client has had an answer to an operation begun since.
    #[must_use]
    pub fn any_answered_since(&self, instant: Micros) -> bool {
        self.clients.iter().any(|client| client.served().any_since(instant))
    }

    /// Tells whether any client has wanted to write since, or for longer, and none has had a write
    /// answered that was begun since. Whoever asks one node alone may wait there for as long as
    /// another leads, and whoever does not wait for so long may have no answer ever.
    #[must_use]
    pub fn writers_wait_since(&self, instant: Micros, patience_ms: u64) -> bool {
        let mut free = self.free(patience_ms).map(SimClient::served);
        free.any(|served| served.waits_to_write(instant))
            && !self.clients.iter().any(|client| client.served().writes_since(instant))
    }

    /// Lets the clients read every key once, of whoever leads, and then stop.
    pub fn read_everything(&mut self, world: &mut SimWorld) {
        let count = self.clients.len();
        let mut errands = vec![Vec::new(); count];
        for (number, key) in std::mem::take(&mut self.keys).into_iter().enumerate() {
            errands[number % count].push(Request::Read { key });
        }
        for (number, requests) in errands.into_iter().enumerate() {
            self.clients[number].stop();
            self.clients[number].send_on_errands(requests);
            // A client with an operation open begins nothing here: it comes to its errands once
            // that ends.
            self.begin_operation(number, world);
        }
    }

    /// Tells whether no client has anything open or to do.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.clients.iter().all(SimClient::is_done)
    }

    fn begin_operation(&mut self, number: usize, world: &mut SimWorld) {
        self.trespass(number, world);
        if let Some(key) = self.clients[number].begin(self.calls, world, &mut self.monitor) {
            self.calls += 1;
            self.keys.insert(key);
        }
    }

    /// Lets a client try the session of its neighbour, once in a while.
    fn trespass(&mut self, number: usize, world: &mut SimWorld) {
        // A single client is its own neighbour, shows the same name, and so tries nothing.
        let neighbour = (number + 1) % self.clients.len();
        // The names are compared and not what is made of them, which is on trial.
        let strangers = name_of(number_of(number)) != name_of(number_of(neighbour));
        if strangers
            && let Some((to, request)) = self.clients[neighbour].sent().cloned()
            && world.chance().chance(TRESPASS_PPM)
            && self.clients[number].pin().is_none_or(|pin| pin == to)
        {
            self.clients[number].trespass(to, request.body, world);
        }
        if world.chance().chance(MISUSE_PPM) {
            self.clients[number].misuse(world);
        }
    }

    fn machine(&mut self, node: Place) -> (&mut Machine, &mut Monitor) {
        (&mut self.machines[usize::from(node.0) - 1], &mut self.monitor)
    }

    /// Changes the folder of a node for another one, where all who may hear of it remember enough.
    fn change_folder(&mut self, node: Place, fault: DiskFault, world: &mut SimWorld) {
        let mut others = Vec::new();
        let hears = |machine: &&Machine| {
            let place = Place(machine.node().number());
            place != node && !world.is_ruined(place) && !machine.is_changed()
        };
        for other in self.machines.iter().filter(hears) {
            match other.contents() {
                Some(contents) => others.push(contents),
                // What cannot be read may be read later: who knows what it remembers.
                None => return,
            }
        }
        let next = usize::from(node.0) % self.machines.len();
        let foreign = Some(self.machines[next].folder());
        let (machine, monitor) = self.machine(node);
        if !world.is_ruined(node) {
            machine.change_folder(fault, &others, foreign, world, monitor);
        }
    }

    /// Returns how many bytes of decrees an answer to a node that lags gathers.
    #[must_use]
    pub const fn fetch_bytes(&self) -> usize {
        self.tuning.settings.replica.fetch_bytes
    }

    /// Takes note that all faults have ended: from here on clients wait so long for an answer, at
    /// least.
    pub fn calm_down(&mut self, world: &mut SimWorld, patience_ms: u64) {
        self.machines.iter_mut().for_each(Machine::calm_down);
        for client in &mut self.clients {
            client.calm_down(world, &mut self.monitor);
            client.wait_at_least(patience_ms);
        }
    }

    /// Counts the nodes whose folder is not the one that they had and whom nobody has refused.
    #[must_use]
    pub fn strangers_at_large(&self) -> usize {
        self.machines.iter().filter(|machine| machine.is_at_large()).count()
    }

    /// Tells those who were connected to a process that it is gone, as far as they would learn.
    fn announce_end(&self, node: Place, crash: Crash, world: &mut SimWorld) {
        let gone = NodeId::new(node.0);
        for machine in self.machines.iter().filter(|machine| machine.node() != gone) {
            // A killed process closes its sockets; a machine without power just falls silent.
            if crash == Crash::Kill && world.chance().chance(TOLD_PPM) {
                let length = Micros::from_ms(world.chance().below(50));
                let peer = Address::Node(Place(machine.node().number()));
                world.after(peer, Wakeup::LinkDown(gone), length);
            }
        }
        for client in 0..self.clients.len() {
            let most = if crash == Crash::Kill { 50 } else { 3_000 };
            if world.chance().chance(TOLD_PPM) {
                let length = Micros::from_ms(world.chance().below(most));
                let client = Address::Client(u32::try_from(client).unwrap_or(0));
                world.after(client, Wakeup::Lost(gone), length);
            }
        }
    }
}

impl System for Cluster {
    type Message = Packet;
    type Wakeup = Wakeup;

    fn start(&mut self, node: Place, world: &mut SimWorld) {
        let (machine, monitor) = self.machine(node);
        machine.start(world, monitor);
    }

    fn crash(&mut self, node: Place, crash: Crash, world: &mut SimWorld) {
        let (machine, monitor) = self.machine(node);
        machine.crash(crash, world, monitor);
        self.announce_end(node, crash, world);
    }

    /// Of two that lead, the one in the higher ballot is the leader.
    fn leader(&self) -> Option<Place> {
        let leads = |status: Status| status.leads.map(|ballot| (ballot, status.node));
        let leader = self.statuses().into_iter().filter_map(leads).max();
        leader.map(|(_, node)| Place(node.number()))
    }

    fn retire(&mut self, node: Place, world: &mut SimWorld) {
        let (machine, monitor) = self.machine(node);
        machine.retire(world, monitor);
    }

    fn disk(&mut self, node: Place, fault: DiskFault, begins: bool, world: &mut SimWorld) {
        match (fault, begins) {
            // The copy is taken when the fault begins and put in place when it ends: what was
            // written in between is what the node loses.
            (DiskFault::RolledBack, true) => self.machine(node).0.copy_folder(),
            (DiskFault::RolledBack, false) | (DiskFault::MadeAnew | DiskFault::Foreign, true) => {
                self.change_folder(node, fault, world);
            }
            // Both are done at once, and leave nothing to end.
            (DiskFault::MadeAnew | DiskFault::Foreign, false) => {}
            (
                DiskFault::Slow { .. }
                | DiskFault::Hung
                | DiskFault::Full
                | DiskFault::SyncFails
                | DiskFault::WriteFails
                | DiskFault::ReadFails
                | DiskFault::ShortWrites
                | DiskFault::PowerFailsAt { .. }
                | DiskFault::Rot,
                _,
            ) => {
                let (machine, monitor) = self.machine(node);
                machine.disk(fault, begins, world, monitor);
            }
        }
    }

    fn deliver(&mut self, from: Address, to: Address, packet: Packet, world: &mut SimWorld) {
        match (from, to) {
            (Address::Node(from), Address::Node(to)) => {
                let (machine, monitor) = self.machine(to);
                machine.on_frame(NodeId::new(from.0), packet, world, monitor);
            }
            (Address::Client(from), Address::Node(to)) => {
                // What was on its way when the connection broke is lost, in either direction.
                if self.clients[from as usize].is_denied_by(NodeId::new(to.0)) {
                    return;
                }
                let (machine, monitor) = self.machine(to);
                machine.on_request(from, &packet, world, monitor);
            }
            (Address::Node(from), Address::Client(to)) => {
                let client = &mut self.clients[to as usize];
                if client.is_denied_by(NodeId::new(from.0)) {
                    return;
                }
                client.on_frame(NodeId::new(from.0), &packet, world, &mut self.monitor);
            }
            // Clients know the addresses of nodes alone: the type allows this, and nobody sends it.
            (Address::Client(_), Address::Client(_)) => {}
        }
    }

    fn wake(&mut self, at: Address, wakeup: Wakeup, world: &mut SimWorld) {
        match at {
            Address::Node(node) => {
                let (machine, monitor) = self.machine(node);
                machine.wake(wakeup, world, monitor);
            }
            Address::Client(number) => {
                let client = &mut self.clients[number as usize];
                let begins = client.wake(wakeup, world, &mut self.monitor);
                if let Wakeup::Access { node, is_denied: true } = wakeup
                    && client.is_denied_by(node)
                {
                    let (machine, monitor) = self.machine(Place(node.number()));
                    machine.turn_away(number, world, monitor);
                }
                if begins {
                    self.begin_operation(number as usize, world);
                }
            }
        }
    }

    fn judge(&mut self, _: &SimWorld) -> Result<(), Violation> {
        let violation = self.monitor.violation().filter(|_| self.inside);
        violation.map_or(Ok(()), |violation| Err(violation.clone()))
    }
}

fn number_of(client: usize) -> u32 {
    u32::try_from(client).expect("a plan has few clients")
}

/// How often a client that begins an operation tries another's session first.
const TRESPASS_PPM: u32 = 20_000;

/// How often a client that begins an operation misuses its session first.
const MISUSE_PPM: u32 = 10_000;

/// How often somebody is told that a process is gone, and does not have to find out.
const TOLD_PPM: u32 = 500_000;
