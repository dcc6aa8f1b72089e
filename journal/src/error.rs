//! What can go wrong, one enum for each boundary.
//!
//! What to do about it is left to the owner. Claim kept: each variant says whose fault it is, names
//! the path, and where a person can mend it, how.

use std::io;
use std::path::{Path, PathBuf};

use crate::create::Create;
use crate::format::names::segment_of;
use crate::format::position::{Lsn, SegmentId};

/// Bytes that were synced once and cannot be read back as they were written.
///
/// Nothing was changed on the disk. What was there is not made again here: whoever has all of it
/// elsewhere goes on without this journal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} is damaged at byte {offset}: {reason}", path.display())]
pub struct Damaged {
    /// The segment that is damaged.
    pub segment: SegmentId,
    /// Its file.
    pub path: PathBuf,
    /// Where in the file the damage begins.
    pub offset: u64,
    /// What proves that it is damage and not a torn write.
    pub reason: DamageReason,
}

/// What proves that bytes are damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum DamageReason {
    /// A later frame of the segment says that the bad one was synced.
    #[error("a bad frame that a later frame reports as synced")]
    SyncedFrame,
    /// A later segment was begun, which happens only after this one was synced to its end.
    #[error("a bad frame in a segment that was finished")]
    FinishedSegment,
    /// The header of the segment does not carry its own checksum, number or journal.
    #[error("the header of the segment is not what was written")]
    SegmentHeader,
    /// The file is shorter or longer than it was made.
    #[error("the file has another length than it was made with")]
    Length,
    /// The file is not there, though a later one or the log itself says that it was.
    #[error("the file is missing")]
    Missing,
    /// A frame does not go on where the frame before it stopped.
    #[error("the records do not follow those of the segment before")]
    Order,
    /// No frame can be read, though each journal is made with one.
    #[error("no frame can be read")]
    Empty,
}

/// An error of the system that ends the journal: what was not acknowledged may be lost or kept.
///
/// The process should end. A sync that failed is never tried again, because the system may have
/// forgotten the bytes that it could not write.
#[derive(Debug, thiserror::Error)]
#[error("{action} {}: {source}", path.display())]
pub struct Fatal {
    /// What was tried.
    pub action: &'static str,
    /// With which file or directory.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// Returns what to do with a directory that has no identity.
fn remedy(found: &str, create: Create) -> &'static str {
    if segment_of(found).is_some() {
        return "the file that says whose it is was lost. Keep the directory as it is, and do not \
                make a new journal for its owner, who would go on without what it has acknowledged";
    }
    match create {
        // An empty one is refused, too.
        Create::Never => "name the directory of the journal",
        Create::New => "name an empty directory, or one that is not there yet, for the new journal",
        Create::IfMissing => "name the directory of the journal, or an empty one for a new journal",
    }
}

/// Returns what to do where the system does not let this user do something with a path.
fn permit(kind: io::ErrorKind) -> &'static str {
    if kind == io::ErrorKind::ReadOnlyFilesystem {
        return "mount the file system for writing";
    }
    "the user of this process must own the journal's directory, mode 0700, and every file in it, \
     and may have to be let into those above it"
}

impl Fatal {
    pub(crate) fn new(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self { action, path: path.to_owned(), source }
    }
}

/// Why a journal cannot be opened. Nothing in the directory was lost.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The caller asked for an existing journal and there is none.
    #[error("{} holds no journal: check the path; a journal that was lost is not replaced by an \
             empty directory, as its owner would go on without what it has acknowledged",
            path.display())]
    Missing {
        /// The directory.
        path: PathBuf,
    },
    /// The caller asked for a new journal and there is one.
    #[error("{} holds a journal already, and it is not replaced", path.display())]
    Exists {
        /// The directory.
        path: PathBuf,
    },
    /// Another process has the journal open.
    #[error("{} is locked by another process: stop that one first", path.display())]
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// The directory holds something, but not a journal.
    #[error("{} holds {found:?} but no journal: {}", path.display(), remedy(found, *create))]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// One of the names found there.
        found: String,
        /// Whether a new journal was asked for.
        create: Create,
    },
    /// The directory belongs to another owner.
    #[error("{} belongs to \"{}\", not to \"{}\": check the path of the data directory",
            path.display(), found.escape_ascii(), expected.escape_ascii())]
    OtherIdentity {
        /// The directory.
        path: PathBuf,
        /// Whose journal it is.
        found: Vec<u8>,
        /// Whose journal was asked for.
        expected: Vec<u8>,
    },
    /// The identity file cannot be read back as it was written.
    #[error("{} is damaged: the disk is failing. Keep the directory as it is, and do not bring an \
             older copy back: its owner would go on without what it has acknowledged since",
             path.display())]
    DamagedIdentity {
        /// The identity file.
        path: PathBuf,
    },
    /// The files have another format.
    #[error("{} has format {found}, this program reads format {supported}: use the program that \
             wrote it", path.display())]
    OtherVersion {
        /// The file that says so.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The format of this program.
        supported: u32,
    },
    /// The system does not let this user in.
    #[error("{action} {}: {source}: {}", path.display(), permit(source.kind()))]
    Permission {
        /// What was tried.
        action: &'static str,
        /// With which file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The disk has no room for the segment that recovery writes.
    #[error("{} has no room: {needed} bytes must be free on its file system; make room and try \
             again", path.display())]
    Full {
        /// The directory.
        path: PathBuf,
        /// How many bytes are wanted at least.
        needed: u64,
    },
    /// Synced bytes are gone; a repair is not tried.
    #[error(transparent)]
    Damaged(#[from] Damaged),
    /// An option is out of its bounds.
    #[error("{0}")]
    Options(#[from] OptionsError),
    /// The system failed.
    #[error(transparent)]
    Fatal(Fatal),
}

impl OpenError {
    /// Tells whether the disk had no room: nothing is wrong with what is there.
    #[must_use]
    pub fn is_full(&self) -> bool {
        match self {
            Self::Full { .. } => true,
            Self::Fatal(fatal) => crate::disk::is_full(&fatal.source),
            Self::Missing { .. }
            | Self::Exists { .. }
            | Self::Locked { .. }
            | Self::Foreign { .. }
            | Self::OtherIdentity { .. }
            | Self::DamagedIdentity { .. }
            | Self::OtherVersion { .. }
            | Self::Permission { .. }
            | Self::Damaged(_)
            | Self::Options(_) => false,
        }
    }
}

impl From<Fatal> for OpenError {
    fn from(fatal: Fatal) -> Self {
        use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
        let Fatal { action, path, source } = fatal;
        if matches!(source.kind(), PermissionDenied | ReadOnlyFilesystem) {
            return Self::Permission { action, path, source };
        }
        Self::Fatal(Fatal { action, path, source })
    }
}

/// An option that no journal can be opened with: the fault is the caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// The size of segments is out of its bounds.
    #[error("segment_bytes is {0}: use a multiple of 4096 from 16384 to 2147483648")]
    SegmentBytes(u64),
    /// The identity is too long.
    #[error("the identity has {0} bytes: use at most 1024")]
    Identity(usize),
    /// The size of the chunks of a snapshot is out of its bounds.
    #[error("chunk_bytes is {0}: use 4096 to 4194304")]
    SnapshotChunkBytes(u32),
    /// The number of snapshots that are kept is out of its bounds.
    #[error("kept is {0}: keep 1 to 8 snapshots")]
    SnapshotsKept(usize),
}

/// Why a commit was not appended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// The commit can never fit into a segment: the fault is the caller's. Nothing was written.
    #[error("a commit of {bytes} bytes does not fit a segment, which takes {max}")]
    TooLarge {
        /// What the commit takes on the disk.
        bytes: u64,
        /// What a segment takes.
        max: u64,
    },
    /// The disk is full. Nothing was written; the same commit may be tried again.
    #[error("the disk is full: a commit of {bytes} bytes was refused, {room} bytes are left")]
    Full {
        /// What the commit takes on the disk.
        bytes: u64,
        /// What still fits.
        room: u64,
    },
    /// The system failed: the journal is of no use any more.
    #[error(transparent)]
    Fatal(#[from] Fatal),
    /// The system failed before: the journal is of no use any more.
    #[error("the journal ended with an earlier error")]
    Poisoned,
}

/// Why a sync, a seal or the making of a segment failed.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The system failed: the journal is of no use any more.
    #[error(transparent)]
    Fatal(#[from] Fatal),
    /// The system failed before: the journal is of no use any more.
    #[error("the journal ended with an earlier error")]
    Poisoned,
}

/// Why a record cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The record was released and its segment is gone.
    #[error("record {wanted} was released, the oldest one kept is {oldest}")]
    Released {
        /// The record asked for.
        wanted: Lsn,
        /// The oldest record that is kept.
        oldest: Lsn,
    },
    /// The record is not durable yet.
    #[error("record {wanted} is not synced, the log ends before {next}")]
    NotSynced {
        /// The record asked for.
        wanted: Lsn,
        /// The first record that is not synced.
        next: Lsn,
    },
    /// The record was synced once and cannot be read back.
    #[error(transparent)]
    Damaged(#[from] Damaged),
    /// The system failed.
    #[error(transparent)]
    Fatal(#[from] Fatal),
}
