//! The verb `canary`: a store with a planted bug, which the harness must find.
//!
//! A batch of live runs that passes says nothing if the harness had gone blind: faults that are
//! none, clients that see nothing, a checker that nods. So each batch of CI begins with this one.
//! The bird is the quorum store of the examples, as it acknowledges a write that one replica has
//! (Q01 of the catalogue). It is in Python, so it costs no build; it loses nothing in calm, so it
//! is found only if a node was really cut off, was asked nevertheless, and was judged. That is over
//! TCP: of a bug over UDP, the verb `demo` of the same batch asks as much.

use std::path::PathBuf;

use crate::chaos;
use crate::outcome::{FOUND, Failure, Outcome};
use crate::said::say;
use crate::shell::Step;
use crate::workspace::{root, target_dir};

/// Builds the harness, and lets it look for the bug with one seed after another.
pub(crate) fn run(arguments: &mut lexopt::Parser) -> Outcome {
    if let Some(argument) = arguments.next()? {
        return Err(argument.unexpected().into());
    }
    if !has_python() {
        return Err(Failure::Found(format!("canary: {REMEDY}")));
    }
    Step::cargo().args(["build", "--locked", "-p", "synod-harness"]).run()?;
    let mut ends = Vec::new();
    for seed in SEEDS {
        let step = bird(seed);
        let status = step.status()?;
        match status.code() {
            // A store that fell over is a violation, too, and not the bug.
            Some(code) if code == i32::from(FOUND) && has_counterexample()? => {
                say!("\ncanary: the planted bug was found with seed {seed}");
                return Ok(());
            }
            Some(code) if code == i32::from(FOUND) => {
                ends.push(format!("seed {seed}: something else was found"));
            }
            // What is void or not decided did not find it either.
            Some(code @ (0 | 2 | 3)) => ends.push(format!("seed {seed}: exit code {code}")),
            Some(_) | None => return Err(step.failure(status, String::new())),
        }
    }
    let ends = ends.join(", ");
    Err(Failure::Found(format!(
        "canary: the planted bug was not found ({ends}), so what live runs of this harness say is \
         void"
    )))
}

/// Tells whether there is a Python for the store.
pub(crate) fn has_python() -> bool {
    let probe = "import sys; sys.exit(sys.version_info < (3, 10))";
    let output = Step::new("python3").args(["-c", probe]).output();
    output.is_ok_and(|output| output.status.success())
}

/// Tells whether the last run kept the operations that have no order.
fn has_counterexample() -> Result<bool, Failure> {
    let path = target_dir().join("canary").join("latest").join("report.json");
    let unread = |error: &dyn std::fmt::Display| {
        Failure::Found(format!("canary: {} cannot be read: {error}", path.display()))
    };
    let text = std::fs::read_to_string(&path).map_err(|error| unread(&error))?;
    let report: serde_json::Value = serde_json::from_str(&text).map_err(|error| unread(&error))?;
    Ok(!report["violation"].is_null())
}

fn bird(seed: &str) -> Step {
    let store = root().join("harness/examples/quorum_kv");
    let harness: PathBuf = target_dir().join("debug").join(chaos::executable("synod-harness"));
    Step::new(harness)
        .args(["chaos", "--system"])
        .arg(store.join("ack-alone.toml"))
        .arg("--binary")
        .arg(&store)
        .args(["--workload", "registers", "--nemesis", "isolate-one", "--time", "8"])
        .args(["--seed", seed, "--keep", "4", "--runs-dir"])
        .arg(target_dir().join("canary"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
}

/// What to do without a Python.
pub(crate) const REMEDY: &str = "it needs python3, 3.10 or later";

/// The seeds, of which one must find it. A run may miss it by chance, three in a row do not.
const SEEDS: [&str; 3] = ["1", "2", "3"];
