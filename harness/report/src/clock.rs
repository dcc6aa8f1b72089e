//! What the places on the time axis stand for, and how a moment is told.
//!
//! A run counts from its own start. A history may count from anywhere, as from 1970, and may have
//! no times at all: then its events are the axis, one after the other. The claim kept true: a
//! moment is told as the history has it, wherever it is drawn.

use synod_history::{History, Operation};

use super::format::{counted, grouped, moment, seconds, span};

/// What the places on the time axis stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clock {
    /// Nanoseconds since the start of the run.
    Run,
    /// Nanoseconds since this moment of a clock that began to count long before.
    Since(u64),
    /// Events, each [`EVENT_NS`] wide.
    Events,
}

impl Clock {
    /// Returns the clock of a history: one that begins later than it lasts is drawn from its begin.
    pub(super) fn of(history: &History) -> Self {
        if !history.has_times() {
            return Self::Events;
        }
        let operations = || history.operations.iter().chain(&history.failed);
        let first = operations().map(|one| one.call_ns).min().unwrap_or(0);
        let end = |one: &Operation| one.returned.map_or(one.call_ns, |_| one.return_ns);
        let last = operations().map(end).max().unwrap_or(0);
        if first > last.saturating_sub(first) { Self::Since(first) } else { Self::Run }
    }

    /// Returns where an event of a history is on the axis.
    pub(super) fn place(self, time_ns: u64, position: u32) -> u64 {
        match self {
            Self::Run => time_ns,
            Self::Since(start_ns) => time_ns.saturating_sub(start_ns),
            Self::Events => u64::from(position) * EVENT_NS,
        }
    }

    /// Tells a moment.
    pub(super) fn moment(self, place_ns: u64) -> String {
        match self {
            Self::Run => moment(place_ns),
            Self::Since(start_ns) => moment(start_ns.saturating_add(place_ns)),
            Self::Events => format!("event {}", place_ns / EVENT_NS),
        }
    }

    /// Tells a moment to the microsecond, as the sentence of a counterexample does.
    pub(super) fn exact_moment(self, place_ns: u64) -> String {
        match self {
            Self::Run => seconds(place_ns, 6),
            Self::Since(start_ns) => seconds(start_ns.saturating_add(place_ns), 6),
            Self::Events => self.moment(place_ns),
        }
    }

    /// Tells a moment in few letters, for a drawing.
    pub(super) fn mark(self, place_ns: u64, decimals: usize) -> String {
        match self {
            Self::Run => seconds(place_ns, decimals),
            Self::Since(_) => format!("+{}", seconds(place_ns, decimals)),
            Self::Events => grouped(place_ns / EVENT_NS),
        }
    }

    /// Tells how long something took.
    pub(super) fn span(self, nanos: u64) -> String {
        match self {
            Self::Run | Self::Since(_) => span(nanos),
            Self::Events => counted(nanos / EVENT_NS, "event"),
        }
    }

    /// Returns whether there are times to be measured.
    pub(super) fn has_times(self) -> bool {
        self != Self::Events
    }
}

/// How wide an event is on an axis of events: as the narrowest bin of the time line.
pub(super) const EVENT_NS: u64 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_told_as_the_history_has_it() {
        let since = Clock::Since(1_795_341_723_000_000_000);
        let told = |clock: Clock| [clock.moment(2_500_000), clock.mark(2_500_000, 4)];
        assert_eq!(told(Clock::Run), ["0.002 s", "0.0025 s"]);
        assert_eq!(told(since), ["1795341723.002 s", "+0.0025 s"]);
        assert_eq!(told(Clock::Events), ["event 2", "2"]);
        assert_eq!(since.exact_moment(2_500_000), "1795341723.002500 s");
        assert_eq!(Clock::Events.span(3_000_000), "3 events");
        assert_eq!(since.place(1_795_341_723_000_000_007, 9), 7);
        assert_eq!(Clock::Events.place(77, 9), 9_000_000);
    }
}
