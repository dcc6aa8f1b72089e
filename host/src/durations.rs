//! How long things took, counted in buckets.
//!
//! What is measured is left to `stages`. The claims kept true: each sample is in exactly one
//! bucket, the first whose bound is no less than it; and a sample costs a few comparisons and two
//! additions, as it is taken on the loop's thread alone.

use std::time::Duration;

/// The bounds of the buckets but the last, which has none: from 50 microseconds to 10 seconds.
pub const BUCKET_BOUNDS: [Duration; BUCKETS - 1] = [
    Duration::from_micros(50),
    Duration::from_micros(100),
    Duration::from_micros(200),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_millis(2),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(20),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
];

/// How many buckets there are.
pub const BUCKETS: usize = 18;

/// How often something took how long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Durations {
    counts: [u64; BUCKETS],
    sum_ns: u64,
}

impl Durations {
    /// Takes so many equal samples in.
    pub(crate) fn observe(&mut self, took: Duration, times: u64) {
        let bucket = BUCKET_BOUNDS.partition_point(|bound| *bound < took);
        self.counts[bucket] += times;
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.sum_ns = self.sum_ns.saturating_add(ns.saturating_mul(times));
    }

    /// Returns how many samples are in each bucket, the last of which has no bound.
    #[must_use]
    pub const fn buckets(&self) -> &[u64; BUCKETS] {
        &self.counts
    }

    /// Counts the samples.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Returns what all samples took together.
    #[must_use]
    pub const fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_in_the_first_bucket_that_holds_it() {
        let mut histogram = Durations::default();
        for (us, times) in [(0, 1), (50, 1), (51, 2), (1_000, 1), (10_000_000, 1), (10_000_001, 3)]
        {
            histogram.observe(Duration::from_micros(us), times);
        }
        let counts = histogram.buckets();
        assert_eq!((counts[0], counts[1], counts[4]), (2, 2, 1));
        assert_eq!((counts[BUCKETS - 2], counts[BUCKETS - 1]), (1, 3));
        assert_eq!(histogram.count(), 9);
        assert_eq!(histogram.sum(), Duration::from_micros(50 + 102 + 1_000 + 40_000_003));
        assert!(BUCKET_BOUNDS.is_sorted());
    }
}
