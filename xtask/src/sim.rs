//! The verb `sim`: builds the simulator, and hands over to it.
//!
//! What a run does is left to `synod-sim`. Flags are checked before the build, so that a typing
//! error costs no minute. With `--agree` the same seeds run in both profiles, and the claim that a
//! seed is the same run in every build is held against their trace hashes. With `--profiled` the
//! compiler knows which way the simulator mostly goes.

mod profiled;

use std::ffi::OsString;

use lexopt::Arg;

use crate::outcome::{Failure, Outcome};
use crate::said::{self, say};
use crate::shell::Step;
use crate::workspace::target_dir;

/// The verb.
pub(crate) fn run(arguments: &mut lexopt::Parser) -> Outcome {
    let Asked { flags, build: wanted } = asked(arguments)?;
    match wanted {
        Build::Release => {
            build(RELEASE)?;
            simulator(RELEASE).args(&flags).become_it()
        }
        Build::ReleaseAndDev => {
            build(RELEASE)?;
            build(DEV)?;
            agreement(&flags)
        }
        Build::Profiled => profiled::simulator()?.args(&flags).become_it(),
    }
}

/// Runs the same seeds in both profiles, and compares what they print of their traces.
fn agreement(flags: &[OsString]) -> Outcome {
    let mut traces = Vec::new();
    for profile in [RELEASE, DEV] {
        let said = simulator(profile).args(flags).capture()?;
        said::out(format_args!("{said}"));
        let trace = said.lines().find_map(|line| line.split("trace ").nth(1));
        let trace = trace.map(|words| words.split_whitespace().next().unwrap_or("").to_owned());
        traces.push(trace.ok_or_else(|| Failure::Internal("no trace was printed".into()))?);
    }
    if traces[0] != traces[1] {
        let detail = format!("sim: the release build traces {}, dev {}", traces[0], traces[1]);
        return Err(Failure::Found(detail));
    }
    say!("sim: both profiles trace {}", traces[0]);
    Ok(())
}

fn build(profile: Profile) -> Outcome {
    say!("building synod-simulated ({} profile)", profile.folder);
    build_step(profile).run()
}

/// Gives the command that builds the simulator.
pub(crate) fn build_step(profile: Profile) -> Step {
    Step::cargo().args(["build", "--locked", "-p", "synod-simulated"]).args(profile.flags)
}

/// Gives the simulator itself.
pub(crate) fn simulator(profile: Profile) -> Step {
    let name = format!("{PROGRAM}{}", std::env::consts::EXE_SUFFIX);
    Step::new(target_dir().join(profile.folder).join(name))
}

/// What a command line asks for.
#[derive(Debug)]
pub(crate) struct Asked {
    /// What the simulator is told.
    pub(crate) flags: Vec<OsString>,
    build: Build,
}

/// Which builds of the simulator run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Build {
    Release,
    /// Both, one after the other, to compare what they do.
    ReleaseAndDev,
    /// One that knows which way it mostly goes.
    Profiled,
}

/// Checks the flags, takes out those that are ours, and gives the others as the simulator takes
/// them.
pub(crate) fn asked(arguments: &mut lexopt::Parser) -> Result<Asked, Failure> {
    let (mut flags, mut build) = (Vec::new(), Build::Release);
    while let Some(argument) = arguments.next()? {
        let Arg::Long(name) = argument else { return Err(argument.unexpected().into()) };
        let name = name.to_owned();
        if let Some((_, ours)) = BUILDS.iter().find(|(flag, _)| *flag == name) {
            if build != Build::Release && build != *ours {
                let reason = "sim takes --agree or --profiled, not both".into();
                return Err(Failure::Usage(reason));
            }
            build = *ours;
        } else if SWITCHES.contains(&name.as_str()) {
            flags.push(format!("--{name}").into());
        } else if VALUES.contains(&name.as_str()) {
            let value = arguments.value()?;
            flags.extend([format!("--{name}").into(), value]);
        } else {
            let ours = BUILDS.iter().map(|(flag, _)| flag);
            let known = VALUES.iter().chain(SWITCHES).chain(ours);
            let known: Vec<String> = known.map(|flag| format!("--{flag}")).collect();
            let reason = format!("unknown flag --{name}; sim takes {}", known.join(" "));
            return Err(Failure::Usage(reason));
        }
    }
    Ok(Asked { flags, build })
}

/// How the simulator is built.
#[derive(Clone, Copy)]
pub(crate) struct Profile {
    folder: &'static str,
    flags: &'static [&'static str],
}

/// As CI runs it.
pub(crate) const RELEASE: Profile = Profile { folder: "release", flags: &["--release"] };

/// As the tests build it.
pub(crate) const DEV: Profile = Profile { folder: "debug", flags: &[] };

/// The flags of the simulator that take a value.
const VALUES: &[&str] = &[
    "seeds",
    "from",
    "jobs",
    "time",
    "nodes",
    "seed",
    "plan",
    "scenario",
    "nemesis",
    "journals",
    "shards",
    "shard",
    "shard-from",
    "summary-dir",
];

/// Those that choose the build.
const BUILDS: &[(&str, Build)] = &[("agree", Build::ReleaseAndDev), ("profiled", Build::Profiled)];

/// Those of the simulator that take none.
const SWITCHES: &[&str] =
    &["twice", "all-points", "points", "outside", "shrink", "log", "transcript", "help"];

/// The simulator's program, which audits runs of real processes, too.
pub(crate) const PROGRAM: &str = "synod-sim";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn read(arguments: &[&str]) -> Result<Asked, Failure> {
        asked(&mut lexopt::Parser::from_args(arguments))
    }

    #[test]
    fn flags_reach_the_simulator_as_they_were_meant() {
        let read = read(&["--seeds=7", "--twice", "--agree"]).unwrap();
        assert_eq!(read.flags, ["--seeds", "7", "--twice"]);
        assert_eq!(read.build, Build::ReleaseAndDev);
    }

    #[test]
    fn a_build_by_counts_is_asked_for_alone() {
        assert_eq!(read(&["--profiled", "--profiled"]).unwrap().build, Build::Profiled);
        assert_eq!(read(&[]).unwrap().build, Build::Release);
        for both in [["--profiled", "--agree"], ["--agree", "--profiled"]] {
            let failure = read(&both).unwrap_err();
            assert_eq!(failure.exit_code(), crate::outcome::USAGE);
            assert!(failure.to_string().contains("not both"), "{failure}");
        }
    }

    #[test]
    fn a_wrong_flag_is_named_before_anything_is_built() {
        for (wrong, named) in [
            (&["--sed", "7"][..], "unknown flag --sed; sim takes --seeds"),
            (&["--sed"], "--agree --profiled"),
            (&["--seed"], "--seed"),
            (&["stray"], "stray"),
        ] {
            let failure = read(wrong).unwrap_err();
            assert_eq!(failure.exit_code(), crate::outcome::USAGE);
            assert!(failure.to_string().contains(named), "{failure}");
        }
    }
}
