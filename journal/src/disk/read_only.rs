//! The disk of the operating system, for those who look and change nothing.
//!
//! What they look for is left to the other modules. Claim kept: whatever is asked of it, no byte
//! and no name of the disk changes; so a folder is enough that its reader may not write to.

use std::fs::File;
use std::io;
use std::path::Path;

use super::real::{RealDisk, RealLock};
use super::{Disk, DiskFile};

/// The files of the operating system, opened for reading alone: everything that would change one
/// fails with [`io::ErrorKind::ReadOnlyFilesystem`].
#[derive(Clone, Copy, Debug, Default)]
pub struct ReadOnlyDisk;

/// A file that is open for reading alone.
#[derive(Debug)]
pub struct ReadOnlyFile(File);

impl Disk for ReadOnlyDisk {
    type File = ReadOnlyFile;
    type Lock = RealLock;

    fn create_dir(&self, _: &Path) -> io::Result<()> {
        refused()
    }

    fn lock_dir(&self, path: &Path) -> io::Result<Option<RealLock>> {
        RealDisk.lock_dir(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        RealDisk.list(path)
    }

    fn create(&self, _: &Path, _: u64) -> io::Result<ReadOnlyFile> {
        refused()
    }

    fn open(&self, path: &Path) -> io::Result<ReadOnlyFile> {
        // The opening of a pipe would wait for somebody who writes to it.
        if !std::fs::metadata(path)?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
        }
        File::open(path).map(ReadOnlyFile)
    }

    fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
        refused()
    }

    fn remove(&self, _: &Path) -> io::Result<()> {
        refused()
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        refused()
    }

    fn salt(&self) -> io::Result<u64> {
        RealDisk.salt()
    }
}

impl DiskFile for ReadOnlyFile {
    fn bytes(&self) -> io::Result<u64> {
        self.0.bytes()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        DiskFile::read_at(&self.0, buffer, offset)
    }

    fn write_at(&self, _: &[u8], _: u64) -> io::Result<usize> {
        refused()
    }

    fn sync(&self) -> io::Result<()> {
        refused()
    }
}

fn refused<T>() -> io::Result<T> {
    Err(io::ErrorKind::ReadOnlyFilesystem.into())
}
