//! The verb `measure`: how large the crates are, and how their rooms hang together.
//!
//! It counts texts and judges nothing. A crate is a folder with a `Cargo.toml` that names a
//! package; what lies in a crate inside of it is of that one. With `--before COMMIT` the same
//! counts are made of that commit, in a copy below the target folder, and told side by side.

mod count;
mod rooms;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use count::Counts;
use lexopt::{Arg, ValueExt as _};

use crate::outcome::{Failure, Outcome};
use crate::said;
use crate::shell::Step;
use crate::workspace::{files, root, target_dir};

/// Prints a table of all crates, with the sums.
pub(crate) fn run(arguments: &mut lexopt::Parser) -> Outcome {
    let mut before = None;
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Long("before") => before = Some(arguments.value()?.string()?),
            Arg::Short(_) | Arg::Long(_) | Arg::Value(_) => {
                return Err(argument.unexpected().into());
            }
        }
    }
    let after = measure(&root(), &files()?)?;
    let before = match before {
        Some(commit) => measure_commit(&commit)?,
        None => BTreeMap::new(),
    };
    said::out(format_args!("{}", table(&before, &after)));
    Ok(())
}

/// Counts a commit, in a copy of its files.
fn measure_commit(commit: &str) -> Result<BTreeMap<String, Counts>, Failure> {
    let folder = target_dir().join("measure");
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(|error| Failure::io("remove", &folder, &error))?;
    }
    fs::create_dir_all(&folder).map_err(|error| Failure::io("make", &folder, &error))?;
    let archive = folder.join("tree.tar");
    Step::new("git").args(["archive", "--output"]).arg(&archive).arg(commit).run()?;
    Step::new("tar").arg("-xf").arg(&archive).arg("-C").arg(&folder).run()?;
    let listed = Step::new("git").args(["ls-tree", "-r", "-z", "--name-only", commit]).capture()?;
    let paths: Vec<String> = listed.split('\0').map(String::from).collect();
    measure(&folder, &paths)
}

/// Counts the crates among these files, and the documents of all.
fn measure(root: &Path, paths: &[String]) -> Result<BTreeMap<String, Counts>, Failure> {
    let mut texts = BTreeMap::new();
    for path in paths {
        let full = root.join(path);
        if full.is_file() {
            let bytes = fs::read(&full).map_err(|error| Failure::io("read", &full, &error))?;
            texts.insert(path.as_str(), bytes);
        }
    }
    let is_package = |text: &[u8]| String::from_utf8_lossy(text).contains("[package]");
    let manifest = |(path, text): (&&str, &Vec<u8>)| {
        let folder = path.strip_suffix("/Cargo.toml")?;
        is_package(text).then(|| format!("{folder}/"))
    };
    let crates: Vec<String> = texts.iter().filter_map(manifest).collect();
    let mut counts: BTreeMap<String, Counts> = BTreeMap::new();
    for name in &crates {
        let in_it = |path: &&str| home(path, &crates) == Some(name);
        let own = texts.iter().filter(|(path, _)| in_it(path));
        let own = own.map(|(path, text)| (&path[name.len()..], text.as_slice()));
        counts.insert(name.trim_end_matches('/').to_owned(), Counts::of_crate(own));
    }
    let outside = texts.iter().filter(|(path, _)| home(path, &crates).is_none());
    let outside = outside.map(|(path, text)| (*path, text.as_slice()));
    counts.insert(OUTSIDE.to_owned(), Counts::of_documents(outside));
    Ok(counts)
}

/// Gives the innermost crate that a file is in.
fn home<'a>(path: &str, crates: &'a [String]) -> Option<&'a String> {
    crates.iter().filter(|name| path.starts_with(*name)).max_by_key(|name| name.len())
}

fn table(before: &BTreeMap<String, Counts>, after: &BTreeMap<String, Counts>) -> String {
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort();
    names.dedup();
    let mut text = String::from("| crate |");
    text.extend(count::COLUMNS.iter().map(|(name, _)| format!(" {name} |")));
    let _ = writeln!(text, "\n|---|{}", "--:|".repeat(count::COLUMNS.len()));
    for name in names {
        text += &row(name, before.get(name), after.get(name), before.is_empty());
    }
    let (old, new) = (sum(before), sum(after));
    text += &row("all", Some(&old), Some(&new), before.is_empty());
    for (name, about) in count::COLUMNS {
        let _ = writeln!(text, "{name}: {about}");
    }
    text
}

fn row(name: &str, before: Option<&Counts>, after: Option<&Counts>, alone: bool) -> String {
    let none = Counts::default();
    let (old, new) = (before.unwrap_or(&none).figures(), after.unwrap_or(&none).figures());
    let cell = |(old, new): (usize, usize)| match alone || old == new {
        true => format!(" {new} |"),
        false => format!(" {old} -> {new} |"),
    };
    let cells: String = old.into_iter().zip(new).map(cell).collect();
    format!("| {name} |{cells}\n")
}

fn sum(counts: &BTreeMap<String, Counts>) -> Counts {
    counts.values().fold(Counts::default(), Counts::and)
}

/// The name of the row for what is in no crate.
const OUTSIDE: &str = "(no crate)";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_of_the_innermost_crate() {
        let crates = ["paxos/", "paxos/proof/"].map(String::from);
        assert_eq!(home("paxos/proof/src/a.rs", &crates), Some(&crates[1]));
        assert_eq!(home("paxos/src/a.rs", &crates), Some(&crates[0]));
        assert_eq!(home("README.md", &crates), None);
    }

    #[test]
    fn two_states_are_told_side_by_side() {
        let one = Counts { files: 1, ..Counts::default() };
        let two = Counts { files: 2, ..Counts::default() };
        let before = BTreeMap::from([("a".to_owned(), one.clone())]);
        let after = BTreeMap::from([("a".to_owned(), two), ("b".to_owned(), one)]);
        let table = table(&before, &after);
        assert!(table.contains("\n| a | 1 -> 2 |"), "{table}");
        assert!(table.contains("\n| b | 0 -> 1 |"), "{table}");
        assert!(table.contains("\n| all | 1 -> 3 |"), "{table}");
    }
}
