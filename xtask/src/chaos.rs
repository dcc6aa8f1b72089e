//! The verbs that build the reference system and its harness, and hand over to them: chaos and
//! replay.
//!
//! What happens in a run is left to the harness. Once both are built, this process becomes it:
//! Ctrl-C and the exit code are the harness's own. Flags are checked before the build, so that a
//! typing error costs no minute.

use std::ffi::OsString;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use lexopt::{Arg, ValueExt as _};

use crate::outcome::{Failure, Outcome};
use crate::said::say;
use crate::shell::Step;
use crate::sim;
use crate::workspace::target_dir;

/// The verb `chaos`.
pub(crate) fn chaos(arguments: &mut lexopt::Parser) -> Outcome {
    let flags = chaos_flags(arguments)?;
    build()?;
    audited_campaign(&flags).become_it()
}

/// The verb `replay`: a run folder, or the latest run; `--times N` runs its plan N times.
pub(crate) fn replay(arguments: &mut lexopt::Parser) -> Outcome {
    let mut run: Option<PathBuf> = None;
    let mut times = 1;
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Long("times") => times = arguments.value()?.parse::<NonZeroU32>()?.get(),
            Arg::Value(folder) if run.is_none() => run = Some(folder.into()),
            other @ (Arg::Short(_) | Arg::Long(_) | Arg::Value(_)) => {
                return Err(other.unexpected().into());
            }
        }
    }
    let run = resolve_run(run)?;
    build()?;
    let harness = target_dir().join("debug").join(executable("synod-harness"));
    let replay = Step::new(harness).arg("replay").arg(run).args(["--times", &times.to_string()]);
    replay.arg("--runs-dir").arg(runs_dir()).become_it()
}

/// Builds what an audited campaign needs, after a word on what is going on.
pub(crate) fn build() -> Outcome {
    say!("building synod-kv, synod-harness and the auditor, synod-sim (dev profile)");
    build_step().args(["-p", "synod-simulated"]).run()
}

/// Gives the command that builds the reference system and its harness.
pub(crate) fn build_step() -> Step {
    Step::cargo().args(["build", "--locked", "-p", "synod-kv", "-p", "synod-harness"])
}

/// Gives the command that runs a campaign against the binaries of the present target folder.
pub(crate) fn campaign(flags: &[OsString]) -> Step {
    campaign_in(&target_dir(), &runs_dir(), flags)
}

/// Gives the command that runs a campaign whose nodes write down what they do, for `synod-sim` to
/// hold it against the specification: a part of the verdict.
fn audited_campaign(flags: &[OsString]) -> Step {
    let auditor = target_dir().join("debug").join(executable(sim::PROGRAM));
    campaign(&[]).arg("--audit").arg(auditor).args(flags)
}

/// Gives the command that runs a campaign against the binaries of any target folder.
pub(crate) fn campaign_in(target: &Path, runs: &Path, flags: &[OsString]) -> Step {
    let binary = |name| target.join("debug").join(executable(name));
    Step::new(binary("synod-harness"))
        .args(["chaos", "--system", "synod-kv", "--binary"])
        .arg(binary("synod-kv"))
        .arg("--runs-dir")
        .arg(runs)
        .args(flags)
}

/// Checks the flags of a campaign, and gives them as the harness takes them.
pub(crate) fn chaos_flags(arguments: &mut lexopt::Parser) -> Result<Vec<OsString>, Failure> {
    let mut flags = Vec::new();
    while let Some(argument) = arguments.next()? {
        let Arg::Long(name) = argument else { return Err(argument.unexpected().into()) };
        let Some((known, check)) = CHAOS_FLAGS.iter().find(|(known, _)| *known == name) else {
            let known: Vec<String> = CHAOS_FLAGS.iter().map(|(f, _)| format!("--{f}")).collect();
            let known = known.join(" ");
            return Err(Failure::Usage(format!("unknown flag --{name}; chaos takes {known}")));
        };
        let value = arguments.value()?;
        if *check == Value::Number && value.to_string_lossy().parse::<u64>().is_err() {
            let text = value.to_string_lossy();
            return Err(Failure::Usage(format!("--{known} wants a whole number, not `{text}`")));
        }
        flags.extend([format!("--{known}").into(), value]);
    }
    Ok(flags)
}

fn resolve_run(asked: Option<PathBuf>) -> Result<PathBuf, Failure> {
    let wanted = asked.unwrap_or_else(|| PathBuf::from("latest"));
    let candidates = [std::env::current_dir().unwrap_or_default(), runs_dir()];
    let found = candidates.iter().map(|base| base.join(&wanted)).find(|run| run.is_dir());
    found.ok_or_else(|| {
        let (wanted, runs) = (wanted.display(), runs_dir());
        let runs = runs.display();
        Failure::Usage(format!(
            "no run `{wanted}` here or in {runs}; `cargo xtask chaos` makes one"
        ))
    })
}

pub(crate) fn executable(name: &str) -> String {
    format!("{name}{}", std::env::consts::EXE_SUFFIX)
}

fn runs_dir() -> PathBuf {
    target_dir().join("chaos")
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Value {
    Number,
    Word,
}

/// The flags that the harness takes and a caller of `cargo xtask chaos` may set.
const CHAOS_FLAGS: &[(&str, Value)] = &[
    ("seed", Value::Number),
    ("time", Value::Number),
    ("nodes", Value::Number),
    ("clients", Value::Number),
    ("nemesis", Value::Word),
    ("scenario", Value::Word),
    ("workload", Value::Word),
    ("timeout-ms", Value::Number),
    ("rest-ms", Value::Number),
    ("test-count", Value::Number),
    ("shards", Value::Number),
    ("shard", Value::Number),
    ("shard-from", Value::Word),
    ("bridges", Value::Number),
    ("keep", Value::Number),
    ("format", Value::Word),
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn flags(arguments: &[&str]) -> Result<Vec<OsString>, Failure> {
        chaos_flags(&mut lexopt::Parser::from_args(arguments))
    }

    #[test]
    fn flags_reach_the_harness_as_they_were_meant() {
        let passed = flags(&["--seed=7", "--nemesis", "mix"]).unwrap();
        assert_eq!(passed, ["--seed", "7", "--nemesis", "mix"]);
        let line = audited_campaign(&passed).to_string();
        assert!(line.contains("synod-harness chaos --system synod-kv --binary "), "{line}");
        assert!(line.contains(" --audit ") && line.contains("/synod-sim --seed"), "{line}");
        assert!(line.ends_with(" --seed 7 --nemesis mix"), "{line}");
    }

    #[test]
    fn a_wrong_flag_is_named_before_anything_is_built() {
        for (wrong, named) in [
            (&["--sed", "7"][..], "unknown flag --sed; chaos takes --seed"),
            (&["--time", "soon"], "--time wants a whole number, not `soon`"),
            (&["--time"], "--time"),
            (&["-x"], "-x"),
            (&["stray"], "stray"),
        ] {
            let failure = flags(wrong).unwrap_err();
            assert_eq!(failure.exit_code(), crate::outcome::USAGE);
            assert!(failure.to_string().contains(named), "{failure}");
        }
    }

    #[test]
    fn a_run_that_is_not_there_is_refused_with_the_remedy() {
        let failure = resolve_run(Some("no/such/run".into())).unwrap_err().to_string();
        assert!(failure.contains("no run `no/such/run`"), "{failure}");
        assert!(failure.contains("cargo xtask chaos"), "{failure}");
    }
}
