//! A client's own end: dials nodes and talks to each over one stream of frames.
//!
//! What it leaves to others: which node to ask, when to try again, and which reply belongs to which
//! request. The claim it keeps true: a connection is given out only after the node that was meant
//! has answered on it.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use quinn::{Connection, ConnectionError, Endpoint};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::accept::note;
use crate::bind_error::BindError;
use crate::counters::{Count, Counters, CountersSnapshot};
use crate::held::HeldPort;
use crate::identity::{ClusterId, PeerId, Role};
use crate::lanes::{DropReason, LaneQueue, Sent};
use crate::limits;
use crate::peer_event::DownReason;
use crate::preface::{Hello, Incarnation};
use crate::refusal::{CloseCode, Refusal, Refused, shorten};
use crate::setup::{self, SERVER_NAME};
use crate::stream::{FrameReader, FrameWriter, ReadFailure};
use crate::tls::Credentials;
use crate::turn::Turns;
use crate::verify::Admission;

/// Says why a client has no connection to a node.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// One end refused the other.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Nothing answered in time.
    #[error("node {0} at {1} did not answer in time")]
    TimedOut(PeerId, SocketAddr),
    /// The connection was lost before the first answer.
    #[error("connection lost: {0}")]
    Lost(String),
    /// The socket or the credentials cannot be used.
    #[error(transparent)]
    Bind(#[from] BindError),
}

/// Dials nodes from one UDP socket. Cloned freely.
#[derive(Clone, Debug)]
pub struct ClientDialer {
    endpoint: Endpoint,
    credentials: Credentials,
    cluster: ClusterId,
    counters: Arc<Counters>,
    turns: Turns,
}

/// Talks to one node. Dropping it, or both its halves, closes the connection.
#[derive(Debug)]
pub struct ClientConnection {
    sender: ClientSender,
    receiver: ClientReceiver,
}

/// The sending half of a connection. Cloned freely.
#[derive(Clone, Debug)]
pub struct ClientSender {
    connection: Connection,
    requests: Arc<LaneQueue>,
    counters: Arc<Counters>,
    shared: Arc<Shared>,
}

/// The receiving half of a connection.
#[derive(Debug)]
pub struct ClientReceiver {
    connection: Connection,
    reader: FrameReader,
    incarnation: Incarnation,
    counters: Arc<Counters>,
    _shared: Arc<Shared>,
}

/// What both halves hold: the last of them says goodbye.
#[derive(Debug)]
struct Shared {
    connection: Connection,
    /// The writer's task, which ends with the last half.
    _writer: Mutex<JoinSet<()>>,
}

impl ClientDialer {
    /// Opens a socket at `local`, whose port is usually 0. Both IP versions need a dialer each.
    ///
    /// # Errors
    /// When the socket cannot be had or the certificate is not a client's.
    ///
    /// # Panics
    /// Outside a tokio runtime with time and network.
    pub fn bind(local: SocketAddr, credentials: Credentials) -> Result<Self, BindError> {
        Self::bind_on(HeldPort::bind(local)?, credentials, Turns::of_process())
    }

    /// Does as [`ClientDialer::bind`] on a port that is held already, and shares its turns at
    /// dialing with whoever else was given them.
    ///
    /// # Errors
    /// As [`ClientDialer::bind`] does.
    ///
    /// # Panics
    /// Outside a tokio runtime with time and network.
    pub fn bind_on(
        held: HeldPort,
        credentials: Credentials,
        turns: Turns,
    ) -> Result<Self, BindError> {
        // A node would be refused at each client port, so it is told of before it dials.
        let identity = credentials.identity().clone();
        if !matches!(identity.role, Role::Client(_)) {
            return Err(BindError::Role { identity: identity.to_string(), wanted: "client" });
        }
        let endpoint = setup::open(held, None)?;
        let counters = Arc::new(Counters::of_dialer());
        Ok(Self { endpoint, credentials, cluster: identity.cluster, counters, turns })
    }

    /// Connects to `node` at `address` and waits for its first answer, at most
    /// [`limits::CLIENT_CONNECT_TIMEOUT`] from the turn on: at most [`limits::CLIENT_DIALS_MAX`]
    /// dials of one address run in this process at once, and further ones wait for theirs.
    ///
    /// # Errors
    /// When nothing answers, when another node or another cluster answers, or when the node
    /// refuses this client.
    pub async fn connect(
        &self,
        address: SocketAddr,
        node: PeerId,
    ) -> Result<ClientConnection, ConnectError> {
        self.connect_within(limits::CLIENT_CONNECT_TIMEOUT, address, node).await
    }

    /// Connects as [`ClientDialer::connect`] does, and waits at most `patience` from its turn on.
    ///
    /// # Errors
    /// As [`ClientDialer::connect`] does.
    pub async fn connect_within(
        &self,
        patience: Duration,
        address: SocketAddr,
        node: PeerId,
    ) -> Result<ClientConnection, ConnectError> {
        // The patience is for the node, and so begins with the dial's turn and not before it.
        let _turn = self.turns.turn(address).await;
        self.counters.add(Count::Dials);
        let outcome = timeout(patience, self.try_connect(address, node))
            .await
            .unwrap_or(Err(ConnectError::TimedOut(node, address)));
        if let Err(ConnectError::Refused(refused)) = &outcome {
            note(refused, address, &self.counters);
        }
        outcome
    }

    /// The counts of all connections of this dialer.
    #[must_use]
    pub fn counters(&self) -> CountersSnapshot {
        self.counters.snapshot()
    }

    /// Closes all connections with a goodbye; waits at most half a second.
    pub async fn close(&self) {
        let code = CloseCode::ClosedByOwner;
        self.endpoint.close(code.varint(), code.text().as_bytes());
        if timeout(limits::CLOSE_TIMEOUT, self.endpoint.wait_idle()).await.is_err() {
            tracing::debug!("closed without every goodbye acknowledged");
        }
    }

    async fn try_connect(
        &self,
        address: SocketAddr,
        node: PeerId,
    ) -> Result<ClientConnection, ConnectError> {
        let config = setup::dial_config(
            &self.credentials,
            limits::ALPN_CLIENT,
            setup::client_transport(),
            Admission::Exactly { cluster: self.cluster, node },
            Arc::clone(&self.counters),
        )
        .map_err(BindError::Tls)?;
        let connecting = self
            .endpoint
            .connect_with(config, address, SERVER_NAME)
            .map_err(|error| ConnectError::Lost(error.to_string()))?;
        let connection = connecting.await.map_err(|error| connect_error(&error))?;
        let (writer, mut reader) = open_stream(&connection).await?;
        let hello = match reader.hello().await {
            Ok(hello) => hello,
            Err(failure) => return Err(hello_error(&connection, failure).await),
        };
        reader.set_limit(limits::CLIENT_FRAME_BYTES_MAX);
        Ok(ClientConnection::new(connection, writer, reader, hello, &self.counters))
    }
}

impl ClientConnection {
    /// Connects over a socket of its own; see [`ClientDialer::connect`].
    ///
    /// # Errors
    /// As [`ClientDialer::bind`] and [`ClientDialer::connect`] do.
    ///
    /// # Panics
    /// Outside a tokio runtime with time and network.
    pub async fn connect(
        address: SocketAddr,
        node: PeerId,
        credentials: Credentials,
    ) -> Result<Self, ConnectError> {
        // The socket has to be of the family of the address that it dials.
        let local: SocketAddr = if address.is_ipv4() {
            (Ipv4Addr::UNSPECIFIED, 0).into()
        } else {
            (Ipv6Addr::UNSPECIFIED, 0).into()
        };
        ClientDialer::bind(local, credentials)?.connect(address, node).await
    }

    /// Sends a request; see [`ClientSender::send`].
    pub fn send(&self, request: Bytes) -> Sent {
        self.sender.send(request)
    }

    /// Waits for the next reply; see [`ClientReceiver::recv`].
    ///
    /// # Errors
    /// When the connection has ended, for the reason given.
    pub async fn recv(&mut self) -> Result<Bytes, DownReason> {
        self.receiver.recv().await
    }

    /// The life of the node's process.
    #[must_use]
    pub const fn incarnation(&self) -> Incarnation {
        self.receiver.incarnation
    }

    /// Parts the halves, for two tasks.
    #[must_use]
    pub fn split(self) -> (ClientSender, ClientReceiver) {
        (self.sender, self.receiver)
    }

    fn new(
        connection: Connection,
        writer: FrameWriter,
        reader: FrameReader,
        hello: Hello,
        counters: &Arc<Counters>,
    ) -> Self {
        let requests = Arc::new(LaneQueue::with_bounds(
            limits::CLIENT_REQUESTS_BYTES_MAX,
            limits::CLIENT_FRAME_BYTES_MAX,
            None,
        ));
        let mut tasks = JoinSet::new();
        tasks.spawn(writer.run(Arc::clone(&requests)));
        let shared =
            Arc::new(Shared { connection: connection.clone(), _writer: Mutex::new(tasks) });
        let sender = ClientSender {
            connection: connection.clone(),
            requests,
            counters: Arc::clone(counters),
            shared: Arc::clone(&shared),
        };
        let receiver = ClientReceiver {
            connection,
            reader,
            incarnation: hello.incarnation,
            counters: Arc::clone(counters),
            _shared: shared,
        };
        Self { sender, receiver }
    }
}

impl ClientSender {
    /// Sends a request of at most [`limits::CLIENT_FRAME_BYTES_MAX`] bytes. Never waits: when
    /// [`limits::CLIENT_REQUESTS_BYTES_MAX`] bytes wait already, the request is dropped.
    pub fn send(&self, request: Bytes) -> Sent {
        // The queue would take it all the same, and nobody write it.
        if self.connection.close_reason().is_some() {
            self.counters.add(Count::DroppedNoLink);
            return Sent::Dropped(DropReason::NoLink);
        }
        match self.requests.push(request) {
            Ok(()) => {
                self.counters.add(Count::FramesOut);
                Sent::Queued
            }
            Err(reason) => {
                self.counters.add(reason.count());
                Sent::Dropped(reason)
            }
        }
    }

    /// Tells whether a request of so many bytes would be dropped as one too many, so that its
    /// owner need not make it.
    #[must_use]
    pub fn is_full_for(&self, bytes: usize) -> bool {
        self.requests.is_full_for(bytes)
    }

    /// Waits until the connection has ended, and says why.
    pub async fn closed(&self) -> DownReason {
        DownReason::from_error(&self.connection.closed().await)
    }

    /// Closes the connection; requests that wait are lost.
    pub fn close(&self) {
        self.shared.say_goodbye();
    }
}

impl Shared {
    fn say_goodbye(&self) {
        let code = CloseCode::ClosedByOwner;
        self.connection.close(code.varint(), code.text().as_bytes());
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.say_goodbye();
    }
}

impl ClientReceiver {
    /// Waits for the next reply. Cancel-safe. Replies that are not received hold the node's
    /// sending back, and in the end make it close the connection.
    ///
    /// # Errors
    /// When the connection has ended, for the reason given.
    pub async fn recv(&mut self) -> Result<Bytes, DownReason> {
        match self.reader.next().await {
            Ok(Some(bytes)) => {
                self.counters.add(Count::FramesIn);
                Ok(bytes)
            }
            // A node ends or resets the stream only together with the connection, whose end says
            // why.
            Ok(None) | Err(ReadFailure::Reset) => {
                Err(DownReason::from_error(&self.connection.closed().await))
            }
            Err(ReadFailure::Lost(error)) => Err(DownReason::from_error(&error)),
            Err(ReadFailure::Breach(breach)) => {
                self.counters.add(Count::Violations);
                breach.close(&self.connection);
                Err(DownReason::Violation(breach.text))
            }
        }
    }
}

async fn open_stream(connection: &Connection) -> Result<(FrameWriter, FrameReader), ConnectError> {
    // A client has no life that a node would care about; its sessions are the users' matter.
    let hello = Hello { incarnation: Incarnation(0) };
    match FrameWriter::open_client(connection, hello).await {
        Ok(stream) => Ok(stream),
        // Nobody stops a stream that was opened a moment ago: the connection is gone.
        Err(_) => Err(connect_error(&connection.closed().await)),
    }
}

async fn hello_error(connection: &Connection, failure: ReadFailure) -> ConnectError {
    match failure {
        ReadFailure::Lost(error) => connect_error(&error),
        ReadFailure::Reset => connect_error(&connection.closed().await),
        ReadFailure::Breach(breach) => {
            breach.close(connection);
            let reason = if breach.code == CloseCode::WrongVersion {
                Refusal::WrongVersion
            } else {
                Refusal::Other
            };
            ConnectError::Refused(Refused::here(reason, breach.text))
        }
    }
}

fn connect_error(error: &ConnectionError) -> ConnectError {
    match Refused::from_error(error) {
        Some(refused) => ConnectError::Refused(refused),
        None => ConnectError::Lost(shorten(&error.to_string())),
    }
}
