//! What the processes wrote: the last lines, and signs of a crash.
//!
//! Logs are read in bounded pieces, however long they grew. They are text of the system under test
//! and may hold anything; bytes that are no text are replaced.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

use super::crashes::CrashPatterns;

/// Returns the last lines of a log; an absent log has none.
#[must_use]
pub fn tail(path: &Path, lines: usize) -> Vec<String> {
    let text = last_bytes(path, TAIL_BYTES_MAX).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let all: Vec<&str> = text.lines().collect();
    let skipped = all.len().saturating_sub(lines);
    all[skipped..].iter().map(|line| line.chars().take(LINE_CHARS_MAX).collect()).collect()
}

/// Returns the first line that tells of a crash, with its number from 1. Lines that begin within
/// one of the `explained` ranges of bytes are passed over.
#[must_use]
pub fn find_crash(
    path: &Path,
    patterns: CrashPatterns<'_>,
    explained: &[Range<u64>],
) -> Option<(u64, String)> {
    let mut found = None;
    each_piece(path, patterns.longest(), |piece| {
        // A line counts where it begins: what explains a crash may end in the middle of the line
        // that tells of it.
        let is_explained = explained.iter().any(|range| range.contains(&piece.begin));
        if !is_explained && patterns.is_met(piece.text, piece.begins_line) {
            let text = piece.text.trim_end().chars().take(LINE_CHARS_MAX).collect();
            found = Some((piece.number, text));
        }
        found.is_none()
    });
    found
}

/// A line of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// The byte at which it begins.
    pub(crate) begin: u64,
    /// Which line it is, counted from 1.
    pub(crate) number: u64,
    /// What it says, without its end.
    pub(crate) text: String,
    /// Whether it tells of a crash.
    pub(crate) crash: bool,
}

/// Returns the lines that begin within one of some ranges of bytes. An absent log has none.
pub(crate) fn lines_in(
    path: &Path,
    ranges: &[Range<u64>],
    patterns: CrashPatterns<'_>,
) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let last = ranges.iter().map(|range| range.end).max().unwrap_or(0);
    each_piece(path, patterns.longest(), |piece| {
        let is_within = ranges.iter().any(|range| range.contains(&piece.begin));
        if is_within && piece.begins_line {
            let text = piece.text.trim_end().chars().take(LINE_CHARS_MAX).collect();
            let crash = patterns.is_met(piece.text, true);
            lines.push(Line { begin: piece.begin, number: piece.number, text, crash });
        } else if is_within && let Some(line) = lines.last_mut() {
            line.crash |= patterns.is_met(piece.text, false);
        }
        piece.begin < last
    });
    lines
}

/// Returns the byte at which a line begins, counted from 1.
pub(crate) fn begin_of_line(path: &Path, number: u64) -> Option<u64> {
    let mut found = None;
    each_piece(path, 0, |piece| {
        found = (piece.number == number).then_some(piece.begin);
        found.is_none()
    });
    found
}

/// A line, or a part of one that is long, with the last bytes of the part before it.
struct Piece<'a> {
    text: &'a str,
    /// The byte at which its line begins.
    begin: u64,
    number: u64,
    begins_line: bool,
}

/// Reads a log piece by piece, as long as `visit` says to go on. A text of a line that has up to
/// `longest` bytes stands in one of its pieces as a whole.
fn each_piece(path: &Path, longest: usize, mut visit: impl FnMut(&Piece<'_>) -> bool) {
    let Ok(log) = File::open(path) else { return };
    let mut log = BufReader::new(log);
    let mut line = Vec::new();
    let (mut number, mut begins_line, mut at, mut begin) = (1, true, 0, 0);
    loop {
        // A log need not have line ends, so that a line is read in pieces of bounded length; and
        // all but one byte of what is looked for may have stood at the end of the piece before.
        let kept = if begins_line { 0 } else { longest.saturating_sub(1).min(line.len()) };
        line.drain(..line.len() - kept);
        let read = log.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
        let Ok(read @ 1..) = read else { return };
        if begins_line {
            begin = at;
        }
        let text = String::from_utf8_lossy(&line);
        if !visit(&Piece { text: &text, begin, number, begins_line }) {
            return;
        }
        at += read as u64;
        begins_line = line.last() == Some(&b'\n');
        number += u64::from(begins_line);
    }
}

/// Returns whether some line has this text. An absent log has none.
#[must_use]
pub fn has(path: &Path, text: &str) -> bool {
    let own = [text.to_owned()];
    find_crash(path, CrashPatterns { known: false, own: &own }, &[]).is_some()
}

/// Returns how many bytes a log has; an absent one has none.
#[must_use]
pub fn length(path: &Path) -> u64 {
    path.metadata().map_or(0, |data| data.len())
}

fn last_bytes(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut log = File::open(path)?;
    let length = log.metadata()?.len();
    log.seek(SeekFrom::Start(length.saturating_sub(most)))?;
    let mut bytes = Vec::new();
    log.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

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
            assert_eq!(find_crash(path, KNOWN, &[]), None);
        });
        assert!(tail(Path::new("/nonexistent"), 5).is_empty());
    }

    #[test]
    fn a_crash_is_found_anywhere_even_among_bytes_that_are_no_text() {
        let mut content = vec![0xff; 200_000];
        content.extend(b"\nthread 'main' panicked at src/main.rs:1:1:\nboom\n");
        content.extend(vec![b'x'; 200_000]);
        with_log("panic", &content, |path| {
            let line = find_crash(path, KNOWN, &[]).expect("it is there");
            assert_eq!(line, (2, "thread 'main' panicked at src/main.rs:1:1:".to_owned()));
        });
    }

    #[test]
    fn a_long_line_begins_once() {
        let mut content = vec![b'x'; LINE_BYTES_MAX as usize];
        content.extend(b"panic: not at the begin of a line\n");
        with_log("long", &content, |path| assert_eq!(find_crash(path, KNOWN, &[]), None));
        with_log("short", b"one\npanic: two\n", |path| {
            assert_eq!(find_crash(path, KNOWN, &[]), Some((2, "panic: two".to_owned())));
        });
    }

    /// However the pieces fall in which a log is read, a crash is found, and its line begins once.
    #[test]
    fn a_crash_is_found_where_two_pieces_of_a_long_line_meet() {
        let crash = "thread 'main' panicked at src/main.rs:1:1:";
        let own = ["broken: the state is none of those that there are".to_owned()];
        let both = CrashPatterns { known: true, own: &own };
        for text in [crash, &own[0]] {
            for before in (1..=text.len()).chain([LINE_BYTES_MAX as usize + 9]) {
                let mut content = b"one\n".to_vec();
                content.extend(vec![b'x'; 2 * LINE_BYTES_MAX as usize - before]);
                content.extend(text.as_bytes());
                content.extend(b"\nthree\n");
                with_log("meet", &content, |path| {
                    let found = find_crash(path, both, &[]).map(|(number, _)| number);
                    assert_eq!(found, Some(2), "{before} bytes before the end of a piece: {text}");
                    let lines = lines_in(path, &[Range { start: 0, end: u64::MAX }], both);
                    let told: Vec<_> =
                        lines.iter().map(|it| (it.number, it.begin, it.crash)).collect();
                    let third = content.len() as u64 - 6;
                    assert_eq!(told, [(1, 0, false), (2, 4, true), (3, third, false)]);
                });
            }
        }
    }

    #[test]
    fn a_line_that_something_explains_is_passed_over_and_no_other() {
        let content = b"calm\npanic: disk\npanic: own\n";
        with_log("explained", content, |path| {
            let found = |explained: &[Range<u64>]| find_crash(path, KNOWN, explained);
            let (disk, own) =
                (Some((2, "panic: disk".to_owned())), Some((3, "panic: own".to_owned())));
            assert_eq!(found(&[]), disk);
            assert_eq!(found(&[Range { start: 5, end: 6 }]), own, "it begins at byte 5");
            assert_eq!(found(&[Range { start: 6, end: 9 }]), disk, "it began before");
            assert_eq!(found(&[Range { start: 5, end: u64::MAX }]), None);
        });
    }

    #[test]
    fn a_text_is_found_and_an_absent_log_has_none() {
        with_log("has", b"one\nnow serving clients\n", |path| {
            assert!(has(path, "serving") && !has(path, "leading") && length(path) == 24);
        });
        let absent = Path::new("/nonexistent");
        assert!(!has(absent, "") && length(absent) == 0);
    }

    const KNOWN: CrashPatterns<'static> = CrashPatterns { known: true, own: &[] };
}
