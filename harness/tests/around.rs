//! What a description has run around a run: `setup`, `stop` and `teardown`, on every end of it.
//!
//! The system under test is `synod-fake`, and the commands are small shell scripts that write down
//! when they were run. What each end of a run leaves behind is looked for in the process table.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use serde_json::{Value, json};

const HARNESS: &str = env!("CARGO_BIN_EXE_synod-harness");
const FAKE: &str = env!("CARGO_BIN_EXE_synod-fake");

/// A folder of its own for a test, gone when the test ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("synod-around-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// A run of the stand-in with this bug, and with these commands around it.
    fn chaos(&self, bug: &str, around: Value, flags: &[&str]) -> Command {
        let mut system = json!({
            "name": "fake",
            "serve": ["{binary}", "serve", "--id", "{node}", "--bug", bug,
                "--peer-listen", "{peer-listen}", "--client-listen", "{client-listen}",
                {"per_peer": ["--other", "{peer}={address}"]}],
            "bridge": ["{binary}", "bridge", "--bug", bug,
                {"per_node": ["--other", "{peer}={address}"]}],
        });
        system.as_object_mut().unwrap().extend(around.as_object().unwrap().clone());
        let path = self.0.join("fake.json");
        std::fs::write(&path, system.to_string()).unwrap();
        let mut command = Command::new(HARNESS);
        command.arg("chaos").arg("--system").arg(&path).args(["--binary", FAKE, "--seed", "7"]);
        command.args(["--nemesis", "calm", "--workload", "registers"]).args(flags);
        command.arg("--runs-dir").arg(self.0.join("runs"));
        command
    }

    /// A script that notes that it was run, and then does something.
    fn notes(&self, what: &str, then: &str) -> Value {
        let notes = self.0.join("notes").display().to_string();
        json!(["sh", "-c", format!("echo {what} >> {notes}; {then}")])
    }

    fn noted(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.0.join("notes")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn report(&self) -> Value {
        let path = self.0.join("runs/latest/report.json");
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    /// The processes that were started for a run in this folder, and live.
    fn processes(&self) -> Vec<String> {
        let needle = self.0.to_string_lossy().into_owned();
        let lines = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
            let path = entry.ok()?.path();
            let environment = std::fs::read(path.join("environ")).ok()?;
            let ours = String::from_utf8_lossy(&environment).contains(&needle);
            ours.then(|| std::fs::read_to_string(path.join("comm")).unwrap_or_default())
        });
        lines.collect()
    }

    /// Waits until no process is left; those that were killed may still be about to go.
    fn assert_no_process(&self) {
        let start = Instant::now();
        while !self.processes().is_empty() {
            assert!(start.elapsed() < Duration::from_secs(5), "{:?}", self.processes());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// Runs a command and asserts its exit code; returns what it printed.
fn check(mut command: Command, code: i32) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let [stdout, stderr] = [stdout, stderr].map(|text| String::from_utf8(text).unwrap());
    assert_eq!(status.code(), Some(code), "stdout:\n{stdout}\nstderr:\n{stderr}");
    stdout + &stderr
}

/// A daemon that nobody waits for.
const DAEMON: &str = "setsid sleep 600 >/dev/null 2>&1 & echo $! > {run}/daemon";

#[test]
fn a_run_is_set_up_stopped_and_torn_down_in_order() {
    let scratch = Scratch::new("order");
    let around = json!({
        "setup": {
            "cluster": scratch.notes("setup {nodes} $WHO", &format!("test ! -e {{dir}}; {DAEMON}")),
            "node": scratch.notes("setup-{node}", "mkdir {data}"),
        },
        "init": scratch.notes("init", "mkdir {dir}"),
        "create": scratch.notes("create-{node}", "test -d {data}"),
        "stop": {
            "cluster": scratch.notes("stop", "true"),
            "node": scratch.notes("stop-{node}", "kill -INT {pid}"),
        },
        "audit": ["sh", "-c", "test -e {run}/daemon && test -d {run}/nodes/3/data"],
        "teardown": {
            "node": scratch.notes("teardown-{node}", "rmdir {data}"),
            "cluster": scratch.notes("teardown", "kill $(cat {run}/daemon) && rm {run}/daemon"),
        },
        "env": {"setup": {"WHO": "by {nodes}"}},
    });
    let out = check(scratch.chaos("none", around, &["--time", "3"]), 0);
    let mut noted = scratch.noted();
    // Nodes are stopped and torn down together.
    noted[9..12].sort_unstable();
    noted[12..15].sort_unstable();
    let wanted = [
        "setup 3 by 3",
        "setup-1",
        "setup-2",
        "setup-3",
        "init",
        "create-1",
        "create-2",
        "create-3",
        "stop",
        "stop-1",
        "stop-2",
        "stop-3",
        "teardown-1",
        "teardown-2",
        "teardown-3",
        "teardown",
    ];
    assert_eq!(noted, wanted, "{out}");
    let report = scratch.report();
    let exits = report["nodes"][0]["exits"].to_string();
    assert!(exits.contains("ended by the stop of the description: signal 2"), "{exits}");
    let checks = report["checks"].as_array().unwrap().iter();
    let mut names = checks.map(|check| check["name"].as_str().unwrap());
    assert!(names.any(|name| name == "what was started and set up is stopped and torn down"));
    scratch.assert_no_process();
}

/// A stop that knows all nodes but one; braces that mean themselves are written twice.
const NOT_NODE_2: &str = "test {node} != 2 || {{ echo no node 2 >&2; exit 3; }}; kill {pid}";

#[test]
fn a_violation_is_told_with_a_stop_that_fails_and_with_what_is_left() {
    let scratch = Scratch::new("fails");
    let around = json!({
        "setup": {"cluster": ["sh", "-c", DAEMON]},
        "stop": {"node": ["sh", "-c", NOT_NODE_2]},
        "teardown": {"cluster": scratch.notes("teardown", "true")},
    });
    let out = check(scratch.chaos("stale-read", around, &["--time", "3"]), 1);
    assert_eq!(scratch.noted(), ["teardown"], "{out}");
    let reasons = scratch.report()["reasons"].to_string();
    assert!(reasons.contains("the stop of node 2 failed (exit code 3): no node 2"), "{reasons}");
    assert!(reasons.contains("node 2 ran on for 5 s after its stop; it was killed"), "{reasons}");
    assert!(!reasons.contains("the stop of node 1") && !reasons.contains("node 1 ran on"));
    assert!(reasons.contains("(sleep), which a command of the description had"), "{reasons}");
    scratch.assert_no_process();
}

#[test]
fn a_stop_that_hangs_and_a_tear_down_that_fails_let_no_run_pass() {
    let scratch = Scratch::new("hangs");
    let around = json!({
        "stop": {"cluster": ["sleep", "600"]},
        "teardown": {"node": ["sh", "-c", "test {node} != 3"]},
    });
    let out = check(scratch.chaos("none", around, &["--time", "3"]), 2);
    assert!(out.contains("the stop of the cluster failed (it takes more than 10 s)"), "{out}");
    assert!(out.contains("the tear-down of node 3 failed (exit code 1), and said"), "{out}");
    scratch.assert_no_process();
}

#[test]
fn a_set_up_that_fails_is_torn_down_and_no_node_is_started() {
    let scratch = Scratch::new("unset");
    let around = json!({
        "setup": {
            "cluster": scratch.notes("setup", DAEMON),
            "node": scratch.notes("setup-{node}", "test {node} = 1 || cat /no-such-file"),
        },
        "teardown": {"cluster": scratch.notes("teardown", "false")},
    });
    let out = check(scratch.chaos("none", around, &["--time", "3"]), 70);
    assert_eq!(scratch.noted(), ["setup", "setup-1", "setup-2", "teardown"]);
    assert!(out.contains("the set-up of node 2 failed (exit code 1)"), "{out}");
    assert!(out.contains("/no-such-file"), "{out}");
    assert!(out.contains("the tear-down of the cluster failed (exit code 1)"), "{out}");
    scratch.assert_no_process();
}

#[test]
fn a_run_that_is_interrupted_is_torn_down_whether_it_was_set_up_or_not() {
    for (name, setup, ready) in [("early", "sleep 600", "setup"), ("late", DAEMON, "create-3")] {
        let scratch = Scratch::new(name);
        let around = json!({
            "setup": {"cluster": scratch.notes("setup", setup)},
            "create": scratch.notes("create-{node}", "true"),
            "teardown": {"cluster": scratch.notes("teardown", "true")},
        });
        let mut command = scratch.chaos("none", around, &["--time", "60"]);
        let harness = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let start = Instant::now();
        while scratch.noted().last().is_none_or(|last| last != ready) {
            assert!(start.elapsed() < Duration::from_secs(30), "{:?}", scratch.noted());
            std::thread::sleep(Duration::from_millis(10));
        }
        // A late one has nodes and a bridge by then, or is about to.
        std::thread::sleep(Duration::from_millis(if name == "late" { 1_500 } else { 0 }));
        let pid = Pid::from_raw(i32::try_from(harness.id()).unwrap()).unwrap();
        rustix::process::kill_process(pid, Signal::INT).unwrap();
        let output = harness.wait_with_output().unwrap();
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(130), "{out}");
        assert_eq!(scratch.noted().last().unwrap(), "teardown", "{out}");
        if name == "late" {
            assert!(out.contains("was left after the tear-down; it was killed"), "{out}");
        }
        scratch.assert_no_process();
    }
}

#[test]
fn a_bridge_is_tried_between_set_up_and_tear_down() {
    let scratch = Scratch::new("tried");
    let around = json!({
        "setup": {"cluster": scratch.notes("setup", "true")},
        "stop": {"node": scratch.notes("stop-{node}", "kill {pid}")},
        "teardown": {"cluster": scratch.notes("teardown", "echo it is gone >&2; exit 1")},
    });
    drop(scratch.chaos("none", around, &[]));
    let mut command = Command::new(HARNESS);
    command.arg("try-bridge").arg(scratch.0.join("fake.json")).args(["--binary", FAKE]);
    command.arg("--runs-dir").arg(scratch.0.join("tried"));
    let output = command.output().unwrap();
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{out}");
    assert!(out.contains("right      `stop` ends the nodes"), "{out}");
    assert!(out.contains("WRONG      `teardown` takes away what `setup` made"), "{out}");
    assert!(out.contains("the tear-down of the cluster failed (exit code 1): it is gone"), "{out}");
    let noted = scratch.noted();
    assert_eq!((noted[0].as_str(), noted[noted.len() - 1].as_str()), ("setup", "teardown"));
    scratch.assert_no_process();
}
