//! What is counted of one crate, and what each figure means.
//!
//! Only what ships is counted of Rust: files below `src`, without their tests. The claim kept: each
//! figure is a count of texts that anybody can repeat with `grep`, and none is a judgement.

use super::rooms;
use crate::tidy::Source;

/// The figures of a crate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) files: usize,
    pub(super) lines: usize,
    pub(super) longest_file: usize,
    pub(super) functions: usize,
    pub(super) longest_function: usize,
    pub(super) comments: usize,
    pub(super) assertions: usize,
    pub(super) rooms: usize,
    pub(super) arrows: usize,
    pub(super) circles: usize,
    pub(super) bytes: usize,
    pub(super) words: usize,
}

impl Counts {
    /// Counts a crate, whose files have paths relative to its folder.
    pub(super) fn of_crate<'a>(files: impl Iterator<Item = (&'a str, &'a [u8])>) -> Self {
        let mut counts = Self::default();
        let mut shipped = Vec::new();
        for (path, bytes) in files {
            counts.bytes += bytes.len();
            let text = String::from_utf8_lossy(bytes);
            counts.words += words_of_document(path, &text);
            let is_test = path.ends_with("/tests.rs") || path.contains("/tests/");
            if path.starts_with("src/") && path.ends_with(".rs") && !is_test {
                let source = Source::parse(&text);
                counts.add_source(&source);
                let code = source.shipped().iter().map(|line| line.code.as_str());
                shipped.push((path.to_owned(), code.collect::<Vec<_>>().join("\n")));
            }
        }
        let map = rooms::Map::of(&shipped);
        counts.rooms = map.rooms();
        counts.arrows = map.arrows();
        counts.circles = map.circles();
        counts
    }

    /// Counts the words of what is in no crate.
    pub(super) fn of_documents<'a>(files: impl Iterator<Item = (&'a str, &'a [u8])>) -> Self {
        let words =
            |(path, text): (&str, &[u8])| words_of_document(path, &String::from_utf8_lossy(text));
        Self { words: files.map(words).sum(), ..Self::default() }
    }

    fn add_source(&mut self, source: &Source) {
        let lines = source.shipped();
        self.files += 1;
        self.lines += lines.len();
        self.longest_file = self.longest_file.max(lines.len());
        for function in source.functions() {
            self.functions += 1;
            self.longest_function = self.longest_function.max(function.length);
        }
        for line in lines {
            let comment = line.comment.trim_start();
            let documents = comment.starts_with("///") || comment.starts_with("//!");
            self.comments += usize::from(comment.starts_with("//") && !documents);
            self.words += if documents { words(&comment[3..]) } else { 0 };
            self.assertions += assertions(&line.code);
        }
    }

    /// Joins two crates: sums, and the longest of both.
    pub(super) fn and(self, other: &Self) -> Self {
        Self {
            files: self.files + other.files,
            lines: self.lines + other.lines,
            longest_file: self.longest_file.max(other.longest_file),
            functions: self.functions + other.functions,
            longest_function: self.longest_function.max(other.longest_function),
            comments: self.comments + other.comments,
            assertions: self.assertions + other.assertions,
            rooms: self.rooms + other.rooms,
            arrows: self.arrows + other.arrows,
            circles: self.circles + other.circles,
            bytes: self.bytes + other.bytes,
            words: self.words + other.words,
        }
    }

    /// Gives the figures in the order of [`COLUMNS`].
    pub(super) fn figures(&self) -> [usize; COLUMNS.len()] {
        [
            self.files,
            self.lines,
            self.longest_file,
            self.functions,
            self.longest_function,
            self.comments,
            self.assertions,
            self.rooms,
            self.arrows,
            self.circles,
            self.bytes.div_ceil(1024),
            self.words,
        ]
    }
}

/// Counts the macros that assert; `assert_eq!` and `debug_assert!` are among them.
fn assertions(code: &str) -> usize {
    let calls = code.match_indices("assert").filter(|(at, _)| {
        let rest = code[at + "assert".len()..].trim_start_matches(['_', 'e', 'q', 'n']);
        rest.starts_with('!')
    });
    calls.count()
}

fn words_of_document(path: &str, text: &str) -> usize {
    if path.ends_with(".md") { words(text) } else { 0 }
}

fn words(text: &str) -> usize {
    let is_word = |word: &&str| word.contains(|c: char| c.is_alphanumeric());
    text.split_whitespace().filter(is_word).count()
}

/// The columns of the table, and what each counts.
pub(super) const COLUMNS: [(&str, &str); 12] = [
    ("files", "Rust files below `src`, without those of tests"),
    ("lines", "their lines, without `mod tests` at the end"),
    ("longest file", "the lines of the longest one"),
    ("functions", "functions with a body in them"),
    ("longest function", "the lines of the longest one"),
    ("inline comments", "lines with a comment that is no documentation"),
    ("assertions", "calls of `assert!` and its kin in them, `debug_assert!` included"),
    ("rooms", "modules right below the crate's root"),
    ("arrows", "pairs of rooms of which one names the other"),
    ("circles", "sets of rooms each of which reaches all others of the set by arrows"),
    ("KiB", "all files of the crate's folder, tests and examples too, without crates inside of it"),
    ("words", "words of documentation: Markdown, `//!` and `///`"),
];

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &[u8] =
        b"//! Two words.\nuse crate::b;\n// Why.\nfn f() {\n    assert_eq!(1, 1);\n\
        \x20   debug_assert!(true); // So.\n}\n#[cfg(test)]\nmod tests {\n    fn g() {}\n}\n";

    #[test]
    fn what_ships_is_counted_and_tests_are_not() {
        let other: &[u8] = b"//! B.\nuse super::a;\n";
        let files = [("src/a.rs", FILE), ("src/b.rs", other), ("tests/c.rs", FILE)];
        let counts = Counts::of_crate(files.into_iter());
        let Counts { files, functions, comments, assertions, words, .. } = counts;
        assert_eq!((files, functions, comments, assertions, words), (2, 1, 2, 2, 3));
        let Counts { rooms, arrows, circles, longest_function, .. } = counts;
        assert_eq!((rooms, arrows, circles, longest_function), (2, 2, 1, 4));
    }

    #[test]
    fn only_calls_assert() {
        assert_eq!(assertions("assert!(a); debug_assert_ne!(a, b); asserted(); assert_all(c)"), 2);
    }
}
