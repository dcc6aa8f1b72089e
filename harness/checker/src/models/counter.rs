//! A counter: add and read. An absent counter reads as nothing and counts as 0. One of Jepsen's may
//! as well read as 0 before anything is added to it.

use crate::model::Model;

/// A counter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counter {
    /// What it holds before the first operation; none where it is absent.
    pub(crate) initial: Option<i64>,
    /// Whether a read of an absent counter may also see 0.
    pub(crate) absent_is_zero: bool,
    /// Whether additions that are left out may count it up at any time.
    pub(crate) rises: bool,
}

/// One operation on a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum CounterOperation {
    /// Saw this number, or absence.
    Read(Option<i64>),
    /// Saw what no counter holds.
    Contradiction,
    /// Added the first number and made the second.
    Add(i64, i64),
    /// Adds this number; what it makes is not known.
    MaybeAdd(i64),
}

impl Model for Counter {
    type State = Option<i64>;
    type Operation = CounterOperation;

    fn initial(&self) -> Option<i64> {
        self.initial
    }

    fn step(&self, state: &Option<i64>, operation: &CounterOperation) -> Option<Option<i64>> {
        let add = |delta| state.unwrap_or(0).checked_add(delta);
        match *operation {
            CounterOperation::Read(None) => state.is_none().then_some(None),
            // Absence counts as 0 here as well, so nothing rises from it to less than that.
            CounterOperation::Read(Some(seen)) if self.rises => {
                let before = state.unwrap_or(0);
                let is_risen = seen > before || state.is_some();
                (seen >= before).then_some(is_risen.then_some(seen))
            }
            CounterOperation::Read(Some(0)) if self.absent_is_zero && state.is_none() => Some(None),
            CounterOperation::Read(seen) => (seen == *state).then_some(seen),
            CounterOperation::Contradiction => None,
            CounterOperation::Add(delta, sum) if self.rises => {
                (add(delta)? <= sum).then_some(Some(sum))
            }
            CounterOperation::Add(delta, sum) => (add(delta)? == sum).then_some(Some(sum)),
            CounterOperation::MaybeAdd(delta) => Some(Some(add(delta)?)),
        }
    }

    fn only_observes(&self, operation: &CounterOperation) -> bool {
        !self.rises && matches!(operation, CounterOperation::Read(_))
    }
}
