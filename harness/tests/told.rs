//! Systems that tell little of themselves: no status at all, or who leads by a command alone.
//!
//! What is not told is not asked, and the report says so; a fault that needs to know who leads is
//! refused by name before anything starts.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

const HARNESS: &str = env!("CARGO_BIN_EXE_synod-harness");
const FAKE: &str = env!("CARGO_BIN_EXE_synod-fake");

/// A folder of its own for a test, gone when the test ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("synod-told-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Writes the description of a stand-in whose bridge knows no status, with these lines.
    fn system(&self, lines: &str) -> PathBuf {
        let path = self.0.join("quiet.toml");
        let text = r#"
            name = "quiet"
            serve = ["{binary}", "serve", "--id", "{node}",
                "--peer-listen", "{peer-listen}", "--client-listen", "{client-listen}",
                { per_peer = ["--other", "{peer}={address}"] }]
            bridge = ["{binary}", "bridge", "--bug", "tells-nothing",
                { per_node = ["--other", "{peer}={address}"] }]
        "#;
        std::fs::write(&path, format!("{text}\n{lines}\n")).unwrap();
        path
    }

    fn chaos(&self, lines: &str, flags: &[&str]) -> (Option<i32>, String) {
        let mut command = Command::new(HARNESS);
        command.arg("chaos").arg("--system").arg(self.system(lines));
        command.args(["--binary", FAKE, "--seed", "7", "--runs-dir"]).arg(self.0.join("runs"));
        run(command.args(flags))
    }

    /// What became of the check of this name in the last run.
    fn outcome(&self, name: &str) -> Value {
        let report = std::fs::read(self.0.join("runs/latest/report.json")).unwrap();
        let report: Value = serde_json::from_slice(&report).unwrap();
        let checks = report["checks"].as_array().unwrap().iter();
        let mut found = checks.filter(|check| check["name"] == name);
        found.next().unwrap_or_else(|| panic!("{name} in {report}"))["outcome"].clone()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn run(command: &mut Command) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let said = [stdout, stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    (status.code(), said)
}

const STATES: &str = "states are equal at equal slots";

const SERVE: &str = "all nodes serve after healing";

const LAST: &str = "the last requests are answered after healing";

const FOLLOWED: &str = "a leader that is taken away is followed by another";

/// By a line of the log, which the stand-in writes as it begins to serve.
const READY: &str = "status = []\nready = { log = \"ready\" }";

#[test]
fn a_system_without_a_status_passes_and_what_was_not_asked_is_told() {
    let scratch = Scratch::new("none");
    for lines in ["status = []", READY] {
        let (code, said) = scratch.chaos(lines, &["--nemesis", "kill-one", "--time", "8"]);
        assert_eq!(code, Some(0), "{said}");
        for name in [STATES, SERVE, FOLLOWED] {
            assert!(scratch.outcome(name)["not-asked"].is_string(), "{name}");
        }
        assert_eq!(scratch.outcome(LAST), "ok");
    }
    // The same bridge under a description that promises a status never gets as far.
    let (code, said) = scratch.chaos("", &["--nemesis", "kill-one", "--time", "8"]);
    assert_eq!(code, Some(70), "{said}");
    assert!(said.contains("no status comes from node 1 2 3"), "{said}");
}

#[test]
fn a_fault_of_leaders_is_refused_by_name_where_nobody_tells_who_leads() {
    let scratch = Scratch::new("refused");
    let (code, said) = scratch.chaos(READY, &["--nemesis", "kill-leader", "--time", "8"]);
    assert_eq!(code, Some(64), "{said}");
    assert!(said.contains("cannot do `kill-leader` of fault 1: it begins by who leads"), "{said}");
    assert!(said.contains("give it `who_leads`"), "{said}");
    assert!(!scratch.0.join("runs").exists(), "nothing was made");
    let scenario = scratch.0.join("aimed.toml");
    let text = r#"
        seed = 1
        nodes = 3
        time_ms = 4000
        [[faults]]
        at_ms = 1000
        lasts_ms = 1000
        trigger = "new-leader"
        action = "pause"
        target = { node = 2 }
    "#;
    std::fs::write(&scenario, text).unwrap();
    let path = scenario.to_str().unwrap();
    let (code, said) = scratch.chaos(READY, &["--scenario", path]);
    assert_eq!(code, Some(64), "{said}");
    assert!(said.contains("cannot do `pause` of fault 1: it begins by who leads"), "{said}");
    // What is drawn of all kinds is drawn for whom it can hit.
    let (code, said) = run(Command::new(HARNESS)
        .arg("faults")
        .arg(scratch.system(READY))
        .args(["--binary", FAKE]));
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("cannot  kill-leader") && said.contains("can     kill-one"), "{said}");
    let (code, said) = scratch.chaos(READY, &["--nemesis", "mix", "--time", "10"]);
    assert!(matches!(code, Some(0 | 2)), "{said}");
    let plan = std::fs::read_to_string(scratch.0.join("runs/latest/plan.json")).unwrap();
    assert!(!plan.contains("leader"), "{plan}");
}

#[test]
fn a_command_that_says_who_leads_is_enough_for_faults_of_leaders() {
    let scratch = Scratch::new("probe");
    let lines = format!(
        "{READY}\nwho_leads = [\"{{binary}}\", \"who-leads\", {{ per_node = [\"--other\", \
         \"{{peer}}={{address}}\"] }}]"
    );
    let (code, said) = scratch.chaos(&lines, &["--nemesis", "kill-leader", "--time", "8"]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(scratch.outcome(FOLLOWED), "ok");
    let report = std::fs::read(scratch.0.join("runs/latest/report.json")).unwrap();
    let report: Value = serde_json::from_slice(&report).unwrap();
    assert!(report["leaders"].as_array().unwrap().len() >= 2, "{report}");
    let nobody = lines.replace("who-leads", "bridge");
    let (code, said) = scratch.chaos(&nobody, &["--nemesis", "kill-leader", "--time", "8"]);
    assert_eq!(code, Some(70), "{said}");
    assert!(said.contains("`who_leads` "), "{said}");
}

#[test]
fn a_bridge_without_a_status_is_tried_by_all_else() {
    let scratch = Scratch::new("try");
    let lines = format!(
        "{READY}\nwho_leads = [\"{{binary}}\", \"who-leads\", {{ per_node = [\"--other\", \
         \"{{peer}}={{address}}\"] }}]"
    );
    let mut command = Command::new(HARNESS);
    command.arg("try-bridge").arg(scratch.system(&lines)).args(["--binary", FAKE]);
    let (code, said) = run(command.arg("--runs-dir").arg(scratch.0.join("tried")));
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("not asked  each node tells its status, and one leads: "), "{said}");
    assert!(said.contains("right      `who_leads` names the node that leads: node "), "{said}");
    assert!(said.contains("the bridge is right by all 14 rules; 1 not asked"), "{said}");
}
