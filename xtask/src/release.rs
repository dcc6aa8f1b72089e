//! The verb `release`: what a release would put into the registry, crate by crate, in order.
//!
//! It publishes nothing. Each crate comes behind all that it depends on, so that the registry can
//! resolve it; what would be packed is listed by cargo, and looked through for what a crate must
//! have and must not have. RELEASING.md has the steps around it.

use std::collections::BTreeSet;

use lexopt::Arg;

use crate::outcome::{Failure, Outcome};
use crate::said::say;
use crate::shell::Step;
use crate::workspace::{Package, packages};

/// Lists every crate of a release in its order, with what cargo would pack.
pub(crate) fn run(arguments: &mut lexopt::Parser) -> Outcome {
    let mut dry = false;
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Long("dry-run") => dry = true,
            Arg::Short(_) | Arg::Long(_) | Arg::Value(_) => {
                return Err(argument.unexpected().into());
            }
        }
    }
    if !dry {
        let why = "nothing is published from here yet: `cargo xtask release --dry-run`";
        return Err(Failure::Usage(why.into()));
    }
    let mut problems = Vec::new();
    for package in in_order(&packages()?)? {
        let step = Step::cargo().args(["package", "--list", "--allow-dirty", "--offline", "-p"]);
        let listed = step.arg(&package.name).capture()?;
        let files: BTreeSet<&str> = listed.lines().collect();
        let page = if files.contains("README.md") { "" } else { ", without a README.md" };
        say!("release: {} with {} files{page}", package.name, files.len());
        problems.extend(wrong_in(&package.name, &files));
        problems.extend(unpublished(package));
    }
    if problems.is_empty() { Ok(()) } else { Err(Failure::Found(problems.join("\n"))) }
}

/// Puts each crate behind those that it depends on, tests' dependencies aside.
fn in_order(all: &[Package]) -> Result<Vec<&Package>, Failure> {
    let mut left: Vec<&Package> = all.iter().filter(|package| is_released(package)).collect();
    let mut ordered: Vec<&Package> = Vec::new();
    while !left.is_empty() {
        let waits = |package: &&Package| {
            let names = package.dependencies.iter().filter(|arrow| !arrow.for_tests);
            names.into_iter().any(|arrow| left.iter().any(|other| other.name == arrow.name))
        };
        let (waiting, ready): (Vec<&Package>, Vec<&Package>) =
            left.iter().partition(|it| waits(it));
        if ready.is_empty() {
            let names: Vec<&str> = waiting.iter().map(|package| package.name.as_str()).collect();
            return Err(Failure::Found(format!("release: a circle of {}", names.join(", "))));
        }
        ordered.extend(ready);
        left = waiting;
    }
    Ok(ordered)
}

/// Says whether a crate is for others than this project.
pub(crate) fn is_released(package: &Package) -> bool {
    !KEPT.contains(&package.name.as_str())
}

/// Says what may not be packed, and what must be.
fn wrong_in(name: &str, files: &BTreeSet<&str>) -> Vec<String> {
    let is_root = |file: &&str| ["src/lib.rs", "src/main.rs"].contains(file);
    let empty = !files.iter().any(is_root);
    let empty = empty.then(|| format!("{name}: neither a library nor a program"));
    let stray = files.iter().filter(|file| file.ends_with(".key") || file.ends_with(".pem"));
    let stray = stray.map(|file| format!("{name}: {file} is a key or a certificate"));
    empty.into_iter().chain(stray).collect()
}

/// Names the dependencies of a crate with which no registry takes it: on what stays here, and by a
/// path alone, which leads nowhere once the crate is packed.
fn unpublished(package: &Package) -> Vec<String> {
    let arrows = package.dependencies.iter().filter(|arrow| !arrow.for_tests);
    let wrong = arrows.filter_map(|arrow| {
        let (name, on) = (&package.name, &arrow.name);
        if KEPT.contains(&on.as_str()) {
            return Some(format!("{name}: it stands on {on}, which is not published"));
        }
        let what = format!("{name}: it names no version of {on}; give one in the root Cargo.toml");
        (arrow.version == ANY_VERSION).then_some(what)
    });
    wrong.collect()
}

/// How cargo tells of a dependency that has no version.
const ANY_VERSION: &str = "*";

/// What stays here: the project's own tasks, tests and tools.
pub(crate) const KEPT: &[&str] =
    &["xtask", "synod-book", "synod-fuzz", "synod-simulated", "synod-shell", "synod-prove"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Dependency;

    fn package(name: &str, arrows: &[(&str, bool)]) -> Package {
        let arrow = |(name, for_tests): &(&str, bool)| Dependency {
            name: (*name).into(),
            version: "^1".into(),
            for_tests: *for_tests,
            conditional: false,
        };
        let dependencies = arrows.iter().map(arrow).collect();
        Package { name: name.into(), dependencies, tests: Vec::new(), is_library: true }
    }

    #[test]
    fn each_crate_comes_behind_what_it_stands_on() {
        let all = [
            package("c", &[("b", false), ("a", false)]),
            package("b", &[("a", false), ("c", true)]),
            package("a", &[("serde", false)]),
            package("xtask", &[]),
        ];
        let names: Vec<&str> =
            in_order(&all).unwrap_or_default().iter().map(|it| &*it.name).collect();
        assert_eq!(names, ["a", "b", "c"]);
        assert!(in_order(&[package("x", &[("y", false)]), package("y", &[("x", false)])]).is_err());
    }

    #[test]
    fn what_is_wrong_in_a_crate_is_named() {
        assert_eq!(wrong_in("a", &BTreeSet::from(["Cargo.toml", "src/lib.rs"])), [""; 0]);
        assert_eq!(wrong_in("a", &BTreeSet::from(["Cargo.toml", "tests/node.key"])).len(), 2);
    }

    #[test]
    fn the_crates_of_this_workspace_have_an_order() {
        let all = packages().unwrap_or_default();
        let ordered = in_order(&all).unwrap_or_default();
        assert!(ordered.len() >= 15, "{} crates", ordered.len());
        let kept = all.iter().filter(|package| KEPT.contains(&package.name.as_str()));
        assert_eq!(kept.count(), KEPT.len(), "every crate that is kept exists");
        let wrong: Vec<String> = ordered.iter().flat_map(|it| unpublished(it)).collect();
        assert_eq!(wrong, [""; 0]);
    }

    #[test]
    fn what_no_registry_would_take_is_named() {
        let fine = package("a", &[("b", false), ("xtask", true)]);
        assert_eq!(unpublished(&fine), [""; 0]);
        let kept = unpublished(&package("a", &[("synod-prove", false)]));
        assert_eq!(kept, ["a: it stands on synod-prove, which is not published"]);
        let mut by_path = package("a", &[("b", false), ("c", true)]);
        by_path.dependencies.iter_mut().for_each(|arrow| arrow.version = ANY_VERSION.into());
        let found = unpublished(&by_path);
        assert!(
            found.len() == 1 && found[0].starts_with("a: it names no version of b"),
            "{found:?}"
        );
        let keys = BTreeSet::from(["src/lib.rs", "tests/a.pem", "tests/b.key"]);
        assert_eq!(wrong_in("a", &keys).len(), 2);
    }
}
