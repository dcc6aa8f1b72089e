//! The connections of a client: one to each node, made again whenever it is lost.
//!
//! A task for each node dials, reads replies until the connection ends, and dials again. A
//! connection is kept whether its node leads or not. A node that was asked something and says
//! nothing for a while is asked how it is doing; if it stays silent, the connection is made anew.
//! Which node to ask and what the replies mean is the client task's business. The claims kept true:
//! a connection over which nothing is asked costs its node nothing but QUIC's own sign of life; and
//! whatever goes wrong at once with many clients, their dials spread and thin out, so that a node
//! that is slow from too many of them gets fewer.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use synod_host::paxos::NodeId;
use synod_host::smr::wire::encode_request;
use synod_host::smr::{Request, RequestBody, RequestId};
use synod_transport_quic::{
    ClientConnection, ClientDialer, ClientSender, ConnectError, Credentials, PeerId, Sent,
};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::pace::Pace;
use super::{ClientError, ConnectionErrors};
use crate::world::Surroundings;
use synod_host::Jitter;

/// What happens on the connections.
#[derive(Debug)]
pub(crate) enum LinkEvent {
    /// A connection stands.
    Up(NodeId, LinkSender),
    /// A reply came.
    Reply(NodeId, Bytes),
    /// The connection is gone; what was asked over it may have been heard.
    Down(NodeId),
    /// No connection came about; if it was denied, for a reason that does not pass by itself.
    NotUp { node: NodeId, is_denied: bool },
}

/// Sends requests over a connection, and sees to it that its silence is noticed.
#[derive(Clone, Debug)]
pub(crate) struct LinkSender {
    sender: ClientSender,
    asked: Arc<Notify>,
}

/// All connections; dropping it ends them.
#[derive(Debug)]
pub(crate) struct Links {
    pub(crate) events: mpsc::Receiver<LinkEvent>,
    _tasks: JoinSet<()>,
}

#[cfg(test)]
impl Links {
    /// Makes links of which nothing comes but what a test sends.
    pub(crate) fn of(events: mpsc::Receiver<LinkEvent>) -> Self {
        Self { events, _tasks: JoinSet::new() }
    }
}

/// Begins to dial every node.
pub(crate) fn open(
    surroundings: &impl Surroundings,
    nodes: &BTreeMap<NodeId, SocketAddr>,
    credentials: &Credentials,
    connection_errors: &ConnectionErrors,
    jitter: &mut Jitter,
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
            None => {
                let (held, turns) = (surroundings.hold(local)?, surroundings.turns());
                ClientDialer::bind_on(held, credentials.clone(), turns)?
            }
        };
        dialers.insert(address.is_ipv4(), dialer.clone());
        let pace = Pace::new(Jitter::seeded(jitter.next()));
        let (events, connection_errors) = (sender.clone(), connection_errors.clone());
        tasks.spawn(Link { node, address, dialer, events, connection_errors }.keep(pace));
    }
    Ok(Links { events, _tasks: tasks })
}

impl LinkSender {
    /// Tells whether a request of so many bytes would be one too many.
    pub(crate) fn is_full_for(&self, bytes: usize) -> bool {
        self.sender.is_full_for(bytes)
    }

    /// Sends a request; see [`ClientSender::send`].
    pub(crate) fn send(&self, request: Bytes) -> Sent {
        self.asked.notify_one();
        self.sender.send(request)
    }
}

struct Link {
    node: NodeId,
    address: SocketAddr,
    dialer: ClientDialer,
    events: mpsc::Sender<LinkEvent>,
    connection_errors: ConnectionErrors,
}

impl Link {
    /// Keeps a connection to the node until nobody listens to its events.
    async fn keep(self, mut pace: Pace) {
        self.connection_errors.note(self.node, "not connected yet");
        loop {
            let (patience, peer) = (pace.patience(), PeerId(self.node.number()));
            let trouble = match self.dialer.connect_within(patience, self.address, peer).await {
                Ok(connection) => {
                    pace.on_connected();
                    match self.serve(connection).await {
                        Some(reason) => reason,
                        None => return,
                    }
                }
                Err(error) => {
                    let not_up = LinkEvent::NotUp { node: self.node, is_denied: is_denial(&error) };
                    if self.events.send(not_up).await.is_err() {
                        return;
                    }
                    if let ConnectError::TimedOut(_, at) = error {
                        // The node is named where the trouble is told.
                        format!("nothing answered at {at}")
                    } else {
                        error.to_string()
                    }
                }
            };
            tracing::debug!(node = %self.node, trouble, "no connection");
            self.connection_errors.note(self.node, trouble);
            if self.events.is_closed() {
                return;
            }
            sleep(pace.next_wait()).await;
        }
    }

    /// Passes replies on until the connection ends, and says why; none if nobody listens.
    async fn serve(&self, connection: ClientConnection) -> Option<String> {
        let (sender, mut receiver) = connection.split();
        let asked = Arc::new(Notify::new());
        self.connection_errors.clear(self.node);
        let up = LinkSender { sender: sender.clone(), asked: Arc::clone(&asked) };
        self.events.send(LinkEvent::Up(self.node, up)).await.ok()?;
        let mut awaited = WaitKey::Nothing;
        let reason = loop {
            let received = tokio::select! {
                received = receiver.recv() => received,
                // Only the first question since the last answer begins the wait: if each did,
                // whoever asks often enough would wait without end.
                () = asked.notified(), if awaited == WaitKey::Nothing => {
                    awaited = WaitKey::Since { probes: 0 };
                    continue;
                }
                () = awaited.too_long() => match awaited.probed() {
                    Some(next) => {
                        awaited = next;
                        sender.send(probe());
                        continue;
                    }
                    None => break format!("{} fell silent", self.address),
                },
            };
            match received {
                Ok(reply) => {
                    awaited = WaitKey::Nothing;
                    self.events.send(LinkEvent::Reply(self.node, reply)).await.ok()?;
                }
                Err(reason) => break reason.to_string(),
            }
        };
        self.events.send(LinkEvent::Down(self.node)).await.ok()?;
        Some(reason)
    }
}

/// Tells whether a dial failed for a reason that does not pass by itself.
fn is_denial(error: &ConnectError) -> bool {
    matches!(error, ConnectError::Refused(refused) if !refused.reason.may_pass())
}

/// What is awaited of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WaitKey {
    /// Nothing: it has answered since it was last asked.
    Nothing,
    /// An answer, after so many probes.
    Since { probes: u32 },
}

impl WaitKey {
    /// Waits until the next probe is due, or for ever if nothing is awaited.
    async fn too_long(self) {
        match self {
            Self::Nothing => std::future::pending().await,
            Self::Since { probes } => sleep(PROBE * 2_u32.pow(probes)).await,
        }
    }

    /// Counts one more probe; none if there were enough.
    fn probed(self) -> Option<Self> {
        match self {
            Self::Nothing => Some(self),
            Self::Since { probes } if probes < PROBES_MAX => {
                Some(Self::Since { probes: probes + 1 })
            }
            Self::Since { .. } => None,
        }
    }
}

/// Returns the question that keeps a silent connection honest. Every node answers it by itself, and
/// no session has its number.
fn probe() -> Bytes {
    encode_request(&Request { id: RequestId(0), body: RequestBody::Status })
}

/// A node that has not answered for this long is probed; each further probe waits twice as long as
/// the one before, as a node that is slow under load is not helped by being called anew.
const PROBE: Duration = Duration::from_millis(150);

/// This many probes without any answer end a connection, 38 seconds after its last word. A node
/// whose state machine takes long answers nothing meanwhile, and its answer comes over this
/// connection; one that is gone is found out by QUIC, and where else to ask is for the client to
/// say.
const PROBES_MAX: u32 = 7;

const _: () = assert!(
    PROBE.as_millis() * ((1 << (PROBES_MAX + 1)) - 1) > synod_host::HELD_UP_MAX.as_millis(),
    "a node that is held up for as long as it may be keeps its connections"
);

/// How many events may wait for the task; past it replies wait in their streams.
const EVENTS_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;
    use tokio_test::{assert_pending, task};

    #[tokio::test(start_paused = true)]
    async fn who_was_asked_nothing_is_not_probed() {
        let mut idle = task::spawn(WaitKey::Nothing.too_long());
        assert_pending!(idle.poll());
        advance(Duration::from_secs(3600)).await;
        assert_pending!(idle.poll());
    }

    #[tokio::test(start_paused = true)]
    async fn probes_come_later_and_later_and_end() {
        let (mut awaited, mut waited) = (WaitKey::Since { probes: 0 }, Duration::ZERO);
        let mut waits = Vec::new();
        loop {
            let mut wait = task::spawn(awaited.too_long());
            assert_pending!(wait.poll());
            let begin = waited;
            while wait.poll().is_pending() {
                advance(Duration::from_millis(50)).await;
                waited += Duration::from_millis(50);
            }
            waits.push(waited - begin);
            match awaited.probed() {
                Some(next) => awaited = next,
                None => break,
            }
        }
        assert!(waits.windows(2).all(|pair| pair[1] > pair[0]), "{waits:?}");
        let probes = u32::try_from(waits.len()).unwrap_or(u32::MAX) - 1;
        assert_eq!(probes, PROBES_MAX);
        assert!(waited > synod_host::HELD_UP_MAX, "{waited:?}");
    }
}
