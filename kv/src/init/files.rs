//! The files that `init` writes: never over another one, except for a renewed certificate, and
//! durable when the command is done.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use super::InitError;

/// Makes a folder that its owner alone may enter.
pub(super) fn make_folder(path: &Path) -> Result<(), InitError> {
    DirBuilder::new().mode(0o700).create(path).map_err(|source| {
        let path = path.to_owned();
        if source.kind() == io::ErrorKind::AlreadyExists {
            return InitError::Exists(path);
        }
        InitError::File { path, source }
    })
}

/// Writes a file that must not be there yet.
pub(super) fn write_new(path: &Path, mode: u32, text: &str) -> Result<(), InitError> {
    write(path, mode, text).map_err(|source| InitError::File { path: path.to_owned(), source })
}

/// Puts a text in the place of a file, wholly or not at all.
pub(super) fn replace(path: &Path, mode: u32, text: &str) -> Result<(), InitError> {
    let draft = path.with_extension("new");
    let replaced = || {
        // A draft that is there is the rest of an attempt that was cut short.
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        write(&draft, mode, text)?;
        fs::rename(&draft, path)
    };
    replaced().map_err(|source| InitError::File { path: path.to_owned(), source })
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(path: &Path) -> Result<(), InitError> {
    let synced = File::open(path).and_then(|folder| folder.sync_all());
    synced.map_err(|source| InitError::File { path: path.to_owned(), source })
}

fn write(path: &Path, mode: u32, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
