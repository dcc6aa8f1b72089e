//! The beginning of a life: a host is made again from its journal.
//!
//! The order is the claim: nothing leaves before the journal says, durably, that the node has begun
//! another life. What can fail fails here, with a reason for the operator. A damaged snapshot fails
//! no node that has peers: it goes on with its votes and without a state, above the slot that the
//! name of the snapshot tells, as all below that was chosen.

use std::collections::{BTreeSet, VecDeque};
use std::io::{self, ErrorKind};
use std::path::Path;

use bytes::Bytes;
use synod_journal::{
    AppendError, Disk, FreeSpace, HardState, Journal, OpenError, Options, Records, SnapshotBound,
    SnapshotDamaged, SnapshotOptions, SnapshotStore,
};
use synod_paxos::{Ballot, NodeId, Slot};
use synod_smr::wire::{JournalRecord, decode_record, encode_record};
use synod_smr::{
    Checkpoint, Config, Effects, Executor, Folder, PeerStart, Recovering, StateMachine,
};

use crate::beginning;
use crate::clients::Clients;
use crate::commits::{Commits, slot_of};
use crate::counts::Counts;
use crate::crowd::Crowd;
use crate::elections::Elections;
use crate::hard_state::NodeHardState;
use crate::host::Host;
use crate::identity::parts_of_identity;
use crate::jitter::Jitter;
use crate::lanes::Lanes;
use crate::leadership_log::LeadershipLog;
use crate::peers::Peers;
use crate::recovery_error::RecoveryError;
use crate::room::DiskRoom;
use crate::settings::Settings;
use crate::slot_index::SlotIndex;
use crate::snapshots::Snapshots;
use crate::snapshots::unread::Unread;
use crate::snapshots::work::SnapshotWork;
use crate::stages::Stages;
use crate::timers::Timers;
use crate::transfers::Transfers;
use crate::unapplied::Unapplied;

/// A host on its way back, and the journal that it came from.
#[derive(Debug)]
pub struct Opened<M, D: Disk> {
    /// Which start of the node this is; durable.
    pub incarnation: u64,
    /// Bytes of a torn tail that were cut.
    pub cut_bytes: u64,
    journal: Journal<D>,
    recovering: Recovering<M>,
    slots: SlotIndex,
    snapshots: Snapshots,
    /// How many snapshots were found to be damaged.
    damaged: u64,
    life: NodeHardState,
    folder: Folder,
    began: Option<Checkpoint>,
    peers: Peers,
    settings: Settings,
}

/// Reads a journal and makes this start durable. `machine` is the one before any command; `watch`
/// sees each record, encoded and decoded. A node that takes snapshots begins with [`open_above`].
///
/// # Errors
///
/// Why the life cannot begin; no incarnation is used then, unless the disk failed in its middle.
pub fn open<M: StateMachine, D: Disk>(
    disk: D,
    path: &Path,
    options: &Options,
    machine: M,
    settings: &Settings,
    watch: impl FnMut(&[u8], &JournalRecord),
) -> Result<Opened<M, D>, RecoveryError> {
    let state = Executor::with_limits(machine, settings.sessions);
    begin_with(disk, path, options, (state, Slot::FIRST), settings, watch)
}

/// Reads a journal above a state, or above a slot that is past the state and below which all was
/// chosen, and makes this start durable.
fn begin_with<M: StateMachine, D: Disk>(
    disk: D,
    path: &Path,
    options: &Options,
    (state, stands): (Executor<M>, Slot),
    settings: &Settings,
    watch: impl FnMut(&[u8], &JournalRecord),
) -> Result<Opened<M, D>, RecoveryError> {
    let state_at = state.applied();
    let mut reading = Reading::begin((state, stands), settings, watch);
    let (mut journal, found) = Journal::open(disk, path, options, |record| reading.take(record))?;
    let before = reading.judge(path, found.hard_state)?.incarnation;
    let incarnation = reading.incarnation.max(before) + 1;
    let life = NodeHardState { incarnation, promised: reading.recovering.promised() };
    begin_life(&mut journal, life)?;
    tracing::info!(
        incarnation,
        records = found.next_lsn.get() - found.first_lsn.get(),
        applied = reading.recovering.applied().number(),
        cut_bytes = found.cut_bytes,
        folder = %found.folder,
        "recovered from the journal"
    );
    let bytes = reading.bytes_since_a_cut(settings.log_bytes);
    let Reading { recovering, slots, peers, .. } = reading;
    let snapshots = Snapshots::new(state_at, bytes);
    let began = beginning::beginning_of(&String::from_utf8_lossy(&options.identity));
    let folder = Folder(u128::from_le_bytes(found.folder.to_bytes()));
    Ok(Opened {
        incarnation,
        cut_bytes: found.cut_bytes,
        journal,
        recovering,
        slots,
        snapshots,
        damaged: 0,
        life,
        folder,
        began,
        peers,
        settings: *settings,
    })
}

/// Where the data of a node is: its journal, and beside it its snapshots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataFolders<'a> {
    /// The folder of the journal.
    pub journal: &'a Path,
    /// The folder of the snapshots; it is made where it is missing.
    pub snapshots: &'a Path,
}

/// A host on its way back, and the work on its snapshots.
pub type OpenedAbove<M, D> = (Opened<M, D>, SnapshotWork<M, D>);

/// Begins a life as [`open`] does, from the newest snapshot and the records above it.
///
/// Where that one is damaged, a node that has peers begins without its state: it votes, and neither
/// leads nor answers questions until it has the state from one of them.
///
/// # Errors
///
/// Why the life cannot begin.
pub fn open_above<M: StateMachine + Clone, D: Disk>(
    disk: D,
    folders: DataFolders<'_>,
    options: &Options,
    machine: M,
    settings: &Settings,
    watch: impl FnMut(&[u8], &JournalRecord),
) -> Result<OpenedAbove<M, D>, RecoveryError> {
    let store = SnapshotOptions::new(&options.identity);
    let begins = (machine.clone(), settings.sessions);
    // Opening makes the folder: where there is no journal it must not leave one behind.
    if disk.list(folders.snapshots).is_err_and(|error| is_nothing(&error)) {
        let opened = open(disk.clone(), folders.journal, options, machine, settings, watch)?;
        let work = SnapshotWork::open_new(disk, folders.snapshots, store, begins);
        return work.map(|work| (opened, work)).map_err(RecoveryError::Snapshots);
    }
    let opened = SnapshotWork::open(disk.clone(), folders.snapshots, &store, begins);
    let (mut work, found) = opened.map_err(|error| {
        // Whose it is, is told as for the journal.
        let of_another = matches!(error, OpenError::OtherIdentity { .. });
        if of_another { error.into() } else { RecoveryError::Snapshots(error) }
    })?;
    let mut damaged = found.damaged;
    let newest = work.newest(&mut damaged).map_err(|unread| {
        let path = folders.snapshots.to_owned();
        match unread {
            Unread::Disk(fatal) => RecoveryError::UnreadSnapshot { path, fatal },
            Unread::Foreign(reason) => RecoveryError::ForeignSnapshot { path, reason },
            Unread::Damaged(damaged) => RecoveryError::DamagedSnapshot { path, damaged },
        }
    })?;
    let state = newest.unwrap_or_else(|| Executor::with_limits(machine, settings.sessions));
    // One that is older than a whole one stands for nothing any more.
    damaged.retain(|damaged| damaged.bound.get() > state.applied().number());
    let stands = damaged_at(&damaged, options).max(state.applied());
    let begun = begin_with(disk, folders.journal, options, (state, stands), settings, watch);
    let mut opened = begun.map_err(|error| or_damaged(error, folders.snapshots, &damaged))?;
    opened.snapshots.on_found(work.newest_bytes());
    opened.damaged = damaged.len() as u64;
    for damage in damaged {
        let has_state = opened.has_state();
        tracing::error!(%damage, has_state, "a snapshot is damaged");
        opened.snapshots.on_damage(Slot::new(damage.bound.get()));
    }
    Ok((opened, work))
}

/// Returns the slot above which a node of peers begins whose snapshots are damaged. What its
/// journal holds below may be votes that lost, as one that was passed over has them, so they are
/// read back by nobody.
///
/// A node without peers was passed over by nobody: its journal stands for itself, as far as it
/// reaches.
fn damaged_at(damaged: &[SnapshotDamaged], options: &Options) -> Slot {
    let greatest = damaged.iter().map(|damaged| damaged.bound.get()).max();
    let slot = greatest.filter(|_| has_peers(options)).map(Slot::new);
    slot.unwrap_or(Slot::FIRST)
}

/// Tells whether a journal is one of several voters.
fn has_peers(options: &Options) -> bool {
    let identity = String::from_utf8_lossy(&options.identity);
    parts_of_identity(&identity).is_some_and(|(.., voters)| voters.contains(','))
}

/// Tells a snapshot that is damaged from one that is not there.
fn or_damaged(error: RecoveryError, path: &Path, damaged: &[SnapshotDamaged]) -> RecoveryError {
    match (error, damaged.last()) {
        (RecoveryError::NoSnapshot { .. }, Some(damaged)) => {
            RecoveryError::DamagedSnapshot { path: path.to_owned(), damaged: damaged.clone() }
        }
        (error, _) => error,
    }
}

/// Tells whether there is no such folder: what is wrong with the one around it, the journal says.
fn is_nothing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// What a look at the journal of a node found. Complete by its nature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inspected {
    /// A start would go on with it, as far as can be seen: it needs room on the disk.
    Sound,
    /// A start would go on with it and without a state, which it has from a peer.
    DamagedSnapshot(SnapshotDamaged),
    /// Another process has it open. It is that node's; what is in it was not looked at.
    InUse,
}

/// Judges the journal of the node `me` as [`open`] does, and whether the others have refused it;
/// changes nothing, and begins no life.
///
/// # Errors
///
/// Why a life could not begin, or not go on.
pub fn inspect<D: Disk>(
    disk: D,
    folders: DataFolders<'_>,
    options: &Options,
    me: NodeId,
    settings: &Settings,
) -> Result<Inspected, RecoveryError> {
    let path = folders.journal;
    let store = SnapshotOptions::new(&options.identity);
    let seen = SnapshotStore::look(disk.clone(), folders.snapshots, &store);
    let (newest, mut damaged) = seen.map_err(RecoveryError::Snapshots)?;
    // One that is older than a whole one is removed by the start.
    damaged.retain(|damaged| newest.is_none_or(|newest| damaged.bound > newest));
    let newest = Slot::new(newest.map_or(0, SnapshotBound::get));
    let stands = damaged_at(&damaged, options).max(newest);
    let state = Executor::unknown(Unapplied, settings.sessions, newest);
    let mut reading = Reading::begin((state, stands), settings, |_: &[u8], _: &_| ());
    let seen = Journal::inspect(disk, path, options, |record| reading.take(record))?;
    let Some(seen) = seen else { return Ok(Inspected::InUse) };
    let judged = reading.judge(path, seen.hard_state);
    judged.map_err(|error| or_damaged(error, folders.snapshots, &damaged))?;
    match (reading.peers.refused_earlier(me), damaged.pop()) {
        (Some(reason), _) => Err(RecoveryError::Refused { path: path.to_owned(), reason }),
        (None, Some(damaged)) => Ok(Inspected::DamagedSnapshot(damaged)),
        (None, None) => Ok(Inspected::Sound),
    }
}

/// The hard state alone says it; the record is for those who read the journal later. Where the disk
/// leaves but the reserve there is none, as a commit without records takes no room for good: the
/// next start leaves it out, and tells the hard state once. So any number of starts fit on a full
/// disk.
fn begin_life<D: Disk>(journal: &mut Journal<D>, life: NodeHardState) -> Result<(), AppendError> {
    let mut records = Records::new();
    records.push(&encode_record(&JournalRecord::Incarnation(life.incarnation)));
    if records.frame_bytes() > journal.room_for_work() {
        records.clear();
    }
    journal.append(&life.encode(), &mut records)?;
    journal.sync()?;
    Ok(())
}

/// What the records of the journal add up to.
struct Reading<M, W> {
    recovering: Recovering<M>,
    /// The slot that it began above, and what the records past it take.
    began_at: Slot,
    bytes: u64,
    slots: SlotIndex,
    peers: Peers,
    incarnation: u64,
    /// The slot below which records may be gone, and what follows its record.
    cut: Slot,
    bytes_since: u64,
    /// Why a record could not be read; none is taken after it.
    foreign: Option<String>,
    watch: W,
}

impl<M: StateMachine, W: FnMut(&[u8], &JournalRecord)> Reading<M, W> {
    fn begin((state, stands): (Executor<M>, Slot), settings: &Settings, watch: W) -> Self {
        let began_at = stands;
        let recovering = if state.applied() < stands {
            Recovering::without_state(state, stands, settings.replica)
        } else {
            Recovering::above(state, settings.replica)
        };
        let (slots, peers) = (SlotIndex::above(began_at), Peers::default());
        let (incarnation, cut, foreign) = (0, Slot::FIRST, None);
        let (bytes, bytes_since) = (0, 0);
        Self {
            recovering,
            began_at,
            bytes,
            slots,
            peers,
            incarnation,
            cut,
            bytes_since,
            foreign,
            watch,
        }
    }

    /// Returns what the journal has grown by since a snapshot was taken for the sake of the log.
    ///
    /// The newest one may have been taken for a client: were only what is past it counted, a node
    /// that makes backups and is started again and again would never cut its log. Each snapshot
    /// for the log but the first is followed by the record of a cut.
    fn bytes_since_a_cut(&self, log_bytes: u64) -> u64 {
        let uncut = self.bytes_since.saturating_sub(log_bytes / 2);
        let since = if self.cut > Slot::FIRST { self.bytes_since } else { uncut };
        self.bytes.max(since)
    }

    /// Judges what was read against the last hard state, and returns that.
    fn judge(&self, path: &Path, last: HardState) -> Result<NodeHardState, RecoveryError> {
        let foreign = |reason| RecoveryError::ForeignRecord { path: path.to_owned(), reason };
        if let Some(reason) = &self.foreign {
            return Err(foreign(reason.clone()));
        }
        if self.cut > self.began_at {
            let (path, needed, found) = (path.to_owned(), self.cut, self.began_at);
            return Err(RecoveryError::NoSnapshot { path, needed, found });
        }
        if let Some(slot) = self.recovering.missing() {
            return Err(foreign(format!(
                "all is said to be chosen past slot {slot}, which is gone"
            )));
        }
        let before = NodeHardState::decode(last)
            .ok_or_else(|| foreign("its frames are of another version".to_owned()))?;
        let promised = self.recovering.promised();
        // A frame repeats no promise but those of the records up to its own end. A higher one than
        // all records hold means that records are missing which a peer may count on.
        if promised < before.promised {
            let told = before.promised;
            return Err(foreign(format!("its frames tell of {told}, its records of {promised}")));
        }
        Ok(before)
    }

    fn take(&mut self, record: synod_journal::Record<'_>) {
        // The journal has no way to be stopped in its middle. What follows a record that cannot be
        // read may rest on it, so none of it is believed.
        if self.foreign.is_some() {
            return;
        }
        let decoded = match decode_record(&Bytes::copy_from_slice(record.bytes)) {
            Ok(decoded) => decoded,
            Err(error) => {
                self.foreign = Some(format!("record {}: {error}", record.lsn));
                return;
            }
        };
        (self.watch)(record.bytes, &decoded);
        match decoded {
            JournalRecord::Incarnation(number) => self.incarnation = self.incarnation.max(number),
            JournalRecord::Replica(replica) => {
                if let Some(slot) = slot_of(&replica) {
                    self.bytes_since += record.bytes.len() as u64;
                    if slot >= self.began_at {
                        self.bytes += record.bytes.len() as u64;
                        self.slots.note(slot, record.lsn);
                    }
                }
                self.recovering.on_record(replica);
            }
            JournalRecord::Peer(peer, life) => self.peers.on_record(peer, life),
            JournalRecord::Snapshot(slot) => {
                self.bytes_since = 0;
                self.cut = self.cut.max(slot);
            }
        }
    }
}

impl<M: StateMachine, D: Disk> Opened<M, D> {
    /// Returns the highest ballot that the node promised.
    pub const fn promised(&self) -> Ballot {
        self.life.promised
    }

    /// Returns the slot that it began above: that of a snapshot, which may be damaged; the first
    /// slot without one.
    #[must_use]
    pub const fn state_at(&self) -> Slot {
        self.slots.base()
    }

    /// Tells whether it has the state of what its journal says to be chosen. Where it does not, the
    /// host that is made votes, and has the state from a peer.
    #[must_use]
    pub fn has_state(&self) -> bool {
        self.recovering.has_state()
    }

    /// Says why the node `me` must not go on with this journal, if the others refused it in an
    /// earlier start. A host that is made all the same stands still from its first turn on.
    #[must_use]
    pub fn refused(&self, me: NodeId) -> Option<String> {
        self.peers.refused_earlier(me)
    }

    /// Makes the host, and gives the journal to whoever writes it.
    ///
    /// The incarnation in `config` is replaced by the one that was made durable, its folder by that
    /// of the journal, and its limits by those of the settings. `seed` spreads the timers, and
    /// tells this start from one of a copy of the folder: it is drawn at random for each start.
    pub fn start(self, mut config: Config, seed: u64) -> (Host<M>, Journal<D>) {
        // What the journal says of these counts, whatever the caller wrote.
        config.core_id.incarnation = self.incarnation;
        config.limits = self.settings.replica;
        config.folder = self.folder;
        let me = config.core_id.node;
        let members = config.voters.voters().to_vec();
        let mut effects = Effects::new(config.core_id);
        let replica = self.recovering.finish(config, &mut effects);
        let room = FreeSpace::of(&self.journal);
        let host = Host {
            me,
            members,
            replica,
            effects,
            settings: self.settings,
            clients: Clients::default(),
            crowd: Crowd::default(),
            mine: PeerStart {
                folder: self.folder,
                incarnation: self.incarnation,
                mark: seed,
                promised: self.life.promised,
                journal_end: self.slots.end(),
            },
            began: self.began,
            refused: self.peers.refused_earlier(me),
            peers: self.peers,
            commits: Commits::new(self.life, self.settings.batches_in_flight),
            room: DiskRoom::new(room),
            slots: self.slots,
            snapshots: self.snapshots,
            reading: false,
            timers: Timers::new(),
            jitter: Jitter::seeded(seed),
            watch: LeadershipLog::default(),
            lanes: Lanes::default(),
            counts: Counts {
                cut_bytes: self.cut_bytes,
                snapshots_damaged: self.damaged,
                ..Counts::default()
            },
            stages: Stages::default(),
            elections: Elections::default(),
            transfers: Transfers::default(),
            drain_by: None,
            wanted_parts: Vec::new(),
            wanted_by_clients: Vec::new(),
            readers_of_all: BTreeSet::new(),
            sent: Vec::new(),
            replies: Vec::new(),
            outputs: VecDeque::new(),
        };
        (host, self.journal)
    }
}
