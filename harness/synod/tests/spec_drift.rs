//! A rule that is changed in one place only is noticed in another.
//!
//! Each rule that can be switched off is switched off in the relation and not in the model, and in
//! the model and not in the relation. Beyond the rules with a name, each guard of a model is left
//! out once, and each update. The comparison of `spec_models.rs` must object every time; where it
//! cannot, the reason stands here. `docs/book/pages/drift.md` has the table, with the other places.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(clippy::print_stdout, reason = "a test says what noticed a change")]

#[path = "spec/explore.rs"]
#[allow(dead_code, reason = "the exploration without a model is another test's")]
mod explore;
#[path = "spec/image_log.rs"]
mod image_log;
#[path = "spec/image_single.rs"]
mod image_single;
#[path = "spec/settings.rs"]
mod settings;
#[path = "spec/tie.rs"]
#[allow(dead_code, reason = "a complete comparison is another test's")]
mod tie;

use synod_prove::finite::Finite;
use synod_prove::{MODELS, Model};
use synod_simulated::spec::multi_paxos::{self, MultiPaxos};
use synod_simulated::spec::quorums;
use synod_simulated::spec::synod::{self, Synod};

use explore::Start;
use image_log::Log;
use image_single::Single;
use settings::{log, single, split, three_ballots};
use tie::{Drift, Tied, difference};

/// A change that shows at all shows within so many states.
const STATES_MAX: usize = 60_000;

/// In so many states every action is taken in every way that a guard is about.
const STATES_FEW: usize = 9_000;

/// Changes a rule in the relation, and then in the model, and prints what notices it.
fn noticed<T: Tied>(model: &str, rule: &str, changed: &T, whole: &T) {
    let relation = difference(&tie::model(model, None), changed, STATES_MAX);
    let relation = relation.unwrap_or_else(|| panic!("{rule}: changed in the relation, unnoticed"));
    println!("{model} {rule}: changed in the relation: {relation}");
    let proved = difference(&tie::model(model, Some(rule)), whole, STATES_MAX);
    let proved = proved.unwrap_or_else(|| panic!("{rule}: changed in the model, unnoticed"));
    println!("{model} {rule}: changed in the model: {proved}");
}

#[test]
fn a_rule_of_one_decree_that_changes_is_noticed() {
    let rules = [
        ("anyvalue", synod::Broken::AnyValue, 2),
        ("anyvote", synod::Broken::AnyVote, 3),
        ("twovalues", synod::Broken::TwoValues, 2),
        ("belowpromise", synod::Broken::BelowPromise, 2),
    ];
    for (rule, broken, ballots) in rules {
        let changed = Single(Synod { broken, ..single(ballots) });
        noticed("Synod", rule, &changed, &Single(single(ballots)));
    }
}

#[test]
fn a_rule_of_the_log_that_changes_is_noticed() {
    use multi_paxos::Broken;
    let learners =
        |learners: &[u8]| MultiPaxos { learners: learners.iter().copied().collect(), ..log() };
    let torn = || MultiPaxos { torn: true, ..learners(&[1, 2]) };
    let rules = [
        ("silentprefix", Broken::SilentPrefix, learners(&[1]), Start::Led),
        ("anydecree", Broken::AnyDecree, log(), Start::Led),
        ("anyvote", Broken::AnyVote, three_ballots(log()), Start::Led),
        ("belowchosen", Broken::BelowChosen, learners(&[1]), Start::Led),
        ("belowpromise", Broken::BelowPromise, log(), Start::Led),
        ("mixedballots", Broken::MixedBallots, learners(&[1, 2]), Start::Led),
        ("copiedslots", Broken::CopiedSlots, learners(&[1, 2, 3]), Start::Led),
        ("learnany", Broken::LearnAny, learners(&[1, 2, 3]), Start::Led),
        ("learnabove", Broken::LearnAbove, learners(&[1, 2, 3]), Start::Led),
        ("belowannounced", Broken::BelowAnnounced, learners(&[1, 2, 3]), Start::Led),
        ("anyrecord", Broken::AnyRecord, learners(&[1, 2]), Start::Led),
        ("lastrecord", Broken::LastRecord, learners(&[1, 2]), Start::Led),
        ("hiddencopy", Broken::HiddenCopy, torn(), Start::Led),
        ("falsecopy", Broken::FalseCopy, split(), Start::Split),
    ];
    for (rule, broken, relation, start) in rules {
        let changed = Log { relation: MultiPaxos { broken, ..relation.clone() }, start };
        noticed("MultiPaxos", rule, &changed, &Log { relation, start });
    }
}

/// Quorums that do not meet are no rule of a step: the relation's are given to it, and the model
/// assumes of them that they meet.
#[test]
fn quorums_that_do_not_meet_are_noticed() {
    let few = Single(Synod { quorum1: quorums(3, 1), ..single(2) });
    let drift = difference(&tie::model("Synod", None), &few, 1);
    assert!(matches!(drift, Some(Drift::Violated(ref claim, _)) if claim == "QuorumIntersection"));
    let few = MultiPaxos { quorum1: quorums(3, 1), ..log() };
    let few = Log { relation: few, start: Start::Init };
    let drift = difference(&tie::model("MultiPaxos", None), &few, 1);
    assert!(matches!(drift, Some(Drift::Violated(ref claim, _)) if claim == "QuorumIntersection"));
}

/// Leaves out each guard and each update of a model, and lists those that nobody misses.
fn unnoticed(name: &str, differs: impl Fn(&Finite, &str) -> Option<Drift>) -> Vec<String> {
    let source = MODELS.iter().find(|source| source.name == name).unwrap();
    let whole = Model::read(source.path, source.text).unwrap();
    let mut missed = Vec::new();
    let mut count = 0;
    let mut left_out = |changed: &Model, what: String| {
        count += 1;
        if differs(&Finite::new(changed, None), &what).is_none() {
            missed.push(what);
        }
    };
    for (at, action) in whole.actions.iter().enumerate() {
        for guard in 0..action.guards.len() {
            let mut changed = whole.clone();
            changed.actions[at].guards.remove(guard);
            left_out(&changed, format!("{} guard {guard}", action.name));
        }
        for update in 0..action.updates.len() {
            let mut changed = whole.clone();
            let relation = changed.actions[at].updates.remove(update).relation;
            left_out(&changed, format!("{} sets {relation}", action.name));
        }
    }
    println!("{name}: {count} guards and updates, {} are not missed: {missed:?}", missed.len());
    missed
}

#[test]
fn each_guard_and_update_of_one_decree_is_missed() {
    let relation = Single(single(2));
    let missed = unnoticed("Synod", |finite, _| difference(finite, &relation, STATES_FEW));
    let expected: Vec<&str> = EXCUSED_SINGLE.iter().map(|(what, _)| *what).collect();
    assert_eq!(missed, expected);
}

#[test]
fn each_guard_and_update_of_the_log_is_missed() {
    let with = |learners: &[u8]| MultiPaxos {
        learners: learners.iter().copied().collect(),
        values: [1].into(),
        ..log()
    };
    let begun = Log { relation: with(&[1, 2]), start: Start::Init };
    let led = Log { relation: with(&[2, 3]), start: Start::Led };
    let torn = MultiPaxos { late: true, torn: true, ..with(&[1, 2]) };
    let torn = Log { relation: torn, start: Start::Led };
    let deep = MultiPaxos { values: [1, 2].into(), ..with(&[1, 2, 3]) };
    let deep = Log { relation: deep, start: Start::Led };
    let missed = unnoticed("MultiPaxos", |finite, what| {
        let few = [&begun, &led, &torn];
        let few = few.into_iter().find_map(|log| difference(finite, log, STATES_FEW / 10));
        let is_excused = EXCUSED_LOG.iter().any(|(excused, _)| *excused == what);
        few.or_else(|| difference(finite, &deep, if is_excused { 1 } else { STATES_FEW }))
    });
    let expected: Vec<&str> = EXCUSED_LOG.iter().map(|(what, _)| *what).collect();
    assert_eq!(missed, expected);
}

/// What the comparison cannot miss, and why.
const EXCUSED_SINGLE: &[(&str, &str)] = &[
    ("Phase1a guard 0", "the relation knows no ballot that stands for none"),
    ("Phase1b guard 2", "a message is sent with a number of its own"),
    ("Phase2a guard 0", "as in Phase1a"),
    ("Phase2a guard 2", "no other promises are offered"),
    ("Phase2a guard 3", "promises of others allow no more"),
];

const EXCUSED_LOG: &[(&str, &str)] = &[
    ("Phase1a guard 0", "the relation knows no ballot that stands for none, or for all"),
    ("Phase1b guard 2", "a message is sent with a number of its own"),
    ("Phase2a guard 0", "as in Phase1a"),
    ("Phase2a guard 4", "promises of others allow no more"),
    ("Choose guard 2", "only what was proposed is voted for"),
    ("Announce guard 0", "as in Phase1a"),
    ("Announce guard 1", "who does not learn knows nothing"),
    ("Learn guard 2", "only real ballots are announced"),
    ("Copy guard 1", "who does not learn knows nothing"),
    ("Copy guard 3", "what is learned is known"),
    ("Copy guard 5", "no copy is offered that the relation would not keep"),
];
