//! A counter: add and read. An absent counter is 0.

use crate::check::model::Model;

/// A counter that begins with the given number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counter {
    /// What it holds before the first operation.
    pub(crate) initial: i64,
}

/// One operation on a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum CounterOperation {
    /// Saw this number; none stands for something that is no number, which no counter holds.
    Read(Option<i64>),
    /// Added the first number and made the second.
    Add(i64, i64),
    /// Adds this number; what it makes is not known.
    MaybeAdd(i64),
}

impl Model for Counter {
    type State = i64;
    type Operation = CounterOperation;

    fn initial(&self) -> i64 {
        self.initial
    }

    fn step(&self, state: &i64, operation: &CounterOperation) -> Option<i64> {
        match *operation {
            CounterOperation::Read(seen) => (seen == Some(*state)).then_some(*state),
            CounterOperation::Add(delta, sum) => {
                state.checked_add(delta).filter(|after| *after == sum)
            }
            CounterOperation::MaybeAdd(delta) => state.checked_add(delta),
        }
    }

    fn only_observes(&self, operation: &CounterOperation) -> bool {
        match *operation {
            CounterOperation::Read(_) => true,
            CounterOperation::Add(delta, _) | CounterOperation::MaybeAdd(delta) => delta == 0,
        }
    }
}
