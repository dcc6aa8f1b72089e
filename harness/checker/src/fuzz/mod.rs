//! The checker against the exact reference, on random small histories.
//!
//! `SYNOD_FUZZ` sets how many histories are tried; each is a function of its number, so a failure
//! names the number that brings it back.

#![allow(clippy::unwrap_used, reason = "a test may fail by panic")]

mod all_small;
mod histories;

use synod_history::{Action, Answer, History, Operation};
use synod_rng::{Random, Seed, Stream};

use crate::budget::{Budget, Meter};
use crate::exhaustive;
use crate::model::Timed;
use crate::models::{Machine, MachineOperation};
use crate::reduce::KeyHistory;
use crate::search::Found;
use crate::{Judgement, Linearization, ModelName, Rules, check_by_rules, model};
use histories::{Family, corrupt, random_history, random_history_from, spell_absence};

#[test]
fn registers_agree_with_the_exact_reference() {
    fuzz("registers", |random| random_history(random, Family::Register));
}

#[test]
fn registers_of_unique_values_agree_with_the_exact_reference() {
    fuzz("unique registers", |random| random_history(random, Family::Unique));
}

#[test]
fn registers_that_hold_a_value_in_the_beginning_agree_with_the_exact_reference() {
    let initial = Some("1".to_owned());
    let rules = Rules { initial, ..Rules::from(ModelName::Register) };
    for family in [Family::Register, Family::Unique, Family::Counter, Family::Everything] {
        fuzz_by(&rules, "initial values", |random| random_history_from(random, family, Some("1")));
    }
}

#[test]
fn keys_that_are_empty_when_absent_agree_with_the_exact_reference() {
    let rules = Rules::from(ModelName::Kv);
    for family in Family::ALL {
        fuzz_by(&rules, "kv", |random| {
            let mut history = random_history(random, family);
            spell_absence(random, &mut history);
            history
        });
    }
}

#[test]
fn lists_agree_with_the_exact_reference() {
    fuzz("lists", |random| random_history(random, Family::List));
}

#[test]
fn counters_agree_with_the_exact_reference() {
    fuzz("counters", |random| random_history(random, Family::Counter));
}

#[test]
fn keys_with_every_operation_agree_with_the_exact_reference() {
    fuzz("everything", |random| random_history(random, Family::Everything));
}

fn fuzz(name: &str, history: impl Fn(&mut Random) -> History) {
    fuzz_by(&Rules::from(ModelName::Register), name, history);
}

fn fuzz_by(rules: &Rules, name: &str, history: impl Fn(&mut Random) -> History) {
    let count = std::env::var("SYNOD_FUZZ").ok().and_then(|n| n.parse().ok());
    let (mut legal, mut illegal) = (0_u64, 0_u64);
    for number in 0..count.unwrap_or(HISTORIES) {
        let mut random = Random::new(Seed(number), Stream::named(name));
        let mut history = history(&mut random);
        if random.chance(CORRUPTED_PPM) {
            corrupt(&mut random, &mut history);
        }
        let wanted = reference(&history, rules, None);
        let report = check_by_rules(&history, rules, &mut Meter::start(Budget::default()));
        assert_eq!(report.checker.unverified, None, "{name} {number}");
        match report.judgement {
            Judgement::Legal { witness } => {
                assert!(wanted, "{name} {number} is illegal: {history:#?}");
                assert_witness(&history, rules, &witness, number);
                assert_parts_are_legal(&history, rules, &mut random, number);
                legal += 1;
            }
            Judgement::Illegal { core } => {
                assert!(!wanted, "{name} {number} is legal: {history:#?}");
                assert!(!core.operations.is_empty() && !core.sentence.is_empty());
                illegal += 1;
            }
            Judgement::Unknown { cause } => panic!("{name} {number}: {cause}: {history:?}"),
        }
    }
    let least = count.unwrap_or(HISTORIES) / 20;
    assert!(legal >= least && illegal >= least, "{name}: {legal} legal, {illegal} illegal");
}

/// Judges by the general model and the exact search alone.
fn reference(history: &History, rules: &Rules, order: Option<&[u32]>) -> bool {
    let model = Machine {
        texts: &history.texts,
        absent_is_empty: rules.model == ModelName::Kv,
        initial: rules.initial.as_deref(),
    };
    let translated = |index: &u32| {
        let operation = &history.operations[*index as usize];
        let Operation { called, returned, .. } = *operation;
        let operation = translate(operation)?;
        Some(Timed { index: *index, operation, called, returned })
    };
    if let Some(order) = order {
        let steps: Vec<_> = order.iter().filter_map(translated).collect();
        return model::accepts(&model, steps.iter().map(|step| &step.operation));
    }
    let all: Vec<u32> = (0..u32::try_from(history.operations.len()).unwrap()).collect();
    let steps: Vec<_> = all.iter().filter_map(translated).collect();
    exhaustive::is_legal(&model, &steps, &mut Meter::start(Budget::default())).unwrap()
}

/// Translates without any of the plan's simplifications; an unknown read has no effect.
fn translate(operation: &Operation) -> Option<MachineOperation> {
    Some(match (operation.action, operation.answer) {
        (Action::Read, Answer::Seen(seen)) => MachineOperation::Read(seen),
        (Action::Read, _) => return None,
        (Action::Write(text), _) => MachineOperation::Write(text),
        (Action::Delete, _) => MachineOperation::Delete,
        (Action::Append(text), _) => MachineOperation::Append(text),
        (Action::Cas { from, to }, Answer::Swapped(true)) => MachineOperation::Swap(from, to),
        (Action::Cas { from, .. }, Answer::Swapped(false)) => MachineOperation::Miss(from),
        (Action::Cas { from, to }, _) => MachineOperation::MaybeSwap(from, to),
        (Action::Add(delta), Answer::Sum(sum)) => MachineOperation::Add(delta, sum),
        (Action::Add(delta), _) => MachineOperation::MaybeAdd(delta),
    })
}

/// Asserts that a witness is an order that real time and the general model allow; and that the
/// player of witnesses says so, too, of this order and of each that differs by two neighbours.
fn assert_witness(history: &History, rules: &Rules, witness: &[u32], number: u64) {
    let operations = &history.operations;
    let of = |index: &u32| &operations[*index as usize];
    for (place, later) in witness.iter().enumerate() {
        let late = witness[..place].iter().find(|earlier| of(later).precedes(of(earlier)));
        assert!(late.is_none(), "{number}: {witness:?} goes back in time");
    }
    let mut taken = witness.to_vec();
    taken.sort_unstable();
    taken.dedup();
    assert_eq!(taken.len(), witness.len(), "{number}: an operation is taken twice");
    let certain = (0_u32..).zip(operations).filter(|(_, operation)| !operation.is_unknown());
    for (index, _) in certain {
        assert!(taken.contains(&index), "{number}: operation {index} is not in the witness");
    }
    assert!(reference(history, rules, Some(witness)), "{number}: {witness:?} is no order");
    let played = |order: &[u32]| Linearization::new(order.to_vec()).replay(history, rules);
    assert_eq!(played(witness), Ok(witness.len()), "{number}: {witness:?}");
    for place in 1..witness.len() {
        let mut other = witness.to_vec();
        other.swap(place - 1, place);
        let of = |place: usize| &operations[other[place] as usize];
        let in_time = !of(place).precedes(of(place - 1));
        let wanted = in_time && reference(history, rules, Some(&other));
        assert_eq!(played(&other).is_ok(), wanted, "{number}: {other:?} of {history:?}");
    }
}

/// Asserts of a legal history that the plan finds no part of it illegal, whatever is left out: a
/// core explains the whole history, and a refuted stretch refutes it.
fn assert_parts_are_legal(history: &History, rules: &Rules, random: &mut Random, number: u64) {
    let all: Vec<u32> = (0..u32::try_from(history.operations.len()).unwrap()).collect();
    let part = KeyHistory::new(history, all.clone(), rules);
    let mut meter = Meter::start(Budget::default());
    for _ in 0..SUBSETS {
        let subset = |random: &mut Random| -> Vec<u32> {
            all.iter().copied().filter(|_| random.chance(KEPT_PPM)).collect()
        };
        let kept = subset(random);
        let supported = part.with_support(&kept);
        for kept in [kept, supported] {
            let found = part.problem(&kept).search(&mut meter, &mut |_, _| false);
            assert!(matches!(found, Ok(Found::Order(_))), "{number}: {kept:?} of {history:?}");
        }
        assert!(part.relaxed().is_none(), "{number}: {history:?}");
    }
}

/// How many histories of each family are tried where nothing else is asked for.
const HISTORIES: u64 = 25_000;

/// How many histories in a million are corrupted after they were made.
const CORRUPTED_PPM: u32 = 500_000;

/// How many parts of each legal history are tried, and how many in a million operations each keeps.
const SUBSETS: u32 = 3;
const KEPT_PPM: u32 = 700_000;
