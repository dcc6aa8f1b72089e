//! The checker against the exact reference, on random small histories.
//!
//! `SYNOD_FUZZ` sets how many histories are tried; each is a function of its number, so a failure
//! names the number that brings it back.

#![allow(clippy::unwrap_used, reason = "a test may fail by panic")]

use super::budget::{Budget, Meter};
use super::exact;
use super::model::Timed;
use super::models::{Machine, MachineOperation};
use super::{Judgement, ModelName, check_history};
use crate::history::{Action, Answer, History, Operation};
use crate::random::{Random, Seed, Stream};

#[test]
fn registers_agree_with_the_exact_reference() {
    fuzz("registers", |random| random_history(random, Family::Register));
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

/// What is done in a random history.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    Register,
    List,
    Counter,
    Everything,
}

fn fuzz(name: &str, history: impl Fn(&mut Random) -> History) {
    let count = std::env::var("SYNOD_FUZZ").ok().and_then(|n| n.parse().ok());
    let (mut legal, mut illegal) = (0_u64, 0_u64);
    for number in 0..count.unwrap_or(HISTORIES) {
        let mut random = Random::new(Seed(number), Stream::named(name));
        let history = history(&mut random);
        let wanted = reference(&history, None);
        let report = check_history(&history, ModelName::Register, Budget::default());
        match report.judgement {
            Judgement::Legal { witness } => {
                assert!(wanted, "{name} {number} is illegal: {history:#?}");
                assert_witness(&history, &witness, number);
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
fn reference(history: &History, order: Option<&[u32]>) -> bool {
    let model = Machine { texts: &history.texts, absent_is_empty: false };
    let translated = |index: &u32| {
        let operation = &history.operations[*index as usize];
        let Operation { called, returned, .. } = *operation;
        let operation = translate(operation)?;
        Some(Timed { index: *index, operation, called, returned })
    };
    if let Some(order) = order {
        let steps: Vec<_> = order.iter().filter_map(translated).collect();
        return super::model::accepts(&model, steps.iter().map(|step| &step.operation));
    }
    let all: Vec<u32> = (0..u32::try_from(history.operations.len()).unwrap()).collect();
    let steps: Vec<_> = all.iter().filter_map(translated).collect();
    exact::is_legal(&model, &steps, &mut Meter::start(Budget::default())).unwrap()
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

/// Asserts that a witness is an order that real time and the general model allow.
fn assert_witness(history: &History, witness: &[u32], number: u64) {
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
    assert!(reference(history, Some(witness)), "{number}: {witness:?} is no order");
}

/// Makes a history of a few clients. Results follow a real object that answers at a random moment
/// of each operation, and some are then changed.
fn random_history(random: &mut Random, family: Family) -> History {
    let mut history = History::default();
    let key = history.texts.intern("k");
    let clients = random.between(1, 4);
    let count = random.between(1, OPERATIONS_MAX);
    let mut open: Vec<Option<(u32, bool)>> = vec![None; usize::try_from(clients).unwrap()];
    let mut object = None;
    let mut position = 0;
    while history.operations.len() < usize::try_from(count).unwrap() {
        let client = usize::try_from(random.below(clients)).unwrap();
        match open[client] {
            None => {
                open[client] = Some((u32::try_from(history.operations.len()).unwrap(), false));
                let action = random_action(random, family, &mut history);
                history.operations.push(Operation {
                    process: u32::try_from(client).unwrap(),
                    key,
                    action,
                    answer: Answer::Unknown,
                    called: position,
                    returned: None,
                    call_ns: u64::from(position),
                    return_ns: 0,
                });
                position += 1;
            }
            Some((index, false)) => {
                answer(&mut history, index, &mut object);
                open[client] = Some((index, true));
            }
            Some((index, true)) => {
                finish(random, &mut history, index, position);
                open[client] = None;
                position += 1;
            }
        }
    }
    for operation in &mut history.operations {
        if operation.returned.is_none() {
            operation.answer = Answer::Unknown;
        }
    }
    history
}

fn random_action(random: &mut Random, family: Family, history: &mut History) -> Action {
    let small = random.below(VALUES);
    let text = history.texts.intern(&small.to_string());
    let from = random.below(VALUES);
    let from = (from > 0).then(|| history.texts.intern(&from.to_string()));
    let element = format!("{}{}", history.operations.len(), if small == 0 { ";" } else { "," });
    let unique = history.texts.intern(&element);
    let delta = i64::try_from(small).unwrap() + 1;
    match (family, random.below(10)) {
        (Family::Register, 0..=3) | (Family::List | Family::Counter, 0..=4) => Action::Read,
        (Family::Register, 4..=6) => Action::Write(text),
        (Family::Register, 7..=8) => Action::Cas { from, to: text },
        (Family::Register, _) => Action::Delete,
        (Family::List, _) => Action::Append(unique),
        (Family::Counter, _) => Action::Add(delta),
        (Family::Everything, 0..=3) => Action::Read,
        (Family::Everything, 4) => Action::Write(text),
        (Family::Everything, 5) => Action::Cas { from, to: text },
        (Family::Everything, 6) => Action::Delete,
        (Family::Everything, 7..=8) => Action::Append(text),
        (Family::Everything, _) => Action::Add(delta),
    }
}

/// Lets the object do an operation and notes the answer.
fn answer(history: &mut History, index: u32, object: &mut Option<String>) {
    let action = history.operations[index as usize].action;
    let number = object.as_deref().map_or(Ok(0), str::parse::<i64>);
    let answer = match action {
        Action::Read => Answer::Seen(object.as_deref().map(|text| history.texts.intern(text))),
        Action::Write(text) => {
            *object = Some(history.texts.text(text).to_owned());
            Answer::Done
        }
        Action::Delete => {
            *object = None;
            Answer::Done
        }
        Action::Append(text) => {
            object.get_or_insert_default().push_str(history.texts.text(text));
            Answer::Done
        }
        Action::Cas { from, to } => {
            let found = object.as_deref() == from.map(|from| history.texts.text(from));
            if found {
                *object = Some(history.texts.text(to).to_owned());
            }
            Answer::Swapped(found)
        }
        Action::Add(delta) => match number {
            Ok(number) => {
                *object = Some((number + delta).to_string());
                Answer::Sum(number + delta)
            }
            Err(_) => Answer::Unknown,
        },
    };
    history.operations[index as usize].answer = answer;
}

/// Ends an operation, sometimes without an answer and sometimes with a wrong one.
fn finish(random: &mut Random, history: &mut History, index: u32, position: u32) {
    let others: Vec<Answer> = history
        .operations
        .iter()
        .filter(|operation| operation.action == Action::Read && !operation.is_unknown())
        .map(|operation| operation.answer)
        .collect();
    let wrong = random.chance(WRONG_PPM);
    let lost = random.chance(LOST_PPM).then(|| without_one_element(random, history, index));
    let operation = &mut history.operations[index as usize];
    if random.chance(UNKNOWN_PPM) || operation.answer == Answer::Unknown {
        operation.answer = Answer::Unknown;
        return;
    }
    operation.returned = Some(position);
    operation.return_ns = u64::from(position);
    if wrong {
        operation.answer = match operation.answer {
            Answer::Seen(_) if lost.flatten().is_some() => lost.flatten().unwrap(),
            Answer::Seen(seen) => *random.pick(&others).unwrap_or(&Answer::Seen(seen)),
            Answer::Swapped(swapped) => Answer::Swapped(!swapped),
            Answer::Sum(sum) => Answer::Sum(sum + 1),
            same @ (Answer::Unknown | Answer::Done) => same,
        };
    }
}

/// Returns what a read of a list saw, without one of its elements.
fn without_one_element(random: &mut Random, history: &mut History, index: u32) -> Option<Answer> {
    let Answer::Seen(Some(text)) = history.operations[index as usize].answer else { return None };
    let mut elements: Vec<&str> =
        history.texts.text(text).split_inclusive([',', ';']).filter(|e| e.len() > 1).collect();
    if elements.is_empty() {
        return None;
    }
    elements.remove(usize::try_from(random.below(elements.len() as u64)).unwrap());
    let text = elements.concat();
    Some(Answer::Seen((!text.is_empty()).then(|| history.texts.intern(&text))))
}

/// How many histories of each family are tried where nothing else is asked for.
const HISTORIES: u64 = 25_000;

const OPERATIONS_MAX: u64 = 9;
const VALUES: u64 = 3;
const LOST_PPM: u32 = 500_000;
const WRONG_PPM: u32 = 300_000;
const UNKNOWN_PPM: u32 = 150_000;
