//! Signals to all processes of a node: its group, and those that left it.
//!
//! A node stands for a machine, and a machine that dies or stands still takes all of its processes
//! with it. Which these are is told by [`kin`](crate::kin); whether any was missed is seen by the
//! witness. The claim kept true: whoever descends from a node is looked for before the node is sent
//! a signal, as its parent is gone afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::time::Duration;

use rustix::process::Signal;
use synod_fault::{CLIENTS, NodeId};
use tokio::time::Instant;

use super::{Cluster, Node, State, UnexpectedExit};
use crate::kin::{self, Mark, Owner, Processes, ROUNDS_MAX, Signs};
use crate::process::Process;
use crate::witness::kernel::{ListenPort, ProcessLife, sockets_at};

/// A server that left the process which was started, and lives on without it.
#[derive(Clone, Debug)]
pub(super) struct Daemon {
    /// The end of the process that was started.
    pub(super) exit: UnexpectedExit,
    /// Whether the ports of the node were seen to be held afterwards.
    pub(super) serves: bool,
}

impl State {
    /// Looks which processes of a node live.
    pub(super) fn look_at_kin(&mut self, id: NodeId, mark: &Mark) -> &BTreeSet<ProcessLife> {
        self.find_kin(id, &Processes::look(mark))
    }

    fn find_kin(&mut self, id: NodeId, processes: &Processes) -> &BTreeSet<ProcessLife> {
        let groups = self.process.iter().map(Process::pid).collect();
        let signs = Signs { groups, known: std::mem::take(&mut self.kin) };
        self.kin = processes.of(id, &signs);
        &self.kin
    }

    /// Sends a signal to the processes of a node, and to those that come meanwhile.
    pub(super) fn reach(&mut self, id: NodeId, mark: &Mark, signal: Signal) {
        let mut told = BTreeSet::new();
        // Bounded, as one would never be done with a node that starts processes without end.
        for _ in 0..ROUNDS_MAX {
            let kin = self.look_at_kin(id, mark);
            let fresh: Vec<ProcessLife> = kin.difference(&told).copied().collect();
            if fresh.is_empty() {
                return;
            }
            for life in fresh {
                // Who is gone meanwhile needs none.
                kin::signal(life, signal);
                told.insert(life);
            }
        }
    }
}

impl Cluster {
    /// Has the processes of the cluster told by the mark of its run, from the next start on.
    pub(crate) fn marked(mut self, mark: Mark) -> Self {
        self.mark = mark;
        self
    }

    /// Lets the cluster know the ports that each node is told to listen at.
    pub(crate) fn listening_at(mut self, ports: BTreeMap<NodeId, Vec<ListenPort>>) -> Self {
        self.ports = ports;
        self
    }

    /// Returns the variable by which processes of the clients are told from those of nodes.
    pub(crate) fn variable_of_clients(&self) -> (OsString, OsString) {
        self.mark.variable(Owner::Node(CLIENTS))
    }

    /// Returns the processes of a node that live: that which was started, and all it started.
    pub(crate) fn kin(&self, id: NodeId) -> BTreeSet<ProcessLife> {
        let Ok(node) = self.node(id) else { return BTreeSet::new() };
        node.lock().look_at_kin(id, &self.mark).clone()
    }

    /// Returns whose each process is, of the nodes and the clients.
    pub(crate) fn owners(&self) -> BTreeMap<ProcessLife, NodeId> {
        // One look serves all nodes, as it goes through every process of the machine.
        let processes = Processes::look(&self.mark);
        let clients = processes.of_clients().into_iter().map(|life| (life, CLIENTS));
        let mut owners: BTreeMap<ProcessLife, NodeId> = clients.collect();
        for node in &self.nodes {
            let id = node.spec.id;
            let mut state = node.lock();
            owners.extend(state.find_kin(id, &processes).iter().map(|life| (*life, id)));
        }
        owners
    }

    /// Returns the servers that left the process which was started, one sentence each.
    #[must_use]
    pub fn daemons(&self) -> Vec<String> {
        let daemon = |node: &Node| {
            let mut state = node.lock();
            self.look_at_daemon(node.spec.id, &mut state);
            let Daemon { exit, .. } = state.daemon.clone().filter(|daemon| daemon.serves)?;
            let UnexpectedExit { node, how } = exit;
            Some(format!(
                "the process that was started for node {node} ended ({how}), and its ports are \
                 held by others that it had started: let the server run in the foreground"
            ))
        };
        self.nodes.iter().filter_map(daemon).collect()
    }

    /// Takes note whether a server that left its process has come to serve.
    pub(super) fn look_at_daemon(&self, id: NodeId, state: &mut State) {
        if let Some(daemon) = &mut state.daemon {
            // Seen once is enough: its ports may be closed at another look.
            daemon.serves |= self.is_held(id);
        }
    }

    /// Tells whether somebody holds a port of a node.
    pub(super) fn is_held(&self, id: NodeId) -> bool {
        self.ports.get(&id).is_some_and(|ports| !sockets_at(ports).is_empty())
    }

    /// Ends what nodes left when they ended: asks who may know of no other request, and kills those
    /// that stay. Returns who could not be ended, one sentence each.
    pub(super) async fn end_those_left(&self, deadline: Instant) -> Vec<String> {
        let is_left = |node: &&Node| !self.kin(node.spec.id).is_empty();
        let left = || self.nodes.iter().filter(is_left);
        for node in left() {
            node.lock().reach(node.spec.id, &self.mark, Signal::TERM);
        }
        while left().next().is_some() && Instant::now() < deadline {
            tokio::time::sleep(LOOK_STEP).await;
        }
        for node in left() {
            node.lock().reach(node.spec.id, &self.mark, Signal::KILL);
        }
        let deadline = Instant::now() + KILL_LIMIT;
        while left().next().is_some() && Instant::now() < deadline {
            tokio::time::sleep(LOOK_STEP).await;
        }
        let lives_on = |id: NodeId, life: &ProcessLife| {
            format!("process {} of node {id} lives on, and could not be ended", life.pid)
        };
        let told = |node: &Node| {
            let id = node.spec.id;
            self.kin(id).iter().map(|life| lives_on(id, life)).collect::<Vec<_>>()
        };
        self.nodes.iter().flat_map(told).collect()
    }
}

impl Drop for Cluster {
    /// Kills all, also what nobody waits for.
    fn drop(&mut self) {
        for node in &self.nodes {
            let (id, mut state) = (node.spec.id, node.lock());
            state.look_at_kin(id, &self.mark);
            if let Some(process) = &state.process {
                process.signal(Signal::KILL);
            }
            state.reach(id, &self.mark, Signal::KILL);
        }
    }
}

/// How often it is looked whether those left have ended.
const LOOK_STEP: Duration = Duration::from_millis(20);

/// How long those who were killed may take to be gone.
const KILL_LIMIT: Duration = Duration::from_secs(2);
