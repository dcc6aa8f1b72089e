//! The whole runner against real processes: what it prints, how it exits, what it leaves behind.
//!
//! The system under test is `synod-fake`, so that these tests need no consensus; what they show is
//! that the harness finds what is wrong, calls nothing a pass that tried too little, and leaves no
//! process behind however it ends.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use serde_json::Value;

const HARNESS: &str = env!("CARGO_BIN_EXE_synod-harness");
const FAKE: &str = env!("CARGO_BIN_EXE_synod-fake");

/// A folder of its own for a test, gone when the test ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("synod-live-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Writes the description of the stand-in with this bug.
    fn system(&self, bug: &str) -> PathBuf {
        let path = self.0.join("fake.json");
        let text = r#"{"name": "fake",
            "serve": ["{binary}", "serve", "--id", "{node}", "--bug", "BUG",
                "--peer-listen", "{peer-listen}", "--client-listen", "{client-listen}",
                {"per_peer": ["--other", "{peer}={address}"]}],
            "bridge": ["{binary}", "bridge", "--bug", "BUG",
                {"per_node": ["--other", "{peer}={address}"]}]}"#;
        std::fs::write(&path, text.replace("BUG", bug)).unwrap();
        path
    }

    fn chaos(&self, bug: &str, flags: &[&str]) -> Command {
        let mut command = Command::new(HARNESS);
        command.arg("chaos").arg("--system").arg(self.system(bug));
        command.args(["--binary", FAKE, "--seed", "7", "--runs-dir"]).arg(self.runs());
        command.args(flags);
        command
    }

    fn runs(&self) -> PathBuf {
        self.0.join("runs")
    }

    fn latest(&self, name: &str) -> PathBuf {
        self.runs().join("latest").join(name)
    }

    fn report(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.latest("report.json")).unwrap()).unwrap()
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

/// The processes whose command line names this folder or was started by this harness.
fn processes_of(scratch: &Scratch) -> Vec<String> {
    let needle = scratch.0.to_string_lossy().into_owned();
    let lines = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let entry = entry.ok()?;
        let environment = std::fs::read(entry.path().join("environ")).ok()?;
        let ours = String::from_utf8_lossy(&environment).contains(&needle);
        ours.then(|| entry.file_name().to_string_lossy().into_owned())
    });
    lines.collect()
}

fn wait_for(what: &str, patience: Duration, mut happened: impl FnMut() -> bool) {
    let start = Instant::now();
    while !happened() {
        assert!(start.elapsed() < patience, "{what} did not happen within {patience:?}");
        std::thread::yield_now();
    }
}

/// Starts a long run and waits until its clients are at work.
fn start_long_run(scratch: &Scratch) -> (Child, BufReader<impl Read + use<>>) {
    let mut command = scratch.chaos("none", &["--time", "60", "--nemesis", "calm"]);
    // The mark by which the processes of this run are found again.
    command.env("SYNOD_TEST_SCRATCH", &scratch.0);
    let mut harness = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(harness.stdout.take().unwrap());
    let mut first = String::new();
    lines.read_line(&mut first).unwrap();
    assert!(first.contains("seed 7"), "{first}");
    let mut status = String::new();
    lines.read_line(&mut status).unwrap();
    assert!(status.contains(" ok "), "{status}");
    assert!(processes_of(scratch).len() >= 5, "three nodes, a bridge and the harness");
    (harness, lines)
}

fn signal(process: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(process.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

#[test]
fn a_sound_system_passes_a_leader_kill_and_leaves_a_whole_run_folder() {
    let scratch = Scratch::new("pass");
    let flags = ["--nemesis", "kill-leader", "--time", "6", "--format", "text"];
    let (out, _) = check(scratch.chaos("none", &flags), 0);
    let first = out.lines().next().unwrap();
    assert!(first.contains("kill-leader") && first.contains("seed 7"), "{first}");
    assert!(out.contains("PASS  what the clients saw is linearizable"), "{out}");
    assert!(out.contains("report: file://"), "{out}");
    assert!(out.contains("reproduce: synod-harness chaos --system"), "{out}");
    for name in ["plan.json", "history.jsonl", "schedule.json", "report.json", "report.html"] {
        assert!(scratch.latest(name).metadata().unwrap().len() > 0, "{name}");
    }
    let report = scratch.report();
    assert_eq!(report["verdict"], "pass");
    assert!(report["counts"]["ok"].as_u64().unwrap() >= 1_000);
    assert!(report["leaders"].as_array().unwrap().len() >= 2, "another leader was seen");
    assert!(report["faults"][0]["effect"].as_str().unwrap().contains("1 of 1 processes killed"));
    assert!(report["after_heal"]["served_within_ms"].as_u64().unwrap() < 10_000);
    let exits = report["nodes"].as_array().unwrap().iter().map(|node| node["exits"].to_string());
    assert!(exits.collect::<String>().contains("killed by the nemesis: signal 9"));
    let links = report["links"].as_array().unwrap();
    assert!(links.iter().all(|link| link["delivered"].as_u64().unwrap() > 0), "{links:?}");
}

#[test]
fn every_kind_of_network_fault_and_a_pause_have_an_effect() {
    let scratch = Scratch::new("effects");
    let flags = ["--time", "30", "--nemesis", "mix", "--seed", "11", "--format", "json"];
    let mut command = scratch.chaos("none", &[]);
    command.args(flags.iter().filter(|flag| **flag != "--seed" && **flag != "11"));
    let (out, err) = check(command, 0);
    assert_eq!(out.lines().count(), 1, "one object on standard output: {out}");
    let summary: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(summary["verdict"], "pass");
    assert!(err.contains("run folder"), "people read standard error: {err}");
    let faults = summary["faults"].as_array().unwrap();
    assert!(faults.len() >= 5, "{faults:?}");
    assert!(faults.iter().all(|fault| fault["effective"] == true), "{faults:?}");
}

#[test]
fn a_stale_read_is_a_violation_with_its_core() {
    let scratch = Scratch::new("stale");
    let flags = ["--nemesis", "calm", "--time", "2", "--workload", "registers"];
    let (out, _) = check(scratch.chaos("stale-read", &flags), 1);
    assert!(out.contains("VIOLATION"), "{out}");
    let report = scratch.report();
    assert_eq!(report["verdict"], "violation");
    let core = report["violation"]["operations"].as_array().unwrap();
    assert!((2..=10).contains(&core.len()), "{core:?}");
    assert!(out.contains(report["violation"]["sentence"].as_str().unwrap()), "{out}");
    let last = core.iter().filter_map(|one| one["return_ns"].as_u64()).max().unwrap();
    for node in report["nodes"].as_array().unwrap() {
        let around = node["around"].as_array().unwrap();
        assert!((3..=100).contains(&around.len()), "{around:?}");
        let near = |line: &&Value| line["at_ns"].as_u64().unwrap().abs_diff(last) < 300_000_000;
        assert!(
            around.iter().any(|line| near(&line)),
            "it was logged when it happened: {around:?}"
        );
        let words = around[around.len() - 1]["text"].as_str().unwrap();
        assert!(words.contains(&format!("node {} beats", node["id"])), "{words}");
        let lives = node["lives"].as_array().unwrap();
        assert!(lives.len() == 1 && lives[0]["end_ns"].as_u64().unwrap() > last, "{lives:?}");
    }
    let page = std::fs::read_to_string(scratch.latest("report.html")).unwrap();
    assert!(page.contains("the counterexample ends with a return"));
}

#[test]
fn a_node_that_panics_is_a_violation_though_the_history_is_sound() {
    let scratch = Scratch::new("panic");
    let (out, _) = check(scratch.chaos("panic", &["--nemesis", "calm", "--time", "4"]), 1);
    assert!(out.contains("node 1 ended by itself: exit code 101"), "{out}");
    let report = scratch.report();
    assert!(report["violation"].is_null());
    assert!(report["reasons"].to_string().contains("tells of a crash"), "{report}");
    let tail = report["nodes"][0]["log_tail"].to_string();
    assert!(tail.contains("this bug was asked for"), "{tail}");
    let crashes = report["nodes"].as_array().unwrap().iter().map(|node| {
        let around = node["around"].as_array().unwrap();
        assert!(around.len() >= 3, "{around:?}");
        around.iter().filter(|line| line["crash"] == true).count()
    });
    assert_eq!(crashes.collect::<Vec<_>>(), [1, 0, 0], "the line that tells of it is marked");
    assert_eq!(report["nodes"][0]["lives"][0]["by_itself"], true);
}

#[test]
fn a_run_that_did_too_little_is_void() {
    let scratch = Scratch::new("void");
    let flags = ["--nemesis", "calm", "--time", "1", "--clients", "1", "--rest-ms", "50"];
    let mut command = scratch.chaos("none", &flags);
    command.args(["--node-files", "4096"]);
    let step = scratch.0.join("step.md");
    command.env("GITHUB_STEP_SUMMARY", &step);
    let (out, _) = check(command, 2);
    let told = std::fs::read_to_string(step).unwrap();
    assert!(told.starts_with("## VOID: fake, seed 7\n"), "{told}");
    assert!(told.contains("| enough was exercised | failed | only "), "{told}");
    let junit = std::fs::read_to_string(scratch.latest("junit.xml")).unwrap();
    assert!(junit.contains("name=\"enough was exercised\"><failure message=\"only "), "{junit}");
    assert!(out.contains("VOID  only"), "{out}");
    assert!(out.contains(" --node-files 4096 --seed 7 "), "{out}");
    let written = std::fs::read_to_string(scratch.latest("system.json")).unwrap();
    assert!(written.contains("\"files\": 4096"), "a replay has the same limits: {written}");
    assert_eq!(scratch.report()["verdict"], "void");
}

#[test]
fn a_run_too_short_for_a_fault_is_refused_before_it_begins() {
    let scratch = Scratch::new("short");
    for nemesis in ["kill-one", "mix", "lossy"] {
        let (_, told) = check(scratch.chaos("none", &["--nemesis", nemesis, "--time", "2"]), 64);
        assert!(told.contains("2.0 s are too short for a fault of"), "{told}");
        assert!(told.contains("with seed 7 it takes at least"), "{told}");
    }
    assert!(!scratch.runs().exists(), "nothing was begun");
}

#[test]
fn what_the_bridge_says_wrongly_is_its_own_fault() {
    for (bug, wanted) in [
        ("unasked", "there was no request 1000000000"),
        ("twice", "has its answer already"),
        ("object", "`{\"a\":1}`: `read` that is ok answers a text, or null"),
        ("null-swap", "`null`: `cas` that is ok answers true if it was set, or false"),
        ("false-write", "`false`: `write` that is ok answers null"),
        ("other-node", "was asked, and this is of node 77"),
        ("ends", "a bridge ended (exit code 3)"),
        ("mute", "no bridge answered anything for 10 s"),
    ] {
        let scratch = Scratch::new(bug);
        let flags = ["--nemesis", "calm", "--time", "2", "--timeout-ms", "500"];
        let (out, told) = check(scratch.chaos(bug, &flags), 70);
        assert!(told.contains(wanted), "{bug}: {told}");
        assert!(!out.contains("VIOLATION"), "{bug}: {out}");
    }
}

#[test]
fn equal_seeds_make_equal_plans_and_a_replay_takes_the_recorded_one() {
    let scratch = Scratch::new("replay");
    let few = ["--clients", "1", "--rest-ms", "50"];
    let flags = [&["--nemesis", "kill-one", "--time", "6"], few.as_slice()].concat();
    check(scratch.chaos("none", &flags), 2);
    let first = std::fs::read(scratch.latest("plan.json")).unwrap();
    let recorded = std::fs::canonicalize(scratch.runs().join("latest")).unwrap();
    check(scratch.chaos("none", &flags), 2);
    assert_eq!(first, std::fs::read(scratch.latest("plan.json")).unwrap());
    let mut replay = Command::new(HARNESS);
    replay.arg("replay").arg(&recorded).arg("--runs-dir").arg(scratch.runs());
    let (out, _) = check(replay, 2);
    assert!(out.contains("seed 7"), "{out}");
    assert_ne!(std::fs::canonicalize(scratch.runs().join("latest")).unwrap(), recorded);
    assert_eq!(first, std::fs::read(scratch.latest("plan.json")).unwrap());
}

#[test]
fn a_campaign_says_what_came_of_its_runs_and_a_replay_how_often_it_came_back() {
    let scratch = Scratch::new("campaign");
    let flags = ["--nemesis", "calm", "--time", "1", "--workload", "registers"];
    let (out, _) =
        check(scratch.chaos("stale-read", &[&flags[..], &["--test-count", "2"]].concat()), 1);
    assert!(out.ends_with("2 of 2 runs: 2 VIOLATION (seeds 7, 8)\n"), "{out}");
    let replay = |more: &[&str]| {
        let mut replay = Command::new(HARNESS);
        replay.arg("replay").arg(scratch.runs().join("latest")).args(["--times", "2"]);
        replay.arg("--runs-dir").arg(scratch.runs()).args(more);
        replay
    };
    let (out, _) = check(replay(&[]), 1);
    assert!(out.ends_with("2 of 2 runs: 2 VIOLATION\n"), "{out}");
    let (out, _) = check(replay(&["--format", "json"]), 1);
    let told: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((told.len(), &told[2]["seeds"]["VIOLATION"]), (3, &serde_json::json!([8, 8])));
}

#[test]
fn a_seed_that_makes_no_plan_hides_nothing_that_was_found_before() {
    let scratch = Scratch::new("early");
    // The fault of seed 7 fits into five seconds, that of seed 8 does not.
    let flags = ["--nemesis", "isolate-one", "--time", "5", "--workload", "registers"];
    let flags = [&flags[..], &["--test-count", "3"]].concat();
    let (out, told) = check(scratch.chaos("stale-read", &flags), 1);
    assert!(out.ends_with("1 of 3 runs, ended early: 1 VIOLATION\n"), "{out}");
    assert!(told.contains("with seed 8 it takes at least 6 s"), "{told}");
}

#[test]
fn a_failure_is_made_smaller_by_running_it_and_what_never_failed_is_not() {
    let scratch = Scratch::new("shrink");
    let flags = ["--nemesis", "kill-one", "--time", "6", "--clients", "3"];
    check(scratch.chaos("stale-read", &flags), 1);
    let failed = std::fs::canonicalize(scratch.runs().join("latest")).unwrap();
    let shrink = |run: &Path| {
        let mut shrink = Command::new(HARNESS);
        shrink.arg("shrink").arg(run).args(["--budget", "300", "--tries", "1"]);
        shrink
    };
    let (out, _) = check(shrink(&failed), 1);
    assert!(out.starts_with("run 1: 1 faults, 3 clients, 6.0 s: VIOLATION; "), "{out}");
    assert!(out.contains(" 0 of 1 faults, "), "the bug needs no fault: {out}");
    let mut checked = Command::new(HARNESS);
    checked.args(["scenario", "check"]).arg(failed.join("shrunk.toml"));
    checked.arg("--system").arg(scratch.system("stale-read"));
    check(checked, 0);
    let left = std::fs::read_dir(failed.join("shrink")).unwrap();
    let left = left.filter(|entry| is_folder(&entry.as_ref().unwrap().path()));
    assert_eq!(left.count(), 1, "the last run that failed is kept, and no other");
    let page = std::fs::read_to_string(failed.join("shrink/index.html")).unwrap();
    assert_eq!(page.matches("<tr class=\"v-violation\">").count(), 1, "{page}");
    assert_eq!(page.matches("<tr class=").count(), 1, "and the page follows");
    assert!(failed.join("shrink/latest/plan.json").is_file(), "so does the link");

    let flags = ["--nemesis", "calm", "--time", "1", "--clients", "1", "--rest-ms", "50"];
    check(scratch.chaos("none", &flags), 2);
    let (_, told) = check(shrink(&scratch.runs().join("latest")), 64);
    assert!(told.contains("the verdict is VOID, so there is no failure to make smaller"), "{told}");
}

#[test]
fn an_interrupt_ends_the_run_within_two_seconds_with_a_report() {
    let scratch = Scratch::new("interrupt");
    let (mut harness, mut lines) = start_long_run(&scratch);
    signal(&harness, Signal::INT);
    let start = Instant::now();
    let status = harness.wait().unwrap();
    assert!(start.elapsed() < Duration::from_secs(2), "it took {:?}", start.elapsed());
    assert_eq!(status.code(), Some(130));
    let mut rest = String::new();
    lines.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("INTERRUPTED"), "{rest}");
    let report = scratch.report();
    assert_eq!(report["verdict"], "interrupted");
    assert!(report["checker"]["operations"].as_u64().unwrap() > 0, "it was judged nevertheless");
    assert!(scratch.latest("report.html").exists());
    wait_for("the end of all processes", Duration::from_secs(2), || {
        processes_of(&scratch).is_empty()
    });
}

/// `timeout` sends its signal to the harness and to its group, and a terminal to all of a group.
#[test]
fn an_interrupt_that_comes_twice_at_once_is_one() {
    let scratch = Scratch::new("twice");
    let (mut harness, mut lines) = start_long_run(&scratch);
    signal(&harness, Signal::INT);
    signal(&harness, Signal::TERM);
    let mut rest = String::new();
    lines.read_to_string(&mut rest).unwrap();
    assert_eq!(harness.wait().unwrap().code(), Some(130));
    assert!(rest.contains("INTERRUPTED"), "{rest}");
    assert_eq!(scratch.report()["verdict"], "interrupted");
    assert!(scratch.latest("report.html").exists());
}

#[test]
fn no_process_outlives_a_harness_that_is_killed() {
    let scratch = Scratch::new("orphans");
    let (mut harness, _lines) = start_long_run(&scratch);
    assert!(listed(&scratch).contains("RUNNING"), "a run that goes on is listed as such");
    signal(&harness, Signal::KILL);
    harness.wait().unwrap();
    wait_for("the end of all processes", Duration::from_secs(5), || {
        processes_of(&scratch).is_empty()
    });
    let history = std::fs::read_to_string(scratch.latest("history.jsonl")).unwrap();
    assert!(history.lines().count() > 100, "what was seen is on disk");
    let page = listed(&scratch);
    assert!(page.contains("INTERRUPTED") && page.contains("<td>calm</td>"), "{page}");
    assert!(!page.contains("RUNNING"), "{page}");
}

#[test]
fn wrong_words_get_exit_code_64_and_say_what_is_right() {
    let scratch = Scratch::new("usage");
    let (_, err) = check(scratch.chaos("none", &["--nemesis", "gremlins"]), 64);
    assert!(err.contains("no nemesis `gremlins`") && err.contains("isolate-leader"), "{err}");
    let (_, err) = check(scratch.chaos("none", &["--frobnicate"]), 64);
    assert!(err.contains("--frobnicate"), "{err}");
    let (_, err) = check(scratch.chaos("none", &["--workload", "poetry"]), 64);
    assert!(err.contains("registers"), "{err}");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    for (binary, told) in [
        ("/nonexistent/synod-kv", "is not there; build or install it first"),
        (source, "is a file that nobody may execute"),
        (env!("CARGO_MANIFEST_DIR"), "is a directory and no program; name the program in it"),
    ] {
        let mut without = Command::new(HARNESS);
        without.args(["chaos", "--binary", binary, "--runs-dir"]).arg(scratch.runs());
        let (_, err) = check(without, 64);
        let told =
            format!("{binary}, which the description of synod-kv names as a program, {told}");
        assert!(err.contains(&told), "{err}");
    }
    assert!(!scratch.runs().exists(), "nothing was made");
    let (out, _) = check(help(), 0);
    assert!(out.contains("130") && out.contains("VOID"), "{out}");
}

#[test]
fn a_node_that_cannot_start_is_told_with_its_log() {
    let scratch = Scratch::new("broken");
    let path = scratch.system("none");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("--client-listen", "--colour")).unwrap();
    let mut command = Command::new(HARNESS);
    command.arg("chaos").arg("--system").arg(&path).args(["--binary", FAKE, "--runs-dir"]);
    command.arg(scratch.runs());
    let (_, err) = check(command, 70);
    assert!(err.contains("there is no flag `--colour`"), "{err}");
    let page = std::fs::read_to_string(scratch.runs().join("index.html")).unwrap();
    assert!(page.contains("INTERRUPTED") && page.contains("there is no report"), "{page}");
}

#[test]
fn a_bridge_that_ends_is_no_verdict_on_the_system() {
    let scratch = Scratch::new("bridge");
    let path = scratch.system("none");
    let text = std::fs::read_to_string(&path).unwrap();
    let (serve, _) = text.split_once("\"bridge\"").unwrap();
    std::fs::write(&path, format!("{serve} \"bridge\": [\"sh\", \"-c\", \"exit 3\"]}}")).unwrap();
    let mut command = Command::new(HARNESS);
    command.arg("chaos").arg("--system").arg(&path).args(["--binary", FAKE, "--runs-dir"]);
    command.arg(scratch.runs());
    let (_, err) = check(command, 70);
    assert!(err.contains("a bridge ended"), "{err}");
}

#[test]
fn a_bridge_that_prints_something_else_is_told_what_an_answer_is() {
    let scratch = Scratch::new("babble");
    let path = scratch.system("none");
    let text = std::fs::read_to_string(&path).unwrap();
    let (serve, _) = text.split_once("\"bridge\"").unwrap();
    for (said, problem) in [
        ("hello", "it is no JSON from line 1, column 1 on"),
        ("7", "found integer `7`, wanted an object"),
    ] {
        let bridge = format!("\"bridge\": [\"sh\", \"-c\", \"echo {said}; cat\"]}}");
        std::fs::write(&path, format!("{serve}{bridge}")).unwrap();
        let mut command = Command::new(HARNESS);
        command.arg("chaos").arg("--system").arg(&path).args(["--binary", FAKE, "--runs-dir"]);
        command.arg(scratch.runs());
        let (_, err) = check(command, 70);
        assert!(err.contains(&format!("a bridge answered `{said}`")), "{err}");
        assert!(err.contains(problem) && err.contains("goes to standard error"), "{err}");
    }
}

#[test]
fn a_run_whose_verdict_cannot_be_printed_is_no_success() {
    let scratch = Scratch::new("unprinted");
    let mut command = scratch.chaos("none", &["--nemesis", "calm", "--time", "2"]);
    command.stdout(std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
    let (_, err) = check(command, 70);
    assert!(err.contains("cannot print what was found"), "{err}");
    assert_eq!(scratch.report()["verdict"], "pass");
}

#[test]
fn a_recorded_history_is_judged_again_and_its_page_rendered_again() {
    let scratch = Scratch::new("again");
    let (out, _) = check(scratch.chaos("none", &["--nemesis", "calm", "--time", "2"]), 0);
    let index = scratch.runs().join("index.html");
    assert!(out.contains(&format!("all runs: file://{}\n", index.display())), "{out}");
    let page = std::fs::read_to_string(&index).unwrap();
    assert!(page.contains("/report.html\">report") && page.contains(">PASS</th>"), "{page}");
    std::fs::remove_file(&index).unwrap();
    assert_eq!(listed(&scratch), page, "it is made again");
    let mut judge = Command::new(HARNESS);
    judge.arg("check").arg(scratch.latest("history.jsonl")).args(["--model", "mixed"]);
    let (out, _) = check(judge, 0);
    assert!(out.contains("PASS"), "{out}");
    let page = scratch.latest("report.html");
    std::fs::remove_file(&page).unwrap();
    let mut report = Command::new(HARNESS);
    report.arg("report").arg(scratch.runs().join("latest"));
    check(report, 0);
    assert!(page.exists());
    let mut nothing = Command::new(HARNESS);
    nothing.arg("check").arg(scratch.0.join("absent.jsonl"));
    check(nothing, 64);
}

#[test]
fn failovers_are_measured_one_by_one() {
    let scratch = Scratch::new("failover");
    let mut command = Command::new(HARNESS);
    command.arg("failover").arg("--system").arg(scratch.system("none"));
    command.args(["--binary", FAKE, "--kills", "2", "--format", "json", "--runs-dir"]);
    command.arg(scratch.runs());
    let (out, _) = check(command, 0);
    let figures: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(figures["micros"].as_array().unwrap().len(), 2);
    assert_eq!(figures["unanswered"], 0);
    assert!(figures["max_micros"].as_u64().unwrap() > 0);
}

fn help() -> Command {
    let mut command = Command::new(HARNESS);
    command.args(["chaos", "--help"]);
    command
}

#[test]
fn a_run_folder_beyond_the_limit_is_removed() {
    let scratch = Scratch::new("keep");
    let flags = ["--nemesis", "calm", "--time", "1", "--clients", "1", "--keep", "1"];
    check(scratch.chaos("none", &[&flags[..], &["--rest-ms", "100"]].concat()), 2);
    check(scratch.chaos("none", &[&flags[..], &["--rest-ms", "100"]].concat()), 2);
    let runs = std::fs::read_dir(scratch.runs()).unwrap();
    let folders = runs.filter(|entry| is_folder(&entry.as_ref().unwrap().path())).count();
    assert_eq!(folders, 1);
    assert_eq!(listed(&scratch).matches("<tr class=").count(), 1);
    assert!(scratch.latest("plan.json").is_file());
}

/// Has the page of all runs written, and returns it.
fn listed(scratch: &Scratch) -> String {
    let mut report = Command::new(HARNESS);
    report.arg("report").arg(scratch.runs());
    let (out, _) = check(report, 0);
    let page = scratch.runs().join("index.html");
    assert_eq!(out, format!("{}\n", page.display()));
    std::fs::read_to_string(page).unwrap()
}

fn is_folder(path: &Path) -> bool {
    path.symlink_metadata().unwrap().is_dir()
}
