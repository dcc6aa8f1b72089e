//! `chaos --attach`: a cluster that was there before the harness, and is afterwards.
//!
//! The cluster is three servers of `synod-fake` on loopback, started by the test. Their faults are
//! the test's, too: commands of the description send signals, as an engine would.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use serde_json::Value;

const HARNESS: &str = env!("CARGO_BIN_EXE_synod-harness");
const FAKE: &str = env!("CARGO_BIN_EXE_synod-fake");

/// Servers that run until the test ends.
struct Cluster {
    folder: PathBuf,
    servers: Vec<Child>,
    addresses: Vec<SocketAddr>,
}

impl Cluster {
    fn start(name: &str, bug: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("synod-att-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let addresses: Vec<SocketAddr> = (0..3).map(|_| free_port()).collect();
        let serve = |at: &SocketAddr| {
            let mut command = Command::new(FAKE);
            command.args(["store", "--bug", bug, "--client-listen", &at.to_string()]);
            command.stdin(Stdio::null()).spawn().unwrap()
        };
        let servers = addresses.iter().map(serve).collect();
        let cluster = Self { folder, servers, addresses };
        let begin = Instant::now();
        while !cluster.serves() {
            assert!(begin.elapsed() < Duration::from_secs(20), "the servers do not start");
            std::thread::sleep(Duration::from_millis(10));
        }
        cluster
    }

    fn serves(&self) -> bool {
        self.addresses.iter().all(|at| TcpStream::connect(at).is_ok())
    }

    /// Tells whether each server is the process that was started.
    fn runs(&mut self) -> bool {
        self.servers.iter_mut().all(|server| server.try_wait().unwrap().is_none()) && self.serves()
    }

    /// Writes a description of the cluster, with these lines.
    fn description(&self, lines: &str) -> PathBuf {
        let path = self.folder.join("running.toml");
        let addresses: Vec<String> = self.addresses.iter().map(|at| format!("\"{at}\"")).collect();
        let text = format!(
            r#"
            name = "running"
            addresses = [{}]
            status = []
            transport = {{ peer = "tcp", client = "tcp" }}
            bridge = ["{{binary}}", "ask-store",
                {{ per_node = ["--other", "{{peer}}={{address}}"] }}]
            {lines}
            "#,
            addresses.join(", ")
        );
        std::fs::write(&path, text).unwrap();
        path
    }

    fn chaos(&self, lines: &str, flags: &[&str]) -> Command {
        let mut command = Command::new(HARNESS);
        command.arg("chaos").arg("--attach").arg(self.description(lines));
        command.args(["--binary", FAKE, "--seed", "7", "--runs-dir"]).arg(self.folder.join("runs"));
        command.args(flags);
        command
    }

    /// The commands of an engine that stops a server for a while which serves nobody.
    fn engine(&self, lift: &str) -> String {
        let pid = self.servers[1].id();
        let state = format!("/proc/{pid}/stat");
        format!(
            r#"
            [[engine]]
            name = "stopped"
            inject = ["kill", "-STOP", "{pid}"]
            lift = [{lift}]
            witness = ["grep", "-q", ") T ", "{state}"]
            "#
        )
    }

    fn mends(&self) -> String {
        format!("\"kill\", \"-CONT\", \"{}\"", self.servers[1].id())
    }

    fn report(&self) -> Value {
        let path = self.folder.join("runs/latest/report.json");
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    fn outcome(&self, name: &str) -> Value {
        let report = self.report();
        let checks = report["checks"].as_array().unwrap().iter();
        let mut found = checks.filter(|check| check["name"] == name);
        found.next().unwrap_or_else(|| panic!("{name} in {report}"))["outcome"].clone()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for server in &mut self.servers {
            drop(server.kill());
            drop(server.wait());
        }
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn run(mut command: Command) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let said = [stdout, stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    (status.code(), said)
}

fn signal(process: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(process.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

/// Whether a process stands still.
fn is_stopped(process: &Child) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.id())).unwrap();
    stat.contains(") T ")
}

const REAL: &str = "faults are what they are said to be";

#[test]
fn a_sound_cluster_passes_again_and_again_and_what_nobody_saw_is_told() {
    let mut cluster = Cluster::start("sound", "none");
    // What the first run has left in the servers is no answer to the second.
    for _ in 0..2 {
        let (code, said) = run(cluster.chaos("ready = { tcp = true }", &["--time", "4"]));
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("reproduce: synod-harness chaos --attach "), "{said}");
    }
    let why = cluster.outcome(REAL)["not-asked"].as_str().unwrap().to_owned();
    assert!(why.starts_with("faults were left to another engine"), "{why}");
    for name in ["no process ends by itself", "no log tells of a crash"] {
        assert!(cluster.outcome(name)["not-asked"].is_string(), "{name}");
    }
    assert_eq!(cluster.outcome("all nodes serve after healing"), "ok");
    let mut replay = Command::new(HARNESS);
    replay.arg("replay").arg(cluster.folder.join("runs/latest"));
    replay.arg("--runs-dir").arg(cluster.folder.join("runs"));
    let (code, said) = run(replay);
    assert_eq!(code, Some(0), "{said}");
    assert!(cluster.runs(), "it was there before, and is afterwards");
}

#[test]
fn a_cluster_that_loses_what_it_acknowledged_is_a_violation() {
    let mut cluster = Cluster::start("forgets", "forgets");
    let (code, said) = run(cluster.chaos("", &["--time", "4", "--workload", "registers"]));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("VIOLATION"), "{said}");
    assert!(cluster.runs());
}

#[test]
fn faults_of_an_engine_are_witnessed_or_make_the_run_void() {
    let mut cluster = Cluster::start("engine", "none");
    let flags = ["--time", "8", "--timeout-ms", "500"];
    let (code, said) = run(cluster.chaos(&cluster.engine(&cluster.mends()), &flags));
    assert_eq!(code, Some(0), "{said}");
    let report = cluster.report();
    let fault = &report["faults"][0];
    assert_eq!((&fault["kind"], &fault["effective"]), (&"stopped".into(), &true.into()));
    assert_eq!(fault["detail"], "by its engine", "no command of it names the node drawn");
    assert_eq!(cluster.outcome(REAL), "ok");
    assert!(!is_stopped(&cluster.servers[1]));
    // A command that does nothing is found out by the witness, and one that fails by its code.
    let nothing = cluster.engine(&cluster.mends()).replace("\"-STOP\"", "\"-CONT\"");
    let failing = cluster.engine(&cluster.mends()).replace("\"-STOP\"", "\"-NOSUCH\"");
    for (lines, words) in [(nothing, "the witness of stopped"), (failing, "the inject of stopped")]
    {
        let (code, said) = run(cluster.chaos(&lines, &flags));
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("VOID") && said.contains(words), "{said}");
    }
    assert!(cluster.runs());
    // What cannot be lifted is no reason to blame the cluster.
    let (code, said) = run(cluster.chaos(&cluster.engine("\"false\""), &flags));
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("VOID") && said.contains("the lift of stopped"), "{said}");
    signal(&cluster.servers[1], Signal::CONT);
}

#[test]
fn a_cluster_that_is_not_there_and_faults_of_the_harness_are_refused() {
    let mut cluster = Cluster::start("refused", "none");
    let scenario = cluster.folder.join("kill.toml");
    let text = "seed = 1\nnodes = 3\ntime_ms = 4000\n[[faults]]\nat_ms = 1000\nlasts_ms = 1000\n\
                action = \"kill\"\ntarget = { node = 1 }\n";
    std::fs::write(&scenario, text).unwrap();
    let scenario = scenario.to_str().unwrap();
    for (lines, flags, words) in [
        ("", vec!["--scenario", scenario], "fault 1 of the plan, kill, would be the harness's"),
        ("", vec!["--nemesis", "mix"], "--nemesis"),
        ("ready = { log = \"x\" }", vec![], "`ready` waits for a line of a log"),
    ] {
        let (code, said) = run(cluster.chaos(lines, &flags));
        assert_eq!(code, Some(64), "{said}");
        assert!(said.contains(words), "{said}");
    }
    assert!(!cluster.folder.join("runs").exists(), "nothing was made");
    assert!(cluster.runs());
    let here = cluster.description("");
    let mut system = Command::new(HARNESS);
    system.arg("chaos").arg("--system").arg(&here).args(["--binary", FAKE]);
    let (code, said) = run(system);
    assert_eq!(code, Some(64), "{said}");
    assert!(said.contains("`serve` is missing"), "{said}");
    let gone = cluster.addresses[2];
    cluster.servers[2].kill().unwrap();
    cluster.servers[2].wait().unwrap();
    let (code, said) = run(cluster.chaos("", &["--time", "4"]));
    assert_eq!(code, Some(64), "{said}");
    assert!(said.contains(&format!("node 3 accepts no connection at {gone}")), "{said}");
}

#[test]
fn a_harness_that_is_ended_or_killed_leaves_the_cluster_and_lifts_what_it_can() {
    let mut cluster = Cluster::start("ended", "none");
    let lines = cluster.engine(&cluster.mends());
    for how in [Signal::INT, Signal::KILL] {
        let mut command = cluster.chaos(&lines, &["--time", "60", "--timeout-ms", "500"]);
        let mut harness = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(harness.stdout.take().unwrap()).lines();
        assert!(lines.next().unwrap().unwrap().contains("seed 7"));
        let begin = Instant::now();
        while !is_stopped(&cluster.servers[1]) {
            assert!(begin.elapsed() < Duration::from_secs(30), "no fault begins");
            std::thread::sleep(Duration::from_millis(5));
        }
        signal(&harness, how);
        let rest: Vec<String> = lines.map_while(Result::ok).collect();
        let code = harness.wait().unwrap().code();
        if how == Signal::INT {
            assert_eq!(code, Some(130), "{rest:?}");
            assert!(!is_stopped(&cluster.servers[1]), "the fault was lifted");
        } else {
            // Nobody is there any more who could lift it; the engine's own limit has to.
            signal(&cluster.servers[1], Signal::CONT);
        }
        assert!(cluster.runs(), "{how:?}");
    }
}
