//! What an endpoint counts: drops, refusals, links, dials, verifications.
//!
//! What it leaves to others: exporting the figures. The claim it keeps true: every frame that is
//! dropped and every connection that is refused is in exactly one of these counts.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use tokio::time::Instant;

use crate::limits::REFUSAL_LOG_INTERVAL;
use crate::lock::lock;
use crate::refusal::{Refusal, Refused, RefusedBy};

/// Names one count. The variants say what is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Count {
    /// Frames dropped because their lane's queue was full.
    DroppedFull,
    /// Frames and datagrams dropped because there was no link.
    DroppedNoLink,
    /// Log frames dropped because a larger epoch had begun, queued ones included.
    DroppedStale,
    /// Frames and datagrams dropped because they exceed the limit of their lane.
    DroppedTooLong,
    /// Datagrams that arrived while the inbox was full.
    DroppedDatagramsIn,
    /// Frames and datagrams delivered to the inbox.
    FramesIn,
    /// Frames and datagrams taken into a queue.
    FramesOut,
    /// Certificates of the other end that were verified, well or badly.
    Verifications,
    /// Connections begun from here.
    Dials,
    /// Links that came up.
    LinksUp,
    /// Links that went down.
    LinksDown,
    /// Links dropped because nothing was heard.
    LinksSilent,
    /// Connections closed because the other end broke a rule.
    Violations,
    /// Incoming connections sent back to prove their address.
    Retries,
    /// Client connections closed because they did not read.
    SlowReaders,
    /// Calls left unanswered because too many waited, and most of them from the same address.
    CallsLetGo,
}

impl Count {
    /// What is counted as one word, as it stands in metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::DroppedFull => "dropped_full",
            Self::DroppedNoLink => "dropped_no_link",
            Self::DroppedStale => "dropped_stale",
            Self::DroppedTooLong => "dropped_too_long",
            Self::DroppedDatagramsIn => "dropped_datagrams_in",
            Self::FramesIn => "frames_in",
            Self::FramesOut => "frames_out",
            Self::Verifications => "verifications",
            Self::Dials => "dials",
            Self::LinksUp => "links_up",
            Self::LinksDown => "links_down",
            Self::LinksSilent => "links_silent",
            Self::Violations => "violations",
            Self::Retries => "retries",
            Self::SlowReaders => "slow_readers",
            Self::CallsLetGo => "calls_let_go",
        }
    }
}

/// Holds the counts of one endpoint; shared by its tasks.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    counts: [AtomicU64; COUNTS],
    refused_here: [AtomicU64; Refusal::ALL.len()],
    refused_there: [AtomicU64; Refusal::ALL.len()],
    logged: Arc<LogLimit>,
}

/// When refusals of a kind were logged last, and how many were not since.
type LogLimit = Mutex<BTreeMap<(RefusedBy, Refusal), (Instant, u64)>>;

/// Shows the counts of an endpoint at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CountersSnapshot {
    counts: BTreeMap<Count, u64>,
    refused: BTreeMap<(RefusedBy, Refusal), u64>,
}

impl Counters {
    pub(crate) fn add(&self, count: Count) {
        self.add_many(count, 1);
    }

    pub(crate) fn add_many(&self, count: Count, by: u64) {
        // A count orders nothing else: whoever reads one draws no conclusion about another.
        self.counts[count as usize].fetch_add(by, Ordering::Relaxed);
    }

    /// Makes the counts of one of many dialers: they share one limit on log lines, as a thousand
    /// that are refused at once have one thing to say.
    pub(crate) fn of_dialer() -> Self {
        Self { logged: Arc::clone(&DIALERS_LOGGED), ..Self::default() }
    }

    /// Counts a refusal. If it is due for the log, which strangers must not fill, says how many of
    /// its kind were not logged since the last.
    pub(crate) fn refuse(&self, refused: &Refused) -> Option<u64> {
        let side = match refused.by {
            RefusedBy::Here => &self.refused_here,
            RefusedBy::There => &self.refused_there,
        };
        side[refused.reason as usize].fetch_add(1, Ordering::Relaxed);
        let now = Instant::now();
        let mut logged = lock(&self.logged);
        match logged.entry((refused.by, refused.reason)) {
            Entry::Vacant(first) => {
                first.insert((now, 0));
                Some(0)
            }
            Entry::Occupied(mut earlier) => {
                let (last, unlogged) = *earlier.get();
                let due = now.duration_since(last) >= REFUSAL_LOG_INTERVAL;
                earlier.insert(if due { (now, 0) } else { (last, unlogged + 1) });
                due.then_some(unlogged)
            }
        }
    }

    pub(crate) fn snapshot(&self) -> CountersSnapshot {
        let read = |cell: &AtomicU64| cell.load(Ordering::Relaxed);
        let counts = ALL.into_iter().map(|count| (count, read(&self.counts[count as usize])));
        let refused = Refusal::ALL.into_iter().flat_map(|reason| {
            [
                ((RefusedBy::Here, reason), read(&self.refused_here[reason as usize])),
                ((RefusedBy::There, reason), read(&self.refused_there[reason as usize])),
            ]
        });
        CountersSnapshot { counts: counts.collect(), refused: refused.collect() }
    }
}

impl CountersSnapshot {
    /// One count.
    #[must_use]
    pub fn count(&self, count: Count) -> u64 {
        self.counts.get(&count).copied().unwrap_or(0)
    }

    /// Connections that one end refused for one reason.
    #[must_use]
    pub fn refused(&self, by: RefusedBy, reason: Refusal) -> u64 {
        self.refused.get(&(by, reason)).copied().unwrap_or(0)
    }

    /// Connections that one end refused, for whatever reason.
    #[must_use]
    pub fn refused_total(&self, by: RefusedBy) -> u64 {
        self.refused.iter().filter(|((side, _), _)| *side == by).map(|(_, count)| count).sum()
    }

    /// Every count with its name, in order.
    pub fn counts(&self) -> impl Iterator<Item = (Count, u64)> + '_ {
        self.counts.iter().map(|(count, value)| (*count, *value))
    }
}

const ALL: [Count; COUNTS] = [
    Count::DroppedFull,
    Count::DroppedNoLink,
    Count::DroppedStale,
    Count::DroppedTooLong,
    Count::DroppedDatagramsIn,
    Count::FramesIn,
    Count::FramesOut,
    Count::Verifications,
    Count::Dials,
    Count::LinksUp,
    Count::LinksDown,
    Count::LinksSilent,
    Count::Violations,
    Count::Retries,
    Count::SlowReaders,
    Count::CallsLetGo,
];

const COUNTS: usize = 16;

/// What the dialers of this process have logged.
static DIALERS_LOGGED: LazyLock<Arc<LogLimit>> = LazyLock::new(Arc::default);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_is_counted_and_the_first_of_a_kind_is_logged() {
        let counters = Counters::default();
        let refused = |reason| Refused::here(reason, "a text");
        assert_eq!(counters.refuse(&refused(Refusal::Expired)), Some(0));
        assert_eq!(counters.refuse(&refused(Refusal::Expired)), None);
        assert_eq!(counters.refuse(&refused(Refusal::WrongRole)), Some(0));
        let snapshot = counters.snapshot();
        assert_eq!(snapshot.refused(RefusedBy::Here, Refusal::Expired), 2);
        assert_eq!(snapshot.refused_total(RefusedBy::Here), 3);
        assert_eq!(snapshot.refused_total(RefusedBy::There), 0);
    }

    /// A reason that no other test of this process uses: the limit is the process's.
    #[test]
    fn many_dialers_log_a_refusal_once_and_count_it_each() {
        let dialers: Vec<Counters> = (0..100).map(|_| Counters::of_dialer()).collect();
        let refused = Refused::here(Refusal::UnexpectedNode, "a text");
        let lines = dialers.iter().filter(|dialer| dialer.refuse(&refused).is_some()).count();
        assert_eq!(lines, 1);
        let counted = |dialer: &Counters| dialer.snapshot().refused_total(RefusedBy::Here);
        assert_eq!(dialers.iter().map(counted).sum::<u64>(), 100);
    }

    #[test]
    fn each_count_has_its_own_cell() {
        for (index, count) in ALL.into_iter().enumerate() {
            assert_eq!(count as usize, index);
        }
        for (index, reason) in Refusal::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
        }
    }
}
