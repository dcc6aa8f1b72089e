//! An errand: a command of the description that prepares or ends something, run to its end.
//!
//! Which errands there are and when they are run is left to `setup` and `cluster`. Each has a
//! folder of the run for what it writes, a time limit, and the mark of its run in its
//! environment, by which whatever it leaves behind is found again. Claims kept true: an errand
//! that fails or takes too long is told with its last lines, and what it started does not outlive
//! the run.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::Instant;

use super::guard::{Guard, Limits};
use super::kin::{Mark, Owner};
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
        command.envs([Mark::of_run(&self.run).variable(Owner::Errand)]);
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

/// Lines of its log that are told of an errand.
const TAIL_LINES: usize = 20;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::kin::{Processes, end_marked};

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
        let mark = Mark::of_run(&late.run);
        let mut looks = 0;
        while !Processes::look(&mark).marked(&|owner| owner == Owner::Errand).is_empty() {
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
        let marks = [&mine, &other].map(|errand| Mark::of_run(&errand.run));
        let nobody = end_marked(&marks[0], |owner| owner != Owner::Errand).await;
        assert!(nobody.is_empty(), "they are no node's: {nobody:?}");
        assert_eq!(end_marked(&marks[0], |owner| owner == Owner::Errand).await.len(), 1);
        assert!(end_marked(&marks[0], |_| true).await.is_empty());
        let other_left = end_marked(&marks[1], |owner| owner == Owner::Errand).await;
        assert_eq!(other_left.len(), 1, "the other goes on");
        for errand in [mine, other] {
            std::fs::remove_dir_all(&errand.run).expect("it was made above");
        }
    }
}
