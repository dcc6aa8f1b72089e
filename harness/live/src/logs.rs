//! What the processes wrote: the last lines, and signs of a panic.
//!
//! Logs are read in bounded pieces, however long they grew. They are text of the system under test
//! and may hold anything; bytes that are no text are replaced.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

/// Returns the last lines of a log; an absent log has none.
#[must_use]
pub fn tail(path: &Path, lines: usize) -> Vec<String> {
    let text = last_bytes(path, TAIL_BYTES_MAX).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let all: Vec<&str> = text.lines().collect();
    let skipped = all.len().saturating_sub(lines);
    all[skipped..].iter().map(|line| line.chars().take(LINE_CHARS_MAX).collect()).collect()
}

/// Returns the first line that tells of a panic and does not begin in one of the `excused` parts.
#[must_use]
pub fn find_panic(path: &Path, excused: &[Range<u64>]) -> Option<String> {
    let mut log = BufReader::new(File::open(path).ok()?);
    let (mut line, mut next) = (Vec::new(), 0);
    loop {
        line.clear();
        let at = next;
        let read = log.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line).ok()?;
        if read == 0 {
            return None;
        }
        next = at + read as u64;
        let text = String::from_utf8_lossy(&line);
        if text.contains(PANIC_MARK) && !excused.iter().any(|part| part.contains(&at)) {
            return Some(text.trim_end().chars().take(LINE_CHARS_MAX).collect());
        }
    }
}

fn last_bytes(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut log = File::open(path)?;
    let length = log.metadata()?.len();
    log.seek(SeekFrom::Start(length.saturating_sub(most)))?;
    let mut bytes = Vec::new();
    log.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What the standard library writes when a thread panics.
const PANIC_MARK: &str = "panicked at ";

const TAIL_BYTES_MAX: u64 = 64 << 10;
const LINE_BYTES_MAX: u64 = 64 << 10;
const LINE_CHARS_MAX: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs `check` on a log of this content, which is gone afterwards.
    fn with_log(name: &str, content: &[u8], check: impl FnOnce(&Path)) {
        let name = format!("synod-logs-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, content).expect("a temporary file");
        check(&path);
        std::fs::remove_file(&path).expect("it was written above");
    }

    #[test]
    fn the_tail_is_the_last_lines_of_a_long_log() {
        let content: String = (0..50_000).map(|n| format!("line {n}\n")).collect();
        with_log("tail", content.as_bytes(), |path| {
            assert_eq!(tail(path, 2), ["line 49998", "line 49999"]);
            assert_eq!(find_panic(path, &[]), None);
        });
        assert!(tail(Path::new("/nonexistent"), 5).is_empty());
    }

    #[test]
    fn a_panic_is_found_anywhere_even_among_bytes_that_are_no_text() {
        let mut content = vec![0xff; 200_000];
        content.extend(b"\nthread 'main' panicked at src/main.rs:1:1:\nboom\n");
        content.extend(vec![b'x'; 200_000]);
        with_log("panic", &content, |path| {
            let line = find_panic(path, &[]).expect("it is there");
            assert_eq!(line, "thread 'main' panicked at src/main.rs:1:1:");
            let before = std::slice::from_ref(&(0..200_002));
            assert_eq!(find_panic(path, before), None, "it begins in what is excused");
            assert!(find_panic(path, &[0..200_001, 200_002..300_000]).is_some());
        });
    }
}
