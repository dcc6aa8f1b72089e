//! The thread beside the loop: while a turn is long it drives the network, and the beacon speaks.
//!
//! Both networks run on the thread of the loop, as a thread of their own would cost two hand-overs
//! for each message. Between two turns the loop drives the runtime; during a turn nobody
//! does, so that this thread can, when the turn is long. When the beacon speaks, and for how long,
//! is the host's business ([`Beacon`]). The claim kept true: what is said for the loop was handed
//! to the transport before anything that the loop says after its turn.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::Duration;

use bytes::Bytes;
use synod_clock::{Moment, TimeSource as _};
use synod_host::Beacon;
use synod_transport_quic::{PeerHandle, PeerId};
use tokio::runtime::Runtime;
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::clock::LoopTime;

/// The beacon, and what the loop and the thread beside it tell each other.
#[derive(Debug)]
pub(crate) struct SharedBeacon {
    state: Mutex<State>,
    /// The turn is over in which the thread beside drives the network.
    turn_over: Notify,
    period: Duration,
}

#[derive(Debug)]
struct State {
    beacon: Beacon,
    /// Whether a turn runs.
    in_turn: bool,
    /// Whether the thread beside drives the network.
    drives: bool,
    /// Whether the loop has ended.
    over: bool,
}

impl SharedBeacon {
    pub(crate) fn new(period: Duration) -> Self {
        let beacon = Beacon::new(period);
        let state = State { beacon, in_turn: false, drives: false, over: false };
        Self { state: Mutex::new(state), turn_over: Notify::new(), period }
    }

    /// Takes note that the loop begins a turn, in which it does not drive the network.
    pub(crate) fn begin_turn(&self, now: Moment) -> Turn<'_> {
        let mut state = self.lock();
        state.in_turn = true;
        state.beacon.on_turn(now);
        Turn { beacon: self, is_over: false }
    }

    fn on_turn_end(&self) {
        let mut state = self.lock();
        state.in_turn = false;
        state.beacon.on_turn_end();
        // Only where it drives: a word that nobody waits for would be kept, and end its next wait.
        if std::mem::take(&mut state.drives) {
            self.turn_over.notify_one();
        }
    }

    /// Takes in the heartbeat that the loop sends.
    pub(crate) fn on_heartbeat(&self, bytes: Bytes) {
        self.lock().beacon.on_heartbeat(bytes);
    }

    /// Lets the beacon fall silent, as the node was told to end.
    pub(crate) fn end(&self) {
        self.lock().beacon.end();
    }

    /// Runs the thread beside the loop until the loop has ended.
    pub(crate) fn stand_by(
        &self,
        runtime: &Runtime,
        time: LoopTime,
        peers: &PeerHandle,
        to: &[PeerId],
    ) {
        loop {
            thread::park_timeout(self.period / LOOKS_PER_PERIOD);
            if self.is_over() {
                return;
            }
            if self.takes_over(time.now()) {
                runtime.block_on(self.speak(time, peers, to));
            }
        }
    }

    /// Returns what ends the thread beside when it is dropped.
    pub(crate) fn until_dropped(&self, beside: Thread) -> Standby<'_> {
        Standby { beacon: self, beside }
    }

    /// Says what is due until the turn is over.
    async fn speak(&self, time: LoopTime, peers: &PeerHandle, to: &[PeerId]) {
        let send = |bytes: Bytes| {
            for peer in to {
                peers.send_datagram(*peer, bytes.clone());
            }
        };
        while self.say(time.now(), send) {
            tokio::select! {
                () = self.turn_over.notified() => {}
                () = sleep(self.period / LOOKS_PER_PERIOD) => {}
            }
        }
    }

    /// Says what is due; tells whether a turn runs, if another one than before, and then its end is
    /// told.
    fn say(&self, now: Moment, send: impl FnOnce(Bytes)) -> bool {
        let mut state = self.lock();
        if let Some(bytes) = state.beacon.on_time(now) {
            send(bytes);
        }
        state.drives = state.in_turn;
        state.drives
    }

    fn takes_over(&self, now: Moment) -> bool {
        let mut state = self.lock();
        state.drives = state.in_turn && state.beacon.is_held_up(now);
        state.drives
    }

    fn is_over(&self) -> bool {
        self.lock().over
    }

    /// Nobody holds it for long, and its state is whole at all times.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A turn that runs. One that is dropped without [`Turn::end`] has failed, and its node ends,
/// however long its disk keeps it: the beacon falls silent.
#[must_use = "a turn that is not said to be over ends the beacon"]
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    beacon: &'a SharedBeacon,
    is_over: bool,
}

impl Turn<'_> {
    /// Takes note that the loop is about to drive the network again.
    pub(crate) fn end(mut self) {
        self.is_over = true;
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.beacon.end();
        }
        self.beacon.on_turn_end();
    }
}

/// Ends the thread beside the loop when the loop has ended, in whichever way.
#[derive(Debug)]
pub(crate) struct Standby<'a> {
    beacon: &'a SharedBeacon,
    beside: Thread,
}

impl Drop for Standby<'_> {
    fn drop(&mut self) {
        self.beacon.lock().over = true;
        self.beacon.end();
        self.beacon.on_turn_end();
        // The thread may drive the network, of which the line above lets go, or be parked.
        self.beside.unpark();
    }
}

/// Looks at the loop for each heartbeat: each wakes the processor, and one alone would let two
/// periods pass in silence.
const LOOKS_PER_PERIOD: u32 = 2;

#[cfg(test)]
mod orders;

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_millis(40);

    /// Tells whether the beacon speaks in a turn that is long.
    fn speaks(beacon: &SharedBeacon) -> bool {
        let turn = beacon.begin_turn(Moment::ORIGIN);
        let said = beacon.lock().beacon.on_time(Moment::ORIGIN + PERIOD);
        turn.end();
        said.is_some()
    }

    #[test]
    fn a_node_whose_turn_failed_is_silent_for_good() {
        let beacon = SharedBeacon::new(PERIOD);
        beacon.on_heartbeat(Bytes::from_static(b"beat"));
        assert!(speaks(&beacon));
        assert!(speaks(&beacon), "a turn that is over changes nothing");
        drop(beacon.begin_turn(Moment::ORIGIN));
        assert!(!speaks(&beacon));
    }
}
