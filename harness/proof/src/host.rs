//! One simulated machine: its disk, and the process that runs on it or does not.
//!
//! The process is the real replica with its effects, driven by the same three verbs as in
//! production: step, take a batch, empty the outbox. After every step it flushes, which is the
//! finest grain that a real node can have. What a step was and did goes to the court.

mod faults;
mod flush;

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use synod_harness::fault::NodeId as Place;
use synod_harness::sim::{Address, Crash, DiskFault, Micros, World};
use synod_journal::{OpenError, SimDisk};
use synod_paxos::{Brand, Configuration, NodeId};
use synod_smr::wire::client::decode_request;
use synod_smr::wire::peer::decode_message;
use synod_smr::{Config, Connection, Effects, Input, Recovering, Replica, Timer};

use crate::clients::principal_of;
use crate::court::Court;
use crate::sometimes::{End, Point};
use crate::step::{Cause, Kind, Stance, Wanted};
use crate::storage::{Storage, StorageError, Unsynced, Vouched};
use crate::store::Store;
use faults::is_failure;

/// What travels: bytes as the wire has them, and from which life of their sender they come.
#[derive(Clone, Debug)]
pub struct Parcel {
    /// The life of the sender; 0 for clients.
    pub life: u64,
    /// Under which number the story knows it; 0 if it does not.
    pub number: u64,
    /// The frame.
    pub bytes: Bytes,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// A timer of a replica, as it was set the so-many-th time.
    Timer(Timer, u64),
    /// The end of a sync.
    Synced,
    /// A node learns that its link to another one is gone.
    LinkDown(NodeId),
    /// A client wakes up.
    Client(u64),
    /// A client learns that its connection to a node is gone.
    Lost(NodeId),
    /// A client's rest is over.
    Rested,
}

/// The world of the nodes.
pub type Sky = World<Parcel, Token>;

/// One machine.
pub struct Host {
    node: NodeId,
    nodes: Vec<NodeId>,
    disk: SimDisk,
    process: Option<Process>,
    vouched: Vouched,
    sync_us: u64,
    slow_ms: u64,
    hung: bool,
    full: bool,
    /// A sync whose end was put off because the disk hangs.
    stuck: bool,
    /// The power fails within the next operations.
    failing: bool,
    rotten: bool,
    /// Whether an injected failure has yet to strike.
    injected: bool,
}

/// One life of the node on it.
struct Process {
    replica: Replica<Store>,
    effects: Effects,
    storage: Storage,
    timers: BTreeMap<Timer, u64>,
    timers_set: u64,
    /// The latest life heard of each peer.
    lives: BTreeMap<NodeId, u64>,
    retiring: bool,
}

impl Host {
    /// Makes a machine with an empty disk.
    #[must_use]
    pub fn new(node: NodeId, nodes: &[NodeId], seed: u64, sync_us: u64) -> Self {
        Self {
            node,
            nodes: nodes.to_vec(),
            disk: SimDisk::new(seed),
            process: None,
            vouched: Vouched::default(),
            sync_us,
            slow_ms: 0,
            hung: false,
            full: false,
            stuck: false,
            failing: false,
            rotten: false,
            injected: false,
        }
    }

    /// Returns whose machine it is.
    #[must_use]
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// Returns the replica, while its process runs.
    #[must_use]
    pub fn replica(&self) -> Option<&Replica<Store>> {
        self.process.as_ref().map(|process| &process.replica)
    }

    /// Starts the process: recovery, then its first step.
    pub fn start(&mut self, sky: &mut Sky, court: &mut Court) {
        let (storage, found) = match Storage::open(&self.disk, &mut self.vouched) {
            Ok(opened) => opened,
            Err(error) => return self.refuse(&error, sky, court),
        };
        let brand = Brand { node: self.node, incarnation: storage.incarnation() };
        sky.say(|| {
            let (count, synced) = (found.records.len(), found.vouched);
            format!(
                "node {} begins life {} with {count} records, {synced} of them synced",
                self.node, brand.incarnation
            )
        });
        sky.note(mix_found(found.records.len(), found.cut_bytes));
        court.on_recovery(self.node, &found);
        let mut recovering = Recovering::new(Store::default());
        for record in found.records {
            recovering.on_record(record);
        }
        let voters = Configuration::majority(self.nodes.iter().copied());
        let voters = voters.expect("a plan has from one to seven nodes");
        let mut effects = Effects::new(brand);
        let replica = recovering.finish(Config::lan(brand, voters), &mut effects);
        let before = Stance::of(&replica);
        self.process = Some(Process {
            replica,
            effects,
            storage,
            timers: BTreeMap::new(),
            timers_set: 0,
            lives: BTreeMap::new(),
            retiring: false,
        });
        self.flush(Cause::Start, before, &[], sky, court);
    }

    /// Ends the process without a word.
    pub fn crash(&mut self, crash: Crash, sky: &mut Sky, court: &mut Court) {
        sky.say(|| format!("node {} is gone: {crash:?}", self.node));
        self.end(End::Crash, sky, court);
        self.stuck = false;
        self.leave_disk(crash, sky);
    }

    /// Asks the process to hand over and end.
    pub fn retire(&mut self, sky: &mut Sky, court: &mut Court) {
        if let Some(process) = &mut self.process {
            process.retiring = true;
        }
        self.step(Input::Drain, Cause::Drain, &[], sky, court);
    }

    /// Takes a frame of a peer.
    pub fn on_frame(&mut self, from: NodeId, parcel: &Parcel, sky: &mut Sky, court: &mut Court) {
        self.look_at_room(sky, court);
        let Some(process) = &mut self.process else { return };
        let known = process.lives.entry(from).or_insert(parcel.life);
        if *known > parcel.life {
            court.lookout.see(Point::FrameOfPastLife);
        }
        if *known < parcel.life {
            *known = parcel.life;
            self.step(Input::LinkDown(from), Cause::LinkDown(from), &[], sky, court);
        }
        match decode_message(&parcel.bytes) {
            Ok(message) => {
                court.on_arrival(parcel.number);
                let cause = Cause::Message(from, Kind::of(&message));
                self.step(Input::Message { from, message }, cause, &[], sky, court);
            }
            Err(error) => court.object("wire", format!("a frame of node {from}: {error}")),
        }
    }

    /// Takes a frame of a client.
    pub fn on_request(&mut self, client: u32, parcel: &Parcel, sky: &mut Sky, court: &mut Court) {
        self.look_at_room(sky, court);
        match decode_request(&parcel.bytes) {
            Ok(request) => {
                let connection = Connection(u64::from(client));
                let cause = Cause::Request(Wanted::of(&request.body), connection, request.id);
                let principal = principal_of(client);
                let input = Input::Request { connection, principal, request };
                self.step(input, cause, &[], sky, court);
            }
            Err(error) => court.object("wire", format!("a frame of client {client}: {error}")),
        }
    }

    /// Takes what was waited for.
    pub fn wake(&mut self, token: Token, sky: &mut Sky, court: &mut Court) {
        match token {
            Token::Timer(timer, number) => {
                let Some(process) = &mut self.process else { return };
                if process.timers.get(&timer) == Some(&number) {
                    process.timers.remove(&timer);
                    if let Err(error) = process.storage.prepare() {
                        return self.die(&error, sky, court);
                    }
                    self.look_at_room(sky, court);
                    self.step(Input::Timer(timer), Cause::Timer(timer), &[], sky, court);
                }
            }
            Token::Synced if self.hung => {
                sky.felt_disk(self.place(), |fault| fault == DiskFault::Hung);
                court.lookout.on_hang(self.node);
                self.stuck = true;
            }
            Token::Synced => self.on_synced(sky, court),
            Token::LinkDown(peer) => {
                self.step(Input::LinkDown(peer), Cause::LinkDown(peer), &[], sky, court);
            }
            Token::Client(_) | Token::Lost(_) | Token::Rested => {}
        }
    }

    fn on_synced(&mut self, sky: &mut Sky, court: &mut Court) {
        let Some(process) = &mut self.process else { return };
        let synced = process.storage.synced(&mut self.vouched);
        match synced {
            Ok(Some((records, proof, more))) => {
                if more {
                    self.begin_sync(sky);
                }
                self.step(Input::Synced(proof), Cause::Synced, &records, sky, court);
                self.seal_if_idle(sky, court);
            }
            Ok(None) => {}
            Err(error) => self.die(&error, sky, court),
        }
    }

    /// An idle journal is sealed from time to time.
    fn seal_if_idle(&mut self, sky: &mut Sky, court: &mut Court) {
        let Some(process) = &mut self.process else { return };
        if process.storage.is_idle()
            && sky.chance().chance(SEALED_PPM)
            && let Err(error) = process.storage.seal()
        {
            self.die(&error, sky, court);
        }
    }

    fn look_at_room(&mut self, sky: &mut Sky, court: &mut Court) {
        let Some(process) = &mut self.process else { return };
        if let Some(disk) = process.storage.look_at_room() {
            if disk == synod_smr::Disk::Full {
                sky.felt_disk(self.place(), |fault| fault == DiskFault::Full);
            }
            self.step(Input::Disk(disk), Cause::Disk(disk), &[], sky, court);
        }
    }

    fn step(
        &mut self,
        input: Input,
        cause: Cause,
        durable: &[synod_smr::Record],
        sky: &mut Sky,
        court: &mut Court,
    ) {
        let Some(process) = &mut self.process else { return };
        let before = Stance::of(&process.replica);
        let step = || process.replica.step(input, &mut process.effects);
        if let Err(panic) = catch_unwind(AssertUnwindSafe(step)) {
            // An assertion of the core is a verdict, and the run is over.
            court.on_panic(self.node, cause, &words_of(&*panic));
            self.process = None;
            return;
        }
        self.flush(cause, before, durable, sky, court);
    }

    /// The process ends because its disk failed; what the page cache holds depends on why.
    fn die(&mut self, error: &StorageError, sky: &mut Sky, court: &mut Court) {
        if let StorageError::Untrue(reason) = error {
            court.object("journal-truth", format!("node {}: {reason}", self.node));
        }
        sky.say(|| format!("node {} ends: {error}", self.node));
        sky.felt_disk(self.place(), is_failure);
        self.end(end_of(error), sky, court);
        if self.failing {
            court.lookout.see(Point::PowerFailedMidway);
        }
        self.stuck = false;
        let crash = if self.failing { Crash::Power } else { Crash::Kill };
        self.leave_disk(crash, sky);
        let comeback = Micros::from_ms(sky.chance().between(50, 1_500));
        sky.ended(self.place(), Some(comeback));
    }

    /// A process that cannot recover: its disk is damaged for good, or fails at the moment.
    fn refuse(&mut self, error: &StorageError, sky: &mut Sky, court: &mut Court) {
        let damaged = match error {
            StorageError::Open(OpenError::Damaged(_)) => true,
            StorageError::Open(_)
            | StorageError::Append(_)
            | StorageError::Sync(_)
            | StorageError::Untrue(_) => false,
        };
        if !damaged {
            return self.die(error, sky, court);
        }
        if !self.rotten {
            court.object("journal-truth", format!("node {}: {error}", self.node));
        }
        sky.say(|| format!("node {} refuses to start: {error}", self.node));
        sky.felt_disk(self.place(), |fault| fault == DiskFault::Rot);
        self.end(End::Ruined, sky, court);
        sky.ruined(self.place());
    }

    /// Takes the process out, and has the lookout see how it ended.
    fn end(&mut self, end: End, sky: &Sky, court: &mut Court) -> Option<Process> {
        let process = self.process.take();
        let storage = process.as_ref().map(|process| &process.storage);
        let unsynced = storage.map_or_else(Unsynced::default, Storage::unsynced);
        if storage.is_some_and(Storage::has_turned) {
            court.lookout.see(Point::SegmentTurned);
        }
        court.lookout.on_end(self.node, end, &unsynced, sky.now());
        process
    }

    fn place(&self) -> Place {
        Place(self.node.number())
    }

    fn address(&self) -> Address {
        Address::Node(self.place())
    }
}

fn words_of(panic: &dyn Any) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}

fn end_of(error: &StorageError) -> End {
    match error {
        StorageError::Open(_) => End::OpenError,
        StorageError::Append(_) => End::WriteError,
        StorageError::Sync(_) | StorageError::Untrue(_) => End::SyncError,
    }
}

fn mix_found(records: usize, cut_bytes: u64) -> u64 {
    synod_smr::command::mix(records as u64 ^ (cut_bytes << 32))
}

/// How often an idle journal is sealed after a sync.
const SEALED_PPM: u32 = 50_000;
