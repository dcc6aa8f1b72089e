//! The state machine of the scenarios: it counts, and answers with as many bytes as are asked for.

use bytes::Bytes;
use synod_node::{Invalid, StateMachine};

/// Counts commands. A command or a question is a number in four bytes, perhaps with more behind
/// it, and the answer has so many bytes, of which the first eight are the count.
#[derive(Clone, Debug, Default)]
pub struct Counter {
    count: u64,
}

impl Counter {
    /// Makes a command or question whose answer has so many bytes, and at least eight.
    #[must_use]
    pub fn asking(bytes: u32) -> Bytes {
        Bytes::copy_from_slice(&bytes.to_le_bytes())
    }

    /// Reads the count out of an answer.
    ///
    /// # Panics
    ///
    /// When it is none.
    #[must_use]
    pub fn count_in(answer: &[u8]) -> u64 {
        u64::from_le_bytes(answer[..8].try_into().expect("eight bytes"))
    }

    fn answer(&self, asked: &[u8]) -> Bytes {
        let asked = asked.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
        let mut answer = self.count.to_le_bytes().to_vec();
        answer.resize((asked as usize).max(8), b'.');
        answer.into()
    }
}

impl StateMachine for Counter {
    fn validate(&self, command: &[u8]) -> Result<(), Invalid> {
        if command.len() >= 4 { Ok(()) } else { Err(Invalid::new("a number has four bytes")) }
    }

    fn apply(&mut self, command: &[u8]) -> Bytes {
        self.count += 1;
        self.answer(command)
    }

    fn query(&self, query: &[u8]) -> Bytes {
        self.answer(query)
    }

    fn digest(&self) -> u64 {
        self.count
    }
}
