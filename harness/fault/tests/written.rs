//! Scenarios as text: whatever is written is read back, and whatever is wrong is refused with its
//! line and a remedy.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::BTreeSet;

use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use synod_fault::nemesis::FaultKind;
use synod_fault::{
    Action, Conditions, DiskFault, LinkId, LinkRules, Millis, NodeId, PartsPerMillion,
    PlannedFault, RateLimit, Scenario, Shape, Target, Trigger,
};
use synod_rng::Seed;

const NODES: u16 = 5;

fn node() -> impl Strategy<Value = NodeId> {
    (1..=NODES).prop_map(NodeId)
}

fn some_nodes() -> impl Strategy<Value = BTreeSet<NodeId>> {
    btree_set(node(), 1..4)
}

fn ms() -> impl Strategy<Value = Millis> {
    prop_oneof![0..10_u64, 0..100_000_u64].prop_map(Millis)
}

fn rules() -> impl Strategy<Value = LinkRules> {
    let rate = (1..9_000_u64, 0..9_000_u64);
    let rate = rate.prop_map(|(bytes_per_s, queue_bytes)| RateLimit { bytes_per_s, queue_bytes });
    (0..1_000_000_u32, ms(), ms(), any::<bool>(), option::of(rate), 0..70_u32).prop_map(
        |(parts, delay_ms, jitter_ms, cut, rate, slice_bytes)| LinkRules {
            cut,
            loss: PartsPerMillion(parts),
            delay_ms,
            jitter_ms,
            rate,
            slice_bytes,
            ..LinkRules::default()
        },
    )
}

fn shape() -> impl Strategy<Value = Shape> {
    let sides = || (some_nodes(), some_nodes());
    prop_oneof![
        sides().prop_map(|(one, other)| Shape::Split { one, other }),
        (node(), sides()).prop_map(|(middle, (one, other))| Shape::Bridge { middle, one, other }),
        vec(node(), 3..6).prop_map(|order| Shape::Ring { order }),
        (node(), some_nodes()).prop_map(|(node, others)| Shape::Mute { node, others }),
        (node(), some_nodes()).prop_map(|(node, others)| Shape::Deaf { node, others }),
    ]
}

fn disk_fault() -> impl Strategy<Value = DiskFault> {
    prop_oneof![
        ms().prop_map(|ms| DiskFault::Slow { ms }),
        (0..99_u64).prop_map(|operations| DiskFault::PowerFailsAt { operations }),
        prop::sample::select(vec![
            DiskFault::Hung,
            DiskFault::Full,
            DiskFault::SyncFails,
            DiskFault::WriteFails,
            DiskFault::ReadFails,
            DiskFault::Rot,
            DiskFault::RolledBack,
            DiskFault::MadeAnew,
            DiskFault::Foreign,
        ]),
    ]
}

/// Draws what a fault does to whom, and whether it flaps.
fn what() -> impl Strategy<Value = (Action, Target, Option<Millis>)> {
    let target = || {
        prop_oneof![
            Just(Target::Leader),
            node().prop_map(Target::Node),
            some_nodes().prop_map(Target::Nodes),
            Just(Target::Minority),
            Just(Target::All),
        ]
    };
    let link = (0..=NODES, 1..=NODES).prop_map(|(one, two)| LinkId::new(NodeId(one), NodeId(two)));
    let machines = prop_oneof![
        prop::sample::select(vec![Action::Kill, Action::PowerLoss, Action::Pause, Action::Retire]),
        any::<i32>().prop_map(|ppm| Action::ClockRate { ppm }),
        ms().prop_map(|ms| Action::ClockJump { ms }),
        disk_fault().prop_map(Action::Disk),
    ];
    let cuts = prop_oneof![
        shape().prop_map(Action::Partition),
        btree_set(link, 0..4).prop_map(Action::Cut),
    ];
    let ways = prop::sample::select(vec![Action::Isolate, Action::Mute, Action::Deafen]);
    let period = || option::of((1..900_u64).prop_map(Millis));
    let anybody = || prop_oneof![4 => target(), 1 => Just(Target::Clients)];
    prop_oneof![
        (machines, target()).prop_map(|(action, target)| (action, target, None)),
        (rules(), anybody()).prop_map(|(rules, target)| (Action::Disturb(rules), target, None)),
        (ways, anybody(), period()),
        (cuts, period()).prop_map(|(action, period)| (action, Target::All, period)),
    ]
}

fn fault() -> impl Strategy<Value = PlannedFault> {
    let kind = option::of(prop::sample::select(FaultKind::ALL.to_vec()));
    let answered = (0..9_000_u64).prop_map(Trigger::Answered);
    let trigger = prop_oneof![Just(Trigger::Time), Just(Trigger::LeaderSeen), answered];
    let fault = (kind, ms(), trigger, ms(), what()).prop_map(
        |(kind, at_ms, trigger, lasts_ms, (action, target, flaps_ms))| PlannedFault {
            kind,
            at_ms,
            trigger,
            lasts_ms,
            action,
            target,
            flaps_ms,
        },
    );
    let nodes: Vec<NodeId> = (1..=NODES).map(NodeId).collect();
    fault.prop_filter("it hits something", move |fault| !fault.hits_nothing(&nodes))
}

fn scenario() -> impl Strategy<Value = Scenario> {
    let clocks = prop_oneof![Just(Vec::new()), vec(any::<i32>(), usize::from(NODES))];
    let conditions = (rules(), rules(), 0..50_000_u64, clocks).prop_map(
        |(links, client_links, sync_us, clock_ppm)| Conditions {
            links,
            client_links,
            sync_us,
            clock_ppm,
        },
    );
    let conditions = prop_oneof![Just(Conditions::default()), conditions];
    let words = "[ -~\n\"'#=\\[\\]\u{e9}]{0,30}";
    (any::<u64>(), words, words, 1..99_u32, ms(), conditions, vec(fault(), 0..6)).prop_map(
        |(seed, reason, system, clients, time_ms, conditions, faults)| Scenario {
            reason,
            system,
            clients,
            conditions,
            faults,
            ..Scenario::calm(Seed(seed), NODES, time_ms)
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_is_read_back_as_it_was(scenario in scenario()) {
        let text = scenario.to_toml().unwrap();
        prop_assert_eq!(Scenario::from_toml(&text), Ok(scenario.clone()), "{}", text);
        let text = scenario.to_json();
        prop_assert_eq!(Scenario::from_json(&text), Ok(scenario.clone()), "{}", text);
        let drawn = scenario.drawn();
        prop_assert_eq!(&drawn.drawn(), &drawn, "what is drawn stays");
        prop_assert!(drawn.faults.iter().all(|fault| fault.target != Target::Minority));
        prop_assert_eq!(Scenario::from_toml(&drawn.to_toml().unwrap()), Ok(drawn));
    }
}

const GOOD: &str = "\
seed = 7
nodes = 3
time_ms = 9000

[[faults]]
at_ms = 1000
lasts_ms = 500
action = \"kill\"
target = { node = 2 }

[[faults]]
at_ms = 2000
lasts_ms = 500
action = { cut = [\"1->2\"] }
";

/// Expects the text to be refused, once `from` is `to`, with words that begin and end so.
fn check(from: &str, to: &str, begin: &str, end: &str) {
    assert!(GOOD.contains(from), "{from}");
    let text = GOOD.replacen(from, to, 1);
    let words = Scenario::from_toml(&text).expect_err(&text).to_string();
    assert!(words.starts_with(begin) && words.ends_with(end), "{words}");
}

#[test]
fn a_scenario_that_says_little_has_the_usual_rest() {
    let scenario = Scenario::from_toml(GOOD).unwrap();
    assert_eq!((scenario.clients, scenario.workload.as_str()), (8, "mix"));
    assert_eq!((scenario.format, scenario.nemesis.as_str()), (Scenario::FORMAT, "by-hand"));
    assert_eq!(scenario.faults[1].to_string(), "  2000 ms for   500 ms: cut 1->2");
    assert_eq!(scenario.faults[0].to_string(), "  1000 ms for   500 ms: kill, node 2");
}

#[test]
fn a_word_that_there_is_not_is_refused_with_its_line_and_those_that_there_are() {
    check("\"kill\"", "\"kil\"", "line 8: unknown variant `kil`, expected one of", "there are");
    check("lasts_ms", "last_ms", "line 7: unknown field `last_ms`", "words that there are");
    check("nodes = 3", "", "line 1: missing field `nodes`; add it", "");
    check("= 3", "= \"three\"", "line 2: invalid type: string \"three\"", "in full");
    check("\"1->2\"", "\"1-2\"", "line 14: there is no link `1-2`; write \"1->2\"", "in full");
    check("[[faults]]", "[[faults]", "line 5: ", "in full");
}

#[test]
fn what_makes_no_sense_is_refused_with_its_fault_and_a_way_out() {
    check("node = 2", "node = 4", "line 5: fault 1: there is no node 4 among 3; ", "to `nodes`");
    check("1->2", "9->2", "line 11: fault 2: there is no node 9", "");
    check("nodes = 3", "nodes = 0", "a run has a node", "or more");
    check("node = 2", "nodes = []", "line 5: fault 1: it hits no node", "");
    check("{ node = 2 }", "\"clients\"", "line 5: fault 1: `kill` is nothing", "");
    check("{ node = 2 }", "{ node = 0 }", "line 5: fault 1: `kill` is nothing", "");
    let flapping = "action = \"kill\"\nflaps_ms = 5";
    check("action = \"kill\"", flapping, "line 5: fault 1: `kill` does not come and go", "");
    let aimed = "action = { cut = [\"1->2\"] }\ntarget = \"leader\"";
    check("action = { cut = [\"1->2\"] }", aimed, "line 11: fault 2: `cut` says itself", "");
    check("seed = 7", "format = 1\nseed = 7", "it was written by another version", "anew");
    let clocks = "[conditions]\nclock_ppm = [1]\n\n[[faults]]";
    check("[[faults]]", clocks, "`clock_ppm` has 1 numbers for 3 nodes", "none at all");
    let nobody = "hits nothing; name in `target`";
    for action in [
        "\"isolate\"",
        "\"mute\"",
        "\"deafen\"",
        "{ partition = { split = { one = [1], other = [] } } }",
    ] {
        let text = GOOD.replace("{ cut = [\"1->2\"] }", action);
        let words = Scenario::from_toml(&text).expect_err(action).to_string();
        assert!(words.starts_with("line 11: fault 2: `") && words.contains(nobody), "{words}");
    }
    check("[\"1->2\"]", "[]", "line 11: fault 2: `cut` hits nothing; ", "");
    let disturbed = "action = { disturb = { loss = 5 } }\ntarget = { node = 0 }";
    check(
        "action = { cut = [\"1->2\"] }",
        disturbed,
        "line 11: fault 2: `disturb` hits nothing",
        "",
    );
    check(
        "{ cut = [\"1->2\"] }",
        "{ disturb = {} }",
        "line 11: fault 2: `disturb` hits nothing",
        "",
    );
    let small = "nodes = 2";
    let text = GOOD.replace("nodes = 3", small).replace("{ node = 2 }", "\"minority\"");
    let words = Scenario::from_toml(&text).expect_err(small).to_string();
    assert!(words.contains("2 nodes have no minority"), "{words}");
}

/// Whoever looks for the fault that matters leaves others out, and the rest must stay as it was.
#[test]
fn a_fault_that_is_left_out_leaves_the_dice_of_the_others_as_they_were() {
    let fault = |at_ms| PlannedFault::new(Millis(at_ms), Millis(9), Action::Kill, Target::Minority);
    let mut drawn = BTreeSet::new();
    for seed in 0..40 {
        let mut scenario = Scenario::calm(Seed(seed), NODES, Millis(100));
        scenario.faults = vec![fault(1), fault(2), fault(3), fault(3)];
        let all = scenario.drawn().faults;
        drawn.extend(all.iter().map(|fault| fault.target.to_string()));
        for left_out in 0..3 {
            let (mut less, mut rest) = (scenario.clone(), all.clone());
            less.faults.remove(left_out);
            rest.remove(if left_out == 2 { 3 } else { left_out });
            assert_eq!(less.drawn().faults, rest, "seed {seed} without fault {left_out}");
        }
    }
    assert_eq!(drawn.len(), 15, "each node, and each two of five, some day: {drawn:?}");
}

/// Two faults, of which the second waits for the first.
fn chained(trigger: &str) -> String {
    GOOD.replace("at_ms = 2000", &format!("trigger = {trigger}"))
}

#[test]
fn a_fault_may_wait_for_answers_or_for_a_fault_before_it() {
    for (written, trigger, told) in [
        ("{ answered = 40 }", Trigger::Answered(40), "once 40 operations are answered"),
        ("{ begun = 1 }", Trigger::Begun(1), "once fault 1 has begun"),
        ("{ ended = 1 }", Trigger::Ended(1), "once fault 1 has ended"),
    ] {
        let scenario = Scenario::from_toml(&chained(written)).unwrap();
        assert_eq!(scenario.faults[1].trigger, trigger);
        assert!(scenario.faults[1].to_string().ends_with(told), "{}", scenario.faults[1]);
        assert_eq!(Scenario::from_toml(&scenario.to_toml().unwrap()), Ok(scenario.clone()));
        assert_eq!(Scenario::from_json(&scenario.to_json()), Ok(scenario));
    }
    for unfit in ["{ begun = 2 }", "{ ended = 3 }", "{ ended = 0 }"] {
        let words = Scenario::from_toml(&chained(unfit)).expect_err(unfit).to_string();
        assert!(words.starts_with("line 11: fault 2: it waits for fault "), "{words}");
        assert!(words.ends_with("numbered from 1"), "{words}");
    }
}

#[test]
fn who_waits_for_a_fault_follows_it_when_others_are_left_out() {
    let mut scenario = Scenario::from_toml(&chained("{ ended = 1 }")).unwrap();
    let first = scenario.faults[0].clone();
    scenario.faults.insert(0, first.clone());
    scenario.faults[2].trigger = Trigger::Begun(2);
    let mut fewer = scenario.clone();
    fewer.retain_faults(|place, _| place != 0);
    assert_eq!((fewer.faults.len(), fewer.faults[1].trigger), (2, Trigger::Begun(1)));
    scenario.retain_faults(|place, _| place != 1);
    assert_eq!((scenario.faults.len(), scenario.faults[1].trigger), (2, Trigger::Time));
    scenario.retain_faults(|_, fault| *fault == first);
    assert_eq!(scenario.faults, [first]);
}

#[test]
fn a_seed_too_large_for_toml_is_written_as_digits() {
    let scenario = Scenario::calm(Seed(u64::MAX), 1, Millis(1));
    let text = scenario.to_toml().unwrap();
    assert!(text.contains("seed = \"18446744073709551615\""), "{text}");
    assert_eq!(Scenario::from_toml(&text), Ok(scenario.clone()));
    assert_eq!(Scenario::from_json(&scenario.to_json()), Ok(scenario));
}
