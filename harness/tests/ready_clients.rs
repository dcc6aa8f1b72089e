//! Systems that speak RESP or HTTP and have no bridge: the harness speaks for their clients.
//!
//! The store of `examples/ready_clients` is a node of Python that speaks both, and may answer reads
//! from the past. Without Python, Redis or etcd the tests of each say so and try nothing.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]
#![allow(clippy::print_stderr, reason = "a test that is skipped says why")]

mod store;

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use store::{has_python, text_of};

const HARNESS: &str = env!("CARGO_BIN_EXE_synod-harness");
const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");

/// A folder of its own for a test, gone when the test ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("synod-ready-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Writes an example with this in place of that, as a file beside the store.
    fn changed(&self, protocol: &str, from: &str, to: &str) -> PathBuf {
        let folder = Path::new(EXAMPLES).join("ready_clients");
        let text = std::fs::read_to_string(folder.join(format!("{protocol}.toml"))).unwrap();
        assert!(text.contains(from), "{from}: {text}");
        let text = text.replacen(from, to, 1).replace("{here}", folder.to_str().unwrap());
        let path = self.0.join("changed.toml");
        std::fs::write(&path, text).unwrap();
        path
    }

    fn harness(&self, words: &[&str], system: &Path, flags: &[&str]) -> (Option<i32>, String) {
        let mut command = Command::new(HARNESS);
        command.args(words).arg(system).args(flags).arg("--runs-dir").arg(self.0.join("runs"));
        let output = command.env("PYTHONDONTWRITEBYTECODE", "1").output().unwrap();
        let Output { status, stdout, stderr } = output;
        (status.code(), text_of(stdout) + &text_of(stderr))
    }

    fn try_bridge(&self, system: &Path) -> (Option<i32>, String) {
        self.harness(&["try-bridge"], system, &["--nodes", "1"])
    }

    /// Runs clients against one node, of which nothing is broken; longer, where a busy machine did
    /// too little for a verdict.
    fn calm(&self, system: &Path, workload: &str) -> (Option<i32>, String) {
        let mut seconds = 3;
        loop {
            let time = seconds.to_string();
            let flags = ["--nodes", "1", "--nemesis", "calm", "--workload", workload];
            let flags = [&flags[..], &["--time", &time]].concat();
            let (code, said) = self.harness(&["chaos", "--system"], system, &flags);
            if code == Some(2) && said.contains("operations were ok") && seconds < SECONDS_MAX {
                seconds *= 3;
                continue;
            }
            return (code, said);
        }
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

/// The time beyond which a run that did too little is not repeated.
const SECONDS_MAX: u64 = 60;

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn example(protocol: &str) -> PathBuf {
    Path::new(EXAMPLES).join(format!("ready_clients/{protocol}.toml"))
}

fn has(program: &str) -> bool {
    let probe = Command::new(program).arg("--version").stdout(Stdio::null()).status();
    let found = probe.is_ok_and(|status| status.success());
    if !found {
        eprintln!("skipped: {program} is not installed");
    }
    found
}

#[test]
fn a_ready_client_is_right_by_every_rule_of_a_bridge() {
    if !has_python() {
        return;
    }
    for protocol in ["resp", "http"] {
        let scratch = Scratch::new(&format!("right-{protocol}"));
        let (code, said) = scratch.try_bridge(&example(protocol));
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("the bridge is right by all 14 rules"), "{said}");
        assert!(!said.contains("not offered"), "each operation is there: {said}");
        let unanswered = "is `info`, and never `fail`: 0 ok, 6 info, 0 fail";
        assert!(said.contains(unanswered), "{said}");
    }
}

#[test]
fn a_sound_store_passes_and_one_that_answers_from_the_past_is_found() {
    if !has_python() {
        return;
    }
    for (protocol, workload) in [("resp", "mix"), ("http", "mix"), ("resp", "append")] {
        let scratch = Scratch::new(&format!("sound-{protocol}-{workload}"));
        let (code, said) = scratch.calm(&example(protocol), workload);
        assert_eq!(code, Some(0), "{said}");
    }
    for protocol in ["resp", "http"] {
        let scratch = Scratch::new(&format!("stale-{protocol}"));
        let stale = "\"{client-listen}\", \"--bug\", \"stale\"]";
        let system = scratch.changed(protocol, "\"{client-listen}\"]", stale);
        let (code, said) = scratch.calm(&system, "registers");
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("VIOLATION") && said.contains("read of"), "{said}");
        // A replay needs nothing but what the run left.
        let latest = scratch.0.join("runs/latest");
        let (code, said) = scratch.harness(&["replay"], &latest, &[]);
        assert_eq!(code, Some(1), "{said}");
    }
}

#[test]
fn what_is_wrong_about_a_ready_client_is_found_and_named() {
    if !has_python() {
        return;
    }
    for (protocol, from, to, rule, words) in [
        // It reads another key than it writes.
        (
            "http",
            "path = \"/kv/{key}\", body",
            "path = \"/kv/x{key}\", body",
            "a read sees what was written",
            "has to see \"1\"",
        ),
        // A status that is not named is no outcome.
        (
            "http",
            "path = \"/kv/{key}\", absent = [404]",
            "path = \"/kv/{key}\"",
            "a read sees what was written",
            "404",
        ),
        // What an error says is told.
        (
            "resp",
            "[\"SET\", \"{key}\", \"{value}\"]",
            "[\"STE\", \"{key}\", \"{value}\"]",
            "a read sees what was written",
            "ERR unknown command",
        ),
    ] {
        let scratch = Scratch::new(&format!("wrong-{protocol}-{}", from.len()));
        let (code, said) = scratch.try_bridge(&scratch.changed(protocol, from, to));
        assert_eq!(code, Some(1), "{said}");
        let wrong = said.split("WRONG      ").skip(1).find(|told| told.starts_with(rule));
        assert!(wrong.is_some_and(|told| told.contains(words)), "{said}");
    }
}

/// The reason why no node tells a status is the one thing that helps.
#[test]
fn what_the_status_was_answered_is_told_where_a_run_does_not_begin() {
    if !has_python() {
        return;
    }
    let scratch = Scratch::new("unready");
    let system = scratch.changed("resp", "[\"PING\"]", "[\"PONG\"]");
    let (code, said) = scratch.calm(&system, "registers");
    assert_eq!(code, Some(70), "{said}");
    assert!(said.contains("no status comes from node 1 (ERR unknown command)"), "{said}");
}

/// A check that rests on what nobody tells is never passed.
#[test]
fn what_a_ready_client_does_not_tell_is_not_asked() {
    if !has_python() {
        return;
    }
    let scratch = Scratch::new("untold");
    let (states, serve) = ("states are equal at equal slots", "all nodes serve after healing");
    let followed = "a leader that is taken away is followed by another";
    let (code, said) = scratch.calm(&example("resp"), "registers");
    assert_eq!(code, Some(0), "{said}");
    for name in [states, followed] {
        assert!(scratch.outcome(name)["not-asked"].is_string(), "{name}");
    }
    assert_eq!(scratch.outcome(serve), "ok", "its nodes answer their `status`");
    // Nobody leads, so that no fault can hit who does.
    let flags = ["--nemesis", "kill-leader", "--time", "8"];
    let (code, said) = scratch.harness(&["chaos", "--system"], &example("resp"), &flags);
    assert_eq!(code, Some(64), "{said}");
    assert!(said.contains("cannot do `kill-leader` of fault 1: it begins by who leads"), "{said}");
    let faults = |system: &Path| {
        let output = Command::new(HARNESS).arg("faults").arg(system).output().unwrap();
        text_of(output.stdout)
    };
    assert!(faults(&example("resp")).contains("cannot  kill-leader"));
    // A text of the answer tells it, or a command does.
    let by_text = scratch.changed("http", "[client.http]", "[client.http]\nleads = \"well\"");
    assert!(faults(&by_text).contains("can     kill-leader"));
    let (code, said) = scratch.try_bridge(&by_text);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("and one leads: node 1 leads"), "{said}");
    let command = "who_leads = [\"echo\", \"1\"]\n[client.resp]";
    let by_command = scratch.changed("resp", "[client.resp]", command);
    assert!(faults(&by_command).contains("can     kill-leader"));
    let (code, said) = scratch.try_bridge(&by_command);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("right      `who_leads` names the node that leads: node 1"), "{said}");
}

/// A store that runs until the test ends.
struct Running(Child, u16);

impl Running {
    fn start(protocol: &str, bug: &[&str]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let store = Path::new(EXAMPLES).join("ready_clients/store.py");
        let at = format!("127.0.0.1:{port}");
        let mut command = Command::new("python3");
        command.arg(store).args([protocol, &at]).args(bug).env("PYTHONDONTWRITEBYTECODE", "1");
        command.stdin(Stdio::null()).stderr(Stdio::null());
        let running = Self(command.spawn().unwrap(), port);
        let begin = Instant::now();
        while TcpStream::connect(&at).is_err() {
            assert!(begin.elapsed() < Duration::from_secs(20), "the store does not start");
            std::thread::sleep(Duration::from_millis(10));
        }
        running
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn a_cluster_that_runs_already_is_asked_by_a_ready_client() {
    if !has_python() {
        return;
    }
    for (bug, wanted) in [(&[][..], 0), (&["--bug", "stale"], 1)] {
        for protocol in ["resp", "http"] {
            let scratch = Scratch::new(&format!("attach-{protocol}-{wanted}"));
            let mut running = Running::start(protocol, bug);
            // By the name of its host, as a cluster elsewhere has one.
            let addresses = format!("addresses = [\"localhost:{}\"]\n#", running.1);
            let system = scratch.changed(protocol, "serve =", &addresses);
            // What the first run has left in the store is no answer to the second.
            for _ in 0..2 {
                let flags = ["--time", "4", "--workload", "registers"];
                let (code, said) = scratch.harness(&["chaos", "--attach"], &system, &flags);
                assert_eq!(code, Some(wanted), "{said}");
            }
            assert!(running.0.try_wait().unwrap().is_none(), "it runs on");
        }
    }
}

#[test]
fn a_description_without_a_way_in_or_with_two_is_refused() {
    let scratch = Scratch::new("refused");
    for (protocol, from, to, words) in [
        ("resp", "[client.resp]", "bridge = [\"cat\"]\n[client.resp]", "more than one speaks for"),
        ("resp", "\"{key}\"]\nwrite", "\"key\"]\nwrite", "`read` of `client` says nowhere `{key}`"),
        ("resp", "[client.resp]", "[client.grpc]", "there is no `grpc`"),
        ("http", "status = {", "# status = {", "`status` is missing; add it"),
        ("http", "path = \"/health\"", "paht = \"/health\"", "did you mean `path`?"),
        ("http", "client = \"tcp\"", "client = \"udp\"", "by TCP, which it does not speak"),
        ("resp", "[client.resp]", "status = []\n[client.resp]", "leave `status` out"),
        (
            "resp",
            "[client.resp]",
            "who_leads = [\"echo\"]\n[client.resp]\nleads = \"PONG\"",
            "`who_leads` says who leads, and so does `leads` of `client`; leave one of them out",
        ),
    ] {
        let system = scratch.changed(protocol, from, to);
        let (code, said) = scratch.calm(&system, "registers");
        assert_eq!(code, Some(64), "{said}");
        assert!(said.contains(words), "{words}: {said}");
    }
}

#[test]
fn what_init_writes_for_a_ready_client_is_right_once_something_serves() {
    if !has_python() {
        return;
    }
    let store = Path::new(EXAMPLES).join("ready_clients/store.py");
    for protocol in ["resp", "http"] {
        let scratch = Scratch::new(&format!("init-{protocol}"));
        let mut init = Command::new(HARNESS);
        let init = init.arg("init").arg(&scratch.0).args(["--client", protocol]).output().unwrap();
        assert!(init.status.success(), "{}", text_of(init.stderr));
        assert!(!scratch.0.join("bridge.py").exists());
        let path = scratch.0.join("system.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        let serve = format!(
            "serve = [\"python3\", {store:?}, \"{protocol}\", \"{{client-listen}}\"]\n\
             ready = {{ tcp = true }}"
        );
        let serves = text.replacen("serve = [\"tail\", \"-f\", \"/dev/null\"]", &serve, 1);
        assert_ne!(serves, text);
        std::fs::write(&path, serves).unwrap();
        let (code, said) = scratch.try_bridge(&path);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("or is refused by `fail`: not offered"), "{said}");
    }
}

#[test]
fn redis_and_etcd_are_asked_without_a_bridge() {
    for (program, system) in [("redis-server", "redis/ready.toml"), ("etcd", "etcd/gateway.toml")] {
        if !has(program) {
            continue;
        }
        let scratch = Scratch::new(program);
        let system = Path::new(EXAMPLES).join(system);
        let (code, said) = scratch.try_bridge(&system);
        assert_eq!(code, Some(0), "{said}");
        let (code, said) = scratch.calm(&system, "registers");
        assert_eq!(code, Some(0), "{said}");
    }
}
