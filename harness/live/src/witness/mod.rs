//! The witness: what became of a node's ports and of who holds them, as the kernel tells it.
//!
//! That a signal was sent is no effect: a wrapper may have got it, or nobody, or the server is back
//! already. So the injector's own count is never enough. A kill counts when who held the node's
//! ports got it and nobody holds them any more; a pause, when who holds them stands still. What is
//! seen is put into words here, and judged with the run. Claim kept true: nothing here sends a
//! signal or sets a rule, and what nobody may see is not taken for an effect.

mod detours;
mod dialers;
pub(crate) mod kernel;
mod socket_diag;
mod tracers;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::{Mutex, PoisonError};

use rustix::process::Signal;
use synod_fault::NodeId;

use super::process::describe_end;
use kernel::{ListenPort, ProcessLife, ProcessView, sockets_at};

pub(crate) use detours::Detour;
pub(crate) use dialers::Dialer;
pub use dialers::Dialers;
pub(crate) use tracers::{Crossings, DialedFrom, TracerPort, Tracers, Window, refute_rules};
pub(crate) use watch::Watch;

/// Sees who holds the ports of the nodes.
#[derive(Debug, Default)]
pub struct Witness {
    /// The ports that each node was told to listen at; a system that names none has none.
    ports: BTreeMap<NodeId, Vec<ListenPort>>,
    /// The nodes whose ports were held at some time.
    held: Mutex<BTreeSet<NodeId>>,
}

/// Who holds the ports of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    sockets: BTreeSet<u64>,
    /// The sockets of connections that these ports have accepted.
    accepted: BTreeSet<u64>,
    /// Those who may be seen to have one of the sockets, of either kind.
    holders: Vec<ProcessView>,
}

/// A node as it was before a fault took its process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Victim {
    /// Who held its ports.
    pub(crate) held: Held,
    /// The processes that the signal goes to.
    pub(crate) kin: BTreeSet<ProcessLife>,
    /// Whether other faults had asked it to end already.
    pub(crate) was_ending: bool,
}

impl Witness {
    /// Makes the witness of these ports.
    pub(crate) fn new(ports: BTreeMap<NodeId, Vec<ListenPort>>) -> Self {
        Self { ports, held: Mutex::default() }
    }

    /// Looks who holds the ports of a node.
    pub(crate) fn look(&self, node: NodeId) -> Held {
        let (sockets, accepted) = (self.sockets(node), self.accepted(node));
        let holders = kernel::holders(&(&sockets | &accepted));
        Held { sockets, accepted, holders }
    }

    /// Tells whether nobody holds the ports of a node, or a connection to them.
    pub(crate) fn is_free(&self, node: NodeId) -> bool {
        self.sockets(node).is_empty() && self.accepted(node).is_empty()
    }

    /// Tells whether all processes of a node, and all who hold its ports, stand still.
    pub(crate) fn stands_still(&self, node: NodeId, kin: &BTreeSet<ProcessLife>) -> bool {
        let views = kin.iter().filter_map(|life| ProcessView::short(life.pid));
        views.chain(self.look(node).holders).all(|view| view.is_stopped())
    }

    /// Says why a kill was none, if it was none. The node is to be down still, and of its processes
    /// these live.
    pub(crate) fn refute_kill(
        &self,
        node: NodeId,
        victim: &Victim,
        end: Option<ExitStatus>,
        alive: &BTreeSet<ProcessLife>,
    ) -> Option<String> {
        let Some(end) = end else {
            return Some(format!("the process of node {node} was killed, and lives on"));
        };
        // Whoever was asked to end by an earlier fault may be quicker than the signal, and is as
        // dead.
        if !victim.was_ending && end.signal() != Some(Signal::KILL.as_raw()) {
            let how = describe_end(end);
            return Some(format!("node {node} was to be killed, and ended by itself: {how}"));
        }
        let outside = |holder: &&ProcessView| !victim.kin.contains(&holder.life);
        if let Some(holder) = victim.held.holders.iter().find(outside) {
            let pid = holder.life.pid;
            return Some(format!(
                "process {pid}, which held the ports of node {node}, was not among those killed"
            ));
        }
        if victim.held.sockets.is_empty() && self.never_held(node) {
            return Some(format!("nobody was ever seen to hold the ports of node {node}"));
        }
        victim.held.hidden(node).or_else(|| self.refute_end(node, &victim.held, alive))
    }

    /// Says why a node that is to be down is not, if it is not. Of its processes these live.
    pub(crate) fn refute_end(
        &self,
        node: NodeId,
        before: &Held,
        alive: &BTreeSet<ProcessLife>,
    ) -> Option<String> {
        let after = self.look(node);
        let who = after.names();
        if !after.sockets.is_empty() {
            return Some(if after.sockets.is_disjoint(&before.sockets) {
                format!("node {node} was to be down, and {who} took its ports meanwhile")
            } else {
                format!("{who}, which held the ports of node {node}, lives on")
            });
        }
        if !after.accepted.is_empty() {
            return Some(format!(
                "{who}, which holds connections to the ports of node {node}, lives on"
            ));
        }
        let life = alive.first()?;
        Some(format!("process {}, which node {node} had started, lives on", life.pid))
    }

    /// Says why a pause was none, if it was none. The node is to stand still, and was seen before
    /// just after it was stopped; these are its processes.
    pub(crate) fn refute_pause(
        &self,
        node: NodeId,
        before: &Held,
        kin: &BTreeSet<ProcessLife>,
    ) -> Option<String> {
        let after = self.look(node);
        if after.sockets.is_empty() && self.never_held(node) {
            return Some(format!("nobody was ever seen to hold the ports of node {node}"));
        }
        if let Some(holder) = after.holders.iter().find(|holder| !holder.is_stopped()) {
            let ProcessView { life: ProcessLife { pid, .. }, state, .. } = holder;
            return Some(format!(
                "process {pid}, which holds the ports of node {node}, was not stopped \
                 (its state is {state})"
            ));
        }
        let views = kin.iter().filter_map(|life| ProcessView::short(life.pid));
        if let Some(view) = views.into_iter().find(|view| !view.is_stopped()) {
            let (pid, state) = (view.life.pid, view.state);
            return Some(format!(
                "process {pid}, which node {node} had started, was not stopped (its state is \
                 {state})"
            ));
        }
        let ran = |holder: &&ProcessView| before.has_run_since(holder).is_some();
        if let Some(holder) = after.holders.iter().find(ran) {
            let (pid, much) = (holder.life.pid, before.has_run_since(holder).unwrap_or_default());
            return Some(format!(
                "process {pid}, which holds the ports of node {node}, {much} while it was to \
                 stand still"
            ));
        }
        after.hidden(node)
    }

    fn sockets(&self, node: NodeId) -> BTreeSet<u64> {
        let ports = self.ports.get(&node).map(Vec::as_slice).unwrap_or_default();
        let sockets = sockets_at(ports);
        if !sockets.is_empty() {
            self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(node);
        }
        sockets
    }

    fn accepted(&self, node: NodeId) -> BTreeSet<u64> {
        kernel::accepted_at(self.ports.get(&node).map(Vec::as_slice).unwrap_or_default())
    }

    /// Tells whether a node was told where to listen and never did.
    fn never_held(&self, node: NodeId) -> bool {
        let has_ports = self.ports.get(&node).is_some_and(|ports| !ports.is_empty());
        has_ports && !self.held.lock().unwrap_or_else(PoisonError::into_inner).contains(&node)
    }
}

impl Held {
    /// Says that there are holders whom nobody may see.
    fn hidden(&self, node: NodeId) -> Option<String> {
        let hidden = !self.sockets.is_empty() && self.holders.is_empty();
        hidden.then(|| format!("this user may not see who holds the ports of node {node}"))
    }

    /// Says how much a process of these has run since, if it is more than stopping takes.
    fn has_run_since(&self, after: &ProcessView) -> Option<String> {
        let before = self.holders.iter().find(|before| before.life == after.life)?;
        let switches = after.switches.saturating_sub(before.switches);
        let ticks = after.ticks.saturating_sub(before.ticks);
        if switches > after.threads * SWITCHES_MAX {
            return Some(format!("got a processor {switches} times"));
        }
        (ticks > TICKS_MAX).then(|| format!("ran for {ticks} hundredths of a second"))
    }

    fn lives(&self) -> BTreeSet<ProcessLife> {
        self.holders.iter().map(|holder| holder.life).collect()
    }

    fn names(&self) -> String {
        let pids: Vec<String> =
            self.holders.iter().map(|holder| holder.life.pid.to_string()).collect();
        if pids.is_empty() { "somebody".to_owned() } else { format!("process {}", pids.join(" ")) }
    }
}

/// How often each thread of a process may leave its processor after it was told to stop.
const SWITCHES_MAX: u64 = 4;

/// How long a process may run after it was told to stop, in hundredths of a second.
const TICKS_MAX: u64 = 3;
