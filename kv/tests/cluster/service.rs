//! What clients see: operations, the bridge, and service across a crash of the leader.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Output, Stdio};
use std::time::Instant;

use synod_kv::command::{Blob, Command, Query, Reply};
use synod_node::Status;

use crate::processes::{Cluster, PATIENCE, program};

fn printed(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8(output.stdout.clone()).unwrap())
}

#[test]
fn every_operation_answers_on_the_command_line() {
    let cluster = Cluster::new(3);
    let _servers = cluster.start_all();
    let check = |verb: &str, arguments: &[&str], code: i32, out: &str| {
        let output = cluster.command(verb, arguments);
        assert_eq!(
            printed(&output),
            (Some(code), out.to_owned()),
            "{verb} {arguments:?} {output:?}"
        );
    };
    check("get", &["x"], 1, "");
    check("put", &["x", "7"], 0, "");
    check("get", &["x"], 0, "7\n");
    check("cas", &["x", "--expected", "8", "9"], 1, "");
    check("cas", &["x", "--expected", "7", "9"], 0, "");
    check("cas", &["y", "--absent", "1"], 0, "");
    check("add", &["y", "-3"], 0, "-2\n");
    check("append", &["x", "!"], 0, "2\n");
    check("add", &["x", "1"], 69, "");
    check("range", &["x"], 0, "x\t9!\ny\t-2\n");
    check("range", &["x", "y"], 0, "x\t9!\n");
    check("delete", &["x"], 0, "");
    check("delete", &["x"], 1, "");
    check("put", &["", "v"], 64, "");
    let status = cluster.command("status", &["--json"]);
    assert_eq!(status.status.code(), Some(0));
    let lines = String::from_utf8(status.stdout).unwrap();
    let nodes: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(nodes.iter().filter(|node| node["leads"].is_string()).count(), 1, "{lines}");
    assert_eq!(nodes.len(), 3);
}

#[tokio::test]
async fn the_service_goes_on_when_the_leader_is_killed_and_comes_back() {
    let cluster = Cluster::new(3);
    let mut servers = cluster.start_all();
    let client = cluster.client();
    let session = cluster.session(&client);
    let put = |key: String| {
        let session = &session;
        async move {
            let command = Command::Put { key: Blob(key.as_bytes()), value: Blob(b"v") };
            session.command(&command).await.unwrap();
        }
    };
    for number in 0..50 {
        put(format!("before-{number:02}")).await;
    }
    let leader = cluster.leader(&client, &[1, 2, 3]).await;
    servers.remove(&leader).unwrap().kill();
    let begin = Instant::now();
    put("after".to_owned()).await;
    let gap = begin.elapsed();
    assert!(gap < PATIENCE / 4, "the service was gone for {gap:?}");
    for number in 0..50 {
        put(format!("while-{number:02}")).await;
    }
    let mut back = cluster.spawn(leader, &[]);
    assert!(back.wait_until_ready().contains("incarnation=2"));
    servers.insert(leader, back);
    let level = |all: &[Status]| all.iter().all(|status| status.applied == all[0].applied);
    let found = cluster.statuses_that(&client, &[1, 2, 3], level).await;
    assert!(found.iter().all(|status| status.digest == found[0].digest), "{found:?}");
    let (first, end) = (Blob(b""), None);
    let range = Query::Range { first, end, entries_max: 1000, bytes_max: 1 << 20 };
    let answer = session.query(&range).await.unwrap();
    let Reply::Entries { entries, more: false } = answer.reply().unwrap() else {
        panic!("{answer:?}");
    };
    assert_eq!(entries.len(), 101, "an acknowledged write is gone, or one came twice");
}

#[tokio::test]
async fn values_of_the_largest_size_are_kept_and_larger_ones_refused() {
    let cluster = Cluster::new(3);
    let _servers = cluster.start_all();
    let client = cluster.client();
    let session = cluster.session(&client);
    let value = vec![b'x'; 1 << 20];
    for key in [Blob(b"a"), Blob(b"b")] {
        session.command(&Command::Put { key, value: Blob(&value) }).await.unwrap();
    }
    let answer = session.query(&Query::Get { key: Blob(b"b") }).await.unwrap();
    assert_eq!(answer.reply(), Ok(Reply::Value(Some(Blob(&value)))));
    let larger = vec![b'x'; (1 << 20) + 1];
    let put = Command::Put { key: Blob(b"c"), value: Blob(&larger) };
    let error = session.command(&put).await.unwrap_err().to_string();
    assert!(error.contains("must have at most 1048576 bytes"), "{error}");
}

/// The core keeps some megabytes of old slots in memory; what is older must be read back.
#[tokio::test]
async fn a_node_that_missed_much_is_brought_up_from_the_journals_of_the_others() {
    let cluster = Cluster::new(3);
    let mut servers = cluster.start_all();
    let client = cluster.client();
    let session = cluster.session(&client);
    let value = vec![b'x'; 1 << 20];
    for number in 0..48 {
        let key = format!("key-{number}");
        let put = Command::Put { key: Blob(key.as_bytes()), value: Blob(&value) };
        session.command(&put).await.unwrap();
        if number == 0 {
            // The others are a quorum without it.
            let leader = cluster.leader(&client, &[1, 2, 3]).await;
            let away = if leader == 3 { 2 } else { 3 };
            servers.remove(&away).unwrap().kill();
        }
    }
    let away = (1..=3).find(|id| !servers.contains_key(id)).unwrap();
    servers.insert(away, cluster.start(away));
    let level = |all: &[Status]| all.iter().all(|status| status.applied == all[0].applied);
    let found = cluster.statuses_that(&client, &[1, 2, 3], level).await;
    assert!(found.iter().all(|status| status.digest == found[0].digest), "{found:?}");
    let read_back = servers.values_mut().any(|server| {
        server.terminate();
        assert_eq!(server.wait(PATIENCE).code(), Some(0), "{}", server.stderr());
        server
            .stderr()
            .lines()
            .any(|line| line.contains("counts since the start") && !line.contains(" log_reads=0 "))
    });
    assert!(read_back, "nothing was read back, so this test has shown nothing");
}

#[test]
fn the_bridge_speaks_line_json() {
    let cluster = Cluster::new(3);
    let _servers = cluster.start_all();
    let mut bridge = program()
        .arg("bridge")
        .args(cluster.target_flags())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = bridge.stdin.take().unwrap();
    let mut stdout = BufReader::new(bridge.stdout.take().unwrap());
    let mut ask = |line: &str| -> serde_json::Value {
        writeln!(stdin, "{line}").unwrap();
        let mut answer = String::new();
        stdout.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap()
    };
    let mut check = |line: &str, kind: &str, value: serde_json::Value| {
        let answer = ask(line);
        assert_eq!((&answer["type"], &answer["value"]), (&kind.into(), &value), "{line}: {answer}");
    };
    check(r#"{"id":1,"client":1,"f":"read","key":"k","timeout_ms":9000}"#, "ok", ().into());
    check(r#"{"id":2,"client":1,"f":"write","key":"k","value":"5"}"#, "ok", ().into());
    check(r#"{"id":3,"client":2,"f":"read","key":"k"}"#, "ok", "5".into());
    check(r#"{"id":4,"client":2,"f":"cas","key":"k","value":["4","6"]}"#, "ok", false.into());
    check(r#"{"id":5,"client":2,"f":"cas","key":"k","value":["5","6"]}"#, "ok", true.into());
    check(r#"{"id":6,"client":1,"f":"add","key":"k","value":"2"}"#, "ok", "8".into());
    check(r#"{"id":7,"client":1,"f":"append","key":"k","value":"x"}"#, "ok", "2".into());
    check(r#"{"id":8,"client":1,"f":"delete","key":"k"}"#, "ok", true.into());
    check("{", "fail", ().into());
    let status = ask(r#"{"id":9,"f":"status","node":2,"timeout_ms":9000}"#);
    assert_eq!(status["value"]["node"], 2, "{status}");
    assert_eq!(status["value"]["digest"].as_str().unwrap().len(), 16, "{status}");
    drop(stdin);
    assert_eq!(bridge.wait().unwrap().code(), Some(0));
}

#[test]
fn the_bridge_says_fail_when_nobody_can_have_heard_it() {
    let cluster = Cluster::new(3);
    let mut bridge = program()
        .arg("bridge")
        .args(cluster.target_flags())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = bridge.stdin.take().unwrap();
    writeln!(stdin, r#"{{"id":1,"f":"write","key":"k","value":"5","timeout_ms":200}}"#).unwrap();
    drop(stdin);
    let output = bridge.wait_with_output().unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["type"], "fail", "{answer}");
}

#[test]
fn a_short_bench_answers_for_every_number_of_clients() {
    let cluster = Cluster::new(3);
    let _servers = cluster.start_all();
    let flags = ["--seconds", "1", "--clients", "1,8", "--connections", "2", "--json"];
    let output = cluster.command("bench", &flags);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let lines = String::from_utf8(output.stdout).unwrap();
    let found: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        found.iter().map(|line| line["clients"].as_u64()).collect::<Vec<_>>(),
        [Some(1), Some(8)]
    );
    for line in &found {
        assert!(line["operations"].as_u64() > Some(0), "{line}");
        assert_eq!(line["failures"], 0, "{line}");
        assert!(line["p99_ms"].as_f64() >= line["p50_ms"].as_f64(), "{line}");
    }
}
