//! Counters. Additions before everything that is kept are summed up into the initial number.
//!
//! An addition between operations that are kept cannot be left out, but its result can: it then
//! only adds.

use super::{Part, Problem};
use crate::check::models::{Counter, CounterOperation};
use crate::history::{Action, Answer, Operation};

pub(super) fn problem<'a>(part: &Part<'a>, kept: &[u32]) -> Problem<'a> {
    let (start, end) = span(part, kept);
    let mut model = Counter { initial: None };
    let mut kept = kept.iter().copied().peekable();
    let mut operations = Vec::new();
    for index in &part.indexes {
        let is_kept = kept.next_if_eq(index).is_some();
        let operation = part.operation(*index);
        if is_kept {
            operations.extend(translate(part, operation).map(|step| part.timed(*index, step)));
            continue;
        }
        let Action::Add(delta) = operation.action else { continue };
        let folded = operation.returned.filter(|returned| *returned < start);
        match folded.and_then(|_| model.initial.unwrap_or(0).checked_add(delta)) {
            Some(sum) => model.initial = Some(sum),
            None if operation.called < end => {
                operations.push(part.timed(*index, CounterOperation::MaybeAdd(delta)));
            }
            None => {}
        }
    }
    Problem::Counter(model, operations)
}

/// Returns the position of the first call and that of the last return among some operations.
fn span(part: &Part<'_>, kept: &[u32]) -> (u32, u32) {
    let start = kept.first().map_or(0, |index| part.operation(*index).called);
    let end = kept.iter().filter_map(|index| part.operation(*index).returned).max();
    (start, end.unwrap_or(0))
}

fn translate(part: &Part<'_>, operation: &Operation) -> Option<CounterOperation> {
    match (operation.action, operation.answer) {
        (Action::Add(delta), Answer::Sum(sum)) => Some(CounterOperation::Add(delta, sum)),
        (Action::Add(delta), _) => Some(CounterOperation::MaybeAdd(delta)),
        (_, Answer::Seen(None)) => Some(CounterOperation::Read(None)),
        (_, Answer::Seen(Some(text))) => Some(seen(part, part.history.texts.text(text))),
        (_, Answer::Unknown | Answer::Done | Answer::Swapped(_) | Answer::Sum(_)) => None,
    }
}

fn seen(part: &Part<'_>, text: &str) -> CounterOperation {
    match text.parse::<i64>() {
        Ok(number) if number.to_string() == text => CounterOperation::Read(Some(number)),
        Err(_) if text.is_empty() && part.absent_is_empty => CounterOperation::Read(None),
        Ok(_) | Err(_) => CounterOperation::Contradiction,
    }
}
