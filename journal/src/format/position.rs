//! The numbers of the journal: log sequence numbers, segment numbers, and the opaque hard state.
//!
//! What the numbers mean to the user (slots, ballots) is left to the user. Claim kept: no bare
//! integer crosses the public surface of the crate.

use std::fmt;

/// The number of one record: records are numbered consecutively from 1 over the life of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(u64);

impl Lsn {
    /// The number of the first record that a journal ever holds.
    pub const FIRST: Self = Self(1);

    /// Makes the number from its integer, or `None` for zero, which numbers nothing.
    #[must_use]
    pub const fn new(number: u64) -> Option<Self> {
        if number == 0 { None } else { Some(Self(number)) }
    }

    /// Returns the number as an integer, at least 1.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Returns the number `count` records later.
    ///
    /// # Panics
    /// When the sum passes `u64::MAX`, which no disk can hold.
    #[must_use]
    pub const fn advanced(self, count: u64) -> Self {
        Self(self.0.checked_add(count).expect("no disk holds 2^64 records"))
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of one segment file, counted from 1 and part of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentId(u32);

impl SegmentId {
    /// The first segment of every journal.
    pub const FIRST: Self = Self(1);

    /// Makes the number from its integer, or `None` for zero.
    #[must_use]
    pub const fn new(number: u32) -> Option<Self> {
        if number == 0 { None } else { Some(Self(number)) }
    }

    /// Returns the number as an integer, at least 1.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Returns the number of the segment that follows.
    ///
    /// # Panics
    /// When four thousand million segments were written.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.checked_add(1).expect("no journal writes 2^32 segments"))
    }
}

impl fmt::Display for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Bytes of one hard state.
pub const HARD_STATE_BYTES: usize = 32;

/// The user's latest hard state, repeated in every frame header and never interpreted.
///
/// A journal that never saw a commit reports the default, all zeros.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HardState(pub [u8; HARD_STATE_BYTES]);
