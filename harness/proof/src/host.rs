//! One simulated machine: its disk, and the process that runs on it or does not.
//!
//! The process is the real replica with its effects, driven by the same three verbs as in
//! production: step, take a batch, empty the outbox. After every step it flushes, which is the
//! finest grain that a real node can have. What a step was and did goes to the court.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use synod_harness::fault::NodeId as Place;
use synod_harness::random::Random;
use synod_harness::sim::{Address, Crash, DiskFault, Micros, World};
use synod_journal::{Failure, Fault, OpenError, Operation, SimDisk, Times};
use synod_paxos::{Brand, Configuration, NodeId, To};
use synod_smr::wire::client::{decode_request, encode_response};
use synod_smr::wire::peer::{decode_message, encode_message};
use synod_smr::{
    Config, Connection, Effects, Input, Message, Principal, Recovering, Replica, Timer,
};

use crate::court::Court;
use crate::sometimes::{End, Point};
use crate::step::{Cause, Kind, Stance, Step, Wanted};
use crate::storage::{Storage, StorageError, Unsynced, Vouched};
use crate::store::Store;

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

    /// Lets the disk begin or cease to misbehave.
    pub fn disk(&mut self, fault: DiskFault, begins: bool, sky: &mut Sky, court: &mut Court) {
        match fault {
            DiskFault::Slow { ms } => self.slow_ms = if begins { ms.0 } else { 0 },
            DiskFault::Hung => {
                self.hung = begins;
                if !begins && std::mem::take(&mut self.stuck) {
                    court.lookout.see(Point::HungSyncEnded);
                    sky.after(self.address(), Token::Synced, Micros(1));
                }
            }
            DiskFault::Full => {
                self.full = begins;
                self.disk.set_capacity(begins.then_some(0));
            }
            DiskFault::SyncFails => self.inject(Operation::Sync, begins),
            DiskFault::WriteFails => self.inject(Operation::Write, begins),
            DiskFault::ReadFails => self.inject(Operation::Read, begins),
            DiskFault::PowerFailsAt { operations } => {
                if begins && self.process.is_some() {
                    self.failing = true;
                    self.disk.halt_after(operations);
                } else if !begins && self.failing {
                    // The operations never came: the power stays on.
                    self.disk.halt_after(u64::MAX / 2);
                    self.failing = false;
                }
            }
            DiskFault::Rot => {
                if begins && !self.rotten {
                    self.rot(sky);
                }
            }
        }
        self.look_at_room(sky, court);
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
                let principal = Principal::of_name("client");
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

    /// Carries out what a step brought about, and shows it to the court.
    fn flush(
        &mut self,
        cause: Cause,
        before: Stance,
        durable: &[synod_smr::Record],
        sky: &mut Sky,
        court: &mut Court,
    ) {
        let Some(process) = &mut self.process else { return };
        sky.count_step();
        let batch = if process.storage.has_place() { process.effects.take_batch() } else { None };
        let sent: Vec<(To, Message)> = process.effects.outbox().collect();
        let replies: Vec<_> = process.effects.replies().collect();
        let step = Step {
            now: sky.now(),
            node: self.node,
            life: process.storage.incarnation(),
            cause,
            before,
            after: Stance::of(&process.replica),
            replica: &process.replica,
            durable,
            records: batch.as_ref().map_or(&[], |batch| batch.records()),
            sent: &sent,
            replies: &replies,
        };
        court.on_step(&step, sky);
        if let Some(reason) = process.effects.halt() {
            court.object("halt", format!("node {} halts: {reason}", self.node));
        }
        self.set_timers(sky);
        self.answer(&replies, sky);
        self.send_all(&sent, sky, court);
        self.read_log(sky, court);
        if let Some(batch) = batch {
            self.write(batch, sky, court);
        }
        self.end_if_retired(sky, court);
    }

    fn write(&mut self, batch: synod_smr::Batch, sky: &mut Sky, court: &mut Court) {
        let Some(process) = &mut self.process else { return };
        match process.storage.write(batch, &mut self.vouched) {
            Ok(true) => self.begin_sync(sky),
            Ok(false) => court.lookout.see(Point::BatchWaiting),
            Err(error) => self.die(&error, sky, court),
        }
    }

    fn begin_sync(&self, sky: &mut Sky) {
        let slow = sky.chance().below(self.slow_ms * 1_000 + 1);
        if slow > 0 {
            sky.felt_disk(self.place(), |fault| matches!(fault, DiskFault::Slow { .. }));
        }
        let length = Micros(sky.chance().between(SYNC_US_MIN, SYNC_US_MIN + self.sync_us) + slow);
        sky.after(self.address(), Token::Synced, length);
    }

    fn set_timers(&mut self, sky: &mut Sky) {
        let address = self.address();
        let Some(process) = &mut self.process else { return };
        for set in process.effects.timers() {
            let (soonest, latest) = (u64::from(set.earliest_ms), u64::from(set.latest_ms));
            let length = sky.chance().between(soonest * 1_000, latest * 1_000);
            process.timers_set += 1;
            process.timers.insert(set.timer, process.timers_set);
            sky.set_timer(address, Token::Timer(set.timer, process.timers_set), Micros(length));
        }
    }

    fn answer(
        &self,
        replies: &[(Connection, synod_smr::RequestId, synod_smr::Response)],
        sky: &mut Sky,
    ) {
        for (connection, id, response) in replies {
            let bytes = encode_response(*id, response);
            let client = u32::try_from(connection.0).expect("connections are clients' numbers");
            let length = bytes.len();
            let parcel = Parcel { life: 0, number: 0, bytes };
            sky.send(self.address(), Address::Client(client), parcel, length);
        }
    }

    fn send_all(&self, sent: &[(To, Message)], sky: &mut Sky, court: &mut Court) {
        let Some(process) = &self.process else { return };
        let life = process.storage.incarnation();
        for (to, message) in sent {
            let bytes = encode_message(message);
            let receivers = match to {
                To::Node(node) => std::slice::from_ref(node),
                To::Peers => &self.nodes[..],
            };
            for receiver in receivers.iter().filter(|receiver| **receiver != self.node) {
                let number = court.on_parcel(self.node, *receiver, message);
                let parcel = Parcel { life, number, bytes: bytes.clone() };
                let to = Address::Node(Place(receiver.number()));
                sky.send(self.address(), to, parcel, bytes.len());
            }
        }
    }

    fn read_log(&mut self, sky: &mut Sky, court: &mut Court) {
        let Some(process) = &mut self.process else { return };
        let wishes: Vec<_> = process.effects.log_reads().collect();
        let mut found = Vec::new();
        for wish in wishes {
            found.extend(process.storage.read(wish).map(|message| (To::Node(wish.to), message)));
        }
        self.send_all(&found, sky, court);
    }

    /// A node that was asked to end does so once it has handed over.
    fn end_if_retired(&mut self, sky: &mut Sky, court: &mut Court) {
        let done = self.process.as_ref().is_some_and(|process| {
            process.retiring && process.replica.is_drained() && process.storage.is_idle()
        });
        if done && let Some(process) = self.end(End::Retired, sky, court) {
            sky.say(|| format!("node {} ends as it was asked to", self.node));
            sky.felt_retirement(self.place());
            // A disk that fails here fails a process that is about to end anyway.
            let _ = process.storage.close();
            self.leave_disk(Crash::Kill, sky);
            let comeback = Micros::from_ms(sky.chance().between(50, 1_000));
            sky.ended(self.place(), Some(comeback));
        }
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

    fn leave_disk(&mut self, crash: Crash, sky: &mut Sky) {
        self.disk = match crash {
            Crash::Kill => self.disk.kill(),
            Crash::Power => {
                // All is lost, all is kept, or every sector for itself.
                let mood = sky.chance().below(4);
                self.disk.crash(|choice| choose(mood, choice.options, sky.chance()))
            }
        };
        self.disk.set_capacity(self.full.then_some(0));
        self.failing = false;
        self.injected = false;
    }

    fn inject(&mut self, operation: Operation, begins: bool) {
        if begins && self.process.is_some() {
            self.injected = true;
            let times = Times::Once;
            self.disk.inject(Fault { operation, after: 0, times, failure: Failure::Io });
        } else if !begins && std::mem::take(&mut self.injected) {
            self.disk.clear_faults();
        }
    }

    /// Flips a bit of a segment that was completed before the present one.
    fn rot(&mut self, sky: &mut Sky) {
        let journal = std::path::Path::new("journal");
        let names = synod_journal::Disk::list(&self.disk, journal).unwrap_or_default();
        let mut segments: Vec<String> = names.into_iter().filter(|name| is_segment(name)).collect();
        segments.sort_unstable();
        // The last two are the active segment and the one that is made ahead of it.
        let old = segments.len().saturating_sub(2);
        let Some(name) = sky.chance().pick(&segments[..old]).cloned() else { return };
        let draw = sky.chance().next_u64();
        self.rotten = true;
        self.disk.tamper(&journal.join(name), |bytes| {
            // The last pages of a segment may be unused: what is flipped lies in the first half.
            let place = usize::try_from(draw % (bytes.len() as u64 / 2).max(1)).unwrap_or(0);
            if let Some(byte) = bytes.get_mut(place) {
                *byte ^= 1 << (draw >> 61);
            }
        });
        sky.felt_disk(self.place(), |fault| fault == DiskFault::Rot);
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

fn is_segment(name: &str) -> bool {
    name.starts_with("segment-") && name.ends_with(".log")
}

fn end_of(error: &StorageError) -> End {
    match error {
        StorageError::Open(_) => End::OpenError,
        StorageError::Append(_) => End::WriteError,
        StorageError::Sync(_) | StorageError::Untrue(_) => End::SyncError,
    }
}

fn is_failure(fault: DiskFault) -> bool {
    match fault {
        DiskFault::SyncFails
        | DiskFault::WriteFails
        | DiskFault::ReadFails
        | DiskFault::PowerFailsAt { .. } => true,
        DiskFault::Slow { .. } | DiskFault::Hung | DiskFault::Full | DiskFault::Rot => false,
    }
}

/// Picks what became of one un-synced thing when the power failed.
fn choose(mood: u64, options: usize, chance: &mut Random) -> usize {
    match mood {
        0 => 0,
        1 => options - 1,
        _ => usize::try_from(chance.below(options as u64)).unwrap_or(0),
    }
}

fn mix_found(records: usize, cut_bytes: u64) -> u64 {
    synod_smr::command::mix(records as u64 ^ (cut_bytes << 32))
}

/// The shortest sync.
const SYNC_US_MIN: u64 = 50;

/// How often an idle journal is sealed after a sync.
const SEALED_PPM: u32 = 50_000;
