//! The verb `power`: how many of the seeded bugs that a client can be shown by do live runs catch?
//!
//! A run that passes says as much as a run that would have failed: each such mutant is built in the
//! scratch copy and runs under the harness as it is, by default flags, with one seed after another.
//! What was measured is written after each run, so an interrupted call goes on where it was. Which
//! mutants count, and why the others do not, is in `clients.toml`; what was seen, in `power.toml`.
//! Claim kept true: a mutant that was not run, or not caught in most runs, is not called caught.

mod clients;
mod table;

use std::fs;
use std::path::{Path, PathBuf};

use lexopt::{Arg, ValueExt as _};
use serde_json::Value;

use crate::chaos;
use crate::mutants::{Mutant, Scratch, read_catalogue};
use crate::outcome::{Failure, Outcome};
use crate::said::{self, say};
use crate::sim;
use crate::workspace::{root, target_dir};
use clients::Clients;
use table::Table;

/// Reads the flags, and measures or shows.
pub(crate) fn run(arguments: &mut lexopt::Parser) -> Outcome {
    let (mut show, mut page_only, mut runs, mut from) = (false, false, RUNS, 1);
    let mut only = Vec::new();
    let mut binaries: Option<PathBuf> = None;
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Long("show") => show = true,
            Arg::Long("page") => page_only = true,
            Arg::Long("runs") => runs = arguments.value()?.parse()?,
            Arg::Long("from") => from = arguments.value()?.parse()?,
            Arg::Long("binaries") => binaries = Some(arguments.value()?.into()),
            Arg::Long("only") => {
                let ids = arguments.value()?.to_string_lossy().into_owned();
                only.extend(ids.split(',').map(str::to_owned));
            }
            other @ (Arg::Short(_) | Arg::Long(_) | Arg::Value(_)) => {
                return Err(other.unexpected().into());
            }
        }
    }
    let catalogue = read_catalogue()?;
    let clients = Clients::read(&catalogue)?;
    // Refused before anything is built or run, which takes hours.
    if let Some(id) = only.iter().find(|id| !clients.is_seen(id)) {
        let why = clients.why_unseen(id).unwrap_or("it is no mutant");
        return Err(Failure::Usage(format!("{id} cannot be shown to a client: {why}")));
    }
    let mut table = Table::read(&path())?;
    if page_only {
        return table.write_page(&page(), &catalogue, &clients);
    }
    if !show {
        let asked = Asked { only: &only, runs, from, binaries: binaries.as_deref() };
        measure(&catalogue, &clients, &asked, &mut table)?;
    }
    said::out(format_args!("{}", table.text(&catalogue, &clients)));
    Ok(())
}

/// Finds what is wrong with the lists and the page beside the catalogue.
pub(crate) fn stale() -> Result<Vec<String>, Failure> {
    let catalogue = read_catalogue()?;
    let mut stale = match Clients::read(&catalogue) {
        Ok(clients) => Table::read(&path())?.strangers(&clients),
        Err(failure) => vec![failure.to_string()],
    };
    if let Ok(clients) = Clients::read(&catalogue) {
        let page = fs::read_to_string(page()).unwrap_or_default();
        let table = Table::read(&path())?.page(&catalogue, &clients);
        if !page.contains(&table) {
            stale.push(format!(
                "{PAGE} does not show what clients.toml and power.toml say: `cargo xtask power \
                 --page` writes it"
            ));
        }
    }
    Ok(stale)
}

/// What is to be measured.
struct Asked<'a> {
    /// Which mutants; all where none is named.
    only: &'a [String],
    /// How many runs each has at first.
    runs: u32,
    /// The first seed of those that are measured anew.
    from: u32,
    /// Where the servers are that somebody has built, each under the name of its mutant; where a
    /// mutant has none there, it is left for another call.
    binaries: Option<&'a Path>,
}

/// Runs what is not measured yet; what is asked for by name is measured anew.
fn measure(
    catalogue: &[Mutant],
    clients: &Clients,
    asked: &Asked<'_>,
    table: &mut Table,
) -> Outcome {
    let Asked { only, runs, from, binaries } = asked;
    let runs = *runs;
    let harness = prepare()?;
    let scratch = Scratch::open()?;
    for mutant in catalogue.iter().filter(|mutant| clients.is_seen(&mutant.id)) {
        let is_asked = only.contains(&mutant.id);
        if !only.is_empty() && !is_asked {
            continue;
        }
        let built = binaries.map(|folder| folder.join(&mutant.id));
        if built.as_ref().is_some_and(|built| !built.is_file()) {
            say!("power: {}: no server of that name, so it is not measured", mutant.id);
            continue;
        }
        if is_asked {
            table.begin(&mutant.id, *from);
        }
        if !table.of(&mutant.id).wants_more(runs) {
            continue;
        }
        let binary = match built {
            Some(built) => built,
            None => {
                say!("power: building {}: {}", mutant.id, mutant.breaks);
                build(&scratch, mutant)?
            }
        };
        while table.of(&mutant.id).wants_more(runs) {
            let seed = table.of(&mutant.id).next_seed();
            let seen = harness.run(&binary, seed)?;
            say!("power: {} seed {seed}: {} {}", mutant.id, seen.verdict, seen.reason);
            if !table.note(&mutant.id, &seen) {
                return Err(Failure::Internal(format!(
                    "the run of {} with seed {seed} was interrupted, so it says nothing: call \
                     `cargo xtask power` again, which asks it again",
                    mutant.id
                )));
            }
            // After each run: an hour of runs is not lost with the one that is interrupted.
            table.write(&path())?;
        }
    }
    scratch.restore()?;
    table.write_page(&page(), catalogue, clients)
}

/// Builds a mutant's server, and puts it where the next build does not overwrite it.
fn build(scratch: &Scratch, mutant: &Mutant) -> Result<PathBuf, Failure> {
    scratch.restore()?;
    scratch.apply(&mutant.patch)?;
    scratch.inside(chaos::build_step()).run()?;
    let folder = target_dir().join("power").join(&mutant.id);
    fs::create_dir_all(&folder).map_err(|error| Failure::io("make", &folder, &error))?;
    let built = scratch.target().join("debug").join(chaos::executable("synod-kv"));
    let kept = folder.join(chaos::executable("synod-kv"));
    // Beside it first: a file that runs cannot be written to.
    let beside = kept.with_extension("new");
    fs::copy(&built, &beside)
        .and_then(|_| fs::rename(&beside, &kept))
        .map_err(|error| Failure::io("copy", &built, &error))?;
    Ok(kept)
}

/// What a run said.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Seen {
    /// Its verdict, as the report spells it.
    pub(crate) verdict: String,
    /// The first reason.
    pub(crate) reason: String,
    /// After how many seconds of the run what is wrong had happened, or how long the run took.
    pub(crate) alarm_s: f64,
}

/// The harness as it is in this workspace.
struct Harness {
    program: PathBuf,
    auditor: PathBuf,
}

/// Builds the harness, and what audits what nodes left.
fn prepare() -> Result<Harness, Failure> {
    chaos::build()?;
    let program = target_dir().join("debug").join(chaos::executable("synod-harness"));
    let auditor = target_dir().join("debug").join(chaos::executable(sim::PROGRAM));
    Ok(Harness { program, auditor })
}

impl Harness {
    /// Runs a binary for the default time, with all else drawn from the seed.
    fn run(&self, binary: &Path, seed: u32) -> Result<Seen, Failure> {
        let step = crate::shell::Step::new(&self.program)
            .args(["chaos", "--system", "synod-kv", "--format", "json", "--keep", "4"])
            .args(["--seed", &seed.to_string()])
            .arg("--binary")
            .arg(binary)
            .arg("--audit")
            .arg(&self.auditor)
            .arg("--runs-dir")
            .arg(target_dir().join("power").join("runs"));
        let output = step.output()?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        match serde_json::from_str::<Value>(said.trim()) {
            Ok(report) => Ok(Seen::of(&report)),
            // A cluster that never comes up is an alarm, too.
            Err(_) if output.status.code() == Some(i32::from(crate::outcome::INTERNAL)) => {
                let words = String::from_utf8_lossy(&output.stderr);
                let reason = words.lines().last().unwrap_or_default().to_owned();
                Ok(Seen { verdict: "no run".to_owned(), reason, alarm_s: 0.0 })
            }
            Err(_) => {
                let words = String::from_utf8_lossy(&output.stderr).into_owned();
                Err(step.failure(output.status, words))
            }
        }
    }
}

impl Seen {
    fn of(report: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let took = report["duration_ms"].as_f64().unwrap_or_default() / 1_000.0;
        let operations = report["violation"]["operations"].as_array();
        // The last return of the counterexample is when all of it had happened; without one, the
        // run's own end is all that is known.
        let ends = operations.into_iter().flatten().filter_map(|one| one["return_ns"].as_f64());
        let alarm_s = ends.fold(None, |last: Option<f64>, end| Some(last.unwrap_or(0.0).max(end)));
        Self {
            verdict: text(&report["verdict"]),
            reason: text(&report["reasons"][0]),
            alarm_s: alarm_s.map_or(took, |ns| ns / 1e9),
        }
    }
}

fn path() -> PathBuf {
    root().join("harness/mutants/power.toml")
}

fn page() -> PathBuf {
    root().join(PAGE)
}

/// The page of the book that shows the table.
const PAGE: &str = "docs/book/pages/power.md";

/// How many runs each mutant has at first.
const RUNS: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_is_when_the_last_operation_of_the_core_ended_or_the_end_of_the_run() {
        let report = serde_json::json!({
            "verdict": "violation", "reasons": ["stale", "more"], "duration_ms": 41_000,
            "violation": {"operations": [{"return_ns": 7e9}, {"return_ns": 9e9}, {}]},
        });
        let seen = Seen::of(&report);
        assert_eq!((seen.reason.as_str(), seen.alarm_s), ("stale", 9.0));
        let report = serde_json::json!({"verdict": "pass", "duration_ms": 41_000});
        assert_eq!(Seen::of(&report).alarm_s, 41.0);
    }
}
