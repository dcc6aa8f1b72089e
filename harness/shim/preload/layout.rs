//! Where everything stands in the two files that a shim shares with the harness.
//!
//! The control file is an array of 64-bit words in the byte order of the machine, with the path of
//! the watched folder behind them; the undo log is a row of records. Both sides of the files are
//! compiled from this one text, so that neither can move a word alone. It holds numbers only.

/// What the first word of a control file is.
pub(crate) const MAGIC: u64 = 0x5359_4e4f_4453_4831;

/// How large a control file is.
pub(crate) const CONTROL_BYTES: usize = 12_288;

/// Where the path of the watched folder begins, in bytes; a zero ends it.
pub(crate) const FOLDER_AT: usize = 4_096;

/// The most bytes of that path.
pub(crate) const FOLDER_BYTES_MAX: usize = 4_000;

/// Where the path of the undo log begins, in bytes; a zero ends it.
pub(crate) const UNDO_AT: usize = 8_192;

/// How large an undo log may grow. The file has holes: it takes what is written.
pub(crate) const LOG_BYTES_MAX: u64 = 512 << 20;

/// The first word.
pub(crate) const WORD_MAGIC: usize = 0;
/// The number of the next record.
pub(crate) const WORD_NEXT: usize = 1;
/// How many bytes of the undo log are taken.
pub(crate) const WORD_LOG_BYTES: usize = 2;
/// Of how many bytes the undo log has the room; whoever stores where none is is ended by a signal.
pub(crate) const WORD_LOG_ROOM: usize = 5;
/// What went past the shim, as bits.
pub(crate) const WORD_GAPS: usize = 3;
/// Draws how much of a write is taken, and how long a slow sync takes.
pub(crate) const WORD_SEED: usize = 4;

/// Syncs fail until so many have failed.
pub(crate) const WORD_FAIL_SYNCS: usize = 8;
/// Writes fail until so many have failed.
pub(crate) const WORD_FAIL_WRITES: usize = 9;
/// By how many nanoseconds at most each sync is slowed.
pub(crate) const WORD_SLOW_SYNCS: usize = 10;
/// Whether no sync returns.
pub(crate) const WORD_HANG_SYNCS: usize = 11;
/// Whether no file can grow.
pub(crate) const WORD_FULL: usize = 12;
/// Whether each write takes a part only.
pub(crate) const WORD_SHORT: usize = 13;

/// How often the law of the clock was changed. Its lowest bit says which of the two laws is in
/// force; the other one may be half written.
pub(crate) const WORD_CLOCK_TURN: usize = 16;
/// Where the two laws begin.
pub(crate) const WORD_CLOCK_LAWS: usize = 17;
/// How many words a law has.
pub(crate) const LAW_WORDS: usize = 3;
/// The real monotonic time in nanoseconds from which on the clock runs at its rate.
pub(crate) const LAW_SINCE: usize = 0;
/// By how many nanoseconds it was ahead at that time, signed.
pub(crate) const LAW_AHEAD: usize = 1;
/// By how many parts of a million it is fast, signed.
pub(crate) const LAW_PPM: usize = 2;
/// The latest time that each clock has shown, in nanoseconds, by the number of the clock.
pub(crate) const WORD_CLOCK_SHOWN: usize = 48;
/// How many clocks there are.
pub(crate) const CLOCKS: usize = 12;

/// The first word that counts something.
pub(crate) const WORD_COUNTS: usize = 32;
/// Writes to files of the watched folder.
pub(crate) const COUNT_WRITES: usize = 0;
/// Syncs of files and folders there.
pub(crate) const COUNT_SYNCS: usize = 1;
/// Readings of a clock.
pub(crate) const COUNT_CLOCK_READS: usize = 2;
/// Syncs that failed by a fault.
pub(crate) const COUNT_SYNCS_FAILED: usize = 3;
/// Syncs that a fault made longer.
pub(crate) const COUNT_SYNCS_SLOWED: usize = 4;
/// Syncs that a fault let hang.
pub(crate) const COUNT_SYNCS_HELD: usize = 5;
/// Writes that failed by a fault.
pub(crate) const COUNT_WRITES_FAILED: usize = 6;
/// Writes that were refused, or cut, as the disk was said to be full.
pub(crate) const COUNT_WRITES_REFUSED: usize = 7;
/// Writes of which a fault took a part only.
pub(crate) const COUNT_WRITES_SHORT: usize = 8;
/// Readings of a clock that were not the machine's.
pub(crate) const COUNT_CLOCK_READS_CHANGED: usize = 9;
/// How many counts there are.
pub(crate) const COUNTS: usize = 10;

/// A file is mapped for writing: what is stored there passes no call.
pub(crate) const GAP_MAPPED: u64 = 1;
/// There are more files than the shim follows.
pub(crate) const GAP_FILES: u64 = 2;
/// The undo log is full.
pub(crate) const GAP_LOG: u64 = 4;
/// A file changed its size, and no call that the shim sees did it.
pub(crate) const GAP_CHANGED: u64 = 8;
/// A thread waited too long for another one, and went on alone.
pub(crate) const GAP_ORDER: u64 = 16;

/// A file changed by a call that no record can tell of.
pub(crate) const GAP_CALL: u64 = 32;
/// Rings of calls are in use, and what is asked for there passes no function.
pub(crate) const GAP_RINGS: u64 = 64;
/// A file was written later than anything that was recorded of it.
pub(crate) const GAP_UNSEEN: u64 = 128;

/// The head of a record: ten words, and then as many bytes as it keeps, filled up to a word.
pub(crate) const HEAD_BYTES: usize = 80;

/// The most bytes that a record keeps; a call that changes more has several records.
pub(crate) const KEPT_BYTES_MAX: usize = 65_536;

/// How long the record is, and in its lowest bits which kind it is. The length is written first and
/// the kind last, so that half a record has none.
pub(crate) const HEAD_KIND: usize = 0;
/// The bits of the kind.
pub(crate) const KIND_BITS: u32 = 8;
/// Its number.
pub(crate) const HEAD_NUMBER: usize = 1;
/// The number of the first record of the same call.
pub(crate) const HEAD_CALL: usize = 2;
/// The file system of the file.
pub(crate) const HEAD_DEVICE: usize = 3;
/// The number of the file there.
pub(crate) const HEAD_INODE: usize = 4;
/// The first byte that changes; for a sync, the first record that it does not cover.
pub(crate) const HEAD_OFFSET: usize = 5;
/// How many bytes change.
pub(crate) const HEAD_LENGTH: usize = 6;
/// How many bytes of what stood there follow. Behind them zeros stood, or nothing.
pub(crate) const HEAD_KEPT: usize = 7;
/// How large the file was before.
pub(crate) const HEAD_SIZE: usize = 8;

/// When the change had happened, in nanoseconds of the machine's wall clock; zero before that.
pub(crate) const HEAD_TIME: usize = 9;

/// Bytes are written, and what stood there is kept.
pub(crate) const KIND_WRITE: u64 = 1;
/// Bytes are cut off, and kept; the cut itself follows.
pub(crate) const KIND_CUT: u64 = 2;
/// The file gets the size `offset`.
pub(crate) const KIND_SIZE: u64 = 3;
/// Only the first `length` bytes of the call were really written.
pub(crate) const KIND_SHORT: u64 = 4;
/// What was recorded of the file before the record `offset` is synced.
pub(crate) const KIND_SYNC: u64 = 5;
/// What was recorded of the file before the record `offset` was lost by a sync that failed.
pub(crate) const KIND_LOST: u64 = 6;
/// The file is new: what was recorded under its number belongs to another one.
pub(crate) const KIND_NEW: u64 = 7;
/// The file was changed in what is no byte and no size.
pub(crate) const KIND_TOUCH: u64 = 8;
/// What was recorded before the record `offset` is synced, of all files of the file system, or of
/// every one if that is zero.
pub(crate) const KIND_SYNC_ALL: u64 = 9;
