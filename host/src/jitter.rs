//! The host's own chance: it spreads timers so that rivals do not wake in step.
//!
//! Whoever runs the host seeds it, from the operating system or from the seed of a simulation. It
//! is no source of secrets, and nothing that is replicated may depend on it.

use synod_clock::Moment;

/// A sequence of numbers that no other node draws.
#[derive(Clone, Debug)]
pub struct Jitter(u64);

impl Jitter {
    /// Begins at a given place.
    #[must_use]
    pub const fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// Draws a moment from `earliest` to `latest`; the earliest if they are the wrong way round.
    ///
    /// # Panics
    ///
    /// Never: an offset is below the width that it is drawn from.
    pub fn moment(&mut self, earliest: Moment, latest: Moment) -> Moment {
        let (low, high) = (earliest.as_nanos(), latest.as_nanos().max(earliest.as_nanos()));
        let width = u128::from(high - low) + 1;
        // The high half of the product is below the width; its bias is below width / 2^64.
        let offset = (u128::from(self.next()) * width) >> 64;
        Moment::from_nanos(low + u64::try_from(offset).expect("the offset is below the width"))
    }

    /// Draws a number: SplitMix64 (Steele, Lea and Flood, 2014).
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may end where its premise fails")]

    use super::*;

    #[test]
    fn moments_fill_their_range_and_keep_to_it() {
        let mut jitter = Jitter::seeded(7);
        let at = Moment::from_nanos;
        let mut seen = [false; 4];
        for _ in 0..200 {
            let moment = jitter.moment(at(10), at(13));
            seen[usize::try_from(moment.as_nanos() - 10).unwrap()] = true;
        }
        assert_eq!(seen, [true; 4]);
        assert_eq!(jitter.moment(at(5), at(5)), at(5));
        assert_eq!(jitter.moment(at(5), at(3)), at(5));
        jitter.moment(at(0), at(u64::MAX));
    }
}
