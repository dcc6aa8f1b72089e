//! The time axis that all charts of the page share.
//!
//! A moment is placed as a percentage of the run, so that a chart has the width of its window and
//! its letters keep their size. Zooming moves and widens the drawing inside its frame; the script
//! does that and nothing here knows of it.

use super::clock::{Clock, EVENT_NS};
use super::digest::Digest;
use super::html::{Html, put};
use crate::RunSummary;

/// The extent of a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    /// The right end, in nanoseconds since the start of the run; at least [`SHORTEST_NS`].
    pub(super) end_ns: u64,
    /// What its places stand for.
    pub(super) clock: Clock,
}

impl Axis {
    /// Makes the axis that holds every event, fault, leader and core operation of a run.
    pub(super) fn of(clock: Clock, summary: &RunSummary, digest: &Digest) -> Self {
        let faults = summary.faults.iter().map(|fault| fault.end_ns);
        let leaders = summary.leaders.iter().map(|leader| leader.end_ns);
        let core = summary.violation.iter().flat_map(|core| &core.operations);
        let core = core.map(|op| op.return_ns.unwrap_or(op.call_ns));
        let latest = faults.chain(leaders).chain(core).max().unwrap_or(0);
        // Places are divided by it, so it is no zero; and a broken time must not shrink all else to
        // nothing.
        Self { end_ns: latest.max(digest.last_ns).clamp(SHORTEST_NS, LONGEST_NS), clock }
    }

    /// Tells a moment of the axis.
    pub(super) fn moment(self, place_ns: u64) -> String {
        self.clock.moment(place_ns)
    }

    /// Returns where a moment lies, from 0 to 100.
    pub(super) fn percent(self, time_ns: u64) -> f64 {
        time_ns.min(self.end_ns) as f64 * 100.0 / self.end_ns as f64
    }

    /// Returns where a stretch begins and how wide it is, from 0 to 100.
    pub(super) fn stretch(self, start_ns: u64, end_ns: u64) -> (f64, f64) {
        let left = self.percent(start_ns);
        (left, (self.percent(end_ns) - left).max(0.0))
    }

    /// Writes the labels below a chart.
    pub(super) fn labels(self, html: &mut Html) {
        html.raw("<div class=\"axis\" aria-hidden=\"true\">");
        for tick in self.ticks() {
            let left = self.percent(tick);
            let shown = self.clock.mark(tick, decimals(self.step()));
            put!(html, "<span style=\"left:{left:.2}%\">{shown}</span>");
        }
        html.raw("</div>");
    }

    /// Writes a hairline at every label.
    pub(super) fn grid(self, html: &mut Html) {
        for tick in self.ticks() {
            let x = self.percent(tick);
            put!(html, "<line class=\"grid\" x1=\"{x:.2}%\" x2=\"{x:.2}%\" y1=\"0\" y2=\"100%\"/>");
        }
    }

    fn ticks(self) -> impl Iterator<Item = u64> {
        let step = self.step();
        (0..=self.end_ns / step).map(move |index| index * step)
    }

    /// Returns a step of 1, 2 or 5 times a power of ten that gives at most [`TICKS`] steps.
    fn step(self) -> u64 {
        let mut power = match self.clock {
            Clock::Run | Clock::Since(_) => 1,
            // There is nothing to be labelled between two events.
            Clock::Events => EVENT_NS,
        };
        loop {
            for factor in [1, 2, 5] {
                let step = factor * power;
                if self.end_ns / step <= TICKS {
                    return step;
                }
            }
            power *= 10;
        }
    }
}

/// Returns how many decimals the seconds of ticks need that are so far apart.
fn decimals(step_ns: u64) -> usize {
    match step_ns {
        1_000_000_000.. => 0,
        100_000_000.. => 1,
        10_000_000.. => 2,
        1_000_000.. => 3,
        0..1_000_000 => 6,
    }
}

/// The shortest axis: one millisecond.
const SHORTEST_NS: u64 = 1_000_000;
/// The longest axis: thirty days.
const LONGEST_NS: u64 = 30 * 86_400 * 1_000_000_000;
/// Steps at most.
const TICKS: u64 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(end_ns: u64, expected: &[&str]) {
        check_by(Clock::Run, end_ns, expected);
    }

    fn check_by(clock: Clock, end_ns: u64, expected: &[&str]) {
        let axis = Axis { end_ns, clock };
        let mark = |tick| clock.mark(tick, decimals(axis.step()));
        let shown: Vec<String> = axis.ticks().map(mark).collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn ticks_are_round() {
        check(31_200_000_000, &["0 s", "5 s", "10 s", "15 s", "20 s", "25 s", "30 s"]);
        check(1_000_000_000, &["0.0 s", "0.2 s", "0.4 s", "0.6 s", "0.8 s", "1.0 s"]);
        check(
            1_000_000,
            &["0.000000 s", "0.000200 s", "0.000400 s", "0.000600 s", "0.000800 s", "0.001000 s"],
        );
    }

    #[test]
    fn events_are_whole() {
        check_by(Clock::Events, 3 * EVENT_NS, &["0", "1", "2", "3"]);
        check_by(
            Clock::Events,
            3_100 * EVENT_NS,
            &["0", "500", "1,000", "1,500", "2,000", "2,500", "3,000"],
        );
        let since = ["+0.0 s", "+0.5 s", "+1.0 s", "+1.5 s", "+2.0 s", "+2.5 s"];
        check_by(Clock::Since(5), 2_600_000_000, &since);
    }

    #[test]
    fn a_stretch_never_leaves_the_axis() {
        let axis = Axis { end_ns: 1000, clock: Clock::Run };
        assert_eq!(axis.stretch(500, 2000), (50.0, 50.0));
        assert_eq!(axis.stretch(900, 100), (90.0, 0.0));
    }
}
