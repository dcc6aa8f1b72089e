//! One try at catching a mutant, inside the scratch copy: build, then run, under a deadline.
//!
//! Test binaries are started directly and not through cargo, so that a hung one can be ended by
//! ending exactly that process. Everything that is said goes to the error stream, which is the
//! log; the one line of standard output is the verdict.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use lexopt::ValueExt as _;
use serde_json::Value;

use crate::chaos;
use crate::outcome::{FOUND, Failure, Outcome};
use crate::said::{self, complain, say};
use crate::shell::Step;
use crate::sim;
use crate::test::{self, TestRun};
use crate::workspace::target_dir;

/// How a try ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// A test failed, or the harness found a violation.
    Caught {
        /// How long the run took, without the build.
        run: Duration,
        /// How long the build took.
        build: Duration,
        /// What failed.
        by: String,
    },
    /// Everything passed.
    Survived,
    /// It did not compile.
    NotBuilt,
    /// It did not end in time.
    Hung,
}

impl Verdict {
    fn line(&self) -> String {
        match self {
            Self::Caught { run, build, by } => {
                format!("caught {} {} {by}", run.as_millis(), build.as_millis())
            }
            Self::Survived => "survived".into(),
            Self::NotBuilt => "not-built".into(),
            Self::Hung => "hung".into(),
        }
    }

    /// Reads the line that [`run`] printed.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut words = text.trim().splitn(4, ' ');
        match words.next()? {
            "caught" => {
                let mut time = || words.next()?.parse().ok().map(Duration::from_millis);
                let (run, build) = (time()?, time()?);
                Some(Self::Caught { run, build, by: words.next()?.into() })
            }
            "survived" => Some(Self::Survived),
            "not-built" => Some(Self::NotBuilt),
            "hung" => Some(Self::Hung),
            _ => None,
        }
    }
}

/// Runs the command behind the flag, and prints the verdict.
pub(crate) fn run(arguments: &mut lexopt::Parser) -> Outcome {
    let verb = arguments.value()?.string()?;
    complain!("\nmutants: trying `{verb}`");
    let verdict = match verb.as_str() {
        "test" => try_tests(&test::plan_test(arguments)?)?,
        "loom" => try_tests(&test::plan_loom(arguments)?)?,
        "model" => try_tests(&test::plan_model(arguments)?)?,
        "sim" => try_simulator(&sim::asked(arguments)?.flags)?,
        "chaos" => try_chaos(&chaos::chaos_flags(arguments)?)?,
        other => return Err(Failure::Usage(format!("`{other}` is no way to catch a mutant"))),
    };
    say!("{}", verdict.line());
    Ok(())
}

fn try_tests(runs: &[TestRun]) -> Result<Verdict, Failure> {
    let start = Instant::now();
    let mut binaries = Vec::new();
    for run in runs {
        let step = run.build_step();
        complain!("mutants: {step}");
        let output = step.output()?;
        said::err(format_args!("{}", String::from_utf8_lossy(&output.stderr)));
        if !output.status.success() {
            return Ok(Verdict::NotBuilt);
        }
        let built = test_binaries(&String::from_utf8_lossy(&output.stdout));
        binaries.extend(built.into_iter().map(|built| (built, run.binary.clone())));
    }
    let build = start.elapsed();
    if binaries.is_empty() {
        return Err(Failure::Found("the command of the catalogue builds no test".into()));
    }
    // The builds are timed apart: they say how long a mutant takes, and nothing of the test.
    let start = Instant::now();
    for (binary, arguments) in &binaries {
        match run_binary(binary, arguments)? {
            Ended::Passed => {}
            Ended::Failed(by) => return Ok(Verdict::Caught { run: start.elapsed(), build, by }),
            Ended::Hung => return Ok(Verdict::Hung),
        }
    }
    Ok(Verdict::Survived)
}

fn try_chaos(flags: &[OsString]) -> Result<Verdict, Failure> {
    let start = Instant::now();
    if !said_to_log(&chaos::build_step())?.success() {
        return Ok(Verdict::NotBuilt);
    }
    let build = start.elapsed();
    let start = Instant::now();
    let status = said_to_log(&chaos::campaign(flags))?;
    let by = "a verdict of VIOLATION".into();
    match status.code() {
        // A run that is void has seen nothing, and so has caught nothing.
        Some(0 | VOID) => Ok(Verdict::Survived),
        Some(code) if code == i32::from(FOUND) => {
            Ok(Verdict::Caught { run: start.elapsed(), build, by })
        }
        Some(_) | None => Err(chaos::campaign(flags).failure(status, String::new())),
    }
}

/// Runs the simulator as the tests build it, which spares each mutant a build of its own.
fn try_simulator(flags: &[OsString]) -> Result<Verdict, Failure> {
    let start = Instant::now();
    if !said_to_log(&sim::build_step(sim::DEV))?.success() {
        return Ok(Verdict::NotBuilt);
    }
    let build = start.elapsed();
    let start = Instant::now();
    let step = sim::simulator(sim::DEV).args(flags);
    let output = step.output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    said::err(format_args!("mutants: {step}\n{said}{}", String::from_utf8_lossy(&output.stderr)));
    let by = match output.status.code() {
        Some(0 | VOID) => return Ok(Verdict::Survived),
        Some(code) if code == i32::from(FOUND) => violated(&said),
        Some(PANICKED) => "an assertion of the code itself".into(),
        Some(_) | None => return Err(step.failure(output.status, String::new())),
    };
    Ok(Verdict::Caught { run: start.elapsed(), build, by })
}

/// Names the first seed that failed, and the invariant.
fn violated(said: &str) -> String {
    let named = |line: &str| {
        let (seed, violation) = line.strip_prefix("seed ")?.split_once(": ")?;
        let (invariant, _) = violation.split_once(": ")?;
        Some(format!("{invariant} at seed {seed}"))
    };
    said.lines().find_map(named).unwrap_or_else(|| "a violation".into())
}

/// Runs with both streams on the error stream, because standard output is for the verdict.
fn said_to_log(step: &Step) -> Result<ExitStatus, Failure> {
    complain!("mutants: {step}");
    let output = step.output()?;
    let mut log = std::io::stderr().lock();
    let written = log.write_all(&output.stdout).and_then(|()| log.write_all(&output.stderr));
    written.map_err(|error| Failure::Internal(format!("cannot write the log: {error}")))?;
    Ok(output.status)
}

/// A built test, and the folder of its crate, which it runs in.
struct Binary {
    path: PathBuf,
    folder: PathBuf,
}

/// Reads cargo's messages, one JSON object a line.
fn test_binaries(messages: &str) -> Vec<Binary> {
    let parse = |line: &str| {
        let message: Value = serde_json::from_str(line).ok()?;
        let is_test = message["profile"]["test"] == true;
        let manifest = Path::new(message["manifest_path"].as_str()?);
        let path = message["executable"].as_str().filter(|_| is_test)?.into();
        Some(Binary { path, folder: manifest.parent()?.into() })
    };
    messages.lines().filter_map(parse).collect()
}

enum Ended {
    Passed,
    Failed(String),
    Hung,
}

fn run_binary(binary: &Binary, arguments: &[OsString]) -> Result<Ended, Failure> {
    let said_path = target_dir().join("said.log");
    // Both handles share their place in the file, so that neither stream overwrites the other.
    let said = File::create(&said_path).and_then(|file| Ok((file.try_clone()?, file)));
    let (stdout, stderr) = said.map_err(|error| Failure::io("write", &said_path, &error))?;
    let step = Step::new(&binary.path)
        .args(arguments)
        // Cargo sets both for a test, which finds its files by them.
        .env("CARGO_MANIFEST_DIR", &binary.folder)
        .current_dir(&binary.folder);
    complain!("mutants: {step}");
    let status = wait(step.start(stdout.into(), stderr.into())?, TEST_TIME_MAX)?;
    let said = fs::read(&said_path).map_err(|error| Failure::io("read", &said_path, &error))?;
    let said = String::from_utf8_lossy(&said);
    said::err(format_args!("{said}"));
    Ok(match status {
        None => Ended::Hung,
        Some(status) if status.success() => Ended::Passed,
        Some(_) => Ended::Failed(failed_tests(&said, &binary.path)),
    })
}

/// Waits, and ends the process itself when its time is up.
fn wait(mut child: Child, limit: Duration) -> Result<Option<ExitStatus>, Failure> {
    let lost = |error: std::io::Error| Failure::Internal(format!("lost a test: {error}"));
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().map_err(lost)? {
            return Ok(Some(status));
        }
        if start.elapsed() > limit {
            child.kill().map_err(lost)?;
            // A process that was ended stays in the table until somebody asks how.
            child.wait().map_err(lost)?;
            return Ok(None);
        }
        thread::sleep(POLL);
    }
}

/// Names the first test that failed; a binary that died without a word is named itself.
fn failed_tests(said: &str, binary: &Path) -> String {
    let name = |line: &str| {
        let name = line.strip_prefix("test ")?.strip_suffix(" ... FAILED")?;
        Some(name.trim_end_matches(" - should panic").to_owned())
    };
    let failed: Vec<String> = said.lines().filter_map(name).collect();
    match failed.as_slice() {
        [] => binary.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        [one] => one.clone(),
        [first, rest @ ..] => format!("{first} and {} more", rest.len()),
    }
}

/// The flag that makes this program the inner half; it is not for people, and not listed.
pub(crate) const FLAG: &str = "attempt";

/// The exit code of a run that exercised too little, or could not be judged.
const VOID: i32 = 2;

/// The exit code of a program that panicked.
const PANICKED: i32 = 101;

/// The longest that one test binary may take. The slowest good one takes a tenth of it.
const TEST_TIME_MAX: Duration = Duration::from_secs(600);
const POLL: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_survives_its_line() {
        let caught = Verdict::Caught {
            run: Duration::from_millis(412),
            build: Duration::from_millis(9_123),
            by: "a::b and 2 more".into(),
        };
        for verdict in [caught, Verdict::Survived, Verdict::NotBuilt, Verdict::Hung] {
            assert_eq!(Verdict::parse(&format!("{}\n", verdict.line())), Some(verdict));
        }
        assert_eq!(Verdict::parse(""), None);
        assert_eq!(Verdict::parse("caught soon"), None);
    }

    #[test]
    fn failures_are_named() {
        let binary = Path::new("target/paper-12ab");
        let said = "test a ... ok\ntest b ... FAILED\ntest c ... FAILED\n";
        assert_eq!(failed_tests(said, binary), "b and 1 more");
        assert_eq!(failed_tests("test b ... FAILED", binary), "b");
        assert_eq!(failed_tests("killed", binary), "paper-12ab");
    }

    #[test]
    fn the_first_seed_that_failed_is_named() {
        let said = "3 seeds in 1 s: 1 simulated hours\n\
            seed 12: agreement: slot 3 has two\n  cargo xtask sim --seed 12\n\
            seed 19: applied: no\n";
        assert_eq!(violated(said), "agreement at seed 12");
        assert_eq!(violated("nothing of the kind"), "a violation");
    }

    #[test]
    fn only_test_binaries_are_taken_from_cargos_messages() {
        let messages = "{\"reason\":\"compiler-artifact\",\"manifest_path\":\"/w/a/Cargo.toml\",\
            \"profile\":{\"test\":true},\"executable\":\"/t/a-1\"}\n\
            {\"reason\":\"compiler-artifact\",\"manifest_path\":\"/w/a/Cargo.toml\",\
            \"profile\":{\"test\":false},\"executable\":\"/t/kv\"}\n\
            {\"reason\":\"build-finished\",\"success\":true}\n";
        let binaries = test_binaries(messages);
        assert_eq!(binaries.len(), 1);
        assert_eq!(binaries[0].path, Path::new("/t/a-1"));
        assert_eq!(binaries[0].folder, Path::new("/w/a"));
    }
}
