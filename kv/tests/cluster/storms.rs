//! Many clients at once, each with connections of its own: at the beginning, when the leader is
//! killed, and when all ask for much at the same moment.
//!
//! What it leaves to others: how fast any of this is, which `bench` measures. The claim: the number
//! of clients fails no operation.

use std::sync::Arc;
use std::time::Duration;

use synod_kv::client::KvSession;
use synod_kv::command::{Blob, Command, Query, Reply};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::processes::{Cluster, PATIENCE, program};

/// As many connections as one process of `bench` opens, from several processes at once.
#[test]
fn a_storm_of_connections_is_served_to_the_last_one() {
    const PROCESSES: usize = 4;
    let cluster = Cluster::new(3);
    let _servers = cluster.start_all();
    let flags = ["--seconds", "1", "--clients", "64", "--connections", "64", "--json"];
    let bench = || {
        let patience = ["--timeout-ms".to_owned(), PATIENCE.as_millis().to_string()];
        let mut bench = program();
        bench.arg("bench").args(cluster.target_flags()).args(patience).args(flags);
        bench.stdout(std::process::Stdio::piped()).spawn().unwrap()
    };
    let running: Vec<_> = (0..PROCESSES).map(|_| bench()).collect();
    for bench in running {
        let output = bench.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let line: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(line["failures"], 0, "{line}");
    }
}

/// Each client has an answer before the leader is killed and one after, and misses none between.
#[tokio::test]
async fn no_operation_fails_when_the_leader_of_many_connections_is_killed() {
    const CLIENTS: usize = 96;
    /// How long an operation takes at most where nothing else is asked for.
    const TIMEOUT: Duration = Duration::from_secs(5);
    let cluster = Cluster::new(3);
    let mut servers = cluster.start_all();
    let client = cluster.client();
    let leader = cluster.leader(&client, &[1, 2, 3]).await;
    let (begun, killed) =
        (Arc::new(Barrier::new(CLIENTS + 1)), Arc::new(Barrier::new(CLIENTS + 1)));
    let mut workers = JoinSet::new();
    for number in 0..CLIENTS {
        let mut session = KvSession::new(&cluster.client(), PATIENCE);
        let (begun, killed) = (Arc::clone(&begun), Arc::clone(&killed));
        workers.spawn(async move {
            let key = format!("key-{number}");
            put(&session, &key, b"before").await;
            session.set_timeout(TIMEOUT);
            tokio::join!(begun.wait(), async {
                // These are on their way when the leader dies.
                for _ in 0..20 {
                    put(&session, &key, b"meanwhile").await;
                }
            });
            killed.wait().await;
            put(&session, &key, b"after").await;
        });
    }
    begun.wait().await;
    servers.remove(&leader).unwrap().kill();
    killed.wait().await;
    while let Some(done) = workers.join_next().await {
        done.unwrap();
    }
}

/// Sixteen megabytes of answers are due at one moment on one connection.
#[tokio::test]
async fn large_values_that_are_asked_for_at_once_all_come() {
    const READERS: usize = 16;
    let cluster = Cluster::new(3);
    let _servers = cluster.start_all();
    let client = cluster.client();
    let value = vec![b'x'; 1_000_000];
    put(&cluster.session(&client), "large", &value).await;
    let mut readers = JoinSet::new();
    for _ in 0..READERS {
        let session = cluster.session(&client);
        readers.spawn(async move {
            let answer = session.query(&Query::Get { key: Blob(b"large") }).await.unwrap();
            let Reply::Value(Some(Blob(value))) = answer.reply().unwrap() else {
                panic!("{answer:?}");
            };
            value.len()
        });
    }
    while let Some(length) = readers.join_next().await {
        assert_eq!(length.unwrap(), value.len());
    }
}

async fn put(session: &KvSession, key: &str, value: &[u8]) {
    let put = Command::Put { key: Blob(key.as_bytes()), value: Blob(value) };
    session.command(&put).await.unwrap();
}
