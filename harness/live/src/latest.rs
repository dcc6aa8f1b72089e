//! The link to the latest run, and the lock under which a folder of runs is looked at as a whole.
//!
//! Which run the link leads to is the caller's to say. The claim kept true: it is replaced in one
//! step, and by one harness at a time.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};

/// Leads the link to a run, whose folder is called `name`.
///
/// # Errors
///
/// If the link cannot be made.
pub(crate) fn point(runs: &Path, name: &Path) -> io::Result<()> {
    // Without the lock the link is made all the same: at worst it leads to the other of two runs.
    let _lock = lock(runs);
    link(runs, name)
}

/// Does so for who holds the lock.
pub(crate) fn link(runs: &Path, name: &Path) -> io::Result<()> {
    let fresh = runs.join(format!(".{LATEST}-{}", name.display()));
    // One that was ended right here may have left it.
    drop(std::fs::remove_file(&fresh));
    std::os::unix::fs::symlink(name, &fresh)?;
    std::fs::rename(&fresh, runs.join(LATEST))
}

/// Locks a folder of runs, for as long as the file lives; none if it cannot be had in time.
pub(crate) fn lock(runs: &Path) -> Option<File> {
    let folder = File::open(runs).ok()?;
    let until = Instant::now() + LOCK_PATIENCE;
    loop {
        match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Some(folder),
            Err(_) if Instant::now() >= until => return None,
            Err(_) => std::thread::sleep(LOCK_STEP),
        }
    }
}

/// The link to the latest run.
pub const LATEST: &str = "latest";

/// How long the lock of the folder is waited for: a harness that stands still keeps no run from
/// beginning or ending.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);

/// How often it is asked for.
const LOCK_STEP: Duration = Duration::from_millis(5);
