//! Very many clients that come at once, and that lose everything at once and come back.
//!
//! A node takes as long over each datagram as a core takes over its part of a handshake, and has
//! the buffer that a kernel gives a socket unasked for those that wait, so that a storm is one in
//! virtual time, too.

use std::time::Duration;

use synod_fault::LinkRules;
use synod_node::Session;
use synod_shell::{Cluster, LINK, Place, count_once};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

/// Within this time a storm is over.
const STORM_MAX: Duration = Duration::from_secs(20);

const PROCESSES: usize = 16;
/// Clients of each process; `SYNOD_STORM=64` makes a storm of 1,024.
const CLIENTS_EACH: usize = 16;

fn clients_each() -> usize {
    let asked = std::env::var("SYNOD_STORM").ok();
    asked.map_or(CLIENTS_EACH, |asked| asked.parse().expect("SYNOD_STORM is a number"))
}

async fn serve_each_once(sessions: Vec<Session>) -> (Vec<Session>, Duration) {
    let begin = Instant::now();
    let mut waiting = JoinSet::new();
    for session in sessions {
        waiting.spawn(async move {
            count_once(&session, STORM_MAX).await;
            session
        });
    }
    let served = timeout(STORM_MAX, waiting.join_all()).await.expect("a client was not served");
    (served, begin.elapsed())
}

#[tokio::test(start_paused = true)]
async fn clients_that_come_at_once_and_come_back_at_once_are_all_served() {
    let mut cluster = Cluster::started(3, 1_024);
    for node in 1..=3 {
        cluster.net().slow_down(node, Duration::from_micros(150), Duration::from_millis(25));
    }
    let processes: Vec<Place> = (0..PROCESSES).map(|_| cluster.client_place()).collect();
    let all = processes.iter().flat_map(|place| std::iter::repeat_n(place, clients_each()));
    let clients: Vec<_> =
        all.map(|place| cluster.client_at(place, &cluster.credentials().clone())).collect();
    let sessions: Vec<Session> = clients.iter().map(|client| client.session()).collect();
    let (sessions, first) = serve_each_once(sessions).await;

    // All connections are lost, as QUIC gives each up after 5 s of silence.
    let set_all = |rules: LinkRules| {
        for (place, node) in processes.iter().flat_map(|place| [(place, 1), (place, 2), (place, 3)])
        {
            cluster.net().set_both(place.number(), node, rules);
        }
    };
    set_all(LinkRules::CUT);
    sleep(Duration::from_secs(8)).await;
    set_all(LINK);
    let (_, second) = serve_each_once(sessions).await;
    let tally = cluster.net().tally();
    println!("served after {first:?}, and after {second:?}; {tally:?}");
    assert!(tally.overflowed > 0, "no storm: {tally:?}");
}
