//! The connections of a client: one to each node, made again whenever it is lost.
//!
//! A task for each node dials, reads replies until the connection ends, and dials again. A node
//! that says nothing for a while is asked how it is doing; if it stays silent, the connection is
//! made anew, as a process that was killed and restarted knows nothing of the old one. Which node
//! to ask and what the replies mean is the hub's business.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use synod_host::paxos::NodeId;
use synod_host::smr::wire::client::encode_request;
use synod_host::smr::{Request, RequestBody, RequestId};
use synod_transport_quic::{ClientConnection, ClientDialer, ClientSender, Credentials, PeerId};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::{ClientError, Troubles};

/// What happens on the connections.
#[derive(Debug)]
pub(crate) enum LinkEvent {
    /// A connection stands.
    Up(NodeId, ClientSender),
    /// A reply came.
    Reply(NodeId, Bytes),
    /// The connection is gone; what was asked over it may have been heard.
    Down(NodeId),
}

/// All connections; dropping it ends them.
#[derive(Debug)]
pub(crate) struct Links {
    pub(crate) events: mpsc::Receiver<LinkEvent>,
    _tasks: JoinSet<()>,
}

/// Begins to dial every node.
pub(crate) fn open(
    nodes: &BTreeMap<NodeId, SocketAddr>,
    credentials: &Credentials,
    troubles: &Troubles,
) -> Result<Links, ClientError> {
    let (sender, events) = mpsc::channel(EVENTS_MAX);
    let mut dialers: BTreeMap<bool, ClientDialer> = BTreeMap::new();
    let mut tasks = JoinSet::new();
    for (&node, &address) in nodes {
        let local: SocketAddr = if address.is_ipv4() {
            (Ipv4Addr::UNSPECIFIED, 0).into()
        } else {
            (Ipv6Addr::UNSPECIFIED, 0).into()
        };
        let dialer = match dialers.get(&address.is_ipv4()) {
            Some(dialer) => dialer.clone(),
            None => ClientDialer::bind(local, credentials.clone())?,
        };
        dialers.insert(address.is_ipv4(), dialer.clone());
        let link =
            Link { node, address, dialer, events: sender.clone(), troubles: troubles.clone() };
        tasks.spawn(link.keep());
    }
    Ok(Links { events, _tasks: tasks })
}

struct Link {
    node: NodeId,
    address: SocketAddr,
    dialer: ClientDialer,
    events: mpsc::Sender<LinkEvent>,
    troubles: Troubles,
}

impl Link {
    /// Keeps a connection to the node until nobody listens to its events.
    async fn keep(self) {
        self.troubles.note(self.node, "not connected yet");
        loop {
            let dial = self.dialer.connect(self.address, PeerId(self.node.number()));
            let trouble = match timeout(DIAL_TIMEOUT, dial).await {
                Ok(Ok(connection)) => match self.serve(connection).await {
                    Some(reason) => reason,
                    None => return,
                },
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("{} does not answer", self.address),
            };
            tracing::debug!(node = %self.node, trouble, "no connection");
            self.troubles.note(self.node, trouble);
            if self.events.is_closed() {
                return;
            }
            sleep(REDIAL).await;
        }
    }

    /// Passes replies on until the connection ends, and says why; none if nobody listens.
    async fn serve(&self, connection: ClientConnection) -> Option<String> {
        let (sender, mut receiver) = connection.split();
        self.troubles.clear(self.node);
        self.events.send(LinkEvent::Up(self.node, sender.clone())).await.ok()?;
        let mut unanswered = 0;
        let reason = loop {
            match timeout(PROBE, receiver.recv()).await {
                Ok(Ok(reply)) => {
                    unanswered = 0;
                    self.events.send(LinkEvent::Reply(self.node, reply)).await.ok()?;
                }
                Ok(Err(reason)) => break reason.to_string(),
                Err(_) if unanswered == PROBES_MAX => {
                    break format!("{} fell silent", self.address);
                }
                Err(_) => {
                    unanswered += 1;
                    sender.send(probe());
                }
            }
        };
        self.events.send(LinkEvent::Down(self.node)).await.ok()?;
        Some(reason)
    }
}

/// Returns the question that keeps a silent connection honest. Every node answers it by itself, and
/// no session has its number.
fn probe() -> Bytes {
    encode_request(&Request { id: RequestId(0), body: RequestBody::Status })
}

/// A connection that was silent for this long is probed.
const PROBE: Duration = Duration::from_millis(150);

/// This many probes without any answer end a connection.
const PROBES_MAX: u32 = 3;

/// How many events may wait for the hub; past it replies wait in their streams.
const EVENTS_MAX: usize = 1024;

/// How long one dial may take: a node that was down when the dial began is not waited for long.
const DIAL_TIMEOUT: Duration = Duration::from_secs(1);

/// The wait between two dials of one node.
const REDIAL: Duration = Duration::from_millis(100);
