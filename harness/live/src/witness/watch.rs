//! The watch for processes that change without a word: a server that a supervisor starts again.
//!
//! The harness sees the end of what it started; what that has started in its turn may die and come
//! back unseen, and with it every promise that it kept in memory. So the holders of each node's
//! ports are compared while nobody asked the node to end. Claim kept true: a process that the
//! harness started, killed or asked to end is never called replaced.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use synod_fault::NodeId;
use tokio::time::MissedTickBehavior;

use super::kernel::ProcessLife;
use super::{Held, Witness};
use crate::cluster::Cluster;

/// What was seen of the nodes while they were left in peace.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    last: BTreeMap<NodeId, Tenancy>,
    replaced: Vec<String>,
}

/// Who holds the ports of a node in one of its lives.
#[derive(Debug)]
struct Tenancy {
    /// How often the harness had started the node.
    starts: u32,
    sockets: BTreeSet<u64>,
    holders: BTreeSet<ProcessLife>,
}

impl Watch {
    /// Looks at all nodes again and again.
    pub(crate) async fn keep_looking(&self, witness: &Witness, cluster: &Cluster) -> Infallible {
        let mut ticks = tokio::time::interval(LOOK_PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.look(witness, cluster);
        }
    }

    /// Looks at all nodes that nobody asked to end.
    pub(crate) fn look(&self, witness: &Witness, cluster: &Cluster) {
        for node in cluster.ids() {
            let Some(starts) = cluster.starts_in_peace(node) else { continue };
            let sockets = witness.sockets(node);
            if sockets.is_empty() || self.lock().is_known(node, starts, &sockets) {
                continue;
            }
            // To find them takes a look at every process, so it is done only where the sockets are
            // others.
            let holders = super::kernel::holders(&sockets);
            self.lock().on_holders(node, starts, Held { sockets, holders, ..Held::default() });
        }
    }

    /// Returns which processes were replaced by others, one sentence each.
    pub(crate) fn replaced(&self) -> Vec<String> {
        self.lock().replaced.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn is_known(&self, node: NodeId, starts: u32, sockets: &BTreeSet<u64>) -> bool {
        let known = |tenancy: &Tenancy| tenancy.starts == starts && tenancy.sockets == *sockets;
        self.last.get(&node).is_some_and(known)
    }

    /// Takes note of who holds the ports of a node. A server that opens its sockets anew is the
    /// same one.
    fn on_holders(&mut self, node: NodeId, starts: u32, held: Held) {
        let holders = held.lives();
        // Nobody may be seen, or the process ended between the two looks: neither shows another
        // process.
        if holders.is_empty() {
            return;
        }
        if let Some(last) = self.last.get(&node)
            && last.starts == starts
            && last.holders.is_disjoint(&holders)
            && self.replaced.len() < REPLACED_MAX
        {
            let old: Vec<String> = last.holders.iter().map(|life| life.pid.to_string()).collect();
            self.replaced.push(format!(
                "the ports of node {node} went from process {} to {}, and nobody had asked the \
                 first to end; a server that something else starts again is not tested",
                old.join(" "),
                held.names()
            ));
        }
        self.last.insert(node, Tenancy { starts, sockets: held.sockets, holders });
    }
}

/// How often it is looked.
const LOOK_PERIOD: Duration = Duration::from_millis(200);

/// Sentences that are kept; one is enough to make a run void.
const REPLACED_MAX: usize = 10;

#[cfg(test)]
mod tests {
    use super::super::kernel::ProcessView;
    use super::*;

    fn held(socket: u64, pid: u32, started: u64) -> Held {
        let life = ProcessLife { pid, started };
        let holders = vec![ProcessView::plain(life, 1)];
        Held { sockets: BTreeSet::from([socket]), holders, ..Held::default() }
    }

    #[test]
    fn another_holder_in_the_same_life_is_told_and_no_other_change() {
        let (mut seen, node) = (Inner::default(), NodeId(2));
        seen.on_holders(node, 1, held(7, 100, 5));
        assert!(seen.is_known(node, 1, &BTreeSet::from([7])));
        seen.on_holders(node, 1, held(8, 100, 5));
        seen.on_holders(node, 2, held(9, 101, 6));
        assert!(seen.replaced.is_empty(), "a socket opened anew, and a start by the harness");
        seen.on_holders(node, 2, held(10, 101, 7));
        assert!(seen.replaced[0].contains("ports of node 2 went from process 101 to process 101"));
        seen.on_holders(node, 2, Held { sockets: BTreeSet::from([11]), ..Held::default() });
        assert_eq!(seen.replaced.len(), 1, "whom nobody may see is nobody else");
    }
}
