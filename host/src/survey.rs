//! A survey of a node's data: what its journal and its snapshots say, for whoever has to decide
//! what becomes of them.
//!
//! How bytes become records, and where they are damaged, is left to the journal; whether a start
//! would go on with them is judged by `recovery`, and only repeated here. The claims kept true:
//! nothing is changed; what cannot be read is told and passed over, whatever the bytes are; and
//! memory is what a start takes for the index of its slots, and no more.

use std::collections::BTreeSet;
use std::path::PathBuf;

use bytes::Bytes;
use synod_journal::{
    Disk, Journal, OpenError, Options, SnapshotDamaged, SnapshotStore, SurveyedSnapshot,
};
use synod_paxos::{Ballot, NodeId, Slot};
use synod_smr::wire::{JournalRecord, StateDescription, decode_description, decode_record};
use synod_smr::{Checkpoint, Record};

use crate::beginning::beginning_of;
use crate::hard_state::NodeHardState;
use crate::identity::parts_of_identity;
use crate::recovery::{DataFolders, Inspected, inspect};
use crate::recovery_error::RecoveryError;
use crate::settings::Settings;

pub use synod_journal::{LostRecords, SegmentState, Survey, SurveyedDamage, SurveyedSegment};

/// What the folders of a node hold.
#[derive(Debug)]
#[non_exhaustive]
pub struct NodeSurvey {
    /// Whose they are; none where the identity is not one of a node.
    pub owner: Option<Owner>,
    /// The files of the journal, and what of them is damaged.
    pub journal: Survey,
    /// How many times the node has started.
    pub starts: u64,
    /// The highest ballot that it promised, as far as it can be read.
    pub promised: Ballot,
    /// How many records of each kind can be read.
    pub records: RecordCounts,
    /// The slots that the records tell of.
    pub slots: SlotsSurvey,
    /// The snapshots, the newest last.
    pub snapshots: Vec<SnapshotSurvey>,
    /// A snapshot was in the making; the next start removes what there is of it.
    pub is_snapshot_unfinished: bool,
    /// Why a start would not go on with all this; none where it would, given room on its disk.
    pub refusal: Option<String>,
}

/// Whose journal it is, and among whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The cluster.
    pub cluster: String,
    /// The node.
    pub node: NodeId,
    /// The ids of the voters that it was made for, as the journal spells them.
    pub voters: String,
    /// The backup that the cluster began with; none if it began with nothing.
    pub began: Option<Checkpoint>,
}

/// How many records of each kind there are. Complete by its nature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordCounts {
    /// Starts of the node.
    pub starts: u64,
    /// Promises.
    pub promised: u64,
    /// Votes.
    pub accepted: u64,
    /// Decrees that were copied from another node.
    pub learned: u64,
    /// Hints that all below a slot is chosen.
    pub chosen: u64,
    /// What is remembered of other nodes.
    pub peers: u64,
    /// Notes that a snapshot stands for what is below a slot.
    pub snapshots: u64,
    /// Records that this program cannot read.
    pub unreadable: u64,
}

/// The slots that the records of a journal tell of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SlotsSurvey {
    /// The first slot with a decree; none where there is no decree.
    pub first: Option<Slot>,
    /// The slot behind the last decree.
    pub end: Slot,
    /// Below this slot all is chosen, as the last hint says; there may be more.
    pub chosen_below: Slot,
    /// Below this slot records may be gone.
    pub cut_below: Slot,
    /// How many slots at or above `chosen_below` have a vote.
    pub votes_above: u64,
}

/// One snapshot of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SnapshotSurvey {
    /// The first slot that it does not stand for, as its name says.
    pub slot: Slot,
    /// Its file.
    pub path: PathBuf,
    /// How long the file is.
    pub file_bytes: u64,
    /// How many parts its state has, and each of them was read; none where its head is damaged.
    pub parts: Option<u32>,
    /// What the state in it must come to; none where that cannot be read.
    pub description: Option<StateDescription>,
    /// What of it is damaged.
    pub damage: Vec<SnapshotDamaged>,
    /// How many damaged parts are not listed.
    pub damage_unlisted: u64,
}

impl NodeSurvey {
    /// Tells whether a start would go on with it, as far as can be seen.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        // Without a description nothing says what the state must come to, and no start goes on.
        let is_whole = |snapshot: &SnapshotSurvey| {
            snapshot.damage.is_empty() && snapshot.description.is_some()
        };
        self.refusal.is_none()
            && self.journal.damage.is_empty()
            && self.snapshots.iter().all(is_whole)
    }

    /// Returns the slot below which the newest whole snapshot stands for the log; the first slot
    /// where there is none.
    #[must_use]
    pub fn applied_below(&self) -> Slot {
        let whole = self.snapshots.iter().rev().find(|snapshot| snapshot.damage.is_empty());
        whole.map_or(Slot::FIRST, |snapshot| snapshot.slot)
    }
}

/// Surveys the folders of a node that does not run. A disk that takes no write is enough.
///
/// # Errors
///
/// Why they cannot be read at all: no journal, a damaged identity, another process that has them,
/// another format, a failing disk. Damage of records and snapshots is no error.
pub fn survey<D: Disk>(disk: D, folders: DataFolders<'_>) -> Result<NodeSurvey, OpenError> {
    let mut sums = Sums::before_any();
    // Record by record, as they are read: the journal may be larger than memory.
    let journal = Journal::survey(disk.clone(), folders.journal, |record| sums.take(record.bytes))?;
    let snapshots = SnapshotStore::survey(disk.clone(), folders.snapshots)?;
    let identity = String::from_utf8_lossy(&journal.identity).into_owned();
    let owner = owner_of(&identity);
    let refusal = refusal(disk, folders, &journal.identity, owner.as_ref())?;
    // The hard state of the last frame may tell what the lost records said.
    let last = NodeHardState::decode(journal.hard_state);
    let (starts, promised) =
        last.map_or((0, Ballot::ZERO), |last| (last.incarnation, last.promised));
    Ok(NodeSurvey {
        owner,
        starts: sums.starts.max(starts),
        promised: sums.promised.max(promised),
        records: sums.records,
        slots: SlotsSurvey { votes_above: sums.votes.len() as u64, ..sums.slots },
        snapshots: snapshots.snapshots.into_iter().map(told).collect(),
        is_snapshot_unfinished: snapshots.unfinished,
        refusal,
        journal,
    })
}

fn owner_of(identity: &str) -> Option<Owner> {
    let (cluster, node, voters) = parts_of_identity(identity)?;
    let cluster = cluster.strip_prefix("synod/")?.to_owned();
    let (node, began) = (NodeId::new(node.parse().ok()?), beginning_of(identity));
    Some(Owner { cluster, node, voters: voters.to_owned(), began })
}

/// Asks what a start would say.
fn refusal<D: Disk>(
    disk: D,
    folders: DataFolders<'_>,
    identity: &[u8],
    owner: Option<&Owner>,
) -> Result<Option<String>, OpenError> {
    let Some(owner) = owner else {
        let identity = identity.escape_ascii();
        return Ok(Some(format!("\"{identity}\" is not what a node of this program is called")));
    };
    let options = Options::new(identity);
    match inspect(disk, folders, &options, owner.node, &Settings::default()) {
        // It goes on with its votes; that it is damaged is told of the snapshot.
        Ok(Inspected::Sound | Inspected::DamagedSnapshot(_)) => Ok(None),
        // A node that has begun since the records were read is judged by nobody.
        Ok(Inspected::InUse) => Err(OpenError::Locked { path: folders.journal.to_owned() }),
        Err(RecoveryError::Journal(error @ OpenError::Fatal(_))) => Err(error),
        Err(error) => Ok(Some(error.to_string())),
    }
}

fn told(seen: SurveyedSnapshot) -> SnapshotSurvey {
    SnapshotSurvey {
        slot: Slot::new(seen.bound.get()),
        path: seen.path,
        file_bytes: seen.file_bytes,
        parts: seen.snapshot.map(|snapshot| snapshot.chunks),
        description: decode_description(&Bytes::from(seen.meta)).ok(),
        damage: seen.damage,
        damage_unlisted: seen.damage_unlisted,
    }
}

/// What the records come to, as far as they were read.
#[derive(Debug)]
struct Sums {
    starts: u64,
    promised: Ballot,
    records: RecordCounts,
    slots: SlotsSurvey,
    /// The slots at or above the last hint that have a vote.
    votes: BTreeSet<Slot>,
}

impl Sums {
    fn before_any() -> Self {
        Self {
            starts: 0,
            promised: Ballot::ZERO,
            records: RecordCounts::default(),
            slots: SlotsSurvey::default(),
            votes: BTreeSet::new(),
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        let Ok(record) = decode_record(&Bytes::copy_from_slice(bytes)) else {
            self.records.unreadable += 1;
            return;
        };
        if let Some(slot) = record.slot() {
            self.slots.first = Some(self.slots.first.map_or(slot, |first| first.min(slot)));
            self.slots.end = self.slots.end.max(slot.next());
        }
        match record {
            JournalRecord::Incarnation(number) => {
                self.records.starts += 1;
                self.starts = self.starts.max(number);
            }
            JournalRecord::Replica(record) => self.take_of_replica(&record),
            JournalRecord::Peer(..) => self.records.peers += 1,
            JournalRecord::Snapshot(slot) => {
                self.records.snapshots += 1;
                self.slots.cut_below = self.slots.cut_below.max(slot);
            }
        }
    }

    fn take_of_replica(&mut self, record: &Record) {
        match record {
            Record::Promised(ballot) => {
                self.records.promised += 1;
                self.promised = self.promised.max(*ballot);
            }
            Record::Accepted { ballot, slot, .. } => {
                self.records.accepted += 1;
                self.promised = self.promised.max(*ballot);
                if *slot >= self.slots.chosen_below {
                    self.votes.insert(*slot);
                }
            }
            Record::Learned { .. } => self.records.learned += 1,
            Record::Chosen(slot) => {
                self.records.chosen += 1;
                self.slots.chosen_below = self.slots.chosen_below.max(*slot);
                // Keeps the votes few however long the log is: those below the hint are of slots
                // that are chosen.
                self.votes = self.votes.split_off(&self.slots.chosen_below);
            }
        }
    }
}
