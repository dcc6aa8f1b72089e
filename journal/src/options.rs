//! How a journal is opened.
//!
//! Claim kept: an option is checked once, when the journal is opened, and has a bound with a name.

use crate::create::Create;
use crate::error::OptionsError;
use crate::format::frame::PAGE_BYTES;

/// Bytes of a segment where nothing else is asked for.
pub const SEGMENT_BYTES: u64 = 64 << 20;
/// The smallest segment: its header, one page of frames, and the two pages kept for seals.
pub const SEGMENT_BYTES_MIN: u64 = 4 * PAGE_BYTES;
/// The largest segment: offsets have 32 bits, and half of them are left unused.
pub const SEGMENT_BYTES_MAX: u64 = 2 << 30;
/// Bytes of the longest identity.
pub const IDENTITY_BYTES_MAX: usize = 1024;
/// What a full disk keeps back for promises where segments are large: see
/// [`Journal::room_for_work`](crate::Journal::room_for_work).
pub const RESERVE_BYTES: u64 = 256 << 10;
/// Small segments keep back this part of a segment instead.
const RESERVE_PART: u64 = 8;

/// How a journal is opened.
///
/// ```
/// use synod_journal::{Create, Options};
///
/// let mut options = Options::new(b"cluster 5f3a, node 2");
/// options.create = Create::Never;
/// options.segment_bytes = 16 << 20;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// Whose journal it is, at most [`IDENTITY_BYTES_MAX`] bytes: a directory with another
    /// identity is refused.
    pub identity: Vec<u8>,
    /// Bytes of the segments made from here on: a multiple of 4096 from [`SEGMENT_BYTES_MIN`] to
    /// [`SEGMENT_BYTES_MAX`]. Existing segments keep their size.
    pub segment_bytes: u64,
    /// Whether a missing journal is made.
    pub create: Create,
}

impl Options {
    /// Asks for segments of [`SEGMENT_BYTES`], made when missing.
    #[must_use]
    pub fn new(identity: &[u8]) -> Self {
        Self {
            identity: identity.to_vec(),
            segment_bytes: SEGMENT_BYTES,
            create: Create::IfMissing,
        }
    }

    pub(crate) fn check(&self) -> Result<(), OptionsError> {
        let bytes = self.segment_bytes;
        let bounds = SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX;
        if !bounds.contains(&bytes) || !bytes.is_multiple_of(PAGE_BYTES) {
            return Err(OptionsError::SegmentBytes(bytes));
        }
        if self.identity.len() > IDENTITY_BYTES_MAX {
            return Err(OptionsError::Identity(self.identity.len()));
        }
        Ok(())
    }

    /// What is kept back for promises when the disk is full.
    pub(crate) fn reserve_bytes(&self) -> u64 {
        RESERVE_BYTES.min(self.segment_bytes / RESERVE_PART)
    }
}
