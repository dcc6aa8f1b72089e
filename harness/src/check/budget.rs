//! How much time and memory a verdict may take.
//!
//! A search that may be exponential ends here, with a cause that names the budget and the key. The
//! clock is read once in `STEPS_PER_LOOK` steps, and memory is counted where it is taken, before
//! it is taken: the process is never the one to find out.

use std::fmt;
use std::time::{Duration, Instant};

/// What a check may take.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use synod_harness::check::Budget;
///
/// let budget = Budget { time: Duration::from_secs(5), ..Budget::default() };
/// assert!(budget.bytes >= 1 << 20);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// The wall-clock time, kept to within some milliseconds.
    pub time: Duration,
    /// The memory of the search, in bytes: configurations, stack and links. The history itself is
    /// not counted.
    pub bytes: usize,
}

impl Default for Budget {
    /// A minute and a gibibyte.
    fn default() -> Self {
        Self { time: Duration::from_secs(60), bytes: 1 << 30 }
    }
}

/// Why there is no verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The time ran out.
    Time(Duration),
    /// The memory ran out.
    Memory(usize),
    /// The search over hashed configurations found no order, and the exact one did.
    Collision,
}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(time) => write!(formatter, "the time budget of {time:?} ran out"),
            Self::Collision => formatter.write_str("two configurations had the same hash"),
            Self::Memory(bytes) => {
                write!(formatter, "the memory budget of {} MiB ran out", bytes >> 20)
            }
        }
    }
}

/// Keeps a budget during a search.
#[derive(Clone, Debug)]
pub struct Meter {
    budget: Budget,
    started: Instant,
    steps: u64,
    /// The step at which an attempt is given up.
    steps_max: u64,
}

impl Meter {
    /// Starts the clock.
    #[must_use]
    pub fn start(budget: Budget) -> Self {
        Self { budget, started: Instant::now(), steps: 0, steps_max: u64::MAX }
    }

    /// Runs a search with one part in `parts` of the time that is left.
    pub(crate) fn with_share<T>(
        &mut self,
        parts: u32,
        search: impl FnOnce(&mut Self) -> Result<T, Cause>,
    ) -> Result<T, Cause> {
        let whole = self.budget.time;
        let elapsed = self.started.elapsed();
        self.budget.time = elapsed + whole.saturating_sub(elapsed) / parts;
        let found = search(self);
        self.budget.time = whole;
        found
    }

    /// Runs a search that may take so many steps: an attempt, which may as well fail.
    pub(crate) fn with_steps<T>(
        &mut self,
        steps: u64,
        search: impl FnOnce(&mut Self) -> Result<T, Cause>,
    ) -> Result<T, Cause> {
        let whole = self.steps_max;
        self.steps_max = whole.min(self.steps.saturating_add(steps));
        let found = search(self);
        self.steps_max = whole;
        found
    }

    /// Counts one step of a search that holds so many bytes.
    ///
    /// # Errors
    ///
    /// The cause, once the time or the memory ran out.
    pub fn step(&mut self, bytes: impl FnOnce() -> usize) -> Result<(), Cause> {
        self.steps += 1;
        if self.steps.is_multiple_of(STEPS_PER_LOOK) { self.look(bytes()) } else { Ok(()) }
    }

    /// Compares the clock and the given bytes with the budget.
    ///
    /// # Errors
    ///
    /// As [`Meter::step`].
    pub fn look(&self, bytes: usize) -> Result<(), Cause> {
        if bytes > self.budget.bytes {
            Err(Cause::Memory(self.budget.bytes))
        } else if self.steps > self.steps_max || self.started.elapsed() > self.budget.time {
            Err(Cause::Time(self.budget.time))
        } else {
            Ok(())
        }
    }

    /// Returns the steps so far.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Returns the time since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

/// How many steps pass between two looks at the clock: some 20 to 200 microseconds.
const STEPS_PER_LOOK: u64 = 1024;
