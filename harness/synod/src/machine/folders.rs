//! Folders that are not the ones that their nodes had: rolled back, made anew, or another node's.
//!
//! Such a node has forgotten what it promised and voted. What the design promises is that those who
//! remember durably what it lacks hear nothing of it, and that it ends as soon as one of them has
//! heard of it, in this life and in every later one. So the fault strikes only where all others
//! remember such a thing; where they do not, nobody could notice, as the operator's pages say. The
//! claim kept true: from then on the node is a stranger to its judges, too, and no vote of it
//! counts.

use std::path::Path;

use synod_fault::DiskFault;
use synod_host::journal::{Create, Journal, Options, SimDisk, SnapshotOptions, SnapshotStore};
use synod_paxos::{Ballot, NodeId, Slot};
use synod_simulator::{Crash, Micros};
use synod_smr::wire::{JournalRecord, decode_record};
use synod_smr::{PeerStart, Record};

use super::{Machine, SimWorld};
use crate::coverage::{End, Point};
use crate::journal_thread::Vouched;
use crate::monitor::Monitor;

/// A copy of a folder, and what had been vouched for when it was taken.
pub(super) struct Copied {
    disk: SimDisk,
    vouched: Vouched,
}

/// A node whose folder is not the one that it had.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stranger {
    /// Whether it was found out.
    refused: bool,
    /// How often it has ended as it was refused.
    ends: u32,
}

/// What a journal holds of the node itself, and of its peers.
#[derive(Debug)]
pub struct Contents {
    promised: Ballot,
    end: Slot,
    peers: Vec<(NodeId, PeerStart)>,
}

impl Contents {
    const fn new() -> Self {
        Self { promised: Ballot::ZERO, end: Slot::FIRST, peers: Vec::new() }
    }

    /// Returns what is known of a peer.
    fn of(&self, peer: NodeId) -> Option<&PeerStart> {
        // The latest record of a peer stands for it.
        self.peers.iter().rev().find(|(known, _)| *known == peer).map(|(_, life)| life)
    }

    fn take(&mut self, record: JournalRecord) {
        match record {
            JournalRecord::Incarnation(_) => {}
            JournalRecord::Snapshot(slot) => self.end = self.end.max(slot),
            JournalRecord::Peer(peer, life) => self.peers.push((peer, life)),
            JournalRecord::Replica(Record::Promised(ballot)) => {
                self.promised = self.promised.max(ballot);
            }
            JournalRecord::Replica(Record::Accepted { ballot, slot, .. }) => {
                self.promised = self.promised.max(ballot);
                self.end = self.end.max(slot.next());
            }
            JournalRecord::Replica(Record::Learned { slot, .. }) => {
                self.end = self.end.max(slot.next());
            }
            JournalRecord::Replica(Record::Chosen(_)) => {}
        }
    }
}

impl Machine {
    /// Tells whether its folder is not the one that it had.
    pub(super) const fn is_stranger(&self) -> bool {
        self.stranger.is_some()
    }

    /// Tells the same to others.
    #[must_use]
    pub const fn is_changed(&self) -> bool {
        self.is_stranger()
    }

    /// Tells whether its folder is not the one that it had, and nobody has noticed.
    #[must_use]
    pub fn is_at_large(&self) -> bool {
        self.stranger.is_some_and(|stranger| !stranger.refused)
    }

    /// Returns what is on the disk durably; none where no life can begin from it.
    #[must_use]
    pub fn contents(&self) -> Option<Contents> {
        // Each first choice leaves what was durable before: what a node may lose again is nothing
        // that it can be trusted to remember.
        let mut contents = Contents::new();
        let disk = self.disk.crash(|_| 0);
        self.read(disk, &mut contents).then_some(contents)
    }

    fn read(&self, disk: SimDisk, contents: &mut Contents) -> bool {
        let options = self.options();
        // A life begins at the end of its snapshot at least.
        let store = SnapshotOptions::new(&options.identity);
        if let Ok((store, _)) = SnapshotStore::open(disk.clone(), snapshots(), &store)
            && let Some(newest) = store.greatest_bound()
        {
            contents.end = contents.end.max(Slot::new(newest.get()));
        }
        let opened = Journal::open(disk, journal(), &options, |record| {
            if let Ok(record) = decode_record(&record.bytes.to_vec().into()) {
                contents.take(record);
            }
        });
        opened.is_ok()
    }

    /// Lets the folder be changed for another one, where `others`, the journals of all others that
    /// may run again, remember enough for it to be noticed.
    pub fn change_folder(
        &mut self,
        fault: DiskFault,
        others: &[Contents],
        foreign: Option<SimDisk>,
        world: &mut SimWorld,
        monitor: &mut Monitor,
    ) {
        // `all` is true of nobody: without others the change would not be noticed by anyone.
        if self.is_stranger() || self.rotten || others.is_empty() {
            return;
        }
        let node = self.node;
        let changed = match fault {
            DiskFault::RolledBack => self.copied.take().filter(|copied| {
                let mut old = Contents::new();
                self.read(copied.disk.crash(|_| 0), &mut old);
                others.iter().all(|other| {
                    let is_less = |known: &PeerStart| {
                        known.promised > old.promised || known.journal_end > old.end
                    };
                    other.of(node).is_some_and(is_less)
                })
            }),
            DiskFault::MadeAnew => {
                let is_known = others.iter().all(|other| other.of(node).is_some());
                let disk = SimDisk::new(world.chance().next_u64());
                self.make(&disk);
                is_known.then_some(Copied { disk, vouched: Vouched::default() })
            }
            // Nobody else has to remember anything: the journal itself names another node.
            DiskFault::Foreign => foreign.map(|disk| Copied { disk, vouched: Vouched::default() }),
            DiskFault::Slow { .. }
            | DiskFault::Hung
            | DiskFault::Full
            | DiskFault::SyncFails
            | DiskFault::WriteFails
            | DiskFault::ReadFails
            | DiskFault::ShortWrites
            | DiskFault::PowerFailsAt { .. }
            | DiskFault::Rot => None,
        };
        let Some(Copied { disk, vouched }) = changed else { return };
        world.say(|| format!("the disk of node {node}: {fault}"));
        world.felt_disk(self.place(), |felt| felt == fault);
        monitor.tracker.see(point_of(fault));
        monitor.end_transcript(format!("the folder of node {node} is changed"));
        if self.process.is_some() {
            self.end(End::Crash, world, monitor);
        }
        (self.disk, self.vouched) = (disk, vouched);
        (self.stuck, self.failing, self.injected) = (false, false, false);
        self.disk.set_capacity(self.full.then_some(0));
        self.stranger = Some(Stranger { refused: false, ends: 0 });
        let comeback = Micros::from_ms(world.chance().between(10, 1_000));
        world.ended(self.place(), Some(comeback));
    }

    /// Takes a copy of what is durable.
    pub fn copy_folder(&mut self) {
        let disk = self.disk.crash(|_| 0);
        self.copied = Some(Copied { disk, vouched: self.vouched.clone() });
    }

    /// Lends what another node would find if it were given this folder.
    #[must_use]
    pub fn folder(&self) -> SimDisk {
        self.disk.crash(|_| 0)
    }

    /// A stranger ends, as it was found out. Its machine starts it again a few times, as an
    /// operator does who has not read why.
    pub(super) fn on_refused(&mut self, world: &mut SimWorld, monitor: &mut Monitor) {
        let Some(stranger) = &mut self.stranger else { return };
        let again = std::mem::replace(&mut stranger.refused, true);
        stranger.ends += 1;
        let for_good = stranger.ends > STARTS_AGAIN;
        monitor.tracker.see(if again { Point::RefusedAgain } else { Point::StrangerRefused });
        self.end(End::Refused, world, monitor);
        self.leave_disk(Crash::Kill, world);
        if for_good {
            return world.ruined(self.place());
        }
        let comeback = Micros::from_ms(world.chance().between(10, 1_000));
        world.ended(self.place(), Some(comeback));
    }

    /// A node that was refused says nothing any more, in no later life.
    pub(super) fn judge_silence(&self, monitor: &mut Monitor) {
        if self.stranger.is_some_and(|stranger| stranger.refused) {
            let detail = format!("node {} speaks, which was refused", self.node);
            monitor.report("refused-speaks", detail);
        }
    }

    /// Makes the node's journal on an empty disk.
    pub(super) fn make(&self, disk: &SimDisk) {
        let mut options = self.options();
        options.create = Create::New;
        let made = Journal::open(disk.clone(), journal(), &options, |_| ());
        assert!(made.is_ok(), "an empty disk without faults takes a journal");
    }

    pub(super) fn options(&self) -> Options {
        let identity = synod_host::identity_of("simulation", self.node, &self.tuning.voters);
        let mut options = Options::new(identity.as_bytes());
        options.segment_bytes = self.tuning.segment_bytes;
        // A start must never take an empty folder for a journal that is gone.
        options.create = Create::Never;
        options
    }
}

/// Returns where the snapshots of a node lie on its disk.
pub(super) fn snapshots() -> &'static Path {
    Path::new("snapshots")
}

/// Returns where the journal of a node lies on its disk.
pub(super) fn journal() -> &'static Path {
    Path::new("journal")
}

const fn point_of(fault: DiskFault) -> Point {
    match fault {
        DiskFault::MadeAnew => Point::FolderMadeAnew,
        DiskFault::Foreign => Point::FolderOfAnother,
        DiskFault::RolledBack
        | DiskFault::Slow { .. }
        | DiskFault::Hung
        | DiskFault::Full
        | DiskFault::SyncFails
        | DiskFault::WriteFails
        | DiskFault::ReadFails
        | DiskFault::ShortWrites
        | DiskFault::PowerFailsAt { .. }
        | DiskFault::Rot => Point::FolderRolledBack,
    }
}

/// How often a machine starts a node again that was refused.
const STARTS_AGAIN: u32 = 2;
