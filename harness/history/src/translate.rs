//! From the events of Jepsen and its kin to events of our own.
//!
//! In their maps `:fail` means that the operation certainly did not happen. An `:add` that is ok
//! repeats what was added, where ours answers the sum; one that answers another number is taken to
//! answer the sum. A list is read as a vector of its elements, where ours is one text.

use std::collections::BTreeMap;

use super::edn::Edn;
use super::{ELEMENT_END, Event, EventKind, HistoryBuilder, HistoryError, Process, Value, refused};

/// One line of a log, or one map: what an event of ours is made of.
pub(super) struct Entry<'a> {
    pub(super) line: u64,
    pub(super) process: u32,
    pub(super) kind: EventKind,
    pub(super) f: &'a str,
    /// The key, where the event names one beside its value.
    pub(super) key: Option<String>,
    pub(super) value: &'a Edn,
    pub(super) time_ns: u64,
}

/// The operation that a process has open.
struct Open {
    f: &'static str,
    key: String,
    /// Whether the key stands in the value: `[key value]`.
    is_keyed: bool,
    /// What was asked for.
    asked: Value,
}

/// Turns entries into events and gives them to the builder.
pub(super) struct Translator {
    place: String,
    pub(super) builder: HistoryBuilder,
    index: u64,
    open: BTreeMap<u32, Open>,
    appends: bool,
    adds: bool,
    /// The sum of all that was added, without signs: no counter came further than that.
    added: u64,
    /// Whether lists are read as vectors, so that elements have an end.
    reads_vectors: bool,
}

impl Translator {
    pub(super) fn new(place: &str) -> Self {
        Self {
            place: place.to_owned(),
            builder: HistoryBuilder::new(place),
            index: 0,
            open: BTreeMap::new(),
            appends: false,
            adds: false,
            added: 0,
            reads_vectors: false,
        }
    }

    pub(super) fn push_map(&mut self, line: u64, form: &Edn) -> Result<(), HistoryError> {
        let Edn::Map(_) = form else {
            let found = short(form);
            return Err(self.malformed(line, format!("`{found}` is no event, which is a map")));
        };
        let process = match form.field("process") {
            Some(Edn::Whole(number)) => u32::try_from(*number).ok(),
            // The nemesis, and others that are no clients, go by words.
            Some(Edn::Keyword(_)) => return Ok(()),
            Some(Edn::Text(word)) if word.parse::<f64>().is_err() => return Ok(()),
            None | Some(Edn::Nil) => {
                return Err(self.malformed(line, "the event has no :process".to_owned()));
            }
            Some(_) => None,
        };
        let Some(process) = process else {
            let problem = "its :process is no number from 0 to 2^32 - 1";
            return Err(self.malformed(line, problem.to_owned()));
        };
        let value = form.field("value").unwrap_or(&Edn::Nil);
        let f = form.field("f").and_then(Edn::word).unwrap_or_default();
        if let Some(kind) = refused::kind(f, value) {
            return Err(self.no_model(line, kind));
        }
        let kind = match form.field("type").and_then(Edn::word) {
            Some(kind) if !f.is_empty() => self.kind(line, kind)?,
            _ => return Err(self.malformed(line, "the event has no :type or no :f".to_owned())),
        };
        let key = form.field("key").filter(|key| **key != Edn::Nil).map(printed);
        let time_ns = match form.field("time") {
            Some(Edn::Whole(time)) => u64::try_from(*time).unwrap_or(0),
            _ => 0,
        };
        self.push(&Entry { line, process, kind, f, key, value, time_ns })
    }

    pub(super) fn push(&mut self, entry: &Entry<'_>) -> Result<(), HistoryError> {
        let Entry { line, process, kind, time_ns, .. } = *entry;
        let (f, key, value) = if kind == EventKind::Invoke {
            let (key, is_keyed, value) = keyed(entry);
            let f = self.operation(entry, value)?;
            let asked = self.asked(entry, value)?;
            self.note_added(entry, value)?;
            let open = Open { f, key: key.clone(), is_keyed, asked: asked.clone() };
            if self.open.insert(process, open).is_some() {
                let problem = format!("process {process} calls while its last operation is open");
                return Err(self.malformed(line, problem));
            }
            (f, key, asked)
        } else {
            let Some(open) = self.open.remove(&process) else {
                if kind == EventKind::Info {
                    // Some tools let a client say things that belong to no operation.
                    return Ok(());
                }
                let problem =
                    format!("process {process} returns from `{}` without a call", entry.f);
                return Err(self.malformed(line, problem));
            };
            let value = if kind == EventKind::Ok {
                let value = self.unkeyed(entry, &open)?;
                self.answered(entry, &open, value)?
            } else {
                Value::Null
            };
            (open.f, open.key, value)
        };
        let event = Event {
            index: self.index,
            time_ns,
            process: Process::Client(process),
            kind,
            f: f.to_owned(),
            key: Some(key),
            value,
            error: None,
            node: None,
        };
        self.index += 1;
        self.builder.push_at(line, &event)
    }

    /// Returns our name of an operation.
    fn operation(&mut self, entry: &Entry<'_>, value: &Edn) -> Result<&'static str, HistoryError> {
        Ok(match entry.f {
            "read" | "get" => "read",
            // A write of nil leaves nothing to read.
            "write" | "put" | "set" if *value == Edn::Nil => "delete",
            "write" | "put" | "set" => "write",
            "cas" => "cas",
            "append" => {
                self.appends = true;
                "append"
            }
            "delete" => "delete",
            "add" => {
                self.adds = true;
                "add"
            }
            f => return Err(self.no_model(entry.line, &refused::unknown(f))),
        })
    }

    fn asked(&self, entry: &Entry<'_>, value: &Edn) -> Result<Value, HistoryError> {
        match (entry.f, value) {
            ("read" | "get" | "delete", _) | (_, Edn::Nil) => Ok(Value::Null),
            ("cas", Edn::Sequence(items)) if items.len() == 2 => {
                let from = (items[0] != Edn::Nil).then(|| printed(&items[0]));
                Ok(Value::Pair(from, printed(&items[1])))
            }
            ("add", Edn::Whole(_) | Edn::Text(_)) => Ok(Value::Text(printed(value))),
            ("append", Edn::Whole(_) | Edn::Text(_) | Edn::Keyword(_) | Edn::Symbol(_))
                if self.reads_vectors =>
            {
                Ok(Value::Text(element(&printed(value))))
            }
            (
                "write" | "put" | "set" | "append",
                Edn::Whole(_) | Edn::Text(_) | Edn::Keyword(_) | Edn::Symbol(_) | Edn::Flag(_),
            ) => Ok(Value::Text(printed(value))),
            (f, value) => {
                Err(self.malformed(entry.line, format!("`{f}` cannot ask for `{}`", short(value))))
            }
        }
    }

    /// Refuses counters that may leave what the model of counters can hold: it takes an addition
    /// beyond that for one that cannot be, as it is in a service of such numbers.
    fn note_added(&mut self, entry: &Entry<'_>, value: &Edn) -> Result<(), HistoryError> {
        if entry.f != "add" {
            return Ok(());
        }
        let delta = printed(value).parse::<i64>().map_or(0, i64::unsigned_abs);
        self.added = self.added.saturating_add(delta);
        if self.added > i64::MAX.unsigned_abs() {
            return Err(self.no_model(entry.line, "a counter that may pass 64 bits"));
        }
        Ok(())
    }

    fn answered(
        &mut self,
        entry: &Entry<'_>,
        open: &Open,
        value: &Edn,
    ) -> Result<Value, HistoryError> {
        match (open.f, value) {
            ("write" | "delete" | "append", _) => Ok(Value::Null),
            ("cas", Edn::Flag(swapped)) => Ok(Value::Flag(*swapped)),
            // What is ok has swapped; the pair is repeated, or not.
            ("cas", _) => Ok(Value::Flag(true)),
            ("add", Edn::Whole(_)) if Value::Text(printed(value)) != open.asked => {
                Ok(Value::Text(printed(value)))
            }
            ("add", Edn::Text(sum)) if sum.parse::<i64>().is_ok() => Ok(Value::Text(sum.clone())),
            ("add", _) => Ok(Value::Null),
            ("read", Edn::Sequence(items)) => self.vector(entry, items),
            ("read", Edn::Nil) => Ok(Value::Null),
            ("read", Edn::Whole(_) | Edn::Text(_) | Edn::Keyword(_) | Edn::Symbol(_)) => {
                Ok(Value::Text(printed(value)))
            }
            ("read", Edn::Flag(flag)) => Ok(Value::Text(flag.to_string())),
            (f, value) => {
                Err(self.malformed(entry.line, format!("`{f}` cannot answer `{}`", short(value))))
            }
        }
    }

    /// Reads a list: its elements, each with its end.
    fn vector(&mut self, entry: &Entry<'_>, items: &[Edn]) -> Result<Value, HistoryError> {
        if !self.appends {
            let kind = if self.adds { "a set" } else { "reads of several values at once" };
            return Err(self.no_model(entry.line, kind));
        }
        if !std::mem::replace(&mut self.reads_vectors, true) {
            self.builder.spell_appends(element);
        }
        let text: String = items.iter().map(|item| element(&printed(item))).collect();
        Ok(if text.is_empty() { Value::Null } else { Value::Text(text) })
    }

    /// Takes the key off the value of a return, where the call had one.
    fn unkeyed<'a>(&self, entry: &Entry<'a>, open: &Open) -> Result<&'a Edn, HistoryError> {
        let Edn::Sequence(items) = entry.value else { return Ok(entry.value) };
        if !open.is_keyed || items.len() != 2 {
            return Ok(entry.value);
        }
        let key = printed(&items[0]);
        if key == open.key {
            return Ok(&items[1]);
        }
        let problem = format!("the call was of key `{}`, the return is of `{key}`", open.key);
        Err(self.malformed(entry.line, problem))
    }

    pub(super) fn kind(&self, line: u64, word: &str) -> Result<EventKind, HistoryError> {
        match word {
            "invoke" => Ok(EventKind::Invoke),
            "ok" => Ok(EventKind::Ok),
            "fail" => Ok(EventKind::Fail),
            "info" => Ok(EventKind::Info),
            other => {
                let problem = format!("`{other}` is no type of event: invoke, ok, fail or info");
                Err(self.malformed(line, problem))
            }
        }
    }

    pub(super) fn malformed(&self, line: u64, problem: String) -> HistoryError {
        HistoryError::Malformed {
            place: self.place.clone(),
            line,
            column: None,
            problem,
            remedy: REMEDY,
        }
    }

    pub(super) fn no_model(&self, line: u64, kind: &str) -> HistoryError {
        HistoryError::NoModel { place: self.place.clone(), line, kind: kind.to_owned() }
    }
}

/// Returns the key of a call, whether it stands in the value, and the value without it. Jepsen's
/// independent keys do: `[key value]`, and `[key [from to]]` for compare-and-sets.
fn keyed<'a>(entry: &Entry<'a>) -> (String, bool, &'a Edn) {
    if let (Edn::Sequence(items), None) = (entry.value, &entry.key) {
        match items.as_slice() {
            [key, value @ Edn::Sequence(_)] if entry.f == "cas" => {
                return (printed(key), true, value);
            }
            [key, value] if entry.f != "cas" => return (printed(key), true, value),
            _ => {}
        }
    }
    (entry.key.clone().unwrap_or_default(), false, entry.value)
}

/// Ends an element of a list, so that no list is written like another.
fn element(text: &str) -> String {
    let mut element = String::with_capacity(text.len() + 1);
    for letter in text.chars() {
        if letter == ELEMENT_END || letter == '\\' {
            element.push('\\');
        }
        element.push(letter);
    }
    element.push(ELEMENT_END);
    element
}

/// Prints an atom as a text of a history.
pub(super) fn printed(form: &Edn) -> String {
    match form {
        Edn::Nil => String::new(),
        Edn::Flag(flag) => flag.to_string(),
        Edn::Whole(number) => number.to_string(),
        Edn::Text(text) | Edn::Keyword(text) | Edn::Symbol(text) => text.clone(),
        Edn::Sequence(_) | Edn::Set(_) | Edn::Map(_) => form.written(),
    }
}

/// Prints a form for an error, which needs no more than its beginning.
pub(super) fn short(form: &Edn) -> String {
    let written = form.written();
    match written.char_indices().nth(SHORT_MAX) {
        Some((end, _)) => format!("{}...", &written[..end]),
        None => written,
    }
}

const SHORT_MAX: usize = 60;

const REMEDY: &str = "expected events such as {:process 0, :type :invoke, :f :read, :value nil}, \
    with :f read, write, cas, append, add or delete; --help lists the formats";
