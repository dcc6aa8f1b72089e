//! Disks that are slow, that hang and that are full, as the shell and its clients see them.

use std::time::Duration;

use synod_node::{Client, NodeError, NodeId, Outcome, Reason, Refusal};
use synod_shell::{Cluster, Counter, DiskState, PATIENCE, count_once};
use tokio::time::{Instant, sleep, timeout};

use crate::load::Load;

const HEALTHY: DiskState = DiskState { sync: Duration::from_millis(2), is_hung: false };
const HUNG: DiskState = DiskState { is_hung: true, ..HEALTHY };
const SLOW: DiskState = DiskState { sync: Duration::from_secs(4), is_hung: false };

/// A cluster with a load of one command after the other in each of eight sessions.
async fn busy(seed: u64) -> (Cluster, Client, Load, u16) {
    let mut cluster = Cluster::started(3, seed);
    let client = cluster.client();
    let load = Load::begin((0..8).map(|_| client.session()).collect());
    let leader = cluster.leader(&client).await;
    sleep(Duration::from_secs(1)).await;
    (cluster, client, load, leader)
}

/// Waits until a node has applied what another one has.
async fn caught_up(client: &Client, id: u16, other: u16) {
    let equal = async {
        loop {
            let one = client.status(NodeId::new(id), PATIENCE).await.unwrap();
            let two = client.status(NodeId::new(other), PATIENCE).await.unwrap();
            if one.applied == two.applied && one.digest == two.digest {
                return;
            }
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(PATIENCE, equal).await.expect("it catches up");
}

#[tokio::test(start_paused = true)]
async fn a_leader_whose_disk_hangs_hands_over_and_fails_no_operation() {
    let (cluster, client, load, leader) = busy(1_000).await;
    cluster.place(leader).drive().set(HUNG);
    sleep(Duration::from_secs(30)).await;
    let next = cluster.leader(&client).await;
    assert_ne!(next, leader);
    cluster.place(leader).drive().set(HEALTHY);
    let done = load.end().await;
    assert!(done.failed.is_empty(), "{:?}", done.failed);
    println!("{} applied, the slowest in {:?}", done.applied, done.longest);
    caught_up(&client, leader, next).await;
}

#[tokio::test(start_paused = true)]
async fn a_leader_with_a_slow_disk_gives_way_to_one_with_a_quick_disk() {
    let (cluster, client, load, leader) = busy(1_001).await;
    let slow = DiskState { sync: Duration::from_millis(1_500), is_hung: false };
    cluster.place(leader).drive().set(slow);
    sleep(Duration::from_secs(30)).await;
    assert_ne!(cluster.leader(&client).await, leader);
    let done = load.end().await;
    assert!(done.failed.is_empty(), "{:?}", done.failed);
}

#[tokio::test(start_paused = true)]
async fn disks_that_are_all_slow_serve_slowly_and_stay_with_their_leader() {
    let mut cluster = Cluster::started(3, 1_002);
    let slow = DiskState { sync: Duration::from_millis(1_050), is_hung: false };
    (1..=3).for_each(|id| cluster.place(id).drive().set(slow));
    let client = cluster.client();
    count_once(&client.session(), PATIENCE).await;
    // Who leads has heard how slow the others are.
    sleep(Duration::from_secs(30)).await;
    let leader = cluster.leader(&client).await;
    let load = Load::begin((0..8).map(|_| client.session()).collect());
    sleep(Duration::from_secs(60)).await;
    assert_eq!(cluster.leader(&client).await, leader);
    let done = load.end().await;
    assert!(done.failed.is_empty(), "{:?}", done.failed);
    println!("{} applied, the slowest in {:?}", done.applied, done.longest);
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_refuses_commands_and_answers_questions_until_it_has_room() {
    let mut cluster = Cluster::started(1, 1_003);
    let client = cluster.client();
    let session = client.session();
    let before = count_once(&session, PATIENCE).await;
    cluster.place(1).drive().disk().set_capacity(Some(0));
    // What was set aside before is used up first.
    let mut padding = Counter::asking(8).to_vec();
    padding.resize(1 << 20, 0);
    let refused = loop {
        match session.command(padding.clone(), Duration::from_secs(2)).await {
            Outcome::Ok(_) => {}
            // The first that finds no room may have been proposed before.
            Outcome::Unknown(Reason::Deadline(Some(Refusal::DiskFull))) => {}
            other @ (Outcome::NotApplied(_) | Outcome::Unknown(_)) => break other,
        }
    };
    assert_eq!(refused, Outcome::NotApplied(Reason::Deadline(Some(Refusal::DiskFull))));
    let Outcome::Ok(answer) = session.query(Counter::asking(8), PATIENCE).await else { panic!() };
    assert!(Counter::count_in(&answer) > before);
    cluster.place(1).drive().disk().set_capacity(None);
    assert_eq!(count_once(&session, PATIENCE).await, Counter::count_in(&answer) + 1);
}

/// Documented: a node that is asked to end does so within ten seconds.
#[tokio::test(start_paused = true)]
async fn a_node_whose_disk_hangs_ends_in_time_when_it_is_asked_to() {
    let (mut cluster, client, load, leader) = busy(1_004).await;
    let other = if leader == 1 { 2 } else { 1 };
    for id in [other, leader] {
        cluster.place(id).drive().set(HUNG);
        sleep(Duration::from_millis(100)).await;
        let begin = Instant::now();
        let ended = timeout(Duration::from_secs(10), cluster.end(id)).await;
        println!("node {id} ended after {:?}: {ended:?}", begin.elapsed());
        let error = ended.expect("it ends in time").unwrap_err();
        assert!(matches!(error, NodeError::DiskHangs), "{error}");
        cluster.place(id).drive().set(HEALTHY);
        cluster.kill(id).await;
        cluster.start(id).unwrap();
        let third = (1..=3).find(|third| ![id].contains(third)).unwrap();
        caught_up(&client, id, third).await;
    }
    let done = load.end().await;
    assert!(done.failed.is_empty(), "{:?}", done.failed);
}

/// Two commits are on their way when it has handed over, each of which takes four seconds: together
/// more than the end waits for one answer of the disk.
#[tokio::test(start_paused = true)]
async fn a_node_whose_disk_is_slow_closes_its_journal_when_it_is_asked_to_end() {
    for late_ms in [0, 1_000] {
        let (mut cluster, _client, load, leader) = busy(1_005).await;
        let follower = if leader == 1 { 2 } else { 1 };
        cluster.place(follower).drive().set(SLOW);
        sleep(Duration::from_secs(5) + Duration::from_millis(late_ms)).await;
        let ended = timeout(Duration::from_secs(20), cluster.end(follower)).await;
        ended.expect("it ends in time").expect("the journal is closed");
        let done = load.end().await;
        assert!(done.failed.is_empty(), "{:?}", done.failed);
    }
}
