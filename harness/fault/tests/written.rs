//! Scenarios as text: whatever is written is read back, and whatever is wrong is refused with its
//! line and a remedy.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::BTreeSet;

use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use synod_fault::nemesis::{FaultKind, Nemesis};
use synod_fault::swarm::SwarmConfig;
use synod_fault::varied::VariedConfig;
use synod_fault::{
    Abilities, Action, Conditions, DiskFault, LinkId, LinkRules, Malformed, Millis, NodeId,
    PartsPerMillion, PlannedFault, RateLimit, Scenario, Shape, Target, Transports, Trigger, swarm,
    varied,
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

fn ppm() -> impl Strategy<Value = i32> {
    -999_999..=999_999
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
    let all: Vec<NodeId> = (1..=NODES).map(NodeId).collect();
    let order = Just(all).prop_shuffle();
    (0..5, order, 1..4_usize, 3..=5_usize).prop_map(|(which, order, first, second)| {
        let (one, other) = order[..second].split_at(first.min(second - 1));
        let (node, middle) = (one[0], *order.last().unwrap());
        let one: BTreeSet<NodeId> = one.iter().copied().collect();
        let mut other: BTreeSet<NodeId> = other.iter().copied().collect();
        match which {
            0 => Shape::Split { one, other },
            1 => {
                other.remove(&middle);
                Shape::Bridge { middle, one, other }
            }
            2 => Shape::Ring { order },
            3 => Shape::Mute { node, others: other },
            _ => Shape::Deaf { node, others: other },
        }
    })
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
            DiskFault::ShortWrites,
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
    let link = (0..=NODES, 1..=NODES).prop_filter("a link has two ends", |(one, two)| one != two);
    let link = link.prop_map(|(one, two)| LinkId::new(NodeId(one), NodeId(two)));
    let machines = prop_oneof![
        prop::sample::select(vec![Action::Kill, Action::PowerLoss, Action::Pause, Action::Retire]),
        ppm().prop_map(|ppm| Action::ClockRate { ppm }),
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
    let clocks = prop_oneof![Just(Vec::new()), vec(ppm(), usize::from(NODES))];
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
            // What is drawn may come too late, or hit nothing.
            nemesis: swarm::NAME.to_owned(),
            reason,
            system,
            clients,
            conditions,
            faults,
            ..Scenario::calm(Seed(seed), NODES, time_ms.max(Millis(1)))
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
    check("nodes = 3", "nodes = 0", "line 2: a run has a node", "or more");
    check("node = 2", "nodes = []", "line 5: fault 1: it hits no node", "");
    check("{ node = 2 }", "\"clients\"", "line 5: fault 1: `kill` is nothing", "");
    check("{ node = 2 }", "{ node = 0 }", "line 5: fault 1: `kill` is nothing", "");
    let disturbed = "action = { disturb = { loss = 9 } }\ntarget = { nodes = [0, 1] }";
    let aimed = "action = \"kill\"\ntarget = { node = 2 }";
    check(aimed, disturbed, "line 5: fault 1: `disturb` is for links between nodes, and 0 is", "");
    let flapping = "action = \"kill\"\nflaps_ms = 5";
    check("action = \"kill\"", flapping, "line 5: fault 1: `kill` does not come and go", "");
    let aimed = "action = { cut = [\"1->2\"] }\ntarget = \"leader\"";
    check("action = { cut = [\"1->2\"] }", aimed, "line 11: fault 2: `cut` says itself", "");
    check("seed = 7", "format = 1\nseed = 7", "it was written by another version", "anew");
    let clocks = "[conditions]\nclock_ppm = [1]\n\n[[faults]]";
    check("[[faults]]", clocks, "line 6: `clock_ppm` has 1 numbers for 3 nodes", "none at all");
    let small = "nodes = 2";
    let text = GOOD.replace("nodes = 3", small).replace("{ node = 2 }", "\"minority\"");
    let words = Scenario::from_toml(&text).expect_err(small).to_string();
    assert!(words.contains("2 nodes have no minority"), "{words}");
}

#[test]
fn bytes_that_are_no_letters_are_told_by_their_line() {
    let latin = [GOOD.as_bytes(), b"# t\xe9\n"].concat();
    let words = Scenario::parse("mine.toml", &latin).expect_err("latin").to_string();
    assert_eq!(words, "line 15: these bytes are no UTF-8; save the file as UTF-8");
    assert!(Scenario::parse("mine.toml", format!("\u{feff}{GOOD}").as_bytes()).is_ok());
}

#[test]
fn a_number_that_there_cannot_be_is_refused_with_its_line_and_its_range() {
    let range = "expected a seed, which is a number from 0 to 18446744073709551615; ";
    for seed in ["-1", "\"abc\"", "99999999999999999999", "\"18446744073709551616\"", "1.5"] {
        let text = GOOD.replace("seed = 7", &format!("seed = {seed}"));
        let words = Scenario::from_toml(&text).expect_err(seed).to_string();
        assert!(words.starts_with("line 1: ") && words.contains(range), "{words}");
    }
    let text = GOOD.replace("seed = 7", "seed = \"18446744073709551615\"");
    assert_eq!(Scenario::from_toml(&text).unwrap().seed, Seed(u64::MAX));
    let whole = "expected a whole number from 0 to 65535; ";
    for nodes in ["-1", "70000", "\"3\"", "3.0"] {
        let text = GOOD.replace("nodes = 3", &format!("nodes = {nodes}"));
        let words = Scenario::from_toml(&text).expect_err(nodes).to_string();
        assert!(words.starts_with("line 2: ") && words.contains(whole), "{words}");
    }
    check("time_ms = 9000", "time_ms = 0", "line 3: `time_ms` is 0, and not from 1", "range");
    check("seed = 7", "clients = 5000\nseed = 7", "line 1: 5000 clients are too many", "");
    check("seed = 7", "pinned = 2000000\nseed = 7", "line 1: `pinned` is 2000000 in", "");
    let links = "[conditions]\nlinks = { loss = 2000000 }\n\n[[faults]]";
    check("[[faults]]", links, "line 6: `loss` is 2000000 in 1000000", "");
    let late = "action = { disk = { power-fails-at = { operations = 18446744073709551615 } } }";
    let text = GOOD.replace("{ cut = [\"1->2\"] }", &late["action = ".len()..]);
    let words = Scenario::from_toml(&text).expect_err(late).to_string();
    assert!(words.contains("operations"), "{words}");
    let late = late.replace("18446744073709551615", "9000000000000000000");
    check("action = \"kill\"", &late, "line 5: fault 1: `operations` is 9000000", "come to");
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

/// A fault that never comes would be left out, and a run that left it out would pass.
#[test]
fn a_fault_that_somebody_wrote_and_that_can_do_nothing_is_refused() {
    for at in [9_000, 9_001, 40_000] {
        let words = format!("line 11: fault 2: it begins at {at} ms of 9000, and so never; ");
        check("at_ms = 2000", &format!("at_ms = {at}"), &words, "to more");
    }
    check("time_ms = 9000", "time_ms = 2000", "line 11: fault 2: it begins at 2000 ms of 2", "");
    let cut = "{ cut = [\"1->2\"] }";
    for nothing in [
        "\"isolate\"",
        "\"mute\"",
        "\"deafen\"",
        "{ cut = [] }",
        "{ disturb = {} }",
        "{ disturb = { stall_ms = 0 } }",
        "{ partition = { split = { one = [], other = [2] } } }",
        "{ partition = { mute = { node = 1, others = [] } } }",
        "{ partition = { ring = { order = [1] } } }",
        "{ disturb = { loss = 10000 } }\ntarget = { node = 0 }",
    ] {
        check(cut, nothing, "line 11: fault 2: there is nothing that it hits: ", "with others");
        // A generator may draw it, and the run tells of it.
        let drawn = GOOD.replace("seed = 7", "seed = 7\nnemesis = \"swarm\"");
        let drawn = drawn.replace(cut, nothing).replace("at_ms = 2000", "at_ms = 9001");
        assert!(Scenario::from_toml(&drawn).is_ok(), "{drawn}");
        // Of itself it says that it was drawn by nobody.
        for nemesis in ["calm", "by-hand", "myself"] {
            let named = format!("seed = 7\nnemesis = \"{nemesis}\"");
            let text = GOOD.replace("seed = 7", &named).replace(cut, nothing);
            let words = Scenario::from_toml(&text).expect_err(&text).to_string();
            assert!(words.starts_with("line 12: fault 2: there is nothing"), "{words}");
        }
        for nothing in [
            "{ clock-rate = { ppm = 0 } }",
            "{ clock-jump = { ms = 0 } }",
            "{ disk = { slow = { ms = 0 } } }",
        ] {
            check(cut, nothing, "line 11: fault 2: nothing comes of it: ", "than nothing");
        }
    }
}

#[test]
fn a_fault_of_which_nothing_can_come_is_refused() {
    let (kill, end) = ("\"kill\"", "more than nothing");
    for nothing in [
        "{ clock-rate = { ppm = 0 } }",
        "{ clock-jump = { ms = 0 } }",
        "{ disk = { slow = { ms = 0 } } }",
    ] {
        check(kill, nothing, "line 5: fault 1: nothing comes of it: ", end);
    }
    for nothing in [
        "{ disturb = { reorder = 500000 } }",
        "{ disturb = { duplicate_late_ms = 50 } }",
        "{ disturb-inbound = { reorder_late_ms = 50 } }",
        "{ disturb = { stall = 500000 } }",
    ] {
        check(kill, nothing, "line 5: fault 1: there is nothing that it hits: ", "");
    }
    let cut = "lasts_ms = 500\naction = { cut";
    let words = "line 11: fault 2: nothing comes of it in no time: cut 1->2; ";
    check(cut, "lasts_ms = 0\naction = { cut", words, "to 1 or more");
    for (action, is_refused) in [
        ("\"pause\"", true),
        ("{ clock-jump = { ms = 9 } }", true),
        ("{ disk = \"sync-fails\" }", true),
        ("{ disk = \"rolled-back\" }", true),
        ("\"kill\"", false),
        ("\"power-loss\"", false),
        ("\"retire\"", false),
        ("{ disk = \"rot\" }", false),
    ] {
        let text = GOOD.replacen("500", "0", 1).replace(kill, action);
        assert_eq!(Scenario::from_toml(&text).is_err(), is_refused, "{action}");
    }
}

/// The harsher of two rules is in force, so that a fault as mild as what there is anyway is none.
#[test]
fn a_fault_that_is_no_harsher_than_the_conditions_is_refused() {
    let with = |conditions: &str, target: &str| {
        let text =
            GOOD.replacen("[[faults]]", &format!("[conditions]\n{conditions}\n\n[[faults]]"), 1);
        let action = "action = { disturb = { loss = 9, jitter_ms = 5 } }";
        let text = text.replace("action = \"kill\"\ntarget = { node = 2 }", action);
        let text = text.replace(action, &format!("{action}\ntarget = \"{target}\""));
        Scenario::from_toml(&text).map_err(|error| error.to_string())
    };
    let as_bad = "links = { loss = 9, jitter_ms = 6 }";
    let words = with(as_bad, "all").unwrap_err();
    let begin = "line 8: fault 1: nothing comes of it: links do as much all the time: ";
    assert!(words.starts_with(begin), "{words}");
    assert!(with(as_bad, "clients").is_ok(), "links of clients are others");
    assert!(with(&format!("client_{as_bad}"), "clients").is_err());
    assert!(with(&format!("client_{as_bad}"), "all").is_ok());
    assert!(with("links = { loss = 9, jitter_ms = 4 }", "all").is_ok(), "it is worse by a little");
}

/// Clients have no number to a disturbance, which would hit the others whom it names alone.
#[test]
fn a_disturbance_of_nodes_and_clients_together_is_refused() {
    let begin = "line 5: fault 1: `disturb` is for links between nodes, and 0 is the clients";
    check(
        "action = \"kill\"\ntarget = { node = 2 }",
        "action = { disturb = { loss = 9 } }\ntarget = { nodes = [0, 2] }",
        begin,
        "`target = \"clients\"`",
    );
    let inbound = "action = { disturb-inbound = { loss = 9 } }\ntarget = { node = 0 }";
    let begin = begin.replace("disturb", "disturb-inbound");
    check("action = \"kill\"\ntarget = { node = 2 }", inbound, &begin, "`target = \"clients\"`");
}

#[test]
fn more_faults_than_a_run_can_look_at_are_refused() {
    let cut = "{ cut = [\"1->2\"] }";
    let flapping = |period: u64| {
        let long =
            GOOD.replace("lasts_ms = 500\naction = { cut", "lasts_ms = 86400000\naction = { cut");
        long.replace(cut, &format!("{cut}\nflaps_ms = {period}"))
    };
    assert!(Scenario::from_toml(&flapping(864)).is_ok());
    let words = Scenario::from_toml(&flapping(863)).unwrap_err().to_string();
    assert!(words.contains("it comes and goes 100115 times: 100000 is the most"), "{words}");
    let fault = "[[faults]]\nat_ms = 1\nlasts_ms = 5\naction = \"kill\"\ntarget = \"leader\"\n";
    let text = "seed = 1\nnodes = 3\ntime_ms = 9000\n".to_owned() + &fault.repeat(10_001);
    let words = Scenario::from_toml(&text).unwrap_err().to_string();
    assert!(words.contains("10001 faults are too many: 10000 is the most"), "{words}");
}

#[test]
fn nothing_is_drawn_for_a_cluster_without_nodes_and_no_run_takes_it() {
    let (seed, time_ms, world) = (Seed(1), Millis(30_000), Abilities::live(Transports::default()));
    for nemesis in Nemesis::names().map(|name| name.parse::<Nemesis>().unwrap()) {
        assert_eq!(nemesis.plan(seed, &[], time_ms, world.transports), []);
    }
    let swarm = swarm::draw(seed, &SwarmConfig { nodes: vec![0], ..SwarmConfig::default() });
    let varied = varied::draw(seed, &VariedConfig { nodes: Some(0), time_ms, world });
    for drawn in [swarm, varied] {
        let words = Scenario::from_json(&drawn.to_json()).unwrap_err().to_string();
        assert!(words.contains("a run has a node"), "{words}");
    }
}

#[test]
fn a_number_beyond_its_bound_is_refused() {
    for (from, to, begin) in [
        ("time_ms = 9000", "time_ms = 0", "line 3: `time_ms` is 0, and not from 1 to 86400000; "),
        ("time_ms = 9000", "time_ms = 86400001", "line 3: `time_ms` is 86400001, and not from"),
        ("seed = 7", "seed = 7\nclients = 4097", "line 2: 4097 clients are too many: 4096 is"),
        ("seed = 7", "seed = 7\ntimeout_ms = 0", "line 2: `timeout_ms` is 0, and not from 1"),
        ("seed = 7", "seed = 7\nrest_ms = 600001", "line 2: `rest_ms` is 600001, and not from"),
        ("lasts_ms = 500", "lasts_ms = 86400001", "line 5: fault 1: `lasts_ms` is 86400001, long"),
        ("\"kill\"", "{ clock-jump = { ms = 86400001 } }", "line 5: fault 1: `ms` is 86400001"),
        ("\"kill\"", "{ clock-rate = { ppm = -1000000 } }", "line 5: fault 1: no clock is off by"),
        ("\"kill\"", "{ disturb = { loss = 1000001 } }", "line 5: fault 1: `loss` is 1000001 in"),
        ("\"kill\"", "{ disturb = { delay_ms = 86400001 } }", "line 5: fault 1: `delay_ms` is"),
        ("\"1->2\"", "\"1->1\"", "line 11: fault 2: `1->1` is no link; name two nodes"),
        (
            "{ cut = [\"1->2\"] }",
            "{ partition = { split = { one = [1, 2], other = [2] } } }",
            "line 11: fault 2: a node stands twice in `1 2 | 2`; name each node once",
        ),
        (
            "{ cut = [\"1->2\"] }",
            "{ partition = { ring = { order = [1, 1, 2] } } }",
            "line 11: fault 2: a node stands twice in `ring 1 1 2`",
        ),
        ("[[faults]]", "[conditions]\nsync_us = 60000001\n\n[[faults]]", "line 6: `sync_us`"),
        (
            "[[faults]]",
            "[conditions]\nclock_ppm = [0, 0, 1000000]\n\n[[faults]]",
            "line 6: no clock",
        ),
        ("[[faults]]", "[conditions.links]\nloss = 2000000\n\n[[faults]]", "line 5: `loss` is 2"),
    ] {
        check(from, to, begin, "");
    }
}

/// However its header is written, a fault is told by its line.
#[test]
fn a_fault_is_found_by_its_header_with_a_remark_and_with_blanks() {
    for header in ["[[faults]] # the first", "  [[ faults ]]", "[[faults]]#1"] {
        let text = GOOD.replacen("[[faults]]", header, 1).replace("node = 2", "node = 4");
        let words = Scenario::from_toml(&text).expect_err(header).to_string();
        assert!(words.starts_with("line 5: fault 1: there is no node 4"), "{words}");
    }
}

/// Places are told in lines, which are counted in bytes that may be the middle of a letter.
#[test]
fn no_letter_at_no_place_keeps_an_error_from_being_told() {
    let mut refused = 0;
    for letters in
        ["\u{e9}", "\u{65e5}", "\u{1f980}", "\u{feff}", "\r\n", "\0", "\"\u{e9}", "\\\u{e9}"]
    {
        for place in 0..=GOOD.len() {
            let (before, after) = GOOD.split_at(place);
            let text = format!("{before}{letters}{after}");
            if let Err(Malformed { line: Some(line), .. }) =
                Scenario::parse("it.toml", text.as_bytes())
            {
                assert!(line <= text.lines().count() + 1, "{text}");
                refused += 1;
            }
            // Nor does one in JSON, or one that cuts the text off.
            assert!(Scenario::parse("it.json", text.as_bytes()).is_err());
            assert!(place == GOOD.len() || Scenario::parse("it.json", before.as_bytes()).is_err());
        }
    }
    assert!(refused > 1_000, "{refused}");
}

#[test]
fn a_plan_that_is_no_json_is_told_by_its_line_once() {
    let good = Scenario::from_toml(GOOD).unwrap().to_json();
    for (text, begin) in [
        ("", "line 1: EOF while parsing a value; "),
        (good.split_at(40).0, "line 4: EOF while parsing a value; "),
        (good.replace("nodes", "knots").as_str(), "line 4: unknown field `knots`, expected one"),
    ] {
        let words = Scenario::from_json(text).expect_err(text).to_string();
        assert!(words.starts_with(begin) && !words.contains(" column "), "{words}");
    }
}

#[test]
fn a_seed_too_large_for_toml_is_written_as_digits() {
    let scenario = Scenario::calm(Seed(u64::MAX), 1, Millis(1));
    let text = scenario.to_toml().unwrap();
    assert!(text.contains("seed = \"18446744073709551615\""), "{text}");
    assert_eq!(Scenario::from_toml(&text), Ok(scenario.clone()));
    assert_eq!(Scenario::from_json(&scenario.to_json()), Ok(scenario));
}

/// Every share and every time of links, wherever links are told what to do.
#[test]
fn each_rule_of_links_has_its_bound_wherever_it_is_written() {
    let written = serde_json::to_value(LinkRules {
        cut: true,
        loss: PartsPerMillion(1),
        delay_ms: Millis(1),
        jitter_ms: Millis(1),
        duplicate: PartsPerMillion(1),
        duplicate_late_ms: Millis(1),
        reorder: PartsPerMillion(1),
        reorder_late_ms: Millis(1),
        corrupt: PartsPerMillion(1),
        rate: Some(RateLimit { bytes_per_s: 1, queue_bytes: 1 }),
        stall: PartsPerMillion(1),
        stall_ms: Millis(1),
        reset: PartsPerMillion(1),
        refuse: PartsPerMillion(1),
        half_close: PartsPerMillion(1),
        slice_bytes: 1,
    });
    let written = written.unwrap();
    // Each of the others is a share of a million, or a time of a day.
    let unbounded = ["cut", "rate", "slice_bytes"];
    let mut count = 0;
    for name in written.as_object().unwrap().keys().filter(|name| !unbounded.contains(&&***name)) {
        let beyond = if name.ends_with("_ms") { 86_400_001 } else { 1_000_001 };
        let rule = format!("{name} = {beyond}");
        let told = format!("`{name}` is {beyond}");
        for place in ["links", "client_links"] {
            let conditions = format!("[conditions]\n{place} = {{ {rule} }}\n\n[[faults]]");
            check("[[faults]]", &conditions, &format!("line 6: {told}"), "");
        }
        for action in ["disturb", "disturb-inbound"] {
            let to = format!("{{ {action} = {{ {rule} }} }}");
            check("\"kill\"", &to, &format!("line 5: fault 1: {told}"), "");
        }
        count += 1;
    }
    assert_eq!(count, 13);
}

#[test]
fn what_is_drawn_has_the_bounds_of_what_is_written_and_may_hit_nothing() {
    let late = "line 6: fault 1: `at_ms` is 172800001, longer than any run; ";
    for nemesis in ["swarm", "varied", "mix", "kill-leader"] {
        let named = format!("seed = 7\nnemesis = \"{nemesis}\"");
        let drawn = GOOD.replace("seed = 7", &named);
        let nothing = drawn.replace("{ cut = [\"1->2\"] }", "\"isolate\"");
        assert!(Scenario::from_toml(&nothing).is_ok(), "{nemesis}");
        let words = Scenario::from_toml(&drawn.replace("at_ms = 1000", "at_ms = 172800001"));
        let words = words.expect_err(nemesis).to_string();
        assert!(words.starts_with(late), "{words}");
    }
    for (from, to, begin) in [
        ("seed = 7", "seed = 7\nhasty_ms = 600001", "line 2: `hasty_ms` is 600001, and not from 0"),
        (
            "\"kill\"",
            "{ disk = { slow = { ms = 86400001 } } }",
            "line 5: fault 1: `ms` is 86400001",
        ),
        ("node = 2", "nodes = [0, 2]", "line 5: fault 1: `kill` is nothing that clients suffer"),
        ("] }", "] }\nflaps_ms = 0", "line 11: fault 2: a period of 0 ms has no end; "),
        (
            "{ cut = [\"1->2\"] }",
            "{ disturb-inbound = { loss = 9 } }",
            "line 11: fault 2: `disturb-inbound` is for some nodes, towards which links differ; ",
        ),
        (
            "{ cut = [\"1->2\"] }",
            "{ partition = { mute = { node = 1, others = [1, 2] } } }",
            "line 11: fault 2: a node stands twice in `nobody hears 1`",
        ),
        (
            "{ cut = [\"1->2\"] }",
            "{ partition = { deaf = { node = 1, others = [1, 2] } } }",
            "line 11: fault 2: a node stands twice in `1 hears nobody`",
        ),
        (
            "{ cut = [\"1->2\"] }",
            "{ partition = { bridge = { middle = 1, one = [1, 2], other = [3] } } }",
            "line 11: fault 2: a node stands twice in `1 2 - 1 - 3`",
        ),
    ] {
        check(from, to, begin, "");
    }
}

/// What a field takes is told in the words of the form, and not in those of its reader.
#[test]
fn what_a_field_takes_is_told_without_a_type_of_the_reader() {
    for (from, to, begin) in [
        ("\"kill\"", "{ clock-rate = { ppm = 1.5 } }", "line 8: invalid type: floating point"),
        ("\"kill\"", "{ disturb = { rate = 5 } }", "line 8: invalid type: integer `5`"),
        ("nodes = 3", "nodes = 3\nconditions = { clock_ppm = 5 }", "line 3: invalid type: integer"),
    ] {
        let text = GOOD.replacen(from, to, 1);
        let words = Scenario::from_toml(&text).expect_err(&text).to_string();
        assert!(words.starts_with(begin), "{words}");
        let takes = ["a whole number", "a table with `bytes_per_s` and `queue_bytes`", "a list"];
        let told = takes.iter().any(|takes| words.contains(&format!(", expected {takes}; ")));
        assert!(told, "{words}");
    }
}
