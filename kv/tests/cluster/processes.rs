//! Real server processes for a test: started with free ports, gone when the test ends.
//!
//! Dropping a process kills and reaps it, so a test that fails leaves nothing behind; dropping the
//! cluster removes its folder.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use synod_kv::client::KvSession;
use synod_node::{Client, ClientConfig, NodeId, Status, TlsFiles};

/// The program under test.
pub(crate) fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_synod-kv"))
}

/// Runs the program to its end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    program().args(arguments).output().unwrap()
}

/// One server process.
pub(crate) struct Server {
    child: Child,
    stdout: BufReader<ChildStdout>,
    stderr: PathBuf,
}

impl Server {
    /// Starts the program with these arguments; stderr goes to a file.
    fn start(arguments: &[String], stderr: PathBuf) -> Self {
        let log = fs::OpenOptions::new().create(true).append(true).open(&stderr).unwrap();
        let mut child = program()
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self { child, stdout, stderr }
    }

    /// Starts the program with a pipe for its stderr, which the caller reads or not.
    fn start_piped(arguments: &[String], stderr: PathBuf) -> (Self, ChildStderr) {
        fs::write(&stderr, "").unwrap();
        let mut child = program()
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let pipe = child.stderr.take().unwrap();
        (Self { child, stdout, stderr }, pipe)
    }

    /// Waits for the line that says that the node serves.
    pub(crate) fn wait_until_ready(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        assert!(line.starts_with("ready "), "{line:?}, and on stderr: {}", self.stderr());
        line
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub(crate) fn stderr(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap()
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn terminate(&self) {
        kill_process(self.pid(), Signal::TERM).unwrap();
    }

    pub(crate) fn interrupt(&self) {
        kill_process(self.pid(), Signal::INT).unwrap();
    }

    /// Waits for the end, which must come in time.
    pub(crate) fn wait(&mut self, patience: Duration) -> ExitStatus {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begin.elapsed() < patience, "still running; stderr: {}", self.stderr());
            // A blocking read would end with the process, but not in time if it hangs.
            std::thread::yield_now();
        }
    }

    /// Returns the rest of what was printed; the process has ended.
    pub(crate) fn rest_of_stdout(&mut self) -> String {
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        rest
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder made by `init`, with free ports for its nodes.
pub(crate) struct Cluster {
    folder: PathBuf,
    pub(crate) peers: BTreeMap<u16, SocketAddr>,
    pub(crate) clients: BTreeMap<u16, SocketAddr>,
    flags: Vec<String>,
}

impl Cluster {
    pub(crate) fn new(nodes: u16) -> Self {
        Self::made_with(nodes, &[])
    }

    /// Makes the folder with further flags of `init`.
    pub(crate) fn made_with(nodes: u16, flags: &[&str]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("synod-kv-cluster-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let made = program()
            .arg("init")
            .arg("--dir")
            .arg(&folder)
            .args(["--nodes", &nodes.to_string()])
            .args(flags)
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let mut free = free_addresses(2 * usize::from(nodes)).into_iter();
        let mut take = || (1..=nodes).map(|id| (id, free.next().unwrap())).collect();
        Self { folder, peers: take(), clients: take(), flags: Vec::new() }
    }

    /// Passes further flags to each server that is started from here on.
    pub(crate) fn with_flags(mut self, flags: &[&str]) -> Self {
        self.flags.extend(flags.iter().map(|flag| (*flag).to_owned()));
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(crate) fn file(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// The arguments with which a node is served.
    pub(crate) fn serve_arguments(&self, id: u16) -> Vec<String> {
        let mut arguments = vec!["serve".to_owned(), "--config".to_owned()];
        arguments.push(self.file(&format!("node-{id}.toml")));
        arguments.extend(["--peer-listen".to_owned(), self.peers[&id].to_string()]);
        arguments.extend(["--client-listen".to_owned(), self.clients[&id].to_string()]);
        arguments.extend(["--set".to_owned(), "metrics=127.0.0.1:0".to_owned()]);
        for (peer, at) in &self.peers {
            arguments.extend(["--peer".to_owned(), format!("{peer}={at}")]);
        }
        arguments.extend(self.flags.iter().cloned());
        arguments
    }

    /// Starts a node without waiting for it.
    pub(crate) fn spawn(&self, id: u16, more: &[&str]) -> Server {
        let mut arguments = self.serve_arguments(id);
        arguments.extend(more.iter().map(|flag| (*flag).to_owned()));
        Server::start(&arguments, self.path(&format!("node-{id}.log")))
    }

    /// Starts a node that logs into a pipe, without waiting for it.
    pub(crate) fn spawn_piped(&self, id: u16, more: &[&str]) -> (Server, ChildStderr) {
        let mut arguments = self.serve_arguments(id);
        arguments.extend(more.iter().map(|flag| (*flag).to_owned()));
        Server::start_piped(&arguments, self.path(&format!("node-{id}.log")))
    }

    /// Starts a node and waits until it serves.
    pub(crate) fn start(&self, id: u16) -> Server {
        let mut server = self.spawn(id, &[]);
        server.wait_until_ready();
        server
    }

    pub(crate) fn start_all(&self) -> BTreeMap<u16, Server> {
        self.peers.keys().map(|id| (*id, self.start(*id))).collect()
    }

    /// The flags with which a command reaches the nodes.
    pub(crate) fn target_flags(&self) -> Vec<String> {
        let mut flags = vec!["--config".to_owned(), self.file("client.toml")];
        for (id, at) in &self.clients {
            flags.extend(["--node".to_owned(), format!("{id}={at}")]);
        }
        flags
    }

    /// Runs a command of the client to its end.
    pub(crate) fn command(&self, verb: &str, arguments: &[&str]) -> Output {
        program().arg(verb).args(self.target_flags()).args(arguments).output().unwrap()
    }

    /// Connects from this process; must be called inside a runtime.
    pub(crate) fn client(&self) -> Client {
        let tls = TlsFiles::in_folder(&self.folder, "client");
        let nodes = self.clients.iter().map(|(id, at)| (NodeId::new(*id), *at)).collect();
        Client::connect(&ClientConfig { nodes, tls }).unwrap()
    }

    pub(crate) fn session(&self, client: &Client) -> KvSession {
        KvSession::new(client, PATIENCE)
    }

    /// Asks each of these nodes until their answers fit, and returns them.
    pub(crate) async fn statuses_that(
        &self,
        client: &Client,
        ids: &[u16],
        fit: impl Fn(&[Status]) -> bool,
    ) -> Vec<Status> {
        let begin = Instant::now();
        loop {
            let mut found = Vec::new();
            for id in ids {
                found.extend(client.status(NodeId::new(*id), PATIENCE).await);
            }
            if found.len() == ids.len() && fit(&found) {
                return found;
            }
            assert!(begin.elapsed() < PATIENCE, "not in time: {found:?}");
        }
    }

    /// Waits until a node leads and says which.
    pub(crate) async fn leader(&self, client: &Client, ids: &[u16]) -> u16 {
        let leads = |all: &[Status]| all.iter().any(|status| status.leads.is_some());
        let found = self.statuses_that(client, ids, leads).await;
        found.iter().find(|status| status.leads.is_some()).unwrap().node.number()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for id in self.peers.keys() {
                let log = fs::read_to_string(self.path(&format!("node-{id}.log")));
                let lines = log.unwrap_or_default();
                let last: Vec<&str> = lines.lines().rev().take(15).collect();
                eprintln!("--- last lines of node {id}, newest first\n{}", last.join("\n"));
            }
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Addresses that nobody listened on a moment ago; all are held until all are found. They are from
/// below the range out of which systems give ports to whoever asks for any: clients of other tests
/// would take them before a server does.
pub(crate) fn free_addresses(count: usize) -> Vec<SocketAddr> {
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    let mut held: Vec<UdpSocket> = Vec::new();
    while held.len() < count {
        let turn = (std::process::id() % 1_000) * 512 + TAKEN.fetch_add(1, Ordering::Relaxed);
        let port = u16::try_from(10_000 + turn % 6_000).unwrap();
        held.extend(UdpSocket::bind(("127.0.0.1", port)));
    }
    held.iter().map(|socket| socket.local_addr().unwrap()).collect()
}

/// What is left to run in a test that waits for something: far more than it should take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

pub(crate) fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}
