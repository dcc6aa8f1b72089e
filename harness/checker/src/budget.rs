//! How much time and memory a verdict may take.
//!
//! A search that may be exponential ends here, with a cause that names the budget. The clock is
//! read once in `WORK_PER_LOOK` units of work, of which a step that copies a long state takes many,
//! and memory is counted where it is taken, before it is taken: the process is never the one to
//! find out. The history counts as well.

use std::fmt;
use std::time::{Duration, Instant};

/// What a check may take.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use synod_checker::Budget;
///
/// let budget = Budget { time: Duration::from_secs(5), ..Budget::default() };
/// assert!(budget.bytes >= 1 << 20);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// The wall-clock time, kept to within 100 ms and a tenth.
    pub time: Duration,
    /// The memory of the history and of the search, in bytes: operations, texts, configurations,
    /// states, stack and links.
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
    /// The search over hashed configurations found no order, and the exact one did; or what it
    /// found is none when the model is asked again. A model from outside may be to blame: one that
    /// is no function of its state, or that takes what changes a state for an observer.
    Collision,
}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(time) => write!(formatter, "the time budget of {time:?} ran out"),
            Self::Collision => formatter.write_str(
                "two configurations had the same hash, or the model contradicts itself: its steps \
                 are no function of the state, or what it takes for an observer changes it",
            ),
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
    /// The work since the last look at the clock.
    work: u64,
    /// The bytes that are held by what does not count its own: the history, and the problem.
    held: usize,
    /// How far the last search came that ended for want of time or memory.
    reached: Option<u32>,
}

impl Meter {
    /// Starts the clock.
    #[must_use]
    pub fn start(budget: Budget) -> Self {
        Self::start_at(budget, Instant::now())
    }

    /// Goes on with a clock that was started earlier, such as before the history was read.
    #[must_use]
    pub fn start_at(budget: Budget, started: Instant) -> Self {
        let steps_max = u64::MAX;
        Self { budget, started, steps: 0, steps_max, work: 0, held: 0, reached: None }
    }

    /// Counts bytes that are held from here on.
    ///
    /// # Errors
    ///
    /// As [`Meter::step`].
    pub fn hold(&mut self, bytes: usize) -> Result<(), Cause> {
        self.held += bytes;
        self.look(0)
    }

    /// Counts bytes as given back.
    pub fn release(&mut self, bytes: usize) {
        self.held = self.held.saturating_sub(bytes);
    }

    /// Runs something during which more bytes are held.
    pub(crate) fn with_held<T>(
        &mut self,
        bytes: usize,
        run: impl FnOnce(&mut Self) -> Result<T, Cause>,
    ) -> Result<T, Cause> {
        // Bytes are counted even where that is refused, so they are given back in any case.
        let done = self.hold(bytes).and_then(|()| run(self));
        self.release(bytes);
        done
    }

    /// Notes how far a search came that has to end.
    pub(crate) fn note_reached(&mut self, position: u32) {
        self.reached = Some(position);
    }

    /// Takes the note of the last search that had to end.
    pub(crate) fn take_reached(&mut self) -> Option<u32> {
        self.reached.take()
    }

    /// Runs a search with one part in `parts` of the time that is left.
    pub(crate) fn with_share<T, E>(
        &mut self,
        parts: u32,
        search: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
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
        self.work(1);
        if self.work < WORK_PER_LOOK {
            return Ok(());
        }
        self.work = 0;
        self.look(bytes())
    }

    /// Counts work beyond that of a plain step: some 100 nanoseconds a unit.
    pub fn work(&mut self, units: u64) {
        self.work = self.work.saturating_add(units);
    }

    /// Compares the clock and the bytes with the budget, of which some are held besides.
    ///
    /// # Errors
    ///
    /// As [`Meter::step`].
    pub fn look(&self, bytes: usize) -> Result<(), Cause> {
        if bytes.saturating_add(self.held) > self.budget.bytes {
            Err(Cause::Memory(self.budget.bytes))
        } else if self.steps > self.steps_max || self.started.elapsed() > self.budget.time {
            // Whoever bounds the steps of an attempt takes every cause for an attempt that failed,
            // so steps need none of their own.
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

/// How much work passes between two looks at the clock: some 20 to 200 microseconds.
const WORK_PER_LOOK: u64 = 1024;
