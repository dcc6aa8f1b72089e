//! The verb `fuzz`: broken bytes for every decoder, for some seconds each.
//!
//! The work is that of `synod-fuzz`, which needs no other toolchain than the one that is pinned.
//! What it is committed to is replayed by its tests, as part of `cargo xtask test`.

use std::ffi::OsString;

use crate::outcome::Outcome;
use crate::shell::Step;

/// Builds, and hands the flags on.
pub(crate) fn run(arguments: &mut lexopt::Parser) -> Outcome {
    let flags: Vec<OsString> = arguments.raw_args()?.collect();
    Step::cargo().args(["run", "--locked", "--quiet", "-p", "synod-fuzz", "--"]).args(flags).run()
}
