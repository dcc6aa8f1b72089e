//! The journal on a thread of its own, since it sleeps in every sync.
//!
//! Frames and recovery are left to the journal, waking to `queue`. Claim kept: completions come in
//! the order of submission, each after a sync that covers it, and an error comes once and ends it.

use std::io;
use std::ops::Range;
use std::time::Duration;

use crate::ahead::Prepared;
use crate::disk::Disk;
use crate::error::{AppendError, SyncError};
use crate::position::{HardState, Lsn};
use crate::queue::{Queue, Taken};
use crate::records::Records;
use crate::sync::{Arc, thread};
use crate::writer::Journal;

/// Commits between submission and completion, at most.
pub const IN_FLIGHT_MAX: usize = 2;
/// How long the journal is idle before it is sealed.
pub const IDLE_SEAL: Duration = Duration::from_millis(50);
/// How long the journal is idle before it works on the next segment, where that is not urgent.
const IDLE_PREPARE: Duration = Duration::from_millis(1);
/// How often an idle journal asks a full disk for space.
pub const FULL_RETRY: Duration = Duration::from_millis(500);
/// How often a busy journal asks a full disk for space, in batches.
const FULL_RETRY_BATCHES: u32 = 64;

/// One commit: what is to be made durable together.
#[derive(Debug)]
pub struct Commit<T> {
    /// The user's latest hard state.
    pub hard_state: HardState,
    /// The records, perhaps none.
    pub records: Records,
    /// What comes back when the commit is durable.
    pub ticket: T,
}

/// A commit that is durable.
#[derive(Debug)]
pub struct Completion<T> {
    /// What was submitted with the commit.
    pub ticket: T,
    /// The numbers of its records; empty for a commit without records.
    pub lsns: Range<Lsn>,
    /// The emptied buffer, for the next commit.
    pub records: Records,
}

/// Why a commit was handed back.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError<T> {
    /// [`IN_FLIGHT_MAX`] commits are on their way: wait for a completion.
    #[error("the journal is busy with {IN_FLIGHT_MAX} commits")]
    Busy(Commit<T>),
    /// The journal has ended, by an error that was reported or by shutdown.
    #[error("the journal has ended")]
    Ended(Commit<T>),
}

/// Bytes of commits that can be appended for certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// As [`Journal::room`].
    pub total: u64,
    /// As [`Journal::room_for_work`].
    pub for_work: u64,
}

/// A journal on its own thread.
///
/// The thread seals after [`IDLE_SEAL`] without a commit and makes segments ahead.
///
/// ```
/// use std::path::Path;
/// use std::sync::mpsc;
/// use synod_journal::{Commit, GroupCommit, HardState, Journal, Options, Records, SimDisk};
///
/// let disk = SimDisk::new(1);
/// let options = Options::new(b"node 1");
/// let (journal, _) = Journal::open(disk, Path::new("log"), &options, |_| {})?;
/// let (inbox, completions) = mpsc::channel();
/// let group = GroupCommit::start(journal, move |outcome| {
///     inbox.send(outcome).expect("the owner waits for the answer");
/// })?;
/// let records: Records = [b"put x 7"].into_iter().collect();
/// let commit = Commit { hard_state: HardState::default(), records, ticket: "my batch" };
/// group.submit(commit).expect("nothing else is in flight");
/// let done = completions.recv()??;
/// assert_eq!((done.ticket, done.lsns.start.get()), ("my batch", 1));
/// group.shutdown()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct GroupCommit<T> {
    queue: Arc<Queue<T>>,
    thread: Option<thread::JoinHandle<Result<(), SyncError>>>,
}

impl<T: Send + 'static> GroupCommit<T> {
    /// Starts the thread. `on_outcome` runs on it: once for each commit in order, and once for the
    /// error that ends it, if any; it must not block for long.
    ///
    /// A commit that is too large, or for which the disk has no room, ends the journal as any other
    /// error does, since what a batch says has happened already: ask [`GroupCommit::room`] first.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub fn start<D: Disk>(
        journal: Journal<D>,
        on_outcome: impl FnMut(Result<Completion<T>, AppendError>) + Send + 'static,
    ) -> io::Result<Self> {
        let queue = Arc::new(Queue::new(room_of(&journal)));
        let worker = Worker {
            journal,
            queue: Ending(Arc::clone(&queue)),
            on_outcome,
            written: Vec::with_capacity(IN_FLIGHT_MAX),
            batches_until_retry: 0,
        };
        let builder = thread::Builder::new().name("journal".to_owned());
        let thread = builder.spawn(move || worker.run())?;
        Ok(Self { queue, thread: Some(thread) })
    }

    /// Hands a commit over without waiting.
    ///
    /// # Errors
    /// When [`IN_FLIGHT_MAX`] commits are on their way, or the journal has ended; the commit comes
    /// back with the error.
    pub fn submit(&self, commit: Commit<T>) -> Result<(), SubmitError<T>> {
        self.queue.submit(commit)
    }

    /// Returns how many commits are on their way.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.queue.in_flight()
    }

    /// Returns the room that is left when the commits on their way are written.
    #[must_use]
    pub fn room(&self) -> Room {
        self.queue.room()
    }

    /// Completes what was submitted, seals the journal, and ends the thread.
    ///
    /// # Errors
    /// When the seal fails, or the journal had ended by an error before.
    ///
    /// # Panics
    /// When the callback has panicked.
    pub fn shutdown(mut self) -> Result<(), SyncError> {
        let thread = self.thread.take().expect("only shutdown and drop take the thread");
        self.queue.close();
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl<T> Drop for GroupCommit<T> {
    /// Waits for the thread, which completes what was submitted.
    fn drop(&mut self) {
        self.queue.close();
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
        {
            // The outcome was the callback's; whoever wants that of the seal calls `shutdown`.
            let _ = thread.join();
        }
    }
}

impl<T> std::fmt::Debug for GroupCommit<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let in_flight = self.queue.in_flight();
        f.debug_struct("GroupCommit").field("in_flight", &in_flight).finish_non_exhaustive()
    }
}

/// Tells the owner that the thread is gone, however it goes.
struct Ending<T>(Arc<Queue<T>>);

impl<T> Drop for Ending<T> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// A commit that was appended and waits for its sync.
struct Written<T> {
    commit: Commit<T>,
    lsns: Range<Lsn>,
}

/// What the thread does when no commit is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    /// Wait a moment, then work on the next segment.
    PrepareSoon,
    /// Go on with the next segment at once.
    Prepare,
    /// Wait, then seal.
    Seal,
    /// Wait, then ask for space again.
    AskForSpace,
    /// Wait for a commit.
    Nothing,
}

/// The thread's side.
struct Worker<D: Disk, T, F> {
    journal: Journal<D>,
    queue: Ending<T>,
    on_outcome: F,
    written: Vec<Written<T>>,
    batches_until_retry: u32,
}

impl<D: Disk, T, F: FnMut(Result<Completion<T>, AppendError>)> Worker<D, T, F> {
    fn run(mut self) -> Result<(), SyncError> {
        let mut batch = Vec::with_capacity(IN_FLIGHT_MAX);
        let mut rest = Rest::Prepare;
        loop {
            let outcome = match self.queue.0.take(rest.patience(), &mut batch) {
                Taken::Commits => self.commit(&mut batch),
                Taken::Idle => self.idle(rest),
                Taken::Closed => return self.close(),
            };
            rest = match outcome {
                Ok(rest) => rest,
                Err(error) => return self.fail(error),
            };
        }
    }

    /// Writes a batch, syncs once, and completes it.
    fn commit(&mut self, batch: &mut Vec<Commit<T>>) -> Result<Rest, AppendError> {
        let mut refused = None;
        for mut commit in batch.drain(..) {
            match self.journal.append(&commit.hard_state, &mut commit.records) {
                Ok(lsns) => self.written.push(Written { commit, lsns }),
                Err(error) => {
                    refused = Some(error);
                    break;
                }
            }
        }
        if !self.written.is_empty() {
            self.journal.sync()?;
        }
        self.complete();
        if let Some(error) = refused {
            return Err(error);
        }
        if self.batches_until_retry > 0 {
            self.batches_until_retry -= 1;
        } else if self.journal.needs_segment() && self.journal.prepare()? == Prepared::Full {
            self.batches_until_retry = FULL_RETRY_BATCHES;
        }
        self.queue.0.set_room(room_of(&self.journal));
        Ok(Rest::PrepareSoon)
    }

    /// Reports what the sync has covered, in order.
    fn complete(&mut self) {
        let bytes = self.written.iter().map(|written| written.commit.records.frame_bytes()).sum();
        // The room comes first, so that no moment shows room that these commits have taken.
        self.queue.0.set_room(room_of(&self.journal));
        self.queue.0.complete(self.written.len(), bytes);
        for Written { commit, lsns } in self.written.drain(..) {
            let Commit { mut records, ticket, .. } = commit;
            records.clear();
            (self.on_outcome)(Ok(Completion { ticket, lsns, records }));
        }
    }

    /// Does what can wait.
    fn idle(&mut self, rest: Rest) -> Result<Rest, AppendError> {
        let next = match rest {
            Rest::PrepareSoon | Rest::Prepare | Rest::AskForSpace => {
                match self.journal.prepare()? {
                    Prepared::Unfinished => Rest::Prepare,
                    // A seal that was put off for want of room is made up for.
                    Prepared::Ready | Prepared::NotDue => Rest::Seal,
                    Prepared::Full if rest == Rest::AskForSpace => Rest::AskForSpace,
                    Prepared::Full => Rest::Seal,
                }
            }
            Rest::Seal => {
                self.journal.seal()?;
                if self.journal.has_segment_ahead() { Rest::Nothing } else { Rest::AskForSpace }
            }
            Rest::Nothing => Rest::Nothing,
        };
        self.queue.0.set_room(room_of(&self.journal));
        Ok(next)
    }

    fn close(self) -> Result<(), SyncError> {
        self.journal.close()
    }

    fn fail(mut self, error: AppendError) -> Result<(), SyncError> {
        self.queue.0.end();
        (self.on_outcome)(Err(error));
        Err(SyncError::Poisoned)
    }
}

impl Rest {
    fn patience(self) -> Option<Duration> {
        match self {
            Self::PrepareSoon => Some(IDLE_PREPARE),
            Self::Prepare => Some(Duration::ZERO),
            Self::Seal => Some(IDLE_SEAL),
            Self::AskForSpace => Some(FULL_RETRY),
            Self::Nothing => None,
        }
    }
}

impl From<SyncError> for AppendError {
    fn from(error: SyncError) -> Self {
        match error {
            SyncError::Fatal(fatal) => Self::Fatal(fatal),
            SyncError::Poisoned => Self::Poisoned,
        }
    }
}

fn room_of<D: Disk>(journal: &Journal<D>) -> Room {
    Room { total: journal.room(), for_work: journal.room_for_work() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_thread_rests_before_it_works_and_sleeps_once_all_is_done() {
        for (rest, patience) in [
            (Rest::Prepare, Duration::ZERO),
            (Rest::PrepareSoon, IDLE_PREPARE),
            (Rest::Seal, IDLE_SEAL),
            (Rest::AskForSpace, FULL_RETRY),
        ] {
            assert_eq!(rest.patience(), Some(patience), "{rest:?}");
        }
        assert_eq!(Rest::Nothing.patience(), None, "until a commit comes");
    }
}
