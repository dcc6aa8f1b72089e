//! Certificates that end while links stand, that are not good yet, and that are renewed.

use std::time::Duration;

use synod_fault::LinkRules;
use synod_node::{NodeId, Outcome, Reason};
use synod_shell::{Authority, Cluster, Counter, DAWN, LINK, PATIENCE, Validity, count_once};
use tokio::time::{Instant, sleep, timeout};

const MINUTE: Duration = Duration::from_secs(60);

/// Good until a minute after the beginning.
fn ending() -> Validity {
    Validity { until: DAWN + MINUTE, ..Validity::default() }
}

#[tokio::test(start_paused = true)]
async fn a_clients_connections_outlive_its_certificate_and_no_new_one_is_made_with_it() {
    let mut cluster = Cluster::started(3, 365);
    let credentials = cluster.authority().credentials("client/client", ending());
    let place = cluster.client_place();
    let client = cluster.client_at(&place, &credentials);
    let session = client.session();
    count_once(&session, PATIENCE).await;
    sleep(2 * MINUTE).await;
    count_once(&session, PATIENCE).await;
    let set_all =
        |rules| (1..=3).for_each(|node| cluster.net().set_both(place.number(), node, rules));
    set_all(LinkRules::CUT);
    sleep(Duration::from_secs(10)).await;
    set_all(LINK);
    sleep(Duration::from_secs(10)).await;
    let connection_errors = client.connection_errors();
    assert!(connection_errors.contains("nodes 1, 2, 3: "), "{connection_errors}");
    assert!(connection_errors.contains("certificate of this end has ended"), "{connection_errors}");
    // A renewed one of the same name is heard at once.
    let renewed = cluster.authority().credentials("client/client", Validity::default());
    let client = cluster.client_at(&place, &renewed);
    count_once(&client.session(), PATIENCE).await;
}

#[tokio::test(start_paused = true)]
async fn a_certificate_that_is_not_good_yet_is_refused_until_it_is() {
    let mut cluster = Cluster::started(3, 366);
    let early = Validity { from: DAWN + MINUTE, ..Validity::default() };
    let credentials = cluster.authority().credentials("client/client", early);
    let place = cluster.client_place();
    let client = cluster.client_at(&place, &credentials);
    let session = client.session();
    sleep(Duration::from_secs(10)).await;
    let connection_errors = client.connection_errors();
    assert!(connection_errors.contains("or not begun"), "{connection_errors}");
    // The same process is served as soon as the date has come.
    sleep(MINUTE).await;
    count_once(&session, PATIENCE).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_whose_certificate_ends_stays_until_its_links_do_and_comes_back_with_a_new_one() {
    let mut cluster = Cluster::new(3, 367);
    cluster.authority().issue("node/3", ending());
    (1..=3).for_each(|id| cluster.start(id).unwrap());
    let client = cluster.client();
    let session = client.session();
    count_once(&session, PATIENCE).await;
    sleep(2 * MINUTE).await;
    let status = client.status(NodeId::new(3), PATIENCE).await.unwrap();
    assert!(status.leads.is_some() || status.follows.is_some(), "{status:?}");
    // With its links gone nobody lets it in any more, and the others go on without it.
    [1, 2].iter().for_each(|node| cluster.net().set_both(*node, 3, LinkRules::CUT));
    sleep(Duration::from_secs(5)).await;
    [1, 2].iter().for_each(|node| cluster.net().set_both(*node, 3, LINK));
    sleep(Duration::from_secs(10)).await;
    count_once(&session, PATIENCE).await;
    let status = client.status(NodeId::new(3), PATIENCE).await.unwrap();
    assert!(status.leads.is_none() && status.follows.is_none(), "{status:?}");
    // It reads the renewed one at its next start.
    cluster.drain(3).await;
    cluster.authority().issue("node/3", Validity::default());
    cluster.start(3).unwrap();
    let joined = async {
        while client.status(NodeId::new(3), PATIENCE).await.unwrap().follows.is_none() {
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(PATIENCE, joined).await.expect("it is let in again");
}

/// A node whose clock is a day and more behind takes nobody's certificate for a new one, and one
/// whose clock is years ahead takes everybody's for an old one; a majority with clocks goes on.
#[tokio::test(start_paused = true)]
async fn a_node_with_a_clock_years_ahead_is_alone_and_the_others_serve() {
    let mut cluster = Cluster::new(3, 368);
    let years = 10 * 365 * 24 * 60 * MINUTE;
    cluster.place_mut(3).set_wall(DAWN + years);
    let refused = cluster.start(3).expect_err("its own certificate has ended by its clock");
    assert!(refused.to_string().contains("has ended by the clock of this host"), "{refused}");
    // One that is good by that clock, too, starts.
    let until = DAWN + 2 * years;
    cluster.authority().issue("node/3", Validity { until, ..Validity::default() });
    (1..=3).for_each(|id| cluster.start(id).unwrap());
    let client = cluster.client();
    count_once(&client.session(), PATIENCE).await;
    let leader = cluster.leader(&client).await;
    assert_ne!(leader, 3);
    let connection_errors = client.connection_errors().to_lowercase();
    assert!(
        connection_errors.contains("node 3") && connection_errors.contains("expired"),
        "{connection_errors}"
    );
}

/// Waiting would help nobody: the client has its certificate for as long as it runs.
#[tokio::test(start_paused = true)]
async fn a_client_that_every_node_refuses_for_good_is_told_so_and_does_not_wait() {
    let mut cluster = Cluster::started(3, 369);
    let other = Authority::new().credentials("client/client", Validity::default());
    let place = cluster.client_place();
    let client = cluster.client_at(&place, &other);
    let (session, begin) = (client.session(), Instant::now());
    for _ in 0..2 {
        let outcome = session.command(Counter::asking(8), PATIENCE).await;
        assert_eq!(outcome, Outcome::NotApplied(Reason::AccessDenied));
    }
    println!("told after {:?}: {}", begin.elapsed(), client.connection_errors());
    assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
    assert!(client.connection_errors().contains("nodes 1, 2, 3: "));
    // One that is not there may be one that would let it in.
    let place = cluster.client_place();
    let client = cluster.client_at(&place, &other);
    cluster.kill(3).await;
    let begin = Instant::now();
    let patience = Duration::from_secs(5);
    let outcome = client.session().query(Counter::asking(8), patience).await;
    assert_eq!(outcome, Outcome::NotApplied(Reason::Deadline(None)));
    assert_eq!(begin.elapsed(), patience);
}
