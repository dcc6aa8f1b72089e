//! Links that flap while hands are shaken, and datagrams that are lost, doubled, damaged, late.

use std::time::Duration;

use synod_fault::{LinkRules, Millis, PartsPerMillion};
use synod_node::{NodeId, Outcome};
use synod_rng::{Random, Seed, Stream};
use synod_shell::{Cluster, Counter, LINK, PATIENCE, count_once};
use tokio::time::{Instant, sleep, timeout};

/// Within this time after the last flap all is as if there had been none: a dial may have lost its
/// last packet just then, and takes its time to be given up.
const HEALED_MAX: Duration = Duration::from_secs(10);

/// The pairs of three nodes, and of each with the first client.
const PAIRS: [(u16, u16); 6] = [(1, 2), (1, 3), (2, 3), (1, 1001), (2, 1001), (3, 1001)];

#[tokio::test(start_paused = true)]
async fn links_that_flap_in_their_handshakes_stand_once_it_ends() {
    for seed in 1..=3 {
        let mut cluster = Cluster::started(3, seed);
        let client = cluster.client();
        let session = client.session();
        let mut random = Random::new(Seed(seed), Stream::named("flaps"));
        let end = Instant::now() + Duration::from_secs(20);
        while Instant::now() < end {
            let (one, other) = *random.pick(&PAIRS).unwrap();
            let rules = if random.chance(600_000) { LinkRules::CUT } else { LINK };
            cluster.net().set_both(one, other, rules);
            sleep(Duration::from_millis(random.between(1, 12))).await;
        }
        PAIRS.iter().for_each(|(one, other)| cluster.net().set_both(*one, *other, LINK));
        let healed = Instant::now();
        count_once(&session, PATIENCE).await;
        for id in 1..=3 {
            let belongs = async {
                loop {
                    let status = client.status(NodeId::new(id), PATIENCE).await.unwrap();
                    if status.leads.is_some() || status.follows.is_some() {
                        return;
                    }
                    sleep(Duration::from_millis(20)).await;
                }
            };
            timeout(HEALED_MAX, belongs).await.expect("each node leads or follows");
        }
        let took = healed.elapsed();
        println!("seed {seed}: all is well {took:?} after the last flap");
        assert!(took < HEALED_MAX, "{took:?}");
        assert_eq!(client.connection_errors(), "");
    }
}

#[tokio::test(start_paused = true)]
async fn each_command_is_applied_once_whatever_becomes_of_datagrams() {
    let hostile = LinkRules {
        loss: PartsPerMillion::percent(10),
        duplicate: PartsPerMillion::percent(20),
        duplicate_late_ms: Millis(400),
        reorder: PartsPerMillion::percent(20),
        reorder_late_ms: Millis(30),
        corrupt: PartsPerMillion::percent(2),
        jitter_ms: Millis(8),
        ..LINK
    };
    let mut cluster = Cluster::started(3, 4_711);
    let client = cluster.client();
    PAIRS.iter().for_each(|(one, other)| cluster.net().set_both(*one, *other, hostile));
    let session = client.session();
    let (mut last, mut unknown) = (0, 0);
    for _ in 0..150 {
        match session.command(Counter::asking(8), PATIENCE).await {
            // One session has one command under way, so the counts that it hears of are in order,
            // and the gaps between them are commands whose fate it did not learn.
            Outcome::Ok(answer) => {
                let count = Counter::count_in(&answer);
                assert!(count > last && count <= last + 1 + unknown, "{count} after {last}");
                (last, unknown) = (count, 0);
            }
            Outcome::Unknown(_) => unknown += 1,
            Outcome::NotApplied(reason) => panic!("{reason:?}"),
        }
    }
    let tally = cluster.net().tally();
    println!("{tally:?}");
    for seen in [tally.dropped, tally.doubled, tally.overtaken] {
        assert!(seen > 300, "the network was too kind: {tally:?}");
    }
    PAIRS.iter().for_each(|(one, other)| cluster.net().set_both(*one, *other, LINK));
    assert_eq!(count_once(&session, PATIENCE).await, last + unknown + 1);
}
