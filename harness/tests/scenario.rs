//! Scenarios on real processes: faults that overlap, what no live run can do, and the commands.
//!
//! The system under test is `synod-fake`, so that these tests need no consensus.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

const HARNESS: &str = env!("CARGO_BIN_EXE_synod-harness");
const FAKE: &str = env!("CARGO_BIN_EXE_synod-fake");
const SCENARIOS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");

/// A folder of its own for a test, gone when the test ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let name = format!("synod-scenario-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        let text = r#"{"name": "fake",
            "serve": ["{binary}", "serve", "--id", "{node}", "--bug", "none",
                "--peer-listen", "{peer-listen}", "--client-listen", "{client-listen}",
                {"per_peer": ["--other", "{peer}={address}"]}],
            "bridge": ["{binary}", "bridge", "--bug", "none",
                {"per_node": ["--other", "{peer}={address}"]}]}"#;
        std::fs::write(path.join("fake.json"), text).unwrap();
        Self(path)
    }

    fn chaos(&self, flags: &[&str]) -> Command {
        let mut command = Command::new(HARNESS);
        command.arg("chaos").arg("--system").arg(self.0.join("fake.json"));
        command.args(["--binary", FAKE, "--runs-dir"]).arg(self.0.join("runs")).args(flags);
        command
    }

    fn latest(&self, name: &str) -> Value {
        let path = self.0.join("runs/latest").join(name);
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// Runs a command and asserts its exit code; returns what it printed.
fn check(mut command: Command, code: i32) -> (String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let stdout = String::from_utf8(stdout).unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(code), "stdout:\n{stdout}\nstderr:\n{stderr}");
    (stdout, stderr)
}

fn scenario(words: &[&str]) -> Command {
    let mut command = Command::new(HARNESS);
    command.arg("scenario").args(words);
    command
}

fn kept(name: &str) -> String {
    Path::new(SCENARIOS).join(name).display().to_string()
}

#[test]
fn every_exit_code_of_a_verdict_is_in_the_help() {
    for words in [&["--help"][..], &["chaos", "--help"]] {
        let mut help = Command::new(HARNESS);
        help.args(words);
        let (out, _) = check(help, 0);
        for code in [0, 1, 2, 3, 64, 70, 130] {
            let line = format!("\n  {code} ");
            assert!(out.contains(&line), "{code}: {out}");
        }
    }
}

#[test]
fn a_list_without_folders_says_where_they_would_be() {
    let scratch = Scratch::new("nowhere");
    let mut list = scenario(&["list"]);
    list.current_dir(&scratch.0);
    let (_, error) = check(list, 64);
    assert!(error.ends_with("; name a folder, or go to the repository\n"), "{error}");
}

/// A path may lead to what has no end, and no memory holds that.
#[test]
fn a_file_without_an_end_is_refused_wherever_one_is_read() {
    let scratch = Scratch::new("endless");
    for name in ["endless.toml", "plan.json"] {
        std::os::unix::fs::symlink("/dev/zero", scratch.0.join(name)).unwrap();
    }
    let endless = scratch.0.join("endless.toml").display().to_string();
    let mut replay = Command::new(HARNESS);
    replay.arg("replay").arg(&scratch.0);
    let mut faults = Command::new(HARNESS);
    faults.args(["faults", &endless]);
    for command in [
        scenario(&["check", &endless]),
        scenario(&["show", &endless]),
        scratch.chaos(&["--scenario", &endless]),
        replay,
        faults,
    ] {
        let (_, error) = check(command, 64);
        assert!(error.contains("it is longer than 67108864 bytes; name a file"), "{error}");
    }
}

#[test]
fn what_a_scenario_cannot_be_run_for_is_told_with_its_file() {
    let scratch = Scratch::new("named");
    for (field, words) in [
        (
            "workload = \"bank\"\n[[faults]]\naction = \"kill\"\nlasts_ms = 9\n",
            "no workload `bank`",
        ),
        ("", "the plan has no fault of by-hand"),
        (
            "system = \"etcd\"\n[[faults]]\naction = \"kill\"\nlasts_ms = 9\n",
            "a live run cannot do `system = etcd`: the system under test is ",
        ),
        (
            "[[faults]]\naction = \"kill\"\nlasts_ms = 9\n[conditions]\nsync_us = 9\n",
            "a live run cannot do `sync_us`: ",
        ),
    ] {
        let path = scratch.0.join("unfit.toml");
        std::fs::write(&path, format!("seed = 1\nnodes = 3\ntime_ms = 900\n{field}")).unwrap();
        let path = path.display().to_string();
        let (_, error) = check(scratch.chaos(&["--scenario", &path]), 64);
        assert!(error.contains(&path) && error.contains(words), "{error}");
        assert!(!scratch.0.join("runs").exists(), "nothing was started");
        // The simulator has disks whose syncs take so long.
        let code = if words.contains("sync_us") { 0 } else { 64 };
        let (told, error) = check(scenario(&["check", &path]), code);
        let said = told + &error;
        assert!(said.contains(words), "it says so before a run: {said}");
        assert!(code == 0 || said.contains(&path), "{said}");
    }
}

#[test]
fn faults_overlap_on_real_processes_and_each_has_its_effect() {
    let scratch = Scratch::new("overlapping");
    let (out, _) = check(scratch.chaos(&["--scenario", &kept("overlapping.toml")]), 0);
    assert!(out.contains("PASS") && out.contains(" + "), "two faults at once: {out}");
    assert!(out.contains("--scenario "), "how it is run again: {out}");
    let faults = scratch.latest("report.json")["faults"].as_array().unwrap().clone();
    assert_eq!(faults.len(), 5, "{faults:?}");
    let of = |kind: &str| faults.iter().find(|fault| fault["kind"] == kind).unwrap();
    let time = |fault: &Value, end: &str| fault[end].as_u64().unwrap();
    assert!(time(of("kill"), "start_ns") < time(of("pause"), "end_ns"));
    assert!(time(of("kill"), "end_ns") < time(of("pause"), "end_ns"));
    let effect = of("pause")["effect"].as_str().unwrap();
    assert_eq!(effect, "1 of 1 processes stopped, then went on", "it came back paused");
    let plan = scratch.latest("plan.json");
    let minority = &plan["faults"][4]["target"];
    assert!(minority["node"].as_u64().is_some(), "every draw is made: {minority}");
}

/// Two faults may want the same process: whoever comes second, or is surpassed, has not failed.
#[test]
fn what_other_faults_have_done_already_makes_no_run_void() {
    let scratch = Scratch::new("shared");
    let text = "seed = 5\nnodes = 3\ntime_ms = 7000\n".to_owned();
    let fault = |at: u32, lasts: u32, action: &str, target: &str| {
        let times = format!("[[faults]]\nat_ms = {at}\nlasts_ms = {lasts}\n");
        format!("{times}action = {action}\ntarget = {{ {target} }}\n")
    };
    let text = text
        + &fault(1_000, 2_000, "\"kill\"", "node = 1")
        + &fault(1_500, 500, "\"kill\"", "nodes = [1, 2]")
        + &fault(3_500, 1_000, "\"pause\"", "node = 3")
        + &fault(4_000, 1_500, "\"kill\"", "node = 3")
        + &fault(4_500, 1_500, "\"isolate\"", "node = 2")
        + &fault(5_000, 500, "{ disturb = { loss = 300000 } }", "node = 2");
    let path = scratch.0.join("shared.toml");
    std::fs::write(&path, text).unwrap();
    check(scratch.chaos(&["--scenario", &path.display().to_string()]), 0);
    let report = scratch.latest("report.json");
    let effects = report["faults"].as_array().unwrap().iter();
    let effects: Vec<&str> = effects.map(|fault| fault["effect"].as_str().unwrap()).collect();
    let of = |begin: &str| effects.iter().any(|effect| effect.starts_with(begin));
    assert!(of("1 of 2 processes killed, started again, 1 were down by others"), "{effects:?}");
    assert!(of("0 of 1 processes stopped, then went on, 1 were down by others"), "{effects:?}");
}

#[test]
fn a_fault_waits_for_answers_and_for_the_end_of_another() {
    let scratch = Scratch::new("chained");
    check(scratch.chaos(&["--scenario", &kept("chained.toml")]), 0);
    let faults = scratch.latest("report.json")["faults"].as_array().unwrap().clone();
    let of = |kind: &str| faults.iter().find(|fault| fault["kind"] == kind).unwrap();
    let time = |fault: &Value, end: &str| fault[end].as_u64().unwrap();
    let (kill, cut) = (of("kill"), of("isolate"));
    assert!(time(kill, "start_ns") < time(of("disturb"), "start_ns"));
    let late = time(cut, "start_ns").checked_sub(time(kill, "end_ns")).unwrap();
    assert!(late < 1_000_000_000, "it began soon after: {late} ns");
    let history = std::fs::read_to_string(scratch.0.join("runs/latest/history.jsonl")).unwrap();
    let begun = history.lines().position(|line| line.contains("begin ")).unwrap();
    let answered = history.lines().take(begun).filter(|line| line.contains("\"ok\"")).count();
    assert!(answered >= 100, "{answered}");
}

#[test]
fn a_node_that_is_asked_to_end_is_started_again() {
    let scratch = Scratch::new("retire");
    check(scratch.chaos(&["--scenario", &kept("rolling-restart.toml")]), 0);
    let report = scratch.latest("report.json");
    let nodes = report["nodes"].as_array().unwrap();
    assert!(nodes.iter().all(|node| node["starts"] == 2), "{nodes:?}");
    let exits = nodes.iter().map(|node| node["exits"].to_string()).collect::<String>();
    assert!(exits.contains("asked to end by the nemesis: "), "{exits}");
}

#[test]
fn what_a_live_run_cannot_do_is_refused_by_name_before_it_begins() {
    let scratch = Scratch::new("unsupported");
    let (_, told) = check(scratch.chaos(&["--scenario", &kept("power-midway.toml")]), 64);
    assert!(told.contains("a live run cannot do `disk` of fault 1: "), "{told}");
    assert!(!scratch.0.join("runs").exists(), "nothing was begun");
    let both = ["--scenario", &kept("one-way.toml"), "--nodes", "5"];
    let (_, told) = check(scratch.chaos(&both), 64);
    assert!(told.contains("cannot be used with"), "{told}");
}

#[test]
fn the_swarm_draws_for_real_processes_too() {
    let scratch = Scratch::new("swarm");
    let flags = ["--nemesis", "swarm", "--seed", "4", "--time", "8", "--keep", "1"];
    let (out, _) = check(scratch.chaos(&flags), 0);
    assert!(out.contains("of swarm ("), "{out}");
    let plan = scratch.latest("plan.json");
    assert!(plan["faults"].as_array().unwrap().len() >= 4, "{plan}");
}

#[test]
fn scenarios_are_listed_shown_and_checked() {
    let scratch = Scratch::new("commands");
    let (out, _) = check(scenario(&["list", SCENARIOS]), 0);
    assert!(out.lines().count() >= 4, "{out}");
    assert!(out.contains("one-way.toml: 3 nodes, 10.0 s, 2 faults; a leader that"), "{out}");
    let (shown, _) = check(scenario(&["show", &kept("overlapping.toml")]), 0);
    assert!(shown.contains("isolate, node ") && !shown.contains("minority"), "{shown}");
    let again = scratch.0.join("again.toml");
    std::fs::write(&again, &shown).unwrap();
    let again = again.display().to_string();
    assert_eq!(check(scenario(&["show", &again]), 0).0, shown, "what is shown is a scenario");

    let (out, _) = check(scenario(&["check", &kept("overlapping.toml")]), 0);
    assert_eq!(out, "a live run can do all of it\na simulated run can do all of it\n");
    let (out, _) = check(scenario(&["check", &kept("power-midway.toml")]), 0);
    assert!(out.starts_with("a live run cannot do `disk` of fault 1"), "{out}");
    let (out, _) = check(scenario(&["check", &kept("bad-disks.toml")]), 0);
    assert!(out.contains("a simulated run cannot do `disk` of fault 3: its disk takes"), "{out}");
    std::fs::write(&again, shown.replace("\"pause\"", "\"paws\"")).unwrap();
    let (_, told) = check(scenario(&["check", &again]), 64);
    assert!(told.contains("line ") && told.contains("unknown variant `paws`"), "{told}");
    check(scenario(&["show", "/nowhere.toml"]), 64);
}

/// A run that left out what was asked for would pass; see `sense` of `synod-fault`.
#[test]
fn a_list_names_what_it_cannot_read_and_lists_the_rest() {
    let scratch = Scratch::new("list");
    std::fs::write(scratch.0.join("a.toml"), "seed = \"x\"\n").unwrap();
    std::fs::write(scratch.0.join("b.toml"), "seed = 1\nnodes = 3\ntime_ms = 9000\n").unwrap();
    std::fs::write(scratch.0.join("c.toml"), b"\xff\n").unwrap();
    let (out, told) = check(scenario(&["list", scratch.0.to_str().unwrap()]), 64);
    assert!(out.contains("b.toml: 3 nodes") && out.lines().count() == 1, "{out}");
    assert!(told.contains("a.toml: line 1") && told.contains("c.toml: line 1"), "{told}");
}

#[test]
fn a_scenario_with_a_fault_that_never_comes_is_refused_before_anything_starts() {
    let scratch = Scratch::new("late");
    let file = scratch.0.join("late.toml");
    let text = "seed = 7\nnodes = 3\ntime_ms = 4000\n\
        [[faults]]\nat_ms = 500\nlasts_ms = 900\naction = \"kill\"\ntarget = \"leader\"\n\
        [[faults]]\nat_ms = 40000\nlasts_ms = 900\naction = \"kill\"\n";
    std::fs::write(&file, text).unwrap();
    let (_, words) = check(scratch.chaos(&["--scenario", file.to_str().unwrap()]), 64);
    assert!(words.contains("line 9: fault 2: it begins at 40000 ms of 4000, and so"), "{words}");
    assert!(!scratch.0.join("runs").exists(), "nothing was started");
    let mut command = Command::new(HARNESS);
    command.args(["scenario", "check"]).arg(&file);
    check(command, 64);
}
