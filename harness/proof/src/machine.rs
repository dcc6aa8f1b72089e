//! One simulated machine: its disk, and the process that runs on it or does not.
//!
//! The process is the shipped host (`synod-host`) on the shipped journal, driven as the node's loop
//! drives it: events in, the time, a flush, outputs out (`turns`, `flush`). What a turn was and did
//! goes to the court. Here are only the devices: the network's (`links`, `connections`) and the
//! disk's latencies, what goes wrong with it (`faults`, `folders`), the node's clock, its power.

mod connections;
mod faults;
mod flush;
mod folders;
mod held_up;
mod links;
mod turns;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use synod_clock::Moment;
use synod_harness::fault::NodeId as Place;
use synod_harness::sim::{Address, Crash, DiskFault, Micros, Plan, World};
use synod_host::journal::SimDisk;
use synod_host::{Beacon, Event, Host, OldDecrees};
use synod_paxos::{Brand, NodeId};
use synod_smr::{Config, Connection, Replica};

use crate::court::Court;
use crate::journal_thread::{
    Found, JournalThread, StorageError, Unsynced, Vouched, is_damage, is_of_a_full_disk,
    is_of_another,
};
use crate::sometimes::{End, Point};
use crate::step::Cause;
use crate::store::Store;
use crate::tuning::Tuning;
use connections::Connections;
pub use connections::client_of;
use faults::is_failure;
pub use flush::READ_US_MAX;
pub use folders::Contents;
use folders::{Copied, Stranger};
use links::FarEnd;
use turns::{Arrival, Taken};

/// What travels: bytes as the wire has them, and from which life of their sender they come.
#[derive(Clone, Debug)]
pub struct Parcel {
    /// The life of the sender; 0 for clients.
    pub life: u64,
    /// Which process of its machine the sender is: a folder that is changed for another one counts
    /// its lives otherwise. 0 for clients.
    pub process: u64,
    /// Whether the folder of the sender is not the one that it had.
    pub by_stranger: bool,
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
    /// A turn of several events is due.
    Turn,
    /// The transport of a node has written so many bytes of replies to a client.
    Wrote {
        /// The client's connection.
        connection: Connection,
        /// The bytes.
        bytes: usize,
        /// What the reply took that ends with them; 0 if none does.
        ends: usize,
    },
    /// A client that read nothing reads again, or is closed.
    Reads(Connection),
    /// A node learns that a connection of a client is gone.
    Closed(Connection),
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
    /// The folder as it was when it was copied.
    copied: Option<Copied>,
    /// What is to be known if the folder is not the one that it had.
    stranger: Option<Stranger>,
    /// How many processes were started.
    processes: u64,
    /// How many clients there are.
    clients_max: usize,
    /// Whether all faults have ended.
    is_calm: bool,
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
    /// Which process of its machine it is.
    process: u64,
    /// What is at the other end of each link.
    far_ends: BTreeMap<NodeId, FarEnd>,
    connections: Connections,
    /// What waits for a turn.
    inbox: Vec<Arrival>,
    is_turn_due: bool,
    taken: Taken,
    /// When the host was last told the time, and what the clock said.
    told: (Micros, Moment),
    beacon: Beacon,
    /// The turn that holds up the loop, if one does.
    long_turn: Option<u64>,
}

impl Machine {
    /// Makes a machine whose node has an empty journal.
    #[must_use]
    pub fn new(node: NodeId, tuning: &Tuning, seed: u64, plan: &Plan) -> Self {
        let machine = Self {
            node,
            nodes: tuning.voters.voters().to_vec(),
            tuning: tuning.clone(),
            disk: SimDisk::new(seed),
            process: None,
            vouched: Vouched::default(),
            sync_us: plan.sync_us,
            slow_ms: 0,
            hung: false,
            full: false,
            stuck: false,
            failing: false,
            rotten: false,
            injected: false,
            long_turns: 0,
            copied: None,
            stranger: None,
            processes: 0,
            clients_max: usize::try_from(plan.clients).unwrap_or(usize::MAX),
            is_calm: false,
        };
        machine.make(&machine.disk);
        machine
    }

    /// Takes note that all faults have ended.
    pub const fn calm_down(&mut self) {
        self.is_calm = true;
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
        if self.full && !found.records.is_empty() {
            court.lookout.see(Point::StartOnFullDisk);
        }
        let life = opened.incarnation;
        sky.say(|| {
            let (count, synced) = (found.records.len(), found.vouched);
            format!(
                "node {} begins life {life} with {count} records, {synced} of them synced",
                self.node
            )
        });
        sky.note(mix_found(found.records.len(), found.cut_bytes));
        court.on_recovery(self.node, &found, self.is_stranger());
        let voters = self.tuning.voters.clone();
        let mut config = Config::lan(Brand { node: self.node, incarnation: 0 }, voters);
        config.reads = self.tuning.reads;
        let seed = sky.chance().next_u64();
        let period = Duration::from_millis(u64::from(config.heartbeat_ms));
        let (host, journal) = opened.start(config, seed);
        self.processes += 1;
        self.process = Some(Process {
            host,
            journal: JournalThread::new(journal, self.tuning.segment_bytes, sky.now()),
            life,
            wake: None,
            wakes: 0,
            reads: VecDeque::new(),
            process: self.processes,
            far_ends: BTreeMap::new(),
            connections: Connections::default(),
            inbox: Vec::new(),
            is_turn_due: false,
            taken: Taken::default(),
            told: (sky.now(), Moment::from_nanos(sky.clock(self.place()).0 * 1_000)),
            beacon: Beacon::new(period),
            long_turn: None,
        });
        self.flush(sky, court);
    }

    /// Opens the journal, and holds what it gives back against what was vouched for.
    fn open(
        &mut self,
        found: &mut Found,
    ) -> Result<synod_host::Opened<Store, SimDisk>, StorageError> {
        let (disk, path, options) = (self.disk.clone(), folders::journal(), self.options());
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
        self.turn(Event::Drain, Cause::Drain, sky, court);
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
            Token::Wake(number) => self.on_wake(number, sky, court),
            Token::Read => {
                let read = self.process.as_mut().and_then(|process| process.reads.pop_front());
                if let Some(old) = read {
                    self.turn(Event::OldDecrees(old), Cause::OldDecrees, sky, court);
                }
            }
            Token::Turn => self.on_turn(sky, court),
            Token::Wrote { connection, bytes, ends } => {
                self.on_wrote((connection, bytes, ends), sky, court);
            }
            Token::Reads(connection) => self.on_reads(connection, sky, court),
            Token::Closed(connection) => self.on_closed(connection, sky, court),
            Token::LinkDown(peer) => {
                self.turn(Event::PeerDown(peer), Cause::LinkDown(peer), sky, court);
            }
            Token::Client(_) | Token::Lost(_) | Token::Rested => {}
        }
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
                    self.turn(Event::Committed(committed), Cause::Synced, sky, court);
                }
            }
            Err(error) => self.die(&error, sky, court),
        }
    }

    /// The process ends because its disk failed; what the page cache holds depends on why.
    fn die(&mut self, error: &StorageError, sky: &mut Sky, court: &mut Court) {
        if let StorageError::Untrue(reason) = error {
            court.object("journal-truth", format!("node {}: {reason}", self.node));
        }
        // A folder that has just been made has set nothing aside yet.
        if is_of_a_full_disk(error) && !self.is_stranger() {
            court.object("full-disk", format!("node {} ends: {error}", self.node));
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
        if self.is_stranger() && is_of_another(error) {
            return self.on_refused(sky, court);
        }
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
