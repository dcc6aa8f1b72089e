//! The store of `examples/quorum_kv`, for the tests that run it: where it is, and whether it can
//! run.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::process::{Command, Stdio};

/// The folder of the store.
pub(crate) const STORE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/quorum_kv");

/// Returns whether there is a Python for the store; says so if there is none.
pub(crate) fn has_python() -> bool {
    let probe = "import sys; sys.exit(sys.version_info < (3, 10))";
    let mut python = Command::new("python3");
    let python = python.args(["-c", probe]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let found = python.is_ok_and(|status| status.success());
    if !found {
        eprintln!("skipped: there is no python3 of version 3.10 or later");
    }
    found
}

/// Reads what a program printed.
///
/// # Panics
///
/// If that is no text.
pub(crate) fn text_of(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("programs print text")
}
