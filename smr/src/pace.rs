//! Pace: how long a disk and a link take, as far as a replica can see, in ticks.
//!
//! Whoever gives up after a fixed time gives up for ever where disks or links are slower than that.
//! So whatever waits here waits as long as what it waits for took the last time, several times
//! over, within a stated bound. A sync is measured from the record that waits for it, or from the
//! end of the sync before it, to its end; one that runs for longer than the last one took counts
//! with its age, so that a disk that slows down is known before its sync ends. A disk that was slow
//! is believed to be faster by and by, as one sync may end several batches at once, of which the
//! later ones seem to have taken no time. No rule of safety rests on any of this.

/// The longest sync that is waited for, in ticks: three seconds at 40 ms. Behind a slower disk an
/// candidate succeeds all the same, by the patience that grows with each failed ballot.
pub const SYNC_TICKS_MAX: u32 = 75;

/// The longest way there and back that is waited for, in ticks: four seconds at 40 ms.
pub const RTT_TICKS_MAX: u32 = 100;

/// How many syncs a record may have to wait for: two batches are in flight, its own is behind them,
/// and the disk may take half as long again as it did of late.
pub const PATH_SYNCS: u32 = 5;

/// The syncs of this node's disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Pace {
    /// How long syncs took of late; none before the first.
    last: Option<u32>,
    /// For how long the present one has run; none if nothing waits for the disk.
    running: Option<u32>,
}

impl Pace {
    /// Counts a tick.
    pub fn on_tick(&mut self) {
        if let Some(ticks) = &mut self.running {
            *ticks = ticks.saturating_add(1);
        }
    }

    /// Takes note of the end of a sync.
    pub fn on_synced(&mut self) {
        let sample = self.running.take();
        self.last = sample.max(self.last.map(|ticks| ticks - ticks.div_ceil(DECAY)));
        assert!(self.last >= sample, "a sync that took longer is believed at once");
    }

    /// Takes note of whether records wait for the disk.
    pub fn on_step(&mut self, is_syncing: bool) {
        if is_syncing {
            self.running = self.running.or(Some(0));
        }
    }

    /// Returns how many ticks syncs that have ended took of late.
    #[must_use]
    pub fn ended_sync_ticks(&self) -> Option<u32> {
        self.last
    }

    /// Returns how many ticks a sync takes: as of late, or the one that runs if it takes longer.
    #[must_use]
    pub fn sync_ticks(&self) -> Option<u32> {
        self.last.max(self.running.filter(|ticks| *ticks > 0))
    }
}

/// Returns how many ticks a message may need to a node, through its disk, and back.
#[must_use]
pub fn path_ticks(rtt_ticks: u32, sync_ticks: Option<u32>) -> u32 {
    rtt_ticks.min(RTT_TICKS_MAX) + PATH_SYNCS * sync_ticks.unwrap_or(0).min(SYNC_TICKS_MAX)
}

/// Returns how many ticks a message needs to a node, through its disk, and back where nothing waits
/// before it.
#[must_use]
pub(crate) fn round_ticks(rtt_ticks: u32, sync_ticks: Option<u32>) -> u32 {
    rtt_ticks.min(RTT_TICKS_MAX) + sync_ticks.unwrap_or(0).min(SYNC_TICKS_MAX)
}

/// Each sync lets go of this part of a time that was longer once.
const DECAY: u32 = 8;
