//! Where the journal holds the latest decree of each slot.
//!
//! A node that lags asks for slots that left the leader's memory; they are read back from the
//! journal by the place kept here. The index costs [`BYTES_PER_SLOT`] for each slot of the log,
//! and is rebuilt at boot. What a place means is the journal's business.

use std::collections::BTreeMap;

use synod_journal::Lsn;
use synod_paxos::Slot;

/// The places of the slots, in chunks, as a node that lags may hear of far slots first.
#[derive(Clone, Debug, Default)]
pub(crate) struct SlotIndex {
    /// The number of the record of each slot of a chunk, or zero where there is none.
    chunks: BTreeMap<u64, Box<[u64]>>,
    end: u64,
    /// What the journal holds of the slots below this one is not read back.
    base: Slot,
}

impl SlotIndex {
    /// Begins above a state that stands for the slots below this one.
    pub(crate) fn above(slot: Slot) -> Self {
        Self { chunks: BTreeMap::new(), end: slot.number(), base: slot }
    }

    /// Passes over the slots below this one, which a state stands for that was not made here. Of
    /// those the journal may hold votes that lost, and some may still be on their way to it.
    pub(crate) fn pass_over(&mut self, slot: Slot) {
        self.forget_below(slot);
        self.end = self.end.max(slot.number());
    }

    /// Lets go of the slots below this one.
    pub(crate) fn forget_below(&mut self, slot: Slot) {
        self.base = self.base.max(slot);
        let (chunk, index) = split(self.base);
        self.chunks = self.chunks.split_off(&chunk);
        if let Some(first) = self.chunks.get_mut(&chunk) {
            first[..index].fill(0);
        }
    }

    /// Returns the first slot that may be here.
    pub(crate) const fn base(&self) -> Slot {
        self.base
    }

    /// Returns the first of all places.
    pub(crate) fn first_place(&self) -> Option<Lsn> {
        let places = self.chunks.values().flat_map(|chunk| chunk.iter().copied());
        places.filter(|place| *place > 0).min().and_then(Lsn::new)
    }

    /// Notes that the record at `place` holds the decree of `slot`; a later record replaces it.
    pub(crate) fn note(&mut self, slot: Slot, place: Lsn) {
        if slot < self.base {
            return;
        }
        let empty = || vec![0; CHUNK_SLOTS].into_boxed_slice();
        let (chunk, index) = split(slot);
        self.chunks.entry(chunk).or_insert_with(empty)[index] = place.get();
        self.end = self.end.max(slot.number() + 1);
    }

    /// Returns the end of the slots of which the journal holds decrees.
    pub(crate) const fn end(&self) -> Slot {
        Slot::new(self.end)
    }

    /// Returns the place of the decree of `slot`.
    pub(crate) fn place(&self, slot: Slot) -> Option<Lsn> {
        let (chunk, index) = split(slot);
        Lsn::new(self.chunks.get(&chunk)?[index])
    }
}

fn split(slot: Slot) -> (u64, usize) {
    let slots = CHUNK_SLOTS as u64;
    let index = usize::try_from(slot.number() % slots).expect("a chunk fits into memory");
    (slot.number() / slots, index)
}

/// What one slot costs in memory for as long as its record is kept in the journal.
pub const BYTES_PER_SLOT: usize = size_of::<u64>();

const CHUNK_SLOTS: usize = 4096;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may end where its premise fails")]

    use super::*;

    #[test]
    fn the_latest_place_of_a_slot_is_found_and_no_other() {
        let mut index = SlotIndex::default();
        let slots = [0, 1, CHUNK_SLOTS as u64 - 1, CHUNK_SLOTS as u64, 1 << 40];
        for (place, slot) in (1..).zip(slots) {
            index.note(Slot::new(slot), Lsn::new(place).unwrap());
        }
        index.note(Slot::new(1), Lsn::new(9).unwrap());
        let places = slots.map(|slot| index.place(Slot::new(slot)).map(Lsn::get));
        assert_eq!(places, [Some(1), Some(9), Some(3), Some(4), Some(5)]);
        assert_eq!(index.end(), Slot::new((1 << 40) + 1));
        assert_eq!(index.place(Slot::new(2)), None);
        assert_eq!(index.place(Slot::new(1 << 30)), None);
    }

    #[test]
    fn slots_that_lie_together_share_a_chunk() {
        let mut index = SlotIndex::default();
        for slot in 0..=CHUNK_SLOTS as u64 {
            index.note(Slot::new(slot), Lsn::FIRST);
        }
        assert_eq!(index.chunks.len(), 2, "memory is taken by the chunk");
    }
}
