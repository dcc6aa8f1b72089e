//! The verb `ci`: everything that CI runs, in the same order, with the time of each step.
//!
//! Each step is a verb of its own, so a failing one is repeated by the line that is printed.

use std::env;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::outcome::{Failure, Outcome};
use crate::said::{self, say};
use crate::shell::Step;
use crate::test::seconds;
use crate::workspace::target_dir;

/// Runs the steps one after another, stops at the first that fails, and prints the times.
pub(crate) fn run(arguments: &mut lexopt::Parser) -> Outcome {
    if let Some(argument) = arguments.next()? {
        return Err(argument.unexpected().into());
    }
    let mut times: Vec<(String, Duration)> = Vec::new();
    let mut ended = Ok(());
    for step in STEPS {
        ended = take(step, &mut times);
        if ended.is_err() {
            break;
        }
    }
    if ended.is_ok() {
        ended = judge_recorded_runs(&mut times)
            .and_then(|()| take(&[LAST_STEPS[0]], &mut times))
            .and_then(|()| break_a_cluster(&mut times))
            .and_then(|()| judge_journals(&mut times));
    }
    // A run that failed has taken its time as well.
    said::out(format_args!("{}", table(&times)));
    ended
}

/// Runs one step and notes its time.
fn take(step: &[&str], times: &mut Vec<(String, Duration)>) -> Outcome {
    let line = format!("cargo xtask {}", step.join(" "));
    say!("ci: {line}");
    let start = Instant::now();
    let status = this_program()?.args(step).status()?;
    times.push((line, start.elapsed()));
    if status.success() { Ok(()) } else { Err(failure_of(step, status)) }
}

/// Holds the runs that `paxos/tests/record.rs` recorded against the specification.
fn judge_recorded_runs(times: &mut Vec<(String, Duration)>) -> Outcome {
    let traces = target_dir().join("tmp/traces");
    take(&["spec", "--traces", &traces.to_string_lossy(), "MCConsensus"], times)
}

/// Runs chaos with one seed after another until a run says something: a run that is void, as a
/// slow machine may make it, neither passes nor fails. A violation ends it at once. Faults come one
/// after the other: with those that a run has by default, hasty clients far from their nodes, too
/// little is answered on a machine that does something else as well.
fn break_a_cluster(times: &mut Vec<(String, Duration)>) -> Outcome {
    let mut ended = Ok(());
    for seed in CHAOS_SEEDS {
        let step = [LAST_STEPS[1], "--nemesis", "mix", "--time", "20", "--seed", seed];
        ended = take(&step, times);
        match &ended {
            Err(Failure::Command { code: NOTHING_SAID, .. }) => {}
            Ok(()) | Err(_) => return ended,
        }
    }
    ended
}

/// Holds what the real processes of the last chaos run wrote against the specification.
fn judge_journals(times: &mut Vec<(String, Duration)>) -> Outcome {
    let run = target_dir().join("chaos/latest");
    take(&["sim", "--journals", &run.to_string_lossy()], times)
}

/// Gives the command that runs this very program again.
///
/// The path is asked for once: a step that builds this program puts another file in its place, and
/// the system then calls the running one deleted.
pub(crate) fn this_program() -> Result<Step, Failure> {
    static PATH: OnceLock<io::Result<PathBuf>> = OnceLock::new();
    match PATH.get_or_init(env::current_exe) {
        Ok(path) => Ok(Step::new(path)),
        Err(error) => Err(Failure::Internal(format!("no own path: {error}"))),
    }
}

fn failure_of(step: &[&str], status: ExitStatus) -> Failure {
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Failure::Command {
        line: format!("cargo xtask {}", step.join(" ")),
        ended: status.to_string(),
        code: code.unwrap_or(crate::outcome::INTERNAL),
        detail: String::new(),
    }
}

fn table(times: &[(String, Duration)]) -> String {
    let total: Duration = times.iter().map(|(_, time)| *time).sum();
    let share = |time: &Duration| 100.0 * time.as_secs_f64() / total.as_secs_f64().max(1e-9);
    let row = |(line, time): &(String, Duration)| {
        format!("ci: {:>12} {:>3.0} %  {line}\n", seconds(*time), share(time))
    };
    let rows: String = times.iter().map(row).collect();
    format!("\n{rows}ci: {:>12} in all\n", seconds(total))
}

/// What CI runs: the cheap first, and what needs the most building last. Behind them come the
/// recorded runs of the real nodes that the tests left, for the specification to judge, then the
/// canary of the live runs, chaos, and the journals that chaos left.
const STEPS: &[&[&str]] = &[
    &["tidy"],
    &["lint"],
    &["test"],
    &["loom"],
    &["spec"],
    &["prove"],
    &["model"],
    &["sim", "--seeds", "20", "--agree"],
    &["sim", "--seeds", "2000", "--from", "1000", "--all-points"],
    &["mutants", "--quick"],
    &["book"],
    &["release", "--dry-run"],
    &["demo"],
];

/// The verbs of the steps behind those.
const LAST_STEPS: [&str; 2] = ["canary", "chaos"];

/// Tells whether a verb is among the steps.
#[cfg(test)]
pub(crate) fn runs(verb: &str) -> bool {
    LAST_STEPS.contains(&verb) || STEPS.iter().any(|step| step[0] == verb)
}

/// The seeds of the chaos step.
const CHAOS_SEEDS: [&str; 3] = ["1", "2", "3"];

/// The exit code of a run that is void or whose history could not be judged in time.
const NOTHING_SAID: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_is_a_verb() {
        for verb in STEPS.iter().map(|step| step[0]).chain(LAST_STEPS) {
            assert!(crate::verbs::find(verb).is_some() && runs(verb), "{verb}");
        }
        assert!(!runs("habits"));
    }

    #[test]
    fn the_table_tells_shares() {
        let times = [("a", 30), ("b", 90)].map(|(l, s)| (l.into(), Duration::from_secs(s)));
        let table = table(&times);
        assert!(table.contains("30.0 s  25 %  a\n"), "{table}");
        assert!(table.contains("1 min 30 s  75 %  b\n"), "{table}");
        assert!(table.contains("2 min 00 s in all"), "{table}");
    }
}
