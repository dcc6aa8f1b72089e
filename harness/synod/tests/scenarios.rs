//! Scenarios in the simulator: those that people wrote, those of live runs, and what they hit.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::path::Path;

use synod_fault::nemesis::Nemesis;
use synod_fault::{
    Abilities, Action, Millis, NodeId, PartsPerMillion, PlannedFault, Scenario, Target, Transports,
};
use synod_rng::Seed;
use synod_simulated::trial::{self, RunResult};

/// Runs a scenario, which must hold, and every fault of which must have had an effect.
fn check(scenario: &Scenario) -> RunResult {
    check_told(scenario, false)
}

fn check_told(scenario: &Scenario, keep_log: bool) -> RunResult {
    assert_eq!(trial::check(scenario), Ok(()));
    let ended = trial::run(scenario, keep_log);
    assert_eq!(ended.violation, None, "{scenario:#?}");
    assert_eq!(ended.tally.effective, scenario.faults.len() as u64, "{scenario:#?}");
    ended
}

#[test]
fn every_scenario_that_is_kept_holds_and_is_written_as_it_is_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let (mut count, mut live_only) = (0, 0);
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let scenario = Scenario::from_toml(&std::fs::read_to_string(&path).unwrap()).unwrap();
        // What a crowd asks that never rests is minutes of work for the simulator, and more than
        // its checker has memory for.
        let is_of_a_crowd = scenario.rest_ms == Millis(0) && scenario.clients >= CROWD;
        match trial::check(&scenario) {
            Ok(()) if is_of_a_crowd => {}
            Ok(()) => drop(check(&scenario)),
            // Some are for real processes alone, and those can do all of it.
            Err(_) => {
                let live = Abilities::live(Transports::default()).with_shim();
                let live = live.with_pins(true).with_builds(true);
                assert_eq!(live.check_all(&scenario), Ok(()), "{}", path.display());
                live_only += 1;
            }
        }
        assert_eq!(Scenario::from_toml(&scenario.to_toml().unwrap()), Ok(scenario));
        count += 1;
    }
    assert!(count - live_only >= 4, "the scenarios are gone");
    assert!(live_only <= 3, "{live_only} scenarios are none of the simulator's");
}

/// How many clients without a rest are left to real processes.
const CROWD: u32 = 64;

#[test]
fn the_plan_of_a_live_run_is_one_of_the_simulator() {
    let recorded = include_str!("../../fault/tests/plans/udp-mix-42.json");
    let recorded = Scenario::from_json(recorded).unwrap();
    let refused = trial::check(&recorded).unwrap_err();
    let wanted = "cannot do `system = fake`: the system under test is synod-kv";
    assert!(refused.contains(wanted), "{refused}");
    let system = String::new();
    let plan = Scenario { clients: 4, rest_ms: Millis(100), system, ..recorded };
    let ended = check_told(&plan, true);
    let told = |words: &str| ended.log.iter().filter(|line| line.ends_with(words)).count();
    assert_eq!(told("begins: isolate, the leader"), 1);
    assert_eq!(told("begins: partition 2 - 3 - 1, all nodes"), 1);
    assert_eq!(told("begins: pause, node 2"), 1);
    assert_eq!(told("ends: kill"), 1);
    assert_eq!(check(&plan).trace, ended.trace, "as ever, it is the same run each time");
}

#[test]
fn what_a_nemesis_draws_for_live_runs_holds_in_the_simulator() {
    let time_ms = Millis(15_000);
    let names = ["mix", "kill-leader", "restart-storm", "flapping", "one-way", "lossy-clients"];
    for (seed, name) in (0..).map(Seed).zip(names) {
        let nemesis: Nemesis = name.parse().unwrap();
        let calm = Scenario::calm(seed, 3, time_ms);
        let faults = nemesis.plan(seed, &calm.node_ids(), time_ms, Transports::default());
        let plan = Scenario { clients: 4, rest_ms: Millis(100), faults, ..calm };
        assert_eq!(Abilities::live(Transports::default()).check_all(&plan), Ok(()));
        check(&plan);
    }
}

#[test]
fn a_fault_begins_after_what_it_waits_for() {
    let scenario = include_str!("../../scenarios/chained.toml");
    let ended = check_told(&Scenario::from_toml(scenario).unwrap(), true);
    let place = |words: &str| ended.log.iter().position(|line| line.contains(words)).unwrap();
    let kill = place("begins: kill, the leader");
    let answers = ended.log[..kill].iter().filter(|line| line.contains(" is told Ok ")).count();
    assert!(answers >= 100, "{answers}");
    assert!(kill < place("begins: links: "));
    assert!(place("ends: kill") < place("begins: isolate, the leader"));
}

#[test]
fn a_fault_that_waits_in_vain_never_begins() {
    let text = include_str!("../../scenarios/chained.toml").replace("= 100", "= 1000000");
    let ended = trial::run(&Scenario::from_toml(&text).unwrap(), true);
    assert_eq!((ended.violation, ended.tally.effective), (None, 0));
    assert!(!ended.log.iter().any(|line| line.contains("begins: ")));
}

#[test]
fn a_fault_is_aimed_at_whoever_leads_or_at_the_clients() {
    let text = r#"
        seed = 1
        nodes = 3
        time_ms = 8000
        rest_ms = 100

        [[faults]]
        trigger = "leader-seen"
        lasts_ms = 4000
        action = "kill"
        target = "leader"

        [[faults]]
        at_ms = 3000
        lasts_ms = 500
        action = "pause"
        target = "leader"

        [[faults]]
        at_ms = 5000
        lasts_ms = 500
        action = "isolate"
        target = "clients"
    "#;
    let scenario = Scenario::from_toml(text).unwrap();
    assert_eq!(scenario.faults[0].target, Target::Leader);
    let ended = check(&scenario);
    assert!(scenario.changes_leader() && ended.tally.crashes >= 1, "{:?}", ended.tally);
}

/// What a live run draws of its clients is obeyed here, too: who is hasty gives up, and few keys
/// are few.
#[test]
fn hasty_clients_and_few_keys_are_those_of_the_scenario() {
    let text = r#"
        seed = 3
        nodes = 3
        time_ms = 6000
        timeout_ms = 4000
        rest_ms = 50

        [[faults]]
        at_ms = 2000
        lasts_ms = 2000
        action = "pause"
    "#;
    let usual = Scenario::from_toml(text).unwrap();
    let keys = |ended: &RunResult| {
        let asked = ended.log.iter().filter(|line| line.contains(" asks: "));
        let key = |line: &String| line.split("key: ").nth(1).map(str::to_owned);
        let key = |line| key(line).map(|rest| rest.split('"').nth(1).unwrap().to_owned());
        asked.filter_map(key).collect::<std::collections::BTreeSet<String>>().len()
    };
    let patient = check_told(&usual, true);
    let hasty = check_told(&Scenario { hasty_ms: Millis(300), ..usual.clone() }, true);
    let few = check_told(&Scenario { keys: 1, ..usual }, true);
    let unknown = [&patient, &hasty].map(|ended| ended.outcomes.unknown);
    assert!(unknown[1] > unknown[0] + 3, "{unknown:?}");
    assert!(keys(&few) < keys(&patient), "{} and {}", keys(&few), keys(&patient));
}

/// Whoever gives up before an answer can be there says nothing of the system.
#[test]
fn a_client_without_patience_is_no_lack_of_progress() {
    for (timeout_ms, hasty_ms, delay_ms) in [(1, 0, 0), (4_000, 1, 0), (100, 0, 200)] {
        let mut scenario = Scenario::calm(Seed(4), 3, Millis(1_000));
        (scenario.timeout_ms, scenario.hasty_ms) = (Millis(timeout_ms), Millis(hasty_ms));
        scenario.rest_ms = Millis(100);
        scenario.conditions.client_links.delay_ms = Millis(delay_ms);
        let ended = trial::run(&scenario, false);
        assert_eq!(ended.violation, None, "{timeout_ms} ms, {hasty_ms} ms, {delay_ms} ms");
    }
}

/// Five nodes of which two are cut off for long, and clients that ask those two alone.
fn pinned_to_the_cut_off(seed: u64) -> Scenario {
    let cut_off = Target::of([1, 2].map(NodeId).into());
    let fault = PlannedFault::new(Millis(5_000), Millis(50_000), Action::Isolate, cut_off);
    Scenario {
        clients: 2,
        rest_ms: Millis(100),
        pinned: PartsPerMillion(1_000_000),
        faults: vec![fault],
        ..Scenario::calm(Seed(seed), 5, Millis(60_000))
    }
}

#[test]
fn clients_of_nodes_that_are_cut_off_wait_for_them_and_read_all_in_the_end() {
    for seed in 1..5 {
        let scenario = pinned_to_the_cut_off(seed);
        assert_eq!([0, 1].map(|it| scenario.pin_of(it)), [1, 2].map(|it| Some(NodeId(it))));
        let ended = check_told(&scenario, true);
        assert!(ended.outcomes.failed > 10, "{:?}", ended.outcomes);
        // The last reads are asked of whoever leads, and so all of them are answered.
        let healed = ended.log.iter().position(|line| line.ends_with("all faults end")).unwrap();
        let told = |words: &str| ended.log[healed..].iter().filter(|it| it.contains(words)).count();
        assert!(told(" is told Ok ") > 0, "seed {seed}");
    }
}

#[test]
fn where_another_client_follows_the_leader_it_is_answered_meanwhile() {
    let mut served = 0;
    for seed in 1..9 {
        let half = PartsPerMillion(500_000);
        let scenario = Scenario { pinned: half, clients: 4, ..pinned_to_the_cut_off(seed) };
        served += u64::from(check(&scenario).outcomes.ok > 300);
    }
    assert!(served >= 6, "{served} of 8");
}
