//! The core of a violation: the few operations that no order explains, as they are printed.
//!
//! Which operations these are is decided in `counterexample`, what is said of them in `explain`;
//! here they are only named. They are written and read as a part of a run's summary.

use serde::{Deserialize, Serialize};

/// The few operations that no order explains.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ViolationCore {
    /// The key whose history is wrong.
    pub key: String,
    /// One sentence that says what is wrong.
    pub sentence: String,
    /// The operations, in order of their call.
    pub operations: Vec<CoreOperation>,
}

/// One operation of a violation's core.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CoreOperation {
    /// The client.
    pub process: u32,
    /// The operation's name, as in the history.
    pub f: String,
    /// The key.
    pub key: String,
    /// The argument, printed.
    pub argument: String,
    /// The result, printed; `unknown` where the operation never returned.
    pub result: String,
    /// When it was called, in nanoseconds since the start of the run.
    pub call_ns: u64,
    /// When it returned, where it did.
    pub return_ns: Option<u64>,
    /// The position of the call in the history.
    #[serde(default)]
    pub called: u32,
    /// The position of the return in the history, where there is one.
    #[serde(default)]
    pub returned: Option<u32>,
}
