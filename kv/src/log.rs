//! Where the lines for people go: to stderr, by a thread of its own, and never at a node's expense.
//!
//! What is worth a line is left to everybody else, and the queue and its thread to `synod-sink`. A
//! node outlives whoever reads its log: stderr may be a pipe whose reader has died, or one that
//! nobody empties. The claim kept true: all lines of this process go through the one sink.

use std::io::{self, Write};
use std::sync::OnceLock;
use std::time::Duration;

use synod_sink::{Bounds, Sink};
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
    let sink = Sink::start(Bounds::default(), io::stderr)?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(&log.filter))
        .with_writer(Lines(SINK.get_or_init(|| sink).clone()));
    // Only a second call in one process fails, and the first one holds.
    let _ = match log.format {
        LogFormat::Text => builder.with_ansi(false).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    Ok(())
}

/// Says a line without a wait, in its turn after what was logged before it.
pub fn say(line: &str) {
    let line = format!("{line}\n");
    match SINK.get() {
        Some(sink) => sink.take(line.as_bytes()),
        None => drop(io::stderr().write_all(line.as_bytes())),
    }
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

/// The sink as the layer of log lines writes to it.
#[derive(Clone, Debug)]
struct Lines(Sink);

impl<'a> MakeWriter<'a> for Lines {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

impl Write for &Lines {
    /// Takes one event whole: the layer above writes each with one call.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.take(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The sink of this process.
static SINK: OnceLock<Sink> = OnceLock::new();

/// How long the end of a process waits for its last lines.
const LAST_WORDS_MAX: Duration = Duration::from_secs(1);
