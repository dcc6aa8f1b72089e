//! Registers. A write can be left out together with what saw it.
//!
//! Why that is sound: take an order of all operations that the model accepts, and strike out what
//! is left out. A read that stays still follows a write of its value, as long as every write of
//! that value stayed, because nothing else stood between them. So a read stays only if all writes
//! of its value do; a swap that does not have all writes of what it found keeps its write alone; a
//! miss stays only if no operation was struck out that it may have seen. A write that was called
//! after a read had returned is nothing that the read saw; neither is one that had ended before a
//! completed change to another value was called, if that change stays and had ended before the read
//! was called.
//!
//! Values that no operation can tell from each other are made one. Unknown writes of it are left
//! out where not even a miss could notice them.

use synod_history::{Action, Answer, Operation, Text};

use super::{KeyHistory, Problem};
use crate::model::Timed;
use crate::models::{Register, RegisterOperation, Value};
use crate::zones::Changes;

type Step = Timed<RegisterOperation>;

pub(super) fn problem<'a>(part: &KeyHistory<'a>, kept: &[u32]) -> Problem<'a> {
    let initial = part.initial.map_or(ABSENT, |text| {
        // A text that no operation names gets the number behind all others: it is the initial value
        // all the same, and nobody can have found it.
        let unheard_of = || Text(u32::try_from(part.history.texts.len()).expect("fewer than 2^32"));
        number_of(part, part.history.texts.find(text).unwrap_or_else(unheard_of), text)
    });
    let mut steps = translate_all(part, kept);
    if !part.is_whole(kept) {
        let all = translate_all(part, &part.indexes);
        steps = weakened(&all, steps);
    }
    merge_unobserved(&mut steps);
    // The initial value is numbered last, as which values are told apart is known only once steps
    // were left out and merged.
    let initial = number(initial, &mut steps);
    Problem::Register(Register { initial }, steps)
}

/// Adds the writes of every value that some of the operations observe.
pub(super) fn with_writers(part: &KeyHistory<'_>, kept: &[u32]) -> Vec<u32> {
    let observed = sorted(translate_all(part, kept).iter().filter_map(observed));
    let mut all: Vec<u32> = kept.to_vec();
    for step in translate_all(part, &part.indexes) {
        if step.operation.written().is_some_and(|value| observed.binary_search(&value).is_ok()) {
            all.push(step.index);
        }
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// Adds a writer for each value that some operations observe and none of them writes: the last that
/// began before the observer ended, or else the first of all.
pub(super) fn with_one_writer(part: &KeyHistory<'_>, kept: &[u32]) -> Vec<u32> {
    let steps = translate_all(part, kept);
    let all = translate_all(part, &part.indexes);
    let mut told = kept.to_vec();
    for observer in &steps {
        let Some(value) = observed(observer) else { continue };
        if steps.iter().any(|step| step.operation.written() == Some(value)) {
            continue;
        }
        let end = observer.returned.unwrap_or(u32::MAX);
        let mut writers =
            all.iter().filter(|step| step.operation.written() == Some(value)).peekable();
        let first = writers.peek().map(|first| first.index);
        let last = writers.take_while(|writer| writer.called < end).last();
        told.extend(last.map(|last| last.index).or(first));
    }
    told.sort_unstable();
    told.dedup();
    told
}

fn translate_all(part: &KeyHistory<'_>, indexes: &[u32]) -> Vec<Step> {
    let step = |index: &u32| {
        let step = translate(part, part.operation(*index))?;
        Some(part.timed(*index, step))
    };
    indexes.iter().filter_map(step).collect()
}

fn translate(part: &KeyHistory<'_>, operation: &Operation) -> Option<RegisterOperation> {
    let number = |text: Text| number_of(part, text, part.history.texts.text(text));
    let optional = |text: Option<Text>| text.map_or(ABSENT, number);
    let step = match (operation.action, operation.answer) {
        (Action::Read, Answer::Seen(seen)) => RegisterOperation::Read(optional(seen)),
        (Action::Write(text), _) => RegisterOperation::Write(number(text)),
        (Action::Delete, _) => RegisterOperation::Write(ABSENT),
        (Action::Cas { from, to }, answer) => {
            let (from, to) = (optional(from), number(to));
            match answer {
                Answer::Swapped(true) => RegisterOperation::Swap(from, to),
                Answer::Swapped(false) => RegisterOperation::Miss(from),
                Answer::Unknown | Answer::Done | Answer::Seen(_) | Answer::Sum(_) => {
                    RegisterOperation::MaybeSwap(from, to)
                }
            }
        }
        (Action::Read | Action::Append(_) | Action::Add(_), _) => return None,
    };
    Some(step)
}

fn number_of(part: &KeyHistory<'_>, text: Text, letters: &str) -> Value {
    if part.absent_is_empty && letters.is_empty() { ABSENT } else { text.0 + TEXTS_FROM }
}

/// Leaves what can be said of some steps without the others.
fn weakened(all: &[Step], kept: Vec<Step>) -> Vec<Step> {
    let seen = Seen::new(all, &kept);
    let misses = Misses::new(all, &kept);
    let weaken = |step: Step| {
        let operation = match step.operation {
            RegisterOperation::Read(value) if !seen.is_complete(&step, value) => return None,
            RegisterOperation::Swap(from, to) | RegisterOperation::MaybeSwap(from, to)
                if !seen.is_complete(&step, from) =>
            {
                // A swap to the value it found only observes.
                if from == to {
                    return None;
                }
                RegisterOperation::Write(to)
            }
            RegisterOperation::Miss(value) if !misses.stays(&step, value) => return None,
            RegisterOperation::Read(_)
            | RegisterOperation::Write(_)
            | RegisterOperation::Swap(..)
            | RegisterOperation::MaybeSwap(..)
            | RegisterOperation::Miss(_) => step.operation,
        };
        Some(Step { operation, ..step })
    };
    kept.into_iter().filter_map(weaken).collect()
}

/// Tells of which observers all writes stayed that they can have seen.
struct Seen {
    /// Of every write that was left out: its value, its call, and the last return of one of this
    /// value so far; sorted.
    dropped: Vec<(Value, u32, u32)>,
    /// The completed changes that stay.
    changes: Changes,
}

impl Seen {
    fn new(all: &[Step], kept: &[Step]) -> Self {
        let stays = |step: &Step| kept.binary_search_by_key(&step.index, |kept| kept.index).is_ok();
        let write = |step: &Step| {
            Some((step.operation.written()?, step.called, step.returned.unwrap_or(u32::MAX)))
        };
        let mut dropped: Vec<_> =
            all.iter().filter(|step| !stays(step)).filter_map(write).collect();
        dropped.sort_unstable();
        let mut last = (0, 0);
        for (value, _, returned) in &mut dropped {
            last = if last.0 == *value {
                (*value, last.1.max(*returned))
            } else {
                (*value, *returned)
            };
            *returned = last.1;
        }
        Self { dropped, changes: Changes::new(kept) }
    }

    fn is_complete(&self, observer: &Step, value: Value) -> bool {
        let end = observer.returned.unwrap_or(u32::MAX);
        let count =
            self.dropped.partition_point(|(other, called, _)| (*other, *called) < (value, end));
        let last = count.checked_sub(1).map(|last| self.dropped[last]);
        let Some((_, _, ended)) = last.filter(|(other, ..)| *other == value) else { return true };
        let change = self.changes.last_before(i64::from(observer.called), value);
        change.is_some_and(|(begun, _)| i64::from(ended) < begun)
    }
}

/// Tells which misses can be judged although some writes were left out.
struct Misses {
    /// The writes that were left out, in order of their calls.
    dropped: Vec<Step>,
    /// Returns and calls of the completed writes that stay, sorted by return; the call is the
    /// latest so far.
    ended: Vec<(u32, u32)>,
    /// The longest time that a completed dropped write was open, in positions.
    open_max: u32,
}

impl Misses {
    fn new(all: &[Step], kept: &[Step]) -> Self {
        let stays = |step: &Step| kept.binary_search_by_key(&step.index, |kept| kept.index).is_ok();
        let writes = all.iter().filter(|step| step.operation.written().is_some());
        let dropped: Vec<Step> = writes.filter(|step| !stays(step)).copied().collect();
        let mut ended: Vec<(u32, u32)> = kept
            .iter()
            .filter(|step| step.operation.written().is_some())
            .filter_map(|step| Some((step.returned?, step.called)))
            .collect();
        ended.sort_unstable();
        let mut latest = 0;
        for (_, called) in &mut ended {
            latest = latest.max(*called);
            *called = latest;
        }
        let open = |step: &Step| step.returned.map_or(0, |returned| returned - step.called);
        let open_max = dropped.iter().map(open).max().unwrap_or(0);
        Self { dropped, ended, open_max }
    }

    /// Returns whether no dropped write of another value can have been what the miss found.
    fn stays(&self, miss: &Step, expected: Value) -> bool {
        let before = self.ended.partition_point(|(returned, _)| *returned < miss.called);
        let overwritten_before = before.checked_sub(1).map_or(0, |last| self.ended[last].1);
        let end = miss.returned.unwrap_or(u32::MAX);
        let called_before = self.dropped.partition_point(|write| write.called < end);
        let unknown = |write: &&Step| write.returned.is_none();
        let candidates = &self.dropped[..called_before];
        let differs = |write: &Step| write.operation.written() != Some(expected);
        // One without a return may take effect at any time after its call, however long ago that
        // was.
        if candidates.iter().filter(unknown).any(differs) {
            return false;
        }
        // They are in order of their calls, and none was open for longer than the longest: once a
        // call lies further back than that, it and all before it had ended too early to matter.
        let recent = candidates.iter().rev();
        let recent =
            recent.take_while(|w| w.called.saturating_add(self.open_max) >= overwritten_before);
        !recent
            .filter(|write| write.returned.is_some_and(|returned| returned >= overwritten_before))
            .any(differs)
    }
}

/// Makes all values one that no operation can tell from each other, and drops what then has no
/// effect that anyone could notice.
fn merge_unobserved(steps: &mut Vec<Step>) {
    // An unknown swap that is dropped may have been the last to tell some value from others, which
    // merges more in the next round.
    for _ in 0..MERGE_ROUNDS_MAX {
        let before = steps.len();
        let known = sorted(steps.iter().filter_map(observed));
        let merge = |value: &mut Value| {
            if known.binary_search(value).is_err() {
                *value = UNOBSERVED;
            }
        };
        for step in steps.iter_mut() {
            match &mut step.operation {
                RegisterOperation::Write(value) => merge(value),
                RegisterOperation::Swap(_, to) | RegisterOperation::MaybeSwap(_, to) => merge(to),
                RegisterOperation::Read(_) | RegisterOperation::Miss(_) => {}
            }
        }
        let missed = steps.iter().any(|s| matches!(s.operation, RegisterOperation::Miss(_)));
        steps.retain(|step| step.returned.is_some() || !is_idle(&step.operation, missed));
        if steps.len() == before {
            return;
        }
    }
}

/// Numbers the values without gaps: absence, what nobody observes, and then the others. Returns the
/// number of the initial value.
fn number(mut initial: Value, steps: &mut [Step]) -> Value {
    let mut known = sorted(steps.iter().filter_map(observed));
    known.dedup();
    let number = |value: &mut Value| {
        if *value != ABSENT && *value != UNOBSERVED {
            // Merging leaves out the initial value, and ends at a bound; so here, too, there may be
            // values that nobody observes.
            *value = known.binary_search(value).map_or(UNOBSERVED, |place| {
                TEXTS_FROM + Value::try_from(place).expect("fewer than 2^32 values")
            });
        }
    };
    number(&mut initial);
    for step in steps {
        match &mut step.operation {
            RegisterOperation::Read(value)
            | RegisterOperation::Write(value)
            | RegisterOperation::Miss(value) => number(value),
            RegisterOperation::Swap(from, to) | RegisterOperation::MaybeSwap(from, to) => {
                number(from);
                number(to);
            }
        }
    }
    initial
}

/// Returns whether an unknown step has no effect that anyone could notice.
fn is_idle(operation: &RegisterOperation, missed: bool) -> bool {
    match *operation {
        RegisterOperation::Read(_) | RegisterOperation::Miss(_) => true,
        RegisterOperation::Write(value) => value == UNOBSERVED && !missed,
        RegisterOperation::Swap(from, to) | RegisterOperation::MaybeSwap(from, to) => {
            from == to || (to == UNOBSERVED && !missed)
        }
    }
}

/// Returns the value that a step can tell from others.
fn observed(step: &Step) -> Option<Value> {
    match step.operation {
        RegisterOperation::Read(value)
        | RegisterOperation::Swap(value, _)
        | RegisterOperation::Miss(value)
        | RegisterOperation::MaybeSwap(value, _) => Some(value),
        RegisterOperation::Write(_) => None,
    }
}

fn sorted(values: impl Iterator<Item = Value>) -> Vec<Value> {
    let mut values: Vec<Value> = values.collect();
    values.sort_unstable();
    values
}

/// Absence.
const ABSENT: Value = 0;

/// Any value that no operation observes.
const UNOBSERVED: Value = 1;

/// Where the numbers of texts begin.
const TEXTS_FROM: Value = 2;

/// How often merging is repeated; each round can only make the problem smaller.
const MERGE_ROUNDS_MAX: usize = 4;
