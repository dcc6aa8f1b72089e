//! One direction of one connection: reads from one socket, waits as the link says, writes to the
//! other.
//!
//! Each write happens under the lock under which rules change, so that once a cut is in force no
//! byte passes. What is read and may not pass waits in a queue with a bound; beyond it the sender
//! has to wait, as on any network. The end of a stream and the death of a socket travel in the same
//! queue: a cut holds them, too.

use std::cell::Cell;
use std::io::ErrorKind;
use std::rc::Rc;
use std::time::Duration;

use rustix::net::Shutdown;
use synod_fault::ChunkVerdict;
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::Carrier;
use super::queue::{Queue, What};
use crate::fabric::LinkIndex;
use crate::network::lock;

/// One direction of one connection.
pub(super) struct Direction {
    pub(super) carrier: Rc<Carrier>,
    pub(super) link: LinkIndex,
    pub(super) from: Rc<TcpStream>,
    pub(super) to: Rc<TcpStream>,
    /// Whether whoever writes to `from` found it broken.
    pub(super) from_broken: Rc<Broken>,
    /// The same for `to`, which this direction writes to.
    pub(super) to_broken: Rc<Broken>,
    /// The directions of the connection that are not over.
    pub(super) unfinished: Rc<Unfinished>,
}

/// A socket that was found broken by whoever wrote to it.
#[derive(Default)]
pub(super) struct Broken {
    found: Cell<bool>,
    told: Notify,
}

/// How many directions of a connection are not over.
pub(super) struct Unfinished {
    count: Cell<u8>,
    /// Told when it comes to none.
    pub(super) none: Notify,
}

impl Unfinished {
    /// Begins with both.
    pub(super) fn both() -> Self {
        Self { count: Cell::new(2), none: Notify::new() }
    }
}

/// How far a direction is.
#[derive(Default)]
struct Flow {
    queue: Queue,
    input: Input,
    finished: bool,
    /// Whether a fault ended the stream, which lasts as long as that fault.
    half_closed: bool,
}

/// What is done with what the sender says.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Input {
    /// It is carried.
    #[default]
    Open,
    /// It is read and thrown away: the receiver hears nothing any more.
    Swallowed,
    /// It has ended.
    Ended,
}

/// What the first thing in the queue waits for.
#[derive(Default)]
struct Wait {
    until: Option<Duration>,
    writable: bool,
    cut: bool,
}

impl Direction {
    /// Carries until the connection is to be reset; for ever, if it ends in peace.
    ///
    /// A connection that a fault half-closed is reset when that fault ends: nobody would otherwise
    /// ever learn that one of its streams leads nowhere.
    pub(super) async fn carry(self) {
        let mut changes = self.carrier.changes.clone();
        let mut flow = Flow::default();
        loop {
            changes.borrow_and_update();
            self.take_note_of_a_broken_sender(&mut flow);
            if flow.half_closed && !self.half_closes() {
                return;
            }
            let Some(wait) = self.flush(&mut flow) else { return };
            self.take_note_of_the_end(&mut flow);
            let room = self.room(&flow);
            let due = self.carrier.start + wait.until.unwrap_or_default();
            tokio::select! {
                biased;
                _ = self.from.readable(), if room > 0 => self.read(&mut flow, room),
                () = self.from_broken.told.notified() => {}
                _ = self.to.writable(), if wait.writable => {}
                _ = changes.changed(), if wait.cut || flow.half_closed => {}
                () = tokio::time::sleep_until(due), if wait.until.is_some() => {}
            }
        }
    }

    /// Returns how many bytes may be read.
    fn room(&self, flow: &Flow) -> usize {
        match flow.input {
            Input::Ended => 0,
            Input::Swallowed => CHUNK_BYTES_MAX,
            Input::Open => {
                let mut fabric = lock(&self.carrier.fabric);
                let (link, _) = fabric.streams(self.link);
                let window = link.window_bytes().min(QUEUE_BYTES_MAX);
                let room = window.saturating_sub(flow.queue.bytes());
                let chunk = link.chunk_bytes_max().min(CHUNK_BYTES_MAX);
                if room == 0 { 0 } else { chunk }
            }
        }
    }

    /// Returns whether the fault is in force that ends streams.
    fn half_closes(&self) -> bool {
        let mut fabric = lock(&self.carrier.fabric);
        fabric.streams(self.link).0.rules().half_close.0 > 0
    }

    fn read(&self, flow: &mut Flow, most: usize) {
        let mut scratch = self.carrier.scratch.borrow_mut();
        match self.from.try_read(&mut scratch[..most]) {
            Ok(0) => self.on_end(flow),
            Ok(size) if flow.input == Input::Open => self.on_chunk(flow, &scratch[..size]),
            // What is swallowed is read all the same, or the sender would come to a stand and
            // notice.
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => self.on_reset(flow),
        }
    }

    fn on_chunk(&self, flow: &mut Flow, bytes: &[u8]) {
        let now = self.carrier.start.elapsed();
        let mut fabric = lock(&self.carrier.fabric);
        let passage = match fabric.chunk(self.link, bytes.len(), now) {
            ChunkVerdict::Reset => {
                flow.queue.push(now, What::Reset { forged: true });
                flow.input = Input::Swallowed;
                return;
            }
            ChunkVerdict::Pass(passage) => passage,
        };
        let mut rest = bytes;
        let (link, counts) = fabric.streams(self.link);
        let plain = passage.delay.is_zero() && passage.piece.is_none();
        if plain && flow.queue.is_empty() && !link.is_cut() {
            // Whatever goes wrong here goes wrong again when the queue is flushed.
            let given = self.to.try_write(bytes).unwrap_or_default();
            counts.bytes += given as u64;
            rest = &bytes[given..];
            if given > 0 {
                fabric.came(self.link, given, now, now);
            }
        }
        if !rest.is_empty() {
            flow.queue.push_chunk(now, &passage, rest);
        }
        if passage.last {
            flow.queue.push(now + passage.delay, What::End { forged: true });
            flow.input = Input::Swallowed;
            flow.half_closed = true;
        }
    }

    /// The sender has no more to say; or it is dead, if a write to it has shown that.
    fn on_end(&self, flow: &mut Flow) {
        if self.from_broken.found.get() {
            return self.on_reset(flow);
        }
        if flow.input == Input::Open {
            flow.queue.push(self.arrival(), What::End { forged: false });
        }
        flow.input = Input::Ended;
    }

    fn on_reset(&self, flow: &mut Flow) {
        flow.input = Input::Ended;
        flow.queue.push(self.arrival(), What::Reset { forged: false });
    }

    /// A sender that was found broken after it had ended its stream is dead as a whole.
    fn take_note_of_a_broken_sender(&self, flow: &mut Flow) {
        if flow.input == Input::Ended && self.from_broken.found.replace(false) {
            self.on_reset(flow);
        }
    }

    fn take_note_of_the_end(&self, flow: &mut Flow) {
        let over = flow.input == Input::Ended && flow.queue.is_empty();
        if over && !flow.finished {
            flow.finished = true;
            let Unfinished { count, none } = &*self.unfinished;
            count.set(count.get() - 1);
            if count.get() == 0 {
                none.notify_one();
            }
        }
    }

    /// Returns when something without bytes arrives that leaves at once.
    fn arrival(&self) -> Duration {
        let mut fabric = lock(&self.carrier.fabric);
        let delay = fabric.streams(self.link).0.rules().delay_ms.duration();
        self.carrier.start.elapsed() + delay
    }

    /// Gives the receiver what is due. Returns what the rest waits for, or none if the connection
    /// is to be reset.
    fn flush(&self, flow: &mut Flow) -> Option<Wait> {
        loop {
            let now = self.carrier.start.elapsed();
            let Some(due) = flow.queue.next_due() else { return Some(Wait::default()) };
            if due > now {
                return Some(Wait { until: Some(due), ..Wait::default() });
            }
            let mut fabric = lock(&self.carrier.fabric);
            let (link, counts) = fabric.streams(self.link);
            if link.is_cut() {
                let held = flow.queue.hold(now);
                counts.held_bytes += held;
                if held > 0 {
                    fabric.held(self.link, held as usize, now);
                }
                let until = flow.queue.next_to_hold();
                return Some(Wait { until, cut: true, writable: false });
            }
            match flow.queue.front() {
                None => return Some(Wait::default()),
                Some(What::Bytes(piece)) => match self.to.try_write(piece.rest()) {
                    Ok(given) => {
                        let read = piece.read();
                        flow.queue.give(given, counts);
                        fabric.came(self.link, given, read, now);
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        return Some(Wait { writable: true, ..Wait::default() });
                    }
                    Err(_) => self.on_broken_receiver(flow),
                },
                Some(What::End { forged }) => {
                    counts.half_closed += u64::from(*forged);
                    // A receiver that is gone needs not be told.
                    let _ = rustix::net::shutdown(&*self.to, Shutdown::Write);
                    flow.queue.pop();
                }
                Some(What::Reset { forged }) => {
                    counts.resets += u64::from(*forged);
                    return None;
                }
            }
        }
    }

    /// Nothing reaches the receiver any more; the opposite direction carries that news back.
    fn on_broken_receiver(&self, flow: &mut Flow) {
        flow.queue.clear();
        if flow.input == Input::Open {
            flow.input = Input::Swallowed;
        }
        self.to_broken.found.set(true);
        self.to_broken.told.notify_one();
    }
}

/// Bytes that are read at once at most.
pub(super) const CHUNK_BYTES_MAX: usize = 256 << 10;

/// Bytes of one direction of one connection that wait, before its sender is read no further. One
/// chunk may come on top.
const QUEUE_BYTES_MAX: usize = 256 << 10;
