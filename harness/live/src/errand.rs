//! An errand: a command of the description that prepares or ends something, run to its end.
//!
//! Which errands there are and when they are run is left to `setup` and `cluster`. Each has a
//! folder of the run for what it writes, a time limit, and the mark of its run in its
//! environment, by which whatever it leaves behind is found again. Claims kept true: an errand
//! that fails or takes too long is told with its last lines, and what it started does not outlive
//! the run.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::time::Instant;

use super::guard::{Guard, Limits};
use super::logs;
use super::process::{Process, STDERR_LOG, describe_end};
use super::system::CommandLine;

/// A command that can be run.
#[derive(Clone, Debug)]
pub(crate) struct Errand {
    /// What it is, such as `the stop of node 1`.
    pub(crate) what: String,
    /// Its command.
    pub(crate) launch: CommandLine,
    /// The variables that are set for it beside those of the harness.
    pub(crate) variables: Vec<(OsString, OsString)>,
    /// The folder for its logs.
    pub(crate) home: PathBuf,
    /// The folder of the run.
    pub(crate) run: PathBuf,
    /// How long it may take.
    pub(crate) limit: Duration,
}

/// Why an errand did not do what it was for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ErrandFailed {
    /// What it is.
    pub(crate) what: String,
    /// How it ended.
    pub(crate) how: String,
    /// The last lines of its log.
    pub(crate) tail: String,
}

/// An errand that was begun.
#[derive(Debug)]
pub(crate) struct BegunErrand {
    what: String,
    home: PathBuf,
    limit: Duration,
    deadline: Instant,
    process: Result<Process, String>,
}

impl Errand {
    /// Runs it to its end.
    pub(crate) async fn run(&self, guard: &Guard) -> Result<(), ErrandFailed> {
        self.begin(guard).end().await
    }

    /// Starts it. Call it on the main thread, see [`Guard`].
    pub(crate) fn begin(&self, guard: &Guard) -> BegunErrand {
        let CommandLine { program, arguments } = &self.launch;
        let mut command = guard.command(program, arguments, Limits::default());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.env(ERRAND_OF, &self.run);
        let made = std::fs::create_dir_all(&self.home);
        let process = made.and_then(|()| Process::start(command, &self.home));
        BegunErrand {
            what: self.what.clone(),
            home: self.home.clone(),
            limit: self.limit,
            deadline: Instant::now() + self.limit,
            process: process.map_err(|error| format!("it does not start: {error}")),
        }
    }
}

impl BegunErrand {
    /// Waits until it ends, and ends it when its time is over.
    pub(crate) async fn end(self) -> Result<(), ErrandFailed> {
        let Self { what, home, limit, deadline, process } = self;
        let how = match process {
            Err(how) => how,
            Ok(process) => match tokio::time::timeout_at(deadline, process.ended()).await {
                Ok(status) if status.success() => return Ok(()),
                Ok(status) => describe_end(status),
                // The process is dropped with this, and so killed.
                Err(_) => format!("it takes more than {} s", limit.as_secs()),
            },
        };
        let tail = logs::tail(&home.join(STDERR_LOG), TAIL_LINES).join("\n");
        Err(ErrandFailed { what, how, tail })
    }
}

impl ErrandFailed {
    /// Tells of it in one sentence.
    pub(crate) fn told(&self) -> String {
        let Self { what, how, tail } = self;
        match tail.lines().last() {
            None => format!("{what} failed ({how}), and said nothing"),
            Some(last) => format!("{what} failed ({how}): {last}"),
        }
    }
}

/// Kills the processes that bear a mark of a run, and returns them with their names. It looks again
/// until it finds none, as one that is killed may just have started another.
pub(crate) async fn end_marked(mark: &str, run: &Path) -> BTreeMap<i32, String> {
    let mut ended = BTreeMap::new();
    for _ in 0..LOOKS_MAX {
        let left = marked(mark, run);
        if left.is_empty() {
            break;
        }
        ended.extend(left.into_iter().filter(|(pid, _)| kill_marked(*pid, mark, run)));
        tokio::time::sleep(LOOK_STEP).await;
    }
    ended
}

/// Returns the processes that bear a mark of a run, with their names.
fn marked(mark: &str, run: &Path) -> Vec<(i32, String)> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let name = |pid: i32| std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let left = pids.filter(|pid| bears_mark(*pid, mark, run));
    left.map(|pid| (pid, name(pid).trim().to_owned())).collect()
}

/// Tells whether a process bears a mark of a run. One that has ended has no environment.
fn bears_mark(pid: i32, mark: &str, run: &Path) -> bool {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let mark = [mark.as_bytes(), b"=", OsStr::as_bytes(run.as_os_str())].concat();
    environment.split(|byte| *byte == 0).any(|variable| variable == mark)
}

/// Kills a process, unless its number has become another's: the handle is taken before the mark is
/// looked at, and stays with the process that it was taken of.
fn kill_marked(pid: i32, mark: &str, run: &Path) -> bool {
    let Some(number) = Pid::from_raw(pid) else { return false };
    let Ok(handle) = pidfd_open(number, PidfdFlags::empty()) else { return false };
    bears_mark(pid, mark, run) && pidfd_send_signal(handle, Signal::KILL).is_ok()
}

/// The variable by which processes are known that errands have started: the folder of their run.
pub(crate) const ERRAND_OF: &str = "SYNOD_HARNESS_ERRAND_OF";

/// The same of nodes and bridges.
pub(crate) const SERVED_IN: &str = "SYNOD_HARNESS_SERVED_IN";

/// Lines of its log that are told of an errand.
const TAIL_LINES: usize = 20;

/// How often it is looked for what is left.
const LOOKS_MAX: usize = 100;

const LOOK_STEP: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn errand(name: &str, script: &str) -> Errand {
        let name = format!("synod-errand-{}-{name}", std::process::id());
        let run = std::env::temp_dir().join(name);
        let arguments = vec!["-c".into(), script.into()];
        let launch = CommandLine { program: PathBuf::from("/bin/sh"), arguments };
        let (what, home) = ("the stop".to_owned(), run.join("stop"));
        Errand { what, launch, variables: Vec::new(), home, run, limit: Duration::from_secs(5) }
    }

    /// Stands for the harness as the guard: becomes what stands behind `--`.
    fn guard(run: &Path) -> Guard {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::create_dir_all(run).expect("a temporary folder");
        let path = run.join("guard");
        std::fs::write(&path, "#!/bin/sh\nshift 4\nexec \"$@\"\n").expect("a script");
        let all = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&path, all).expect("it is ours");
        Guard::at(path)
    }

    async fn told(name: &str, script: &str) -> Option<String> {
        let errand = errand(name, script);
        let ended = errand.run(&guard(&errand.run)).await;
        std::fs::remove_dir_all(&errand.run).expect("it was made above");
        ended.err().map(|failed| failed.told())
    }

    #[tokio::test]
    async fn one_that_fails_is_told_with_its_last_line() {
        assert_eq!(told("well", "true").await, None);
        let loud = told("loud", "echo no such node >&2; exit 3").await;
        assert_eq!(loud.as_deref(), Some("the stop failed (exit code 3): no such node"));
        let silent = told("silent", "kill -9 $$").await;
        assert_eq!(silent.as_deref(), Some("the stop failed (signal 9), and said nothing"));
    }

    #[tokio::test]
    async fn one_that_takes_too_long_is_ended_and_told() {
        let mut late = errand("late", "sleep 600");
        late.limit = Duration::from_secs(1);
        let failed = late.run(&guard(&late.run)).await.expect_err("it sleeps");
        assert_eq!(failed.how, "it takes more than 1 s");
        let mut looks = 0;
        while !marked(ERRAND_OF, &late.run).is_empty() {
            looks += 1;
            assert!(looks < 1_000, "it sleeps on");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        std::fs::remove_dir_all(&late.run).expect("it was made above");
    }

    #[tokio::test]
    async fn what_it_leaves_is_killed_and_what_another_run_has_is_let_be() {
        let script = "setsid sleep 600 >/dev/null 2>&1 & exit 0";
        let (mine, other) = (errand("mine", script), errand("other", script));
        for errand in [&mine, &other] {
            errand.run(&guard(&errand.run)).await.expect("it ends");
        }
        assert!(end_marked(SERVED_IN, &mine.run).await.is_empty(), "that is another mark");
        assert_eq!(end_marked(ERRAND_OF, &mine.run).await.len(), 1);
        assert_eq!(marked(ERRAND_OF, &mine.run), []);
        assert_eq!(end_marked(ERRAND_OF, &other.run).await.len(), 1, "the other goes on");
        for errand in [mine, other] {
            std::fs::remove_dir_all(&errand.run).expect("it was made above");
        }
    }
}
