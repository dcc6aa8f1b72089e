//! The recorder: every call and return of a run, on disk in the order in which it happened.
//!
//! A call is written before it is sent and a return after it came, under one lock, so that the
//! order of the lines never claims that an operation ended before another began unless it did. The
//! file reaches the disk's cache several times a second. It also counts, for the status line.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use synod_fault::NodeId;
use synod_history::OperationCounts;
use synod_history::jsonl::EventWriter;
use synod_history::{Event, EventKind, HistoryError, Process, Request, Value};

use super::bridge::Outcome;

/// Writes the history of a run.
#[derive(Debug)]
pub struct Recorder {
    start: Instant,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    writer: EventWriter<File>,
    counts: OperationCounts,
    /// What was last heard of each client.
    last: BTreeMap<u32, LastHeard>,
    /// The first write that failed; the history is incomplete from there.
    broken: Option<io::Error>,
}

/// What was last heard of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LastHeard {
    /// When it called, or had its answer.
    pub(crate) at: Duration,
    /// Whether it waits for an answer.
    pub(crate) waits: bool,
}

impl Recorder {
    /// Creates the file; `start` is the time that counts as 0.
    ///
    /// # Errors
    ///
    /// [`HistoryError::Io`] if the file exists or cannot be created.
    pub fn create(path: &Path, start: Instant) -> Result<Self, HistoryError> {
        let writer = EventWriter::create(path)?;
        let (counts, last) = (OperationCounts::default(), BTreeMap::new());
        let inner = Inner { writer, counts, last, broken: None };
        Ok(Self { start, inner: Mutex::new(inner) })
    }

    /// Returns the time since the start of the run.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Returns when the run started: the time that counts as 0.
    #[must_use]
    pub fn start(&self) -> Instant {
        self.start
    }

    /// Writes that a client calls.
    pub fn call(&self, client: u32, node: Option<NodeId>, request: &Request) {
        let value = request.argument();
        self.write((client, node), request, EventKind::Invoke, value, None);
    }

    /// Writes how a client's call ended.
    pub fn end(&self, client: u32, node: Option<NodeId>, request: &Request, outcome: &Outcome) {
        let (kind, value, error) = match outcome {
            Outcome::Ok(value) => (EventKind::Ok, value.clone(), None),
            Outcome::Fail(error) => (EventKind::Fail, Value::Null, Some(error.clone())),
            Outcome::Info(error) => (EventKind::Info, Value::Null, Some(error.clone())),
        };
        self.write((client, node), request, kind, value, error);
    }

    /// Writes what the nemesis does.
    pub fn nemesis(&self, f: &str, what: String) {
        let mut inner = self.lock();
        let event = Event {
            index: 0,
            time_ns: self.now().as_nanos() as u64,
            process: Process::Nemesis,
            kind: EventKind::Info,
            f: f.to_owned(),
            key: None,
            value: Value::Text(what),
            error: None,
            node: None,
        };
        inner.write(event);
    }

    /// Returns how the operations ended, so far.
    #[must_use]
    pub fn counts(&self) -> OperationCounts {
        self.lock().counts
    }

    /// Returns what was last heard of a client, if it ever called.
    pub(crate) fn last_heard(&self, client: u32) -> Option<LastHeard> {
        self.lock().last.get(&client).copied()
    }

    /// Hands what was written to the system.
    ///
    /// # Errors
    ///
    /// The first error since the start: a history with a gap must not be judged.
    pub fn flush(&self) -> io::Result<()> {
        let mut inner = self.lock();
        if let Some(error) = &inner.broken {
            return Err(io::Error::new(error.kind(), error.to_string()));
        }
        inner.writer.flush()
    }

    fn write(
        &self,
        (client, node): (u32, Option<NodeId>),
        request: &Request,
        kind: EventKind,
        value: Value,
        error: Option<String>,
    ) {
        let mut inner = self.lock();
        // Within the lock, so that times have the order of the lines.
        let now = self.now();
        let time_ns = now.as_nanos() as u64;
        inner.last.insert(client, LastHeard { at: now, waits: kind == EventKind::Invoke });
        match kind {
            EventKind::Invoke => {}
            EventKind::Ok => inner.counts.ok += 1,
            EventKind::Fail => inner.counts.fail += 1,
            EventKind::Info => inner.counts.info += 1,
        }
        inner.write(Event {
            index: 0,
            time_ns,
            process: Process::Client(client),
            kind,
            f: request.f().to_owned(),
            key: Some(request.key().to_owned()),
            value,
            error,
            node: node.map(|node| node.0),
        });
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn write(&mut self, event: Event) {
        if let Err(error) = self.writer.write(event) {
            self.broken.get_or_insert(error);
        }
    }
}
