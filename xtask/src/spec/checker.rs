//! The model checker: installed at one exact version, run on one row, its answer understood.
//!
//! The checker is the work of one author and young, so nothing of it is trusted that can be
//! pinned: its version, the number of states, and that wrong variants are refuted. What the
//! answer must be is left to the table.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::table::{Expected, Row};
use crate::outcome::Failure;
use crate::shell::Step;

/// What came of one row.
#[derive(Debug)]
pub(super) struct Answer {
    /// What the checker found, or why it found nothing.
    pub(super) found: Result<Expected, String>,
    /// The distinct states that it had seen by then.
    pub(super) states: u64,
    /// How long it took.
    pub(super) took: Duration,
}

impl Answer {
    /// Says what is wrong with the answer, if it is not the one that the row expects.
    pub(super) fn complaint(&self, row: &Row) -> Option<String> {
        let say = |expected: &Expected| match expected {
            Expected::Holds => "holds".to_string(),
            Expected::Violated(by) => format!("violated: {by}"),
        };
        match &self.found {
            Err(unknown) => Some(format!("unknown: {unknown}")),
            Ok(found) if *found != row.expected => {
                Some(format!("{}, expected {}", say(found), say(&row.expected)))
            }
            Ok(_) if self.states != row.states => {
                Some(format!("{} states, expected {}", self.states, row.states))
            }
            Ok(_) => None,
        }
    }
}

/// Gives the pinned checker, and installs it under the target folder if it is not there.
pub(super) fn install(target: &Path) -> Result<PathBuf, Failure> {
    let tools = target.join("tools");
    let program = tools.join("bin").join(format!("tla{}", std::env::consts::EXE_SUFFIX));
    if version(&program).as_deref() == Some(VERSION) {
        return Ok(program);
    }
    Step::cargo()
        .args(["install", "tla-checker", "--locked", "--force", "--bin", "tla", "--version"])
        .arg(VERSION)
        .arg("--root")
        .arg(&tools)
        .arg("--target-dir")
        .arg(tools.join("build"))
        .run()?;
    match version(&program) {
        Some(found) if found == VERSION => Ok(program),
        found => Err(Failure::Internal(format!("the checker calls itself {found:?}"))),
    }
}

fn version(program: &Path) -> Option<String> {
    if !program.is_file() {
        return None;
    }
    let said = Step::new(program).arg("--version").capture().ok()?;
    Some(said.trim().strip_prefix("tla ")?.to_string())
}

/// Runs the checker on a row, with its working folder at the modules.
pub(super) fn check(program: &Path, row: &Row) -> Result<Answer, Failure> {
    let started = Instant::now();
    let mut child = command(program, row).start(Stdio::piped(), Stdio::null())?;
    let last = child.stdout.take().map(|stdout| {
        // The answer is the last line; progress before it may fill a pipe, so it is read along.
        thread::spawn(move || {
            BufReader::new(stdout).lines().map_while(Result::ok).last().unwrap_or_default()
        })
    });
    let ended = wait(&mut child, started)?;
    let line = last.and_then(|reader| reader.join().ok()).unwrap_or_default();
    let (found, states) = if ended {
        understand(&line)
    } else {
        (Err(format!("no answer within {} s", LIMIT.as_secs())), 0)
    };
    Ok(Answer { found, states, took: started.elapsed() })
}

/// Gives the command that checks a row, as one may repeat it by hand.
pub(super) fn command(program: &Path, row: &Row) -> Step {
    let mut step = Step::new(program)
        .arg(format!("{}.tla", row.module))
        .args(["--config", &format!("cfg/{}.cfg", row.cfg)])
        .args(["--max-states", "100000000", "--max-depth", "10000", "--json"]);
    if let Some(alias) = &row.refines {
        step = step.args(["--check-refinement", alias]);
    }
    step.current_dir(&row.folder)
}

/// Waits for the child, and kills it at the limit; says whether it ended by itself.
fn wait(child: &mut Child, started: Instant) -> Result<bool, Failure> {
    let failed = |error: std::io::Error| Failure::Internal(format!("waiting: {error}"));
    loop {
        if child.try_wait().map_err(failed)?.is_some() {
            return Ok(true);
        }
        if started.elapsed() >= LIMIT {
            child.kill().map_err(failed)?;
            child.wait().map_err(failed)?;
            return Ok(false);
        }
        thread::sleep(POLL);
    }
}

/// Reads the checker's last line. Whatever is not known to be an answer is an unknown.
fn understand(line: &str) -> (Result<Expected, String>, u64) {
    let Ok(answer) = serde_json::from_str::<Value>(line) else {
        return (Err(format!("not an answer: {}", shortened(line))), 0);
    };
    let states = answer["stats"]["states_explored"].as_u64();
    let by = match answer["status"].as_str() {
        Some("ok") => return (Ok(Expected::Holds), states.unwrap_or(0)),
        Some("invariant_violation") => answer["invariant_name"].as_str(),
        Some("property_violation" | "liveness_violation") => answer["property"].as_str(),
        Some("refinement_violation") => answer["alias"].as_str(),
        Some("deadlock") => Some("Deadlock"),
        _ => None,
    };
    match (by, states) {
        (Some(by), Some(states)) => (Ok(Expected::Violated(by.into())), states),
        _ => (Err(shortened(line)), 0),
    }
}

fn shortened(line: &str) -> String {
    line.chars().take(200).collect()
}

/// The one version whose counts are pinned.
const VERSION: &str = "0.24.11";
/// A model that takes longer has outgrown the table.
const LIMIT: Duration = Duration::from_secs(30 * 60);
const POLL: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;

    fn row(expected: Expected, states: u64) -> Row {
        Row {
            folder: "x".into(),
            module: "MCA".into(),
            cfg: "MCA".into(),
            full: false,
            expected,
            states,
            refines: None,
        }
    }

    fn complaint(line: &str, row: &Row) -> Option<String> {
        let (found, states) = understand(line);
        Answer { found, states, took: Duration::ZERO }.complaint(row)
    }

    #[test]
    fn a_search_that_ends_well_must_have_the_count() {
        let line = r#"{"status": "ok", "stats": {"states_explored": 4}}"#;
        assert_eq!(complaint(line, &row(Expected::Holds, 4)), None);
        assert!(complaint(line, &row(Expected::Holds, 5)).is_some());
        assert!(complaint(line, &row(Expected::Violated("P".into()), 4)).is_some());
    }

    #[test]
    fn a_wrong_variant_must_break_what_it_is_said_to_break() {
        let violated = row(Expected::Violated("P".into()), 7);
        for (what, good) in [
            (r#""status":"invariant_violation","invariant_name":"P""#, true),
            (r#""status":"liveness_violation","property":"P""#, true),
            (r#""status":"refinement_violation","alias":"P""#, true),
            (r#""status":"invariant_violation","invariant_name":"Q""#, false),
            (r#""status":"ok""#, false),
        ] {
            let line = format!(r#"{{{what},"stats":{{"states_explored":7}}}}"#);
            assert_eq!(complaint(&line, &violated).is_none(), good, "{line}");
        }
    }

    #[test]
    fn anything_else_is_unknown_and_never_passes() {
        for line in [
            "",
            "error: no definition",
            r#"{"status": "max_states_exceeded", "stats": {"states_explored": 4}}"#,
            r#"{"status": "next_error"}"#,
            r#"{"status": "no_initial_states"}"#,
        ] {
            let said = complaint(line, &row(Expected::Holds, 4));
            assert!(said.is_some_and(|text| text.starts_with("unknown")), "{line}");
        }
    }
}
