//! The system's own look at what a run has left: a command of its description, run in the end.
//!
//! A history shows what clients saw; what nodes wrote may break a promise that no client noticed
//! yet. What is to be looked at only the system knows, so the harness starts its command and takes
//! its word: how it ended, and the last line that it said. The claim kept true: an audit that was
//! asked for and gave no word makes no pass.

use std::path::Path;
use std::time::Duration;

use super::logs;
use super::process::{Process, STDERR_LOG, STDOUT_LOG, describe_end};
use super::setup::SystemUnderTest;

/// What an audit said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Audit {
    /// The description of the system asks for none.
    #[default]
    NotAsked,
    /// All that is left is right.
    Sound(String),
    /// A promise is broken.
    Broken(String),
    /// It gave no word.
    Failed(String),
}

impl Audit {
    /// Audits the run in a folder, whose processes have ended.
    pub(crate) async fn of(under_test: &SystemUnderTest, run: &Path) -> Self {
        let command = match under_test.audit_command(run) {
            Ok(None) => return Self::NotAsked,
            Ok(Some(command)) => command,
            Err(error) => return Self::Failed(error.to_string()),
        };
        let home = run.join("audit");
        let started = std::fs::create_dir_all(&home);
        let process = match started.and_then(|()| Process::start(command, &home)) {
            Ok(process) => process,
            Err(error) => return Self::Failed(format!("it does not start: {error}")),
        };
        let Ok(status) = tokio::time::timeout(AUDIT_LIMIT, process.ended()).await else {
            return Self::Failed(format!("it takes more than {} s", AUDIT_LIMIT.as_secs()));
        };
        let said = |log: &str| logs::tail(&home.join(log), LINES_MAX).join("; ");
        match status.code() {
            Some(0) => Self::Sound(said(STDOUT_LOG)),
            Some(1) => Self::Broken(said(STDOUT_LOG)),
            // Any other end is the audit's own failure, and says nothing of the system.
            Some(_) | None => Self::Failed(format!(
                "it ended with {}: {}",
                describe_end(status),
                said(STDERR_LOG)
            )),
        }
    }

    /// Returns what is told of it.
    #[must_use]
    pub fn told(&self) -> Option<String> {
        match self {
            Self::NotAsked => None,
            Self::Sound(words) => Some(words.clone()),
            Self::Broken(words) => Some(format!("broken: {words}")),
            Self::Failed(why) => Some(format!("no word of it: {why}")),
        }
    }
}

/// How long an audit may take.
const AUDIT_LIMIT: Duration = Duration::from_secs(120);

/// How many of its last lines are told.
const LINES_MAX: usize = 4;
