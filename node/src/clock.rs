//! The time of the loop: the runtime's monotonic clock, counted from the start of the node.
//!
//! Timers are kept as moments of this line; the runtime wakes at its own instants. Both come from
//! one source here, so that a test with a paused runtime moves both.

use synod_clock::{Moment, TimeSource};
use tokio::time::Instant;

/// The time since the node started.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LoopTime {
    origin: Instant,
}

impl LoopTime {
    pub(crate) fn start() -> Self {
        Self { origin: Instant::now() }
    }

    /// Returns the runtime's name for a moment.
    pub(crate) fn instant(&self, moment: Moment) -> Instant {
        self.origin + moment.since(Moment::ORIGIN)
    }
}

impl TimeSource for LoopTime {
    fn now(&self) -> Moment {
        Moment::ORIGIN + self.origin.elapsed()
    }
}
