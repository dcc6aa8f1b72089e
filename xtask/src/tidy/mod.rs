//! The verb `tidy`: the house rules that no compiler knows.
//!
//! Each rule is a function from texts to findings, so each has its own tests; this file reads
//! the tree and puts them together. What the rules are for is told in CONTRIBUTING.md.

mod arrows;
mod bounds;
mod circles;
mod interfaces;
mod links;
mod manifests;
mod models;
mod names;
mod rust;
mod shell;
mod source;
mod specs;
mod types;
mod words;
mod workflows;

use std::fmt;
use std::fs;

pub(crate) use source::Source;

use crate::outcome::{Failure, Outcome};
use crate::said::say;
use crate::workspace::{files, packages, root};
use crate::{mutants, power};

/// Runs every rule over every file that git knows, and prints what they find.
pub(crate) fn run(arguments: &mut lexopt::Parser) -> Outcome {
    if let Some(argument) = arguments.next()? {
        return Err(argument.unexpected().into());
    }
    let tree = Tree::read()?;
    let mut findings = check_tree(&tree);
    findings.extend(arrows::check(&packages()?));
    let stale = mutants::stale()?.into_iter().chain(power::stale()?);
    findings.extend(stale.map(|what| Finding::new("harness/mutants/catalogue.toml", 0, what)));
    findings.sort();
    findings.dedup();
    if findings.is_empty() {
        say!("tidy: {} files are in order", tree.files.len());
        return Ok(());
    }
    let text: String = findings.iter().map(|finding| format!("{finding}\n")).collect();
    Err(Failure::Found(format!("{text}tidy: {} findings", findings.len())))
}

fn check_tree(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &tree.files {
        findings.extend(names::check(&file.path));
        findings.extend(words::check(file));
        findings.extend(manifests::check(file));
        findings.extend(workflows::check(file));
        if file.is_rust() {
            findings.extend(rust::check(file));
            findings.extend(shell::check(file));
        }
    }
    findings.extend(manifests::check_lints(tree));
    findings.extend(rust::check_atomics(tree));
    findings.extend(specs::check(tree));
    findings.extend(models::check(tree));
    findings.extend(links::check(tree));
    findings.extend(bounds::check(tree));
    findings.extend(circles::check(tree));
    findings.extend(types::check(tree));
    findings.extend(interfaces::check(tree));
    findings
}

/// The texts of the repository, as far as they are text.
pub(crate) struct Tree {
    /// All files that are text.
    files: Vec<File>,
    /// The paths of all files, pictures included.
    paths: Vec<String>,
}

/// One text, with its path relative to the root.
pub(crate) struct File {
    path: String,
    text: String,
}

impl Tree {
    pub(crate) fn read() -> Result<Self, Failure> {
        let mut read = Vec::new();
        let paths = files()?;
        for path in &paths {
            let full = root().join(path);
            let bytes = fs::read(&full).map_err(|error| Failure::io("read", &full, &error))?;
            if let Ok(text) = String::from_utf8(bytes) {
                read.push(File { path: path.clone(), text });
            }
        }
        Ok(Self { files: read, paths })
    }

    #[cfg(test)]
    fn of(files: &[(&str, &str)]) -> Self {
        let paths = files.iter().map(|(path, _)| (*path).to_owned()).collect();
        Self { files: files.iter().map(|(path, text)| File::of(path, text)).collect(), paths }
    }

    /// Gives the paths of all files, in the order of the alphabet.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.paths.iter().map(String::as_str)
    }

    /// Gives the text of a file.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.get(path).map(|file| file.text.as_str())
    }

    fn get(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }
}

impl File {
    #[cfg(test)]
    fn of(path: &str, text: &str) -> Self {
        Self { path: path.into(), text: text.into() }
    }

    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Gives the part of the path behind the last slash.
    fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// Gives the part of the path before the last slash.
    fn folder(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }
}

/// One thing that is out of order, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    path: String,
    line: usize,
    what: String,
}

impl Finding {
    /// Names a line, counted from 1, or the file as a whole with 0.
    fn new(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self { path: path.into(), line, what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(out, "{}: {}", self.path, self.what),
            line => write!(out, "{}:{line}: {}", self.path, self.what),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A rule that nobody asks finds nothing, however good its own tests are.
    #[test]
    fn every_rule_is_asked_of_every_file_that_it_is_for() {
        let circle = "//! A.\nuse crate::b::B;\npub(crate) struct A;\n";
        let back = "//! B.\nuse crate::a::A;\npub(crate) struct B;\n";
        let root = "[workspace.lints.rust]\nmissing_docs = \"warn\"\n";
        let tree = Tree::of(&[
            ("Cargo.toml", root),
            ("README.md", "[gone](gone.md)\n"),
            (".ci/run", "make\n"),
            (".github/workflows/w.yml", "permissions:\n  - run: make\n"),
            ("a/Cargo.toml", "[package]\n"),
            ("a/src/helpers.rs", "//! A.\n"),
            ("a/src/words.rs", "//! A.\n// TODO\n"),
            ("a/src/first.rs", "// A.\n"),
            ("a/src/sync.rs", "//! A.\n"),
            ("a/src/atomic.rs", "//! A.\nuse loom::thread;\n"),
            ("c/src/a.rs", circle),
            ("c/src/b.rs", back),
            ("d/src/vote.rs", "//! A.\npub struct Ballot;\n"),
            ("e/Cargo.toml", "[lints]\nworkspace = true\n"),
            ("e/src/lib.rs", "//! A.\npub fn f() {}\n"),
            ("harness/shim/Cargo.toml", "[lints.rust]\n"),
            ("journal/src/bound.rs", "//! A.\nconst WAITING_MAX: usize = 1;\n"),
            ("node/src/slot.rs", "//! A.\nfn f(slot: Slot) {}\n"),
            ("paxos/spec/Lone.tla", "IF Broken = \"reuse\" THEN 1\n"),
        ]);
        let found = check_tree(&tree).iter().map(|it| format!("{it}\n")).collect::<String>();
        for rule in [
            "a/src/helpers.rs: `helpers` says nothing",
            "a/src/words.rs:2: \"TODO\"",
            "a/Cargo.toml: it lacks `[lints] workspace = true`",
            ".ci/run: it does not call",
            ".github/workflows/w.yml:2: `make` is no",
            "a/src/first.rs:1: a file opens with",
            "node/src/slot.rs:2: the node names `Slot`",
            "harness/shim/Cargo.toml: the lint `missing_docs` is not that of the root",
            "a/src/atomic.rs:2: atomics and loom are named in a/src/sync.rs alone",
            "paxos/spec/Lone.tla: no MC module extends it",
            "paxos/spec/Lone.tla: it has no model in",
            "README.md:1: the link to `gone.md` leads nowhere",
            "bounds.md: it has no row",
            "c/src/a.rs: these files import one another in a circle",
            "d/src/vote.rs:2: the file is not named after its public type `Ballot`",
            "e/api.txt:1: it is not the interface",
        ] {
            assert!(found.contains(rule), "{rule}:\n{found}");
        }
    }
}
