//! A sink for the lines of a log: a bounded queue, and a thread that writes them.
//!
//! What is worth a line, and where lines go, is left to the user. A process outlives whoever reads
//! its log: the reader may die, or stop reading. The claims kept true: a line is taken or lost in
//! no time; a sink that breaks or is full loses lines, which are counted, and never the process;
//! and when it works again, it says how many were lost, where they are missing. Every order of who
//! logs and who writes is explored (tests/loom.rs).

mod sync;

use std::collections::VecDeque;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, thread};

/// Takes lines, which a thread of its own writes. Clones are one sink; the thread ends when the
/// last of them is dropped and all is written.
///
/// ```
/// use std::sync::mpsc;
/// use std::time::Duration;
/// use synod_sink::{Bounds, Sink};
///
/// struct Lines(mpsc::Sender<Vec<u8>>);
/// # impl std::io::Write for Lines {
/// #     fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
/// #         self.0.send(line.to_vec()).map_err(std::io::Error::other)?;
/// #         Ok(line.len())
/// #     }
/// #     fn flush(&mut self) -> std::io::Result<()> { Ok(()) }
/// # }
/// let (written, lines) = mpsc::channel();
/// let sink = Sink::start(Bounds::default(), move || Lines(written))?;
/// sink.take(b"a line\n");
/// sink.settle(Duration::from_secs(1));
/// assert_eq!(lines.recv()?, b"a line\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sink(Arc<Handle>);

/// What may wait to be written. What finds no room is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// How many lines.
    pub lines: usize,
    /// How many bytes of lines; a notice of lost ones may come on top.
    pub bytes: usize,
}

/// What all clones of a sink hold: with the last one it closes.
#[derive(Debug)]
struct Handle(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    bounds: Bounds,
    queue: Mutex<Queue>,
    /// Something was put into the queue, or nothing more will be.
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
    /// Nobody can put anything in any more.
    is_closed: bool,
}

impl Sink {
    /// Starts the thread, which writes to what `open` gives it.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub fn start<W: Write>(
        bounds: Bounds,
        open: impl FnOnce() -> W + Send + 'static,
    ) -> io::Result<Self> {
        let (filled, emptied) = (Condvar::new(), Condvar::new());
        let queue = Mutex::new(Queue::default());
        let shared = Arc::new(Shared { bounds, queue, filled, emptied });
        let writer = Arc::clone(&shared);
        let run = move || writer.write_all(open());
        thread::Builder::new().name("synod-log".to_owned()).spawn(run)?;
        Ok(Self(Arc::new(Handle(shared))))
    }

    /// Takes a line, or counts it as lost. Never waits for the writer.
    pub fn take(&self, line: &[u8]) {
        let shared = self.shared();
        let mut queue = shared.lock();
        let bytes = queue.bytes + line.len();
        if queue.lines.len() >= shared.bounds.lines || bytes > shared.bounds.bytes {
            queue.lost += 1;
            return;
        }
        let lost = std::mem::take(&mut queue.lost);
        if lost > 0 {
            queue.put(notice(lost));
        }
        queue.put(line.to_vec());
        drop(queue);
        shared.filled.notify_one();
    }

    /// Waits until all is out, but not longer than `patience`. What is not out by then is lost if
    /// the process ends.
    pub fn settle(&self, patience: Duration) {
        let shared = self.shared();
        let end = Instant::now() + patience;
        let mut queue = shared.lock();
        while queue.is_writing || !queue.lines.is_empty() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = shared.emptied.wait_timeout(queue, left);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn shared(&self) -> &Shared {
        &self.0.0
    }
}

impl Default for Bounds {
    /// 4,096 lines or a mebibyte.
    fn default() -> Self {
        Self { lines: LINES_MAX, bytes: BYTES_MAX }
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
        while let Some(line) = self.next() {
            // What broke may work again: a pipe that a new reader opens, a disk with room.
            if failed > 0 && out.write_all(&notice(failed)).is_ok() {
                failed = 0;
            }
            failed += u64::from(out.write_all(&line).is_err());
        }
    }

    /// Waits for a line; none if none will come.
    fn next(&self) -> Option<Vec<u8>> {
        let mut queue = self.lock();
        queue.is_writing = false;
        loop {
            if let Some(line) = queue.lines.pop_front() {
                queue.bytes -= line.len();
                queue.is_writing = true;
                return Some(line);
            }
            self.emptied.notify_all();
            if queue.is_closed {
                return None;
            }
            queue = self.filled.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.lock().is_closed = true;
        self.0.filled.notify_one();
    }
}

fn notice(lost: u64) -> Vec<u8> {
    format!("{lost} lines of the log were lost: nobody took them\n").into_bytes()
}

const LINES_MAX: usize = 4096;
const BYTES_MAX: usize = 1 << 20;

#[cfg(all(test, not(synod_loom)))]
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
        let sink = Sink::start(Bounds::default(), move || Gate { written, verdicts })
            .expect("there are threads");
        (sink, verdict, lines)
    }

    #[test]
    fn a_sink_that_nobody_empties_loses_lines_and_says_how_many() {
        let (sink, verdict, lines) = gate();
        let taken = LINES_MAX + 1;
        // One more than there is place for, as one is taken out to be written; and three too many.
        sink.take(b"0\n");
        while !sink.shared().lock().is_writing {
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
        let queue = sink.shared().lock();
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
