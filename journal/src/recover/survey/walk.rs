//! The walk of a survey over all segments of a journal, past what is damaged.
//!
//! What is told of it is in `survey`, how a segment is read past a bad place in `gaps`. Claim kept:
//! each segment is judged as `tail` and `recovery` judge it, by what its place in the log asks of
//! it, so that no damage is told of which they would pass, and none is passed over.

use std::cmp::Ordering;

use crate::directory::Directory;
use crate::disk::{Disk, DiskFile as _};
use crate::error::{DamageReason, Damaged, Fatal, OpenError};
use crate::format::frame::FrameHeader;
use crate::format::position::{HardState, Lsn, SegmentId};
use crate::format::records_iter::RecordsIter;
use crate::format::segment::{FORMAT, FRAMES_START};
use crate::read::gaps::{RunEnd, Runs};
use crate::read::reader::Record;
use crate::read::scan;
use crate::recover::tail::{self, SegmentFile};
use crate::write::journal::LogState;

use super::{
    DAMAGE_LISTED_MAX, LostRecords, SegmentState, Survey, SurveyedDamage, SurveyedSegment,
};

/// What a segment must be, by its place in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// A later one was begun, so it ends with an end frame.
    Finished,
    /// The last that was written to; the next one may be there already.
    Tail { has_next: bool },
    /// The one behind the tail.
    Ahead,
}

/// A survey under way.
pub(super) struct Surveying<D: Disk> {
    directory: Directory<D>,
    segments: Vec<SurveyedSegment>,
    damage: Vec<SurveyedDamage>,
    damage_unlisted: u64,
    /// The last damage waits for the next frame to tell what it took.
    is_open: bool,
    /// The number that the next frame must carry, where it is known.
    expected: Option<Lsn>,
    /// The number behind the last record that was read, or that was lost.
    reached: Option<Lsn>,
    first: Option<Lsn>,
    last: Option<LogState>,
    cut_bytes: u64,
}

impl<D: Disk> Surveying<D> {
    pub(super) fn new(directory: Directory<D>) -> Self {
        Self {
            directory,
            segments: Vec::new(),
            damage: Vec::new(),
            damage_unlisted: 0,
            is_open: false,
            expected: None,
            reached: None,
            first: None,
            last: None,
            cut_bytes: 0,
        }
    }

    pub(super) fn walk_all(
        &mut self,
        found: &[SegmentId],
        on_record: &mut impl FnMut(Record<'_>),
    ) -> Result<(), OpenError> {
        let Some(&newest) = found.last() else {
            self.note_missing(SegmentId::FIRST);
            return Ok(());
        };
        let tail = self.find_tail(newest)?;
        let oldest = self.find_oldest(found, tail)?;
        if oldest == SegmentId::FIRST {
            // Only the very first segment is known to start with the very first record.
            (self.expected, self.reached) = (Some(Lsn::FIRST), Some(Lsn::FIRST));
        }
        let mut due = oldest;
        for &segment in found {
            if segment < oldest {
                self.note_released(segment)?;
                continue;
            }
            if segment > due {
                // However many are missing, they are one place in the log.
                self.note_missing(due);
            }
            due = following(segment);
            let role = match segment.cmp(&tail) {
                Ordering::Less => Role::Finished,
                Ordering::Equal => Role::Tail { has_next: segment < newest },
                Ordering::Greater => Role::Ahead,
            };
            self.segment(segment, role, on_record)?;
        }
        Ok(())
    }

    /// Returns the last segment that was written to; that of a journal is its newest, or the one
    /// before. One that cannot be opened may have been.
    fn find_tail(&self, newest: SegmentId) -> Result<SegmentId, OpenError> {
        let Some(file) = self.open(newest)?.ok() else { return Ok(newest) };
        let start = u64::from(FRAMES_START);
        let frame = scan::search(&file.file, &file.header, start, |_| true);
        let frame = frame.map_err(|error| self.failed(newest, error))?;
        let before = SegmentId::new(newest.get() - 1);
        Ok(before.filter(|_| frame.is_none()).unwrap_or(newest))
    }

    /// Returns the oldest segment that is kept, as the last frames that can be read say.
    fn find_oldest(&self, found: &[SegmentId], tail: SegmentId) -> Result<SegmentId, OpenError> {
        for &segment in found.iter().rev().filter(|segment| **segment <= tail) {
            let Ok(file) = self.open(segment)? else { continue };
            let mut oldest = None;
            let mut runs = Runs::new(&file.file, &file.header);
            loop {
                let end = runs.run(|header, _| oldest = oldest.max(Some(header.oldest)));
                match end.map_err(|error| self.failed(segment, error))? {
                    RunEnd::Stopped { at, next: Some(next), .. }
                        if segment < tail
                            || runs.was_synced(at).map_err(|e| self.failed(segment, e))? =>
                    {
                        runs.go_on_at(&next);
                    }
                    RunEnd::Stopped { .. } | RunEnd::Finished => break,
                }
            }
            if let Some(oldest) = oldest {
                return Ok(oldest.min(segment));
            }
        }
        // A tail without a good frame follows on one that has some.
        let before = SegmentId::new(tail.get() - 1).filter(|_| found.contains(&tail));
        Ok(before.unwrap_or(tail))
    }

    /// Reads one segment of the log.
    fn segment(
        &mut self,
        segment: SegmentId,
        role: Role,
        on_record: &mut impl FnMut(Record<'_>),
    ) -> Result<(), OpenError> {
        let mut line = self.line(segment, SegmentState::Damaged)?;
        match self.open(segment)? {
            Err(damaged) => {
                self.note(damaged, self.reached, None);
                self.expected = None;
            }
            Ok(file) => {
                line.used_bytes = u64::from(FRAMES_START);
                line.state = match role {
                    Role::Ahead => SegmentState::Ahead,
                    Role::Finished | Role::Tail { .. } => {
                        self.walk(&file, role, &mut line, on_record)?
                    }
                };
            }
        }
        // It is finished only when the next one is there.
        let lacks_next =
            line.state == SegmentState::Finished && matches!(role, Role::Tail { has_next: false });
        self.segments.push(line);
        if lacks_next {
            self.note_missing(following(segment));
        }
        Ok(())
    }

    /// Walks over all runs of a segment; tells what it is by itself.
    fn walk(
        &mut self,
        file: &SegmentFile<D>,
        role: Role,
        line: &mut SurveyedSegment,
        on_record: &mut impl FnMut(Record<'_>),
    ) -> Result<SegmentState, OpenError> {
        let failed = |error| Fatal::new("cannot read", &file.path, error);
        let mut runs = Runs::new(&file.file, &file.header);
        let mut state = SegmentState::Finished;
        loop {
            let mut out_of_order = false;
            let end = runs.run(|header, body| {
                out_of_order |= self.frame(file, header, body, line, on_record);
            });
            if out_of_order {
                state = SegmentState::Damaged;
            }
            let RunEnd::Stopped { at, bad, next } = end.map_err(failed)? else { return Ok(state) };
            if let Role::Tail { has_next } = role
                && !runs.was_synced(at).map_err(failed)?
            {
                let is_empty = at == u64::from(FRAMES_START) && bad.is_none() && next.is_none();
                if let Some(reason) = self.lacks_frames(file, is_empty && has_next) {
                    self.note(file.damaged(at, reason), self.reached, None);
                    return Ok(SegmentState::Damaged);
                }
                let capacity = u64::from(file.header.capacity);
                self.cut_bytes = scan::used_bytes(&file.file, capacity, at).map_err(failed)?;
                let is_whole = state == SegmentState::Finished;
                return Ok(if is_whole { SegmentState::Active } else { state });
            }
            state = SegmentState::Damaged;
            let reason = match role {
                Role::Tail { .. } => DamageReason::SyncedFrame,
                Role::Finished | Role::Ahead => DamageReason::FinishedSegment,
            };
            let from = bad.map(|bad| bad.first).or(self.reached);
            let before = next.map(|next| next.first).or_else(|| bad.map(|bad| bad.next()));
            self.note(file.damaged(at, reason), from, before);
            self.expected = next.map(|next| next.first);
            let Some(next) = next else { return Ok(state) };
            runs.go_on_at(&next);
        }
    }

    /// Takes a good frame in; tells whether it stands where it does not belong.
    fn frame(
        &mut self,
        file: &SegmentFile<D>,
        header: &FrameHeader,
        body: &[u8],
        line: &mut SurveyedSegment,
        on_record: &mut impl FnMut(Record<'_>),
    ) -> bool {
        let misplaced = self.expected.is_some_and(|expected| expected != header.first);
        if misplaced {
            let place = file.damaged(u64::from(header.offset), DamageReason::Order);
            self.note(place, self.reached, Some(header.first));
        }
        if let Some(open) = self.damage.last_mut().filter(|_| self.is_open) {
            open.lost.before.get_or_insert(header.first);
        }
        self.is_open = false;
        self.expected = Some(header.next());
        self.reached = Some(header.next());
        self.first.get_or_insert(header.first);
        self.last = Some(tail::tally(header));
        line.used_bytes = header.end();
        line.records += u64::from(header.count);
        if header.count > 0 {
            line.first_lsn.get_or_insert(header.first);
        }
        let mut lsn = header.first;
        for bytes in RecordsIter::over(body) {
            on_record(Record { lsn, bytes });
            lsn = lsn.advanced(1);
        }
        misplaced
    }

    /// Says why a tail that ends here cannot be one, as it lacks what each has.
    fn lacks_frames(&self, file: &SegmentFile<D>, is_passed: bool) -> Option<DamageReason> {
        if is_passed {
            // The next one is made only when this one holds something that was synced.
            return Some(DamageReason::FinishedSegment);
        }
        let is_first = file.header.segment == SegmentId::FIRST;
        (is_first && self.last.is_none()).then_some(DamageReason::Empty)
    }

    fn note(&mut self, place: Damaged, from: Option<Lsn>, before: Option<Lsn>) {
        self.is_open = self.damage.len() < DAMAGE_LISTED_MAX;
        if self.is_open {
            let lost = LostRecords { from, before };
            self.damage.push(SurveyedDamage { place, lost });
        } else {
            self.damage_unlisted += 1;
        }
    }

    fn note_missing(&mut self, segment: SegmentId) {
        self.note(tail::missing(&self.directory, segment), self.reached, None);
        self.expected = None;
        self.segments.push(self.absent(segment));
    }

    fn note_released(&mut self, segment: SegmentId) -> Result<(), Fatal> {
        let line = self.line(segment, SegmentState::Released)?;
        self.segments.push(line);
        Ok(())
    }

    /// Begins to tell of a segment whose file is there.
    fn line(&self, segment: SegmentId, state: SegmentState) -> Result<SurveyedSegment, Fatal> {
        let line = self.absent(segment);
        let opened = self.directory.disk.open(&line.path);
        let file = opened.map_err(|error| Fatal::new("cannot open", &line.path, error))?;
        let bytes = file.bytes().map_err(|error| Fatal::new("cannot read", &line.path, error))?;
        Ok(SurveyedSegment { bytes: Some(bytes), state, ..line })
    }

    fn absent(&self, segment: SegmentId) -> SurveyedSegment {
        SurveyedSegment {
            segment,
            path: self.directory.segment_path(segment),
            bytes: None,
            used_bytes: 0,
            records: 0,
            first_lsn: None,
            state: SegmentState::Damaged,
        }
    }

    /// Opens a segment, or says how it is damaged.
    fn open(&self, segment: SegmentId) -> Result<Result<SegmentFile<D>, Damaged>, OpenError> {
        match SegmentFile::open(&self.directory, segment) {
            Ok(file) => Ok(Ok(file)),
            Err(OpenError::Damaged(damaged)) => Ok(Err(damaged)),
            Err(error) => Err(error),
        }
    }

    fn failed(&self, segment: SegmentId, error: std::io::Error) -> Fatal {
        Fatal::new("cannot read", &self.directory.segment_path(segment), error)
    }

    pub(super) fn conclude(self, identity: Vec<u8>, others: Vec<String>) -> Survey {
        let start = LogState {
            next: self.reached.unwrap_or(Lsn::FIRST),
            hard_state: HardState::default(),
            oldest: SegmentId::FIRST,
        };
        let last = self.last.unwrap_or(start);
        Survey {
            folder: self.directory.folder,
            identity,
            format: FORMAT,
            first_lsn: self.first.unwrap_or(last.next),
            next_lsn: last.next,
            hard_state: last.hard_state,
            cut_bytes: self.cut_bytes,
            segments: self.segments,
            damage: self.damage,
            damage_unlisted: self.damage_unlisted,
            others,
        }
    }
}

/// Returns the number that follows; the greatest one is only found where nobody wrote it.
fn following(segment: SegmentId) -> SegmentId {
    SegmentId::new(segment.get().saturating_add(1)).unwrap_or(segment)
}
