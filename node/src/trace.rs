//! The trace of a node: what its host did, in a file, before any of it leaves the process.
//!
//! What is told, and how, is the host's; who holds it against the specification reads it after the
//! end. A trace costs a write in each turn, and room for all that is sent and recorded, and for the
//! journal once more in each life, so a node has one only where it is tested. The
//! claim kept true: a node that cannot write its trace does not go on, so that what a trace does
//! not tell did not happen.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use rustix::time::{ClockId, clock_gettime};
use synod_host::TraceRecorder;

/// The trace of one life, on its way to a file of its own.
#[derive(Debug)]
pub(crate) struct TraceFile {
    /// What is to be written next.
    pub(crate) recorder: TraceRecorder,
    file: File,
    /// Why what was recorded before the life began could not be written.
    failed: Option<io::Error>,
}

impl TraceFile {
    /// Makes the next file of a folder, which is made where it is missing.
    pub(crate) fn create(folder: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let recorder = TraceRecorder::new(TRACE_BYTES_MAX);
        for life in 1..=LIVES_MAX {
            let path = folder.join(format!("{life:06}"));
            match OpenOptions::new().write(true).create_new(true).open(path) {
                Ok(file) => return Ok(Self { recorder, file, failed: None }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other(format!("it holds the traces of {LIVES_MAX} lives already")))
    }

    /// Writes what was recorded of the journal, once it is worth a write.
    pub(crate) fn write_some(&mut self) {
        if self.recorder.bytes().len() > RECOVERED_BYTES_MAX {
            self.failed = self.write().err();
        }
    }

    /// Writes what was recorded; fails where anything so far could not be written.
    pub(crate) fn write(&mut self) -> io::Result<()> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        if !self.recorder.bytes().is_empty() {
            self.file.write_all(self.recorder.bytes())?;
            self.recorder.clear();
        }
        Ok(())
    }
}

/// Returns the time of the clock that all processes of a machine share and nobody sets.
pub(crate) fn now_ns() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    let of = |number: i64| u64::try_from(number).unwrap_or(0);
    of(time.tv_sec) * 1_000_000_000 + of(time.tv_nsec)
}

/// A trace that is longer ends, and says so.
const TRACE_BYTES_MAX: u64 = 1 << 30;

/// How many lives a folder holds.
const LIVES_MAX: u32 = 100_000;

/// How much of what a journal gives back is held before it is written.
const RECOVERED_BYTES_MAX: usize = 1 << 20;
