//! Texts as numbers: every distinct key or value of a history is kept once.
//!
//! Comparing two texts is then comparing two numbers, and a history of a million operations holds
//! no million strings. The numbers follow the order of first appearance, so they are the same each
//! time the same history is read.

use synod_rng::mix;

/// A text of one [`Texts`] table, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(pub u32);

/// The distinct texts of one history. At most 2^32 - 1 texts of 4 GiB in all.
///
/// # Examples
///
/// ```
/// use synod_history::Texts;
///
/// let mut texts = Texts::default();
/// let apple = texts.intern("apple");
/// assert_eq!(texts.intern("apple"), apple);
/// assert_eq!(texts.text(apple), "apple");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Texts {
    /// All texts, one after the other.
    letters: String,
    /// Where each text ends in `letters`.
    ends: Vec<u32>,
    /// Open addressing with linear probing; `VACANT`, or the number of a text.
    slots: Vec<u32>,
}

impl Texts {
    /// Returns the number of a text, which is kept if it is not there yet.
    ///
    /// # Panics
    ///
    /// If the texts grow over 4 GiB.
    pub fn intern(&mut self, text: &str) -> Text {
        if self.ends.len() * 2 >= self.slots.len() {
            self.grow();
        }
        let slot = self.slot_of(text);
        if self.slots[slot] != VACANT {
            return Text(self.slots[slot]);
        }
        let number = u32::try_from(self.ends.len()).expect("fewer than 2^32 texts");
        self.letters.push_str(text);
        self.ends.push(u32::try_from(self.letters.len()).expect("texts of at most 4 GiB"));
        self.slots[slot] = number;
        Text(number)
    }

    /// Returns the number of a text that was kept.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<Text> {
        // An empty table has no slot that could be looked at.
        if self.slots.is_empty() {
            return None;
        }
        let number = self.slots[self.slot_of(text)];
        (number != VACANT).then_some(Text(number))
    }

    /// Returns a text by its number.
    ///
    /// # Panics
    ///
    /// If the number is not of this table.
    #[must_use]
    pub fn text(&self, text: Text) -> &str {
        let index = text.0 as usize;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        &self.letters[start..self.ends[index] as usize]
    }

    /// Returns how many texts are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Returns whether no text is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Returns how many bytes of memory the table takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let words = self.ends.capacity() + self.slots.capacity();
        self.letters.capacity() + words * size_of::<u32>()
    }

    fn grow(&mut self) {
        let slots = (self.slots.len() * 2).max(SLOTS_MIN);
        self.slots.clear();
        self.slots.resize(slots, VACANT);
        for number in 0..self.ends.len() {
            let number = u32::try_from(number).expect("fewer than 2^32 texts");
            let slot = self.slot_of(self.text(Text(number)));
            self.slots[slot] = number;
        }
    }

    /// Finds the slot that holds the text, or the vacant one where it belongs.
    fn slot_of(&self, text: &str) -> usize {
        let mask = self.slots.len() - 1;
        let mut slot = hash(text.as_bytes()) as usize & mask;
        // Half of the slots are vacant at least, so it ends.
        while self.slots[slot] != VACANT && self.text(Text(self.slots[slot])) != text {
            slot = (slot + 1) & mask;
        }
        slot
    }
}

/// Hashes eight bytes a step; the length keeps texts that end in zero bytes apart.
fn hash(bytes: &[u8]) -> u64 {
    // The length comes in first, as the last word is filled up with zeros.
    bytes.chunks(8).fold(bytes.len() as u64, |state, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        mix(state ^ u64::from_le_bytes(word))
    })
}

const VACANT: u32 = u32::MAX;
const SLOTS_MIN: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_each_text_once_through_growth() {
        let mut texts = Texts::default();
        let words: Vec<String> = (0..1000).map(|n| format!("value {n}")).collect();
        let numbers: Vec<Text> = words.iter().map(|word| texts.intern(word)).collect();
        assert_eq!(texts.len(), 1000);
        for (word, number) in words.iter().zip(numbers) {
            assert_eq!(texts.text(number), word);
            assert_eq!(texts.find(word), Some(number));
            assert_eq!(texts.intern(word), number);
        }
        assert_eq!(texts.find("never kept"), None);
        assert_eq!(Texts::default().find("x"), None);
    }

    #[test]
    fn tells_the_empty_text_and_zero_bytes_apart() {
        let mut texts = Texts::default();
        let all = [texts.intern(""), texts.intern("\0"), texts.intern("\0\0")];
        assert!(all[0] != all[1] && all[1] != all[2] && all[0] != all[2]);
        assert_eq!(texts.text(all[0]), "");
    }
}
