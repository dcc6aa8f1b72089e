//! One simulated machine: its disk, and the process that runs on it or does not.
//!
//! The process is the shipped host (`synod-host`) on the shipped journal, driven as the node's loop
//! drives it: events in, the time, a flush, outputs out. Every event is a turn of its own, which is
//! the finest grain that a real node can have. What a turn was and did goes to the court. Here are
//! only the devices: the network's and the disk's latencies, the node's clock, and its power.

mod faults;
mod flush;
mod held_up;

use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use synod_clock::Moment;
use synod_harness::fault::NodeId as Place;
use synod_harness::sim::{Address, Crash, DiskFault, Micros, World};
use synod_host::journal::{Options, SimDisk};
use synod_host::{Beacon, Event, Host, OldDecrees};
use synod_paxos::{Brand, NodeId};
use synod_smr::wire::client::decode_request;
use synod_smr::wire::peer::decode_message;
use synod_smr::{Config, Connection, Replica, Timer};

use crate::clients;
use crate::court::Court;
use crate::journal_thread::{Found, JournalThread, StorageError, Unsynced, Vouched, is_damage};
use crate::sometimes::{End, Point};
use crate::step::{Cause, Kind, Stance, Wanted};
use crate::store::Store;
use crate::tuning::Tuning;
use faults::is_failure;
use held_up::{Came, LongTurn};

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
    /// A host wants to be told the time; only the last number counts.
    Wake(u64),
    /// The state machine of a node is done with what held up its loop.
    Free(u64),
    /// The beacon of a node may have something to say.
    Beacon(u64),
    /// The end of a sync.
    Synced,
    /// The end of a read of old decrees.
    Read,
    /// The transport of a node has written replies to a client.
    Wrote(Connection, usize),
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
pub struct Machine {
    node: NodeId,
    nodes: Vec<NodeId>,
    tuning: Tuning,
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
    /// How many turns were long.
    long_turns: u64,
}

/// One life of the node on it.
struct Process {
    host: Host<Store>,
    journal: JournalThread,
    life: u64,
    /// When the host wants to be told the time, and under which number.
    wake: Option<(Moment, u64)>,
    wakes: u64,
    /// What was read of old decrees, and when it is told is drawn.
    reads: VecDeque<OldDecrees>,
    /// The latest life heard of each peer.
    lives: BTreeMap<NodeId, u64>,
    /// The clients that are connected.
    clients: Vec<Connection>,
    /// When the host was last told the time, and what the clock said.
    told: (Micros, Moment),
    beacon: Beacon,
    /// The turn that holds up the loop, if one does.
    long_turn: Option<LongTurn>,
}

impl Machine {
    /// Makes a machine with an empty disk.
    #[must_use]
    pub fn new(node: NodeId, tuning: &Tuning, seed: u64, sync_us: u64) -> Self {
        Self {
            node,
            nodes: tuning.voters.voters().to_vec(),
            tuning: tuning.clone(),
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
            long_turns: 0,
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
        self.process.as_ref().map(|process| process.host.replica())
    }

    /// Starts the process: recovery, then its first turn.
    pub fn start(&mut self, sky: &mut Sky, court: &mut Court) {
        let mut found = Found::default();
        let opened = match self.open(&mut found) {
            Ok(opened) => opened,
            Err(error) => return self.refuse(&error, sky, court),
        };
        let life = opened.incarnation;
        sky.say(|| {
            let (count, synced) = (found.records.len(), found.vouched);
            format!(
                "node {} begins life {life} with {count} records, {synced} of them synced",
                self.node
            )
        });
        sky.note(mix_found(found.records.len(), found.cut_bytes));
        court.on_recovery(self.node, &found);
        let voters = self.tuning.voters.clone();
        let mut config = Config::lan(Brand { node: self.node, incarnation: 0 }, voters);
        config.reads = self.tuning.reads;
        let seed = sky.chance().next_u64();
        let period = Duration::from_millis(u64::from(config.heartbeat_ms));
        let (host, journal) = opened.start(config, seed);
        let before = Stance::of(&host);
        self.process = Some(Process {
            host,
            journal: JournalThread::new(journal, self.tuning.segment_bytes, sky.now()),
            life,
            wake: None,
            wakes: 0,
            reads: VecDeque::new(),
            lives: BTreeMap::new(),
            clients: Vec::new(),
            told: (sky.now(), Moment::from_nanos(sky.clock(self.place()).0 * 1_000)),
            beacon: Beacon::new(period),
            long_turn: None,
        });
        self.flush(Cause::Start, before, &[], sky, court);
    }

    /// Opens the journal, and holds what it gives back against what was vouched for.
    fn open(
        &mut self,
        found: &mut Found,
    ) -> Result<synod_host::Opened<Store, SimDisk>, StorageError> {
        let identity = synod_host::identity_of("simulation", self.node);
        let mut options = Options::new(identity.as_bytes());
        options.segment_bytes = self.tuning.segment_bytes;
        let (disk, path) = (self.disk.clone(), Path::new("journal"));
        let (settings, store) = (self.tuning.settings, Store::default());
        let opened = synod_host::open(disk, path, &options, store, &settings, |bytes, record| {
            found.take(bytes, record);
        })?;
        found.cut_bytes = opened.cut_bytes;
        self.vouched.settle(found)?;
        Ok(opened)
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
            process.beacon.end();
        }
        self.receive(Came::Drain, sky, court);
    }

    /// Takes a frame of a peer.
    pub fn on_frame(&mut self, from: NodeId, parcel: Parcel, sky: &mut Sky, court: &mut Court) {
        self.receive(Came::Frame(from, parcel), sky, court);
    }

    fn take_frame(&mut self, from: NodeId, parcel: &Parcel, sky: &mut Sky, court: &mut Court) {
        let Some(process) = &mut self.process else { return };
        let known = process.lives.get(&from).copied();
        if known.is_some_and(|known| known > parcel.life) {
            court.lookout.see(Point::FrameOfPastLife);
        }
        if known.is_none_or(|known| known < parcel.life) {
            process.lives.insert(from, parcel.life);
            let event = Event::PeerUp { peer: from, life: parcel.life };
            self.turn(event, Cause::LinkDown(from), sky, court);
        }
        match decode_message(&parcel.bytes) {
            Ok(message) => {
                court.on_arrival(parcel.number);
                let cause = Cause::Message(from, Kind::of(&message));
                let event = Event::PeerFrame { peer: from, bytes: parcel.bytes.clone() };
                self.turn(event, cause, sky, court);
            }
            Err(error) => court.object("wire", format!("a frame of node {from}: {error}")),
        }
    }

    /// Takes a frame of a client, which is connected as soon as it asks.
    pub fn on_request(&mut self, client: u32, parcel: Parcel, sky: &mut Sky, court: &mut Court) {
        self.receive(Came::Request(client, parcel), sky, court);
    }

    fn take_request(&mut self, client: u32, parcel: &Parcel, sky: &mut Sky, court: &mut Court) {
        let connection = Connection(u64::from(client));
        let Some(process) = &mut self.process else { return };
        if !process.clients.contains(&connection) {
            process.clients.push(connection);
            let name = clients::name_of(client).to_owned();
            process.host.take(Moment::ORIGIN, Event::ClientUp { connection, name });
        }
        match decode_request(&parcel.bytes) {
            Ok(request) => {
                let cause = Cause::Request(Wanted::of(&request.body), connection, request.id);
                let event = Event::ClientFrame { connection, bytes: parcel.bytes.clone() };
                self.turn(event, cause, sky, court);
            }
            Err(error) => court.object("wire", format!("a frame of client {client}: {error}")),
        }
    }

    /// Takes what was waited for.
    pub fn wake(&mut self, token: Token, sky: &mut Sky, court: &mut Court) {
        match token {
            Token::Free(number) => self.on_free(number, sky, court),
            Token::Beacon(number) => self.on_beacon(number, sky),
            Token::Synced if self.hung => {
                sky.felt_disk(self.place(), |fault| fault == DiskFault::Hung);
                court.lookout.on_hang(self.node);
                self.stuck = true;
            }
            Token::Synced => self.on_synced(sky, court),
            Token::Wake(_)
            | Token::Read
            | Token::Wrote(..)
            | Token::LinkDown(_)
            | Token::Client(_)
            | Token::Lost(_)
            | Token::Rested => self.receive(Came::Wake(token), sky, court),
        }
    }

    fn take_wake(&mut self, token: Token, sky: &mut Sky, court: &mut Court) {
        match token {
            Token::Wake(number) => self.on_wake(number, sky, court),
            Token::Read => {
                let read = self.process.as_mut().and_then(|process| process.reads.pop_front());
                if let Some(old) = read {
                    self.turn(Event::OldDecrees(old), Cause::OldDecrees, sky, court);
                }
            }
            Token::Wrote(connection, bytes) => {
                let event = Event::ClientWrote { connection, bytes };
                self.turn(event, Cause::Wrote, sky, court);
            }
            Token::LinkDown(peer) => {
                self.turn(Event::PeerDown(peer), Cause::LinkDown(peer), sky, court);
            }
            Token::Client(_)
            | Token::Lost(_)
            | Token::Rested
            | Token::Synced
            | Token::Free(_)
            | Token::Beacon(_) => {}
        }
    }

    fn on_wake(&mut self, number: u64, sky: &mut Sky, court: &mut Court) {
        let now = self.now(sky);
        let Some(process) = &mut self.process else { return };
        if process.wake.is_none_or(|(_, latest)| latest != number) {
            return;
        }
        process.wake = None;
        let (then, before) = std::mem::replace(&mut process.told, (sky.now(), now));
        if now.since(before) > 2 * Duration::from_micros(sky.now().since(then).0) + JUMP {
            court.lookout.see(Point::ClockJumped);
        }
        if let Err(error) = process.journal.idle(sky.now()) {
            return self.die(&error, sky, court);
        }
        self.tell_room(now);
        while let Some(process) = &mut self.process {
            let before = Stance::of(&process.host);
            let fires = || process.host.fire(now);
            match catch_unwind(AssertUnwindSafe(fires)) {
                Ok(Some(timer)) => self.flush(Cause::Timer(timer), before, &[], sky, court),
                Ok(None) => break,
                Err(panic) => return self.on_panic(Cause::Timer(Timer::Heartbeat), &*panic, court),
            }
        }
        self.set_wake(sky);
        self.end_if_done(sky, court);
    }

    fn on_synced(&mut self, sky: &mut Sky, court: &mut Court) {
        let now = sky.now();
        let Some(process) = &mut self.process else { return };
        match process.journal.synced(now, &mut self.vouched) {
            Ok((completions, more)) => {
                if more {
                    self.begin_sync(sky);
                }
                for committed in completions {
                    self.receive(Came::Committed(committed), sky, court);
                }
            }
            Err(error) => self.die(&error, sky, court),
        }
    }

    /// Tells the host how much room the journal has.
    fn tell_room(&mut self, now: Moment) {
        if let Some(process) = &mut self.process {
            let room = process.journal.room();
            process.host.take(now, Event::Room(room));
        }
    }

    /// One turn of the node's loop: an event, and a flush.
    fn turn(&mut self, event: Event, cause: Cause, sky: &mut Sky, court: &mut Court) {
        let now = self.now(sky);
        self.tell_room(now);
        let Some(process) = &mut self.process else { return };
        let before = Stance::of(&process.host);
        let durable = match &event {
            Event::Committed(committed) => committed.ticket.records().to_vec(),
            Event::PeerUp { .. }
            | Event::PeerDown(_)
            | Event::PeerFrame { .. }
            | Event::ClientUp { .. }
            | Event::ClientFrame { .. }
            | Event::ClientWrote { .. }
            | Event::ClientDown(_)
            | Event::Room(_)
            | Event::OldDecrees(_)
            | Event::Drain => Vec::new(),
        };
        let unheard = process.host.counts().unheard;
        let takes = || process.host.take(now, event);
        if let Err(panic) = catch_unwind(AssertUnwindSafe(takes)) {
            return self.on_panic(cause, &*panic, court);
        }
        let mut cause = cause;
        if let Cause::Message(from, _) = cause
            && process.host.counts().unheard > unheard
        {
            cause = Cause::Unheard(from);
        }
        self.flush(cause, before, &durable, sky, court);
    }

    /// An assertion of the replica is a verdict, and the run is over.
    fn on_panic(&mut self, cause: Cause, panic: &(dyn Any + Send), court: &mut Court) {
        court.on_panic(self.node, cause, &words_of(panic));
        self.process = None;
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
        if !is_damage(error) {
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
        let unsynced = process.as_ref().map_or_else(Unsynced::default, |process| {
            process.journal.unsynced(process.host.batches_in_flight())
        });
        if process.as_ref().is_some_and(|process| process.journal.has_turned()) {
            court.lookout.see(Point::SegmentTurned);
        }
        court.lookout.on_end(self.node, end, &unsynced, sky.now());
        process
    }

    /// Returns what the machine's own clock says.
    fn now(&self, sky: &Sky) -> Moment {
        Moment::from_nanos(sky.clock(self.place()).0 * 1_000)
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
        StorageError::Recovery(_) => End::OpenError,
        StorageError::Write(_) => End::WriteError,
        StorageError::Sync(_) | StorageError::Untrue(_) => End::SyncError,
    }
}

fn mix_found(records: usize, cut_bytes: u64) -> u64 {
    synod_smr::command::mix(records as u64 ^ (cut_bytes << 32))
}

/// A clock that gains this much beyond twice the true time has jumped.
const JUMP: Duration = Duration::from_millis(50);
