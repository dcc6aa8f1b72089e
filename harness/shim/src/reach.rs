//! Whether a program can be reached by a library that is loaded before its C library.
//!
//! The file is looked at, and nothing is run. A script is followed to what runs it. The claim kept
//! true: a program that loads no C library, or that calls the kernel by itself, is not taken for
//! one that a fault of its disk or clock would touch.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// Why a program cannot be reached. Another one is needed, or another way of linking it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReachError {
    /// It loads no library.
    #[error("it is linked statically, and loads no library")]
    Static,
    /// It was made by a compiler of Go, whose programs call the kernel themselves.
    #[error("it is a program of Go, which calls the kernel by itself")]
    Go,
    /// It loads another C library.
    #[error("it loads another C library than glibc")]
    OtherLibrary,
    /// It is for another kind of machine.
    #[error("it is a program for another kind of machine")]
    OtherMachine,
    /// None can be, by a harness that was built without the library.
    #[error("this harness has no library that can be preloaded: {why}")]
    NoLibrary {
        /// Why it was built without, and the remedy.
        why: &'static str,
    },
}

/// Looks at a program: an executable file, or a script.
///
/// A file that is neither, or that nobody finds, is not refused here: starting it will say why.
///
/// # Errors
///
/// [`ReachError`].
pub fn look(program: &Path) -> Result<(), ReachError> {
    if crate::LIBRARY.is_empty() {
        return Err(ReachError::NoLibrary { why: crate::WHY_NONE });
    }
    follow(program)
}

fn follow(program: &Path) -> Result<(), ReachError> {
    let mut program = found(program);
    for _ in 0..SCRIPTS_MAX {
        let Ok(file) = File::open(&program) else { return Ok(()) };
        let mut first = [0; 4];
        if file.read_exact_at(&mut first, 0).is_err() {
            return Ok(());
        }
        if &first == ELF {
            return look_at(&file).unwrap_or(Ok(()));
        }
        match first {
            [b'#', b'!', ..] => match interpreter(&file) {
                Some(next) => program = found(&next),
                None => return Ok(()),
            },
            _ => return Ok(()),
        }
    }
    Ok(())
}

/// Finds a program by its name in the search path, or returns its path.
fn found(program: &Path) -> PathBuf {
    if program.components().count() > 1 {
        return program.to_owned();
    }
    let search = std::env::var_os("PATH").unwrap_or_default();
    let mut places = std::env::split_paths(&search).map(|folder| folder.join(program));
    places.find(|path| path.is_file()).unwrap_or_else(|| program.to_owned())
}

/// Reads what runs a script; behind `env` it is the word that follows.
fn interpreter(file: &File) -> Option<PathBuf> {
    let mut line = Vec::new();
    file.take(LINE_BYTES_MAX).read_to_end(&mut line).ok()?;
    let line = line.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let program = Path::new(std::ffi::OsStr::from_bytes(words.next()?));
    if program.file_name().is_some_and(|name| name == "env") {
        let word = words.find(|word| !word.starts_with(b"-") && !word.contains(&b'='))?;
        return Some(PathBuf::from(std::ffi::OsStr::from_bytes(word)));
    }
    Some(program.to_owned())
}

/// Looks at the parts of an executable file.
fn look_at(file: &File) -> io::Result<Result<(), ReachError>> {
    let mut head = [0; 64];
    file.read_exact_at(&mut head, 0)?;
    let machine = u16::from_le_bytes([head[18], head[19]]);
    if head[4] != BITS_64 || head[5] != LITTLE_ENDIAN || machine != MACHINE {
        return Ok(Err(ReachError::OtherMachine));
    }
    let word = |bytes: &[u8], at: usize| {
        bytes[at..].first_chunk().copied().map(u64::from_le_bytes).unwrap_or_default()
    };
    let (table, count) = (word(&head, 32), u16::from_le_bytes([head[56], head[57]]));
    let mut loader = None;
    for number in 0..u64::from(count) {
        let mut part = [0; 56];
        file.read_exact_at(&mut part, table + number * 56)?;
        let (kind, at, length) = (word(&part, 0) as u32, word(&part, 8), word(&part, 32));
        let mut bytes = vec![0; usize::try_from(length.min(PART_BYTES_MAX)).unwrap_or(0)];
        match kind {
            PART_LOADER => {
                file.read_exact_at(&mut bytes, at)?;
                loader = Some(bytes);
            }
            PART_NOTE => {
                file.read_exact_at(&mut bytes, at)?;
                if bytes.windows(GO_NOTE.len()).any(|window| window == GO_NOTE) {
                    return Ok(Err(ReachError::Go));
                }
            }
            _ => {}
        }
    }
    let is_known = |loader: &[u8]| loader.windows(LOADER.len()).any(|window| window == LOADER);
    Ok(match loader {
        None => Err(ReachError::Static),
        Some(loader) if !is_known(&loader) => Err(ReachError::OtherLibrary),
        Some(_) => Ok(()),
    })
}

const ELF: &[u8; 4] = b"\x7fELF";
const BITS_64: u8 = 2;
const LITTLE_ENDIAN: u8 = 1;

#[cfg(target_arch = "aarch64")]
const MACHINE: u16 = 183;
#[cfg(not(target_arch = "aarch64"))]
const MACHINE: u16 = 62;

const PART_LOADER: u32 = 3;
const PART_NOTE: u32 = 4;

/// The name in a note of the compiler of Go, and the kind of the note.
const GO_NOTE: &[u8] = b"\x04\0\0\0Go\0\0";

/// How the loader of glibc is called on all machines.
const LOADER: &[u8] = b"/ld-linux";

/// The most scripts that run one another.
const SCRIPTS_MAX: u32 = 5;

const LINE_BYTES_MAX: u64 = 4_096;
const PART_BYTES_MAX: u64 = 65_536;

#[cfg(test)]
mod tests {
    use super::*;

    /// An executable of these parts: kinds, with their bytes.
    fn program(name: &str, parts: &[(u32, &[u8])]) -> PathBuf {
        let mut head = vec![0; 64];
        head[..4].copy_from_slice(ELF);
        (head[4], head[5]) = (BITS_64, LITTLE_ENDIAN);
        head[18..20].copy_from_slice(&MACHINE.to_le_bytes());
        head[32..40].copy_from_slice(&64_u64.to_le_bytes());
        head[56..58].copy_from_slice(&(parts.len() as u16).to_le_bytes());
        let mut bodies = Vec::new();
        for (kind, body) in parts {
            let mut part = [0; 56];
            part[..4].copy_from_slice(&kind.to_le_bytes());
            let at = (64 + 56 * parts.len() + bodies.len()) as u64;
            part[8..16].copy_from_slice(&at.to_le_bytes());
            part[32..40].copy_from_slice(&(body.len() as u64).to_le_bytes());
            head.extend(part);
            bodies.extend_from_slice(body);
        }
        head.extend(bodies);
        written(name, &head)
    }

    fn written(name: &str, bytes: &[u8]) -> PathBuf {
        let path = std::env::temp_dir().join(format!("synod-reach-{}-{name}", std::process::id()));
        std::fs::write(&path, bytes).expect("a file can be written");
        path
    }

    fn check(path: &Path, expected: Result<(), ReachError>) {
        let seen = follow(path);
        std::fs::remove_file(path).expect("it was written");
        assert_eq!(seen, expected, "{}", path.display());
    }

    const LOADS_GLIBC: (u32, &[u8]) = (PART_LOADER, b"/lib64/ld-linux-x86-64.so.2\0");

    #[test]
    fn programs_that_no_library_reaches_are_refused_by_kind() {
        check(&program("dynamic", &[(1, b""), LOADS_GLIBC]), Ok(()));
        check(&program("static", &[(1, b"code")]), Err(ReachError::Static));
        let musl: (u32, &[u8]) = (PART_LOADER, b"/lib/ld-musl-x86_64.so.1\0");
        check(&program("musl", &[musl]), Err(ReachError::OtherLibrary));
        let note: &[u8] = b"\x04\0\0\0\x03\0\0\0\x04\0\0\0Go\0\0abc";
        check(&program("go", &[LOADS_GLIBC, (PART_NOTE, note)]), Err(ReachError::Go));
        let note: &[u8] = b"\x04\0\0\0\x10\0\0\0\x03\0\0\0GNU\0abcd";
        check(&program("gnu", &[(PART_NOTE, note), LOADS_GLIBC]), Ok(()));
        let mut other = vec![0; 64];
        other[..4].copy_from_slice(ELF);
        check(&written("other", &other), Err(ReachError::OtherMachine));
    }

    #[test]
    fn a_script_is_followed_to_what_runs_it() {
        let program = program("behind", &[(1, b"code")]);
        let line = format!("#!{} -x\n", program.display());
        check(&written("script", line.as_bytes()), Err(ReachError::Static));
        let line = format!("#!/usr/bin/env -S A=1 {}\n", program.display());
        check(&written("env", line.as_bytes()), Err(ReachError::Static));
        check(&program, Err(ReachError::Static));
        check(&written("text", b"hello, this is a text"), Ok(()));
        assert_eq!(follow(Path::new("no-such-program-anywhere")), Ok(()));
    }

    #[test]
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    fn programs_of_this_machine_are_reached() {
        let own = std::env::current_exe().expect("a test has a path");
        assert_eq!((look(&own), look(Path::new("sh"))), (Ok(()), Ok(())));
    }
}
