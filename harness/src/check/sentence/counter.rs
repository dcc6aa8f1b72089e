//! What goes wrong with counters: a number that the additions cannot have made.

use super::Core;
use crate::history::{Action, Answer, Operation};

pub(super) fn explain(core: &Core<'_>, before: i64) -> Option<String> {
    let observers: Vec<(&Operation, i64)> = core
        .observers
        .iter()
        .filter_map(|operation| Some((*operation, number(core, operation)?)))
        .collect();
    let mut each = observers.iter();
    each.find_map(|(observer, number)| out_of_bounds(core, before, observer, *number))
        .or_else(|| same_sum(core, &observers))
}

fn out_of_bounds(
    core: &Core<'_>,
    before: i64,
    observer: &Operation,
    number: i64,
) -> Option<String> {
    let (mut low, mut high) = (i128::from(before), i128::from(before));
    for operation in &core.operations {
        let Action::Add(delta) = operation.action else { continue };
        let delta = i128::from(delta);
        let certain = operation.precedes(observer) || std::ptr::eq(*operation, observer);
        if certain || !observer.precedes(operation) {
            low += if certain { delta } else { delta.min(0) };
            high += if certain { delta } else { delta.max(0) };
        }
    }
    let bound = if i128::from(number) < low {
        format!("make at least {low}")
    } else if i128::from(number) > high {
        format!("can make at most {high}")
    } else {
        return None;
    };
    Some(format!(
        "client {}'s {} of {} returned {number} {}, but the additions before it {bound}",
        observer.process,
        observer.action.f(),
        core.key(observer),
        core.ended(observer)
    ))
}

/// Two additions of something made the same number, where all additions count upwards.
fn same_sum(core: &Core<'_>, observers: &[(&Operation, i64)]) -> Option<String> {
    let mut additions = core.operations.iter().filter_map(|operation| match operation.action {
        Action::Add(delta) => Some(delta),
        Action::Read
        | Action::Write(_)
        | Action::Cas { .. }
        | Action::Delete
        | Action::Append(_) => None,
    });
    if additions.any(|delta| delta <= 0) {
        return None;
    }
    let adds = |operation: &Operation| matches!(operation.action, Action::Add(_));
    for (place, (one, sum)) in observers.iter().enumerate() {
        let other = observers[place + 1..].iter().find(|(other, same)| same == sum && adds(other));
        if let Some((other, _)) = other.filter(|_| adds(one)) {
            return Some(format!(
                "{} and {} both made {sum}: one of them is lost",
                core.deed(one),
                core.deed(other)
            ));
        }
    }
    None
}

fn number(core: &Core<'_>, operation: &Operation) -> Option<i64> {
    match operation.answer {
        Answer::Sum(sum) => Some(sum),
        Answer::Seen(None) => Some(0),
        Answer::Seen(Some(text)) => core.text(text).parse().ok(),
        Answer::Unknown | Answer::Done | Answer::Swapped(_) => None,
    }
}
