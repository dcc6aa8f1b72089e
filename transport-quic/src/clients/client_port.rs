//! The client port of a node: serves many connections, each with one stream of requests and
//! replies.
//!
//! What it leaves to others: what a request means and which reply belongs to it. The claim it keeps
//! true: connections, requests under way and replies not read are bounded, and a slow client
//! harms itself alone.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use quinn::{Connection, Endpoint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use crate::accept::{Acceptor, note, note_error};
use crate::bind_error::BindError;
use crate::calls::{CallLimits, WhenFull};
use crate::client_event::{ClientEvent, ConnectionId};
use crate::counters::{Count, Counters, CountersSnapshot};
use crate::held::HeldPort;
use crate::identity::{Identity, Role};
use crate::inbox::{EventSender, Inbox, inbox};
use crate::lanes::{Budget, DropReason, LaneQueue, Sent};
use crate::limits;
use crate::lock::lock;
use crate::peer_event::DownReason;
use crate::preface::{Hello, Incarnation, StreamKind};
use crate::refusal::{CloseCode, Refusal, Refused};
use crate::replies::{Counted, ReplyWriter};
use crate::reset;
use crate::setup;
use crate::stream::{Breach, FrameReader, FrameWriter, ReadFailure};
use crate::tls::Credentials;
use crate::verify::{Admission, ClientNames};

/// Says how a node serves clients.
#[derive(Clone, Debug)]
pub struct ClientPortConfig {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The certificate of this node.
    pub credentials: Credentials,
    /// This life of the process; clients see it.
    pub incarnation: Incarnation,
    /// Which clients are served.
    pub admitted: ClientNames,
    /// Connections served at once, at most [`limits::CLIENT_CONNECTIONS_MAX`].
    pub connections_max: usize,
}

/// Begins the client port of a node.
#[derive(Debug)]
pub struct ClientPort;

/// Replies to clients. Cloned freely; the port closes with the last clone.
#[derive(Clone, Debug)]
pub struct ClientPortHandle {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    endpoint: Endpoint,
    local: SocketAddr,
    port: Arc<Port>,
    tasks: Mutex<JoinSet<()>>,
}

/// What the tasks of a port share.
#[derive(Debug)]
struct Port {
    hello: Hello,
    outlet: EventSender<ClientEvent>,
    counters: Arc<Counters>,
    live: Mutex<BTreeMap<ConnectionId, Live>>,
    last: AtomicU64,
    places: Arc<Semaphore>,
    replies: Arc<Budget>,
    stop: watch::Sender<bool>,
    /// How many writers of replies have not ended.
    writers: watch::Sender<usize>,
}

/// A connection that can be replied to.
#[derive(Clone, Debug)]
struct Live {
    connection: Connection,
    replies: Arc<LaneQueue>,
}

impl ClientPort {
    /// Listens and serves from here on. Spawns its tasks on the runtime it is called in.
    ///
    /// # Errors
    /// When the address cannot be had, the certificate is not a node's, or the key does not fit it.
    ///
    /// # Panics
    /// Outside a tokio runtime with time and network.
    pub fn bind(
        config: ClientPortConfig,
    ) -> Result<(ClientPortHandle, Inbox<ClientEvent>), BindError> {
        Self::bind_on(HeldPort::bind(config.listen)?, config)
    }

    /// Does as [`ClientPort::bind`] on a port that is held already; `config.listen` is not used.
    ///
    /// # Errors
    /// As [`ClientPort::bind`].
    ///
    /// # Panics
    /// Outside a tokio runtime with time and network.
    pub fn bind_on(
        held: HeldPort,
        config: ClientPortConfig,
    ) -> Result<(ClientPortHandle, Inbox<ClientEvent>), BindError> {
        let local = held.local_addr();
        let identity = config.credentials.identity();
        if !matches!(identity.role, Role::Node(_)) {
            return Err(BindError::Role { identity: identity.to_string(), wanted: "node" });
        }
        let most = limits::CLIENT_CONNECTIONS_MAX;
        if !(1..=most).contains(&config.connections_max) {
            let text = format!("connections_max is {}, not 1 to {most}", config.connections_max);
            return Err(BindError::Setting(text));
        }
        let admission = Admission::Clients { cluster: identity.cluster, names: config.admitted };
        let counters = Arc::new(Counters::default());
        let server = setup::server_config(
            &config.credentials,
            setup::client_port(),
            admission,
            Arc::clone(&counters),
        )?;
        let resets = reset::endpoint_config(&config.credentials, limits::ALPN_CLIENT)?;
        let endpoint = setup::open_as(resets, held, Some(server))?;
        let (outlet, events) = inbox(limits::INBOX_EVENTS_MAX, limits::CLIENT_INBOX_BYTES_MAX);
        let hello = Hello { incarnation: config.incarnation };
        let port = Arc::new(Port::new(hello, outlet, counters, config.connections_max));
        let tasks = Mutex::new(port.open(endpoint.clone()));
        tracing::info!(%local, "client port open");
        let shared = Shared { endpoint, local, port, tasks };
        Ok((ClientPortHandle { shared: Arc::new(shared) }, events))
    }
}

impl ClientPortHandle {
    /// Sends a reply of at most [`limits::CLIENT_FRAME_BYTES_MAX`] bytes. Never waits. A reply that
    /// finds the queue full is dropped and counted, and the connection goes on; an owner that keeps
    /// to [`limits::CLIENT_REPLIES_BUDGET_BYTES`] for one client and to
    /// [`limits::CLIENT_REPLIES_BUDGET_BYTES_TOTAL`] for all, minus what [`ClientEvent::Written`]
    /// told of, meets no full queue. A client that takes nothing for
    /// [`limits::CLIENT_STALL_TIMEOUT`] while replies wait is closed.
    pub fn reply(&self, connection: ConnectionId, reply: Bytes) -> Sent {
        let port = &self.shared.port;
        // Cloned out, so that no other client waits for the lock of one's queue.
        let Some(live) = lock(&port.live).get(&connection).cloned() else {
            port.counters.add(Count::DroppedNoLink);
            return Sent::Dropped(DropReason::NoLink);
        };
        match live.replies.push(reply) {
            Ok(()) => {
                port.counters.add(Count::FramesOut);
                Sent::Queued
            }
            Err(reason) => {
                port.counters.add(reason.count());
                Sent::Dropped(reason)
            }
        }
    }

    /// Closes one connection, whose client sees `reason`; `Closed` follows.
    pub fn close_connection(&self, connection: ConnectionId, reason: &str) {
        if let Some(live) = lock(&self.shared.port.live).get(&connection) {
            live.connection.close(CloseCode::ClosedByOwner.varint(), reason.as_bytes());
        }
    }

    /// Connections that are served.
    #[must_use]
    pub fn connections(&self) -> usize {
        lock(&self.shared.port.live).len()
    }

    /// Where the port listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.shared.local
    }

    /// The counts so far.
    #[must_use]
    pub fn counters(&self) -> CountersSnapshot {
        self.shared.port.counters.snapshot()
    }

    /// Closes all connections with a goodbye, after the replies that were handed over, and ends the
    /// port's tasks. Those replies are waited for as long as clients take some in, for `most` at
    /// most, and for [`limits::LAST_REPLIES_TIMEOUT`] in any case; all else takes half a second at
    /// most. The inbox must be drained meanwhile, or dropped.
    pub async fn close(&self, most: Duration) {
        self.shared.port.stop.send_replace(true);
        let mut tasks = std::mem::take(&mut *lock(&self.shared.tasks));
        let end = async { while tasks.join_next().await.is_some() {} };
        let ends = timeout(limits::CLOSE_TIMEOUT, end).await;
        // Nobody is taken in from here on, so that the writers can only become fewer.
        self.shared.port.say_last(most).await;
        close_endpoint(&self.shared.endpoint);
        let goodbye = timeout(limits::CLOSE_TIMEOUT, self.shared.endpoint.wait_idle()).await;
        if ends.and(goodbye).is_err() {
            tracing::debug!("the client port closed without every goodbye acknowledged");
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        close_endpoint(&self.endpoint);
    }
}

impl Port {
    /// Waits until all replies that were handed over are with their clients, or none of them has
    /// taken anything for [`limits::LAST_REPLIES_TIMEOUT`], or the time is up.
    async fn say_last(&self, most: Duration) {
        let end = Instant::now() + most.max(limits::LAST_REPLIES_TIMEOUT);
        let (mut writers, mut before) = (self.writers.subscribe(), self.taken());
        loop {
            let look = end.min(Instant::now() + limits::LAST_REPLIES_TIMEOUT);
            if timeout_at(look, writers.wait_for(|count| *count == 0)).await.is_ok() {
                return;
            }
            let taken = self.taken();
            if taken == before || Instant::now() >= end {
                return tracing::debug!("the client port closes with replies that were not read");
            }
            before = taken;
        }
    }

    /// Counts how often clients said what they have received: this end asks them nothing else, so
    /// that they took some of their replies.
    fn taken(&self) -> u64 {
        let live = lock(&self.live);
        live.values().map(|client| client.connection.stats().frame_rx.acks).sum()
    }

    fn new(
        hello: Hello,
        outlet: EventSender<ClientEvent>,
        counters: Arc<Counters>,
        connections_max: usize,
    ) -> Self {
        Self {
            hello,
            outlet,
            counters,
            live: Mutex::default(),
            last: AtomicU64::new(0),
            places: Arc::new(Semaphore::new(connections_max)),
            replies: Arc::new(Budget::new(limits::CLIENT_REPLIES_BYTES_TOTAL)),
            stop: watch::Sender::new(false),
            writers: watch::Sender::new(0),
        }
    }

    fn open(self: &Arc<Self>, endpoint: Endpoint) -> JoinSet<()> {
        let door = Acceptor {
            limits: CallLimits {
                under_way_max: limits::CLIENT_HANDSHAKES_MAX,
                kept: limits::CLIENT_HANDSHAKES_KEPT,
                member_max: 0,
                unproved_max: limits::CLIENT_HANDSHAKES_FREE,
                // Whoever is turned away comes back at once, and costs more than by waiting.
                when_full: WhenFull::Wait {
                    waiting_max: limits::CLIENT_CALLS_WAITING_MAX,
                    begin_max: limits::CLIENT_HANDSHAKES_PER_PERIOD,
                    period: limits::CLIENT_HANDSHAKE_PERIOD,
                },
            },
            members: BTreeSet::new(),
            counters: Arc::clone(&self.counters),
        };
        let port = Arc::clone(self);
        let greet = move |connection, identity| Arc::clone(&port).greet(connection, identity);
        let mut tasks = JoinSet::new();
        tasks.spawn(door.keep(endpoint, self.stop.subscribe(), greet));
        tasks
    }

    /// Exchanges hellos with a client and then serves it in a task of its own.
    async fn greet(self: Arc<Self>, connection: Connection, identity: Identity) {
        let at = connection.remote_address();
        // Nobody waits for a place here: whoever is told at once that there is none can ask another
        // node.
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            let text = format!("{} connections are served", lock(&self.live).len());
            note(&Refused::here(Refusal::Overloaded, text), at, &self.counters);
            return close(&connection, CloseCode::Overloaded);
        };
        let (writer, reader) = match self.exchange_hellos(&connection).await {
            Ok(stream) => stream,
            Err(ReadFailure::Lost(error)) => return note_error(&error, at, &self.counters),
            Err(ReadFailure::Reset) => return close(&connection, CloseCode::Violation),
            Err(ReadFailure::Breach(breach)) => {
                breach.close(&connection);
                breach.note(at, &self.counters);
                return;
            }
        };
        // In a task of its own, as the one that greets ends with the time of the handshake.
        tokio::spawn(self.serve(connection, identity, writer, reader, place));
    }

    async fn exchange_hellos(
        &self,
        connection: &Connection,
    ) -> Result<(FrameWriter, FrameReader), ReadFailure> {
        let (send, receive) = connection.accept_bi().await?;
        let mut reader = FrameReader::new(receive);
        if reader.kind().await? != StreamKind::Client {
            return Err(Breach::violation("the stream is not a client's").into());
        }
        reader.hello().await?;
        reader.set_limit(limits::CLIENT_FRAME_BYTES_MAX);
        let mut writer = FrameWriter::on(send);
        writer.hello(self.hello).await.map_err(|_| ReadFailure::Reset)?;
        Ok((writer, reader))
    }

    /// Serves one client until its connection ends. The place is held as long.
    async fn serve(
        self: Arc<Self>,
        connection: Connection,
        identity: Identity,
        writer: FrameWriter,
        reader: FrameReader,
        _place: OwnedSemaphorePermit,
    ) {
        let id = ConnectionId(self.last.fetch_add(1, Ordering::Relaxed) + 1);
        let replies = Arc::new(LaneQueue::with_bounds(
            limits::CLIENT_REPLIES_BYTES_MAX,
            limits::CLIENT_FRAME_BYTES_MAX,
            Some(Arc::clone(&self.replies)),
        ));
        let live = Live { connection: connection.clone(), replies: Arc::clone(&replies) };
        // In place before the owner hears of it, who may reply as soon as it does.
        lock(&self.live).insert(id, live);
        self.counters.add(Count::LinksUp);
        tracing::debug!(connection = id.0, %identity, "client connected");
        let connected = ClientEvent::Connected { connection: id, identity };
        if self.outlet.send(connected, 0).await.is_ok() {
            let (outlet, queue) = (self.outlet.clone(), Arc::clone(&replies));
            let (stop, counted) = (self.stop.subscribe(), Counted::among(&self.writers));
            let writing = ReplyWriter { connection: id, replies: queue, outlet, stop, counted };
            let mut tasks = JoinSet::new();
            tasks.spawn(writing.run(writer));
            let reason = self.serve_until_end(id, &connection, reader, &replies, &mut tasks).await;
            tracing::debug!(connection = id.0, %reason, "client gone");
            // Nothing is handed over for it from here on, so that the clearing below leaves nothing
            // behind.
            lock(&self.live).remove(&id);
            tasks.shutdown().await;
            // What waits is lost with the connection; its bytes are there for others from here on.
            replies.clear();
            // An owner that is gone needs no farewell.
            let _ = self.outlet.send(ClientEvent::Closed { connection: id, reason }, 0).await;
        }
        // It may be in there still, where the owner was gone before it heard of it.
        lock(&self.live).remove(&id);
        self.counters.add(Count::LinksDown);
    }

    async fn serve_until_end(
        &self,
        id: ConnectionId,
        connection: &Connection,
        reader: FrameReader,
        replies: &LaneQueue,
        writer: &mut JoinSet<Option<Breach>>,
    ) -> DownReason {
        let requests = self.read_requests(id, reader, replies);
        tokio::pin!(requests);
        let mut reads = true;
        loop {
            let breach = tokio::select! {
                error = connection.closed() => return DownReason::from_error(&error),
                // Requests that ended in order leave replies under way.
                end = &mut requests, if reads => {
                    reads = false;
                    end
                }
                Some(end) = writer.join_next() => end.ok().flatten(),
            };
            if let Some(breach) = breach {
                breach.close(connection);
                breach.note(connection.remote_address(), &self.counters);
                return DownReason::Violation(breach.text);
            }
        }
    }

    /// Delivers requests in order; waits while the inbox is full or replies are not read.
    async fn read_requests(
        &self,
        connection: ConnectionId,
        mut reader: FrameReader,
        replies: &LaneQueue,
    ) -> Option<Breach> {
        loop {
            // It is asked before the next request is read, so that a client which takes no replies
            // fills its own stream and nobody's inbox.
            replies.below(limits::CLIENT_REPLIES_PAUSE_BYTES).await;
            let bytes = match reader.next_timely(limits::CLIENT_FRAME_TIMEOUT).await {
                Ok(Some(bytes)) => bytes,
                Ok(None) | Err(ReadFailure::Reset | ReadFailure::Lost(_)) => return None,
                Err(ReadFailure::Breach(breach)) => return Some(breach),
            };
            let place = self.outlet.reserve(bytes.len()).await.ok()?;
            self.counters.add(Count::FramesIn);
            place.put(ClientEvent::Request { connection, bytes });
        }
    }
}

fn close(connection: &Connection, code: CloseCode) {
    connection.close(code.varint(), code.text().as_bytes());
}

fn close_endpoint(endpoint: &Endpoint) {
    let code = CloseCode::ShuttingDown;
    endpoint.close(code.varint(), code.text().as_bytes());
}
