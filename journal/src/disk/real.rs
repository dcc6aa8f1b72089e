//! The disk of the operating system.
//!
//! Formats are left to the other modules. Claim kept: directories are made 0700 and files 0600, and
//! a directory is locked with `flock`, which the kernel takes back however the process ends.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::FlockOperation;

use super::{Disk, DiskFile};

/// The files of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

/// The lock on a directory: the open directory itself.
#[derive(Debug)]
pub struct RealLock {
    _directory: File,
}

impl Disk for RealDisk {
    type File = File;
    type Lock = RealLock;

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        DirBuilder::new().mode(0o700).create(path)
    }

    fn lock_dir(&self, path: &Path) -> io::Result<Option<RealLock>> {
        let directory = File::open(path)?;
        if !directory.metadata()?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        match rustix::fs::flock(&directory, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(RealLock { _directory: directory })),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(path)? {
            // A name that is no UTF-8 is none of the journal's, however it is spelled here.
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort_unstable();
        Ok(names)
    }

    fn create(&self, path: &Path, bytes: u64) -> io::Result<File> {
        let file =
            OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
        reserve(&file, bytes)?;
        Ok(file)
    }

    fn open(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).open(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn may_change(&self, directory: &Path) -> io::Result<()> {
        use rustix::fs::Access;
        // To read a directory and each file in it is not to make one there.
        Ok(rustix::fs::access(directory, Access::WRITE_OK | Access::EXEC_OK)?)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        // The parent of a relative path of one component is the empty path.
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        File::open(path)?.sync_all()
    }

    fn salt(&self) -> io::Result<u64> {
        let mut bytes = [0; 8];
        File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }
}

impl DiskFile for File {
    fn bytes(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(self, buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::write_at(self, bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        // The times of the file are nobody's concern; its length is synced along where it changed.
        self.sync_data()
    }
}

/// Asks for the blocks at once, so that a full disk says so before any byte is written.
#[cfg(target_os = "linux")]
fn reserve(file: &File, bytes: u64) -> io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    use rustix::io::Errno;
    loop {
        match fallocate(file, FallocateFlags::empty(), 0, bytes) {
            // Where the call is not known, writing the zeros finds out.
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Leaves it to the writing of the zeros to find a full disk.
#[cfg(not(target_os = "linux"))]
fn reserve(_file: &File, _bytes: u64) -> io::Result<()> {
    Ok(())
}
