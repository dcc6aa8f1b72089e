//! The directories on the way to a journal: those that are missing are made, and all are synced.
//!
//! What is in the journal's own directory is left to `identity` and `segment`. Claim kept: once a
//! journal counts as made, no power loss takes one of the names that lead to it.

use std::io::ErrorKind;
use std::path::Path;

use crate::disk::Disk;
use crate::error::Fatal;

/// Makes a directory and what is missing above it; says how many levels of the path were made.
pub(crate) fn make<D: Disk>(disk: &D, path: &Path) -> Result<usize, Fatal> {
    let failed = |error| Fatal::new("cannot create the directory", path, error);
    let error = match disk.create_dir(path) {
        Ok(()) => return Ok(1),
        // It may be a file that is there: whoever locks it as a directory finds out.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(0),
        Err(error) => error,
    };
    let Some(parent) = path.parent().filter(|_| error.kind() == ErrorKind::NotFound) else {
        return Err(failed(error));
    };
    let above = make(disk, parent)?;
    disk.create_dir(path).map_err(failed)?;
    Ok(above + 1)
}

/// Makes the name of a journal's directory durable.
pub(crate) fn sync_name<D: Disk>(disk: &D, path: &Path, levels_made: usize) -> Result<(), Fatal> {
    sync(disk, path.parent().unwrap_or(path), levels_made >= 1)
}

/// Makes the names of the directories above it durable, up to the root.
///
/// Whoever makes a directory by hand just before syncs nothing, so those that were there are synced
/// too.
pub(crate) fn sync_above<D: Disk>(disk: &D, path: &Path, levels_made: usize) -> Result<(), Fatal> {
    // The parent holds the name of level 1, and its own parent the name of level 2.
    for (level, holder) in (2..).zip(path.ancestors().skip(2)) {
        sync(disk, holder, levels_made >= level)?;
    }
    Ok(())
}

/// Syncs a directory. One in which nothing was made may refuse it altogether, because it is of a
/// file system that is read only or because this user may not open it.
fn sync<D: Disk>(disk: &D, holder: &Path, has_news: bool) -> Result<(), Fatal> {
    match disk.sync_dir(holder) {
        Err(error) if has_news || !refuses_all(error.kind()) => {
            Err(Fatal::new("cannot sync the directory", holder, error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Tells an error that a directory has for everybody from one of the disk.
fn refuses_all(kind: ErrorKind) -> bool {
    use ErrorKind::{InvalidInput, PermissionDenied, ReadOnlyFilesystem, Unsupported};
    matches!(kind, InvalidInput | PermissionDenied | ReadOnlyFilesystem | Unsupported)
}
