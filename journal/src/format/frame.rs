//! The frame: one group commit on the disk, and the header that lets recovery judge it.
//!
//! Where frames stand in a file is left to `segment` and `journal`, what a bad one means to
//! `recovery`. Claim kept: a header is believed only at the offset, in the segment and under the
//! salt it was written for, and its own checksum covers every field of it, the length included.

use super::position::{HARD_STATE_BYTES, HardState, Lsn, SegmentId};
use super::records_iter;

/// Bytes of a frame header; the body follows at once.
pub(crate) const FRAME_HEADER_BYTES: usize = 96;
/// Where the body starts in a frame.
pub(crate) const BODY_START: usize = FRAME_HEADER_BYTES;
/// Frames start at multiples of this, so that a search has few places to look at.
pub(crate) const FRAME_ALIGN: u64 = 8;
/// Seals start on a page of their own, so that one rotten sector cannot take both a frame and the
/// seal that proves it was synced.
pub(crate) const PAGE_BYTES: u64 = 4096;
/// The first four bytes of every frame.
pub(crate) const FRAME_MAGIC: [u8; 4] = *b"SYNF";

/// What a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrameKind {
    /// A commit of the user, perhaps without any record: its hard state counts.
    Data,
    /// Says only that everything before it was synced.
    Seal,
    /// A seal after which the log goes on in the next segment.
    End,
}

/// The header of a frame, without the checksums and the salt that guard it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    pub(crate) kind: FrameKind,
    pub(crate) segment: SegmentId,
    /// Where this frame starts in its segment.
    pub(crate) offset: u32,
    /// Where the frame before it ended: what chains a frame to its predecessor.
    pub(crate) follows: u32,
    /// Every byte of the segment below this was durable when this frame was written.
    pub(crate) synced: u32,
    pub(crate) body_bytes: u32,
    pub(crate) body_crc: u32,
    pub(crate) count: u32,
    /// The number of the first record, or of the next one when there is none.
    pub(crate) first: Lsn,
    /// The oldest segment that was still kept.
    pub(crate) oldest: SegmentId,
    pub(crate) hard_state: HardState,
}

/// Which segment a header must belong to, or it is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHome {
    pub(crate) segment: SegmentId,
    pub(crate) salt: u64,
}

impl FrameHeader {
    /// Writes the header in its byte form.
    pub(crate) fn encode(&self, salt: u64) -> [u8; FRAME_HEADER_BYTES] {
        let mut out = [0; FRAME_HEADER_BYTES];
        let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &FRAME_MAGIC);
        put(8, &salt.to_le_bytes());
        put(16, &self.segment.get().to_le_bytes());
        put(20, &self.offset.to_le_bytes());
        put(24, &self.follows.to_le_bytes());
        put(28, &self.synced.to_le_bytes());
        put(32, &self.kind.number().to_le_bytes());
        put(36, &self.body_bytes.to_le_bytes());
        put(40, &self.body_crc.to_le_bytes());
        put(44, &self.count.to_le_bytes());
        put(48, &self.first.get().to_le_bytes());
        put(56, &self.oldest.get().to_le_bytes());
        put(64, &self.hard_state.0);
        let crc = crc32c::crc32c(&out[8..]);
        out[4..8].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// Reads a header that stands at `offset`, or `None` when it was not written for that place.
    pub(crate) fn decode(bytes: &[u8], home: FrameHome, offset: u32) -> Option<Self> {
        let bytes: &[u8; FRAME_HEADER_BYTES] = bytes.first_chunk()?;
        if bytes[..4] != FRAME_MAGIC || u32_at(bytes, 4) != crc32c::crc32c(&bytes[8..]) {
            return None;
        }
        let mut hard_state = HardState::default();
        hard_state.0.copy_from_slice(&bytes[64..64 + HARD_STATE_BYTES]);
        let header = Self {
            kind: FrameKind::from_number(u32_at(bytes, 32))?,
            segment: SegmentId::new(u32_at(bytes, 16))?,
            offset: u32_at(bytes, 20),
            follows: u32_at(bytes, 24),
            synced: u32_at(bytes, 28),
            body_bytes: u32_at(bytes, 36),
            body_crc: u32_at(bytes, 40),
            count: u32_at(bytes, 44),
            first: Lsn::new(u64_at(bytes, 48))?,
            oldest: SegmentId::new(u32_at(bytes, 56))?,
            hard_state,
        };
        // The sum is checked here, so that no later one can overflow.
        header.first.get().checked_add(u64::from(header.count))?;
        let at_home = u64_at(bytes, 8) == home.salt
            && header.segment == home.segment
            && header.offset == offset;
        at_home.then_some(header)
    }

    /// Tells whether a body is the one this header was written for.
    pub(crate) fn owns(&self, body: &[u8]) -> bool {
        crc32c::crc32c(body) == self.body_crc && records_iter::is_well_formed(body, self.count)
    }

    /// Returns where the frame ends, padding included.
    pub(crate) fn end(&self) -> u64 {
        u64::from(self.offset) + frame_bytes(self.body_bytes as usize)
    }

    /// Returns the number of the record after the last of this frame.
    pub(crate) fn next(&self) -> Lsn {
        self.first.advanced(u64::from(self.count))
    }
}

impl FrameKind {
    fn number(self) -> u32 {
        match self {
            Self::Data => 1,
            Self::Seal => 2,
            Self::End => 3,
        }
    }

    fn from_number(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::Data),
            2 => Some(Self::Seal),
            3 => Some(Self::End),
            _ => None,
        }
    }
}

/// Returns what a frame with a body of so many bytes takes on the disk.
pub(crate) fn frame_bytes(body_bytes: usize) -> u64 {
    ((FRAME_HEADER_BYTES + body_bytes) as u64).next_multiple_of(FRAME_ALIGN)
}

/// Takes a number inside one segment, an offset, a length or a count, to its 32 bits.
pub(crate) fn narrow(number: u64) -> u32 {
    u32::try_from(number).expect("a segment is smaller than 4 GiB")
}

/// Reads a little-endian number inside a header of fixed size.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("the range has four bytes"))
}

/// Reads a little-endian number inside a header of fixed size.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("the range has eight bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: FrameHome = FrameHome { segment: SegmentId::FIRST, salt: 0x1122_3344_5566_7788 };

    fn header() -> FrameHeader {
        FrameHeader {
            kind: FrameKind::Data,
            segment: HOME.segment,
            offset: 4096,
            follows: 4096,
            synced: 4096,
            body_bytes: 9,
            body_crc: 7,
            count: 2,
            first: Lsn::FIRST,
            oldest: SegmentId::FIRST,
            hard_state: HardState([3; HARD_STATE_BYTES]),
        }
    }

    #[test]
    fn a_header_survives_its_byte_form() {
        let bytes = header().encode(HOME.salt);
        assert_eq!(FrameHeader::decode(&bytes, HOME, 4096), Some(header()));
    }

    #[test]
    fn each_flipped_bit_of_a_header_is_noticed() {
        let bytes = header().encode(HOME.salt);
        for bit in 0..FRAME_HEADER_BYTES * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(FrameHeader::decode(&flipped, HOME, 4096), None, "bit {bit}");
        }
    }

    #[test]
    fn a_header_is_believed_at_home_alone() {
        let bytes = header().encode(HOME.salt);
        assert_eq!(FrameHeader::decode(&bytes, HOME, 4104), None, "other offset");
        let other_salt = FrameHome { salt: HOME.salt + 1, ..HOME };
        assert_eq!(FrameHeader::decode(&bytes, other_salt, 4096), None);
        let other_segment = FrameHome { segment: HOME.segment.next(), ..HOME };
        assert_eq!(FrameHeader::decode(&bytes, other_segment, 4096), None);
        assert_eq!(FrameHeader::decode(&bytes[..95], HOME, 4096), None, "short");
    }

    #[test]
    fn the_byte_form_is_pinned() {
        let bytes = header().encode(HOME.salt);
        assert_eq!(&bytes[..4], b"SYNF");
        assert_eq!(&bytes[8..16], &[0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11]);
        assert_eq!(&bytes[36..40], &[9, 0, 0, 0], "length of the body");
        assert_eq!(&bytes[60..64], &[0; 4], "reserved");
        assert_eq!(&bytes[64..], &[3; HARD_STATE_BYTES]);
    }
}
