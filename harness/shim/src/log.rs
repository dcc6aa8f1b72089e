//! The undo log as a row of records: which changes of which files came before which syncs.
//!
//! Bytes that stood in files are not read here; a record says where in the log they are. The claim
//! kept true: half a record, as a process leaves that is killed while it writes one, is none, and
//! hides no other.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use crate::layout::{
    HEAD_BYTES, HEAD_CALL, HEAD_DEVICE, HEAD_INODE, HEAD_KEPT, HEAD_KIND, HEAD_LENGTH, HEAD_NUMBER,
    HEAD_OFFSET, HEAD_SIZE, HEAD_TIME, KIND_BITS, KIND_CUT, KIND_LOST, KIND_NEW, KIND_SHORT,
    KIND_SIZE, KIND_SYNC, KIND_SYNC_ALL, KIND_TOUCH, KIND_WRITE,
};

/// A file by its numbers, which stay when it is renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileKey {
    /// The file system.
    pub device: u64,
    /// The number there.
    pub inode: u64,
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its number, which rises by one.
    pub number: u64,
    /// The number of the first record of the same call.
    pub call: u64,
    /// The file.
    pub file: FileKey,
    /// How large the file was before.
    pub size: u64,
    /// When it had happened, in nanoseconds of the machine's wall clock; zero, if nobody knows, as
    /// that stands in another record of the call, or the process was killed before.
    pub time: u64,
    /// What happened.
    pub event: Event,
}

/// What happened to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Bytes were written.
    Write {
        /// The first one.
        offset: u64,
        /// How many.
        length: u64,
        /// What stood there.
        kept: Kept,
    },
    /// Bytes were cut off by a change of the size, which follows.
    Cut {
        /// The first one.
        offset: u64,
        /// How many.
        length: u64,
        /// What stood there.
        kept: Kept,
    },
    /// The file got this size.
    Size(u64),
    /// Only so many bytes of the call were written.
    Short(u64),
    /// What came before that record was synced.
    Sync(u64),
    /// What came before that record and was not synced was lost by a sync that failed.
    Lost(u64),
    /// What came before that record of all files of the file system was synced, or of every file,
    /// if the record names none.
    SyncAll(u64),
    /// Something was changed that is no byte and no size.
    Touch,
    /// The file was made: what came before belongs to another one of its number.
    New,
}

/// Bytes of the log: what stood in a file. Behind them zeros stood, or nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// The first one.
    pub at: u64,
    /// How many.
    pub length: u64,
}

/// Why a log is not understood.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// It cannot be read.
    #[error("cannot read the undo log: {0}")]
    Io(#[from] io::Error),
    /// It holds what no shim writes.
    #[error("the undo log has a record of kind {kind} at byte {at}, which there is not")]
    Kind {
        /// The kind.
        kind: u64,
        /// Where its bytes stand.
        at: u64,
    },
}

/// Reads the records of the first `bytes` bytes of a log, in the order of their numbers.
pub(crate) fn read(log: &File, bytes: u64) -> Result<Vec<Record>, LogError> {
    let mut records = Vec::new();
    let mut at = 0;
    while at + HEAD_BYTES as u64 <= bytes {
        let mut head = [0; HEAD_BYTES];
        log.read_exact_at(&mut head, at)?;
        let word = |place: usize| {
            let bytes = head[place * 8..].first_chunk().copied();
            u64::from_ne_bytes(bytes.unwrap_or_default())
        };
        let (taken, kind) =
            (word(HEAD_KIND) >> KIND_BITS, word(HEAD_KIND) & ((1 << KIND_BITS) - 1));
        let kept = Kept { at: at + HEAD_BYTES as u64, length: word(HEAD_KEPT) };
        // Room that a process took just before it ended holds zeros; what it began has no kind.
        at += if taken == 0 { 8 } else { taken };
        if kind == 0 {
            continue;
        }
        let (offset, length) = (word(HEAD_OFFSET), word(HEAD_LENGTH));
        let event = match kind {
            KIND_WRITE => Event::Write { offset, length, kept },
            KIND_CUT => Event::Cut { offset, length, kept },
            KIND_SIZE => Event::Size(offset),
            KIND_SHORT => Event::Short(length),
            KIND_SYNC => Event::Sync(offset),
            KIND_LOST => Event::Lost(offset),
            KIND_NEW => Event::New,
            KIND_TOUCH => Event::Touch,
            KIND_SYNC_ALL => Event::SyncAll(offset),
            kind => return Err(LogError::Kind { kind, at: kept.at }),
        };
        let file = FileKey { device: word(HEAD_DEVICE), inode: word(HEAD_INODE) };
        let (number, call, size) = (word(HEAD_NUMBER), word(HEAD_CALL), word(HEAD_SIZE));
        let time = word(HEAD_TIME);
        records.push(Record { number, call, file, size, time, event });
    }
    records.sort_by_key(|record| record.number);
    Ok(records)
}
