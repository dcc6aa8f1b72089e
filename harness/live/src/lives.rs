//! The lives of a node: from when to when each of its processes was there.
//!
//! Why one ended is the cluster's to know. The claim kept true: an end is told as of when the
//! process was gone, and not as of when somebody looked.

use std::time::Instant;

use synod_report::NodeLife;

/// The lives of a node, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lives(Vec<Life>);

#[derive(Clone, Copy, Debug)]
struct Life {
    began: Instant,
    /// When it ended, and whether by itself.
    ended: Option<(Instant, bool)>,
}

impl Lives {
    /// Notes that a process was started.
    pub(crate) fn begin(&mut self) {
        self.0.push(Life { began: Instant::now(), ended: None });
    }

    /// Notes that the last process is gone since `at`.
    pub(crate) fn end(&mut self, at: Instant, by_itself: bool) {
        if let Some(life) = self.0.last_mut() {
            life.ended.get_or_insert((at, by_itself));
        }
    }

    /// Tells the lives by a clock that began at `start`.
    pub(crate) fn since(&self, start: Instant) -> Vec<NodeLife> {
        let nanos = |at: Instant| at.saturating_duration_since(start).as_nanos() as u64;
        let told = |life: &Life| NodeLife {
            start_ns: nanos(life.began),
            end_ns: life.ended.map(|(at, _)| nanos(at)),
            by_itself: life.ended.is_some_and(|(_, by_itself)| by_itself),
        };
        self.0.iter().map(told).collect()
    }
}
