//! From the operations of one key to the problem that the search solves.
//!
//! The plan takes the narrowest model that fits what was done to the key, because a narrow model
//! has a small state. It also states what may be left out: [`KeyHistory::problem`] takes any subset
//! of the operations and gives a problem that is solvable whenever the whole is. So a subset
//! without a solution proves the whole to have none; that is what makes a core an explanation. An
//! operation that cannot be judged without one that was left out is left out too, or keeps only its
//! effect.

mod counter;
mod list;
mod machine;
mod register;

use synod_history::{Action, History, Operation};

use super::budget::{Cause, Meter};
use super::exhaustive;
use super::model::{self, Timed};
use super::models::{
    Counter, CounterOperation, List, ListOperation, Machine, MachineOperation, Register,
    RegisterOperation,
};
use super::search::{Found, Refute, search};
use super::{ModelName, Rules};

/// The operations of one key, with the model that fits them.
pub(super) struct KeyHistory<'a> {
    history: &'a History,
    /// Indexes into the history, in order of calls.
    indexes: Vec<u32>,
    kind: Kind,
    absent_is_empty: bool,
    absent_is_zero: bool,
    /// What the key holds before the first operation; none if that follows from the model.
    initial: Option<&'a str>,
}

/// The narrowest model that knows everything that was done to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Register,
    List,
    Counter,
    /// A counter that others, who are not looked at, count up.
    RisingCounter,
    Machine,
}

/// What the search is given.
pub(super) enum Problem<'a> {
    Register(Register, Vec<Timed<RegisterOperation>>),
    List(List, Vec<Timed<ListOperation>>),
    Counter(Counter, Vec<Timed<CounterOperation>>),
    Machine(Machine<'a>, Vec<Timed<MachineOperation>>),
}

impl<'a> KeyHistory<'a> {
    pub(super) fn new(history: &'a History, indexes: Vec<u32>, rules: &'a Rules) -> Self {
        let absent_is_empty = match rules.model {
            ModelName::Kv => true,
            ModelName::Register | ModelName::Append | ModelName::Counter | ModelName::Mixed => {
                false
            }
        };
        let initial = rules.initial.as_deref();
        let (kind, absent_is_zero) = (Kind::Machine, rules.absent_is_zero);
        let mut part = Self { history, indexes, kind, absent_is_empty, absent_is_zero, initial };
        part.kind = part.narrowest();
        part
    }

    /// Returns the same part with a weaker model, of which anything can be left out, and a few of
    /// its operations that even this model does not accept, if there are any.
    ///
    /// What the weaker model does not accept, the part's own does not accept either.
    pub(super) fn relaxed(&self) -> Option<(Self, Vec<u32>)> {
        let relaxes = self.kind == Kind::Counter && counter::only_rises(self);
        let conflict = relaxes.then(|| counter::conflict(self)).flatten()?;
        let relaxed = Self {
            history: self.history,
            indexes: self.indexes.clone(),
            kind: Kind::RisingCounter,
            absent_is_empty: self.absent_is_empty,
            absent_is_zero: self.absent_is_zero,
            initial: self.initial,
        };
        Some((relaxed, conflict))
    }

    /// Returns the problem of the whole part.
    pub(super) fn whole(&self) -> Problem<'a> {
        self.problem(&self.indexes)
    }

    /// Returns the problem of some of the operations, in order of calls.
    pub(super) fn problem(&self, kept: &[u32]) -> Problem<'a> {
        match self.kind {
            Kind::Register => register::problem(self, kept),
            Kind::List => list::problem(self, kept),
            Kind::Counter => counter::problem(self, kept),
            Kind::RisingCounter => counter::rising_problem(self, kept),
            Kind::Machine => machine::problem(self, kept),
        }
    }

    /// Adds the operations to some others that these others cannot be judged without.
    pub(super) fn with_support(&self, kept: &[u32]) -> Vec<u32> {
        match self.kind {
            Kind::Register => register::with_writers(self, kept),
            Kind::List | Kind::Counter | Kind::RisingCounter | Kind::Machine => kept.to_vec(),
        }
    }

    /// Adds a writer for each value that some operations saw and none of them wrote.
    pub(super) fn with_one_writer(&self, kept: &[u32]) -> Vec<u32> {
        match self.kind {
            Kind::Register => register::with_one_writer(self, kept),
            Kind::List | Kind::Counter | Kind::RisingCounter | Kind::Machine => kept.to_vec(),
        }
    }

    pub(super) fn indexes(&self) -> &[u32] {
        &self.indexes
    }

    /// Returns what the key holds before the first operation, where that was given.
    ///
    /// Where absence reads as the empty text, and nothing else is said, that is what it holds.
    pub(super) fn initial(&self) -> Option<&'a str> {
        self.initial.or_else(|| self.absent_is_empty.then_some(""))
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) fn history(&self) -> &'a History {
        self.history
    }

    pub(super) fn operation(&self, index: u32) -> &'a Operation {
        &self.history.operations[index as usize]
    }

    fn is_whole(&self, kept: &[u32]) -> bool {
        kept.len() == self.indexes.len()
    }

    fn timed<O>(&self, index: u32, operation: O) -> Timed<O> {
        let Operation { called, returned, .. } = *self.operation(index);
        Timed { index, operation, called, returned }
    }

    fn narrowest(&self) -> Kind {
        let only = |allowed: fn(Action) -> bool| {
            self.indexes.iter().all(|index| allowed(self.operation(*index).action))
        };
        if only(|action| !matches!(action, Action::Append(_) | Action::Add(_))) {
            Kind::Register
        } else if only(|action| matches!(action, Action::Read | Action::Add(_)))
            && self.initial.is_none_or(|initial| counter::number(initial).is_some())
        {
            Kind::Counter
        } else if only(|action| matches!(action, Action::Read | Action::Append(_)))
            && self.initial.is_none()
            && list::elements_are_told_apart(self)
        {
            Kind::List
        } else {
            Kind::Machine
        }
    }
}

impl Problem<'_> {
    pub(super) fn search(&self, meter: &mut Meter, refute: Refute<'_>) -> Result<Found, Cause> {
        match self {
            Self::Register(model, operations) => search(model, operations, meter, refute),
            Self::List(model, operations) => search(model, operations, meter, refute),
            Self::Counter(model, operations) => search(model, operations, meter, refute),
            Self::Machine(model, operations) => search(model, operations, meter, refute),
        }
    }

    /// Judges without any hash: returns whether there is an order.
    pub(super) fn is_legal_exactly(&self, meter: &mut Meter) -> Result<bool, Cause> {
        match self {
            Self::Register(model, operations) => exhaustive::is_legal(model, operations, meter),
            Self::List(model, operations) => exhaustive::is_legal(model, operations, meter),
            Self::Counter(model, operations) => exhaustive::is_legal(model, operations, meter),
            Self::Machine(model, operations) => exhaustive::is_legal(model, operations, meter),
        }
    }

    /// Returns whether an order of places is one that real time and the model allow, in which no
    /// completed operation is missing.
    pub(super) fn is_explained_by(&self, order: &[u32]) -> bool {
        match self {
            Self::Register(model, operations) => model::explains(model, operations, order),
            Self::List(model, operations) => model::explains(model, operations, order),
            Self::Counter(model, operations) => model::explains(model, operations, order),
            Self::Machine(model, operations) => model::explains(model, operations, order),
        }
    }

    /// Lists the unknown operations that a search has to place, and that were called before a
    /// position: indexes in the history.
    pub(super) fn unknown_until(&self, until: u32) -> Vec<u32> {
        fn of<O>(operations: &[Timed<O>], until: u32) -> Vec<u32> {
            let unknown = |step: &&Timed<O>| step.returned.is_none() && step.called < until;
            operations.iter().filter(unknown).map(|step| step.index).collect()
        }
        match self {
            Self::Register(_, operations) => of(operations, until),
            Self::List(_, operations) => of(operations, until),
            Self::Counter(_, operations) => of(operations, until),
            Self::Machine(_, operations) => of(operations, until),
        }
    }

    /// Returns the index in the history of the operation at a place of the problem.
    pub(super) fn index(&self, place: u32) -> u32 {
        fn at<O>(operations: &[Timed<O>], place: u32) -> u32 {
            operations[place as usize].index
        }
        match self {
            Self::Register(_, operations) => at(operations, place),
            Self::List(_, operations) => at(operations, place),
            Self::Counter(_, operations) => at(operations, place),
            Self::Machine(_, operations) => at(operations, place),
        }
    }

    /// Returns whether the operation at a place counts for its effect alone, because what its
    /// result depends on was left out.
    pub(super) fn forgets_result(&self, place: u32) -> bool {
        let place = place as usize;
        match self {
            Self::Register(_, steps) => {
                matches!(steps[place].operation, RegisterOperation::Write(_))
            }
            Self::Counter(_, steps) => {
                matches!(steps[place].operation, CounterOperation::MaybeAdd(_))
            }
            Self::List(..) | Self::Machine(..) => false,
        }
    }

    /// Returns how many operations the problem has.
    pub(super) fn len(&self) -> u32 {
        let len = match self {
            Self::Register(_, operations) => operations.len(),
            Self::List(_, operations) => operations.len(),
            Self::Counter(_, operations) => operations.len(),
            Self::Machine(_, operations) => operations.len(),
        };
        u32::try_from(len).expect("fewer than 2^32 operations")
    }
}
