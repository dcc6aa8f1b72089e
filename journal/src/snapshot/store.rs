//! The store: which snapshots are durable, which one is in the making, and which may go.
//!
//! Opening is left to `recover`, the bytes to `write` and `read`. Claims kept: a snapshot counts
//! only once its file and then its name are synced; an older one goes only after that; a bound
//! never goes back; and no more are kept than were asked for.

use std::fmt;
use std::sync::{Arc, Weak};

use crate::disk::Disk;
use crate::error::{Fatal, OptionsError};
use crate::options::IDENTITY_BYTES_MAX;

use super::error::{ReadBackError, SnapshotDamaged, SnapshotError, SnapshotReadError};
use super::folder::Folder;
use super::format::{SNAPSHOT_CHUNK_BYTES, SNAPSHOT_CHUNK_BYTES_MAX, SNAPSHOT_CHUNK_BYTES_MIN};
use super::format::{Snapshot, SnapshotBound};
use super::read::SnapshotReader;
use super::write::SnapshotWriter;

/// The most snapshots that may be kept.
pub const SNAPSHOTS_KEPT_MAX: usize = 8;

/// How a store of snapshots is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SnapshotOptions {
    /// Whose snapshots they are, at most [`IDENTITY_BYTES_MAX`] bytes: a folder with those of
    /// another owner is refused.
    pub identity: Vec<u8>,
    /// Bytes of a chunk, from [`SNAPSHOT_CHUNK_BYTES_MIN`] to [`SNAPSHOT_CHUNK_BYTES_MAX`], of the
    /// snapshots made from here on. Those that are there keep theirs.
    pub chunk_bytes: u32,
    /// How many are kept, from 1 to [`SNAPSHOTS_KEPT_MAX`].
    pub kept: usize,
}

impl SnapshotOptions {
    /// Asks for chunks of [`SNAPSHOT_CHUNK_BYTES`], and keeps the newest snapshot alone.
    #[must_use]
    pub fn new(identity: &[u8]) -> Self {
        Self { identity: identity.to_vec(), chunk_bytes: SNAPSHOT_CHUNK_BYTES, kept: 1 }
    }

    pub(super) fn check(&self) -> Result<(), OptionsError> {
        if !(SNAPSHOT_CHUNK_BYTES_MIN..=SNAPSHOT_CHUNK_BYTES_MAX).contains(&self.chunk_bytes) {
            return Err(OptionsError::SnapshotChunkBytes(self.chunk_bytes));
        }
        if !(1..=SNAPSHOTS_KEPT_MAX).contains(&self.kept) {
            return Err(OptionsError::SnapshotsKept(self.kept));
        }
        if self.identity.len() > IDENTITY_BYTES_MAX {
            return Err(OptionsError::Identity(self.identity.len()));
        }
        Ok(())
    }
}

/// The snapshots of one owner, in a directory of their own that is locked meanwhile.
///
/// ```
/// use std::path::Path;
/// use synod_journal::{SimDisk, SnapshotBound, SnapshotOptions, SnapshotStore};
///
/// let disk = SimDisk::new(1);
/// let options = SnapshotOptions::new(b"cluster 5f3a");
/// let (mut store, found) = SnapshotStore::open(disk, Path::new("snapshots"), &options)?;
/// assert!(found.damaged.is_empty() && store.newest().is_none());
///
/// let mut writer = store.begin(SnapshotBound::new(1024), b"sessions: 7")?;
/// writer.append(b"the state of ")?;
/// writer.append(b"the machine")?;
/// let snapshot = store.finish(writer)?; // From here on the log below 1024 may be forgotten.
///
/// let mut reader = store.reader(snapshot.bound)?;
/// assert_eq!(reader.meta(), b"sessions: 7");
/// assert_eq!(reader.next_chunk()?, Some(&b"the state of the machine"[..]));
/// assert_eq!(reader.next_chunk()?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SnapshotStore<D: Disk> {
    folder: Folder<D>,
    options: SnapshotOptions,
    /// By bound, the newest last.
    held: Vec<Held>,
    making: Weak<()>,
    poisoned: bool,
    _lock: D::Lock,
}

/// A file under a snapshot's name.
#[derive(Clone, Debug)]
pub(super) enum Held {
    Whole(Snapshot),
    Damaged(SnapshotDamaged),
}

impl Held {
    pub(super) fn bound(&self) -> SnapshotBound {
        match self {
            Self::Whole(snapshot) => snapshot.bound,
            Self::Damaged(damaged) => damaged.bound,
        }
    }

    fn whole(&self) -> Option<Snapshot> {
        match self {
            Self::Whole(snapshot) => Some(*snapshot),
            Self::Damaged(_) => None,
        }
    }
}

impl<D: Disk> SnapshotStore<D> {
    /// Takes over what an opening found.
    pub(super) fn assemble(
        folder: Folder<D>,
        options: SnapshotOptions,
        held: Vec<Held>,
        lock: D::Lock,
    ) -> Self {
        let making = Weak::new();
        Self { folder, options, held, making, poisoned: false, _lock: lock }
    }

    /// Removes what is more than is kept, which a power loss may have brought back. An opening
    /// leaves it, as the newest one may prove to be damaged when it is read.
    ///
    /// # Errors
    /// When a file cannot be removed.
    pub fn remove_older(&mut self) -> Result<(), Fatal> {
        self.prune()
    }

    /// Begins a snapshot that stands for the entries below `bound`; `meta` is kept with it.
    ///
    /// One of the bound of the newest takes its place, whole or damaged, when it is finished.
    ///
    /// # Errors
    /// See [`SnapshotError`].
    pub fn begin(
        &mut self,
        bound: SnapshotBound,
        meta: &[u8],
    ) -> Result<SnapshotWriter<D>, SnapshotError> {
        self.check_usable()?;
        if self.making.strong_count() > 0 {
            return Err(SnapshotError::Busy);
        }
        // A damaged one keeps its name until one of its bound or a greater one is durable, so that
        // what was told of entries below it stays told; below it any state is better than none.
        let newest = self.newest().map(|newest| newest.bound);
        if let Some(newest) = newest.filter(|newest| bound < *newest) {
            return Err(SnapshotError::Backwards { wanted: bound, newest });
        }
        // The writer holds it for as long as it lives, be it finished or dropped: so no call has to
        // tell the store of an end.
        let turn = Arc::new(());
        self.making = Arc::downgrade(&turn);
        let SnapshotOptions { identity, chunk_bytes, .. } = &self.options;
        SnapshotWriter::begin(self.folder.clone(), bound, *chunk_bytes, identity, meta, turn)
    }

    /// Writes what is left of a snapshot in the making, syncs its file, and opens it for reading,
    /// for an owner who wants to see what he has before it counts. Nothing can be appended to it
    /// then.
    ///
    /// # Errors
    /// See [`ReadBackError`].
    ///
    /// # Panics
    /// When another store began it.
    pub fn read_back(
        &self,
        writer: &mut SnapshotWriter<D>,
    ) -> Result<SnapshotReader<D>, ReadBackError> {
        self.check_usable()?;
        let is_own = Weak::ptr_eq(&self.making, &Arc::downgrade(&writer.turn));
        assert!(is_own, "the store that began a snapshot reads it back");
        writer.seal()?;
        Ok(writer.read_back(&self.options.identity)?)
    }

    /// Makes a snapshot durable, and removes those that are older than is kept.
    ///
    /// # Errors
    /// See [`SnapshotError`].
    ///
    /// # Panics
    /// When another store began it.
    pub fn finish(&mut self, mut writer: SnapshotWriter<D>) -> Result<Snapshot, SnapshotError> {
        self.check_usable()?;
        let is_own = Weak::ptr_eq(&self.making, &Arc::downgrade(&writer.turn));
        assert!(is_own, "the store that began a snapshot finishes it");
        let snapshot = writer.seal()?;
        writer.publish()?;
        let settled = self.settle(snapshot);
        // From the renaming on, what failed may have failed before or after the disk has it.
        self.poisoned = settled.is_err();
        settled?;
        Ok(snapshot)
    }

    /// Tells whether nothing can be written here any more, as the disk failed where it is not known
    /// what it has. Another opening finds out, and goes on.
    pub fn is_poisoned(&self) -> bool {
        self.poisoned
    }

    /// Returns the newest snapshot that is whole, as far as head and manifest tell.
    pub fn newest(&self) -> Option<Snapshot> {
        self.held.iter().rev().find_map(Held::whole)
    }

    /// Returns the greatest bound of all snapshots that are there, whole or damaged.
    pub fn greatest_bound(&self) -> Option<SnapshotBound> {
        self.held.last().map(Held::bound)
    }

    /// Takes note that a snapshot was found to be damaged when it was read: it counts as none from
    /// here on. Its file stays, as its name tells what it stood for, until one of its bound or a
    /// greater one is durable.
    pub fn note_damage(&mut self, damaged: SnapshotDamaged) {
        if let Some(held) = self.held.iter_mut().find(|held| held.bound() == damaged.bound) {
            *held = Held::Damaged(damaged);
        }
    }

    /// Returns all snapshots that are whole, as far as head and manifest tell, the newest last.
    pub fn snapshots(&self) -> impl Iterator<Item = Snapshot> + '_ {
        self.held.iter().filter_map(Held::whole)
    }

    /// Opens a snapshot for reading; any number of readers go on side by side.
    ///
    /// # Errors
    /// See [`SnapshotReadError`].
    pub fn reader(&self, bound: SnapshotBound) -> Result<SnapshotReader<D>, SnapshotReadError> {
        SnapshotReader::open(self.folder.clone(), bound, &self.options.identity)
    }

    /// Makes the name of a sealed snapshot durable, and only then lets older ones go.
    fn settle(&mut self, snapshot: Snapshot) -> Result<(), Fatal> {
        self.folder.sync()?;
        self.held.retain(|held| held.bound() != snapshot.bound);
        self.held.push(Held::Whole(snapshot));
        // A damaged one of a greater bound may be there.
        self.held.sort_by_key(Held::bound);
        self.prune()
    }

    /// Removes all that is below the oldest of the whole ones that are kept, and what is damaged
    /// and not above all of those.
    fn prune(&mut self) -> Result<(), Fatal> {
        let Some(newest) = self.newest() else { return Ok(()) };
        let whole: Vec<_> = self.snapshots().map(|snapshot| snapshot.bound).collect();
        let kept = &whole[whole.len().saturating_sub(self.options.kept)..];
        while let Some(at) = self.held.iter().position(|held| {
            let bound = held.bound();
            bound <= newest.bound && !kept.contains(&bound)
        }) {
            // The file first, so that whatever the folder has is held.
            self.folder.remove(self.held[at].bound())?;
            self.held.remove(at);
        }
        Ok(())
    }

    fn check_usable(&self) -> Result<(), SnapshotError> {
        if self.poisoned { Err(SnapshotError::Poisoned) } else { Ok(()) }
    }
}

impl<D: Disk> fmt::Debug for SnapshotStore<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotStore").field("held", &self.held).finish_non_exhaustive()
    }
}
