//! The manifest of a snapshot, and the judgement of a file by head, manifest and length.
//!
//! The chunks themselves are left to `read`. Claim kept: what a manifest says is used only if the
//! head vouches for it, the file has the length that follows from it, and the bound is that of the
//! name; nothing is changed here.

use std::io::ErrorKind;
use std::path::Path;

use crate::disk::{self, Disk, DiskFile};
use crate::error::Fatal;
use crate::format::frame::u32_at;

use super::error::{SnapshotDamaged, SnapshotPart};
use super::format::{HEAD_BYTES, Head, HeadVerdict, SUM_BYTES, SnapshotBound};

/// What a snapshot file says of itself, all of it vouched for.
pub(crate) struct Manifest {
    pub(crate) head: Head,
    bytes: Vec<u8>,
}

/// What a file under a snapshot's name is.
pub(crate) enum Judged<F> {
    Whole(Manifest, F),
    Damaged(SnapshotDamaged),
    OtherVersion(u32),
}

impl Manifest {
    /// Whose snapshot it is.
    pub(crate) fn identity(&self) -> &[u8] {
        &self.bytes[..self.head.identity_bytes as usize]
    }

    /// What the owner says of the snapshot.
    pub(crate) fn meta(&self) -> &[u8] {
        &self.bytes[self.head.identity_bytes as usize..self.sums_start()]
    }

    /// The checksum of a chunk that is there.
    pub(crate) fn sum(&self, index: u32) -> u32 {
        u32_at(&self.bytes, self.sums_start() + index as usize * SUM_BYTES)
    }

    fn sums_start(&self) -> usize {
        self.head.identity_bytes as usize + self.head.meta_bytes as usize
    }
}

/// Judges a file by all but its chunks.
pub(crate) fn judge<D: Disk>(
    disk: &D,
    path: &Path,
    bound: SnapshotBound,
) -> Result<Judged<D::File>, Fatal> {
    let file = disk.open(path).map_err(|error| Fatal::new("cannot open", path, error))?;
    let mut head = [0; HEAD_BYTES];
    let read = disk::read_full_at(&file, &mut head, 0);
    let read = read.map_err(|error| Fatal::new("cannot read", path, error))?;
    let damaged = |part, offset| {
        Ok(Judged::Damaged(SnapshotDamaged { bound, path: path.to_owned(), part, offset }))
    };
    let head = match Head::decode(&head[..read]) {
        HeadVerdict::Whole(head) if head.snapshot.bound == bound => head,
        HeadVerdict::Whole(_) | HeadVerdict::Bad => return damaged(SnapshotPart::Head, 0),
        HeadVerdict::OtherVersion(found) => return Ok(Judged::OtherVersion(found)),
    };
    let length = file.bytes().map_err(|error| Fatal::new("cannot read", path, error))?;
    if length != head.file_bytes() {
        return damaged(SnapshotPart::End, length.min(head.file_bytes()));
    }
    let mut bytes = vec![0; head.manifest_bytes()];
    let read = disk::read_full_at(&file, &mut bytes, head.manifest_start());
    let read = read.map_err(|error| Fatal::new("cannot read", path, error))?;
    if read != bytes.len() || crc32c::crc32c(&bytes) != head.manifest_crc {
        return damaged(SnapshotPart::Manifest, head.manifest_start());
    }
    Ok(Judged::Whole(Manifest { head, bytes }, file))
}

/// Tells whether an error says that a file is not there.
pub(crate) fn is_missing(fatal: &Fatal) -> bool {
    fatal.source.kind() == ErrorKind::NotFound
}
