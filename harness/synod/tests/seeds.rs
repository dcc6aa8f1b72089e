//! Seeds: the kept ones hold, a seed is the same run each time, and a broken world is noticed.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::path::Path;

use synod_fault::swarm::{SwarmConfig, draw};
use synod_fault::{Millis, Scenario};
use synod_rng::Seed;
use synod_simulated::trial;

#[test]
fn every_kept_seed_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../seeds");
    let mut count = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let kept = Scenario::from_toml(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let ended = trial::run(&kept, false);
        assert_eq!(ended.violation, None, "{}: {}", path.display(), kept.reason);
        count += 1;
    }
    assert!(count >= 2, "the kept seeds are gone");
}

#[test]
fn a_seed_is_the_same_run_each_time() {
    let config = SwarmConfig { time_ms: Millis(20_000), ..SwarmConfig::default() };
    for seed in 0..12 {
        let plan = draw(Seed(seed), &config);
        let (one, other) = (trial::run(&plan, true), trial::run(&plan, true));
        assert_eq!(one.violation, None, "seed {seed}");
        assert_eq!(one.trace, other.trace, "seed {seed}");
        assert_eq!(one.log, other.log, "seed {seed}: every line of it");
    }
}

#[test]
fn a_log_changes_nothing() {
    let plan = draw(Seed(3), &SwarmConfig { time_ms: Millis(10_000), ..SwarmConfig::default() });
    assert_eq!(trial::run(&plan, true).trace, trial::run(&plan, false).trace);
}

#[test]
fn who_judges_changes_nothing_of_the_run() {
    let plan = draw(Seed(5), &SwarmConfig { time_ms: Millis(10_000), ..SwarmConfig::default() });
    let (inside, outside) = (trial::run(&plan, false), trial::run_judged_outside(&plan, false));
    assert_eq!((inside.violation, outside.violation), (None, None));
    assert_eq!(inside.trace, outside.trace);
}

#[test]
fn different_seeds_are_different_runs() {
    let config = SwarmConfig { time_ms: Millis(5_000), ..SwarmConfig::default() };
    let traces = (0..10).map(|seed| trial::run(&draw(Seed(seed), &config), false).trace);
    let distinct: std::collections::BTreeSet<u64> = traces.collect();
    assert_eq!(distinct.len(), 10);
}
