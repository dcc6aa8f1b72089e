//! What a node and a client stand on: sockets, the date, chance, a disk, and where their parts run.
//!
//! Nothing is decided here. [`System`] is the machine that a process runs on, and what
//! [`Node::start`](crate::Node::start) uses. Another world puts whole nodes elsewhere, such as many
//! of them onto one runtime whose clock is a test's, over a network and disks in memory. The claim
//! kept true: a node has no other way to the world than this, the runtime that it is called in, and
//! the files of its certificates.

use std::fs::File;
use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::sync::Arc;

use synod_clock::WallTime;
use synod_host::journal::{
    AppendError, Commit, Disk, FreeSpace, GroupCommit, Journal, RealDisk, SubmitError, SyncError,
};
use synod_host::{Committed, Ticket};
use synod_transport_quic::{BindError, HeldPort, Turns, Wall};

/// What any process meets: a node or a client.
pub trait Surroundings {
    /// Takes a port, or a free one for port 0.
    ///
    /// # Errors
    ///
    /// When the address cannot be had.
    fn hold(&self, address: SocketAddr) -> Result<HeldPort, BindError>;

    /// The clock against which certificates are read.
    fn wall(&self) -> Wall;

    /// The turns at dialing that the clients of one process share.
    fn turns(&self) -> Turns;

    /// Fills `bytes` with what nobody draws again. It is no source of secrets.
    ///
    /// # Errors
    ///
    /// When the system has no randomness.
    fn draw(&self, bytes: &mut [u8]) -> io::Result<()>;
}

/// What a node meets beyond that.
pub trait World: Surroundings + Send + 'static {
    /// The disk that holds its journal.
    type Disk: Disk;
    /// What carries out its commits.
    type Commits: Commits;

    /// The disk.
    fn disk(&self) -> Self::Disk;

    /// Where the parts of a node run.
    fn placement(&self) -> Placement;

    /// Begins to carry out commits. `on_outcome` hears of each in order, and of the error that
    /// ends them; it never waits.
    ///
    /// # Errors
    ///
    /// When the system has nothing for it to run on.
    fn commits(
        &self,
        journal: Journal<Self::Disk>,
        on_outcome: OnOutcome,
    ) -> io::Result<Self::Commits>;
}

/// Where the parts of a node run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// On threads of their own, each with a runtime where it needs one, and reads of the disk on
    /// threads that may wait.
    Threads,
    /// As tasks of the runtime in which the node is started, where none waits for a device.
    Tasks,
}

/// Makes commits durable, one after the other, as [`GroupCommit`] does on a thread.
pub trait Commits: Send + 'static {
    /// Hands a commit over without waiting. The host counts what is on its way as the journal does,
    /// and commits that have ended have reported their error, so one that finds no place is let go.
    fn submit(&self, commit: Commit<Ticket>);

    /// The room that is left when the commits on their way are written.
    fn room(&self) -> FreeSpace;

    /// Completes what was submitted and seals the journal. It may be given up at any moment, and
    /// then nobody waits for the disk any more.
    ///
    /// # Errors
    ///
    /// As [`GroupCommit::shutdown`].
    fn shutdown(self) -> impl Future<Output = Result<(), SyncError>> + Send;
}

/// Hears of the ends of commits.
pub type OnOutcome = Box<dyn FnMut(Outcome) + Send>;

/// The end of a commit.
pub type Outcome = Result<Committed, AppendError>;

/// The machine that this process runs on.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

impl Surroundings for System {
    fn hold(&self, address: SocketAddr) -> Result<HeldPort, BindError> {
        HeldPort::bind(address)
    }

    fn wall(&self) -> Wall {
        Arc::new(WallTime)
    }

    fn turns(&self) -> Turns {
        Turns::of_process()
    }

    fn draw(&self, bytes: &mut [u8]) -> io::Result<()> {
        File::open("/dev/urandom")?.read_exact(bytes)
    }
}

impl World for System {
    type Disk = RealDisk;
    type Commits = GroupCommit<Ticket>;

    fn disk(&self) -> RealDisk {
        RealDisk
    }

    fn placement(&self) -> Placement {
        Placement::Threads
    }

    fn commits(
        &self,
        journal: Journal<RealDisk>,
        on_outcome: OnOutcome,
    ) -> io::Result<GroupCommit<Ticket>> {
        GroupCommit::start(journal, on_outcome)
    }
}

impl Commits for GroupCommit<Ticket> {
    fn submit(&self, commit: Commit<Ticket>) {
        // The host hands over no more than the journal takes, and its end is told as an outcome.
        match Self::submit(self, commit) {
            Ok(()) | Err(SubmitError::Busy(_) | SubmitError::Ended(_)) => {}
        }
    }

    fn room(&self) -> FreeSpace {
        Self::room(self)
    }

    async fn shutdown(self) -> Result<(), SyncError> {
        let ended = tokio::task::spawn_blocking(|| Self::shutdown(self)).await;
        ended.unwrap_or_else(|error| match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Nobody asks for the outcome of a runtime that has ended.
            Err(_) => Err(SyncError::Poisoned),
        })
    }
}

/// Draws a number that nobody else draws.
pub(crate) fn seed(surroundings: &impl Surroundings) -> io::Result<u64> {
    let mut seed = [0; 8];
    surroundings.draw(&mut seed)?;
    Ok(u64::from_le_bytes(seed))
}

/// Draws 128 bits that no other process draws again.
pub(crate) fn name(surroundings: &impl Surroundings) -> io::Result<u128> {
    let mut name = [0; 16];
    surroundings.draw(&mut name)?;
    Ok(u128::from_le_bytes(name))
}
