//! The workloads that come with the harness: their names, and the operations of each with their
//! shares.
//!
//! Values are unique, so that a read says which write it saw, and keys are left for fresh ones
//! after a while, so that the history of a key stays short enough to be judged quickly even when
//! many of its outcomes are unknown. What a client asks next is left to the
//! [`Generator`](crate::Generator).

use std::fmt;
use std::str::FromStr;

use synod_checker::ModelName;
use synod_history::{History, Request};

/// What the clients do.
///
/// # Examples
///
/// ```
/// use synod_workload::WorkloadName;
///
/// assert_eq!("append".parse(), Ok(WorkloadName::Append));
/// assert_eq!(WorkloadName::Mix.to_string(), "mix");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkloadName {
    /// Reads, writes, compare-and-sets and deletes on several keys.
    Registers,
    /// Appends to lists, and reads of whole lists.
    Append,
    /// Additions to counters, and reads.
    Counter,
    /// All of these, each on keys of its own.
    Mix,
}

/// How often a kind of operation is drawn, and on which keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// The kind of operation.
    pub kind: RequestKind,
    /// Parts of all draws.
    pub weight: u32,
    /// The first letter of the keys.
    pub family: char,
    /// How many keys of this family are in use at a time.
    pub keys: u32,
}

/// The kind of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestKind {
    /// A read.
    Read,
    /// A write of a unique value.
    Write,
    /// A compare-and-set from what the client last saw to a unique value.
    Cas,
    /// A delete.
    Delete,
    /// An append of a unique element.
    Append,
    /// An addition of a small number.
    Add,
}

impl WorkloadName {
    /// Every workload.
    pub const ALL: [Self; 4] = [Self::Registers, Self::Append, Self::Counter, Self::Mix];

    /// Returns the name, as the command line spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Registers => "registers",
            Self::Append => "append",
            Self::Counter => "counter",
            Self::Mix => "mix",
        }
    }

    /// Returns the model that judges the history.
    #[must_use]
    pub fn model(self) -> ModelName {
        match self {
            Self::Registers => ModelName::Register,
            Self::Append => ModelName::Append,
            Self::Counter => ModelName::Counter,
            Self::Mix => ModelName::Mixed,
        }
    }

    /// Returns the kinds of operations with their shares.
    #[must_use]
    pub fn shares(self) -> Vec<Share> {
        match self {
            Self::Registers => registers(REGISTER_KEYS, 100),
            Self::Append => lists(LIST_KEYS_ALONE, 100),
            Self::Counter => counters(COUNTER_KEYS, 100),
            Self::Mix => {
                let mut shares = registers(REGISTER_KEYS, 60);
                shares.extend(lists(LIST_KEYS, 25));
                shares.extend(counters(COUNTER_KEYS, 15));
                shares
            }
        }
    }

    /// Returns one read of every key of a history, to be made after the faults are healed.
    ///
    /// Their results belong into the same history: the checker then judges them with the rest.
    #[must_use]
    pub fn final_reads(self, history: &History) -> Vec<Request> {
        let mut keys: Vec<_> = history.operations.iter().map(|operation| operation.key).collect();
        keys.sort_unstable();
        keys.dedup();
        let read = |key| Request::Read { key: history.texts.text(key).to_owned() };
        keys.into_iter().map(read).collect()
    }
}

impl fmt::Display for WorkloadName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for WorkloadName {
    type Err = UnknownWorkload;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|workload| workload.name() == name);
        found.ok_or_else(|| UnknownWorkload(name.to_owned()))
    }
}

/// The user named a workload that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no workload `{0}`; use registers, append, counter or mix")]
pub struct UnknownWorkload(pub String);

fn registers(keys: u32, percent: u32) -> Vec<Share> {
    let share = |kind, weight| Share { kind, weight: weight * percent, family: 'r', keys };
    vec![
        share(RequestKind::Read, 45),
        share(RequestKind::Write, 30),
        share(RequestKind::Cas, 20),
        share(RequestKind::Delete, 5),
    ]
}

fn lists(keys: u32, percent: u32) -> Vec<Share> {
    let share = |kind, weight| Share { kind, weight: weight * percent, family: 'a', keys };
    vec![share(RequestKind::Append, 50), share(RequestKind::Read, 50)]
}

fn counters(keys: u32, percent: u32) -> Vec<Share> {
    let share = |kind, weight| Share { kind, weight: weight * percent, family: 'c', keys };
    vec![share(RequestKind::Add, 60), share(RequestKind::Read, 40)]
}

const REGISTER_KEYS: u32 = 5;
const LIST_KEYS: u32 = 3;

/// More lists where nothing else is done, so that reads of whole lists stay short.
const LIST_KEYS_ALONE: u32 = 8;

const COUNTER_KEYS: u32 = 2;
