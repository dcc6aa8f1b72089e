//! The spare: a file as large as a segment, set aside so that recovery finds room on a full disk.
//!
//! Recovery writes the live segment anew, beside the old one. Where the disk has no room for that,
//! it writes over the spare, and the file that is replaced becomes the spare of the next start.
//! Claim kept: once it is there, each start finds room in it for all that it writes anew, whatever
//! else fills the disk and however often a start is cut short; and no segment is begun before it
//! is there. The one that is there may be smaller than a segment, where their size was raised, or
//! where a start had made do with a small segment, whose file became the spare later: no more is
//! written then than it takes, until there is room for another. A segment that has outgrown it
//! under another size is the one exception.

use crate::directory::Directory;
use crate::disk::{self, Disk, DiskFile};
use crate::error::Fatal;
use crate::format::names::{DRAFT_SUFFIX, SPARE_NAME};
use crate::format::names::{is_draft, replaced_of, segment_name};
use crate::write::next_segment::Prepared;

static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// The spare of one journal.
pub(crate) struct Spare<D: Disk> {
    making: Making<D>,
    /// The length of the one that is there, though it be too small for a segment.
    bytes: Option<u64>,
}

/// How far a spare is that is large enough for a segment.
enum Making<D: Disk> {
    /// There is none.
    Missing,
    /// It is being filled, up to here.
    Filling(D::File, u64),
    /// It is there.
    Ready,
}

impl<D: Disk> Spare<D> {
    /// Returns that of a journal that was made a moment ago: nothing is there.
    pub(crate) const fn missing() -> Self {
        Self { making: Making::Missing, bytes: None }
    }

    /// Finds out what is there; one that is too small for these segments is made anew.
    pub(crate) fn find(directory: &Directory<D>, segment_bytes: u64) -> Result<Self, Fatal> {
        let bytes = bytes(directory)?;
        let large = bytes.is_some_and(|bytes| bytes >= segment_bytes);
        Ok(Self { making: if large { Making::Ready } else { Making::Missing }, bytes })
    }

    /// Tells whether one is there that is large enough for a segment.
    pub(crate) fn is_ready(&self) -> bool {
        matches!(self.making, Making::Ready)
    }

    /// Returns the capacity up to which a segment may be used, so that a start can write it anew
    /// over what is there; none where nothing is.
    pub(crate) const fn takes(&self) -> Option<u64> {
        self.bytes
    }

    /// Writes so many bytes more of it.
    pub(crate) fn advance(
        &mut self,
        directory: &Directory<D>,
        segment_bytes: u64,
        step: u64,
    ) -> Result<Prepared, Fatal> {
        // Nearly each call finds it there, and makes no name for it.
        if self.is_ready() {
            return Ok(Prepared::Ready);
        }
        // It is filled under a draft's name, so that a start takes no half of one for a spare.
        let path = directory.path.join(format!("{SPARE_NAME}{DRAFT_SUFFIX}"));
        let making = std::mem::replace(&mut self.making, Making::Missing);
        let begun = if let Making::Filling(file, done) = making {
            Ok((file, done))
        } else {
            let created = directory.disk.create(&path, segment_bytes);
            created.map(|file| (file, 0)).map_err(|error| Fatal::new("cannot create", &path, error))
        };
        match begun.and_then(|(file, done)| fill(file, done, segment_bytes, step, &path)) {
            Ok((_, done)) if done == segment_bytes => {
                let renamed = directory.disk.rename(&path, &directory.spare_path());
                renamed.map_err(|error| Fatal::new("cannot rename", &path, error))?;
                directory.sync()?;
                *self = Self { making: Making::Ready, bytes: Some(segment_bytes) };
                Ok(Prepared::Ready)
            }
            Ok((file, done)) => {
                self.making = Making::Filling(file, done);
                Ok(Prepared::Unfinished)
            }
            Err(fatal) if disk::is_full(&fatal.source) => {
                // A creation may fail before it has made the file, and after it.
                let _ = directory.disk.remove(&path);
                Ok(Prepared::Full)
            }
            Err(fatal) => Err(fatal),
        }
    }
}

/// Returns the length of the spare, if there is one.
pub(crate) fn bytes<D: Disk>(directory: &Directory<D>) -> Result<Option<u64>, Fatal> {
    let path = directory.spare_path();
    let opened = match directory.disk.open(&path) {
        Ok(file) => file.bytes(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => Err(error),
    };
    opened.map(Some).map_err(|error| Fatal::new("cannot open", &path, error))
}

/// Undoes what an earlier start left half done, and returns the names that are there then.
///
/// A segment that was about to be replaced gets its name back, and whatever was as large as a spare
/// becomes the spare again: its room must not be given back on a disk that others fill.
pub(crate) fn tidy<D: Disk>(
    directory: &Directory<D>,
    names: Vec<String>,
    segment_bytes: u64,
) -> Result<Vec<String>, Fatal> {
    let mut has_spare = names.iter().any(|name| name == SPARE_NAME);
    let mut left: Vec<String> = Vec::with_capacity(names.len());
    let has = |wanted: &str| names.iter().any(|name| name == wanted);
    for name in &names {
        if let Some(segment) = replaced_of(name) {
            let home = segment_name(segment);
            if !has(&home) {
                rename(directory, name, &home)?;
                left.push(home);
                continue;
            }
        } else if !is_draft(name) {
            left.push(name.clone());
            continue;
        }
        // One spare is enough; what is left of another is given back.
        if !has_spare && is_as_large(directory, name, segment_bytes)? {
            rename(directory, name, SPARE_NAME)?;
            has_spare = true;
        } else {
            directory.remove(&directory.path.join(name))?;
        }
    }
    Ok(left)
}

fn rename<D: Disk>(directory: &Directory<D>, from: &str, to: &str) -> Result<(), Fatal> {
    let from = directory.path.join(from);
    let renamed = directory.disk.rename(&from, &directory.path.join(to));
    renamed.map_err(|error| Fatal::new("cannot rename", &from, error))?;
    directory.sync()
}

fn is_as_large<D: Disk>(
    directory: &Directory<D>,
    name: &str,
    segment_bytes: u64,
) -> Result<bool, Fatal> {
    let path = directory.path.join(name);
    let bytes = directory.disk.open(&path).and_then(|file| file.bytes());
    let bytes = bytes.map_err(|error| Fatal::new("cannot open", &path, error))?;
    Ok(bytes >= segment_bytes)
}

/// Adds and syncs so many zeros, fewer at the end; tells up to where.
fn fill<F: DiskFile>(
    file: F,
    mut done: u64,
    end: u64,
    step: u64,
    path: &std::path::Path,
) -> Result<(F, u64), Fatal> {
    let stop = end.min(done.saturating_add(step));
    while done < stop {
        let left = usize::try_from(stop - done).unwrap_or(usize::MAX).min(ZEROS.len());
        let written = disk::write_all_at(&file, &ZEROS[..left], done);
        written.map_err(|error| Fatal::new("cannot write", path, error))?;
        done += left as u64;
    }
    let synced = file.sync();
    synced.map_err(|error| Fatal::new("cannot sync", path, error))?;
    Ok((file, done))
}
