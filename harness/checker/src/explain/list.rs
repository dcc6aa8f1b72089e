//! What goes wrong with lists: lost, foreign and doubled elements, and reads that disagree.

use synod_history::ELEMENT_END;
use synod_history::{Action, Answer, Operation};

use super::Core;

pub(super) fn explain(core: &Core<'_>) -> Option<String> {
    let reads: Vec<(&Operation, &str)> =
        core.operations.iter().filter_map(|read| Some((*read, seen(core, read)?))).collect();
    let first = |explain: fn(&Core<'_>, &Operation, &str) -> Option<String>| {
        reads.iter().rev().find_map(|(read, seen)| explain(core, read, seen))
    };
    first(lost)
        .or_else(|| first(early))
        .or_else(|| first(doubled))
        .or_else(|| disagreeing(core, &reads))
        .or_else(|| first(foreign))
}

fn lost(core: &Core<'_>, read: &Operation, seen: &str) -> Option<String> {
    let (append, element) =
        appends(core).find(|(append, element)| append.precedes(read) && !seen.contains(element))?;
    Some(format!(
        "client {}'s read of {} began {} and lacks {}, which client {} had appended with \
         acknowledgement {}",
        read.process,
        core.key(read),
        core.began(read),
        bare(element),
        append.process,
        core.ended(append)
    ))
}

fn early(core: &Core<'_>, read: &Operation, seen: &str) -> Option<String> {
    let (append, element) =
        appends(core).find(|(append, element)| read.precedes(append) && seen.contains(element))?;
    Some(format!(
        "client {}'s read of {} returned {} with {}, which client {} began to append only {}",
        read.process,
        core.key(read),
        core.ended(read),
        bare(element),
        append.process,
        core.began(append)
    ))
}

fn doubled(core: &Core<'_>, read: &Operation, seen: &str) -> Option<String> {
    let (append, element) = appends(core).find(|(_, element)| seen.matches(element).count() > 1)?;
    Some(format!(
        "client {}'s read of {}, returned {}, holds {} {} times, but client {} appended it once",
        read.process,
        core.key(read),
        core.ended(read),
        bare(element),
        seen.matches(element).count(),
        append.process
    ))
}

fn disagreeing(core: &Core<'_>, reads: &[(&Operation, &str)]) -> Option<String> {
    let agree = |one: &str, other: &str| one.starts_with(other) || other.starts_with(one);
    for (place, (read, seen)) in reads.iter().enumerate() {
        let other = reads[place + 1..].iter().find(|(_, other)| !agree(seen, other));
        if let Some((other, _)) = other {
            return Some(format!(
                "client {} {} and client {} {} read {} with its elements in two different \
                 orders",
                read.process,
                core.ended(read),
                other.process,
                core.ended(other),
                core.key(read)
            ));
        }
    }
    let (later, earlier) = reads.iter().find_map(|(later, less)| {
        let earlier = reads
            .iter()
            .find(|(earlier, more)| earlier.precedes(later) && more.len() > less.len())?;
        Some((*later, earlier.0))
    })?;
    Some(format!(
        "client {}'s read of {} began {} and lacks elements of the read that client {} ended {}",
        later.process,
        core.key(later),
        core.began(later),
        earlier.process,
        core.ended(earlier)
    ))
}

/// Speaks of a read alone: nothing else in the core explains what is wrong.
fn foreign(core: &Core<'_>, read: &Operation, _seen: &str) -> Option<String> {
    (core.operations.len() == 1).then(|| {
        format!(
            "client {}'s read of {}, returned {}, is impossible: no appends make up what it saw",
            read.process,
            core.key(read),
            core.ended(read)
        )
    })
}

/// Prints an element without what ends it.
fn bare(element: &str) -> &str {
    element.trim_end_matches(ELEMENT_END)
}

fn appends<'c>(core: &'c Core<'_>) -> impl Iterator<Item = (&'c Operation, &'c str)> {
    core.operations.iter().filter_map(|operation| match operation.action {
        Action::Append(text) => Some((*operation, core.text(text))),
        Action::Read | Action::Write(_) | Action::Cas { .. } | Action::Delete | Action::Add(_) => {
            None
        }
    })
}

fn seen<'c>(core: &Core<'c>, operation: &Operation) -> Option<&'c str> {
    match operation.answer {
        Answer::Seen(text) => Some(text.map_or("", |text| core.text(text))),
        Answer::Unknown | Answer::Done | Answer::Swapped(_) | Answer::Sum(_) => None,
    }
}
