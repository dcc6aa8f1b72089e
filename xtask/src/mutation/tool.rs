//! The tool that makes the mutants: asked for its list, and run on a sample.
//!
//! Each mutant meets the tests of its own crate that end in seconds, and only those that survive
//! meet the slow ones, and what survives these the simulator, which drives all of the code: a build
//! and a run cost little then, and hundreds of mutants fit in two hours.
//! The tool works in the scratch copy, so that the sources are never broken in place.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::report::Fate;
use super::sample::Mutant;
use crate::mutants::Scratch;
use crate::outcome::{Failure, Outcome};
use crate::said::say;
use crate::shell::Step;
use crate::tools::CARGO_MUTANTS;
use crate::workspace::{Package, packages};

/// The tool, ready to run.
#[derive(Debug)]
pub(super) struct Tool {
    step: Step,
    results: PathBuf,
}

impl Tool {
    /// Gives the pinned tool, and installs it under the target folder if it is not there.
    pub(super) fn install(target: &Path) -> Result<Self, Failure> {
        Ok(Self { step: CARGO_MUTANTS.ready()?, results: target.join("mutation") })
    }

    /// Lists the mutants of the safety code.
    pub(super) fn list(&self, scratch: &Scratch) -> Result<Vec<Mutant>, Failure> {
        let mut step = self.step.clone().args(["--list", "--json", "--exclude-re", NOT_TESTED]);
        for (package, folder, files) in CODE {
            step = step.args(["--package", package]);
            for file in files.split(' ') {
                step = step.args(["--file", &format!("{folder}/src/{file}.rs")]);
            }
        }
        let listed = scratch.inside(step).capture()?;
        let listed: Option<Vec<Value>> = serde_json::from_str(&listed).ok();
        let mutants = listed.and_then(|listed| listed.iter().map(Mutant::parse).collect());
        mutants.ok_or_else(|| Failure::Internal(format!("the list of {NAME} has an unknown form")))
    }

    /// Runs the mutants against the fast tests, and what survives against the slow ones.
    pub(super) fn run(
        &self,
        scratch: &Scratch,
        mutants: &[Mutant],
        jobs: usize,
    ) -> Result<Vec<(Mutant, Fate)>, Failure> {
        let mut results = Vec::new();
        for package in packages()? {
            let of_it = |mutant: &&Mutant| mutant.package == package.name;
            let mut left: Vec<Mutant> = mutants.iter().filter(of_it).cloned().collect();
            for speed in [Speed::Fast, Speed::Slow, Speed::Simulated] {
                let tests = tests_of(&package, speed);
                if left.is_empty() || tests.is_empty() {
                    continue;
                }
                say!("mutation: {} of {}, {} tests", left.len(), package.name, speed.name());
                if speed == Speed::Simulated {
                    unmutated(scratch, &tests)?;
                }
                let step = self.command(&package.name, speed, jobs, &left);
                let step =
                    tests.iter().fold(step, |step, it| step.arg(format!("--cargo-arg={it}")));
                let found =
                    self.follow(&inside(scratch, step, jobs), &package.name, speed, &left)?;
                let survived = |(_, fate): &(Mutant, Fate)| *fate == Fate::Survived;
                left = found.iter().filter(|it| survived(it)).map(|it| it.0.clone()).collect();
                results.extend(found.into_iter().filter(|it| !survived(it)));
            }
            results.extend(left.into_iter().map(|mutant| (mutant, Fate::Survived)));
        }
        Ok(results)
    }

    /// Gives the command that runs these mutants, without the tests that it shall run.
    fn command(&self, package: &str, speed: Speed, jobs: usize, mutants: &[Mutant]) -> Step {
        let mut step = self.step.clone().args(["--no-shuffle", "--package", package]);
        step = step.args(["--timeout", speed.limit_s(), "--output"]);
        step = step.arg(self.results_of(package, speed));
        if speed == Speed::Simulated {
            // The tool would look for these tests in the package of the mutants before it makes
            // any: that they pass without one is seen to by `unmutated`.
            step = step.args(["--test-package", SIMULATOR, "--baseline", "skip"]);
        }
        // A copy is what the tool itself makes for each of several jobs; one job needs no other
        // than the scratch copy, and keeps what it built between the calls.
        step = match jobs {
            1 => step.arg("--in-place"),
            _ => step.args(["--jobs", &jobs.to_string()]),
        };
        // The tool lets deleted fields pass whatever the expressions say, so the files are named,
        // too, and what is run beyond the sample is left out of the results.
        let files: BTreeSet<&str> = mutants.iter().map(|mutant| mutant.file.as_str()).collect();
        step = files.iter().fold(step, |step, file| step.args(["--file", file]));
        mutants.iter().fold(step, |step, it| step.arg(format!("--re={}", exactly(&it.name))))
    }

    /// Runs the command, and reads what came of each mutant.
    fn follow(
        &self,
        step: &Step,
        package: &str,
        speed: Speed,
        mutants: &[Mutant],
    ) -> Result<Vec<(Mutant, Fate)>, Failure> {
        let folder = self.results_of(package, speed);
        fs::create_dir_all(&folder).map_err(|error| Failure::io("make", &folder, &error))?;
        // The line that repeats it is thousands of characters long: hence no `run`.
        judge(step.status()?.code())?;
        let path = folder.join("mutants.out").join("outcomes.json");
        let text = fs::read_to_string(&path).map_err(|error| Failure::io("read", &path, &error))?;
        let fates = parse_outcomes(&text, mutants);
        fates.map_err(|why| Failure::Internal(format!("{}: {why}", path.display())))
    }

    fn results_of(&self, package: &str, speed: Speed) -> PathBuf {
        self.results.join(format!("{package}-{}", speed.name()))
    }
}

/// Runs the simulator's tests on the code as it is: where they fail, they would kill every mutant.
fn unmutated(scratch: &Scratch, tests: &[String]) -> Outcome {
    let step = Step::cargo().args(["test", "--locked", "--quiet", "--package", SIMULATOR]);
    let step = tests.iter().fold(step, |step, test| step.arg(test));
    match inside(scratch, step, 1).status()?.success() {
        true => Ok(()),
        false => judge(Some(BASELINE_FAILED)),
    }
}

/// Makes a command of the tool work on the scratch copy, with builds that cost little.
fn inside(scratch: &Scratch, step: Step, jobs: usize) -> Step {
    let step =
        scratch.inside(step).env("CARGO_PROFILE_DEV_DEBUG", "0").env("CARGO_INCREMENTAL", "1");
    // Several jobs would wait for each other in one target folder: each copy has its own.
    if jobs > 1 { step.env("CARGO_TARGET_DIR", "target") } else { step }
}

/// Lets the exit codes pass that only say how many mutants survived.
fn judge(code: Option<i32>) -> Outcome {
    match code {
        Some(0 | SOME_SURVIVED | SOME_TIMED_OUT) => Ok(()),
        Some(BASELINE_FAILED) => {
            Err(Failure::Found("mutation: the tests fail without any mutant".into()))
        }
        Some(_) | None => Err(Failure::Internal(format!("{NAME} ended with {code:?}"))),
    }
}

/// Which of a crate's tests are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speed {
    Fast,
    Slow,
    /// The simulator's tests, whichever crate the mutant is of.
    Simulated,
}

impl Speed {
    fn name(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Slow => "slow",
            Self::Simulated => "simulated",
        }
    }

    /// The longest that one mutant's tests may take; good ones take a tenth of it.
    fn limit_s(self) -> &'static str {
        match self {
            Self::Fast => "60",
            Self::Slow | Self::Simulated => "300",
        }
    }
}

/// Gives the flags of cargo that select the tests of a speed.
fn tests_of(package: &Package, speed: Speed) -> Vec<String> {
    if speed == Speed::Simulated {
        return SIMULATED.iter().map(|test| format!("--test={test}")).collect();
    }
    let speed_of = |test: &str| match test.starts_with("model") || SLOW.contains(&test) {
        true => Speed::Slow,
        false => Speed::Fast,
    };
    let named = package.tests.iter().filter(|test| speed_of(test) == speed && *test != "loom");
    let mut flags: Vec<String> = named.map(|test| format!("--test={test}")).collect();
    if speed == Speed::Fast {
        flags.push("--lib".into());
    }
    flags
}

/// Gives the expression that matches this name and nothing else.
fn exactly(name: &str) -> String {
    let mut text = String::from("^");
    for letter in name.chars() {
        if r"\.+*?()|[]{}^$#&-~".contains(letter) {
            text.push('\\');
        }
        text.push(letter);
    }
    text + "$"
}

/// Reads what came of each mutant; one that was asked for and not run is an error.
fn parse_outcomes(text: &str, mutants: &[Mutant]) -> Result<Vec<(Mutant, Fate)>, String> {
    let all: Value = serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
    let all = all["outcomes"].as_array().ok_or("it has no outcomes")?;
    let of = |mutant: &Mutant| {
        let name = |outcome: &&Value| outcome["scenario"]["Mutant"]["name"] == *mutant.name;
        let outcome = all.iter().find(name).ok_or_else(|| format!("{}: not run", mutant.name))?;
        let fate = match outcome["summary"].as_str() {
            Some("CaughtMutant") => Fate::Killed,
            Some("MissedMutant") => Fate::Survived,
            Some("Timeout") => Fate::TimedOut,
            Some("Unviable") => Fate::Unviable,
            other => return Err(format!("{}: {other:?} is unknown", mutant.name)),
        };
        Ok((mutant.clone(), fate))
    };
    mutants.iter().map(of).collect()
}

const NAME: &str = CARGO_MUTANTS.name;

/// What safety rests on: crate, folder, files. The elections of the replica, which only decide
/// when something happens, are left out, and so is the simulated disk, which is itself a test. Of
/// the host counts and logs are left out: nothing is decided by them.
const CODE: &[(&str, &str, &str)] = &[
    ("synod-paxos", "paxos", "**/*"),
    (
        "synod-smr",
        "smr",
        "replica replica/* read proposals executor session recovery checkpoint command client/*",
    ),
    (
        "synod-journal",
        "journal",
        "format/frame format/identity format/names format/records format/records_iter \
         format/segment read/scan recover/recovery recover/rewrite recover/tail write/draft \
         write/group_commit write/journal",
    ),
    (
        "synod-host",
        "host",
        "beacon clients clients/* commits crowd flush hard_state host lanes old_decrees peers \
         recovery room slot_index timers",
    ),
];
/// What people read is nothing that safety rests on.
const NOT_TESTED: &str = "impl (std::)?fmt::(Debug|Display)";
/// The tests that take more than a second or two, beside the models.
const SLOW: &[&str] = &["cluster", "crash", "properties", "record", "rot"];

/// The package of the simulator, and those of its tests that draw faults by seed.
const SIMULATOR: &str = "synod-simulated";
const SIMULATED: &[&str] = &["swarm", "seeds"];

/// The exit codes of the tool, as its manual gives them.
const SOME_SURVIVED: i32 = 2;
const SOME_TIMED_OUT: i32 = 3;
const BASELINE_FAILED: i32 = 4;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::super::sample::tests::mutant;
    use super::*;

    #[test]
    fn an_expression_matches_the_very_name() {
        let name = exactly("a.rs:1:2: replace + with - in <T>::f(x)");
        assert_eq!(name, r"^a\.rs:1:2: replace \+ with \- in <T>::f\(x\)$");
    }

    #[test]
    fn every_test_of_a_crate_has_one_speed_and_loom_none() {
        let names = ["cluster", "golden", "loom", "model", "model_reads"];
        let package = Package {
            name: "x".into(),
            dependencies: Vec::new(),
            tests: names.map(String::from).into(),
            is_library: true,
        };
        assert_eq!(tests_of(&package, Speed::Fast), ["--test=golden", "--lib"]);
        let slow = ["--test=cluster", "--test=model", "--test=model_reads"];
        assert_eq!(tests_of(&package, Speed::Slow), slow);
        for flag in tests_of(&package, Speed::Simulated) {
            let test = flag.strip_prefix("--test=").unwrap();
            let path = crate::workspace::root().join("harness/synod/tests");
            assert!(path.join(format!("{test}.rs")).is_file(), "{test}");
        }
    }

    #[test]
    fn the_files_are_there() {
        for (_, folder, files) in CODE {
            for file in files.split(' ').filter(|file| !file.contains('*')) {
                let path = crate::workspace::root().join(folder).join("src");
                assert!(path.join(format!("{file}.rs")).is_file(), "{folder} {file}");
            }
        }
    }

    #[test]
    fn each_mutant_has_its_fate_and_one_that_was_not_run_is_an_error() {
        let mutants = [mutant(1, "a"), mutant(2, "b"), mutant(3, "c"), mutant(4, "d")];
        let fates = ["CaughtMutant", "MissedMutant", "Timeout", "Unviable"];
        let outcome = |(mutant, fate): (&Mutant, &str)| {
            let scenario = serde_json::json!({"Mutant": {"name": mutant.name}});
            serde_json::json!({"scenario": scenario, "summary": fate})
        };
        let mut outcomes: Vec<Value> = mutants.iter().zip(fates).map(outcome).collect();
        outcomes.insert(0, serde_json::json!({"scenario": "Baseline", "summary": "Success"}));
        let text = |outcomes: &[Value]| serde_json::json!({"outcomes": outcomes}).to_string();
        let parsed = parse_outcomes(&text(&outcomes), &mutants).unwrap();
        let fates: Vec<Fate> = parsed.iter().map(|(_, fate)| *fate).collect();
        assert_eq!(fates, [Fate::Killed, Fate::Survived, Fate::TimedOut, Fate::Unviable]);
        assert!(parse_outcomes(&text(&outcomes[..3]), &mutants).is_err());
        assert!(parse_outcomes("{}", &mutants).is_err());
    }
}
