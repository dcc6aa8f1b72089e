//! From the events of Jepsen and its kin to events of our own.
//!
//! In their maps `:fail` means that the operation certainly did not happen. An `:add` that is ok
//! repeats what was added, where ours answers the sum; one that answers another number is taken to
//! answer the sum. A list is read as a vector of its elements, where ours is one text. The claim
//! kept true: a return is that of its call, of the same operation on the same key, and of the same
//! value where it repeats one.

use std::collections::BTreeMap;

use super::edn::Edn;
use super::printed::{printed, short};
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
    /// Its name in the history.
    named: String,
    key: String,
    /// Where the key stands.
    keyed: Keyed,
    /// What was asked for.
    asked: Value,
}

/// Where the events of a history have their keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keyed {
    /// Nowhere: there is one register.
    Nowhere,
    /// Beside the value.
    Beside,
    /// In the value: `[key value]`.
    Within,
}

/// Turns entries into events and gives them to the builder.
pub(super) struct Translator {
    place: String,
    pub(super) builder: HistoryBuilder,
    index: u64,
    open: BTreeMap<u32, Open>,
    /// Where the first call had its key; every other call has it there, too.
    keyed: Option<Keyed>,
    /// The last `:index` of an event.
    last_index: i64,
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
            keyed: None,
            last_index: -1,
            appends: false,
            adds: false,
            added: 0,
            reads_vectors: false,
        }
    }

    /// Reads a history in which every call has a key beside its value.
    pub(super) fn with_keys(place: &str) -> Self {
        Self { keyed: Some(Keyed::Beside), ..Self::new(place) }
    }

    pub(super) fn push_map(&mut self, line: u64, form: &Edn) -> Result<(), HistoryError> {
        let Edn::Map(entries) = form else {
            let found = short(form);
            return Err(self.malformed(line, format!("`{found}` is no event, which is a map")));
        };
        for name in ["process", "type", "f", "key", "value", "index"] {
            if entries.iter().filter(|(key, _)| key.word() == Some(name)).count() > 1 {
                return Err(self.malformed(line, format!("the event has its :{name} twice")));
            }
        }
        self.in_order(line, form)?;
        let process = match form.field("process") {
            Some(Edn::Whole(number)) => u32::try_from(*number).ok(),
            Some(word) if word.word() == Some(NEMESIS) => return Ok(()),
            Some(Edn::Keyword(word) | Edn::Text(word)) if word.parse::<f64>().is_err() => {
                return self.by_no_client(line, form.field("type"), word);
            }
            None | Some(Edn::Nil) => {
                return Err(self.malformed(line, "the event has no :process".to_owned()));
            }
            Some(_) => None,
        };
        let Some(process) = process else {
            let problem = "its :process is no number from 0 to 2^32 - 1";
            return Err(self.malformed(line, problem.to_owned()));
        };
        let told = form.field("value");
        let value = told.unwrap_or(&Edn::Nil);
        let f = form.field("f").and_then(Edn::word).unwrap_or_default();
        // Before anything else is asked of the event: a history of another kind is told as that,
        // and not by its first odd field.
        if let Some(kind) = refused::kind(f, value) {
            return Err(self.no_model(line, kind));
        }
        let kind = match form.field("type").and_then(Edn::word) {
            Some(kind) if !f.is_empty() => self.kind(line, kind)?,
            _ => return Err(self.malformed(line, "the event has no :type or no :f".to_owned())),
        };
        // A return without a call is told as such.
        if told.is_none() && (kind == EventKind::Invoke || self.open.contains_key(&process)) {
            self.needs_no_value(line, kind, f)?;
        }
        let key = match form.field("key") {
            None | Some(Edn::Nil) => None,
            Some(Edn::Map(_) | Edn::Set(_)) => {
                return Err(self.malformed(line, "its :key is a map or a set".to_owned()));
            }
            Some(key) => Some(printed(key)),
        };
        let time_ns = match form.field("time") {
            // Times are kept for people alone: one before the start is taken for the start.
            Some(Edn::Whole(time)) => u64::try_from(*time).unwrap_or(0),
            _ => 0,
        };
        self.push(&Entry { line, process, kind, f, key, value, time_ns })
    }

    /// Refuses an event without a value where a value tells something: none is not taken for nil.
    pub(super) fn needs_no_value(
        &self,
        line: u64,
        kind: EventKind,
        f: &str,
    ) -> Result<(), HistoryError> {
        let (kind, tells) = match kind {
            EventKind::Invoke => ("invoke", !matches!(f, "read" | "get" | "delete")),
            EventKind::Ok => ("ok", matches!(f, "read" | "get" | "cas")),
            EventKind::Fail | EventKind::Info => return Ok(()),
        };
        if !tells {
            return Ok(());
        }
        let problem = format!("the {kind} event of `{f}` has no :value, nil or another");
        Err(self.malformed(line, problem))
    }

    /// Refuses events that do not stand in the order that their `:index` gives them. One below 0
    /// was never given.
    fn in_order(&mut self, line: u64, form: &Edn) -> Result<(), HistoryError> {
        let index = match form.field("index") {
            None | Some(Edn::Nil | Edn::Whole(..=-1)) => return Ok(()),
            Some(Edn::Whole(index)) => *index,
            Some(other) => {
                let problem = format!("its :index is `{}` and no whole number", short(other));
                return Err(self.malformed(line, problem));
            }
        };
        let before = std::mem::replace(&mut self.last_index, index);
        if index > before {
            return Ok(());
        }
        let problem = format!("its :index {index} stands after {before}: the order is lost");
        Err(self.malformed(line, problem))
    }

    /// Passes over what is told by somebody who goes by a word and is not the nemesis: no client,
    /// if it is never said how an operation ended.
    pub(super) fn by_no_client(
        &self,
        line: u64,
        kind: Option<&Edn>,
        word: &str,
    ) -> Result<(), HistoryError> {
        if kind.and_then(Edn::word) == Some("info") {
            return Ok(());
        }
        let problem = format!("its :process is `{word}`, and neither a number nor :{NEMESIS}");
        Err(self.malformed(line, problem))
    }

    /// Refuses a call whose key does not stand where the others have theirs: a key whose name is
    /// written otherwise would split what was done to it.
    fn same_place(&mut self, entry: &Entry<'_>, keyed: Keyed) -> Result<(), HistoryError> {
        let wanted = *self.keyed.get_or_insert(keyed);
        if keyed == wanted {
            return Ok(());
        }
        let told = |keyed| match keyed {
            Keyed::Nowhere => "no key",
            Keyed::Beside => "a :key beside its value",
            Keyed::Within => "a key in its value",
        };
        let problem = format!("the call has {}, where {} was to be", told(keyed), told(wanted));
        Err(self.malformed(entry.line, problem))
    }

    pub(super) fn push(&mut self, entry: &Entry<'_>) -> Result<(), HistoryError> {
        let Entry { line, process, kind, time_ns, .. } = *entry;
        let (f, key, value) = if kind == EventKind::Invoke {
            let (key, keyed, value) = keyed(entry);
            self.same_place(entry, keyed)?;
            let f = self.operation(entry, value)?;
            let asked = self.asked(entry, value)?;
            self.note_added(entry, value)?;
            let named = entry.f.to_owned();
            let open = Open { f, named, key: key.clone(), keyed, asked: asked.clone() };
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
            if entry.f != open.named {
                return Err(self.other_operation(entry, &open));
            }
            if let Some(key) = entry.key.as_ref().filter(|key| **key != open.key) {
                return Err(self.other_key(line, &open, key));
            }
            // What failed or is unknown has no answer, whatever stands there.
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
        // Without signs, as nobody knows in which order they take effect.
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
        if is_another(entry.f, &open.asked, value) {
            let (f, value) = (entry.f, short(value));
            let problem = format!(
                "`{f}` is ok with `{value}`, and was called with another value: which of them was \
                 done is not told"
            );
            return Err(self.malformed(entry.line, problem));
        }
        match (open.f, value) {
            ("write" | "delete" | "append", _) => Ok(Value::Null),
            ("cas", Edn::Flag(swapped)) => Ok(Value::Flag(*swapped)),
            // What is ok has swapped; the pair is repeated, or not.
            ("cas", Edn::Nil) => Ok(Value::Flag(true)),
            ("cas", Edn::Sequence(items)) if items.len() == 2 => Ok(Value::Flag(true)),
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
        // What was appended before the first list was kept as it was asked.
        if !std::mem::replace(&mut self.reads_vectors, true) {
            self.builder.spell_appends(element);
        }
        let text: String = items.iter().map(|item| element(&printed(item))).collect();
        Ok(if text.is_empty() { Value::Null } else { Value::Text(text) })
    }

    /// Takes the key off the value of a return, where the call had one.
    fn unkeyed<'a>(&self, entry: &Entry<'a>, open: &Open) -> Result<&'a Edn, HistoryError> {
        let Edn::Sequence(items) = entry.value else { return Ok(entry.value) };
        if open.keyed != Keyed::Within || items.len() != 2 {
            return Ok(entry.value);
        }
        let key = printed(&items[0]);
        if key == open.key {
            return Ok(&items[1]);
        }
        Err(self.other_key(entry.line, open, &key))
    }

    fn other_operation(&self, entry: &Entry<'_>, open: &Open) -> HistoryError {
        let Entry { line, process, f, .. } = entry;
        let called = &open.named;
        let problem = format!("process {process} called `{called}` and returns from `{f}`");
        self.malformed(*line, problem)
    }

    fn other_key(&self, line: u64, open: &Open, key: &str) -> HistoryError {
        let problem = format!("the call was of key `{}`, the return is of `{key}`", open.key);
        self.malformed(line, problem)
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

/// Returns the key of a call, where it stands, and the value without it. Jepsen's
/// independent keys do: `[key value]`, and `[key [from to]]` for compare-and-sets.
fn keyed<'a>(entry: &Entry<'a>) -> (String, Keyed, &'a Edn) {
    if let (Edn::Sequence(items), None) = (entry.value, &entry.key) {
        match items.as_slice() {
            [key, value @ Edn::Sequence(_)] if entry.f == "cas" => {
                return (printed(key), Keyed::Within, value);
            }
            [key, value] if entry.f != "cas" => return (printed(key), Keyed::Within, value),
            _ => {}
        }
    }
    let keyed = if entry.key.is_some() { Keyed::Beside } else { Keyed::Nowhere };
    (entry.key.clone().unwrap_or_default(), keyed, entry.value)
}

/// Returns whether the return of `f` that is ok names another value than it was called with:
/// Knossos takes that one for what was done, others that of the call, and the verdicts differ. What
/// says nothing of the value, such as nil or true, names none.
fn is_another(f: &str, asked: &Value, told: &Edn) -> bool {
    match (f, told) {
        ("write" | "put" | "set", Edn::Whole(_) | Edn::Text(_) | Edn::Keyword(_)) => {
            *asked != Value::Text(printed(told))
        }
        ("cas", Edn::Sequence(items)) if items.len() == 2 => {
            let from = (items[0] != Edn::Nil).then(|| printed(&items[0]));
            *asked != Value::Pair(from, printed(&items[1]))
        }
        _ => false,
    }
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

/// The process that breaks things, and is no client.
pub(super) const NEMESIS: &str = "nemesis";

const REMEDY: &str = "expected events such as {:process 0, :type :invoke, :f :read, :value nil}, \
    with :f read, write, cas, append, add or delete; --help lists the formats";
