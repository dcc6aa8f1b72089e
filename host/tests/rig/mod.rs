//! A host of one node of three on a simulated disk, led by hand.
//!
//! The tests say what comes and when the disk has synced; what leaves is kept for them.

#![allow(dead_code, reason = "each test uses a part of it")]
#![allow(clippy::wildcard_enum_match_arm, reason = "a test looks for one variant")]

use std::path::Path;

use bytes::Bytes;
use synod_clock::Moment;
use synod_host::journal::{Commit, Committer, FreeSpace, Options, Rest, SimDisk};
use synod_host::{
    DataFolders, Event, Host, Inspected, Opened, OpenedAbove, Output, RecoveryError, Settings,
    SnapshotOrder, SnapshotWork, Ticket,
};
use synod_paxos::{
    Ballot, Configuration, CoreId, Decree, Immediate, Message as Paxos, NodeId, Slot,
};
use synod_smr::wire::{JournalRecord, decode_message, encode_message};
use synod_smr::{
    Checkpoint, ClientId, Command, CommandBatch, Config, Folder, Heartbeat, Invalid, Lane, Message,
    NoSnapshot, Opening, Principal, RestoreError, Sequence, SessionId, SnapshotPieces,
    SnapshotView, StateMachine,
};

/// The machine does not matter.
#[derive(Clone, Debug, Default)]
pub(crate) struct Nothing;

impl StateMachine for Nothing {
    fn validate(&self, _: &[u8]) -> Result<(), Invalid> {
        Ok(())
    }
    fn apply(&mut self, _: &[u8]) -> Bytes {
        Bytes::new()
    }
    fn query(&self, query: &[u8]) -> Bytes {
        Bytes::copy_from_slice(query)
    }
    fn digest(&self) -> u64 {
        0
    }
    fn snapshot(&self) -> Result<SnapshotView, NoSnapshot> {
        Ok(SnapshotView::whole(&b"nothing"[..]))
    }
    fn restore(&mut self, snapshot: &mut SnapshotPieces<'_>) -> Result<(), RestoreError> {
        snapshot.rest(usize::MAX).map(drop)
    }
}

pub(crate) const ME: NodeId = NodeId::new(2);
pub(crate) const OLD_LEADER: NodeId = NodeId::new(1);
pub(crate) const NEW_LEADER: NodeId = NodeId::new(3);
pub(crate) const OLD: Ballot = Ballot::new(1, OLD_LEADER);
pub(crate) const NEW: Ballot = Ballot::new(2, NEW_LEADER);

/// Segments that hold any commit.
pub(crate) const LARGE_SEGMENTS: u64 = 16 << 20;

/// One life of the node.
pub(crate) struct Rig {
    pub(crate) host: Host<Nothing>,
    journal: Committer<SimDisk, Ticket>,
    reader: synod_host::journal::Reader<SimDisk>,
    snapshots: SnapshotWork<Nothing, SimDisk>,
    /// The work on snapshots that was asked for and is not done.
    pub(crate) orders: Vec<SnapshotOrder>,
    /// The commits that the host gave and the disk has not taken.
    pub(crate) commits: Vec<Commit<Ticket>>,
    /// What left for peers.
    pub(crate) sent: Vec<(NodeId, Lane, Message)>,
    /// What left for clients.
    pub(crate) replies: Vec<Bytes>,
    /// The time, in milliseconds.
    pub(crate) now_ms: u64,
}

fn voters() -> Configuration {
    Configuration::majority([OLD_LEADER, ME, NEW_LEADER]).unwrap()
}

/// Opens the journal on a disk, with segments that are large or small.
pub(crate) fn open(
    disk: &SimDisk,
    segment_bytes: u64,
    settings: &Settings,
) -> Result<Opened<Nothing, SimDisk>, RecoveryError> {
    open_watched(disk, segment_bytes, settings, |_| ())
}

/// Does the same, and shows what is in the journal.
pub(crate) fn open_watched(
    disk: &SimDisk,
    segment_bytes: u64,
    settings: &Settings,
    mut watch: impl FnMut(&JournalRecord),
) -> Result<Opened<Nothing, SimDisk>, RecoveryError> {
    let mut options = Options::new(synod_host::identity_of("test", ME, &voters()).as_bytes());
    options.segment_bytes = segment_bytes;
    let (disk, path) = (disk.clone(), Path::new("journal"));
    synod_host::open(disk, path, &options, Nothing, settings, |_, record| watch(record))
}

/// Opens the journal and the snapshots on a disk.
pub(crate) fn open_above(
    disk: &SimDisk,
    segment_bytes: u64,
    settings: &Settings,
) -> Result<OpenedAbove<Nothing, SimDisk>, RecoveryError> {
    let mut options = Options::new(synod_host::identity_of("test", ME, &voters()).as_bytes());
    options.segment_bytes = segment_bytes;
    let folders = DataFolders { journal: Path::new("journal"), snapshots: Path::new("snapshots") };
    synod_host::open_above(disk.clone(), folders, &options, Nothing, settings, |_, _| ())
}

/// Looks at the journal on a disk.
pub(crate) fn inspect(disk: &SimDisk) -> Result<Inspected, RecoveryError> {
    let options = Options::new(synod_host::identity_of("test", ME, &voters()).as_bytes());
    let folders = DataFolders { journal: Path::new("journal"), snapshots: Path::new("snapshots") };
    synod_host::inspect(disk.clone(), folders, &options, ME, &Settings::default())
}

impl Rig {
    pub(crate) fn start(disk: &SimDisk, settings: Settings) -> Self {
        Self::with_config(disk, LARGE_SEGMENTS, settings, |_| ())
    }

    pub(crate) fn with_config(
        disk: &SimDisk,
        segment_bytes: u64,
        settings: Settings,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let mut rig = Self::begin(disk, segment_bytes, settings, change);
        for peer in [OLD_LEADER, NEW_LEADER] {
            rig.meet(peer, PEERS_JOURNAL, 1);
        }
        rig.settle();
        rig.sent.clear();
        rig
    }

    fn begin(
        disk: &SimDisk,
        segment_bytes: u64,
        settings: Settings,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let mut config = Config::lan(CoreId { node: ME, incarnation: 0 }, voters());
        change(&mut config);
        let (opened, snapshots) = open_above(disk, segment_bytes, &settings).unwrap();
        let (host, journal) = opened.start(config, 7);
        let reader = journal.reader();
        let journal = Committer::new(journal);
        let (commits, sent, replies) = (Vec::new(), Vec::new(), Vec::new());
        let orders = Vec::new();
        let mut rig =
            Self { host, journal, reader, snapshots, orders, commits, sent, replies, now_ms: 0 };
        rig.flush();
        rig
    }

    /// Starts without a word of any peer.
    pub(crate) fn unmet(disk: &SimDisk, segment_bytes: u64) -> Self {
        let settings = Settings::default();
        Self::begin(disk, segment_bytes, settings, |_| ())
    }

    pub(crate) fn now(&self) -> Moment {
        Moment::from_nanos(self.now_ms * 1_000_000)
    }

    /// Takes an event, without a flush.
    pub(crate) fn take(&mut self, event: Event) {
        let now = self.now();
        self.host.take(now, Event::Room(self.room()));
        self.host.take(now, event);
    }

    pub(crate) fn hear(&mut self, from: NodeId, message: &Message) {
        self.take(Event::PeerFrame { peer: from, bytes: encode_message(message) });
    }

    /// Hears of a peer with this journal in this life, and is known to it.
    pub(crate) fn meet(&mut self, peer: NodeId, journal: u128, life: u64) {
        self.hear(peer, &Message::Heartbeat(beat(journal, life)));
        self.hear(peer, &Message::Known(self.host.life()));
    }

    /// Ends a turn; the disk takes nothing yet.
    pub(crate) fn flush(&mut self) {
        let now = self.now();
        self.host.flush(now);
        while let Some(output) = self.host.output() {
            match output {
                Output::Commit(commit) => {
                    let (bytes, room) = (commit.records.frame_bytes(), self.room().total);
                    assert!(bytes <= room, "a commit of {bytes} bytes in a room of {room}");
                    self.commits.push(commit);
                }
                Output::Send { to, lane, bytes, .. } => {
                    self.sent.push((to, lane, decode_message(&bytes).unwrap()));
                }
                Output::Reply { bytes, .. } => self.replies.push(bytes),
                Output::Close { .. } | Output::Beacon(_) => {}
                Output::Snapshot(order) => self.orders.push(order),
                Output::Read(order) => {
                    let old = order.carry_out(&mut self.reader);
                    self.host.take(now, Event::OldDecrees(old));
                    self.host.flush(now);
                }
            }
        }
    }

    /// Carries out the work on snapshots that waits, and ends a turn.
    pub(crate) fn work(&mut self) {
        for order in std::mem::take(&mut self.orders) {
            let done = self.snapshots.carry_out(order);
            self.host.on_snapshot(done);
        }
        self.flush();
    }

    /// Lets a heartbeat's time pass.
    pub(crate) fn tick(&mut self) {
        self.now_ms += 50;
        let now = self.now();
        self.host.take(now, Event::Room(self.room()));
        self.host.on_time(now);
        self.settle();
    }

    /// Returns the room that is left when what was given is written.
    pub(crate) fn room(&self) -> FreeSpace {
        let given = self.commits.iter().map(|commit| commit.records.frame_bytes()).sum();
        self.journal.room().less(given)
    }

    /// Writes the commits that were given, without a sync.
    pub(crate) fn write(&mut self) {
        self.journal.write(&mut self.commits);
        assert!(!self.journal.is_refused(), "a commit is larger than the room");
    }

    /// Flushes and syncs until all is durable.
    pub(crate) fn settle(&mut self) {
        self.flush();
        while !self.commits.is_empty() {
            self.write_and_complete();
        }
    }

    /// Writes and syncs all commits that were given, and takes the next ones.
    pub(crate) fn write_and_complete(&mut self) {
        self.write();
        self.complete_written();
    }

    /// Writes and syncs one commit; those behind it wait.
    pub(crate) fn complete_one(&mut self) {
        let behind = self.commits.split_off(1);
        self.write();
        self.commits = behind;
        self.complete_written();
    }

    /// Syncs what was written, and hands the completions over.
    pub(crate) fn complete_written(&mut self) {
        self.journal.sync().unwrap();
        let committed: Vec<_> = self.journal.completions().collect();
        self.journal.end_batch().unwrap();
        for committed in committed {
            self.take(Event::Committed(committed));
        }
        self.flush();
    }

    /// Has the journal work ahead, as it does while nothing comes.
    pub(crate) fn rest(&mut self) {
        let mut rest = Rest::Prepare;
        while matches!(rest, Rest::Prepare | Rest::PrepareSoon) {
            rest = self.journal.idle(rest).unwrap();
        }
    }

    /// Returns the decrees that were sent to `to`, and their first slot.
    pub(crate) fn decrees_for(&self, to: NodeId) -> Option<(Slot, Vec<Decree<CommandBatch>>)> {
        self.sent.iter().rev().find_map(|(receiver, _, message)| match message {
            Message::Decrees { first, decrees, .. } if *receiver == to => {
                Some((*first, decrees.clone()))
            }
            _ => None,
        })
    }
}

/// The journal by which the peers are known.
pub(crate) const PEERS_JOURNAL: u128 = 7;

/// A heartbeat of a peer that has this journal, in this life.
pub(crate) fn beat(journal: u128, life: u64) -> Heartbeat {
    Heartbeat {
        folder: Folder(journal),
        incarnation: life,
        mark: 0,
        promised: Ballot::ZERO,
        journal_end: Slot::FIRST,
        leads: None,
        follows: None,
        leader_ok: false,
        chosen: Slot::FIRST,
        hears: Vec::new(),
        is_connected: false,
        priority: 0,
        checkpoint: None,
        // No test reaches it, so that it is compared with nothing.
        applied: Checkpoint { slot: Slot::new(1 << 40), digest: 0 },
        tick: 0,
        echoes: Vec::new(),
        sync_ticks: None,
        prepares: None,
        began: None,
    }
}

/// A short decree.
pub(crate) fn small(client: u128) -> Decree<CommandBatch> {
    let opening = Opening::first(ClientId::new(client));
    let open = Command::Open { principal: Principal::of_name("alice"), opening };
    Decree::Value(CommandBatch::encode(&[open]))
}

/// A decree of a mebibyte.
pub(crate) fn large() -> Decree<CommandBatch> {
    sized(1 << 20)
}

pub(crate) fn sized(bytes: usize) -> Decree<CommandBatch> {
    let apply = Command::Apply {
        principal: Principal::of_name("alice"),
        session: SessionId { slot: Slot::FIRST, position: 0 },
        sequence: Sequence::FIRST,
        unanswered: Sequence::FIRST,
        payload: Bytes::from(vec![0; bytes]),
    };
    Decree::Value(CommandBatch::encode(&[apply]))
}

pub(crate) fn accept(
    ballot: Ballot,
    first: u64,
    decrees: Vec<Decree<CommandBatch>>,
    chosen: u64,
) -> Message {
    let (first, chosen) = (Slot::new(first), Slot::new(chosen));
    Message::Paxos(Paxos::Immediate(Immediate::Accept { ballot, first, decrees, chosen }))
}
