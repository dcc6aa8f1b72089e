//! One process that the harness started: its signals, its end, and what the kernel says of it.
//!
//! Signals go to the whole process group, so a wrapper script cannot hide its children. A process
//! that is dropped is killed. Use it on a single-threaded runtime: there, the task that reaps the
//! process records its end in the same turn, so no signal is ever sent to a number that the kernel
//! may have given to somebody else.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Instant;

use rustix::process::{Pid, Signal};
use tokio::sync::watch;

/// A running or ended process.
#[derive(Debug)]
pub struct Process {
    pid: Pid,
    end: watch::Receiver<Option<(ExitStatus, Instant)>>,
}

impl Process {
    /// Starts a command in a process group of its own; its output is appended to two files.
    ///
    /// # Errors
    ///
    /// If a log cannot be opened or the command not be started.
    pub fn start(mut command: Command, logs: &Path) -> io::Result<Self> {
        command
            .stdin(Stdio::null())
            .stdout(log(&logs.join(STDOUT_LOG))?)
            .stderr(log(&logs.join(STDERR_LOG))?);
        let (process, child) = Self::spawn(command)?;
        drop(child);
        Ok(process)
    }

    /// Starts a command whose standard input and output are pipes.
    ///
    /// # Errors
    ///
    /// If the log cannot be opened or the command not be started.
    pub fn start_piped(mut command: Command, logs: &Path) -> io::Result<(Self, Pipes)> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log(&logs.join(STDERR_LOG))?);
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> io::Result<(Self, Pipes)> {
        command.process_group(0);
        let mut child = tokio::process::Command::from(command).kill_on_drop(true).spawn()?;
        let number = child.id().and_then(|id| i32::try_from(id).ok());
        let pid = number.and_then(Pid::from_raw).ok_or(io::ErrorKind::NotFound)?;
        let pipes = Pipes { stdin: child.stdin.take(), stdout: child.stdout.take() };
        let (ended, end) = watch::channel(None);
        tokio::spawn(async move {
            if let Ok(status) = child.wait().await {
                // It is kept even if nobody listens at this moment, as whoever asks later asks the
                // channel.
                ended.send_replace(Some((status, Instant::now())));
            }
        });
        Ok((Self { pid, end }, pipes))
    }

    /// Returns the process number, which is also the number of its group.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid.as_raw_pid().unsigned_abs()
    }

    /// Returns how the process ended, if it did.
    #[must_use]
    pub fn end(&self) -> Option<ExitStatus> {
        self.ended_at().map(|(status, _)| status)
    }

    /// Returns how the process ended, if it did, and when.
    #[must_use]
    pub fn ended_at(&self) -> Option<(ExitStatus, Instant)> {
        *self.end.borrow()
    }

    /// Waits for the end of the process.
    ///
    /// # Panics
    ///
    /// If the runtime that reaps it is gone.
    pub fn ended(&self) -> impl Future<Output = ExitStatus> + use<> {
        let mut end = self.end.clone();
        async move {
            let status = end.wait_for(Option::is_some).await.expect("the reaper lives as long");
            status.expect("it was waited for").0
        }
    }

    /// Sends a signal to the process group. Returns whether the process was there to get it.
    pub fn signal(&self, signal: Signal) -> bool {
        self.end().is_none() && rustix::process::kill_process_group(self.pid, signal).is_ok()
    }

    /// Returns whether the kernel holds the process stopped.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        let path = format!("/proc/{}/stat", self.pid());
        let stat = std::fs::read_to_string(path).unwrap_or_default();
        // The name, in parentheses, may hold anything; the state follows the last of them.
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
    }

    /// Returns the resident memory in bytes, while the process runs.
    #[must_use]
    pub fn resident_bytes(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
        Some(kib * 1_024)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// The pipes of a process, where it has them.
#[derive(Debug)]
pub struct Pipes {
    /// Its standard input.
    pub stdin: Option<tokio::process::ChildStdin>,
    /// Its standard output.
    pub stdout: Option<tokio::process::ChildStdout>,
}

/// Says how a process ended.
#[must_use]
pub fn describe_end(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "no status".to_owned(),
    }
}

/// The file that gets what a process writes to standard output.
pub const STDOUT_LOG: &str = "stdout.log";

/// The file that gets what a process writes to standard error.
pub const STDERR_LOG: &str = "stderr.log";

fn log(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}
