//! Work on snapshots, where it may wait for the disk.
//!
//! What is to be done is the host's business, how it is done `SnapshotWork`'s. Orders are carried
//! out one after the other, beside the loop. The claim kept true: every order comes back to the
//! loop, as the host waits for it; that of work that panicked as one that came to nothing.

use std::sync::{Arc, Mutex, PoisonError};

use synod_host::api::StateMachine;
use synod_host::journal::Disk;
use synod_host::{SnapshotDone, SnapshotOrder, SnapshotWork};
use tokio::sync::mpsc;

use crate::world::Placement;

/// Carries orders out on threads that may wait for the disk.
pub(crate) struct Snapshots<M, D: Disk> {
    placement: Placement,
    work: Arc<Mutex<SnapshotWork<M, D>>>,
    answers: mpsc::Sender<SnapshotDone<M>>,
    events: mpsc::Receiver<SnapshotDone<M>>,
}

/// What comes back of an order, in whichever way its work ends.
struct Answer<M> {
    answers: mpsc::Sender<SnapshotDone<M>>,
    done: Option<SnapshotDone<M>>,
}

impl<M: StateMachine + Clone + Send + 'static, D: Disk> Snapshots<M, D> {
    pub(crate) fn new(work: SnapshotWork<M, D>, placement: Placement) -> Self {
        let (answers, events) = mpsc::channel(UNDER_WAY_MAX);
        Self { placement, work: Arc::new(Mutex::new(work)), answers, events }
    }

    /// Begins to carry an order out.
    pub(crate) fn begin(&self, order: SnapshotOrder) {
        let nothing = order.nothing();
        let answer = Answer { answers: self.answers.clone(), done: Some(nothing) };
        let work = Arc::clone(&self.work);
        let carry_out = move || {
            let mut answer = answer;
            // What a panic left is whole: what was in the making is given up with the next order.
            let mut work = work.lock().unwrap_or_else(PoisonError::into_inner);
            answer.done = Some(work.carry_out(order));
        };
        match self.placement {
            Placement::Threads => drop(tokio::task::spawn_blocking(carry_out)),
            Placement::Tasks => drop(tokio::spawn(async move { carry_out() })),
        }
    }

    /// Waits for the end of an order.
    pub(crate) async fn next(&mut self) -> Option<SnapshotDone<M>> {
        self.events.recv().await
    }

    /// Takes the end of an order, if one is there.
    pub(crate) fn ready(&mut self) -> Option<SnapshotDone<M>> {
        self.events.try_recv().ok()
    }
}

impl<M> Drop for Answer<M> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("work on a snapshot has panicked, and comes to nothing");
        }
        // There is a place for each order that may be out; the loop is gone only when the node
        // ends.
        if let Some(done) = self.done.take() {
            let _ = self.answers.try_send(done);
        }
    }
}

/// How many orders are out at most: the host gives one of each kind at a time, and may let a
/// snapshot go meanwhile.
const UNDER_WAY_MAX: usize = 6;
