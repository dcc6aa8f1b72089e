//! What the clients did and saw: events as they are written, operations as they are judged.
//!
//! An [`Event`] is one line of a recorded history; [`jsonl`] writes and reads them while a run goes
//! on. A [`History`] is the compact form that the checker works on: calls paired with returns,
//! texts replaced by numbers. The other modules read histories that foreign tools recorded. Nothing
//! here judges: that is left to `synod-checker`. What is kept true is that no outcome is ever made
//! up: what did not return, and what returned without a certain answer, stays unknown.
#![doc = include_str!("../README.md")]

mod calls;
mod deed;
pub mod edn;
mod etcd;
mod fields;
pub mod import;
mod interner;
pub mod json;
pub mod jsonl;
mod log;
mod number;
mod operation;
mod operations;
mod pairing;
mod porcupine;
mod printed;
mod refused;
mod request;
mod source;
mod stream;
pub mod synthetic;
mod translate;
mod visible;
mod watch;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use calls::{Call, CallEnd, Calls};
pub use interner::{Text, Texts};
pub use operation::{Action, Answer, Ending, History, OpenCalls, Operation, OperationCounts};
pub use pairing::HistoryBuilder;
pub use request::{ELEMENT_END, Request};
pub use visible::visible;
pub use watch::Watch;

/// One event of a history: a call, or the end of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// The position in the history, from 0, without gaps.
    pub index: u64,
    /// Nanoseconds since the start of the run, on a clock that never goes back.
    pub time_ns: u64,
    /// Who did it.
    pub process: Process,
    /// Whether this is a call, or how the call ended.
    #[serde(rename = "type")]
    pub kind: EventKind,
    /// The name of the operation, such as `cas`, or of the fault.
    pub f: String,
    /// The key, where the operation has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The argument of a call; the result of an operation that ended well.
    #[serde(default)]
    pub value: Value,
    /// Why the operation failed, or why its outcome is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The node that was asked, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<u16>,
}

/// Who causes an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "WrittenProcess", into = "WrittenProcess")]
pub enum Process {
    /// A logical client, which has at most one operation open.
    Client(u32),
    /// The part of the harness that breaks things.
    Nemesis,
}

/// Whether an event is a call, or how the call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventKind {
    /// The operation was called.
    Invoke,
    /// It took effect, and its result is known.
    Ok,
    /// It certainly did not take effect.
    Fail,
    /// Whether it took effect, or will, is unknown.
    Info,
}

/// An argument or a result.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// Nothing: no argument, no result, or an absent key.
    #[default]
    Null,
    /// Whether a compare-and-set found what it expected.
    Flag(bool),
    /// A text; numbers are written as texts.
    Text(String),
    /// What a compare-and-set expects, where none stands for an absent key, and what it writes.
    Pair(Option<String>, String),
}

impl std::fmt::Display for Value {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Null => formatter.write_str("null"),
            Self::Flag(flag) => write!(formatter, "{flag}"),
            Self::Text(text) => write!(formatter, "{text:?}"),
            Self::Pair(None, to) => write!(formatter, "[null, {to:?}]"),
            Self::Pair(Some(from), to) => write!(formatter, "[{from:?}, {to:?}]"),
        }
    }
}

/// Why a history cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The file system refused.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A line is not what the format asks for. The file is to blame.
    #[error("{place}:{line}{}: {problem}; {remedy}", after_line(*column))]
    Malformed {
        /// The file, or the name of the source.
        place: String,
        /// The line, from 1.
        line: u64,
        /// The column, from 1, where it is known.
        column: Option<u64>,
        /// What is wrong.
        problem: String,
        /// What to do about it.
        remedy: &'static str,
    },
    /// The file ends within an event.
    #[error(
        "{place}:{line}: the file ends within an event: {problem}; record it \
         anew, or remove the torn end"
    )]
    Cut {
        /// The file, or the name of the source.
        place: String,
        /// The line on which it ends.
        line: u64,
        /// What was to come.
        problem: String,
    },
    /// The history is of a kind that no model of the harness knows.
    #[error(
        "{place}:{line}: there is no model for {kind} yet, so this history is not judged; there \
         are models for registers, counters, lists, and keys of a map with these operations"
    )]
    NoModel {
        /// The file, or the name of the source.
        place: String,
        /// The line, from 1, of the first event that tells.
        line: u64,
        /// What kind of history it is.
        kind: String,
    },
    /// The reader was told to stop.
    #[error("{place}: stopped after {events} events")]
    Stopped {
        /// The file, or the name of the source.
        place: String,
        /// How many events had been read.
        events: u64,
    },
}

/// Prints a column as it stands after its line.
fn after_line(column: Option<u64>) -> String {
    column.map_or_else(String::new, |column| format!(":{column}"))
}

impl HistoryError {
    /// Tells what the source said near a line: that a packed file is broken is the file's to blame.
    pub(crate) fn of_source(place: &str, line: u64, source: std::io::Error) -> Self {
        let is_broken = matches!(
            source.kind(),
            std::io::ErrorKind::UnexpectedEof
                | std::io::ErrorKind::InvalidData
                | std::io::ErrorKind::InvalidInput
        );
        if is_broken {
            let problem = format!("its gzip stream is broken ({source})");
            return Self::Cut { place: place.to_owned(), line, problem };
        }
        Self::Io { path: place.into(), source }
    }
}

/// The written form of a process: a number, or the word `nemesis`.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum WrittenProcess {
    Client(u32),
    Nemesis(NemesisWord),
}

#[derive(Serialize, Deserialize)]
enum NemesisWord {
    #[serde(rename = "nemesis")]
    Nemesis,
}

impl From<WrittenProcess> for Process {
    fn from(written: WrittenProcess) -> Self {
        match written {
            WrittenProcess::Client(number) => Self::Client(number),
            WrittenProcess::Nemesis(NemesisWord::Nemesis) => Self::Nemesis,
        }
    }
}

impl From<Process> for WrittenProcess {
    fn from(process: Process) -> Self {
        match process {
            Process::Client(number) => Self::Client(number),
            Process::Nemesis => Self::Nemesis(NemesisWord::Nemesis),
        }
    }
}
