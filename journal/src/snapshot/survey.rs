//! A survey of a directory of snapshots: each of them, read to its end.
//!
//! What is in one is left to the owner. Claims kept: nothing is changed, each byte of each snapshot
//! is held against its checksum, and memory is one chunk, one manifest, and what is told of each.

use std::io::ErrorKind::NotFound;
use std::path::{Path, PathBuf};

use crate::disk::{Disk, DiskFile as _};
use crate::error::{Fatal, OpenError};
use crate::recover::recovery::{list, lock};
use crate::recover::survey::DAMAGE_LISTED_MAX;

use super::error::{SnapshotDamaged, SnapshotReadError};
use super::folder::{self, Folder};
use super::format::{SNAPSHOT_FORMAT, Snapshot, SnapshotBound};
use super::manifest::{self, Judged};
use super::read::SnapshotReader;
use super::recover::named;
use super::store::SnapshotStore;

/// What a directory of snapshots holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SnapshotsSurvey {
    /// The snapshots, the newest last.
    pub snapshots: Vec<SurveyedSnapshot>,
    /// One was in the making; the next opening removes what there is of it.
    pub unfinished: bool,
}

/// One snapshot of a survey.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SurveyedSnapshot {
    /// Which entries it stands for, as its name says.
    pub bound: SnapshotBound,
    /// Its file.
    pub path: PathBuf,
    /// How long the file is.
    pub file_bytes: u64,
    /// What its head says of it; none where that, or the manifest, is damaged.
    pub snapshot: Option<Snapshot>,
    /// Whose it is, as its manifest says.
    pub identity: Vec<u8>,
    /// What its owner says of it.
    pub meta: Vec<u8>,
    /// The parts that are damaged.
    pub damage: Vec<SnapshotDamaged>,
    /// How many damaged parts are not listed.
    pub damage_unlisted: u64,
}

impl SurveyedSnapshot {
    /// Opens the snapshot for reading, and changes nothing.
    ///
    /// # Errors
    /// See [`SnapshotReadError`].
    pub fn reader<D: Disk>(&self, disk: D) -> Result<SnapshotReader<D>, SnapshotReadError> {
        let folder = Folder { disk, path: self.path.clone() };
        SnapshotReader::open_at(folder, self.path.clone(), self.bound, &self.identity)
    }
}

impl<D: Disk> SnapshotStore<D> {
    /// Surveys the snapshots in a directory, whoever owns them, and changes nothing; none where
    /// there is no directory. [`ReadOnlyDisk`](crate::ReadOnlyDisk) is enough of a disk.
    ///
    /// The directory is locked meanwhile, and each snapshot is read from its beginning to its end.
    ///
    /// # Errors
    /// See [`OpenError`]: another process that has it, snapshots of another format, a failing disk.
    /// Damage is no error.
    pub fn survey(disk: D, path: &Path) -> Result<SnapshotsSurvey, OpenError> {
        let mut survey = SnapshotsSurvey::default();
        if disk.list(path).is_err_and(|error| error.kind() == NotFound) {
            return Ok(survey);
        }
        let lock = lock(&disk, path)?;
        let _lock = lock.ok_or_else(|| OpenError::Locked { path: path.to_owned() })?;
        let names = list(&disk, path)?;
        survey.unfinished = names.iter().any(|name| folder::is_draft(name));
        let folder = Folder { disk, path: path.to_owned() };
        for named in named(&names) {
            survey.snapshots.push(read_all(&folder, named.bound, named.path(&folder))?);
        }
        Ok(survey)
    }
}

/// Reads one snapshot to its end.
fn read_all<D: Disk>(
    folder: &Folder<D>,
    bound: SnapshotBound,
    path: PathBuf,
) -> Result<SurveyedSnapshot, OpenError> {
    let file = folder.disk.open(&path);
    let file = file.map_err(|error| Fatal::new("cannot open", &path, error))?;
    let file_bytes = file.bytes().map_err(|error| Fatal::new("cannot read", &path, error))?;
    let mut seen = SurveyedSnapshot {
        bound,
        path: path.clone(),
        file_bytes,
        snapshot: None,
        identity: Vec::new(),
        meta: Vec::new(),
        damage: Vec::new(),
        damage_unlisted: 0,
    };
    let (manifest, file) = match manifest::judge(&folder.disk, &path, bound)? {
        Judged::Whole(manifest, file) => (manifest, file),
        Judged::Damaged(damaged) => {
            seen.damage.push(damaged);
            return Ok(seen);
        }
        Judged::OtherVersion(found) => {
            return Err(OpenError::OtherVersion { path, found, supported: SNAPSHOT_FORMAT });
        }
    };
    (seen.identity, seen.meta) = (manifest.identity().to_vec(), manifest.meta().to_vec());
    let mut reader = SnapshotReader::<D>::of(path, file, manifest);
    seen.snapshot = Some(reader.snapshot());
    for index in 0..reader.snapshot().chunks {
        match reader.chunk(index) {
            Ok(_) => {}
            Err(SnapshotReadError::Damaged(damaged)) if seen.damage.len() < DAMAGE_LISTED_MAX => {
                seen.damage.push(damaged);
            }
            Err(SnapshotReadError::Damaged(_)) => seen.damage_unlisted += 1,
            Err(SnapshotReadError::Fatal(fatal)) => return Err(fatal.into()),
            // It has a file and so many chunks, so that neither is met.
            Err(SnapshotReadError::Missing { .. } | SnapshotReadError::NoSuchChunk { .. }) => {}
        }
    }
    Ok(seen)
}
