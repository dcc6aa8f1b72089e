//! Sabotages: runs in which something is not what it seems, and which therefore must not pass.
//!
//! A fault that was not, a server that is not the one that was tested, a cluster that serves
//! between faults alone: each would make the finest PASS of a system that nobody tested. Here each
//! is done on real processes, and the run that meets it must say VOID and why; the page on verdicts
//! lists them.
//! What would have to be done inside of the harness itself is a seeded bug of `harness/mutants`,
//! and the run of this file that is to pass does not with it.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

const HARNESS: &str = env!("CARGO_BIN_EXE_synod-harness");
const FAKE: &str = env!("CARGO_BIN_EXE_synod-fake");

/// A folder of its own for a test, gone when the test ends.
struct Scratch(PathBuf);

/// A run that came to its end.
struct Run {
    code: Option<i32>,
    said: String,
    report: Value,
}

impl Scratch {
    fn new(name: &str) -> Self {
        let name = format!("synod-sabotage-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Runs the stand-in with a bug through these faults, each in so many words of a scenario.
    fn run(&self, bug: &str, time_ms: u32, faults: &[&str]) -> Run {
        let system = self.0.join("fake.json");
        let text = r#"{"name": "fake",
            "serve": ["{binary}", "serve", "--id", "{node}", "--bug", "BUG",
                "--peer-listen", "{peer-listen}", "--client-listen", "{client-listen}",
                {"per_peer": ["--other", "{peer}={address}"]}],
            "bridge": ["{binary}", "bridge", "--bug", "BUG",
                {"per_node": ["--other", "{peer}={address}"]}]}"#;
        std::fs::write(&system, text.replace("BUG", bug)).unwrap();
        let mut command = Command::new(HARNESS);
        command.arg("chaos").arg("--system").arg(&system).args(["--binary", FAKE]);
        command.arg("--runs-dir").arg(self.0.join("runs"));
        if faults.is_empty() {
            let seconds = time_ms.div_ceil(1_000).to_string();
            command.args(["--nemesis", "calm", "--seed", "7", "--time", &seconds]);
        } else {
            let head = format!("seed = 7\nnodes = 3\nclients = 4\ntime_ms = {time_ms}\n");
            let faults = faults.iter().map(|fault| format!("\n[[faults]]\n{fault}\n"));
            let scenario = self.0.join("scenario.toml");
            std::fs::write(&scenario, head + &faults.collect::<String>()).unwrap();
            command.arg("--scenario").arg(&scenario);
        }
        let Output { status, stdout, stderr } = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let said = format!("{}{}", text(stdout), text(stderr));
        let report = std::fs::read(self.0.join("runs/latest/report.json")).unwrap_or_default();
        let report = serde_json::from_slice(&report).unwrap_or_default();
        Run { code: status.code(), said, report }
    }
}

/// Runs a server that leaves its wrapper, until nobody saw it leave.
///
/// Whoever looks between its birth and the end of its parent knows it from then on, and the fault
/// hits it: such a run is right to pass, and shows nothing of the sabotage.
fn hidden_from_sight(name: &str, bug: &str, fault: &str) -> Run {
    let runs = (0..SIGHTS_MAX).map(|_| Scratch::new(name).run(bug, 3_000, &[fault]));
    let mut unseen = runs.filter(|run| run.code != Some(0));
    unseen.next().expect("the server was seen in each run")
}

/// How many runs may see the server leave.
const SIGHTS_MAX: usize = 6;

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

impl Run {
    /// Asserts that the run is void, and that one of its reasons has these words.
    fn is_void(&self, words: &str) {
        assert_eq!(self.code, Some(2), "{}", self.said);
        assert_eq!(self.report["verdict"], "void", "{}", self.said);
        let reasons = self.report["reasons"].to_string();
        assert!(reasons.contains(words), "{reasons}");
    }
}

const KILL: &str = "at_ms = 500\nlasts_ms = 1500\naction = \"kill\"\ntarget = { node = 1 }";
const PAUSE: &str = "at_ms = 500\nlasts_ms = 1500\naction = \"pause\"\ntarget = { node = 1 }";

/// The same faults without a sabotage, and the whole of what witnesses ask. Whatever is amiss
/// inside of the harness makes this run fail.
#[test]
fn without_a_sabotage_a_run_passes_and_its_witnesses_saw_each_fault() {
    let faults = [
        "at_ms = 500\nlasts_ms = 1000\naction = \"kill\"\ntarget = { node = 1 }",
        "at_ms = 2000\nlasts_ms = 1000\naction = \"pause\"\ntarget = { node = 2 }",
        "at_ms = 3500\nlasts_ms = 1000\naction = \"isolate\"\ntarget = { node = 3 }",
        "at_ms = 5000\nlasts_ms = 1000\naction = \"retire\"\ntarget = { node = 3 }",
    ];
    let run = Scratch::new("none").run("none", 7_000, &faults);
    assert_eq!(run.code, Some(0), "{}", run.said);
    let faults = run.report["faults"].as_array().unwrap();
    assert_eq!(faults.len(), 4);
    assert!(faults.iter().all(|fault| fault["effective"] == true), "{faults:?}");
    let parts = &run.report["exercise"]["parts"];
    assert_eq!(parts["all"], 80, "each of them spares most nodes: {parts}");
}

#[test]
fn a_kill_that_hits_a_wrapper_is_no_kill() {
    let run = hidden_from_sight("wrapper", "hidden", KILL);
    run.is_void("kill (node 1) did not happen: process");
    run.is_void("which held the ports of node 1, was not among those killed");
}

#[test]
fn a_pause_that_stops_a_wrapper_pauses_nothing() {
    let run = hidden_from_sight("pause", "hidden", PAUSE);
    run.is_void("pause (node 1) did not happen: process");
    run.is_void("which holds the ports of node 1, was not stopped");
}

/// What a node started is a part of it, whatever session it went to: such a server is hit, so that
/// its run shows something.
#[test]
fn faults_reach_a_server_in_a_session_of_its_own() {
    let faults = [
        "at_ms = 500\nlasts_ms = 1000\naction = \"kill\"\ntarget = { node = 1 }",
        "at_ms = 2000\nlasts_ms = 1000\naction = \"pause\"\ntarget = { node = 2 }",
        "at_ms = 3500\nlasts_ms = 1000\naction = \"isolate\"\ntarget = { node = 3 }",
    ];
    let run = Scratch::new("session").run("detached", 5_500, &faults);
    assert_eq!(run.code, Some(0), "{}", run.said);
    let faults = run.report["faults"].as_array().unwrap();
    assert!(faults.iter().all(|fault| fault["effective"] == true), "{faults:?}");
}

#[test]
fn a_cut_that_nodes_go_around_cuts_nothing() {
    let cut = "at_ms = 1500\nlasts_ms = 1500\naction = \"isolate\"\ntarget = { node = 1 }";
    let run = Scratch::new("detour").run("detour", 4_000, &[cut]);
    run.is_void("isolate (1 | 2 3) did not happen: process");
    run.is_void("that goes past the proxies, while 1->2 was cut");
}

#[test]
fn a_server_that_leaves_its_process_is_a_doubt_and_no_violation() {
    let run = Scratch::new("daemon").run("daemon", 4_000, &[]);
    run.is_void("ended (exit code 0), and its ports are held by others");
    run.is_void("let the server run in the foreground");
}

#[test]
fn a_server_that_is_back_before_its_kill_ends_was_not_down() {
    let run = hidden_from_sight("revived", "revived", KILL);
    run.is_void("node 1 was to be down, and process");
    run.is_void("took its ports meanwhile");
}

#[test]
fn a_server_that_a_supervisor_starts_again_unseen_is_told() {
    let run = Scratch::new("supervised").run("supervised", 4_000, &[]);
    run.is_void("the ports of node 1 went from process");
}

#[test]
fn operations_that_are_refused_while_faults_go_on_show_nothing_of_them() {
    let kill = KILL.replace("1500", "4000");
    let run = Scratch::new("refuses").run("refuses-in-faults", 5_500, &[&kill]);
    run.is_void("(rule `served_percent`)");
}

#[test]
fn reads_that_are_refused_leave_writes_that_nobody_saw() {
    let run = Scratch::new("reads").run("rarely-reads", 3_000, &[]);
    run.is_void("(rule `reads_per_mille`)");
}

#[test]
fn the_status_of_another_node_ends_the_run_as_a_fault_of_the_bridge() {
    let run = Scratch::new("status").run("other-node", 2_000, &[]);
    assert_eq!(run.code, Some(70), "{}", run.said);
    assert!(run.said.contains("was asked, and this is of node 77"), "{}", run.said);
}
