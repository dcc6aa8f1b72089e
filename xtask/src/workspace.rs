//! Where things are: the root, the target folder, and what `cargo metadata` says of the crates.

use std::env;
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::Value;

use crate::outcome::Failure;
use crate::shell::Step;

pub(crate) use crate::root::{ROOT_VARIABLE, root};

/// Gives the folder that cargo builds into.
pub(crate) fn target_dir() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root().join(folder),
        None => root().join("target"),
    }
}

/// Gives the paths, relative to the root, of all files that git knows or would take in.
pub(crate) fn files() -> Result<Vec<String>, Failure> {
    let listed = Step::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .capture()?;
    // Git also lists what was deleted in the working tree and is still in its index.
    let present = |path: &&str| !path.is_empty() && root().join(path).is_file();
    let mut paths: Vec<String> = listed.split('\0').filter(present).map(String::from).collect();
    paths.sort();
    // A file that is in conflict is listed once for each side.
    paths.dedup();
    Ok(paths)
}

/// A crate of the workspace, as `cargo metadata` describes it.
#[derive(Clone, Debug)]
pub(crate) struct Package {
    /// Its name, such as `synod-paxos`.
    pub(crate) name: String,
    /// Its dependencies of every kind.
    pub(crate) dependencies: Vec<Dependency>,
    /// The names of its integration tests.
    pub(crate) tests: Vec<String>,
    /// Whether it has a library.
    pub(crate) is_library: bool,
}

/// An arrow from one crate to another.
#[derive(Clone, Debug)]
pub(crate) struct Dependency {
    /// The name of the crate that is depended on.
    pub(crate) name: String,
    /// Which versions of it will do.
    pub(crate) version: String,
    /// Whether only tests need it.
    pub(crate) for_tests: bool,
    /// Whether it is needed under one `cfg` alone, such as loom's.
    pub(crate) conditional: bool,
}

/// Asks cargo for the crates of the workspace.
pub(crate) fn packages() -> Result<Vec<Package>, Failure> {
    let text = Step::cargo()
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .capture()?;
    parse_metadata(&text).ok_or_else(|| {
        Failure::Internal("the answer of `cargo metadata` has an unknown form".into())
    })
}

/// Gives the crates that have an integration test of this name.
pub(crate) fn packages_with_test(test: &str) -> Result<Vec<Package>, Failure> {
    let mut packages = packages()?;
    packages.retain(|package| package.tests.iter().any(|name| name == test));
    Ok(packages)
}

/// Reads what `cargo metadata --no-deps` printed.
pub(crate) fn parse_metadata(text: &str) -> Option<Vec<Package>> {
    let metadata: Value = serde_json::from_str(text).ok()?;
    metadata["packages"].as_array()?.iter().map(parse_package).collect()
}

fn parse_package(package: &Value) -> Option<Package> {
    let is = |target: &Value, wanted: &str| {
        target["kind"].as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == wanted))
    };
    let targets = package["targets"].as_array()?;
    Some(Package {
        name: package["name"].as_str()?.into(),
        dependencies: package["dependencies"]
            .as_array()?
            .iter()
            .map(parse_dependency)
            .collect::<Option<_>>()?,
        tests: targets
            .iter()
            .filter(|target| is(target, "test"))
            .filter_map(|target| target["name"].as_str().map(String::from))
            .collect(),
        is_library: targets.iter().any(|target| is(target, "lib")),
    })
}

fn parse_dependency(dependency: &Value) -> Option<Dependency> {
    Some(Dependency {
        name: dependency["name"].as_str()?.into(),
        version: dependency["req"].as_str()?.into(),
        for_tests: dependency["kind"] == "dev",
        conditional: dependency["target"].is_string(),
    })
}

/// Says whether a program answers when it is asked for its version.
pub(crate) fn is_installed(program: &str) -> bool {
    let asked = Step::new(program).arg("--version").start(Stdio::null(), Stdio::null());
    asked
        .and_then(|mut child| child.wait().map_err(|error| Failure::Internal(error.to_string())))
        .is_ok_and(|status| status.success())
}
