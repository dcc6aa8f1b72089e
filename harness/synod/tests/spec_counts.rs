//! Count equivalence: the relations in Rust have exactly the states of the specifications.
//!
//! Each configuration of `paxos/spec/cfg` that checks `Synod` or `MultiPaxos` is explored here with
//! the same constants, and must come to the count of distinct states that `paxos/spec/counts.tsv`
//! pins for it: one integer, to which the specification's checker and this test are both held. The
//! configurations that must fail must fail here at the same property. `cargo xtask model` runs the
//! larger ones, too (`SYNOD_MODEL=large`).
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(clippy::print_stdout, reason = "a test says what it explored")]

#[path = "spec/explore.rs"]
mod explore;
#[path = "spec/settings.rs"]
mod settings;

use synod_simulated::spec::multi_paxos::{self, MultiPaxos};
use synod_simulated::spec::quorums;
use synod_simulated::spec::synod::{self, Synod};

use explore::{Log, Single, Start, explore, is_large, must_fail, pinned};
use settings::{log, single, split, three_ballots};

/// Larger models run only where they are asked for.
const SMALL_MAX: usize = 20_000;

/// Explores a model, unless it is large and large ones were not asked for.
fn counted(name: &str, start: Start, log: MultiPaxos) {
    let states = pinned(name);
    if states > SMALL_MAX && !is_large() {
        println!("skipped: SYNOD_MODEL=large explores the {states} states of {name}");
        return;
    }
    explore(name, Log { start, relation: log, is_silent0: false }, states);
}

#[test]
fn synod_has_the_states_of_its_specification() {
    explore("MCSynod", Single(single(2)), pinned("MCSynod"));
    let flexible = Synod { quorum1: quorums(3, 3), quorum2: quorums(3, 1), ..single(2) };
    explore("MCSynodFlexible", Single(flexible), pinned("MCSynodFlexible"));
}

#[test]
fn synod_of_three_ballots_has_the_states_of_its_specification() {
    if is_large() {
        explore("MCSynodThree", Single(single(3)), pinned("MCSynodThree"));
    } else {
        println!("skipped: SYNOD_MODEL=large explores MCSynodThree");
    }
}

#[test]
fn synod_fails_without_any_of_its_rules() {
    let minority = Synod { quorum1: quorums(3, 1), ..single(2) };
    must_fail("MCSynodMinority", Single(minority), "Agreement");
    let without = |broken, ballots| Single(Synod { broken, ..single(ballots) });
    must_fail("MCSynodAnyValue", without(synod::Broken::AnyValue, 2), "Agreement");
    must_fail("MCSynodTwoValues", without(synod::Broken::TwoValues, 2), "Agreement");
    must_fail("MCSynodBelowPromise", without(synod::Broken::BelowPromise, 2), "Agreement");
    must_fail("MCSynodAnyVote", without(synod::Broken::AnyVote, 3), "SafeAt");
}

#[test]
fn multi_paxos_with_two_slots_has_the_states_of_its_specification() {
    let base = MultiPaxos { values: [1].into(), noop: 1, last: 2, ..log() };
    counted("MCMultiPaxosBase", Start::Init, base);
    let gap = MultiPaxos { values: [1].into(), last: 2, ..log() };
    counted("MCMultiPaxosGap", Start::Led, gap);
}

#[test]
fn multi_paxos_with_learners_has_the_states_of_its_specification() {
    let learners = MultiPaxos { learners: [1, 2].into(), ..log() };
    counted("MCMultiPaxosLed", Start::Led, learners.clone());
    counted("MCMultiPaxos", Start::Init, learners.clone());
    let late = MultiPaxos { values: [1].into(), late: true, ..learners };
    counted("MCMultiPaxosLateLearn", Start::Led, late);
}

/// Where everybody learns, a candidate can announce what another ballot chose and it copied.
#[test]
fn multi_paxos_where_all_learn_has_the_states_of_its_specification() {
    let learners = MultiPaxos { learners: [1, 2, 3].into(), ..log() };
    counted("MCMultiPaxosAllLearn", Start::Led, learners);
}

#[test]
fn multi_paxos_of_three_ballots_has_the_states_of_its_specification() {
    counted("MCMultiPaxosThree", Start::Led, three_ballots(log()));
}

#[test]
fn multi_paxos_with_late_promises_has_the_states_of_its_specification() {
    counted("MCMultiPaxosLate", Start::Init, MultiPaxos { late: true, ..log() });
}

#[test]
fn multi_paxos_with_words_that_are_lost_has_the_states_of_its_specification() {
    let torn = MultiPaxos { learners: [1, 2].into(), torn: true, ..log() };
    counted("MCMultiPaxosTorn", Start::Init, torn);
    counted("MCMultiPaxosSplit", Start::Split, split());
}

#[test]
fn multi_paxos_fails_without_any_of_its_rules_of_copying() {
    let torn = |broken, learners: &[u8]| MultiPaxos {
        broken,
        learners: learners.iter().copied().collect(),
        torn: true,
        ..log()
    };
    let hidden_copy = torn(multi_paxos::Broken::HiddenCopy, &[1, 2]);
    led_must_fail("MCMultiPaxosHiddenCopy", "Agreement", hidden_copy);
    let relation =
        MultiPaxos { broken: multi_paxos::Broken::FalseCopy, learners: [].into(), ..split() };
    let false_copy = Log { start: Start::Split, relation, is_silent0: false };
    must_fail("MCMultiPaxosFalseCopy", false_copy, "Agreement");
}

#[test]
fn multi_paxos_fails_where_it_hands_on_what_it_did_not_learn() {
    let reads = |broken| MultiPaxos { broken, learners: [1, 2].into(), ..log() };
    let any_record = reads(multi_paxos::Broken::AnyRecord);
    led_must_fail("MCMultiPaxosAnyRecord", "ReadBackIsChosen", any_record);
    let last_record = reads(multi_paxos::Broken::LastRecord);
    led_must_fail("MCMultiPaxosLastRecord", "ReadBackIsChosen", last_record);
}

/// Explores a model that begins under a leader, and must fail.
fn led_must_fail(name: &str, property: &'static str, log: MultiPaxos) {
    must_fail(name, Log { start: Start::Led, relation: log, is_silent0: false }, property);
}

#[test]
fn multi_paxos_fails_without_any_of_its_rules_of_voting() {
    let minority = MultiPaxos { quorum1: quorums(3, 1), ..log() };
    led_must_fail("MCMultiPaxosMinority", "Agreement", minority);
    let without = |broken| MultiPaxos { broken, ..log() };
    let any_decree = without(multi_paxos::Broken::AnyDecree);
    led_must_fail("MCMultiPaxosAnyDecree", "Agreement", any_decree);
    let below_promise = without(multi_paxos::Broken::BelowPromise);
    led_must_fail("MCMultiPaxosBelowPromise", "Agreement", below_promise);
    let any_vote = three_ballots(without(multi_paxos::Broken::AnyVote));
    led_must_fail("MCMultiPaxosAnyVote", "Agreement", any_vote);
}

#[test]
fn multi_paxos_fails_without_any_of_its_rules_of_learning() {
    let with = |broken, learners: &[u8]| MultiPaxos {
        broken,
        learners: learners.iter().copied().collect(),
        ..log()
    };
    let below_chosen = with(multi_paxos::Broken::BelowChosen, &[1]);
    led_must_fail("MCMultiPaxosBelowChosen", "Agreement", below_chosen);
    let silent_prefix = with(multi_paxos::Broken::SilentPrefix, &[1]);
    led_must_fail("MCMultiPaxosSilentPrefix", "Agreement", silent_prefix);
    let mixed_ballots = with(multi_paxos::Broken::MixedBallots, &[1, 2]);
    led_must_fail("MCMultiPaxosMixedBallots", "LearnedIsChosen", mixed_ballots);
    let copied_slots = with(multi_paxos::Broken::CopiedSlots, &[1, 2, 3]);
    led_must_fail("MCMultiPaxosCopiedSlots", "LearnedIsChosen", copied_slots);
    let below_announced = with(multi_paxos::Broken::BelowAnnounced, &[1, 2, 3]);
    led_must_fail("MCMultiPaxosBelowAnnounced", "LearnedIsChosen", below_announced);
    let learn_any = with(multi_paxos::Broken::LearnAny, &[1, 2, 3]);
    led_must_fail("MCMultiPaxosLearnAny", "LearnedIsChosen", learn_any);
    // Ballots 0 and 2 belong to one node, and ballot 0 proposes nothing, as in the configuration.
    let learn_above = MultiPaxos {
        owner: [(0, 1), (1, 2), (2, 1)].into(),
        ..with(multi_paxos::Broken::LearnAbove, &[1, 2])
    };
    let learn_above = Log { start: Start::Led, relation: learn_above, is_silent0: true };
    must_fail("MCMultiPaxosLearnAbove", learn_above, "LearnedIsChosen");
}
