//! The segment file: its name, its header, and how one is made so that it is whole or not there.
//!
//! Frames are left to `frame`, which segment is written to `writer`. Claim kept: a segment under
//! its final name was filled to its length and synced before, under a salt drawn for it alone, and
//! its name was synced before anybody uses it.

use std::path::{Path, PathBuf};

use crate::disk::{self, Disk, DiskFile};
use crate::error::Fatal;
use crate::frame::{FrameHome, PAGE_BYTES, u32_at, u64_at};
use crate::identity::FolderId;
use crate::position::SegmentId;

/// Where the frames of a segment start: the header has a page of its own.
pub(crate) const FRAMES_START: u32 = PAGE_BYTES as u32;
/// The end of each segment that only a seal and an end frame may use, one page each.
const SEALS_BYTES: u64 = 2 * PAGE_BYTES;
/// Bytes of the header that mean something.
pub(crate) const SEGMENT_HEADER_BYTES: usize = 64;
/// The format of segments and identity files.
pub(crate) const FORMAT: u32 = 2;

const SEGMENT_MAGIC: [u8; 8] = *b"SYNODSEG";
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// The header of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) segment: SegmentId,
    /// The length of the file.
    pub(crate) capacity: u32,
    pub(crate) salt: u64,
    /// The checksum of the folder id and the identity of the journal.
    pub(crate) identity_crc: u32,
}

/// What the first bytes of a file under a segment's name are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderVerdict {
    Whole(SegmentHeader),
    OtherVersion(u32),
    Bad,
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut out = [0; SEGMENT_HEADER_BYTES];
        out[..8].copy_from_slice(&SEGMENT_MAGIC);
        out[12..16].copy_from_slice(&FORMAT.to_le_bytes());
        out[16..20].copy_from_slice(&self.segment.get().to_le_bytes());
        out[20..24].copy_from_slice(&self.capacity.to_le_bytes());
        out[24..32].copy_from_slice(&self.salt.to_le_bytes());
        out[32..36].copy_from_slice(&self.identity_crc.to_le_bytes());
        let crc = crc32c::crc32c(&out[12..]);
        out[8..12].copy_from_slice(&crc.to_le_bytes());
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> HeaderVerdict {
        let Some(bytes) = bytes.first_chunk::<SEGMENT_HEADER_BYTES>() else {
            return HeaderVerdict::Bad;
        };
        if bytes[..8] != SEGMENT_MAGIC || u32_at(bytes, 8) != crc32c::crc32c(&bytes[12..]) {
            return HeaderVerdict::Bad;
        }
        if u32_at(bytes, 12) != FORMAT {
            return HeaderVerdict::OtherVersion(u32_at(bytes, 12));
        }
        let Some(segment) = SegmentId::new(u32_at(bytes, 16)) else { return HeaderVerdict::Bad };
        HeaderVerdict::Whole(Self {
            segment,
            capacity: u32_at(bytes, 20),
            salt: u64_at(bytes, 24),
            identity_crc: u32_at(bytes, 32),
        })
    }

    /// What the headers of frames in this segment must carry.
    pub(crate) fn home(&self) -> FrameHome {
        FrameHome { segment: self.segment, salt: self.salt }
    }

    /// Where the frames of the user must end.
    pub(crate) fn data_limit(&self) -> u64 {
        data_limit(u64::from(self.capacity))
    }
}

/// Where the frames of the user must end in a segment of so many bytes.
pub(crate) fn data_limit(capacity: u64) -> u64 {
    capacity.saturating_sub(SEALS_BYTES)
}

/// Returns the bytes that a segment of so many bytes has for frames.
pub(crate) fn data_bytes(capacity: u64) -> u64 {
    data_limit(capacity).saturating_sub(u64::from(FRAMES_START))
}

/// Returns the smallest capacity whose data area holds so many bytes of frames.
pub(crate) fn capacity_for(data: u64) -> u64 {
    (u64::from(FRAMES_START) + data + SEALS_BYTES).next_multiple_of(PAGE_BYTES)
}

/// A directory of segments, and the disk it is on.
#[derive(Clone, Debug)]
pub(crate) struct Directory<D> {
    pub(crate) disk: D,
    pub(crate) path: PathBuf,
    pub(crate) folder: FolderId,
    pub(crate) identity_crc: u32,
}

impl<D: Disk> Directory<D> {
    /// The final name of a segment.
    pub(crate) fn segment_path(&self, segment: SegmentId) -> PathBuf {
        self.path.join(segment_name(segment))
    }

    /// The name of a segment in the making.
    fn draft_path(&self, segment: SegmentId) -> PathBuf {
        self.path.join(format!("{}{DRAFT_SUFFIX}", segment_name(segment)))
    }

    /// The name of the spare.
    pub(crate) fn spare_path(&self) -> PathBuf {
        self.path.join(SPARE_NAME)
    }

    /// Makes the names in the directory durable.
    pub(crate) fn sync(&self) -> Result<(), Fatal> {
        let synced = self.disk.sync_dir(&self.path);
        synced.map_err(|error| Fatal::new("cannot sync the directory", &self.path, error))
    }

    /// Takes a segment or a draft out of the directory.
    pub(crate) fn remove(&self, path: &Path) -> Result<(), Fatal> {
        let removed = self.disk.remove(path);
        removed.map_err(|error| Fatal::new("cannot remove", path, error))
    }
}

/// The name under which the file that a rewriting replaced waits to become the spare.
pub(crate) fn replaced_name(segment: SegmentId) -> String {
    format!("{}{REPLACED_SUFFIX}", segment_name(segment))
}

/// The segment whose file a name says was replaced, or `None`.
pub(crate) fn replaced_of(name: &str) -> Option<SegmentId> {
    segment_of(name.strip_suffix(REPLACED_SUFFIX)?)
}

/// The name of a segment file.
pub(crate) fn segment_name(segment: SegmentId) -> String {
    format!("segment-{:08x}.log", segment.get())
}

/// The segment that a name stands for, or `None` when it is no segment's name.
pub(crate) fn segment_of(name: &str) -> Option<SegmentId> {
    let digits = name.strip_prefix("segment-")?.strip_suffix(".log")?;
    let segment = SegmentId::new(u32::from_str_radix(digits, 16).ok()?)?;
    // The number has one spelling: no signs, no capitals, eight digits.
    (segment_name(segment) == name).then_some(segment)
}

/// Tells whether a name is that of a segment that was never finished.
pub(crate) fn is_draft(name: &str) -> bool {
    name.starts_with("segment-") && name.ends_with(DRAFT_SUFFIX)
}

pub(crate) const DRAFT_SUFFIX: &str = ".new";
const REPLACED_SUFFIX: &str = ".old";

/// The name of the spare, see `spare`.
pub(crate) const SPARE_NAME: &str = "segment-spare";

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
                drop(self.file);
                directory.remove(&self.path).map_or_else(DraftError::Fatal, |()| DraftError::Full)
            }
            DraftError::Fatal(fatal) => DraftError::Fatal(fatal),
        }
    }

    fn write_header(&mut self) -> Result<(), Fatal> {
        let header = self.header.encode();
        self.append(&header)?;
        self.append(&ZEROS[..FRAMES_START as usize - header.len()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: SegmentHeader =
        SegmentHeader { segment: SegmentId::FIRST, capacity: 16384, salt: 99, identity_crc: 5 };

    #[test]
    fn each_flipped_bit_of_a_segment_header_is_noticed() {
        let bytes = HEADER.encode();
        assert_eq!(SegmentHeader::decode(&bytes), HeaderVerdict::Whole(HEADER));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(SegmentHeader::decode(&flipped), HeaderVerdict::Bad, "bit {bit}");
        }
    }

    #[test]
    fn another_format_is_told_from_damage() {
        let mut bytes = HEADER.encode();
        bytes[12] = 3;
        let crc = crc32c::crc32c(&bytes[12..]);
        bytes[8..12].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(SegmentHeader::decode(&bytes), HeaderVerdict::OtherVersion(3));
    }

    #[test]
    fn a_name_has_one_spelling() {
        let name = segment_name(SegmentId::FIRST);
        assert_eq!(name, "segment-00000001.log");
        assert_eq!(segment_of(&name), Some(SegmentId::FIRST));
        for other in ["segment-1.log", "segment-00000000.log", "segment-+0000001.log", "x"] {
            assert_eq!(segment_of(other), None, "{other}");
        }
        assert!(is_draft("segment-00000001.log.new"));
        assert!(!is_draft("IDENTITY.new"));
    }

    #[test]
    fn the_room_for_data_and_the_capacity_for_it_agree() {
        assert_eq!(data_bytes(16384), 4096);
        assert_eq!(capacity_for(4096), 16384);
        assert_eq!(capacity_for(4097), 20480);
    }
}
