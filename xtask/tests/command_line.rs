//! The command line as people and scripts meet it: what it prints, and what it exits with.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::{Command, Output};

fn xtask(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn without_a_verb_it_lists_all_and_is_content() {
    for arguments in [&[][..], &["--help"], &["-h"], &["help"]] {
        let output = xtask(arguments);
        assert_eq!(output.status.code(), Some(0));
        let list = text(&output.stdout);
        for verb in ["chaos", "demo", "replay", "test", "lint", "tidy", "loom", "model", "spec"] {
            assert!(list.contains(&format!("\n  {verb} ")), "{list}");
        }
        assert!(list.contains("64 usage"), "{list}");
    }
}

#[test]
fn a_verb_says_what_it_takes_and_does_nothing_else() {
    for (arguments, usage) in [
        (&["chaos", "--help"][..], "usage: cargo xtask chaos [--seed N]"),
        (&["help", "chaos"], "usage: cargo xtask chaos [--seed N]"),
        (&["mutants", "-h"], "usage: cargo xtask mutants [--list]"),
        (&["ci", "--help"], "usage: cargo xtask ci\n"),
        (&["chaos", "--seed", "7", "--help"], "usage: cargo xtask chaos "),
    ] {
        let output = xtask(arguments);
        let told = text(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", text(&output.stderr));
        assert!(told.starts_with(usage), "{arguments:?}: {told}");
    }
    assert_eq!(xtask(&["help", "chaso"]).status.code(), Some(64));
}

/// A full disk behind a stream is no success, and no panic.
#[cfg(target_os = "linux")]
#[test]
fn what_cannot_be_printed_is_told_by_the_exit_code() {
    let full = || std::fs::File::options().write(true).open("/dev/full").unwrap();
    for arguments in [&[][..], &["mutants", "--list"], &["release", "--help"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        let output = command.args(arguments).stdout(full()).output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(70), "{arguments:?}: {said}");
        assert!(said.starts_with("error: cannot print what was found: "), "{said}");
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    let ended = command.arg("no-such-verb").stderr(full()).status().unwrap();
    assert_eq!(ended.code(), Some(64), "a reason that cannot be told stays one");
}

#[test]
fn what_it_does_not_know_it_names_with_the_remedy() {
    for (arguments, named) in [
        (&["chaso"][..], "unknown verb `chaso`; the verbs are: chaos,"),
        (&["--frob"], "--frob"),
        (&["chaos", "--frob"], "unknown flag --frob; chaos takes --seed"),
        (&["chaos", "--seed", "x"], "--seed wants a whole number, not `x`"),
        (&["test", "--frob"], "--frob"),
        (&["loom", "-p", "xtask"], "xtask has no tests/loom.rs"),
        (&["lint", "more"], "more"),
        (&["tidy", "--fix"], "--fix"),
        (&["mutants", "--only", "none-of-them"], "no mutant `none-of-them`"),
        (&["demo", "--seed"], "--seed"),
        (&["ci", "x"], "x"),
        (&["doctor", "x"], "x"),
        (&["replay", "no/such/run"], "no run `no/such/run`"),
    ] {
        let output = xtask(arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(64), "{arguments:?}: {said}");
        assert!(said.contains(named), "{arguments:?}: {said}");
        assert!(said.contains("`cargo xtask` without a verb lists all verbs"), "{said}");
    }
}

#[test]
fn the_catalogue_of_mutants_can_be_read() {
    let output = xtask(&["mutants", "--list"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let list = text(&output.stdout);
    assert!(list.lines().any(|line| line.starts_with("K01 ")), "{list}");
}
