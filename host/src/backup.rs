//! Backups: the state of a cluster as a snapshot that no node owns, and the beginning of another
//! cluster from it.
//!
//! A backup is a folder of snapshots with one in it, of the same format and under the same checks
//! as those of nodes, but for its owner: so it is never taken for a node's, nor a node's for one.
//! How its bytes come here is left to whoever asks nodes for them. The claims kept true: a backup
//! has its name only once it was read back and came to the state that it was said to be; what is
//! cut, damaged or another's is refused by its place, with what to do; and a cluster that begins
//! with one knows none of the sessions in it, as its clients are others.

use std::path::{Path, PathBuf};

use synod_journal::{
    Create, Disk, Journal, OpenError, Options, Records, SEGMENT_BYTES_MIN, SnapshotDamaged,
    SnapshotOptions, SnapshotStore, SurveyedSnapshot,
};
use synod_paxos::Slot;
use synod_smr::wire::{JournalRecord, StateDescription, encode_description, encode_record};
use synod_smr::{Executor, RequestBody, SessionId, SessionLimits, StateMachine, StatePart};

use crate::recovery::DataFolders;
use crate::settings::Settings;
use crate::snapshots::order::SnapshotDone;
use crate::snapshots::work::{SnapshotWork, bound_of, description_of, restore};

/// Why there is no backup, or no beginning from one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The caller named a folder that holds something.
    #[error("{} exists already and is not empty: name another folder, as no backup is overwritten",
            .0.display())]
    Exists(PathBuf),
    /// The folder cannot be used.
    #[error("the folder of the backup cannot be used: {0}")]
    Folder(#[source] OpenError),
    /// A part was not kept, or what was kept is not the state that it was said to be.
    #[error("the backup in {} was not made: {reason}", path.display())]
    NotKept {
        /// The folder.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// There is no backup.
    #[error("{} holds no backup: name the folder that `synod-kv backup --out` made", .0.display())]
    Missing(PathBuf),
    /// A backup was begun there and not finished.
    #[error("the backup in {} was cut short before its end: make it again, into another folder",
            .0.display())]
    Unfinished(PathBuf),
    /// It is the snapshot of a node, or of something else.
    #[error("{} is no backup but belongs to \"{owner}\": the snapshots of a node lack what was \
             acknowledged after them; name the folder that `synod-kv backup --out` made",
            path.display())]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// Whose it is.
        owner: String,
    },
    /// Bytes of it are not as they were written.
    #[error("{} is damaged: {} from byte {} on is not as it was written. Begin from another copy \
             of this backup, or from another backup", .0.path.display(), .0.part, .0.offset)]
    Damaged(SnapshotDamaged),
    /// Its state is not one of this program.
    #[error("the backup in {} is not of this program, or of another version: {reason}",
            path.display())]
    Malformed {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A node's folder cannot be written.
    #[error("the state cannot be written to {}: {reason}", path.display())]
    NotWritten {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The cluster that it was made of.
    pub cluster: String,
    /// The first slot whose commands are not in it.
    pub slot: Slot,
    /// The digest of its state, with the sessions that were open.
    pub digest: u64,
    /// How many bytes the state has.
    pub bytes: u64,
}

/// What a snapshot must have in it, to be the backup that somebody asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Covered(Slot);

/// How much of which snapshot is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackupPosition {
    slot: Slot,
    end: u64,
}

impl Covered {
    /// Asks for everything that any client was answered before this session was asked for: the log
    /// is in the order of real time, so all of it is in slots below that of the session.
    #[must_use]
    pub const fn before(session: SessionId) -> Self {
        Self(session.slot.next())
    }

    /// Returns what a node is asked for next, by whoever has this much of a snapshot or nothing.
    #[must_use]
    pub fn question(self, have: Option<BackupPosition>) -> RequestBody {
        let (of, offset) = have.map_or((None, 0), |have| (Some(have.slot), have.end));
        RequestBody::FetchSnapshot { covers: self.0, of, offset }
    }
}

impl std::fmt::Display for Covered {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "the slots below {}", self.0.number())
    }
}

impl BackupPosition {
    /// Returns how many bytes of the snapshot are there.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.end
    }
}

/// How far a backup has come. Complete by its nature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackupStep {
    /// The beginning of a snapshot is there.
    Part(BackupPosition),
    /// It is whole and durable.
    Whole(Summary),
}

/// A backup in the making.
#[derive(Debug)]
pub struct BackupWriter<M, D: Disk> {
    work: SnapshotWork<M, D>,
    path: PathBuf,
    cluster: String,
}

impl<M: StateMachine + Clone, D: Disk> BackupWriter<M, D> {
    /// Begins a backup of a cluster in a folder, which is made; one that is there must be empty.
    ///
    /// # Errors
    ///
    /// Why the folder cannot be used.
    pub fn begin(disk: D, path: &Path, cluster: &str, machine: M) -> Result<Self, BackupError> {
        if disk.list(path).is_ok_and(|names| !names.is_empty()) {
            return Err(BackupError::Exists(path.to_owned()));
        }
        let options = SnapshotOptions::new(format!("{OWNER}{cluster}").as_bytes());
        let begins = (machine, SessionLimits::default());
        let opened = SnapshotWork::open(disk, path, &options, begins);
        let (work, _) = opened.map_err(BackupError::Folder)?;
        Ok(Self { work, path: path.to_owned(), cluster: cluster.to_owned() })
    }

    /// Takes the next part, or the first one of another snapshot; waits for the disk.
    ///
    /// # Errors
    ///
    /// Why it was not kept; then the first part is to be asked for.
    pub fn keep(&mut self, part: StatePart) -> Result<BackupStep, BackupError> {
        let (description, bytes) = (part.description, part.total);
        let not_kept = |reason| BackupError::NotKept { path: self.path.clone(), reason };
        match self.work.keep(part).map_err(not_kept)? {
            SnapshotDone::Kept { slot, end } => Ok(BackupStep::Part(BackupPosition { slot, end })),
            SnapshotDone::Installed(_) => {
                let StateDescription { slot, digest, .. } = description;
                Ok(BackupStep::Whole(Summary {
                    cluster: self.cluster.clone(),
                    slot,
                    digest,
                    bytes,
                }))
            }
            SnapshotDone::Taken(_)
            | SnapshotDone::NotTaken
            | SnapshotDone::NotKept
            | SnapshotDone::Read { .. } => Err(not_kept("no part was kept".to_owned())),
        }
    }
}

/// The state of a backup, of which nothing is in doubt.
#[derive(Debug)]
pub struct BackupState<M> {
    summary: Summary,
    state: Executor<M>,
}

impl<M: StateMachine> BackupState<M> {
    /// Reads a backup, and changes nothing; `machine` is the one before any command.
    ///
    /// # Errors
    ///
    /// Why it is none, or cannot be begun from, and what to do.
    pub fn read<D: Disk>(disk: D, path: &Path, machine: M) -> Result<Self, BackupError> {
        let survey = SnapshotStore::survey(disk.clone(), path).map_err(BackupError::Folder)?;
        let [snapshot] = &survey.snapshots[..] else {
            let path = path.to_owned();
            return Err(match (survey.snapshots.len(), survey.unfinished) {
                (0, true) => BackupError::Unfinished(path),
                (0, false) => BackupError::Missing(path),
                _ => BackupError::Foreign { path, owner: "a node".to_owned() },
            });
        };
        if let Some(damaged) = snapshot.damage.first() {
            return Err(BackupError::Damaged(damaged.clone()));
        }
        let cluster = cluster_of(path, snapshot)?;
        let malformed = |reason| BackupError::Malformed { path: path.to_owned(), reason };
        let reader = snapshot.reader(disk).map_err(|error| malformed(error.to_string()));
        let mut reader = reader?;
        let description = description_of(&reader).map_err(malformed)?;
        let bytes = reader.snapshot().bytes;
        let limits = Settings::default().sessions;
        let state = restore(machine, limits, &description, &mut reader).map_err(malformed)?;
        let StateDescription { slot, digest, .. } = description;
        let summary = Summary { cluster, slot, digest, bytes };
        Ok(Self { summary, state: state.without_sessions(limits) })
    }

    /// Returns what the backup holds.
    #[must_use]
    pub const fn summary(&self) -> &Summary {
        &self.summary
    }

    /// Has a node that was made and has never run begin with the state: its journal says that a
    /// snapshot stands for what is below, and the snapshot is beside it.
    ///
    /// # Errors
    ///
    /// Why it could not be written. The folders are of no use then.
    pub fn begin_node<D: Disk>(
        &self,
        disk: D,
        folders: DataFolders<'_>,
        identity: &[u8],
    ) -> Result<(), BackupError> {
        let not_written = |path: &Path, reason: String| {
            let path = path.to_owned();
            BackupError::NotWritten { path, reason }
        };
        let store = SnapshotOptions::new(identity);
        let opened = SnapshotStore::open(disk.clone(), folders.snapshots, &store);
        let (mut store, _) = opened.map_err(BackupError::Folder)?;
        let description = self.write_down(&mut store);
        let description = description.map_err(|reason| not_written(folders.snapshots, reason))?;
        // Without it a node whose snapshots were left behind would begin with nothing.
        let cut = encode_record(&JournalRecord::Snapshot(description.slot));
        let mut options = Options::new(identity);
        options.create = Create::Never;
        // Its first start writes it anew, in the size that the configuration has by then.
        options.segment_bytes = SEGMENT_BYTES_MIN;
        let opened = Journal::open(disk, folders.journal, &options, |_| {});
        let (mut journal, found) = opened.map_err(BackupError::Folder)?;
        let in_journal = |reason: String| not_written(folders.journal, reason);
        let mut records: Records = [&cut[..]].into_iter().collect();
        let appended = journal.append(&found.hard_state, &mut records);
        appended.map_err(|error| in_journal(error.to_string()))?;
        journal.close().map_err(|error| in_journal(error.to_string()))
    }

    /// Writes the state as the first snapshot of a store.
    fn write_down<D: Disk>(
        &self,
        store: &mut SnapshotStore<D>,
    ) -> Result<StateDescription, String> {
        let (description, view) = self.state.snapshot().map_err(|error| error.to_string())?;
        let meta = encode_description(&description);
        let begun = store.begin(bound_of(description.slot), &meta);
        let mut writer = begun.map_err(|error| error.to_string())?;
        for piece in view {
            writer.append(&piece).map_err(|error| error.to_string())?;
        }
        store.finish(writer).map_err(|error| error.to_string())?;
        Ok(description)
    }
}

/// Returns the cluster that a backup was made of.
fn cluster_of(path: &Path, snapshot: &SurveyedSnapshot) -> Result<String, BackupError> {
    let owner = String::from_utf8_lossy(&snapshot.identity);
    let cluster = owner.strip_prefix(OWNER);
    cluster.map(str::to_owned).ok_or_else(|| BackupError::Foreign {
        path: path.to_owned(),
        owner: owner.clone().into_owned(),
    })
}

/// What stands before the cluster in the identity of a backup.
const OWNER: &str = "synod-backup/";
