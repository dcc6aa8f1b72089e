//! Where the lines for people go: to stderr, by a thread of its own, and never at a node's expense.
//!
//! What is worth a line is left to everybody else. A node outlives whoever reads its log: stderr
//! may be a pipe whose reader has died, or one that nobody empties. The claims kept true: a line is
//! taken or lost in no time; a sink that breaks or is full loses lines, which are counted, and
//! never the process; and when it works again, it says how many were lost, where they are missing.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::cli::LogFormat;
use crate::config::LogConfig;

/// Sends what is logged in this process to stderr from here on.
///
/// # Errors
///
/// When the system has no thread for it.
pub fn install(log: &LogConfig) -> io::Result<()> {
    let sink = Sink::start(io::stderr)?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(&log.filter))
        .with_writer(SINK.get_or_init(|| sink).clone());
    // Only a second call in one process fails, and the first one holds.
    let _ = match log.format {
        LogFormat::Text => builder.with_ansi(false).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    Ok(())
}

/// Says a last line, and waits a while until it is out, with all that was logged before it.
pub fn say_last(line: &str) {
    let line = format!("{line}\n");
    match SINK.get() {
        Some(sink) => {
            sink.take(line.as_bytes());
            sink.settle(LAST_WORDS_MAX);
        }
        // A closed stderr leaves the exit code, which says the same.
        None => drop(io::stderr().write_all(line.as_bytes())),
    }
}

/// Waits a while until what was logged is out.
pub fn settle() {
    if let Some(sink) = SINK.get() {
        sink.settle(LAST_WORDS_MAX);
    }
}

/// A queue of lines, and a thread that writes them.
#[derive(Clone, Debug)]
pub(crate) struct Sink(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// Something was put into the queue.
    filled: Condvar,
    /// All of it is out.
    emptied: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    /// How many lines were lost since the last one that was taken.
    lost: u64,
    /// A line is being written, perhaps for a long time.
    is_writing: bool,
}

impl Sink {
    /// Starts the thread, which writes to what `open` gives it.
    pub(crate) fn start<W: Write>(open: impl FnOnce() -> W + Send + 'static) -> io::Result<Self> {
        let sink = Self(Arc::default());
        let shared = Arc::clone(&sink.0);
        let run = move || shared.write_all(open());
        thread::Builder::new().name("synod-log".to_owned()).spawn(run)?;
        Ok(sink)
    }

    /// Takes a line, or counts it as lost.
    pub(crate) fn take(&self, line: &[u8]) {
        let mut queue = self.0.lock();
        let bytes = queue.bytes + line.len();
        if queue.lines.len() >= LINES_MAX || bytes > BYTES_MAX {
            queue.lost += 1;
            return;
        }
        let lost = std::mem::take(&mut queue.lost);
        if lost > 0 {
            queue.put(notice(lost));
        }
        queue.put(line.to_vec());
        self.0.filled.notify_one();
    }

    /// Waits until all is out, but not longer than `patience`.
    pub(crate) fn settle(&self, patience: Duration) {
        let queue = self.0.lock();
        let busy = |queue: &mut Queue| queue.is_writing || !queue.lines.is_empty();
        // Whatever is not out by then is lost.
        drop(self.0.emptied.wait_timeout_while(queue, patience, busy));
    }
}

impl Queue {
    fn put(&mut self, line: Vec<u8>) {
        self.bytes += line.len();
        self.lines.push_back(line);
    }
}

impl Shared {
    /// The life of the thread.
    fn write_all(&self, mut out: impl Write) {
        let mut failed = 0;
        loop {
            let line = self.next();
            // What broke may work again: a pipe that a new reader opens, a disk with room.
            if failed > 0 && out.write_all(&notice(failed)).is_ok() {
                failed = 0;
            }
            failed += u64::from(out.write_all(&line).is_err());
        }
    }

    fn next(&self) -> Vec<u8> {
        let mut queue = self.lock();
        queue.is_writing = false;
        loop {
            if let Some(line) = queue.lines.pop_front() {
                queue.bytes -= line.len();
                queue.is_writing = true;
                return line;
            }
            self.emptied.notify_all();
            queue = self.filled.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a> MakeWriter<'a> for Sink {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

impl Write for &Sink {
    /// Takes one event whole: the layer above writes each with one call.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.take(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn notice(lost: u64) -> Vec<u8> {
    format!("{lost} lines of the log were lost: nobody took them\n").into_bytes()
}

/// The sink of this process.
static SINK: OnceLock<Sink> = OnceLock::new();

/// How many lines may wait.
const LINES_MAX: usize = 4096;

/// How many bytes of lines may wait; a notice of lost ones may come on top.
const BYTES_MAX: usize = 1 << 20;

/// How long the end of a process waits for its last lines.
const LAST_WORDS_MAX: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// Something to write to that asks for each line what becomes of it.
    struct Gate {
        written: Sender<String>,
        verdicts: Receiver<bool>,
    }

    impl Write for Gate {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            // A test that has ended is a broken sink, too.
            if !self.verdicts.recv().unwrap_or(false) {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            let text = String::from_utf8_lossy(line).into_owned();
            let written = self.written.send(text);
            written.map(|()| line.len()).map_err(|_| io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn gate() -> (Sink, Sender<bool>, Receiver<String>) {
        let (written, lines) = channel();
        let (verdict, verdicts) = channel();
        let sink = Sink::start(move || Gate { written, verdicts }).expect("there are threads");
        (sink, verdict, lines)
    }

    #[test]
    fn a_sink_that_nobody_empties_loses_lines_and_says_how_many() {
        let (sink, verdict, lines) = gate();
        let taken = LINES_MAX + 1;
        // One more than there is place for, as one is taken out to be written; and three too many.
        sink.take(b"0\n");
        while !sink.0.lock().is_writing {
            thread::yield_now();
        }
        (1..taken + 3).for_each(|number| sink.take(format!("{number}\n").as_bytes()));
        (0..taken).for_each(|_| verdict.send(true).expect("it waits"));
        let all: Vec<String> = lines.iter().take(taken).collect();
        assert_eq!(all, (0..taken).map(|number| format!("{number}\n")).collect::<Vec<_>>());
        sink.take(b"again\n");
        (0..2).for_each(|_| verdict.send(true).expect("it waits"));
        let after: Vec<String> = lines.iter().take(2).collect();
        assert_eq!(after, ["3 lines of the log were lost: nobody took them\n", "again\n"]);
    }

    #[test]
    fn a_sink_that_breaks_loses_lines_and_says_how_many_once_it_works() {
        let (sink, verdict, lines) = gate();
        // A broken sink is asked for the notice before each line that follows the first one.
        for works in [false, false, false, true, true] {
            verdict.send(works).expect("it waits");
        }
        (0..3).for_each(|number| sink.take(format!("{number}\n").as_bytes()));
        let after: Vec<String> = lines.iter().take(2).collect();
        assert_eq!(after, ["2 lines of the log were lost: nobody took them\n", "2\n"]);
    }

    #[test]
    fn the_bytes_that_wait_are_bounded() {
        let (sink, _verdict, _lines) = gate();
        let line = vec![b'x'; BYTES_MAX / 8];
        (0..64).for_each(|_| sink.take(&line));
        let queue = sink.0.lock();
        assert!(queue.bytes <= BYTES_MAX && queue.lost >= 64 - 9, "{queue:?}");
    }

    #[test]
    fn the_end_of_a_process_waits_for_its_last_lines_but_not_for_ever() {
        let (sink, verdict, lines) = gate();
        sink.take(b"last\n");
        sink.settle(Duration::from_millis(1));
        assert!(lines.try_recv().is_err(), "nobody lets it through");
        verdict.send(true).expect("it waits");
        sink.settle(Duration::from_secs(60));
        assert_eq!(lines.try_recv().as_deref(), Ok("last\n"));
    }
}
