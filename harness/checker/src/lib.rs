//! Judges histories: was what the clients saw linearizable?
//!
//! [`check_history`] is the entry point. It splits the history by key, takes the cheapest exact
//! model for what was done to each key, and searches an order of the operations that respects real
//! time and that the model accepts. A legal verdict carries that order as its witness; an illegal
//! one carries the few operations that no order explains; `Unknown` says which budget ran out, and
//! where. No verdict is a guess: see [`search`] for the one place where chance enters, and how it
//! is taken out again. Where it could not be taken out, the summary of the checker says why.
//!
//! Histories, their formats, and what a client may say of an outcome are `synod-history`'s; what is
//! printed of a verdict, and with which code a program ends, is left to the caller. Nothing here
//! needs a runtime: a check is one call on one thread, within a [`Budget`]. An object of one's own
//! is a [`model::Model`]: [`check_calls`] judges a history of it, by the same [`search`].
#![doc = include_str!("../README.md")]

pub mod budget;
mod calls;
mod checker;
mod checker_summary;
mod counterexample;
pub mod exhaustive;
mod explain;
#[cfg(test)]
mod fuzz;
mod grounds;
mod linearization;
pub mod model;
mod models;
mod reduce;
pub mod search;
mod stuck;
mod violation_core;
mod void;
mod zones;

use std::fmt;
use std::str::FromStr;

use synod_history::import::Format;
use synod_history::{Action, History, Operation};

pub use budget::{Budget, Cause};
pub use calls::check_calls;
pub use checker::{check_by_rules, check_history, is_linearizable};
pub use checker_summary::CheckerSummary;
pub use explain::EMPTY;
pub use grounds::shows_nothing;
pub use linearization::{Linearization, LinearizationError};
pub use stuck::Stuck;
pub use violation_core::{CoreOperation, ViolationCore};
pub use void::void_because;

/// What a history is judged by.
///
/// Every model knows every operation; the names differ in what a key holds that was never written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelName {
    /// A key is absent until it is written; reads of it see null.
    Register,
    /// As [`ModelName::Register`]; the name for histories of appends.
    Append,
    /// As [`ModelName::Register`]; the name for histories of additions.
    Counter,
    /// As [`ModelName::Register`]; the name for histories of everything.
    Mixed,
    /// A key holds the empty text until it is written, and again after it is deleted.
    Kv,
}

/// What a history is judged by, with what its keys hold in the beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The model.
    pub model: ModelName,
    /// What each key holds before the first operation; none for what the model says.
    pub initial: Option<String>,
    /// Whether a counter to which nothing was added may be read as 0, besides as nothing.
    pub absent_is_zero: bool,
}

impl From<ModelName> for Rules {
    fn from(model: ModelName) -> Self {
        Self { model, initial: None, absent_is_zero: false }
    }
}

impl Rules {
    /// Returns what a history of a format is judged by where nothing else is asked for: the
    /// format's own model; and in Jepsen's histories counters begin at 0, which some clients read
    /// as nil until something is added.
    #[must_use]
    pub fn of(format: Format, history: &History) -> Self {
        let (model, is_jepsens) = match format {
            Format::Jsonl => (ModelName::Mixed, false),
            Format::Edn | Format::JepsenJson => (ModelName::Mixed, true),
            Format::JepsenLog => (ModelName::Register, true),
            Format::EtcdJson => (ModelName::Register, false),
            Format::PorcupineKv | Format::PorcupineJson => (ModelName::Kv, false),
        };
        let operations = history.operations.iter();
        let adds = |operation: &Operation| matches!(operation.action, Action::Add(_));
        let counts = operations.clone().all(|one| one.action == Action::Read || adds(one));
        let is_counter = is_jepsens && counts && operations.clone().any(adds);
        Self { model, initial: None, absent_is_zero: is_counter }
    }
}

/// What the checker found.
#[derive(Clone, Debug)]
pub struct Report {
    /// The verdict.
    pub judgement: Judgement,
    /// What it took to reach it.
    pub checker: CheckerSummary,
    /// Where a search was when a budget ran out.
    pub stuck: Option<Stuck>,
}

/// The verdict on a history.
#[derive(Clone, Debug)]
pub enum Judgement {
    /// The history is linearizable.
    Legal {
        /// Indexes of operations of the history. Those of one key stand in the order that explains
        /// what the clients saw; unknown ones that took no effect are left out.
        witness: Vec<u32>,
    },
    /// No order explains the history.
    Illegal {
        /// The few operations that no order explains.
        core: ViolationCore,
    },
    /// A budget ran out before there was a verdict.
    Unknown {
        /// Which budget, and where.
        cause: Cause,
    },
}

impl Report {
    /// Returns the core of the violation, where there is one.
    #[must_use]
    pub fn violation(&self) -> Option<&ViolationCore> {
        match &self.judgement {
            Judgement::Illegal { core } => Some(core),
            Judgement::Legal { .. } | Judgement::Unknown { .. } => None,
        }
    }
}

impl ModelName {
    /// Every model.
    pub const ALL: [Self; 5] = [Self::Register, Self::Append, Self::Counter, Self::Mixed, Self::Kv];

    /// Returns the name, as the command line spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Append => "append",
            Self::Counter => "counter",
            Self::Mixed => "mixed",
            Self::Kv => "kv",
        }
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for ModelName {
    type Err = UnknownModel;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|model| model.name() == name);
        found.ok_or_else(|| UnknownModel(name.to_owned()))
    }
}

/// The user named a model that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no model `{0}`; use register, append, counter, mixed or kv")]
pub struct UnknownModel(pub String);
