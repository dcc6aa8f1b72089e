//! The history on disk: one event a line, written while the run goes on.
//!
//! A history is written before it is judged, so that a failing judge loses nothing. What was
//! written reads back equal; a line that is not an event is refused with its number and a remedy.

use std::fs::File;
use std::io::{BufRead, BufWriter, Read, Write};
use std::path::Path;

use super::watch::{EVENTS_PER_LOOK, Watch};
use super::{Event, EventKind, History, HistoryBuilder, HistoryError, Value};

/// Writes events, one a line.
///
/// Lines reach the file at the latest with [`EventWriter::flush`]; the run calls it several times
/// a second and before it judges.
#[derive(Debug)]
pub struct EventWriter<W: Write> {
    sink: BufWriter<W>,
    written: u64,
}

impl EventWriter<File> {
    /// Creates the file, which must not exist yet.
    ///
    /// # Errors
    ///
    /// [`HistoryError::Io`] if the file exists or cannot be created.
    pub fn create(path: &Path) -> Result<Self, HistoryError> {
        File::create_new(path).map(Self::new).map_err(|source| io(path, source))
    }
}

impl<W: Write> EventWriter<W> {
    /// Starts a history in a sink.
    pub fn new(sink: W) -> Self {
        Self { sink: BufWriter::with_capacity(BUFFER_BYTES, sink), written: 0 }
    }

    /// Writes the next event and returns its index, which replaces the one in the event.
    ///
    /// # Errors
    ///
    /// What the sink says.
    pub fn write(&mut self, mut event: Event) -> std::io::Result<u64> {
        event.index = self.written;
        serde_json::to_writer(&mut self.sink, &event)?;
        self.sink.write_all(b"\n")?;
        self.written += 1;
        Ok(event.index)
    }

    /// Hands everything that was written to the sink.
    ///
    /// # Errors
    ///
    /// What the sink says.
    pub fn flush(&mut self) -> std::io::Result<()> {
        self.sink.flush()
    }

    /// Returns how many events were written.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.written
    }
}

/// Reads a recorded history, packed or not.
///
/// # Errors
///
/// [`HistoryError`] if the file cannot be read, or is no history.
pub fn read_file(path: &Path) -> Result<History, HistoryError> {
    read(super::source::open(path)?, path)
}

/// Reads a history from a source; `path` names it in errors.
///
/// # Errors
///
/// As [`read_file`].
pub fn read(source: impl BufRead, path: &Path) -> Result<History, HistoryError> {
    read_watched(source, path, &mut |_| true)
}

/// Reads a history and asks at times whether to go on.
pub(super) fn read_watched(
    source: impl BufRead,
    path: &Path,
    watch: Watch<'_>,
) -> Result<History, HistoryError> {
    let place = path.display().to_string();
    let mut builder = HistoryBuilder::new(&place);
    each_event(source, path, |line, event| {
        if line.is_multiple_of(EVENTS_PER_LOOK) && !watch(builder.bytes()) {
            return Err(HistoryError::Stopped { place: place.clone(), events: line });
        }
        builder.push_at(line, event)
    })?;
    Ok(builder.finish())
}

/// Calls `visit` with every event and its line.
///
/// # Errors
///
/// As [`read_file`], and what `visit` returns.
pub fn each_event(
    mut source: impl BufRead,
    path: &Path,
    mut visit: impl FnMut(u64, &Event) -> Result<(), HistoryError>,
) -> Result<(), HistoryError> {
    let mut text = Vec::new();
    let mut line = 0;
    let mut time_ns = 0;
    loop {
        text.clear();
        let length = source.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut text);
        let place = || path.display().to_string();
        let told = |source| HistoryError::of_source(&place(), line + 1, source);
        if length.map_err(told)? == 0 {
            return Ok(());
        }
        line += 1;
        let has_end = text.ends_with(b"\n");
        if !has_end && text.len() as u64 == LINE_BYTES_MAX {
            let problem = format!("the line is longer than {} MiB", LINE_BYTES_MAX >> 20);
            let (place, column) = (place(), None);
            return Err(HistoryError::Malformed { place, line, column, problem, remedy: REMEDY });
        }
        // The end of a line may be that of another system, with a return before it.
        let event = parse(text.trim_ascii_end(), line).map_err(|problem| {
            let place = path.display().to_string();
            let Problem { column, problem, is_begun } = problem;
            // A whole line ends with its end, and what is more than a beginning was never one.
            if is_begun && !has_end {
                HistoryError::Cut { place, line, problem }
            } else {
                HistoryError::Malformed { place, line, column, problem, remedy: REMEDY }
            }
        })?;
        let before = std::mem::replace(&mut time_ns, event.time_ns);
        if event.time_ns < before {
            let (place, column) = (path.display().to_string(), None);
            let problem = format!("its `time_ns` {time_ns} is before {before}: time ran back");
            return Err(HistoryError::Malformed { place, line, column, problem, remedy: REMEDY });
        }
        visit(line, &event)?;
    }
}

/// What is wrong with a line, and where.
struct Problem {
    column: Option<u64>,
    problem: String,
    /// Whether more text could make an event of it.
    is_begun: bool,
}

impl Problem {
    fn of(problem: String) -> Self {
        Self { column: None, problem, is_begun: false }
    }
}

fn parse(text: &[u8], line: u64) -> Result<Event, Problem> {
    let event: Event = serde_json::from_slice(text).map_err(|error| explain(text, &error))?;
    if event.index + 1 != line {
        let problem = format!("event {} stands where event {} belongs", event.index, line - 1);
        return Err(Problem::of(problem));
    }
    let is_read = event.kind == EventKind::Ok && event.f == "read";
    if is_read && event.value == Value::Null && !has_value(text) {
        let problem = "the ok event of a read has no `value`, which is null where it saw nothing";
        return Err(Problem::of(problem.to_owned()));
    }
    Ok(event)
}

/// Returns whether an event says what its value is, be it null.
fn has_value(text: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(text).is_ok_and(|one| one.get("value").is_some())
}

/// Says in plain words what is wrong with a line that is no event.
fn explain(text: &[u8], error: &serde_json::Error) -> Problem {
    let column = Some(error.column() as u64).filter(|column| *column > 0);
    if text.is_empty() {
        return Problem::of("the line is empty".to_owned());
    }
    let Ok(value) = serde_json::from_slice::<serde_json::Value>(text) else {
        let is_begun = error.is_eof();
        let problem = if is_begun { "the line ends too early" } else { "this is no JSON" };
        return Problem { column, problem: problem.to_owned(), is_begun };
    };
    let Some(map) = value.as_object() else {
        return Problem::of("an event is an object in braces".to_owned());
    };
    let is = |name: &str, right: fn(&serde_json::Value) -> bool| map.get(name).is_some_and(right);
    let is_text = |value: &serde_json::Value| value.is_string();
    let rules: [(&str, bool, &str); 6] = [
        ("index", is("index", serde_json::Value::is_u64), "a whole number, counted from 0"),
        ("time_ns", is("time_ns", serde_json::Value::is_u64), "a whole number of nanoseconds"),
        ("process", is("process", is_process), "a number from 0 on, or \"nemesis\""),
        ("type", is("type", is_kind), "\"invoke\", \"ok\", \"fail\" or \"info\""),
        ("f", is("f", is_text), "the name of an operation"),
        (
            "value",
            map.get("value").is_none_or(is_value),
            "null, true, false, a text, or a pair of texts",
        ),
    ];
    if let Some(name) = map.keys().find(|name| !FIELDS.contains(&name.as_str())) {
        return Problem::of(format!("an event has no field `{name}`"));
    }
    let wrong = rules.iter().find(|(_, right, _)| !right);
    let problem = match wrong {
        Some((name, _, wanted)) if map.contains_key(*name) => format!("`{name}` must be {wanted}"),
        Some((name, _, wanted)) => format!("the event has no `{name}`, which is {wanted}"),
        None => match map.keys().find(|name| twice(text, name)) {
            Some(name) => format!("the event has its `{name}` twice"),
            None => "`key` and `error` must be texts, and `node` a small number".to_owned(),
        },
    };
    Problem::of(problem)
}

/// Returns whether a field stands twice. A reader that takes the last of them sees only one.
fn twice(text: &[u8], name: &str) -> bool {
    let name = format!("\"{name}\"");
    String::from_utf8_lossy(text).matches(&name).count() > 1
}

fn is_process(value: &serde_json::Value) -> bool {
    value.as_u64().is_some_and(|number| u32::try_from(number).is_ok()) || value == "nemesis"
}

fn is_kind(value: &serde_json::Value) -> bool {
    value.as_str().is_some_and(|kind| ["invoke", "ok", "fail", "info"].contains(&kind))
}

fn is_value(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::String(_) => true,
        serde_json::Value::Array(pair) => match pair.as_slice() {
            [from, to] => (from.is_null() || from.is_string()) && to.is_string(),
            _ => false,
        },
        serde_json::Value::Number(_) | serde_json::Value::Object(_) => false,
    }
}

fn io(path: &Path, source: std::io::Error) -> HistoryError {
    HistoryError::Io { path: path.to_owned(), source }
}

const FIELDS: [&str; 9] =
    ["index", "time_ns", "process", "type", "f", "key", "value", "error", "node"];
const BUFFER_BYTES: usize = 64 * 1024;
const REMEDY: &str = "expected one event a line, such as {\"index\":0,\"time_ns\":5,\
    \"process\":3,\"type\":\"invoke\",\"f\":\"read\",\"key\":\"k\",\"value\":null}; for a \
    history of another tool name its --format";

/// The longest line that is read as one.
const LINE_BYTES_MAX: u64 = 64 << 20;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panic")]

    use super::*;
    use crate::{Action, Answer, Process};

    #[test]
    fn a_history_reads_back_equal() {
        let events = sample();
        let mut writer = EventWriter::new(Vec::new());
        for event in &events {
            writer.write(event.clone()).unwrap();
        }
        writer.flush().unwrap();
        assert_eq!(writer.written(), events.len() as u64);
        let bytes = writer.sink.into_inner().unwrap();
        let mut read_back = Vec::new();
        each_event(bytes.as_slice(), Path::new("h"), |_, event| {
            read_back.push(event.clone());
            Ok(())
        })
        .unwrap();
        assert_eq!(read_back, events);
    }

    #[test]
    fn the_lines_are_those_of_the_interface() {
        let mut writer = EventWriter::new(Vec::new());
        writer.write(sample()[0].clone()).unwrap();
        writer.write(sample()[1].clone()).unwrap();
        writer.write(sample()[4].clone()).unwrap();
        let text = String::from_utf8(writer.sink.into_inner().unwrap()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines,
            [
                "{\"index\":0,\"time_ns\":0,\"process\":3,\"type\":\"invoke\",\"f\":\"cas\",\
                 \"key\":\"k1\",\"value\":[\"4\",\"5\"]}",
                "{\"index\":1,\"time_ns\":10,\"process\":3,\"type\":\"ok\",\"f\":\"cas\",\
                 \"key\":\"k1\",\"value\":true,\"node\":2}",
                "{\"index\":2,\"time_ns\":40,\"process\":\"nemesis\",\"type\":\"info\",\
                 \"f\":\"kill-one\",\"value\":\"node 2\"}",
            ]
        );
    }

    #[test]
    fn failed_calls_are_dropped_and_open_ones_stay_unknown() {
        let mut writer = EventWriter::new(Vec::new());
        for event in sample() {
            writer.write(event).unwrap();
        }
        let bytes = writer.sink.into_inner().unwrap();
        let history = read(bytes.as_slice(), Path::new("h")).unwrap();
        let [cas, read] = history.operations.as_slice() else { panic!("two operations") };
        assert_eq!(cas.answer, Answer::Swapped(true));
        assert_eq!((cas.called, cas.returned), (0, Some(1)));
        assert!(matches!(read.action, Action::Read) && read.is_unknown());
        let counts = history.counts;
        assert_eq!((counts.ok, counts.fail, counts.info), (1, 1, 1));
        let [ending] = history.endings.as_slice() else { panic!("one call has no answer") };
        assert_eq!((ending.called, ending.at, ending.time_ns), (2, 3, 30));
        let reason = ending.reason.map(|reason| history.texts.text(reason));
        assert_eq!(reason, Some("not leading \"yet\"\n"));
        assert_eq!(history.failed.iter().map(|one| one.called).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn of_endless_reasons_the_first_are_kept_and_every_end_is() {
        let event = |index: u64, kind, error: Option<String>| Event {
            index,
            time_ns: index,
            process: Process::Client(0),
            kind,
            f: "read".to_owned(),
            key: Some("k".to_owned()),
            value: Value::Null,
            error,
            node: None,
        };
        let mut builder = HistoryBuilder::new("h");
        for turn in 0..10_000 {
            builder.push(&event(turn * 2, EventKind::Invoke, None)).unwrap();
            let error = Some(format!("refused for the {turn}th time {}", "x".repeat(2000)));
            builder.push(&event(turn * 2 + 1, EventKind::Fail, error)).unwrap();
        }
        let history = builder.finish();
        assert_eq!((history.endings.len(), history.failed.len()), (10_000, 10_000));
        let told = history.endings.iter().filter(|ending| ending.reason.is_some()).count();
        assert!((1..1_000).contains(&told) && history.texts.len() < 1_000, "{told}");
        assert!(history.bytes() < 4 << 20, "{}", history.bytes());
    }

    #[test]
    fn a_bad_line_is_named_with_a_remedy() {
        let good = "{\"index\":0,\"time_ns\":5,\"process\":3,\"type\":\"invoke\",\"f\":\"read\",\
            \"key\":\"k\",\"value\":null}";
        let cases = [
            (format!("{good}\n{{\"index\":1,"), "2", "remove the torn end"),
            (format!("{good}\n{good}\n"), "2", "event 0 stands where event 1 belongs"),
            (good.replace("read", "dance"), "1", "no model for the operation `dance`"),
            (good.replace("invoke", "ok"), "1", "without a call"),
            (good.replace(",\"key\":\"k\"", ""), "1", "add a `key`"),
        ];
        for (text, line, wanted) in cases {
            let error = read(text.as_bytes(), Path::new("runs/history.jsonl")).unwrap_err();
            let error = error.to_string();
            assert!(error.starts_with(&format!("runs/history.jsonl:{line}: ")), "{error}");
            assert!(error.contains(wanted), "{error}");
        }
        let missing = read_file(Path::new("no/such/history.jsonl")).unwrap_err().to_string();
        assert!(missing.starts_with("no/such/history.jsonl: "), "{missing}");
    }

    fn sample() -> Vec<Event> {
        let event = |index, process, kind, f: &str, value| Event {
            index,
            time_ns: index * 10,
            process,
            kind,
            f: f.to_owned(),
            key: (process != Process::Nemesis).then(|| "k1".to_owned()),
            value,
            error: None,
            node: None,
        };
        let (three, four) = (Process::Client(3), Process::Client(4));
        let five = Value::Pair(Some("4".to_owned()), "5".to_owned());
        let mut events = vec![
            event(0, three, EventKind::Invoke, "cas", five),
            event(1, three, EventKind::Ok, "cas", Value::Flag(true)),
            event(2, four, EventKind::Invoke, "write", Value::Text("9".to_owned())),
            event(3, four, EventKind::Fail, "write", Value::Null),
            event(4, Process::Nemesis, EventKind::Info, "kill-one", Value::Text("node 2".into())),
            event(5, three, EventKind::Invoke, "read", Value::Null),
        ];
        events[1].node = Some(2);
        events[3].error = Some("not leading \"yet\"\n".to_owned());
        events
    }
}
