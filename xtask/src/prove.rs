//! The verb `prove`: builds the prover, and hands over to it.
//!
//! What is proved is left to `synod-prove`, and so are its flags. The solver is a program of the
//! system: where CI finds none, it asks the system's package manager for it.

use std::env;
use std::ffi::OsString;

use crate::outcome::{Failure, Outcome};
use crate::said::say;
use crate::shell::Step;
use crate::workspace::{is_installed, target_dir};

/// The verb.
pub(crate) fn run(arguments: &mut lexopt::Parser) -> Outcome {
    let flags: Vec<OsString> = arguments.raw_args()?.collect();
    if env::var_os("CI").is_some() {
        install(SOLVER)?;
        if flags.iter().any(|flag| flag == "--cross") {
            install(SECOND_SOLVER)?;
        }
    }
    Step::cargo().args(["build", "--locked", "--quiet", "-p", "synod-prove"]).run()?;
    let name = format!("synod-prove{}", env::consts::EXE_SUFFIX);
    Step::new(target_dir().join("debug").join(name)).args(&flags).become_it()
}

/// Installs a solver, if it is not there, on a machine that is CI's own.
fn install(solver: &str) -> Outcome {
    if is_installed(solver) {
        return Ok(());
    }
    say!("prove: installing {solver} by apt-get");
    let lists = Step::new("apt-get").args(["update", "--quiet"]);
    let install = Step::new("apt-get").args(["install", "--yes", "--quiet", solver]);
    let with_sudo = |step: &Step| match is_installed("sudo") {
        true => Step::new("sudo").args(step.words()),
        false => step.clone(),
    };
    // Without lists of its own a fresh image knows no package; with them, the update may fail.
    let _ = with_sudo(&lists).status();
    let ended = with_sudo(&install).run();
    ended.map_err(|failure| {
        let remedy = format!("install {solver}; `cargo xtask prove` asks it every question");
        Failure::Internal(format!(
            "{solver} is missing and cannot be installed: {failure}; {remedy}"
        ))
    })
}

/// The solver that every proof needs.
pub(crate) const SOLVER: &str = "z3";

/// The one that is asked as well, by night.
pub(crate) const SECOND_SOLVER: &str = "cvc5";
