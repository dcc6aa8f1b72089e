//! The kinds of faults of the swarm: which of them a run has, and how often at most.

use synod_rng::Random;

use super::pace::{PER_MINUTE_MAX, minutes};
use crate::Millis;

/// A kind of fault, in or out of a run as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Partition,
    Flap,
    Cut,
    Disturb,
    DisturbClients,
    Kill,
    Power,
    AllPower,
    Pause,
    ClockRate,
    ClockJump,
    DiskSlow,
    DiskHung,
    DiskFull,
    DiskError,
    PowerMidway,
    Rot,
    Retire,
}

const KINDS: [Kind; 18] = [
    Kind::Partition,
    Kind::Flap,
    Kind::Cut,
    Kind::Disturb,
    Kind::DisturbClients,
    Kind::Kill,
    Kind::Power,
    Kind::AllPower,
    Kind::Pause,
    Kind::ClockRate,
    Kind::ClockJump,
    Kind::DiskSlow,
    Kind::DiskHung,
    Kind::DiskFull,
    Kind::DiskError,
    Kind::PowerMidway,
    Kind::Rot,
    Kind::Retire,
];

impl Kind {
    /// Returns how many of it are drawn at most: the more, the longer a run lasts.
    pub(super) fn most(self, time: Millis) -> u64 {
        // A bit rots once in a run at most. What is more comes more often the longer a run lasts.
        match self {
            Self::Rot => 1,
            Self::AllPower => minutes(time),
            Self::Partition
            | Self::Flap
            | Self::Cut
            | Self::Disturb
            | Self::DisturbClients
            | Self::Kill
            | Self::Power
            | Self::Pause
            | Self::ClockRate
            | Self::ClockJump
            | Self::DiskSlow
            | Self::DiskHung
            | Self::DiskFull
            | Self::DiskError
            | Self::PowerMidway
            | Self::Retire => PER_MINUTE_MAX * minutes(time),
        }
    }
}

/// Tosses a coin for each kind, and takes some all the same if too few are in.
pub(super) fn kinds(random: &mut Random) -> Vec<Kind> {
    let mut kinds = KINDS.to_vec();
    random.shuffle(&mut kinds);
    let count = (0..KINDS.len()).filter(|_| random.chance(500_000)).count();
    kinds.truncate(count.max(KINDS_MIN));
    kinds
}

/// The fewest kinds of faults that are drawn for a run. What hits nothing is left out: a link of
/// which there is none, a partition of one node.
pub(super) const KINDS_MIN: usize = 4;
