//! The directory of the snapshots: the names in it, and how they become durable.
//!
//! What is in the files is left to `format`. Claim kept: a bound has one spelling, so that no two
//! files stand for the same one, and an error names the path that it is about.

use std::path::{Path, PathBuf};

use crate::disk::Disk;
use crate::error::Fatal;

use super::format::SnapshotBound;

const SUFFIX: &str = ".snap";
const AGAIN_SUFFIX: &str = ".again";
const DRAFT_NAME: &str = "snapshot.new";

/// A directory of snapshots, and the disk it is on.
#[derive(Clone, Debug)]
pub(crate) struct Folder<D> {
    pub(crate) disk: D,
    pub(crate) path: PathBuf,
}

impl<D: Disk> Folder<D> {
    /// The name of a snapshot.
    pub(crate) fn snapshot_path(&self, bound: SnapshotBound) -> PathBuf {
        self.path.join(name(bound, SUFFIX))
    }

    /// The name that a snapshot has while its own is written anew.
    pub(crate) fn again_path(&self, bound: SnapshotBound) -> PathBuf {
        self.path.join(name(bound, AGAIN_SUFFIX))
    }

    /// The name of the snapshot in the making.
    pub(crate) fn draft_path(&self) -> PathBuf {
        self.path.join(DRAFT_NAME)
    }

    /// Gives a file another name.
    pub(crate) fn rename(&self, from: &Path, to: &Path) -> Result<(), Fatal> {
        let renamed = self.disk.rename(from, to);
        renamed.map_err(|error| Fatal::new("cannot rename", from, error))
    }

    /// Makes the names in the directory durable.
    pub(crate) fn sync(&self) -> Result<(), Fatal> {
        let synced = self.disk.sync_dir(&self.path);
        synced.map_err(|error| Fatal::new("cannot sync the directory", &self.path, error))
    }

    /// Takes a snapshot out of the directory.
    pub(crate) fn remove(&self, bound: SnapshotBound) -> Result<(), Fatal> {
        self.remove_file(&self.snapshot_path(bound))
    }

    /// Takes the snapshot in the making out of the directory, where there is one.
    pub(crate) fn remove_draft(&self) -> Result<(), Fatal> {
        match self.remove_file(&self.draft_path()) {
            Err(fatal) if fatal.source.kind() == std::io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    fn remove_file(&self, path: &Path) -> Result<(), Fatal> {
        let removed = self.disk.remove(path);
        removed.map_err(|error| Fatal::new("cannot remove", path, error))
    }
}

/// Tells whether a file in the directory of a [`SnapshotStore`](crate::SnapshotStore) has a name
/// that the store gives: of a snapshot, or of one in the making.
///
/// ```
/// assert!(synod_journal::is_snapshot_file_name("snapshot-0000000000000abc.snap"));
/// assert!(!synod_journal::is_snapshot_file_name("snapshot-notes.txt"));
/// ```
#[must_use]
pub fn is_snapshot_file_name(found: &str) -> bool {
    is_draft(found) || bound_of(found).is_some() || again_of(found).is_some()
}

/// Tells whether a name is that of the snapshot in the making.
pub(crate) fn is_draft(found: &str) -> bool {
    found == DRAFT_NAME
}

/// The snapshot that a name stands for, or `None` when it is no snapshot's name.
pub(crate) fn bound_of(found: &str) -> Option<SnapshotBound> {
    parse(found, SUFFIX)
}

/// The snapshot whose name was being written anew, as a name says.
pub(crate) fn again_of(found: &str) -> Option<SnapshotBound> {
    parse(found, AGAIN_SUFFIX)
}

fn parse(found: &str, suffix: &str) -> Option<SnapshotBound> {
    let digits = found.strip_prefix("snapshot-")?.strip_suffix(suffix)?;
    let bound = SnapshotBound::new(u64::from_str_radix(digits, 16).ok()?);
    // The number has one spelling: no signs, no capitals, sixteen digits.
    (name(bound, suffix) == found).then_some(bound)
}

fn name(bound: SnapshotBound, suffix: &str) -> String {
    format!("snapshot-{:016x}{suffix}", bound.get())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_has_one_spelling() {
        let bound = SnapshotBound::new(0xabc);
        assert_eq!(name(bound, SUFFIX), "snapshot-0000000000000abc.snap");
        assert_eq!(bound_of("snapshot-0000000000000abc.snap"), Some(bound));
        assert_eq!(again_of("snapshot-0000000000000abc.again"), Some(bound));
        for other in
            ["snapshot-abc.snap", "snapshot-0000000000000ABC.snap", DRAFT_NAME, "snapshot-.snap"]
        {
            assert_eq!((bound_of(other), again_of(other)), (None, None), "{other}");
        }
        assert_eq!(bound_of("snapshot-0000000000000abc.again"), None);
    }

    #[test]
    fn a_file_of_somebody_else_has_no_name_of_the_store() {
        for ours in
            [DRAFT_NAME, "snapshot-0000000000000abc.snap", "snapshot-0000000000000abc.again"]
        {
            assert!(is_snapshot_file_name(ours), "{ours}");
        }
        for other in ["snapshots", "snapshot-notes.txt", "snapshot-abc.snap", "snapshot-.snap", ""]
        {
            assert!(!is_snapshot_file_name(other), "{other}");
        }
    }
}
