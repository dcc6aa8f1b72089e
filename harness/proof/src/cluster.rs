//! The cluster as a system of the simulator: machines, clients, and the court over them.
//!
//! It hands every event to whom it is for, and tells peers and clients of a process that is gone
//! what a transport would tell them.

use std::collections::BTreeSet;

use synod_harness::fault::NodeId as Place;
use synod_harness::history::Request;
use synod_harness::sim::{Address, Crash, DiskFault, Micros, Plan, System, Violation};
use synod_paxos::NodeId;
use synod_smr::{Replica, Status};

use crate::clients::{Outcomes, SimClient, name_of};
use crate::court::Court;
use crate::invariants;
use crate::machine::{Machine, Parcel, Sky, Token};
use crate::store::Store;
use crate::tuning::Tuning;

/// A cluster with its clients.
pub struct Cluster {
    machines: Vec<Machine>,
    tuning: Tuning,
    clients: Vec<SimClient>,
    /// Who judges.
    pub court: Court,
    /// How many operations all clients began.
    calls: u64,
    keys: BTreeSet<String>,
}

impl Cluster {
    /// Makes the cluster of a plan, of these bounds, with nothing running.
    ///
    /// # Panics
    ///
    /// Panics if the plan has no node.
    #[must_use]
    pub fn new(plan: &Plan, tuning: Tuning) -> Self {
        let nodes: Vec<NodeId> = (1..=plan.nodes).map(NodeId::new).collect();
        let machine = |node: &NodeId| {
            let seed = plan.seed.0.wrapping_mul(1_000).wrapping_add(u64::from(node.number()));
            Machine::new(*node, &tuning, seed, plan)
        };
        let client = |number| SimClient::new(number, &nodes, plan, tuning.padding_max);
        Self {
            machines: nodes.iter().map(machine).collect(),
            clients: (0..plan.clients).map(client).collect(),
            court: Court::new(&tuning.voters, invariants::is_asked(plan.seed)),
            tuning,
            calls: 0,
            keys: BTreeSet::new(),
        }
    }

    /// Has the story of the run written; to be asked for before any node starts.
    pub fn keep_story(&mut self) {
        self.court.keep_story(&self.tuning);
    }

    /// Lets every client begin its first operation.
    pub fn begin(&mut self, sky: &mut Sky) {
        for number in 0..self.clients.len() {
            self.begin_operation(number, sky);
        }
    }

    /// Counts the nodes.
    #[must_use]
    pub fn size(&self) -> u16 {
        u16::try_from(self.machines.len()).expect("a plan has from one to seven nodes")
    }

    /// Returns the replicas that run.
    pub fn replicas(&self) -> impl Iterator<Item = &Replica<Store>> {
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

    /// Tells whether every client has had an answer to an operation begun since.
    #[must_use]
    pub fn all_answered_since(&self, instant: Micros) -> bool {
        self.clients.iter().all(|client| client.answered().is_some_and(|begun| begun >= instant))
    }

    /// Tells whether any client has had an answer to an operation begun since.
    #[must_use]
    pub fn any_answered_since(&self, instant: Micros) -> bool {
        self.clients.iter().any(|client| client.answered().is_some_and(|begun| begun >= instant))
    }

    /// Lets the clients read every key once, and then stop.
    pub fn read_everything(&mut self, sky: &mut Sky) {
        let count = self.clients.len();
        let mut errands = vec![Vec::new(); count];
        for (number, key) in std::mem::take(&mut self.keys).into_iter().enumerate() {
            errands[number % count].push(Request::Read { key });
        }
        for (number, requests) in errands.into_iter().enumerate() {
            self.clients[number].stop();
            self.clients[number].send_on_errands(requests);
            self.begin_operation(number, sky);
        }
    }

    /// Tells whether no client has anything open or to do.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.clients.iter().all(SimClient::is_done)
    }

    fn begin_operation(&mut self, number: usize, sky: &mut Sky) {
        self.trespass(number, sky);
        if let Some(key) = self.clients[number].begin(self.calls, sky) {
            self.calls += 1;
            self.keys.insert(key);
        }
    }

    /// Lets a client try the session of its neighbour, once in a while.
    fn trespass(&mut self, number: usize, sky: &mut Sky) {
        let neighbour = (number + 1) % self.clients.len();
        // The names are compared and not what is made of them, which is on trial.
        let strangers = name_of(number_of(number)) != name_of(number_of(neighbour));
        if strangers
            && let Some((to, request)) = self.clients[neighbour].sent().cloned()
            && sky.chance().chance(TRESPASS_PPM)
        {
            self.clients[number].trespass(to, request.body, sky);
        }
        if sky.chance().chance(MISUSE_PPM) {
            self.clients[number].misuse(sky);
        }
    }

    fn machine(&mut self, node: Place) -> (&mut Machine, &mut Court) {
        (&mut self.machines[usize::from(node.0) - 1], &mut self.court)
    }

    /// Changes the folder of a node for another one, where all who may hear of it remember enough.
    fn change_folder(&mut self, node: Place, fault: DiskFault, sky: &mut Sky) {
        let mut others = Vec::new();
        let hears = |machine: &&Machine| {
            let place = Place(machine.node().number());
            place != node && !sky.is_ruined(place) && !machine.is_changed()
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
        let (machine, court) = self.machine(node);
        if !sky.is_ruined(node) {
            machine.change_folder(fault, &others, foreign, sky, court);
        }
    }

    /// Returns how many bytes of decrees an answer to a node that lags gathers.
    #[must_use]
    pub const fn fetch_bytes(&self) -> usize {
        self.tuning.settings.replica.fetch_bytes
    }

    /// Takes note that all faults have ended.
    pub fn calm_down(&mut self) {
        self.machines.iter_mut().for_each(Machine::calm_down);
    }

    /// Counts the nodes whose folder is not the one that they had and whom nobody has refused.
    #[must_use]
    pub fn strangers_at_large(&self) -> usize {
        self.machines.iter().filter(|machine| machine.is_at_large()).count()
    }

    /// Tells those who were connected to a process that it is gone, as far as they would learn.
    fn announce_end(&self, node: Place, crash: Crash, sky: &mut Sky) {
        let gone = NodeId::new(node.0);
        for machine in self.machines.iter().filter(|machine| machine.node() != gone) {
            // A killed process closes its sockets; a machine without power just falls silent.
            if crash == Crash::Kill && sky.chance().chance(TOLD_PPM) {
                let length = Micros::from_ms(sky.chance().below(50));
                let peer = Address::Node(Place(machine.node().number()));
                sky.after(peer, Token::LinkDown(gone), length);
            }
        }
        for client in 0..self.clients.len() {
            let most = if crash == Crash::Kill { 50 } else { 3_000 };
            if sky.chance().chance(TOLD_PPM) {
                let length = Micros::from_ms(sky.chance().below(most));
                let client = Address::Client(u32::try_from(client).unwrap_or(0));
                sky.after(client, Token::Lost(gone), length);
            }
        }
    }
}

impl System for Cluster {
    type Message = Parcel;
    type Token = Token;

    fn start(&mut self, node: Place, sky: &mut Sky) {
        let (machine, court) = self.machine(node);
        machine.start(sky, court);
    }

    fn crash(&mut self, node: Place, crash: Crash, sky: &mut Sky) {
        let (machine, court) = self.machine(node);
        machine.crash(crash, sky, court);
        self.announce_end(node, crash, sky);
    }

    fn retire(&mut self, node: Place, sky: &mut Sky) {
        let (machine, court) = self.machine(node);
        machine.retire(sky, court);
    }

    fn disk(&mut self, node: Place, fault: DiskFault, begins: bool, sky: &mut Sky) {
        match (fault, begins) {
            (DiskFault::RolledBack, true) => self.machine(node).0.copy_folder(),
            (DiskFault::RolledBack, false) | (DiskFault::MadeAnew | DiskFault::Foreign, true) => {
                self.change_folder(node, fault, sky);
            }
            (DiskFault::MadeAnew | DiskFault::Foreign, false) => {}
            (
                DiskFault::Slow { .. }
                | DiskFault::Hung
                | DiskFault::Full
                | DiskFault::SyncFails
                | DiskFault::WriteFails
                | DiskFault::ReadFails
                | DiskFault::PowerFailsAt { .. }
                | DiskFault::Rot,
                _,
            ) => {
                let (machine, court) = self.machine(node);
                machine.disk(fault, begins, sky, court);
            }
        }
    }

    fn deliver(&mut self, from: Address, to: Address, parcel: Parcel, sky: &mut Sky) {
        match (from, to) {
            (Address::Node(from), Address::Node(to)) => {
                let (machine, court) = self.machine(to);
                machine.on_frame(NodeId::new(from.0), &parcel, sky, court);
            }
            (Address::Client(from), Address::Node(to)) => {
                let (machine, court) = self.machine(to);
                machine.on_request(from, &parcel, sky, court);
            }
            (Address::Node(from), Address::Client(to)) => {
                let client = &mut self.clients[to as usize];
                client.on_frame(NodeId::new(from.0), &parcel, sky, &mut self.court);
            }
            (Address::Client(_), Address::Client(_)) => {}
        }
    }

    fn wake(&mut self, at: Address, token: Token, sky: &mut Sky) {
        match at {
            Address::Node(node) => {
                let (machine, court) = self.machine(node);
                machine.wake(token, sky, court);
            }
            Address::Client(number) => {
                if self.clients[number as usize].wake(token, sky) {
                    self.begin_operation(number as usize, sky);
                }
            }
        }
    }

    fn judge(&mut self, _: &Sky) -> Result<(), Violation> {
        self.court.objection().map_or(Ok(()), |objection| Err(objection.clone()))
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
