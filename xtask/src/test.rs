//! The verbs that are `cargo test` in some form: test, loom and model.
//!
//! Each verb is first turned into [`TestRun`]s, and then run; the mutants run the same ones on a
//! broken copy. The claim kept here: a run in which no test ran is a failure, so that a renamed
//! test file cannot turn a verb green.

use std::ffi::OsString;
use std::fmt;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use lexopt::Arg;

use crate::outcome::{Failure, Outcome};
use crate::said::say;
use crate::shell::Step;
use crate::workspace::{packages_with_test, target_dir};

/// The verb `test`.
pub(crate) fn test(arguments: &mut lexopt::Parser) -> Outcome {
    run_all("test", &plan_test(arguments)?)
}

/// The verb `loom`.
pub(crate) fn loom(arguments: &mut lexopt::Parser) -> Outcome {
    run_all("loom", &plan_loom(arguments)?)
}

/// The verb `model`.
pub(crate) fn model(arguments: &mut lexopt::Parser) -> Outcome {
    run_all("model", &plan_model(arguments)?)
}

/// One call of `cargo test`, in parts that can be put together in more than one way.
#[derive(Clone, Debug)]
pub(crate) struct TestRun {
    /// What is built: packages, targets, profile.
    build: Vec<OsString>,
    /// What the test binaries are given.
    pub(crate) binary: Vec<OsString>,
    /// What differs in the environment.
    variables: Vec<(&'static str, OsString)>,
}

impl TestRun {
    fn new<A: Into<OsString>>(build: impl IntoIterator<Item = A>) -> Self {
        let build = build.into_iter().map(Into::into).collect();
        Self { build, binary: Vec::new(), variables: Vec::new() }
    }

    /// Gives the whole command.
    pub(crate) fn step(&self) -> Step {
        let step = self.cargo_test().arg("--no-fail-fast");
        if self.binary.is_empty() { step } else { step.arg("--").args(&self.binary) }
    }

    /// Gives the command that builds and names the test binaries, and runs nothing.
    pub(crate) fn build_step(&self) -> Step {
        self.cargo_test().args(["--no-run", "--message-format", "json-render-diagnostics"])
    }

    fn cargo_test(&self) -> Step {
        let step = Step::cargo().args(["test", "--locked"]).args(&self.build);
        self.variables.iter().fold(step, |step, (name, value)| step.env(name, value))
    }
}

/// Reads the flags of `test`.
pub(crate) fn plan_test(arguments: &mut lexopt::Parser) -> Result<Vec<TestRun>, Failure> {
    let mut build: Vec<OsString> = Vec::new();
    let mut binary: Vec<OsString> = Vec::new();
    let (mut whole, mut portable) = (true, false);
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Short('p') | Arg::Long("package") => {
                build.extend(["-p".into(), arguments.value()?]);
                whole = false;
            }
            Arg::Long("test") => build.extend(["--test".into(), arguments.value()?]),
            Arg::Long("lib") => build.push("--lib".into()),
            Arg::Long("doc") => build.push("--doc".into()),
            Arg::Long("release") => build.push("--release".into()),
            Arg::Long("portable") => portable = true,
            Arg::Value(filter) => {
                binary.push(filter);
                binary.extend(arguments.raw_args()?);
            }
            other @ (Arg::Short(_) | Arg::Long(_)) => return Err(other.unexpected().into()),
        }
    }
    if portable {
        return Ok(plan_portable());
    }
    if whole {
        build.insert(0, "--workspace".into());
    }
    Ok(vec![TestRun { binary, ..TestRun::new(build) }])
}

/// What other systems than Linux are promised: the pure crates and the checkers.
fn plan_portable() -> Vec<TestRun> {
    let pure = ["-p", "synod-clock", "-p", "synod-paxos", "-p", "synod-smr"];
    let judges = [
        "synod-rng",
        "synod-history",
        "synod-checker",
        "synod-fault",
        "synod-workload",
        "synod-report",
        "synod-simulator",
        "synod-live",
    ];
    let judges = judges.iter().flat_map(|package| ["-p", package]).chain(["--lib"]);
    vec![TestRun::new(pure), TestRun::new(judges)]
}

/// Reads the flags of `loom`. The cfg name is our own: `--cfg loom` would switch tokio's net
/// off in every crate that is built along.
pub(crate) fn plan_loom(arguments: &mut lexopt::Parser) -> Result<Vec<TestRun>, Failure> {
    let mut runs = plan_named(&[("loom", &["--release"])], arguments)?;
    for run in &mut runs {
        run.variables.push(("RUSTFLAGS", "--cfg synod_loom".into()));
        // Without a bound the journal's tests did not end within minutes; three forced switches
        // find the wake-up bugs that were seeded there.
        run.variables.push(("LOOM_MAX_PREEMPTIONS", "3".into()));
        // In a folder of its own, since other flags would build all anew in the usual one, each
        // time.
        run.variables.push(("CARGO_TARGET_DIR", target_dir().join("loom").into()));
    }
    Ok(runs)
}

/// Reads the flags of `model`: the real code explored, and the specifications in Rust. Its tests
/// print how much they explored, and that is shown.
pub(crate) fn plan_model(arguments: &mut lexopt::Parser) -> Result<Vec<TestRun>, Failure> {
    // The specifications take seconds as plain `cargo test` builds them, and minutes to build anew.
    let tests: [Test<'_>; 2] = [("model", &["--release"]), ("spec_counts", &[])];
    let mut runs = plan_named(&tests, arguments)?;
    for run in &mut runs {
        run.binary.push("--nocapture".into());
        // The bounds that plain `cargo test` leaves out. The mutants, which start the binaries
        // without these variables, leave them out too: small worlds catch them, or nothing does.
        run.variables.push(("SYNOD_MODEL", "large".into()));
    }
    Ok(runs)
}

/// An integration test by its name, and how it is built.
type Test<'t> = (&'t str, &'t [&'t str]);

/// Plans integration tests by their names, in every crate that has one or in those asked for.
fn plan_named(tests: &[Test<'_>], arguments: &mut lexopt::Parser) -> Result<Vec<TestRun>, Failure> {
    let mut asked: Vec<String> = Vec::new();
    let mut filters: Vec<OsString> = Vec::new();
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Short('p') | Arg::Long("package") => {
                asked.push(arguments.value()?.to_string_lossy().into_owned());
            }
            Arg::Value(filter) => filters.push(filter),
            other @ (Arg::Short(_) | Arg::Long(_)) => return Err(other.unexpected().into()),
        }
    }
    let mut have = Vec::new();
    for (test, profile) in tests {
        let packages = packages_with_test(test)?.into_iter();
        have.extend(packages.map(|package| (package.name, *test, *profile)));
    }
    if let Some(name) = asked.iter().find(|name| have.iter().all(|(has, ..)| has != *name)) {
        let files: Vec<_> = tests.iter().map(|(test, _)| format!("tests/{test}.rs")).collect();
        let names: Vec<&str> = have.iter().map(|(has, ..)| has.as_str()).collect();
        let (files, names) = (files.join(" or "), names.join(", "));
        return Err(Failure::Usage(format!("{name} has no {files}; these have: {names}")));
    }
    let wanted = have.iter().filter(|(name, ..)| asked.is_empty() || asked.contains(name));
    let runs = wanted.map(|(name, test, profile)| {
        let build =
            ["-p", name.as_str(), "--test", test].into_iter().chain(profile.iter().copied());
        TestRun { binary: filters.clone(), ..TestRun::new(build) }
    });
    Ok(runs.collect())
}

/// Runs them all, however they end, and sums up.
fn run_all(verb: &str, runs: &[TestRun]) -> Outcome {
    let start = Instant::now();
    let mut tally = Tally::default();
    let mut failed = Vec::new();
    for run in runs {
        let step = run.step();
        say!("{verb}: {step}");
        if !follow(&step, &mut tally)? {
            failed.push(step.to_string());
        }
    }
    say!("\n{verb}: {tally} in {}", seconds(start.elapsed()));
    if !failed.is_empty() {
        let mut text = tally.failures.iter().map(|name| format!("failed: {name}\n")).collect();
        failed.iter().for_each(|line| text = format!("{text}failed: {line}\n"));
        return Err(Failure::Found(text.trim_end().into()));
    }
    if tally.passed == 0 {
        return Err(Failure::Found(format!("{verb}: no test ran; a green nothing is a failure")));
    }
    Ok(())
}

/// Passes the output on line by line, and counts. Gives whether the command succeeded.
fn follow(step: &Step, tally: &mut Tally) -> Result<bool, Failure> {
    let mut child = step.start(Stdio::piped(), Stdio::inherit())?;
    let lost = |error: std::io::Error| Failure::Internal(format!("lost: {step}: {error}"));
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines() {
            let line = line.map_err(lost)?;
            say!("{line}");
            tally.count(&line);
        }
    }
    Ok(child.wait().map_err(lost)?.success())
}

/// What the test binaries said.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    binaries: u64,
    passed: u64,
    failed: u64,
    ignored: u64,
    failures: Vec<String>,
}

impl Tally {
    fn count(&mut self, line: &str) {
        if let Some(name) = line.strip_prefix("test ").and_then(|l| l.strip_suffix(" ... FAILED")) {
            self.failures.push(name.into());
        }
        let Some(counts) = line.strip_prefix("test result: ") else { return };
        self.binaries += 1;
        for part in counts.split([';', '.']) {
            let mut words = part.split_whitespace();
            let (Some(number), Some(kind)) = (words.next(), words.next()) else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            match kind {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { binaries, passed, failed, ignored, .. } = self;
        write!(out, "{passed} passed, {failed} failed, {ignored} ignored in {binaries} binaries")
    }
}

/// Prints a duration as people say it.
pub(crate) fn seconds(span: Duration) -> String {
    let whole = span.as_secs();
    if whole >= 60 {
        format!("{} min {:02} s", whole / 60, whole % 60)
    } else {
        format!("{:.1} s", span.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn parser(arguments: &[&str]) -> lexopt::Parser {
        lexopt::Parser::from_args(arguments)
    }

    fn line_of(arguments: &[&str]) -> String {
        let runs = plan_test(&mut parser(arguments)).unwrap();
        runs.iter().map(|run| run.step().to_string()).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn test_takes_the_whole_workspace_or_what_is_named() {
        assert_eq!(line_of(&[]), "cargo test --locked --workspace --no-fail-fast");
        assert_eq!(
            line_of(&["-p", "synod-paxos", "--test", "paper", "p1a", "--exact"]),
            "cargo test --locked -p synod-paxos --test paper --no-fail-fast -- p1a --exact"
        );
        assert!(line_of(&["--portable"]).ends_with("-p synod-live --lib --no-fail-fast"));
    }

    #[test]
    fn an_unknown_flag_is_named() {
        let failure = plan_test(&mut parser(&["--frobnicate"])).unwrap_err();
        assert_eq!(failure.exit_code(), crate::outcome::USAGE);
        assert!(failure.to_string().contains("--frobnicate"));
    }

    #[test]
    fn a_crate_without_the_asked_test_is_refused_with_those_that_have_it() {
        let failure = plan_loom(&mut parser(&["-p", "xtask"])).unwrap_err();
        let text = failure.to_string();
        assert!(text.contains("xtask has no tests/loom.rs"), "{text}");
        assert!(text.contains("synod-clock"), "{text}");
    }

    #[test]
    fn loom_uses_its_own_cfg_and_folder() {
        let runs = plan_loom(&mut parser(&["-p", "synod-clock"])).unwrap();
        let line = runs[0].step().to_string();
        let bounded = "RUSTFLAGS='--cfg synod_loom' LOOM_MAX_PREEMPTIONS=3 CARGO_TARGET_DIR=";
        assert!(line.starts_with(bounded), "{line}");
        assert!(line.ends_with(
            "loom cargo test --locked -p synod-clock --test loom --release --no-fail-fast"
        ));
    }

    #[test]
    fn model_explores_the_real_code_and_the_specifications_at_the_larger_bounds() {
        let runs = plan_model(&mut parser(&[])).unwrap();
        let lines: Vec<_> = runs.iter().map(|run| run.step().to_string()).collect();
        assert!(lines.iter().all(|line| line.starts_with("SYNOD_MODEL=large ")), "{lines:?}");
        let tests =
            ["-p synod-paxos --test model --release", "-p synod-simulated --test spec_counts"];
        for test in tests {
            assert!(lines.iter().any(|line| line.contains(test)), "{test}: {lines:?}");
        }
    }

    #[test]
    fn results_are_summed_and_failures_named() {
        let mut tally = Tally::default();
        for line in [
            "running 3 tests",
            "test a::b ... ok",
            "test a::c ... FAILED",
            "test result: FAILED. 2 passed; 1 failed; 4 ignored; 0 measured; 0 filtered out",
            "test result: ok. 7 passed; 0 failed; 0 ignored; 0 measured; finished in 0.01s",
        ] {
            tally.count(line);
        }
        assert_eq!(tally.to_string(), "9 passed, 1 failed, 4 ignored in 2 binaries");
        assert_eq!(tally.failures, ["a::c"]);
    }

    #[test]
    fn durations_read_well() {
        assert_eq!(seconds(Duration::from_millis(1_340)), "1.3 s");
        assert_eq!(seconds(Duration::from_secs(125)), "2 min 05 s");
    }
}
