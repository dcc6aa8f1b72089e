//! What goes wrong with registers: stale and foreign values, lost updates, time that runs back.

use synod_history::{Action, Answer, Operation, Text};

use super::Core;

/// What an operation found in the register; the outer none if it does not say.
type Found = Option<Option<Text>>;

pub(super) fn explain(core: &Core<'_>) -> Option<String> {
    let mut observers = core.observers.clone();
    observers.sort_by_key(|operation| std::cmp::Reverse(operation.returned));
    let first = |explain: fn(&Core<'_>, &Operation) -> Option<String>| {
        observers.iter().find_map(|observer| explain(core, observer))
    };
    first(never_written)
        .or_else(|| first(written_later))
        .or_else(|| first(stale))
        .or_else(|| first(backwards))
        .or_else(|| twice_swapped(core, &observers))
        .or_else(|| first(missed))
}

fn never_written(core: &Core<'_>, observer: &Operation) -> Option<String> {
    let value = found(observer)??;
    let mut everything = core.part.indexes().iter().map(|index| core.part.operation(*index));
    let written = everything.any(|operation| written(operation) == Some(Some(value)));
    if written || core.part.initial() == Some(core.text(value)) {
        return None;
    }
    let subject = subject(core, observer);
    let mut failed = core.history.failed.iter().filter(|failed| failed.key == observer.key);
    let failed = failed.find(|failed| written_if_done(failed) == Some(value));
    let text = core.shown(value);
    Some(match failed {
        Some(failed) => format!(
            "{subject} is impossible: {}, which began {}, was reported as failed, and nobody else \
             wrote {text}",
            core.deed(failed),
            core.began(failed)
        ),
        None => format!("{subject} is impossible: nobody ever wrote {text}"),
    })
}

/// Returns what an operation that was reported failed would have written.
fn written_if_done(operation: &Operation) -> Option<Text> {
    match operation.action {
        Action::Write(text) | Action::Cas { to: text, .. } => Some(text),
        Action::Read | Action::Delete | Action::Append(_) | Action::Add(_) => None,
    }
}

fn written_later(core: &Core<'_>, observer: &Operation) -> Option<String> {
    let value = found(observer)??;
    let mut all = writers(core, Some(value));
    let earliest = writers(core, Some(value)).min_by_key(|writer| writer.called)?;
    all.all(|writer| observer.precedes(writer)).then(|| {
        format!(
            "{} returned {}, but {} began only {}",
            subject(core, observer),
            core.ended(observer),
            core.deed(earliest),
            core.began(earliest)
        )
    })
}

/// The value had been overwritten, and the overwriting acknowledged, before the observer began.
fn stale(core: &Core<'_>, observer: &Operation) -> Option<String> {
    let value = found(observer)?;
    let overwriter = core
        .operations
        .iter()
        .filter(|other| written(other).is_some_and(|other| other != value))
        .filter(|other| other.precedes(observer))
        .find(|other| writers(core, value).all(|writer| writer.precedes(other)))?;
    Some(format!(
        "{} began {} and found {}, although {} had been acknowledged {}",
        subject_short(core, observer),
        core.began(observer),
        core.optional(value),
        core.deed(overwriter),
        core.ended(overwriter)
    ))
}

/// An earlier observer had already found what replaced the value.
fn backwards(core: &Core<'_>, observer: &Operation) -> Option<String> {
    let value = found(observer)?;
    let earlier = core.observers.iter().find(|earlier| {
        earlier.precedes(observer)
            && found(earlier).is_some_and(|found| {
                found != value && replaces(core, found, value) && !replaces(core, value, found)
            })
    })?;
    Some(format!(
        "{} began {} and found {}, after {} had returned {}: the older value came back",
        subject_short(core, observer),
        core.began(observer),
        core.optional(value),
        core.deed(earlier),
        core.ended(earlier)
    ))
}

/// Two swaps started from a value that was there once.
fn twice_swapped(core: &Core<'_>, observers: &[&Operation]) -> Option<String> {
    let swap = |operation: &Operation| match (operation.action, operation.answer) {
        (Action::Cas { from, to }, Answer::Swapped(true)) if from != Some(to) => Some(from),
        _ => None,
    };
    for (place, one) in observers.iter().enumerate() {
        let Some(from) = swap(one) else { continue };
        let writes = writers(core, from).count() + usize::from(from.is_none());
        let other = observers[place + 1..].iter().find(|other| swap(other) == Some(from));
        if let Some(other) = other.filter(|_| writes == 1) {
            return Some(format!(
                "{} and {} both found {}, which was there only once: one of them is lost",
                core.deed(other),
                core.deed(one),
                core.optional(from)
            ));
        }
    }
    None
}

/// A compare-and-set that says the value was another one.
fn missed(core: &Core<'_>, observer: &Operation) -> Option<String> {
    let (Action::Cas { from, .. }, Answer::Swapped(false)) = (observer.action, observer.answer)
    else {
        return None;
    };
    Some(format!(
        "{} returned {}, but no order of the {} operations lets it find anything else than {}",
        core.deed(observer),
        core.ended(observer),
        core.operations.len(),
        core.optional(from)
    ))
}

/// Returns whether every write of `after` began after a write of `before` had ended, so that it
/// certainly came later.
fn replaces(core: &Core<'_>, after: Option<Text>, before: Option<Text>) -> bool {
    let mut later = writers(core, after).peekable();
    later.peek().is_some()
        && later.all(|later| writers(core, before).all(|earlier| earlier.precedes(later)))
}

fn subject(core: &Core<'_>, observer: &Operation) -> String {
    core.deed(observer)
}

fn subject_short(core: &Core<'_>, observer: &Operation) -> String {
    let (client, key) = (observer.process, core.key(observer));
    format!("client {client}'s {} of {key}", observer.action.f())
}

fn writers<'c>(
    core: &'c Core<'_>,
    value: Option<Text>,
) -> impl Iterator<Item = &'c Operation> + use<'c> {
    core.operations.iter().copied().filter(move |operation| written(operation) == Some(value))
}

/// Returns what a completed operation found.
fn found(operation: &Operation) -> Found {
    match (operation.action, operation.answer) {
        (Action::Read, Answer::Seen(seen)) => Some(seen),
        (Action::Cas { from, .. }, Answer::Swapped(true)) => Some(from),
        _ => None,
    }
}

/// Returns what an operation wrote or may have written.
fn written(operation: &Operation) -> Found {
    match (operation.action, operation.answer) {
        (Action::Cas { .. }, Answer::Swapped(false)) => None,
        (Action::Write(text) | Action::Cas { to: text, .. }, _) => Some(Some(text)),
        (Action::Delete, _) => Some(None),
        (Action::Read | Action::Append(_) | Action::Add(_), _) => None,
    }
}
