//! The journal as its one owner writes it: append, sync, seal, and the next segment made ahead.
//!
//! Opening is left to `recovery`, threads to `group_commit`. Claim kept: a record is durable when
//! the sync that covers it has returned, frames go out in order, the first frame of a segment
//! leaves only after the whole segment before it was synced, and an error is final.

use std::io;
use std::ops::Range;

use crate::directory::Directory;
use crate::disk::{self, Disk, DiskFile};
use crate::error::{AppendError, Fatal, SyncError};
use crate::format::frame::{self, BODY_START, FRAME_ALIGN, PAGE_BYTES};
use crate::format::frame::{FrameHeader, FrameKind, narrow};
use crate::format::identity::FolderId;
use crate::format::position::{HardState, Lsn, SegmentId};
use crate::format::records::Records;
use crate::format::segment::{FRAMES_START, SegmentHeader, data_bytes, data_limit};
use crate::primitives::Arc;
use crate::read::index::{IndexBuilder, SharedIndex};
use crate::read::reader::Reader;
use crate::write::next_segment::{NextSegment, Prepared};
use crate::write::spare::Spare;

/// Bytes of the next segment that one call of [`Journal::prepare`] writes, at least.
pub const PREPARE_STEP_BYTES: u64 = 1 << 20;
/// What a start takes of a segment that is written anew: a frame that tells the hard state, the
/// seal on its page, and one commit without records. None is copied by the next start, so this is
/// enough for any number of them.
pub(crate) const START_BYTES: u64 = 2 * PAGE_BYTES;

/// What the log has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogState {
    pub(crate) next: Lsn,
    pub(crate) hard_state: HardState,
    /// The oldest segment that is kept.
    pub(crate) oldest: SegmentId,
}

/// A segment that is written to.
pub(crate) struct Active<F> {
    pub(crate) file: F,
    pub(crate) header: SegmentHeader,
    /// Where the last frame ends.
    pub(crate) end: u64,
    /// Where the last frame that was synced ends.
    pub(crate) synced: u64,
}

/// A write-ahead log with one owner.
///
/// See the documentation of the crate for the promises and for an example.
pub struct Journal<D: Disk> {
    directory: Directory<D>,
    segment_bytes: u64,
    reserve_bytes: u64,
    active: Active<D::File>,
    ahead: NextSegment<D>,
    spare: Spare<D>,
    /// The active segment can be written anew over the spare, and is to stay so.
    keeps_to_spare: bool,
    /// The disk refused the room for the spare or the next segment when it was last asked.
    refused: bool,
    tally: LogState,
    /// The last frame is a seal.
    sealed: bool,
    poisoned: bool,
    /// Bytes appended since the next segment was last worked on.
    appended: u64,
    builder: IndexBuilder,
    index: Arc<SharedIndex>,
    /// Segments that a written frame says are not kept: they go when that frame is synced.
    removable: Range<u32>,
    _lock: D::Lock,
}

/// What recovery hands over.
pub(crate) struct JournalParts<D: Disk> {
    pub(crate) directory: Directory<D>,
    pub(crate) segment_bytes: u64,
    pub(crate) reserve_bytes: u64,
    pub(crate) active: Active<D::File>,
    pub(crate) ahead: NextSegment<D>,
    pub(crate) spare: Spare<D>,
    pub(crate) tally: LogState,
    pub(crate) builder: IndexBuilder,
    pub(crate) index: Arc<SharedIndex>,
    pub(crate) lock: D::Lock,
}

impl<D: Disk> Journal<D> {
    /// Takes over a recovered log whose last frame is a synced seal.
    pub(crate) fn assemble(parts: JournalParts<D>) -> Self {
        let oldest = parts.tally.oldest.get();
        // A start writes a commit without records.
        let start = parts.active.end + frame::frame_bytes(0);
        let keeps_to_spare = parts.spare.takes().is_some_and(|takes| start <= data_limit(takes));
        Self {
            directory: parts.directory,
            segment_bytes: parts.segment_bytes,
            reserve_bytes: parts.reserve_bytes,
            active: parts.active,
            ahead: parts.ahead,
            spare: parts.spare,
            keeps_to_spare,
            refused: false,
            tally: parts.tally,
            sealed: true,
            poisoned: false,
            appended: 0,
            builder: parts.builder,
            index: parts.index,
            removable: oldest..oldest,
            _lock: parts.lock,
        }
    }

    /// Writes one commit, which [`Journal::sync`] makes durable; returns the numbers of its
    /// records.
    ///
    /// A commit without records stores its hard state alone. `records` is unchanged afterwards.
    ///
    /// # Errors
    /// When the commit is too large or the disk is full, nothing was written and the journal goes
    /// on; any other error is final.
    pub fn append(
        &mut self,
        hard_state: &HardState,
        records: &mut Records,
    ) -> Result<Range<Lsn>, AppendError> {
        if self.poisoned {
            return Err(AppendError::Poisoned);
        }
        // By the size of segments to come, and not of this one: a commit that fits into none of
        // them must not begin a rotation.
        let (bytes, max) = (records.frame_bytes(), data_bytes(self.segment_bytes));
        if bytes > max {
            return Err(AppendError::TooLarge { bytes, max });
        }
        // A frame never spans two segments: each segment can be judged, and released, by itself.
        if bytes > self.room_in_active() {
            self.rotate(bytes)?;
        }
        let first = self.tally.next;
        let next = first.advanced(records.len() as u64);
        // The header below is made of the tally: it carries this hard state, and the number of its
        // first record, which is why the next number is set only behind the write.
        self.tally.hard_state = *hard_state;
        let body = records.body();
        let header = FrameHeader {
            body_bytes: narrow(body.len() as u64),
            body_crc: crc32c::crc32c(body),
            count: records.count(),
            ..self.blank(FrameKind::Data, self.active.end)
        };
        self.write(&header, records)?;
        self.tally.next = next;
        self.sealed = false;
        Ok(first..next)
    }

    /// Makes every appended commit durable; returns the first number that no durable record has.
    ///
    /// # Errors
    /// An error is final: the process should end, and the sync is never tried again.
    pub fn sync(&mut self) -> Result<Lsn, SyncError> {
        if self.poisoned {
            return Err(SyncError::Poisoned);
        }
        // Released segments go only after this sync: the frame that says they are not needed is
        // durable then.
        if self.active.synced < self.active.end {
            self.sync_active()?;
            self.remove_released()?;
        }
        Ok(self.tally.next)
    }

    /// Writes and syncs a frame that says that everything before it was synced: rot of the last
    /// commit is told from a torn write only after it.
    ///
    /// Does nothing when the last frame is a seal already, or while the next segment is not there:
    /// a seal takes a page, and that may be of the room that was told.
    ///
    /// # Errors
    /// As [`Journal::sync`] does.
    pub fn seal(&mut self) -> Result<(), SyncError> {
        self.sync()?;
        if self.sealed || !self.ahead.is_ready() {
            return Ok(());
        }
        Ok(self.write_seal(FrameKind::Seal)?)
    }

    /// Seals and gives the directory back.
    ///
    /// # Errors
    /// As [`Journal::sync`] does; the directory is given back all the same.
    pub fn close(mut self) -> Result<(), SyncError> {
        self.sync()?;
        if !self.sealed {
            self.write_seal(FrameKind::Seal)?;
        }
        Ok(())
    }

    /// Works on the segment after the active one, by a bounded step: call it after each sync and
    /// while idle, so that no commit waits for a segment.
    ///
    /// A step writes [`PREPARE_STEP_BYTES`], or twice what was appended since the last step.
    ///
    /// # Errors
    /// As [`Journal::sync`] does. A full disk is no error.
    pub fn prepare(&mut self) -> Result<Prepared, SyncError> {
        if self.poisoned {
            return Err(SyncError::Poisoned);
        }
        // Two unused segments in a row would look like one whose frames are gone, so the next one
        // is made only when the active one holds something that a crash cannot take.
        if self.active.synced <= u64::from(FRAMES_START) {
            return Ok(Prepared::NotDue);
        }
        // Twice what was appended, so that the next segment is ready before this one is full.
        let bytes = PREPARE_STEP_BYTES.max(self.appended.saturating_mul(2));
        self.appended = 0;
        Ok(self.advance(bytes)?)
    }

    /// Deletes the segments that hold no record from `keep` on, once a later commit has made that
    /// durable. Whoever keeps promises in records must have them again in the records kept.
    ///
    /// The active segment is always kept, and so is every segment after the first one kept.
    pub fn release(&mut self, keep: Lsn) {
        // A record past the last one that was synced is in no segment yet, and only the active one
        // can come to hold it.
        let segment = self.index.lock().segment_of(keep);
        let oldest = segment.unwrap_or(self.active.header.segment);
        // It is said in the frames to come and done after their sync; until then a crash finds all
        // of them.
        if oldest <= self.tally.oldest {
            return;
        }
        self.index.release(oldest);
        self.tally.oldest = oldest;
    }

    /// Returns how many bytes of commits ([`Records::frame_bytes`]) can be appended for certain,
    /// however they are cut, without asking the disk for space, and such that what a start takes
    /// is left.
    ///
    /// What was told stays true while commits use it up: a segment ahead takes all that is told
    /// alone, seals are written only where there is one, and no more is told without one.
    #[must_use]
    pub fn room(&self) -> u64 {
        let most = data_bytes(self.segment_bytes);
        let ready = if self.ahead.is_ready() {
            // It is written anew over the spare one day, as the active one is.
            self.ahead.room().min(self.spare.takes().map_or(most, data_bytes))
        } else {
            self.room_in_active().min(most)
        };
        ready.saturating_sub(START_BYTES)
    }

    /// Tells whether the disk had no room for the next segment, or for the spare that recovery
    /// needs, when it was last asked, and one of them is not there.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.refused && !self.is_prepared()
    }

    /// Returns the part of [`Journal::room`] that is not kept back for promises: refuse work that
    /// needs more.
    #[must_use]
    pub fn room_for_work(&self) -> u64 {
        self.room().saturating_sub(self.reserve_bytes)
    }

    /// Returns which journal it is; it is durable since the journal was made.
    #[must_use]
    pub fn folder(&self) -> FolderId {
        self.directory.folder
    }

    /// Returns the first number that no record has, durable or not.
    #[must_use]
    pub fn next_lsn(&self) -> Lsn {
        self.tally.next
    }

    /// Returns the hard state of the last commit, durable or not.
    #[must_use]
    pub fn hard_state(&self) -> HardState {
        self.tally.hard_state
    }

    /// Makes a handle that reads what was synced, from any thread.
    #[must_use]
    pub fn reader(&self) -> Reader<D> {
        Reader::new(self.directory.clone(), Arc::clone(&self.index))
    }

    /// Tells whether the next segment should be worked on though commits are waiting.
    pub(crate) fn needs_segment(&self) -> bool {
        let half = data_bytes(u64::from(self.active.header.capacity)) / 2;
        !self.is_prepared() && self.room_in_active() < half
    }

    /// Tells whether the next segment is there, and the spare of recovery with it.
    pub(crate) fn is_prepared(&self) -> bool {
        self.ahead.is_ready() && self.spare.is_ready()
    }

    fn room_in_active(&self) -> u64 {
        let whole = self.active.header.data_limit();
        let limit = match self.spare.takes() {
            Some(takes) if self.keeps_to_spare => whole.min(data_limit(takes)),
            Some(_) | None => whole,
        };
        limit.saturating_sub(self.active.end)
    }

    /// Ends the active segment and goes on in the next one.
    fn rotate(&mut self, bytes: u64) -> Result<(), AppendError> {
        // The end frame, and a segment after this one, say that all of this one was synced.
        if self.active.synced < self.active.end {
            self.sync_active()?;
        }
        self.advance(u64::MAX)?;
        if !self.ahead.is_ready() {
            return Err(AppendError::Full { bytes, room: self.room() });
        }
        // Whoever reads the end frame goes on in the next segment, so that is whole under its final
        // name by then.
        self.write_seal(FrameKind::End)?;
        let (header, file) = self.ahead.take().expect("the next segment is ready");
        let start = u64::from(FRAMES_START);
        self.active = Active { file, header, end: start, synced: start };
        // A segment that begins anew has outgrown nothing: it is kept as small as what it can be
        // written anew over.
        self.keeps_to_spare = true;
        Ok(())
    }

    /// Brings the next segment forward by so many bytes.
    fn advance(&mut self, bytes: u64) -> Result<Prepared, Fatal> {
        let (segment, capacity) = (self.active.header.segment.next(), narrow(self.segment_bytes));
        let (ahead, spare) = (&mut self.ahead, &mut self.spare);
        // No segment is begun before recovery has its spare.
        let advanced = match spare.advance(&self.directory, self.segment_bytes, bytes) {
            Ok(Prepared::Ready) => ahead.advance(&self.directory, segment, capacity, bytes),
            other @ (Ok(_) | Err(_)) => other,
        };
        let prepared = advanced.map_err(|fatal| self.poison(fatal))?;
        self.refused = prepared == Prepared::Full;
        Ok(prepared)
    }

    /// A header without a body, for the end of the log.
    fn blank(&self, kind: FrameKind, offset: u64) -> FrameHeader {
        FrameHeader {
            kind,
            segment: self.active.header.segment,
            offset: narrow(offset),
            follows: narrow(self.active.end),
            synced: narrow(self.active.synced),
            body_bytes: 0,
            body_crc: crc32c::crc32c(&[]),
            count: 0,
            first: self.tally.next,
            oldest: self.tally.oldest,
            hard_state: self.tally.hard_state,
        }
    }

    /// Writes and syncs an empty frame on a page of its own.
    fn write_seal(&mut self, kind: FrameKind) -> Result<(), Fatal> {
        // On a page of its own, so that writing it touches no sector of what it vouches for.
        let header = self.blank(kind, self.seal_offset());
        self.write(&header, &mut Records::new())?;
        self.sync_active()?;
        self.sealed = true;
        Ok(())
    }

    /// Where a seal goes: on the next page.
    fn seal_offset(&self) -> u64 {
        self.active.end.next_multiple_of(PAGE_BYTES)
    }

    fn write(&mut self, header: &FrameHeader, records: &mut Records) -> Result<(), Fatal> {
        let bytes = records.frame_mut();
        bytes[..BODY_START].copy_from_slice(&header.encode(self.active.header.salt));
        bytes.resize(bytes.len().next_multiple_of(FRAME_ALIGN as usize), 0);
        let written = disk::write_all_at(&self.active.file, bytes, u64::from(header.offset));
        // It is undone before the outcome is looked at: the records are the caller's, also where
        // the write failed.
        records.unpad(header.body_bytes as usize);
        written.map_err(|error| self.fail("cannot write", error))?;
        self.appended += frame::frame_bytes(header.body_bytes as usize);
        self.active.end = header.end();
        self.removable.end = header.oldest.get();
        self.builder.note(header);
        Ok(())
    }

    fn sync_active(&mut self) -> Result<(), Fatal> {
        let synced = self.active.file.sync();
        synced.map_err(|error| self.fail("cannot sync", error))?;
        // Readers see an entry only from here on: they read nothing that a crash may take.
        self.active.synced = self.active.end;
        self.index.publish(&mut self.builder.pending, self.tally.next);
        Ok(())
    }

    /// Removes released segments; the sync before has made durable that they are not needed.
    fn remove_released(&mut self) -> Result<(), Fatal> {
        if self.removable.is_empty() {
            return Ok(());
        }
        let kept = self.removable.end;
        // The range is emptied first: after an error the journal is poisoned, and nothing is tried
        // twice.
        for number in std::mem::replace(&mut self.removable, kept..kept) {
            let segment = SegmentId::new(number).expect("segments are numbered from 1");
            let removed = self.directory.remove(&self.directory.segment_path(segment));
            removed.map_err(|fatal| self.poison(fatal))?;
        }
        Ok(())
    }

    fn fail(&mut self, action: &'static str, error: io::Error) -> Fatal {
        let path = self.directory.segment_path(self.active.header.segment);
        self.poison(Fatal::new(action, &path, error))
    }

    fn poison(&mut self, fatal: Fatal) -> Fatal {
        self.poisoned = true;
        fatal
    }
}

impl<D: Disk> std::fmt::Debug for Journal<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = f.debug_struct("Journal");
        debug.field("path", &self.directory.path).field("tally", &self.tally);
        debug.field("poisoned", &self.poisoned).finish_non_exhaustive()
    }
}
