//! Gives a folder that was made aside its name, durably.
//!
//! What is in it, and what to tell an operator, is left to whoever made it. The claim kept true: a
//! name that was given and may be gone after a power failure is told from one that was not given,
//! as the folder is in another place then.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Why a folder has no name that lasts.
#[derive(Debug)]
pub(crate) enum Unnamed {
    /// It has the name under which it was made.
    NotRenamed(io::Error),
    /// It has its name, and its parent could not be synced.
    NotSynced(io::Error),
}

/// Renames a folder, and makes its name durable by `sync_dir`.
pub(crate) fn give_name(
    making: &Path,
    folder: &Path,
    sync_dir: impl FnOnce(&Path) -> io::Result<()>,
) -> Result<(), Unnamed> {
    // Another one may have come there meanwhile, and an empty folder would be replaced.
    if fs::symlink_metadata(folder).is_ok() {
        return Err(Unnamed::NotRenamed(io::ErrorKind::AlreadyExists.into()));
    }
    fs::rename(making, folder).map_err(Unnamed::NotRenamed)?;
    sync_dir(parent_of(folder)).map_err(Unnamed::NotSynced)
}

/// Returns the name under which a folder is made.
pub(crate) fn making_of(folder: &Path) -> PathBuf {
    let mut name = folder.file_name().unwrap_or_default().to_owned();
    name.push(".making");
    folder.with_file_name(name)
}

/// Returns the folder that holds the name of another one.
fn parent_of(folder: &Path) -> &Path {
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or_else(|| Path::new("."))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;
    use crate::test_folder::TestFolder;

    #[test]
    fn a_name_that_was_given_and_may_not_last_is_told_from_one_that_was_not() {
        let root = TestFolder::new();
        let folder = root.path().join("backup");
        let making = making_of(&folder);
        fs::create_dir(&making).unwrap();
        let mut synced = None;
        let broken = |parent: &Path| {
            synced = Some(parent.to_owned());
            Err(io::ErrorKind::Other.into())
        };
        assert!(matches!(give_name(&making, &folder, broken), Err(Unnamed::NotSynced(_))));
        assert_eq!(synced.as_deref(), Some(root.path()));
        assert!(folder.is_dir() && !making.exists(), "it has its name");
        fs::create_dir(&making).unwrap();
        let never = |_: &Path| unreachable!("another folder has the name");
        assert!(matches!(give_name(&making, &folder, never), Err(Unnamed::NotRenamed(_))));
        assert!(making.is_dir(), "and it is where it was");
        fs::remove_dir(&folder).unwrap();
        assert!(give_name(&making, &folder, |_| Ok(())).is_ok());
    }
}
