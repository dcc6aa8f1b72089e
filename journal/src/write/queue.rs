//! The bounded queue between the owner and the journal thread, and how each wakes the other.
//!
//! Disks are left to `group_commit`. Claim kept: a commit that was accepted is handed to the thread
//! exactly once and in order, no wake-up is lost, and never more than `IN_FLIGHT_MAX` commits are
//! between submission and completion.

use std::collections::VecDeque;
use std::time::Duration;

use crate::primitives::{Condvar, Mutex, MutexGuard, PoisonError};
use crate::write::commit::{Commit, FreeSpace, IN_FLIGHT_MAX, SubmitError};

/// The shared side of a group commit.
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    waiting: VecDeque<Commit<T>>,
    /// Commits between submission and completion.
    in_flight: usize,
    /// What those take on the disk.
    in_flight_bytes: u64,
    room: FreeSpace,
    closing: bool,
    ended: bool,
}

/// What the journal thread is to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Commits were taken.
    Commits,
    /// None came for as long as the thread had patience.
    Idle,
    /// None will come.
    Closed,
}

impl<T> Queue<T> {
    pub(crate) fn new(room: FreeSpace) -> Self {
        let state = State {
            waiting: VecDeque::with_capacity(IN_FLIGHT_MAX),
            in_flight: 0,
            in_flight_bytes: 0,
            room,
            closing: false,
            ended: false,
        };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Hands a commit over, or back.
    pub(crate) fn submit(&self, commit: Commit<T>) -> Result<(), SubmitError<T>> {
        let mut state = self.lock();
        if state.ended || state.closing {
            return Err(SubmitError::Ended(commit));
        }
        if state.in_flight == IN_FLIGHT_MAX {
            return Err(SubmitError::Busy(commit));
        }
        state.in_flight += 1;
        state.in_flight_bytes += commit.records.frame_bytes();
        state.waiting.push_back(commit);
        drop(state);
        // Nobody but the thread of the journal ever waits here, so one wake-up is enough.
        self.changed.notify_one();
        Ok(())
    }

    /// Waits for commits and takes all that there are; without a limit when `patience` is `None`.
    pub(crate) fn take(&self, patience: Option<Duration>, batch: &mut Vec<Commit<T>>) -> Taken {
        let mut state = self.lock();
        loop {
            if !state.waiting.is_empty() {
                batch.extend(state.waiting.drain(..));
                return Taken::Commits;
            }
            if state.closing {
                // It is asked behind the commits: what was accepted before the closing is still
                // handed out.
                return Taken::Closed;
            }
            state = match patience {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => return Taken::Idle,
                Some(patience) => {
                    let waited = self.changed.wait_timeout(state, patience);
                    let (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
                    // What came in the last moment counts more than that the time is up.
                    if timeout.timed_out() && state.waiting.is_empty() && !state.closing {
                        return Taken::Idle;
                    }
                    state
                }
            };
        }
    }

    /// Makes place for so many commits that were completed.
    pub(crate) fn complete(&self, commits: usize, bytes: u64) {
        let mut state = self.lock();
        state.in_flight -= commits;
        state.in_flight_bytes -= bytes;
    }

    /// Publishes the room that the journal has.
    pub(crate) fn set_room(&self, room: FreeSpace) {
        self.lock().room = room;
    }

    /// Returns the room that is left when everything in flight is written.
    pub(crate) fn room(&self) -> FreeSpace {
        let state = self.lock();
        state.room.less(state.in_flight_bytes)
    }

    /// Returns how many commits are between submission and completion.
    pub(crate) fn in_flight(&self) -> usize {
        self.lock().in_flight
    }

    /// Takes no more commits; those accepted are still handed out.
    pub(crate) fn close(&self) {
        self.lock().closing = true;
        self.changed.notify_one();
    }

    /// Says that the thread is gone, or about to.
    pub(crate) fn end(&self) {
        self.lock().ended = true;
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
