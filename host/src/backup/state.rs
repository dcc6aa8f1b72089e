//! The state of a backup, and nodes that begin with it.
//!
//! Where the folders of a node are, and when they have their names, is left to whoever makes it.
//! The claims kept true: nothing of a backup is believed before all of it was read and came to its
//! digest; reading changes nothing; a node that begins with it has a journal that says that a
//! snapshot stands for what is below, in which slot and of which digest; and none of its sessions.

use std::path::{Path, PathBuf};

use synod_journal::{
    Create, Disk, Journal, OpenError, Options, Records, SEGMENT_BYTES_MIN, SnapshotOptions,
    SnapshotStore, SurveyedSnapshot,
};
use synod_smr::wire::{JournalRecord, StateDescription, encode_description, encode_record};
use synod_smr::{Checkpoint, Executor, SessionLimits, StateMachine};

use super::{OWNER, ReadError, Summary};
use crate::beginning;
use crate::recovery::DataFolders;
use crate::snapshots::work::{bound_of, description_of, restore};

/// The state of a backup, of which nothing is in doubt.
#[derive(Debug)]
pub struct BackupState<M> {
    summary: Summary,
    state: Executor<M>,
}

/// Why a node was not made from a backup.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BeginError {
    /// A folder cannot be used.
    #[error("the folder cannot be used: {0}")]
    Folder(#[from] OpenError),
    /// The identity that the journal is to have does not say what it begins with.
    #[error("\"{identity}\" does not say that the journal begins with {}",
            beginning::in_words(Some(*.began)))]
    Identity {
        /// The identity.
        identity: String,
        /// What it begins with.
        began: Checkpoint,
    },
    /// A folder cannot be written.
    #[error("the state cannot be written to {}: {reason}", path.display())]
    NotWritten {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl<M: StateMachine> BackupState<M> {
    /// Reads a backup, and changes nothing; `machine` is the one before any command.
    ///
    /// # Errors
    ///
    /// Why it is none, or cannot be begun from, and what to do.
    pub fn read<D: Disk>(disk: D, path: &Path, machine: M) -> Result<Self, ReadError> {
        let survey = SnapshotStore::survey(disk.clone(), path).map_err(ReadError::Folder)?;
        let [snapshot] = &survey.snapshots[..] else {
            let path = path.to_owned();
            return Err(match (survey.snapshots.len(), survey.unfinished) {
                (0, true) => ReadError::Unfinished(path),
                (0, false) => ReadError::Missing(path),
                _ => ReadError::Foreign { path, owner: "a node".to_owned() },
            });
        };
        if let Some(damaged) = snapshot.damage.first() {
            return Err(ReadError::Damaged(damaged.clone()));
        }
        let cluster = cluster_of(path, snapshot)?;
        let malformed = |reason| ReadError::Malformed { path: path.to_owned(), reason };
        let mut reader = snapshot.reader(disk).map_err(|error| malformed(error.to_string()))?;
        let description = description_of(&reader).map_err(malformed)?;
        let bytes = reader.snapshot().bytes;
        // The limits of the nodes that it was made of are not known here, and its sessions go.
        let limits = SessionLimits::UNBOUNDED;
        let state = restore(machine, limits, &description, &mut reader)
            .map_err(|unread| malformed(unread.to_string()))?;
        let StateDescription { slot, digest, sessions, .. } = description;
        let summary = Summary { cluster, slot, digest, bytes, sessions };
        Ok(Self { summary, state: state.without_sessions(limits) })
    }

    /// Returns what the backup holds.
    #[must_use]
    pub const fn summary(&self) -> &Summary {
        &self.summary
    }

    /// Returns the state, without the sessions of its old clients.
    #[must_use]
    pub const fn state(&self) -> &Executor<M> {
        &self.state
    }

    /// Makes the folders of a node that begins with the state: its journal says that a snapshot
    /// stands for what is below, and the snapshot is beside it. The identity is one that
    /// [`identity_from`](crate::identity_from) spells.
    ///
    /// spec: Backup!Begin
    ///
    /// # Errors
    ///
    /// Why they could not be written. They are of no use then.
    pub fn begin_node<D: Disk>(
        &self,
        disk: D,
        folders: DataFolders<'_>,
        identity: &str,
    ) -> Result<(), BeginError> {
        let began = self.summary.beginning();
        if beginning::beginning_of(identity) != Some(began) {
            return Err(BeginError::Identity { identity: identity.to_owned(), began });
        }
        let not_written = |path: &Path, reason: String| {
            let path = path.to_owned();
            BeginError::NotWritten { path, reason }
        };
        let mut options = Options::new(identity.as_bytes());
        options.create = Create::New;
        // Its first start writes it anew, in the size that the configuration has by then.
        options.segment_bytes = SEGMENT_BYTES_MIN;
        let (mut journal, found) = Journal::open(disk.clone(), folders.journal, &options, |_| {})?;
        let store = SnapshotOptions::new(identity.as_bytes());
        let (mut store, _) = SnapshotStore::open(disk, folders.snapshots, &store)?;
        let description = self.write_down(&mut store);
        let description = description.map_err(|reason| not_written(folders.snapshots, reason))?;
        // Without it a node whose snapshots were left behind would begin with nothing.
        let cut = encode_record(&JournalRecord::Snapshot(description.slot));
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
fn cluster_of(path: &Path, snapshot: &SurveyedSnapshot) -> Result<String, ReadError> {
    let owner = String::from_utf8_lossy(&snapshot.identity);
    let cluster = owner.strip_prefix(OWNER);
    cluster.map(str::to_owned).ok_or_else(|| ReadError::Foreign {
        path: path.to_owned(),
        owner: owner.clone().into_owned(),
    })
}
