//! The network between the nodes: user-space proxies on a thread of their own.
//!
//! A [`Route`] is one proxy, a relay of datagrams or a pipe of TCP: the dialer is given the proxy's
//! address instead of the listener's, and both directions pass the verdicts of their own directed
//! link. What is carried is opaque, so any protocol on UDP or TCP can be broken, encrypted ones
//! too. No privilege is needed. Two routes between the same nodes, dialed from either side, share
//! their links. What the verdicts are is decided by `synod-fault`; `relay` and `pipe` carry.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use rustix::net::sockopt;
use synod_fault::{CLIENTS, FaultId, LinkId, LinkRules, NodeId, Transport, UnfitRule};
use synod_report::{LinkCounts, SeenMessages};
use synod_rng::Seed;
use tokio::runtime::Runtime;
use tokio::sync::{oneshot, watch};
use tokio::task::LocalSet;

use super::fabric::{Fabric, LinkIndex};
use super::pipe::{self, Front, Pipe};
use super::relay::{self, Relay};
use super::witness::{DialedFrom, Dialers, TracerPort, Tracers};

/// One proxy to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Who speaks first, to the proxy's address.
    pub dialer: NodeId,
    /// Who is spoken to.
    pub listener: NodeId,
    /// Where the listener really listens.
    pub upstream: SocketAddr,
    /// What is spoken.
    pub transport: Transport,
}

/// A port of a node on TCP that is to have one address for all who dial it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnnouncedPort {
    /// Whose it is.
    pub node: NodeId,
    /// Where the node really listens to its peers.
    pub for_peers: SocketAddr,
    /// Where it really listens to clients.
    pub for_clients: SocketAddr,
}

/// The links of a proxy's two directions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends {
    /// From the dialer to the listener.
    pub(crate) there: LinkIndex,
    /// From the listener to the dialer.
    pub(crate) back: LinkIndex,
}

impl Ends {
    /// Returns the same links for tracers.
    pub(crate) const fn of_tracers(self) -> Self {
        Self { there: self.there.of_tracers(), back: self.back.of_tracers() }
    }
}

/// The proxies of a run. They end when this is dropped.
#[derive(Debug)]
pub struct Network {
    fabric: Arc<Mutex<Fabric>>,
    /// Tells the pipes that rules have changed.
    changes: watch::Sender<u64>,
    addresses: BTreeMap<(NodeId, NodeId), SocketAddr>,
    /// What is announced of each port, by where its node listens to peers.
    announced: BTreeMap<SocketAddr, SocketAddr>,
    dialers: Dialers,
    /// From where tracers will fly.
    ports: Vec<TracerPort>,
    tracers: Tracers,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// The proxies before they run.
#[derive(Default)]
struct Proxies {
    relays: Vec<Relay>,
    pipes: Vec<Pipe>,
    fronts: Vec<Front>,
    ports: Vec<TracerPort>,
}

impl Network {
    /// Starts a proxy for each route, on loopback and ports that are free.
    ///
    /// # Errors
    ///
    /// If the system gives no socket or no thread, or two routes between the same nodes differ in
    /// their transport.
    pub fn start(seed: Seed, routes: &[Route]) -> io::Result<Self> {
        Self::start_announced(seed, routes, &[])
    }

    /// Starts a proxy for each route, and one address for each port that is announced.
    ///
    /// # Errors
    ///
    /// As [`Network::start`].
    pub fn start_announced(
        seed: Seed,
        routes: &[Route],
        ports: &[AnnouncedPort],
    ) -> io::Result<Self> {
        let fabric = Arc::new(Mutex::new(Fabric::new(seed, links(routes)?)));
        let mut addresses = BTreeMap::new();
        let mut proxies = Proxies::default();
        for route in routes {
            let address = proxies.add(route, &lock(&fabric))?;
            addresses.insert((route.dialer, route.listener), address);
        }
        let dialers = Dialers::new();
        let mut announced = BTreeMap::new();
        for port in ports {
            let address = proxies.announce(port, routes, &lock(&fabric), &dialers)?;
            announced.insert(port.for_peers, address);
        }
        let ports = std::mem::take(&mut proxies.ports);
        let tracers = Tracers::default();
        let (stop, stopped) = oneshot::channel();
        let (changes, changed) = watch::channel(0);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let shared = Arc::clone(&fabric);
        let thread = std::thread::Builder::new()
            .name("network".to_owned())
            .spawn(move || run(&runtime, &shared, proxies, &changed, stopped))?;
        let (stop, thread) = (Some(stop), Some(thread));
        Ok(Self { fabric, changes, addresses, announced, dialers, ports, tracers, stop, thread })
    }

    /// Lets tracers cross every link from here on.
    ///
    /// # Errors
    ///
    /// If the system gives no thread.
    pub fn send_tracers(&mut self) -> io::Result<()> {
        let ports = std::mem::take(&mut self.ports);
        if !ports.is_empty() {
            self.tracers = Tracers::start(ports)?;
        }
        Ok(())
    }

    /// Names the links that no tracer ever crossed, and who dialed and could not be told, one
    /// sentence each: whatever faults did there, nobody could have seen it.
    pub(crate) fn blind(&self) -> Vec<String> {
        let blind =
            |link| format!("no tracer ever crossed {link}, so nobody saw what faults did there");
        let never_crossed = self.tracers.never_crossed().into_iter().map(blind);
        never_crossed.chain(self.dialers.doubts()).collect()
    }

    /// Returns who sees what crosses the links.
    pub(crate) const fn tracers(&self) -> &Tracers {
        &self.tracers
    }

    /// Returns the address that `dialer` is to be given for `listener`.
    #[must_use]
    pub fn address(&self, dialer: NodeId, listener: NodeId) -> Option<SocketAddr> {
        self.addresses.get(&(dialer, listener)).copied()
    }

    /// Returns the one address at which all reach the port where a node listens to its peers.
    #[must_use]
    pub fn announced(&self, for_peers: SocketAddr) -> Option<SocketAddr> {
        self.announced.get(&for_peers).copied()
    }

    /// Returns what the network tells dialers by.
    #[must_use]
    pub fn dialers(&self) -> Dialers {
        self.dialers.clone()
    }

    /// Puts a fault in force. When this returns, no packet is decided by the former rules, and no
    /// byte of a stream passes a link that is cut.
    ///
    /// # Errors
    ///
    /// [`UnfitRule`] if a link cannot obey; nothing has changed then.
    pub fn begin(
        &self,
        fault: FaultId,
        rules: BTreeMap<LinkId, LinkRules>,
    ) -> Result<(), UnfitRule> {
        let begun = lock(&self.fabric).begin(fault, rules);
        self.tell();
        begun
    }

    /// Ends a fault.
    pub fn end(&self, fault: FaultId) {
        lock(&self.fabric).end(fault);
        self.tell();
    }

    /// Ends all faults.
    pub fn heal(&self) {
        lock(&self.fabric).heal();
        self.tell();
    }

    /// Tells the pipes that rules have changed, after they did.
    fn tell(&self) {
        // Whoever this wakes looks at the rules, which are in place by then.
        self.changes.send_modify(|version| *version += 1);
    }

    /// Returns what each directed link did since the start.
    #[must_use]
    pub fn counts(&self) -> Vec<LinkCounts> {
        lock(&self.fabric).counts()
    }

    /// Returns what crossed the links since a run began, message by message, as far back as is
    /// remembered, by the clock of that run.
    #[must_use]
    pub fn messages_since(&self, run: Instant) -> SeenMessages {
        lock(&self.fabric).messages_since(run)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // The thread ends once nobody holds the other end of this.
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

/// Says on standard error what a proxy suffers from.
#[expect(clippy::print_stderr, reason = "the thread has no one to return an error to")]
pub(crate) fn complain(what: &str, error: &io::Error) {
    eprintln!("synod-harness: {what}: {error}");
}

/// Runs the proxies until `stopped` resolves.
fn run(
    runtime: &Runtime,
    fabric: &Arc<Mutex<Fabric>>,
    proxies: Proxies,
    changed: &watch::Receiver<u64>,
    stopped: oneshot::Receiver<()>,
) {
    let tasks = LocalSet::new();
    tasks.block_on(runtime, async {
        let relays = relay::start(fabric, proxies.relays);
        let pipes = pipe::start(fabric, changed, proxies.pipes, proxies.fronts);
        for error in [relays, pipes].into_iter().filter_map(Result::err) {
            complain("a proxy does not start", &error);
        }
        // Whether it was told to stop or the handle is gone makes no difference.
        drop(stopped.await);
    });
}

/// Names the two directed links of each route, and what they speak.
fn links(routes: &[Route]) -> io::Result<BTreeMap<LinkId, Transport>> {
    let mut links = BTreeMap::new();
    for route in routes {
        let there = LinkId::new(route.dialer, route.listener);
        for link in [there, there.reversed()] {
            let other = links.insert(link, route.transport);
            if other.is_some_and(|other| other != route.transport) {
                let words = format!("{link} cannot speak udp and tcp at once");
                return Err(io::Error::new(io::ErrorKind::InvalidInput, words));
            }
        }
    }
    Ok(links)
}

impl Proxies {
    /// Makes one more. Returns the address for its dialer.
    fn add(&mut self, route: &Route, fabric: &Fabric) -> io::Result<SocketAddr> {
        let link = LinkId::new(route.dialer, route.listener);
        let ends = ends(link, fabric);
        let listener = route.upstream;
        match route.transport {
            Transport::Udp => {
                let (public, upstream, near, far) = (socket()?, socket()?, socket()?, socket()?);
                let ports = [near.local_addr()?, far.local_addr()?];
                let (address, back) = (public.local_addr()?, upstream.local_addr()?);
                self.ports.push(TracerPort::Packets { link, socket: near, to: address });
                self.ports.push(TracerPort::Packets {
                    link: link.reversed(),
                    socket: far,
                    to: back,
                });
                self.relays.push(Relay { public, upstream, listener, ends, ports });
                Ok(address)
            }
            Transport::Tcp => {
                let public = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
                public.set_nonblocking(true)?;
                let address = public.local_addr()?;
                let far = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
                far.set_nonblocking(true)?;
                let near = DialedFrom::default();
                let ports = (near.clone(), far.local_addr()?);
                self.ports.push(TracerPort::Streams { link, near, far, to: address });
                self.pipes.push(Pipe { public, listener, ends, ports });
                Ok(address)
            }
        }
    }

    /// Makes one address for a port, on the links of the routes to its node. Returns it.
    fn announce(
        &mut self,
        port: &AnnouncedPort,
        routes: &[Route],
        fabric: &Fabric,
        dialers: &Dialers,
    ) -> io::Result<SocketAddr> {
        let public = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        public.set_nonblocking(true)?;
        let address = public.local_addr()?;
        let way = |route: &Route| {
            let at = if route.dialer == CLIENTS { port.for_clients } else { port.for_peers };
            (route.dialer, (at, ends(LinkId::new(route.dialer, port.node), fabric)))
        };
        let ways = routes.iter().filter(|route| route.listener == port.node).map(way).collect();
        let (node, own, dialers) = (port.node, port.for_peers, dialers.clone());
        self.fronts.push(Front { public, node, own, ways, dialers });
        Ok(address)
    }
}

fn ends(link: LinkId, fabric: &Fabric) -> Ends {
    let index = |link| fabric.index(link).expect("the fabric was made of these routes");
    Ends { there: index(link), back: index(link.reversed()) }
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

#[cfg(test)]
mod tests;
