//! When the lines of a log were written: how long each log was, and when somebody looked.
//!
//! Logs are text of the system under test, with times in any form or none. So their lengths are
//! noted while a run goes on, and a line was written between the last look that did not see it and
//! the first that did. Which moments matter is the judge's to say, and what a line says is read by
//! `logs`. Claims kept true: memory is bounded by [`MARKS_MAX`] however long a run is, and a line
//! is told a time that is off by no more than the looks are apart.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use synod_fault::NodeId;
use synod_report::{LOG_AROUND, LoggedLine};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::crashes::{CrashLine, CrashPatterns};
use super::logs;
use super::process::{STDERR_LOG, STDOUT_LOG};
use super::record::Recorder;

/// Looks at the logs of all nodes until it is dropped, or ended.
#[derive(Debug)]
pub(crate) struct LogWatch {
    logs: Arc<Mutex<WatchedLogs>>,
    _task: JoinSet<()>,
}

/// The logs of all nodes, and when they were how long.
#[derive(Debug, Default)]
pub(crate) struct WatchedLogs {
    logs: Vec<WatchedLog>,
    /// When somebody looked last.
    looked_ns: u64,
}

#[derive(Debug)]
struct WatchedLog {
    node: NodeId,
    name: &'static str,
    path: PathBuf,
    marks: Vec<Mark>,
}

/// Between two looks, a log grew to so many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    after_ns: u64,
    by_ns: u64,
    bytes: u64,
}

impl LogWatch {
    /// Starts to look at the logs in the folders of nodes.
    pub(crate) fn start(folders: &[(NodeId, PathBuf)], record: &Arc<Recorder>) -> Self {
        let watched = Arc::new(Mutex::new(WatchedLogs::of(folders)));
        let mut task = JoinSet::new();
        task.spawn(keep_looking(Arc::clone(&watched), Arc::clone(record)));
        Self { logs: watched, _task: task }
    }

    /// Looks once more, and returns what was seen.
    pub(crate) fn end(self, now: Duration) -> WatchedLogs {
        let mut watched = lock(&self.logs);
        // What was written since the last look is seen as well.
        watched.look(now.as_nanos() as u64);
        std::mem::take(&mut *watched)
    }
}

async fn keep_looking(logs: Arc<Mutex<WatchedLogs>>, record: Arc<Recorder>) {
    let mut ticks = tokio::time::interval(LOOK_PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        lock(&logs).look(record.now().as_nanos() as u64);
    }
}

fn lock(logs: &Mutex<WatchedLogs>) -> MutexGuard<'_, WatchedLogs> {
    logs.lock().unwrap_or_else(PoisonError::into_inner)
}

impl WatchedLogs {
    fn of(folders: &[(NodeId, PathBuf)]) -> Self {
        let both = folders.iter().flat_map(|(node, folder)| {
            [STDERR_LOG, STDOUT_LOG].map(|name| WatchedLog {
                node: *node,
                name,
                path: folder.join(name),
                marks: Vec::new(),
            })
        });
        Self { logs: both.collect(), looked_ns: 0 }
    }

    fn look(&mut self, now_ns: u64) {
        for log in &mut self.logs {
            let bytes = logs::length(&log.path);
            log.note(Mark { after_ns: self.looked_ns, by_ns: now_ns, bytes });
        }
        self.looked_ns = now_ns;
    }

    /// Returns about when a line was written that tells of a crash.
    pub(crate) fn time_of(&self, crash: &CrashLine) -> Option<u64> {
        let log = self.logs.iter().find(|log| log.node == crash.node && log.name == crash.log)?;
        logs::begin_of_line(&log.path, crash.number).map(|begin| log.time_of(begin))
    }

    /// Returns the lines that a node wrote around some moments in the order of their times: the
    /// nearest ones, at most `most`.
    pub(crate) fn around(
        &self,
        node: NodeId,
        moments: &[u64],
        patterns: CrashPatterns<'_>,
        most: usize,
    ) -> Vec<LoggedLine> {
        if moments.is_empty() {
            return Vec::new();
        }
        let mut lines = Vec::new();
        for log in self.logs.iter().filter(|log| log.node == node) {
            let ranges: Vec<Range<u64>> = moments.iter().map(|at| log.range_around(*at)).collect();
            for line in logs::lines_in(&log.path, &ranges, patterns) {
                let at_ns = log.time_of(line.begin);
                let logs::Line { number, text, crash, .. } = line;
                lines.push(LoggedLine { at_ns, log: log.name.to_owned(), number, text, crash });
            }
        }
        let distance = |line: &LoggedLine| {
            moments.iter().map(|at| at.abs_diff(line.at_ns)).min().unwrap_or(u64::MAX)
        };
        lines.retain(|line| distance(line) <= LOG_AROUND.as_nanos() as u64);
        // A line that tells of a crash is worth more than its distance says.
        lines.sort_by_key(|line| (!line.crash, distance(line)));
        lines.truncate(most);
        lines.sort_by(|one, other| {
            let of = |line: &LoggedLine| (line.at_ns, line.number);
            of(one).cmp(&of(other)).then_with(|| one.log.cmp(&other.log))
        });
        lines
    }
}

impl WatchedLog {
    fn note(&mut self, mark: Mark) {
        let grown = self.marks.last().map_or(0, |last| last.bytes);
        // Of a log that became shorter nobody can say which lines are gone.
        if mark.bytes <= grown {
            return;
        }
        self.marks.push(mark);
        if self.marks.len() > MARKS_MAX {
            let join = |pair: &[Mark]| Mark { after_ns: pair[0].after_ns, ..pair[pair.len() - 1] };
            self.marks = self.marks.chunks(2).map(join).collect();
        }
    }

    /// Returns about when the line was written that begins at a byte: what was written between two
    /// looks is taken for written evenly.
    fn time_of(&self, begin: u64) -> u64 {
        let at = self.marks.partition_point(|mark| mark.bytes <= begin);
        let from = at.checked_sub(1).map_or(0, |before| self.marks[before].bytes);
        let Some(mark) = self.marks.get(at).or_else(|| self.marks.last()) else { return 0 };
        let (part, whole) = (begin.saturating_sub(from), mark.bytes.saturating_sub(from).max(1));
        let length = u128::from(mark.by_ns.saturating_sub(mark.after_ns));
        let share = length * u128::from(part.min(whole)) / u128::from(whole);
        mark.after_ns + u64::try_from(share).unwrap_or(0)
    }

    /// Returns the bytes that may have been written around a moment; a log that grows fast is read
    /// nearest to it.
    fn range_around(&self, at_ns: u64) -> Range<u64> {
        let around = LOG_AROUND.as_nanos() as u64;
        let by = |ns: u64| {
            let seen = self.marks.iter().take_while(|mark| mark.by_ns <= ns);
            seen.last().map_or(0, |mark| mark.bytes)
        };
        let until = |ns: u64| {
            let begun = self.marks.iter().take_while(|mark| mark.after_ns <= ns);
            begun.last().map_or(0, |mark| mark.bytes)
        };
        let middle = by(at_ns);
        let from = by(at_ns.saturating_sub(around)).max(middle.saturating_sub(AROUND_BYTES_MAX));
        from..until(at_ns.saturating_add(around)).min(middle.saturating_add(AROUND_BYTES_MAX))
    }
}

/// How often the logs are looked at.
const LOOK_PERIOD: Duration = Duration::from_millis(100);

/// How many times a log is known to have grown; beyond, neighbours are joined.
const MARKS_MAX: usize = 4_096;

/// How many bytes of a log are read on either side of a moment.
const AROUND_BYTES_MAX: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn with_log(name: &str, check: impl FnOnce(&mut WatchedLogs, &dyn Fn(&str))) {
        use std::io::Write as _;
        let folder =
            std::env::temp_dir().join(format!("synod-watch-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a temporary folder");
        let path = folder.join(STDERR_LOG);
        let write = |text: &str| {
            let file = std::fs::OpenOptions::new().create(true).append(true).open(&path);
            file.and_then(|mut file| file.write_all(text.as_bytes())).expect("a log");
        };
        check(&mut WatchedLogs::of(&[(NodeId(1), folder.clone())]), &write);
        std::fs::remove_dir_all(&folder).expect("it was made above");
    }

    const SECOND: u64 = 1_000_000_000;
    const KNOWN: CrashPatterns<'static> = CrashPatterns { known: true, own: &[] };

    /// Looks every tenth of a second, and writes what `write` gives for each of them.
    fn run(
        logs: &mut WatchedLogs,
        write: &dyn Fn(&str),
        tenths: u64,
        line: impl Fn(u64) -> String,
    ) {
        for tenth in 0..tenths {
            write(&line(tenth));
            logs.look((tenth + 1) * SECOND / 10);
        }
    }

    #[test]
    fn lines_around_a_moment_are_told_with_their_time_and_number() {
        with_log("around", |logs, write| {
            run(logs, write, 300, |tenth| match tenth {
                150 => format!("line {tenth}\npanic: for no reason\n"),
                tenth => format!("line {tenth}\n"),
            });
            let lines = logs.around(NodeId(1), &[15 * SECOND], KNOWN, 1_000);
            assert_eq!(lines.first().map(|line| line.text.as_str()), Some("line 130"));
            assert_eq!(lines.last().map(|line| line.text.as_str()), Some("line 170"));
            for line in &lines {
                let Some(tenth) = line.text.strip_prefix("line ") else { continue };
                let tenth: u64 = tenth.parse().expect("a number");
                let written = tenth * SECOND / 10..(tenth + 1) * SECOND / 10;
                assert!(written.contains(&line.at_ns), "{line:?}");
                assert_eq!(line.number, tenth + 1 + u64::from(tenth > 150), "{line:?}");
            }
            let crashes: Vec<&LoggedLine> = lines.iter().filter(|line| line.crash).collect();
            assert_eq!((crashes.len(), crashes[0].number), (1, 152));
            let crash =
                CrashLine { node: NodeId(1), log: STDERR_LOG, number: 152, words: String::new() };
            assert_eq!(logs.time_of(&crash), Some(crashes[0].at_ns));
            assert_eq!(logs.around(NodeId(2), &[15 * SECOND], KNOWN, 9), []);
            assert_eq!(logs.around(NodeId(1), &[], KNOWN, 9), []);
        });
    }

    #[test]
    fn of_too_many_lines_the_nearest_are_told_and_a_crash_always() {
        with_log("nearest", |logs, write| {
            run(logs, write, 40, |tenth| match tenth {
                5 => "panic: early\n".to_owned(),
                tenth => (0..200).map(|n| format!("line {tenth} {n}\n")).collect(),
            });
            let lines = logs.around(NodeId(1), &[2 * SECOND], KNOWN, 50);
            assert_eq!(lines.len(), 50);
            assert_eq!(lines[0].text, "panic: early");
            let near = |line: &LoggedLine| line.at_ns.abs_diff(2 * SECOND) < SECOND / 10;
            assert!(lines[1..].iter().all(near), "{lines:?}");
        });
    }

    #[test]
    fn what_is_written_after_a_silence_was_not_written_in_it() {
        with_log("silence", |logs, write| {
            run(logs, write, 100, |tenth| {
                if [0, 90].contains(&tenth) { format!("line {tenth}\n") } else { String::new() }
            });
            let lines = logs.around(NodeId(1), &[9 * SECOND], KNOWN, 50);
            assert_eq!((lines.len(), lines[0].at_ns), (1, 9 * SECOND));
            assert_eq!(logs.around(NodeId(1), &[5 * SECOND], KNOWN, 50), []);
        });
    }

    #[test]
    fn a_long_run_takes_no_more_memory_and_keeps_its_order() {
        with_log("long", |logs, _| {
            let log = &mut logs.logs[0];
            for look in 0..100_000 {
                log.note(Mark { after_ns: look * 10, by_ns: look * 10 + 10, bytes: look * 5 + 5 });
            }
            assert!(log.marks.len() <= MARKS_MAX);
            for look in [0, 7, 50_000, 99_999] {
                let told = log.time_of(look * 5);
                assert!(told.abs_diff(look * 10) < 1_000, "{told}");
            }
        });
    }

    #[test]
    fn a_log_that_grows_fast_is_read_near_the_moment_alone() {
        with_log("fast", |logs, write| {
            let line = "x".repeat(99) + "\n";
            run(logs, write, 50, |_| line.repeat(3_000));
            let range = logs.logs[0].range_around(25 * SECOND / 10);
            assert_eq!(range.end - range.start, 2 * AROUND_BYTES_MAX);
            let lines = logs.around(NodeId(1), &[25 * SECOND / 10], KNOWN, 300);
            assert_eq!(lines.len(), 300);
        });
    }
}
