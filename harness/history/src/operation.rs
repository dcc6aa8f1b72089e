//! Operations as the checker sees them: a call, perhaps a return, and what was answered.
//!
//! Order is by position, not by clock: the position of an event in the recorded history is the
//! only thing that decides which operation ended before another began. Times are kept for people.

use serde::{Deserialize, Serialize};

use super::{Text, Texts};

/// What was asked, with texts by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Reads the value.
    Read,
    /// Replaces the value.
    Write(Text),
    /// Replaces the value `from`, or absence, by `to`.
    Cas {
        /// What is expected; none expects absence.
        from: Option<Text>,
        /// What is written.
        to: Text,
    },
    /// Removes the value.
    Delete,
    /// Adds a text at the end of the value.
    Append(Text),
    /// Adds a number to the value.
    Add(i64),
}

/// What was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Answer {
    /// Nothing certain: the operation may have taken effect, may yet, or never will.
    Unknown,
    /// It took effect, and there is no more to say.
    Done,
    /// A read saw this value, or absence.
    Seen(Option<Text>),
    /// A compare-and-set swapped, or saw another value than it expected.
    Swapped(bool),
    /// An addition made this sum.
    Sum(i64),
}

/// One operation of one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// The client.
    pub process: u32,
    /// The key.
    pub key: Text,
    /// What was asked.
    pub action: Action,
    /// What was answered; [`Answer::Unknown`] exactly where there is no return.
    pub answer: Answer,
    /// The position of the call among all events.
    pub called: u32,
    /// The position of the return among all events, where it returned with an answer.
    pub returned: Option<u32>,
    /// The time of the call, in nanoseconds since the start of the run.
    pub call_ns: u64,
    /// The time of the return; meaningless where there is none.
    pub return_ns: u64,
}

/// A history, paired and compact. Operations that certainly did not happen are left out.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The operations, in order of their calls.
    pub operations: Vec<Operation>,
    /// The keys and values they name.
    pub texts: Texts,
    /// How all operations ended, the failed ones included.
    pub counts: OperationCounts,
    /// The operations that were reported failed, in order of their calls.
    pub failed: Vec<Operation>,
    /// How those ended that have no answer: that they failed, or that their outcome is unknown. In
    /// order of their ends.
    pub endings: Vec<Ending>,
    /// The calls of which nothing tells how they ended.
    pub open: OpenCalls,
}

/// The end of a call that no answer belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// The position of the call among all events.
    pub called: u32,
    /// The position of the end.
    pub at: u32,
    /// The time of the end, in nanoseconds since the start of the run.
    pub time_ns: u64,
    /// What was said of it, among the texts of the history; only the first few reasons are kept.
    pub reason: Option<Text>,
}

/// Calls of which a history does not tell how they ended, not even that this is unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenCalls {
    /// Those that read.
    pub reads: u64,
    /// Those that may change something.
    pub changes: u64,
    /// The clients, in order.
    pub clients: Vec<u32>,
}

/// How the clients' operations ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationCounts {
    /// Operations that certainly took effect.
    pub ok: u64,
    /// Operations that certainly did not.
    pub fail: u64,
    /// Operations whose outcome is unknown.
    pub info: u64,
}

impl History {
    /// Returns how many bytes of memory the history takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let operations = self.operations.capacity() + self.failed.capacity();
        let endings = self.endings.capacity() * size_of::<Ending>();
        operations * size_of::<Operation>() + endings + self.texts.bytes()
    }

    /// Returns whether its times tell a person anything. Those of a logical clock, which counts
    /// events, do not: the events would lie closer together than the microseconds that are printed.
    #[must_use]
    pub fn has_times(&self) -> bool {
        let first = self.operations.first().map_or(0, |first| first.call_ns);
        let end = |one: &Operation| if one.is_unknown() { one.call_ns } else { one.return_ns };
        let last = self.operations.iter().map(end).max().unwrap_or(0);
        last.saturating_sub(first) >= self.operations.len() as u64 * NANOS_PER_OPERATION_MIN
    }
}

/// No clock of a real system shows operations closer together than this, one after the other.
const NANOS_PER_OPERATION_MIN: u64 = 1000;

impl Operation {
    /// Returns whether the outcome is unknown.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.returned.is_none()
    }

    /// Returns whether this operation certainly ended before the other began.
    #[must_use]
    pub fn precedes(&self, other: &Self) -> bool {
        self.returned.is_some_and(|returned| returned < other.called)
    }
}
