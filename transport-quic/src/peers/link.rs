//! One live link: its lanes, its datagrams, and the watch over its silence.
//!
//! What it leaves to others: which connection becomes the link (`peer`). The claim it keeps true:
//! after a link's end nothing of it is delivered, and of two log epochs only the larger is.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use quinn::{Connection, ConnectionError, ConnectionStats, SendDatagramError};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use crate::counters::{Count, Counters};
use crate::identity::PeerId;
use crate::inbox::{EventSender, Permit};
use crate::lanes::{DropReason, Epoch, Lane, LaneQueue, LaneWaiting, LogLane};
use crate::limits::{SILENCE_SUSPICIONS, WATCH_PER_SUSPICION};
use crate::lock::lock;
use crate::peer_event::{DownReason, PeerEvent};
use crate::preface::{Hello, StreamKind};
use crate::refusal::{CloseCode, shorten};
use crate::stream::{Breach, FrameReader, FrameWriter, ReadFailure};
use crate::window::send_window;

/// Takes frames for one live link. Shared by the owner's handle and the link's writers.
#[derive(Debug)]
pub(crate) struct Outbound {
    connection: Connection,
    control: Arc<LaneQueue>,
    log: LogLane,
    bulk: Arc<LaneQueue>,
}

/// The control stream of this end: opened while calling, or still to be opened with the answer.
#[derive(Debug)]
pub(crate) enum ControlStart {
    Opened(FrameWriter),
    Answer(Hello),
}

/// A link about to run.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) connection: Connection,
    pub(crate) outbound: Arc<Outbound>,
    pub(crate) start: ControlStart,
    pub(crate) control: FrameReader,
    pub(crate) deliveries: Deliveries,
    pub(crate) suspicion: Duration,
}

/// Delivers what a link receives, as long as the link lives.
#[derive(Clone, Debug)]
pub(crate) struct Deliveries {
    pub(crate) peer: PeerId,
    pub(crate) outlet: EventSender<PeerEvent>,
    pub(crate) counters: Arc<Counters>,
    gate: Arc<Mutex<Gate>>,
}

/// What may still be delivered. Held locked while an event is put into the inbox.
#[derive(Debug)]
struct Gate {
    open: bool,
    log: Option<Epoch>,
    bulk: bool,
}

impl Outbound {
    pub(crate) fn new(connection: Connection) -> Self {
        Self {
            connection,
            control: Arc::new(LaneQueue::new(Lane::Control)),
            log: LogLane::new(),
            bulk: Arc::new(LaneQueue::new(Lane::Bulk)),
        }
    }

    pub(crate) fn send(&self, lane: PlainLane, frame: Bytes) -> Result<(), DropReason> {
        match lane {
            PlainLane::Control => self.control.push(frame),
            PlainLane::Bulk => self.bulk.push(frame),
        }
    }

    pub(crate) fn send_log(&self, epoch: Epoch, frame: Bytes) -> (Result<(), DropReason>, usize) {
        self.log.push(epoch, frame)
    }

    pub(crate) fn log_waiting(&self) -> LaneWaiting {
        self.log.current().1.waiting()
    }

    pub(crate) fn bulk_waiting(&self) -> LaneWaiting {
        self.bulk.waiting()
    }

    pub(crate) fn send_datagram(&self, datagram: Bytes) -> Result<(), DropReason> {
        if self.connection.max_datagram_size().is_some_and(|most| datagram.len() > most) {
            return Err(DropReason::TooLong);
        }
        // quinn would drop an older one instead, uncounted.
        if self.connection.datagram_send_buffer_space() < datagram.len() {
            return Err(DropReason::Full);
        }
        self.connection.send_datagram(datagram).map_err(|error| match error {
            SendDatagramError::TooLarge => DropReason::TooLong,
            SendDatagramError::UnsupportedByPeer
            | SendDatagramError::Disabled
            | SendDatagramError::ConnectionLost(_) => DropReason::NoLink,
        })
    }
}

/// The lanes without epochs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum PlainLane {
    Control,
    Bulk,
}

impl Deliveries {
    pub(crate) fn new(
        peer: PeerId,
        outlet: EventSender<PeerEvent>,
        counters: Arc<Counters>,
    ) -> Self {
        let gate = Gate { open: true, log: None, bulk: false };
        Self { peer, outlet, counters, gate: Arc::new(Mutex::new(gate)) }
    }

    /// Ends all deliveries; when it returns, none is under way.
    pub(crate) fn end(&self) {
        lock(&self.gate).open = false;
    }

    /// Admits a stream, or says that it is stale.
    fn admit(&self, kind: StreamKind) -> Result<Option<Source>, Breach> {
        let mut gate = lock(&self.gate);
        match kind {
            StreamKind::Log(epoch) if gate.log == Some(epoch) => {
                Err(Breach::violation("two log streams of one epoch"))
            }
            // Streams may arrive out of order; an older epoch is stale and no fault.
            StreamKind::Log(epoch) if gate.log > Some(epoch) => Ok(None),
            StreamKind::Log(epoch) => {
                gate.log = Some(epoch);
                Ok(Some(Source::Log(epoch)))
            }
            // One stream of a kind: two would have no order between them.
            StreamKind::Bulk if !gate.bulk => {
                gate.bulk = true;
                Ok(Some(Source::Bulk))
            }
            StreamKind::Bulk | StreamKind::Control | StreamKind::Client => {
                Err(Breach::violation(format!("a second or foreign stream: {kind:?}")))
            }
        }
    }

    /// Delivers a frame unless its source has become stale; says whether the source still counts.
    fn put(&self, place: Permit<'_, PeerEvent>, source: Source, bytes: Bytes) -> bool {
        let gate = lock(&self.gate);
        let lives = gate.open
            && match source {
                Source::Log(epoch) => gate.log == Some(epoch),
                Source::Control | Source::Bulk => true,
            };
        if lives {
            self.counters.add(Count::FramesIn);
            place.put(PeerEvent::Frame { peer: self.peer, lane: source.lane(), bytes });
        }
        lives
    }

    fn put_datagram(&self, bytes: Bytes) {
        let gate = lock(&self.gate);
        let length = bytes.len();
        let event = PeerEvent::Datagram { peer: self.peer, bytes };
        // It may be lost anyway, so nobody waits for a place for it.
        if gate.open {
            let is_taken = self.outlet.try_send(event, length);
            self.counters.add(if is_taken { Count::FramesIn } else { Count::DroppedDatagramsIn });
        }
    }
}

/// Where a frame came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Control,
    Log(Epoch),
    Bulk,
}

impl Source {
    const fn lane(self) -> Lane {
        match self {
            Self::Control => Lane::Control,
            Self::Log(_) => Lane::Log,
            Self::Bulk => Lane::Bulk,
        }
    }
}

impl Link {
    /// Runs the link until it ends, and says why it did.
    pub(crate) async fn run(self) -> DownReason {
        let Self { connection, outbound, start, control, deliveries, suspicion } = self;
        let mut tasks: JoinSet<Result<(), Breach>> = JoinSet::new();
        // Each in a task of its own: a peer that does not read stops the writers, and is heard all
        // the same.
        tasks.spawn(write_lanes(connection.clone(), start, outbound));
        tasks.spawn(read_streams(connection.clone(), control, deliveries.clone()));
        tasks.spawn(read_datagrams(connection.clone(), deliveries.clone()));
        let silence = watch(&connection, suspicion);
        tokio::pin!(silence);
        let reason = loop {
            tokio::select! {
                error = connection.closed() => break DownReason::from_error(&error),
                () = &mut silence => {
                    deliveries.counters.add(Count::LinksSilent);
                    connection.close(CloseCode::Silent.varint(), b"nothing heard");
                    break DownReason::Silent;
                }
                Some(done) = tasks.join_next() => if let Ok(Err(breach)) = done {
                    breach.close(&connection);
                    breach.note(connection.remote_address(), &deliveries.counters);
                    break DownReason::Violation(breach.text);
                },
            }
        };
        // Before the tasks end, so that none delivers anything behind the end.
        deliveries.end();
        tasks.shutdown().await;
        reason
    }
}

impl DownReason {
    pub(crate) fn from_error(error: &ConnectionError) -> Self {
        match error {
            ConnectionError::ApplicationClosed(close) => Self::ClosedByPeer {
                code: close.error_code.into_inner(),
                text: shorten(&String::from_utf8_lossy(&close.reason)),
            },
            ConnectionError::VersionMismatch
            | ConnectionError::TransportError(_)
            | ConnectionError::ConnectionClosed(_)
            | ConnectionError::Reset
            | ConnectionError::TimedOut
            | ConnectionError::LocallyClosed
            | ConnectionError::CidsExhausted => Self::Lost(shorten(&error.to_string())),
        }
    }
}

/// Opens the control stream first, so that the other end accepts it first, then runs the writers.
async fn write_lanes(
    connection: Connection,
    start: ControlStart,
    outbound: Arc<Outbound>,
) -> Result<(), Breach> {
    let control = match start {
        ControlStart::Opened(writer) => writer,
        ControlStart::Answer(hello) => {
            let opened = FrameWriter::open_control(&connection, hello).await;
            // A connection that is lost meanwhile is reported by the watch over it.
            let Ok(writer) = opened else { return Ok(()) };
            writer
        }
    };
    let mut writers = JoinSet::new();
    writers.spawn(control.run(Arc::clone(&outbound.control)));
    writers.spawn(write_lane(connection.clone(), StreamKind::Bulk, Arc::clone(&outbound.bulk)));
    let (mut epoch, mut queue) = outbound.log.current();
    let mut log: JoinSet<_> = JoinSet::new();
    loop {
        // The writer of an older epoch is ended here; its stream is reset as it is dropped.
        log.abort_all();
        log.spawn(write_lane(connection.clone(), StreamKind::Log(epoch), queue));
        // Those that have ended are taken out, or the set would grow with each epoch.
        while log.try_join_next().is_some() {}
        (epoch, queue) = outbound.log.changed_from(epoch).await;
    }
}

/// Opens a lane's stream when the first frame waits, and writes it until it ends.
async fn write_lane(connection: Connection, kind: StreamKind, queue: Arc<LaneQueue>) {
    let lane = if kind == StreamKind::Bulk { Lane::Bulk } else { Lane::Log };
    queue.ready().await;
    if let Ok(writer) = FrameWriter::open(&connection, kind, lane.priority()).await {
        writer.run(queue).await;
    }
}

/// Accepts the other end's streams and reads each in a task of its own.
async fn read_streams(
    connection: Connection,
    control: FrameReader,
    deliveries: Deliveries,
) -> Result<(), Breach> {
    let mut readers: JoinSet<Result<(), Breach>> = JoinSet::new();
    readers.spawn(read_frames(control, Source::Control, deliveries.clone()));
    loop {
        tokio::select! {
            accepted = connection.accept_uni() => {
                // The watch over the connection reports its end.
                let Ok(stream) = accepted else { return Ok(()) };
                readers.spawn(read_stream(FrameReader::new(stream), deliveries.clone()));
            }
            Some(done) = readers.join_next() => if let Ok(outcome) = done {
                outcome?;
            },
        }
    }
}

async fn read_stream(mut reader: FrameReader, deliveries: Deliveries) -> Result<(), Breach> {
    let kind = match reader.kind().await {
        Ok(kind) => kind,
        Err(failure) => return breach_of(failure),
    };
    match deliveries.admit(kind)? {
        Some(source) => read_frames(reader, source, deliveries).await,
        // Dropping the reader stops the stream, so that nothing stale is sent to its end.
        None => Ok(()),
    }
}

/// Delivers the frames of one stream in order; waits while the inbox is full.
async fn read_frames(
    mut reader: FrameReader,
    source: Source,
    deliveries: Deliveries,
) -> Result<(), Breach> {
    reader.set_limit(source.lane().frame_bytes_max());
    loop {
        let bytes = match reader.next().await {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Ok(()),
            Err(failure) => return breach_of(failure),
        };
        let Ok(place) = deliveries.outlet.reserve(bytes.len()).await else { return Ok(()) };
        if !deliveries.put(place, source, bytes) {
            return Ok(());
        }
    }
}

async fn read_datagrams(connection: Connection, deliveries: Deliveries) -> Result<(), Breach> {
    while let Ok(datagram) = connection.read_datagram().await {
        deliveries.put_datagram(datagram);
    }
    Ok(())
}

/// Resets and losses are reported by the watch over the connection; a broken rule ends the link.
fn breach_of(failure: ReadFailure) -> Result<(), Breach> {
    match failure {
        ReadFailure::Reset | ReadFailure::Lost(_) => Ok(()),
        ReadFailure::Breach(breach) => Err(breach),
    }
}

/// Keeps the send window near what the path carries, and ends when nothing authentic was heard for
/// two suspicion times.
///
/// Only time in which this process was able to listen counts: after a stall of its own the packets
/// that arrived meanwhile are still to be read, and the other end is not to blame.
async fn watch(connection: &Connection, suspicion: Duration) {
    let look = suspicion / WATCH_PER_SUSPICION;
    // A look and a half less, so that the report comes within the limit and not a look after it.
    let limit = suspicion * SILENCE_SUSPICIONS - look * 3 / 2;
    let mut looks = tokio::time::interval(look);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut heard, mut silent, mut last) = (0, Duration::ZERO, Instant::now());
    while silent < limit {
        let at = looks.tick().await;
        // A process that was held up heard nothing by its own fault, so a look counts for two of
        // its periods at most.
        let passed = Instant::now().duration_since(last).min(look * 2);
        last = Instant::now().max(at);
        let stats = connection.stats();
        connection.set_send_window(send_window(stats.path.cwnd));
        let count = frames_heard(&stats);
        silent = if count == heard { silent + passed } else { Duration::ZERO };
        heard = count;
    }
}

/// Frames that came in packets whose authenticity was checked.
const fn frames_heard(stats: &ConnectionStats) -> u64 {
    let frames = stats.frame_rx;
    frames.acks + frames.ping + frames.stream + frames.datagram + frames.crypto
}
