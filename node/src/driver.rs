//! The loop of a node: it takes what is ready, steps the core with each, and flushes once.
//!
//! One thread does the network of peers, core and apply; the journal has its own, as it sleeps in
//! sync, and so has the port of clients, as a storm of handshakes would hold up all the others.
//! A turn drains all that is ready, up to a bound, then fires what is due, then flushes: one batch
//! to the journal, all messages, all replies. Batching happens there and nowhere else, and nobody
//! lingers for it. What a step brings about is carried out in `flush`; the core's rules are the
//! core's. The claim kept true: all that leaves comes from the core's outbox, which holds claims
//! back until the proof of a sync has come into this loop's own inbox.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use synod_clock::TimeSource as _;
use synod_paxos::NodeId;
use synod_smr::wire::client::decode_request;
use synod_smr::wire::peer::decode_message;
use synod_smr::{Connection, Disk, Effects, Input, Principal, Replica, StateMachine, Timer};
use synod_transport_quic::{
    ClientEvent, ClientPortHandle, DownReason, Inbox, PeerEvent, PeerHandle, PeerId,
};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::chance::Chance;
use crate::clock::LoopTime;
use crate::journal::{Done, JournalWriter};
use crate::log_reader::{LogReader, OldDecrees};
use crate::metrics::{Metrics, Reporter};
use crate::node::{NodeError, Order};
use crate::timers::{Fired, Timers};
use crate::watch::Watch;

/// Everything that a node is made of, on its one thread.
pub(crate) struct Driver<M> {
    pub(crate) me: NodeId,
    pub(crate) replica: Replica<M>,
    pub(crate) effects: Effects,
    pub(crate) members: Vec<NodeId>,
    pub(crate) peers: PeerHandle,
    pub(crate) peer_events: Inbox<PeerEvent>,
    pub(crate) clients: ClientPortHandle,
    pub(crate) client_events: Inbox<ClientEvent>,
    pub(crate) principals: BTreeMap<Connection, Principal>,
    pub(crate) journal: JournalWriter,
    pub(crate) journal_events: mpsc::Receiver<Done>,
    pub(crate) log_reader: LogReader,
    pub(crate) log_events: mpsc::Receiver<OldDecrees>,
    pub(crate) orders: mpsc::Receiver<Order>,
    pub(crate) timers: Timers<Timer>,
    pub(crate) chance: Chance,
    pub(crate) time: LoopTime,
    pub(crate) metrics: Metrics,
    pub(crate) reporter: Reporter,
    pub(crate) watch: Watch,
    pub(crate) drain_by: Option<Instant>,
}

/// One thing that the loop can be woken by.
enum Event {
    Journal(Done),
    Peer(PeerEvent),
    Client(ClientEvent),
    Old(OldDecrees),
    Order(Order),
    /// A timer may be due.
    Time,
}

impl<M: StateMachine> Driver<M> {
    /// Runs until the node was asked to end and has handed over, or cannot go on.
    pub(crate) async fn run(mut self) -> Result<(), NodeError> {
        loop {
            let event = self.wait().await;
            self.on_event(event)?;
            self.take_ready()?;
            self.fire_due();
            self.flush()?;
            if self.is_done() {
                return self.close().await;
            }
            // The tasks of the transport share this thread: they fill the inboxes meanwhile.
            tokio::task::yield_now().await;
        }
    }

    /// Sleeps until something is there. The journal comes first, as its proofs set claims free.
    async fn wait(&mut self) -> Event {
        let due = self.timers.next().map(|moment| self.time.instant(moment));
        let due = due.into_iter().chain(self.drain_by).min();
        tokio::select! {
            biased;
            Some(done) = self.journal_events.recv() => Event::Journal(done),
            Some(event) = self.peer_events.recv() => Event::Peer(event),
            Some(event) = self.client_events.recv() => Event::Client(event),
            Some(old) = self.log_events.recv() => Event::Old(old),
            Some(order) = self.orders.recv() => Event::Order(order),
            () = sleep_until(due.unwrap_or_else(|| Instant::now() + IDLE)) => Event::Time,
        }
    }

    /// Takes what else is ready, up to a bound, so that the flush comes in time.
    fn take_ready(&mut self) -> Result<(), NodeError> {
        for _ in 0..INPUTS_PER_TURN {
            let Some(event) = self.ready() else { break };
            self.on_event(event)?;
        }
        self.metrics.turns += 1;
        Ok(())
    }

    fn ready(&mut self) -> Option<Event> {
        if let Ok(done) = self.journal_events.try_recv() {
            return Some(Event::Journal(done));
        }
        if let Some(event) = self.peer_events.try_recv() {
            return Some(Event::Peer(event));
        }
        if let Some(event) = self.client_events.try_recv() {
            return Some(Event::Client(event));
        }
        self.log_events.try_recv().ok().map(Event::Old)
    }

    fn on_event(&mut self, event: Event) -> Result<(), NodeError> {
        match event {
            Event::Journal(done) => self.on_journal(done),
            Event::Peer(event) => {
                self.on_peer(event);
                Ok(())
            }
            Event::Client(event) => {
                self.on_client(event);
                Ok(())
            }
            Event::Old(old) => {
                self.on_old_decrees(old);
                Ok(())
            }
            Event::Order(order) => self.on_order(order),
            Event::Time => Ok(()),
        }
    }

    pub(crate) fn step(&mut self, input: Input) {
        self.metrics.steps += 1;
        self.replica.step(input, &mut self.effects);
    }

    fn on_peer(&mut self, event: PeerEvent) {
        match event {
            PeerEvent::Frame { peer, bytes, .. } | PeerEvent::Datagram { peer, bytes } => {
                self.on_message(peer, bytes);
            }
            PeerEvent::Up { peer, incarnation } => {
                tracing::info!(peer = peer.0, incarnation = incarnation.0, "link up");
                // What was said in an earlier life may be forgotten in this one.
                if self.watch.is_another_life(peer, incarnation) {
                    self.step(Input::LinkDown(NodeId::new(peer.0)));
                }
            }
            // The other connection of the pair goes on: nothing was lost that is not sent again.
            PeerEvent::Down { reason: DownReason::Superseded, .. } => {}
            PeerEvent::Down { peer, reason } => {
                tracing::info!(peer = peer.0, %reason, "link down");
                self.step(Input::LinkDown(NodeId::new(peer.0)));
            }
        }
    }

    fn on_message(&mut self, peer: PeerId, bytes: Bytes) {
        match decode_message(&bytes) {
            Ok(message) => {
                self.look_at_disk(bytes.len());
                self.step(Input::Message { from: NodeId::new(peer.0), message });
            }
            Err(error) => {
                self.metrics.malformed_peer += 1;
                tracing::warn!(peer = peer.0, %error, "a frame that is no message");
            }
        }
    }

    fn on_client(&mut self, event: ClientEvent) {
        match event {
            ClientEvent::Connected { connection, identity } => {
                let principal = Principal::of_name(&identity.to_string());
                self.principals.insert(Connection(connection.0), principal);
            }
            ClientEvent::Request { connection, bytes } => {
                self.metrics.requests += 1;
                let at = Connection(connection.0);
                match (decode_request(&bytes), self.principals.get(&at).copied()) {
                    (Ok(request), Some(principal)) => {
                        self.look_at_disk(bytes.len());
                        self.step(Input::Request { connection: at, principal, request });
                    }
                    (Ok(_), None) => {}
                    (Err(error), _) => {
                        self.metrics.malformed_client += 1;
                        tracing::warn!(connection = connection.0, %error, "no request");
                        self.clients.close_connection(connection, "the frame is no request");
                    }
                }
            }
            ClientEvent::Written { .. } => {}
            ClientEvent::Closed { connection, .. } => {
                self.principals.remove(&Connection(connection.0));
            }
        }
    }

    fn on_journal(&mut self, done: Done) -> Result<(), NodeError> {
        if let Some(synced) = self.journal.on_done(done)? {
            self.step(Input::Synced(synced));
        }
        Ok(())
    }

    /// Tells the core, before it takes an input, when the disk became full or has room again.
    fn look_at_disk(&mut self, input_bytes: usize) {
        if let Some(disk) = self.journal.before_input(input_bytes) {
            match disk {
                Disk::Full => {
                    tracing::error!("the disk is full: work is refused until it has room")
                }
                Disk::Fine => tracing::info!("the disk has room again"),
            }
            self.step(Input::Disk(disk));
        }
    }

    fn on_order(&mut self, order: Order) -> Result<(), NodeError> {
        match order {
            Order::Drain => {
                tracing::info!("draining: handing over before the end");
                self.drain_by = self.drain_by.or_else(|| Some(Instant::now() + DRAIN_MAX));
                self.step(Input::Drain);
                Ok(())
            }
            Order::Stop => Err(NodeError::Stopped),
        }
    }

    /// Fires the timers that are due; after a pause of the process the inbox goes first.
    fn fire_due(&mut self) {
        let present = self.time.now();
        loop {
            match self.timers.fire(present) {
                Fired::None => break,
                Fired::Timer(timer) => {
                    // An idle node, too, notices that there is room again.
                    self.look_at_disk(0);
                    self.step(Input::Timer(timer));
                }
                Fired::Paused(pause) => {
                    self.metrics.pauses += 1;
                    let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
                    tracing::warn!(pause_ms, "this process was held up; reading before timers");
                }
            }
            // The timers that a step sets are drawn at once, or they would miss this turn.
            self.set_timers(present);
        }
        if self.reporter.is_due(present, &self.metrics) {
            self.log_metrics();
        }
    }

    fn log_metrics(&self) {
        self.metrics.log(&self.peers.counters(), &self.clients.counters());
    }

    fn is_done(&self) -> bool {
        let Some(by) = self.drain_by else { return false };
        let handed_over = self.replica.is_drained() && self.journal.is_idle();
        handed_over || Instant::now() >= by
    }

    async fn close(self) -> Result<(), NodeError> {
        self.log_metrics();
        // The inboxes go first: the ports wait for nobody to read the last events.
        drop((self.peer_events, self.client_events));
        tokio::join!(self.clients.close(), self.peers.close());
        self.journal.close()
    }
}

/// How many inputs a turn takes before it flushes.
const INPUTS_PER_TURN: usize = 1024;

/// How long a loop without any timer sleeps.
const IDLE: Duration = Duration::from_secs(1);

/// How long a leader may take to hand over before the node ends all the same.
const DRAIN_MAX: Duration = Duration::from_secs(5);
