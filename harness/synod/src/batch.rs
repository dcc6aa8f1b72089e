//! A batch: many seeds, each its own trial, on as many threads as there are cores.
//!
//! Seeds share nothing, so the number of threads changes nothing but the time it takes. A batch
//! counts what it reached: a seed in which too little happened is reported as thin and not counted
//! among those that passed.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use synod_fault::swarm::{SwarmConfig, draw};
use synod_report::Shard;
use synod_rng::{Seed, mix};
use synod_simulator::Violation;

use crate::clients::Outcomes;
use crate::coverage::HitCounts;
use crate::trial::{self, RunResult};

/// A seed with fewer operations that were answered than this is thin.
pub const OPERATIONS_MIN: u64 = 300;

/// A seed with fewer effective faults than this is thin.
pub const EFFECTIVE_MIN: u64 = 5;

/// The most failures of a batch that are kept.
const FAILURES_MAX: usize = 20;

/// Which seeds are run, and how.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The first seed.
    pub first: u64,
    /// How many.
    pub count: u64,
    /// How far each is from the one before: 1, or as many as machines share the seeds.
    pub step: u64,
    /// On how many threads.
    pub jobs: usize,
    /// Whether each is run twice, and the trace hashes compared.
    pub twice: bool,
    /// What plans are drawn from.
    pub config: SwarmConfig,
}

/// What a batch came to.
#[derive(Debug, Default)]
pub struct Report {
    /// How many seeds were run.
    pub seeds: u64,
    /// How many of them were thin.
    pub thin: u64,
    /// The first failures, by seed.
    pub failures: BTreeMap<u64, Violation>,
    /// How many seeds failed.
    pub failed: u64,
    /// How the operations of all clients ended.
    pub outcomes: Outcomes,
    /// Steps of replicas.
    pub steps: u64,
    /// Faults that had an effect.
    pub effective: u64,
    /// Processes that ended without a word.
    pub crashes: u64,
    /// How much virtual time passed, in microseconds.
    pub virtual_us: u64,
    /// How much real time the threads spent in all.
    pub busy: Duration,
    /// The points of interest that were seen.
    pub hit_counts: HitCounts,
    /// All trace hashes in one, whatever the order in which they came.
    pub trace: u64,
}

impl Batch {
    /// Returns the part of the batch that is one machine's.
    #[must_use]
    pub fn of_shard(&self, shard: Shard) -> Self {
        let first = self.first.saturating_add(shard.index().into());
        Self { first, count: shard.share(self.count), step: shard.count().into(), ..self.clone() }
    }

    /// Runs the batch. `progress` hears after each seed how many were run so far; the batch
    /// ends early once `stop` is set.
    ///
    /// # Panics
    ///
    /// In a build that checks its sums, if the last seed is beyond the largest number.
    pub fn run(&self, stop: &AtomicBool, progress: impl Fn(u64) + Sync) -> Report {
        let next = AtomicU64::new(0);
        let total = Mutex::new(Report::default());
        std::thread::scope(|scope| {
            // With no thread at all the batch would run nothing and report no failure.
            for _ in 0..self.jobs.max(1) {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        // Only the counter itself is shared this way: results meet under the lock,
                        // so that no order beyond that of this number is needed.
                        let turn = next.fetch_add(1, Ordering::Relaxed);
                        if turn >= self.count {
                            break;
                        }
                        let one = self.run_one(self.first + turn * self.step);
                        // A poisoned sum is used all the same: whatever poisoned it ended its
                        // thread, and the scope hands that panic on to the caller.
                        let mut total = total.lock().unwrap_or_else(|e| e.into_inner());
                        total.add(one);
                        progress(total.seeds);
                    }
                });
            }
        });
        total.into_inner().unwrap_or_else(|e| e.into_inner())
    }

    fn run_one(&self, seed: u64) -> Report {
        let began = Instant::now();
        let plan = draw(Seed(seed), &self.config);
        let ended = trial::run(&plan, false);
        let mut violation = ended.violation.clone();
        if self.twice {
            let again = trial::run(&plan, false);
            if again.trace != ended.trace {
                let detail = format!("traces {:016x} and {:016x}", ended.trace, again.trace);
                // A violation of the run itself comes before this one: it says what is wrong with
                // the system.
                violation = violation.or_else(|| Some(Violation::new("determinism", detail)));
            }
        }
        Report::of(seed, ended, violation, began.elapsed())
    }
}

impl Report {
    fn of(seed: u64, ended: RunResult, violation: Option<Violation>, busy: Duration) -> Self {
        let thin = ended.outcomes.ok < OPERATIONS_MIN || ended.tally.effective < EFFECTIVE_MIN;
        Self {
            seeds: 1,
            thin: u64::from(thin && violation.is_none()),
            failed: u64::from(violation.is_some()),
            failures: violation.map(|violation| (seed, violation)).into_iter().collect(),
            outcomes: ended.outcomes,
            steps: ended.tally.steps,
            effective: ended.tally.effective,
            crashes: ended.tally.crashes,
            virtual_us: ended.time.0,
            busy,
            hit_counts: ended.hit_counts,
            // Each trace is tied to its seed: the sum alone would be the same if two seeds had
            // swapped theirs.
            trace: mix(ended.trace ^ mix(seed)),
        }
    }

    fn add(&mut self, other: Self) {
        self.seeds += other.seeds;
        self.thin += other.thin;
        self.failed += other.failed;
        for (seed, violation) in other.failures {
            self.failures.insert(seed, violation);
            // The lowest seeds stay, so that it does not matter which thread came first.
            if self.failures.len() > FAILURES_MAX {
                self.failures.pop_last();
            }
        }
        self.outcomes.add(&other.outcomes);
        self.steps += other.steps;
        self.effective += other.effective;
        self.crashes += other.crashes;
        self.virtual_us += other.virtual_us;
        self.busy += other.busy;
        self.hit_counts.add(&other.hit_counts);
        // A sum is the same in whatever order the threads bring their parts.
        self.trace = self.trace.wrapping_add(other.trace);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(jobs: usize) -> Batch {
        let config = SwarmConfig::default();
        Batch { first: 100, count: 6, step: 1, jobs, twice: false, config }
    }

    #[test]
    fn the_number_of_threads_changes_nothing_but_the_time() {
        let stop = AtomicBool::new(false);
        let (one, two) = (batch(1).run(&stop, |_| ()), batch(3).run(&stop, |_| ()));
        assert_eq!(one.trace, two.trace);
        assert_eq!(one.outcomes, two.outcomes);
        assert_eq!((one.seeds, two.seeds), (6, 6));
        assert_eq!(one.failures, two.failures);
        assert!(one.failures.is_empty(), "{:#?}", one.failures);
    }

    #[test]
    fn a_batch_that_is_told_to_stop_stops() {
        let stop = AtomicBool::new(true);
        assert_eq!(batch(2).run(&stop, |_| ()).seeds, 0);
    }
}
