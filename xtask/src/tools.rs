//! Tools of others that a verb needs: each at one exact version, below the target folder.
//!
//! A tool is installed when it is first needed, and once: whoever runs a verb gets the version that
//! CI has, and the machine's own tools stay as they are. What a tool is used for is its verb's.

use std::path::PathBuf;

use crate::outcome::{Failure, Outcome};
use crate::said::say;
use crate::shell::Step;
use crate::workspace::target_dir;

/// A program of a crate that cargo can install.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tool {
    /// The crate.
    pub(crate) name: &'static str,
    /// The program in it.
    pub(crate) program: &'static str,
    /// The one version.
    pub(crate) version: &'static str,
    /// What cargo is told when it builds the tool.
    pub(crate) flags: &'static [&'static str],
    /// What the program wants to hear before any flag, as programs do that are commands of cargo.
    pub(crate) word: Option<&'static str>,
}

impl Tool {
    /// Gives the command that runs the tool, and installs it first if it is not there.
    pub(crate) fn ready(&self) -> Result<Step, Failure> {
        if self.found().as_deref() != Some(self.version) {
            say!("xtask: installing {} {} below the target folder", self.name, self.version);
            self.install()?;
        }
        match self.found() {
            Some(found) if found == self.version => Ok(self.step()),
            found => Err(Failure::Internal(format!("{} calls itself {found:?}", self.name))),
        }
    }

    fn install(&self) -> Outcome {
        let tools = target_dir().join("tools");
        // Forced, as another version may lie there under the same name.
        Step::cargo()
            .args(["install", self.name, "--locked", "--force", "--version", self.version])
            .args(self.flags)
            .arg("--root")
            .arg(&tools)
            .arg("--target-dir")
            .arg(tools.join("build"))
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .run()
    }

    /// Asks the program for its version.
    fn found(&self) -> Option<String> {
        if !self.program().is_file() {
            return None;
        }
        let said = self.step().arg("--version").capture().ok()?;
        said.split_whitespace().last().map(|word| word.trim_start_matches('v').to_owned())
    }

    fn step(&self) -> Step {
        self.word.into_iter().fold(Step::new(self.program()), Step::arg)
    }

    fn program(&self) -> PathBuf {
        let file = format!("{}{}", self.program, std::env::consts::EXE_SUFFIX);
        target_dir().join("tools").join("bin").join(file)
    }
}

/// Makes the book. Without its server and its search it builds in two minutes on four cores, and
/// an unoptimised one writes a book in a second.
pub(crate) const MDBOOK: Tool = Tool {
    name: "mdbook",
    program: "mdbook",
    version: "0.5.4",
    flags: &["--no-default-features", "--profile", "dev"],
    word: None,
};

/// Makes mutants; the list of survivors names those of this version.
pub(crate) const CARGO_MUTANTS: Tool = command("cargo-mutants", "27.1.0", &[], "mutants");

/// Reads every word.
pub(crate) const TYPOS: Tool =
    Tool { name: "typos-cli", program: "typos", version: "1.42.3", flags: UNOPTIMISED, word: None };

/// Compiles crates one by one, with each set of their features.
pub(crate) const CARGO_HACK: Tool = command("cargo-hack", "0.6.46", UNOPTIMISED, "hack");

/// Looks dependencies over.
pub(crate) const CARGO_DENY: Tool = command("cargo-deny", "0.20.2", UNOPTIMISED, "deny");

/// Counts what tests run.
pub(crate) const CARGO_LLVM_COV: Tool = command("cargo-llvm-cov", "0.9.1", UNOPTIMISED, "llvm-cov");

/// Compares interfaces with those of a release.
pub(crate) const CARGO_SEMVER_CHECKS: Tool =
    command("cargo-semver-checks", "0.51.0", UNOPTIMISED, "semver-checks");

/// What runs for seconds need not be compiled for minutes.
const UNOPTIMISED: &[&str] = &["--profile", "dev"];

/// Names a tool that is a command of cargo.
const fn command(
    name: &'static str,
    version: &'static str,
    flags: &'static [&'static str],
    word: &'static str,
) -> Tool {
    Tool { name, program: name, version, flags, word: Some(word) }
}
