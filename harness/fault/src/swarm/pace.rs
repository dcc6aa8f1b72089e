//! When the faults of the swarm come, and for how long.

use synod_rng::Random;

use crate::Millis;

/// Draws when a fault begins. The first half second is left alone, so that there is something to
/// break.
pub(super) fn begin(time: Millis, random: &mut Random) -> Millis {
    Millis(random.between(500.min(time.0), time.0))
}

/// Draws how long a fault lasts. Short ones are as likely as long ones: the exponent is drawn, not
/// the length.
pub(super) fn length(random: &mut Random) -> Millis {
    Millis(random.between(50, 100) << random.below(7))
}

/// Returns how many minutes a run lasts, a part of one included.
pub(super) fn minutes(time: Millis) -> u64 {
    time.0.div_ceil(60_000).max(1)
}

/// The most faults of one kind in a minute.
pub(super) const PER_MINUTE_MAX: u64 = 4;
