//! `init`, `try-bridge` and `faults` as somebody uses them who tests a system of theirs.
//!
//! The bridge that `init` writes is right by every rule; each test of a wrong one changes a line of
//! it. Without Python these tests say so and try nothing; the stand-in of the harness is tried
//! everywhere.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]
#![allow(clippy::print_stderr, reason = "a test that is skipped says why")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const HARNESS: &str = env!("CARGO_BIN_EXE_synod-harness");
const FAKE: &str = env!("CARGO_BIN_EXE_synod-fake");

/// What the bridge of `init` does to write.
const WRITES: &str = "        with self.lock:\n            self.set(key, value)\n";

/// How the bridge of `init` answers.
const SPEAKS: &str = "            print(line, flush=True)\n";

/// A folder of its own for a test, gone when the test ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("synod-try-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Writes the files of `init`, with this in place of that in the bridge.
    fn init(&self, from: &str, to: &str) -> PathBuf {
        let (code, said) = run(Command::new(HARNESS).arg("init").arg(self.0.join("mine")));
        assert_eq!(code, Some(0), "{said}");
        let bridge = self.0.join("mine/bridge.py");
        let text = std::fs::read_to_string(&bridge).unwrap();
        assert!(text.contains(from), "{from}");
        std::fs::write(&bridge, text.replacen(from, to, 1)).unwrap();
        self.0.join("mine/system.toml")
    }

    /// Writes the description of the stand-in with this bug.
    fn fake(&self, bug: &str) -> PathBuf {
        let path = self.0.join("fake.toml");
        let text = r#"
            name = "fake"
            serve = ["{binary}", "serve", "--id", "{node}", "--bug", "BUG",
                "--peer-listen", "{peer-listen}", "--client-listen", "{client-listen}",
                { per_peer = ["--other", "{peer}={address}"] }]
            bridge = ["{binary}", "bridge", "--bug", "BUG",
                { per_node = ["--other", "{peer}={address}"] }]"#;
        std::fs::write(&path, text.replace("BUG", bug)).unwrap();
        path
    }

    fn try_bridge(&self, system: &Path, flags: &[&str]) -> (Option<i32>, String) {
        let mut command = Command::new(HARNESS);
        command.arg("try-bridge").arg(system).args(["--binary", FAKE]).args(flags);
        command.arg("--runs-dir").arg(self.0.join("tried")).env("PYTHONDONTWRITEBYTECODE", "1");
        // What a bridge does not flush stays with it.
        command.env_remove("PYTHONUNBUFFERED");
        run(&mut command)
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

/// Returns whether there is a Python; says so if there is none.
fn has_python() -> bool {
    let probe = "import sys; sys.exit(sys.version_info < (3, 10))";
    let mut python = Command::new("python3");
    let python = python.args(["-c", probe]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let found = python.is_ok_and(|status| status.success());
    if !found {
        eprintln!("skipped: there is no python3 of version 3.10 or later");
    }
    found
}

/// Changes a line of the bridge, and holds what is said of it.
fn check_wrong(name: &str, from: &str, to: &str, rule: &str, words: &[&str]) {
    if !has_python() {
        return;
    }
    let scratch = Scratch::new(name);
    let system = scratch.init(from, to);
    let (code, said) = scratch.try_bridge(&system, &["--nodes", "1"]);
    assert_eq!(code, Some(1), "{said}");
    let wrong = said.split("WRONG      ").skip(1).find(|told| told.starts_with(rule));
    let wrong = wrong.unwrap_or_else(|| panic!("`{rule}` is wrong: {said}"));
    for word in words {
        assert!(wrong.contains(word), "{word}: {said}");
    }
}

#[test]
fn what_init_writes_is_right_by_every_rule_and_is_not_written_over() {
    if !has_python() {
        return;
    }
    let scratch = Scratch::new("init");
    let system = scratch.init("values", "values");
    let (code, said) = scratch.try_bridge(&system, &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("the bridge is right by all 14 rules"), "{said}");
    assert!(!said.contains("WRONG") && !said.contains("not tried"), "{said}");
    // It asks no server, and that is told.
    assert!(said.contains("does it ask the nodes?"), "{said}");
    let before = std::fs::read(scratch.0.join("mine/bridge.py")).unwrap();
    let (code, said) = run(Command::new(HARNESS).arg("init").arg(scratch.0.join("mine")));
    assert_eq!(code, Some(64), "{said}");
    assert!(said.contains("mine/system.toml is there already; name another folder"), "{said}");
    std::fs::remove_file(&system).unwrap();
    let (code, said) = run(Command::new(HARNESS).arg("init").arg(scratch.0.join("mine")));
    assert_eq!(code, Some(64), "{said}");
    assert!(said.contains("mine/bridge.py is there already") && !system.exists(), "{said}");
    assert_eq!(before, std::fs::read(scratch.0.join("mine/bridge.py")).unwrap());
}

#[test]
fn what_init_writes_passes_no_run_as_nothing_serves() {
    if !has_python() {
        return;
    }
    let scratch = Scratch::new("calm");
    let system = scratch.init("values", "values");
    let mut chaos = Command::new(HARNESS);
    chaos.arg("chaos").arg("--system").arg(&system).args(["--nemesis", "calm", "--time", "1"]);
    chaos.arg("--runs-dir").arg(scratch.0.join("runs")).env("PYTHONDONTWRITEBYTECODE", "1");
    let (code, said) = run(&mut chaos);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("is the transport tcp?"), "{said}");
    // Where the bridge is, is known to a replay, too.
    let mut replay = Command::new(HARNESS);
    replay.arg("replay").arg(scratch.0.join("runs/latest")).current_dir("/");
    replay.arg("--runs-dir").arg(scratch.0.join("again")).env("PYTHONDONTWRITEBYTECODE", "1");
    let (code, said) = run(&mut replay);
    assert_eq!(code, Some(2), "{said}");
}

#[test]
fn the_stand_in_is_right_and_what_it_does_not_offer_is_told() {
    let scratch = Scratch::new("fake");
    let system = scratch.fake("none");
    let (code, said) = scratch.try_bridge(&system, &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("right      each node tells its status, and one leads: node "), "{said}");
    assert!(said.contains("right      it ends when its input ends\n"), "{said}");
}

#[test]
fn a_second_answer_is_shown_with_the_line_that_was_sent_and_the_one_that_came() {
    let scratch = Scratch::new("twice");
    let system = scratch.fake("twice");
    let (code, said) = scratch.try_bridge(&system, &["--nodes", "1"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("    sent   {\"id\":"), "{said}");
    assert!(said.contains("    came   {"), "{said}");
    assert!(
        said.contains("has its answer already\n    do     answer each question once"),
        "{said}"
    );
    assert!(said.contains("the bridge is wrong by "), "{said}");
}

#[test]
fn a_bridge_that_ends_is_told_with_its_code_and_the_rest_is_not_tried() {
    let scratch = Scratch::new("ends");
    let system = scratch.fake("ends");
    let (code, said) = scratch.try_bridge(&system, &["--nodes", "1"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("the bridge ended (exit code 3)"), "{said}");
    assert!(
        said.contains("not tried  it ends when its input ends: the bridge has ended"),
        "{said}"
    );
}

#[test]
fn a_status_of_another_node_is_wrong() {
    let scratch = Scratch::new("other");
    let system = scratch.fake("other-node");
    let (code, said) = scratch.try_bridge(&system, &["--nodes", "2"]);
    assert_eq!(code, Some(1), "{said}");
    let rule = "WRONG      each node tells its status, and one leads\n    sent   {";
    assert!(
        said.contains(rule) && said.contains("node 1 was asked, and this is of node"),
        "{said}"
    );
}

#[test]
fn a_write_called_failed_that_happened_is_wrong() {
    check_wrong(
        "failed",
        WRITES,
        &format!(
            "{WRITES}        if \"killed\" in key:\n            \
             raise Refused(\"the connection was lost\")\n"
        ),
        "a write whose node is killed is `info` or `ok`, and never `fail`",
        &[
            "\"key\":\"try.killed.0\"",
            "the connection was lost",
            "a read finds its value",
            "`info`",
        ],
    );
}

#[test]
fn a_write_that_did_not_happen_may_be_called_failed() {
    if !has_python() {
        return;
    }
    let scratch = Scratch::new("refused");
    let system = scratch.init(
        WRITES,
        &format!(
            "        if \"killed\" in key or \"unanswered\" in key:\n            \
             raise Refused(\"down\")\n{WRITES}"
        ),
    );
    let (code, said) = scratch.try_bridge(&system, &["--nodes", "1"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("never `fail`: 0 ok, 0 info, 6 fail"), "{said}");
}

#[test]
fn what_goes_wrong_with_values_is_told_with_what_was_to_be_seen() {
    let read = "            return self.values.get(key)\n";
    check_wrong(
        "empty",
        read,
        "            return self.values.get(key) or None\n",
        "a text of any kind comes back as it was written",
        &["\"value\": null", "a read (an empty text) has to see \"\""],
    );
    check_wrong(
        "cas",
        "            return is_there\n",
        "            return True\n",
        "`cas` sets what it should",
        &["\"value\":[null,\"9\"]", "has to be false here"],
    );
    check_wrong(
        "sum",
        "            return int(self.values[key])\n",
        "            return int(value)\n",
        "`add` answers with the sum",
        &["the sum is 3 here"],
    );
}

#[test]
fn what_is_no_answer_is_told_as_it_came() {
    check_wrong(
        "chatty",
        SPEAKS,
        "            print(\"asked\", ask[\"f\"])\n            print(line, flush=True)\n",
        "each node tells its status",
        &["came   asked status", "it is no answer", "all else on standard error"],
    );
}

/// Nothing more can be seen of it, so no rule is held against it that needs an answer.
#[test]
fn an_answer_to_no_question_is_told_at_once() {
    check_wrong(
        "mixed",
        "\"id\": ask[\"id\"], **answer(system, ask)",
        "\"id\": ask[\"id\"] + 1, **answer(system, ask)",
        "each node tells its status",
        &["there was no question 2", "repeat the `id`", "1 of 14 rules; 12 were not tried"],
    );
}

#[test]
fn what_is_not_flushed_is_told_when_the_time_for_it_is_over() {
    check_wrong(
        "unflushed",
        SPEAKS,
        "            print(line)\n",
        "each node tells its status",
        &["node 1 has no status within"],
    );
}

#[test]
fn an_operation_that_nobody_knows_and_an_input_that_ends_are_tried() {
    check_wrong(
        "agreeable",
        "            raise Refused(f\"there is no {f}\")\n",
        "            return {\"type\": \"ok\", \"value\": None}\n",
        "an operation that nobody knows is refused by `fail`",
        &["no-such-operation", "it cannot have done what nobody knows"],
    );
    check_wrong(
        "endless",
        "            threads.submit(serve, ask)\n",
        "            threads.submit(serve, ask)\n    import time; time.sleep(600)\n",
        "it ends when its input ends",
        &["it runs on for 20 s without input"],
    );
}

#[test]
fn a_line_that_is_no_question_may_end_a_bridge_with_a_code_and_not_in_silence() {
    let forgives = "            except ValueError as error:\n";
    check_wrong(
        "leaves",
        forgives,
        "            except ValueError as error:\n                sys.exit(0)\n",
        "a line that is no question does no harm",
        &["it ended as if all were well"],
    );
}

#[test]
fn a_system_that_does_not_start_is_not_the_bridges_fault() {
    let scratch = Scratch::new("unstarted");
    let system = scratch.0.join("broken.toml");
    let text = "name = \"broken\"\nserve = [\"sh\", \"-c\", \"echo no port >&2; exit 9\"]\n\
                bridge = [\"cat\"]\ntransport = { peer = \"tcp\", client = \"tcp\" }\n\
                ready = { tcp = true }\n";
    std::fs::write(&system, text).unwrap();
    let (code, said) = scratch.try_bridge(&system, &[]);
    assert_eq!(code, Some(70), "{said}");
    assert!(said.contains("failed (exit code 9)") && said.contains("no port"), "{said}");
    let (code, said) = scratch.try_bridge(&scratch.0.join("absent.toml"), &[]);
    assert_eq!(code, Some(64), "{said}");
}
