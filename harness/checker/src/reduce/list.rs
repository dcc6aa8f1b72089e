//! Lists that only grow. Any append can be left out: its element is then erased from all reads.
//!
//! That needs elements that are told apart: distinct, and none the beginning of another, so that a
//! text is made of elements in one way only. Other lists are left to the general model.

use std::collections::BTreeMap;

use synod_history::{Action, Answer};

use super::{KeyHistory, Problem};
use crate::model::Timed;
use crate::models::{List, ListOperation};

/// What is appended, by text, with the index of the append.
type Elements<'a> = BTreeMap<&'a str, u32>;

/// Returns whether every text is made of the appended elements in at most one way.
pub(super) fn elements_are_told_apart(part: &KeyHistory<'_>) -> bool {
    let appends = part.indexes.iter().filter(|index| is_append(part, **index)).count();
    let elements = elements(part, &part.indexes);
    let apart = |(before, after): (&&str, &&str)| !after.starts_with(before);
    elements.len() == appends
        && !elements.contains_key("")
        // Neighbours are enough: what sorts between a text and a longer one that begins with it
        // begins with it too.
        && elements.keys().zip(elements.keys().skip(1)).all(apart)
}

pub(super) fn problem<'a>(part: &KeyHistory<'a>, kept: &[u32]) -> Problem<'a> {
    let elements = elements(part, &part.indexes);
    if part.is_whole(kept) {
        return whole(part, &elements);
    }
    let stays = |append: &u32| kept.binary_search(append).is_ok();
    let list = |index: &u32| {
        let list = split(&elements, seen(part, *index).filter(|_| !is_impossible(part, *index))?)?;
        Some(list.into_iter().filter(stays).collect())
    };
    let reads: Vec<Option<Vec<u32>>> = kept.iter().map(list).collect();
    let longest = reads.iter().flatten().max_by_key(|list| list.len()).cloned().unwrap_or_default();
    let places: BTreeMap<u32, u32> = longest.iter().copied().zip(0..).collect();
    let mut operations = Vec::new();
    for (index, list) in kept.iter().zip(&reads) {
        let step = match list {
            _ if is_append(part, *index) => append(part, *index, &places),
            Some(list) if longest.starts_with(list) => Some(read(list.len())),
            Some(_) => Some(ListOperation::Contradiction),
            None => seen(part, *index).map(|_| ListOperation::Contradiction),
        };
        operations.extend(step.map(|step| part.timed(*index, step)));
    }
    Problem::List(List { longest: length(longest.len()) }, operations)
}

/// Makes the problem of all operations: reads are compared as texts with the longest one.
fn whole<'a>(part: &KeyHistory<'a>, elements: &Elements<'_>) -> Problem<'a> {
    let texts = part.indexes.iter().filter_map(|index| seen(part, *index));
    let text = texts.max_by_key(|text| text.len()).unwrap_or_default();
    // A longest text that no appends can have made leaves an empty list, beside which every read
    // that saw something is a contradiction.
    let list = split(elements, text).unwrap_or_default();
    let mut ends = vec![0];
    for append in &list {
        let Action::Append(element) = part.operation(*append).action else { continue };
        ends.push(ends.last().unwrap_or(&0) + part.history.texts.text(element).len());
    }
    let places: BTreeMap<u32, u32> = list.iter().copied().zip(0..).collect();
    let mut operations: Vec<Timed<ListOperation>> = Vec::with_capacity(part.indexes.len());
    for index in &part.indexes {
        let step = if is_append(part, *index) {
            append(part, *index, &places)
        } else {
            seen(part, *index).map(|seen| match ends.binary_search(&seen.len()) {
                Ok(length) if text.starts_with(seen) && !is_impossible(part, *index) => {
                    read(length)
                }
                Ok(_) | Err(_) => ListOperation::Contradiction,
            })
        };
        operations.extend(step.map(|step| part.timed(*index, step)));
    }
    Problem::List(List { longest: length(list.len()) }, operations)
}

/// Translates an append; one that nobody saw and that may not have happened is left out.
fn append(part: &KeyHistory<'_>, index: u32, places: &BTreeMap<u32, u32>) -> Option<ListOperation> {
    match places.get(&index) {
        Some(place) => Some(ListOperation::Append(*place)),
        None if part.operation(index).is_unknown() => None,
        None => Some(ListOperation::AppendUnread),
    }
}

/// Splits a text into the appends that made it; none if no appends can have.
fn split(elements: &Elements<'_>, text: &str) -> Option<Vec<u32>> {
    let mut rest = text;
    let mut list = Vec::new();
    while !rest.is_empty() {
        // What the rest begins with sorts before it, and whatever sorts between the two would begin
        // with it as well, which no other element does. So only this one can fit.
        let (element, index) = elements.range(..=rest).next_back()?;
        rest = rest.strip_prefix(element)?;
        list.push(*index);
    }
    Some(list)
}

fn elements<'a>(part: &KeyHistory<'a>, indexes: &[u32]) -> Elements<'a> {
    let mut elements = Elements::new();
    for index in indexes {
        if let Action::Append(text) = part.operation(*index).action {
            elements.insert(part.history.texts.text(text), *index);
        }
    }
    elements
}

/// Returns what a read saw; an absent list is empty.
fn seen<'a>(part: &KeyHistory<'a>, index: u32) -> Option<&'a str> {
    match part.operation(index).answer {
        Answer::Seen(text) => Some(text.map_or("", |text| part.history.texts.text(text))),
        Answer::Unknown | Answer::Done | Answer::Swapped(_) | Answer::Sum(_) => None,
    }
}

/// Returns whether a read saw an empty text where an empty list is absent.
fn is_impossible(part: &KeyHistory<'_>, index: u32) -> bool {
    let empty = |text| part.history.texts.text(text).is_empty();
    let answer = part.operation(index).answer;
    !part.absent_is_empty && matches!(answer, Answer::Seen(Some(text)) if empty(text))
}

fn is_append(part: &KeyHistory<'_>, index: u32) -> bool {
    matches!(part.operation(index).action, Action::Append(_))
}

fn read(length_of_it: usize) -> ListOperation {
    ListOperation::Read(length(length_of_it))
}

fn length(length: usize) -> u32 {
    u32::try_from(length).expect("fewer than 2^32 elements")
}
