//! The directory of a journal: where its files are, and how their names become durable.
//!
//! What is in the files is left to `format`. Claim kept: an error names the path that it is about.

use std::path::{Path, PathBuf};

use crate::disk::Disk;
use crate::error::Fatal;
use crate::format::identity::FolderId;
use crate::format::names::{DRAFT_SUFFIX, SPARE_NAME, replaced_name, segment_name};
use crate::format::position::SegmentId;

/// A directory of segments, and the disk it is on.
#[derive(Clone, Debug)]
pub(crate) struct Directory<D> {
    pub(crate) disk: D,
    pub(crate) path: PathBuf,
    pub(crate) folder: FolderId,
    pub(crate) identity_crc: u32,
    /// The segment whose only file has the name of one that was replaced, as an exchange with the
    /// spare was cut short. An opening gives it its own name back before it asks for it.
    pub(crate) replaced: Option<SegmentId>,
}

impl<D: Disk> Directory<D> {
    /// The name of a segment, which is its final one but for an exchange that was cut short.
    pub(crate) fn segment_path(&self, segment: SegmentId) -> PathBuf {
        let name = if self.replaced == Some(segment) { replaced_name } else { segment_name };
        self.path.join(name(segment))
    }

    /// The name of a segment in the making.
    pub(crate) fn draft_path(&self, segment: SegmentId) -> PathBuf {
        self.path.join(format!("{}{DRAFT_SUFFIX}", segment_name(segment)))
    }

    /// The name of the spare.
    pub(crate) fn spare_path(&self) -> PathBuf {
        self.path.join(SPARE_NAME)
    }

    /// Makes the names in the directory durable.
    pub(crate) fn sync(&self) -> Result<(), Fatal> {
        let synced = self.disk.sync_dir(&self.path);
        synced.map_err(|error| Fatal::new("cannot sync the directory", &self.path, error))
    }

    /// Takes a segment or a draft out of the directory.
    pub(crate) fn remove(&self, path: &Path) -> Result<(), Fatal> {
        let removed = self.disk.remove(path);
        removed.map_err(|error| Fatal::new("cannot remove", path, error))
    }
}
