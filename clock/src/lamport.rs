//! Lamport's scalar clock as a plain value, and the total order that it gives.
//!
//! Sharing one clock between threads is left to `atomic`. The claim kept here is the clock
//! condition of "Time, Clocks, and the Ordering of Events in a Distributed System" (Lamport,
//! 1978): if one event happened before another, its time is smaller.

use std::error::Error;
use std::fmt;

/// Names a node: anything ordered that can be copied about, such as `u32` or `String`.
///
/// The order only breaks ties, so any fixed order will do.
pub trait NodeId: Ord + Clone {}

impl<N: Ord + Clone> NodeId for N {}

/// Counts events on one causal line: 0 before the first event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct LamportTime(u64);

impl LamportTime {
    /// The time before any event.
    pub const ZERO: Self = Self(0);

    /// The last time that a clock can issue; nothing can be observed after it.
    pub const MAX: Self = Self(u64::MAX);

    /// Wraps a number that came from a message or a file.
    #[must_use]
    pub const fn new(time: u64) -> Self {
        Self(time)
    }

    /// Gives the number, for a message or a file.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Gives the time of the next event.
    ///
    /// # Errors
    ///
    /// [`Exhausted`] at [`LamportTime::MAX`].
    pub(crate) const fn next(self) -> Result<Self, Exhausted> {
        match self.0.checked_add(1) {
            Some(time) => Ok(Self(time)),
            None => Err(Exhausted),
        }
    }
}

impl fmt::Display for LamportTime {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// Reports that a clock has no later time to give; the clock is unchanged.
///
/// Honest counting does not get here: a billion events a second take 584 years. A peer that
/// sends a time near the end does, so a time from an untrusted peer wants a check before it is
/// observed; only the hybrid clock has physical time to check against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Exhausted;

impl fmt::Display for Exhausted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("the logical clock has reached its last time")
    }
}

impl Error for Exhausted {}

/// Orders all events of all nodes: by time, and between equal times by node.
///
/// The order extends happened-before, and no two events of well-behaved nodes share a stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Stamp<N> {
    /// When, on the node's own clock. Compared first: the field order is the order.
    pub time: LamportTime,
    /// Who.
    pub node: N,
}

impl<N: fmt::Display> fmt::Display for Stamp<N> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}@{}", self.time, self.node)
    }
}

/// Stamps the events of one node.
///
/// ```
/// use synod_clock::Lamport;
///
/// let mut alice = Lamport::new("alice");
/// let mut bob = Lamport::new("bob");
/// let sent = alice.tick()?;
/// let received = bob.observe(sent.time)?;
/// assert!(sent < received);
/// # Ok::<(), synod_clock::Exhausted>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lamport<N> {
    time: LamportTime,
    node: N,
}

impl<N: NodeId> Lamport<N> {
    /// Makes the clock of a node that has seen no event.
    #[must_use]
    pub const fn new(node: N) -> Self {
        Self::resume(node, LamportTime::ZERO)
    }

    /// Makes the clock of a node that had got as far as `time`, so that no stamp repeats.
    #[must_use]
    pub const fn resume(node: N, time: LamportTime) -> Self {
        Self { time, node }
    }

    /// Stamps a local event, or the sending of a message.
    ///
    /// spec: LamportClock!Tick
    ///
    /// # Errors
    ///
    /// [`Exhausted`] after the last time; the clock is unchanged.
    pub fn tick(&mut self) -> Result<Stamp<N>, Exhausted> {
        self.observe(LamportTime::ZERO)
    }

    /// Stamps the receipt of a message that was sent at `remote`: later than that, and later
    /// than all that this node has stamped.
    ///
    /// spec: LamportClock!Observe
    ///
    /// # Errors
    ///
    /// [`Exhausted`] when no time is later than both; the clock is unchanged.
    pub fn observe(&mut self, remote: LamportTime) -> Result<Stamp<N>, Exhausted> {
        self.time = self.time.max(remote).next()?;
        Ok(Stamp { time: self.time, node: self.node.clone() })
    }

    /// Gives the time of the last event.
    #[must_use]
    pub const fn time(&self) -> LamportTime {
        self.time
    }

    /// Gives the node whose events this clock stamps.
    #[must_use]
    pub const fn node(&self) -> &N {
        &self.node
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn stamps_order_by_time_and_then_by_node() {
        let stamp = |time, node| Stamp { time: LamportTime::new(time), node };
        assert!(stamp(1, "z") < stamp(2, "a"));
        assert!(stamp(2, "a") < stamp(2, "b"));
        assert_eq!(stamp(7, "n").to_string(), "7@n");
    }

    #[test]
    fn an_older_message_still_moves_the_clock_by_one() {
        let mut clock = Lamport::resume(1, LamportTime::new(10));
        assert_eq!(clock.observe(LamportTime::new(3)).unwrap().time.get(), 11);
        assert_eq!(clock.time().get(), 11);
        assert_eq!(clock.node(), &1);
    }

    #[test]
    fn the_last_time_is_issued_once_and_then_refused() {
        let mut clock = Lamport::resume((), LamportTime::new(u64::MAX - 1));
        assert_eq!(clock.tick().unwrap().time, LamportTime::MAX);
        assert_eq!(clock.tick(), Err(Exhausted));
        assert_eq!(clock.time(), LamportTime::MAX);
    }

    #[test]
    fn a_message_from_the_end_of_time_leaves_the_clock_as_it_was() {
        let mut clock = Lamport::new(());
        assert_eq!(clock.observe(LamportTime::MAX), Err(Exhausted));
        assert_eq!(clock.tick().unwrap().time.get(), 1);
    }
}
