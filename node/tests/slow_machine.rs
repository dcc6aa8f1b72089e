//! A state machine that takes seconds over a command or a question: the leader stays.
//!
//! Three nodes of one process, over real sockets. The claim checked: a long apply, on the leader
//! and on the followers after it, and a long query depose nobody; and a node that is told to end
//! while its machine is busy makes nobody wait for it.

#![allow(clippy::unwrap_used, reason = "a test may end where its premise fails")]

mod certificates;

use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use certificates::Folder;
use synod_node::{
    Client, ClientConfig, Config, Invalid, Node, NodeId, Outcome, StateMachine, Status, TlsFiles,
};
use tokio::sync::Notify;

/// Takes as many milliseconds over a command, and over a question, as it says.
#[derive(Clone)]
struct Sleeper {
    applied: u64,
    began: Arc<Notify>,
}

impl StateMachine for Sleeper {
    fn validate(&self, command: &[u8]) -> Result<(), Invalid> {
        <[u8; 8]>::try_from(command).map(|_| ()).map_err(|_| Invalid::new("eight bytes"))
    }

    fn apply(&mut self, command: &[u8]) -> Bytes {
        self.applied += 1;
        self.query(command)
    }

    fn query(&self, query: &[u8]) -> Bytes {
        let ms = u64::from_le_bytes(query.try_into().unwrap());
        if ms > 0 {
            self.began.notify_one();
        }
        thread::sleep(Duration::from_millis(ms));
        Bytes::copy_from_slice(&self.applied.to_le_bytes())
    }

    fn digest(&self) -> u64 {
        self.applied
    }
}

/// Three nodes that run, and a client of them.
struct Cluster {
    nodes: BTreeMap<NodeId, Node>,
    client: Client,
    /// A machine has begun what takes it long.
    began: Arc<Notify>,
    _folder: Folder,
}

impl Cluster {
    fn start(name: &str) -> Self {
        let folder = Folder::new(name);
        folder.make_journals();
        let free = |_| UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let members: BTreeMap<_, _> =
            (1..=3).map(NodeId::new).map(|node| (node, free(node))).collect();
        let began = Arc::new(Notify::new());
        let start = |node: &NodeId| {
            let config = Config::in_folder(&folder.0, *node, members.clone());
            let machine = Sleeper { applied: 0, began: Arc::clone(&began) };
            (*node, Node::start(config, machine).unwrap())
        };
        let nodes: BTreeMap<_, _> = members.keys().map(start).collect();
        let at = nodes.iter().map(|(id, node)| (*id, node.client_address())).collect();
        let tls = TlsFiles::in_folder(&folder.0, "client");
        let client = Client::connect(&ClientConfig { nodes: at, tls }).unwrap();
        Self { nodes, client, began, _folder: folder }
    }

    /// Waits until all follow the same leader, and returns what they know.
    async fn statuses(&self) -> Vec<Status> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let mut all = Vec::new();
            for node in self.nodes.keys() {
                all.extend(self.client.status(*node, PATIENCE).await);
            }
            let first = all.first().and_then(|status| status.follows);
            if all.len() == self.nodes.len()
                && first.is_some()
                && all.iter().all(|status| status.follows == first)
            {
                return all;
            }
        }
        panic!("the nodes do not come to follow the same leader");
    }
}

fn ms(ms: u64) -> Bytes {
    Bytes::copy_from_slice(&ms.to_le_bytes())
}

#[tokio::test]
async fn a_long_apply_and_a_long_query_depose_nobody() {
    let cluster = Cluster::start("slow");
    let session = cluster.client.session();
    assert!(matches!(session.command(ms(0), PATIENCE).await, Outcome::Ok(_)));
    let before = cluster.statuses().await;
    // Two at once: the second one waits for votes of followers that are busy with the first.
    let other = cluster.client.session();
    let (one, two) =
        tokio::join!(session.command(ms(1_500), PATIENCE), other.command(ms(1_000), PATIENCE));
    assert!(matches!((&one, &two), (Outcome::Ok(_), Outcome::Ok(_))), "{one:?}, {two:?}");
    let answer = session.query(ms(2_000), PATIENCE).await;
    assert!(matches!(answer, Outcome::Ok(_)), "{answer:?}");
    let after = cluster.statuses().await;
    assert_eq!(before[0].follows, after[0].follows, "the leader was deposed");
    let promised = |all: &[Status]| all.iter().map(|status| status.promised).max();
    assert_eq!(promised(&before), promised(&after), "somebody campaigned");
}

/// Nothing that the client asks its node meanwhile has an answer either.
#[tokio::test]
async fn a_question_that_takes_its_machine_four_seconds_is_answered() {
    let cluster = Cluster::start("long");
    let session = cluster.client.session();
    assert!(matches!(session.command(ms(0), PATIENCE).await, Outcome::Ok(_)));
    let answer = session.query(ms(4_000), PATIENCE).await;
    let errors = cluster.client.connection_errors();
    assert!(matches!(answer, Outcome::Ok(_)), "{answer:?}; {errors}");
}

#[tokio::test]
async fn a_leader_that_is_told_to_end_while_it_is_busy_is_not_waited_for() {
    let mut cluster = Cluster::start("ending");
    let session = cluster.client.session();
    assert!(matches!(session.command(ms(0), PATIENCE).await, Outcome::Ok(_)));
    let leader = cluster.statuses().await[0].follows.unwrap().node();
    let client = cluster.client.clone();
    let busy = tokio::spawn(async move { client.session().query(ms(BUSY_MS), PATIENCE).await });
    cluster.began.notified().await;
    let node = cluster.nodes.remove(&leader).unwrap();
    node.drain();
    let begun = Instant::now();
    while cluster.statuses().await[0].follows.unwrap().node() == leader {}
    let took = begun.elapsed();
    assert!(took < BUSY, "its machine was waited for: {took:?}");
    busy.abort();
}

/// For how long the machine is busy of a leader that is told to end.
const BUSY_MS: u64 = 8_000;
const BUSY: Duration = Duration::from_millis(BUSY_MS);

/// How long anything may take on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(30);
