//! Counts durations in buckets that grow with the duration, in constant space.
//!
//! Every power of two is cut into 32 equal buckets, so a quantile is too high by at most 1/32 of
//! its value and never too low; the maximum is exact. Recording allocates nothing.

use std::time::Duration;

/// A log-linear histogram of durations in nanoseconds.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use synod_kv::histogram::Histogram;
///
/// let mut histogram = Histogram::default();
/// for ms in 1..=100 {
///     histogram.record(Duration::from_millis(ms));
/// }
/// let median = histogram.quantile(0.5).as_secs_f64() * 1000.0;
/// assert!((50.0..51.6).contains(&median));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    max: Duration,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: vec![0; BUCKETS], count: 0, max: Duration::ZERO }
    }
}

impl Histogram {
    /// Counts one duration; past 584 years it counts as that.
    pub fn record(&mut self, duration: Duration) {
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.buckets[bucket(nanoseconds)] += 1;
        self.count += 1;
        self.max = self.max.max(duration);
    }

    /// Adds what another histogram has counted.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += theirs;
        }
        self.count += other.count;
        self.max = self.max.max(other.max);
    }

    /// Returns how many durations were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns the longest duration.
    #[must_use]
    pub fn max(&self) -> Duration {
        self.max
    }

    /// Returns a duration that at least the share `q` of all does not exceed; zero if none was
    /// counted. `q` is cut to 0 to 1.
    #[must_use]
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a rank off by one in 2^53 is far inside the width of a bucket"
    )]
    pub fn quantile(&self, q: f64) -> Duration {
        let rank = ((self.count as f64 * q.clamp(0.0, 1.0)).ceil() as u64).max(1);
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= rank {
                // The end of the highest bucket in use may lie above anything that was recorded.
                return Duration::from_nanos(upper(index)).min(self.max);
            }
        }
        self.max
    }
}

/// The bucket of a value: the value itself below 32, else its highest six bits.
fn bucket(value: u64) -> usize {
    let shift = (u64::BITS - value.leading_zeros()).saturating_sub(SUB_BITS + 1);
    let index = u64::from(shift) * SUB_BUCKETS + (value >> shift);
    usize::try_from(index).expect("there are fewer than 2^12 buckets")
}

/// The highest value of a bucket.
fn upper(index: usize) -> u64 {
    let index = index as u64;
    let shift = (index / SUB_BUCKETS).saturating_sub(1);
    let first = (index - shift * SUB_BUCKETS) << shift;
    first + ((1 << shift) - 1)
}

const SUB_BITS: u32 = 5;
const SUB_BUCKETS: u64 = 1 << SUB_BITS;
const BUCKETS: usize = ((u64::BITS - SUB_BITS + 1) as usize) << SUB_BITS;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_value_lies_in_its_bucket(shift in 0..64_u32, low in any::<u64>()) {
            let value = low >> shift;
            let index = bucket(value);
            prop_assert!(index < BUCKETS);
            prop_assert!(value <= upper(index));
            prop_assert!(upper(index) - value <= value / SUB_BUCKETS);
            if index > 0 {
                prop_assert!(upper(index - 1) < value);
            }
        }

        #[test]
        fn quantiles_bound_the_sorted_values(
            mut values in prop::collection::vec(0..5_000_000_u64, 1..200),
            q in 0.0..1.0_f64,
        ) {
            let mut whole = Histogram::default();
            let mut halves = [Histogram::default(), Histogram::default()];
            for (index, value) in values.iter().enumerate() {
                whole.record(Duration::from_nanos(*value));
                halves[index % 2].record(Duration::from_nanos(*value));
            }
            let [mut merged, other] = halves;
            merged.merge(&other);
            prop_assert_eq!(&merged, &whole);
            values.sort_unstable();
            let rank = ((values.len() as f64 * q).ceil() as usize).max(1);
            let exact = values[rank - 1];
            let found = u64::try_from(whole.quantile(q).as_nanos()).unwrap_or(u64::MAX);
            prop_assert!(found >= exact && found - exact <= exact / SUB_BUCKETS);
        }
    }

    #[test]
    fn the_ends_are_exact() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.99), Duration::ZERO);
        histogram.record(Duration::from_nanos(u64::MAX));
        histogram.record(Duration::ZERO);
        assert_eq!(histogram.quantile(1.0), Duration::from_nanos(u64::MAX));
        assert_eq!(histogram.quantile(0.0), Duration::ZERO);
    }
}
