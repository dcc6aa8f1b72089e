//! A fingerprint of the state that is kept up to date entry by entry.
//!
//! The digest is a sum of the fingerprints of the entries, so it does not depend on the order in
//! which they were written, and changing one entry costs the hashing of that entry alone. The
//! hash is SipHash-2-4 (Aumasson and Bernstein, 2012) under a fixed key: its definition is frozen
//! and its vectors are published, so two versions of this program agree. It detects replicas that
//! drifted apart by accident; it is no defence against one that lies.

/// The running fingerprint of a set of entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Digest {
    sum: u64,
    count: u64,
}

/// The fingerprint of one entry, kept beside it so that removing it costs no second hashing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EntryHash(u64);

impl EntryHash {
    /// Hashes an entry; the length of the key goes in first, so that key and value cannot shift.
    pub(crate) fn of(key: &[u8], value: &[u8]) -> Self {
        let mut hash = SipHash::keyed(KEY_LOW, KEY_HIGH);
        // Without the length, bytes that move from the end of a key to the beginning of its value
        // would change nothing.
        hash.write(&(key.len() as u64).to_le_bytes());
        hash.write(key);
        hash.write(value);
        Self(hash.finish())
    }
}

impl Digest {
    pub(crate) fn add(&mut self, entry: EntryHash) {
        self.sum = self.sum.wrapping_add(entry.0);
        self.count += 1;
    }

    pub(crate) fn remove(&mut self, entry: EntryHash) {
        assert!(self.count > 0, "an entry is removed only after it was added");
        self.sum = self.sum.wrapping_sub(entry.0);
        self.count -= 1;
    }

    /// Returns the fingerprint of the whole set.
    // The count is hashed too, as other sets with the same sum are then of the same size at least.
    pub(crate) fn value(&self) -> u64 {
        let mut hash = SipHash::keyed(KEY_LOW, KEY_HIGH);
        hash.write(&self.sum.to_le_bytes());
        hash.write(&self.count.to_le_bytes());
        hash.finish()
    }
}

struct SipHash {
    state: [u64; 4],
    tail: u64,
    length: u64,
}

impl SipHash {
    fn keyed(low: u64, high: u64) -> Self {
        let state = [
            low ^ 0x736f_6d65_7073_6575,
            high ^ 0x646f_7261_6e64_6f6d,
            low ^ 0x6c79_6765_6e65_7261,
            high ^ 0x7465_6462_7974_6573,
        ];
        Self { state, tail: 0, length: 0 }
    }

    fn write(&mut self, mut bytes: &[u8]) {
        while !self.length.is_multiple_of(WORD as u64)
            && let Some((&first, rest)) = bytes.split_first()
        {
            self.push(first);
            bytes = rest;
        }
        let (words, rest) = bytes.as_chunks::<WORD>();
        for word in words {
            self.compress(u64::from_le_bytes(*word));
        }
        self.length += (words.len() * WORD) as u64;
        for &byte in rest {
            self.push(byte);
        }
    }

    fn push(&mut self, byte: u8) {
        self.tail |= u64::from(byte) << (8 * (self.length % WORD as u64));
        self.length += 1;
        if self.length.is_multiple_of(WORD as u64) {
            let word = std::mem::take(&mut self.tail);
            self.compress(word);
        }
    }

    fn compress(&mut self, word: u64) {
        self.state[3] ^= word;
        self.rounds(2);
        self.state[0] ^= word;
    }

    fn finish(mut self) -> u64 {
        let last = (self.length << 56) | self.tail;
        self.compress(last);
        self.state[2] ^= 0xff;
        self.rounds(4);
        self.state.into_iter().fold(0, |all, word| all ^ word)
    }

    fn rounds(&mut self, count: u32) {
        let [mut a, mut b, mut c, mut d] = self.state;
        for _ in 0..count {
            a = a.wrapping_add(b);
            b = b.rotate_left(13) ^ a;
            a = a.rotate_left(32);
            c = c.wrapping_add(d);
            d = d.rotate_left(16) ^ c;
            a = a.wrapping_add(d);
            d = d.rotate_left(21) ^ a;
            c = c.wrapping_add(b);
            b = b.rotate_left(17) ^ c;
            c = c.rotate_left(32);
        }
        self.state = [a, b, c, d];
    }
}

const WORD: usize = 8;
const KEY_LOW: u64 = u64::from_le_bytes(*b"synod-kv");
const KEY_HIGH: u64 = u64::from_le_bytes(*b"digest-1");

#[cfg(test)]
mod tests {
    use super::*;

    fn sip(bytes: &[u8]) -> u64 {
        let mut hash = SipHash::keyed(0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908);
        hash.write(bytes);
        hash.finish()
    }

    #[test]
    fn the_published_vectors_hold() {
        let input: Vec<u8> = (0..64).collect();
        // Appendix A of the paper, and three lines of the authors' vectors_sip64 table.
        assert_eq!(sip(&input[..15]), 0xa129_ca61_49be_45e5);
        assert_eq!(sip(&input[..0]), 0x726f_db47_dd0e_0e31);
        assert_eq!(sip(&input[..1]), 0x74f8_39c5_93dc_67fd);
        assert_eq!(sip(&input[..63]), 0x958a_324c_eb06_4572);
    }

    #[test]
    fn pieces_hash_like_the_whole() {
        let input: Vec<u8> = (0..64).collect();
        for cut in 0..=input.len() {
            let mut hash = SipHash::keyed(0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908);
            hash.write(&input[..cut]);
            hash.write(&input[cut..]);
            assert_eq!(hash.finish(), sip(&input), "cut at {cut}");
        }
    }

    #[test]
    fn order_does_not_matter_and_the_border_of_key_and_value_does() {
        let (one, two) = (EntryHash::of(b"a", b"1"), EntryHash::of(b"b", b"2"));
        let mut forth = Digest::default();
        forth.add(one);
        forth.add(two);
        let mut back = Digest::default();
        back.add(two);
        back.add(one);
        assert_eq!(forth.value(), back.value());
        back.remove(one);
        assert_ne!(forth.value(), back.value());
        assert_ne!(EntryHash::of(b"ab", b"c"), EntryHash::of(b"a", b"bc"));
    }
}
