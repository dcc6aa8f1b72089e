//! A system in another language, over TCP: from its description to a counterexample.
//!
//! The store of `examples/quorum_kv` is a few files of Python, of which the harness knows a
//! description alone. Without Python the tests say so and try nothing. A run in which a busy
//! machine did too little for a verdict is repeated with more time.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]
#![allow(clippy::print_stderr, reason = "a test that is skipped says why")]

mod store;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use store::{STORE, has_python, text_of};

const HARNESS: &str = env!("CARGO_BIN_EXE_synod-harness");

/// A folder of its own for a test, gone when the test ends.
struct Scratch(PathBuf);

/// A run that came to its end.
struct Run {
    code: Option<i32>,
    out: String,
    report: Value,
}

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("synod-kv-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn chaos(&self, description: &Path, flags: &[&str]) -> Output {
        let mut command = Command::new(HARNESS);
        command.arg("chaos").arg("--system").arg(description).args(["--binary", STORE]);
        command.arg("--runs-dir").arg(self.0.join("runs"));
        // A scenario says itself what clients do.
        if !flags.contains(&"--scenario") {
            command.args(["--workload", "registers"]);
        }
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        command.args(flags).output().unwrap()
    }

    /// Runs a variant of the store until the run says something.
    fn run(&self, variant: &str, nemesis: &str, seed: &str, seconds: u32) -> Run {
        let description = Path::new(STORE).join(format!("{variant}.toml"));
        let mut seconds = seconds;
        loop {
            let time = seconds.to_string();
            let flags = ["--nemesis", nemesis, "--seed", seed, "--time", &time];
            let Output { status, stdout, stderr } = self.chaos(&description, &flags);
            let out = format!("{}{}", text_of(stdout), text_of(stderr));
            let report = std::fs::read(self.0.join("runs/latest/report.json")).expect(&out);
            let report: Value = serde_json::from_slice(&report).unwrap();
            let idle = report["reasons"].to_string().contains("operations were ok");
            if status.code() == Some(2) && idle && seconds < SECONDS_MAX {
                seconds *= 2;
                continue;
            }
            return Run { code: status.code(), out, report };
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

#[test]
fn a_planted_bug_passes_in_calm_and_is_found_when_the_network_breaks() {
    if !has_python() {
        return;
    }
    let scratch = Scratch::new("planted");
    // That of the two which a busy machine does not bring to light by itself.
    let calm = scratch.run("no-write-back", "calm", "1", 2);
    assert_eq!(calm.code, Some(0), "{}", calm.out);
    // A run may miss it, and so may another; one of several finds it.
    let found = ["1", "2", "3", "4"]
        .into_iter()
        .map(|seed| scratch.run("ack-alone", "isolate-one", seed, 8))
        .find(|run| run.code == Some(1));
    let found = found.expect("a store that acknowledges alone is caught");
    let core = found.report["violation"]["operations"].as_array().expect(&found.out);
    assert!((2..=10).contains(&core.len()), "{core:?}");
}

#[test]
fn the_sound_store_passes_what_the_others_fail_and_the_pipes_tell_what_they_did() {
    if !has_python() {
        return;
    }
    let scratch = Scratch::new("sound");
    let run = scratch.run("sound", "isolate-one", "1", 8);
    assert_eq!(run.code, Some(0), "{}", run.out);
    let effect = run.report["faults"][0]["effect"].as_str().unwrap();
    assert!(effect.contains("bytes and") && effect.contains("held back"), "{effect}");
    let links = run.report["links"].as_array().unwrap();
    assert!(links.iter().all(|link| link["stream"]["bytes"].as_u64().unwrap() > 0), "{links:?}");
    let recorded = std::fs::canonicalize(scratch.0.join("runs/latest")).unwrap();
    // The same plan with a rule that streams do not have is refused, not run without it.
    let plan = recorded.join("plan.json");
    let text = std::fs::read_to_string(&plan).unwrap();
    let mut changed: Value = serde_json::from_str(&text).unwrap();
    changed["faults"][0]["action"] = serde_json::json!({"disturb": {"reorder": 100_000}});
    std::fs::write(&plan, changed.to_string()).unwrap();
    let Output { status, stderr, .. } =
        Command::new(HARNESS).arg("replay").arg(&recorded).output().unwrap();
    let words = text_of(stderr);
    assert_eq!(status.code(), Some(64), "{words}");
    let why = "cannot do `reorder` of fault 1: it does not exist on tcp";
    assert!(words.contains(why), "{words}");
}

/// One build keeps what the other has stored, and one does not look for it: who runs both, one
/// after the other, hears of the second. Without a newer build the scenario is refused by name.
#[test]
fn an_upgrade_that_forgets_is_found_and_one_that_does_not_passes() {
    if !has_python() {
        return;
    }
    let scratch = Scratch::new("upgrade");
    let scenario = Path::new(STORE).join("at-once.toml");
    let description = Path::new(STORE).join("upgrade.toml");
    let run = |description: &Path| {
        let output = scratch.chaos(description, &["--scenario", scenario.to_str().unwrap()]);
        let out = format!("{}{}", text_of(output.stdout), text_of(output.stderr));
        (output.status.code(), out)
    };
    let (code, out) = run(&description);
    assert_eq!(code, Some(1), "{out}");
    let told = std::fs::read_to_string(scratch.0.join("runs/latest/report.json")).unwrap();
    assert!(told.contains("started as the newer build"), "{told}");
    let text = std::fs::read_to_string(&description).unwrap();
    let sound = scratch.0.join("sound-upgrade.toml");
    std::fs::write(&sound, text.replace("other-log", "none")).unwrap();
    let (code, out) = run(&sound);
    assert_eq!(code, Some(0), "{out}");
    let (code, out) = run(&Path::new(STORE).join("sound.toml"));
    assert_eq!(code, Some(64), "{out}");
    let why = "cannot do `upgrade` of fault 1: its nodes have one build";
    assert!(out.contains(why) && out.contains("`upgraded`"), "{out}");
}

/// What only the system's own tools can do is done by them, under the faults of the harness; what
/// they did not do is told, and lets nothing pass.
#[test]
fn commands_of_the_description_have_their_turns_beside_the_faults_of_the_harness() {
    if !has_python() {
        return;
    }
    let scratch = Scratch::new("engine");
    let text = std::fs::read_to_string(Path::new(STORE).join("sound.toml")).unwrap();
    let description = scratch.0.join("engine.toml");
    let run = |lift: &str, nemesis: &str| {
        let engine = format!(
            r#"
            [[engine]]
            name = "member-leaves"
            inject = [
                "sh", "-c", "echo {{node}} $0 $1 > {{run}}/left", {{ per_node = ["{{address}}"] }},
            ]
            lift = [{lift}]
            witness = ["test", "-s", "{{run}}/left"]
            "#
        );
        std::fs::write(&description, format!("{text}{engine}")).unwrap();
        let output =
            scratch.chaos(&description, &["--nemesis", nemesis, "--seed", "1", "--time", "9"]);
        let out = format!("{}{}", text_of(output.stdout), text_of(output.stderr));
        let report = std::fs::read(scratch.0.join("runs/latest/report.json")).expect(&out);
        let report: Value = serde_json::from_slice(&report).unwrap();
        (output.status.code(), out, report)
    };
    let (code, out, report) = run("\"rm\", \"{run}/left\"", "isolate-one");
    assert_eq!(code, Some(0), "{out}");
    let faults = report["faults"].as_array().unwrap();
    let of = |kind: &str| faults.iter().filter(|fault| fault["kind"] == kind).collect::<Vec<_>>();
    assert!(!of("isolate-one").is_empty(), "{faults:?}");
    let left = of("member-leaves");
    let effect = "its engine began and ended it, and its witness saw it";
    assert!(!left.is_empty() && left.iter().all(|fault| fault["effect"] == effect), "{left:?}");
    assert!(left[0]["detail"].as_str().unwrap().starts_with("of node "), "{left:?}");
    let (code, out, _) = run("\"false\"", "isolate-one");
    assert_eq!(code, Some(2), "{out}");
    assert!(out.contains("the lift of member-leaves"), "{out}");
    let (code, out, report) = run("\"false\"", "calm");
    assert_eq!(code, Some(0), "{out}");
    assert_eq!(report["faults"].as_array().unwrap().len(), 0, "nothing is done in a calm run");
}

#[test]
fn a_store_on_tcp_that_is_described_as_udp_is_void_and_says_why() {
    if !has_python() {
        return;
    }
    let scratch = Scratch::new("udp");
    let text = std::fs::read_to_string(Path::new(STORE).join("sound.toml")).unwrap();
    let description = scratch.0.join("udp.toml");
    let udp = text.replace("\"tcp\"", "\"udp\"").replace("ready = { tcp = true }", "");
    std::fs::write(&description, udp).unwrap();
    let output = scratch.chaos(&description, &["--nemesis", "calm", "--time", "1"]);
    let out = text_of(output.stdout);
    assert_eq!(output.status.code(), Some(2), "{out}{}", text_of(output.stderr));
    let why = "VOID  no node ever sent anything through its proxies: is the transport udp?";
    assert!(out.contains(why), "{out}");
    assert!(out.contains("no status comes from node 1 2 3"), "{out}");
    let flags = ["--nemesis", "corrupting", "--time", "1"];
    let refused = scratch.chaos(&Path::new(STORE).join("sound.toml"), &flags);
    let words = text_of(refused.stderr);
    assert_eq!(refused.status.code(), Some(64), "{words}");
    assert!(
        words.contains("corrupting is a fault of udp") && words.contains("stalling"),
        "{words}"
    );
    std::fs::write(&description, text.replace("\"tcp\"", "\"quic\"")).unwrap();
    let refused = scratch.chaos(&description, &["--time", "1"]);
    let words = text_of(refused.stderr);
    assert_eq!(refused.status.code(), Some(64), "{words}");
    assert!(words.contains("there is no transport `quic`; there are udp and tcp"), "{words}");
}

/// With the last of two addresses alone it would count a majority of fewer nodes than there are.
#[test]
fn a_node_that_the_store_is_told_of_twice_is_refused() {
    if !has_python() {
        return;
    }
    let told = |program: &str, words: &[&str]| {
        let mut python = Command::new("python3");
        python.arg(Path::new(STORE).join(program)).args(words).env("PYTHONDONTWRITEBYTECODE", "1");
        let Output { status, stderr, .. } = python.stdin(Stdio::null()).output().unwrap();
        assert!(!status.success());
        text_of(stderr)
    };
    let scratch = Scratch::new("named-twice");
    let data = scratch.0.join("data");
    // Neither address can be listened on, so that a node which goes on does not stay.
    let node = ["--id", "1", "--data", data.to_str().unwrap(), "--peer-listen", "192.0.2.1:1"];
    let peers = |numbers: [&str; 2]| {
        let peers = numbers.map(|number| format!("--peer={number}=127.0.0.1:{number}"));
        let words = node.iter().copied().chain(["--client-listen", "192.0.2.1:2"]);
        let words: Vec<&str> = words.chain(peers.iter().map(String::as_str)).collect();
        told("node.py", &words)
    };
    let words = peers(["2", "2"]);
    assert!(words.contains("2=127.0.0.1:2: node 2 is named twice; name each node once"), "{words}");
    let words = peers(["2", "1"]);
    assert!(words.contains("--peer names node 1, which is this one"), "{words}");
    let words = told("bridge.py", &["1=127.0.0.1:1", "2=127.0.0.1:2", "1=127.0.0.1:3"]);
    assert!(words.contains("1=127.0.0.1:3: node 1 is named twice"), "{words}");
}

/// The time beyond which a run that did too little is not repeated.
const SECONDS_MAX: u32 = 30;
