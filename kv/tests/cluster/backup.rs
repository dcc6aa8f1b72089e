//! Backups of real clusters under load, and clusters that begin with them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use synod_kv::client::KvSession;
use synod_kv::command::{Blob, Command, Query, Reply};
use synod_node::Status;

use rustix::process::{Pid, Signal, kill_process};

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

/// The flags with which nodes let the client of `init` read all.
const LET_READ: [&str; 2] = ["--set", "backup_clients=client"];

/// The arguments of a backup.
fn backup_command(cluster: &Cluster, out: &Path, more: &[&str]) -> Process {
    let mut command = program();
    command.arg("backup").args(cluster.target_flags()).args(more).arg("--out").arg(out);
    command
}

/// Runs the command beside the tasks of the test.
async fn backup_of(cluster: &Cluster, out: &Path, more: &[&str]) -> Output {
    let mut command = backup_command(cluster, out, more);
    tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap()
}

fn making(out: &Path) -> PathBuf {
    out.with_file_name(format!("{}.making", out.file_name().unwrap().to_str().unwrap()))
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

async fn fill(session: &KvSession, count: u8, bytes: usize) {
    for place in 0..count {
        let value = vec![place; bytes];
        let put = Command::Put { key: Blob(&[b'v', place]), value: Blob(&value) };
        session.command(&put).await.unwrap();
    }
}

#[tokio::test]
async fn a_backup_under_load_with_a_node_killed_has_what_was_acknowledged() {
    let flags = ["--set", "segment_bytes=16777216", "--set", "log_bytes=4194304"];
    let cluster = Cluster::new(3).with_flags(&flags).with_flags(&LET_READ);
    let mut servers = cluster.start_all();
    let client = cluster.client();
    let mut session = cluster.session(&client);
    session.set_timeout(PATIENCE);
    fill(&session, 40, 200 << 10).await;
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
    let acknowledged = |writers: &[Arc<Writer>]| -> Vec<i64> {
        writers.iter().map(|writer| writer.acknowledged.load(Ordering::SeqCst)).collect()
    };
    let before = acknowledged(&writers);
    let mut command = backup_command(&cluster, &out, &[]);
    let running = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It has the beginning of the state from this node, or waits for it to take a snapshot.
    tokio::time::sleep(Duration::from_millis(150)).await;
    servers.remove(&1).unwrap().kill();
    let made = tokio::task::spawn_blocking(|| running.wait_with_output()).await.unwrap().unwrap();
    let after = acknowledged(&writers);
    let said = String::from_utf8_lossy(&made.stdout).into_owned();
    assert_eq!(made.status.code(), Some(0), "{made:?}");
    assert!(
        said.contains("backup of cluster ") && said.contains("the state below slot "),
        "{said}"
    );
    assert!(stderr(&made).contains(" MiB of the state below slot "), "{made:?}");
    assert!(!making(&out).exists());
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
    for place in 0..40_u8 {
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
    let cluster = Cluster::new(1).with_flags(&LET_READ);
    let server = cluster.start(1);
    let client = cluster.client();
    let mut session = cluster.session(&client);
    session.set_timeout(PATIENCE);
    fill(&session, 6, 100 << 10).await;
    let out = cluster.path("backup");
    let made = backup_of(&cluster, &out, &[]).await;
    assert_eq!(made.status.code(), Some(0), "{made:?}");
    // No folder is written over, and a second backup goes elsewhere.
    let again = backup_of(&cluster, &out, &[]).await;
    assert_eq!(again.status.code(), Some(73));
    assert!(stderr(&again).contains("no backup is overwritten"), "{again:?}");
    drop(server);
    (cluster, out)
}

/// Tries to begin a cluster with a backup, and returns why not.
fn refused(cluster: &Cluster, from: &Path) -> String {
    let dir = cluster.path("other");
    let made = run(&["init", "--dir", &text(&dir), "--nodes", "1", "--from", &text(from)]);
    let said = stderr(&made);
    assert_eq!(made.status.code(), Some(74), "{said}");
    assert!(!dir.exists(), "nothing is left behind");
    said
}

#[tokio::test]
async fn a_backup_that_is_cut_damaged_or_anothers_is_refused_with_place_and_remedy() {
    let (cluster, out) = backed_up().await;
    let looked = run(&["inspect", &text(&out)]);
    let said = String::from_utf8_lossy(&looked.stdout).into_owned();
    assert!(looked.status.code() == Some(0) && said.contains("backup of cluster "), "{looked:?}");
    let files: Vec<_> = fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [file] = &files[..] else { panic!("{files:?}") };
    let whole = fs::read(file).unwrap();
    // One changed byte, anywhere: in the head, in each part, in the manifest.
    let step = whole.len() / 12;
    let places = (0..whole.len()).step_by(step).chain([20, 70, whole.len() - 1]);
    for place in places {
        let mut bytes = whole.clone();
        bytes[place] ^= 1;
        fs::write(file, bytes).unwrap();
        let said = refused(&cluster, &out);
        assert!(said.contains("is damaged") && said.contains("another copy"), "{place}: {said}");
        let looked = run(&["inspect", &text(&out)]);
        assert_eq!(looked.status.code(), Some(1), "{place}: {looked:?}");
    }
    let mut bytes = whole.clone();
    bytes[64 + (256 << 10) + 5] ^= 1;
    fs::write(file, bytes).unwrap();
    let place = format!("chunk 1 from byte {} on", 64 + (256 << 10));
    assert!(refused(&cluster, &out).contains(&place));
    fs::write(file, &whole[..whole.len() - 1]).unwrap();
    assert!(refused(&cluster, &out).contains("the end of the file from byte "));
    fs::write(file, &whole[..40]).unwrap();
    assert!(refused(&cluster, &out).contains("the head from byte 0 on"));
    fs::rename(file, out.join("snapshot.new")).unwrap();
    assert!(refused(&cluster, &out).contains("was cut short before its end: make it again"));
    fs::remove_file(out.join("snapshot.new")).unwrap();
    assert!(refused(&cluster, &out).contains("holds no backup: name the folder that"));
    assert!(refused(&cluster, &cluster.path("nowhere")).contains("holds no backup"));
    // The node took a snapshot for the backup, and that is no backup itself.
    let said = refused(&cluster, &cluster.path("data/node-1/snapshots"));
    assert!(said.contains("is no backup but belongs to \"synod/"), "{said}");
}

#[tokio::test]
async fn a_cluster_from_a_backup_is_another_one_and_its_nodes_begin_with_it_alone() {
    let (cluster, out) = backed_up().await;
    let whole = text(&out);
    // Under the certificates of the very cluster of the backup nothing begins with it.
    let (dir, data) = (cluster.file(""), cluster.file("elsewhere"));
    let same = run(&["init", "--dir", &dir, "--node", "1", "--data", &data, "--from", &whole]);
    assert!(stderr(&same).contains("began with nothing"), "{same:?}");
    fs::rename(cluster.path("ca/cluster"), cluster.path("cluster-away")).unwrap();
    let same = run(&["init", "--dir", &dir, "--node", "1", "--data", &data, "--from", &whole]);
    assert_eq!(same.status.code(), Some(73), "{same:?}");
    assert!(stderr(&same).contains("has a UUID and certificates of its own"), "{same:?}");
    assert!(!cluster.path("elsewhere").exists());

    let other = Cluster::made_with(3, &["--from", &whole]);
    let dir = other.file("");
    let node_3 = other.path("data/node-3");
    // What is there is not written to, and a node of this cluster begins with nothing else.
    let again = run(&["init", "--dir", &dir, "--node", "3", "--from", &whole]);
    assert!(stderr(&again).contains("nothing is written to it"), "{again:?}");
    fs::rename(&node_3, other.path("data/away")).unwrap();
    let plain = run(&["init", "--dir", &dir, "--node", "3"]);
    assert_eq!(plain.status.code(), Some(73), "{plain:?}");
    assert!(stderr(&plain).contains("name that one with --from"), "{plain:?}");
    // As on another host, which has the certificate of the authority alone.
    for name in ["cluster", "began", "ca.key"] {
        fs::rename(other.path("ca").join(name), other.path(&format!("{name}-away"))).unwrap();
    }
    let plain = run(&["init", "--dir", &dir, "--node", "3"]);
    assert_eq!(plain.status.code(), Some(0), "{plain:?}");
    let mut servers = [1, 2].map(|node| (node, other.start(node)));
    let client = other.client();
    let mut stranger = other.spawn(3, &[]);
    let ended = stranger.wait(PATIENCE);
    let said = stranger.stderr();
    assert_eq!(ended.code(), Some(74), "{said}");
    assert!(said.contains("began with the backup of slot "), "{said}");
    assert!(said.contains("synod-kv init --node N --from BACKUP"), "{said}");
    let mut session = other.session(&client);
    session.set_timeout(PATIENCE);
    // The others go on.
    put(&session, "later", 1).await;
    fs::remove_dir_all(&node_3).unwrap();
    let made = run(&["init", "--dir", &dir, "--node", "3", "--from", &whole]);
    assert_eq!(made.status.code(), Some(0), "{made:?}");
    let looked = run(&["inspect", &text(&node_3)]);
    let said = String::from_utf8_lossy(&looked.stdout).into_owned();
    assert!(said.contains("its cluster began with the backup of slot "), "{said}");
    let third = other.start(3);
    let level = |all: &[Status]| all.iter().all(|status| status.digest == all[0].digest);
    other.statuses_that(&client, &[1, 2, 3], level).await;
    servers[0].1.terminate();
    servers[0].1.wait(PATIENCE);
    put(&session, "later", 2).await;
    drop(third);
    // Without the state that it begins with a node does not begin.
    let snapshots = node_3.join("snapshots");
    fs::rename(&snapshots, other.path("snapshots-away")).unwrap();
    let looked = run(&["serve", "--config", &other.file("node-3.toml"), "--check-config"]);
    assert_eq!(looked.status.code(), Some(74), "{looked:?}");
    assert!(stderr(&looked).contains("Give this node the folder of snapshots that it had"));
}

#[tokio::test]
async fn who_may_not_read_all_makes_no_backup_and_each_node_is_told_of() {
    let cluster = Cluster::new(3);
    let mut servers = cluster.start_all();
    let client = cluster.client();
    put(&KvSession::new(&client, PATIENCE), "x", 7).await;
    let begin = Instant::now();
    let out = cluster.path("backup");
    let refused = backup_of(&cluster, &out, &[]).await;
    let said = stderr(&refused);
    assert_eq!(refused.status.code(), Some(69), "{said}");
    assert!(said.contains("no node lets this certificate read the whole state"), "{said}");
    assert!(said.contains("node 3: ") && said.contains("`backup_clients`"), "{said}");
    assert!(begin.elapsed() < PATIENCE, "it is said at once");
    assert!(!out.exists() && !making(&out).exists());
    // A certificate of another cluster is not even shown to the nodes.
    let other = Cluster::new(1);
    let mut command = program();
    command.arg("backup").args(["--config", &other.file("client.toml"), "--out"]).arg(&out);
    for (id, at) in &cluster.clients {
        command.args(["--node".to_owned(), format!("{id}={at}")]);
    }
    let foreign = command.args(["--patience-ms", "3000"]).output().unwrap();
    assert_eq!(foreign.status.code(), Some(69), "{foreign:?}");
    assert!(stderr(&foreign).contains("node 2: "), "{foreign:?}");
    assert!(!out.exists() && !making(&out).exists());
    // A majority is needed, and no more.
    let [one, two] = [1, 2].map(|id| servers.remove(&id).unwrap());
    drop((one, two));
    let none = backup_of(&cluster, &out, &["--patience-ms", "1500"]).await;
    let said = stderr(&none);
    assert_eq!(none.status.code(), Some(69), "{said}");
    assert!(said.contains("no node gave more of a snapshot for 1 s"), "{said}");
    assert!(!out.exists(), "no folder is made before the cluster has answered");
}

#[tokio::test]
async fn a_client_that_is_interrupted_or_has_no_room_leaves_nothing_that_looks_whole() {
    let cluster = Cluster::new(1).with_flags(&LET_READ);
    let _server = cluster.start(1);
    let client = cluster.client();
    let mut session = cluster.session(&client);
    session.set_timeout(PATIENCE);
    // At its rate such a state takes a second.
    fill(&session, 64, 1 << 20).await;
    let out = cluster.path("backup");
    let mut running = backup_command(&cluster, &out, &[]).stderr(Stdio::null()).spawn().unwrap();
    let begin = Instant::now();
    let begun = || fs::read_dir(making(&out)).is_ok_and(|mut names| names.next().is_some());
    while !begun() {
        assert!(begin.elapsed() < PATIENCE, "it does not begin");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // As an interrupt does, which whoever runs the tests may have had ignored.
    kill_process(Pid::from_child(&running), Signal::TERM).unwrap();
    running.wait().unwrap();
    assert!(!out.exists() && making(&out).exists());
    let looked = run(&["inspect", &text(&making(&out))]);
    assert_eq!(looked.status.code(), Some(1), "{looked:?}");
    // A limit on the size of files is met as a full disk is.
    let flags = cluster.target_flags();
    let limited = tokio::task::spawn_blocking({
        let out = cluster.path("limited");
        move || {
            Process::new("sh")
                .args(["-c", "trap '' XFSZ; ulimit -f 2000; exec \"$0\" \"$@\""])
                .arg(env!("CARGO_BIN_EXE_synod-kv"))
                .arg("backup")
                .args(flags)
                .arg("--out")
                .arg(out)
                .output()
        }
    });
    let limited = limited.await.unwrap().unwrap();
    let said = stderr(&limited);
    assert_eq!(limited.status.code(), Some(73), "{said}");
    assert!(said.contains("has no room for a snapshot"), "{said}");
    assert!(!cluster.path("limited").exists() && !cluster.path("limited.making").exists());
    // What the interrupted one left is told and taken away.
    let made = backup_of(&cluster, &out, &[]).await;
    assert_eq!(made.status.code(), Some(0), "{made:?}");
    assert!(stderr(&made).contains("was left of an attempt that was cut short"), "{made:?}");
    assert!(out.exists() && !making(&out).exists());
}
