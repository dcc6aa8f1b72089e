//! A survey of a journal: each segment, what of it can be read, and every place that is damaged.
//!
//! What the records mean is left to the owner, and nothing is mended here. A recovery stops at the
//! first damage; a survey goes on behind it, for the person who has to decide what to do. Claims
//! kept: nothing is changed; damage is found where an opening would be refused for damage, with the
//! place and the reason that it would name among what is found, and nowhere else; and memory is a
//! frame, a read-ahead, and a line for each segment and each of the damages that are listed.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::directory::Directory;
use crate::disk::Disk;
use crate::error::{Damaged, OpenError};
use crate::format::identity::{self, FolderId, IDENTITY_NAME};
use crate::format::names::segment_of;
use crate::format::position::{HardState, Lsn, SegmentId};
use crate::read::reader::Record;
use crate::recover::inspect::{names_of_journal, segments};
use crate::recover::recovery::lock;
use crate::write::journal::Journal;
use walk::Surveying;

mod walk;

/// How many places of damage a survey lists; of more it tells how many there are.
pub const DAMAGE_LISTED_MAX: usize = 64;

/// What the directory of a journal holds, as far as it can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Survey {
    /// Which journal it is.
    pub folder: FolderId,
    /// Whose it is.
    pub identity: Vec<u8>,
    /// The format of its files.
    pub format: u32,
    /// The first record that is kept, or `next_lsn` when there is none.
    pub first_lsn: Lsn,
    /// The number of the next record.
    pub next_lsn: Lsn,
    /// The hard state of the last commit, all zeros before the first one.
    pub hard_state: HardState,
    /// Bytes of a torn tail, which the next opening cuts: no sync of them ever returned.
    pub cut_bytes: u64,
    /// The segments, in order.
    pub segments: Vec<SurveyedSegment>,
    /// Where it is damaged, in the order of the log; none in a journal that can be opened.
    pub damage: Vec<SurveyedDamage>,
    /// How many places of damage are not listed.
    pub damage_unlisted: u64,
    /// The names in the directory that are neither the identity's nor a segment's.
    pub others: Vec<String>,
}

/// One segment of a survey.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SurveyedSegment {
    /// Which one it is.
    pub segment: SegmentId,
    /// Its file.
    pub path: PathBuf,
    /// How long the file is; none where there is no file.
    pub bytes: Option<u64>,
    /// Where the last good frame ends: so much of the file is in use.
    pub used_bytes: u64,
    /// How many records were read.
    pub records: u64,
    /// The first of them.
    pub first_lsn: Option<Lsn>,
    /// What it is to the log.
    pub state: SegmentState,
}

/// What a segment is to the log. Complete by its nature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SegmentState {
    /// It was let go of; the next opening removes it, and it was not read.
    Released,
    /// It is full, and the log goes on in the next one.
    Finished,
    /// The log ends in it.
    Active,
    /// It was made for what comes next, and holds nothing.
    Ahead,
    /// Some of it cannot be read, or it is not there.
    Damaged,
}

/// A place that is damaged, and what was lost there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SurveyedDamage {
    /// The file, the byte, and what proves it.
    pub place: Damaged,
    /// Which records cannot be read for it.
    pub lost: LostRecords,
}

/// The records that damage took, as far as its surroundings tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LostRecords {
    /// The first of them; none where nothing before the place can be read.
    pub from: Option<Lsn>,
    /// The first record behind them; none where nothing behind the place can be read.
    pub before: Option<Lsn>,
}

impl fmt::Display for LostRecords {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.from, self.before) {
            (Some(from), Some(before)) if before <= from => formatter.write_str("no record"),
            (Some(from), Some(before)) => {
                write!(formatter, "records {from} to {}", before.get() - 1)
            }
            (Some(from), None) => write!(formatter, "record {from} and all that followed it"),
            (None, Some(before)) => write!(formatter, "records below {before}"),
            (None, None) => formatter.write_str("all records"),
        }
    }
}

impl<D: Disk> Journal<D> {
    /// Surveys the journal in a directory, whoever owns it, and streams the records that can be
    /// read, in order; changes nothing. [`ReadOnlyDisk`](crate::ReadOnlyDisk) is enough of a disk.
    ///
    /// The directory is locked meanwhile. Records that are streamed may be in the page cache alone,
    /// and may follow lost ones: they are good to tell of, and nothing may be built on them.
    ///
    /// # Errors
    /// See [`OpenError`]: no journal, one that another process has open, one of another format, a
    /// damaged identity, a failing disk. Damage of segments is no error.
    pub fn survey(
        disk: D,
        path: &Path,
        mut on_record: impl FnMut(Record<'_>),
    ) -> Result<Survey, OpenError> {
        let lock = lock(&disk, path)?;
        let _lock = lock.ok_or_else(|| OpenError::Locked { path: path.to_owned() })?;
        let names = names_of_journal(&disk, path)?;
        let (folder, identity) = identity::whose(&disk, path)?;
        let identity_crc = identity::checksum(folder, &identity);
        let (found, replaced) = segments(&names);
        let path = path.to_owned();
        let directory = Directory { disk, path, folder, identity_crc, replaced };
        let mut surveying = Surveying::new(directory);
        surveying.walk_all(&found, &mut on_record)?;
        let no_segment = |name: &String| segment_of(name).is_none() && name != IDENTITY_NAME;
        let others = names.into_iter().filter(no_segment).collect();
        Ok(surveying.conclude(identity, others))
    }
}
