//! The verb `habits`: what is asked of the workspace by the calendar and not with every change.
//!
//! Each habit has a name and can be run alone. What a habit compiles with another compiler, or from
//! another lock file, it builds into a folder of its own, so that the usual one stays warm. The
//! claim kept true: a habit changes no file that git knows.

use std::fs;

use lexopt::Arg;

use crate::outcome::{Failure, Outcome};
use crate::release::is_released;
use crate::said::say;
use crate::shell::Step;
use crate::tools::{CARGO_DENY, CARGO_HACK, CARGO_LLVM_COV, CARGO_SEMVER_CHECKS, TYPOS};
use crate::workspace::{Package, packages, root, target_dir};

/// Runs the habits that are named, or all of them but those that need a network or a release.
pub(crate) fn run(arguments: &mut lexopt::Parser) -> Outcome {
    let mut asked = Vec::new();
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Value(name) => asked.push(find(&name.to_string_lossy())?),
            Arg::Short(_) | Arg::Long(_) => return Err(argument.unexpected().into()),
        }
    }
    if asked.is_empty() {
        asked.extend(HABITS.iter().filter(|habit| habit.usual));
    }
    for habit in asked {
        say!("habits: {}: {}", habit.name, habit.about);
        (habit.run)()?;
    }
    Ok(())
}

/// Something that is asked of the workspace by the calendar.
struct Habit {
    name: &'static str,
    about: &'static str,
    /// Whether it is run when none is named.
    usual: bool,
    run: fn() -> Outcome,
}

const HABITS: &[Habit] = &[
    Habit { name: "spelling", about: "no word is misspelt", usual: true, run: spelling },
    Habit {
        name: "oldest-compiler",
        about: "all that ships is compiled by the oldest compiler that is promised",
        usual: true,
        run: oldest_compiler,
    },
    Habit {
        name: "features",
        about: "each crate compiles alone, with every set of its features",
        usual: true,
        run: features,
    },
    Habit {
        name: "oldest-dependencies",
        about: "each dependency is as old as the manifests allow",
        usual: true,
        run: oldest_dependencies,
    },
    Habit {
        name: "licences",
        about: "every dependency has a licence and a source that deny.toml allows",
        usual: true,
        run: licences,
    },
    Habit {
        name: "advisories",
        about: "no dependency has a known hole; the list comes from a network",
        usual: false,
        run: advisories,
    },
    Habit {
        name: "coverage",
        about: "how much of the cores their own tests run; there is no bar to pass",
        usual: false,
        run: coverage,
    },
    Habit {
        name: "compatibility",
        about: "what changed since the last release is compatible, or its number says so",
        usual: false,
        run: compatibility,
    },
];

fn find(name: &str) -> Result<&'static Habit, Failure> {
    HABITS.iter().find(|habit| habit.name == name).ok_or_else(|| {
        let known: Vec<&str> = HABITS.iter().map(|habit| habit.name).collect();
        Failure::Usage(format!("no habit is called `{name}`; there are {}", known.join(", ")))
    })
}

fn spelling() -> Outcome {
    TYPOS.ready()?.run()
}

fn oldest_compiler() -> Outcome {
    let version = promised_compiler(&manifest()?)?;
    let toolchain = Step::new("rustup").args(["run", &version]);
    if toolchain.clone().args(["rustc", "--version"]).capture().is_err() {
        let install = ["toolchain", "install", &version, "--profile", "minimal"];
        Step::new("rustup").args(install).run()?;
    }
    // Tests may use what is newer: they do not ship.
    toolchain
        .args(["cargo", "check", "--locked", "--workspace", "--lib", "--bins", "--target-dir"])
        .arg(target_dir().join("oldest-compiler"))
        .run()
}

fn manifest() -> Result<String, Failure> {
    let path = root().join("Cargo.toml");
    fs::read_to_string(&path).map_err(|error| Failure::io("read", &path, &error))
}

/// Reads the oldest compiler that the manifest of the workspace promises.
fn promised_compiler(manifest: &str) -> Result<String, Failure> {
    let lines = manifest.lines();
    let mut promised = lines.filter_map(|line| line.strip_prefix("rust-version = "));
    let version = promised.next().map(|version| version.trim().trim_matches('"').to_owned());
    version.ok_or_else(|| Failure::Found("Cargo.toml promises no oldest compiler".into()))
}

fn features() -> Outcome {
    CARGO_HACK
        .ready()?
        .args(["check", "--locked", "--workspace", "--feature-powerset"])
        .arg("--target-dir")
        .arg(target_dir().join("features"))
        .run()
}

/// A compiler that is released takes unstable flags for once: they choose versions, and change
/// nothing of what is compiled.
fn oldest_dependencies() -> Outcome {
    let folder = target_dir().join("oldest-dependencies");
    fs::create_dir_all(&folder).map_err(|error| Failure::io("make", &folder, &error))?;
    let lock = folder.join("Cargo.lock");
    // Cargo would keep the versions that an older lock names.
    if lock.exists() {
        fs::remove_file(&lock).map_err(|error| Failure::io("remove", &lock, &error))?;
    }
    Step::cargo()
        .args(["check", "--workspace", "--lib", "--bins", "-Zdirect-minimal-versions"])
        .args(["-Zlockfile-path", "--config"])
        .arg(format!("resolver.lockfile-path = {:?}", lock.display().to_string()))
        .arg("--target-dir")
        .arg(&folder)
        .env("RUSTC_BOOTSTRAP", "1")
        .run()
}

fn licences() -> Outcome {
    CARGO_DENY.ready()?.args(["check", "bans", "licenses", "sources"]).run()
}

fn advisories() -> Outcome {
    CARGO_DENY.ready()?.args(["check", "advisories"]).run()
}

fn coverage() -> Outcome {
    let cores =
        ["-p", "synod-clock", "-p", "synod-paxos", "-p", "synod-smr", "-p", "synod-journal"];
    CARGO_LLVM_COV.ready()?.args(["--locked", "--summary-only"]).args(cores).run()
}

fn compatibility() -> Outcome {
    let tags = Step::new("git").args(["tag", "--list", "v*", "--sort=-v:refname"]).capture()?;
    let Some(last) = tags.lines().next() else {
        say!("habits: there is no release yet, so nothing that a change could break");
        return Ok(());
    };
    let names = Step::new("git").args(["grep", "-h", "^name = ", last, "--", "*Cargo.toml"]);
    let chosen = in_both(&packages()?, &names.capture()?);
    if chosen.is_empty() {
        return Err(Failure::Found(format!("no library of {last} is left to compare with")));
    }
    // Each is named: of a whole workspace the tool leaves out in silence what no registry has.
    let named = chosen.iter().flat_map(|name| ["-p", name.as_str()]);
    CARGO_SEMVER_CHECKS.ready()?.args(["--baseline-rev", last]).args(named).run()
}

/// Names the libraries that others use, and whose name some manifest of the release has.
fn in_both(present: &[Package], names_of_release: &str) -> Vec<String> {
    let was_there = |name: &str| names_of_release.contains(&format!("name = \"{name}\"\n"));
    let ours = present.iter().filter(|package| package.is_library && is_released(package));
    ours.map(|package| package.name.clone()).filter(|name| was_there(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_habit_is_found_by_its_name_and_a_wrong_name_is_told_the_others() {
        for habit in HABITS {
            assert!(find(habit.name).is_ok_and(|found| found.about == habit.about));
        }
        let told = find("grammar").err().map(|failure| failure.to_string()).unwrap_or_default();
        assert!(told.contains("`grammar`") && told.contains("spelling, oldest-compiler"), "{told}");
    }

    #[test]
    fn what_a_release_had_is_compared_and_nothing_else() {
        let package = |name: &str, is_library| Package {
            name: name.into(),
            dependencies: Vec::new(),
            tests: Vec::new(),
            is_library,
        };
        let present = [
            package("synod-clock", true),
            package("synod-new", true),
            package("synod-program", false),
            package("xtask", true),
        ];
        let had = "name = \"synod-clock\"\nname = \"synod-program\"\nname = \"xtask\"\n";
        assert_eq!(in_both(&present, had), ["synod-clock"]);
    }

    #[test]
    fn the_oldest_compiler_is_the_one_that_the_manifest_promises() {
        let read = |text| promised_compiler(text).ok();
        assert_eq!(read("[workspace.package]\nrust-version = \"1.88\"\n"), Some("1.88".into()));
        assert_eq!(read("[package]\n"), None);
        assert!(manifest().and_then(|text| promised_compiler(&text)).is_ok());
    }

    /// A habit that the nightly run does not name is asked by nobody.
    #[test]
    fn the_nightly_run_has_a_job_for_each_habit() {
        let path = root().join(".github/workflows/nightly.yml");
        let text = fs::read_to_string(path).unwrap_or_default();
        let listed = text.lines().find_map(|line| line.trim().strip_prefix("habit: ["));
        let listed = listed.and_then(|line| line.strip_suffix(']')).unwrap_or_default();
        let names: Vec<&str> = HABITS.iter().map(|habit| habit.name).collect();
        assert_eq!(listed.split(", ").collect::<Vec<_>>(), names);
    }
}
