//! What can go wrong with a snapshot, one enum for each boundary.
//!
//! Why a folder of snapshots cannot be opened is left to [`OpenError`](crate::OpenError), which it
//! has in common with the log. Claim kept: damage is named by file, part and byte, and what costs
//! the snapshot in the making alone is told from what ends the store.

use std::fmt;
use std::path::PathBuf;

use crate::error::Fatal;

use super::format::SnapshotBound;

/// Bytes of a snapshot that are not as they were written.
///
/// Nothing was changed on the disk. The owner goes on without this snapshot and takes that of a
/// peer; the damaged one is removed once another of its bound or a greater one is durable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} is damaged: {part} from byte {offset} on is not as it was written. Keep the folder as \
         it is: a whole snapshot of a peer takes its place", path.display())]
pub struct SnapshotDamaged {
    /// Which snapshot it is, as its name says.
    pub bound: SnapshotBound,
    /// Its file.
    pub path: PathBuf,
    /// What of it is damaged.
    pub part: SnapshotPart,
    /// Where in the file that part begins.
    pub offset: u64,
}

/// A part of a snapshot file that has a checksum of its own. Complete by its nature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SnapshotPart {
    /// The head, which says where all else stands.
    Head,
    /// The manifest: the identity of the owner, the metadata, and the checksums of the chunks.
    Manifest,
    /// A chunk of what the owner wrote, counted from zero.
    Chunk(u32),
    /// The end of the file, which is too early or too late.
    End,
}

impl fmt::Display for SnapshotPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Head => f.write_str("the head"),
            Self::Manifest => f.write_str("the manifest"),
            Self::Chunk(index) => write!(f, "chunk {index}"),
            Self::End => f.write_str("the end of the file"),
        }
    }
}

/// Why a snapshot was not made. Those that were durable are there as before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// One of a greater bound is there, and the log below it may be gone: the fault is the
    /// caller's.
    #[error(
        "a snapshot below {wanted} was asked for where one below {newest} is there: a bound \
             never goes back"
    )]
    Backwards {
        /// The bound that was asked for.
        wanted: SnapshotBound,
        /// The greatest one that is there and whole.
        newest: SnapshotBound,
    },
    /// Another one is in the making: finish it or drop it first.
    #[error("a snapshot is in the making: one at a time")]
    Busy,
    /// The metadata is too long: the fault is the caller's.
    #[error(
        "the metadata of a snapshot has {bytes} bytes: use at most {max}, and put more into \
             the snapshot itself"
    )]
    MetaTooLong {
        /// Its length.
        bytes: usize,
        /// The longest.
        max: usize,
    },
    /// More was written than a manifest can tell of; the snapshot in the making is gone.
    #[error(
        "a snapshot with chunks of {chunk_bytes} bytes has no room for more than {bytes} \
             bytes: use larger chunks"
    )]
    TooLarge {
        /// How many bytes it has.
        bytes: u64,
        /// The size of its chunks.
        chunk_bytes: u32,
    },
    /// The disk is full. The snapshot in the making is gone, and its room is given back; it may be
    /// begun again.
    #[error("{} has no room for a snapshot, {bytes} bytes of which were written: make room; it is \
             tried again from its beginning", path.display())]
    Full {
        /// The directory.
        path: PathBuf,
        /// How far it had come.
        bytes: u64,
    },
    /// The system failed while one was written. The snapshot in the making is gone, and no byte of
    /// its file is used again; another one may be begun.
    #[error("the snapshot in the making is given up: {0}")]
    GivenUp(Fatal),
    /// The snapshot in the making was given up before.
    #[error("the snapshot in the making was given up with an earlier error")]
    Ended,
    /// The system failed while names were changed. Which snapshots are durable is not known until
    /// the store is opened again.
    #[error(transparent)]
    Fatal(#[from] Fatal),
    /// The system failed before while names were changed: open the store again.
    #[error("the store of snapshots ended with an earlier error: open it again")]
    Poisoned,
}

/// Why a snapshot in the making cannot be read back. Complete by its nature.
#[derive(Debug, thiserror::Error)]
pub enum ReadBackError {
    /// It was not written to its end.
    #[error(transparent)]
    Write(#[from] SnapshotError),
    /// What was written is not there.
    #[error(transparent)]
    Read(#[from] SnapshotReadError),
}

/// Why a snapshot cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotReadError {
    /// There is none of this bound.
    #[error("there is no snapshot below {bound}")]
    Missing {
        /// The bound that was asked for.
        bound: SnapshotBound,
    },
    /// It has no such chunk: the fault is the caller's.
    #[error("the snapshot has {chunks} chunks, and none of number {index}")]
    NoSuchChunk {
        /// The number that was asked for, counted from zero.
        index: u32,
        /// How many there are.
        chunks: u32,
    },
    /// It was durable once and cannot be read back.
    #[error(transparent)]
    Damaged(#[from] SnapshotDamaged),
    /// The system failed.
    #[error(transparent)]
    Fatal(#[from] Fatal),
}
