//! The life of a node: orderly ends, garbage from strangers, a disk that fills up.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, prlimit};
use synod_kv::client::KvError;
use synod_kv::command::{Blob, Command, Query, Reply};
use synod_node::Status;

use crate::processes::{Cluster, PATIENCE};

#[tokio::test]
async fn sigterm_hands_over_and_ends_with_code_0() {
    let cluster = Cluster::new(3);
    let mut servers = cluster.start_all();
    let client = cluster.client();
    let session = cluster.session(&client);
    let put = Command::Put { key: Blob(b"x"), value: Blob(b"7") };
    session.command(&put).await.unwrap();
    let leader = cluster.leader(&client, &[1, 2, 3]).await;
    let mut old = servers.remove(&leader).unwrap();
    let begin = Instant::now();
    old.terminate();
    assert_eq!(old.wait(PATIENCE).code(), Some(0), "{}", old.stderr());
    assert!(begin.elapsed().as_secs() < 10, "it took {:?}", begin.elapsed());
    assert_eq!(old.rest_of_stdout(), "");
    assert!(!old.stderr().contains("ERROR"), "{}", old.stderr());
    let answer = session.query(&Query::Get { key: Blob(b"x") }).await.unwrap();
    assert_eq!(answer.reply(), Ok(Reply::Value(Some(Blob(b"7")))));
    for server in servers.values_mut() {
        server.terminate();
        assert_eq!(server.wait(PATIENCE).code(), Some(0), "{}", server.stderr());
    }
    drop(servers);
    let _servers = cluster.start_all();
    let answer = session.query(&Query::Get { key: Blob(b"x") }).await.unwrap();
    assert_eq!(answer.reply(), Ok(Reply::Value(Some(Blob(b"7")))), "gone with all processes");
}

#[tokio::test]
async fn garbage_at_every_port_leaves_the_service_up() {
    let cluster = Cluster::new(3);
    let mut servers = cluster.start_all();
    let client = cluster.client();
    let session = cluster.session(&client);
    let put = Command::Put { key: Blob(b"x"), value: Blob(b"7") };
    session.command(&put).await.unwrap();
    let stranger = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
    let mut word = 7_u64;
    for at in cluster.peers.values().chain(cluster.clients.values()) {
        for number in 0..300_usize {
            let length = [0, 1, 7, 60, 1200, 1452][number % 6];
            let mut datagram: Vec<u8> = Vec::with_capacity(length);
            while datagram.len() < length {
                word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                datagram.push((word >> 56) as u8);
            }
            // Half of them look like the first packet of a connection.
            if number % 2 == 0 && length >= 7 {
                datagram[..5].copy_from_slice(&[0xc3, 0, 0, 0, 1]);
            }
            stranger.send_to(&datagram, at).unwrap();
        }
    }
    session.command(&put).await.unwrap();
    let level = |all: &[Status]| all.iter().all(|status| status.applied == all[0].applied);
    cluster.statuses_that(&client, &[1, 2, 3], level).await;
    for server in servers.values_mut() {
        server.terminate();
        assert_eq!(server.wait(PATIENCE).code(), Some(0), "{}", server.stderr());
        assert!(!server.stderr().contains("panicked"), "{}", server.stderr());
    }
}

#[tokio::test]
async fn a_full_disk_refuses_work_and_takes_it_again_when_there_is_room() {
    const SEGMENT: u64 = 16 << 20;
    let cluster = Cluster::new(1).with_flags(&["--set", &format!("segment_bytes={SEGMENT}")]);
    let servers = cluster.start_all();
    let client = cluster.client();
    let session = cluster.session(&client);
    let value = vec![b'v'; 1 << 20];
    let put = Command::Put { key: Blob(b"x"), value: Blob(&value) };
    session.command(&put).await.unwrap();
    // No file may grow to the size of a segment any more: there is no further one.
    let limit = |bytes| Rlimit { current: Some(bytes), maximum: None };
    prlimit(Some(servers[&1].pid()), Resource::Fsize, limit(SEGMENT - 4096)).unwrap();
    let mut session = session;
    session.set_timeout(Duration::from_secs(2));
    let mut written = 1;
    let reason = loop {
        match session.command(&put).await {
            // A slow disk may take its time; what counts is the refusal at the end.
            Ok(_) | Err(KvError::Unknown(_)) => written += 1,
            Err(KvError::NotApplied(reason)) => break reason,
        }
        assert!(written < 64, "the disk was never full");
    };
    assert!(reason.contains("disk is full"), "{reason}");
    assert!(written > 4, "only {written} values of 1 MiB fit into two files of 16");
    // Room returns: the same server goes on.
    prlimit(Some(servers[&1].pid()), Resource::Fsize, limit(1 << 40)).unwrap();
    session.set_timeout(PATIENCE);
    session.command(&put).await.unwrap();
    assert!(!servers[&1].stderr().contains("panicked"), "{}", servers[&1].stderr());
}

#[tokio::test]
async fn an_error_of_the_disk_ends_the_process_and_loses_nothing() {
    let cluster = Cluster::new(1);
    let mut server = cluster.start(1);
    let client = cluster.client();
    let mut session = cluster.session(&client);
    let kept = vec![b'k'; 1 << 20];
    session.command(&Command::Put { key: Blob(b"x"), value: Blob(&kept) }).await.unwrap();
    // The journal is longer than this, so every write to it fails; the log may still be written.
    let limit = Rlimit { current: Some(1 << 20), maximum: None };
    prlimit(Some(server.pid()), Resource::Fsize, limit).unwrap();
    session.set_timeout(Duration::from_secs(2));
    let lost = Command::Put { key: Blob(b"x"), value: Blob(b"lost") };
    let error = session.command(&lost).await.unwrap_err();
    assert!(matches!(error, KvError::Unknown(_)), "{error:?}");
    assert_eq!(server.wait(PATIENCE).code(), Some(74), "{}", server.stderr());
    let stderr = server.stderr();
    let last = stderr.lines().last().unwrap();
    assert!(last.contains("the journal failed") && last.contains("cannot write"), "{last}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    let _server = cluster.start(1);
    session.set_timeout(PATIENCE);
    let answer = session.query(&Query::Get { key: Blob(b"x") }).await.unwrap();
    assert_eq!(answer.reply(), Ok(Reply::Value(Some(Blob(&kept)))));
}
