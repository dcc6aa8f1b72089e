//! The leader goes, killed or asked to, while many clients have something under way.

use std::time::Duration;

use synod_node::{Client, NodeId, Outcome};
use synod_shell::{Cluster, Counter};
use tokio::time::{Instant, sleep};

use crate::load::{Load, TIMEOUT};

/// Begins clients with a connection to each node of their own, and keeps them busy.
async fn busy(cluster: &mut Cluster, clients: usize) -> (Vec<Client>, Load) {
    let clients: Vec<Client> = (0..clients).map(|_| cluster.client()).collect();
    let load = Load::begin(clients.iter().map(Client::session).collect());
    cluster.leader(&clients[0]).await;
    sleep(Duration::from_secs(1)).await;
    (clients, load)
}

#[tokio::test(start_paused = true)]
async fn a_killed_leader_fails_no_operation() {
    let mut cluster = Cluster::started(3, 384);
    let (clients, load) = busy(&mut cluster, 96).await;
    let leader = cluster.leader(&clients[0]).await;
    cluster.kill(leader).await;
    sleep(Duration::from_secs(5)).await;
    let next = cluster.leader(&clients[0]).await;
    assert_ne!(next, leader);
    cluster.start(leader).unwrap();
    sleep(Duration::from_secs(3)).await;
    let done = load.end().await;
    println!("{} applied, the slowest in {:?}", done.applied, done.longest);
    assert!(done.failed.is_empty(), "{:?}", done.failed);
    let asked = clients[0].session().query(Counter::asking(8), TIMEOUT).await;
    let Outcome::Ok(answer) = asked else { panic!("{asked:?}") };
    assert_eq!(Counter::count_in(&answer), done.applied);
    // The node that came back has it, too.
    assert_eq!(status(&clients[0], leader).await, status(&clients[0], next).await);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_asked_to_end_is_replaced_at_once_and_fails_no_operation() {
    let mut cluster = Cluster::started(3, 15);
    let (clients, load) = busy(&mut cluster, 48).await;
    let leader = cluster.leader(&clients[0]).await;
    for node in 1..=3 {
        cluster.net().slow_down(node, Duration::from_micros(300), Duration::from_millis(700));
    }
    sleep(Duration::from_secs(1)).await;
    let begin = Instant::now();
    let took = cluster.drain(leader).await;
    let next = cluster.leader(&clients[0]).await;
    println!("ended after {took:?}, {next} leads after {:?}", begin.elapsed());
    assert_ne!(next, leader);
    assert!(took < Duration::from_secs(2), "{took:?}");
    sleep(Duration::from_secs(2)).await;
    let done = load.end().await;
    assert!(done.failed.is_empty(), "{:?}", done.failed);
}

/// What a node has applied, and its digest.
async fn status(client: &Client, id: u16) -> (u64, u64) {
    let status = client.status(NodeId::new(id), Duration::from_secs(5)).await.unwrap();
    (status.applied.number(), status.digest)
}
