//! The hybrid logical clock: times that respect causality and read like wall time.
//!
//! The layout of a time is left to `hybrid_time`; reading the machine's clock to `time`, and to
//! whoever implements [`PhysicalClock`]. The claims kept here: times of one clock strictly grow,
//! also over a restart; an observed time is exceeded; no time is behind the physical clock that
//! was read for it; and a peer's clock can pull this one ahead by a stated bound at most
//! ("Logical Physical Clocks", Kulkarni, Demirbas, Madappa, Avva and Leone, 2014).

use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::hybrid_time::HlcTime;

/// Tells the wall time. A closure will do.
///
/// It may stand still, jump and go back: [`Hlc`] copes with all of these.
pub trait PhysicalClock {
    /// Gives the milliseconds since 1970-01-01 00:00 UTC, leap seconds not counted.
    fn unix_ms(&self) -> u64;
}

impl<F: Fn() -> u64> PhysicalClock for F {
    fn unix_ms(&self) -> u64 {
        self()
    }
}

/// Issues the hybrid times of one node.
///
/// ```
/// use std::time::Duration;
/// use synod_clock::{Hlc, HlcTime};
///
/// let mut clock = Hlc::new(|| 1_000, Duration::from_millis(500));
/// let sent = clock.now()?;
/// let received = clock.observe(HlcTime::new(1_200, 0).expect("fits"))?;
/// assert!(sent < received);
/// assert_eq!((received.unix_ms(), received.counter()), (1_200, 1));
/// assert!(clock.observe(HlcTime::new(1_501, 0).expect("fits")).is_err());
/// # Ok::<(), synod_clock::HlcError>(())
/// ```
///
/// # Over a restart
///
/// A clock made by [`Hlc::new`] forgets what it issued, and so repeats itself when the machine's
/// clock has gone back meanwhile. One made by [`Hlc::resume_from`] issues only up to a ceiling
/// that its owner has made durable first:
///
/// ```
/// # use std::time::Duration;
/// # use synod_clock::{Hlc, HlcError, HlcTime};
/// let second = Duration::from_secs(1);
/// let durable = HlcTime::ZERO; // read from the disk; ZERO when there is nothing
/// let mut clock = Hlc::resume_from(|| 5_000, second, durable);
/// assert!(matches!(clock.now(), Err(HlcError::CeilingReached { .. })));
///
/// let durable = clock.ceiling_for(Duration::from_millis(200));
/// // ... write `durable` to the disk and sync it ...
/// clock.raise_ceiling(durable);
/// let before = clock.now()?;
///
/// // The process dies here, and the machine's clock is set back by three seconds.
/// let mut clock = Hlc::resume_from(|| 2_000, second, durable);
/// clock.raise_ceiling(clock.ceiling_for(Duration::from_millis(200)));
/// assert!(clock.now()? > before);
/// # Ok::<(), HlcError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Hlc<C> {
    physical: C,
    max_ahead_ms: u64,
    last: HlcTime,
    /// Nothing above it is issued.
    ceiling: HlcTime,
    /// The highest millisecond that this node's own clock has shown, in this life or, by the
    /// ceiling, in an earlier one. Borrowing is measured from here and not from the last
    /// reading, because a clock that was set back must not make this one refuse to go on.
    shown_ms: u64,
}

impl<C: PhysicalClock> Hlc<C> {
    /// Makes a clock that remembers nothing over a restart.
    ///
    /// `max_ahead` bounds how far a peer may be ahead of the physical clock, in milliseconds;
    /// the part below a millisecond is dropped.
    #[must_use]
    pub fn new(physical: C, max_ahead: Duration) -> Self {
        Self { ceiling: HlcTime::MAX, ..Self::resume_from(physical, max_ahead, HlcTime::ZERO) }
    }

    /// Makes a clock of which all times are above `ceiling`, the highest that an earlier life
    /// made durable. It issues nothing until [`Hlc::raise_ceiling`] is called.
    ///
    /// The clock runs ahead of the physical one by what the earlier life had not used up, so a
    /// node that restarts often wants small ceilings; see [`Hlc::ahead_by`].
    #[must_use]
    pub fn resume_from(physical: C, max_ahead: Duration, ceiling: HlcTime) -> Self {
        Self {
            physical,
            max_ahead_ms: whole_ms(max_ahead),
            last: ceiling,
            ceiling,
            shown_ms: ceiling.unix_ms(),
        }
    }

    /// Gives the time of a local event, or of the sending of a message.
    ///
    /// spec: HybridClock!Now
    ///
    /// A physical clock that jumped back is no error: the counter goes on.
    ///
    /// # Errors
    ///
    /// [`HlcError::Exhausted`] or [`HlcError::CeilingReached`]; the clock issues nothing.
    pub fn now(&mut self) -> Result<HlcTime, HlcError> {
        let shown = self.read();
        self.issue(shown, HlcTime::ZERO)
    }

    /// Gives the time of the receipt of a message that was sent at `remote`, above it.
    ///
    /// spec: HybridClock!Observe
    ///
    /// Old times are always welcome. Call it before anything of the message is made durable: a
    /// time that was refused here and kept anyway poisons the clocks of all who read it.
    ///
    /// # Errors
    ///
    /// [`HlcError::SkewExceeded`] when the physical part of `remote` is more than `max_ahead`
    /// above the physical clock; else as [`Hlc::now`]. The clock issues nothing.
    pub fn observe(&mut self, remote: HlcTime) -> Result<HlcTime, HlcError> {
        let shown = self.read();
        let ahead_ms = remote.unix_ms().saturating_sub(shown.unix_ms());
        if ahead_ms > self.max_ahead_ms {
            return Err(HlcError::SkewExceeded {
                ahead_by: Duration::from_millis(ahead_ms),
                limit: Duration::from_millis(self.max_ahead_ms),
            });
        }
        self.issue(shown, remote)
    }

    /// Allows times up to `durable`, which the caller has made durable before.
    ///
    /// spec: HybridClock!RaiseCeiling
    ///
    /// A value below the present ceiling changes nothing.
    pub fn raise_ceiling(&mut self, durable: HlcTime) {
        self.ceiling = self.ceiling.max(durable);
    }

    /// Gives the time above which nothing has been issued, and will not be before
    /// [`Hlc::raise_ceiling`]: [`HlcTime::MAX`] for a clock that remembers nothing.
    #[must_use]
    pub const fn ceiling(&self) -> HlcTime {
        self.ceiling
    }

    /// Gives the ceiling to make durable so that the clock can go on for `headroom` from here.
    ///
    /// Never below the present one, unless that is unlimited.
    #[must_use]
    pub fn ceiling_for(&self, headroom: Duration) -> HlcTime {
        // A peer may have pulled this clock ahead of its own physical one, and a ceiling below what
        // was issued would be none.
        let from_ms = self.physical.unix_ms().max(self.last.unix_ms());
        HlcTime::end_of(from_ms.saturating_add(whole_ms(headroom)))
    }

    /// Gives the last time issued or resumed from.
    #[must_use]
    pub const fn last(&self) -> HlcTime {
        self.last
    }

    /// Tells how far the last time is ahead of the physical clock: zero in good health, and
    /// above `max_ahead` the sign that peers will refuse this node's times.
    #[must_use]
    pub fn ahead_by(&self) -> Duration {
        let physical_ms = self.physical.unix_ms();
        Duration::from_millis(self.last.unix_ms().saturating_sub(physical_ms))
    }

    fn read(&mut self) -> HlcTime {
        let shown = HlcTime::start_of(self.physical.unix_ms());
        self.shown_ms = self.shown_ms.max(shown.unix_ms());
        shown
    }

    /// Takes the physical time when it is above all that is known, and else the next counter.
    fn issue(&mut self, shown: HlcTime, remote: HlcTime) -> Result<HlcTime, HlcError> {
        let known = self.last.max(remote);
        let issued = if shown > known { shown } else { self.next_after(known)? };
        if issued > self.ceiling {
            return Err(HlcError::CeilingReached { needed: issued });
        }
        self.last = issued;
        Ok(issued)
    }

    /// Counts on. A full counter borrows the next millisecond, as far as a peer may be ahead:
    /// beyond that, others would refuse the times.
    fn next_after(&self, known: HlcTime) -> Result<HlcTime, HlcError> {
        let next = known.next().ok_or(HlcError::Exhausted)?;
        let borrowed = next.unix_ms() > known.unix_ms();
        if borrowed && next.unix_ms() > self.shown_ms.saturating_add(self.max_ahead_ms) {
            return Err(HlcError::Exhausted);
        }
        Ok(next)
    }
}

/// Says why a hybrid clock issued no time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HlcError {
    /// The peer's clock, or this node's, is wrong: the message is from too far in the future.
    SkewExceeded {
        /// How far the peer's time is above this node's physical clock.
        ahead_by: Duration,
        /// How far it may be.
        limit: Duration,
    },
    /// The environment asks for more times than there are: 65,536 in each millisecond, those
    /// that may be borrowed included. The next millisecond of the physical clock brings more,
    /// unless it has come to the last one there is.
    Exhausted,
    /// The caller has not made a ceiling durable in time.
    CeilingReached {
        /// The time that would have been issued.
        needed: HlcTime,
    },
}

impl fmt::Display for HlcError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SkewExceeded { ahead_by, limit } => write!(
                out,
                "the peer's time is {ahead_by:?} ahead of this node's clock, the limit is {limit:?}"
            ),
            Self::Exhausted => {
                out.write_str("the hybrid clock has no time left before its physical clock moves")
            }
            Self::CeilingReached { needed } => {
                write!(out, "the time {needed} is above the ceiling that was made durable")
            }
        }
    }
}

impl Error for HlcError {}

fn whole_ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::cell::Cell;

    use proptest::prelude::*;

    use super::*;

    const MAX_AHEAD: Duration = Duration::from_millis(500);

    fn time(unix_ms: u64, counter: u16) -> HlcTime {
        HlcTime::new(unix_ms, counter).unwrap()
    }

    #[test]
    fn a_remote_counter_counts_at_an_equal_millisecond() {
        let mut clock = Hlc::new(|| 1_000, MAX_AHEAD);
        assert_eq!(clock.observe(time(1_000, 41)), Ok(time(1_000, 42)));
        assert_eq!(clock.now(), Ok(time(1_000, 43)));
    }

    #[test]
    fn skew_is_judged_by_the_physical_part_alone() {
        let mut clock = Hlc::new(|| 1_000, MAX_AHEAD);
        assert_eq!(clock.observe(time(1_500, u16::MAX - 1)), Ok(time(1_500, u16::MAX)));
        let refusal =
            HlcError::SkewExceeded { ahead_by: Duration::from_millis(501), limit: MAX_AHEAD };
        assert_eq!(clock.observe(time(1_501, 0)), Err(refusal));
        assert_eq!(clock.last(), time(1_500, u16::MAX));
        assert_eq!(clock.ahead_by(), MAX_AHEAD);
    }

    #[test]
    fn old_times_are_welcome_and_a_clock_set_back_goes_on() {
        let wall = Cell::new(1_000_000);
        let mut clock = Hlc::new(|| wall.get(), MAX_AHEAD);
        let before = clock.now().unwrap();
        wall.set(5);
        assert_eq!(clock.now(), Ok(time(1_000_000, 1)));
        assert!(clock.observe(HlcTime::ZERO).unwrap() > before);
    }

    #[test]
    fn a_full_counter_borrows_up_to_the_bound_and_recovers_with_the_clock() {
        let wall = Cell::new(10);
        let mut clock = Hlc::new(|| wall.get(), Duration::from_millis(2));
        let last = (0..3 * 65_536).map(|_| clock.now().unwrap()).last();
        assert_eq!(last, Some(time(12, u16::MAX)));
        assert_eq!(clock.now(), Err(HlcError::Exhausted));
        wall.set(11);
        assert_eq!(clock.now(), Ok(time(13, 0)));
    }

    #[test]
    fn a_clock_set_back_may_still_borrow() {
        let wall = Cell::new(1_000);
        let mut clock = Hlc::new(|| wall.get(), MAX_AHEAD);
        clock.observe(time(1_000, u16::MAX - 1)).unwrap();
        wall.set(1);
        assert_eq!(clock.now(), Ok(time(1_001, 0)));
    }

    #[test]
    fn the_end_of_time_is_refused() {
        let mut clock = Hlc::new(|| u64::MAX, Duration::MAX);
        assert_eq!(clock.now(), Ok(time(HlcTime::MS_MAX, 0)));
        assert_eq!(clock.observe(HlcTime::MAX), Err(HlcError::Exhausted));
        assert_eq!(clock.now(), Ok(time(HlcTime::MS_MAX, 1)));
        assert_eq!(clock.ceiling_for(Duration::MAX), HlcTime::MAX);
    }

    #[test]
    fn nothing_is_issued_above_the_ceiling() {
        let mut clock = Hlc::resume_from(|| 1_000, MAX_AHEAD, time(1_000, 6));
        let needed = time(1_000, 7);
        assert_eq!(clock.now(), Err(HlcError::CeilingReached { needed }));
        clock.raise_ceiling(time(1_000, 8));
        clock.raise_ceiling(HlcTime::ZERO);
        assert_eq!(clock.now(), Ok(needed));
        assert_eq!(clock.now(), Ok(time(1_000, 8)));
        assert!(clock.now().is_err());
        assert_eq!(clock.ceiling(), time(1_000, 8));
    }

    /// One thing that happens to a node.
    #[derive(Clone, Debug)]
    enum Event {
        WallSet(u64),
        Now,
        Observe(HlcTime),
        Extend(u64),
        Restart,
    }

    fn events() -> impl Strategy<Value = Vec<Event>> {
        // Counters near their end, so that carries are common.
        let counter = prop_oneof![0_u16..3, (u16::MAX - 2)..=u16::MAX];
        let event = prop_oneof![
            (900_u64..1_100).prop_map(Event::WallSet),
            Just(Event::Now),
            ((900_u64..1_200), counter).prop_map(|(ms, count)| Event::Observe(time(ms, count))),
            (0_u64..40).prop_map(Event::Extend),
            Just(Event::Restart),
        ];
        prop::collection::vec(event, 1..80)
    }

    proptest! {
        #[test]
        fn times_grow_over_restarts_and_stay_within_the_bound(events in events()) {
            let max_ahead = Duration::from_millis(50);
            let wall = Cell::new(1_000);
            let physical = || wall.get();
            let mut durable = HlcTime::ZERO;
            let mut shown_ms = 0;
            let mut clock = Hlc::resume_from(physical, max_ahead, durable);
            let mut last = None;
            for event in events {
                let (before, observed) = (clock.last(), matches!(event, Event::Observe(_)));
                let (issued, floor) = match event {
                    Event::WallSet(ms) => { wall.set(ms); continue }
                    Event::Restart => {
                        clock = Hlc::resume_from(physical, max_ahead, durable);
                        shown_ms = durable.unix_ms();
                        continue;
                    }
                    Event::Extend(ms) => {
                        durable = clock.ceiling_for(Duration::from_millis(ms)).max(durable);
                        clock.raise_ceiling(durable);
                        continue;
                    }
                    Event::Now => (clock.now(), HlcTime::ZERO),
                    Event::Observe(remote) => (clock.observe(remote), remote),
                };
                shown_ms = shown_ms.max(wall.get());
                let refused = floor.unix_ms() > wall.get() + 50;
                let skew = matches!(issued, Err(HlcError::SkewExceeded { .. }));
                prop_assert_eq!(skew, observed && refused);
                match issued {
                    Ok(time) => {
                        prop_assert!(Some(time) > last && time > floor);
                        prop_assert!(time > before && time <= durable);
                        prop_assert!(time.unix_ms() >= wall.get());
                        prop_assert!(time.unix_ms() <= before.unix_ms().max(shown_ms + 50));
                        last = Some(time);
                    }
                    Err(_) => prop_assert_eq!(clock.last(), before),
                }
            }
        }

        #[test]
        fn no_input_panics(ms in any::<u64>(), bits in any::<u64>(), span in any::<Duration>()) {
            let mut clock = Hlc::new(move || ms, span);
            let _ = clock.observe(HlcTime::from_bits(bits));
            let _ = clock.now();
            let _ = clock.ceiling_for(span);
            let _ = clock.ahead_by();
            let _ = HlcTime::from_bits(bits).to_string();
        }
    }
}
