//! The guard: the harness, executed once more between itself and each process that it starts.
//!
//! The guard ties its own life to the harness', takes a process group and limits, and then becomes
//! the command. What it set survives the exec, so the command dies with the harness even when the
//! harness is killed by SIGKILL, and no unsafe code between fork and exec is needed. The kernel
//! ties a child to the thread that started it: call [`Guard::command`] from the main thread.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Pid, Resource, Rlimit, Signal};
use serde::{Deserialize, Serialize};

/// Limits of a guarded process; none leaves what the harness itself has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Files that it may have open.
    pub files: Option<u64>,
    /// Bytes to which it may grow a file.
    pub file_bytes: Option<u64>,
    /// Bytes of address space that it may take.
    pub memory_bytes: Option<u64>,
}

/// Makes guarded commands: the path of the harness' own binary.
#[derive(Clone, Debug)]
pub struct Guard {
    harness: PathBuf,
}

impl Guard {
    /// Uses the running binary, which must understand the `guard` command.
    ///
    /// The kernel's name for it is used, so that a rebuild during a run changes nothing.
    #[must_use]
    pub fn of_this_process() -> Self {
        Self::at("/proc/self/exe")
    }

    /// Uses the harness binary at this path.
    #[must_use]
    pub fn at(harness: impl Into<PathBuf>) -> Self {
        Self { harness: harness.into() }
    }

    /// Returns the path of the harness' own binary.
    pub(crate) fn harness(&self) -> &Path {
        &self.harness
    }

    /// Returns a command that runs `program` with `arguments` under the guard.
    #[must_use]
    pub fn command(&self, program: &Path, arguments: &[OsString], limits: Limits) -> Command {
        let mut command = Command::new(&self.harness);
        command.args(["guard", "--parent", &std::process::id().to_string()]);
        let flags = [
            ("--nofile", limits.files),
            ("--fsize", limits.file_bytes),
            ("--as", limits.memory_bytes),
        ];
        for (flag, limit) in flags {
            if let Some(limit) = limit {
                command.args([flag, &limit.to_string()]);
            }
        }
        command.arg("--").arg(program).args(arguments);
        command
    }
}

/// Why a guard could not become its command.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// The harness died before the guard was tied to it.
    #[error("the harness that started this is gone")]
    Orphaned,
    /// The system refused what the guard asked for.
    #[error("cannot {what}: {source}")]
    Refused {
        /// What was asked.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The command cannot be executed.
    #[error("cannot execute {program}: {source}", program = program.display())]
    Exec {
        /// The program.
        program: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Ties this process to `parent`, takes the limits, and becomes the command.
///
/// Returns only if that failed.
#[must_use]
pub fn become_guarded(parent: u32, limits: Limits, command: &[OsString]) -> GuardError {
    if let Err(error) = tie(parent, limits) {
        return error;
    }
    let Some((program, arguments)) = command.split_first() else {
        let source = io::ErrorKind::InvalidInput.into();
        return GuardError::Refused { what: "execute nothing", source };
    };
    let source = Command::new(program).args(arguments).exec();
    GuardError::Exec { program: program.into(), source }
}

fn tie(parent: u32, limits: Limits) -> Result<(), GuardError> {
    let refused =
        |what| move |error: rustix::io::Errno| GuardError::Refused { what, source: error.into() };
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(refused("tie this process to its parent"))?;
    // A parent that died before the call above sends no signal any more; then another process has
    // inherited this one.
    let alive = rustix::process::getppid().map(Pid::as_raw_pid);
    if alive != i32::try_from(parent).ok() {
        return Err(GuardError::Orphaned);
    }
    rustix::process::setpgid(None, None).map_err(refused("take a process group"))?;
    let wanted = [
        (Resource::Nofile, limits.files, "limit open files"),
        (Resource::Fsize, limits.file_bytes, "limit the size of files"),
        (Resource::As, limits.memory_bytes, "limit memory"),
        // A process that aborts must not litter the working directory with its core.
        (Resource::Core, Some(0), "switch off core files"),
    ];
    for (resource, limit, what) in wanted {
        let Some(limit) = limit else { continue };
        // The maximum as well, or the process could raise the limit again.
        let limit = Rlimit { current: Some(limit), maximum: Some(limit) };
        rustix::process::setrlimit(resource, limit).map_err(refused(what))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_names_parent_limits_and_command() {
        let limits = Limits { files: Some(64), ..Limits::default() };
        let guard = Guard::at("/bin/harness");
        let command = guard.command(Path::new("/bin/kv"), &["serve".into()], limits);
        let words: Vec<String> =
            command.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
        let parent = std::process::id().to_string();
        let expected = ["guard", "--parent", &parent, "--nofile", "64", "--", "/bin/kv", "serve"];
        assert_eq!(words, expected);
    }

    #[test]
    fn a_guard_whose_parent_is_gone_does_not_run_the_command() {
        let not_the_parent = std::process::id();
        let error = tie(not_the_parent, Limits::default()).expect_err("no process is its parent");
        assert!(matches!(error, GuardError::Orphaned), "{error}");
        // The test process must not stay tied to whoever runs the tests.
        rustix::process::set_parent_process_death_signal(None).expect("it can be undone");
    }
}
