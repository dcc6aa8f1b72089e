//! The guard, seen from outside: it becomes the command, with limits, in a group of its own.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::path::Path;
use std::process::Output;

use synod_live::guard::{Guard, Limits};

fn guarded(limits: Limits, script: &str) -> Output {
    let guard = Guard::at(env!("CARGO_BIN_EXE_synod-harness"));
    let arguments = ["-c".into(), script.into()];
    guard.command(Path::new("sh"), &arguments, limits).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn the_command_has_the_limits_that_were_asked_for_and_no_core_file() {
    let limits =
        Limits { files: Some(77), file_bytes: Some(1_048_576), memory_bytes: Some(1 << 30) };
    let output = guarded(limits, "ulimit -n; ulimit -f; ulimit -v; ulimit -c");
    // The shell counts files in blocks of 512 bytes and memory in KiB.
    assert_eq!(text(&output), "77\n2048\n1048576\n0");
}

#[test]
fn without_limits_the_command_has_those_of_the_harness() {
    let mine = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap();
    let output = guarded(Limits::default(), "ulimit -n");
    assert_eq!(text(&output), mine.to_string());
}

#[test]
fn the_command_leads_its_own_process_group_and_keeps_the_guards_number() {
    let output = guarded(Limits::default(), "echo $$; cut -d' ' -f5 /proc/$$/stat");
    let seen = text(&output);
    let (pid, group) = seen.split_once('\n').unwrap();
    assert_eq!(pid, group);
}

#[test]
fn the_exit_code_is_the_commands_own() {
    assert_eq!(guarded(Limits::default(), "exit 37").status.code(), Some(37));
}

#[test]
fn a_command_that_is_not_there_is_named() {
    let guard = Guard::at(env!("CARGO_BIN_EXE_synod-harness"));
    let mut command = guard.command(Path::new("/nonexistent"), &[], Limits::default());
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(70));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("cannot execute /nonexistent"), "{error}");
}

#[test]
fn a_guard_that_is_not_its_parents_child_runs_nothing() {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_synod-harness"));
    let output = command.args(["guard", "--parent", "1", "--", "echo", "ran"]).output().unwrap();
    assert_eq!(output.status.code(), Some(70));
    assert_eq!(text(&output), "");
}
