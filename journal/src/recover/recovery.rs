//! Opening a journal: judge what is there, rewrite the live segment, stream the records.
//!
//! Walking over frames is left to `scan`, the names of the directory to `identity`. Claim kept: a
//! torn tail is cut, damage never is; nothing is changed before everything was judged; and a
//! record is streamed only from bytes that are durable, since after a kill the page cache may show
//! what the disk never had.

use std::path::Path;

use crate::create::Create;
use crate::directory::Directory;
use crate::disk::Disk;
use crate::error::{DamageReason, Fatal, OpenError};
use crate::format::identity::{self, Condition, FolderId};
use crate::format::position::{HardState, Lsn, SegmentId};
use crate::format::records_iter::RecordsIter;
use crate::format::{names, segment};
use crate::options::Options;
use crate::primitives::Arc;
use crate::read::index::{IndexBuilder, SharedIndex};
use crate::read::reader::Record;
use crate::read::scan::FrameIter;
use crate::recover::folders;
use crate::recover::rewrite::{self, RewrittenSegment};
use crate::recover::tail::{self, SegmentFile, Tail};
use crate::write::journal::{Active, Journal, JournalParts, LogState};
use crate::write::next_segment::NextSegment;
use crate::write::spare::{self, Spare};

/// What was found when a journal was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovered {
    /// The journal was made by this call.
    pub created: bool,
    /// Which journal it is.
    pub folder: FolderId,
    /// The first record that is kept, or `next_lsn` when there is none.
    pub first_lsn: Lsn,
    /// The number of the next record.
    pub next_lsn: Lsn,
    /// The hard state of the last commit, all zeros before the first one.
    pub hard_state: HardState,
    /// Bytes of a torn tail that were cut: never of a commit whose sync had returned, except by
    /// the exposure that the documentation of the crate describes.
    pub cut_bytes: u64,
}

impl<D: Disk> Journal<D> {
    /// Opens the journal in a directory, or makes one, and streams its records in order.
    ///
    /// Memory is bounded by one segment. What `on_record` builds counts only when this returns
    /// without an error. Opening twice gives the same records, whatever interrupted the first.
    ///
    /// # Errors
    /// See [`OpenError`]; after any of them the directory holds what it held.
    pub fn open(
        disk: D,
        path: &Path,
        options: &Options,
        mut on_record: impl FnMut(Record<'_>),
    ) -> Result<(Self, Recovered), OpenError> {
        options.check()?;
        let (lock, levels_made) = enter(&disk, path, options)?;
        let settled = settle(&disk, path, options, levels_made)?;
        let folder = settled.folder;
        let identity_crc = identity::checksum(folder, &options.identity);
        let directory =
            Directory { disk, path: path.to_owned(), folder, identity_crc, replaced: None };
        // The identity gets its name last: until then nothing here was ever acknowledged, and the
        // next start may clear it away.
        if settled.is_draft {
            let made = rewrite::first_segment(&directory, options)?;
            identity::publish(&directory.disk, path)?;
            return Ok(begin(directory, options, made, lock));
        }
        let names = list(&directory.disk, path)?;
        // An exchange with the spare may have been cut short, and a segment miss its name: that is
        // put right before anything is judged.
        let names = spare::tidy(&directory, names, options.segment_bytes)?;
        let mut segments: Vec<SegmentId> =
            names.iter().filter_map(|name| names::segment_of(name)).collect();
        // A directory is listed in any order, and a gap in the numbers must show.
        segments.sort_unstable();
        let recovery = Recovery::new(directory, options, segments);
        recovery.run(lock, &mut on_record)
    }
}

/// Finds or makes the directory and locks it; says how many levels of its path were made.
fn enter<D: Disk>(disk: &D, path: &Path, options: &Options) -> Result<(D::Lock, usize), OpenError> {
    let levels_made = match options.create {
        Create::IfMissing | Create::New => folders::make(disk, path)?,
        Create::Never => 0,
    };
    let lock = lock(disk, path)?.ok_or_else(|| OpenError::Locked { path: path.to_owned() })?;
    // An earlier process may have made the directory and died before it synced the name.
    folders::sync_name(disk, path, levels_made)?;
    Ok((lock, levels_made))
}

/// Locks a directory that is there; there is no lock where another process has it.
pub(crate) fn lock<D: Disk>(disk: &D, path: &Path) -> Result<Option<D::Lock>, OpenError> {
    disk.lock_dir(path).map_err(|error| {
        if error.kind() == std::io::ErrorKind::NotFound {
            return OpenError::Missing { path: path.to_owned() };
        }
        Fatal::new("cannot lock the directory", path, error).into()
    })
}

/// A directory with an identity that is the owner's.
struct Settled {
    folder: FolderId,
    /// The identity was drafted here, and the first segment is to be made.
    is_draft: bool,
}

/// Leaves the directory with an identity that is the owner's, or with the draft of one.
fn settle<D: Disk>(
    disk: &D,
    path: &Path,
    options: &Options,
    levels_made: usize,
) -> Result<Settled, OpenError> {
    let names = list(disk, path)?;
    match (identity::condition(&names), options.create) {
        (Condition::Journal, Create::New) => {
            // That of another owner is no reason to start with it.
            identity::check(disk, path, &options.identity)?;
            // Who made it may have died before the last sync, and it is about to be relied on.
            let synced = disk.sync_dir(path);
            synced.map_err(|error| Fatal::new("cannot sync the directory", path, error))?;
            Err(OpenError::Exists { path: path.to_owned() })
        }
        (Condition::Journal, Create::IfMissing | Create::Never) => {
            let folder = identity::check(disk, path, &options.identity)?;
            Ok(Settled { folder, is_draft: false })
        }
        (Condition::Foreign(found), create) => {
            Err(OpenError::Foreign { path: path.to_owned(), found, create })
        }
        (Condition::Unused, Create::Never) => Err(OpenError::Missing { path: path.to_owned() }),
        (Condition::Unused, Create::IfMissing | Create::New) => {
            folders::sync_above(disk, path, levels_made)?;
            for leftover in identity::leftovers(path, &names) {
                // Each removal is durable before the next, so that the draft goes last.
                let removed = disk.remove(&leftover);
                removed.map_err(|error| Fatal::new("cannot remove", &leftover, error))?;
                let synced = disk.sync_dir(path);
                synced.map_err(|error| Fatal::new("cannot sync the directory", path, error))?;
            }
            let folder = FolderId::draw(disk, path)?;
            identity::draft(disk, path, folder, &options.identity)?;
            Ok(Settled { folder, is_draft: true })
        }
    }
}

/// Starts a journal that was made a moment ago, whose every byte is known to be durable.
fn begin<D: Disk>(
    directory: Directory<D>,
    options: &Options,
    made: RewrittenSegment<D::File>,
    lock: D::Lock,
) -> (Journal<D>, Recovered) {
    let RewrittenSegment { active, tally } = made;
    let folder = directory.folder;
    let journal = Journal::assemble(JournalParts {
        directory,
        segment_bytes: options.segment_bytes,
        reserve_bytes: options.reserve_bytes(),
        active,
        ahead: NextSegment::Missing,
        spare: Spare::missing(),
        tally,
        builder: IndexBuilder::default(),
        index: Arc::new(SharedIndex::new()),
        lock,
    });
    let recovered = Recovered {
        created: true,
        folder,
        first_lsn: tally.next,
        next_lsn: tally.next,
        hard_state: tally.hard_state,
        cut_bytes: 0,
    };
    (journal, recovered)
}

pub(crate) fn list<D: Disk>(disk: &D, path: &Path) -> Result<Vec<String>, OpenError> {
    let names = disk.list(path);
    Ok(names.map_err(|error| Fatal::new("cannot list", path, error))?)
}

/// One recovery under way.
pub(super) struct Recovery<'o, D: Disk> {
    directory: Directory<D>,
    options: &'o Options,
    segments: Vec<SegmentId>,
    index: SharedIndex,
    builder: IndexBuilder,
    /// The number that the next frame must carry, where it is known.
    expected: Option<Lsn>,
    /// The number that the first frame carried.
    first: Option<Lsn>,
    /// What the frames walked over so far have come to.
    tally: Option<LogState>,
}

impl<'o, D: Disk> Recovery<'o, D> {
    pub(super) fn new(
        directory: Directory<D>,
        options: &'o Options,
        segments: Vec<SegmentId>,
    ) -> Self {
        Self {
            directory,
            options,
            segments,
            index: SharedIndex::new(),
            builder: IndexBuilder::default(),
            expected: None,
            first: None,
            tally: None,
        }
    }

    /// Judges everything, rewrites the tail, and streams the records.
    fn run(
        mut self,
        lock: D::Lock,
        on_record: &mut impl FnMut(Record<'_>),
    ) -> Result<(Journal<D>, Recovered), OpenError> {
        let (mut tail, oldest) = self.judge(on_record)?;
        // The tail is written anew before its records are told: in place it may hold bytes that
        // only the page cache has.
        let active = rewrite::tail(&self.directory, self.options, &mut tail, self.tally)?;
        let fresh = SegmentFile::open(&self.directory, active.header.segment)?;
        let stop = self.walk(&fresh, on_record)?;
        if stop.position != active.end {
            // What was written a moment ago cannot be read back.
            return Err(fresh.damaged(stop.position, DamageReason::SyncedFrame).into());
        }
        // Nothing is removed until all that stays was read back.
        self.discard(oldest)?;
        self.conclude(tail, active, lock)
    }

    /// Judges everything, and streams the records of the tail as it is: some of them may be in the
    /// page cache alone.
    pub(super) fn look(
        mut self,
        on_record: &mut impl FnMut(Record<'_>),
    ) -> Result<Recovered, OpenError> {
        let (tail, _) = self.judge(on_record)?;
        self.walk(&tail.file, on_record)?;
        let tally = self.tally.expect("a log without any frame was refused before");
        Ok(Recovered {
            created: false,
            folder: self.directory.folder,
            first_lsn: self.first.unwrap_or(tally.next),
            next_lsn: tally.next,
            hard_state: tally.hard_state,
            cut_bytes: tail.cut_bytes,
        })
    }

    /// Judges everything, and streams the records of all segments before the tail; returns the
    /// tail, and the oldest segment that is kept. Nothing is changed.
    fn judge(
        &mut self,
        on_record: &mut impl FnMut(Record<'_>),
    ) -> Result<(Tail<D>, SegmentId), OpenError> {
        let tail = tail::find(&self.directory, &self.segments)?;
        let oldest = tail.oldest(&self.directory)?;
        // Only the very first segment is known to start with the very first record.
        self.expected = (oldest == SegmentId::FIRST).then_some(Lsn::FIRST);
        // All before the tail were finished under an end frame: a bad frame there is damage, never
        // a torn write.
        for number in oldest.get()..tail.file.header.segment.get() {
            let segment = SegmentId::new(number).expect("segments are numbered from 1");
            let file = SegmentFile::open(&self.directory, segment)?;
            let stop = self.walk(&file, on_record)?;
            if !stop.finished {
                return Err(file.damaged(stop.position, DamageReason::FinishedSegment).into());
            }
        }
        if let (Some(expected), Some(first)) = (self.expected, tail.first)
            && expected != first
        {
            let start = u64::from(segment::FRAMES_START);
            return Err(tail.file.damaged(start, DamageReason::Order).into());
        }
        Ok((tail, oldest))
    }

    /// Streams a segment; tells where its good frames end.
    fn walk(
        &mut self,
        file: &SegmentFile<D>,
        on_record: &mut impl FnMut(Record<'_>),
    ) -> Result<Stop, OpenError> {
        let mut walk = FrameIter::new(&file.file, &file.header);
        loop {
            let step = walk.step();
            let step = step.map_err(|error| Fatal::new("cannot read", &file.path, error))?;
            let Some((header, body)) = step else { break };
            if self.expected.is_some_and(|expected| expected != header.first) {
                let at = u64::from(header.offset);
                return Err(file.damaged(at, DamageReason::Order).into());
            }
            self.expected = Some(header.next());
            self.first.get_or_insert(header.first);
            self.tally = Some(tail::tally(&header));
            self.builder.note(&header);
            let mut lsn = header.first;
            for bytes in RecordsIter::over(body) {
                on_record(Record { lsn, bytes });
                lsn = lsn.advanced(1);
            }
        }
        Ok(Stop { position: walk.position(), finished: walk.finished() })
    }

    /// Removes the segments that were released and not yet removed.
    fn discard(&self, oldest: SegmentId) -> Result<(), Fatal> {
        for segment in self.segments.iter().filter(|segment| **segment < oldest) {
            self.directory.remove(&self.directory.segment_path(*segment))?;
        }
        Ok(())
    }

    fn conclude(
        mut self,
        tail: Tail<D>,
        active: Active<D::File>,
        lock: D::Lock,
    ) -> Result<(Journal<D>, Recovered), OpenError> {
        let tally = self.tally.expect("the rewritten tail ends with a seal");
        let first_lsn = self.first.unwrap_or(tally.next);
        self.index.start_at(first_lsn);
        self.index.publish(&mut self.builder.pending, tally.next);
        let mut ahead = NextSegment::Missing;
        if let Some(next) = tail.ahead {
            if u64::from(next.header.capacity) == self.options.segment_bytes {
                ahead = NextSegment::Ready(next.header, next.file);
            } else {
                // It was made for other options, and a commit might not fit.
                self.directory.remove(&next.path)?;
            }
        }
        let spare = Spare::find(&self.directory, self.options.segment_bytes)?;
        let folder = self.directory.folder;
        let journal = Journal::assemble(JournalParts {
            directory: self.directory,
            segment_bytes: self.options.segment_bytes,
            reserve_bytes: self.options.reserve_bytes(),
            active,
            ahead,
            spare,
            tally,
            builder: self.builder,
            index: Arc::new(self.index),
            lock,
        });
        let recovered = Recovered {
            created: false,
            folder,
            first_lsn,
            next_lsn: tally.next,
            hard_state: tally.hard_state,
            cut_bytes: tail.cut_bytes,
        };
        Ok((journal, recovered))
    }
}

/// Where the walk over a segment stopped.
struct Stop {
    position: u64,
    finished: bool,
}
