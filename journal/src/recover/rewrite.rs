//! Writing the live segment anew: the good frames under a fresh salt, and a seal.
//!
//! Judging what is good is left to `tail`. Claim kept: the old segment stays as it is until the
//! fresh one, synced to its last byte, takes its name; so an interrupted rewriting changes nothing
//! and a repeated one comes to the same.

use crate::directory::Directory;
use crate::disk::Disk;
use crate::error::{Fatal, OpenError};
use crate::format::frame::{self, FRAME_ALIGN, FrameHeader, FrameKind, PAGE_BYTES, narrow};
use crate::format::position::{HardState, Lsn, SegmentId};
use crate::format::segment::{self, SegmentHeader};
use crate::options::{Options, SEGMENT_BYTES_MAX};
use crate::read::scan::FrameIter;
use crate::recover::tail::{self, Tail};
use crate::write::draft::{Draft, DraftError};
use crate::write::journal::{Active, LogState, START_BYTES};
use crate::write::spare;

/// Bytes that are gathered before they are written.
const GATHER_BYTES: usize = 1 << 20;

/// A first segment.
pub(crate) struct RewrittenSegment<F> {
    pub(crate) active: Active<F>,
    pub(crate) tally: LogState,
}

/// Makes the first segment of a journal, which holds a seal alone.
pub(crate) fn first_segment<D: Disk>(
    directory: &Directory<D>,
    options: &Options,
) -> Result<RewrittenSegment<D::File>, OpenError> {
    let tally =
        LogState { next: Lsn::FIRST, hard_state: HardState::default(), oldest: SegmentId::FIRST };
    let capacity = options.segment_bytes;
    match attempt(directory, SegmentId::FIRST, capacity, tally, None) {
        Ok(active) => Ok(RewrittenSegment { active, tally }),
        Err(error) => Err(refusal(directory, capacity, error)),
    }
}

/// Writes the tail anew and returns it ready to be written to.
///
/// `before` is what the segments before the tail come to, for a tail without a good frame.
pub(crate) fn tail<D: Disk>(
    directory: &Directory<D>,
    options: &Options,
    tail: &mut Tail<D>,
    before: Option<LogState>,
) -> Result<Active<D::File>, OpenError> {
    let tally = tail.last.or(before).expect("a log without any frame was refused before");
    let segment = tail.file.header.segment;
    // Its frames must fit, though segments are to be smaller by the options of this start.
    let full = options.segment_bytes.max(segment::capacity_for(tail.data_bytes));
    // A node that starts on a full disk has promises to write before it can do anything.
    let least =
        segment::capacity_for(tail.data_bytes + options.reserve_bytes() + START_BYTES).min(full);
    let mut written = attempt(directory, segment, full, tally, Some(tail));
    // With a segment ahead the tail may be full to its end, and the start goes on in that one.
    let start = if tail.ahead.is_some() { 0 } else { START_BYTES };
    let enough = segment::capacity_for(tail.data_bytes + start);
    if matches!(written, Err(DraftError::Full))
        && let Some(spare) = spare::bytes(directory)?
        && (enough..=SEGMENT_BYTES_MAX).contains(&spare)
    {
        let draft = Draft::begin_over_spare(directory, segment, narrow(spare));
        written = draft.and_then(|draft| rewrite(directory, draft, tally, Some(tail)));
    }
    if matches!(written, Err(DraftError::Full)) {
        // What is there must be readable on a full disk too.
        written = attempt(directory, segment, least, tally, Some(tail));
    }
    // A finished tail needs the segment ahead as its witness; any other can do without.
    if matches!(written, Err(DraftError::Full))
        && !tail.finished
        && let Some(ahead) = tail.ahead.take()
    {
        directory.remove(&ahead.path)?;
        // The room of a file comes back when nobody has it open any more.
        drop(ahead);
        directory.sync()?;
        written = attempt(directory, segment, least, tally, Some(tail));
    }
    written.map_err(|error| refusal(directory, least, error))
}

fn refusal<D: Disk>(directory: &Directory<D>, needed: u64, error: DraftError) -> OpenError {
    match error {
        DraftError::Full => OpenError::Full { path: directory.path.clone(), needed },
        DraftError::Fatal(fatal) => fatal.into(),
    }
}

/// Makes one segment of so many bytes, whole and under its final name.
fn attempt<D: Disk>(
    directory: &Directory<D>,
    segment: SegmentId,
    capacity: u64,
    tally: LogState,
    source: Option<&Tail<D>>,
) -> Result<Active<D::File>, DraftError> {
    let draft = Draft::begin(directory, segment, narrow(capacity))?;
    rewrite(directory, draft, tally, source)
}

/// Fills a draft with the good frames of the source, and gives it its final name.
fn rewrite<D: Disk>(
    directory: &Directory<D>,
    draft: Draft<D>,
    tally: LogState,
    source: Option<&Tail<D>>,
) -> Result<Active<D::File>, DraftError> {
    let header = draft.header();
    let mut composer = Composer { end: draft.offset(), draft, header, gathered: Vec::new() };
    match composer.compose(tally, source) {
        Ok(end) => {
            let file = composer.draft.publish(directory)?;
            // The filling synced it to its end, before it had its name.
            Ok(Active { file, header, end, synced: end })
        }
        Err(fatal) => Err(composer.draft.take_back(directory, fatal)),
    }
}

/// Gathers frames for a draft.
struct Composer<D: Disk> {
    draft: Draft<D>,
    header: SegmentHeader,
    gathered: Vec<u8>,
    /// Where the last gathered frame ends.
    end: u64,
}

impl<D: Disk> Composer<D> {
    /// Writes frames, seal and zeros, and syncs; tells where the seal ends.
    fn compose(&mut self, tally: LogState, source: Option<&Tail<D>>) -> Result<u64, Fatal> {
        if let Some(source) = source {
            let mut told = None;
            let file = &source.file;
            let mut walk = FrameIter::new(&file.file, &file.header);
            loop {
                let step = walk.step();
                let step = step.map_err(|error| Fatal::new("cannot read", &file.path, error))?;
                let Some((header, body)) = step else { break };
                if tail::is_copied(&header) {
                    told = Some(header.hard_state);
                    self.add(header, body)?;
                }
            }
            // Frames without records are not copied, and the latest hard state may have been in
            // one.
            if told != Some(tally.hard_state) {
                self.add_state(tally)?;
            }
        }
        self.seal(tally);
        let end = self.end;
        // All of it is synced by the filling, before the segment has its name: nobody sees a part
        // of it.
        self.draft.append(&self.gathered)?;
        self.draft.fill(u64::MAX)?;
        Ok(end)
    }

    /// Adds a frame at the end. It may say that all before it was synced, since nobody sees any of
    /// it before the whole segment is.
    fn add(&mut self, header: FrameHeader, body: &[u8]) -> Result<(), Fatal> {
        self.place(header, self.end, body);
        if self.gathered.len() >= GATHER_BYTES {
            self.draft.append(&self.gathered)?;
            self.gathered.clear();
        }
        Ok(())
    }

    /// Adds a frame that tells the hard state, where there is room for it. Without it that would
    /// stand in the seal alone, whose rot looks like a torn write.
    fn add_state(&mut self, tally: LogState) -> Result<(), Fatal> {
        if self.end + frame::frame_bytes(0) > self.header.data_limit() {
            return Ok(());
        }
        self.add(self.blank(FrameKind::Data, tally), &[])
    }

    /// Adds the seal, on a page of its own.
    fn seal(&mut self, tally: LogState) {
        let header = self.blank(FrameKind::Seal, tally);
        self.place(header, self.end.next_multiple_of(PAGE_BYTES), &[]);
    }

    /// A header without a body, for the end of the log.
    fn blank(&self, kind: FrameKind, tally: LogState) -> FrameHeader {
        FrameHeader {
            kind,
            segment: self.header.segment,
            offset: 0,
            follows: 0,
            synced: 0,
            body_bytes: 0,
            body_crc: crc32c::crc32c(&[]),
            count: 0,
            first: tally.next,
            oldest: tally.oldest,
            hard_state: tally.hard_state,
        }
    }

    /// Gathers a frame that starts at `start`, at the end of the frames so far or past it.
    fn place(&mut self, header: FrameHeader, start: u64, body: &[u8]) {
        let (offset, end) = (narrow(start), narrow(self.end));
        let header = FrameHeader { offset, follows: end, synced: end, ..header };
        let skipped = usize::try_from(start - self.end).expect("a seal is a page away at most");
        self.gathered.resize(self.gathered.len() + skipped, 0);
        self.gathered.extend_from_slice(&header.encode(self.header.salt));
        self.gathered.extend_from_slice(body);
        let padded = self.gathered.len().next_multiple_of(FRAME_ALIGN as usize);
        self.gathered.resize(padded, 0);
        self.end = header.end();
    }
}
