//! Commands for a state machine that is tried: given, or drawn from a seed.
//!
//! What the machine does with them is left to `replicas`. The claim kept true: a seed gives the
//! same commands on every machine and in every run.

use crate::command::mix;
use bytes::Bytes;

/// Commands in the order of a log, and questions that are asked after each of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CommandRun {
    commands: Vec<Bytes>,
    queries: Vec<Bytes>,
}

impl CommandRun {
    /// Takes commands as they would stand in the log.
    pub fn new<C: AsRef<[u8]>>(commands: impl IntoIterator<Item = C>) -> Self {
        Self { commands: copied(commands), queries: vec![Bytes::new()] }
    }

    /// Draws so many commands; the same seed gives the same ones.
    pub fn drawn(seed: u64, count: usize, mut command: impl FnMut(&mut Draw) -> Vec<u8>) -> Self {
        let mut draw = Draw(seed);
        Self::new((0..count).map(|_| command(&mut draw)))
    }

    /// Draws commands of any bytes, up to so many each: for what its author did not think of.
    #[must_use]
    pub fn of_bytes(seed: u64, count: usize, bytes_max: usize) -> Self {
        Self::drawn(seed, count, |draw| draw.bytes(bytes_max))
    }

    /// Asks these questions after each command; one of no bytes is asked unless others are named.
    #[must_use]
    pub fn asking<Q: AsRef<[u8]>>(mut self, queries: impl IntoIterator<Item = Q>) -> Self {
        self.queries = copied(queries);
        self
    }

    /// Returns the commands.
    #[must_use]
    pub fn commands(&self) -> &[Bytes] {
        &self.commands
    }

    /// Returns the questions.
    #[must_use]
    pub fn queries(&self) -> &[Bytes] {
        &self.queries
    }
}

fn copied<B: AsRef<[u8]>>(all: impl IntoIterator<Item = B>) -> Vec<Bytes> {
    all.into_iter().map(|bytes| Bytes::copy_from_slice(bytes.as_ref())).collect()
}

/// Numbers that follow from a seed.
#[derive(Clone, Debug)]
pub struct Draw(u64);

impl Draw {
    /// Draws any number of 64 bits.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    /// Draws a number below `bound`, which is at least one.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.number() % bound.max(1)
    }

    /// Draws a byte.
    pub fn byte(&mut self) -> u8 {
        self.number().to_le_bytes()[0]
    }

    /// Draws bytes, up to so many.
    pub fn bytes(&mut self, bytes_max: usize) -> Vec<u8> {
        let count = self.below(bytes_max as u64 + 1);
        (0..count).map(|_| self.byte()).collect()
    }

    /// Draws one of these.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        let place = self.below(all.len() as u64);
        &all[usize::try_from(place).expect("it is below a length")]
    }
}
