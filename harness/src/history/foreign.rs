//! Histories that other tools recorded, read as events of our own.
//!
//! Each tool has its own idea of `fail`: in Jepsen's and Knossos' EDN it means that the operation
//! certainly did not happen; in the etcd logs a failed compare-and-set ran and found another value,
//! and a failed read only timed out. The readers know which is which.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use super::edn::{self, Edn};
use super::{Event, EventKind, History, HistoryBuilder, HistoryError, Process, Value, jsonl};

/// The notation of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One event a line, as this harness writes it.
    Jsonl,
    /// The log of an early Jepsen: `INFO  jepsen.util - 0 :invoke :read nil`.
    JepsenLog,
    /// Porcupine's test data: one EDN map a line, with keys and text values.
    PorcupineKv,
    /// A history of Jepsen or Knossos in EDN: a sequence of maps, with or without brackets.
    Edn,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 4] = [Self::Jsonl, Self::JepsenLog, Self::PorcupineKv, Self::Edn];

    /// Returns the name, as the command line spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::JepsenLog => "jepsen-log",
            Self::PorcupineKv => "porcupine-kv",
            Self::Edn => "edn",
        }
    }

    /// Reads a history of this format from a file.
    ///
    /// # Errors
    ///
    /// [`HistoryError`] if the file cannot be read, or is no such history.
    pub fn read_file(self, path: &Path) -> Result<History, HistoryError> {
        if self == Self::Jsonl {
            return jsonl::read_file(path);
        }
        let text = std::fs::read_to_string(path)
            .map_err(|source| HistoryError::Io { path: path.to_owned(), source })?;
        self.read(&text, &path.display().to_string())
    }

    /// Reads a history of this format from a text; `place` names it in errors.
    ///
    /// # Errors
    ///
    /// As [`Format::read_file`].
    pub fn read(self, text: &str, place: &str) -> Result<History, HistoryError> {
        match self {
            Self::Jsonl => jsonl::read(text.as_bytes(), Path::new(place)),
            Self::JepsenLog => read_log(text, place),
            Self::PorcupineKv | Self::Edn => read_edn(text, place),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|format| format.name() == name);
        found.ok_or_else(|| UnknownFormat(name.to_owned()))
    }
}

/// The user named a format that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no format `{0}`; use jsonl, jepsen-log, porcupine-kv or edn")]
pub struct UnknownFormat(pub String);

/// One line of a log, or one map: what an event of ours is made of.
struct Entry<'a> {
    line: u64,
    process: u32,
    kind: EventKind,
    f: &'a str,
    key: String,
    value: &'a Edn,
    time_ns: u64,
}

fn read_log(text: &str, place: &str) -> Result<History, HistoryError> {
    let mut translator = Translator::new(place);
    for (line, text) in (1..).zip(text.lines()) {
        let Some((_, text)) = text.split_once("jepsen.util - ") else { continue };
        let words: Vec<&str> = text.split('\t').collect();
        let [process, kind, f, value] = words.as_slice() else {
            return Err(translator.malformed(line, format!("{} fields, not 4", words.len())));
        };
        let Ok(process) = process.trim().parse() else { continue };
        let kind = translator.kind(line, kind.trim_start_matches(':'))?;
        let value = translator.one_form(line, value)?;
        let f = f.trim_start_matches(':');
        let timed_out = value == Edn::Keyword("timed-out".to_owned());
        let (kind, value) = match (kind, f) {
            (EventKind::Fail, "cas") if !timed_out => (EventKind::Ok, Edn::Flag(false)),
            (EventKind::Ok, "cas") => (EventKind::Ok, Edn::Flag(true)),
            (EventKind::Fail, _) if timed_out => (EventKind::Info, value),
            (kind, _) => (kind, value),
        };
        let (key, value) = (String::new(), &value);
        translator.push(&Entry { line, process, kind, f, key, value, time_ns: 0 })?;
    }
    Ok(translator.builder.finish())
}

fn read_edn(text: &str, place: &str) -> Result<History, HistoryError> {
    let mut translator = Translator::new(place);
    let mut forms =
        edn::forms(text).map_err(|error| translator.malformed(error.line, error.problem))?;
    if let [(line, Edn::Sequence(items))] = forms.as_slice() {
        forms = items.iter().map(|item| (*line, item.clone())).collect();
    }
    for (line, form) in &forms {
        translator.push_map(*line, form)?;
    }
    Ok(translator.builder.finish())
}

/// Turns entries into events and gives them to the builder.
struct Translator {
    place: String,
    builder: HistoryBuilder,
    index: u64,
    /// Per process its open operation: the name, as translated, and the key.
    open: BTreeMap<u32, (&'static str, String)>,
}

impl Translator {
    fn new(place: &str) -> Self {
        let builder = HistoryBuilder::new(place);
        Self { place: place.to_owned(), builder, index: 0, open: BTreeMap::new() }
    }

    fn push_map(&mut self, line: u64, form: &Edn) -> Result<(), HistoryError> {
        let process = match form.field("process") {
            Some(Edn::Whole(number)) => u32::try_from(*number),
            Some(Edn::Keyword(_)) => return Ok(()),
            _ => return Err(self.malformed(line, "there is no :process".to_owned())),
        };
        let process = process.map_err(|_| self.malformed(line, "no such :process".to_owned()))?;
        let (Some(Edn::Keyword(kind)), Some(Edn::Keyword(f))) =
            (form.field("type"), form.field("f"))
        else {
            return Err(self.malformed(line, "there is no :type or no :f".to_owned()));
        };
        let kind = self.kind(line, kind)?;
        let key = form.field("key").map(printed).unwrap_or_default();
        let value = form.field("value").unwrap_or(&Edn::Nil);
        let time_ns = match form.field("time") {
            Some(Edn::Whole(time)) => u64::try_from(*time).unwrap_or(0),
            _ => 0,
        };
        self.push(&Entry { line, process, kind, f, key, value, time_ns })
    }

    fn push(&mut self, entry: &Entry<'_>) -> Result<(), HistoryError> {
        let Entry { line, process, kind, time_ns, .. } = *entry;
        let (key, value) = keyed(entry);
        let (f, key) = if kind == EventKind::Invoke {
            let f = self.operation(entry, value)?;
            self.open.insert(process, (f, key.clone()));
            (f, key)
        } else {
            match self.open.remove(&process) {
                Some(open) => open,
                // Some tools let a client say things that belong to no operation.
                None if kind == EventKind::Info => return Ok(()),
                None => ("return", key),
            }
        };
        let event = Event {
            index: self.index,
            time_ns,
            process: Process::Client(process),
            kind,
            f: f.to_owned(),
            key: Some(key),
            value: self.value(entry, value)?,
            error: None,
            node: None,
        };
        self.index += 1;
        self.builder.push_at(line, &event)
    }

    /// Returns our name of an operation.
    fn operation(&self, entry: &Entry<'_>, value: &Edn) -> Result<&'static str, HistoryError> {
        Ok(match entry.f {
            "read" | "get" => "read",
            // A write of nil leaves nothing to read.
            "write" | "put" if *value == Edn::Nil => "delete",
            "write" | "put" => "write",
            "cas" => "cas",
            "append" => "append",
            "delete" => "delete",
            "add" => "add",
            f => return Err(self.malformed(entry.line, format!("`{f}` is no operation on a key"))),
        })
    }

    fn value(&self, entry: &Entry<'_>, value: &Edn) -> Result<Value, HistoryError> {
        Ok(match (entry.kind, value) {
            (EventKind::Fail | EventKind::Info, _) | (_, Edn::Nil) => Value::Null,
            // Jepsen repeats the pair on success; a compare-and-set may also say what it found.
            (EventKind::Ok, Edn::Sequence(_)) if entry.f == "cas" => Value::Flag(true),
            (_, Edn::Flag(flag)) => Value::Flag(*flag),
            (_, Edn::Sequence(items)) => match items.as_slice() {
                [from, to] if entry.f == "cas" => {
                    let from = (*from != Edn::Nil).then(|| printed(from));
                    Value::Pair(from, printed(to))
                }
                _ => return Err(self.malformed(entry.line, format!("{items:?} is no value"))),
            },
            (_, value) => Value::Text(printed(value)),
        })
    }

    fn kind(&self, line: u64, word: &str) -> Result<EventKind, HistoryError> {
        match word {
            "invoke" => Ok(EventKind::Invoke),
            "ok" => Ok(EventKind::Ok),
            "fail" => Ok(EventKind::Fail),
            "info" => Ok(EventKind::Info),
            other => Err(self.malformed(line, format!("`{other}` is no type of event"))),
        }
    }

    fn one_form(&self, line: u64, text: &str) -> Result<Edn, HistoryError> {
        let mut forms = edn::forms(text).map_err(|error| self.malformed(line, error.problem))?;
        match (forms.pop(), forms.is_empty()) {
            (Some((_, form)), true) => Ok(form),
            _ => Err(self.malformed(line, format!("`{text}` is no value"))),
        }
    }

    fn malformed(&self, line: u64, problem: String) -> HistoryError {
        HistoryError::Malformed { place: self.place.clone(), line, problem, remedy: REMEDY }
    }
}

/// Returns key and value of an entry. Jepsen's independent keys stand in the value: `[key value]`
/// for reads and writes, `[key [from to]]` for compare-and-sets.
fn keyed<'a>(entry: &Entry<'a>) -> (String, &'a Edn) {
    if let Edn::Sequence(items) = entry.value {
        match items.as_slice() {
            [key, value @ Edn::Sequence(_)] if entry.f == "cas" => return (printed(key), value),
            [key, value] if entry.f != "cas" => return (printed(key), value),
            _ => {}
        }
    }
    (entry.key.clone(), entry.value)
}

/// Prints an atom as a text of a history.
fn printed(form: &Edn) -> String {
    match form {
        Edn::Nil => String::new(),
        Edn::Flag(flag) => flag.to_string(),
        Edn::Whole(number) => number.to_string(),
        Edn::Text(text) | Edn::Keyword(text) | Edn::Symbol(text) => text.clone(),
        Edn::Sequence(_) | Edn::Map(_) => format!("{form:?}"),
    }
}

const REMEDY: &str = "expected a history of reads, writes, compare-and-sets and appends; choose \
    another --format if it is one";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panic")]

    use super::*;
    use crate::history::{Action, Answer};

    #[test]
    fn an_etcd_log_tells_missed_swaps_from_timeouts() {
        let text = "INFO  jepsen.util - 0\t:invoke\t:read\tnil\n\
            INFO  jepsen.core - something else\n\
            INFO  jepsen.util - 1\t:invoke\t:cas\t[0 3]\n\
            INFO  jepsen.util - :nemesis\t:info\t:start\tnil\n\
            INFO  jepsen.util - 0\t:fail\t:read\t:timed-out\n\
            INFO  jepsen.util - 1\t:fail\t:cas\t[0 3]\n\
            INFO  jepsen.util - 2\t:invoke\t:write\t4\n\
            INFO  jepsen.util - 1\t:invoke\t:read\tnil\n\
            INFO  jepsen.util - 1\t:ok\t:read\tnil\n\
            INFO  jepsen.util - 2\t:info\t:write\t:timed-out\n";
        let history = Format::JepsenLog.read(text, "log").unwrap();
        let answers: Vec<Answer> = history.operations.iter().map(|o| o.answer).collect();
        assert_eq!(
            answers,
            [Answer::Unknown, Answer::Swapped(false), Answer::Unknown, Answer::Seen(None)]
        );
    }

    #[test]
    fn edn_drops_what_failed_and_skips_the_nemesis() {
        let maps = "{:process 0, :type :invoke, :f :write, :value nil}\n\
            {:process :nemesis, :type :info, :f :start}\n\
            {:process 0, :type :ok, :f :write, :value nil, :time 7}\n\
            {:process 1, :type :invoke, :f :cas, :value [nil 2]}\n\
            {:process 1, :type :fail, :f :cas, :value [nil 2]}\n\
            {:process 1, :type :invoke, :f :cas, :value [1 2]}\n\
            {:process 1, :type :ok, :f :cas, :value [1 2]}";
        for text in [maps.to_owned(), format!("[{maps}]"), format!("({maps}) ; list")] {
            let history = Format::Edn.read(&text, "edn").unwrap();
            let [delete, cas] = history.operations.as_slice() else { panic!("two operations") };
            assert_eq!((delete.action, delete.return_ns), (Action::Delete, 7));
            assert_eq!(cas.answer, Answer::Swapped(true));
            assert_eq!(history.counts.fail, 1);
        }
    }

    #[test]
    fn edn_finds_independent_keys_in_the_values() {
        let text = "{:process 0 :type :invoke :f :write :value [7 3]}\n\
            {:process 1 :type :invoke :f :cas :value [8 [nil 1]]}\n\
            {:process 0 :type :ok :f :write :value [7 3]}\n\
            {:process 1 :type :ok :f :cas :value [8 [nil 1]]}\n\
            {:process 1 :type :invoke :f :read :value [8 nil]}\n\
            {:process 1 :type :ok :f :read :value [8 1]}\n\
            {:process 1 :type :info :f :log :value \"bye\"}";
        let history = Format::Edn.read(text, "edn").unwrap();
        let keys: Vec<&str> =
            history.operations.iter().map(|o| history.texts.text(o.key)).collect();
        assert_eq!(keys, ["7", "8", "8"]);
        assert_eq!(history.operations[1].answer, Answer::Swapped(true));
    }

    #[test]
    fn a_foreign_line_is_refused_with_its_number() {
        for (format, text, wanted) in [
            (Format::Edn, "{:process 0 :type :invoke\n:f :dequeue}", "h:1: `dequeue`"),
            (Format::Edn, "\n{:type :ok}", "h:2: there is no :process"),
            (Format::Edn, "\n{:process 1 :type :ok :f :read}", "h:2: process 1 returns"),
            (Format::Edn, "[1", "h:1: the text ends"),
            (Format::JepsenLog, "INFO  jepsen.util - 0\t:invoke", "h:1: 2 fields"),
            (Format::JepsenLog, "INFO  jepsen.util - 0\t:go\t:read\tnil", "h:1: `go`"),
        ] {
            let error = format.read(text, "h").unwrap_err().to_string();
            assert!(error.starts_with(wanted), "{error}");
        }
    }

    #[test]
    fn formats_go_by_their_names() {
        for format in Format::ALL {
            assert_eq!(format.to_string().parse(), Ok(format));
        }
        assert!("xml".parse::<Format>().unwrap_err().to_string().contains("porcupine-kv"));
    }
}
