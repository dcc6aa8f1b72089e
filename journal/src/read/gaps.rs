//! Reading a segment past its bad places: what is good before, between and behind them.
//!
//! Whether a bad place is damage or a torn write is left to `survey`; a recovery believes nothing
//! past the first one. Claim kept: each call goes on behind the place of the one before, so that
//! the walk ends whatever the bytes are; and memory is that of a walk.

use std::io;

use crate::disk::DiskFile;
use crate::format::frame::FRAME_ALIGN;
use crate::format::frame::FrameHeader;
use crate::format::segment::SegmentHeader;
use crate::read::scan::{self, FrameIter, READ_AHEAD_BYTES};

/// A walk over the good frames of one segment, in runs between bad places.
pub(crate) struct Runs<'f, F> {
    file: &'f F,
    header: &'f SegmentHeader,
    walk: FrameIter<'f, F>,
}

/// Where a run of good frames ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RunEnd {
    /// At an end frame: the log goes on in the next segment.
    Finished,
    /// Where no good frame follows at once.
    Stopped {
        /// Where the last good frame ended.
        at: u64,
        /// The header that stands there, where it is whole and only its frame is not.
        bad: Option<FrameHeader>,
        /// The next header that is whole, if there is any: the next run may begin there.
        next: Option<FrameHeader>,
    },
}

impl<'f, F: DiskFile> Runs<'f, F> {
    /// Starts at the first frame.
    pub(crate) fn new(file: &'f F, header: &'f SegmentHeader) -> Self {
        Self { file, header, walk: FrameIter::new(file, header) }
    }

    /// Hands out the frames of a run, and tells where it ends.
    pub(crate) fn run(&mut self, mut take: impl FnMut(&FrameHeader, &[u8])) -> io::Result<RunEnd> {
        while let Some((header, body)) = self.walk.step()? {
            take(&header, body);
        }
        if self.walk.finished() {
            return Ok(RunEnd::Finished);
        }
        let at = self.walk.position();
        let found = scan::search(self.file, self.header, at, |_| true)?;
        let bad = found.filter(|header| u64::from(header.offset) == at);
        let next = match bad {
            Some(_) => scan::search(self.file, self.header, at + FRAME_ALIGN, |_| true)?,
            None => found,
        };
        Ok(RunEnd::Stopped { at, bad, next })
    }

    /// Goes on at a header that is behind the end of the last run.
    pub(crate) fn go_on_at(&mut self, next: &FrameHeader) {
        self.walk = FrameIter::midway(self.file, self.header, next.offset, READ_AHEAD_BYTES);
    }

    /// Tells whether a later frame says that the bytes at this place were durable.
    pub(crate) fn was_synced(&self, at: u64) -> io::Result<bool> {
        let says_so = |header: &FrameHeader| u64::from(header.synced) > at;
        Ok(scan::search(self.file, self.header, at, says_so)?.is_some())
    }
}
