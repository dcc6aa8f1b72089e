//! Calls in the words in which they were recorded: for operations that a
//! [`History`](crate::History) does not know.
//!
//! A workload of one's own asks what it likes. What its words mean is left to whoever brought them;
//! here each return finds its call. The claim kept true is that of every history: no outcome is
//! made up. A call that certainly did not happen is left out, and one of which nobody knows stays.

use std::collections::BTreeMap;
use std::path::Path;

use super::operation::OperationCounts;
use super::{Event, EventKind, HistoryError, Process, Value, jsonl};

/// The calls of a recorded history, in their order.
///
/// # Examples
///
/// ```
/// use synod_history::{Calls, Event, EventKind, Process, Value};
///
/// let event = |index, kind, value| Event {
///     index,
///     time_ns: index * 1000,
///     process: Process::Client(3),
///     kind,
///     f: "take".into(),
///     key: Some("q1".into()),
///     value,
///     error: None,
///     node: None,
/// };
/// let events = [
///     event(0, EventKind::Invoke, Value::Null),
///     event(1, EventKind::Ok, Value::Text("5".into())),
///     event(2, EventKind::Invoke, Value::Null),
/// ];
/// let calls = Calls::of(&events)?;
/// assert_eq!((calls.counts.ok, calls.counts.info), (1, 1));
/// let [taken, unknown] = calls.calls.as_slice() else { panic!("two calls") };
/// assert_eq!(taken.answer(), Some(&Value::Text("5".into())));
/// assert_eq!(unknown.answer(), None);
/// # Ok::<(), synod_history::HistoryError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// Those that took effect, and those of which nobody knows.
    pub calls: Vec<Call>,
    /// How all of them ended, the failed ones included.
    pub counts: OperationCounts,
}

/// One call of one client, in its own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The client.
    pub client: u32,
    /// What was asked, such as `take`.
    pub f: String,
    /// The key.
    pub key: String,
    /// What it was asked with.
    pub argument: Value,
    /// The position of the call among all events.
    pub called: u32,
    /// The time of the call, in nanoseconds since the start of the run.
    pub call_ns: u64,
    /// How it ended; none if nobody knows whether it took effect.
    pub end: Option<CallEnd>,
}

/// The end of a call that took effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallEnd {
    /// What was answered.
    pub answer: Value,
    /// The position of the return among all events.
    pub returned: u32,
    /// The time of the return, in nanoseconds since the start of the run.
    pub return_ns: u64,
}

impl Call {
    /// Returns what was answered, if it is known to have taken effect.
    #[must_use]
    pub fn answer(&self) -> Option<&Value> {
        self.end.as_ref().map(|end| &end.answer)
    }

    /// Returns the position of the return among all events, where there is one.
    #[must_use]
    pub fn returned(&self) -> Option<u32> {
        self.end.as_ref().map(|end| end.returned)
    }
}

impl Calls {
    /// Pairs events in their order.
    ///
    /// # Errors
    ///
    /// [`HistoryError::Malformed`] if an event has no meaning at its place; its line is its number.
    pub fn of<'a>(events: impl IntoIterator<Item = &'a Event>) -> Result<Self, HistoryError> {
        let mut pairs = Pairs::new("the events");
        for (line, event) in (1..).zip(events) {
            pairs.push(line, event)?;
        }
        Ok(pairs.finish())
    }

    /// Reads the history of a run, packed or not.
    ///
    /// # Errors
    ///
    /// [`HistoryError`] if the file cannot be read, or is no history.
    pub fn read_file(path: &Path) -> Result<Self, HistoryError> {
        let mut pairs = Pairs::new(&path.display().to_string());
        let source = super::source::open(path)?;
        jsonl::each_event(source, path, |line, event| pairs.push(line, event))?;
        Ok(pairs.finish())
    }
}

/// Calls that are being paired.
struct Pairs {
    place: String,
    all: Calls,
    /// Per client the call that it has open.
    open: BTreeMap<u32, usize>,
    /// The calls that certainly did not happen, in the order of their ends.
    failed: Vec<usize>,
    /// The index of the last event.
    last_index: Option<u64>,
}

impl Pairs {
    fn new(place: &str) -> Self {
        let (all, open) = (Calls::default(), BTreeMap::new());
        Self { place: place.to_owned(), all, open, failed: Vec::new(), last_index: None }
    }

    fn push(&mut self, line: u64, event: &Event) -> Result<(), HistoryError> {
        let before = self.last_index.replace(event.index);
        let done = match before {
            Some(before) if event.index <= before => {
                let index = event.index;
                Err((format!("event {index} stands after event {before}"), "number them in order"))
            }
            Some(_) | None => self.take(event).map_err(|problem| (problem, REMEDY)),
        };
        done.map_err(|(problem, remedy)| {
            let (place, column) = (self.place.clone(), None);
            HistoryError::Malformed { place, line, column, problem, remedy }
        })
    }

    fn take(&mut self, event: &Event) -> Result<(), String> {
        let Process::Client(client) = event.process else { return Ok(()) };
        let counts = &mut self.all.counts;
        match event.kind {
            EventKind::Invoke => self.on_invoke(client, event),
            EventKind::Ok => {
                counts.ok += 1;
                self.on_ok(client, event)
            }
            EventKind::Fail => {
                counts.fail += 1;
                self.close(client, event).map(|index| self.failed.push(index))
            }
            EventKind::Info => {
                counts.info += 1;
                self.close(client, event).map(drop)
            }
        }
    }

    fn on_invoke(&mut self, client: u32, event: &Event) -> Result<(), String> {
        let key = event.key.clone().ok_or_else(|| format!("`{}` has no key", event.f))?;
        if self.open.insert(client, self.all.calls.len()).is_some() {
            return Err(format!("process {client} calls while its last operation is open"));
        }
        self.all.calls.push(Call {
            client,
            f: event.f.clone(),
            key,
            argument: event.value.clone(),
            called: position(event)?,
            call_ns: event.time_ns,
            end: None,
        });
        Ok(())
    }

    fn on_ok(&mut self, client: u32, event: &Event) -> Result<(), String> {
        let index = self.close(client, event)?;
        let (answer, returned, return_ns) = (event.value.clone(), position(event)?, event.time_ns);
        self.all.calls[index].end = Some(CallEnd { answer, returned, return_ns });
        Ok(())
    }

    /// Finds the call that an event ends.
    fn close(&mut self, client: u32, event: &Event) -> Result<usize, String> {
        let Some(index) = self.open.remove(&client) else {
            return Err(format!("process {client} returns from `{}` without a call", event.f));
        };
        let call = &self.all.calls[index];
        if call.f == event.f && event.key.as_ref().is_none_or(|key| call.key == *key) {
            return Ok(index);
        }
        let key = event.key.as_deref().unwrap_or_default();
        Err(format!("process {client} returns from `{}` of `{key}`", event.f))
    }

    /// Ends the history: what is open stays unknown for ever.
    fn finish(mut self) -> Calls {
        self.all.counts.info += self.open.len() as u64;
        // Calls end in another order than that in which they are taken out.
        self.failed.sort_unstable();
        let mut failed = self.failed.into_iter().peekable();
        let mut index = 0;
        self.all.calls.retain(|_| {
            let fails = failed.next_if_eq(&index).is_some();
            index += 1;
            !fails
        });
        self.all
    }
}

fn position(event: &Event) -> Result<u32, String> {
    u32::try_from(event.index)
        .map_err(|_| format!("event {} is beyond the last of 2^32", event.index))
}

const REMEDY: &str = "each client has one call open at a time, with a key, and its end repeats \
    `f` and `key` of the call";

#[cfg(test)]
mod tests {
    use super::*;

    fn event(client: u32, kind: EventKind, f: &str, value: Value) -> Event {
        Event {
            index: 0,
            time_ns: 0,
            process: Process::Client(client),
            kind,
            f: f.to_owned(),
            key: Some("q".to_owned()),
            value,
            error: None,
            node: None,
        }
    }

    fn calls(mut events: Vec<Event>) -> Result<Calls, String> {
        for (index, event) in (0..).zip(&mut events) {
            (event.index, event.time_ns) = (index, index * 10);
        }
        Calls::of(&events).map_err(|error| error.to_string())
    }

    #[test]
    fn what_failed_is_left_out_and_what_nobody_knows_stays() {
        use EventKind::{Fail, Info, Invoke, Ok};
        let text = |text: &str| Value::Text(text.to_owned());
        let found = calls(vec![
            event(1, Invoke, "put", text("a")),
            event(2, Invoke, "put", text("b")),
            event(1, Fail, "put", Value::Null),
            event(3, Invoke, "take", Value::Null),
            event(3, Ok, "take", text("b")),
            event(2, Info, "put", Value::Null),
            event(4, Invoke, "take", Value::Null),
        ]);
        let Calls { calls, counts } = found.expect("a history");
        assert_eq!((counts.ok, counts.fail, counts.info), (1, 1, 2));
        let kept = calls.iter().map(|call| (call.client, call.answer(), call.returned()));
        let kept: Vec<_> = kept.collect();
        assert_eq!(kept, [(2, None, None), (3, Some(&text("b")), Some(4)), (4, None, None)]);
    }

    #[test]
    fn events_whose_numbers_do_not_rise_are_refused() {
        let events = |indexes: [u64; 2]| {
            let call = event(1, EventKind::Invoke, "put", Value::Null);
            let end = event(1, EventKind::Ok, "put", Value::Null);
            let pairs = indexes.into_iter().zip([call, end]);
            pairs.map(|(index, event)| Event { index, ..event }).collect::<Vec<_>>()
        };
        assert!(Calls::of(&events([3, 9])).is_ok());
        for (indexes, words) in [([0, 0], "event 0 stands after event 0"), ([5, 4], "event 4 s")] {
            let refused = Calls::of(&events(indexes)).expect_err(words).to_string();
            assert!(refused.starts_with(&format!("the events:2: {words}")), "{refused}");
        }
    }

    #[test]
    fn an_end_without_its_call_is_refused_with_its_line() {
        use EventKind::{Invoke, Ok};
        let call = || event(1, Invoke, "put", Value::Null);
        let keyless = Event { key: None, ..call() };
        for (events, words) in [
            (
                vec![event(1, Ok, "put", Value::Null)],
                "the events:1: process 1 returns from `put` w",
            ),
            (vec![call(), call()], "the events:2: process 1 calls while"),
            (
                vec![call(), event(1, Ok, "take", Value::Null)],
                "2: process 1 returns from `take` of",
            ),
            (vec![keyless], "`put` has no key"),
        ] {
            let refused = calls(events).expect_err(words);
            assert!(refused.contains(words), "{refused}");
        }
    }
}
