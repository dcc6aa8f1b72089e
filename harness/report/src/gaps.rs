//! Gaps in availability: the longest times without a single operation that certainly happened.
//!
//! Time in which no client wants anything is no gap: nobody missed anything. A moment in which all
//! clients have just been refused, and none has called again, is not such a time.
//! What a gap overlaps is decided from the faults by `availability`; here is only the search.

/// The longest gaps of a run, found in one pass.
#[derive(Clone, Debug, Default)]
pub(super) struct Gaps {
    /// The last ok, or the call that ended a time without any call.
    since_ns: u64,
    /// Whether an operation ended since then otherwise than ok.
    refused: bool,
    longest: Vec<Gap>,
}

/// A stretch of time without an ok.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gap {
    /// The ok before it, or the first call after it if nobody waited in between.
    pub(super) start_ns: u64,
    /// The ok after it, or the end of the clients' operations.
    pub(super) end_ns: u64,
}

impl Gap {
    /// Returns how long it lasted.
    pub(super) fn length_ns(&self) -> u64 {
        self.end_ns - self.start_ns
    }
}

impl Gaps {
    /// Notes that a client calls while no other waits.
    pub(super) fn called_at(&mut self, time_ns: u64) {
        // Who was refused just before still wants to be served, so that the gap goes on.
        if !self.refused {
            self.since_ns = self.since_ns.max(time_ns);
        }
    }

    /// Notes that an operation ended otherwise than ok.
    pub(super) fn refused(&mut self) {
        self.refused = true;
    }

    /// Notes that an operation was acknowledged; times that run backwards are ignored.
    pub(super) fn ok_at(&mut self, time_ns: u64) {
        self.refused = false;
        if time_ns > self.since_ns {
            self.note(Gap { start_ns: self.since_ns, end_ns: time_ns });
            self.since_ns = time_ns;
        }
    }

    /// Notes that clients waited until `time_ns` at most, which ends the last gap.
    pub(super) fn close(&mut self, time_ns: u64) {
        self.ok_at(time_ns);
    }

    /// Returns the longest gaps, the longest first.
    pub(super) fn longest(&self) -> &[Gap] {
        &self.longest
    }

    fn note(&mut self, gap: Gap) {
        let place = self.longest.partition_point(|known| known.length_ns() >= gap.length_ns());
        if place < GAP_LIMIT {
            self.longest.insert(place, gap);
            self.longest.truncate(GAP_LIMIT);
        }
    }
}

/// How many gaps are kept.
const GAP_LIMIT: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_come_first() {
        let mut gaps = Gaps::default();
        for time in [10, 12, 40, 41, 90] {
            gaps.ok_at(time);
        }
        gaps.close(95);
        let lengths: Vec<u64> = gaps.longest().iter().map(Gap::length_ns).collect();
        assert_eq!(lengths, [49, 28, 10, 5, 2, 1]);
        assert_eq!(gaps.longest()[0], Gap { start_ns: 41, end_ns: 90 });
    }

    #[test]
    fn idle_time_is_no_gap() {
        let mut gaps = Gaps::default();
        gaps.called_at(100);
        gaps.ok_at(110);
        gaps.called_at(500);
        gaps.ok_at(520);
        assert_eq!(gaps.longest()[0], Gap { start_ns: 500, end_ns: 520 });
        assert_eq!(gaps.longest()[1], Gap { start_ns: 100, end_ns: 110 });
    }

    #[test]
    fn a_moment_between_refusals_does_not_end_a_gap() {
        let mut gaps = Gaps::default();
        gaps.called_at(100);
        gaps.ok_at(110);
        gaps.refused();
        gaps.called_at(2_000);
        gaps.ok_at(2_500);
        assert_eq!(gaps.longest()[0], Gap { start_ns: 110, end_ns: 2_500 });
    }

    #[test]
    fn only_so_many_are_kept() {
        let mut gaps = Gaps::default();
        for step in 0..1000_u64 {
            gaps.ok_at(step * (step + 1) / 2);
        }
        assert_eq!(gaps.longest().len(), GAP_LIMIT);
        assert_eq!(gaps.longest()[0].length_ns(), 999);
    }
}
