//! Histories by their formats, ours and those of other tools.
//!
//! Each tool has its own idea of `fail`: in Jepsen's and Knossos' EDN it means that the operation
//! certainly did not happen; in the etcd logs a failed compare-and-set ran and found another value,
//! and a failed read only timed out. The readers of this folder know which is which. A file that is
//! not what its format says is an error, and so is one that ends within an event.

use std::fmt;
use std::io::BufRead;
use std::path::Path;
use std::str::FromStr;

use super::edn::{EdnError, Notation};
use super::operations::{Collector, Dialect};
use super::stream::{Stop, each_event};
use super::translate::Translator;
use super::watch::{EVENTS_PER_LOOK, Watch};
use super::{History, HistoryError, jsonl, log, source};

/// The notation of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One event a line, as this harness writes it.
    Jsonl,
    /// A log of Jepsen, early or of today, or a history as Jepsen prints it.
    JepsenLog,
    /// Porcupine's test data: one EDN map a line, with keys and text values.
    PorcupineKv,
    /// A history of Jepsen or Knossos in EDN: maps, with or without brackets, or under `:history`.
    Edn,
    /// The same in JSON: an array of events, one event a line, or under `history`.
    JepsenJson,
    /// Porcupine's operations in JSON, with the questions and answers of its key-value model.
    PorcupineJson,
    /// The operations that etcd's robustness tests record.
    EtcdJson,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 7] = [
        Self::Jsonl,
        Self::JepsenLog,
        Self::PorcupineKv,
        Self::Edn,
        Self::JepsenJson,
        Self::PorcupineJson,
        Self::EtcdJson,
    ];

    /// Returns the name, as the command line spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::JepsenLog => "jepsen-log",
            Self::PorcupineKv => "porcupine-kv",
            Self::Edn => "edn",
            Self::JepsenJson => "jepsen-json",
            Self::PorcupineJson => "porcupine-json",
            Self::EtcdJson => "etcd-json",
        }
    }

    /// Reads a history of this format from a file, or from standard input where the path is `-`;
    /// gzip is unpacked.
    ///
    /// # Errors
    ///
    /// [`HistoryError`] if the file cannot be read, or is no such history.
    pub fn read_file(self, path: &Path) -> Result<History, HistoryError> {
        self.read_watched(path, &mut |_| true)
    }

    /// Reads a history as [`Format::read_file`] does, and asks at times whether to go on.
    ///
    /// # Errors
    ///
    /// As [`Format::read_file`], and [`HistoryError::Stopped`].
    pub fn read_watched(self, path: &Path, watch: Watch<'_>) -> Result<History, HistoryError> {
        self.read_from(source::open(path)?, &path.display().to_string(), watch)
    }

    /// Reads a history of this format from a text; `place` names it in errors.
    ///
    /// # Errors
    ///
    /// As [`Format::read_file`].
    pub fn read(self, text: &str, place: &str) -> Result<History, HistoryError> {
        self.read_from(text.as_bytes(), place, &mut |_| true)
    }

    fn read_from(
        self,
        source: impl BufRead,
        place: &str,
        watch: Watch<'_>,
    ) -> Result<History, HistoryError> {
        match self {
            Self::Jsonl => jsonl::read_watched(source, Path::new(place), watch),
            Self::JepsenLog => read_log(source, place, watch),
            Self::PorcupineKv => {
                read_events(source, Translator::with_keys(place), place, Notation::Edn, watch)
            }
            Self::Edn => read_events(source, Translator::new(place), place, Notation::Edn, watch),
            Self::JepsenJson => {
                read_events(source, Translator::new(place), place, Notation::Json, watch)
            }
            Self::PorcupineJson => read_operations(source, place, Dialect::Porcupine, watch),
            Self::EtcdJson => read_operations(source, place, Dialect::Etcd, watch),
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
#[error(
    "there is no format `{0}`; use jsonl, edn, jepsen-json, jepsen-log, porcupine-kv, \
     porcupine-json or etcd-json"
)]
pub struct UnknownFormat(pub String);

fn read_log(source: impl BufRead, place: &str, watch: Watch<'_>) -> Result<History, HistoryError> {
    let mut translator = Translator::new(place);
    let mut pace = Pace { place, watch, count: 0 };
    let io = |line, source| HistoryError::of_source(place, line, source);
    let watch = |translator: &Translator| pace.go(|| translator.builder.bytes());
    let found = log::read(source, &mut translator, watch, io)?;
    // A log may hold any lines beside its events; one without events is no log of a run.
    if found == 0 {
        let problem = "no line has a process, a type, an operation and a value";
        return Err(translator.malformed(1, problem.to_owned()));
    }
    Ok(translator.builder.finish())
}

fn read_events(
    source: impl BufRead,
    mut translator: Translator,
    place: &str,
    notation: Notation,
    watch: Watch<'_>,
) -> Result<History, HistoryError> {
    let mut pace = Pace { place, watch, count: 0 };
    let read = each_event(source, notation, |line, form| {
        translator.push_map(line, form)?;
        pace.go(|| translator.builder.bytes())
    });
    read.map_err(|stop| told(stop, place, notation))?;
    Ok(translator.builder.finish())
}

fn read_operations(
    source: impl BufRead,
    place: &str,
    dialect: Dialect,
    watch: Watch<'_>,
) -> Result<History, HistoryError> {
    let mut collector = Collector::new(place, dialect);
    let mut pace = Pace { place, watch, count: 0 };
    let read = each_event(source, Notation::Json, |line, form| {
        collector.push(line, form)?;
        pace.go(|| collector.bytes())
    });
    read.map_err(|stop| told(stop, place, Notation::Json))?;
    Ok(collector.finish())
}

/// Tells what ended the reading of a text.
fn told(stop: Stop<HistoryError>, place: &str, notation: Notation) -> HistoryError {
    let remedy = match notation {
        Notation::Edn => "the file is no EDN; --help lists the formats",
        Notation::Json => "the file is no JSON; --help lists the formats",
    };
    match stop {
        Stop::Visitor(error) => error,
        Stop::Source(line, source) => HistoryError::of_source(place, line, source),
        Stop::Text(EdnError { line, problem, is_cut: true, .. }) => {
            HistoryError::Cut { place: place.to_owned(), line, problem }
        }
        Stop::Text(EdnError { line, column, problem, .. }) => {
            let (place, column) = (place.to_owned(), Some(column));
            HistoryError::Malformed { place, line, column, problem, remedy }
        }
    }
}

/// Asks the watch once in `EVENTS_PER_LOOK` events.
struct Pace<'a> {
    place: &'a str,
    watch: Watch<'a>,
    count: u64,
}

impl Pace<'_> {
    fn go(&mut self, bytes: impl FnOnce() -> usize) -> Result<(), HistoryError> {
        self.count += 1;
        if self.count.is_multiple_of(EVENTS_PER_LOOK) && !(self.watch)(bytes()) {
            return Err(HistoryError::Stopped { place: self.place.to_owned(), events: self.count });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panic")]

    use super::*;
    use crate::{Action, Answer};

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
            (
                Format::Edn,
                "{:process 0 :type :invoke\n:f :dequeue}",
                "h:1: there is no model for a queue",
            ),
            (Format::Edn, "\n{:type :ok}", "h:2: the event has no :process"),
            (Format::Edn, "\n{:process 1 :type :ok :f :read}", "h:2: process 1 returns"),
            (Format::Edn, "[1", "h:1: `1` is no event"),
            (Format::Edn, "[", "h:1: the file ends"),
            (Format::JepsenLog, "INFO  jepsen.util - 0\t:go\t:read\tnil", "h:1: no line has"),
        ] {
            let error = format.read(text, "h").unwrap_err().to_string();
            assert!(error.starts_with(wanted), "{error}");
        }
    }

    /// A return that was taken for one of another operation would pass for what nobody saw.
    #[test]
    fn a_return_of_another_operation_than_was_called_is_refused() {
        let event = |kind: &str, f: &str, value: &str| {
            let edn = format!("{{:process 0 :type :{kind} :f :{f} :key 1 :value {value}}}\n");
            let json = format!(
                "{{\"process\": 0, \"key\": \"1\", \"type\": \"{kind}\", \"f\": \"{f}\", \
                 \"value\": {value}}}\n"
            );
            [edn.clone(), edn, json, format!("INFO x - 0\t:{kind}\t:{f}\t{value}\n")]
        };
        let formats = [Format::Edn, Format::PorcupineKv, Format::JepsenJson, Format::JepsenLog];
        for (called, returned) in
            [("read", "write"), ("write", "read"), ("append", "write"), ("read", "get")]
        {
            for kind in ["ok", "fail", "info"] {
                let (call, back) = (event("invoke", called, "1"), event(kind, returned, "1"));
                let same = event(kind, called, "1");
                for (place, format) in formats.into_iter().enumerate() {
                    let text = call[place].clone() + &back[place];
                    let error = format.read(&text, "h").unwrap_err().to_string();
                    let wanted = format!(
                        "h:2: process 0 called `{called}` and returns from `{returned}`; expected"
                    );
                    assert!(error.starts_with(&wanted), "{format}: {error}");
                    let text = call[place].clone() + &same[place];
                    assert!(format.read(&text, "h").is_ok(), "{format}: {text}");
                }
            }
        }
    }

    /// One reader would take the value of the call for what was done, and another one, as Knossos
    /// does, that of the return: the two verdicts differ.
    #[test]
    fn a_return_with_another_value_than_was_asked_is_refused() {
        let event = |kind: &str, f: &str, value: &str| {
            format!("{{:process 0 :type :{kind} :f :{f} :value {value}}}\n")
        };
        let read = |f: &str, asked: &str, told: &str, kind: &str| {
            Format::Edn.read(&(event("invoke", f, asked) + &event(kind, f, told)), "h")
        };
        let cases = [
            ("write", "1", "2"),
            ("put", "1", "\"x\""),
            ("write", "nil", "2"),
            ("cas", "[1 2]", "[1 3]"),
            ("cas", "[1 2]", "[nil 2]"),
            ("write", "[7 1]", "[7 2]"),
            ("cas", "[7 [1 2]]", "[7 [2 1]]"),
        ];
        for (f, asked, told) in cases {
            let error = read(f, asked, told, "ok").unwrap_err().to_string();
            let wanted = format!("h:2: `{f}` is ok with `");
            assert!(error.starts_with(&wanted), "{f} {asked} {told}: {error}");
            assert!(error.contains(": which of them was done is not told"), "{error}");
            // What failed or is unknown was done with no value at all.
            for kind in ["fail", "info"] {
                assert!(read(f, asked, told, kind).is_ok(), "{kind} {f} {asked} {told}");
            }
            for same in [asked, "nil"] {
                assert!(read(f, asked, same, "ok").is_ok(), "{f} {asked} {same}");
            }
        }
        // These answer something else than what they were asked with.
        for (f, asked, told) in [("append", "1", "3"), ("delete", "nil", "4"), ("add", "1", "7")] {
            assert!(read(f, asked, told, "ok").is_ok(), "{f} {asked} {told}");
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
