//! Planted violations are found, and told in a few operations; budgets are kept.
#![allow(clippy::unwrap_used, reason = "a test may fail by panic")]

use std::time::Duration;

use synod_harness::check::{Budget, Cause, Judgement, ModelName, Report, check_history};
use synod_harness::history::simulated::Simulation;
use synod_harness::random::Seed;

#[test]
fn every_planted_stale_read_is_found_and_told_in_few_operations() {
    for seed in 0..300 {
        let (keys, clients) = (1 + u32::try_from(seed).unwrap() % 4, 6);
        let unknown_ppm = if seed % 2 == 0 { 0 } else { 20_000 };
        let simulation = Simulation { keys, clients, unknown_ppm, stale_read: true };
        let report = check(simulation, seed, 400);
        let core = report.violation().unwrap_or_else(|| panic!("{seed}: {:?}", report.judgement));
        assert!(core.operations.len() <= CORE_MAX, "{seed}: {core:#?}");
        assert!(core.sentence.contains("key"), "{seed}: {}", core.sentence);
    }
}

#[test]
fn a_stale_read_in_a_hundred_thousand_operations_is_told_in_few() {
    for keys in [1, 20] {
        let simulation = Simulation { keys, clients: 10, unknown_ppm: 0, stale_read: true };
        let report = check(simulation, 1, 100_000);
        let core = report.violation().unwrap();
        assert!(core.operations.len() <= CORE_MAX, "{core:#?}");
        assert!(core.sentence.contains("acknowledged"), "{}", core.sentence);
    }
}

#[test]
fn histories_without_a_plant_are_legal() {
    for seed in 0..100 {
        let simulation = Simulation { keys: 2, clients: 8, unknown_ppm: 20_000, stale_read: false };
        let report = check(simulation, seed, 500);
        assert!(matches!(report.judgement, Judgement::Legal { .. }), "{seed}");
    }
}

#[test]
fn a_budget_that_runs_out_is_a_stated_cause() {
    let simulation = Simulation { keys: 1, clients: 10, unknown_ppm: 0, stale_read: false };
    let history = simulation.run(Seed(1), 20_000);
    let time = Duration::ZERO;
    let memory = 1 << 16;
    for (budget, wanted) in [
        (Budget { time, ..Budget::default() }, Cause::Time(time)),
        (Budget { bytes: memory, ..Budget::default() }, Cause::Memory(memory)),
    ] {
        let report = check_history(&history, ModelName::Register, budget);
        let Judgement::Unknown { cause } = report.judgement else { panic!("{report:?}") };
        assert_eq!(cause, wanted);
    }
}

fn check(simulation: Simulation, seed: u64, operations: u32) -> Report {
    let history = simulation.run(Seed(seed), operations);
    check_history(&history, ModelName::Register, Budget::default())
}

/// How many operations a core of a stale read may have.
const CORE_MAX: usize = 6;
