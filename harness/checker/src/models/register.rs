//! A register: read, write, compare-and-set, delete.

use crate::model::Model;

/// A register's content, by number; what the numbers mean is up to the plan.
pub(crate) type Value = u32;

/// A register that begins with the given value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Register {
    /// What it holds before the first operation.
    pub(crate) initial: Value,
}

/// One operation on a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum RegisterOperation {
    /// Saw this value.
    Read(Value),
    /// Wrote this value; a delete writes absence.
    Write(Value),
    /// Found the first value and replaced it by the second.
    Swap(Value, Value),
    /// Found another value than this one.
    Miss(Value),
    /// Replaces the first value by the second where it finds it; what it found is unknown.
    MaybeSwap(Value, Value),
}

impl RegisterOperation {
    /// Returns the value that the operation gives the register, or may give it, as another one.
    pub(crate) fn written(&self) -> Option<Value> {
        match *self {
            Self::Write(value) => Some(value),
            Self::Swap(from, to) | Self::MaybeSwap(from, to) => (from != to).then_some(to),
            Self::Read(_) | Self::Miss(_) => None,
        }
    }
}

impl Model for Register {
    type State = Value;
    type Operation = RegisterOperation;

    fn initial(&self) -> Value {
        self.initial
    }

    fn step(&self, state: &Value, operation: &RegisterOperation) -> Option<Value> {
        match *operation {
            RegisterOperation::Read(seen) => (seen == *state).then_some(seen),
            RegisterOperation::Write(value) => Some(value),
            RegisterOperation::Swap(from, to) => (from == *state).then_some(to),
            RegisterOperation::Miss(expected) => (expected != *state).then_some(*state),
            RegisterOperation::MaybeSwap(from, to) => {
                Some(if from == *state { to } else { *state })
            }
        }
    }

    fn only_observes(&self, operation: &RegisterOperation) -> bool {
        match *operation {
            RegisterOperation::Read(_) | RegisterOperation::Miss(_) => true,
            RegisterOperation::Write(_) => false,
            RegisterOperation::Swap(from, to) | RegisterOperation::MaybeSwap(from, to) => {
                from == to
            }
        }
    }
    fn number(&self, state: &Value) -> Option<u32> {
        Some(*state)
    }

    fn needs(&self, operation: &RegisterOperation) -> Option<u32> {
        match *operation {
            RegisterOperation::Read(value) | RegisterOperation::Swap(value, _) => Some(value),
            RegisterOperation::Write(_)
            | RegisterOperation::Miss(_)
            | RegisterOperation::MaybeSwap(..) => None,
        }
    }

    fn leaves(&self, operation: &RegisterOperation) -> Option<u32> {
        match *operation {
            RegisterOperation::Write(value) => Some(value),
            RegisterOperation::Swap(from, to) | RegisterOperation::MaybeSwap(from, to) => {
                (from != to).then_some(to)
            }
            RegisterOperation::Read(_) | RegisterOperation::Miss(_) => None,
        }
    }
}
