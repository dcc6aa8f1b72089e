//! Scrubbing: the newest snapshot is read again and again, so that damage is found while the state
//! that repairs it is in memory.
//!
//! Reading is left to `work`, the repair to the module above. The claims kept true: one chunk is
//! read at a time, and no more bytes in a second than were asked for; and every chunk of a snapshot
//! is read in a round, or the round ends with what is wrong.

use std::time::Duration;

use synod_clock::Moment;
use synod_paxos::Slot;

use super::order::{Scrubbed, SnapshotOrder};

/// How fast the newest snapshot is read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScrubPace {
    /// The most bytes in a second; with zero nothing is read again.
    pub bytes_per_second: u64,
    /// For how long nothing is read before a round.
    pub rest: Duration,
}

impl Default for ScrubPace {
    fn default() -> Self {
        Self { bytes_per_second: SCRUB_BYTES_PER_SECOND_MAX, rest: SCRUB_REST }
    }
}

/// The most bytes of snapshots that are read again in a second: little beside any disk, and a
/// gibibyte in a quarter of an hour.
pub const SCRUB_BYTES_PER_SECOND_MAX: u64 = 1 << 20;

/// For how long nothing is read before a snapshot is read again.
pub const SCRUB_REST: Duration = Duration::from_secs(600);

/// Where a round is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scrub {
    /// The snapshot of the round, and its chunk that is read next.
    slot: Slot,
    chunk: u32,
    /// When that may be read; none before the first round.
    at: Option<Moment>,
    is_out: bool,
}

impl Scrub {
    /// Returns what is to be read at this moment, if anything is.
    pub(crate) fn begin(
        &mut self,
        now: Moment,
        newest: Option<Slot>,
        pace: &ScrubPace,
    ) -> Option<SnapshotOrder> {
        let newest = newest.filter(|_| pace.bytes_per_second > 0 && !self.is_out)?;
        let at = *self.at.get_or_insert(now + pace.rest);
        if at > now {
            return None;
        }
        // A newer one took the place of the one that was read.
        if self.slot != newest {
            (self.slot, self.chunk) = (newest, 0);
        }
        self.is_out = true;
        Some(SnapshotOrder::Scrub { slot: self.slot, chunk: self.chunk })
    }

    /// Takes note of what was read.
    pub(crate) fn on_read(&mut self, now: Moment, read: &Scrubbed, pace: &ScrubPace) {
        self.is_out = false;
        let nanos =
            u128::from(read.bytes) * 1_000_000_000 / u128::from(pace.bytes_per_second.max(1));
        let took = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        if read.is_last || read.is_damaged {
            self.chunk = 0;
            self.at = Some(now + took.max(pace.rest));
        } else {
            self.chunk += 1;
            self.at = Some(now + took);
        }
    }

    /// Returns when something is to be read.
    pub(crate) fn next_at(&self, newest: Option<Slot>) -> Option<Moment> {
        newest.and(self.at).filter(|_| !self.is_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_reads_each_chunk_once_at_its_pace_and_then_rests() {
        let pace = ScrubPace { bytes_per_second: 1_000, rest: Duration::from_secs(60) };
        let (mut scrub, newest) = (Scrub::default(), Some(Slot::new(7)));
        let at = |ms: u64| Moment::from_nanos(ms * 1_000_000);
        assert!(scrub.begin(at(0), None, &pace).is_none() && scrub.next_at(None).is_none());
        assert!(scrub.begin(at(0), newest, &pace).is_none(), "it rests first");
        assert_eq!(scrub.next_at(newest), Some(at(60_000)));
        let mut now = 60_000;
        for chunk in 0..3 {
            let order = scrub.begin(at(now), newest, &pace);
            assert!(
                matches!(order, Some(SnapshotOrder::Scrub { chunk: asked, .. }) if asked == chunk),
                "{order:?}"
            );
            assert!(scrub.begin(at(now), newest, &pace).is_none(), "one at a time");
            let (slot, bytes, is_last) = (Slot::new(7), 500, chunk == 2);
            let read = Scrubbed { slot, bytes, is_last, is_damaged: false };
            scrub.on_read(at(now), &read, &pace);
            now += if is_last { 60_000 } else { 500 };
            assert_eq!(scrub.next_at(newest), Some(at(now)));
        }
        let order = scrub.begin(at(now), Some(Slot::new(9)), &pace);
        assert!(matches!(order, Some(SnapshotOrder::Scrub { chunk: 0, .. })), "{order:?}");
    }
}
