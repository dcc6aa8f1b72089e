//! The table of expectations: which models there are, and what the checker must say of each.
//!
//! A row is a line of `counts.tsv` beside the modules. This file reads the tables and holds them
//! against the folder: a configuration without a row, or a row without one, is a failure, so that
//! nothing is left unchecked by forgetting it. Running the rows is left to the parent.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::outcome::Failure;

/// One model with one configuration, and what must come of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Row {
    /// The folder of the module, such as `paxos/spec`.
    pub(super) folder: PathBuf,
    /// The name of the module that is checked.
    pub(super) module: String,
    /// The name of its configuration, a file of the folder `cfg`.
    pub(super) cfg: String,
    /// Whether the row is left to `--full`.
    pub(super) full: bool,
    /// What the checker must find.
    pub(super) expected: Expected,
    /// The exact number of distinct states that it must have seen by then.
    pub(super) states: u64,
    /// The alias of the module that it must refine, checked step by step.
    pub(super) refines: Option<String>,
}

/// What a run of the checker must end with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Expected {
    /// All states are visited, and all that is claimed holds in them.
    Holds,
    /// The named invariant, property or refinement is violated.
    Violated(String),
}

/// The folders that hold specifications.
pub(super) const FOLDERS: [&str; 3] = ["paxos/spec", "smr/spec", "clock/spec"];

/// Reads every table under the root, and demands that it names exactly the configurations there.
pub(super) fn read(root: &Path) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    for name in FOLDERS {
        let folder = root.join(name);
        if !folder.is_dir() {
            continue;
        }
        let path = folder.join("counts.tsv");
        let text = fs::read_to_string(&path).map_err(|error| Failure::io("read", &path, &error))?;
        let of_folder = parse(&folder, &text)
            .map_err(|line| Failure::Found(format!("{name}/counts.tsv: {line}")))?;
        compare(name, &of_folder, &configurations(&folder)?)?;
        rows.extend(of_folder);
    }
    Ok(rows)
}

/// Reads a table: tab-separated, one model a line, `#` opens a comment.
fn parse(folder: &Path, text: &str) -> Result<Vec<Row>, String> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| parse_row(folder, line).ok_or_else(|| format!("no such row: {line}")))
        .collect()
}

fn parse_row(folder: &Path, line: &str) -> Option<Row> {
    let columns: Vec<&str> = line.split('\t').collect();
    let [module, cfg, when, verdict, by, states, refines] = columns.as_slice() else {
        return None;
    };
    let full = match *when {
        "ci" => false,
        "full" => true,
        _ => return None,
    };
    let expected = match (*verdict, *by) {
        ("holds", "-") => Expected::Holds,
        ("violated", by) if by != "-" => Expected::Violated(by.into()),
        _ => return None,
    };
    Some(Row {
        folder: folder.to_path_buf(),
        module: (*module).into(),
        cfg: (*cfg).into(),
        full,
        expected,
        states: states.parse().ok()?,
        refines: (*refines != "-").then(|| (*refines).into()),
    })
}

fn configurations(folder: &Path) -> Result<BTreeSet<String>, Failure> {
    let path = folder.join("cfg");
    let failed = |error: &std::io::Error| Failure::io("list", &path, error);
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(&path).map_err(|error| failed(&error))? {
        let file = entry.map_err(|error| failed(&error))?.path();
        if let (Some(stem), Some("cfg")) =
            (file.file_stem(), file.extension().and_then(|extension| extension.to_str()))
        {
            names.insert(stem.to_string_lossy().into_owned());
        }
    }
    Ok(names)
}

fn compare(folder: &str, rows: &[Row], present: &BTreeSet<String>) -> Result<(), Failure> {
    let named: BTreeSet<String> = rows.iter().map(|row| row.cfg.clone()).collect();
    if named.len() != rows.len() {
        return Err(Failure::Found(format!("{folder}/counts.tsv names a configuration twice")));
    }
    let unnamed: Vec<&str> = present.difference(&named).map(String::as_str).collect();
    let missing: Vec<&str> = named.difference(present).map(String::as_str).collect();
    if unnamed.is_empty() && missing.is_empty() {
        return Ok(());
    }
    Err(Failure::Found(format!(
        "{folder}: configurations without a row: [{}]; rows without a configuration: [{}]",
        unnamed.join(", "),
        missing.join(", ")
    )))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_row_says_what_is_expected() {
        let text =
            "# a comment\nMCA\tMCA\tci\tholds\t-\t4\tV\nMCA\tMCBad\tfull\tviolated\tP\t7\t-\n";
        let rows = parse(Path::new("x"), text).unwrap();
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0].expected, Expected::Holds);
        assert_eq!((rows[0].states, rows[0].refines.as_deref()), (4, Some("V")));
        assert_eq!(rows[1].expected, Expected::Violated("P".into()));
        assert!(rows[1].full && !rows[0].full);
    }

    #[test]
    fn a_row_that_is_not_understood_is_refused() {
        for line in [
            "MCA\tMCA\tci\tholds\t-\t4",
            "MCA\tMCA\tsometimes\tholds\t-\t4\t-",
            "MCA\tMCA\tci\tholds\tP\t4\t-",
            "MCA\tMCA\tci\tviolated\t-\t4\t-",
            "MCA\tMCA\tci\tholds\t-\tfour\t-",
        ] {
            assert!(parse(Path::new("x"), line).is_err(), "{line}");
        }
    }

    #[test]
    fn rows_and_configurations_must_match_both_ways() {
        let rows = parse(Path::new("x"), "MCA\tMCA\tci\tholds\t-\t4\t-\n").unwrap();
        let set = |names: &[&str]| names.iter().map(|name| (*name).into()).collect();
        assert!(compare("x", &rows, &set(&["MCA"])).is_ok());
        assert!(compare("x", &rows, &set(&["MCA", "MCB"])).is_err());
        assert!(compare("x", &rows, &set(&[])).is_err());
        let twice = [rows.clone(), rows].concat();
        assert!(compare("x", &twice, &set(&["MCA"])).is_err());
    }
}
