//! The verb `mutants`: seeds each known bug in a scratch copy, and sees which level catches it.
//!
//! A harness that finds nothing proves nothing; this is how it is held to account. A mutant must
//! be caught at or before the level that the catalogue names, by a test that fails: neither a
//! build that breaks nor a test that hangs counts. What the bugs are is left to the catalogue in
//! harness/mutants.

mod attempt;
mod catalogue;
mod scratch;

use std::fs::File;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use lexopt::Arg;

pub(crate) use catalogue::{Level, Mutant, read as read_catalogue};
pub(crate) use scratch::Scratch;

use crate::ci::this_program;
use crate::outcome::{Failure, Outcome};
use crate::said::say;
use crate::shell::Step;
use crate::test::seconds;
use crate::workspace::{files, root};
use attempt::Verdict;
use catalogue::level_of;

/// Reads the flags, and runs the mutants that are asked for.
pub(crate) fn run(arguments: &mut lexopt::Parser) -> Outcome {
    let (mut list, mut quick, mut only) = (false, false, Vec::new());
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Long("list") => list = true,
            Arg::Long("quick") => quick = true,
            Arg::Long("only") => {
                let ids = arguments.value()?.to_string_lossy().into_owned();
                only.extend(ids.split(',').map(str::to_owned));
            }
            // The other half of `try_command`: this program, run again inside the scratch copy.
            Arg::Long(attempt::FLAG) => return attempt::run(arguments),
            other @ (Arg::Short(_) | Arg::Long(_) | Arg::Value(_)) => {
                return Err(other.unexpected().into());
            }
        }
    }
    let mut mutants = read_catalogue()?;
    if let Some(id) = only.iter().find(|id| !mutants.iter().any(|mutant| mutant.id == **id)) {
        let what = format!("no mutant `{id}`; `cargo xtask mutants --list` names all");
        return Err(Failure::Usage(what));
    }
    mutants.retain(|mutant| only.is_empty() || only.contains(&mutant.id));
    mutants.retain(|mutant| mutant.quick || !quick);
    if list {
        mutants.iter().for_each(|mutant| say!("{mutant}"));
        return Ok(());
    }
    if mutants.is_empty() {
        return Err(Failure::Found("mutants: the catalogue has none of these".into()));
    }
    hunt(&mutants)
}

/// Finds entries whose patch the sources have moved away from, and patches without an entry.
pub(crate) fn stale() -> Result<Vec<String>, Failure> {
    let mutants = read_catalogue()?;
    let mut stale = Vec::new();
    for mutant in &mutants {
        let check = Step::new("git").args(["apply", "--check"]).arg(&mutant.patch).output()?;
        if !check.status.success() {
            let why = String::from_utf8_lossy(&check.stderr);
            let why = why.lines().next().unwrap_or_default();
            stale.push(format!("the patch of {} does not apply: {why}", mutant.id));
        }
    }
    let listed = |path: &PathBuf| mutants.iter().any(|mutant| mutant.patch == *path);
    let patches = files()?
        .into_iter()
        .filter(|path| path.starts_with("harness/mutants/") && path.ends_with(".patch"));
    let unlisted = patches.filter(|path| !listed(&root().join(path)));
    stale.extend(unlisted.map(|path| format!("{path} is in no entry of the catalogue")));
    Ok(stale)
}

/// Tries them one after another: two builds at once would only slow each other down.
fn hunt(mutants: &[Mutant]) -> Outcome {
    say!("mutants: {} to catch; the first build takes a while", mutants.len());
    let scratch = Scratch::open()?;
    let start = Instant::now();
    let mut missed = Vec::new();
    for mutant in mutants {
        let end = try_mutant(&scratch, mutant)?;
        say!("{:<5} {:<2} {end}   {}", mutant.id, mutant.level, mutant.breaks);
        if !end.is_good(mutant.level) {
            missed.push(mutant.id.as_str());
        }
    }
    scratch.restore()?;
    let (caught, all) = (mutants.len() - missed.len(), mutants.len());
    say!("mutants: {caught} of {all} caught in time, {}", seconds(start.elapsed()));
    if missed.is_empty() {
        return Ok(());
    }
    let logs = scratch.logs().display().to_string();
    Err(Failure::Found(format!("mutants: not caught: {}; logs in {logs}", missed.join(" "))))
}

/// What became of a mutant.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Caught { level: Level, run: Duration, build: Duration, by: String },
    Survived,
    NotApplied(String),
    NotBuilt { command: String },
    Hung { command: String },
}

impl End {
    fn is_good(&self, named: Level) -> bool {
        match self {
            Self::Caught { level, .. } => *level <= named,
            Self::Survived | Self::NotApplied(_) | Self::NotBuilt { .. } | Self::Hung { .. } => {
                false
            }
        }
    }
}

impl std::fmt::Display for End {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Caught { level, run, build, by } => {
                let (run, build) = (seconds(*run), seconds(*build));
                write!(out, "caught at {level} in {run} (built in {build}) by {by}")
            }
            Self::Survived => out.write_str("SURVIVED"),
            Self::NotApplied(why) => write!(out, "DOES NOT APPLY ({why})"),
            Self::NotBuilt { command } => write!(out, "DOES NOT BUILD ({command})"),
            Self::Hung { command } => write!(out, "HUNG ({command})"),
        }
    }
}

/// Runs the levels from the cheapest up, and stops at the first that says more than nothing.
fn try_mutant(scratch: &Scratch, mutant: &Mutant) -> Result<End, Failure> {
    scratch.restore()?;
    if let Err(failure) = scratch.apply(&mutant.patch) {
        let text = failure.to_string();
        let why = text.lines().next().unwrap_or_default().to_owned();
        return Ok(End::NotApplied(why));
    }
    for command in &mutant.catch {
        let line = command.join(" ");
        match try_command(scratch, mutant, command)? {
            Verdict::Caught { run, build, by } => {
                // The catalogue is refused where a command has none.
                let level = level_of(command).unwrap_or(mutant.level);
                return Ok(End::Caught { level, run, build, by });
            }
            Verdict::Survived => {}
            Verdict::NotBuilt => return Ok(End::NotBuilt { command: line }),
            Verdict::Hung => return Ok(End::Hung { command: line }),
        }
    }
    Ok(End::Survived)
}

/// Runs this program again with the scratch copy as its workspace; its words go to the log.
fn try_command(scratch: &Scratch, mutant: &Mutant, command: &[String]) -> Result<Verdict, Failure> {
    let step = scratch
        .inside(this_program()?)
        .args(["mutants", &format!("--{}", attempt::FLAG)])
        .args(command);
    let path = scratch.logs().join(format!("{}.log", mutant.id));
    let log = File::options().create(true).append(true).open(&path);
    let log = log.map_err(|error| Failure::io("write", &path, &error))?;
    let child = step.start(Stdio::piped(), Stdio::from(log))?;
    let output = child.wait_with_output();
    let output = output.map_err(|error| Failure::Internal(format!("lost: {step}: {error}")))?;
    Verdict::parse(&String::from_utf8_lossy(&output.stdout)).ok_or_else(|| {
        let log = path.display();
        step.failure(output.status, format!("it gave no verdict; its words are in {log}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_failing_test_at_or_before_the_named_level_is_good() {
        let caught = |level| End::Caught {
            level,
            run: Duration::from_secs(1),
            build: Duration::from_secs(2),
            by: "a::b".into(),
        };
        assert!(caught(Level::Unit).is_good(Level::Model));
        assert!(caught(Level::Model).is_good(Level::Model));
        assert!(!caught(Level::Real).is_good(Level::Model));
        let command = String::new();
        for end in
            [End::Survived, End::NotBuilt { command: command.clone() }, End::Hung { command }]
        {
            assert!(!end.is_good(Level::Real), "{end}");
        }
    }
}
