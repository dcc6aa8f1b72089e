//! What a client asks the system under test to do.
//!
//! A request is what a workload generates, what the bridge is sent, and what the `invoke` event of
//! a history says; its parts are texts, because the bridge protocol speaks texts.

use super::Value;

/// One operation, as a client asks for it.
///
/// # Examples
///
/// ```
/// use synod_history::{Request, Value};
///
/// let request = Request::Write { key: "k1".into(), value: "5".into() };
/// assert_eq!((request.f(), request.key()), ("write", "k1"));
/// assert_eq!(request.argument(), Value::Text("5".into()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Reads the key; the answer is its value, or null where it is absent.
    Read {
        /// The key.
        key: String,
    },
    /// Gives the key a value.
    Write {
        /// The key.
        key: String,
        /// The value.
        value: String,
    },
    /// Gives the key the value `to` if it has the value `from`; the answer says whether it had.
    Cas {
        /// The key.
        key: String,
        /// The value that is expected; none expects the key to be absent.
        from: Option<String>,
        /// The value to write.
        to: String,
    },
    /// Removes the key.
    Delete {
        /// The key.
        key: String,
    },
    /// Adds a text at the end of the value; an absent key counts as empty.
    Append {
        /// The key.
        key: String,
        /// The text to add.
        value: String,
    },
    /// Adds a number to the value; an absent key counts as 0. The answer is the sum.
    Add {
        /// The key.
        key: String,
        /// The number to add.
        delta: i64,
    },
    /// What a workload of one's own asks, in its own words; the answer may be null, true, false or
    /// a text.
    Own {
        /// The name of the operation, which is none of those above.
        f: String,
        /// The key.
        key: String,
        /// What it is asked with.
        argument: Value,
    },
}

impl Request {
    /// Returns the operation's name in the history and in the bridge protocol.
    #[must_use]
    pub fn f(&self) -> &str {
        match self {
            Self::Read { .. } => "read",
            Self::Write { .. } => "write",
            Self::Cas { .. } => "cas",
            Self::Delete { .. } => "delete",
            Self::Append { .. } => "append",
            Self::Add { .. } => "add",
            Self::Own { f, .. } => f,
        }
    }

    /// Returns the key.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Self::Read { key }
            | Self::Write { key, .. }
            | Self::Cas { key, .. }
            | Self::Delete { key }
            | Self::Append { key, .. }
            | Self::Add { key, .. }
            | Self::Own { key, .. } => key,
        }
    }

    /// Returns the argument, as the `invoke` event and the bridge protocol spell it.
    #[must_use]
    pub fn argument(&self) -> Value {
        match self {
            Self::Read { .. } | Self::Delete { .. } => Value::Null,
            Self::Write { value, .. } | Self::Append { value, .. } => Value::Text(value.clone()),
            Self::Cas { from, to, .. } => Value::Pair(from.clone(), to.clone()),
            Self::Add { delta, .. } => Value::Text(delta.to_string()),
            Self::Own { argument, .. } => argument.clone(),
        }
    }
}

/// Ends every element that is appended, so that one element is never a part of another.
pub const ELEMENT_END: char = ',';
