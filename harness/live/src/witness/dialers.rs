//! Who dials: the node whose processes hold the other end of a connection.
//!
//! Which processes are a node's is told by their group, which a node is started with; what the
//! kernel lists is read by the witness. The claim kept true: a connection whose dialer cannot be
//! told any more is nobody's, and never taken for one of the clients.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use synod_fault::{CLIENTS, NodeId};

use super::kernel::{group_with, socket_of_dialer};

/// The process group of each node that was started.
#[derive(Clone, Debug, Default)]
pub struct Dialers(Arc<Mutex<BTreeMap<u32, NodeId>>>);

impl Dialers {
    /// Notes that a node's processes are of this group from here on.
    pub(crate) fn note(&self, group: u32, node: NodeId) {
        let mut groups = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The kernel may give the number of a group that has ended to somebody else.
        groups.retain(|_, of| *of != node);
        groups.insert(group, node);
    }

    /// Says who opened a connection between these ends: a node, or the clients, who are all others.
    /// None if that end is closed already.
    pub(crate) fn who_dialed(&self, from: SocketAddr, to: SocketAddr) -> Option<NodeId> {
        let groups = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let socket = socket_of_dialer(from, to)?;
        let numbers: BTreeSet<u32> = groups.keys().copied().collect();
        if let Some(group) = group_with(socket, &numbers) {
            return groups.get(&group).copied();
        }
        // A node that closes its end while this looks for it is no client.
        (socket_of_dialer(from, to) == Some(socket)).then_some(CLIENTS)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn who_dials_is_told_by_its_process_group_and_nobody_once_it_is_closed() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let to = listener.local_addr().expect("bound");
        let dialer = TcpStream::connect(to).expect("it listens");
        let from = dialer.local_addr().expect("connected");
        let accepted = listener.accept().expect("a connection");
        let dialers = Dialers::default();
        assert_eq!(dialers.who_dialed(from, to), Some(CLIENTS), "no group is a node's");
        let group = rustix::process::getpgrp().as_raw_pid().unsigned_abs();
        dialers.note(group, NodeId(3));
        assert_eq!(dialers.who_dialed(from, to), Some(NodeId(3)));
        dialers.note(group + 1, NodeId(3));
        assert_eq!(dialers.who_dialed(from, to), Some(CLIENTS), "a node has one group");
        drop((dialer, accepted));
        assert_eq!(dialers.who_dialed(from, to), None);
    }
}
