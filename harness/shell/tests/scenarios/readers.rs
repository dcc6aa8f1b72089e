//! Clients that read slowly or never, and answers past every bound.

use std::time::Duration;

use bytes::Bytes;
use synod_fault::{LinkRules, RateLimit};
use synod_host::DRAIN_MAX;
use synod_host::smr::wire::{decode_response, encode_request};
use synod_host::smr::{Request, RequestBody, RequestId, Response};
use synod_node::world::Surroundings as _;
use synod_node::{Outcome, Reason, Refusal};
use synod_shell::{Cluster, Counter, LINK, PATIENCE, Place, count_once};
use synod_transport_quic::{ClientConnection, ClientDialer, DownReason, limits};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::load::Load;

/// The longest answer there is, for the machine of these scenarios.
const REPLY_BYTES_MAX: u32 = (1 << 20) + (48 << 10);

pub(crate) async fn connect(cluster: &Cluster, place: &Place, node: u16) -> ClientConnection {
    let held = place.hold(place.at(0)).unwrap();
    let credentials = cluster.credentials().clone().dated_by(place.wall());
    let dialer = ClientDialer::bind_on(held, credentials, place.turns()).unwrap();
    let (peer, address) = cluster.address(node);
    timeout(PATIENCE, dialer.connect(address, peer)).await.unwrap().unwrap()
}

pub(crate) fn question(id: u64, bytes: u32) -> Bytes {
    let body = RequestBody::Query(Counter::asking(bytes));
    encode_request(&Request { id: RequestId(id), body })
}

#[tokio::test(start_paused = true)]
async fn who_never_reads_is_closed_and_nobody_else_notices() {
    let mut cluster = Cluster::started(3, 77);
    let client = cluster.client();
    let leader = cluster.leader(&client).await;
    let load = Load::begin((0..8).map(|_| client.session()).collect());
    let place = cluster.client_place();
    let mut deaf = Vec::new();
    for _ in 0..4 {
        deaf.push(connect(&cluster, &place, leader).await);
    }
    // Far more is asked for than all windows and queues hold, and none of it is read.
    for (id, connection) in (0..16_u64).flat_map(|id| deaf.iter().map(move |c| (id, c))) {
        connection.send(question(id, 1 << 20));
    }
    sleep(limits::CLIENT_STALL_TIMEOUT + Duration::from_secs(5)).await;
    for mut connection in deaf {
        let reason = loop {
            let received = timeout(PATIENCE, connection.recv()).await;
            if let Err(reason) = received.expect("it was closed") {
                break reason;
            }
        };
        let DownReason::ClosedByPeer { text, .. } = reason else { panic!("{reason:?}") };
        assert!(text.contains("not read"), "{text}");
    }
    let done = load.end().await;
    assert!(done.failed.is_empty(), "{:?}", done.failed);
    assert!(done.longest < Duration::from_secs(1), "{:?}", done.longest);
}

#[tokio::test(start_paused = true)]
async fn who_reads_at_a_kibibyte_a_second_is_served_and_nobody_waits_for_it() {
    let mut cluster = Cluster::started(3, 78);
    let client = cluster.client();
    let leader = cluster.leader(&client).await;
    let load = Load::begin((0..4).map(|_| client.session()).collect());
    let place = cluster.client_place();
    let mut slow = connect(&cluster, &place, leader).await;
    let rate = Some(RateLimit { bytes_per_s: 1024, queue_bytes: 16 << 10 });
    cluster.net().set(leader, place.number(), LinkRules { rate, ..LINK });
    let begin = Instant::now();
    slow.send(question(1, 64 << 10));
    let answer = timeout(Duration::from_secs(300), slow.recv()).await.unwrap().unwrap();
    let took = begin.elapsed();
    let (id, Response::Reply(answer)) = decode_response(&answer).unwrap() else { panic!() };
    assert_eq!((id, answer.len()), (RequestId(1), 64 << 10));
    assert!(took > Duration::from_secs(60), "{took:?} is faster than the link");
    let done = load.end().await;
    assert!(done.failed.is_empty(), "{:?}", done.failed);
    assert!(done.longest < Duration::from_secs(1), "{:?}", done.longest);
}

#[tokio::test(start_paused = true)]
async fn an_answer_past_its_bound_is_refused_and_the_connection_goes_on() {
    let mut cluster = Cluster::started(3, 79);
    let client = cluster.client();
    let leader = cluster.leader(&client).await;
    let place = cluster.client_place();
    let mut connection = connect(&cluster, &place, leader).await;
    for (id, bytes) in [(1, REPLY_BYTES_MAX + 1), (2, u32::MAX >> 6), (3, REPLY_BYTES_MAX)] {
        connection.send(question(id, bytes));
        let answer = timeout(PATIENCE, connection.recv()).await.unwrap().unwrap();
        let (seen, response) = decode_response(&answer).unwrap();
        assert_eq!(seen, RequestId(id));
        let served = matches!(&response, Response::Reply(answer) if answer.len() == bytes as usize);
        let refused = response == Response::Refused(Refusal::ReplyTooLong);
        let fits = bytes <= REPLY_BYTES_MAX;
        assert!(served == fits && refused != fits, "{bytes} bytes were asked for");
    }
    // A command is applied all the same, once, and its client knows.
    let session = client.session();
    let before = count_once(&session, PATIENCE).await;
    let outcome = session.command(Counter::asking(REPLY_BYTES_MAX + 1), PATIENCE).await;
    assert_eq!(outcome, Outcome::Unknown(Reason::Refused(Refusal::ReplyTooLong)));
    assert_eq!(count_once(&session, PATIENCE).await, before + 2);
    assert_eq!(client.connection_errors(), "");
}

#[tokio::test(start_paused = true)]
async fn sixty_four_megabytes_of_answers_that_are_due_at_once_all_come() {
    let mut cluster = Cluster::started(3, 80);
    let client = cluster.client();
    let mut readers = JoinSet::new();
    for _ in 0..64 {
        let session = client.session();
        readers.spawn(async move { session.query(Counter::asking(1_000_000), PATIENCE).await });
    }
    while let Some(answer) = readers.join_next().await {
        let Outcome::Ok(answer) = answer.unwrap() else { panic!("an answer is missing") };
        assert_eq!(answer.len(), 1_000_000);
    }
    assert_eq!(client.connection_errors(), "");
}

/// One bound for all that is not read: what the node has not given to its transport, and what the
/// transport has not brought to the client.
#[tokio::test(start_paused = true)]
async fn who_reads_slowly_has_its_last_answers_before_a_node_ends_and_within_the_bound() {
    // What takes a second and a half is waited for, and what takes longer than the bound is not.
    for (seed, answers, all) in [(81, 3, true), (82, 16, false)] {
        let mut cluster = Cluster::started(3, seed);
        let client = cluster.client();
        let leader = cluster.leader(&client).await;
        let place = cluster.client_place();
        let mut slow = connect(&cluster, &place, leader).await;
        let rate = Some(RateLimit { bytes_per_s: 1 << 20, queue_bytes: 64 << 10 });
        cluster.net().set(leader, place.number(), LinkRules { rate, ..LINK });
        for id in 1..=answers {
            slow.send(question(id, 512 << 10));
        }
        let reading = tokio::spawn(async move {
            let mut read = 0;
            while let Ok(answer) = slow.recv().await {
                let (_, response) = decode_response(&answer).unwrap();
                read += u64::from(matches!(response, Response::Reply(_)));
            }
            read
        });
        sleep(Duration::from_millis(200)).await;
        let took = cluster.drain(leader).await;
        let read = timeout(PATIENCE, reading).await.unwrap().unwrap();
        println!("{read} of {answers} answers were read, the node ended after {took:?}");
        assert_eq!(read == answers, all, "{read} of {answers} answers");
        assert!(took > Duration::from_secs(1), "{took:?}: nobody was waited for");
        assert!(took < DRAIN_MAX + Duration::from_secs(1), "{took:?}");
    }
}
