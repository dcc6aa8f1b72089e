//! The set of visited configurations, 16 bytes each.

use std::hash::Hasher;

use synod_rng::mix;

/// What a configuration is known by.
pub(super) type Key = u128;

/// Returns the key of an operation: random bits that are the same each time.
pub(super) fn operation_key(index: u32) -> Key {
    let low = mix(u64::from(index) << 1 | 1);
    let high = mix(low ^ OPERATION_SALT);
    Key::from(high) << 64 | Key::from(low)
}

/// A set of keys: open addressing with linear probing, at most three quarters full.
#[derive(Default)]
pub(super) struct Visited {
    /// `VACANT` where there is no key.
    slots: Vec<Key>,
    len: usize,
}

impl Visited {
    /// Adds a key and returns whether it was not there.
    pub(super) fn insert(&mut self, key: Key) -> bool {
        if self.len * 4 >= self.slots.len() * 3 {
            self.grow();
        }
        // The one key that reads as vacant shares the place of its neighbour, which is no likelier
        // than any two keys being equal.
        let key = key.max(VACANT + 1);
        let slot = self.slot_of(key);
        let fresh = self.slots[slot] == VACANT;
        self.slots[slot] = key;
        self.len += usize::from(fresh);
        fresh
    }

    pub(super) fn contains(&self, key: Key) -> bool {
        let key = key.max(VACANT + 1);
        !self.slots.is_empty() && self.slots[self.slot_of(key)] == key
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn bytes(&self) -> usize {
        self.slots.len() * size_of::<Key>()
    }

    /// Returns how many more bytes the next key takes for a while, if there is no room for it.
    pub(super) fn growth(&self) -> usize {
        // Until all keys are copied both tables are there, so the whole of the larger one comes on
        // top of what is counted.
        let is_full = self.len * 4 >= self.slots.len() * 3;
        if is_full { (self.slots.len() * 2).max(SLOTS_MIN) * size_of::<Key>() } else { 0 }
    }

    fn grow(&mut self) {
        let slots = (self.slots.len() * 2).max(SLOTS_MIN);
        let old = std::mem::replace(&mut self.slots, vec![VACANT; slots]);
        for key in old.into_iter().filter(|key| *key != VACANT) {
            let slot = self.slot_of(key);
            self.slots[slot] = key;
        }
    }

    fn slot_of(&self, key: Key) -> usize {
        let mask = self.slots.len() - 1;
        let mut slot = (key as usize) & mask;
        // A quarter of the slots is vacant at least, so it ends.
        while self.slots[slot] != VACANT && self.slots[slot] != key {
            slot = (slot + 1) & mask;
        }
        slot
    }
}

/// The visited configurations of the recent past: what is older may be forgotten at a pause.
#[derive(Default)]
pub(super) struct Recent {
    young: Visited,
    old: Visited,
}

impl Recent {
    /// Adds a key and returns whether it is not known.
    pub(super) fn insert(&mut self, key: Key) -> bool {
        // It is put among the younger ones even if the older ones know it: what is met again is not
        // to be forgotten with them.
        self.young.insert(key) && !self.old.contains(key)
    }

    /// Forgets the older half, if there is enough of the younger one.
    pub(super) fn age(&mut self) {
        if self.young.len() > GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.young.bytes() + self.old.bytes()
    }

    pub(super) fn growth(&self) -> usize {
        self.young.growth()
    }
}

/// Hashes a state to 128 bits.
pub(super) struct StateHasher {
    low: u64,
    high: u64,
}

impl Default for StateHasher {
    fn default() -> Self {
        Self { low: 0, high: STATE_SALT }
    }
}

impl StateHasher {
    pub(super) fn key(&self) -> Key {
        Key::from(self.high) << 64 | Key::from(self.low)
    }
}

impl Hasher for StateHasher {
    fn finish(&self) -> u64 {
        self.low
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
        // The last word is filled up with zeros, so only the length tells bytes from the same bytes
        // with zeros behind them.
        self.write_u64(bytes.len() as u64);
    }

    fn write_u8(&mut self, word: u8) {
        self.write_u64(u64::from(word));
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(u64::from(word));
    }

    fn write_u64(&mut self, word: u64) {
        self.low = mix(self.low.wrapping_add(WORD_SALT) ^ word);
        self.high = mix(self.high ^ word.wrapping_mul(WORD_SALT));
    }
}

const VACANT: Key = 0;
const SLOTS_MIN: usize = 16;

/// How many configurations make a generation: two of them take some 16 MiB, and backing up over
/// fewer operations than have led to them repeats no work.
const GENERATION: usize = 1 << 18;

const OPERATION_SALT: u64 = 0xd1b5_4a32_d192_ed03;
const STATE_SALT: u64 = 0x8cb9_2ba7_2f3d_8dd7;
const WORD_SALT: u64 = 0xaef1_7502_108e_f2d9;
