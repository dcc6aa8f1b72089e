//! The snapshot in the making: chunk after chunk, aside, under a name that no opening believes.
//!
//! Its final name is left to `store`. Claims kept: memory is one chunk and the manifest, however
//! much is written; a step of bounded size is synced at a time, so that no sync of the log waits
//! for a whole snapshot; and one that was given up leaves no file behind while the process lives.

use std::fmt;
use std::sync::Arc;

use crate::disk::{self, Disk, DiskFile};
use crate::error::Fatal;

use super::error::{SnapshotError, SnapshotReadError};
use super::folder::Folder;
use super::format::{HEAD_BYTES, Head, SUM_BYTES, Snapshot, SnapshotBound};
use super::format::{SNAPSHOT_MANIFEST_BYTES_MAX, SNAPSHOT_META_BYTES_MAX};
use super::read::SnapshotReader;

/// How many bytes of a snapshot are written between two syncs of its file.
pub const SNAPSHOT_SYNC_STEP_BYTES: u64 = 8 << 20;

/// A snapshot in the making, which may be written on any thread.
///
/// Nothing of it counts before [`SnapshotStore::finish`](crate::SnapshotStore::finish) returns.
/// Dropping it gives it up and removes its file.
pub struct SnapshotWriter<D: Disk> {
    folder: Folder<D>,
    making: Making<D::File>,
    bound: SnapshotBound,
    chunk_bytes: u32,
    identity_bytes: u32,
    meta_bytes: u32,
    /// Identity, metadata, and the checksums of the chunks written so far.
    manifest: Vec<u8>,
    /// The chunk that is being filled.
    chunk: Vec<u8>,
    /// Bytes of the chunks that were written.
    written: u64,
    chunks: u32,
    unsynced: u64,
    /// The store counts these to know whether one is in the making.
    pub(super) turn: Arc<()>,
}

/// How far a snapshot has come.
enum Making<F> {
    /// It can be written.
    Open(F),
    /// All of it is written and synced; it has no name yet.
    Sealed(F, Snapshot),
    /// Its file has the final name, or is gone.
    Ended,
}

impl<D: Disk> SnapshotWriter<D> {
    /// Makes the file and its metadata; a file that an earlier one left is removed.
    pub(super) fn begin(
        folder: Folder<D>,
        bound: SnapshotBound,
        chunk_bytes: u32,
        identity: &[u8],
        meta: &[u8],
        turn: Arc<()>,
    ) -> Result<Self, SnapshotError> {
        if meta.len() > SNAPSHOT_META_BYTES_MAX {
            let (bytes, max) = (meta.len(), SNAPSHOT_META_BYTES_MAX);
            return Err(SnapshotError::MetaTooLong { bytes, max });
        }
        folder.remove_draft().map_err(SnapshotError::GivenUp)?;
        let path = folder.draft_path();
        let created = folder.disk.create(&path, 0);
        let file = created.map_err(|error| {
            let fatal = Fatal::new("cannot create", &path, error);
            given_up(&folder, 0, fatal)
        })?;
        Ok(Self {
            making: Making::Open(file),
            bound,
            chunk_bytes,
            identity_bytes: length(identity),
            meta_bytes: length(meta),
            manifest: [identity, meta].concat(),
            chunk: Vec::new(),
            written: 0,
            chunks: 0,
            unsynced: 0,
            turn,
            folder,
        })
    }

    /// Returns which snapshot it becomes.
    pub fn bound(&self) -> SnapshotBound {
        self.bound
    }

    /// Returns how many bytes were appended.
    pub fn bytes(&self) -> u64 {
        self.written + self.chunk.len() as u64
    }

    /// Appends bytes, in pieces of any length.
    ///
    /// # Errors
    /// See [`SnapshotError`]; after any of them the snapshot in the making is given up.
    pub fn append(&mut self, mut bytes: &[u8]) -> Result<(), SnapshotError> {
        while !bytes.is_empty() {
            let room = self.chunk_bytes as usize - self.chunk.len();
            let (taken, rest) = bytes.split_at(room.min(bytes.len()));
            self.chunk.extend_from_slice(taken);
            bytes = rest;
            if self.chunk.len() == self.chunk_bytes as usize {
                self.write_chunk()?;
            }
        }
        Ok(())
    }

    /// Writes what is left, then the manifest, then the head that vouches for all of it, and syncs
    /// the file. It keeps its name.
    pub(super) fn seal(&mut self) -> Result<Snapshot, SnapshotError> {
        if let Making::Sealed(_, snapshot) = &self.making {
            return Ok(*snapshot);
        }
        if !self.chunk.is_empty() {
            self.write_chunk()?;
        }
        let manifest = std::mem::take(&mut self.manifest);
        self.write(&manifest, HEAD_BYTES as u64 + self.written)?;
        let snapshot = Snapshot {
            bound: self.bound,
            bytes: self.written,
            chunk_bytes: self.chunk_bytes,
            chunks: self.chunks,
        };
        let head = Head {
            snapshot,
            identity_bytes: self.identity_bytes,
            meta_bytes: self.meta_bytes,
            manifest_crc: crc32c::crc32c(&manifest),
        };
        self.write(&head.encode(), 0)?;
        self.sync()?;
        if let Making::Open(file) = std::mem::replace(&mut self.making, Making::Ended) {
            self.making = Making::Sealed(file, snapshot);
        }
        Ok(snapshot)
    }

    /// Opens the sealed file as it is on the disk.
    pub(super) fn read_back(
        &self,
        identity: &[u8],
    ) -> Result<SnapshotReader<D>, SnapshotReadError> {
        let path = self.folder.draft_path();
        SnapshotReader::open_at(self.folder.clone(), path, self.bound, identity)
    }

    /// Gives the sealed file its final name, in place of an older one of the same bound; durable it
    /// becomes by a sync of the folder.
    pub(super) fn publish(&mut self) -> Result<(), SnapshotError> {
        let (from, to) = (self.folder.draft_path(), self.folder.snapshot_path(self.bound));
        match self.folder.rename(&from, &to) {
            Ok(()) => {
                // From here on the file is not this one's to remove.
                self.making = Making::Ended;
                Ok(())
            }
            Err(fatal) => Err(self.give_up(fatal)),
        }
    }

    fn write_chunk(&mut self) -> Result<(), SnapshotError> {
        if self.manifest.len() + SUM_BYTES > SNAPSHOT_MANIFEST_BYTES_MAX {
            self.end();
            let (bytes, chunk_bytes) = (self.written, self.chunk_bytes);
            return Err(SnapshotError::TooLarge { bytes, chunk_bytes });
        }
        let chunk = std::mem::take(&mut self.chunk);
        self.write(&chunk, HEAD_BYTES as u64 + self.written)?;
        self.manifest.extend_from_slice(&crc32c::crc32c(&chunk).to_le_bytes());
        self.written += chunk.len() as u64;
        self.chunks += 1;
        self.unsynced += chunk.len() as u64;
        self.chunk = chunk;
        self.chunk.clear();
        if self.unsynced >= SNAPSHOT_SYNC_STEP_BYTES { self.sync() } else { Ok(()) }
    }

    fn write(&mut self, bytes: &[u8], offset: u64) -> Result<(), SnapshotError> {
        let Making::Open(file) = &self.making else { return Err(SnapshotError::Ended) };
        disk::write_all_at(file, bytes, offset).map_err(|error| {
            let fatal = Fatal::new("cannot write", &self.folder.draft_path(), error);
            self.give_up(fatal)
        })
    }

    fn sync(&mut self) -> Result<(), SnapshotError> {
        let Making::Open(file) = &self.making else { return Err(SnapshotError::Ended) };
        let synced = file.sync();
        synced.map_err(|error| {
            let fatal = Fatal::new("cannot sync", &self.folder.draft_path(), error);
            self.give_up(fatal)
        })?;
        self.unsynced = 0;
        Ok(())
    }

    fn give_up(&mut self, cause: Fatal) -> SnapshotError {
        // A file that is open keeps its room, whatever became of its name.
        self.making = Making::Ended;
        given_up(&self.folder, self.written, cause)
    }

    fn end(&mut self) {
        let making = std::mem::replace(&mut self.making, Making::Ended);
        if let Making::Open(file) | Making::Sealed(file, _) = making {
            drop(file);
            // What cannot be removed is removed when the next one is begun, or by an opening.
            let _ = self.folder.remove_draft();
        }
    }
}

impl<D: Disk> Drop for SnapshotWriter<D> {
    fn drop(&mut self) {
        self.end();
    }
}

impl<D: Disk> fmt::Debug for SnapshotWriter<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("SnapshotWriter");
        shown.field("bound", &self.bound).field("bytes", &self.bytes()).finish_non_exhaustive()
    }
}

/// Removes the file of a snapshot that came so far, and says why it was given up.
fn given_up<D: Disk>(folder: &Folder<D>, bytes: u64, cause: Fatal) -> SnapshotError {
    // A creation may fail after it has made the file; what cannot be removed is removed when the
    // next one is begun, or by an opening.
    let _ = folder.remove_draft();
    if disk::is_full(&cause.source) {
        return SnapshotError::Full { path: folder.path.clone(), bytes };
    }
    SnapshotError::GivenUp(cause)
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("identity and metadata have bounds")
}
