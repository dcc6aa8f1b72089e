//! What a machine tells of the simulated seeds that it ran.
//!
//! Every number is a sum over seeds, the trace among them, so that parts are added up to what one
//! machine would have told of all. The claim kept true: a point that was never seen is known as
//! such only of all seeds together.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What simulated seeds came to, as sums over seeds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SimulatedSeeds {
    /// How many were run.
    pub seeds: u64,
    /// In how many of them too little happened.
    pub thin: u64,
    /// How many of them failed.
    pub failed: u64,
    /// The lowest of those that failed, and why.
    pub failures: BTreeMap<u64, String>,
    /// Operations that were answered.
    pub ok: u64,
    /// Operations that were refused.
    pub fail: u64,
    /// Operations of which nobody knows.
    pub info: u64,
    /// Steps of replicas.
    pub steps: u64,
    /// Faults that had an effect.
    pub effective: u64,
    /// Processes that ended without a word.
    pub crashes: u64,
    /// How much virtual time passed, in microseconds.
    pub virtual_us: u64,
    /// The points of interest, by name, also those that were not seen.
    pub points: BTreeMap<String, PointHits>,
    /// The traces of all seeds in one number: their sum, so that it is the same in any order.
    pub trace: u64,
    /// Whether a point that no seed of the campaign reached makes it say too little.
    pub all_points: bool,
}

/// How often a point of interest was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PointHits {
    /// How often.
    pub times: u64,
    /// In how many seeds.
    pub runs: u64,
}

impl SimulatedSeeds {
    /// Adds what another machine ran.
    pub fn add(&mut self, other: &Self) {
        self.seeds += other.seeds;
        self.thin += other.thin;
        self.failed += other.failed;
        self.failures.extend(other.failures.iter().map(|(seed, why)| (*seed, why.clone())));
        // The lowest seeds stay, so that the order of the parts makes no difference.
        while self.failures.len() > FAILURES_MAX {
            self.failures.pop_last();
        }
        self.ok += other.ok;
        self.fail += other.fail;
        self.info += other.info;
        self.steps += other.steps;
        self.effective += other.effective;
        self.crashes += other.crashes;
        self.virtual_us += other.virtual_us;
        for (name, hits) in &other.points {
            let sum = self.points.entry(name.clone()).or_default();
            sum.times += hits.times;
            sum.runs += hits.runs;
        }
        self.trace = self.trace.wrapping_add(other.trace);
        self.all_points |= other.all_points;
    }

    /// Returns the names of the points that no seed has reached.
    #[must_use]
    pub fn unseen(&self) -> Vec<&str> {
        let unseen = self.points.iter().filter(|(_, hits)| hits.times == 0);
        unseen.map(|(name, _)| name.as_str()).collect()
    }
}

/// How many failures are kept: as many as one machine keeps of its seeds.
const FAILURES_MAX: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn of_seed(seed: u64, reached: bool) -> SimulatedSeeds {
        let hits = PointHits { times: u64::from(reached) * 3, runs: u64::from(reached) };
        SimulatedSeeds {
            seeds: 1,
            failed: 1,
            failures: BTreeMap::from([(seed, format!("seed {seed}"))]),
            ok: seed,
            points: BTreeMap::from([("copied".to_owned(), hits)]),
            trace: u64::MAX / 3 + seed,
            ..SimulatedSeeds::default()
        }
    }

    #[test]
    fn parts_add_up_in_any_order() {
        let seeds: Vec<SimulatedSeeds> = (0..30).map(|seed| of_seed(seed, seed == 29)).collect();
        let sum = |seeds: &mut dyn Iterator<Item = &SimulatedSeeds>| {
            seeds.fold(SimulatedSeeds::default(), |mut sum, seed| {
                sum.add(seed);
                sum
            })
        };
        let (there, back) = (sum(&mut seeds.iter()), sum(&mut seeds.iter().rev()));
        assert_eq!(there, back);
        assert_eq!(there.failures.keys().copied().collect::<Vec<_>>(), (0..20).collect::<Vec<_>>());
        assert_eq!((there.seeds, there.failed, there.ok), (30, 30, 435));
        assert!(there.unseen().is_empty(), "one of thirty has reached it");
        assert_eq!(sum(&mut seeds[..29].iter()).unseen(), ["copied"]);
    }
}
