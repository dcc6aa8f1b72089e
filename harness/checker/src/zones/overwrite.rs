//! A value that was certainly overwritten before it was found, however often it was written.
//!
//! An observer is refuted by one completed change of the register to another value: it ended before
//! the observer began, and began after every write of the value had ended that the observer can
//! have seen.

use super::{Moment, Step, called, changed, found, place, returned, writers::Writers};
use crate::models::Value;

/// Finds the first observer, by its return, of a value that was certainly overwritten.
pub(super) fn certain(writers: &Writers, steps: &[Step]) -> Option<Vec<u32>> {
    let lasting = Lasting::new(writers, steps);
    let changes = Changes::new(steps);
    let mut first: Option<(Moment, Vec<u32>)> = None;
    for (index, step) in steps.iter().enumerate() {
        let Some(value) = found(step) else { continue };
        let Some((begun, change)) = changes.last_before(called(step), value) else { continue };
        let refuted = lasting.until(value, returned(step)) < begun;
        if refuted && first.as_ref().is_none_or(|(before, _)| returned(step) < *before) {
            let writer = lasting.writer(value, begun);
            let places = writer.into_iter().chain([change, place(index)]).collect();
            first = Some((returned(step), places));
        }
    }
    first.map(|(_, places)| places)
}

/// The completed changes, by their returns, with the latest call so far.
pub(crate) struct Changes {
    /// Return, and the two changes called last among those up to here, of different values.
    ended: Vec<(Moment, [Change; 2])>,
}

/// A change: its call, its value, its place.
type Change = (Moment, Option<Value>, u32);

impl Changes {
    pub(crate) fn new(steps: &[Step]) -> Self {
        let mut changes: Vec<(Moment, Change)> = Vec::new();
        for (index, step) in steps.iter().enumerate() {
            if let Some(value) = changed(step) {
                changes.push((returned(step), (called(step), Some(value), place(index))));
            }
        }
        changes.sort_unstable();
        let mut latest = [(Moment::MIN, None, 0); 2];
        let ended = changes.into_iter().map(|(ended, change)| {
            latest = with(latest, change);
            (ended, latest)
        });
        Self { ended: ended.collect() }
    }

    /// Returns call and place of the change to another value that was called last among those that
    /// had ended before a moment.
    pub(crate) fn last_before(&self, moment: Moment, value: Value) -> Option<(Moment, u32)> {
        let count = self.ended.partition_point(|(ended, _)| *ended < moment);
        let (_, latest) = self.ended.get(count.checked_sub(1)?)?;
        let other = latest.iter().find(|(_, other, _)| other.is_some_and(|other| other != value));
        other.map(|(begun, _, place)| (*begun, *place))
    }
}

/// Adds a change to the two that were called last.
fn with([last, second]: [Change; 2], change: Change) -> [Change; 2] {
    // The two are kept of different values: whichever value is asked about, one of them is another,
    // and it is the latest such.
    if change.1 == last.1 {
        [last.max(change), second]
    } else if change.0 > last.0 {
        [change, last]
    } else {
        [last, second.max(change)]
    }
}

/// Per value its possible writers by their calls, with the latest return so far.
struct Lasting {
    /// Where each value's writers begin.
    starts: Vec<u32>,
    /// Call, latest return so far, place.
    writes: Vec<(Moment, Moment, u32)>,
    initial: Value,
}

impl Lasting {
    fn new(writers: &Writers, steps: &[Step]) -> Self {
        let mut starts = vec![0_u32; writers.value_count() + 1];
        for value in steps.iter().filter_map(|step| step.operation.written()) {
            starts[value as usize + 1] += 1;
        }
        for value in 1..starts.len() {
            starts[value] += starts[value - 1];
        }
        let mut next = starts.clone();
        let total = starts.last().map_or(0, |total| *total as usize);
        let mut writes = vec![(0, 0, 0); total];
        for (index, step) in steps.iter().enumerate() {
            let Some(value) = step.operation.written() else { continue };
            let next = &mut next[value as usize];
            let before = (*next > starts[value as usize]).then(|| writes[*next as usize - 1].1);
            let until = returned(step).max(before.unwrap_or(Moment::MIN));
            writes[*next as usize] = (called(step), until, place(index));
            *next += 1;
        }
        Self { starts, writes, initial: writers.initial }
    }

    /// Returns when the last write of a value ended that was called before a moment.
    fn until(&self, value: Value, moment: Moment) -> Moment {
        let writes = self.of(value);
        let count = writes.partition_point(|(called, ..)| *called < moment);
        let last = count.checked_sub(1).map(|last| writes[last].1);
        last.unwrap_or(if value == self.initial { super::BEGINNING } else { Moment::MIN })
    }

    /// Returns the last writer of a value that was called before a moment.
    fn writer(&self, value: Value, moment: Moment) -> Option<u32> {
        let writes = self.of(value);
        let count = writes.partition_point(|(called, ..)| *called < moment);
        count.checked_sub(1).map(|last| writes[last].2)
    }

    fn of(&self, value: Value) -> &[(Moment, Moment, u32)] {
        let value = value as usize;
        &self.writes[self.starts[value] as usize..self.starts[value + 1] as usize]
    }
}
