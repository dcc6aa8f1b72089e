//! `cargo xtask spec`: every specification through the model checker.
//!
//! The modules lie beside the code that they specify; their tables say what must come of each
//! configuration, wrong variants included. The claim kept here: a model that was not checked to
//! its end, a count that moved, and a wrong variant that passes are failures, never warnings.

mod checker;
mod drift;
mod table;
mod traces;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use lexopt::{Arg, ValueExt as _};

use crate::outcome::{Failure, Outcome};
use crate::said::say;
use crate::workspace::{root, target_dir};
use checker::Answer;
use table::{Expected, Row};

/// Runs the verb: `[--full] [--jobs N] [NAME]`, where NAME picks the configurations that contain
/// it; `--traces FOLDER` for recorded runs of the code; `--drift` for each rule switched off.
pub(crate) fn run(arguments: &mut lexopt::Parser) -> Outcome {
    let asked = Asked::parse(arguments)?;
    if let Some(folder) = &asked.traces {
        let target = target_dir();
        return traces::check(&checker::install(&target)?, &root(), &target, folder);
    }
    if asked.drift {
        let target = target_dir();
        return drift::check(&checker::install(&target)?, &root(), &target);
    }
    let mut rows = table::read(&root())?;
    rows.retain(|row| asked.wants(row));
    if rows.is_empty() {
        return Err(Failure::Usage("no model has such a name".into()));
    }
    // The longest first, so that the last worker does not start it at the end.
    rows.sort_by_key(|row| std::cmp::Reverse(row.states));
    let program = checker::install(&target_dir())?;
    let started = Instant::now();
    let failures = check_all(&program, &rows, asked.jobs)?;
    summary(&rows, started.elapsed(), &failures)
}

/// What the command line asks for.
#[derive(Debug)]
struct Asked {
    full: bool,
    jobs: usize,
    only: Option<String>,
    drift: bool,
    traces: Option<PathBuf>,
}

impl Asked {
    fn parse(arguments: &mut lexopt::Parser) -> Result<Self, Failure> {
        let mut asked = Self { full: false, jobs: cores(), only: None, drift: false, traces: None };
        while let Some(argument) = arguments.next()? {
            match argument {
                Arg::Long("full") => asked.full = true,
                Arg::Long("drift") => asked.drift = true,
                Arg::Long("jobs") => asked.jobs = arguments.value()?.parse::<NonZeroUsize>()?.get(),
                Arg::Long("traces") => asked.traces = Some(arguments.value()?.into()),
                Arg::Value(name) if asked.only.is_none() => asked.only = Some(name.string()?),
                Arg::Value(_) | Arg::Short(_) | Arg::Long(_) => {
                    return Err(argument.unexpected().into());
                }
            }
        }
        Ok(asked)
    }

    /// A model that is named is run whatever its size; the others only if they are small.
    fn wants(&self, row: &Row) -> bool {
        match &self.only {
            Some(name) if row.cfg == *name => true,
            Some(name) => row.cfg.contains(name.as_str()) && (self.full || !row.full),
            None => self.full || !row.full,
        }
    }
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// Checks the rows on several threads, prints each as it ends, and gives what is wrong.
fn check_all(program: &Path, rows: &[Row], jobs: usize) -> Result<Vec<String>, Failure> {
    say!("{:<34} {:>9} {:>8}  verdict", "model", "states", "seconds");
    let queue = Mutex::new(rows.iter());
    let next = || queue.lock().ok().and_then(|mut rows| rows.next());
    let worker = || -> Result<Vec<String>, Failure> {
        let mut failures = Vec::new();
        while let Some(row) = next() {
            let answer = checker::check(program, row)?;
            failures.extend(report(program, row, &answer));
        }
        Ok(failures)
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(worker)).collect();
        let mut failures = Vec::new();
        for handle in workers {
            let ended = handle.join().map_err(|_| Failure::Internal("a worker panicked".into()))?;
            failures.extend(ended?);
        }
        Ok(failures)
    })
}

/// Prints the line of a row, and gives the complaint about it with the command that repeats it.
fn report(program: &Path, row: &Row, answer: &Answer) -> Option<String> {
    let complaint = answer.complaint(row);
    let verdict = match (&complaint, &row.expected) {
        (Some(text), _) => format!("FAILED: {text}"),
        (None, Expected::Holds) => match &row.refines {
            Some(alias) => format!("holds, refines {alias}"),
            None => "holds".into(),
        },
        (None, Expected::Violated(by)) => format!("violated, as it must be: {by}"),
    };
    let seconds = answer.took.as_secs_f64();
    say!("{:<34} {:>9} {seconds:>8.1}  {verdict}", row.cfg, answer.states);
    complaint.map(|text| format!("{}: {text}\n  {}", row.cfg, checker::command(program, row)))
}

fn summary(rows: &[Row], took: Duration, failures: &[String]) -> Outcome {
    let states: u64 = rows.iter().map(|row| row.states).sum();
    let wrong = rows.iter().filter(|row| row.expected != Expected::Holds).count();
    say!(
        "{} models, {wrong} of them wrong on purpose; {states} states pinned; {:.0} s",
        rows.len(),
        took.as_secs_f64()
    );
    if failures.is_empty() {
        return Ok(());
    }
    Err(Failure::Found(format!(
        "{} of {} failed:\n{}",
        failures.len(),
        rows.len(),
        failures.join("\n")
    )))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn asked(arguments: &[&str]) -> Result<Asked, Failure> {
        Asked::parse(&mut lexopt::Parser::from_args(arguments))
    }

    #[test]
    fn the_tables_of_this_repository_name_what_is_there() {
        let rows = table::read(&root()).unwrap();
        assert!(rows.iter().any(|row| row.expected == Expected::Holds));
        assert!(rows.iter().any(|row| row.expected != Expected::Holds));
        for row in rows {
            assert!(row.folder.join(format!("{}.tla", row.module)).is_file(), "{}", row.module);
            assert!(row.full || row.states <= CI_LIMIT, "{} is too large for CI", row.cfg);
        }
    }

    #[test]
    fn a_large_model_runs_when_asked_for_by_its_name_or_by_the_flag() {
        let rows = table::read(&root()).unwrap();
        let large = rows.iter().find(|row| row.full).unwrap();
        assert!(!asked(&[]).unwrap().wants(large));
        assert!(asked(&["--full"]).unwrap().wants(large));
        assert!(asked(&[&large.cfg]).unwrap().wants(large));
    }

    #[test]
    fn a_wrong_command_line_is_the_callers_fault() {
        for arguments in [&["--jobs", "0"][..], &["--fast"], &["a", "b"]] {
            assert!(matches!(asked(arguments), Err(Failure::Usage(_))), "{arguments:?}");
        }
    }

    const CI_LIMIT: u64 = 200_000;
}
