//! Recorded runs of the code, held against the specification that the code claims to follow.
//!
//! A recorded run is a TLA+ module, as the code's trace writer prints it; the checker looks for a
//! behaviour of `MultiPaxos` that takes the same steps. A module named `bad-...` was corrupted on
//! purpose and must be refused, or else the check would check nothing. Recording is left to those
//! who drive the code.

use std::fs;
use std::path::{Path, PathBuf};

use super::checker;
use super::table::{Expected, Row};
use crate::outcome::{Failure, Outcome};
use crate::said::say;

/// Checks every recorded run of a folder.
pub(super) fn check(program: &Path, root: &Path, target: &Path, traces: &Path) -> Outcome {
    let runs = runs(traces)?;
    if runs.is_empty() {
        return Err(Failure::Found(format!("no trace in {}", traces.display())));
    }
    let mut failures = Vec::new();
    for run in &runs {
        let folder = target.join("spec-traces").join(run.name());
        lay_out(&root.join(SPECIFICATION), &run.path, &folder)?;
        let row = row(folder);
        let answer = checker::check(program, &row)?;
        let verdict = run.verdict(answer.found.as_ref(), answer.states);
        let text = match &verdict {
            Ok(text) => text.clone(),
            Err(text) => format!("FAILED: {text}"),
        };
        say!("{:<34} {:>8.1} s  {text}", run.name(), answer.took.as_secs_f64());
        if let Err(text) = verdict {
            failures.push(format!("{}: {text}\n  {}", run.name(), checker::command(program, &row)));
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(Failure::Found(failures.join("\n"))) }
}

/// A recorded run.
struct Run {
    path: PathBuf,
}

impl Run {
    fn name(&self) -> String {
        self.path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
    }

    fn is_corrupt(&self) -> bool {
        self.name().starts_with(CORRUPT)
    }

    /// Judges an answer; `states` of a refused run is the number of the event that does not fit.
    fn verdict(&self, found: Result<&Expected, &String>, states: u64) -> Result<String, String> {
        let accepted = match found {
            Ok(Expected::Violated(by)) if by == NOT_ACCEPTED => true,
            Ok(Expected::Holds) => false,
            Ok(Expected::Violated(by)) => return Err(format!("violates {by}")),
            Err(unknown) => return Err(format!("unknown: {unknown}")),
        };
        match (accepted, self.is_corrupt()) {
            (true, false) => Ok("a behaviour of the specification".into()),
            (false, true) => Ok(format!("refused at event {states}, as it must be")),
            (true, true) => Err("corrupted, and accepted all the same".into()),
            (false, false) => Err(format!("event {states} is no step of the specification")),
        }
    }
}

fn runs(traces: &Path) -> Result<Vec<Run>, Failure> {
    let failed = |error: &std::io::Error| Failure::io("list", traces, error);
    let mut runs = Vec::new();
    for entry in fs::read_dir(traces).map_err(|error| failed(&error))? {
        let path = entry.map_err(|error| failed(&error))?.path();
        if path.extension().is_some_and(|extension| extension == "tla") {
            runs.push(Run { path });
        }
    }
    runs.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(runs)
}

/// Lays the modules, the configuration and one run side by side, as the checker wants them.
fn lay_out(specification: &Path, run: &Path, folder: &Path) -> Outcome {
    let cfg = folder.join("cfg");
    fs::create_dir_all(&cfg).map_err(|error| Failure::io("make", &cfg, &error))?;
    let copy = |from: &Path, to: &Path| {
        fs::copy(from, to).map(drop).map_err(|error| Failure::io("copy", from, &error))
    };
    for module in ["MultiPaxos.tla", "TraceMultiPaxos.tla"] {
        copy(&specification.join(module), &folder.join(module))?;
    }
    let file = format!("{MODEL}.cfg");
    copy(&specification.join("cfg").join(&file), &cfg.join(&file))?;
    copy(run, &folder.join("TraceData.tla"))
}

fn row(folder: PathBuf) -> Row {
    Row {
        folder,
        module: MODEL.into(),
        cfg: MODEL.into(),
        full: false,
        expected: Expected::Violated(NOT_ACCEPTED.into()),
        states: 0,
        refines: None,
    }
}

const SPECIFICATION: &str = "paxos/spec";
const MODEL: &str = "TraceMultiPaxos";
/// The invariant whose violation means that the run was followed to its end.
const NOT_ACCEPTED: &str = "NotAccepted";
const CORRUPT: &str = "bad-";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_run_must_be_followed_and_a_corrupt_one_must_not() {
        let accepted = Expected::Violated(NOT_ACCEPTED.into());
        for (name, found, good) in [
            ("run-1.tla", &accepted, true),
            ("run-1.tla", &Expected::Holds, false),
            ("bad-1.tla", &Expected::Holds, true),
            ("bad-1.tla", &accepted, false),
            ("run-1.tla", &Expected::Violated("TypeOK".into()), false),
            ("bad-1.tla", &Expected::Violated("TypeOK".into()), false),
        ] {
            let run = Run { path: name.into() };
            assert_eq!(run.verdict(Ok(found), 7).is_ok(), good, "{name} {found:?}");
        }
        let unknown = String::from("no answer");
        let corrupt = Run { path: "bad-1.tla".into() };
        assert!(corrupt.verdict(Err(&unknown), 0).is_err());
    }
}
