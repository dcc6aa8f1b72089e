//! The network between the nodes: user-space relays on a thread of their own.
//!
//! A [`Route`] is one relay: the dialer is given the relay's address instead of the listener's, and
//! both directions pass the verdicts of their own directed link. Packets are opaque, so any
//! protocol on UDP can be broken, encrypted ones too. No privilege is needed. Two routes between
//! the same nodes, dialed from either side, share their links. What the verdicts are is decided
//! by `fault`; what is carried, by `relay`.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use rustix::net::sockopt;
use tokio::sync::oneshot;

use super::fabric::{Fabric, FaultId};
use super::relay::{self, Ends, Relay};
use crate::fault::{LinkId, LinkRules, NodeId};
use crate::random::Seed;
use crate::summary::LinkCounts;

/// One relay to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Who speaks first, to the relay's address.
    pub dialer: NodeId,
    /// Who is spoken to.
    pub listener: NodeId,
    /// Where the listener really listens.
    pub upstream: SocketAddr,
}

/// The relays of a run. They end when this is dropped.
#[derive(Debug)]
pub struct Network {
    fabric: Arc<Mutex<Fabric>>,
    addresses: BTreeMap<(NodeId, NodeId), SocketAddr>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Network {
    /// Starts a relay for each route, on loopback and ports that are free.
    ///
    /// # Errors
    ///
    /// If the system gives no socket or no thread.
    pub fn start(seed: Seed, routes: &[Route]) -> io::Result<Self> {
        let links: BTreeSet<LinkId> = routes
            .iter()
            .map(|route| LinkId::new(route.dialer, route.listener))
            .flat_map(|link| [link, link.reversed()])
            .collect();
        let fabric = Arc::new(Mutex::new(Fabric::new(seed, links)));
        let mut addresses = BTreeMap::new();
        let mut relays = Vec::new();
        for route in routes {
            let relay = relay_of(route, &lock(&fabric))?;
            addresses.insert((route.dialer, route.listener), relay.public.local_addr()?);
            relays.push(relay);
        }
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let shared = Arc::clone(&fabric);
        let thread = std::thread::Builder::new()
            .name("network".to_owned())
            .spawn(move || relay::run(&runtime, shared, relays, stopped))?;
        Ok(Self { fabric, addresses, stop: Some(stop), thread: Some(thread) })
    }

    /// Returns the address that `dialer` is to be given for `listener`.
    #[must_use]
    pub fn address(&self, dialer: NodeId, listener: NodeId) -> Option<SocketAddr> {
        self.addresses.get(&(dialer, listener)).copied()
    }

    /// Puts a fault in force. When this returns, no packet is decided by the former rules.
    pub fn begin(&self, fault: FaultId, rules: BTreeMap<LinkId, LinkRules>) {
        lock(&self.fabric).begin(fault, rules);
    }

    /// Ends a fault.
    pub fn end(&self, fault: FaultId) {
        lock(&self.fabric).end(fault);
    }

    /// Ends all faults.
    pub fn heal(&self) {
        lock(&self.fabric).heal();
    }

    /// Returns what each directed link did since the start.
    #[must_use]
    pub fn counts(&self) -> Vec<LinkCounts> {
        lock(&self.fabric).counts()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A relay thread that panicked has said so on standard error; nothing else is lost.
            drop(thread.join());
        }
    }
}

/// Locks the fabric. Its methods leave no half-done change behind, so poison means nothing.
pub(crate) fn lock(fabric: &Mutex<Fabric>) -> MutexGuard<'_, Fabric> {
    fabric.lock().unwrap_or_else(PoisonError::into_inner)
}

fn relay_of(route: &Route, fabric: &Fabric) -> io::Result<Relay> {
    let there = LinkId::new(route.dialer, route.listener);
    let index = |link| fabric.index(link).expect("the fabric was made of these routes");
    Ok(Relay {
        public: socket()?,
        upstream: socket()?,
        listener: route.upstream,
        ends: Ends { there: index(there), back: index(there.reversed()) },
    })
}

fn socket() -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.set_nonblocking(true)?;
    // The system may grant less than asked; then a burst loses packets, as on any network.
    sockopt::set_socket_recv_buffer_size(&socket, SOCKET_BUFFER_BYTES)?;
    sockopt::set_socket_send_buffer_size(&socket, SOCKET_BUFFER_BYTES)?;
    Ok(socket)
}

/// The socket buffers that are asked for.
const SOCKET_BUFFER_BYTES: usize = 4 << 20;
