//! Who logs and who writes, in every order that loom finds.
//!
//! Run with `cargo xtask loom -p synod-sink`. Claims kept: no wake-up is lost, so what was taken
//! is written, and `settle` returns; each line is written once, in the order in which one thread
//! logged them, or is counted as lost; and the thread ends with the last handle.
#![cfg(synod_loom)]
#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use std::io::{self, Write};
use std::time::Duration;

use loom::sync::{Arc, Mutex};
use loom::thread;
use synod_sink::{Bounds, Sink};

/// Keeps what is written, and fails as often as it is told at first.
#[derive(Clone, Default)]
struct Out(Arc<Mutex<Written>>);

#[derive(Default)]
struct Written {
    lines: Vec<String>,
    fails: u32,
}

impl Write for Out {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut written = self.0.lock().unwrap();
        if written.fails > 0 {
            written.fails -= 1;
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        written.lines.push(String::from_utf8_lossy(line).trim_end().to_owned());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Loom's `wait_timeout` never times out: a `settle` that misses its wake-up is a deadlock.
const PATIENCE: Duration = Duration::from_secs(3600);

fn started(lines: usize) -> (Sink, Out) {
    let out = Out::default();
    let bounds = Bounds { lines, bytes: 1 << 10 };
    let theirs = out.clone();
    (Sink::start(bounds, move || theirs).unwrap(), out)
}

impl Out {
    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().lines.clone()
    }
}

#[test]
fn what_two_threads_log_is_out_when_it_has_settled() {
    loom::model(|| {
        let (sink, out) = started(8);
        let other = sink.clone();
        let logger = thread::spawn(move || other.take(b"b\n"));
        sink.take(b"a\n");
        logger.join().unwrap();
        sink.settle(PATIENCE);
        let mut lines = out.lines();
        lines.sort();
        assert_eq!(lines, ["a", "b"]);
    });
}

#[test]
fn a_full_queue_loses_lines_and_counts_each() {
    loom::model(|| {
        let (sink, out) = started(1);
        for line in [&b"1\n"[..], b"2\n", b"3\n"] {
            sink.take(line);
        }
        sink.settle(PATIENCE);
        sink.take(b"last\n");
        sink.settle(PATIENCE);
        // The lines that are out, and what the notices say, are all that were logged.
        let lines = out.lines();
        let of_notice =
            |line: &String| line.split_once(" lines of").map(|(count, _)| count.parse::<u64>());
        let lost: u64 = lines.iter().filter_map(of_notice).map(Result::unwrap).sum();
        let plain: Vec<_> = lines.iter().filter(|line| of_notice(line).is_none()).collect();
        assert_eq!(plain.len() as u64 + lost, 4, "{lines:?}");
        assert!(plain.is_sorted() && plain.last().unwrap().as_str() == "last", "{lines:?}");
        assert_eq!(plain[0], "1");
    });
}

#[test]
fn a_broken_writer_loses_lines_and_says_so_once_it_works() {
    loom::model(|| {
        let (sink, out) = started(8);
        out.0.lock().unwrap().fails = 1;
        sink.take(b"1\n");
        sink.take(b"2\n");
        sink.settle(PATIENCE);
        assert_eq!(out.lines(), ["1 lines of the log were lost: nobody took them", "2"]);
    });
}

#[test]
fn what_was_taken_before_the_last_handle_is_dropped_is_written() {
    loom::model(|| {
        let (sink, out) = started(8);
        sink.take(b"1\n");
        drop(sink);
        // The thread ends by itself, or loom says that it hangs.
        loop {
            if out.lines() == ["1"] {
                return;
            }
            thread::yield_now();
        }
    });
}
