//! A disk in memory with a page cache in front of it: it loses, tears, reorders, fails and fills.
//!
//! Time is left to the caller: a slow or hung disk is one whose calls the caller puts off. Claim
//! kept: what was synced survives [`SimDisk::crash`], what was not survives only as the caller
//! chooses, and the same calls with the same choices give the same disk.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, DiskFile};
use state::State;

mod faults;
mod inode;
mod names;
mod state;

pub use faults::{CallFault, DiskCall, Failure, Times};

/// Bytes that a crash keeps or loses as a whole.
pub const SECTOR_BYTES: usize = 512;

/// What a crash asks about: something that was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Which of the contents that a sector had since its last sync is on the disk.
    Sector,
    /// Which of the lengths that a file had since its last sync is on the disk.
    Length,
    /// Whether one creation, renaming or removal reached the directory.
    DirectoryEntry,
}

/// One question of a crash: pick one of `options` states, 0 the oldest and the last the youngest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CrashChoice {
    /// What is asked about.
    pub effect: Effect,
    /// How many states there are, at least 2.
    pub options: usize,
}

/// A simulated disk; clones are handles to the same disk.
///
/// ```
/// use std::path::Path;
/// use synod_journal::{Disk, DiskFile, SimDisk};
///
/// let disk = SimDisk::new(7);
/// let file = disk.create(Path::new("f"), 0)?;
/// disk.sync_dir(Path::new(""))?;
/// file.write_at(b"kept", 0)?;
/// file.sync()?;
/// file.write_at(b"lost", 4)?;
/// let after = disk.crash(|_| 0);
/// assert_eq!(after.contents(Path::new("f")).unwrap(), b"kept");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

impl SimDisk {
    /// Makes an empty disk without bounds; the seed decides the salts alone.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::over(State::new(seed))
    }

    /// Cuts the power: returns the disk as the next boot finds it, and leaves this one as it is.
    ///
    /// `choose` answers for everything that was not synced, in a fixed order: `|_| 0` loses all
    /// of it, `|choice| choice.options - 1` keeps all of it, anything between tears and reorders.
    /// Faults, bounds and the halt are not carried over.
    ///
    /// # Panics
    /// When `choose` returns a number that is not below the number of options.
    #[must_use]
    pub fn crash(&self, mut choose: impl FnMut(CrashChoice) -> usize) -> Self {
        let mut checked = |effect, options| {
            let chosen = choose(CrashChoice { effect, options });
            assert!(chosen < options, "a choice of {chosen} among {options}");
            chosen
        };
        Self::over(self.lock().crashed(&mut checked))
    }

    /// Kills the process: locks are gone, the page cache lives on, syncs are as owed as before.
    ///
    /// Faults, bounds and the halt are not carried over.
    #[must_use]
    pub fn kill(&self) -> Self {
        Self::over(self.lock().killed())
    }

    /// Makes operations fail.
    pub fn inject(&self, fault: CallFault) {
        self.lock().faults.inject(fault);
    }

    /// Takes all injected faults back.
    pub fn clear_faults(&self) {
        self.lock().faults.clear();
    }

    /// Lets so many operations that change something pass from here on; then all calls fail.
    pub fn halt_after(&self, operations: u64) {
        self.lock().faults.halt_after(operations);
    }

    /// Returns how many operations that change something were called.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.lock().faults.operations()
    }

    /// Bounds the bytes that all files together may take, or takes the bound away.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.lock().capacity = bytes;
    }

    /// Makes every write take at most so many bytes, or as many as it is given.
    ///
    /// # Panics
    /// When `bytes` is zero: such a disk would never take a write.
    pub fn limit_writes(&self, bytes: Option<usize>) {
        assert_ne!(bytes, Some(0), "a write takes at least one byte");
        self.lock().write_max = bytes;
    }

    /// Returns the bytes of a file as a process reads them, or `None` when there is no such file.
    #[must_use]
    pub fn contents(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.lock();
        let inode = state.names.file(path).ok()?;
        Some(state.inode(inode).cached().to_vec())
    }

    /// Changes the bytes of a file on the disk and in the cache, behind everybody's back.
    ///
    /// # Panics
    /// When there is no such file.
    pub fn tamper(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.lock();
        let inode = state.names.file(path).expect("the caller names a file that is there");
        state.inode_mut(inode).tamper(change);
    }

    fn over(state: State) -> Self {
        Self { state: Arc::new(Mutex::new(state)) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimDisk").field("operations", &self.operations()).finish_non_exhaustive()
    }
}

impl Disk for SimDisk {
    type File = SimFile;
    type Lock = SimLock;

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        state.faults.pass(DiskCall::CreateDir)?;
        state.names.create_dir(path)
    }

    fn lock_dir(&self, path: &Path) -> io::Result<Option<SimLock>> {
        let mut state = self.lock();
        state.faults.pass(DiskCall::Lock)?;
        // Only a directory that is there can be locked.
        state.names.list(path)?;
        let free = state.locked.insert(path.to_owned());
        Ok(free.then(|| SimLock { disk: self.clone(), path: path.to_owned() }))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let mut state = self.lock();
        state.faults.pass(DiskCall::List)?;
        state.names.list(path)
    }

    fn create(&self, path: &Path, bytes: u64) -> io::Result<SimFile> {
        let mut state = self.lock();
        state.faults.pass(DiskCall::Create)?;
        let inode = state.create(path, bytes)?;
        Ok(SimFile { disk: self.clone(), inode })
    }

    fn open(&self, path: &Path) -> io::Result<SimFile> {
        let mut state = self.lock();
        state.faults.pass(DiskCall::Open)?;
        let inode = state.names.file(path)?;
        Ok(SimFile { disk: self.clone(), inode })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.lock();
        state.faults.pass(DiskCall::Rename)?;
        state.names.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        state.faults.pass(DiskCall::Remove)?;
        state.names.remove(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        // A sync that fails forgets what it owed; one that was never called does not.
        state.faults.reach()?;
        let passed = state.faults.pass(DiskCall::SyncDir);
        state.names.sync(path, passed)
    }

    fn salt(&self) -> io::Result<u64> {
        Ok(self.lock().draw_salt())
    }
}

/// An open file of a [`SimDisk`].
#[derive(Clone, Debug)]
pub struct SimFile {
    disk: SimDisk,
    inode: inode::InodeId,
}

impl DiskFile for SimFile {
    fn bytes(&self) -> io::Result<u64> {
        let mut state = self.disk.lock();
        state.faults.pass(DiskCall::Read)?;
        Ok(state.inode(self.inode).cached().len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.lock();
        state.faults.pass(DiskCall::Read)?;
        Ok(state.inode(self.inode).read(buffer, offset))
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.lock();
        state.faults.pass(DiskCall::Write)?;
        state.write(self.inode, bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.lock();
        state.faults.reach()?;
        let passed = state.faults.pass(DiskCall::Sync);
        state.inode_mut(self.inode).sync(passed)
    }
}

/// The lock on a directory of a [`SimDisk`].
#[derive(Debug)]
pub struct SimLock {
    disk: SimDisk,
    path: std::path::PathBuf,
}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.disk.lock().locked.remove(&self.path);
    }
}
