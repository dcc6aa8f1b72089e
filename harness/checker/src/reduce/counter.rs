//! Counters. Additions before everything that is kept are summed up into the initial number.
//!
//! An addition between operations that are kept cannot be left out, but its result can: it then
//! only adds. That makes a core smaller, and a search wider, so it is done only where few additions
//! are concerned. An addition that may have been after one that is left out always loses its
//! result.
//!
//! Where every addition counts upwards there is a simpler way: anything can be left out of a
//! counter that may rise between any two operations.

use synod_history::{Action, Answer, Operation};

use super::{KeyHistory, Problem};
use crate::model::Timed;
use crate::models::{Counter, CounterOperation};

type Step = Timed<CounterOperation>;

pub(super) fn problem<'a>(part: &KeyHistory<'a>, kept: &[u32]) -> Problem<'a> {
    let (start, end) = span(part, kept);
    let mut model = Counter { rises: false, ..counter(part) };
    let mut kept = kept.iter().copied().peekable();
    let mut operations: Vec<Step> = Vec::new();
    let mut between = Vec::new();
    for index in &part.indexes {
        let is_kept = kept.next_if_eq(index).is_some();
        let operation = part.operation(*index);
        if is_kept {
            operations.extend(translate(part, operation).map(|step| part.timed(*index, step)));
            continue;
        }
        let Action::Add(delta) = operation.action else { continue };
        // It ended before all that is kept began, so every order has it first, whatever its place
        // among others of its kind.
        let folded = operation.returned.filter(|returned| *returned < start);
        match folded.and_then(|_| model.initial.unwrap_or(0).checked_add(delta)) {
            Some(sum) => model.initial = Some(sum),
            None if operation.called < end => {
                let inside =
                    operation.called >= start && operation.returned.is_some_and(|r| r <= end);
                // Only an addition that lies within the time of what is kept can have its result
                // judged: one that reaches out of it may come after an operation that was left out.
                between.extend(inside.then_some(operations.len()));
                operations.push(weakened(part, *index, delta, end));
            }
            None => {}
        }
    }
    if between.len() > WEAKENED_MAX {
        for place in between {
            let operation = part.operation(operations[place].index);
            if let Some(step) = translate(part, operation) {
                operations[place].operation = step;
            }
        }
    }
    Problem::Counter(model, operations)
}

/// Returns whether every addition counts upwards.
pub(super) fn only_rises(part: &KeyHistory<'_>) -> bool {
    let mut actions = part.indexes.iter().map(|index| part.operation(*index).action);
    actions.all(|action| !matches!(action, Action::Add(..=0)))
}

/// Finds two operations that a rising counter cannot have done in either order, or one that no
/// counter can have done; of several, the pair that was complete first.
pub(super) fn conflict(part: &KeyHistory<'_>) -> Option<Vec<u32>> {
    let spans: Vec<Span> = part.indexes.iter().filter_map(|index| span_of(part, *index)).collect();
    if spans.len() > SPANS_MAX {
        return None;
    }
    let ended = |span: &Span| part.operation(span.index).returned;
    let mut found: Option<(Option<u32>, Vec<u32>)> = None;
    for (place, one) in spans.iter().enumerate() {
        let others = spans[place + 1..].iter().filter(|other| conflicts(part, one, other));
        let first = others.min_by_key(|other| ended(other));
        if let Some(other) = first {
            let at = ended(one).max(ended(other));
            if found.as_ref().is_none_or(|(before, _)| at < *before) {
                found = Some((at, vec![one.index, other.index]));
            }
        }
    }
    found.map(|(_, pair)| pair)
}

/// What a counter held before and after an operation.
struct Span {
    index: u32,
    before: i64,
    after: i64,
}

fn span_of(part: &KeyHistory<'_>, index: u32) -> Option<Span> {
    match translate(part, part.operation(index))? {
        CounterOperation::Read(seen) => {
            let seen = seen.unwrap_or(0);
            Some(Span { index, before: seen, after: seen })
        }
        CounterOperation::Add(delta, sum) => {
            Some(Span { index, before: sum.checked_sub(delta)?, after: sum })
        }
        CounterOperation::Contradiction | CounterOperation::MaybeAdd(_) => None,
    }
}

fn conflicts(part: &KeyHistory<'_>, one: &Span, other: &Span) -> bool {
    let (first, second) = (part.operation(one.index), part.operation(other.index));
    let one_then_other = one.after <= other.before && !second.precedes(first);
    let other_then_one = other.after <= one.before && !first.precedes(second);
    !one_then_other && !other_then_one
}

/// Makes the problem of some operations on a counter that others count up at any time.
pub(super) fn rising_problem<'a>(part: &KeyHistory<'a>, kept: &[u32]) -> Problem<'a> {
    let step = |index: &u32| {
        let operation = part.operation(*index);
        let step = translate(part, operation).filter(|_| !operation.is_unknown())?;
        Some(part.timed(*index, step))
    };
    let model = Counter { rises: true, ..counter(part) };
    Problem::Counter(model, kept.iter().filter_map(step).collect())
}

/// Leaves the effect of an addition; after the end of what is kept, it may also not be there yet.
fn weakened(part: &KeyHistory<'_>, index: u32, delta: i64, end: u32) -> Step {
    let step = part.timed(index, CounterOperation::MaybeAdd(delta));
    Step { returned: step.returned.filter(|returned| *returned <= end), ..step }
}

/// Returns the position of the first call and that of the last return among some operations.
fn span(part: &KeyHistory<'_>, kept: &[u32]) -> (u32, u32) {
    let start = kept.first().map_or(0, |index| part.operation(*index).called);
    let end = kept.iter().filter_map(|index| part.operation(*index).returned).max();
    (start, end.unwrap_or(0))
}

fn translate(part: &KeyHistory<'_>, operation: &Operation) -> Option<CounterOperation> {
    match (operation.action, operation.answer) {
        (Action::Add(delta), Answer::Sum(sum)) => Some(CounterOperation::Add(delta, sum)),
        (Action::Add(delta), _) => Some(CounterOperation::MaybeAdd(delta)),
        // A counter that began with a number is never absent.
        (_, Answer::Seen(None)) if part.initial.is_some() => Some(CounterOperation::Contradiction),
        (_, Answer::Seen(None)) => Some(CounterOperation::Read(None)),
        (_, Answer::Seen(Some(text))) => Some(seen(part, part.history.texts.text(text))),
        (_, Answer::Unknown | Answer::Done | Answer::Swapped(_) | Answer::Sum(_)) => None,
    }
}

fn seen(part: &KeyHistory<'_>, text: &str) -> CounterOperation {
    match number(text) {
        Some(number) => CounterOperation::Read(Some(number)),
        None if text.is_empty() && part.absent_is_empty && part.initial.is_none() => {
            CounterOperation::Read(None)
        }
        None => CounterOperation::Contradiction,
    }
}

/// Returns the counter as it is before the first operation.
fn counter(part: &KeyHistory<'_>) -> Counter {
    let initial = part.initial.and_then(number);
    Counter { initial, absent_is_zero: part.absent_is_zero, rises: false }
}

/// Reads a number that is written in the one way in which an addition writes it.
pub(super) fn number(text: &str) -> Option<i64> {
    text.parse().ok().filter(|number: &i64| number.to_string() == text)
}

/// How many operations at most are compared with each other.
const SPANS_MAX: usize = 10_000;

/// How many additions between those that are kept may lose their results.
const WEAKENED_MAX: usize = 10;
