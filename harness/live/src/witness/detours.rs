//! Detours: connections between two nodes, or clients and a node, that no proxy carries.
//!
//! A node may tell a peer an address of its own that the description did not hand out. What takes
//! such a way passes every cut. The kernel lists both ends of each connection on this machine; one
//! whose ends are held by the processes of two nodes is carried by nobody between them. Which
//! processes are whose is told by whoever asks. The claim kept true: a connection that a proxy
//! carries, or that stays within one node, is no detour. Connections are seen when it is looked,
//! and datagrams are not.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use synod_fault::{LinkId, NodeId};

use super::kernel::{Connection, ProcessLife, connections, sockets_of};

/// A connection from one node to another that no proxy carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Detour {
    /// From the end that is held by `pid` to the other.
    pub(crate) link: LinkId,
    pid: u32,
    near: SocketAddr,
    far: SocketAddr,
}

/// Which process has a socket, and whose it is.
type Owners = BTreeMap<u64, (u32, NodeId)>;

impl Detour {
    /// Finds all that there are, told from either end, among the processes of these.
    pub(crate) fn find(processes: &BTreeMap<ProcessLife, NodeId>) -> Vec<Self> {
        let mut owners = Owners::new();
        for (life, node) in processes {
            let of_it = |socket| (socket, (life.pid, *node));
            owners.extend(sockets_of(life.pid).into_iter().map(of_it));
        }
        let all = connections();
        among(&all, &owners)
    }

    /// Says what went which way, past what was in force there.
    pub(crate) fn told(&self, what: &str) -> String {
        let Self { link, pid, near, far } = self;
        format!(
            "process {pid} of {from} has a connection from {near} to {far} at {to} that goes past \
             the proxies, while {link} was {what}: have nodes told no address but {{announced}} or \
             {{address}}",
            from = named(link.from),
            to = named(link.to),
        )
    }
}

fn named(node: NodeId) -> String {
    if node == synod_fault::CLIENTS { "the clients".to_owned() } else { format!("node {node}") }
}

fn among(all: &[Connection], owners: &Owners) -> Vec<Detour> {
    let by_ends: BTreeMap<(SocketAddr, SocketAddr), u64> =
        all.iter().map(|one| ((one.near, one.far), one.socket)).collect();
    let detour = |one: &Connection| {
        let (pid, from) = *owners.get(&one.socket)?;
        let (_, to) = *owners.get(by_ends.get(&(one.far, one.near))?)?;
        let link = LinkId::new(from, to);
        (from != to).then_some(Detour { link, pid, near: one.near, far: one.far })
    };
    let mut seen = BTreeSet::new();
    // One for each pair is enough to tell of.
    all.iter().filter_map(detour).filter(|detour| seen.insert(detour.link)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_whose_ends_two_nodes_hold_is_a_detour_and_one_through_a_proxy_is_none() {
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let ends = |near, far, socket| Connection { near: at(near), far: at(far), socket };
        let both = |near, far, socket| [ends(near, far, socket), ends(far, near, socket + 1)];
        // Node 1 dials node 2; it dials a proxy that dials node 3; node 3 dials itself.
        let all = [both(40, 2, 10), both(41, 9, 20), both(42, 3, 30), both(43, 3, 40)].concat();
        let owners: Owners = BTreeMap::from([
            (10, (71, NodeId(1))),
            (11, (72, NodeId(2))),
            (20, (71, NodeId(1))),
            (31, (73, NodeId(3))),
            (40, (73, NodeId(3))),
            (41, (74, NodeId(3))),
        ]);
        let found = among(&all, &owners);
        let links: Vec<LinkId> = found.iter().map(|detour| detour.link).collect();
        let there = LinkId::new(NodeId(1), NodeId(2));
        assert_eq!(links, [there, there.reversed()]);
        let told = found[0].told("cut");
        assert!(told.starts_with("process 71 of node 1 has a connection"), "{told}");
        assert!(told.contains("from 127.0.0.1:40 to 127.0.0.1:2 at node 2"), "{told}");
    }
}
