//! One simulated machine: its disk, and the process that runs on it or does not.
//!
//! The process is the shipped host (`synod-host`) on the shipped journal, driven as the node's loop
//! drives it: events in, the time, a flush, outputs out (`turns`, `flush`). What a turn was and did
//! goes to the monitor. Here are only the devices: the network's (`links`, `lanes`, `connections`)
//! and the disk's latencies, what goes wrong with it (`faults`, `folders`), the node's clock, its
//! power.

mod connections;
mod crowd;
mod faults;
mod flush;
mod folders;
mod held_up;
mod lanes;
mod links;
mod old_decrees;
mod snapshots;
mod turns;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use synod_clock::Moment;
use synod_fault::{DiskFault, NodeId as Place, Scenario};
use synod_host::journal::SimDisk;
use synod_host::{Beacon, DataFolders, Event, Host, ReadOrder, SnapshotWork};
use synod_paxos::{CoreId, NodeId, Slot};
use synod_simulator::{Address, Crash, Micros, World};
use synod_smr::{Config, Connection, Replica};

use crate::chosen_states::READER;
use crate::coverage::{End, Point};
use crate::journal_thread::{
    Found, JournalThread, StorageError, Unsynced, Vouched, is_damage, is_of_a_full_disk,
    is_of_another,
};
use crate::kv_model::KvModel;
use crate::monitor::Monitor;
use crate::step::{self, Cause};
use crate::tuning::Tuning;
use connections::Connections;
pub use connections::client_of;
use faults::is_failure;
pub use flush::READ_US_MAX;
use flush::Seen;
pub use folders::Contents;
use folders::{Copied, Stranger};
use lanes::{Kind, Lanes};
use links::FarEnd;
use turns::{Arrival, Taken};

/// What travels: bytes as the wire has them, and from which life of their sender they come.
#[derive(Clone, Debug)]
pub struct Packet {
    /// The life of the sender; 0 for clients.
    pub life: u64,
    /// Which process of its machine the sender is: a folder that is changed for another one counts
    /// its lives otherwise. 0 for clients.
    pub process: u64,
    /// Whether the folder of the sender is not the one that it had.
    pub by_stranger: bool,
    /// Under which number the transcript knows it; 0 if it does not.
    pub number: u64,
    /// What a node sends, as its judges saw it leave; none for what clients send and are told.
    pub kind: Option<step::Kind>,
    /// The frame.
    pub bytes: Bytes,
}

impl Packet {
    /// Makes what a client sends, or is told.
    #[must_use]
    pub const fn of_client(bytes: Bytes) -> Self {
        Self { life: 0, process: 0, by_stranger: false, number: 0, kind: None, bytes }
    }
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wakeup {
    /// A host wants to be told the time; only the last number counts.
    Wake(u64),
    /// The state machine of a node is done with what held up its loop.
    Immediate(u64),
    /// The beacon of a node may have something to say.
    Beacon(u64),
    /// The end of a sync.
    Synced,
    /// The end of a read of old decrees, of a process of the machine.
    Read(u64),
    /// The end of work on snapshots, of a process of the machine.
    Snapshot(u64),
    /// A turn of several events is due.
    Turn,
    /// What clients said to a crowded leader is due.
    Clients,
    /// The lane of the log to a node, of a process of the machine, goes on.
    Lane(NodeId, u64),
    /// The lane of what is long goes on.
    Bulk(NodeId, u64),
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
    /// A client goes on with a backup; only the last number counts.
    Backup(u64),
    /// A client learns that its connection to a node is gone.
    Lost(NodeId),
    /// A client's rest is over.
    Rested,
    /// Nodes are about to deny a client access.
    Denials,
    /// A node denies a client access from here on, or grants it.
    Access {
        /// The node.
        node: NodeId,
        /// Whether it denies access.
        is_denied: bool,
    },
}

/// The world of the nodes.
pub type SimWorld = World<Packet, Wakeup>;

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

/// What a life begins with: the host on its way back, and the work on its snapshots.
type Begun = synod_host::OpenedAbove<KvModel, SimDisk>;

/// One life of the node on it.
struct Process {
    host: Host<KvModel>,
    journal: JournalThread,
    life: u64,
    /// When the host wants to be told the time, and under which number.
    wake: Option<(Moment, u64)>,
    wakes: u64,
    /// The order to read old decrees that waits for its time.
    read: Option<ReadOrder>,
    snapshots: SnapshotWork<KvModel, SimDisk>,
    /// The slot of the newest snapshot that was taken in this life.
    newest: Slot,
    /// The snapshot that clients are given, and the one last asked for, with when.
    held: Option<(Slot, Moment)>,
    asked_for: Option<(Slot, Moment)>,
    /// Work on snapshots that waits for its end.
    orders: snapshots::Orders,
    /// Which process of its machine it is.
    process: u64,
    /// What is at the other end of each link.
    far_ends: BTreeMap<NodeId, FarEnd>,
    lanes: Lanes,
    connections: Connections,
    /// Empty between two flushes; kept for its memory.
    seen: VecDeque<Seen>,
    /// What waits for a turn.
    inbox: VecDeque<Arrival>,
    /// What clients say to a leader that is too crowded to hear it.
    held_back: VecDeque<Arrival>,
    is_hearing_due: bool,
    is_turn_due: bool,
    taken: Taken,
    /// When the host was last told the time, and what the clock said.
    told: (Micros, Moment),
    beacon: Beacon,
    /// When it was asked to end, by the machine's clock.
    retired: Option<Moment>,
    /// The turn that holds up the loop, if one does.
    long_turn: Option<u64>,
}

impl Machine {
    /// Makes a machine whose node has an empty journal.
    #[must_use]
    pub fn new(node: NodeId, tuning: &Tuning, seed: u64, plan: &Scenario) -> Self {
        let machine = Self {
            node,
            nodes: tuning.voters.voters().to_vec(),
            tuning: tuning.clone(),
            disk: SimDisk::new(seed),
            process: None,
            vouched: Vouched::default(),
            sync_us: plan.conditions.sync_us,
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
    pub fn replica(&self) -> Option<&Replica<KvModel>> {
        self.process.as_ref().map(|process| process.host.replica())
    }

    /// Starts the process: recovery, then its first turn.
    pub fn start(&mut self, world: &mut SimWorld, monitor: &mut Monitor) {
        let mut found = Found::default();
        let opened = match self.open(&mut found) {
            Ok(opened) => opened,
            Err(error) => return self.refuse(&error, world, monitor),
        };
        if self.full && !found.records.is_empty() {
            monitor.tracker.see(Point::StartOnFullDisk);
        }
        snapshots::see_beginning(&found, monitor);
        let life = opened.0.incarnation;
        world.say(|| {
            let (count, synced) = (found.records.len(), found.vouched);
            format!(
                "node {} begins life {life} with {count} records, {synced} of them synced",
                self.node
            )
        });
        world.note(mix_found(found.records.len(), found.cut_bytes));
        monitor.on_recovery(self.node, &found, self.is_stranger());
        if let Some(traces) = &mut monitor.traces {
            traces.on_began(self.node, life, &found);
        }
        let voters = self.tuning.voters.clone();
        let mut config = Config::lan(CoreId { node: self.node, incarnation: 0 }, voters);
        config.reads = self.tuning.reads;
        let seed = world.chance().next_u64();
        let period = Duration::from_millis(u64::from(config.heartbeat_ms));
        let (opened, snapshots) = opened;
        let (mut host, journal) = opened.start(config, seed);
        host.let_read_all([READER]);
        self.processes += 1;
        self.process = Some(Process {
            host,
            journal: JournalThread::new(journal, self.tuning.segment_bytes, world.now()),
            life,
            wake: None,
            wakes: 0,
            read: None,
            snapshots,
            newest: Slot::FIRST,
            held: None,
            asked_for: None,
            orders: snapshots::Orders::default(),
            process: self.processes,
            far_ends: BTreeMap::new(),
            lanes: Lanes::default(),
            connections: Connections::default(),
            seen: VecDeque::new(),
            inbox: VecDeque::new(),
            held_back: VecDeque::new(),
            is_hearing_due: false,
            is_turn_due: false,
            taken: Taken::default(),
            told: (world.now(), Moment::from_nanos(world.clock(self.place()).0 * 1_000)),
            beacon: Beacon::new(period),
            retired: None,
            long_turn: None,
        });
        self.flush(world, monitor);
    }

    /// Opens the journal, and holds what it gives back against what was vouched for.
    fn open(&mut self, found: &mut Found) -> Result<Begun, StorageError> {
        let (disk, options) = (self.disk.clone(), self.options());
        let (settings, store) = (self.tuning.settings, KvModel::default());
        let folders = DataFolders { journal: folders::journal(), snapshots: folders::snapshots() };
        let begun =
            synod_host::open_above(disk, folders, &options, store, &settings, |bytes, record| {
                found.take(bytes, record);
            })?;
        found.cut_bytes = begun.0.cut_bytes;
        (found.state_at, found.has_state) = (begun.0.state_at(), begun.0.has_state());
        self.vouched.settle(found)?;
        Ok(begun)
    }

    /// Ends the process without a word.
    pub fn crash(&mut self, crash: Crash, world: &mut SimWorld, monitor: &mut Monitor) {
        world.say(|| format!("node {} is gone: {crash:?}", self.node));
        self.end(End::Crash, world, monitor);
        // The sync that hung ended with its process.
        self.stuck = false;
        self.leave_disk(crash, world);
    }

    /// Asks the process to hand over and end.
    pub fn retire(&mut self, world: &mut SimWorld, monitor: &mut Monitor) {
        let now = self.now(world);
        // Nobody speaks for a node that is to end, or its peers would wait for it.
        if let Some(process) = &mut self.process {
            process.beacon.end();
            // Asked once more, it still has to end within the bound of the first time.
            process.retired = process.retired.or(Some(now));
        }
        self.turn(Event::Drain, Cause::Drain, world, monitor);
    }

    /// Takes what was waited for.
    pub fn wake(&mut self, wakeup: Wakeup, world: &mut SimWorld, monitor: &mut Monitor) {
        match wakeup {
            Wakeup::Immediate(number) => self.on_free(number, world, monitor),
            Wakeup::Beacon(number) => self.on_beacon(number, world),
            Wakeup::Synced if self.hung => {
                world.felt_disk(self.place(), |fault| fault == DiskFault::Hung);
                monitor.tracker.on_hang(self.node);
                self.stuck = true;
            }
            Wakeup::Synced => self.on_synced(world, monitor),
            Wakeup::Wake(number) => self.on_wake(number, world, monitor),
            Wakeup::Read(process) => self.on_read(process, world, monitor),
            Wakeup::Snapshot(process) => self.on_snapshot(process, world, monitor),
            Wakeup::Turn => self.on_turn(world, monitor),
            Wakeup::Clients => self.on_clients_heard(world, monitor),
            Wakeup::Lane(peer, process) => self.on_lane(peer, Kind::Log, process, world),
            Wakeup::Bulk(peer, process) => self.on_lane(peer, Kind::Bulk, process, world),
            Wakeup::Wrote { connection, bytes, ends } => {
                self.on_wrote((connection, bytes, ends), world, monitor);
            }
            Wakeup::Reads(connection) => self.on_reads(connection, world, monitor),
            Wakeup::Closed(connection) => self.on_closed(connection, world, monitor),
            Wakeup::LinkDown(peer) => {
                self.turn(Event::PeerDown(peer), Cause::LinkDown(peer), world, monitor);
            }
            Wakeup::Client(_)
            | Wakeup::Backup(_)
            | Wakeup::Lost(_)
            | Wakeup::Rested
            | Wakeup::Denials
            | Wakeup::Access { .. } => {}
        }
    }

    fn on_synced(&mut self, world: &mut SimWorld, monitor: &mut Monitor) {
        let now = world.now();
        let Some(process) = &mut self.process else { return };
        match process.journal.synced(now, &mut self.vouched) {
            Ok((completions, more)) => {
                // The next sync goes on while the host takes in what this one has made durable: the
                // journal has a thread of its own.
                if more {
                    self.begin_sync(world);
                }
                for committed in completions {
                    self.turn(Event::Committed(committed), Cause::Synced, world, monitor);
                }
            }
            Err(error) => self.crash_on(&error, world, monitor),
        }
    }

    /// The process ends because its disk failed; what the page cache holds depends on why.
    fn crash_on(&mut self, error: &StorageError, world: &mut SimWorld, monitor: &mut Monitor) {
        if let StorageError::Untrue(reason) = error {
            monitor.report("journal-truth", format!("node {}: {reason}", self.node));
        }
        // A folder that has just been made has set nothing aside yet.
        if is_of_a_full_disk(error) && !self.is_stranger() {
            monitor.report("full-disk", format!("node {} ends: {error}", self.node));
        }
        world.say(|| format!("node {} ends: {error}", self.node));
        world.felt_disk(self.place(), is_failure);
        self.end(end_of(error), world, monitor);
        if self.failing {
            monitor.tracker.see(Point::PowerFailedMidway);
        }
        self.stuck = false;
        let crash = if self.failing { Crash::Power } else { Crash::Kill };
        self.leave_disk(crash, world);
        let comeback = Micros::from_ms(world.chance().between(50, 1_500));
        world.ended(self.place(), Some(comeback));
    }

    /// A process that cannot recover: its disk is damaged for good, or fails.
    fn refuse(&mut self, error: &StorageError, world: &mut SimWorld, monitor: &mut Monitor) {
        if self.is_stranger() && is_of_another(error) {
            return self.on_refused(world, monitor);
        }
        if !is_damage(error) {
            return self.crash_on(error, world, monitor);
        }
        // Nobody has broken this journal: it damaged itself.
        if !self.rotten {
            monitor.report("journal-truth", format!("node {}: {error}", self.node));
        }
        world.say(|| format!("node {} refuses to start: {error}", self.node));
        world.felt_disk(self.place(), |fault| fault == DiskFault::Rot);
        self.end(End::Ruined, world, monitor);
        world.ruined(self.place());
    }

    /// Takes the process out, and has the tracker see how it ended.
    fn end(&mut self, end: End, world: &SimWorld, monitor: &mut Monitor) -> Option<Process> {
        let process = self.process.take();
        let unsynced = process.as_ref().map_or_else(Unsynced::default, |process| {
            process.journal.unsynced(process.host.batches_in_flight())
        });
        if process.as_ref().is_some_and(|process| process.journal.has_turned()) {
            monitor.tracker.see(Point::SegmentTurned);
        }
        monitor.tracker.on_end(self.node, end, &unsynced, world.now());
        process
    }

    /// Returns what the machine's own clock says.
    fn now(&self, world: &SimWorld) -> Moment {
        Moment::from_nanos(world.clock(self.place()).0 * 1_000)
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
    synod_smr::mix(records as u64 ^ (cut_bytes << 32))
}
