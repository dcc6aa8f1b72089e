//! Where the loop leaves what it measured, and the server of metrics finds it.
//!
//! The loop writes a cell of its own with each turn, and takes the lock a few times a second; who
//! reads never holds it for longer than a pointer takes to copy. The claim kept true: no reader
//! holds the loop up, and a loop that is held up holds no reader up: he sees what was left last,
//! and how old it is.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use synod_clock::Moment;
use synod_host::Measured;
use synod_host::smr::Queue;
use synod_transport_quic::CountersSnapshot;

/// What the loop and the server of metrics share.
#[derive(Debug)]
pub(crate) struct Board {
    origin: Instant,
    /// When the last turn began, in nanoseconds after the origin.
    beat_ns: AtomicU64,
    /// Whether the loop has ended.
    over: AtomicBool,
    shown: Mutex<Option<Arc<Shown>>>,
    pub(crate) about: About,
}

/// What does not change while a node runs.
#[derive(Clone, Debug)]
pub(crate) struct About {
    pub(crate) node: u16,
    pub(crate) heartbeat: Duration,
    /// When the certificate ends, in seconds since 1970.
    pub(crate) certificate_end_s: u64,
}

/// What the loop measured at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) measured: Measured,
    /// What waits at the transport, each beside its bound.
    pub(crate) queues: Vec<Queue>,
    pub(crate) peers: CountersSnapshot,
    pub(crate) clients: CountersSnapshot,
    /// Messages that the transport dropped, for lack of a link or of room.
    pub(crate) messages_dropped: u64,
}

impl Board {
    pub(crate) fn new(about: About) -> Self {
        Self {
            origin: Instant::now(),
            beat_ns: AtomicU64::new(0),
            over: AtomicBool::new(false),
            shown: Mutex::new(None),
            about,
        }
    }

    /// Returns what the loop left last; none before its first turn.
    pub(crate) fn shown(&self) -> Option<Arc<Shown>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns how long ago the last turn began, or this board was made.
    pub(crate) fn beat_age(&self) -> Duration {
        let beat = Duration::from_nanos(self.beat_ns.load(Ordering::Relaxed));
        self.origin.elapsed().saturating_sub(beat)
    }

    /// Tells whether the loop has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }
}

/// The loop's side of a board; with it the loop ends.
#[derive(Debug)]
pub(crate) struct BoardWriter {
    board: Arc<Board>,
    due: Moment,
}

impl BoardWriter {
    pub(crate) const fn new(board: Arc<Board>) -> Self {
        Self { board, due: Moment::ORIGIN }
    }

    /// Takes note that a turn begins. No other word rests on this one, so no order is asked for.
    pub(crate) fn on_turn(&self) {
        let ns = self.board.origin.elapsed().as_nanos();
        self.board.beat_ns.store(u64::try_from(ns).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Tells whether what was left last is old enough to be replaced.
    pub(crate) fn is_due(&mut self, now: Moment) -> bool {
        let due = now >= self.due;
        if due {
            self.due = now + SHOWN_EVERY;
        }
        due
    }

    /// Leaves what was measured.
    pub(crate) fn show(&self, shown: Shown) {
        let shown = Some(Arc::new(shown));
        let before = {
            let mut place = self.board.shown.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *place, shown)
        };
        // Its memory is given back outside of the lock.
        drop(before);
    }
}

impl Drop for BoardWriter {
    fn drop(&mut self) {
        self.board.over.store(true, Ordering::Relaxed);
    }
}

/// How long what was measured stands, at least.
const SHOWN_EVERY: Duration = Duration::from_millis(100);
