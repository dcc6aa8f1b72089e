//! The end of all nodes: by the commands of the description, else by SIGTERM, at last by SIGKILL.
//!
//! What ends a single node by a fault is left to the parent. Claims kept true: no node runs when
//! this is done unless it is told, and a command that did not end its node is told.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::Signal;
use synod_fault::NodeId;
use tokio::time::Instant;

use super::{Cluster, Node};
use crate::errand::{BegunErrand, Errand};
use crate::process::Process;
use crate::system::{Arg, Placeholders, SystemError, Variables};

/// What ends the nodes of a cluster, where the description says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stops {
    /// The command that ends the cluster as a whole.
    pub(crate) cluster: Option<Errand>,
    /// That of each node.
    pub(crate) nodes: BTreeMap<NodeId, StopCommand>,
}

/// The command that ends one node. Which process it has is known only then.
#[derive(Clone, Debug)]
pub(crate) struct StopCommand {
    /// What stands for its gaps but that of the process.
    pub(crate) gaps: Placeholders,
    /// Its words.
    pub(crate) words: Vec<Arg>,
    /// Its variables.
    pub(crate) variables: Variables,
    /// The folder for its logs.
    pub(crate) home: PathBuf,
    /// The folder of the run.
    pub(crate) run: PathBuf,
}

impl StopCommand {
    fn errand(&self, what: String, pid: u32) -> Result<Errand, SystemError> {
        let gaps = self.gaps.clone().with("pid", OsString::from(pid.to_string()));
        Ok(Errand {
            what,
            launch: gaps.fill(&self.words)?,
            variables: gaps.fill_variables(&self.variables)?,
            home: self.home.clone(),
            run: self.run.clone(),
            limit: STOP_LIMIT,
        })
    }
}

impl Cluster {
    /// Ends all nodes by the commands of the description, those without one by SIGTERM, and by
    /// SIGKILL those that take longer than `patience`, or than a few seconds where a command is to
    /// end them; then whatever they have left behind. Returns what the commands did not do and who
    /// could not be ended, one sentence each.
    #[must_use]
    pub async fn stop_all(&self, patience: Duration) -> Vec<String> {
        for node in &self.nodes {
            // A process that stands still takes no request to end until it goes on.
            node.lock().reach(node.spec.id, &self.mark, Signal::CONT);
        }
        let mut told = Vec::new();
        if let Some(stop) = &self.stops.cluster {
            // Before the command begins, as a node may end before the command has.
            self.nodes.iter().for_each(|node| self.expect_end(node));
            told.extend(stop.run(&self.guard).await.err().map(|failed| failed.told()));
        }
        // All begin before one is waited for, so that the commands run side by side.
        let begun: Vec<_> = self.nodes.iter().filter_map(|node| self.begin_stop(node)).collect();
        for errand in begun {
            let ended = match errand {
                Ok(errand) => errand.end().await.map_err(|failed| failed.told()),
                Err(error) => Err(error.to_string()),
            };
            told.extend(ended.err());
        }
        told.extend(self.wait_for_commanded().await);
        let deadline = Instant::now() + patience;
        self.terminate(deadline).await;
        told.extend(self.end_those_left(deadline).await);
        told
    }

    /// Notes that the process of a node is about to end, as a command is to end it.
    fn expect_end(&self, node: &Node) {
        self.note_end(node);
        let mut state = node.lock();
        if state.process.is_some() {
            state.asked = Some(BY_COMMAND);
        }
    }

    /// Begins the command that ends a node, if it runs and has one.
    fn begin_stop(&self, node: &Node) -> Option<Result<BegunErrand, SystemError>> {
        let stop = self.stops.nodes.get(&node.spec.id)?;
        self.expect_end(node);
        let pid = node.lock().process.as_ref().map(Process::pid)?;
        let errand = stop.errand(format!("the stop of node {}", node.spec.id), pid);
        Some(errand.map(|errand| errand.begin(&self.guard)))
    }

    /// Waits for the ends that commands have brought about, and kills who runs on.
    async fn wait_for_commanded(&self) -> Vec<String> {
        let deadline = Instant::now() + END_AFTER_STOP;
        let mut told = Vec::new();
        let Stops { cluster, nodes } = &self.stops;
        let commanded = |id: &NodeId| cluster.is_some() || nodes.contains_key(id);
        for node in self.nodes.iter().filter(|node| commanded(&node.spec.id)) {
            let ended = node.lock().process.as_ref().map(Process::ended);
            let Some(ended) = ended else { continue };
            if tokio::time::timeout_at(deadline, ended).await.is_err() {
                let (id, limit) = (node.spec.id, END_AFTER_STOP.as_secs());
                told.push(format!("node {id} ran on for {limit} s after its stop; it was killed"));
                if let Some(ended) = self.ask(node, Signal::KILL, "ran on after its stop, killed") {
                    ended.await;
                }
            }
            self.note_end(node);
        }
        told
    }

    /// Asks all nodes that run to end by SIGTERM, and kills those that take too long.
    async fn terminate(&self, deadline: Instant) {
        let mut waits = Vec::new();
        for node in &self.nodes {
            waits.extend(self.ask(node, Signal::TERM, "asked to end").map(|ended| (node, ended)));
        }
        for (node, ended) in waits {
            if tokio::time::timeout_at(deadline, ended).await.is_err() {
                let late = self.ask(node, Signal::KILL, "did not end when asked, killed");
                if let Some(ended) = late {
                    ended.await;
                }
            }
            self.note_end(node);
        }
    }
}

/// How the end of a process is explained that a command of the description was to end.
const BY_COMMAND: &str = "ended by the stop of the description";

/// How long a command that ends something may take.
pub(crate) const STOP_LIMIT: Duration = Duration::from_secs(10);

/// How long a node may take to end once the command that ends it is done.
const END_AFTER_STOP: Duration = Duration::from_secs(5);
