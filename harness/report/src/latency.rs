//! How long operations took: a log-linear histogram of bounded size.
//!
//! Sixteen buckets an octave of microseconds: a quantile read back is at most 1/32 of its value
//! away from the true one, and the largest value is kept exactly. Drawing is left to
//! `latency_chart`.

use super::bins::Join;

/// A histogram of durations.
#[derive(Clone, Debug, Default)]
pub(super) struct Histogram {
    buckets: Vec<u32>,
    count: u64,
    largest_us: u64,
}

impl Histogram {
    /// Counts one duration.
    pub(super) fn record(&mut self, nanos: u64) {
        let micros = nanos / 1000;
        let bucket = bucket_of(micros);
        if bucket >= self.buckets.len() {
            self.buckets.resize(bucket + 1, 0);
        }
        self.buckets[bucket] = self.buckets[bucket].saturating_add(1);
        self.count += 1;
        self.largest_us = self.largest_us.max(micros);
    }

    /// Returns how many durations were counted.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Returns the largest duration, in nanoseconds.
    pub(super) fn largest_ns(&self) -> Option<u64> {
        (self.count > 0).then_some(self.largest_us * 1000)
    }

    /// Returns the duration that `permille` of a thousand do not exceed, in nanoseconds.
    pub(super) fn quantile_ns(&self, permille: u64) -> Option<u64> {
        // Rounded up: of few operations a high quantile is the slowest.
        let rank = (self.count * permille).div_ceil(1000).max(1);
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += u64::from(*count);
            if seen >= rank {
                // The middle of the last bucket may lie beyond the largest value that was seen.
                return Some(middle_us(bucket).min(self.largest_us) * 1000);
            }
        }
        None
    }

    /// Calls `each` with the middle of every bucket in use, in nanoseconds, and its count.
    pub(super) fn for_each(&self, mut each: impl FnMut(u64, u64)) {
        for (bucket, count) in self.buckets.iter().enumerate().filter(|(_, n)| **n > 0) {
            each(middle_us(bucket).min(self.largest_us) * 1000, u64::from(*count));
        }
    }
}

impl Join for Histogram {
    fn join(&mut self, later: Self) {
        if later.buckets.len() > self.buckets.len() {
            self.buckets.resize(later.buckets.len(), 0);
        }
        for (mine, theirs) in self.buckets.iter_mut().zip(&later.buckets) {
            // A bucket that is full stays so; the count of all beside it is exact.
            *mine = mine.saturating_add(*theirs);
        }
        self.count += later.count;
        self.largest_us = self.largest_us.max(later.largest_us);
    }
}

/// Latencies of one stretch of time, by how the operations ended.
#[derive(Clone, Debug, Default)]
pub(super) struct Latencies {
    /// Of those that certainly happened.
    pub(super) ok: Histogram,
    /// Of those that certainly did not.
    pub(super) fail: Histogram,
    /// Until the client gave up.
    pub(super) info: Histogram,
}

impl Join for Latencies {
    fn join(&mut self, later: Self) {
        self.ok.join(later.ok);
        self.fail.join(later.fail);
        self.info.join(later.info);
    }
}

/// Returns the bucket of a duration: exact below [`SUB`], then [`SUB`] buckets an octave.
fn bucket_of(micros: u64) -> usize {
    if micros < SUB {
        return micros as usize;
    }
    let shift = micros.ilog2() - SUB.ilog2();
    let within = (micros >> shift) - SUB;
    (u64::from(shift + 1) * SUB + within) as usize
}

/// Returns the middle of a bucket, in microseconds.
fn middle_us(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < SUB {
        return bucket;
    }
    let shift = bucket / SUB - 1;
    let low = (SUB + bucket % SUB) << shift;
    low + ((1 << shift) >> 1)
}

/// Buckets an octave.
const SUB: u64 = 16;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a broken setup should fail the test")]

    use super::*;

    #[test]
    fn a_bucket_holds_its_own_middle() {
        for bucket in 0..560 {
            assert_eq!(bucket_of(middle_us(bucket)), bucket);
        }
    }

    #[test]
    fn quantiles_are_within_a_thirty_second() {
        let mut histogram = Histogram::default();
        for micros in 1..=100_000_u64 {
            histogram.record(micros * 1000);
        }
        for (permille, exact) in [(500, 50_000_000), (950, 95_000_000), (990, 99_000_000)] {
            let read = histogram.quantile_ns(permille).unwrap();
            assert!(read.abs_diff(exact) <= exact / 32, "{read} for {exact}");
        }
        assert_eq!(histogram.largest_ns(), Some(100_000_000));
    }

    #[test]
    fn an_empty_histogram_has_no_quantile() {
        assert_eq!(Histogram::default().quantile_ns(500), None);
        assert_eq!(Histogram::default().largest_ns(), None);
    }

    #[test]
    fn joining_is_recording_all() {
        let (mut whole, mut left, mut right) = Default::default();
        for step in 0..1000_u64 {
            let nanos = step * step * 997;
            let part: &mut Histogram = if step % 3 == 0 { &mut left } else { &mut right };
            part.record(nanos);
            Histogram::record(&mut whole, nanos);
        }
        left.join(right);
        assert_eq!(left.count(), whole.count());
        for permille in [1, 500, 990, 1000] {
            assert_eq!(left.quantile_ns(permille), whole.quantile_ns(permille));
        }
    }
}
