//! Planted violations are found, and told in a few operations; budgets are kept.
#![allow(clippy::unwrap_used, reason = "a test may fail by panic")]

use std::time::Duration;

use synod_checker::{Budget, Cause, Judgement, ModelName, Report, check_history};
use synod_history::import::Format;
use synod_history::synthetic::SyntheticHistory;
use synod_rng::Seed;

#[test]
fn every_planted_stale_read_is_found_and_told_in_few_operations() {
    for seed in 0..300 {
        let (keys, clients) = (1 + u32::try_from(seed).unwrap() % 4, 6);
        let unknown_ppm = if seed % 2 == 0 { 0 } else { 20_000 };
        let simulation = SyntheticHistory { keys, clients, unknown_ppm, stale_read: true };
        let report = check(simulation, seed, 400);
        let core = report.violation().unwrap_or_else(|| panic!("{seed}: {:?}", report.judgement));
        assert!(core.operations.len() <= CORE_MAX, "{seed}: {core:#?}");
        assert!(core.sentence.contains("key"), "{seed}: {}", core.sentence);
    }
}

#[test]
fn a_stale_read_in_a_hundred_thousand_operations_is_told_in_few() {
    for keys in [1, 20] {
        let simulation = SyntheticHistory { keys, clients: 10, unknown_ppm: 0, stale_read: true };
        let report = check(simulation, 1, 100_000);
        let core = report.violation().unwrap();
        assert!(core.operations.len() <= CORE_MAX, "{core:#?}");
        assert!(core.sentence.contains("acknowledged"), "{}", core.sentence);
    }
}

#[test]
fn histories_without_a_plant_are_legal() {
    for seed in 0..100 {
        let simulation =
            SyntheticHistory { keys: 2, clients: 8, unknown_ppm: 20_000, stale_read: false };
        let report = check(simulation, seed, 500);
        assert!(matches!(report.judgement, Judgement::Legal { .. }), "{seed}");
    }
}

#[test]
fn a_budget_that_runs_out_is_a_stated_cause() {
    let simulation = SyntheticHistory { keys: 1, clients: 10, unknown_ppm: 0, stale_read: false };
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

#[test]
fn fifty_clients_on_one_register_of_unique_values_need_no_search() {
    let simulation =
        SyntheticHistory { keys: 1, clients: 50, unknown_ppm: 10_000, stale_read: false };
    let report = check(simulation, 1, 100_000);
    assert!(matches!(report.judgement, Judgement::Legal { .. }));
    assert_eq!((report.checker.configurations, report.checker.unverified), (0, None));
}

#[test]
fn texts_that_a_search_holds_count_in_its_budget() {
    // A list whose elements are not told apart is judged as a text, which grows with every append.
    let call = |kind: &str, n: u32| {
        format!("{{:process 0 :type :{kind} :f :append :key \"k\" :value \"{}\"}}\n", n % 10)
    };
    let text: String = (0..4000).map(|n| call("invoke", n) + &call("ok", n)).collect();
    let history = Format::PorcupineKv.read(&text, "appends").unwrap();
    let judge = |bytes| {
        let budget = Budget { bytes, ..Budget::default() };
        check_history(&history, ModelName::Kv, budget).judgement
    };
    assert!(matches!(judge(64 << 20), Judgement::Legal { .. }));
    let cause = Cause::Memory(4 << 20);
    assert!(matches!(judge(4 << 20), Judgement::Unknown { cause: found } if found == cause));
}

#[test]
fn a_verdict_by_hashes_alone_says_so() {
    let elements = ["a", "ab", "b", "ba", "aa", "bb", "c"];
    let append = |kind: &str, n: usize| {
        format!("{{:process {n} :type :{kind} :f :append :key \"k\" :value \"{}\"}}\n", elements[n])
    };
    let all = |kind| (0..elements.len()).map(|n| append(kind, n)).collect::<String>();
    let read = "{:process 9 :type :invoke :f :read :key \"k\"}\
                {:process 9 :type :ok :f :read :key \"k\" :value \"abc\"}";
    let text = all("invoke") + &all("ok") + read;
    let history = Format::PorcupineKv.read(&text, "appends").unwrap();
    let judge = |bits: u32| {
        let budget = Budget { bytes: 1 << bits, ..Budget::default() };
        let report = check_history(&history, ModelName::Kv, budget);
        report.violation().is_some().then_some(report.checker.unverified)
    };
    assert_eq!(judge(30), Some(None));
    // The least memory in which a violation is found does not last for the exact search.
    let reason = (12..30).find_map(judge).unwrap().unwrap();
    assert!(reason.contains("hashes of configurations alone"), "{reason}");
}

#[test]
fn what_is_not_decided_names_key_time_and_unknown_operations() {
    // Any subset of the writes may come first, and only the last operation tells that none will do.
    let event = |kind: &str, client: u32, f: &str, value: &str| {
        format!("{{:process {client} :type :{kind} :f :{f} :key \"key\" :value {value}}}\n")
    };
    let all = |clients: std::ops::Range<u32>, kind| {
        clients.map(|n| event(kind, n, "write", &n.to_string())).collect::<String>()
    };
    let text = all(0..36, "invoke")
        + &all(0..6, "info")
        + &all(6..36, "ok")
        + &event("invoke", 40, "read", "nil")
        + &event("ok", 40, "read", "7")
        + &event("invoke", 41, "cas", "[7 8]")
        + &event("ok", 41, "cas", "false")
        + &event("invoke", 42, "read", "nil")
        + &event("ok", 42, "read", "7");
    let history = Format::Edn.read(&text, "hard").unwrap();
    let budget = Budget { time: Duration::from_millis(300), ..Budget::default() };
    let report = check_history(&history, ModelName::Register, budget);
    if let Judgement::Unknown { .. } = report.judgement {
        let stuck = report.stuck.unwrap();
        assert!(stuck.key == "key", "{stuck:?}");
        assert!(stuck.positions.0 < stuck.positions.1, "{stuck:?}");
        assert!(!stuck.unknown.is_empty() && stuck.unknown_count >= 5, "{stuck:?}");
    } else {
        panic!("{:?}", report.judgement);
    }
}

fn check(simulation: SyntheticHistory, seed: u64, operations: u32) -> Report {
    let history = simulation.run(Seed(seed), operations);
    check_history(&history, ModelName::Register, Budget::default())
}

/// How many operations a core of a stale read may have.
const CORE_MAX: usize = 6;
