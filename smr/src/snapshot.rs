//! What a state machine gives and takes as its snapshot: pieces of bytes, in order.
//!
//! What they mean is the machine's, where they are kept the driver's. The claims kept true: a
//! machine that gives no snapshots says so by a type; where pieces are cut never matters to
//! whoever reads them; and a snapshot that ends too early or too late is refused.

use bytes::{Bytes, BytesMut};
use std::fmt;

/// The state of a machine at one moment, read piece by piece while the machine goes on.
///
/// ```
/// use synod_smr::SnapshotView;
///
/// let view = SnapshotView::whole(7_u64.to_le_bytes().to_vec());
/// assert_eq!(view.concat()[..], 7_u64.to_le_bytes());
/// ```
pub struct SnapshotView(Box<dyn Iterator<Item = Bytes> + Send>);

impl SnapshotView {
    /// Takes a small state that was written out whole.
    #[must_use]
    pub fn whole(state: impl Into<Bytes>) -> Self {
        Self::pieces(std::iter::once(state.into()))
    }

    /// Takes what yields the state piece by piece, of any length. It owns what it reads from, so
    /// that commands that are applied meanwhile do not change it.
    #[must_use]
    pub fn pieces(pieces: impl Iterator<Item = Bytes> + Send + 'static) -> Self {
        Self(Box::new(pieces))
    }

    /// Reads all of it into memory.
    #[must_use]
    pub fn concat(self) -> Bytes {
        let mut all = BytesMut::new();
        for piece in self {
            all.extend_from_slice(&piece);
        }
        all.freeze()
    }
}

impl Iterator for SnapshotView {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        self.0.next()
    }
}

impl fmt::Debug for SnapshotView {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("SnapshotView").finish_non_exhaustive()
    }
}

/// A snapshot that is read back: the bytes that were given, cut anywhere.
///
/// ```
/// use bytes::Bytes;
/// use synod_smr::SnapshotPieces;
///
/// let mut cut = [&b"\x02\0"[..], b"\0\0ab", b"c"].map(Bytes::from_static).into_iter();
/// let mut pieces = SnapshotPieces::new(&mut cut);
/// let length = u32::from_le_bytes(pieces.take_array()?);
/// assert_eq!(pieces.take(length as usize)?, "ab");
/// assert_eq!(pieces.rest(10)?, "c");
/// pieces.end()?;
/// # Ok::<(), synod_smr::RestoreError>(())
/// ```
pub struct SnapshotPieces<'a> {
    pieces: &'a mut dyn Iterator<Item = Bytes>,
    /// What is left of the piece that was begun.
    piece: Bytes,
}

impl<'a> SnapshotPieces<'a> {
    /// Reads these pieces.
    pub fn new(pieces: &'a mut dyn Iterator<Item = Bytes>) -> Self {
        Self { pieces, piece: Bytes::new() }
    }

    /// Takes so many bytes, without copying them where one piece has them all.
    ///
    /// # Errors
    ///
    /// Fails where fewer are left. Memory is taken only for those that there are.
    pub fn take(&mut self, bytes: usize) -> Result<Bytes, RestoreError> {
        self.refill();
        if bytes <= self.piece.len() {
            return Ok(self.piece.split_to(bytes));
        }
        let mut taken = BytesMut::new();
        while taken.len() < bytes {
            if !self.refill() {
                return Err(RestoreError::TooShort { wanted: bytes, left: taken.len() });
            }
            let part = self.piece.split_to(self.piece.len().min(bytes - taken.len()));
            taken.extend_from_slice(&part);
        }
        Ok(taken.freeze())
    }

    /// Takes so many bytes as an array.
    ///
    /// # Errors
    ///
    /// Fails where fewer are left.
    pub fn take_array<const BYTES: usize>(&mut self) -> Result<[u8; BYTES], RestoreError> {
        let taken = self.take(BYTES)?;
        let mut array = [0; BYTES];
        array.copy_from_slice(&taken);
        Ok(array)
    }

    /// Takes all that is left, for a state that is small.
    ///
    /// # Errors
    ///
    /// Fails where more than `bytes_max` bytes are left.
    pub fn rest(&mut self, bytes_max: usize) -> Result<Bytes, RestoreError> {
        let mut taken = BytesMut::new();
        while self.refill() {
            if taken.len() + self.piece.len() > bytes_max {
                return Err(RestoreError::TooLong);
            }
            taken.extend_from_slice(&std::mem::take(&mut self.piece));
        }
        Ok(taken.freeze())
    }

    /// Confirms that nothing is left.
    ///
    /// # Errors
    ///
    /// Fails where something is.
    pub fn end(&mut self) -> Result<(), RestoreError> {
        if self.refill() { Err(RestoreError::TooLong) } else { Ok(()) }
    }

    /// Goes on to the next piece where this one is used up; tells whether there is a byte left.
    fn refill(&mut self) -> bool {
        while self.piece.is_empty() {
            let Some(piece) = self.pieces.next() else { return false };
            self.piece = piece;
        }
        true
    }
}

impl fmt::Debug for SnapshotPieces<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SnapshotPieces").field("piece", &self.piece).finish_non_exhaustive()
    }
}

/// Says that a state machine gives no snapshots: its log is kept whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct NoSnapshot;

impl fmt::Display for NoSnapshot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(
            "this state machine gives no snapshots: write StateMachine::snapshot and \
             StateMachine::restore",
        )
    }
}

impl std::error::Error for NoSnapshot {}

/// Why a snapshot was not taken over; the machine must not be used then.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RestoreError {
    /// The machine takes none.
    Unsupported(NoSnapshot),
    /// It ends where there should be more.
    TooShort {
        /// How many bytes were to be read.
        wanted: usize,
        /// How many there were.
        left: usize,
    },
    /// It goes on where it should end.
    TooLong,
    /// It holds what no machine of this version writes.
    Malformed(String),
}

impl From<NoSnapshot> for RestoreError {
    fn from(none: NoSnapshot) -> Self {
        Self::Unsupported(none)
    }
}

impl fmt::Display for RestoreError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported(none) => none.fmt(formatter),
            Self::TooShort { wanted, left } => {
                write!(
                    formatter,
                    "the snapshot ends {left} bytes on, where {wanted} were to be read"
                )
            }
            Self::TooLong => formatter.write_str("the snapshot goes on where it should end"),
            Self::Malformed(why) => write!(formatter, "the snapshot is not understood: {why}"),
        }
    }
}

impl std::error::Error for RestoreError {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;
    use proptest::prelude::*;

    /// Cuts bytes into pieces of these lengths, and the rest into one.
    fn cut(bytes: &[u8], lengths: &[usize]) -> Vec<Bytes> {
        let (mut rest, mut pieces) = (Bytes::copy_from_slice(bytes), Vec::new());
        for length in lengths {
            pieces.push(rest.split_to(rest.len().min(*length)));
        }
        pieces.push(rest);
        pieces
    }

    proptest! {
        #[test]
        fn it_does_not_matter_where_pieces_are_cut(
            bytes in prop::collection::vec(any::<u8>(), 0..60),
            lengths in prop::collection::vec(0..9_usize, 0..12),
            takes in prop::collection::vec(0..9_usize, 0..12),
        ) {
            let mut iter = cut(&bytes, &lengths).into_iter();
            let mut pieces = SnapshotPieces::new(&mut iter);
            let mut at = 0;
            for take in takes {
                match pieces.take(take) {
                    Ok(taken) => prop_assert_eq!(&taken[..], &bytes[at..at + take]),
                    Err(error) => {
                        let (wanted, left) = (take, bytes.len() - at);
                        prop_assert_eq!(error, RestoreError::TooShort { wanted, left });
                        return Ok(());
                    }
                }
                at += take;
            }
            let left = bytes.len() - at;
            if left > 0 {
                prop_assert_eq!(pieces.end(), Err(RestoreError::TooLong));
            }
            prop_assert_eq!(&pieces.rest(left).unwrap()[..], &bytes[at..]);
            prop_assert_eq!(pieces.end(), Ok(()));
        }

        #[test]
        fn more_than_is_let_in_is_refused(
            bytes in prop::collection::vec(any::<u8>(), 1..60),
            lengths in prop::collection::vec(0..9_usize, 0..12),
        ) {
            let mut iter = cut(&bytes, &lengths).into_iter();
            let mut pieces = SnapshotPieces::new(&mut iter);
            prop_assert_eq!(pieces.rest(bytes.len() - 1), Err(RestoreError::TooLong));
        }
    }
}
