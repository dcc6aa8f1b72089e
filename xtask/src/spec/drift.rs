//! Each rule switched off in a module alone: the count that is pinned for the whole module moves.
//!
//! The counts of `counts.tsv` are those of the relations in Rust, too. So a rule that changes in a
//! module and not in its relation must be noticed in a configuration that holds: it is violated, or
//! it has other states. Which rule shows in which configuration is the table `drift.tsv` beside the
//! modules; that the relations and the models notice, the tests of `harness/synod` see to.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::checker::{self, Answer};
use super::table::{self, Expected, Row};
use crate::outcome::{Failure, Outcome};
use crate::said::say;

/// Switches off every rule of the tables, one after another.
pub(super) fn check(program: &Path, root: &Path, target: &Path) -> Outcome {
    let pinned = table::read(root)?;
    let mut unnoticed = Vec::new();
    let mut count = 0_u32;
    for folder in table::FOLDERS {
        let path = root.join(folder).join("drift.tsv");
        if !path.is_file() {
            continue;
        }
        let text = fs::read_to_string(&path).map_err(|error| Failure::io("read", &path, &error))?;
        for (cfg, rule) in parse(&text).map_err(Failure::Found)? {
            let row = pinned.iter().find(|row| row.cfg == cfg && row.expected == Expected::Holds);
            let row = row.ok_or_else(|| Failure::Found(format!("no row holds for {cfg}")))?;
            let changed = lay_out(row, &rule, &target.join("spec-drift"))?;
            let answer = checker::check(program, &changed)?;
            count += 1;
            match notice(row, &answer) {
                Ok(text) => say!("{cfg:<28} {rule:<16} {:>6.1} s  {text}", seconds(&answer)),
                Err(text) => {
                    say!("{cfg:<28} {rule:<16} {:>6.1} s  FAILED: {text}", seconds(&answer));
                    unnoticed.push(format!("{cfg} without {rule}: {text}"));
                }
            }
        }
    }
    say!("{count} rules switched off, {} of them unnoticed", unnoticed.len());
    if unnoticed.is_empty() { Ok(()) } else { Err(Failure::Found(unnoticed.join("\n"))) }
}

fn seconds(answer: &Answer) -> f64 {
    Duration::as_secs_f64(&answer.took)
}

/// Reads a table: the configuration and the rule, tab-separated, one a line; `#` opens a comment.
fn parse(text: &str) -> Result<Vec<(String, String)>, String> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let row = |line: &str| match line.split('\t').collect::<Vec<_>>().as_slice() {
        [cfg, rule] => Ok(((*cfg).to_owned(), (*rule).to_owned())),
        _ => Err(format!("drift.tsv: no such row: {line}")),
    };
    lines.map(row).collect()
}

/// Lays the modules of a row and its configuration, without a rule, into a folder of their own.
fn lay_out(row: &Row, rule: &str, target: &Path) -> Result<Row, Failure> {
    let folder = target.join(format!("{}-{rule}", row.cfg));
    let cfg = folder.join("cfg");
    fs::create_dir_all(&cfg).map_err(|error| Failure::io("make", &cfg, &error))?;
    let entries = |error| Failure::io("list", &row.folder, &error);
    for entry in fs::read_dir(&row.folder).map_err(entries)? {
        let from: PathBuf = entry.map_err(entries)?.path();
        if let (Some(name), true) =
            (from.file_name(), from.extension().is_some_and(|extension| extension == "tla"))
        {
            fs::copy(&from, folder.join(name))
                .map_err(|error| Failure::io("copy", &from, &error))?;
        }
    }
    let from = row.folder.join("cfg").join(format!("{}.cfg", row.cfg));
    let text = fs::read_to_string(&from).map_err(|error| Failure::io("read", &from, &error))?;
    let changed = without(&text, rule).map_err(Failure::Found)?;
    let to = cfg.join(format!("{}.cfg", row.cfg));
    fs::write(&to, changed).map_err(|error| Failure::io("write", &to, &error))?;
    Ok(Row { folder, ..row.clone() })
}

/// Switches a rule off in the text of a configuration.
fn without(text: &str, rule: &str) -> Result<String, String> {
    if text.contains(WHOLE) {
        return Ok(text.replace(WHOLE, &format!("Broken = \"{rule}\"")));
    }
    Err(format!("the configuration has no rule to switch off, but must have `{WHOLE}`"))
}

/// Tells how the change showed, or that it did not.
fn notice(row: &Row, answer: &Answer) -> Result<String, String> {
    match &answer.found {
        Ok(Expected::Violated(by)) => Ok(format!("violates {by}")),
        Ok(Expected::Holds) if answer.states != row.states => {
            Ok(format!("{} states, the relation has {}", answer.states, row.states))
        }
        Ok(Expected::Holds) => Err("nothing changed".into()),
        Err(unknown) => Err(format!("unknown: {unknown}")),
    }
}

const WHOLE: &str = "Broken = \"no\"";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_table_is_read_line_by_line() {
        let rows = parse("# a comment\nMCA\tanyvote\n").unwrap();
        assert_eq!(rows, [("MCA".to_owned(), "anyvote".to_owned())]);
        assert!(parse("MCA anyvote").is_err());
    }

    #[test]
    fn a_rule_is_switched_off_only_where_there_is_a_switch() {
        assert_eq!(without("Broken = \"no\"\n", "x").unwrap(), "Broken = \"x\"\n");
        assert!(without("Broken = \"y\"\n", "x").is_err());
    }

    #[test]
    fn what_changes_nothing_is_unnoticed_and_so_is_what_is_unknown() {
        let row = Row {
            folder: "x".into(),
            module: "MCA".into(),
            cfg: "MCA".into(),
            full: false,
            expected: Expected::Holds,
            states: 4,
            refines: None,
        };
        let answer = |found, states| Answer { found, states, took: Duration::ZERO };
        assert!(notice(&row, &answer(Ok(Expected::Holds), 4)).is_err());
        assert!(notice(&row, &answer(Err("no answer".into()), 4)).is_err());
        assert!(notice(&row, &answer(Ok(Expected::Holds), 5)).is_ok());
        assert!(notice(&row, &answer(Ok(Expected::Violated("P".into())), 4)).is_ok());
    }
}
