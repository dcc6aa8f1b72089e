//! Who can have written each value, and which unknown operations certainly took effect.
//!
//! It finds the two plainest lies: a value that nobody could have written, and one that was found
//! before anybody began to write it.

use super::{BEGINNING, Moment, Step, called, changed, found, place, returned};
use crate::models::{RegisterOperation, Value};

/// What is known of the writers of each value.
pub(super) struct Writers {
    pub(super) initial: Value,
    /// Per value.
    values: Vec<Sources>,
    /// Per operation: whether it certainly changed the register.
    certain: Vec<bool>,
}

/// Who can have written a value.
#[derive(Clone, Copy, Debug)]
struct Sources {
    /// How many operations can have, the beginning included.
    count: u32,
    /// One of them; `NOBODY` is the beginning.
    writer: u32,
    /// When the first of them began.
    first: Moment,
    /// Whether somebody certainly found the value.
    wanted: bool,
}

impl Writers {
    /// Collects the writers; the error is an observer that none of them explains, with all of them.
    pub(super) fn new(initial: Value, steps: &[Step]) -> Result<Self, Vec<u32>> {
        let mut values = vec![NO_SOURCES; values(initial, steps)];
        let beginning = &mut values[initial as usize];
        *beginning = Sources { count: 1, first: BEGINNING, ..NO_SOURCES };
        for (index, step) in steps.iter().enumerate() {
            let Some(value) = step.operation.written() else { continue };
            let sources = &mut values[value as usize];
            sources.count += 1;
            sources.writer = if sources.count == 1 { place(index) } else { sources.writer };
            sources.first = sources.first.min(called(step));
        }
        let certain = vec![false; steps.len()];
        let mut writers = Self { initial, values, certain };
        writers.refute_impossible(steps)?;
        writers.want(steps);
        Ok(writers)
    }

    /// Returns whether the value can have come about in one way only.
    pub(super) fn is_unique(&self, value: Value) -> bool {
        self.values[value as usize].count == 1
    }

    /// Returns the only operation that can have written a value; none for the beginning.
    pub(super) fn writer(&self, value: Value) -> Option<u32> {
        let writer = self.values[value as usize].writer;
        (writer != NOBODY).then_some(writer)
    }

    /// Returns whether somebody certainly found the value.
    pub(super) fn is_wanted(&self, value: Value) -> bool {
        self.values[value as usize].wanted
    }

    /// Returns whether an operation certainly changed the register, or gave it its value anew.
    pub(super) fn is_certain(&self, index: usize) -> bool {
        self.certain[index]
    }

    /// Returns how many values there are.
    pub(super) fn value_count(&self) -> usize {
        self.values.len()
    }

    /// Returns whether the conditions on unique values decide the whole.
    pub(super) fn decide_all(&self, steps: &[Step]) -> bool {
        let unique = self.values.iter().all(|sources| !sources.wanted || sources.count == 1);
        let tells_more = |step: &Step| match step.operation {
            RegisterOperation::Miss(_) => true,
            RegisterOperation::MaybeSwap(..) => step.returned.is_some(),
            RegisterOperation::Read(_)
            | RegisterOperation::Write(_)
            | RegisterOperation::Swap(..) => false,
        };
        unique && !steps.iter().any(tells_more)
    }

    /// Finds what nobody wrote before it was found, the first such observer to return.
    fn refute_impossible(&self, steps: &[Step]) -> Result<(), Vec<u32>> {
        let impossible = |(_, step): &(usize, &Step)| {
            found(step).is_some_and(|value| self.values[value as usize].first > returned(step))
        };
        let observers = steps.iter().enumerate().filter(impossible);
        let Some((index, observer)) = observers.min_by_key(|(_, step)| returned(step)) else {
            return Ok(());
        };
        let value = found(observer);
        // Steps are sorted by their calls: if even the first writer began too late, so did all
        // others.
        let earliest = steps.iter().position(|step| step.operation.written() == value);
        Err([index].into_iter().chain(earliest).map(place).collect())
    }

    /// Marks what somebody found, and what therefore certainly took effect: the only writer of a
    /// value that was found, and what that writer itself must have found.
    fn want(&mut self, steps: &[Step]) {
        let mut open: Vec<Value> = steps.iter().filter_map(found).collect();
        for (certain, step) in self.certain.iter_mut().zip(steps) {
            *certain = changed(step).is_some();
        }
        while let Some(value) = open.pop() {
            let sources = &mut self.values[value as usize];
            // A value that was marked has been followed up already, which is what ends the loop; of
            // several writers none is certain to be the one.
            if std::mem::replace(&mut sources.wanted, true) || sources.count != 1 {
                continue;
            }
            let Some(writer) = self.writer(value) else { continue };
            self.certain[writer as usize] = true;
            if let RegisterOperation::MaybeSwap(from, _) = steps[writer as usize].operation {
                open.push(from);
            }
        }
    }
}

/// Returns how many values there are, which are numbered from 0 on.
fn values(initial: Value, steps: &[Step]) -> usize {
    let largest = |step: &Step| match step.operation {
        RegisterOperation::Read(value)
        | RegisterOperation::Write(value)
        | RegisterOperation::Miss(value) => value,
        RegisterOperation::Swap(from, to) | RegisterOperation::MaybeSwap(from, to) => from.max(to),
    };
    steps.iter().map(largest).max().unwrap_or(0).max(initial) as usize + 1
}

const NOBODY: u32 = u32::MAX;

const NO_SOURCES: Sources = Sources { count: 0, writer: NOBODY, first: Moment::MAX, wanted: false };
