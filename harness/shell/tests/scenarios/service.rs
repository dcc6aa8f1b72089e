//! A cluster in virtual time does what it does in the world: it serves.

use std::time::Duration;

use synod_shell::{Cluster, PATIENCE, count_once};

#[tokio::test(start_paused = true)]
async fn three_nodes_serve_and_survive_the_power_of_all() {
    let mut cluster = Cluster::started(3, 1);
    let client = cluster.client();
    let session = client.session();
    for count in 1..=10 {
        assert_eq!(count_once(&session, PATIENCE).await, count);
    }
    for id in 1..=3 {
        cluster.kill(id).await;
    }
    for id in 1..=3 {
        cluster.start(id).unwrap();
    }
    assert_eq!(count_once(&session, PATIENCE).await, 11);
    let leader = cluster.leader(&client).await;
    assert!(cluster.drain(leader).await < Duration::from_secs(10));
}
