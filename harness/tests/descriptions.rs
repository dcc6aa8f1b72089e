//! What a description says beyond commands, in runs of real processes: variables, readiness, and
//! lines of a log that tell of a crash.
//!
//! The system is the stand-in, started by a shell that says or asks something first.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::path::PathBuf;
use std::process::{Command, Output};

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

    /// Describes the stand-in, whose nodes run this in a shell before they serve.
    fn system(&self, first: &str, more: &str) -> PathBuf {
        let path = self.0.join("system.toml");
        let text = format!(
            r#"
            name = "told"
            serve = ["sh", "-c", '{first}; exec "$0" "$@"', "{{binary}}", "serve",
                "--id", "{{node}}", "--bug", "none",
                "--peer-listen", "{{peer-listen}}", "--client-listen", "{{client-listen}}",
                {{ per_peer = ["--other", "{{peer}}={{address}}"] }}]
            bridge = ["sh", "-c", 'test "$WHERE" = "{{nodes}} nodes" || exit 8; exec "$0" "$@"',
                "{{binary}}", "bridge", "--bug", "none",
                {{ per_node = ["--other", "{{peer}}={{address}}"] }}]
            env.bridge = {{ WHERE = "{{nodes}} nodes" }}
            {more}
            "#
        );
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Runs in calm; a run that did too little on a busy machine is repeated.
    fn calm(&self, first: &str, more: &str) -> (Option<i32>, String) {
        let system = self.system(first, more);
        let mut last = None;
        for _ in 0..3 {
            let mut command = Command::new(HARNESS);
            command.arg("chaos").arg("--system").arg(&system).args(["--binary", FAKE]);
            command.args(["--nemesis", "calm", "--time", "2", "--seed", "7"]);
            command.arg("--runs-dir").arg(self.0.join("runs"));
            let Output { status, stdout, stderr } = command.output().unwrap();
            let said = [stdout, stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
            if status.code() != Some(2) {
                return (status.code(), said);
            }
            last = Some((status.code(), said));
        }
        last.unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

#[test]
fn commands_have_their_variables_with_gaps_filled() {
    let scratch = Scratch::new("env");
    let asks = "test \"$NODE\" = \"n{node}\" && test \"${{PEERS#*,}}\" != \"$PEERS\" || exit 7";
    let more = "env.serve = { NODE = \"n{node}\", PEERS = { per_peer = [\"{peer}={address}\"] } }";
    let (code, said) = scratch.calm(asks, more);
    assert_eq!(code, Some(0), "{said}");
    // Without them the nodes say so: it is they that were asked for.
    let (code, said) = scratch.calm(asks, "");
    assert_eq!(code, Some(70), "{said}");
    assert!(said.contains("failed (exit code 7)"), "{said}");
}

#[test]
fn a_line_that_tells_of_a_crash_is_a_violation_though_the_node_runs_on() {
    let scratch = Scratch::new("crash");
    let (code, said) = scratch.calm("echo panic: on purpose", "");
    assert_eq!(code, Some(1), "{said}");
    let words = "line 1 of stdout.log of node 1 tells of a crash: panic: on purpose";
    assert!(said.contains(words), "{said}");
    let (code, said) = scratch.calm("echo panic: on purpose", "known_crash_patterns = false");
    assert_eq!(code, Some(0), "{said}");
    let own = "known_crash_patterns = false\ncrash_patterns = [\"by design\", \"purpose\"]";
    let (code, said) = scratch.calm("echo panic: on purpose", own);
    assert_eq!(code, Some(1), "{said}");
    let (code, said) = scratch.calm("echo on porpoise", "crash_patterns = [\"purpose\"]");
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn a_node_that_is_not_ready_is_named_with_what_was_waited_for() {
    let scratch = Scratch::new("ready");
    let (code, said) = scratch.calm("echo up and running", "ready = { log = \"up and\" }");
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = scratch.calm("echo up and running", "ready = { log = \"serving\" }");
    assert_eq!(code, Some(70), "{said}");
    let words = "did not serve within 20 s: no line of the log of node 1 has `serving`";
    assert!(said.contains(words), "{said}");
}
