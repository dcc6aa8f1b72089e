//! What goes wrong with counters: a number that the additions cannot have made.

use synod_history::{Action, Answer, Operation};

use super::Core;

/// Explains a core that counts on every addition.
pub(super) fn explain(core: &Core<'_>, before: i64) -> Option<String> {
    let mut each = core.observers.iter();
    each.find_map(|observer| out_of_bounds(core, before, observer, number(core, observer)?))
}

/// Explains a core of a counter that only rises, whatever else was added.
pub(super) fn explain_rising(core: &Core<'_>) -> Option<String> {
    for later in &core.observers {
        for earlier in &core.observers {
            let (from, to) = (number_before(core, later)?, number(core, earlier)?);
            if earlier.precedes(later) && from < to {
                return Some(format!(
                    "{} returned {} although {} had returned {to} before it began, {}: \
                     the counter ran back",
                    told(core, later),
                    number(core, later)?,
                    told(core, earlier),
                    core.ended(earlier)
                ));
            }
        }
    }
    let (one, other) = overlapping(core)?;
    Some(format!(
        "{} went from {} to {}, and {} from {} to {}: one of them is lost",
        core.deed(one),
        number_before(core, one)?,
        number(core, one)?,
        core.deed(other),
        number_before(core, other)?,
        number(core, other)?
    ))
}

/// Finds two operations that cannot both have been, one after the other, in either order.
fn overlapping<'a>(core: &Core<'a>) -> Option<(&'a Operation, &'a Operation)> {
    for (place, one) in core.observers.iter().enumerate() {
        for other in &core.observers[place + 1..] {
            let after =
                |a: &Operation, b: &Operation| Some(number_before(core, a)? >= number(core, b)?);
            if !after(one, other)? && !after(other, one)? {
                return Some((one, other));
            }
        }
    }
    None
}

/// Names an operation without its result.
fn told(core: &Core<'_>, operation: &Operation) -> String {
    match operation.action {
        Action::Read => format!("client {}'s read of {}", operation.process, core.key(operation)),
        Action::Add(_)
        | Action::Write(_)
        | Action::Cas { .. }
        | Action::Delete
        | Action::Append(_) => core.deed(operation),
    }
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

fn number(core: &Core<'_>, operation: &Operation) -> Option<i64> {
    match operation.answer {
        Answer::Sum(sum) => Some(sum),
        Answer::Seen(None) => Some(0),
        Answer::Seen(Some(text)) => core.text(text).parse().ok(),
        Answer::Unknown | Answer::Done | Answer::Swapped(_) => None,
    }
}

/// Returns what the counter held just before an operation took effect.
fn number_before(core: &Core<'_>, operation: &Operation) -> Option<i64> {
    let after = number(core, operation)?;
    match operation.action {
        Action::Add(delta) => after.checked_sub(delta),
        Action::Read
        | Action::Write(_)
        | Action::Cas { .. }
        | Action::Delete
        | Action::Append(_) => Some(after),
    }
}
