//! The verb `fuzz`: broken bytes for every decoder, for some seconds each.
//!
//! The work is that of `synod-fuzz`, which needs no other toolchain than the one that is pinned.
//! What it is committed to is replayed by its tests, as part of `cargo xtask test`.

use std::ffi::OsString;

use crate::outcome::Outcome;
use crate::shell::Step;
use crate::workspace::target_dir;

/// Builds, and hands the flags on.
pub(crate) fn run(arguments: &mut lexopt::Parser) -> Outcome {
    let flags: Vec<OsString> = arguments.raw_args()?.collect();
    Step::cargo().args(["build", "--locked", "--quiet", "-p", "synod-fuzz"]).run()?;
    let name = format!("synod-fuzz{}", std::env::consts::EXE_SUFFIX);
    Step::new(target_dir().join("debug").join(name)).args(flags).become_it()
}
