//! A narrow link to the one peer that a quorum needs, or to one that comes back: long commands take
//! their time, are said about once, and get there.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use synod_fault::{LinkRules, Millis, RateLimit};
use synod_node::{NodeId, Outcome, Session};
use synod_shell::{Cluster, Counter, LINK, PATIENCE, count_once};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

const COMMANDS: u32 = 16;
const COMMAND_BYTES: u32 = 1_000_000;

/// Has long commands applied, all of them at once.
async fn ask(session: Session) {
    let mut command = Counter::asking(8).to_vec();
    command.resize(COMMAND_BYTES as usize, b'.');
    let (command, session) = (Bytes::from(command), Arc::new(session));
    let mut waiting = JoinSet::new();
    for _ in 0..COMMANDS {
        let (session, command) = (Arc::clone(&session), command.clone());
        waiting.spawn(async move { session.command(command, 2 * PATIENCE).await });
    }
    for outcome in waiting.join_all().await {
        assert!(matches!(outcome, Outcome::Ok(_)), "{outcome:?}");
    }
}

/// Each byte is said about once, whether one command takes seconds or a small part of one.
#[tokio::test(start_paused = true)]
async fn long_commands_pass_a_narrow_link_to_the_peer_that_a_quorum_needs() {
    for (seed, bytes_per_second) in [(76, 512 << 10), (77, 1 << 20), (78, 4 << 20), (79, 16 << 20)]
    {
        pass(seed, bytes_per_second).await;
    }
}

async fn pass(seed: u64, bytes_per_second: u32) {
    let mut cluster = Cluster::started(3, seed);
    let client = cluster.client();
    let session = client.session();
    count_once(&session, PATIENCE).await;
    let leader = cluster.leader(&client).await;
    let [slow, gone] = [1, 2].map(|further| (leader + further - 1) % 3 + 1);
    cluster.kill(gone).await;
    // A narrow link keeps its datagrams in order.
    let rate = Some(RateLimit { bytes_per_s: bytes_per_second.into(), queue_bytes: 64 << 10 });
    cluster.net().set(leader, slow, LinkRules { rate, jitter_ms: Millis(0), ..LINK });

    let begin = Instant::now();
    ask(session).await;
    let took = begin.elapsed();
    let once = f64::from(COMMANDS * COMMAND_BYTES) / f64::from(bytes_per_second);
    let once = Duration::from_secs_f64(once);
    println!("applied after {took:?}; to say all of it once takes {once:?}");
    let most = once * 11 / 10 + Duration::from_millis(500);
    assert!(took < most, "{took:?}, and to say all of it once takes {once:?}");
}

/// What was chosen long ago fills the way to a far node; when that one is needed, it is not waited
/// for until all of it has passed.
#[tokio::test(start_paused = true)]
async fn a_far_node_is_needed_before_it_has_what_was_chosen_long_ago() {
    let mut cluster = Cluster::started(3, 91);
    let client = cluster.client();
    let session = client.session();
    count_once(&session, PATIENCE).await;
    let leader = cluster.leader(&client).await;
    let [near, far] = [1, 2].map(|further| (leader + further - 1) % 3 + 1);
    let rate = Some(RateLimit { bytes_per_s: 1 << 20, queue_bytes: 64 << 10 });
    cluster.net().set(leader, far, LinkRules { rate, jitter_ms: Millis(0), ..LINK });
    ask(client.session()).await;
    cluster.kill(near).await;

    let begin = Instant::now();
    count_once(&session, PATIENCE).await;
    let took = begin.elapsed();
    println!("needed and answered after {took:?}");
    assert!(took < Duration::from_secs(8), "{took:?}");
}

/// A node that was down asks for one long command after the other, and gets each of them once.
#[tokio::test(start_paused = true)]
async fn a_node_catches_up_over_a_narrow_link() {
    let mut cluster = Cluster::started(3, 90);
    let client = cluster.client();
    let session = client.session();
    count_once(&session, PATIENCE).await;
    let leader = cluster.leader(&client).await;
    let [other, gone] = [1, 2].map(|further| (leader + further - 1) % 3 + 1);
    cluster.kill(gone).await;
    ask(session).await;
    let rate = Some(RateLimit { bytes_per_s: 1 << 20, queue_bytes: 64 << 10 });
    for from in [leader, other] {
        cluster.net().set(from, gone, LinkRules { rate, jitter_ms: Millis(0), ..LINK });
    }
    cluster.start(gone).unwrap();

    let begin = Instant::now();
    let applied = async |node| {
        let status = client.status(NodeId::new(node), Duration::from_secs(2)).await;
        status.map(|status| status.applied)
    };
    let all = applied(leader).await;
    assert!(all.is_some());
    while applied(gone).await != all {
        assert!(begin.elapsed() < 4 * PATIENCE, "it does not catch up");
        sleep(Duration::from_millis(100)).await;
    }
    let took = begin.elapsed();
    let once = Duration::from_secs_f64(f64::from(COMMANDS * COMMAND_BYTES) / f64::from(1 << 20));
    println!("caught up after {took:?}; to say all of it once takes {once:?}");
    assert!(took < once * 3 / 2 + Duration::from_secs(2), "{took:?}, and once takes {once:?}");
}
