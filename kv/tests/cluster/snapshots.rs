//! Snapshots of real processes: the journal stays short, and who was away for long comes back.

use std::path::{Path, PathBuf};

use synod_kv::client::KvSession;
use synod_kv::command::{Blob, Command, Query, Reply};
use synod_node::Status;

use crate::processes::{Cluster, PATIENCE, program};

/// The smallest files of a journal.
const SEGMENT: u64 = 16 << 20;

/// What the journal keeps past a snapshot.
const LOG: u64 = 4 << 20;

fn cluster(nodes: u16) -> Cluster {
    let [segment, log] = [format!("segment_bytes={SEGMENT}"), format!("log_bytes={LOG}")];
    Cluster::new(nodes).with_flags(&["--set", &segment, "--set", &log])
}

/// Writes values of a quarter of a mebibyte over a few keys, so that the log grows and the state
/// does not.
async fn write(session: &KvSession, count: u8, mark: u8) {
    for number in 0..count {
        let value = vec![mark ^ number; 256 << 10];
        let key = [b'k', number % 4];
        let put = Command::Put { key: Blob(&key), value: Blob(&value) };
        session.command(&put).await.unwrap();
    }
}

async fn check(session: &KvSession, count: u8, mark: u8) {
    for number in count - 4..count {
        let key = [b'k', number % 4];
        let answer = session.query(&Query::Get { key: Blob(&key) }).await.unwrap();
        let value = vec![mark ^ number; 256 << 10];
        assert_eq!(answer.reply(), Ok(Reply::Value(Some(Blob(&value)))), "key {}", number % 4);
    }
}

/// Returns the folder of a node's journal.
fn data(cluster: &Cluster, node: u16) -> PathBuf {
    cluster.path(&format!("data/node-{node}"))
}

/// Adds up what the files of a folder have set aside.
fn bytes_in(folder: &Path) -> u64 {
    let entries =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().metadata().unwrap());
    entries.filter(std::fs::Metadata::is_file).map(|file| file.len()).sum()
}

#[tokio::test]
async fn a_journal_stays_short_and_a_node_that_was_away_goes_on_from_a_snapshot() {
    let cluster = cluster(3);
    let mut servers = cluster.start_all();
    let client = cluster.client();
    let mut session = cluster.session(&client);
    session.set_timeout(PATIENCE);
    write(&session, 8, 1).await;
    drop(servers.remove(&3));
    // 64 MiB of commands over a state of one.
    for mark in 2..6 {
        write(&session, 64, mark).await;
    }
    for node in [1, 2] {
        let journal = bytes_in(&data(&cluster, node));
        assert!(journal <= 6 * SEGMENT, "node {node} keeps {journal} bytes");
        let snapshots = bytes_in(&data(&cluster, node).join("snapshots"));
        assert!((1 << 20..4 << 20).contains(&snapshots), "{snapshots} bytes of snapshots");
        assert!(servers[&node].stderr().contains("the log below may go"));
    }
    // What it lacks is gone at the others.
    servers.insert(3, cluster.start(3));
    let level = |all: &[Status]| all.iter().all(|status| status.digest == all[0].digest);
    cluster.statuses_that(&client, &[1, 2, 3], level).await;
    let said = servers[&3].stderr();
    assert!(said.contains("going on from a snapshot of another node"), "{said}");
    // It votes and counts: with it, either of the others may go.
    drop(servers.remove(&1));
    write(&session, 8, 9).await;
    check(&session, 8, 9).await;
    // All of them begin again from what they have on their disks.
    drop(servers);
    let servers = cluster.start_all();
    check(&session, 8, 9).await;
    cluster.statuses_that(&client, &[1, 2, 3], level).await;
    for server in servers.values() {
        assert!(!server.stderr().contains("panicked"), "{}", server.stderr());
    }
}

#[tokio::test]
async fn a_node_whose_snapshots_are_gone_does_not_start_and_says_what_to_do() {
    let cluster = cluster(1);
    let server = cluster.start(1);
    let client = cluster.client();
    let mut session = cluster.session(&client);
    session.set_timeout(PATIENCE);
    for mark in 1..5 {
        write(&session, 64, mark).await;
    }
    assert!(server.stderr().contains("the log below may go"), "{}", server.stderr());
    drop(server);
    let snapshots = data(&cluster, 1).join("snapshots");
    std::fs::rename(&snapshots, snapshots.with_extension("away")).unwrap();
    let mut refused = cluster.spawn(1, &[]);
    let (ended, said) = (refused.wait(PATIENCE), refused.stderr());
    assert_eq!(ended.code(), Some(74), "{said}");
    assert!(said.contains("folder of snapshots"), "{said}");
    std::fs::rename(snapshots.with_extension("away"), &snapshots).unwrap();
    let _server = cluster.start(1);
    check(&session, 64, 4).await;
}

/// Returns the newest snapshot of a node that does not run, and removes an older one: a node that
/// was killed as soon as the newest was durable still has both, and would go on from the older.
fn only_snapshot_of(cluster: &Cluster, node: u16) -> PathBuf {
    let entries = std::fs::read_dir(data(cluster, node).join("snapshots")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let is_snapshot = |path: &PathBuf| path.extension().is_some_and(|suffix| suffix == "snap");
    let mut snapshots: Vec<PathBuf> = paths.filter(is_snapshot).collect();
    snapshots.sort_unstable();
    let newest = snapshots.pop().unwrap();
    snapshots.iter().for_each(|older| std::fs::remove_file(older).unwrap());
    newest
}

/// Flips a bit in the middle of a file, or in a thousand places all over it.
fn damage(file: &Path, all_over: bool) {
    let mut bytes = std::fs::read(file).unwrap();
    let length = bytes.len();
    let (first, step) = if all_over { (0, length / 1_000) } else { (length / 2, length) };
    bytes.iter_mut().skip(first).step_by(step).for_each(|byte| *byte ^= 1);
    std::fs::write(file, bytes).unwrap();
}

#[tokio::test]
async fn a_node_with_a_damaged_snapshot_votes_and_has_its_state_from_a_peer() {
    let cluster = cluster(3);
    let mut servers = cluster.start_all();
    let client = cluster.client();
    let mut session = cluster.session(&client);
    session.set_timeout(PATIENCE);
    for mark in 1..5 {
        write(&session, 64, mark).await;
    }
    for all_over in [false, true] {
        drop(servers.remove(&3));
        damage(&only_snapshot_of(&cluster, 3), all_over);
        // A look reads the head alone.
        let look = program().args(cluster.serve_arguments(3)).arg("--check-config").output();
        let look = String::from_utf8(look.unwrap().stdout).unwrap();
        assert_eq!(look.contains("A start has the state from a peer"), all_over, "{look}");
        servers.insert(3, cluster.start(3));
        // Its vote counts from its start on.
        drop(servers.remove(&1));
        write(&session, 8, 9).await;
        let level = |all: &[Status]| all.iter().all(|status| status.digest == all[0].digest);
        cluster.statuses_that(&client, &[2, 3], level).await;
        check(&session, 8, 9).await;
        let said = servers[&3].stderr();
        assert!(said.contains("a snapshot is damaged"), "{said}");
        assert!(!said.contains("panicked"), "{said}");
        servers.insert(1, cluster.start(1));
        cluster.statuses_that(&client, &[1, 2, 3], level).await;
        write(&session, 64, 4).await;
    }
    // It has a whole one again, and begins with it.
    drop(servers.remove(&3));
    servers.insert(3, cluster.start(3));
    check(&session, 64, 4).await;
    let said = servers[&3].stderr();
    let damaged = said.matches("a snapshot is damaged").count();
    let mended = said.matches("a whole snapshot stands in a damaged one's place").count();
    assert_eq!((damaged, mended), (2, 2), "{said}");
}

#[tokio::test]
async fn a_damaged_snapshot_of_a_cluster_of_one_is_refused_with_the_remedy() {
    let cluster = cluster(1);
    let server = cluster.start(1);
    let client = cluster.client();
    let mut session = cluster.session(&client);
    session.set_timeout(PATIENCE);
    for mark in 1..5 {
        write(&session, 64, mark).await;
    }
    drop(server);
    let file = only_snapshot_of(&cluster, 1);
    damage(&file, true);
    let mut refused = cluster.spawn(1, &[]);
    let (ended, said) = (refused.wait(PATIENCE), refused.stderr());
    assert_eq!(ended.code(), Some(74), "{said}");
    assert!(said.contains("no other node") && said.contains("with a backup"), "{said}");
    damage(&file, true);
    let _server = cluster.start(1);
    check(&session, 64, 4).await;
}
