//! The harness' side of a shim: the two files that the processes of one node map.
//!
//! Here faults are put in force, what was seen is counted, and after a power loss the files are
//! brought back to what `rollback` decides. Nothing here starts or ends a process. The claim kept
//! true: the log is emptied only once every file is as it says.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::time::{ClockId, clock_gettime};

use crate::layout::*;
use crate::log::{self, LogError};
use crate::rollback::{Dice, FileRollback, Restore, decide};
use crate::unseen::{Found, LookError, Since, find_files};

/// The shim of one node.
#[derive(Debug)]
pub struct Shim {
    folder: PathBuf,
    library: PathBuf,
    watched: PathBuf,
    control: File,
    log: File,
    since: Mutex<Since>,
}

/// How the disk of a node misbehaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskOrders {
    /// By how many nanoseconds at most each sync is slowed.
    pub slow_ns: u64,
    /// Whether no sync returns.
    pub hangs: bool,
    /// Whether no file can grow.
    pub full: bool,
    /// Whether each write takes a part only.
    pub short: bool,
}

/// What a shim has seen since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Writes to files of the watched folder.
    pub writes: u64,
    /// Syncs there.
    pub syncs: u64,
    /// Readings of a clock.
    pub clock_reads: u64,
    /// Syncs that failed by a fault.
    pub syncs_failed: u64,
    /// Syncs that a fault made longer.
    pub syncs_slowed: u64,
    /// Syncs that a fault let hang.
    pub syncs_held: u64,
    /// Writes that failed by a fault.
    pub writes_failed: u64,
    /// Writes that were refused, or cut, as the disk was said to be full.
    pub writes_refused: u64,
    /// Writes of which a fault took a part only.
    pub writes_short: u64,
    /// Readings of a clock that were not the machine's.
    pub clock_reads_changed: u64,
}

/// What a power loss took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PowerLoss {
    /// Changes of files that were taken back, wholly or in part.
    pub taken: u64,
    /// Changes that were not synced, and stay.
    pub kept: u64,
    /// Files of which something was taken.
    pub files: u64,
}

/// Why a shim cannot do its work. The environment is to blame.
#[derive(Debug, thiserror::Error)]
pub enum ShimError {
    /// A file cannot be made, read or written.
    #[error("cannot {what} {path}: {source}", path = path.display())]
    Io {
        /// What.
        what: &'static str,
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The undo log is not understood.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The path of the library or of a folder cannot be named to a process.
    #[error(
        "the path {path} cannot be named to a preloaded library: it {why}",
        path = path.display()
    )]
    Path {
        /// The path.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Nothing can be loaded before the C library here.
    #[error("this harness has no library that can be preloaded: {why}")]
    NoLibrary {
        /// Why it was built without, and the remedy.
        why: &'static str,
    },
}

impl From<LookError> for ShimError {
    fn from(LookError { what, path, source }: LookError) -> Self {
        Self::Io { what, path, source }
    }
}

impl Shim {
    /// Makes the files of a shim, and the library itself, in a new folder. Changes of files in
    /// `watched` will be recorded.
    ///
    /// # Errors
    ///
    /// [`ShimError`].
    pub fn create(folder: &Path, watched: &Path, seed: u64) -> Result<Self, ShimError> {
        if crate::LIBRARY.is_empty() {
            return Err(ShimError::NoLibrary { why: crate::WHY_NONE });
        }
        fs::create_dir(folder).map_err(failed("make", folder))?;
        let folder = fs::canonicalize(folder).map_err(failed("find", folder))?;
        let watched = resolved(watched)?;
        let bytes = watched.as_os_str().as_bytes();
        if bytes.len() > FOLDER_BYTES_MAX {
            return Err(ShimError::Path { path: watched, why: "is too long" });
        }
        let library = folder.join("shim.so");
        let is_split = |byte: &u8| *byte == b' ' || *byte == b':';
        if library.as_os_str().as_bytes().iter().any(is_split) {
            let why = "has a blank or a colon, which divide a list of libraries";
            return Err(ShimError::Path { path: library, why });
        }
        fs::write(&library, crate::LIBRARY).map_err(failed("write", &library))?;
        let control = file(&folder.join("control"), CONTROL_BYTES as u64)?;
        let log = file(&folder.join(UNDO), LOG_BYTES_MAX)?;
        let since = Mutex::new(Since::look(&watched)?);
        let shim = Self { library, control, log, folder, watched, since };
        let bytes = shim.watched.as_os_str().as_bytes();
        let undo = shim.folder.join(UNDO);
        let undo = undo.as_os_str().as_bytes();
        if undo.len() > FOLDER_BYTES_MAX {
            return Err(ShimError::Path { path: shim.folder.clone(), why: "is too long" });
        }
        for (bytes, at) in [(bytes, FOLDER_AT), (undo, UNDO_AT)] {
            let written = shim.control.write_all_at(bytes, at as u64);
            written.map_err(failed("write", &shim.folder))?;
        }
        shim.set(WORD_SEED, seed)?;
        shim.set(WORD_MAGIC, MAGIC)?;
        Ok(shim)
    }

    /// Returns the variables with which a process is started that shall have the shim, beside those
    /// libraries that it would be started with anyway.
    #[must_use]
    pub fn variables(&self) -> [(&'static str, OsString); 2] {
        let mut libraries = self.library.clone().into_os_string().into_vec();
        if let Some(others) = std::env::var_os(PRELOAD) {
            libraries.push(b':');
            libraries.extend(others.as_bytes());
        }
        [(PRELOAD, OsString::from_vec(libraries)), ("SYNOD_SHIM", self.folder.clone().into())]
    }

    /// Returns the folder that it watches.
    #[must_use]
    pub fn watched(&self) -> &Path {
        &self.watched
    }

    /// Puts a way in which the disk misbehaves in force, and ends the one before.
    ///
    /// # Errors
    ///
    /// [`ShimError::Io`].
    pub fn order_disk(&self, orders: DiskOrders) -> Result<(), ShimError> {
        self.set(WORD_SLOW_SYNCS, orders.slow_ns)?;
        self.set(WORD_HANG_SYNCS, u64::from(orders.hangs))?;
        self.set(WORD_FULL, u64::from(orders.full))?;
        self.set(WORD_SHORT, u64::from(orders.short))
    }

    /// Lets syncs fail until so many have failed since the shim was made.
    ///
    /// # Errors
    ///
    /// [`ShimError::Io`].
    pub fn fail_syncs_up_to(&self, failed: u64) -> Result<(), ShimError> {
        self.set(WORD_FAIL_SYNCS, failed)
    }

    /// Lets writes fail until so many have failed since the shim was made.
    ///
    /// # Errors
    ///
    /// [`ShimError::Io`].
    pub fn fail_writes_up_to(&self, failed: u64) -> Result<(), ShimError> {
        self.set(WORD_FAIL_WRITES, failed)
    }

    /// Lets the clocks of the node run fast or slow from here on.
    ///
    /// # Errors
    ///
    /// [`ShimError::Io`].
    pub fn order_clock(&self, ppm: i32) -> Result<(), ShimError> {
        self.change_clock(Some(ppm), 0)
    }

    /// Lets the clocks of the node jump ahead, where they stay.
    ///
    /// # Errors
    ///
    /// [`ShimError::Io`].
    pub fn jump_clock(&self, jump_ns: u64) -> Result<(), ShimError> {
        self.change_clock(None, jump_ns)
    }

    fn change_clock(&self, ppm: Option<i32>, jump_ns: u64) -> Result<(), ShimError> {
        let turn = self.word(WORD_CLOCK_TURN)?;
        let law = |turn: u64| WORD_CLOCK_LAWS + (turn % 2) as usize * LAW_WORDS;
        let word = |place| self.word(law(turn) + place).map(u64::cast_signed);
        let (since, ahead, before) = (word(LAW_SINCE)?, word(LAW_AHEAD)?, word(LAW_PPM)?);
        let ppm = ppm.map_or(before, i64::from);
        if ppm == before && jump_ns == 0 {
            return Ok(());
        }
        let time = clock_gettime(ClockId::Monotonic);
        let now = time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec);
        let drift = i128::from(now - since) * i128::from(before) / 1_000_000;
        let drift = if before == 0 { 0 } else { i64::try_from(drift).unwrap_or(i64::MAX) };
        let jump = i64::try_from(jump_ns).unwrap_or(i64::MAX);
        let ahead = ahead.saturating_add(drift).saturating_add(jump);
        // The other law is in force until this one is whole; one byte says which.
        let next = law(turn + 1);
        self.set(next + LAW_SINCE, now.cast_unsigned())?;
        self.set(next + LAW_AHEAD, ahead.cast_unsigned())?;
        self.set(next + LAW_PPM, ppm.cast_unsigned())?;
        self.set(WORD_CLOCK_TURN, turn + 1)
    }

    /// Returns what was seen so far.
    ///
    /// # Errors
    ///
    /// [`ShimError::Io`].
    pub fn counts(&self) -> Result<Counts, ShimError> {
        let mut words = [0; COUNTS];
        for (what, word) in words.iter_mut().enumerate() {
            *word = self.word(WORD_COUNTS + what)?;
        }
        Ok(Counts {
            writes: words[COUNT_WRITES],
            syncs: words[COUNT_SYNCS],
            clock_reads: words[COUNT_CLOCK_READS],
            syncs_failed: words[COUNT_SYNCS_FAILED],
            syncs_slowed: words[COUNT_SYNCS_SLOWED],
            syncs_held: words[COUNT_SYNCS_HELD],
            writes_failed: words[COUNT_WRITES_FAILED],
            writes_refused: words[COUNT_WRITES_REFUSED],
            writes_short: words[COUNT_WRITES_SHORT],
            clock_reads_changed: words[COUNT_CLOCK_READS_CHANGED],
        })
    }

    /// Returns what of the node's files went past the shim, in words; nothing, if all was seen.
    ///
    /// # Errors
    ///
    /// [`ShimError::Io`].
    pub fn gaps(&self) -> Result<Vec<&'static str>, ShimError> {
        let gaps = self.word(WORD_GAPS)?;
        let told = GAPS.iter().filter(|(gap, _)| gaps & gap != 0).map(|(_, words)| *words);
        Ok(told.collect())
    }

    /// Takes what was not synced from the files of a node whose processes have ended. If something
    /// went past the shim, nothing is taken: nobody knows what was synced.
    ///
    /// # Errors
    ///
    /// [`ShimError`]; what was not yet taken can be taken by another call.
    pub fn take_power(&self, dice: &mut Dice) -> Result<PowerLoss, ShimError> {
        let records = log::read(&self.log, self.word(WORD_LOG_BYTES)?.min(LOG_BYTES_MAX))?;
        let found = find_files(&self.watched)?;
        let since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        let is_unseen = since.is_changed_unseen(&records, &found);
        drop(since);
        if is_unseen {
            self.set(WORD_GAPS, self.word(WORD_GAPS)? | GAP_UNSEEN)?;
        }
        let mut lost = PowerLoss::default();
        if !self.gaps()?.is_empty() {
            return Ok(lost);
        }
        for (file, rollback) in decide(&records, dice) {
            // One that was removed has nothing that could be taken.
            let Some(Found { path, .. }) = found.get(&file) else { continue };
            self.restore(path, &rollback)?;
            lost.taken += rollback.taken;
            lost.kept += rollback.kept;
            lost.files += 1;
        }
        self.forget()?;
        Ok(lost)
    }

    fn restore(&self, path: &Path, rollback: &FileRollback) -> Result<(), ShimError> {
        let file = OpenOptions::new().write(true).open(path).map_err(failed("open", path))?;
        for Restore { bytes, kept } in &rollback.restores {
            let mut stood = vec![0; usize::try_from(bytes.end - bytes.start).unwrap_or(0)];
            let length = usize::try_from(kept.length).unwrap_or(0).min(stood.len());
            let read = self.log.read_exact_at(&mut stood[..length], kept.at);
            read.map_err(failed("read", &self.folder))?;
            file.write_all_at(&stood, bytes.start).map_err(failed("write", path))?;
        }
        file.set_len(rollback.size).map_err(failed("cut", path))
    }

    /// Empties the log: what the files hold from here on is what they had.
    fn forget(&self) -> Result<(), ShimError> {
        self.set(WORD_LOG_ROOM, 0)?;
        let emptied = self.log.set_len(0).and_then(|()| self.log.set_len(LOG_BYTES_MAX));
        emptied.map_err(failed("empty", &self.folder))?;
        *self.since.lock().unwrap_or_else(PoisonError::into_inner) = Since::look(&self.watched)?;
        self.set(WORD_LOG_BYTES, 0)
    }

    fn word(&self, place: usize) -> Result<u64, ShimError> {
        let mut bytes = [0; 8];
        let read = self.control.read_exact_at(&mut bytes, place as u64 * 8);
        read.map_err(failed("read", &self.folder))?;
        Ok(u64::from_ne_bytes(bytes))
    }

    fn set(&self, place: usize, word: u64) -> Result<(), ShimError> {
        let written = self.control.write_all_at(&word.to_ne_bytes(), place as u64 * 8);
        written.map_err(failed("write", &self.folder))
    }
}

impl Drop for Shim {
    /// Removes the log: it is of use to this life alone, and looks as large as it may grow.
    fn drop(&mut self) {
        drop(fs::remove_file(self.folder.join(UNDO)));
    }
}

/// Makes a file of zeros that takes no room yet.
fn file(path: &Path, bytes: u64) -> Result<File, ShimError> {
    let mut options = OpenOptions::new();
    let made = options.read(true).write(true).create_new(true).open(path);
    let file = made.map_err(failed("make", path))?;
    file.set_len(bytes).map_err(failed("make", path))?;
    Ok(file)
}

/// Resolves the links in a path whose last part need not be there yet.
fn resolved(path: &Path) -> Result<PathBuf, ShimError> {
    if path.exists() {
        return fs::canonicalize(path).map_err(failed("find", path));
    }
    let parent = path.parent().unwrap_or_else(|| Path::new("."));
    let parent = fs::canonicalize(parent).map_err(failed("find", parent))?;
    Ok(parent.join(path.file_name().unwrap_or_default()))
}

pub(crate) fn failed(
    what: &'static str,
    path: &Path,
) -> impl FnOnce(io::Error) -> ShimError + use<> {
    let path = path.to_owned();
    move |source| ShimError::Io { what, path, source }
}

const PRELOAD: &str = "LD_PRELOAD";
const UNDO: &str = "undo";

const GAPS: [(u64, &str); 8] = [
    (GAP_MAPPED, "a file is mapped for writing, and what is stored there passes no call"),
    (GAP_FILES, "a process has more files than are followed"),
    (GAP_LOG, "there is no room for the log of what was not synced"),
    (GAP_CHANGED, "a file changed by calls of the kernel that no library sees"),
    (GAP_ORDER, "two threads changed a file at once, and their order is not known"),
    (GAP_CALL, "a file changed by a call that is not followed, such as splice"),
    (GAP_RINGS, "a process uses io_uring, whose writes and syncs pass no function"),
    (GAP_UNSEEN, "a file was written by what no library sees, such as fwrite, or without the shim"),
];
