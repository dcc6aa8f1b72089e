//! The peer port of a node: one UDP socket, a keeper for each peer, and the owner's handle.
//!
//! What it leaves to others: what the frames mean, and sending again what was dropped. The claim it
//! keeps true: no call of the owner's waits, except for closing.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use quinn::{Connection, Endpoint};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::accept::{Acceptor, note, note_error};
use crate::bind_error::BindError;
use crate::calls::{CallLimits, WhenFull};
use crate::counters::{Count, Counters, CountersSnapshot};
use crate::held::HeldPort;
use crate::identity::{ClusterId, Identity, PeerId, Role};
use crate::inbox::{EventSender, Inbox, inbox};
use crate::lanes::{DropReason, Epoch, LaneWaiting, Sent};
use crate::limits;
use crate::link::{Outbound, PlainLane};
use crate::lock::lock;
use crate::peer::{Candidate, LinkCell, PeerTask, PeerTaskConfig, read_hello};
use crate::peer_event::{DownReason, PeerEvent};
use crate::preface::{Hello, Incarnation};
use crate::refusal::{CloseCode, Refusal, Refused};
use crate::setup;
use crate::stream::{FrameReader, ReadFailure};
use crate::tls::Credentials;
use crate::verify::Admission;

/// Says how a node meets its peers.
#[derive(Clone, Debug)]
pub struct PeerConfig {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The certificate of this node; it says which node this is.
    pub credentials: Credentials,
    /// The other members and where to dial them. An address never identifies a peer.
    pub peers: BTreeMap<PeerId, SocketAddr>,
    /// This life of the process; peers see it in `Up`.
    pub incarnation: Incarnation,
    /// The suspicion time; a link silent for two of it is dropped. At least
    /// [`limits::SUSPICION_MIN`].
    pub suspicion: Duration,
}

/// Begins the peer port of a node.
#[derive(Debug)]
pub struct PeerEndpoint;

/// Sends to peers. Cloned freely; the port closes with the last clone.
#[derive(Clone, Debug)]
pub struct PeerHandle {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    endpoint: Endpoint,
    local: SocketAddr,
    slots: BTreeMap<PeerId, Arc<LinkCell>>,
    counters: Arc<Counters>,
    stop: watch::Sender<bool>,
    tasks: Mutex<JoinSet<()>>,
}

impl PeerEndpoint {
    /// Listens, and keeps a link to each peer from here on. Spawns its tasks on the runtime it is
    /// called in.
    ///
    /// # Errors
    /// When the address cannot be had, the certificate is not a node's, the key does not fit it,
    /// or a setting is out of range.
    ///
    /// # Panics
    /// Outside a tokio runtime with time and network.
    pub fn bind(config: PeerConfig) -> Result<(PeerHandle, Inbox<PeerEvent>), BindError> {
        Self::bind_on(HeldPort::bind(config.listen)?, config)
    }

    /// Does as [`PeerEndpoint::bind`] on a port that is held already; `config.listen` is not used.
    ///
    /// # Errors
    /// As [`PeerEndpoint::bind`].
    ///
    /// # Panics
    /// Outside a tokio runtime with time and network.
    pub fn bind_on(
        held: HeldPort,
        config: PeerConfig,
    ) -> Result<(PeerHandle, Inbox<PeerEvent>), BindError> {
        let (cluster, own) = check(&config)?;
        let local = held.local_addr();
        let counters = Arc::new(Counters::default());
        let members = config.peers.keys().copied().collect();
        let admission = Admission::Members { cluster, members };
        let port = setup::peer_port(config.suspicion);
        let server =
            setup::server_config(&config.credentials, port, admission, Arc::clone(&counters))?;
        let endpoint = setup::open(held, Some(server))?;
        let (outlet, events) = inbox(limits::INBOX_EVENTS_MAX, limits::INBOX_BYTES_MAX);
        let (stop, _) = watch::channel(false);
        let mut start = Start { endpoint, counters, outlet, stop, tasks: JoinSet::new() };
        let slots = start.spawn_all(&config, cluster, own)?;
        tracing::info!(node = %own, %local, peers = config.peers.len(), "peer port open");
        let Start { endpoint, counters, stop, tasks, .. } = start;
        let tasks = Mutex::new(tasks);
        let shared = Shared { endpoint, local, slots, counters, stop, tasks };
        Ok((PeerHandle { shared: Arc::new(shared) }, events))
    }
}

impl PeerHandle {
    /// Sends a short and urgent frame of at most [`limits::CONTROL_FRAME_BYTES_MAX`] bytes. Never
    /// waits.
    pub fn send_control(&self, peer: PeerId, frame: Bytes) -> Sent {
        self.send(peer, |link| link.send(PlainLane::Control, frame))
    }

    /// Sends a frame of the log of `epoch`, of at most [`limits::LOG_FRAME_BYTES_MAX`] bytes.
    /// Never waits. A larger epoch than before drops and counts what still waits in the smaller
    /// ones, here and at the peer; a smaller one is dropped as stale. Each link begins anew.
    pub fn send_log(&self, peer: PeerId, epoch: Epoch, frame: Bytes) -> Sent {
        let counters = &self.shared.counters;
        self.send(peer, |link| {
            let (outcome, stale) = link.send_log(epoch, frame);
            counters.add_many(Count::DroppedStale, stale as u64);
            outcome
        })
    }

    /// What waits on the log lane of a peer, with what its writer has under its hand; none without
    /// a link. What was said once and waits there need not be said again.
    #[must_use]
    pub fn log_waiting(&self, peer: PeerId) -> Option<LaneWaiting> {
        let link = self.shared.slots.get(&peer).and_then(|slot| lock(slot).clone());
        link.map(|link| link.log_waiting())
    }

    /// The peers on whose bulk lane something waits, as it does in [`PeerHandle::log_waiting`].
    pub fn with_bulk_waiting(&self) -> impl Iterator<Item = PeerId> + '_ {
        let links = self.shared.slots.iter();
        let links = links.filter_map(|(peer, slot)| Some((*peer, lock(slot).clone()?)));
        links.filter(|(_, link)| link.bulk_waiting().bytes > 0).map(|(peer, _)| peer)
    }

    /// The peers on whose log lane something waits, and what.
    pub fn with_log_waiting(&self) -> impl Iterator<Item = (PeerId, LaneWaiting)> + '_ {
        self.shared.slots.keys().filter_map(|&peer| {
            let waiting = self.log_waiting(peer).filter(|waiting| waiting.bytes > 0)?;
            Some((peer, waiting))
        })
    }

    /// Sends a long and patient frame of at most [`limits::BULK_FRAME_BYTES_MAX`] bytes. Never
    /// waits.
    pub fn send_bulk(&self, peer: PeerId, frame: Bytes) -> Sent {
        self.send(peer, |link| link.send(PlainLane::Bulk, frame))
    }

    /// Sends a datagram, which may be lost or overtaken; about 1100 bytes always fit. Never waits.
    /// A datagram that finds the buffer of 64 KiB full is dropped and counted.
    pub fn send_datagram(&self, peer: PeerId, datagram: Bytes) -> Sent {
        self.send(peer, |link| link.send_datagram(datagram))
    }

    /// Whether a link to the peer stands.
    #[must_use]
    pub fn is_up(&self, peer: PeerId) -> bool {
        self.shared.slots.get(&peer).is_some_and(|slot| lock(slot).is_some())
    }

    /// Where the port listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.shared.local
    }

    /// The counts so far.
    #[must_use]
    pub fn counters(&self) -> CountersSnapshot {
        self.shared.counters.snapshot()
    }

    /// Closes all links with a goodbye and ends the port's tasks; waits at most half a second. The
    /// inbox must be drained meanwhile, or dropped.
    pub async fn close(&self) {
        self.shared.stop.send_replace(true);
        let mut tasks = std::mem::take(&mut *lock(&self.shared.tasks));
        let goodbye = async {
            // The keepers first, who report each link as shut down; closed under their hands it
            // would be lost.
            while tasks.join_next().await.is_some() {}
            let code = CloseCode::ShuttingDown;
            self.shared.endpoint.close(code.varint(), code.text().as_bytes());
            self.shared.endpoint.wait_idle().await;
        };
        if tokio::time::timeout(limits::CLOSE_TIMEOUT, goodbye).await.is_err() {
            tracing::debug!("the peer port closed without every goodbye acknowledged");
        }
    }

    fn send(&self, peer: PeerId, put: impl FnOnce(&Outbound) -> Result<(), DropReason>) -> Sent {
        let link = self.shared.slots.get(&peer).and_then(|slot| lock(slot).clone());
        let outcome = link.map_or(Err(DropReason::NoLink), |link| put(&link));
        let (count, sent) = match outcome {
            Ok(()) => (Count::FramesOut, Sent::Queued),
            Err(reason) => (reason.count(), Sent::Dropped(reason)),
        };
        self.shared.counters.add(count);
        sent
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let code = CloseCode::ShuttingDown;
        self.endpoint.close(code.varint(), code.text().as_bytes());
    }
}

impl std::error::Error for DownReason {}

impl fmt::Display for DownReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent => f.write_str("nothing heard"),
            Self::Superseded => f.write_str("superseded"),
            Self::ClosedByPeer { code, text } => {
                write!(f, "closed by the peer ({code:#x}): {text}")
            }
            Self::Violation(text) => write!(f, "violation: {text}"),
            Self::Lost(text) => write!(f, "lost: {text}"),
            Self::ShuttingDown => f.write_str("shutting down"),
        }
    }
}

/// What is at hand while a port begins.
struct Start {
    endpoint: Endpoint,
    counters: Arc<Counters>,
    outlet: EventSender<PeerEvent>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Start {
    fn spawn_all(
        &mut self,
        config: &PeerConfig,
        cluster: ClusterId,
        own: PeerId,
    ) -> Result<BTreeMap<PeerId, Arc<LinkCell>>, BindError> {
        let mut slots = BTreeMap::new();
        let mut keepers = BTreeMap::new();
        for (&peer, &address) in &config.peers {
            let slot = Arc::new(LinkCell::default());
            let keeper = self.keeper_config(config, cluster, own, peer, address, &slot)?;
            let (sender, candidates) = mpsc::channel(limits::CANDIDATES_MAX);
            self.tasks.spawn(PeerTask::new(keeper, candidates).run(self.stop.subscribe()));
            slots.insert(peer, slot);
            keepers.insert(peer, sender);
        }
        let door = Acceptor {
            limits: CallLimits {
                under_way_max: limits::PEER_HANDSHAKES_MAX,
                kept: limits::PEER_HANDSHAKES_KEPT,
                member_max: limits::DIALS_MAX,
                unproved_max: limits::PEER_HANDSHAKES_FREE,
                when_full: WhenFull::Refuse,
            },
            members: config.peers.values().copied().collect(),
            counters: Arc::clone(&self.counters),
        };
        let keepers = Arc::new(keepers);
        let counters = Arc::clone(&self.counters);
        let greet = move |connection, identity| {
            greet(connection, identity, Arc::clone(&keepers), Arc::clone(&counters))
        };
        self.tasks.spawn(door.keep(self.endpoint.clone(), self.stop.subscribe(), greet));
        Ok(slots)
    }

    fn keeper_config(
        &self,
        config: &PeerConfig,
        cluster: ClusterId,
        own: PeerId,
        peer: PeerId,
        address: SocketAddr,
        slot: &Arc<LinkCell>,
    ) -> Result<PeerTaskConfig, BindError> {
        let dial = setup::dial_config(
            &config.credentials,
            limits::ALPN_PEER,
            setup::peer_transport(config.suspicion),
            Admission::Exactly { cluster, node: peer },
            Arc::clone(&self.counters),
        )?;
        Ok(PeerTaskConfig {
            own,
            peer,
            address,
            hello: Hello { incarnation: config.incarnation },
            suspicion: config.suspicion,
            endpoint: self.endpoint.clone(),
            dial,
            outlet: self.outlet.clone(),
            counters: Arc::clone(&self.counters),
            slot: Arc::clone(slot),
        })
    }
}

type Keepers = BTreeMap<PeerId, mpsc::Sender<Candidate>>;

/// Hears the hello of a peer that called and hands the connection to the peer's keeper.
async fn greet(
    connection: Connection,
    identity: Identity,
    keepers: Arc<Keepers>,
    counters: Arc<Counters>,
) {
    let at = connection.remote_address();
    let keeper = match &identity.role {
        Role::Node(peer) => keepers.get(peer),
        Role::Client(_) => None,
    };
    let Some(keeper) = keeper else {
        // The verifier admits members only; this is the second lock on the same door.
        note(&Refused::here(Refusal::UnknownName, identity.to_string()), at, &counters);
        return connection.close(CloseCode::Identity.varint(), b"no other member");
    };
    // A caller that hangs up before its hello has chosen another of its calls.
    let Ok(stream) = connection.accept_uni().await else { return };
    let mut control = FrameReader::new(stream);
    match read_hello(&mut control).await {
        Ok(hello) => {
            let candidate = Candidate { connection: connection.clone(), control, hello };
            // A keeper with so many before it has its choice, and the caller calls again.
            if keeper.try_send(candidate).is_err() {
                close_overloaded(&connection);
            }
        }
        Err(ReadFailure::Reset) => {}
        Err(ReadFailure::Lost(error)) => note_error(&error, at, &counters),
        Err(ReadFailure::Breach(breach)) => {
            breach.close(&connection);
            breach.note(at, &counters);
        }
    }
}

fn close_overloaded(connection: &Connection) {
    let code = CloseCode::Overloaded;
    connection.close(code.varint(), code.text().as_bytes());
}

fn check(config: &PeerConfig) -> Result<(ClusterId, PeerId), BindError> {
    let identity = config.credentials.identity();
    let Role::Node(own) = identity.role else {
        return Err(BindError::Role { identity: identity.to_string(), wanted: "node" });
    };
    if config.peers.contains_key(&own) {
        return Err(BindError::Setting(format!("node {own} is listed among its own peers")));
    }
    if config.suspicion < limits::SUSPICION_MIN {
        let (least, got) = (limits::SUSPICION_MIN, config.suspicion);
        return Err(BindError::Setting(format!("a suspicion time of {got:?} is below {least:?}")));
    }
    Ok((identity.cluster, own))
}
