//! Where records are found again: a sparse index in memory, shared by the writer and its readers.
//!
//! Reading itself is left to `reader`. Claim kept: 16 bytes for each 16 KiB of log and for each
//! segment, however small the records are; and only what was synced is in it.

use crate::format::frame::FrameHeader;
use crate::format::position::{Lsn, SegmentId};
use crate::primitives::{Mutex, MutexGuard, PoisonError};

/// Bytes of log between two entries of the index, at least.
pub(crate) const INDEX_STRIDE_BYTES: u32 = 16 << 10;

/// The place of one frame that holds records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) first: Lsn,
    pub(crate) segment: SegmentId,
    pub(crate) offset: u32,
}

/// What may be read.
#[derive(Debug)]
pub(crate) struct Index {
    entries: Vec<Entry>,
    oldest: Lsn,
    next: Lsn,
}

impl Index {
    /// Returns the oldest record that is kept, or the next one when there is none.
    pub(crate) fn oldest(&self) -> Lsn {
        self.oldest
    }

    /// Returns the first record that is not synced.
    pub(crate) fn next(&self) -> Lsn {
        self.next
    }

    /// Returns the last entry at or before a record.
    pub(crate) fn find(&self, lsn: Lsn) -> Option<Entry> {
        let after = self.entries.partition_point(|entry| entry.first <= lsn);
        self.entries[..after].last().copied()
    }

    /// Returns the first record of a segment or of a later one, or the next record.
    pub(crate) fn first_of(&self, segment: SegmentId) -> Lsn {
        let at = self.entries.partition_point(|entry| entry.segment < segment);
        self.entries.get(at).map_or(self.next, |entry| entry.first)
    }

    /// Returns the segment that holds a record, or `None` when it is past the last one.
    pub(crate) fn segment_of(&self, lsn: Lsn) -> Option<SegmentId> {
        if lsn >= self.next { None } else { self.find(lsn).map(|entry| entry.segment) }
    }
}

/// The index as threads share it.
#[derive(Debug)]
pub(crate) struct SharedIndex {
    index: Mutex<Index>,
}

impl SharedIndex {
    /// Starts an empty index.
    pub(crate) fn new() -> Self {
        let index = Index { entries: Vec::new(), oldest: Lsn::FIRST, next: Lsn::FIRST };
        Self { index: Mutex::new(index) }
    }

    /// Lends the index.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Index> {
        // Nobody leaves it half changed, so that it is good after a panic as well.
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Publishes what a sync made durable, and leaves `entries` empty.
    pub(crate) fn publish(&self, entries: &mut Vec<Entry>, next: Lsn) {
        let mut index = self.lock();
        index.entries.append(entries);
        index.next = next;
    }

    /// Sets where the log starts after recovery.
    pub(crate) fn start_at(&self, oldest: Lsn) {
        self.lock().oldest = oldest;
    }

    /// Forgets the segments before `oldest`.
    pub(crate) fn release(&self, oldest: SegmentId) {
        let mut index = self.lock();
        let gone = index.entries.partition_point(|entry| entry.segment < oldest);
        index.entries.drain(..gone);
        index.oldest = index.first_of(oldest);
    }
}

/// The writer's side: decides which frames get an entry.
#[derive(Debug, Default)]
pub(crate) struct IndexBuilder {
    last: Option<(SegmentId, u32)>,
    pub(crate) pending: Vec<Entry>,
}

impl IndexBuilder {
    /// Takes note of a frame in the order of the log.
    pub(crate) fn note(&mut self, header: &FrameHeader) {
        if header.count == 0 {
            return;
        }
        let near = self.last.is_some_and(|(segment, offset)| {
            segment == header.segment && header.offset - offset < INDEX_STRIDE_BYTES
        });
        if !near {
            self.last = Some((header.segment, header.offset));
            let FrameHeader { first, segment, offset, .. } = *header;
            self.pending.push(Entry { first, segment, offset });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_costs_what_the_documentation_says() {
        assert_eq!(size_of::<Entry>(), 16);
    }
}
