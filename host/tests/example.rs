//! The example runs, and fits on a page.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[path = "../examples/three/main.rs"]
mod three;

use std::path::PathBuf;

#[test]
fn three_hosts_in_one_thread_answer() {
    let name = format!("three-hosts-{}", std::process::id());
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).unwrap();
    assert_eq!(three::ask(&folder, b"who is there").unwrap(), "who is there");
    // The second run goes on with the journals of the first.
    assert_eq!(three::ask(&folder, b"and now").unwrap(), "and now");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn the_example_fits_on_a_page() {
    let text = include_str!("../examples/three/main.rs");
    assert!(text.lines().count() <= 60, "the example is for reading at a glance");
}
