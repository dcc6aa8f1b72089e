//! The verb `bench`: three servers of the release build on this machine, durable and encrypted,
//! and the load that `synod-kv bench` puts on them.
//!
//! Measuring is left to the server's own command. The servers are started through the harness's
//! guard, so that they die with this process, however it ends.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::measurements;
use crate::outcome::{Failure, Outcome};
use crate::said::{self, say};
use crate::shell::Step;
use crate::workspace::target_dir;

/// Builds, starts the cluster, and hands the flags on to `synod-kv bench`.
pub(crate) fn run(arguments: &mut lexopt::Parser) -> Outcome {
    let order = Order::read(arguments)?;
    // A file that cannot be read is told before minutes are spent on measuring.
    let before = order.compare.as_deref().map(measurements::read).transpose()?;
    say!("bench: building synod-kv and synod-harness (release profile)");
    Step::cargo()
        .args(["build", "--locked", "--release", "-p", "synod-kv", "-p", "synod-harness"])
        .run()?;
    let folder = fresh_folder()?;
    server().arg("init").arg("--dir").arg(&folder).args(["--nodes", "3"]).capture()?;
    let nodes = free_addresses()?;
    // Filled one by one, so that those that run are ended if a later one does not start.
    let mut cluster = Cluster { servers: Vec::new() };
    for node in &nodes {
        cluster.servers.push(start(&folder, node, &nodes)?);
    }
    say!("bench: {} nodes serve, data in {}", nodes.len(), folder.display());
    let targets =
        nodes.iter().flat_map(|node| ["--node".to_owned(), format!("{}={}", node.id, node.client)]);
    let client = folder.join("client.toml");
    let bench = server().arg("bench").arg("--config").arg(client).args(targets).args(order.flags);
    if order.json.is_none() && before.is_none() {
        return bench.run();
    }
    let measured = measurements::parse(&bench.arg("--json").capture()?)?;
    measured.iter().for_each(|it| say!("bench: {}", measurements::line(it)));
    if let Some(path) = &order.json {
        measurements::write(path, &measured)?;
    }
    if let Some(before) = before {
        said::out(format_args!("{}", measurements::compare(&before, &measured)?));
    }
    Ok(())
}

/// What is asked for: flags for `synod-kv bench`, and what becomes of the figures.
struct Order {
    flags: Vec<OsString>,
    json: Option<PathBuf>,
    compare: Option<PathBuf>,
}

impl Order {
    fn read(arguments: &mut lexopt::Parser) -> Result<Self, Failure> {
        let mut order = Self { flags: Vec::new(), json: None, compare: None };
        let mut words = arguments.raw_args()?;
        while let Some(word) = words.next() {
            let file = match word.to_str() {
                Some("--json") => &mut order.json,
                Some("--compare") => &mut order.compare,
                Some(_) | None => {
                    order.flags.push(word);
                    continue;
                }
            };
            let missing = || Failure::Usage(format!("{} needs a file", word.display()));
            *file = Some(PathBuf::from(words.next().ok_or_else(missing)?));
        }
        Ok(order)
    }
}

/// One node, and where it listens.
struct Node {
    id: usize,
    peer: String,
    client: String,
}

/// The running servers; dropping it ends them.
struct Cluster {
    servers: Vec<Child>,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for server in &mut self.servers {
            // An error here means that the server has ended by itself.
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

fn fresh_folder() -> Result<PathBuf, Failure> {
    let parent = target_dir().join("bench");
    let folder = parent.join("cluster");
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(|error| Failure::io("remove", &folder, &error))?;
    }
    fs::create_dir_all(&parent).map_err(|error| Failure::io("make", &parent, &error))?;
    Ok(folder)
}

/// Takes six ports at once, so that they differ, and gives them back for the servers.
fn free_addresses() -> Result<Vec<Node>, Failure> {
    let none = |error| Failure::Internal(format!("no free port on loopback: {error}"));
    let sockets: Vec<UdpSocket> = (0..2 * NODES)
        .map(|_| UdpSocket::bind(("127.0.0.1", 0)))
        .collect::<Result<_, _>>()
        .map_err(none)?;
    let address = |at: usize| sockets[at].local_addr().map(|address| address.to_string());
    let node = |at: usize| -> std::io::Result<Node> {
        Ok(Node { id: at + 1, peer: address(2 * at)?, client: address(2 * at + 1)? })
    };
    (0..NODES).map(node).collect::<Result<_, _>>().map_err(none)
}

/// Starts a server, and waits until it says that it serves.
fn start(folder: &std::path::Path, node: &Node, all: &[Node]) -> Result<Child, Failure> {
    let peers = all
        .iter()
        .filter(|peer| peer.id != node.id)
        .flat_map(|peer| ["--peer".to_owned(), format!("{}={}", peer.id, peer.peer)]);
    let config = folder.join(format!("node-{}.toml", node.id));
    let step = Step::new(binary("synod-harness"))
        .args(["guard", "--parent", &std::process::id().to_string(), "--"])
        .arg(binary("synod-kv"))
        .arg("serve")
        .arg("--config")
        .arg(config)
        .args(["--peer-listen", &node.peer, "--client-listen", &node.client])
        .args(peers);
    let log_path = folder.join(format!("node-{}.log", node.id));
    let log = fs::File::create(&log_path);
    let log = log.map_err(|error| Failure::io("write", &log_path, &error))?;
    let mut child = step.start(Stdio::piped(), log.into())?;
    let stdout = child.stdout.take();
    let (ready, told) = mpsc::sync_channel(1);
    // It reads to the end, because a server whose output nobody reads might block on it.
    thread::spawn(move || {
        for line in stdout.into_iter().flat_map(|stdout| BufReader::new(stdout).lines()) {
            // The first line alone is waited for, and the channel has room for no more.
            let _ = ready.try_send(line.is_ok());
        }
    });
    if told.recv_timeout(READY_WITHIN) == Ok(true) {
        return Ok(child);
    }
    let _ = child.kill();
    let status = child.wait();
    let status = status.map_err(|error| Failure::Internal(format!("lost: {step}: {error}")))?;
    let log = fs::read_to_string(&log_path).unwrap_or_default();
    Err(step.failure(status, log))
}

fn server() -> Step {
    Step::new(binary("synod-kv"))
}

fn binary(name: &str) -> PathBuf {
    target_dir().join("release").join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

const NODES: usize = 3;
const READY_WITHIN: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn files_are_taken_and_all_else_is_handed_on() {
        let read = |words: &[&str]| Order::read(&mut lexopt::Parser::from_args(words));
        let order = read(&["--seconds", "1", "--json", "a", "--compare", "b"]).unwrap();
        assert_eq!(order.flags, ["--seconds", "1"]);
        assert_eq!((order.json, order.compare), (Some("a".into()), Some("b".into())));
        assert!(read(&["--json"]).is_err());
    }

    #[test]
    fn every_node_has_addresses_of_its_own() {
        let nodes = free_addresses().unwrap();
        let distinct: BTreeSet<_> = nodes.iter().flat_map(|n| [&n.peer, &n.client]).collect();
        assert_eq!(distinct.len(), 2 * NODES);
        assert!(distinct.iter().all(|address| address.starts_with("127.0.0.1:")));
    }
}
