//! The records of one commit, gathered in the very buffer that is written to the disk.
//!
//! What the bytes mean is left to the user, the header to `frame`. Claim kept: a record is copied
//! once, into this buffer, and the buffer can be used again after the commit.

use super::frame::{BODY_START, FRAME_HEADER_BYTES, frame_bytes};
use super::records_iter::{RECORD_PREFIX_BYTES, RecordsIter};

/// The records of one commit in one contiguous buffer.
///
/// The buffer starts with room for a frame header, so that a commit reaches the disk in one write
/// without another copy. [`Records::clear`] keeps the allocation.
///
/// ```
/// let mut records = synod_journal::Records::new();
/// records.push(b"one");
/// records.push_with(|buffer| buffer.extend_from_slice(b"two"));
/// assert_eq!(records.iter().collect::<Vec<_>>(), [b"one", b"two"]);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Records {
    buffer: Vec<u8>,
    count: u32,
}

impl Records {
    /// Makes an empty set of records.
    #[must_use]
    pub fn new() -> Self {
        Self { buffer: vec![0; FRAME_HEADER_BYTES], count: 0 }
    }

    /// Adds one record by copying it.
    ///
    /// # Panics
    /// When the record, or the count of records, passes `u32::MAX`.
    pub fn push(&mut self, record: &[u8]) {
        self.push_with(|buffer| buffer.extend_from_slice(record));
    }

    /// Adds one record that `encode` appends to the buffer it is given.
    ///
    /// # Panics
    /// When `encode` shortens the buffer, or as [`Records::push`] does.
    pub fn push_with(&mut self, encode: impl FnOnce(&mut Vec<u8>)) {
        let prefix = self.buffer.len();
        // Room for the length, which is known once the record is encoded.
        self.buffer.extend_from_slice(&[0; RECORD_PREFIX_BYTES]);
        let start = self.buffer.len();
        encode(&mut self.buffer);
        assert!(self.buffer.len() >= start, "an encoder may only append");
        let bytes = u32::try_from(self.buffer.len() - start).expect("a record is below 4 GiB");
        self.buffer[prefix..start].copy_from_slice(&bytes.to_le_bytes());
        self.count = self.count.checked_add(1).expect("a commit has fewer than 2^32 records");
    }

    /// Forgets the records and keeps the allocation.
    pub fn clear(&mut self) {
        self.buffer.truncate(FRAME_HEADER_BYTES);
        self.count = 0;
    }

    /// Returns the number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Tells whether there is no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Returns what a commit of these records takes on the disk, in bytes.
    #[must_use]
    pub fn frame_bytes(&self) -> u64 {
        frame_bytes(self.buffer.len() - FRAME_HEADER_BYTES)
    }

    /// Returns the records in the order in which they were added.
    #[must_use]
    pub fn iter(&self) -> RecordsIter<'_> {
        RecordsIter::over(self.body())
    }

    /// The number of records as a header has it.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// The encoded records without the room for the header.
    pub(crate) fn body(&self) -> &[u8] {
        &self.buffer[BODY_START..]
    }

    /// Lends header room and records as one slice, to be completed by `frame` and written.
    pub(crate) fn frame_mut(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Takes the padding of a written frame off again.
    pub(crate) fn unpad(&mut self, body_bytes: usize) {
        self.buffer.truncate(BODY_START + body_bytes);
    }
}

impl Default for Records {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Records {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Records").field("count", &self.count).finish_non_exhaustive()
    }
}

impl<R: AsRef<[u8]>> Extend<R> for Records {
    fn extend<I: IntoIterator<Item = R>>(&mut self, records: I) {
        for record in records {
            self.push(record.as_ref());
        }
    }
}

impl<R: AsRef<[u8]>> FromIterator<R> for Records {
    fn from_iter<I: IntoIterator<Item = R>>(records: I) -> Self {
        let mut gathered = Self::new();
        gathered.extend(records);
        gathered
    }
}

impl<'a> IntoIterator for &'a Records {
    type Item = &'a [u8];
    type IntoIter = RecordsIter<'a>;

    fn into_iter(self) -> RecordsIter<'a> {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clear_leaves_nothing_of_the_last_commit() {
        let mut records: Records = [b"abc"].into_iter().collect();
        records.clear();
        assert!(records.is_empty());
        assert_eq!(records, Records::new());
        records.push(b"");
        assert_eq!(records.iter().collect::<Vec<_>>(), [b""]);
    }
}
