//! The identity file: it says that a directory is a journal, in which format, whose, and which.
//!
//! Segments are left to `segment`. Claim kept: a directory without an identity was never used, and
//! one with another identity, format or content is refused before anything in it is touched. Two
//! journals that were made, even for one owner, differ in their folder ids.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::disk::{self, Disk, DiskFile};
use crate::error::{Fatal, OpenError};
use crate::options::IDENTITY_BYTES_MAX;

use super::frame::{u32_at, u64_at};
use super::names::{is_draft, segment_of};
use super::segment::FORMAT;

pub(crate) const IDENTITY_NAME: &str = "IDENTITY";
const DRAFT_NAME: &str = "IDENTITY.new";
const IDENTITY_MAGIC: [u8; 8] = *b"SYNODJNL";
const PREFIX_BYTES: usize = 36;
/// What a file system puts at its root by itself.
const HARMLESS: &str = "lost+found";

/// Tells one journal from every other: 128 bits drawn at random when it was made.
///
/// It is durable before the journal can be opened. A copy of the directory has the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FolderId(u128);

impl FolderId {
    /// Makes an id from its sixteen bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_le_bytes(bytes))
    }

    /// Returns its sixteen bytes.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.to_le_bytes()
    }

    /// Draws an id that no journal has.
    pub(crate) fn draw<D: Disk>(disk: &D, dir: &Path) -> Result<Self, Fatal> {
        let draw = || disk.salt().map_err(|e| Fatal::new("cannot draw an id for", dir, e));
        Ok(Self(u128::from(draw()?) << 64 | u128::from(draw()?)))
    }
}

impl fmt::Display for FolderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Returns what each segment carries of the identity, so that none is taken for another's.
pub(crate) fn checksum(folder: FolderId, identity: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&folder.to_bytes()), identity)
}

/// What the names in a directory say about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// There is an identity.
    Journal,
    /// Nothing was ever acknowledged here: it is empty, or the making of a journal was cut short.
    Unused,
    /// There are other things.
    Foreign(String),
}

/// Judges a directory by its names.
pub(crate) fn condition(names: &[String]) -> Condition {
    let has = |wanted: &str| names.iter().any(|name| name == wanted);
    if has(IDENTITY_NAME) {
        return Condition::Journal;
    }
    // The draft is synced before the first segment is made, and it becomes the identity before
    // anything is acknowledged: segments beside a draft are the rest of a making cut short.
    let beginning = has(DRAFT_NAME);
    let ours = |name: &str| {
        let segment = segment_of(name).is_some() || is_draft(name);
        name == HARMLESS || name == DRAFT_NAME || (beginning && segment)
    };
    match names.iter().find(|name| !ours(name)) {
        Some(found) => Condition::Foreign(found.clone()),
        None => Condition::Unused,
    }
}

/// Writes the draft of an identity; [`publish`] makes it one.
pub(crate) fn draft<D: Disk>(
    disk: &D,
    dir: &Path,
    folder: FolderId,
    identity: &[u8],
) -> Result<(), Fatal> {
    let path = dir.join(DRAFT_NAME);
    let bytes = encode(folder, identity);
    let file = disk.create(&path, bytes.len() as u64);
    let file = file.map_err(|error| Fatal::new("cannot create", &path, error))?;
    disk::write_all_at(&file, &bytes, 0).map_err(|e| Fatal::new("cannot write", &path, e))?;
    file.sync().map_err(|error| Fatal::new("cannot sync", &path, error))?;
    let synced = disk.sync_dir(dir);
    synced.map_err(|error| Fatal::new("cannot sync the directory", dir, error))
}

/// Makes the draft the identity, the last act in the making of a journal.
pub(crate) fn publish<D: Disk>(disk: &D, dir: &Path) -> Result<(), Fatal> {
    let (from, to) = (dir.join(DRAFT_NAME), dir.join(IDENTITY_NAME));
    disk.rename(&from, &to).map_err(|error| Fatal::new("cannot rename", &from, error))?;
    let synced = disk.sync_dir(dir);
    synced.map_err(|error| Fatal::new("cannot sync the directory", dir, error))
}

/// Checks that the directory belongs to the owner who asks, and says which it is.
pub(crate) fn check<D: Disk>(disk: &D, dir: &Path, expected: &[u8]) -> Result<FolderId, OpenError> {
    let (folder, found) = whose(disk, dir)?;
    if found == expected {
        return Ok(folder);
    }
    let (path, expected) = (dir.to_owned(), expected.to_vec());
    Err(OpenError::OtherIdentity { path, found, expected })
}

/// Returns which journal it is, and whose, whoever asks.
pub(crate) fn whose<D: Disk>(disk: &D, dir: &Path) -> Result<(FolderId, Vec<u8>), OpenError> {
    let path = dir.join(IDENTITY_NAME);
    match decode(&read(disk, &path)?) {
        Verdict::Whole(folder, found) => Ok((folder, found.to_vec())),
        Verdict::OtherVersion(found) => {
            Err(OpenError::OtherVersion { path, found, supported: FORMAT })
        }
        Verdict::Bad => Err(OpenError::DamagedIdentity { path }),
    }
}

/// The files that the making of a journal may have left, in the order in which to remove them:
/// the draft last, since it is what explains the others.
pub(crate) fn leftovers(dir: &Path, names: &[String]) -> Vec<PathBuf> {
    let segments = names.iter().filter(|name| segment_of(name).is_some() || is_draft(name));
    let mut paths: Vec<PathBuf> = segments.map(|name| dir.join(name)).collect();
    // The draft is what says that the segments are leftovers. Were it removed before them, a crash
    // in between would leave segments that nobody may touch.
    paths.extend(names.iter().filter(|name| *name == DRAFT_NAME).map(|name| dir.join(name)));
    paths
}

enum Verdict<'a> {
    Whole(FolderId, &'a [u8]),
    OtherVersion(u32),
    Bad,
}

fn encode(folder: FolderId, identity: &[u8]) -> Vec<u8> {
    let length = u32::try_from(identity.len()).expect("the length was checked with the options");
    let mut guarded = Vec::with_capacity(PREFIX_BYTES + identity.len());
    guarded.extend_from_slice(&FORMAT.to_le_bytes());
    guarded.extend_from_slice(&length.to_le_bytes());
    guarded.extend_from_slice(&folder.to_bytes());
    guarded.extend_from_slice(identity);
    let mut out = IDENTITY_MAGIC.to_vec();
    out.extend_from_slice(&crc32c::crc32c(&guarded).to_le_bytes());
    out.append(&mut guarded);
    out
}

fn decode(bytes: &[u8]) -> Verdict<'_> {
    if bytes.len() < PREFIX_BYTES
        || bytes[..8] != IDENTITY_MAGIC
        || u32_at(bytes, 8) != crc32c::crc32c(&bytes[12..])
    {
        return Verdict::Bad;
    }
    // Asked behind the checksum: a number that was damaged is no other version.
    if u32_at(bytes, 12) != FORMAT {
        return Verdict::OtherVersion(u32_at(bytes, 12));
    }
    let folder = FolderId(u128::from(u64_at(bytes, 28)) << 64 | u128::from(u64_at(bytes, 20)));
    let identity = &bytes[PREFIX_BYTES..];
    if u32_at(bytes, 16) as usize == identity.len() {
        Verdict::Whole(folder, identity)
    } else {
        Verdict::Bad
    }
}

/// Reads one byte more than any identity has, so that a longer file shows.
fn read<D: Disk>(disk: &D, path: &Path) -> Result<Vec<u8>, Fatal> {
    let file = disk.open(path).map_err(|error| Fatal::new("cannot open", path, error))?;
    // One byte more than the longest that is whole: a file that is too long must not read as one
    // that fits.
    let mut bytes = vec![0; PREFIX_BYTES + IDENTITY_BYTES_MAX + 1];
    let read = disk::read_full_at(&file, &mut bytes, 0);
    let length = read.map_err(|error| Fatal::new("cannot read", path, error))?;
    bytes.truncate(length);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(names: &[&str]) -> Condition {
        let mut names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        names.sort_unstable();
        condition(&names)
    }

    #[test]
    fn only_a_directory_that_was_never_used_is_unused() {
        assert_eq!(judged(&[]), Condition::Unused);
        assert_eq!(judged(&["lost+found"]), Condition::Unused);
        assert_eq!(judged(&["IDENTITY.new", "segment-00000001.log"]), Condition::Unused);
        assert_eq!(judged(&["IDENTITY", "anything"]), Condition::Journal);
        let orphan = "segment-00000001.log";
        assert_eq!(judged(&[orphan]), Condition::Foreign(orphan.to_owned()));
        let stray = Condition::Foreign("notes.txt".to_owned());
        assert_eq!(judged(&["IDENTITY.new", "notes.txt"]), stray);
    }

    #[test]
    fn each_flipped_bit_of_an_identity_is_noticed() {
        let id = FolderId::from_bytes(*b"0123456789abcdef");
        let bytes = encode(id, b"cluster 1, node 2");
        let Verdict::Whole(folder, identity) = decode(&bytes) else { panic!("it is whole") };
        assert_eq!((folder, identity), (id, &b"cluster 1, node 2"[..]));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(decode(&flipped), Verdict::Bad), "bit {bit}");
        }
        assert!(matches!(decode(&bytes[..bytes.len() - 1]), Verdict::Bad));
    }
}
