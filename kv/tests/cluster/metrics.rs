//! What a node tells of itself on its port of metrics, and `status` of all of them.
//!
//! The claims checked: the page of the book and the dashboard name what is exported, and the page
//! of the book all of it; what is counted is what happened; and a node is ready only in a cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use synod_kv::client::KvError;
use synod_kv::command::{Blob, Command, Query};

use crate::processes::{Cluster, PATIENCE, Server, program};

/// A node, and where it answers.
struct Node {
    server: Server,
    at: SocketAddr,
}

impl Node {
    fn start(cluster: &Cluster, id: u16) -> Self {
        let mut server = cluster.spawn(id, &[]);
        let line = server.wait_until_ready();
        let at = line.trim().rsplit_once("metrics=").unwrap().1.parse().unwrap();
        Self { server, at }
    }

    fn start_all(cluster: &Cluster) -> BTreeMap<u16, Self> {
        cluster.peers.keys().map(|id| (*id, Self::start(cluster, *id))).collect()
    }

    /// Returns the code and the body of an answer.
    fn get(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.at).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        let (head, body) = said.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.trim_end().to_owned())
    }

    /// Returns the value of a sample, written as it stands on the page.
    fn sample(&self, name: &str) -> f64 {
        let (code, page) = self.get("/metrics");
        assert_eq!(code, 200);
        value(&page, name).unwrap_or_else(|| panic!("no {name} in {page}"))
    }

    /// Waits until a sample fits, as what is shown is as old as a tenth of a second.
    fn until(&self, name: &str, fits: impl Fn(f64) -> bool) {
        wait(|| fits(self.sample(name)), || format!("{name} is {}", self.sample(name)));
    }

    fn until_ready(&self) {
        wait(|| self.get("/readyz") == (200, "ok".to_owned()), || self.get("/readyz").1);
    }
}

fn wait(done: impl Fn() -> bool, why: impl Fn() -> String) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < PATIENCE, "{}", why());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn value(page: &str, name: &str) -> Option<f64> {
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    line.parse().ok()
}

/// Returns the families of a page, and the names of its samples.
fn names(page: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let families = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let families = families.map(|rest| rest.split(' ').next().unwrap().to_owned());
    let samples = page.lines().filter(|line| !line.starts_with('#'));
    let samples = samples.map(|line| line.split(['{', ' ']).next().unwrap().to_owned());
    (families.collect(), samples.collect())
}

/// Returns the words of a text that are names of metrics.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
    words.filter(|word| word.starts_with("synod_")).map(str::to_owned).collect()
}

async fn put(cluster: &Cluster, times: u32) {
    let session = cluster.session(&cluster.client());
    for _ in 0..times {
        let put = Command::Put { key: Blob(b"x"), value: Blob(b"7") };
        session.command(&put).await.unwrap();
    }
    session.query(&Query::Get { key: Blob(b"x") }).await.unwrap();
}

#[test]
fn the_book_and_the_dashboard_name_what_is_exported() {
    let cluster = Cluster::new(1);
    let node = Node::start(&cluster, 1);
    node.until("synod_ready", |ready| ready == 1.0);
    let (families, samples) = names(&node.get("/metrics").1);
    let book = include_str!("../../../docs/book/pages/metrics.md");
    let rows: BTreeSet<String> = book
        .lines()
        .filter_map(|line| Some(line.strip_prefix("| `synod_")?.split_once('`')?.0))
        .map(|name| format!("synod_{name}"))
        .collect();
    assert_eq!(rows, families, "the table of the book is another one than /metrics");
    let dashboard = include_str!("../../../deploy/grafana.json");
    let dashboard: serde_json::Value = serde_json::from_str(dashboard).unwrap();
    let shown = named(&dashboard.to_string());
    assert!(shown.len() > 20, "{shown:?}");
    let strange: Vec<_> = shown.difference(&samples).collect();
    assert!(strange.is_empty(), "the dashboard asks for what no node exports: {strange:?}");
}

#[tokio::test]
async fn what_is_shown_is_what_happened_and_each_queue_has_its_bound() {
    let cluster = Cluster::new(3);
    let nodes = Node::start_all(&cluster);
    put(&cluster, 20).await;
    let leader = cluster.leader(&cluster.client(), &[1, 2, 3]).await;
    let (lead, follower) = (&nodes[&leader], &nodes[&(leader % 3 + 1)]);
    lead.until_ready();
    follower.until_ready();
    lead.until("synod_applied_slot", |slot| slot >= 21.0);
    for stage in ["propose", "durable", "choose", "apply", "answer", "read", "commit", "turn"] {
        let least = if stage == "read" { 1.0 } else { 20.0 };
        let name = format!("synod_stage_seconds_count{{stage=\"{stage}\"}}");
        lead.until(&name, |count| count >= least);
        let of =
            |what: &str| lead.sample(&format!("synod_stage_seconds_{what}{{stage=\"{stage}\"}}"));
        let mean = of("sum") / of("count");
        assert!(mean < PATIENCE.as_secs_f64(), "{stage} took {mean} s");
    }
    // What is chosen was proposed before, and an answer takes no less than its choice.
    let sum = |stage| lead.sample(&format!("synod_stage_seconds_sum{{stage=\"{stage}\"}}"));
    assert!(
        sum("choose") > 0.0 && sum("answer") > sum("choose"),
        "{} {}",
        sum("answer"),
        sum("choose")
    );
    // On a busy machine it may have led for a moment.
    assert!(follower.sample("synod_stage_seconds_count{stage=\"answer\"}") < 20.0);
    // Several votes may be one commit.
    follower.until("synod_stage_seconds_count{stage=\"commit\"}", |count| count >= 2.0);
    follower.until("synod_applied_slot", |slot| slot >= 21.0);
    assert_eq!(lead.sample("synod_leads") + follower.sample("synod_leads"), 1.0);
    assert_eq!(follower.sample("synod_leader_node"), f64::from(leader));
    lead.until("synod_requests_total", |count| count >= 21.0);
    lead.until("synod_queue_depth{queue=\"client_connections\"}", |depth| depth >= 1.0);
    assert!(lead.sample("synod_certificate_days_left") > 300.0);
    assert_eq!(lead.sample("synod_disk_state{state=\"ok\"}"), 1.0);
    let page = lead.get("/metrics").1;
    let queues = |family: &str| -> BTreeMap<String, f64> {
        let lines = page.lines().filter_map(|line| line.strip_prefix(family));
        lines
            .map(|rest| rest.rsplit_once(' ').unwrap())
            .map(|(name, value)| (name.to_owned(), value.parse().unwrap()))
            .collect()
    };
    let (depths, bounds) = (queues("synod_queue_depth{"), queues("synod_queue_bound{"));
    assert!(depths.len() > 10 && depths.keys().eq(bounds.keys()), "{depths:?} {bounds:?}");
    for (queue, bound) in &bounds {
        assert!(depths[queue] <= *bound && *bound > 0.0, "{queue}: {} of {bound}", depths[queue]);
    }
}

/// A node alone is alive, and of use to nobody.
#[tokio::test]
async fn a_node_is_ready_once_there_is_a_leader_and_elections_have_their_causes() {
    let cluster = Cluster::new(3);
    let first = Node::start(&cluster, 1);
    assert_eq!(first.get("/livez"), (200, "ok".to_owned()));
    wait(|| first.get("/readyz").1 == "no leader is known", || first.get("/readyz").1);
    assert_eq!(first.get("/readyz").0, 503);
    let mut nodes: BTreeMap<u16, Node> =
        [2, 3].map(|id| (id, Node::start(&cluster, id))).into_iter().collect();
    nodes.insert(1, first);
    nodes.values().for_each(Node::until_ready);
    put(&cluster, 1).await;
    let counted = |nodes: &BTreeMap<u16, Node>, cause: &str| -> f64 {
        let name = format!("synod_elections_total{{cause=\"{cause}\"}}");
        nodes.values().map(|node| node.sample(&name)).sum()
    };
    wait(|| counted(&nodes, "start") >= 1.0, || "no election of the start".to_owned());
    assert_eq!(counted(&nodes, "silence") + counted(&nodes, "hand_over"), 0.0);
    let leader = cluster.leader(&cluster.client(), &[1, 2, 3]).await;
    nodes.remove(&leader).unwrap().server.kill();
    wait(|| counted(&nodes, "silence") >= 1.0, || "no election of silence".to_owned());
    assert_eq!(counted(&nodes, "hand_over"), 0.0);
    nodes.insert(leader, Node::start(&cluster, leader));
    nodes.values().for_each(Node::until_ready);
    let leader = cluster.leader(&cluster.client(), &[1, 2, 3]).await;
    let mut ended = nodes.remove(&leader).unwrap();
    ended.server.terminate();
    assert_eq!(ended.server.wait(PATIENCE).code(), Some(0));
    wait(|| counted(&nodes, "hand_over") >= 1.0, || "no election of a hand-over".to_owned());
    let changes = |node: &Node| node.sample("synod_leader_changes_total");
    assert!(nodes.values().map(changes).sum::<f64>() >= 2.0);
}

#[tokio::test]
async fn a_full_disk_shows_and_so_does_what_is_refused_for_it() {
    const SEGMENT: u64 = 16 << 20;
    let cluster = Cluster::new(1).with_flags(&["--set", &format!("segment_bytes={SEGMENT}")]);
    let node = Node::start(&cluster, 1);
    let mut session = cluster.session(&cluster.client());
    let value = vec![b'v'; 1 << 20];
    let put = Command::Put { key: Blob(b"x"), value: Blob(&value) };
    session.command(&put).await.unwrap();
    let limit = Rlimit { current: Some(SEGMENT - 4096), maximum: None };
    prlimit(Some(node.server.pid()), Resource::Fsize, limit).unwrap();
    session.set_timeout(Duration::from_secs(2));
    for _ in 0..64 {
        if let Err(KvError::NotApplied(_)) = session.command(&put).await {
            break;
        }
    }
    node.until("synod_disk_state{state=\"full\"}", |is_full| is_full == 1.0);
    node.until("synod_requests_refused_total{reason=\"disk_full\"}", |count| count >= 1.0);
    assert_eq!(node.sample("synod_disk_state{state=\"ok\"}"), 0.0);
    let said = String::from_utf8(cluster.command("status", &[]).stdout).unwrap();
    assert!(said.contains("  full  "), "{said}");
}

#[test]
fn a_taken_port_and_an_address_that_others_reach_are_told_of() {
    let cluster = Cluster::new(1);
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let serve = |metrics: &str, more: &[&str]| {
        let mut arguments = cluster.serve_arguments(1);
        let place = arguments.iter().position(|word| word.starts_with("metrics=")).unwrap();
        arguments[place] = format!("metrics={metrics}");
        program().args(arguments).args(more).output().unwrap()
    };
    let taken = serve(&held.local_addr().unwrap().to_string(), &[]);
    let said = String::from_utf8(taken.stderr).unwrap();
    assert_eq!(taken.status.code(), Some(74), "{said}");
    assert!(said.contains("metrics: ") && said.contains("name another port"), "{said}");
    let open = serve("0.0.0.0:7101", &["--check-config"]);
    let said = String::from_utf8(open.stdout).unwrap();
    assert_eq!(open.status.code(), Some(0), "{said}");
    assert!(said.contains("is sound, but metrics = \"0.0.0.0:7101\" is plain text"), "{said}");
    let wrong = serve("everywhere", &["--check-config"]);
    let said = String::from_utf8(wrong.stderr).unwrap();
    assert_eq!(wrong.status.code(), Some(78), "{said}");
    assert!(said.contains("wanted off, or <ip>:<port> of this host"), "{said}");
}

#[test]
fn a_watch_goes_on_until_it_is_interrupted_and_ends_quietly() {
    let cluster = Cluster::new(1);
    let node = Node::start(&cluster, 1);
    node.until_ready();
    for (more, wanted) in
        [(&[][..], "node 1 leads, 1 of 1 nodes answer"), (&["--json"], "{\"nodes\":[{")]
    {
        let mut child = program()
            .arg("status")
            .args(cluster.target_flags())
            .args(["--watch", "1"])
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let looks = lines.map(Result::unwrap).filter(|line| {
            assert!(!line.contains('\u{1b}'), "no terminal is drawn on: {line:?}");
            line.starts_with(wanted)
        });
        assert_eq!(looks.take(2).count(), 2);
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        let ended = child.wait_with_output().unwrap();
        assert_eq!((ended.status.code(), ended.stderr), (Some(130), Vec::new()));
    }
}
