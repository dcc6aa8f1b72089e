//! Servers that others wrote, as Debian packages them: what they promise holds, and what they do
//! not promise is found.
//!
//! The examples of `examples/etcd`, `examples/redis` and `examples/zookeeper` are descriptions and
//! bridges of Python. Where a server is not installed its test says so and tries nothing. Each is
//! one short run, repeated where a busy machine did too little for a verdict or missed what is
//! rare: how often is measured by hand, and stands in the book.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]
#![allow(clippy::print_stderr, reason = "a test that is skipped says why")]

mod store;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use store::{has_python, text_of};

const HARNESS: &str = env!("CARGO_BIN_EXE_synod-harness");
const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");

/// How often a run is tried that a busy machine may spoil.
const TRIES: u32 = 4;

/// Returns whether a command can be run; says so if it cannot.
fn has(program: &str, flags: &[&str]) -> bool {
    let mut command = Command::new(program);
    let probe = command.args(flags).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let found = probe.is_ok_and(|status| status.success());
    if !found {
        eprintln!("skipped: `{program} {}` says that it is not installed", flags.join(" "));
    }
    found
}

/// Tells whether a violation is one that clients saw: an ended process is another one.
fn is_of_clients(said: &str) -> bool {
    ["had been acknowledged", "explains what the clients saw"].iter().any(|it| said.contains(it))
}

/// Runs an example until it ends with this code, and returns what the runs said.
fn ends(example: &str, description: &str, flags: &[&str], code: i32) -> (bool, String) {
    let folder = Path::new(EXAMPLES).join(example);
    let runs = std::env::temp_dir().join(format!("synod-{example}-{}", std::process::id()));
    let mut said = String::new();
    let ended = (1..=TRIES).any(|seed| {
        let mut command = Command::new(HARNESS);
        command.arg("chaos").arg("--system").arg(folder.join(description));
        command.arg("--binary").arg(&folder).arg("--runs-dir").arg(&runs);
        let run: Output = command.args(flags).args(["--seed", &seed.to_string()]).output().unwrap();
        said += &text_of(run.stdout);
        said += &text_of(run.stderr);
        run.status.code() == Some(code)
    });
    drop(std::fs::remove_dir_all::<PathBuf>(runs));
    (ended, said)
}

#[test]
fn etcd_keeps_its_promise_while_its_leader_is_cut_off() {
    if !has_python() || !has("etcd", &["--version"]) {
        return;
    }
    let flags = ["--workload", "registers", "--nemesis", "isolate-leader", "--time", "12"];
    let (passed, said) = ends("etcd", "etcd.toml", &flags, 0);
    assert!(passed && !said.contains("VIOLATION"), "{said}");
    let (found, said) = ends("etcd", "serializable.toml", &flags, 1);
    assert!(found && is_of_clients(&said), "reads that one node answers by itself are old: {said}");
}

#[test]
fn redis_loses_what_a_master_acknowledged_that_was_cut_off() {
    if !has_python() || !has("redis-server", &["--version"]) {
        return;
    }
    let scenario = format!("{EXAMPLES}/redis/isolated-master.toml");
    let (found, said) = ends("redis", "redis.toml", &["--scenario", &scenario], 1);
    assert!(found && is_of_clients(&said), "{said}");
}

#[test]
fn zookeeper_answers_reads_from_the_past() {
    let kazoo = ["-c", "import kazoo"];
    let jar = Path::new("/usr/share/java/zookeeper.jar").exists();
    if !has("java", &["-version"]) || !has("/usr/bin/python3", &kazoo) || !jar {
        eprintln!("skipped: ZooKeeper and its client are not both installed");
        return;
    }
    let scenario = format!("{EXAMPLES}/zookeeper/late-follower.toml");
    let (found, said) = ends("zookeeper", "zookeeper.toml", &["--scenario", &scenario], 1);
    assert!(found && is_of_clients(&said), "{said}");
}
