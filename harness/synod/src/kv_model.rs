//! The replicated state of the simulation: texts by key, as the workloads of the harness use them.
//!
//! It is small, total and deterministic, and it notices what no state machine should ever see: the
//! same command applied twice. Each command carries the number of the operation that it is; the
//! numbers are no part of the digest, as they exist for the judge alone.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use synod_history::{Request, Value};
use synod_smr::{
    Invalid, NoSnapshot, REPLY_BYTES_MAX, RestoreError, SnapshotPieces, SnapshotView, StateMachine,
    fingerprint, mix,
};

/// The replicated state.
#[derive(Clone, Debug, Default)]
pub struct KvModel {
    texts: BTreeMap<String, String>,
    digest: u64,
    applied: BTreeSet<u64>,
    /// The same numbers, in the order in which they were applied.
    order: Vec<u64>,
    twice: Option<u64>,
}

/// A command as the log carries it.
#[derive(Debug, Serialize, Deserialize)]
struct Command<'a> {
    operation: u64,
    #[serde(borrow)]
    key: &'a str,
    #[serde(borrow)]
    change: Change<'a>,
    /// Makes the command longer, and means nothing.
    #[serde(borrow)]
    padding: &'a [u8],
}

#[derive(Debug, Serialize, Deserialize)]
enum Change<'a> {
    Write(&'a str),
    Cas(Option<&'a str>, &'a str),
    Delete,
    Append(&'a str),
    Add(i64),
}

/// A reply as the client gets it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Reply {
    Done,
    Text(Option<String>),
    Swapped(bool),
    Sum(i64),
    Deleted(bool),
    Length(usize),
}

/// What a request asks of the replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A change.
    Command(Bytes),
    /// A question.
    Query(Bytes),
}

/// Encodes a request; `operation` tells it from all others of the run, and a command is made
/// `padding` bytes longer.
///
/// # Panics
///
/// Panics if the request is none of those that the store knows.
#[must_use]
pub fn encode(operation: u64, request: &Request, padding: usize) -> Asked {
    let change = match request {
        Request::Read { key } => return Asked::Query(Bytes::copy_from_slice(key.as_bytes())),
        Request::Write { value, .. } => Change::Write(value),
        Request::Cas { from, to, .. } => Change::Cas(from.as_deref(), to),
        Request::Delete { .. } => Change::Delete,
        Request::Append { value, .. } => Change::Append(value),
        Request::Add { delta, .. } => Change::Add(*delta),
        Request::Own { f, .. } => panic!("the simulated store knows no `{f}`"),
    };
    let padding = &vec![0; padding];
    let command = Command { operation, key: request.key(), change, padding };
    let bytes = postcard::to_allocvec(&command).expect("memory takes whatever is written");
    Asked::Command(bytes.into())
}

/// Decodes a reply into what the history says of it; none if it is no reply.
#[must_use]
pub fn decode(reply: &[u8]) -> Option<Value> {
    Some(match postcard::from_bytes(reply).ok()? {
        Reply::Done | Reply::Text(None) => Value::Null,
        Reply::Text(Some(text)) => Value::Text(text),
        Reply::Swapped(swapped) => Value::Flag(swapped),
        Reply::Sum(sum) => Value::Text(sum.to_string()),
        Reply::Deleted(existed) => Value::Flag(existed),
        Reply::Length(length) => Value::Text(length.to_string()),
    })
}

impl KvModel {
    /// Returns the number of an operation that was applied twice, if there is one.
    #[must_use]
    pub fn applied_twice(&self) -> Option<u64> {
        self.twice
    }

    /// Returns how many different operations were applied.
    #[must_use]
    pub fn operations(&self) -> usize {
        self.applied.len()
    }

    /// Lists the operations in the order in which they were applied.
    #[must_use]
    pub fn order(&self) -> &[u64] {
        &self.order
    }

    fn change(&mut self, key: &str, change: &Change<'_>) -> Reply {
        let old = self.texts.get(key).map(String::as_str);
        match change {
            Change::Write(text) => {
                self.put(key, Some((*text).to_owned()));
                Reply::Done
            }
            Change::Cas(from, to) => {
                let swaps = old == *from;
                if swaps {
                    self.put(key, Some((*to).to_owned()));
                }
                Reply::Swapped(swaps)
            }
            Change::Delete => {
                let existed = old.is_some();
                self.put(key, None);
                Reply::Deleted(existed)
            }
            Change::Append(text) => {
                let text = [old.unwrap_or_default(), text].concat();
                let length = text.len();
                self.put(key, Some(text));
                Reply::Length(length)
            }
            Change::Add(delta) => {
                // A text that is no number counts as 0: whatever was validated has to be applied.
                let sum = old.and_then(|text| text.parse().ok()).unwrap_or(0_i64);
                // An overflow has to come to the same sum everywhere, and must not panic in some
                // builds only.
                let sum = sum.wrapping_add(*delta);
                self.put(key, Some(sum.to_string()));
                Reply::Sum(sum)
            }
        }
    }

    fn put(&mut self, key: &str, text: Option<String>) {
        let old = match text {
            Some(text) => {
                self.digest ^= mark(key, &text);
                self.texts.insert(key.to_owned(), text)
            }
            None => self.texts.remove(key),
        };
        if let Some(old) = old {
            // A mark is its own inverse: said once more, it takes the old text out of the digest.
            self.digest ^= mark(key, &old);
        }
    }
}

/// What is asked for a reply that is longer than any may be.
pub const LONG_QUERY: &[u8] = b"\0long";

static LONG_REPLY: [u8; REPLY_BYTES_MAX + 1] = [0; REPLY_BYTES_MAX + 1];

/// One key and text as they stand in the digest, which adds such marks up.
fn mark(key: &str, text: &str) -> u64 {
    // Rotated, as a key and a text that are equal would cancel out otherwise.
    mix(fingerprint(key.as_bytes()).rotate_left(1) ^ fingerprint(text.as_bytes()))
}

impl StateMachine for KvModel {
    fn validate(&self, command: &[u8]) -> Result<(), Invalid> {
        let parsed: Result<Command<'_>, _> = postcard::from_bytes(command);
        parsed.map(drop).map_err(|error| Invalid::new(error.to_string()))
    }

    fn apply(&mut self, command: &[u8]) -> Bytes {
        // Commands are validated before they are proposed. Whatever else a log holds has to come to
        // the same on all replicas.
        let Ok(command) = postcard::from_bytes::<Command<'_>>(command) else {
            return Bytes::new();
        };
        self.order.push(command.operation);
        if !self.applied.insert(command.operation) {
            self.twice = self.twice.or(Some(command.operation));
        }
        let reply = self.change(command.key, &command.change);
        postcard::to_allocvec(&reply).unwrap_or_default().into()
    }

    fn query(&self, query: &[u8]) -> Bytes {
        if query == LONG_QUERY {
            return Bytes::from_static(&LONG_REPLY);
        }
        let text = std::str::from_utf8(query).ok().and_then(|key| self.texts.get(key));
        postcard::to_allocvec(&Reply::Text(text.cloned())).unwrap_or_default().into()
    }

    fn digest(&self) -> u64 {
        self.digest
    }

    fn snapshot(&self) -> Result<SnapshotView, NoSnapshot> {
        // The numbers of operations are part of it: the judge asks them of a node that went on from
        // a snapshot, too.
        let state = (&self.texts, &self.order, &self.twice);
        let bytes = postcard::to_allocvec(&state).expect("memory takes whatever is written");
        let bytes = Bytes::from(bytes);
        let mut rest = bytes;
        Ok(SnapshotView::pieces(std::iter::from_fn(move || {
            let piece = rest.split_to(rest.len().min(PIECE_BYTES));
            (!piece.is_empty()).then_some(piece)
        })))
    }

    fn restore(&mut self, snapshot: &mut SnapshotPieces<'_>) -> Result<(), RestoreError> {
        let bytes = snapshot.rest(usize::MAX)?;
        let (texts, order, twice): (BTreeMap<String, String>, Vec<u64>, Option<u64>) =
            postcard::from_bytes(&bytes)
                .map_err(|error| RestoreError::Malformed(error.to_string()))?;
        let digest = texts.iter().fold(0, |digest, (key, text)| digest ^ mark(key, text));
        let applied = order.iter().copied().collect();
        *self = Self { texts, digest, applied, order, twice };
        Ok(())
    }
}

/// In how long pieces a state is written down: short, so that most states have several.
const PIECE_BYTES: usize = 1_000;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    fn apply(store: &mut KvModel, operation: u64, request: &Request) -> Value {
        let Asked::Command(bytes) = encode(operation, request, 0) else { panic!("no command") };
        store.validate(&bytes).unwrap();
        decode(&store.apply(&bytes)).unwrap()
    }

    fn read(store: &KvModel, key: &str) -> Value {
        let Asked::Query(bytes) = encode(0, &Request::Read { key: key.into() }, 0) else {
            panic!("no query")
        };
        decode(&store.query(&bytes)).unwrap()
    }

    #[test]
    fn every_request_does_what_its_name_says() {
        let mut store = KvModel::default();
        let key = || "k".to_owned();
        apply(&mut store, 1, &Request::Write { key: key(), value: "a".into() });
        let swap = Request::Cas { key: key(), from: Some("a".into()), to: "b".into() };
        assert_eq!(apply(&mut store, 2, &swap), Value::Flag(true));
        assert_eq!(apply(&mut store, 3, &swap), Value::Flag(false));
        apply(&mut store, 4, &Request::Append { key: key(), value: "c".into() });
        assert_eq!(read(&store, "k"), Value::Text("bc".into()));
        apply(&mut store, 5, &Request::Delete { key: key() });
        assert_eq!(read(&store, "k"), Value::Null);
        assert_eq!(store.digest(), 0, "an empty store is as if nothing had been");
        let add = Request::Add { key: key(), delta: -3 };
        assert_eq!(apply(&mut store, 6, &add), Value::Text("-3".into()));
        assert_eq!(store.applied_twice(), None);
    }

    #[test]
    fn a_command_applied_twice_is_noticed() {
        let mut store = KvModel::default();
        let write = Request::Write { key: "k".into(), value: "a".into() };
        apply(&mut store, 7, &write);
        apply(&mut store, 7, &write);
        assert_eq!(store.applied_twice(), Some(7));
        assert_eq!(store.operations(), 1);
    }

    #[test]
    fn garbage_is_no_command() {
        assert!(KvModel::default().validate(&[255; 40]).is_err());
    }
}
