//! What an operator meets: a log that breaks, signals, certificates that end, an end under load.

use std::fs;
use std::io::Read as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rcgen::{
    CertificateParams, ExtendedKeyUsagePurpose, Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use synod_kv::client::KvSession;
use synod_kv::command::{Blob, Command, Query, Reply};

use crate::processes::{Cluster, PATIENCE, program};

/// Everything is logged, so that a pipe fills fast.
const TALKATIVE: [&str; 2] = ["--set", "log.filter=trace"];

async fn put(session: &KvSession, times: u32) {
    for _ in 0..times {
        let put = Command::Put { key: Blob(b"x"), value: Blob(b"7") };
        session.command(&put).await.unwrap();
    }
}

#[tokio::test]
async fn a_log_whose_reader_has_died_costs_no_more_than_lines() {
    let cluster = Cluster::new(1);
    let (mut server, log) = cluster.spawn_piped(1, &TALKATIVE);
    drop(log);
    server.wait_until_ready();
    let client = cluster.client();
    put(&cluster.session(&client), 20).await;
    server.terminate();
    assert_eq!(server.wait(PATIENCE).code(), Some(0));
    let (mut server, log) = cluster.spawn_piped(1, &TALKATIVE);
    server.wait_until_ready();
    drop(log);
    put(&cluster.session(&client), 20).await;
    server.terminate();
    assert_eq!(server.wait(PATIENCE).code(), Some(0));
}

#[tokio::test]
async fn a_log_that_nobody_empties_loses_lines_and_says_how_many() {
    let cluster = Cluster::new(1);
    let (mut server, mut log) = cluster.spawn_piped(1, &TALKATIVE);
    server.wait_until_ready();
    let client = cluster.client();
    let session = cluster.session(&client);
    put(&session, 1000).await;
    // Somebody reads again: the service went on, and what is missing is said.
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        log.read_to_end(&mut text).unwrap();
        String::from_utf8_lossy(&text).into_owned()
    });
    put(&session, 10).await;
    server.terminate();
    assert_eq!(server.wait(PATIENCE).code(), Some(0));
    let text = reader.join().unwrap();
    let (_, after) = text.split_once(" lines of the log were lost").unwrap();
    assert!(after.contains("counts since the start"), "the end of the log is there again");
}

#[tokio::test]
async fn a_node_ends_in_order_though_its_log_is_stuck() {
    let cluster = Cluster::new(1);
    let (mut server, log) = cluster.spawn_piped(1, &TALKATIVE);
    server.wait_until_ready();
    let client = cluster.client();
    put(&cluster.session(&client), 500).await;
    server.terminate();
    assert_eq!(server.wait(PATIENCE).code(), Some(0));
    drop(log);
}

#[tokio::test]
async fn a_signal_that_is_sent_twice_hands_over() {
    let cluster = Cluster::new(3);
    let mut servers = cluster.start_all();
    let client = cluster.client();
    put(&cluster.session(&client), 1).await;
    let leader = cluster.leader(&client, &[1, 2, 3]).await;
    let mut server = servers.remove(&leader).unwrap();
    // Two signals of one kind may become one on their way; two kinds do not.
    server.terminate();
    server.interrupt();
    assert_eq!(server.wait(PATIENCE).code(), Some(0), "{}", server.stderr());
}

/// Certifies a role anew for ten days.
fn shorten(cluster: &Cluster, file: &str, role: &str) {
    let read = |name: &str| fs::read_to_string(cluster.path(name)).unwrap();
    let authority = KeyPair::from_pem(&read("ca/ca.key")).unwrap();
    let issuer = Issuer::from_ca_cert_pem(&read("ca/ca.pem"), authority).unwrap();
    let mut params = CertificateParams::default();
    let uri = format!("synod://{}/{role}", read("ca/cluster").trim());
    params.subject_alt_names = vec![SanType::URI(uri.try_into().unwrap())];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let now = std::time::UNIX_EPOCH.elapsed().unwrap();
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + (now - Duration::from_secs(3600));
    params.not_after = epoch + now + Duration::from_secs(10 * 86_400 + 3600);
    let key = KeyPair::from_pem(&read(&format!("{file}.key"))).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    fs::write(cluster.path(&format!("{file}.pem")), certificate.pem()).unwrap();
}

#[tokio::test]
async fn a_certificate_that_ends_soon_is_told_wherever_somebody_looks() {
    let cluster = Cluster::new(1);
    shorten(&cluster, "node-1", "node/1");
    shorten(&cluster, "client", "client/client");
    let checked = program().args(cluster.serve_arguments(1)).arg("--check-config").output();
    let checked = checked.unwrap();
    let said = String::from_utf8(checked.stdout).unwrap();
    assert_eq!(checked.status.code(), Some(0));
    assert!(
        said.contains("is sound, but") && said.contains("node-1.pem ends in 10 days"),
        "{said}"
    );
    let mut server = cluster.start(1);
    let client = cluster.client();
    put(&cluster.session(&client), 1).await;
    let status = cluster.command("status", &[]);
    let complaint = String::from_utf8(status.stderr).unwrap();
    assert_eq!(status.status.code(), Some(0), "{complaint}");
    assert!(complaint.contains("client.pem ends in 10 days: renew it with"), "{complaint}");
    server.terminate();
    assert_eq!(server.wait(PATIENCE).code(), Some(0));
    let log = server.stderr();
    let warned = log.lines().any(|line| line.contains("WARN") && line.contains("ends in 10 days"));
    assert!(warned, "{log}");
    // The renewed ones are of the same authority: nothing else changes, and nobody is warned.
    let dir = cluster.path("ca").parent().unwrap().to_owned();
    let renewed = program().args(["init", "--renew", "--dir"]).arg(&dir).output().unwrap();
    assert_eq!(renewed.status.code(), Some(0), "{renewed:?}");
    let _server = cluster.start(1);
    let status = cluster.command("status", &[]);
    assert_eq!((status.status.code(), status.stderr), (Some(0), Vec::new()));
    let answer = cluster.session(&cluster.client()).query(&Query::Get { key: Blob(b"x") }).await;
    assert_eq!(answer.unwrap().reply(), Ok(Reply::Value(Some(Blob(b"7")))));
}

#[test]
fn silent_nodes_are_asked_for_their_status_at_once_and_told_of_in_their_order() {
    let cluster = Cluster::new(3);
    let begun = Instant::now();
    let status = cluster.command("status", &["--timeout-ms", "4000"]);
    let took = begun.elapsed();
    assert_eq!(status.status.code(), Some(1), "{status:?}");
    let said = String::from_utf8(status.stdout).unwrap();
    assert_eq!(said, "node 1: no answer\nnode 2: no answer\nnode 3: no answer\n");
    assert!(took < Duration::from_secs(10), "one after the other: {took:?}");
}

/// The time of day that a line of the log begins with.
fn time_of(line: &str) -> Duration {
    let clock = line.split('T').nth(1).unwrap().split('Z').next().unwrap();
    let parts: Vec<f64> = clock.split(':').map(|part| part.parse().unwrap()).collect();
    Duration::from_secs_f64(parts[0].mul_add(3600.0, parts[1].mul_add(60.0, parts[2])))
}

#[tokio::test]
async fn a_saturated_leader_sees_at_once_that_it_is_to_end() {
    let cluster = Cluster::new(3);
    let mut servers = cluster.start_all();
    let client = cluster.client();
    put(&cluster.session(&client), 1).await;
    let leader = cluster.leader(&client, &[1, 2, 3]).await;
    // Reads wait for no disk, so they keep the loop busy without a pause.
    let load = ["--operation", "get", "--clients", "2048", "--connections", "64"];
    let mut bench = program();
    bench.arg("bench").args(cluster.target_flags()).args(load).args(["--seconds", "60"]);
    let mut load = bench.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // The load is on once the leader has answered for a while beside it.
    for _ in 0..STATUSES {
        cluster.statuses_that(&client, &[leader], |_| true).await;
    }
    let mut server = servers.remove(&leader).unwrap();
    server.terminate();
    let status = server.wait(PATIENCE);
    load.kill().unwrap();
    load.wait().unwrap();
    assert_eq!(status.code(), Some(0), "{}", server.stderr());
    let log = server.stderr();
    let time = |text: &str| time_of(log.lines().find(|line| line.contains(text)).unwrap());
    let took = time("draining: ").saturating_sub(time("asked to end"));
    assert!(took < SEEN_WITHIN, "it took {took:?}");
}

/// How often the leader is asked how it is doing before it is told to end.
const STATUSES: usize = 200;

/// A hundred milliseconds are wanted; a machine that the load keeps busy may take some more.
const SEEN_WITHIN: Duration = Duration::from_millis(200);
