//! The segment after the active one, made before it is needed.
//!
//! When to work on it is left to `journal`. Claim kept: it is there whole or not at all, the work
//! is done in bounded steps, and a full disk leaves nothing behind.

use crate::directory::Directory;
use crate::disk::Disk;
use crate::error::Fatal;
use crate::format::position::SegmentId;
use crate::format::segment::{self, SegmentHeader};
use crate::write::draft::{Draft, DraftError};

/// The segment after the active one.
pub(crate) enum NextSegment<D: Disk> {
    /// Nothing is there.
    Missing,
    /// It is being filled with zeros.
    Filling(Draft<D>),
    /// It is there, under its final name.
    Ready(SegmentHeader, D::File),
}

/// What is known about the segment after the active one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prepared {
    /// It is there.
    Ready,
    /// There is more to do: call [`Journal::prepare`](crate::Journal::prepare) again.
    Unfinished,
    /// It is made once the active segment holds a synced commit.
    NotDue,
    /// The disk is full: call again when space may have returned.
    Full,
}

impl<D: Disk> NextSegment<D> {
    /// Returns the bytes that it has for commits, zero while it is not there.
    pub(crate) fn room(&self) -> u64 {
        match self {
            Self::Ready(header, _) => segment::data_bytes(u64::from(header.capacity)),
            Self::Missing | Self::Filling(_) => 0,
        }
    }

    /// Tells whether it can be used.
    pub(crate) fn is_ready(&self) -> bool {
        matches!(self, Self::Ready(..))
    }

    /// Takes the segment out, where it can be used.
    pub(crate) fn take(&mut self) -> Option<(SegmentHeader, D::File)> {
        match std::mem::replace(self, Self::Missing) {
            Self::Ready(header, file) => Some((header, file)),
            other @ (Self::Missing | Self::Filling(_)) => {
                *self = other;
                None
            }
        }
    }

    /// Writes so many bytes more of it.
    pub(crate) fn advance(
        &mut self,
        directory: &Directory<D>,
        segment: SegmentId,
        capacity: u32,
        bytes: u64,
    ) -> Result<Prepared, Fatal> {
        // Taken out while it is worked on, so that an error leaves none that is half made.
        let draft = match std::mem::replace(self, Self::Missing) {
            Self::Ready(header, file) => {
                *self = Self::Ready(header, file);
                return Ok(Prepared::Ready);
            }
            Self::Missing => Draft::begin(directory, segment, capacity),
            Self::Filling(draft) => Ok(draft),
        };
        match draft.and_then(|draft| self.fill(directory, draft, bytes)) {
            Ok(prepared) => Ok(prepared),
            // The draft is gone by then: room that is set aside half would be taken from others for
            // nothing.
            Err(DraftError::Full) => Ok(Prepared::Full),
            Err(DraftError::Fatal(fatal)) => Err(fatal),
        }
    }

    fn fill(
        &mut self,
        directory: &Directory<D>,
        mut draft: Draft<D>,
        bytes: u64,
    ) -> Result<Prepared, DraftError> {
        match draft.fill(bytes) {
            Ok(true) => {
                let header = draft.header();
                *self = Self::Ready(header, draft.publish(directory)?);
                Ok(Prepared::Ready)
            }
            Ok(false) => {
                *self = Self::Filling(draft);
                Ok(Prepared::Unfinished)
            }
            Err(fatal) => Err(draft.take_back(directory, fatal)),
        }
    }
}
