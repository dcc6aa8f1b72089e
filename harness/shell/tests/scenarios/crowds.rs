//! More long commands at once than a leader takes in: they wait with their clients, and cross the
//! network once.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use synod_node::{Outcome, Session};
use synod_shell::{Cluster, Counter, DiskState, PATIENCE, count_once};
use tokio::task::JoinSet;
use tokio::time::Instant;

const CLIENTS: usize = 48;
const COMMANDS_EACH: usize = 4;
const COMMAND_BYTES: usize = 1_000_000;

/// No datagram carries more than this, as no link is known to take more.
const DATAGRAM_BYTES_MAX: usize = 1_452;

/// Has so many long commands applied at once.
async fn ask_all(sessions: &[Arc<Session>]) {
    let mut command = Counter::asking(8).to_vec();
    command.resize(COMMAND_BYTES, b'.');
    let command = Bytes::from(command);
    let mut waiting = JoinSet::new();
    for session in sessions {
        for _ in 0..COMMANDS_EACH {
            let (session, command) = (Arc::clone(session), command.clone());
            waiting.spawn(async move { session.command(command, PATIENCE).await });
        }
    }
    for outcome in waiting.join_all().await {
        assert!(matches!(outcome, Outcome::Ok(_)), "{outcome:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_crowd_asks_crosses_the_network_once() {
    let mut cluster = Cluster::started(1, 48);
    let clients: Vec<_> = (0..CLIENTS).map(|_| cluster.client()).collect();
    let sessions: Vec<_> = clients.iter().map(|client| Arc::new(client.session())).collect();
    for session in &sessions {
        count_once(session, PATIENCE).await;
    }
    let slow = DiskState { sync: Duration::from_millis(300), is_hung: false };
    cluster.place(1).drive().set(slow);
    let before = cluster.net().tally().arrived;
    let begin = Instant::now();
    ask_all(&sessions).await;
    let took = begin.elapsed();
    let arrived = cluster.net().tally().arrived - before;
    let once = CLIENTS * COMMANDS_EACH * COMMAND_BYTES / DATAGRAM_BYTES_MAX;
    println!("{arrived} datagrams in {took:?}; {once} carry all commands once");
    // Syncs take 192 times as long as one if each is of one command alone.
    assert!(took < slow.sync * (CLIENTS * COMMANDS_EACH) as u32 / 2, "it took {took:?}");
    assert!(arrived < 3 * once as u64, "{arrived} datagrams arrived, and {once} had been enough");
}
