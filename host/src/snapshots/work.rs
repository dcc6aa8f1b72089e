//! The work on snapshots, where it may wait for the disk: written, read for peers, and read back.
//!
//! When it is done is the host's to say. The claims kept true: a snapshot of another node gets its
//! name only after it was read back from the disk and came to the state that it was said to be; and
//! whatever goes wrong with one in the making, those that are durable stay.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use synod_journal::{
    Disk, OpenError, RecoveredSnapshots, Snapshot, SnapshotBound, SnapshotDamaged, SnapshotOptions,
    SnapshotReader, SnapshotStore, SnapshotWriter,
};
use synod_paxos::Slot;
use synod_smr::wire::{StateDescription, decode_description, encode_description};
use synod_smr::{
    Executor, RestoreError, STATE_PART_BYTES_MAX, SessionLimits, SnapshotPieces, SnapshotView,
    StateMachine, StatePart,
};

use super::order::{PartReader, Scrubbed, SnapshotDone, SnapshotOrder};
use super::unread::Unread;

/// The snapshots of a node, and the machine before any command.
pub struct SnapshotWork<M, D: Disk> {
    store: Store<D>,
    machine: M,
    limits: SessionLimits,
    making: Option<Making<D>>,
    /// The one that was last read for a peer.
    reader: Option<SnapshotReader<D>>,
    /// The one that clients are given, however old it has become.
    held: Option<SnapshotReader<D>>,
    /// The one that is read again.
    scrubbed: Option<SnapshotReader<D>>,
}

impl<M, D: Disk> std::fmt::Debug for SnapshotWork<M, D> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let store = self.store.opened();
        formatter.debug_struct("SnapshotWork").field("store", &store).finish_non_exhaustive()
    }
}

/// Where the snapshots are.
struct Store<D: Disk> {
    disk: D,
    path: PathBuf,
    options: SnapshotOptions,
    /// There is none where the disk had no room for the folder, or failed while a snapshot was made
    /// durable: it is opened for the next one.
    opened: Option<SnapshotStore<D>>,
}

impl<D: Disk> Store<D> {
    /// Returns the store, if there is one.
    const fn opened(&self) -> Option<&SnapshotStore<D>> {
        self.opened.as_ref()
    }

    /// Returns the store to write to.
    fn made(&mut self) -> Result<&mut SnapshotStore<D>, String> {
        // It keeps its folder locked for as long as it is there.
        self.opened.take_if(|store| store.is_poisoned());
        let store = match self.opened.take() {
            Some(store) => store,
            None => {
                let opened = SnapshotStore::open(self.disk.clone(), &self.path, &self.options);
                opened.map_err(|error| error.to_string())?.0
            }
        };
        Ok(self.opened.insert(store))
    }
}

/// What became of a part that was kept. Complete by its nature.
pub(crate) enum Kept<M> {
    /// More is to come.
    Part {
        /// The slot of the snapshot.
        slot: Slot,
        /// How many bytes of it there are.
        end: u64,
    },
    /// The snapshot is whole, durable, and the state that it was said to be.
    Whole(Box<Executor<M>>),
}

/// A snapshot of another node that is not whole.
struct Making<D: Disk> {
    description: StateDescription,
    writer: SnapshotWriter<D>,
}

impl<M: StateMachine + Clone, D: Disk> SnapshotWork<M, D> {
    /// Opens the store in a folder of its own, with the machine before any command.
    ///
    /// # Errors
    ///
    /// Why the folder cannot be used.
    pub fn open(
        disk: D,
        path: &Path,
        options: &SnapshotOptions,
        (machine, limits): (M, SessionLimits),
    ) -> Result<(Self, RecoveredSnapshots), OpenError> {
        let (opened, found) = SnapshotStore::open(disk.clone(), path, options)?;
        let (path, options) = (path.to_owned(), options.clone());
        let store = Store { disk, path, options, opened: Some(opened) };
        Ok((Self::with(store, (machine, limits)), found))
    }

    /// Does as [`SnapshotWork::open`] where there is no folder yet. A disk that has no room for one
    /// keeps no node from starting: it is made with the first snapshot.
    ///
    /// # Errors
    ///
    /// Why the folder cannot be used.
    pub fn open_new(
        disk: D,
        path: &Path,
        options: SnapshotOptions,
        begins: (M, SessionLimits),
    ) -> Result<Self, OpenError> {
        let opened = match SnapshotStore::open(disk.clone(), path, &options) {
            Ok((store, _)) => Some(store),
            Err(error) if error.is_full() => {
                tracing::warn!(%error, "no room for snapshots yet");
                None
            }
            Err(error) => return Err(error),
        };
        let store = Store { disk, path: path.to_owned(), options, opened };
        Ok(Self::with(store, begins))
    }

    fn with(store: Store<D>, (machine, limits): (M, SessionLimits)) -> Self {
        Self { store, machine, limits, making: None, reader: None, held: None, scrubbed: None }
    }

    /// Returns the state of the newest snapshot that is whole; none if there is none. Those that
    /// are found to be damaged are added to `damaged`, and count as none from here on.
    pub(crate) fn newest(
        &mut self,
        damaged: &mut Vec<SnapshotDamaged>,
    ) -> Result<Option<Executor<M>>, Unread> {
        while let Some(newest) = self.store.opened().and_then(SnapshotStore::newest) {
            match self.state_of(newest.bound) {
                Err(Unread::Damaged(found)) => {
                    self.note_damage(&found);
                    damaged.push(found);
                }
                read => {
                    if read.is_ok()
                        && let Some(store) = &mut self.store.opened
                    {
                        store.remove_older().map_err(Unread::Disk)?;
                    }
                    return read.map(Some);
                }
            }
        }
        Ok(None)
    }

    fn state_of(&self, bound: SnapshotBound) -> Result<Executor<M>, Unread> {
        let store = self.store.opened();
        let store = store.ok_or_else(|| Unread::Foreign("there is no folder".to_owned()))?;
        let mut reader = store.reader(bound)?;
        let description = description_of(&reader).map_err(Unread::Foreign)?;
        self.restore(&description, &mut reader)
    }

    /// Returns the slot of the snapshot that is damaged, if one is.
    fn damaged_by(&mut self, unread: &Unread) -> Option<Slot> {
        match unread {
            Unread::Damaged(damaged) => Some(self.note_damage(damaged)),
            Unread::Disk(_) | Unread::Foreign(_) => None,
        }
    }

    /// Takes a damaged snapshot for none; returns its slot.
    fn note_damage(&mut self, damaged: &SnapshotDamaged) -> Slot {
        if let Some(store) = &mut self.store.opened {
            store.note_damage(damaged.clone());
        }
        // One of the same slot may take its place, and what is open is the damaged file.
        for open in [&mut self.reader, &mut self.held, &mut self.scrubbed] {
            open.take_if(|reader| reader.snapshot().bound == damaged.bound);
        }
        slot_of(damaged.bound)
    }

    /// Carries an order out; waits for the disk.
    #[must_use]
    pub fn carry_out(&mut self, order: SnapshotOrder) -> SnapshotDone<M> {
        match order {
            SnapshotOrder::Take { description, view } => match self.take(&description, view) {
                Ok(bytes) => SnapshotDone::Taken { slot: description.slot, bytes },
                Err(reason) => {
                    let slot = description.slot.number();
                    tracing::error!(slot, reason, "a snapshot was not made");
                    SnapshotDone::NotTaken
                }
            },
            SnapshotOrder::Keep(part) => match self.keep(part) {
                Ok(Kept::Part { slot, end }) => SnapshotDone::Kept { slot, end },
                Ok(Kept::Whole(state)) => SnapshotDone::Installed(state),
                Err(reason) => {
                    tracing::error!(reason, "a snapshot of another node is not kept");
                    self.making = None;
                    SnapshotDone::NotKept
                }
            },
            SnapshotOrder::Read { to, offset, of, bytes_max } => {
                let bytes_max = bytes_max.min(STATE_PART_BYTES_MAX);
                let read = match to {
                    PartReader::Peer(_) => self.read_newest((offset, of), bytes_max),
                    PartReader::Client(..) => self.read_held((offset, of), bytes_max),
                };
                let (part, damaged) = match read {
                    Ok(part) => (part, None),
                    Err(unread) => {
                        tracing::error!(%to, reason = %unread, "a snapshot cannot be read");
                        (None, self.damaged_by(&unread))
                    }
                };
                SnapshotDone::Read { to, part, damaged }
            }
            SnapshotOrder::Scrub { slot, chunk } => SnapshotDone::Scrubbed(self.scrub(slot, chunk)),
            SnapshotOrder::LetGo(slot) => {
                self.held = self.held.take().filter(|held| held.snapshot().bound != bound_of(slot));
                SnapshotDone::LetGo
            }
        }
    }

    /// Writes a state down, and makes it durable; returns how many bytes it has.
    ///
    /// spec: Snapshot!Take
    pub(crate) fn take(
        &mut self,
        description: &StateDescription,
        view: SnapshotView,
    ) -> Result<u64, String> {
        let mut writer = self.begin(description)?;
        // The view was made when the order was given, so that what is applied meanwhile is not in
        // it.
        for piece in view {
            writer.append(&piece).map_err(|error| error.to_string())?;
        }
        let bytes = writer.bytes();
        self.store.made()?.finish(writer).map_err(|error| error.to_string())?;
        Ok(bytes)
    }

    /// Returns how many bytes the newest snapshot has.
    pub(crate) fn newest_bytes(&self) -> u64 {
        let newest = self.store.opened().and_then(SnapshotStore::newest);
        newest.map_or(0, |newest| newest.bytes)
    }

    fn begin(&mut self, description: &StateDescription) -> Result<SnapshotWriter<D>, String> {
        // One in the making makes room: nobody goes on with it.
        self.making = None;
        let (bound, meta) = (bound_of(description.slot), encode_description(description));
        self.store.made()?.begin(bound, &meta).map_err(|error| error.to_string())
    }

    /// Writes a part of a snapshot that was made elsewhere; with the last one it is installed.
    pub(crate) fn keep(&mut self, part: StatePart) -> Result<Kept<M>, String> {
        let StatePart { description, total, offset, bytes } = part;
        // Whoever sends from the first byte on begins anew, be it the same snapshot or another: a
        // peer that has gone on to a newer one has no other way to say so.
        if offset == 0 {
            let writer = self.begin(&description)?;
            self.making = Some(Making { description, writer });
        }
        let Some(making) = self
            .making
            .as_mut()
            // Two peers may answer at once, with snapshots of different slots, and messages come
            // twice.
            .filter(|making| making.description == description && making.writer.bytes() == offset)
        else {
            return Err(format!("bytes {offset} on do not follow what is here"));
        };
        making.writer.append(&bytes).map_err(|error| error.to_string())?;
        let end = making.writer.bytes();
        if end < total {
            return Ok(Kept::Part { slot: description.slot, end });
        }
        self.install()
    }

    /// Reads the snapshot back that is whole, and only then gives it its name.
    fn install(&mut self) -> Result<Kept<M>, String> {
        let Some(making) = self.making.take() else {
            return Err("nothing is in the making".into());
        };
        let Making { description, mut writer, .. } = making;
        let store = self.store.made()?;
        let mut reader = store.read_back(&mut writer).map_err(|error| error.to_string())?;
        let state = self.restore(&description, &mut reader).map_err(|error| error.to_string())?;
        self.store.made()?.finish(writer).map_err(|error| error.to_string())?;
        Ok(Kept::Whole(Box::new(state)))
    }

    fn restore(
        &self,
        description: &StateDescription,
        reader: &mut SnapshotReader<D>,
    ) -> Result<Executor<M>, Unread> {
        restore(self.machine.clone(), self.limits, description, reader)
    }

    /// Reads a part of the newest snapshot; from its beginning, if the peer has the beginning of
    /// another one.
    fn read_newest(
        &mut self,
        (offset, of): (u64, Option<Slot>),
        bytes_max: usize,
    ) -> Result<Option<StatePart>, Unread> {
        let Some(store) = self.store.opened() else { return Ok(None) };
        let Some(newest) = store.newest() else { return Ok(None) };
        let offset = if of.map(bound_of) == Some(newest.bound) { offset } else { 0 };
        // A peer asks part for part: opening the file and checking its head for each would cost
        // more than the part.
        let reader = match self.reader.take().filter(|held| held.snapshot() == newest) {
            Some(reader) => self.reader.insert(reader),
            None => self.reader.insert(store.reader(newest.bound)?),
        };
        part_of(reader, offset, bytes_max)
    }

    /// Reads a chunk of the newest snapshot again; with the first one its head and its manifest.
    fn scrub(&mut self, slot: Slot, chunk: u32) -> Scrubbed {
        let mut read = Scrubbed { slot, bytes: 0, is_last: true, is_damaged: false };
        match self.read_again(slot, chunk) {
            Ok(Some((bytes, is_last))) => (read.bytes, read.is_last) = (bytes, is_last),
            // A newer one has taken its place.
            Ok(None) => {}
            Err(unread) => {
                tracing::error!(%slot, chunk, reason = %unread, "a snapshot cannot be read again");
                read.is_damaged = self.damaged_by(&unread).is_some();
            }
        }
        read
    }

    fn read_again(&mut self, slot: Slot, chunk: u32) -> Result<Option<(u64, bool)>, Unread> {
        let open = self.scrubbed.take().filter(|_| chunk > 0);
        let Some(store) = self.store.opened() else { return Ok(None) };
        let Some(newest) = store.newest().filter(|newest| newest.bound == bound_of(slot)) else {
            return Ok(None);
        };
        let mut reader = match open.filter(|open| open.snapshot() == newest) {
            Some(reader) => reader,
            None => store.reader(newest.bound)?,
        };
        let bytes = if chunk < newest.chunks { reader.chunk(chunk)?.len() as u64 } else { 0 };
        let is_last = chunk + 1 >= newest.chunks;
        self.scrubbed = Some(reader).filter(|_| !is_last);
        Ok(Some((bytes, is_last)))
    }

    /// Reads a part of the snapshot that clients are given; it is opened where it is the newest.
    fn read_held(
        &mut self,
        (offset, of): (u64, Option<Slot>),
        bytes_max: usize,
    ) -> Result<Option<StatePart>, Unread> {
        let Some(bound) = of.map(bound_of) else { return Ok(None) };
        let reader = match self.held.take().filter(|held| held.snapshot().bound == bound) {
            Some(reader) => self.held.insert(reader),
            None => {
                let Some(store) = self.store.opened() else { return Ok(None) };
                // A newer one may have taken its place meanwhile.
                if store.newest().is_none_or(|newest| newest.bound != bound) {
                    return Ok(None);
                }
                self.held.insert(store.reader(bound)?)
            }
        };
        part_of(reader, offset, bytes_max)
    }
}

/// Reads the bytes of a snapshot from an offset on, to the end of a chunk at most.
fn part_of<D: Disk>(
    reader: &mut SnapshotReader<D>,
    offset: u64,
    bytes_max: usize,
) -> Result<Option<StatePart>, Unread> {
    let description = description_of(reader).map_err(Unread::Foreign)?;
    let Snapshot { bytes: total, chunk_bytes, .. } = reader.snapshot();
    if offset >= total {
        return Ok(None);
    }
    let in_chunk = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let (index, start) = (offset / u64::from(chunk_bytes), offset % u64::from(chunk_bytes));
    let index = u32::try_from(index).map_err(|error| Unread::Foreign(error.to_string()))?;
    let chunk = reader.chunk(index)?;
    // A part never spans two chunks: it ends where its chunk does, and whoever reads asks on from
    // there.
    let rest = &chunk[in_chunk(start)..];
    let bytes = Bytes::copy_from_slice(&rest[..rest.len().min(bytes_max)]);
    Ok(Some(StatePart { description, total, offset, bytes }))
}

/// Reads the state of a snapshot back, and sees that it comes to its description.
pub(crate) fn restore<M: StateMachine, D: Disk>(
    machine: M,
    limits: SessionLimits,
    description: &StateDescription,
    reader: &mut SnapshotReader<D>,
) -> Result<Executor<M>, Unread> {
    // The state machine meets an end where a chunk cannot be read; what was wrong is said here.
    let mut failed = None;
    let (slot, total) = (description.slot.number(), reader.snapshot().bytes);
    tracing::info!(slot, total, "reading a snapshot");
    let (mut bytes, mut said) = (0, 0);
    let mut chunks = std::iter::from_fn(|| match reader.next_chunk() {
        Ok(chunk) => {
            bytes += chunk.map_or(0, <[u8]>::len) as u64;
            if bytes >= said + SAID_EVERY_BYTES {
                said = bytes;
                tracing::info!(slot, bytes, total, "reading a snapshot, so far");
            }
            chunk.map(Bytes::copy_from_slice)
        }
        Err(error) => {
            failed = Some(Unread::from(error));
            None
        }
    });
    let mut pieces = SnapshotPieces::new(&mut chunks);
    let state = Executor::restore(machine, limits, description, &mut pieces);
    match failed {
        Some(reason) => Err(reason),
        // Only here is the end that the machine met a true one.
        None => state.map_err(|error: RestoreError| Unread::Foreign(error.to_string())),
    }
}

pub(crate) fn description_of<D: Disk>(
    reader: &SnapshotReader<D>,
) -> Result<StateDescription, String> {
    let meta = Bytes::copy_from_slice(reader.meta());
    decode_description(&meta).map_err(|error| error.to_string())
}

/// After so many bytes more it is said how much of a snapshot was read: some seconds of a disk and
/// a machine that are not fast.
const SAID_EVERY_BYTES: u64 = 256 << 20;

fn slot_of(bound: SnapshotBound) -> Slot {
    Slot::new(bound.get())
}

/// Returns the bound that a slot is in the store.
pub(crate) fn bound_of(slot: Slot) -> SnapshotBound {
    SnapshotBound::new(slot.number())
}
