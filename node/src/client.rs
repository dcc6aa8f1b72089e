//! A client of the cluster: many logical sessions over one connection to each node.
//!
//! The core's sans-IO client finds the leader, repeats attempts inside its session and says truly
//! how an operation ended; here it gets connections and a clock. One task (`client_task`) owns all
//! of the sessions, and one task for each node (`link`) keeps the connection. The claim kept true:
//! an attempt that never left this process is told as such, so that its fate is not left open
//! without need; one that may have left is never told so.

mod client_task;
mod link;
mod pace;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use synod_host::Jitter;
use synod_host::paxos::NodeId;
use synod_host::smr::client::{Operation, Outcome, Reason};
use synod_host::smr::{RequestBody, Response, Status};
use synod_transport_quic::{BindError, Credentials, TlsError};
use tokio::sync::{mpsc, oneshot};

use crate::config::TlsFiles;
use crate::world::{self, Surroundings, System};
use client_task::{ClientOrder, ClientTask};

/// Where the nodes are, and who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientConfig {
    /// Where the nodes listen to clients.
    pub nodes: BTreeMap<NodeId, SocketAddr>,
    /// The certificates.
    pub tls: TlsFiles,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// No node is named: the caller's fault.
    #[error("a client needs at least one node to talk to")]
    NoNodes,
    /// The certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// There is no socket, or the certificate is not a client's.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The system has no randomness.
    #[error("the system refused random bytes: {0}")]
    Random(std::io::Error),
}

/// Talks to a cluster. Cloned freely; the connections close with the last clone and session.
///
/// # Examples
///
/// See `examples/counter.rs`.
#[derive(Clone, Debug)]
pub struct Client {
    orders: mpsc::Sender<ClientOrder>,
    closes: mpsc::UnboundedSender<SessionKey>,
    last_session: Arc<AtomicU32>,
    connection_errors: ConnectionErrors,
}

/// One logical client: its commands are applied once each, however often they are sent.
///
/// Commands that are under way at the same time may be applied in any order.
#[derive(Debug)]
pub struct Session {
    key: SessionKey,
    orders: mpsc::Sender<ClientOrder>,
    /// Without a bound of its own, as a drop cannot wait: each session says one word there, ever.
    closes: mpsc::UnboundedSender<SessionKey>,
}

/// Tells the sessions of one client apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SessionKey(u32);

/// What each node was last heard to fail with; empty for those that are connected.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConnectionErrors(Arc<Mutex<BTreeMap<NodeId, String>>>);

impl Client {
    /// Begins to connect to all nodes. Spawns its tasks on the runtime it is called in.
    ///
    /// # Errors
    ///
    /// When the certificates, the socket or the list of nodes cannot be used. A node that does
    /// not answer is no error: operations wait for it, up to their time.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with time and network.
    pub fn connect(config: &ClientConfig) -> Result<Self, ClientError> {
        let TlsFiles { authority, certificate, key } = &config.tls;
        Self::with_credentials(&config.nodes, &Credentials::load(authority, certificate, key)?)
    }

    /// Begins to connect, with credentials that are at hand.
    ///
    /// # Errors
    ///
    /// As [`Client::connect`] does.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with time and network.
    pub fn with_credentials(
        nodes: &BTreeMap<NodeId, SocketAddr>,
        credentials: &Credentials,
    ) -> Result<Self, ClientError> {
        Self::connect_in(&System, nodes, credentials)
    }

    /// Does as [`Client::with_credentials`] in other surroundings, whose date counts.
    ///
    /// # Errors
    ///
    /// As [`Client::connect`] does.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with time.
    pub fn connect_in(
        surroundings: &impl Surroundings,
        nodes: &BTreeMap<NodeId, SocketAddr>,
        credentials: &Credentials,
    ) -> Result<Self, ClientError> {
        if nodes.is_empty() {
            return Err(ClientError::NoNodes);
        }
        let name = world::name(surroundings).map_err(ClientError::Random)?;
        let seed = world::seed(surroundings).map_err(ClientError::Random)?;
        let mut jitter = Jitter::seeded(seed);
        let credentials = credentials.clone().dated_by(surroundings.wall());
        let connection_errors = ConnectionErrors::default();
        let links = link::open(surroundings, nodes, &credentials, &connection_errors, &mut jitter)?;
        let (orders, events) = mpsc::channel(ORDERS_MAX);
        let (closes, closed) = mpsc::unbounded_channel();
        let task = ClientTask::new(nodes.keys().copied().collect(), links, name);
        tokio::spawn(task.run(events, closed));
        Ok(Self { orders, closes, last_session: Arc::default(), connection_errors })
    }

    /// Opens a logical client; the cluster hears of it with its first command.
    #[must_use]
    pub fn session(&self) -> Session {
        let key = SessionKey(self.last_session.fetch_add(1, Ordering::Relaxed) + 1);
        Session { key, orders: self.orders.clone(), closes: self.closes.clone() }
    }

    /// Asks one node how it is doing; none if it does not answer in time, or is not known.
    pub async fn status(&self, node: NodeId, timeout: Duration) -> Option<Status> {
        match self.ask(node, RequestBody::Status, timeout).await? {
            Response::Status(status) => Some(status),
            Response::Opened(_)
            | Response::Reply(_)
            | Response::Refused(_)
            | Response::Uncertain { .. }
            | Response::Snapshot { .. } => None,
        }
    }

    /// Asks one node something outside of any session; none if it does not answer in time.
    pub(crate) async fn ask(
        &self,
        node: NodeId,
        question: RequestBody,
        timeout: Duration,
    ) -> Option<Response> {
        let (answer, answered) = oneshot::channel();
        let asked = async {
            self.orders.send(ClientOrder::Ask { node, question, answer }).await.ok()?;
            answered.await.ok()
        };
        tokio::time::timeout(timeout, asked).await.ok().flatten()
    }

    /// Says why a node has not answered, as far as it is known.
    pub(crate) fn trouble_with(&self, node: NodeId, within_ms: u64) -> String {
        let trouble = self.connection_errors.of(node);
        trouble.unwrap_or_else(|| format!("no answer within {within_ms} ms"))
    }

    /// Says in one line which nodes could not be talked to and why; empty if all can.
    #[must_use]
    pub fn connection_errors(&self) -> String {
        self.connection_errors.line()
    }
}

impl Session {
    /// Has a command applied.
    ///
    /// After `timeout` the outcome is what is known then. At most 32 commands of a session are
    /// sent at once; further ones wait.
    pub async fn command(&self, command: impl Into<Bytes>, timeout: Duration) -> Outcome {
        self.submit(Operation::Command(command.into()), timeout).await
    }

    /// Has a question answered from a state that is not older than the question.
    pub async fn query(&self, query: impl Into<Bytes>, timeout: Duration) -> Outcome {
        self.submit(Operation::Query(query.into()), timeout).await
    }

    async fn submit(&self, operation: Operation, timeout: Duration) -> Outcome {
        let (answer, answered) = oneshot::channel();
        let order = ClientOrder::Submit { key: self.key, operation, timeout, answer };
        if self.orders.send(order).await.is_err() {
            // An order that nobody took has left nothing anywhere.
            return Outcome::NotApplied(Reason::Deadline(None));
        }
        // The task answers everything it has taken, unless its runtime ends under it.
        answered.await.unwrap_or(Outcome::Unknown(Reason::Deadline(None)))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // A task that has ended holds no session.
        let _ = self.closes.send(self.key);
    }
}

impl ConnectionErrors {
    pub(crate) fn note(&self, node: NodeId, trouble: impl Into<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(node, trouble.into());
    }

    pub(crate) fn clear(&self, node: NodeId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&node);
    }

    fn of(&self, node: NodeId) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&node).cloned()
    }

    fn line(&self) -> String {
        let connection_errors = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Nodes often fail alike: what is wrong with all of them is said once.
        let mut alike: Vec<(&str, Vec<NodeId>)> = Vec::new();
        for (&node, trouble) in &*connection_errors {
            match alike.iter_mut().find(|(known, _)| known == trouble) {
                Some((_, nodes)) => nodes.push(node),
                None => alike.push((trouble, vec![node])),
            }
        }
        let mut line = String::new();
        for (trouble, nodes) in alike {
            let semicolon = if line.is_empty() { "" } else { "; " };
            let node = if nodes.len() == 1 { "node" } else { "nodes" };
            let names = nodes.iter().map(NodeId::to_string).collect::<Vec<_>>().join(", ");
            write!(line, "{semicolon}{node} {names}: {trouble}").expect("memory takes it");
        }
        line
    }
}

/// How many orders of sessions may wait for the task.
const ORDERS_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may end where its premise fails")]

    use super::*;

    #[test]
    fn what_is_wrong_with_several_nodes_is_said_once() {
        let connection_errors = ConnectionErrors::default();
        for (node, trouble) in [(1, "a"), (2, "b"), (3, "a"), (4, "c")] {
            connection_errors.note(NodeId::new(node), trouble);
        }
        connection_errors.clear(NodeId::new(4));
        assert_eq!(connection_errors.line(), "nodes 1, 3: a; node 2: b");
    }

    #[test]
    fn a_session_says_goodbye_though_the_queue_of_orders_is_full() {
        let (orders, _full) = mpsc::channel(1);
        let (answer, _) = oneshot::channel();
        let question = RequestBody::Status;
        orders.try_send(ClientOrder::Ask { node: NodeId::new(1), question, answer }).unwrap();
        let (closes, mut closed) = mpsc::unbounded_channel();
        let (last_session, connection_errors) = (Arc::default(), ConnectionErrors::default());
        let client = Client { orders, closes, last_session, connection_errors };
        drop(client.session());
        assert_eq!(closed.try_recv(), Ok(SessionKey(1)));
    }
}
