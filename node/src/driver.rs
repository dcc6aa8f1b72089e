//! The loop of a node: it hands the host what is ready, and carries out what comes of it.
//!
//! One thread does both networks, replica and apply; the journal has its own, as it sleeps in sync.
//! The runtime is driven between two turns; while a turn is long, as a state machine may be slow,
//! the thread beside the loop drives it (`beacon`). In another [`World`] all of it may be tasks of
//! one thread.
//!
//! A turn hands over all that is ready, up to a bound, then the time, then flushes once. What any
//! of it means is the host's business (`synod-host`); here are only the runtime, the transport and
//! the journal's thread. The claim kept true: every event of the world reaches the host, and every
//! output of the host is carried out in its order.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use synod_clock::{Moment, TimeSource as _};
use synod_host::api::{NodeId, StateMachine};
use synod_host::journal::SyncError;
use synod_host::smr::{Connection, Lane};
use synod_host::{Event, Host, OldDecrees, Output, SnapshotDone};
use synod_transport_quic::{
    ClientEvent, ClientPortHandle, ConnectionId, DownReason, Epoch, Inbox, LaneWaiting, PeerEvent,
    PeerHandle, PeerId, Sent, limits,
};
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{self, error::TryRecvError};
use tokio::time::error::Elapsed;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::Instrument as _;

use crate::beacon::SharedBeacon;
use crate::clock::LoopTime;
use crate::metrics::Reporter;
use crate::node::{Control, NodeError};
use crate::reads::Reads;
use crate::snapshots::Snapshots;
use crate::trace::{self, TraceFile};
use crate::world::{Commits, Outcome, World};

/// Everything that a node is made of, on its one thread.
pub(crate) struct Driver<M, W: World> {
    pub(crate) host: Host<M>,
    pub(crate) peers: PeerHandle,
    pub(crate) peer_events: Inbox<PeerEvent>,
    pub(crate) clients: ClientPortHandle,
    pub(crate) client_events: Inbox<ClientEvent>,
    pub(crate) journal: W::Commits,
    pub(crate) journal_events: mpsc::Receiver<Outcome>,
    pub(crate) reads: Reads<W::Disk>,
    pub(crate) snapshots: Snapshots<M, W::Disk>,
    pub(crate) orders: mpsc::Receiver<Control>,
    pub(crate) time: LoopTime,
    pub(crate) beacon: Arc<SharedBeacon>,
    pub(crate) reporter: Reporter,
    pub(crate) trace: Option<TraceFile>,
}

/// The end of a node.
pub(crate) struct Ended {
    /// Why it ended, unless it was asked to hand over and did.
    pub(crate) outcome: Result<(), NodeError>,
    /// Whether the journal's thread still waits for the disk.
    pub(crate) disk_hangs: bool,
}

/// One thing that the loop can be woken by.
enum Woken<M> {
    Control(Control),
    Journal(Outcome),
    Peer(PeerEvent),
    Client(ClientEvent),
    Read(OldDecrees),
    Snapshot(SnapshotDone<M>),
    Time,
    /// The journal's thread is gone, and has said nothing of why: it has panicked.
    JournalGone,
}

impl<M: StateMachine + Clone + Send + 'static, W: World> Driver<M, W> {
    /// Where the node listens to peers and to clients.
    pub(crate) fn addresses(&self) -> (SocketAddr, SocketAddr) {
        (self.peers.local_addr(), self.clients.local_addr())
    }

    /// Runs until the node was asked to end and has handed over, or cannot go on.
    ///
    /// A turn runs outside of the runtime, so that another thread can drive it meanwhile; what
    /// comes of it is carried out inside, where it wakes the tasks of the transport for nothing.
    pub(crate) fn run(mut self, runtime: &Runtime, span: &tracing::Span) -> Ended {
        let _inside = runtime.enter();
        let mut woken = Woken::Time;
        let reason = loop {
            if let Err(error) = span.in_scope(|| self.turn_with_beacon(woken)) {
                break Err(error);
            }
            match runtime.block_on(self.go_on().instrument(span.clone())) {
                Some(next) => woken = next,
                None => break Ok(()),
            }
        };
        runtime.block_on(self.close(reason).instrument(span.clone()))
    }

    /// Does as [`Driver::run`], as a task: nobody else drives its runtime meanwhile.
    pub(crate) async fn run_as_task(mut self) -> Ended {
        let mut woken = Woken::Time;
        let reason = loop {
            if let Err(error) = self.turn_with_beacon(woken) {
                break Err(error);
            }
            match self.go_on().await {
                Some(next) => woken = next,
                None => break Ok(()),
            }
        };
        self.close(reason).await
    }

    fn turn_with_beacon(&mut self, woken: Woken<M>) -> Result<(), NodeError> {
        let beacon = Arc::clone(&self.beacon);
        let turn = beacon.begin_turn(self.time.now());
        self.turn(woken)?;
        turn.end();
        Ok(())
    }

    /// Carries out what the turn brought about, and waits for what begins the next one; there is
    /// none if the node has handed over.
    async fn go_on(&mut self) -> Option<Woken<M>> {
        while let Some(output) = self.host.output() {
            self.carry_out(output);
        }
        let now = self.time.now();
        if self.reporter.is_due(now, self.host.counts()) {
            self.log_counts();
        }
        if self.host.is_done(now) {
            return None;
        }
        // The tasks of the transport share this thread: they fill the inboxes meanwhile.
        tokio::task::yield_now().await;
        Some(self.wait().await)
    }

    /// Sleeps until something is there. An order of the owner comes first, as it is rare and may
    /// be to end; then the journal, as its proofs set claims free.
    async fn wait(&mut self) -> Woken<M> {
        let due = self.host.next_wake().map(|moment| self.time.instant(moment));
        tokio::select! {
            biased;
            Some(order) = self.orders.recv() => Woken::Control(order),
            outcome = self.journal_events.recv() => {
                outcome.map_or(Woken::JournalGone, Woken::Journal)
            }
            Some(event) = self.peer_events.recv() => Woken::Peer(event),
            Some(event) = self.client_events.recv(), if self.host.hears_clients() => {
                Woken::Client(event)
            }
            Some(old) = self.reads.next() => Woken::Read(old),
            Some(done) = self.snapshots.next() => Woken::Snapshot(done),
            () = sleep_until(due.unwrap_or_else(|| Instant::now() + IDLE)) => Woken::Time,
        }
    }

    /// Takes what is ready, up to a bound, so that the flush comes in time.
    fn turn(&mut self, woken: Woken<M>) -> Result<(), NodeError> {
        let now = self.time.now();
        self.host.take(now, Event::Room(self.journal.room()));
        self.hand_over(now, woken)?;
        for _ in 0..EVENTS_PER_TURN {
            let Some(woken) = self.ready() else { break };
            self.hand_over(now, woken)?;
        }
        let now = self.time.now();
        self.host.on_time(now);
        for (peer, LaneWaiting { bytes: waiting, passed }) in self.peers.with_log_waiting() {
            self.host.take(now, Event::LogWaiting { peer: node_of(peer), passed, waiting });
        }
        for peer in self.peers.with_bulk_waiting() {
            self.host.take(now, Event::BulkWaiting(node_of(peer)));
        }
        self.flush(now)?;
        if let Some(reason) = self.host.halted() {
            let reason = reason.to_owned();
            let is_refused = self.host.is_refused();
            return Err(if is_refused {
                NodeError::Refused(reason)
            } else {
                NodeError::Halted(reason)
            });
        }
        Ok(())
    }

    /// Ends the turn. What it brought about stands in the trace, if there is one, before any of it
    /// leaves.
    fn flush(&mut self, now: Moment) -> Result<(), NodeError> {
        let Some(trace) = &mut self.trace else {
            self.host.flush(now);
            return Ok(());
        };
        self.host.flush_watched(now, |host, brought| {
            trace.recorder.on_turn(trace::now_ns(), host, brought);
        });
        trace.write().map_err(NodeError::Trace)
    }

    fn ready(&mut self) -> Option<Woken<M>> {
        if let Ok(order) = self.orders.try_recv() {
            return Some(Woken::Control(order));
        }
        match self.journal_events.try_recv() {
            Ok(outcome) => return Some(Woken::Journal(outcome)),
            Err(TryRecvError::Disconnected) => return Some(Woken::JournalGone),
            Err(TryRecvError::Empty) => {}
        }
        if let Some(event) = self.peer_events.try_recv() {
            return Some(Woken::Peer(event));
        }
        if self.host.hears_clients()
            && let Some(event) = self.client_events.try_recv()
        {
            return Some(Woken::Client(event));
        }
        if let Some(old) = self.reads.ready() {
            return Some(Woken::Read(old));
        }
        self.snapshots.ready().map(Woken::Snapshot)
    }

    fn hand_over(&mut self, now: Moment, woken: Woken<M>) -> Result<(), NodeError> {
        let event = match woken {
            Woken::Control(Control::Drain) => Event::Drain,
            Woken::Control(Control::Stop) => return Err(NodeError::Stopped),
            Woken::Journal(outcome) => Event::Committed(outcome?),
            Woken::Peer(event) => event_of_peer(event),
            Woken::Client(event) => event_of_client(event),
            Woken::Read(old) => Event::OldDecrees(old),
            Woken::Snapshot(done) => {
                self.host.on_snapshot(done);
                return Ok(());
            }
            Woken::Time => return Ok(()),
            Woken::JournalGone => return Err(NodeError::Panicked),
        };
        if let Some(trace) = &mut self.trace {
            trace.recorder.on_event(&self.host, &event);
        }
        self.host.take(now, event);
        Ok(())
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Commit(commit) => self.journal.submit(commit),
            Output::Send { to, lane, bytes } => {
                if let Sent::Dropped(reason) = send(&self.peers, to, lane, bytes) {
                    self.reporter.on_dropped();
                    tracing::trace!(%to, ?lane, ?reason, "a message was dropped");
                }
            }
            Output::Beacon(bytes) => self.beacon.on_heartbeat(bytes),
            Output::Reply { connection, bytes } => {
                // A client that is gone asks again elsewhere.
                let _ = self.clients.reply(ConnectionId(connection.0), bytes);
            }
            Output::Close { connection, reason } => {
                self.clients.close_connection(ConnectionId(connection.0), reason);
            }
            Output::Read(order) => self.reads.begin(order),
            Output::Snapshot(order) => self.snapshots.begin(order),
        }
    }

    fn log_counts(&self) {
        let (peers, clients) = (self.peers.counters(), self.clients.counters());
        self.reporter.log(self.host.counts(), &peers, &clients);
    }

    /// Gives back what the node held. One that has handed over says goodbye; one that cannot go on
    /// says nothing more. Either way a disk that hangs keeps nobody waiting for long: what was
    /// promised is durable, so nothing is lost by going without the rest.
    async fn close(self, reason: Result<(), NodeError>) -> Ended {
        self.log_counts();
        // The inboxes go first: the ports wait for nobody to read the last events.
        drop((self.peer_events, self.client_events));
        if reason.is_ok() {
            let left = self.host.time_left(self.time.now());
            tokio::join!(self.clients.close(left), self.peers.close());
        }
        drop((self.clients, self.peers));
        let closed = close_journal(self.journal, self.journal_events).await;
        let disk_hangs = closed.is_err();
        let closed = match closed {
            Ok(closed) => closed.map_err(|error| NodeError::Journal(error.into())),
            Err(_) => Err(NodeError::DiskHangs),
        };
        // The first reason is the one to tell.
        Ended { outcome: reason.and(closed), disk_hangs }
    }
}

/// Waits for the journal for as long as it gets on: a disk may be slow for each commit that is on
/// its way, and hangs once it answers none in time.
async fn close_journal(
    journal: impl Commits,
    mut events: mpsc::Receiver<Outcome>,
) -> Result<Result<(), SyncError>, Elapsed> {
    let mut shutdown = pin!(journal.shutdown());
    loop {
        tokio::select! {
            biased;
            closed = timeout(JOURNAL_CLOSE_MAX, &mut shutdown) => return closed,
            Some(_) = events.recv() => {}
        }
    }
}

fn event_of_peer(event: PeerEvent) -> Event {
    match event {
        PeerEvent::Frame { peer, bytes, .. } | PeerEvent::Datagram { peer, bytes } => {
            Event::PeerFrame { peer: node_of(peer), bytes }
        }
        PeerEvent::Up { peer, incarnation } => {
            Event::PeerUp { peer: node_of(peer), life: incarnation.0 }
        }
        PeerEvent::Down { peer, reason: DownReason::Superseded } => {
            Event::PeerReplaced(node_of(peer))
        }
        PeerEvent::Down { peer, reason } => {
            tracing::info!(peer = peer.0, %reason, "a link ended");
            Event::PeerDown(node_of(peer))
        }
    }
}

const fn node_of(peer: PeerId) -> NodeId {
    NodeId::new(peer.0)
}

fn event_of_client(event: ClientEvent) -> Event {
    match event {
        ClientEvent::Connected { connection, identity } => {
            Event::ClientUp { connection: Connection(connection.0), name: identity.to_string() }
        }
        ClientEvent::Request { connection, bytes } => {
            Event::ClientFrame { connection: Connection(connection.0), bytes }
        }
        ClientEvent::Written { connection, bytes } => {
            Event::ClientWrote { connection: Connection(connection.0), bytes }
        }
        ClientEvent::Closed { connection, .. } => Event::ClientDown(Connection(connection.0)),
    }
}

fn send(peers: &PeerHandle, to: NodeId, lane: Lane, bytes: bytes::Bytes) -> Sent {
    let peer = PeerId(to.number());
    match lane {
        Lane::Control => peers.send_control(peer, bytes),
        Lane::Log { epoch } => peers.send_log(peer, Epoch(epoch), bytes),
        Lane::Bulk => peers.send_bulk(peer, bytes),
        Lane::Datagram => peers.send_datagram(peer, bytes),
    }
}

// What the host takes for a short message fits into a frame of the control lane.
const _: () = assert!(synod_host::CONTROL_MESSAGE_BYTES_MAX <= limits::CONTROL_FRAME_BYTES_MAX);

// All that a leader may have admitted and not chosen fits into the queue of each peer: a decree
// that was dropped there is said again only after a while.
const _: () = assert!(
    limits::LOG_QUEUE_BYTES_MAX >= synod_host::WAITING_BYTES_MAX + limits::LOG_FRAME_BYTES_MAX
);

// What the host gives the transport for one client, and for all, always fits there.
const _: () = assert!(
    synod_host::REPLY_BUDGET_BYTES <= limits::CLIENT_REPLIES_BUDGET_BYTES
        && synod_host::REPLY_BUDGET_BYTES_TOTAL
            + limits::CLIENT_CONNECTIONS_MAX * synod_host::REPLY_SHARE_BYTES
            <= limits::CLIENT_REPLIES_BUDGET_BYTES_TOTAL
        && synod_host::REPLY_OVERHEAD_BYTES == limits::FRAME_OVERHEAD_BYTES
);

// What the transport does not tell of leaves the host room for the longest reply, so that nobody
// waits for ever for a word that does not come.
const _: () = assert!(
    synod_host::REPLY_BUDGET_BYTES_TOTAL
        >= limits::CLIENT_CONNECTIONS_MAX * limits::CLIENT_WRITTEN_STEP_BYTES
            + limits::CLIENT_FRAME_BYTES_MAX
            + limits::FRAME_OVERHEAD_BYTES
);

// A client that has read all it was sent has half of its share in any case: what the transport does
// not tell of would use it up for as long as others keep their replies unread.
const _: () = assert!(synod_host::REPLY_SHARE_BYTES >= 2 * limits::CLIENT_WRITTEN_STEP_BYTES);

/// How many events a turn takes before it flushes.
const EVENTS_PER_TURN: usize = 1024;

/// How long a loop without any timer sleeps.
const IDLE: Duration = Duration::from_secs(1);

/// How long the end of a node waits for the next answer of its disk: one that hangs does not keep
/// it from ending. At most as many commits are on their way as the journal takes, and a seal.
const JOURNAL_CLOSE_MAX: Duration = Duration::from_millis(4_500);
