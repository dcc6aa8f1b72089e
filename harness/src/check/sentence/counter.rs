//! What goes wrong with counters: a number that the additions cannot have made.

use super::{Core, at};
use crate::history::{Action, Answer, Operation};

pub(super) fn explain(core: &Core<'_>, before: i64) -> Option<String> {
    let observers = core.operations.iter().filter_map(|operation| {
        let number = match operation.answer {
            Answer::Sum(sum) => sum,
            Answer::Seen(None) => 0,
            Answer::Seen(Some(text)) => core.text(text).parse().ok()?,
            Answer::Unknown | Answer::Done | Answer::Swapped(_) => return None,
        };
        Some((*operation, number))
    });
    observers
        .into_iter()
        .find_map(|(observer, number)| out_of_bounds(core, before, observer, number))
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
    let number_ = i128::from(number);
    let bound = if number_ < low {
        format!("at least {low}")
    } else if number_ > high {
        format!("at most {high}")
    } else {
        return None;
    };
    Some(format!(
        "client {}'s {} of {} returned {number} at {}, but the additions that it must and can \
         include make {bound}",
        observer.process,
        observer.action.f(),
        core.text(observer.key),
        at(observer.return_ns)
    ))
}
