//! Events to operations: each return finds its call.
//!
//! A client has at most one operation open, so the pairing is by process. Whatever is open when the
//! history ends has an unknown outcome. A history that does not follow the rules is refused with a
//! reason, never mended: a guess here would make a verdict worthless.

use std::collections::BTreeMap;

use super::edn::Edn;
use super::{
    Action, Answer, Ending, Event, EventKind, History, HistoryError, Operation, Process, Text,
    Value, refused,
};

/// Builds a [`History`] from events in their order.
///
/// # Examples
///
/// ```
/// use synod_history::{Event, EventKind, HistoryBuilder, Process, Value};
///
/// let event = |index, kind, value| Event {
///     index,
///     time_ns: index * 1000,
///     process: Process::Client(3),
///     kind,
///     f: "read".into(),
///     key: Some("k1".into()),
///     value,
///     error: None,
///     node: None,
/// };
/// let mut builder = HistoryBuilder::new("example");
/// builder.push(&event(0, EventKind::Invoke, Value::Null))?;
/// builder.push(&event(1, EventKind::Ok, Value::Text("5".into())))?;
/// assert_eq!(builder.finish().operations.len(), 1);
/// # Ok::<(), synod_history::HistoryError>(())
/// ```
#[derive(Debug)]
pub struct HistoryBuilder {
    place: String,
    line: u64,
    history: History,
    /// Per process the operation that it has open.
    open: BTreeMap<u32, usize>,
    /// The operations that certainly did not happen.
    dropped: Vec<usize>,
    /// How many reasons of ends are among the texts.
    reasons: usize,
}

impl HistoryBuilder {
    /// Starts an empty history; `place` names the source in errors.
    #[must_use]
    pub fn new(place: &str) -> Self {
        Self {
            place: place.to_owned(),
            line: 0,
            history: History::default(),
            open: BTreeMap::new(),
            dropped: Vec::new(),
            reasons: 0,
        }
    }

    /// Adds the next event.
    ///
    /// # Errors
    ///
    /// [`HistoryError::Malformed`] if the event has no meaning at this place of a history; the line
    /// is the number of events so far.
    pub fn push(&mut self, event: &Event) -> Result<(), HistoryError> {
        self.push_at(self.line + 1, event)
    }

    /// Adds the next event, which stands on the given line of its source.
    ///
    /// # Errors
    ///
    /// As [`HistoryBuilder::push`].
    pub fn push_at(&mut self, line: u64, event: &Event) -> Result<(), HistoryError> {
        self.line = line;
        let Process::Client(process) = event.process else {
            return Ok(());
        };
        match event.kind {
            EventKind::Invoke => self.on_invoke(process, event),
            EventKind::Ok => self.on_ok(process, event),
            EventKind::Fail => self.on_fail(process, event),
            EventKind::Info => self.on_info(process, event),
        }
    }

    /// Ends the history: what is open stays unknown for ever.
    #[must_use]
    pub fn finish(mut self) -> History {
        self.history.counts.info += self.open.len() as u64;
        for (process, index) in &self.open {
            let open = &mut self.history.open;
            open.clients.push(*process);
            match self.history.operations[*index].action {
                Action::Read => open.reads += 1,
                Action::Write(_)
                | Action::Cas { .. }
                | Action::Delete
                | Action::Append(_)
                | Action::Add(_) => open.changes += 1,
            }
        }
        // They were noted in the order of their returns, and are taken out in that of their calls.
        self.dropped.sort_unstable();
        let mut index = 0;
        let mut dropped = self.dropped.iter().copied().peekable();
        let failed = &mut self.history.failed;
        self.history.operations.retain(|operation| {
            let keep = dropped.next_if_eq(&index).is_none();
            index += 1;
            if !keep {
                failed.push(*operation);
            }
            keep
        });
        self.history
    }

    /// Returns how many bytes of memory the history takes so far.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let failed = size_of::<usize>() + size_of::<Operation>();
        self.history.bytes() + self.dropped.capacity() * failed
    }

    /// Spells every text that was appended in another way.
    pub(super) fn spell_appends(&mut self, spell: impl Fn(&str) -> String) {
        for operation in &mut self.history.operations {
            if let Action::Append(text) = &mut operation.action {
                let spelled = spell(self.history.texts.text(*text));
                *text = self.history.texts.intern(&spelled);
            }
        }
    }

    fn on_invoke(&mut self, process: u32, event: &Event) -> Result<(), HistoryError> {
        if self.open.contains_key(&process) {
            let problem = format!("process {process} calls while its last operation is open");
            return Err(self.malformed(problem, "give every client one operation at a time"));
        }
        let Some(key) = event.key.as_deref() else {
            let problem = format!("`{}` has no key", event.f);
            return Err(self.malformed(problem, "add a `key`"));
        };
        let key = self.history.texts.intern(key);
        let action = self.action(event)?;
        self.open.insert(process, self.history.operations.len());
        let called = self.position(event)?;
        self.history.operations.push(Operation {
            process,
            key,
            action,
            answer: Answer::Unknown,
            called,
            returned: None,
            call_ns: event.time_ns,
            return_ns: event.time_ns,
        });
        Ok(())
    }

    fn on_ok(&mut self, process: u32, event: &Event) -> Result<(), HistoryError> {
        let index = self.close(process, event)?;
        let action = self.history.operations[index].action;
        let answer = self.answer(action, event)?;
        let position = self.position(event)?;
        let operation = &mut self.history.operations[index];
        operation.answer = answer;
        operation.returned = Some(position);
        operation.return_ns = event.time_ns;
        self.history.counts.ok += 1;
        Ok(())
    }

    fn on_fail(&mut self, process: u32, event: &Event) -> Result<(), HistoryError> {
        let index = self.close(process, event)?;
        self.note_end(index, event)?;
        self.dropped.push(index);
        self.history.counts.fail += 1;
        Ok(())
    }

    fn on_info(&mut self, process: u32, event: &Event) -> Result<(), HistoryError> {
        let index = self.close(process, event)?;
        self.note_end(index, event)?;
        self.history.counts.info += 1;
        Ok(())
    }

    /// Notes when a call ended to which there is no answer.
    fn note_end(&mut self, index: usize, event: &Event) -> Result<(), HistoryError> {
        let at = self.position(event)?;
        let reason = event.error.as_deref().and_then(|words| self.reason(words));
        let called = self.history.operations[index].called;
        self.history.endings.push(Ending { called, at, time_ns: event.time_ns, reason });
        Ok(())
    }

    /// Keeps a reason, unless there are too many: a verdict must not want for memory because every
    /// refusal has a number of its own.
    fn reason(&mut self, words: &str) -> Option<Text> {
        // Cut between letters: a byte may be within one.
        let end = words.char_indices().nth(REASON_LETTERS_MAX).map_or(words.len(), |(end, _)| end);
        let (words, texts) = (&words[..end], &mut self.history.texts);
        let known = texts.find(words);
        if known.is_some() || self.reasons >= REASONS_MAX {
            return known;
        }
        self.reasons += 1;
        Some(texts.intern(words))
    }

    /// Finds the call that an event ends.
    fn close(&mut self, process: u32, event: &Event) -> Result<usize, HistoryError> {
        let Some(index) = self.open.remove(&process) else {
            let problem = format!("process {process} returns from `{}` without a call", event.f);
            return Err(self.malformed(problem, "put the `invoke` event before"));
        };
        let operation = &self.history.operations[index];
        let key = event.key.as_deref();
        // An end may leave the key out, as its client has one call open.
        let same_key = key.is_none_or(|key| self.history.texts.text(operation.key) == key);
        if same_key && operation.action.f() == event.f {
            return Ok(index);
        }
        let key = key.unwrap_or_default();
        let problem = format!("process {process} returns from `{}` of `{key}`", event.f);
        Err(self.malformed(problem, "repeat `f` and `key` of the call"))
    }

    fn action(&mut self, event: &Event) -> Result<Action, HistoryError> {
        let texts = &mut self.history.texts;
        let action = match (event.f.as_str(), &event.value) {
            ("read", _) => Some(Action::Read),
            ("delete", _) => Some(Action::Delete),
            ("write", Value::Text(value)) => Some(Action::Write(texts.intern(value))),
            ("append", Value::Text(value)) => Some(Action::Append(texts.intern(value))),
            ("cas", Value::Pair(from, to)) => Some(Action::Cas {
                from: from.as_deref().map(|from| texts.intern(from)),
                to: texts.intern(to),
            }),
            ("add", Value::Text(delta)) => delta.parse().ok().map(Action::Add),
            ("write" | "append" | "cas" | "add", _) => None,
            (f, _) => {
                let kind = refused::kind(f, &Edn::Nil).map(str::to_owned);
                return Err(HistoryError::NoModel {
                    place: self.place.clone(),
                    line: self.line,
                    kind: kind.unwrap_or_else(|| refused::unknown(f)),
                });
            }
        };
        action.ok_or_else(|| {
            let problem = format!("`{}` cannot be called with {}", event.f, event.value);
            self.malformed(problem, CALLS)
        })
    }

    fn answer(&mut self, action: Action, event: &Event) -> Result<Answer, HistoryError> {
        let answer = match (action, &event.value) {
            (Action::Read, Value::Null) => Some(Answer::Seen(None)),
            (Action::Read, Value::Text(value)) => Some(self.seen(value)),
            (Action::Cas { .. }, Value::Flag(swapped)) => Some(Answer::Swapped(*swapped)),
            (Action::Add(_), Value::Text(sum)) => sum.parse().ok().map(Answer::Sum),
            (Action::Add(_), Value::Null) => Some(Answer::Done),
            // Some repeat what was written, or say how long it has become, or whether it was there.
            (
                Action::Write(_) | Action::Delete | Action::Append(_),
                Value::Null | Value::Text(_),
            )
            | (Action::Delete, Value::Flag(_)) => Some(Answer::Done),
            (_, Value::Null | Value::Flag(_) | Value::Text(_) | Value::Pair(..)) => None,
        };
        answer.ok_or_else(|| {
            let problem = format!("`{}` cannot answer {}", event.f, event.value);
            self.malformed(problem, ANSWERS)
        })
    }

    fn seen(&mut self, value: &str) -> Answer {
        Answer::Seen(Some(self.history.texts.intern(value)))
    }

    fn position(&self, event: &Event) -> Result<u32, HistoryError> {
        u32::try_from(event.index).map_err(|_| {
            let problem = format!("event {} is beyond the last of 2^32", event.index);
            self.malformed(problem, "split the history")
        })
    }

    fn malformed(&self, problem: String, remedy: &'static str) -> HistoryError {
        let place = self.place.clone();
        HistoryError::Malformed { place, line: self.line, column: None, problem, remedy }
    }
}

impl Action {
    /// Returns the operation's name in the history.
    #[must_use]
    pub fn f(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write(_) => "write",
            Self::Cas { .. } => "cas",
            Self::Delete => "delete",
            Self::Append(_) => "append",
            Self::Add(_) => "add",
        }
    }
}

/// How many reasons of ends are kept, and how many letters of each.
const REASONS_MAX: usize = 256;
const REASON_LETTERS_MAX: usize = 256;

const CALLS: &str = "use read, write, cas, delete, append or add, with a text, a pair of texts \
    for cas, or a whole number as a text for add";
const ANSWERS: &str = "a read answers a text or null, cas true or false, add a whole number as a \
    text, or null, and write, delete and append null";
