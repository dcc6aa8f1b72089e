//! The rules for Rust files: a first word, sizes, and one door to atomics.

use super::source::Source;
use super::{File, Finding, Tree};

/// Checks one file.
pub(crate) fn check(file: &File) -> Vec<Finding> {
    let source = Source::parse(&file.text);
    let mut findings = first_words(file, &source);
    findings.extend(columns(file, &source));
    findings.extend(unsafe_code(file, &source));
    findings.extend(theatre(file, &source));
    if !is_test(file) {
        findings.extend(sizes(file, &source));
    }
    findings
}

/// Checks that a crate with `sync.rs` names atomics and loom in that file alone, so that what
/// loom explores is what ships.
pub(crate) fn check_atomics(tree: &Tree) -> Vec<Finding> {
    let facades = tree.files.iter().filter(|file| file.name() == "sync.rs");
    let mut findings = Vec::new();
    for facade in facades {
        let folder = format!("{}/", facade.folder());
        let inside = |file: &&File| file.is_rust() && file.path.starts_with(&folder);
        for file in tree.files.iter().filter(inside).filter(|file| file.path != facade.path) {
            findings.extend(atomics(file, &facade.path));
        }
    }
    findings
}

fn atomics(file: &File, facade: &str) -> Vec<Finding> {
    let source = Source::parse(&file.text);
    let lines = source.shipped().iter().enumerate();
    let named = lines.filter(|(_, line)| DOORS.iter().any(|door| line.code.contains(door)));
    let what = format!("atomics and loom are named in {facade} alone; import them from there");
    named.map(|(at, _)| Finding::new(&file.path, at + 1, what.clone())).collect()
}

/// Finds unsafe code outside of the one folder that is for it, whatever the lints of a crate say.
fn unsafe_code(file: &File, source: &Source) -> Vec<Finding> {
    if file.path.starts_with(UNSAFE_FOLDER) {
        return Vec::new();
    }
    let is_word = |code: &str| {
        code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "unsafe")
    };
    let lines = source.lines.iter().enumerate().filter(|(_, line)| is_word(&line.code));
    let what = format!("unsafe code stands in {UNSAFE_FOLDER} alone");
    lines.map(|(at, _)| Finding::new(&file.path, at + 1, what.clone())).collect()
}

/// Finds names of fields, variables and functions that are words of the stage. Where votes are cast
/// the specification says so, and pointers have a method of that name.
fn theatre(file: &File, source: &Source) -> Vec<Finding> {
    if VOTES_ARE_CAST.iter().any(|path| file.path.starts_with(path)) {
        return Vec::new();
    }
    let is_name = |code: &str| {
        let code = code.replace(".cast::<", " ").replace(".cast()", " ");
        code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "cast")
    };
    let lines = source.lines.iter().enumerate().filter(|(_, line)| is_name(&line.code));
    let what = "`cast` is a word of the stage; name what it is, such as `under_test`";
    lines.map(|(at, _)| Finding::new(&file.path, at + 1, what)).collect()
}

fn first_words(file: &File, source: &Source) -> Vec<Finding> {
    let opens = source.lines.first().is_some_and(|line| line.text.starts_with("//! "));
    let what = "a file opens with `//!`: what it is, what it leaves to others";
    if opens { Vec::new() } else { vec![Finding::new(&file.path, 1, what)] }
}

fn columns(file: &File, source: &Source) -> Vec<Finding> {
    let wide = |text: &str| text.chars().count() > COLUMNS_MAX;
    let lines = source.lines.iter().enumerate().filter(|(_, line)| wide(&line.text));
    let what = format!("a line has at most {COLUMNS_MAX} columns");
    lines.map(|(at, _)| Finding::new(&file.path, at + 1, what.clone())).collect()
}

fn sizes(file: &File, source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lines = source.shipped().len();
    if lines > FILE_LINES_MAX {
        let what = format!("{lines} lines without tests, at most {FILE_LINES_MAX}: split by role");
        findings.push(Finding::new(&file.path, 0, what));
    }
    for function in source.functions() {
        if function.length > FUNCTION_LINES_MAX {
            let (name, length) = (function.name, function.length);
            let what = format!("`{name}` has {length} lines, at most {FUNCTION_LINES_MAX}");
            findings.push(Finding::new(&file.path, function.line, what));
        }
    }
    findings
}

/// Integration tests tell long stories; they are held to columns and first words alone.
fn is_test(file: &File) -> bool {
    file.path.split('/').any(|part| part == "tests" || part == "tests.rs")
}

/// Where unsafe code may stand: the library that stands between a program and its C library defines
/// functions of C and calls the kernel, and nothing else here has to.
const UNSAFE_FOLDER: &str = "harness/shim/preload/";

/// Where the specification says of votes that they are cast.
const VOTES_ARE_CAST: &[&str] = &["harness/synod/src/spec/", "harness/synod/tests/spec"];

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;
const COLUMNS_MAX: usize = 100;
const DOORS: &[&str] = &["sync::atomic", "loom::"];

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<String> {
        check(&File::of(path, text)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_file_must_open_with_what_it_is() {
        assert_eq!(findings("a.rs", "//! What.\n"), [""; 0]);
        assert!(findings("a.rs", "// What.\n")[0].starts_with("a.rs:1: a file opens with"));
        assert_eq!(findings("a.rs", "").len(), 1);
    }

    #[test]
    fn sizes_are_those_without_tests() {
        let body = "    x();\n".repeat(69);
        let function = format!("//! A.\nfn long() {{\n{body}}}\n");
        assert!(findings("a.rs", &function)[0].starts_with("a.rs:2: `long` has 71 lines"));
        let fits = format!("//! A.\nfn long() {{\n{}}}\n", "    x();\n".repeat(68));
        assert_eq!(findings("a.rs", &fits), [""; 0]);
        assert_eq!(findings("c/tests/a.rs", &function), [""; 0]);

        let long = format!("//! A.\n{}", "x\n".repeat(500));
        assert!(findings("a.rs", &long)[0].starts_with("a.rs: 501 lines without tests"));
        let tests = format!("//! A.\n#[cfg(test)]\nmod tests {{\n{}}}\n", "x\n".repeat(900));
        assert_eq!(findings("a.rs", &tests), [""; 0]);
    }

    #[test]
    fn words_of_the_stage_are_no_names() {
        let code =
            "//! A.\nfn a(cast: u8) { b.cast::<u8>(); c.cast(); broadcast(); } // it is cast\n";
        let what = "`cast` is a word of the stage; name what it is, such as `under_test`";
        assert_eq!(findings("c/src/a.rs", code), [format!("c/src/a.rs:2: {what}")]);
        assert_eq!(findings("harness/synod/src/spec/a.rs", code), [""; 0]);
        assert_eq!(
            findings("c/src/a.rs", "//! A.\n// A vote is cast.\nlet a = \"cast\";\n"),
            [""; 0]
        );
    }

    #[test]
    fn unsafe_code_has_one_folder() {
        let code = "//! A.\nfn a() { unsafe { b() } } // unsafe\n";
        assert_eq!(
            findings("c/src/a.rs", code),
            ["c/src/a.rs:2: unsafe code stands in harness/shim/preload/ alone"]
        );
        assert_eq!(findings("harness/shim/preload/a.rs", code), [""; 0]);
        assert_eq!(findings("c/src/a.rs", "//! unsafe\n#![forbid(unsafe_code)]\n"), [""; 0]);
    }

    #[test]
    fn columns_are_counted_in_characters_and_everywhere() {
        let fits = format!("//! {}\n", "a".repeat(96));
        assert_eq!(findings("c/tests/a.rs", &fits), [""; 0]);
        let wide = format!("//! {}\n", "a".repeat(97));
        assert_eq!(
            findings("c/tests/a.rs", &wide),
            ["c/tests/a.rs:1: a line has at most 100 columns"]
        );
    }

    #[test]
    fn atomics_go_through_the_facade_where_there_is_one() {
        let named = "//! A.\nuse std::sync::atomic::AtomicU64;\n";
        let tree =
            Tree::of(&[("c/src/sync.rs", named), ("c/src/a.rs", named), ("d/src/a.rs", named)]);
        let findings = check_atomics(&tree);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].to_string().starts_with("c/src/a.rs:2: atomics and loom"));
    }

    /// Tests are held to columns, first words and the one folder for unsafe code; loom is theirs.
    #[test]
    fn trailing_tests_and_files_of_tests_are_held_to_some_rules_alone() {
        let tests = |line: &str| format!("//! A.\n#[cfg(test)]\nmod tests {{\n{line}\n}}\n");
        let unsafe_tests = findings("c/src/a.rs", &tests("    unsafe { b() }"));
        assert!(unsafe_tests[0].starts_with("c/src/a.rs:4: unsafe code"), "{unsafe_tests:?}");
        let wide = findings("c/src/a.rs", &tests(&format!("    // {}", "a".repeat(94))));
        assert!(wide[0].starts_with("c/src/a.rs:4: a line has at most"), "{wide:?}");
        let letters = format!("//! {}\n", "\u{e9}".repeat(96));
        assert_eq!(findings("c/src/a.rs", &letters), [""; 0], "letters are counted, not bytes");
        let long = format!("//! A.\n{}", "x\n".repeat(500));
        assert_eq!(findings("c/src/vote/tests.rs", &long), [""; 0]);
        assert_eq!(findings("c/src/vote/tested.rs", &long).len(), 1);
        let named = tests("    use std::sync::atomic::AtomicU64;");
        let tree = Tree::of(&[("c/src/sync.rs", "//! A.\n"), ("c/src/a.rs", &named)]);
        assert_eq!(check_atomics(&tree), []);
    }
}
