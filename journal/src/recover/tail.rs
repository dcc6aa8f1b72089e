//! The live end of the log: which segment it is, what of it is good, and whether the rest was torn
//! or is damaged.
//!
//! Changing anything is left to `rewrite`. Claim kept: bytes are called torn only when nothing
//! later says that they had been synced; otherwise the segment is damaged and stays as it is.

use std::path::PathBuf;

use crate::directory::Directory;
use crate::disk::{self, Disk, DiskFile};
use crate::error::{DamageReason, Damaged, Fatal, OpenError};
use crate::format::frame::{self, FrameHeader, FrameKind};
use crate::format::position::{Lsn, SegmentId};
use crate::format::segment::{
    FORMAT, FRAMES_START, HeaderVerdict, SEGMENT_HEADER_BYTES, SegmentHeader,
};
use crate::read::scan::{self, FrameIter};
use crate::write::journal::LogState;

/// A segment whose header and length are as they were made.
pub(crate) struct SegmentFile<D: Disk> {
    pub(crate) file: D::File,
    pub(crate) header: SegmentHeader,
    pub(crate) path: PathBuf,
}

/// The last segment that was written to.
pub(crate) struct Tail<D: Disk> {
    pub(crate) file: SegmentFile<D>,
    /// The number that its first good frame carries.
    pub(crate) first: Option<Lsn>,
    /// What its good frames come to.
    pub(crate) last: Option<LogState>,
    /// What its good frames of the user take.
    pub(crate) data_bytes: u64,
    /// It ends with an end frame.
    pub(crate) finished: bool,
    pub(crate) cut_bytes: u64,
    /// The segment made ahead, which holds no frame.
    pub(crate) ahead: Option<SegmentFile<D>>,
}

/// Finds the tail and judges it.
pub(crate) fn find<D: Disk>(
    directory: &Directory<D>,
    segments: &[SegmentId],
) -> Result<Tail<D>, OpenError> {
    let Some(&newest) = segments.last() else {
        return Err(missing(directory, SegmentId::FIRST).into());
    };
    let start = u64::from(FRAMES_START);
    let newest = SegmentFile::open(directory, newest)?;
    if newest.search(start, |_| true)? {
        return examine(newest, None, directory);
    }
    let Some(before) = newest.header.segment.get().checked_sub(1).and_then(SegmentId::new) else {
        return Err(newest.damaged(start, DamageReason::Empty).into());
    };
    // The next segment is made only when this one holds something synced, so at most one is empty.
    let file = SegmentFile::open(directory, before)?;
    if file.search(start, |_| true)? {
        return examine(file, Some(newest), directory);
    }
    Err(file.damaged(start, DamageReason::FinishedSegment).into())
}

/// Returns what a log comes to after a frame.
pub(crate) fn tally(header: &FrameHeader) -> LogState {
    LogState { next: header.next(), hard_state: header.hard_state, oldest: header.oldest }
}

/// The report of a segment that is not there.
pub(crate) fn missing<D: Disk>(directory: &Directory<D>, segment: SegmentId) -> Damaged {
    let path = directory.segment_path(segment);
    Damaged { segment, path, offset: 0, reason: DamageReason::Missing }
}

/// Walks over the tail and judges what comes after its good frames.
fn examine<D: Disk>(
    file: SegmentFile<D>,
    ahead: Option<SegmentFile<D>>,
    directory: &Directory<D>,
) -> Result<Tail<D>, OpenError> {
    let (mut first, mut last, mut data_bytes) = (None, None, 0);
    let mut walk = FrameIter::new(&file.file, &file.header);
    loop {
        let step = walk.step().map_err(|error| Fatal::new("cannot read", &file.path, error))?;
        let Some((header, _)) = step else { break };
        first.get_or_insert(header.first);
        last = Some(tally(&header));
        // The room for the copy is computed before anything is written, as a full disk must change
        // nothing.
        if is_copied(&header) {
            data_bytes += frame::frame_bytes(header.body_bytes as usize);
        }
    }
    let (position, finished) = (walk.position(), walk.finished());
    if finished && ahead.is_none() {
        // A segment is finished only when the next one is there.
        return Err(missing(directory, file.header.segment.next()).into());
    }
    let mut cut_bytes = 0;
    if !finished {
        // A later frame says that this place was synced before it was written: what is bad here was
        // good once. Without such a frame it may be the one write that the crash tore.
        if file.search(position, |header| u64::from(header.synced) > position)? {
            return Err(file.damaged(position, DamageReason::SyncedFrame).into());
        }
        let used = scan::used_bytes(&file.file, u64::from(file.header.capacity), position);
        cut_bytes = used.map_err(|error| Fatal::new("cannot read", &file.path, error))?;
    }
    Ok(Tail { file, first, last, data_bytes, finished, cut_bytes, ahead })
}

/// Tells whether a rewriting keeps a frame: empty ones say nothing that the last one does not.
pub(crate) fn is_copied(header: &FrameHeader) -> bool {
    header.kind == FrameKind::Data && header.count > 0
}

impl<D: Disk> Tail<D> {
    /// Returns the oldest segment that is kept, as the last good frame of the log says.
    pub(crate) fn oldest(&self, directory: &Directory<D>) -> Result<SegmentId, OpenError> {
        if let Some(last) = self.last {
            return Ok(last.oldest);
        }
        let segment = self.file.header.segment;
        let Some(before) = SegmentId::new(segment.get() - 1) else {
            let start = u64::from(FRAMES_START);
            return Err(self.file.damaged(start, DamageReason::Empty).into());
        };
        let file = SegmentFile::open(directory, before)?;
        let mut walk = FrameIter::new(&file.file, &file.header);
        // A tail without a good frame says nothing of its own, so the last frame of the segment
        // before it does.
        let mut oldest = before;
        while let Some((header, _)) =
            walk.step().map_err(|error| Fatal::new("cannot read", &file.path, error))?
        {
            oldest = header.oldest;
        }
        Ok(oldest)
    }
}

impl<D: Disk> SegmentFile<D> {
    /// Opens a segment and checks its header and its length.
    pub(crate) fn open(directory: &Directory<D>, segment: SegmentId) -> Result<Self, OpenError> {
        let path = directory.segment_path(segment);
        let file = match directory.disk.open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(missing(directory, segment).into());
            }
            Err(error) => return Err(Fatal::new("cannot open", &path, error).into()),
        };
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        let failed = |error| Fatal::new("cannot read", &path, error);
        let read = disk::read_full_at(&file, &mut bytes, 0).map_err(failed)?;
        let length = file.bytes().map_err(failed)?;
        let damaged = |offset, reason| Damaged { segment, path: path.clone(), offset, reason };
        let header = match SegmentHeader::decode(&bytes[..read]) {
            HeaderVerdict::Whole(header) => header,
            HeaderVerdict::OtherVersion(found) => {
                return Err(OpenError::OtherVersion { path, found, supported: FORMAT });
            }
            HeaderVerdict::Bad => return Err(damaged(0, DamageReason::SegmentHeader).into()),
        };
        if header.segment != segment || header.identity_crc != directory.identity_crc {
            return Err(damaged(0, DamageReason::SegmentHeader).into());
        }
        let capacity = u64::from(header.capacity);
        // A segment has its length from the beginning, so any other one is damage, and no torn
        // write.
        if length != capacity {
            return Err(damaged(length.min(capacity), DamageReason::Length).into());
        }
        Ok(Self { file, header, path })
    }

    /// Reports damage of this segment.
    pub(crate) fn damaged(&self, offset: u64, reason: DamageReason) -> Damaged {
        Damaged { segment: self.header.segment, path: self.path.clone(), offset, reason }
    }

    /// Tells whether a header that satisfies `wanted` stands at or past `from`.
    fn search(&self, from: u64, wanted: impl FnMut(&FrameHeader) -> bool) -> Result<bool, Fatal> {
        let found = scan::search(&self.file, &self.header, from, wanted);
        let found = found.map_err(|error| Fatal::new("cannot read", &self.path, error))?;
        Ok(found.is_some())
    }
}
