//! The journal's thread as a task: the same work, with another idea of waiting.
//!
//! What is done is the [`Committer`]'s, which is the shipped code; the queue has the bounds and the
//! order of the thread's. Between the writing of a batch and its sync as much time passes as the
//! drive takes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use synod_host::Ticket;
use synod_host::journal::{
    AppendError, Commit, Committer, FreeSpace, IN_FLIGHT_MAX, Journal, Rest, SimDisk, SyncError,
};
use synod_node::world::{Commits, OnOutcome};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::disk::Drive;

/// Commits of a journal, carried out by a task. It ends with this.
#[derive(Debug)]
pub struct CommitTask {
    queue: Arc<Queue>,
    task: JoinSet<Result<(), SyncError>>,
}

#[derive(Debug)]
struct Queue {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    waiting: VecDeque<Commit<Ticket>>,
    in_flight: usize,
    in_flight_bytes: u64,
    room: FreeSpace,
    is_closing: bool,
    has_ended: bool,
}

impl CommitTask {
    pub(crate) fn start(journal: Journal<SimDisk>, drive: Drive, on_outcome: OnOutcome) -> Self {
        let committer = Committer::new(journal);
        let state = State {
            waiting: VecDeque::new(),
            in_flight: 0,
            in_flight_bytes: 0,
            room: committer.room(),
            is_closing: false,
            has_ended: false,
        };
        let queue = Arc::new(Queue { state: Mutex::new(state), changed: Notify::new() });
        let mut task = JoinSet::new();
        task.spawn(Worker { committer, queue: Arc::clone(&queue), drive, on_outcome }.run());
        Self { queue, task }
    }
}

impl Commits for CommitTask {
    fn submit(&self, commit: Commit<Ticket>) {
        let mut state = self.queue.lock();
        if state.has_ended || state.is_closing {
            return;
        }
        assert!(state.in_flight < IN_FLIGHT_MAX, "the host has a commit too many on its way");
        state.in_flight += 1;
        state.in_flight_bytes += commit.records.frame_bytes();
        state.waiting.push_back(commit);
        drop(state);
        self.queue.changed.notify_one();
    }

    fn room(&self) -> FreeSpace {
        let state = self.queue.lock();
        state.room.less(state.in_flight_bytes)
    }

    async fn shutdown(mut self) -> Result<(), SyncError> {
        self.queue.lock().is_closing = true;
        self.queue.changed.notify_one();
        let ended = self.task.join_next().await.expect("there is one task, joined once");
        ended.expect("a panic of the task fails the test")
    }
}

impl Queue {
    /// Takes all commits that wait; none if none comes for as long as `rest` is patient, and
    /// nothing more if none will.
    async fn take(&self, rest: Rest) -> Option<Vec<Commit<Ticket>>> {
        let commits = async {
            loop {
                if let Some(taken) = self.try_take() {
                    return taken;
                }
                self.changed.notified().await;
            }
        };
        match rest.patience() {
            Some(patience) => timeout(patience, commits).await.unwrap_or(Some(Vec::new())),
            None => commits.await,
        }
    }

    /// Takes what waits, or the news that nothing will come; none if something may.
    fn try_take(&self) -> Option<Option<Vec<Commit<Ticket>>>> {
        let mut state = self.lock();
        if state.waiting.is_empty() {
            // What was handed in before the end is written before it.
            return state.is_closing.then_some(None);
        }
        Some(Some(state.waiting.drain(..).collect()))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The task's side.
struct Worker {
    committer: Committer<SimDisk, Ticket>,
    queue: Arc<Queue>,
    drive: Drive,
    on_outcome: OnOutcome,
}

impl Worker {
    async fn run(mut self) -> Result<(), SyncError> {
        let mut rest = Rest::Prepare;
        loop {
            let outcome = match self.queue.take(rest).await {
                Some(commits) if commits.is_empty() => self.committer.idle(rest),
                Some(commits) => self.commit(commits).await,
                None => return self.committer.close(),
            };
            rest = match outcome {
                Ok(rest) => rest,
                Err(error) => {
                    self.queue.lock().has_ended = true;
                    (self.on_outcome)(Err(error));
                    return Err(SyncError::Poisoned);
                }
            };
            self.queue.lock().room = self.committer.room();
        }
    }

    async fn commit(&mut self, mut commits: Vec<Commit<Ticket>>) -> Result<Rest, AppendError> {
        self.committer.write(&mut commits);
        self.drive.wait_for_sync().await;
        self.committer.sync()?;
        let (completed, bytes) = self.committer.complete();
        let mut state = self.queue.lock();
        // The three change at once: in between, what is written would count as under way as well.
        state.room = self.committer.room();
        state.in_flight -= completed;
        state.in_flight_bytes -= bytes;
        drop(state);
        for completion in self.committer.completions() {
            (self.on_outcome)(Ok(completion));
        }
        self.committer.end_batch()
    }
}
