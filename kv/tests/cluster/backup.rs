//! Backups of real clusters, and clusters that begin with them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use synod_kv::client::KvSession;
use synod_kv::command::{Blob, Command, Query, Reply};
use synod_node::Status;

use crate::processes::{Cluster, PATIENCE, program, run, text};

async fn put(session: &KvSession, key: &str, number: i64) {
    let value = number.to_string();
    let put = Command::Put { key: Blob(key.as_bytes()), value: Blob(value.as_bytes()) };
    let answer = session.command(&put).await.unwrap();
    assert_eq!(answer.reply(), Ok(Reply::Written));
}

async fn number(session: &KvSession, key: &str) -> i64 {
    let answer = session.query(&Query::Get { key: Blob(key.as_bytes()) }).await.unwrap();
    let Reply::Value(value) = answer.reply().unwrap() else { panic!("no value") };
    value.map_or(0, |Blob(value)| std::str::from_utf8(value).unwrap().parse().unwrap())
}

/// One who writes the same number to two keys, one after the other, then the next number.
struct Writer {
    keys: [String; 2],
    acknowledged: AtomicI64,
}

impl Writer {
    async fn write(self: Arc<Self>, session: KvSession, stop: Arc<AtomicBool>) {
        let mut next = 0;
        while !stop.load(Ordering::Relaxed) {
            next += 1;
            for key in &self.keys {
                put(&session, key, next).await;
            }
            self.acknowledged.store(next, Ordering::SeqCst);
        }
    }
}

/// One who reads what a writer wrote, and writes that down.
async fn follow(session: KvSession, of: String, to: &str, stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::Relaxed) {
        let seen = number(&session, &of).await;
        put(&session, to, seen).await;
    }
}

/// Runs the command beside the tasks of the test.
async fn backup_of(cluster: &Cluster, out: &Path, more: &[&str]) -> Output {
    let mut command = program();
    command.arg("backup").args(cluster.target_flags()).args(more).arg("--out").arg(out);
    tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_backup_under_load_has_what_was_acknowledged_and_a_cluster_begins_with_it() {
    let flags = ["--set", "segment_bytes=16777216", "--set", "log_bytes=4194304"];
    let cluster = Cluster::new(3).with_flags(&flags);
    let servers = cluster.start_all();
    let client = cluster.client();
    let mut session = cluster.session(&client);
    session.set_timeout(PATIENCE);
    // A state of several parts.
    for place in 0..12_u8 {
        let value = vec![place; 200 << 10];
        let put = Command::Put { key: Blob(&[b'v', place]), value: Blob(&value) };
        session.command(&put).await.unwrap();
    }
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<Arc<Writer>> = (0..4)
        .map(|number| {
            let keys = [format!("a{number}"), format!("b{number}")];
            Arc::new(Writer { keys, acknowledged: AtomicI64::new(0) })
        })
        .collect();
    let mut tasks = Vec::new();
    for writer in &writers {
        let (session, stop) = (KvSession::new(&client, PATIENCE), Arc::clone(&stop));
        tasks.push(tokio::spawn(Arc::clone(writer).write(session, stop)));
    }
    let follower = KvSession::new(&client, PATIENCE);
    tasks.push(tokio::spawn(follow(follower, "b0".to_owned(), "seen", Arc::clone(&stop))));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let out = cluster.path("backup");
    let before: Vec<i64> =
        writers.iter().map(|writer| writer.acknowledged.load(Ordering::SeqCst)).collect();
    let made = backup_of(&cluster, &out, &[]).await;
    let after: Vec<i64> =
        writers.iter().map(|writer| writer.acknowledged.load(Ordering::SeqCst)).collect();
    let said = String::from_utf8_lossy(&made.stdout).into_owned();
    assert_eq!(made.status.code(), Some(0), "{made:?}");
    assert!(
        said.contains("backup of cluster ") && said.contains("the state below slot "),
        "{said}"
    );
    stop.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.unwrap();
    }
    assert!(before.iter().all(|count| *count > 0), "the load was there: {before:?}");
    drop(servers);

    let other = Cluster::made_with(3, &["--from", &text(&out)]);
    let mut servers = other.start_all();
    let client = other.client();
    let level = |all: &[Status]| {
        all.iter().all(|status| status.digest == all[0].digest && status.applied.number() > 0)
    };
    let begun = other.statuses_that(&client, &[1, 2, 3], level).await;
    assert!(begun.iter().all(|status| status.sessions == 0), "nobody's session goes on: {begun:?}");
    let mut session = other.session(&client);
    session.set_timeout(PATIENCE);
    for (at, writer) in writers.iter().enumerate() {
        let [first, second] = &writer.keys;
        let (first, second) = (number(&session, first).await, number(&session, second).await);
        let bounds = before[at]..=after[at] + 1;
        assert!(bounds.contains(&first), "{first} is not in {bounds:?}");
        assert!(first == second || first == second + 1, "{first} came before {second}");
        assert!(second >= before[at], "{second} lacks what was acknowledged: {before:?}");
    }
    let (seen, source) = (number(&session, "seen").await, number(&session, "b0").await);
    assert!(seen <= source, "{seen} was read from {source}");
    for place in 0..12_u8 {
        let answer = session.query(&Query::Get { key: Blob(&[b'v', place]) }).await.unwrap();
        let value = vec![place; 200 << 10];
        assert_eq!(answer.reply(), Ok(Reply::Value(Some(Blob(&value)))));
    }
    // It is a cluster like any other: it goes on without one of its nodes, and from its disks.
    put(&session, "later", 7).await;
    drop(servers.remove(&2));
    put(&session, "later", 8).await;
    drop(servers);
    let _servers = other.start_all();
    assert_eq!(number(&session, "later").await, 8);
    other.statuses_that(&client, &[1, 2, 3], level).await;
}

/// A cluster of one with a backup of several parts, which is not running.
async fn backed_up() -> (Cluster, PathBuf) {
    let cluster = Cluster::new(1);
    let server = cluster.start(1);
    let client = cluster.client();
    let mut session = cluster.session(&client);
    session.set_timeout(PATIENCE);
    for place in 0..6_u8 {
        let value = vec![place; 100 << 10];
        let put = Command::Put { key: Blob(&[place]), value: Blob(&value) };
        session.command(&put).await.unwrap();
    }
    let out = cluster.path("backup");
    let made = backup_of(&cluster, &out, &[]).await;
    assert_eq!(made.status.code(), Some(0), "{made:?}");
    // No folder is written over, and a second backup goes elsewhere.
    let again = backup_of(&cluster, &out, &[]).await;
    assert_eq!(again.status.code(), Some(73));
    assert!(String::from_utf8_lossy(&again.stderr).contains("no backup is overwritten"));
    drop(server);
    (cluster, out)
}

/// Tries to begin a cluster with a backup, and returns why not.
fn refused(cluster: &Cluster, from: &Path) -> String {
    let dir = cluster.path("other");
    let made = run(&["init", "--dir", &text(&dir), "--nodes", "1", "--from", &text(from)]);
    let said = String::from_utf8(made.stderr).unwrap();
    assert_eq!(made.status.code(), Some(74), "{said}");
    assert!(!dir.exists(), "nothing is left behind");
    said
}

#[tokio::test]
async fn a_backup_that_is_cut_damaged_or_anothers_is_refused_with_place_and_remedy() {
    let (cluster, out) = backed_up().await;
    let files: Vec<_> = fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [file] = &files[..] else { panic!("{files:?}") };
    let whole = fs::read(file).unwrap();
    let said = {
        let mut bytes = whole.clone();
        bytes[64 + (256 << 10) + 5] ^= 1;
        fs::write(file, bytes).unwrap();
        refused(&cluster, &out)
    };
    let place = format!("chunk 1 from byte {} on", 64 + (256 << 10));
    assert!(said.contains(&place) && said.contains("another copy of this backup"), "{said}");
    fs::write(file, &whole[..whole.len() - 1]).unwrap();
    assert!(refused(&cluster, &out).contains("the end of the file from byte "));
    fs::write(file, &whole[..40]).unwrap();
    assert!(refused(&cluster, &out).contains("the head from byte 0 on"));
    fs::rename(file, out.join("snapshot.new")).unwrap();
    assert!(refused(&cluster, &out).contains("was cut short before its end: make it again"));
    fs::remove_file(out.join("snapshot.new")).unwrap();
    let said = refused(&cluster, &out);
    assert!(said.contains("holds no backup: name the folder that"), "{said}");
    assert!(refused(&cluster, &cluster.path("nowhere")).contains("holds no backup"));
    // The node took a snapshot for the backup, and that is no backup itself.
    let said = refused(&cluster, &cluster.path("data/node-1/snapshots"));
    assert!(said.contains("is no backup but belongs to \"synod/"), "{said}");
    fs::write(file, &whole).unwrap();
    let both = ["init", "--dir", "x", "--node", "1", "--from", "y"];
    assert_eq!(run(&both).status.code(), Some(64), "one node alone does not begin with a backup");
    let dir = cluster.path("other");
    let made = run(&["init", "--dir", &text(&dir), "--nodes", "1", "--from", &text(&out)]);
    assert_eq!(made.status.code(), Some(0), "{made:?}");
    // Without the state that it begins with a node does not begin.
    let snapshots = dir.join("data/node-1/snapshots");
    fs::rename(&snapshots, dir.join("away")).unwrap();
    let config = text(&dir.join("node-1.toml"));
    let looked = run(&["serve", "--config", &config, "--check-config"]);
    let said = String::from_utf8_lossy(&looked.stderr).into_owned();
    assert_eq!(looked.status.code(), Some(74), "{said}");
    assert!(said.contains("Give this node the folder of snapshots that it had"), "{said}");
    fs::rename(dir.join("away"), &snapshots).unwrap();
    let sound = run(&["inspect", &text(&dir.join("data/node-1"))]);
    assert_eq!(sound.status.code(), Some(0), "{sound:?}");
}

#[tokio::test]
async fn a_backup_needs_a_majority_and_no_more() {
    let cluster = Cluster::new(3);
    let mut servers = cluster.start_all();
    let client = cluster.client();
    put(&KvSession::new(&client, PATIENCE), "x", 7).await;
    drop(servers.remove(&1));
    let made = backup_of(&cluster, &cluster.path("two"), &[]).await;
    assert_eq!(made.status.code(), Some(0), "{made:?}");
    drop(servers.remove(&2));
    let none = backup_of(&cluster, &cluster.path("one"), &["--timeout-ms", "1500"]).await;
    let said = String::from_utf8_lossy(&none.stderr).into_owned();
    assert!(matches!(none.status.code(), Some(2 | 69)), "{said}");
    assert!(!cluster.path("one").exists(), "no folder is made before the cluster has answered");
}
