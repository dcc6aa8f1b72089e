//! The files that a command line names for reading: how they are read, and that no other option of
//! the same line writes over them.
//!
//! What is in a file is told by whoever reads it. The claims kept true: a file that is read as a
//! whole takes a bounded part of the memory, whatever it is; and the records of a run, which may be
//! all that is left of a failure, are never replaced by what is said of them.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use synod_report::read_whole;

/// Reads a plan, a description or what a run has left.
///
/// # Errors
///
/// What the system says, or that the file is too long to be one.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    read_whole(path, FILE_BYTES_MAX)
}

/// Tells whether two paths lead to one file, or would. What is no file, such as `/dev/null` or a
/// terminal, is written to and not replaced.
pub(super) fn is_same(one: &Path, other: &Path) -> bool {
    let number = |file: Metadata| file.is_file().then(|| (file.dev(), file.ino()));
    let file = |path: &Path| path.metadata().ok().and_then(number);
    one == other || matches!((file(one), file(other)), (Some(one), Some(other)) if one == other)
}

/// The longest file that is read as a whole: a plan of ten thousand faults has a few mebibytes.
const FILE_BYTES_MAX: u64 = 64 << 20;
