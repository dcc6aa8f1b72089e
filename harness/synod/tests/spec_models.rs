//! The models of `paxos/proof` are those of the relations, and so of the specifications.
//!
//! Each configuration of `paxos/spec/cfg` that is explored here is explored in every state and for
//! every step: what the relation does, the model does, and nothing else, and all invariants of the
//! model hold. The counts are those that `paxos/spec/counts.tsv` pins for the TLA+ modules, so the
//! three say the same. `SYNOD_MODEL=large` compares the larger ones, too, which takes minutes.
//! `spec_drift.rs` shows that a rule that changes in one of them is noticed.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(clippy::print_stdout, reason = "a test says what it compared")]

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
#[allow(dead_code, reason = "a search for a difference is another test's")]
mod tie;

use synod_simulated::spec::multi_paxos::MultiPaxos;
use synod_simulated::spec::quorums;
use synod_simulated::spec::synod::Synod;

use explore::{Start, is_large, pinned};
use image_log::Log;
use image_single::Single;
use settings::{log, single, split, three_ballots};
use tie::compare;

/// Larger models are compared only where they are asked for.
const SMALL_MAX: usize = 40_000;

fn same(name: &str, relation: MultiPaxos, start: Start) {
    let states = pinned(name);
    if states > SMALL_MAX && !is_large() {
        println!("skipped: SYNOD_MODEL=large compares the {states} states of {name}");
        return;
    }
    let compared = compare(name, &tie::model("MultiPaxos", None), &Log { relation, start });
    let compared = compared.unwrap_or_else(|drift| panic!("{name}: {drift}\n{drift:?}"));
    assert_eq!(compared.states, states, "{name}: not the states of the specification");
    assert!(compared.steps > 0 && compared.refusals > 0, "{name}: nothing was compared");
}

fn same_single(name: &str, relation: Synod) {
    let compared = compare(name, &tie::model("Synod", None), &Single(relation));
    let compared = compared.unwrap_or_else(|drift| panic!("{name}: {drift}\n{drift:?}"));
    assert_eq!(compared.states, pinned(name), "{name}: not the states of the specification");
    assert!(compared.steps > 0 && compared.refusals > 0, "{name}: nothing was compared");
}

#[test]
fn the_model_of_one_decree_is_the_relation() {
    same_single("MCSynod", single(2));
    let flexible = Synod { quorum1: quorums(3, 3), quorum2: quorums(3, 1), ..single(2) };
    same_single("MCSynodFlexible", flexible);
    if is_large() {
        same_single("MCSynodThree", single(3));
    }
}

#[test]
fn the_model_of_the_log_is_the_relation_with_gaps() {
    let gap = MultiPaxos { values: [1].into(), last: 2, ..log() };
    same("MCMultiPaxosGap", gap, Start::Led);
    let base = MultiPaxos { values: [1].into(), noop: 1, last: 2, ..log() };
    same("MCMultiPaxosBase", base, Start::Init);
}

#[test]
fn the_model_of_the_log_is_the_relation_with_learners() {
    let learners = MultiPaxos { learners: [1, 2].into(), ..log() };
    same("MCMultiPaxosLed", learners.clone(), Start::Led);
    same("MCMultiPaxos", learners.clone(), Start::Init);
    let all = MultiPaxos { learners: [1, 2, 3].into(), ..log() };
    same("MCMultiPaxosAllLearn", all, Start::Led);
    let late = MultiPaxos { values: [1].into(), late: true, ..learners };
    same("MCMultiPaxosLateLearn", late, Start::Led);
}

#[test]
fn the_model_of_the_log_is_the_relation_with_late_promises_and_three_ballots() {
    same("MCMultiPaxosLate", MultiPaxos { late: true, ..log() }, Start::Init);
    same("MCMultiPaxosThree", three_ballots(log()), Start::Led);
}

#[test]
fn the_model_of_the_log_is_the_relation_where_words_are_lost() {
    let torn = MultiPaxos { learners: [1, 2].into(), torn: true, ..log() };
    same("MCMultiPaxosTorn", torn, Start::Init);
    same("MCMultiPaxosSplit", split(), Start::Split);
}
