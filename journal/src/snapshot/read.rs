//! Reading a snapshot, chunk by chunk.
//!
//! What it was written from is left to the owner. Claims kept: a chunk is given out only under its
//! checksum, damage is named by its place, and memory is one chunk and the manifest. A reader goes
//! on to the end of a snapshot that a newer one has taken the place of meanwhile.

use std::fmt;
use std::path::PathBuf;

use crate::disk::{self, Disk};
use crate::error::Fatal;

use super::error::{SnapshotDamaged, SnapshotPart, SnapshotReadError};
use super::folder::Folder;
use super::format::{Snapshot, SnapshotBound};
use super::manifest::{self, Judged, Manifest};

/// A durable snapshot that is open.
pub struct SnapshotReader<D: Disk> {
    path: PathBuf,
    file: D::File,
    manifest: Manifest,
    buffer: Vec<u8>,
    next: u32,
}

impl<D: Disk> SnapshotReader<D> {
    pub(super) fn open(
        folder: Folder<D>,
        bound: SnapshotBound,
        identity: &[u8],
    ) -> Result<Self, SnapshotReadError> {
        let path = folder.snapshot_path(bound);
        Self::open_at(folder, path, bound, identity)
    }

    /// Opens the file of a snapshot under whichever name it has.
    pub(super) fn open_at(
        folder: Folder<D>,
        path: PathBuf,
        bound: SnapshotBound,
        identity: &[u8],
    ) -> Result<Self, SnapshotReadError> {
        let judged = match manifest::judge(&folder.disk, &path, bound) {
            Err(fatal) if manifest::is_missing(&fatal) => {
                return Err(SnapshotReadError::Missing { bound });
            }
            judged => judged?,
        };
        // Another format or another owner was refused when the store was opened: where a file says
        // so all the same, it was changed since.
        let part = match judged {
            Judged::Whole(manifest, file) if manifest.identity() == identity => {
                return Ok(Self::of(path, file, manifest));
            }
            Judged::Damaged(damaged) => return Err(damaged.into()),
            Judged::Whole(..) => SnapshotPart::Manifest,
            Judged::OtherVersion(_) => SnapshotPart::Head,
        };
        Err(SnapshotDamaged { bound, path, part, offset: 0 }.into())
    }

    /// Reads a file whose manifest was judged.
    pub(super) fn of(path: PathBuf, file: D::File, manifest: Manifest) -> Self {
        Self { path, file, manifest, buffer: Vec::new(), next: 0 }
    }

    /// Returns what it is.
    pub fn snapshot(&self) -> Snapshot {
        self.manifest.head.snapshot
    }

    /// Returns the metadata that it was begun with.
    pub fn meta(&self) -> &[u8] {
        self.manifest.meta()
    }

    /// Returns the CRC32C of a chunk as the manifest has it.
    pub fn checksum(&self, index: u32) -> Option<u32> {
        (index < self.snapshot().chunks).then(|| self.manifest.sum(index))
    }

    /// Returns the next chunk, beginning with the first one; none past the last.
    ///
    /// # Errors
    /// See [`SnapshotReadError`]; the same chunk is tried again by the next call.
    pub fn next_chunk(&mut self) -> Result<Option<&[u8]>, SnapshotReadError> {
        let index = self.next;
        if index == self.snapshot().chunks {
            return Ok(None);
        }
        self.fill(index)?;
        self.next = index + 1;
        Ok(Some(&self.buffer))
    }

    /// Returns the chunk of this number, counted from zero, and leaves
    /// [`next_chunk`](Self::next_chunk) where it was.
    ///
    /// # Errors
    /// See [`SnapshotReadError`].
    pub fn chunk(&mut self, index: u32) -> Result<&[u8], SnapshotReadError> {
        let chunks = self.snapshot().chunks;
        if index >= chunks {
            return Err(SnapshotReadError::NoSuchChunk { index, chunks });
        }
        self.fill(index)?;
        Ok(&self.buffer)
    }

    fn fill(&mut self, index: u32) -> Result<(), SnapshotReadError> {
        let (offset, bytes) = self.manifest.head.chunk_at(index);
        self.buffer.resize(bytes, 0);
        let read = disk::read_full_at(&self.file, &mut self.buffer, offset);
        let bound = self.snapshot().bound;
        let read = read.map_err(|error| Fatal::new("cannot read", &self.path, error))?;
        if read != bytes || crc32c::crc32c(&self.buffer) != self.manifest.sum(index) {
            // What is damaged must not be taken for anything.
            self.buffer.clear();
            let part = SnapshotPart::Chunk(index);
            let path = self.path.clone();
            return Err(SnapshotDamaged { bound, path, part, offset }.into());
        }
        Ok(())
    }
}

impl<D: Disk> fmt::Debug for SnapshotReader<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotReader").field("snapshot", &self.snapshot()).finish_non_exhaustive()
    }
}
