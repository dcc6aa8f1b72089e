//! Backups of a cluster, on the disk of the operating system.
//!
//! What a backup is, the host says, and where its bytes come from, the client. The claim kept true:
//! a backup is read without a byte of it being changed.

use std::path::Path;

use synod_host::api::StateMachine;
pub use synod_host::backup::{
    BackupError, BackupPosition, BackupState, BackupStep, BackupWriter, Covered, Summary,
};
use synod_host::journal::{ReadOnlyDisk, RealDisk};

/// A backup in the making, in a folder.
#[derive(Debug)]
pub struct Backup<M>(BackupWriter<M, RealDisk>);

impl<M: StateMachine + Clone> Backup<M> {
    /// Begins a backup of a cluster in a folder, which is made; one that is there must be empty.
    /// `machine` is the one before any command.
    ///
    /// # Errors
    ///
    /// Why the folder cannot be used.
    pub fn begin(folder: &Path, cluster: &str, machine: M) -> Result<Self, BackupError> {
        BackupWriter::begin(RealDisk, folder, cluster, machine).map(Self)
    }

    /// Takes the next part, or the first one of another snapshot.
    ///
    /// # Errors
    ///
    /// Why it was not kept; then the first part is to be asked for.
    pub fn keep(&mut self, part: synod_host::smr::StatePart) -> Result<BackupStep, BackupError> {
        self.0.keep(part)
    }
}

/// Reads a backup, for a cluster that begins with it. `machine` is the one before any command.
///
/// # Errors
///
/// Why it is none, or cannot be begun from, and what to do.
pub fn read_backup<M: StateMachine>(
    folder: &Path,
    machine: M,
) -> Result<BackupState<M>, BackupError> {
    BackupState::read(ReadOnlyDisk, folder, machine)
}
