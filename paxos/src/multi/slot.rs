//! Slots: the positions of the log, each of which gets one decree.

use std::fmt;

/// A position of the log, counted from zero. Each slot is an instance of the Synod protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(u64);

impl Slot {
    /// The first slot of the log.
    pub const FIRST: Self = Self(0);

    /// Makes slot `number`.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Returns the number.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }

    /// Returns the slot after this one.
    ///
    /// # Panics
    ///
    /// Panics after the last slot that has a number. Decoders refuse slots beyond
    /// [`Slot::NUMBER_MAX`], so that a log would have to run for centuries to get there.
    #[must_use]
    pub const fn next(self) -> Self {
        self.plus(1)
    }

    /// Returns the slot `count` positions later.
    ///
    /// # Panics
    ///
    /// Panics where [`Self::next`] does.
    #[must_use]
    pub const fn plus(self, count: u64) -> Self {
        match self.0.checked_add(count) {
            Some(number) => Self(number),
            None => panic!("slots are far below the end of their numbers"),
        }
    }

    /// Returns how many positions this slot is past `earlier`; zero if it is not past it.
    #[must_use]
    pub const fn past(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The largest number of a slot that a decoder lets in.
    pub const NUMBER_MAX: u64 = 1 << 56;
}

/// The slots from `first` on and before `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SlotRange {
    /// The first slot.
    pub first: Slot,
    /// The slot behind the last one.
    pub end: Slot,
}

impl fmt::Display for Slot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}
