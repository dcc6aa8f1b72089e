//! Who leads, as a command of the description says: for systems whose status does not tell it.
//!
//! The command is run again and again while a run goes on, through the proxies of the clients, so
//! that it sees of the nodes what clients do. What is made of its answers is left to `leaders`. The
//! claims kept true: an answer that names no node of the cluster is never taken for one, and no
//! more than one of these processes is there at a time.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use synod_fault::{CLIENTS, NodeId};
use synod_history::visible;
use tokio::io::AsyncReadExt;

use super::guard::{Guard, Limits};
use super::kin::{Mark, Owner};
use super::logs;
use super::process::{Process, STDERR_LOG, describe_end};
use super::system::CommandLine;
use super::witness::Dialers;

/// A command that says who leads.
#[derive(Clone, Debug)]
pub(crate) struct LeaderProbe {
    /// The command.
    pub(crate) launch: CommandLine,
    /// Its variables, beside those of the harness.
    pub(crate) variables: Vec<(OsString, OsString)>,
    /// What starts it.
    pub(crate) guard: Guard,
    /// The folder of its log.
    pub(crate) home: PathBuf,
    /// The folder of the run.
    pub(crate) run: PathBuf,
    /// Who learns that its connections are a client's.
    pub(crate) dialers: Dialers,
    /// The nodes that there are.
    pub(crate) nodes: Vec<NodeId>,
}

impl LeaderProbe {
    /// Asks once: which node leads, or that none does; or why nobody knows.
    pub(crate) async fn ask(&self) -> Result<Option<NodeId>, String> {
        let CommandLine { program, arguments } = &self.launch;
        let mut command = self.guard.command(program, arguments, Limits::default());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.envs([Mark::of_run(&self.run).variable(Owner::Node(CLIENTS))]);
        let started = Process::start_piped(command, &self.home);
        let (process, pipes) = started.map_err(|error| format!("it does not start: {error}"))?;
        self.dialers.note(process.pid(), CLIENTS);
        let mut said = Vec::new();
        let ended = async {
            if let Some(stdout) = pipes.stdout {
                // What cannot be read is none of the answers below.
                drop(stdout.take(ANSWER_BYTES_MAX).read_to_end(&mut said).await);
            }
            process.ended().await
        };
        match tokio::time::timeout(ANSWER_LIMIT, ended).await {
            Ok(status) if status.success() => self.named(&String::from_utf8_lossy(&said)),
            Ok(status) => {
                let tail = logs::tail(&self.home.join(STDERR_LOG), 1);
                let told = tail.first().map_or_else(String::new, |line| format!(": {line}"));
                Err(format!("it ended with {}{told}", describe_end(status)))
            }
            Err(_) => Err(format!("it takes more than {} s", ANSWER_LIMIT.as_secs())),
        }
    }

    /// Reads what it said.
    fn named(&self, said: &str) -> Result<Option<NodeId>, String> {
        let line = said.lines().next().unwrap_or_default().trim();
        if line.is_empty() {
            return Ok(None);
        }
        let node = line.parse().ok().map(NodeId).filter(|node| self.nodes.contains(node));
        node.map(Some).ok_or_else(|| {
            let line: String = line.chars().take(SHOWN_LETTERS_MAX).collect();
            format!(
                "it says `{}`, which is no node; its first line is the number of the node that \
                 leads, or empty where none does",
                visible(&line)
            )
        })
    }
}

/// How long one answer may take.
pub(crate) const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// How much of an answer is read to find its first line.
const ANSWER_BYTES_MAX: u64 = 1_024;

/// How much of a wrong answer is shown.
const SHOWN_LETTERS_MAX: usize = 60;
