//! A segment in the making: it is whole under its final name, or not there.
//!
//! What its header says is left to `segment`, which segment is written to `journal`. Claim kept: a
//! segment under its final name was filled to its length and synced before, under a salt drawn for
//! it alone, and its name was synced before anybody uses it.

use std::path::{Path, PathBuf};

use crate::directory::Directory;
use crate::disk::{self, Disk, DiskFile};
use crate::error::Fatal;
use crate::format::names::replaced_name;
use crate::format::position::SegmentId;
use crate::format::segment::{FRAMES_START, SegmentHeader};

/// Draws the header of a segment that is about to be made.
fn fresh_header<D: Disk>(
    directory: &Directory<D>,
    segment: SegmentId,
    capacity: u32,
    path: &Path,
) -> Result<SegmentHeader, Fatal> {
    let salt = directory.disk.salt();
    let salt = salt.map_err(|error| Fatal::new("cannot draw a salt for", path, error))?;
    Ok(SegmentHeader { segment, capacity, salt, identity_crc: directory.identity_crc })
}

/// Why a segment could not be made.
#[derive(Debug)]
pub(crate) enum DraftError {
    /// The disk is full; the draft was taken back.
    Full,
    /// The system failed.
    Fatal(Fatal),
}

impl From<Fatal> for DraftError {
    fn from(fatal: Fatal) -> Self {
        if disk::is_full(&fatal.source) { Self::Full } else { Self::Fatal(fatal) }
    }
}

/// A segment in the making, under a name that recovery ignores.
pub(crate) struct Draft<D: Disk> {
    file: D::File,
    path: PathBuf,
    header: SegmentHeader,
    written: u64,
    /// It was the spare: the file that it replaces becomes the next one.
    over_spare: bool,
}

impl<D: Disk> Draft<D> {
    /// Sets the room aside and writes the header.
    pub(crate) fn begin(
        directory: &Directory<D>,
        segment: SegmentId,
        capacity: u32,
    ) -> Result<Self, DraftError> {
        let path = directory.draft_path(segment);
        let disk = &directory.disk;
        // The salt is drawn before the file is there: without one the bytes of an earlier life of
        // these blocks would pass for frames.
        let header = fresh_header(directory, segment, capacity, &path)?;
        let created = disk.create(&path, u64::from(capacity));
        let file = match created.map_err(|error| Fatal::new("cannot create", &path, error)) {
            Ok(file) => file,
            Err(fatal) => {
                // A creation may fail after it has made the file, when it sets the room aside.
                let _ = disk.remove(&path);
                return Err(fatal.into());
            }
        };
        Self { file, path, header, written: 0, over_spare: false }.headed(directory)
    }

    /// Takes the spare for a draft, all of whose room is there already.
    pub(crate) fn begin_over_spare(
        directory: &Directory<D>,
        segment: SegmentId,
        capacity: u32,
    ) -> Result<Self, DraftError> {
        let (from, path) = (directory.spare_path(), directory.draft_path(segment));
        let disk = &directory.disk;
        let header = fresh_header(directory, segment, capacity, &path)?;
        let renamed = disk.rename(&from, &path);
        renamed.map_err(|error| Fatal::new("cannot rename", &from, error))?;
        let opened = disk.open(&path);
        let file = opened.map_err(|error| Fatal::new("cannot open", &path, error))?;
        Self { file, path, header, written: 0, over_spare: true }.headed(directory)
    }

    fn headed(mut self, directory: &Directory<D>) -> Result<Self, DraftError> {
        match self.write_header() {
            Ok(()) => Ok(self),
            Err(error) => Err(self.take_back(directory, error)),
        }
    }

    pub(crate) fn header(&self) -> SegmentHeader {
        self.header
    }

    /// Where the next bytes go.
    pub(crate) fn offset(&self) -> u64 {
        self.written
    }

    /// Adds bytes to the end.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<(), Fatal> {
        let written = disk::write_all_at(&self.file, bytes, self.written);
        written.map_err(|error| Fatal::new("cannot write", &self.path, error))?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Adds and syncs so many zeros, fewer at the end; tells whether the segment is filled.
    pub(crate) fn fill(&mut self, bytes: u64) -> Result<bool, Fatal> {
        let stop = u64::from(self.header.capacity).min(self.written.saturating_add(bytes));
        while self.written < stop {
            let left = usize::try_from(stop - self.written).unwrap_or(usize::MAX);
            self.append(&ZEROS[..left.min(ZEROS.len())])?;
        }
        let synced = self.file.sync();
        synced.map_err(|error| Fatal::new("cannot sync", &self.path, error))?;
        Ok(self.written == u64::from(self.header.capacity))
    }

    /// Gives the filled segment its final name, in place of an older one of the same number.
    pub(crate) fn publish(self, directory: &Directory<D>) -> Result<D::File, DraftError> {
        assert_eq!(self.written, u64::from(self.header.capacity), "only a filled segment is used");
        let to = directory.segment_path(self.header.segment);
        if self.over_spare {
            return self.exchange(directory, &to).map_err(DraftError::Fatal);
        }
        if let Err(error) = directory.disk.rename(&self.path, &to) {
            let fatal = Fatal::new("cannot rename", &self.path, error);
            return Err(self.take_back(directory, fatal));
        }
        // Past the renaming there is no way back, whatever the error.
        directory.sync().map_err(DraftError::Fatal)?;
        Ok(self.file)
    }

    /// Takes the place of the segment, whose file becomes the spare: no room is given back that
    /// somebody else could take. Each name is durable before the next one changes, and recovery
    /// undoes an exchange that was cut short.
    fn exchange(self, directory: &Directory<D>, to: &Path) -> Result<D::File, Fatal> {
        let replaced = directory.path.join(replaced_name(self.header.segment));
        // Each renaming is durable before the next, so that a start finds one of three states.
        for (from, to) in [(to, &*replaced), (&self.path, to), (&replaced, &directory.spare_path())]
        {
            let renamed = directory.disk.rename(from, to);
            renamed.map_err(|error| Fatal::new("cannot rename", from, error))?;
            directory.sync()?;
        }
        Ok(self.file)
    }

    /// Removes the draft where the disk is full, and passes any other error on.
    pub(crate) fn take_back(self, directory: &Directory<D>, cause: Fatal) -> DraftError {
        let error = DraftError::from(cause);
        match error {
            DraftError::Full => {
                // A file that is open keeps its room, whatever became of its name.
                drop(self.file);
                directory.remove(&self.path).map_or_else(DraftError::Fatal, |()| DraftError::Full)
            }
            DraftError::Fatal(fatal) => DraftError::Fatal(fatal),
        }
    }

    fn write_header(&mut self) -> Result<(), Fatal> {
        let header = self.header.encode();
        self.append(&header)?;
        // The whole page, as frames begin on the next one.
        self.append(&ZEROS[..FRAMES_START as usize - header.len()])
    }
}

static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
