//! Looking at a journal: judged as an opening judges it, and left as it is.
//!
//! The judgement is that of `recovery`. Claim kept: nothing is written, made, renamed, removed or
//! synced; and what is refused here is what an opening would refuse, but for the room that it needs
//! and for another process that has the journal.

use std::path::Path;

use crate::create::Create;
use crate::directory::Directory;
use crate::disk::Disk;
use crate::error::{Fatal, OpenError};
use crate::format::identity::{self, Condition};
use crate::format::names;
use crate::format::position::SegmentId;
use crate::options::Options;
use crate::read::reader::Record;
use crate::recover::recovery::{Recovered, Recovery, list, lock};
use crate::write::journal::Journal;

impl<D: Disk> Journal<D> {
    /// Returns whose journal is in a directory, whoever asks, without its lock; nothing else of it
    /// is looked at.
    ///
    /// # Errors
    /// What an opening would refuse of the identity, see [`OpenError`].
    pub fn identity(disk: &D, path: &Path) -> Result<Vec<u8>, OpenError> {
        identity::whose(disk, path).map(|(_, identity)| identity)
    }

    /// Judges the journal in a directory as an opening with [`Create::Never`] would, streams its
    /// records in order, and changes nothing. Returns `None` where another process has it open:
    /// whose it is was judged then, and what is in it moves while one looks.
    ///
    /// The directory is locked meanwhile. Records that are streamed may be in the page cache alone:
    /// they are good to judge by, and no more.
    ///
    /// # Errors
    /// What an opening would refuse, see [`OpenError`].
    pub fn inspect(
        disk: D,
        path: &Path,
        options: &Options,
        mut on_record: impl FnMut(Record<'_>),
    ) -> Result<Option<Recovered>, OpenError> {
        options.check()?;
        let lock = lock(&disk, path)?;
        let found = names_of_journal(&disk, path)?;
        let folder = identity::check(&disk, path, &options.identity)?;
        // Whose it is was worth saying first, also of a journal that is in use.
        let Some(_lock) = lock else { return Ok(None) };
        // An opening writes the live segment anew, under another name.
        disk.may_change(path).map_err(|error| Fatal::new("cannot change", path, error))?;
        let identity_crc = identity::checksum(folder, &options.identity);
        let (segments, replaced) = segments(&found);
        let path = path.to_owned();
        let directory = Directory { disk, path, folder, identity_crc, replaced };
        Recovery::new(directory, options, segments).look(&mut on_record).map(Some)
    }
}

/// Returns the names in the directory of a journal; refuses one that holds none.
pub(super) fn names_of_journal<D: Disk>(disk: &D, path: &Path) -> Result<Vec<String>, OpenError> {
    let names = list(disk, path)?;
    match identity::condition(&names) {
        Condition::Journal => Ok(names),
        Condition::Unused => Err(OpenError::Missing { path: path.to_owned() }),
        Condition::Foreign(found) => {
            let (path, create) = (path.to_owned(), Create::Never);
            Err(OpenError::Foreign { path, found, create })
        }
    }
}

/// Returns the segments that an opening would find, in their order, and the one among them that it
/// would give its name back first.
pub(super) fn segments(names: &[String]) -> (Vec<SegmentId>, Option<SegmentId>) {
    let mut segments: Vec<SegmentId> =
        names.iter().filter_map(|name| names::segment_of(name)).collect();
    let replaced = names.iter().filter_map(|name| names::replaced_of(name));
    let replaced = replaced.into_iter().find(|segment| !segments.contains(segment));
    segments.extend(replaced);
    segments.sort_unstable();
    (segments, replaced)
}
