//! What a node's loop hands over, and to whom: each scenario fails if the loop leaves one out.
//!
//! The rules behind the events are the host's, and the simulator drives those. Here is asked
//! whether the loop tells of what happens, at once, and carries out what comes of it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use synod_fault::{LinkRules, RateLimit};
use synod_host::journal::{CallFault, DiskCall, Failure, Times};
use synod_host::smr::wire::encode_request;
use synod_host::smr::{Request, RequestBody, RequestId};
use synod_node::{NodeError, NodeId, Outcome, Session, StartError, Timing};
use synod_shell::{Cluster, Counter, LINK, PATIENCE, count_once};
use synod_transport_quic::DownReason;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::counts::CountLines;
use crate::load::Load;
use crate::readers::{connect, question};

/// The longest command there is, nearly.
const LONG: usize = 1_000_000;

/// Has so many commands of so many bytes applied, all of them at once.
async fn ask(session: &Arc<Session>, commands: usize, bytes: usize) {
    let mut command = Counter::asking(8).to_vec();
    command.resize(bytes.max(8), b'.');
    let command = Bytes::from(command);
    let mut waiting = JoinSet::new();
    for _ in 0..commands {
        let (session, command) = (Arc::clone(session), command.clone());
        waiting.spawn(async move { session.command(command, PATIENCE).await });
    }
    for outcome in waiting.join_all().await {
        assert!(matches!(outcome, Outcome::Ok(_)), "{outcome:?}");
    }
}

/// A loop that slept on would notice with its next heartbeat. So a command would wait for one here
/// and there: at the leader for its client, its journal and its peers, at a peer for the leader.
#[tokio::test(start_paused = true)]
async fn what_comes_wakes_a_loop_that_sleeps() {
    let mut cluster = Cluster::started(3, 1_201);
    let session = cluster.client().session();
    count_once(&session, PATIENCE).await;
    let (mut longest, mut all) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..COMMANDS {
        // In step with nothing.
        sleep(Duration::from_millis(1_013)).await;
        let begin = Instant::now();
        count_once(&session, PATIENCE).await;
        longest = longest.max(begin.elapsed());
        all += begin.elapsed();
    }
    let mean = all / COMMANDS;
    println!("a command takes {mean:?}, and {longest:?} at most");
    // There and back from the client, the same from the peer, and both sync at once.
    let bound = 4 * Duration::from_millis(LINK.delay_ms.0 + LINK.jitter_ms.0) + 3 * SYNC;
    assert!(longest < bound, "{longest:?}, and {bound:?} are enough");
    assert!(bound < Timing::default().heartbeat / 2, "a loop that slept on might not be noticed");
}

/// Commands that are there at once are taken in one turn, as they share its flush.
#[tokio::test(start_paused = true)]
async fn a_turn_takes_all_that_is_there() {
    let lines = CountLines::begin();
    let mut cluster = Cluster::started(1, 1_203);
    let session = Arc::new(cluster.client().session());
    for _ in 0..ROUNDS {
        ask(&session, PIPELINE, 8).await;
    }
    cluster.drain(1).await;
    let (turns, requests) = (lines.last(1, "turns"), lines.last(1, "requests"));
    println!("{turns} turns took {requests} requests");
    assert!(requests >= (ROUNDS * PIPELINE) as u64);
    assert!(turns < requests / 2, "{turns} turns, and {requests} requests");
}

/// One peer is far behind on a narrow link, and the quorum goes on without it.
#[tokio::test(start_paused = true)]
async fn what_waits_on_the_lane_of_a_peer_is_not_said_again() {
    let lines = CountLines::begin();
    let mut cluster = Cluster::started(3, 1_204);
    let client = cluster.client();
    let session = Arc::new(client.session());
    count_once(&session, PATIENCE).await;
    let leader = cluster.leader(&client).await;
    let slow = leader % 3 + 1;
    let rate = Some(RateLimit { bytes_per_s: 1 << 20, queue_bytes: 64 << 10 });
    cluster.net().set(leader, slow, LinkRules { rate, ..LINK });
    ask(&session, 16, LONG).await;
    sleep(Duration::from_secs(5)).await;
    cluster.net().set(leader, slow, LINK);
    cluster.drain(leader).await;
    let left_out = lines.last(leader, "repetitions_left_out");
    println!("{left_out} repetitions were left out");
    assert!(left_out > 0);
}

/// It lags by more than memory holds, so that a read of old decrees begins, and its end is told.
#[tokio::test(start_paused = true)]
async fn who_lags_by_more_than_memory_holds_is_sent_it_from_the_journal() {
    let lines = CountLines::begin();
    let mut cluster = Cluster::started(3, 1_205);
    let client = cluster.client();
    let session = Arc::new(client.session());
    count_once(&session, PATIENCE).await;
    let leader = cluster.leader(&client).await;
    let lagging = leader % 3 + 1;
    cluster.kill(lagging).await;
    for _ in 0..6 {
        ask(&session, 16, LONG).await;
    }
    let begin = Instant::now();
    cluster.start(lagging).unwrap();
    let caught_up = async {
        loop {
            let [one, two] = [lagging, leader].map(NodeId::new);
            let one = client.status(one, PATIENCE).await.unwrap();
            let two = client.status(two, PATIENCE).await.unwrap();
            if (one.applied, one.digest) == (two.applied, two.digest) {
                return;
            }
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, caught_up).await.expect("it catches up");
    let took = begin.elapsed();
    let mut reads = 0;
    for id in [leader, leader % 3 + 1, (leader + 1) % 3 + 1] {
        cluster.drain(id).await;
        reads += lines.last(id, "log_reads");
    }
    println!("caught up after {took:?} and {reads} reads");
    assert!(reads > 1, "nothing was read back");
}

/// Who asks for much and goes away without having read it leaves room for the answers of others.
#[tokio::test(start_paused = true)]
async fn clients_that_are_gone_leave_their_room_to_others() {
    let mut cluster = Cluster::started(1, 1_206);
    let client = cluster.client();
    let session = client.session();
    count_once(&session, PATIENCE).await;
    let place = cluster.client_place();
    let mut deaf = Vec::new();
    // A reply of each is on its way, and all together are more than there is room for.
    for _ in 0..60 {
        let connection = connect(&cluster, &place, 1).await;
        for id in 1..=4 {
            connection.send(question(id, 1 << 20));
        }
        deaf.push(connection);
    }
    sleep(Duration::from_secs(1)).await;
    drop(deaf);
    sleep(Duration::from_secs(1)).await;
    let begin = Instant::now();
    let asked = session.query(Counter::asking(1_000_000), PATIENCE).await;
    assert!(matches!(asked, Outcome::Ok(_)), "nobody who is there has unread answers");
    println!("answered after {:?}", begin.elapsed());
    assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_is_no_request_closes_its_connection_alone() {
    let mut cluster = Cluster::started(1, 1_207);
    let session = cluster.client().session();
    count_once(&session, PATIENCE).await;
    let place = cluster.client_place();
    let mut wrong = connect(&cluster, &place, 1).await;
    let mut right = connect(&cluster, &place, 1).await;
    wrong.send(Bytes::from_static(b"no request, and longer than the head of one"));
    let closed = timeout(Duration::from_secs(1), wrong.recv()).await.expect("it is closed");
    let Err(DownReason::ClosedByPeer { text, .. }) = closed else { panic!("{closed:?}") };
    assert!(text.contains("no request"), "{text}");
    right.send(encode_request(&Request { id: RequestId(1), body: RequestBody::Status }));
    timeout(Duration::from_secs(1), right.recv()).await.expect("it is answered").unwrap();
}

/// A leader hears at once that its peers have said goodbye, and that it leads nobody any more.
#[tokio::test(start_paused = true)]
async fn a_leader_whose_peers_have_ended_knows_before_it_would_suspect_them() {
    let mut cluster = Cluster::started(3, 1_208);
    let client = cluster.client();
    count_once(&client.session(), PATIENCE).await;
    let leader = cluster.leader(&client).await;
    for id in [leader % 3 + 1, (leader + 1) % 3 + 1] {
        cluster.drain(id).await;
    }
    let begin = Instant::now();
    while client.status(NodeId::new(leader), PATIENCE).await.unwrap().leader_ok {
        sleep(Duration::from_millis(1)).await;
    }
    println!("it knows after {:?}", begin.elapsed());
    assert!(begin.elapsed() < Timing::default().suspicion / 2, "{:?}", begin.elapsed());
}

/// A node whose disk fails must not go on, and says why.
#[tokio::test(start_paused = true)]
async fn a_node_whose_disk_fails_ends() {
    let mut cluster = Cluster::started(3, 1_209);
    let client = cluster.client();
    let load = Load::begin((0..8).map(|_| client.session()).collect());
    let leader = cluster.leader(&client).await;
    let (times, failure) = (Times::Always, Failure::Io);
    let fault = CallFault { operation: DiskCall::Sync, after: 0, times, failure };
    cluster.place(leader).drive().disk().inject(fault);
    let node = cluster.node_mut(leader).unwrap();
    let ended = timeout(Duration::from_secs(1), node.ended()).await.expect("it ends");
    assert!(matches!(ended, Err(NodeError::Journal(_))), "{ended:?}");
    sleep(Duration::from_secs(5)).await;
    let done = load.end().await;
    assert!(done.failed.is_empty(), "{:?}", done.failed);
}

/// A node that comes back with an older copy of its folder is refused, ends, and says why.
#[tokio::test(start_paused = true)]
async fn a_node_with_an_older_copy_of_its_folder_ends() {
    let mut cluster = Cluster::started(3, 1_210);
    let client = cluster.client();
    let session = client.session();
    count_once(&session, PATIENCE).await;
    cluster.kill(3).await;
    let older = cluster.place(3).drive().copy();
    for _ in 0..2 {
        cluster.start(3).unwrap();
        sleep(Duration::from_secs(2)).await;
        count_once(&session, PATIENCE).await;
        cluster.kill(3).await;
    }
    cluster.place_mut(3).put_drive(older);
    cluster.start(3).unwrap();
    let ended = timeout(Duration::from_secs(5), cluster.node_mut(3).unwrap().ended()).await;
    let ended = ended.expect("it ends");
    assert!(matches!(ended, Err(NodeError::Refused(_))), "{ended:?}");
    count_once(&session, PATIENCE).await;
    // Its journal knows that by itself: nobody is told that it serves.
    cluster.kill(3).await;
    for _ in 0..2 {
        let refused = cluster.start(3);
        let Err(StartError::Refused { path, reason }) = &refused else { panic!("{refused:?}") };
        assert_eq!(path, Path::new("data"));
        assert!(
            reason.contains("Give it the folder that it had last, or leave it off"),
            "{reason}"
        );
    }
    count_once(&session, PATIENCE).await;
}

/// Nobody asks anything meanwhile: a loop that looked at its timers only when something else wakes
/// it would be late.
#[tokio::test(start_paused = true)]
async fn another_node_leads_in_time_though_nobody_asks() {
    let mut cluster = Cluster::started(3, 1_211);
    let client = cluster.client();
    let session = client.session();
    for _ in 0..10 {
        count_once(&session, PATIENCE).await;
        let leader = cluster.leader(&client).await;
        cluster.kill(leader).await;
        sleep(FAIL_OVER_MAX).await;
        let mut leading = 0;
        for id in [leader % 3 + 1, (leader + 1) % 3 + 1] {
            let status = client.status(NodeId::new(id), PATIENCE).await.unwrap();
            leading += usize::from(status.leads.is_some());
        }
        assert_eq!(leading, 1, "nobody leads after {FAIL_OVER_MAX:?}");
        cluster.start(leader).unwrap();
        sleep(Duration::from_secs(2)).await;
    }
}

const COMMANDS: u32 = 40;
const ROUNDS: usize = 20;
/// As many commands as a session sends at once.
const PIPELINE: usize = 32;
/// Within this time another node leads, with links and disks as they are where nothing is wrong:
/// the bound of `smr/tests/failover.rs`.
const FAIL_OVER_MAX: Duration = Duration::from_millis(620);
/// How long a sync takes of a drive in good health.
const SYNC: Duration = Duration::from_millis(2);
