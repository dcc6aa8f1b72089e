//! Random small histories: what a correct object answers, and what goes wrong with it.

use synod_history::{Action, Answer, History, Operation};
use synod_rng::Random;

/// What is done in a random history.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Register,
    /// A register to which no value is written twice.
    Unique,
    List,
    Counter,
    Everything,
}

impl Family {
    pub(super) const ALL: [Self; 5] =
        [Self::Register, Self::Unique, Self::List, Self::Counter, Self::Everything];
}

/// Makes a history of a key that is absent in the beginning.
pub(super) fn random_history(random: &mut Random, family: Family) -> History {
    random_history_from(random, family, None)
}

/// Makes a history of a few clients. Results follow a real object that answers at a random moment
/// of each operation, and some are then changed.
pub(super) fn random_history_from(
    random: &mut Random,
    family: Family,
    initial: Option<&str>,
) -> History {
    let mut history = History::default();
    let key = history.texts.intern("k");
    let clients = random.between(1, 4);
    let count = random.between(1, OPERATIONS_MAX);
    let mut open: Vec<Option<(u32, bool)>> = vec![None; usize::try_from(clients).unwrap()];
    let mut object = initial.map(str::to_owned);
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
                position += STRIDE;
            }
            Some((index, false)) => {
                answer(&mut history, index, &mut object);
                open[client] = Some((index, true));
            }
            Some((index, true)) => {
                finish(random, &mut history, index, position);
                open[client] = None;
                position += STRIDE;
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
    let before = history.operations.len() as u64;
    // Some look for values that come later, if at all.
    let found = random.below(before + 3);
    let found = (found < before + 2).then(|| history.texts.intern(&format!("{found}")));
    let fresh = history.texts.intern(&before.to_string());
    match (family, random.below(10)) {
        (Family::Unique, 0..=3) => Action::Read,
        (Family::Unique, 4..=6) => Action::Write(fresh),
        (Family::Unique, _) => Action::Cas { from: found, to: fresh },
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
    let below_zero = history.texts.intern("-1");
    let mut others: Vec<Answer> = history
        .operations
        .iter()
        .filter(|operation| operation.action == Action::Read && !operation.is_unknown())
        .map(|operation| operation.answer)
        .collect();
    // What nobody saw either, such as a number that nothing counts down to.
    others.extend([Answer::Seen(None), Answer::Seen(Some(below_zero))]);
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

/// Spells absence as the empty text in some places: where a model does not tell them apart.
pub(super) fn spell_absence(random: &mut Random, history: &mut History) {
    let empty = history.texts.intern("");
    for operation in &mut history.operations {
        if operation.answer == Answer::Seen(None) && random.chance(500_000) {
            operation.answer = Answer::Seen(Some(empty));
        }
        if let Action::Cas { from: from @ None, .. } = &mut operation.action
            && random.chance(500_000)
        {
            *from = Some(empty);
        }
    }
}

/// Corrupts a history in one of four ways.
pub(super) fn corrupt(random: &mut Random, history: &mut History) {
    match random.below(4) {
        0 => swap_two_reads(random, history),
        1 => drop_a_write(random, history),
        2 => make_certain(random, history),
        _ => shift(random, history),
    }
    history.operations.sort_by_key(|operation| operation.called);
}

fn swap_two_reads(random: &mut Random, history: &mut History) {
    let seen = |operation: &Operation| matches!(operation.answer, Answer::Seen(_));
    let (Some(one), Some(other)) = (some(random, history, seen), some(random, history, seen))
    else {
        return;
    };
    let answer = history.operations[one].answer;
    history.operations[one].answer = history.operations[other].answer;
    history.operations[other].answer = answer;
}

fn drop_a_write(random: &mut Random, history: &mut History) {
    let write = |operation: &Operation| operation.answer == Answer::Done;
    if let Some(index) = some(random, history, write) {
        history.operations.remove(index);
    }
}

/// Pretends that an unknown write was acknowledged at the end.
fn make_certain(random: &mut Random, history: &mut History) {
    let unknown = |operation: &Operation| {
        operation.is_unknown()
            && matches!(operation.action, Action::Write(_) | Action::Append(_) | Action::Delete)
    };
    if let Some(index) = some(random, history, unknown) {
        history.operations[index].answer = Answer::Done;
        history.operations[index].returned = Some(u32::MAX - 1);
    }
}

/// Moves a call later or a return earlier.
fn shift(random: &mut Random, history: &mut History) {
    let Some(index) = some(random, history, |operation| !operation.is_unknown()) else { return };
    let operation = &mut history.operations[index];
    let (called, returned) = (operation.called, operation.returned.unwrap());
    if returned - called < 2 * STRIDE {
        return;
    }
    // Positions between those of events are free.
    let between = u64::from(called / STRIDE + 1)..=u64::from(returned / STRIDE - 1);
    let free = random.between(*between.start(), *between.end()) * u64::from(STRIDE) + 1;
    let free = u32::try_from(free).unwrap();
    if random.chance(500_000) {
        operation.called = free;
    } else {
        operation.returned = Some(free);
    }
}

fn some(
    random: &mut Random,
    history: &History,
    wanted: impl Fn(&Operation) -> bool,
) -> Option<usize> {
    let found: Vec<usize> =
        (0..history.operations.len()).filter(|i| wanted(&history.operations[*i])).collect();
    random.pick(&found).copied()
}

/// How far apart the positions of events are, so that an event can be moved between two others.
const STRIDE: u32 = 4;
const OPERATIONS_MAX: u64 = 9;
const VALUES: u64 = 3;
const LOST_PPM: u32 = 500_000;
const WRONG_PPM: u32 = 300_000;
const UNKNOWN_PPM: u32 = 150_000;
