//! The journal on a thread of its own, since it sleeps in every sync.
//!
//! What is done is left to `committer`, waking to `queue`. Claim kept: completions come in
//! the order of submission, each after a sync that covers it, and an error comes once and ends it.

use std::io;

use crate::disk::Disk;
use crate::error::{AppendError, SyncError};
use crate::write::committer::{Committer, Rest};

use crate::primitives::{Arc, panicking, thread};
use crate::write::commit::{Commit, Completion, FreeSpace, IN_FLIGHT_MAX, SubmitError};
use crate::write::journal::Journal;
use crate::write::queue::{Queue, Taken};

/// A journal on its own thread.
///
/// The thread seals after [`IDLE_SEAL`](crate::IDLE_SEAL) without a commit, and makes segments
/// ahead.
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
/// let (hard_state, ticket) = (HardState::default(), "my batch");
/// let commit = Commit { hard_state, records, keep: None, ticket };
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
        let committer = Committer::new(journal);
        let queue = Arc::new(Queue::new(committer.room()));
        let worker = Worker { committer, queue: Ending(Arc::clone(&queue)), on_outcome };
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
    pub fn room(&self) -> FreeSpace {
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
    /// Waits for the thread, which completes what was submitted; but not in a panic: a disk that
    /// hangs would keep the news of it for ever.
    fn drop(&mut self) {
        self.queue.close();
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
            && !panicking()
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

/// The thread's side.
struct Worker<D: Disk, T, F> {
    committer: Committer<D, T>,
    queue: Ending<T>,
    on_outcome: F,
}

impl<D: Disk, T, F: FnMut(Result<Completion<T>, AppendError>)> Worker<D, T, F> {
    fn run(mut self) -> Result<(), SyncError> {
        let mut batch = Vec::with_capacity(IN_FLIGHT_MAX);
        let mut rest = Rest::Prepare;
        loop {
            let outcome = match self.queue.0.take(rest.patience(), &mut batch) {
                Taken::Commits => self.commit(&mut batch),
                Taken::Idle => self.committer.idle(rest),
                Taken::Closed => return self.committer.close(),
            };
            rest = match outcome {
                Ok(rest) => rest,
                Err(error) => return self.fail(error),
            };
            self.queue.0.set_room(self.committer.room());
        }
    }

    /// Writes a batch, syncs once, and completes it.
    fn commit(&mut self, batch: &mut Vec<Commit<T>>) -> Result<Rest, AppendError> {
        self.committer.write(batch);
        self.committer.sync()?;
        // The room comes first, so that no moment shows room that these commits have taken.
        self.queue.0.set_room(self.committer.room());
        let (commits, bytes) = self.committer.complete();
        self.queue.0.complete(commits, bytes);
        for completion in self.committer.completions() {
            (self.on_outcome)(Ok(completion));
        }
        self.committer.end_batch()
    }

    fn fail(mut self, error: AppendError) -> Result<(), SyncError> {
        self.queue.0.end();
        (self.on_outcome)(Err(error));
        Err(SyncError::Poisoned)
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
