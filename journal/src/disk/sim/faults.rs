//! Which operation of a simulated disk fails, and how.
//!
//! What a failure does to the data is left to `inode` and `names`. Claim kept: a fault strikes the
//! operation that the caller counted out, and no other.

use std::io;

use rustix::io::Errno;

/// One kind of call to a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DiskCall {
    /// `create_dir`.
    CreateDir,
    /// `lock_dir`.
    Lock,
    /// `list`.
    List,
    /// `create`.
    Create,
    /// `open`.
    Open,
    /// `bytes` or `read_at` of a file.
    Read,
    /// `write_at` of a file.
    Write,
    /// `sync` of a file.
    Sync,
    /// `rename`.
    Rename,
    /// `remove`.
    Remove,
    /// `sync_dir`.
    SyncDir,
}

/// What a failing operation reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// EIO.
    Io,
    /// ENOSPC.
    Full,
    /// EACCES.
    Permission,
    /// EROFS.
    ReadOnly,
}

/// How often an operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Times {
    /// Once; the calls after it succeed.
    Once,
    /// From then on.
    Always,
}

/// An order to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CallFault {
    /// Which calls count.
    pub operation: DiskCall,
    /// How many of them pass before one fails.
    pub after: u64,
    /// Whether the later ones fail too.
    pub times: Times,
    /// What they report.
    pub failure: Failure,
}

/// The orders of one disk.
#[derive(Default)]
pub(super) struct Faults {
    pending: Vec<CallFault>,
    operations: u64,
    halt_at: Option<u64>,
}

impl Faults {
    pub(super) fn inject(&mut self, fault: CallFault) {
        self.pending.push(fault);
    }

    pub(super) fn clear(&mut self) {
        self.pending.clear();
    }

    pub(super) fn halt_after(&mut self, operations: u64) {
        self.halt_at = Some(self.operations + operations);
    }

    pub(super) fn operations(&self) -> u64 {
        self.operations
    }

    /// Says whether calls reach the disk at all.
    pub(super) fn reach(&self) -> io::Result<()> {
        if self.halt_at.is_some_and(|at| self.operations >= at) {
            return Err(io::Error::other("the simulated machine has lost its power"));
        }
        Ok(())
    }

    /// Counts a call and says whether it may go on.
    pub(super) fn pass(&mut self, operation: DiskCall) -> io::Result<()> {
        self.reach()?;
        self.operations += u64::from(operation.changes());
        for index in 0..self.pending.len() {
            let fault = &mut self.pending[index];
            if fault.operation != operation {
                continue;
            }
            if fault.after > 0 {
                fault.after -= 1;
                continue;
            }
            let errno = fault.failure.errno();
            match fault.times {
                Times::Once => drop(self.pending.remove(index)),
                Times::Always => {}
            }
            return Err(errno.into());
        }
        Ok(())
    }
}

impl DiskCall {
    /// Tells whether the call changes something, on the disk or in its cache.
    fn changes(self) -> bool {
        match self {
            Self::CreateDir
            | Self::Create
            | Self::Write
            | Self::Sync
            | Self::Rename
            | Self::Remove
            | Self::SyncDir => true,
            Self::Lock | Self::List | Self::Open | Self::Read => false,
        }
    }
}

impl Failure {
    fn errno(self) -> Errno {
        match self {
            Self::Io => Errno::IO,
            Self::Full => Errno::NOSPC,
            Self::Permission => Errno::ACCESS,
            Self::ReadOnly => Errno::ROFS,
        }
    }
}
