//! Lamport's clock shared by threads without a lock.
//!
//! The value clock and the stamps are left to `lamport`. The claims kept here, under every
//! interleaving (tests/loom.rs explores them): no time is issued twice, each thread sees its
//! own times grow, and the answer to an observed time is later than it.

use crate::lamport::{Exhausted, LamportTime};
use crate::sync::{AtomicU64, Ordering};

/// Issues the times of one node to any number of threads.
///
/// ```
/// use synod_clock::{AtomicLamport, LamportTime};
///
/// static CLOCK: AtomicLamport = AtomicLamport::new();
/// let first = CLOCK.tick()?;
/// let second = CLOCK.observe(LamportTime::new(41))?;
/// assert!(first < second);
/// assert_eq!(second.get(), 42);
/// # Ok::<(), synod_clock::Exhausted>(())
/// ```
#[derive(Debug)]
pub struct AtomicLamport {
    /// Every access is relaxed. The clock condition only needs that all changes of this one
    /// number form one order that agrees with happens-before, and coherence gives that for a
    /// relaxed read-modify-write too. A time issued here therefore orders events; it does not
    /// make one thread's writes visible to another.
    time: AtomicU64,
}

impl AtomicLamport {
    /// Makes the clock of a node that has seen no event.
    #[cfg(not(synod_loom))]
    #[must_use]
    pub const fn new() -> Self {
        Self { time: AtomicU64::new(0) }
    }

    /// Makes the clock of a node that has seen no event. Loom's atomics have no `const` form.
    #[cfg(synod_loom)]
    #[must_use]
    pub fn new() -> Self {
        Self { time: AtomicU64::new(0) }
    }

    /// Makes the clock of a node that had got as far as `time`, so that no time repeats.
    #[must_use]
    pub fn resume(time: LamportTime) -> Self {
        Self { time: AtomicU64::new(time.get()) }
    }

    /// Gives the time of a local event, or of the sending of a message.
    ///
    /// # Errors
    ///
    /// [`Exhausted`] after the last time; the clock is unchanged.
    pub fn tick(&self) -> Result<LamportTime, Exhausted> {
        self.observe(LamportTime::ZERO)
    }

    /// Gives the time of the receipt of a message that was sent at `remote`: later than that,
    /// and later than all that any thread has been given before.
    ///
    /// # Errors
    ///
    /// [`Exhausted`] when no time is later than both; the clock is unchanged.
    pub fn observe(&self, remote: LamportTime) -> Result<LamportTime, Exhausted> {
        // A plain fetch_add would be cheaper by a nanosecond, and would wrap at the end.
        let mut seen = self.time.load(Ordering::Relaxed);
        loop {
            let issued = LamportTime::new(seen).max(remote).next()?;
            let swap = self.time.compare_exchange_weak(
                seen,
                issued.get(),
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
            match swap {
                Ok(_) => return Ok(issued),
                Err(moved) => seen = moved,
            }
        }
    }

    /// Gives the latest time that was issued or resumed from.
    #[must_use]
    pub fn time(&self) -> LamportTime {
        LamportTime::new(self.time.load(Ordering::Relaxed))
    }
}

impl Default for AtomicLamport {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, not(synod_loom)))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::collections::BTreeSet;
    use std::thread;

    use super::*;

    #[test]
    fn four_threads_share_no_time_and_skip_none() {
        const THREADS: usize = 4;
        const TICKS: u64 = 2_000;
        let clock = AtomicLamport::default();
        let issued: Vec<Vec<LamportTime>> = thread::scope(|scope| {
            let run = || (0..TICKS).map(|_| clock.tick().unwrap()).collect();
            let threads = [(); THREADS].map(|()| scope.spawn(run));
            threads.map(|thread| thread.join().unwrap()).to_vec()
        });
        assert!(issued.iter().all(|times| times.is_sorted_by(|a, b| a < b)));
        let distinct: BTreeSet<_> = issued.into_iter().flatten().collect();
        assert_eq!(distinct.len() as u64, THREADS as u64 * TICKS);
        assert_eq!(distinct.last().map(|time| time.get()), Some(THREADS as u64 * TICKS));
    }

    #[test]
    fn the_end_is_refused_by_both_verbs_and_changes_nothing() {
        let clock = AtomicLamport::resume(LamportTime::new(u64::MAX - 1));
        assert_eq!(clock.observe(LamportTime::MAX), Err(Exhausted));
        assert_eq!(clock.tick(), Ok(LamportTime::MAX));
        assert_eq!(clock.tick(), Err(Exhausted));
        assert_eq!(clock.time(), LamportTime::MAX);
    }
}
