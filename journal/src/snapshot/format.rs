//! The head of a snapshot file, and where it says that all else stands.
//!
//! What the chunks and the metadata mean is left to the owner, what the manifest says of the chunks
//! to `manifest`. Claim kept: a head is believed only under its own checksum, and whatever it says
//! is within the bounds that have names here, so that no length in it takes memory or overflows.

use std::fmt;

use crate::format::frame::{u32_at, u64_at};

/// Bytes of a chunk where nothing else is asked for.
pub const SNAPSHOT_CHUNK_BYTES: u32 = 256 << 10;
/// The smallest chunk.
pub const SNAPSHOT_CHUNK_BYTES_MIN: u32 = 4096;
/// The largest chunk: one is in memory while a snapshot is written or read.
pub const SNAPSHOT_CHUNK_BYTES_MAX: u32 = 4 << 20;
/// The longest metadata of a snapshot.
pub const SNAPSHOT_META_BYTES_MAX: usize = 64 << 10;
/// The longest manifest, which is in memory while a snapshot is written or read. It bounds the
/// chunks as well: 64 GiB fit where they have [`SNAPSHOT_CHUNK_BYTES`].
pub const SNAPSHOT_MANIFEST_BYTES_MAX: usize = (1 << 20) + (66 << 10);

/// Bytes of the head; the first chunk follows at once.
pub(crate) const HEAD_BYTES: usize = 64;
/// Bytes of the checksum of one chunk in a manifest.
pub(crate) const SUM_BYTES: usize = 4;
/// The format of snapshots, which has a number of its own.
pub(crate) const SNAPSHOT_FORMAT: u32 = 1;

const SNAPSHOT_MAGIC: [u8; 8] = *b"SYNODSNP";

/// How much of the owner's log a snapshot stands for: all entries below this number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SnapshotBound(u64);

impl SnapshotBound {
    /// Takes the owner's number of the first entry that is not covered.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Returns the number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for SnapshotBound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a snapshot is, without what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Snapshot {
    /// Which entries it stands for.
    pub bound: SnapshotBound,
    /// How many bytes the owner wrote into it.
    pub bytes: u64,
    /// How many of them each chunk has, but for the last one.
    pub chunk_bytes: u32,
    /// How many chunks there are.
    pub chunks: u32,
}

/// The head of a snapshot file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) snapshot: Snapshot,
    pub(crate) identity_bytes: u32,
    pub(crate) meta_bytes: u32,
    pub(crate) manifest_crc: u32,
}

/// What the first bytes of a file under a snapshot's name are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadVerdict {
    Whole(Head),
    OtherVersion(u32),
    Bad,
}

impl Head {
    pub(crate) fn encode(&self) -> [u8; HEAD_BYTES] {
        let Snapshot { bound, bytes, chunk_bytes, chunks } = self.snapshot;
        let mut out = [0; HEAD_BYTES];
        out[..8].copy_from_slice(&SNAPSHOT_MAGIC);
        out[12..16].copy_from_slice(&SNAPSHOT_FORMAT.to_le_bytes());
        out[16..24].copy_from_slice(&bound.get().to_le_bytes());
        out[24..32].copy_from_slice(&bytes.to_le_bytes());
        out[32..36].copy_from_slice(&chunk_bytes.to_le_bytes());
        out[36..40].copy_from_slice(&chunks.to_le_bytes());
        out[40..44].copy_from_slice(&self.identity_bytes.to_le_bytes());
        out[44..48].copy_from_slice(&self.meta_bytes.to_le_bytes());
        out[48..52].copy_from_slice(&self.manifest_crc.to_le_bytes());
        let crc = crc32c::crc32c(&out[12..]);
        out[8..12].copy_from_slice(&crc.to_le_bytes());
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> HeadVerdict {
        let Some(bytes) = bytes.first_chunk::<HEAD_BYTES>() else { return HeadVerdict::Bad };
        if bytes[..8] != SNAPSHOT_MAGIC || u32_at(bytes, 8) != crc32c::crc32c(&bytes[12..]) {
            return HeadVerdict::Bad;
        }
        if u32_at(bytes, 12) != SNAPSHOT_FORMAT {
            return HeadVerdict::OtherVersion(u32_at(bytes, 12));
        }
        let snapshot = Snapshot {
            bound: SnapshotBound::new(u64_at(bytes, 16)),
            bytes: u64_at(bytes, 24),
            chunk_bytes: u32_at(bytes, 32),
            chunks: u32_at(bytes, 36),
        };
        let head = Self {
            snapshot,
            identity_bytes: u32_at(bytes, 40),
            meta_bytes: u32_at(bytes, 44),
            manifest_crc: u32_at(bytes, 48),
        };
        if head.is_possible() { HeadVerdict::Whole(head) } else { HeadVerdict::Bad }
    }

    /// Where the manifest stands in the file.
    pub(crate) fn manifest_start(&self) -> u64 {
        HEAD_BYTES as u64 + self.snapshot.bytes
    }

    /// How long the manifest is.
    pub(crate) fn manifest_bytes(&self) -> usize {
        let Self { snapshot, identity_bytes, meta_bytes, .. } = self;
        identity_bytes.saturating_add(*meta_bytes) as usize + snapshot.chunks as usize * SUM_BYTES
    }

    /// How long the file is.
    pub(crate) fn file_bytes(&self) -> u64 {
        self.manifest_start() + self.manifest_bytes() as u64
    }

    /// Where a chunk begins in the file, and how long it is; a chunk that is not there has no
    /// bytes.
    pub(crate) fn chunk_at(&self, index: u32) -> (u64, usize) {
        let Snapshot { bytes, chunk_bytes, .. } = self.snapshot;
        let start = (u64::from(index) * u64::from(chunk_bytes)).min(bytes);
        let length = (bytes - start).min(u64::from(chunk_bytes));
        let length = usize::try_from(length).expect("a chunk has a bound");
        (HEAD_BYTES as u64 + start, length)
    }

    /// Tells whether a writer of this program may have written this.
    fn is_possible(&self) -> bool {
        let Snapshot { bytes, chunk_bytes, chunks, .. } = self.snapshot;
        let sizes = SNAPSHOT_CHUNK_BYTES_MIN..=SNAPSHOT_CHUNK_BYTES_MAX;
        sizes.contains(&chunk_bytes)
            && bytes.div_ceil(u64::from(chunk_bytes)) == u64::from(chunks)
            && self.meta_bytes as usize <= SNAPSHOT_META_BYTES_MAX
            && self.manifest_bytes() <= SNAPSHOT_MANIFEST_BYTES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SNAPSHOT: Snapshot =
        Snapshot { bound: SnapshotBound(1024), bytes: 10_000, chunk_bytes: 4096, chunks: 3 };
    const HEAD: Head =
        Head { snapshot: SNAPSHOT, identity_bytes: 17, meta_bytes: 5, manifest_crc: 99 };

    #[test]
    fn each_flipped_bit_of_a_head_is_noticed() {
        let bytes = HEAD.encode();
        assert_eq!(Head::decode(&bytes), HeadVerdict::Whole(HEAD));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Head::decode(&flipped), HeadVerdict::Bad, "bit {bit}");
        }
        for length in 0..HEAD_BYTES {
            assert_eq!(Head::decode(&bytes[..length]), HeadVerdict::Bad, "{length} bytes");
        }
    }

    #[test]
    fn chunks_and_manifest_fill_the_file_without_a_gap() {
        let mut end = HEAD_BYTES as u64;
        for index in 0..3 {
            let (start, bytes) = HEAD.chunk_at(index);
            assert_eq!(start, end);
            end += bytes as u64;
        }
        assert_eq!(HEAD.chunk_at(3), (end, 0));
        assert_eq!(HEAD.chunk_at(u32::MAX), (end, 0));
        assert_eq!(end, HEAD.manifest_start());
        assert_eq!(HEAD.file_bytes(), 64 + 10_000 + 17 + 5 + 3 * 4);
    }

    /// Writes one field of a head and makes its checksum good.
    fn forged<const BYTES: usize>(at: usize, field: [u8; BYTES]) -> HeadVerdict {
        let mut bytes = HEAD.encode();
        bytes[at..at + BYTES].copy_from_slice(&field);
        let crc = crc32c::crc32c(&bytes[12..]);
        bytes[8..12].copy_from_slice(&crc.to_le_bytes());
        Head::decode(&bytes)
    }

    #[test]
    fn a_head_is_held_to_its_bounds_even_under_a_good_checksum() {
        assert_eq!(forged(12, [2, 0, 0, 0]), HeadVerdict::OtherVersion(2));
        for number in [0, 1, 4095, 10_001 / 2, u32::MAX / 2, u32::MAX] {
            for at in [32, 36, 40, 44] {
                let verdict = forged(at, number.to_le_bytes());
                let fits = at == 40 && number < 1 << 20 || at == 44 && number < 1 << 16;
                assert_eq!(verdict != HeadVerdict::Bad, fits, "{number} at {at}");
            }
        }
        for bytes in [0, 8192, 12_289, u64::MAX] {
            assert_eq!(forged(24, bytes.to_le_bytes()), HeadVerdict::Bad, "{bytes} bytes");
        }
    }
}
