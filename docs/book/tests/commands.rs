//! Runs every command of the book, page by page, in one shell for each page.
//!
//! A block of `sh` is run; the block of `text` behind it must have been printed, line by line,
//! where `...` stands for anything. A block of `sh,gate` has commands that CI runs as steps of its
//! own. The ports that a page names are changed for free ones, so that pages can be run side by
//! side.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may end where its premise fails")]

mod page;

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use page::{Block, pages};

#[test]
fn start() {
    run_page("start");
}

#[test]
fn test_your_own() {
    run_page("test-your-own");
}

#[test]
fn scenarios() {
    run_page("scenarios");
}

#[test]
fn beyond_one_machine() {
    run_page("beyond-one-machine");
}

#[test]
fn service() {
    run_page("service");
}

#[test]
fn certificates() {
    run_page("certificates");
}

#[test]
fn backup() {
    run_page("backup");
}

/// A page with commands has a test above, and every block says what it is.
#[test]
fn every_block_is_of_a_kind_that_is_tested() {
    let source = include_str!("commands.rs");
    for (name, blocks) in pages() {
        for Block { language, text } in &blocks {
            assert!(KINDS.contains(&language.as_str()), "{name}: a block of `{language}`: {text}");
            if language == "sh" {
                assert!(source.contains(&format!("run_page(\"{name}\")")), "{name} has no test");
            }
            if language == "json" {
                let parsed: Result<serde_json::Value, _> = serde_json::from_str(text);
                assert!(parsed.is_ok(), "{name}: {parsed:?}: {text}");
            }
        }
    }
}

/// What CI runs is a verb of its steps: the book asks for nothing that nobody runs.
#[test]
fn commands_of_the_gate_are_steps_of_it() {
    let steps = fs::read_to_string(root().join("xtask/src/ci.rs")).unwrap();
    for (name, blocks) in pages() {
        for block in blocks.iter().filter(|block| block.language == "sh,gate") {
            for line in block.text.lines() {
                let verb =
                    line.strip_prefix("cargo xtask ").and_then(|rest| rest.split(' ').next());
                let is_step = verb.is_some_and(|verb| steps.contains(&format!("\"{verb}\"")));
                assert!(is_step, "{name}: `{line}` is no step of CI");
            }
        }
    }
}

/// Runs the blocks of a page, and holds what they printed against the page.
fn run_page(name: &str) {
    let (_, blocks) = pages().into_iter().find(|(page, _)| page == name).unwrap();
    let scratch = Scratch::new(name);
    let script: String = blocks
        .iter()
        .enumerate()
        .filter(|(_, block)| block.language == "sh")
        .map(|(at, block)| format!("echo '{MARK} {at}'\n{}", block.text))
        .collect();
    let binaries = binaries();
    let script = free_ports(&script.replace("$PWD/target/debug", &binaries.to_string_lossy()))
        .replace(" target/debug/", &format!(" {}/", binaries.display()))
        .replace("\ntarget/debug/", &format!("\n{}/", binaries.display()));
    let path = scratch.0.join("page.sh");
    // Whatever a page leaves running ends with it.
    let trap = "trap 'kill -KILL $(jobs -p) 2> /dev/null || true' EXIT";
    fs::write(&path, format!("set -euo pipefail\n{trap}\n{script}")).unwrap();
    let mut command = Command::new("timeout");
    page::as_from_a_shell(&mut command);
    let output = command
        .args(["--signal=TERM", "--kill-after=5", LIMIT_S, "bash"])
        .arg(&path)
        .current_dir(if script.contains("cargo build") { root() } else { scratch.0.clone() })
        .env("PATH", format!("{}:{}", binaries.display(), std::env::var("PATH").unwrap()))
        .env("CARGO_TARGET_DIR", binaries.parent().unwrap())
        .env("TMPDIR", &scratch.0)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = String::from_utf8_lossy(&output.stderr);
    let script = fs::read_to_string(&path).unwrap();
    assert!(output.status.success(), "{}: {script}\n{printed}\n{said}", output.status);
    for (at, block) in blocks.iter().enumerate().skip(1) {
        if block.language == "text" && blocks[at - 1].language == "sh" {
            let of_block = printed.split(&format!("{MARK} {}\n", at - 1)).nth(1).unwrap();
            let of_block = of_block.split(MARK).next().unwrap();
            assert!(says(of_block, &block.text), "expected {}\nprinted {of_block}", block.text);
        }
    }
}

/// Says whether each expected line was printed, in this order.
fn says(printed: &str, expected: &str) -> bool {
    let mut lines = printed.lines();
    expected.lines().all(|wanted| lines.any(|line| like(line, wanted)))
}

/// Says whether a line is the wanted one, where `...` stands for anything.
fn like(line: &str, wanted: &str) -> bool {
    let mut parts = wanted.split("...");
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut open = false;
    for part in parts {
        open = true;
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    open || rest.is_empty()
}

/// Changes each base port of `init` for one whose ports are free.
fn free_ports(script: &str) -> String {
    let mut parts = script.split(BASE_PORT);
    let mut changed = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit());
        changed.push_str(&format!("{BASE_PORT}{}{rest}", free_base()));
    }
    changed
}

/// Finds a base port above which the ports of three nodes are free.
fn free_base() -> u16 {
    // Clients come by UDP, and metrics are asked for by TCP on the number of that port.
    let free = |port: u16| {
        UdpSocket::bind(("127.0.0.1", port)).is_ok()
            && TcpListener::bind(("127.0.0.1", port)).is_ok()
    };
    let all_free = |base: u16| (1..=9).all(|node| free(base + node) && free(base + 100 + node));
    // The system's own choice is a place to look from that differs from test to test.
    let anywhere = || UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let bases = (0..1_000).map(|_| anywhere().min(65_000));
    bases.into_iter().find(|base| all_free(*base)).expect("some ports are free")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Gives the folder that cargo puts programs into, with the two that the pages use.
fn binaries() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(page::built).clone()
}

/// A folder that goes when the test ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("book-{name}"));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn dots_stand_for_anything() {
    assert!(says("a\nVIOLATION: x, y z\n", "VIOLATION... y...\n"));
    assert!(
        !says("a\nPASS\n", "VIOLATION...\n") && !says("78\n", "7\n") && !says("7\n8\n", "8\n7\n")
    );
}

const KINDS: [&str; 8] = ["sh", "sh,gate", "rust", "json", "toml", "text", "python", "ini"];
const BASE_PORT: &str = "--base-port ";
const MARK: &str = "=== block";
/// How long a page may take; on two busy processors most of it is building.
const LIMIT_S: &str = "900";
