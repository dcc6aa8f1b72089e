//! The committed inputs: those that a run begins with, and those that failed once.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Reads the inputs of a target, in the order of their names.
///
/// # Errors
///
/// If the corpus cannot be read, or has a line that is no hex.
pub fn inputs(target: &str) -> io::Result<Vec<Vec<u8>>> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let lines = corpus.join(format!("{target}.hex"));
    if lines.is_file() {
        let text = fs::read_to_string(lines)?;
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        return lines.map(|line| from_hex(line).ok_or_else(|| wrong(line))).collect();
    }
    let entries = fs::read_dir(corpus.join(target))?;
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    paths.sort();
    paths.iter().map(fs::read).collect()
}

fn wrong(line: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("`{line}` is no hex"))
}

/// Writes bytes as a line of a corpus.
#[must_use]
pub fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let pair = |at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    (0..text.len()).step_by(2).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_read_as_it_was_written() {
        assert_eq!(from_hex(&to_hex(&[0, 1, 0xfe])), Some(vec![0, 1, 0xfe]));
        assert_eq!(from_hex("0"), None);
        assert_eq!(from_hex("zz"), None);
    }
}
