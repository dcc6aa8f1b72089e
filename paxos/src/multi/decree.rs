//! Decrees: what a slot can hold.

use std::fmt::Debug;
use std::hash::Hash;

/// What a proposer wants chosen. Cloning shares it, so it should be cheap to clone.
pub trait Value: Clone + Debug + Eq + Hash {
    /// Returns the size in bytes that counts against windows and message limits.
    fn weight(&self) -> usize;
}

macro_rules! small_values {
    ($($kind:ty),*) => { $(
        impl Value for $kind {
            fn weight(&self) -> usize {
                size_of::<Self>()
            }
        }
    )* };
}

small_values!(u8, u16, u32, u64, char);

impl Value for &'static str {
    fn weight(&self) -> usize {
        self.len()
    }
}

/// The content of a slot.
///
/// Complete by definition: configuration changes will be values of the layer above.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Decree<V> {
    /// Nothing: a candidate fills with it a gap that no promise reports a vote for ("Paxos Made
    /// Simple", 2001, section 3, the no-op command).
    Noop,
    /// What a proposer wanted.
    Value(V),
}

impl<V: Value> Decree<V> {
    /// Returns the size in bytes that counts against windows and message limits.
    #[must_use]
    pub fn weight(&self) -> usize {
        match self {
            Self::Noop => 1,
            Self::Value(value) => value.weight(),
        }
    }
}
