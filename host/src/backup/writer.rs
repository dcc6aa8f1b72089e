//! A backup in the making, in a folder.
//!
//! Asking for it is left to `client`. The claim kept true: what the folder holds has the name of a
//! snapshot only once all of it is durable, was read back, and came to what it was said to be.

use std::path::{Path, PathBuf};

use synod_journal::{Disk, OpenError, SnapshotOptions, SnapshotStore};
use synod_paxos::Slot;
use synod_smr::wire::StateDescription;
use synod_smr::{SessionLimits, StateMachine, StatePart};

use super::{BackupError, OWNER, Summary};
use crate::snapshots::work::{Kept, SnapshotWork};

/// How far a backup has come. Complete by its nature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackupStep {
    /// The beginning of a snapshot is there, up to this byte.
    Part(Slot, u64),
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
        // The limits of its nodes are not known here: what they keep is believed for its digest.
        let limits = SessionLimits::UNBOUNDED;
        let opened = SnapshotWork::open(disk, path, &options, (machine, limits));
        let (work, _) = opened.map_err(BackupError::Folder)?;
        Ok(Self { work, path: path.to_owned(), cluster: cluster.to_owned() })
    }

    /// Takes the next part, or the first one of another snapshot; waits for the disk.
    ///
    /// # Errors
    ///
    /// Why it was not kept. What was kept before is no backup.
    pub fn keep(&mut self, part: StatePart) -> Result<BackupStep, BackupError> {
        let (StateDescription { slot, digest, sessions, .. }, bytes) =
            (part.description, part.total);
        match self.work.keep(part) {
            Ok(Kept::Part { slot, end }) => Ok(BackupStep::Part(slot, end)),
            Ok(Kept::Whole(_)) => {
                let cluster = self.cluster.clone();
                Ok(BackupStep::Whole(Summary { cluster, slot, digest, bytes, sessions }))
            }
            Err(reason) => Err(BackupError::NotKept { path: self.path.clone(), reason }),
        }
    }
}

/// Finds out whether nobody else writes into the folder of a backup in the making.
///
/// # Errors
///
/// Why it cannot be written to.
pub fn try_lock<D: Disk>(disk: D, path: &Path) -> Result<(), OpenError> {
    match SnapshotStore::open(disk, path, &SnapshotOptions::new(b"")) {
        // Whose it is does not matter: it is to be removed.
        Ok(_) | Err(OpenError::OtherIdentity { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}
