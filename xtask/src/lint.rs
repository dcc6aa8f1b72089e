//! The verb `lint`: formatting, clippy and rustdoc over the whole workspace.
//!
//! The lints themselves are the table in the root `Cargo.toml` and the `clippy.toml` of each
//! core; here their warnings become errors.

use crate::outcome::{Failure, Outcome};
use crate::said::say;
use crate::shell::Step;

/// Runs all three, however the first ones end, so that one call shows everything.
pub(crate) fn run(arguments: &mut lexopt::Parser) -> Outcome {
    if let Some(argument) = arguments.next()? {
        return Err(argument.unexpected().into());
    }
    let mut failures = Vec::new();
    for step in steps() {
        say!("lint: {step}");
        if let Err(failure) = step.run() {
            failures.push(failure.to_string());
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(Failure::Found(failures.join("\n"))) }
}

fn steps() -> Vec<Step> {
    let clippy = ["clippy", "--locked", "--all-targets"];
    let deny = ["--", "-D", "warnings"];
    vec![
        Step::cargo().args(["fmt", "--all", "--check"]),
        Step::cargo().args(clippy).arg("--workspace").args(deny),
        Step::cargo().args(clippy).args(["-p", "synod-clock", "--all-features"]).args(deny),
        Step::cargo()
            .args(["doc", "--locked", "--workspace", "--no-deps"])
            .env("RUSTDOCFLAGS", "-D warnings"),
    ]
}
