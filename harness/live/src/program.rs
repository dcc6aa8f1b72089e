//! Whether a path, or a name in the search path, is that of a program.
//!
//! Which programs a system has is left to its description. The claim kept true: whatever is there
//! and cannot be executed is told as what it is, and never as missing.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Why nothing can be executed there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NoProgram {
    /// There is nothing.
    #[error("is not there; build or install it first, or name the right one ({FLAGS})")]
    Missing,
    /// It is a link, and what it names is not there.
    #[error("is a link to what is not there; build that first, or name a program ({FLAGS})")]
    Dangling,
    /// It is a directory.
    #[error("is a directory and no program; name the program in it")]
    Directory,
    /// It is a device, a pipe or a socket.
    #[error("is no regular file, and so no program; name one ({FLAGS})")]
    Special,
    /// Nobody may execute it.
    #[error(
        "is a file that nobody may execute, of mode {mode:04o}, and no program; name the program, \
         or allow it with chmod +x if this is the one"
    )]
    NotExecutable {
        /// The permission bits.
        mode: u32,
    },
    /// It has no bytes.
    #[error("is an empty file and no program; build it again, or name another one ({FLAGS})")]
    Empty,
    /// The system does not say.
    #[error("cannot be looked at: {0}")]
    Unseen(#[source] io::Error),
}

/// Looks for a program: as a path, or by name in the search path.
///
/// # Errors
///
/// [`NoProgram`]. What is found by name is executable in any case.
pub fn look(program: &Path) -> Result<(), NoProgram> {
    if program.components().count() > 1 {
        return look_at(program);
    }
    let search = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&search).any(|dir| look_at(&dir.join(program)).is_ok());
    if found { Ok(()) } else { Err(NoProgram::Missing) }
}

fn look_at(path: &Path) -> Result<(), NoProgram> {
    let data = path.metadata().map_err(|error| {
        if error.kind() != io::ErrorKind::NotFound {
            return NoProgram::Unseen(error);
        }
        if path.is_symlink() { NoProgram::Dangling } else { NoProgram::Missing }
    })?;
    let mode = data.permissions().mode() & 0o7777;
    if data.is_dir() {
        return Err(NoProgram::Directory);
    }
    if !data.is_file() {
        return Err(NoProgram::Special);
    }
    if mode & 0o111 == 0 {
        return Err(NoProgram::NotExecutable { mode });
    }
    if data.len() == 0 { Err(NoProgram::Empty) } else { Ok(()) }
}

/// By what a program is named.
const FLAGS: &str = "--binary, --audit, or the description itself";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_by_path_and_by_name() {
        assert!(look(Path::new("/bin/sh")).is_ok());
        assert!(look(Path::new("sh")).is_ok());
        let missing = |name: &str| matches!(look(Path::new(name)), Err(NoProgram::Missing));
        assert!(missing("no-such-program-anywhere"));
        assert!(missing("/nonexistent/program"));
    }

    #[test]
    fn what_is_no_program_is_told_as_what_it_is() {
        let why = |name: &str| look(Path::new(name)).map_err(|error| error.to_string());
        assert!(why("/bin").is_err_and(|why| why.contains("is a directory and no program")));
        assert!(why("/dev/null").is_err_and(|why| why.contains("is no regular file")));
        // This very source is not for execution.
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src/program.rs");
        assert!(why(source).is_err_and(|why| why.contains("nobody may execute")));
        let below = format!("{source}/x");
        assert!(why(&below).is_err_and(|why| why.contains("cannot be looked at")));
    }
}
