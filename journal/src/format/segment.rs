//! The segment file: its header, and where its frames begin and end.
//!
//! Frames are left to `frame`, how a segment is made to `draft`. Claim kept: a header that is not
//! whole, or of another format, is told from one that is.

use super::frame::{FrameHome, PAGE_BYTES, u32_at, u64_at};
use super::position::SegmentId;

/// Where the frames of a segment start: the header has a page of its own.
pub(crate) const FRAMES_START: u32 = PAGE_BYTES as u32;
/// The end of each segment that only a seal and an end frame may use, one page each.
const SEALS_BYTES: u64 = 2 * PAGE_BYTES;
/// Bytes of the header that mean something.
pub(crate) const SEGMENT_HEADER_BYTES: usize = 64;
/// The format of segments and identity files.
pub(crate) const FORMAT: u32 = 2;

const SEGMENT_MAGIC: [u8; 8] = *b"SYNODSEG";

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
        // Asked behind the checksum: a number that was damaged is no other version.
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
    fn the_room_for_data_and_the_capacity_for_it_agree() {
        assert_eq!(data_bytes(16384), 4096);
        assert_eq!(capacity_for(4096), 16384);
        assert_eq!(capacity_for(4097), 20480);
    }
}
