//! Reading records back while the writer goes on.
//!
//! Which records are durable is left to `index`. Claim kept: a record is returned as it was
//! appended or not at all, and only once it was synced.

use std::io;
use std::ops::{ControlFlow, Range};

use crate::directory::Directory;
use crate::disk::{self, Disk};
use crate::error::{DamageReason, Damaged, Fatal, ReadError};
use crate::format::position::{Lsn, SegmentId};
use crate::format::records_iter::RecordsIter;
use crate::format::segment::{FRAMES_START, HeaderVerdict, SEGMENT_HEADER_BYTES, SegmentHeader};
use crate::primitives::Arc;
use crate::read::index::{Entry, INDEX_STRIDE_BYTES, SharedIndex};
use crate::read::scan::FrameIter;

/// One record, as it is streamed by recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// The number of the record.
    pub lsn: Lsn,
    /// The bytes that were appended.
    pub bytes: &'a [u8],
}

/// A handle that reads synced records from any thread; it keeps at most one file open.
///
/// A read costs one lookup in the shared index and, on average, 8 KiB of log read before the
/// wanted frame.
pub struct Reader<D: Disk> {
    directory: Directory<D>,
    index: Arc<SharedIndex>,
    open: Option<(SegmentHeader, D::File)>,
}

impl<D: Disk> Reader<D> {
    pub(crate) fn new(directory: Directory<D>, index: Arc<SharedIndex>) -> Self {
        Self { directory, index, open: None }
    }

    /// Returns the numbers of the records that can be read.
    #[must_use]
    pub fn range(&self) -> Range<Lsn> {
        let index = self.index.lock();
        index.oldest()..index.next()
    }

    /// Reads one record.
    ///
    /// # Errors
    /// When the record was released, is not synced, is damaged, or the system fails. The journal
    /// itself is not harmed by any of them.
    pub fn read(&mut self, lsn: Lsn) -> Result<Vec<u8>, ReadError> {
        let mut found = Vec::new();
        self.visit(lsn, |record| {
            found.extend_from_slice(record.bytes);
            ControlFlow::Break(())
        })?;
        Ok(found)
    }

    /// Reads records from `range.start` on, at least one and then while their bytes together stay
    /// within `bytes_max`; stops at `range.end` or where the synced log ends.
    ///
    /// # Errors
    /// As [`Reader::read`] does. An empty range gives no records.
    pub fn read_range(
        &mut self,
        range: Range<Lsn>,
        bytes_max: usize,
    ) -> Result<Vec<Vec<u8>>, ReadError> {
        let (mut found, mut bytes) = (Vec::new(), 0_usize);
        // It asks for nothing, and so for nothing that could have been released.
        if range.is_empty() {
            return Ok(found);
        }
        self.visit(range.start, |record| {
            bytes = bytes.saturating_add(record.bytes.len());
            if record.lsn >= range.end || (!found.is_empty() && bytes > bytes_max) {
                return ControlFlow::Break(());
            }
            found.push(record.bytes.to_vec());
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    /// Hands out the synced records from `from` on.
    fn visit(
        &mut self,
        from: Lsn,
        mut take: impl FnMut(Record<'_>) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        let (entry, next) = self.look_up(from)?;
        let (mut segment, mut offset, mut due) = (entry.segment, entry.offset, from);
        while due < next {
            self.open_segment(segment, from)?;
            let (header, file) = self.open.as_ref().expect("the segment was opened above");
            // The record is less than a stride behind its entry, so that mostly one read reaches
            // it.
            let ahead = INDEX_STRIDE_BYTES as usize;
            let mut walk = FrameIter::midway(file, header, offset, ahead);
            while due < next {
                let step = walk.step();
                let step = step.map_err(|error| self.failed("cannot read", segment, error))?;
                let Some((frame, body)) = step else { break };
                // The entry may be of an earlier frame, all of whose records are passed over.
                let skipped = usize::try_from(due.get().saturating_sub(frame.first.get()));
                let skipped = skipped.unwrap_or(usize::MAX);
                for bytes in RecordsIter::over(body).skip(skipped) {
                    if take(Record { lsn: due, bytes }).is_break() {
                        return Ok(());
                    }
                    due = due.advanced(1);
                }
            }
            // All below `next` was synced, so a segment whose frames end early, and with no word
            // that the next one goes on, was damaged since.
            if due < next && !walk.finished() {
                return Err(self.damaged(segment, walk.position()).into());
            }
            (segment, offset) = (segment.next(), FRAMES_START);
        }
        Ok(())
    }

    fn look_up(&self, wanted: Lsn) -> Result<(Entry, Lsn), ReadError> {
        let index = self.index.lock();
        let (oldest, next) = (index.oldest(), index.next());
        if wanted >= next {
            return Err(ReadError::NotSynced { wanted, next });
        }
        let entry = index.find(wanted).filter(|_| wanted >= oldest);
        entry.map(|entry| (entry, next)).ok_or(ReadError::Released { wanted, oldest })
    }

    fn open_segment(&mut self, segment: SegmentId, wanted: Lsn) -> Result<(), ReadError> {
        if self.open.as_ref().is_some_and(|(header, _)| header.segment == segment) {
            return Ok(());
        }
        // One file is open at most, also while the next one is opened.
        self.open = None;
        let file = match self.directory.disk.open(&self.directory.segment_path(segment)) {
            Ok(file) => file,
            Err(error) => {
                // The segment may have been released between the lookup and the opening.
                self.look_up(wanted)?;
                return Err(self.failed("cannot open", segment, error).into());
            }
        };
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        let read = disk::read_full_at(&file, &mut bytes, 0);
        let read = read.map_err(|error| self.failed("cannot read", segment, error))?;
        match SegmentHeader::decode(&bytes[..read]) {
            HeaderVerdict::Whole(header) if header.segment == segment => {
                self.open = Some((header, file));
                Ok(())
            }
            HeaderVerdict::Whole(_) | HeaderVerdict::OtherVersion(_) | HeaderVerdict::Bad => {
                let reason = DamageReason::SegmentHeader;
                Err(Damaged { reason, ..self.damaged(segment, 0) }.into())
            }
        }
    }

    fn failed(&self, action: &'static str, segment: SegmentId, source: io::Error) -> Fatal {
        Fatal::new(action, &self.directory.segment_path(segment), source)
    }

    fn damaged(&self, segment: SegmentId, offset: u64) -> Damaged {
        let path = self.directory.segment_path(segment);
        Damaged { segment, path, offset, reason: DamageReason::SyncedFrame }
    }
}

impl<D: Disk> Clone for Reader<D> {
    fn clone(&self) -> Self {
        Self::new(self.directory.clone(), Arc::clone(&self.index))
    }
}

impl<D: Disk> std::fmt::Debug for Reader<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("range", &self.range()).finish_non_exhaustive()
    }
}
