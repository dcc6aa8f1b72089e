//! Where time comes from: the machine, for the runtime, or a hand, for tests and simulators.
//!
//! Drawing timer instants and waiting for them is left to whoever drives a core. The claim kept
//! here: this is the only file of the crate that reads the machine's clock, and a [`TimeSource`]
//! never goes back.

#![expect(clippy::disallowed_methods, reason = "the machine's clock is read here or nowhere")]

use std::fmt;
use std::ops::Add;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::hybrid::PhysicalClock;
use crate::sync::{AtomicU64, Ordering};

/// A point on the line of one [`TimeSource`]; points of different sources do not compare.
///
/// It counts nanoseconds from the source's origin, and so lasts 584 years.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(u64);

impl Moment {
    /// The point at which every source starts.
    pub const ORIGIN: Self = Self(0);

    /// Wraps nanoseconds since the origin.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Gives the nanoseconds since the origin.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Gives the time from `earlier` to here: zero when `earlier` is the later one.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Saturates at the end of the line.
impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(whole_nanos(span)))
    }
}

/// Prints seconds since the origin, as `12.345678901s`.
impl fmt::Display for Moment {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{:09}s", self.0 / NANOS_PER_SECOND, self.0 % NANOS_PER_SECOND)
    }
}

/// Tells how much time has passed. It never goes back.
///
/// ```
/// use std::time::Duration;
/// use synod_clock::{ManualTime, MonotonicTime, TimeSource};
///
/// fn age(source: &impl TimeSource) -> Duration {
///     source.elapsed()
/// }
///
/// let manual = ManualTime::new();
/// manual.advance(Duration::from_secs(3));
/// assert_eq!(age(&manual), Duration::from_secs(3));
/// assert!(age(&MonotonicTime::new()) < Duration::from_secs(3));
/// ```
pub trait TimeSource {
    /// Gives the present point of this source's line.
    fn now(&self) -> Moment;

    /// Gives the time since the source's origin.
    fn elapsed(&self) -> Duration {
        self.now().since(Moment::ORIGIN)
    }
}

impl<T: TimeSource + ?Sized> TimeSource for &T {
    fn now(&self) -> Moment {
        (**self).now()
    }
}

impl<T: TimeSource + ?Sized> TimeSource for Arc<T> {
    fn now(&self) -> Moment {
        (**self).now()
    }
}

/// The machine's monotonic clock, counted from when this value was made.
///
/// Steps of the wall clock do not touch it. On Linux it stands still while the machine sleeps,
/// so it serves timeouts, and must not serve leases.
#[derive(Clone, Copy, Debug)]
pub struct MonotonicTime {
    origin: Instant,
}

impl MonotonicTime {
    /// Makes a source whose origin is this instant.
    #[must_use]
    pub fn new() -> Self {
        Self { origin: Instant::now() }
    }
}

impl Default for MonotonicTime {
    fn default() -> Self {
        Self::new()
    }
}

impl TimeSource for MonotonicTime {
    fn now(&self) -> Moment {
        Moment(whole_nanos(self.origin.elapsed()))
    }
}

/// A clock that moves when it is told to. Clones share one hand.
///
/// ```
/// use std::time::Duration;
/// use synod_clock::{ManualTime, Moment, TimeSource};
///
/// let time = ManualTime::new();
/// let seen_by_a_core = time.clone();
/// time.advance_to(Moment::from_nanos(70));
/// time.advance_to(Moment::from_nanos(20));
/// assert_eq!(seen_by_a_core.now(), Moment::from_nanos(70));
/// ```
#[derive(Clone, Debug)]
pub struct ManualTime {
    nanos: Arc<AtomicU64>,
}

impl ManualTime {
    /// Makes a source that stands at its origin.
    #[must_use]
    pub fn new() -> Self {
        Self { nanos: Arc::new(AtomicU64::new(0)) }
    }

    /// Moves on by `span`, and gives the point reached; saturates at the end of the line.
    pub fn advance(&self, span: Duration) -> Moment {
        let step = whole_nanos(span);
        self.update(|nanos| nanos.saturating_add(step))
    }

    /// Moves on to `moment`, and gives the point reached. A moment in the past changes nothing.
    pub fn advance_to(&self, moment: Moment) -> Moment {
        self.update(|nanos| nanos.max(moment.0))
    }

    /// Acquire and release, unlike the logical clocks: who sees that time has moved must also
    /// see what was done before it was moved.
    fn update(&self, change: impl Fn(u64) -> u64) -> Moment {
        let mut seen = self.nanos.load(Ordering::Acquire);
        loop {
            let moved = change(seen);
            let swap =
                self.nanos.compare_exchange_weak(seen, moved, Ordering::AcqRel, Ordering::Acquire);
            match swap {
                Ok(_) => return Moment(moved),
                Err(other) => seen = other,
            }
        }
    }
}

impl Default for ManualTime {
    fn default() -> Self {
        Self::new()
    }
}

impl TimeSource for ManualTime {
    fn now(&self) -> Moment {
        Moment(self.nanos.load(Ordering::Acquire))
    }
}

/// The machine's wall clock, for [`Hlc`](crate::Hlc). It may jump, both ways.
///
/// A clock set before 1970 reads as 1970, and one beyond the last millisecond as the last.
#[derive(Clone, Copy, Debug, Default)]
pub struct WallTime;

impl PhysicalClock for WallTime {
    fn unix_ms(&self) -> u64 {
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        // A date before 1970 is that of a clock which nobody has set.
        since_1970.map_or(0, |span| u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
    }
}

fn whole_nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

const NANOS_PER_SECOND: u64 = 1_000_000_000;

#[cfg(all(test, not(synod_loom)))]
mod tests {
    use super::*;

    #[test]
    fn moments_saturate_at_both_ends() {
        let (early, late) = (Moment::from_nanos(5), Moment::from_nanos(u64::MAX));
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(late + Duration::MAX, late);
        assert_eq!(early + Duration::from_nanos(3), Moment::from_nanos(8));
        assert_eq!(Moment::from_nanos(12_000_000_034).to_string(), "12.000000034s");
    }

    #[test]
    fn the_hand_never_goes_back_and_stops_at_the_end() {
        let time = ManualTime::default();
        assert_eq!(time.now(), Moment::ORIGIN);
        assert_eq!(time.advance(Duration::from_nanos(9)), Moment::from_nanos(9));
        assert_eq!(time.advance_to(Moment::from_nanos(4)), Moment::from_nanos(9));
        assert_eq!(time.advance(Duration::MAX).as_nanos(), u64::MAX);
        assert_eq!(time.advance(Duration::from_secs(1)).as_nanos(), u64::MAX);
    }

    #[test]
    fn the_machine_never_goes_back() {
        let time = Arc::new(MonotonicTime::default());
        let readings: Vec<Moment> = (0..1_000).map(|_| time.now()).collect();
        assert!(readings.is_sorted());
        assert!(time.elapsed() >= readings[0].since(Moment::ORIGIN));
    }

    #[test]
    fn the_wall_stands_after_this_was_written() {
        const WRITTEN_MS: u64 = 1_760_000_000_000;
        assert!(WallTime.unix_ms() > WRITTEN_MS);
    }
}
