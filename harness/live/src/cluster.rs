//! The nodes of a run: started, killed, paused, ended, and watched for ends that nobody asked for.
//!
//! Every end of a process is accounted for: asked for, with the reason, or by itself. A node whose
//! process ended by itself is not started again before the run is judged, except to heal it. The
//! methods take `&self` and never hold a lock across a wait, so that the nemesis and the monitor
//! share the cluster.

mod reach;
mod stop;
mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::Signal;
use synod_fault::NodeId;
use synod_shim::{Shim, ShimError};

use super::disk_errors::{DiskErrors, LOG_COUNT, LogBytes};
use super::guard::{Guard, Limits};
use super::kin::{Mark, Owner};
use super::lives::Lives;
use super::logs;
use super::process::{Process, STDERR_LOG, STDOUT_LOG, describe_end};
use super::system::CommandLine;
use super::witness::Dialers;
use super::witness::kernel::{ListenPort, ProcessLife};
use reach::Daemon;
pub(crate) use stop::{STOP_LIMIT, StopCommand, Stops};

/// All nodes of a run. They are killed when this is dropped.
#[derive(Debug)]
pub struct Cluster {
    guard: Guard,
    limits: Limits,
    nodes: Vec<Node>,
    /// What ends them, where the description says.
    stops: Stops,
    dialers: Dialers,
    /// By which the processes of this run are told.
    mark: Mark,
    /// Where each node was told to listen.
    ports: BTreeMap<NodeId, Vec<ListenPort>>,
}

/// What a node needs to be started.
#[derive(Clone, Debug)]
pub struct NodeSpec {
    /// The node.
    pub id: NodeId,
    /// Its command.
    pub launch: CommandLine,
    /// That of its newer build, if it has one.
    pub upgraded: Option<CommandLine>,
    /// The variables that are set for it beside those of the harness.
    pub variables: Vec<(OsString, OsString)>,
    /// The folder for its logs, which exists.
    pub folder: PathBuf,
    /// The shim that stands between it and its disk, if one does.
    pub shim: Option<Arc<Shim>>,
}

/// Why a node does not do what it should. The environment or the description is to blame.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The process cannot be started.
    #[error("cannot start node {node} ({program}): {source}", program = program.display())]
    Start {
        /// The node.
        node: NodeId,
        /// Its program.
        program: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What stands between a node and its kernel does not obey.
    #[error("node {node} has no power, disk or clock of its own: {source}")]
    Shim {
        /// The node.
        node: NodeId,
        /// Why.
        source: ShimError,
    },
    /// No such node.
    #[error("there is no node {node}")]
    NoSuchNode {
        /// The number.
        node: NodeId,
    },
}

/// An end of a node's process that nobody asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnexpectedExit {
    /// The node.
    pub node: NodeId,
    /// How it ended, such as `exit code 101`.
    pub how: String,
}

#[derive(Debug)]
struct Node {
    spec: NodeSpec,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    process: Option<Process>,
    /// Whether it is started as its newer build.
    is_upgraded: bool,
    /// Why the process is about to end, where somebody asked for it.
    asked: Option<&'static str>,
    /// What faults let fail on its disk, for which it may end by itself.
    disk: DiskErrors,
    starts: u32,
    exits: Vec<String>,
    lives: Lives,
    lone: Vec<UnexpectedExit>,
    /// The processes that were told to be the node's, and live.
    kin: BTreeSet<ProcessLife>,
    /// The server that left the process which was started.
    daemon: Option<Daemon>,
    /// How the last process ended, once it has.
    last_end: Option<ExitStatus>,
    resident_bytes: Option<u64>,
}

impl Cluster {
    /// Makes a cluster whose nodes do not run yet.
    #[must_use]
    pub fn new(guard: Guard, limits: Limits, specs: Vec<NodeSpec>) -> Self {
        let node = |spec| Node { spec, state: Mutex::default() };
        let nodes = specs.into_iter().map(node).collect();
        let (dialers, mark, ports) = (Dialers::new(), Mark::new(), BTreeMap::new());
        Self { guard, limits, nodes, stops: Stops::default(), dialers, mark, ports }
    }

    /// Lets commands end the nodes when the run is over.
    #[must_use]
    pub(crate) fn stopped_by(mut self, stops: Stops) -> Self {
        self.stops = stops;
        self
    }

    /// Lets the network know which processes are a node's, from the next start on.
    #[must_use]
    pub fn known_to(mut self, dialers: Dialers) -> Self {
        dialers.know(self.mark.clone());
        self.dialers = dialers;
        self
    }

    /// Returns the nodes.
    #[must_use]
    pub fn ids(&self) -> Vec<NodeId> {
        self.nodes.iter().map(|node| node.spec.id).collect()
    }

    /// Starts a node that does not run. Call it on the main thread, see [`Guard`].
    ///
    /// # Errors
    ///
    /// [`ClusterError`] if there is no such node or the system refuses.
    pub fn start(&self, id: NodeId) -> Result<(), ClusterError> {
        let node = self.node(id)?;
        self.note_end(node);
        // A process that has ended, and whose end nobody noted, would count as one that runs.
        let mut state = node.lock();
        if state.process.is_some() {
            return Ok(());
        }
        // A server that left its process behind is there, and a second one would find no port.
        if state.daemon.is_some() && !state.look_at_kin(id, &self.mark).is_empty() {
            return Ok(());
        }
        // The lock is held until the process is kept: two starts at once would make two of one
        // node.
        let upgraded = node.spec.upgraded.as_ref().filter(|_| state.is_upgraded);
        let CommandLine { program, arguments } = upgraded.unwrap_or(&node.spec.launch);
        let mut command = self.guard.command(program, arguments, self.limits);
        command.envs([self.mark.variable(Owner::Node(id))]);
        command.envs(node.spec.variables.iter().map(|(name, value)| (name, value)));
        // Before the process can write: what the logs hold is of earlier lives.
        let log_bytes = node.log_bytes();
        let process = Process::start(command, &node.spec.folder)
            .map_err(|source| ClusterError::Start { node: id, program: program.clone(), source })?;
        self.dialers.note(process.pid(), id);
        state.starts += 1;
        state.lives.begin();
        // What was asked of the former process does not excuse the end of this one.
        (state.asked, state.last_end) = (None, None);
        state.disk.on_start(node.failed_calls(), log_bytes);
        state.process = Some(process);
        Ok(())
    }

    /// Has a node be its newer build, or its first one, from its next start on.
    ///
    /// # Errors
    ///
    /// [`ClusterError::NoSuchNode`].
    pub fn choose_build(&self, id: NodeId, upgraded: bool) -> Result<(), ClusterError> {
        self.node(id)?.lock().is_upgraded = upgraded;
        Ok(())
    }

    /// Notes that from here on a call of a node may fail by a fault of its disk. Whatever it does
    /// after one that did is not its own doing, until it is started anew.
    ///
    /// # Errors
    ///
    /// [`ClusterError::NoSuchNode`].
    pub fn expect_disk_error(&self, id: NodeId) -> Result<(), ClusterError> {
        let node = self.node(id)?;
        self.note_end(node);
        node.lock().disk.expect(node.failed_calls(), node.log_bytes());
        Ok(())
    }

    /// Returns whether a node is down as it ended by itself after an error of its disk, which a
    /// fault had made.
    #[must_use]
    pub fn is_down_by_disk(&self, id: NodeId) -> bool {
        let Ok(node) = self.node(id) else { return false };
        self.note_end(node);
        let state = node.lock();
        state.process.is_none() && state.disk.ended()
    }

    /// Kills nodes by SIGKILL, all before it waits for their ends. Returns how many ran.
    ///
    /// # Errors
    ///
    /// [`ClusterError::NoSuchNode`].
    pub async fn kill(&self, ids: &[NodeId], why: &'static str) -> Result<usize, ClusterError> {
        let killed = self.begin_kill(ids, why)?;
        self.wait_for_ends(ids).await?;
        Ok(killed)
    }

    /// Kills nodes by SIGKILL and does not wait for their ends. Returns how many ran.
    ///
    /// # Errors
    ///
    /// [`ClusterError::NoSuchNode`].
    pub fn begin_kill(&self, ids: &[NodeId], why: &'static str) -> Result<usize, ClusterError> {
        self.ask_all(ids, Signal::KILL, why)
    }

    /// Asks nodes to end by SIGTERM and does not wait for it. Returns how many ran.
    ///
    /// # Errors
    ///
    /// [`ClusterError::NoSuchNode`].
    pub fn begin_retire(&self, ids: &[NodeId], why: &'static str) -> Result<usize, ClusterError> {
        self.ask_all(ids, Signal::TERM, why)
    }

    /// Waits until the processes of nodes have ended that were asked to, for a few seconds at most.
    ///
    /// # Errors
    ///
    /// [`ClusterError::NoSuchNode`].
    pub async fn wait_for_ends(&self, ids: &[NodeId]) -> Result<(), ClusterError> {
        for id in ids {
            let node = self.node(*id)?;
            let ended = {
                let state = node.lock();
                let asked = state.process.as_ref().filter(|_| state.asked.is_some());
                // One that nobody asked to end is not waited for: it may live for ever.
                asked.map(Process::ended)
            };
            if let Some(ended) = ended {
                // One that was killed and lives on is not waited for; the witness tells of it.
                drop(tokio::time::timeout(END_LIMIT, ended).await);
            }
            self.note_end(node);
        }
        Ok(())
    }

    /// Stops all processes of a node by SIGSTOP. Returns whether it ran.
    ///
    /// # Errors
    ///
    /// [`ClusterError::NoSuchNode`].
    pub fn pause(&self, id: NodeId) -> Result<bool, ClusterError> {
        let mut state = self.node(id)?.lock();
        // Who was told once stays told, whatever becomes of its parent by the signal.
        state.look_at_kin(id, &self.mark);
        let runs = state.process.as_ref().is_some_and(|process| process.signal(Signal::STOP));
        if runs {
            state.reach(id, &self.mark, Signal::STOP);
        }
        Ok(runs)
    }

    /// Lets a paused node go on.
    ///
    /// # Errors
    ///
    /// [`ClusterError::NoSuchNode`].
    pub fn resume(&self, id: NodeId) -> Result<(), ClusterError> {
        self.node(id)?.lock().reach(id, &self.mark, Signal::CONT);
        Ok(())
    }

    /// Returns whether the kernel holds the node stopped.
    #[must_use]
    pub fn is_stopped(&self, id: NodeId) -> bool {
        let state = self.node(id).map(Node::lock);
        state.is_ok_and(|state| state.process.as_ref().is_some_and(Process::is_stopped))
    }

    /// Returns whether the node's process runs, paused or not.
    #[must_use]
    pub fn is_running(&self, id: NodeId) -> bool {
        let state = self.node(id).map(Node::lock);
        state.is_ok_and(|state| state.process.as_ref().is_some_and(|it| it.end().is_none()))
    }

    /// Returns how often a node was started that runs, and that nobody asked to end.
    #[must_use]
    pub fn starts_in_peace(&self, id: NodeId) -> Option<u32> {
        let state = self.node(id).ok()?.lock();
        let runs = state.process.as_ref().is_some_and(|process| process.end().is_none());
        (runs && state.asked.is_none()).then_some(state.starts)
    }

    /// Returns how the last process of a node ended, if it did.
    #[must_use]
    pub fn last_end(&self, id: NodeId) -> Option<ExitStatus> {
        let node = self.node(id).ok()?;
        self.note_end(node);
        node.lock().last_end
    }

    /// Returns the process numbers of the nodes that run.
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        let pid = |node: &Node| {
            let state = node.lock();
            let running = state.process.as_ref().filter(|process| process.end().is_none());
            running.map(Process::pid)
        };
        self.nodes.iter().filter_map(pid).collect()
    }

    /// Returns the ends that nobody asked for, so far. That of a process whose server serves on
    /// without it is none, see [`daemons`](Self::daemons).
    #[must_use]
    pub fn lone_exits(&self) -> Vec<UnexpectedExit> {
        let lone = |node: &Node| {
            self.note_end(node);
            let mut state = node.lock();
            self.look_at_daemon(node.spec.id, &mut state);
            let silent = state.daemon.iter().filter(|daemon| !daemon.serves);
            silent.map(|daemon| &daemon.exit).chain(&state.lone).cloned().collect::<Vec<_>>()
        };
        self.nodes.iter().flat_map(lone).collect()
    }

    /// Returns the ends of processes that left nobody behind who may come to serve.
    #[must_use]
    pub fn failed_starts(&self) -> Vec<UnexpectedExit> {
        let failed = |node: &Node| {
            self.note_end(node);
            let mut state = node.lock();
            let lives = !state.look_at_kin(node.spec.id, &self.mark).is_empty();
            let gone = state.daemon.iter().filter(|daemon| !daemon.serves && !lives);
            gone.map(|daemon| &daemon.exit).chain(&state.lone).cloned().collect::<Vec<_>>()
        };
        self.nodes.iter().flat_map(failed).collect()
    }

    /// Returns the folders of all nodes' logs.
    #[must_use]
    pub fn folders(&self) -> Vec<(NodeId, PathBuf)> {
        self.nodes.iter().map(|node| (node.spec.id, node.spec.folder.clone())).collect()
    }

    /// Returns the folder of a node's logs.
    #[must_use]
    pub fn folder(&self, id: NodeId) -> Option<&Path> {
        self.node(id).ok().map(|node| node.spec.folder.as_path())
    }

    fn node(&self, id: NodeId) -> Result<&Node, ClusterError> {
        let found = self.nodes.iter().find(|node| node.spec.id == id);
        found.ok_or(ClusterError::NoSuchNode { node: id })
    }

    fn ask_all(
        &self,
        ids: &[NodeId],
        signal: Signal,
        why: &'static str,
    ) -> Result<usize, ClusterError> {
        let mut asked = 0;
        for id in ids {
            asked += usize::from(self.ask(self.node(*id)?, signal, why).is_some());
        }
        Ok(asked)
    }

    /// Sends a signal that ends the process, unless it has ended already.
    fn ask(
        &self,
        node: &Node,
        signal: Signal,
        why: &'static str,
    ) -> Option<impl Future<Output = ExitStatus> + use<>> {
        self.note_end(node);
        let mut state = node.lock();
        state.look_at_kin(node.spec.id, &self.mark);
        let process = state.process.as_ref()?;
        if !process.signal(signal) {
            return None;
        }
        let ended = process.ended();
        if signal == Signal::KILL {
            state.reach(node.spec.id, &self.mark, signal);
        }
        // The lock was held since before the signal, so nobody can note the end without the reason.
        state.asked = Some(why);
        Some(ended)
    }

    /// Takes note of a process that has ended.
    fn note_end(&self, node: &Node) {
        let mut state = node.lock();
        let ended = state.process.as_ref().and_then(Process::ended_at);
        let Some((status, at)) = ended else { return };
        (state.process, state.last_end) = (None, Some(status));
        let how = describe_end(status);
        let asked = state.asked.take();
        let failed = state.disk.on_end(asked.is_some(), node.failed_calls(), node.log_bytes());
        state.lives.end(at, asked.or(failed).is_none());
        match asked.or(failed) {
            Some(why) => state.exits.push(format!("{why}: {how}")),
            None => {
                state.exits.push(format!("by itself: {how}"));
                let id = node.spec.id;
                let exit = UnexpectedExit { node: id, how };
                // One that ends in peace and leaves others behind may have given them its ports. A
                // second one of the kind tells no more than the first.
                let left = status.success() && !state.look_at_kin(id, &self.mark).is_empty();
                if left {
                    let serves = self.is_held(id);
                    state.daemon = Some(Daemon { exit, serves });
                } else {
                    state.lone.push(exit);
                }
            }
        }
    }
}

impl Node {
    /// Counts the calls that faults of its disk let fail, in all its lives. A shim that cannot be
    /// read excuses nothing.
    fn failed_calls(&self) -> u64 {
        let counts = self.spec.shim.as_ref().map(|shim| shim.counts().unwrap_or_default());
        counts.map_or(0, |counts| counts.syncs_failed + counts.writes_failed)
    }

    /// Returns how long each of its logs is.
    fn log_bytes(&self) -> LogBytes {
        LOGS.map(|log| logs::length(&self.spec.folder.join(log)))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long the end of a process is waited for that was killed.
const END_LIMIT: Duration = Duration::from_secs(5);

/// The logs of a node.
const LOGS: [&str; LOG_COUNT] = [STDERR_LOG, STDOUT_LOG];
