//! The keeper of one peer: dials, greets, chooses the one link, and raises it again when it falls.
//!
//! What it leaves to others: the life of a link (`link`). The claim it keeps true: the owner sees
//! at most one link to a peer at a time, `Up` before its frames and `Down` after them, and of two
//! connections both ends keep the same one.

use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use quinn::{Connection, ConnectionError, Endpoint};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};

use crate::accept::note_error;
use crate::counters::{Count, Counters};
use crate::identity::PeerId;
use crate::inbox::{Closed, EventSender};
use crate::limits::{DIAL_TIMEOUT, DIALS_MAX, REDIAL_MAX, REDIAL_MIN, SILENCE_SUSPICIONS};
use crate::link::{ControlStart, Deliveries, Link, Outbound};
use crate::lock::lock;
use crate::peer_event::{DownReason, PeerEvent};
use crate::preface::{Hello, Incarnation, StreamKind};
use crate::refusal::CloseCode;
use crate::setup::SERVER_NAME;
use crate::stream::{Breach, FrameReader, FrameWriter, ReadFailure};

/// Where the owner's handle finds the link of a peer.
pub(crate) type LinkCell = Mutex<Option<Arc<Outbound>>>;

/// A connection whose other end has said its hello; the keeper decides whether it stays.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) connection: Connection,
    pub(crate) control: FrameReader,
    pub(crate) hello: Hello,
}

/// What a keeper is told at its start.
pub(crate) struct PeerTaskConfig {
    pub(crate) own: PeerId,
    pub(crate) peer: PeerId,
    pub(crate) address: SocketAddr,
    pub(crate) hello: Hello,
    pub(crate) suspicion: Duration,
    pub(crate) endpoint: Endpoint,
    pub(crate) dial: quinn::ClientConfig,
    pub(crate) outlet: EventSender<PeerEvent>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) slot: Arc<LinkCell>,
}

/// Keeps the link to one peer.
pub(crate) struct PeerTask {
    config: PeerTaskConfig,
    candidates: mpsc::Receiver<Candidate>,
    dials: JoinSet<Result<Connection, ConnectionError>>,
    greeting: JoinSet<Result<Greeted, GreetingFailure>>,
    greeting_since: Instant,
    link: Option<LiveLink>,
    next_dial: Instant,
}

struct LiveLink {
    connection: Connection,
    called_by: PeerId,
    incarnation: Incarnation,
    task: JoinHandle<DownReason>,
}

/// A connection of this end's calling on which both hellos were said.
struct Greeted {
    connection: Connection,
    writer: FrameWriter,
    reader: FrameReader,
    hello: Hello,
}

#[derive(Debug, thiserror::Error)]
enum GreetingFailure {
    #[error(transparent)]
    Lost(#[from] ConnectionError),
    #[error("the hello was answered wrongly: {0}")]
    Breach(Breach),
    #[error("the hello was not answered")]
    Silent,
}

impl PeerTask {
    pub(crate) fn new(config: PeerTaskConfig, candidates: mpsc::Receiver<Candidate>) -> Self {
        let mut keeper = Self {
            config,
            candidates,
            dials: JoinSet::new(),
            greeting: JoinSet::new(),
            greeting_since: Instant::now(),
            link: None,
            next_dial: Instant::now(),
        };
        keeper.schedule_first_dial();
        keeper
    }

    /// Keeps the link until told to stop, or until nobody receives its events.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        while let Ok(going) = self.turn(&mut stop).await {
            if !going {
                break;
            }
        }
        self.dials.shutdown().await;
        self.greeting.shutdown().await;
        // With no receiver there is nobody to tell, and nothing else is left to do.
        let _ = self.lower(CloseCode::ShuttingDown, DownReason::ShuttingDown).await;
    }

    async fn turn(&mut self, stop: &mut watch::Receiver<bool>) -> Result<bool, Closed> {
        let may_dial = self.link.is_none() && self.dials.len() < DIALS_MAX;
        tokio::select! {
            _ = stop.changed() => return Ok(false),
            Some(candidate) = self.candidates.recv() => self.on_candidate(candidate).await?,
            Some(dialled) = self.dials.join_next() => {
                // One that was aborted has no outcome.
                if let Ok(outcome) = dialled {
                    self.on_dialled(outcome);
                }
            }
            Some(greeted) = self.greeting.join_next() => {
                // Nor has this one, where it was aborted.
                if let Ok(outcome) = greeted {
                    self.on_greeted(outcome).await?;
                }
            }
            reason = ended(&mut self.link) => self.on_link_ended(reason).await?,
            () = sleep_until(self.next_dial), if may_dial => self.dial(),
        }
        Ok(true)
    }

    fn dial(&mut self) {
        // It is set before the attempt, so that one which fails at once is not made again at once.
        self.next_dial = Instant::now() + jitter(REDIAL_MIN, REDIAL_MAX);
        self.config.counters.add(Count::Dials);
        let config = self.config.dial.clone();
        match self.config.endpoint.connect_with(config, self.config.address, SERVER_NAME) {
            Ok(connecting) => {
                self.dials.spawn(async move {
                    timeout(DIAL_TIMEOUT, connecting)
                        .await
                        .unwrap_or(Err(ConnectionError::TimedOut))
                });
            }
            Err(error) => {
                let (peer, address) = (self.config.peer, self.config.address);
                tracing::warn!(%peer, %address, %error, "cannot dial");
            }
        }
    }

    /// The first dial to shake hands goes on to the hello; the others are not needed.
    fn on_dialled(&mut self, outcome: Result<Connection, ConnectionError>) {
        let connection = match outcome {
            Ok(connection) => connection,
            Err(error) => return note_error(&error, self.config.address, &self.config.counters),
        };
        let stuck = self.greeting_since.elapsed() > self.silence();
        if self.link.is_some() || !(self.greeting.is_empty() || stuck) {
            return;
        }
        self.dials.abort_all();
        // One that is stuck gives way to this one.
        self.greeting.abort_all();
        self.greeting_since = Instant::now();
        self.greeting.spawn(greet(connection, self.config.hello));
    }

    async fn on_greeted(
        &mut self,
        outcome: Result<Greeted, GreetingFailure>,
    ) -> Result<(), Closed> {
        let greeted = match outcome {
            Ok(greeted) => greeted,
            Err(failure) => {
                self.on_greeting_failed(&failure);
                return Ok(());
            }
        };
        // Both ends go by the ids alone, and so keep the same one of two: that which the lower id
        // called.
        let theirs = self.link.as_ref().is_some_and(|link| link.called_by == self.config.peer);
        if theirs && self.config.peer < self.config.own {
            close(&greeted.connection, CloseCode::Duplicate);
            return Ok(());
        }
        let Greeted { connection, writer, reader, hello } = greeted;
        let start = ControlStart::Opened(writer);
        self.raise(connection, self.config.own, hello, start, reader).await
    }

    fn on_greeting_failed(&self, failure: &GreetingFailure) {
        let (peer, at, counters) = (self.config.peer, self.config.address, &self.config.counters);
        match failure {
            GreetingFailure::Lost(error) => note_error(error, at, counters),
            GreetingFailure::Breach(breach) => breach.note(at, counters),
            GreetingFailure::Silent => tracing::debug!(%peer, %at, "greeting failed: {failure}"),
        }
    }

    async fn on_candidate(&mut self, candidate: Candidate) -> Result<(), Closed> {
        let Candidate { connection, control, hello } = candidate;
        if !self.prefers(hello.incarnation) {
            close(&connection, CloseCode::Duplicate);
            return Ok(());
        }
        // A dial under way would end as a second link. A greeting under way may be accepted at the
        // other end already, and is left to the rule that of two the lower id's stays.
        self.dials.abort_all();
        let start = ControlStart::Answer(self.config.hello);
        self.raise(connection, self.config.peer, hello, start, control).await
    }

    /// Whether a connection that the peer called goes before the link there is.
    fn prefers(&self, incarnation: Incarnation) -> bool {
        let Some(link) = &self.link else { return true };
        let (own, peer) = (self.config.own, self.config.peer);
        goes_before((link.called_by, link.incarnation), incarnation, (own, peer))
    }

    async fn on_link_ended(&mut self, reason: DownReason) -> Result<(), Closed> {
        self.link = None;
        self.schedule_first_dial();
        self.report_down(reason).await
    }

    /// Makes a connection the link, in the place of the one there may be.
    async fn raise(
        &mut self,
        connection: Connection,
        called_by: PeerId,
        hello: Hello,
        start: ControlStart,
        control: FrameReader,
    ) -> Result<(), Closed> {
        self.lower(CloseCode::Superseded, DownReason::Superseded).await?;
        let (peer, incarnation) = (self.config.peer, hello.incarnation);
        let outbound = Arc::new(Outbound::new(connection.clone()));
        // It is in place before its owner hears of it, who may send as soon as it does.
        *lock(&self.config.slot) = Some(Arc::clone(&outbound));
        self.config.counters.add(Count::LinksUp);
        tracing::info!(%peer, incarnation = incarnation.0, %called_by, "link up");
        self.config.outlet.send(PeerEvent::Up { peer, incarnation }, 0).await?;
        let outlet = self.config.outlet.clone();
        let deliveries = Deliveries::new(peer, outlet, Arc::clone(&self.config.counters));
        let suspicion = self.config.suspicion;
        let link = Link {
            connection: connection.clone(),
            outbound,
            start,
            control,
            deliveries,
            suspicion,
        };
        let task = tokio::spawn(link.run());
        self.link = Some(LiveLink { connection, called_by, incarnation, task });
        Ok(())
    }

    /// Ends the link there is, if there is one.
    async fn lower(&mut self, code: CloseCode, reason: DownReason) -> Result<(), Closed> {
        let Some(link) = self.link.take() else { return Ok(()) };
        close(&link.connection, code);
        // The task ends by itself once the connection is closed; what it says is known here.
        let _ = link.task.await;
        self.report_down(reason).await
    }

    async fn report_down(&self, reason: DownReason) -> Result<(), Closed> {
        let peer = self.config.peer;
        *lock(&self.config.slot) = None;
        self.config.counters.add(Count::LinksDown);
        tracing::info!(%peer, %reason, "link down");
        self.config.outlet.send(PeerEvent::Down { peer, reason }, 0).await
    }

    /// The lower id dials at once. The higher waits: the lower is about to, unless it does not
    /// know this peer.
    fn schedule_first_dial(&mut self) {
        // As a rule one end alone dials. The other one does only if nothing came of that for as
        // long as a silence takes, as where no packet passes in that direction.
        let lower = self.config.own < self.config.peer;
        let wait = if lower { Duration::ZERO } else { self.silence() };
        self.next_dial = Instant::now() + wait;
    }

    fn silence(&self) -> Duration {
        self.config.suspicion * SILENCE_SUSPICIONS
    }
}

/// Says hello on a connection of this end's calling and waits for the answer.
async fn greet(connection: Connection, own: Hello) -> Result<Greeted, GreetingFailure> {
    timeout(DIAL_TIMEOUT, exchange_hellos(connection, own))
        .await
        .unwrap_or(Err(GreetingFailure::Silent))
}

async fn exchange_hellos(connection: Connection, own: Hello) -> Result<Greeted, GreetingFailure> {
    let opened = FrameWriter::open_control(&connection, own).await;
    let Ok(writer) = opened else { return Err(connection.closed().await.into()) };
    let mut reader = FrameReader::new(connection.accept_uni().await?);
    match read_hello(&mut reader).await {
        Ok(hello) => Ok(Greeted { connection, writer, reader, hello }),
        Err(ReadFailure::Lost(error)) => Err(error.into()),
        Err(ReadFailure::Reset) => Err(connection.closed().await.into()),
        Err(ReadFailure::Breach(breach)) => {
            breach.close(&connection);
            Err(GreetingFailure::Breach(breach))
        }
    }
}

/// Reads what a control stream must begin with.
pub(crate) async fn read_hello(reader: &mut FrameReader) -> Result<Hello, ReadFailure> {
    match reader.kind().await? {
        StreamKind::Control => reader.hello().await,
        StreamKind::Log(_) | StreamKind::Bulk | StreamKind::Client => {
            Err(Breach::violation("the first stream is not the control stream").into())
        }
    }
}

/// Waits for the end of the link; for ever if there is none. Cancel-safe.
async fn ended(link: &mut Option<LiveLink>) -> DownReason {
    match link {
        Some(link) => (&mut link.task)
            .await
            .unwrap_or_else(|error| DownReason::Lost(format!("the link's task failed: {error}"))),
        None => std::future::pending().await,
    }
}

/// Whether a connection that the peer called in one life goes before a link, of which is known who
/// called and in which life of the peer.
///
/// The peer's later call means that it has given its earlier one up. Any other life means that the
/// process at the far end of the link is not the one that has just said hello, whoever called: a
/// later one where the node was started again, and an earlier one where it was given an older copy
/// of its folder, or a new one. To wait until the link falls would only keep such a node from being
/// told that it is refused, which is for the owner to say.
fn goes_before(
    (called_by, of_link): (PeerId, Incarnation),
    incarnation: Incarnation,
    (own, peer): (PeerId, PeerId),
) -> bool {
    called_by == peer || peer < own || of_link != incarnation
}

fn close(connection: &Connection, code: CloseCode) {
    connection.close(code.varint(), code.text().as_bytes());
}

/// A duration between the two bounds. It spreads the dials of many nodes; nothing depends on its
/// quality.
fn jitter(min: Duration, max: Duration) -> Duration {
    let draw = RandomState::new().hash_one(0u8) % 1024;
    min + (max - min) * u32::try_from(draw).unwrap_or(0) / 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_links_of_one_life_that_of_the_lower_id_stays() {
        let (low, high, life) = (PeerId(1), PeerId(2), Incarnation(4));
        assert!(!goes_before((low, life), life, (low, high)), "the higher id calls as well");
        assert!(goes_before((high, life), life, (high, low)), "the lower id calls as well");
        assert!(goes_before((high, life), life, (low, high)), "it gave its earlier call up");
    }

    #[test]
    fn a_connection_of_any_other_life_goes_before_the_link() {
        let (low, high) = (PeerId(1), PeerId(2));
        for (of_link, other) in [(4, 5), (5, 4), (9, 1)] {
            let link = (low, Incarnation(of_link));
            assert!(goes_before(link, Incarnation(other), (low, high)), "{of_link} and {other}");
        }
    }

    #[test]
    fn jitter_stays_within_its_bounds_and_varies() {
        let draws: Vec<Duration> = (0..100).map(|_| jitter(REDIAL_MIN, REDIAL_MAX)).collect();
        assert!(draws.iter().all(|draw| (REDIAL_MIN..REDIAL_MAX).contains(draw)));
        assert!(draws.iter().any(|draw| *draw != draws[0]));
    }
}
