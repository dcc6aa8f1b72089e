//! The disk seam: the few file operations that a journal needs, real or simulated.
//!
//! Frames, segments and recovery are left to the other modules. Claim kept: everything that the
//! journal asks of the world goes through these two traits, so that a simulated disk which loses,
//! tears, rots and fills runs the same object code as the real one.

use std::io;
use std::path::Path;

pub(crate) mod read_only;
pub(crate) mod real;
pub(crate) mod sim;

/// Directory operations of a disk; a cheap handle that is cloned freely.
///
/// Nothing is durable before the matching sync returns: contents need [`DiskFile::sync`], names
/// need [`Disk::sync_dir`] on the directory that holds them.
pub trait Disk: Clone + Send + Sync + 'static {
    /// An open file.
    type File: DiskFile;
    /// An exclusive lock on a directory, held until it is dropped.
    type Lock: Send + 'static;

    /// Makes a directory that only its owner may enter.
    ///
    /// # Errors
    /// `AlreadyExists` when there is one, or what the system says.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// Locks a directory against other processes, or returns `None` when another one holds it.
    ///
    /// # Errors
    /// `NotFound` when there is no directory, or what the system says.
    fn lock_dir(&self, path: &Path) -> io::Result<Option<Self::Lock>>;

    /// Returns the names in a directory, in ascending order.
    ///
    /// # Errors
    /// What the system says.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;

    /// Makes a file that only its owner may read and write, and sets aside room for `bytes`.
    ///
    /// # Errors
    /// `AlreadyExists`, or a full disk when the room cannot be set aside, or what the system says.
    fn create(&self, path: &Path, bytes: u64) -> io::Result<Self::File>;

    /// Opens a file for reading and writing.
    ///
    /// # Errors
    /// What the system says.
    fn open(&self, path: &Path) -> io::Result<Self::File>;

    /// Gives a file another name in the same directory, in place of a file of that name.
    ///
    /// # Errors
    /// What the system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Takes a file out of its directory.
    ///
    /// # Errors
    /// What the system says.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Asks whether this process may make, rename and remove files in a directory; changes nothing.
    ///
    /// A disk that knows no rights lets everybody, and so does one on which nothing is changed.
    ///
    /// # Errors
    /// What the system would say to whoever tried.
    fn may_change(&self, directory: &Path) -> io::Result<()> {
        let _ = directory;
        Ok(())
    }

    /// Makes the names in a directory durable.
    ///
    /// # Errors
    /// What the system says; nothing may be assumed durable then.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Draws a number that this disk never returned before and that nobody can guess.
    ///
    /// # Errors
    /// What the system says.
    fn salt(&self) -> io::Result<u64>;
}

/// An open file, used from any thread.
pub trait DiskFile: Send + Sync + 'static {
    /// Returns the length in bytes.
    ///
    /// # Errors
    /// What the system says.
    fn bytes(&self) -> io::Result<u64>;

    /// Reads at an offset; fewer bytes than asked for, or none at the end of the file, is no error.
    ///
    /// # Errors
    /// What the system says.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes at an offset, perhaps only the first bytes; returns how many.
    ///
    /// # Errors
    /// What the system says.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;

    /// Makes the contents durable, with whatever is needed to read them back.
    ///
    /// # Errors
    /// What the system says; what was written since the last success is lost or not, nobody knows.
    fn sync(&self) -> io::Result<()>;
}

/// Writes all bytes, however few the disk takes at a time.
pub(crate) fn write_all_at<F: DiskFile>(file: &F, bytes: &[u8], offset: u64) -> io::Result<()> {
    let mut done = 0;
    while done < bytes.len() {
        match file.write_at(&bytes[done..], offset + done as u64) {
            // A disk that takes nothing would be asked for ever.
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => done += written,
            // A signal came between, and nothing is wrong with the disk.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads until the buffer is full or the file ends; returns how many bytes were read.
pub(crate) fn read_full_at<F: DiskFile>(
    file: &F,
    buffer: &mut [u8],
    offset: u64,
) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read_at(&mut buffer[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// Tells whether an error says that there is no room, which the user can mend.
pub(crate) fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}
