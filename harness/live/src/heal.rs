//! After the faults: everything is mended, and then every node must serve again.
//!
//! A system that survived faults but stays broken, forgets an acknowledged write or lets its
//! replicas drift apart has not survived. A system that tells less of itself is asked less, which
//! `judge` says of each check. The claims are checked from outside: every node answers,
//! all have applied the same slots with equal digests, and every key can be read by the ordinary
//! clients; what those reads return is judged with the rest of the history.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use synod_fault::{NodeId, Scenario};
use synod_history::Request;
use synod_report::AfterHeal;
use tokio::time::Instant;

use super::bridge::{Bridge, BridgeError};
use super::clients::insist;
use super::cluster::{Cluster, ClusterError};
use super::leaders::Leaders;
use super::network::Network;
use super::record::Recorder;
use super::signs::Signs;

/// Mends everything: links, pauses, processes.
///
/// # Errors
///
/// [`ClusterError`] if a node cannot be started again.
pub fn recover(cluster: &Cluster, network: &Network) -> Result<(), ClusterError> {
    network.heal();
    for node in cluster.ids() {
        cluster.resume(node)?;
        cluster.start(node)?;
    }
    Ok(())
}

/// Starts those nodes again, for as long as it is waited for, that end after an error of their
/// disks, however late.
///
/// # Errors
///
/// [`ClusterError`] if one cannot be started again; it ends with nothing else.
pub async fn keep_starting(cluster: &Cluster) -> Result<Infallible, ClusterError> {
    loop {
        for node in cluster.ids().into_iter().filter(|node| cluster.is_down_by_disk(*node)) {
            cluster.start(node)?;
        }
        tokio::time::sleep(LOOK_STEP).await;
    }
}

/// Looks whether all nodes serve, by the signs that they give.
async fn look(
    signs: Signs<'_>,
    nodes: &[NodeId],
    leaders: &Mutex<Leaders>,
    since: Duration,
) -> Compared {
    if signs.told.are_any() {
        return compare(nodes, &lock(leaders), since);
    }
    for (node, port) in signs.ports {
        if let Err(why) = signs.ready.of_port(*node, port).await {
            return Compared::Not { why, digests_equal: true };
        }
    }
    Compared::Equal
}

/// Waits until all nodes serve again, at most [`SERVE_LIMIT`] after `healed`.
///
/// The answers must have come after `since`, the same moment on the recorder's clock.
pub async fn wait_until_served(
    nodes: &[NodeId],
    leaders: &Mutex<Leaders>,
    healed: Instant,
    since: Duration,
    signs: Signs<'_>,
) -> AfterHeal {
    let of_states = |equal: bool| signs.told.digest.then_some(equal);
    loop {
        let state = look(signs, nodes, leaders, since).await;
        let took = healed.elapsed();
        match state {
            Compared::Equal => {
                return AfterHeal {
                    served_within_ms: Some(took.as_millis() as u64),
                    digests_equal: of_states(true),
                    // The last reads alone can tell that, and they come after this.
                    acknowledged_present: false,
                    findings: Vec::new(),
                    unserved: Vec::new(),
                };
            }
            Compared::Not { why, digests_equal } if took >= SERVE_LIMIT => {
                let limit = SERVE_LIMIT.as_secs();
                let why = vec![format!("{limit} s after healing, {why}")];
                // Equal slots with unequal states break a promise; all else may only take longer.
                let (findings, unserved) =
                    if digests_equal { (Vec::new(), why) } else { (why, Vec::new()) };
                return AfterHeal {
                    served_within_ms: None,
                    digests_equal: of_states(digests_equal),
                    acknowledged_present: false,
                    findings,
                    unserved,
                };
            }
            Compared::Not { .. } => tokio::time::sleep(LOOK_STEP).await,
        }
    }
}

/// Asks what a workload asks in the end, which reads every key, and notes what was not answered.
///
/// # Errors
///
/// [`BridgeError`] if the bridge is gone.
pub async fn ask_all(
    requests: Vec<Request>,
    plan: &Scenario,
    bridge: &Arc<Bridge>,
    record: &Arc<Recorder>,
    after: &mut AfterHeal,
) -> Result<(), BridgeError> {
    let asked = requests.len();
    let refused = insist(requests, plan, bridge, record, ASK_LIMIT).await?;
    after.acknowledged_present = refused.is_empty();
    if let Some(first) = refused.first() {
        let (count, f, key) = (refused.len(), first.f(), first.key());
        let limit = ASK_LIMIT.as_secs();
        after.unserved.push(format!(
            "{count} of {asked} last requests were not answered {limit} s after healing, such as \
             the {f} of {key}"
        ));
    }
    Ok(())
}

enum Compared {
    Equal,
    Not { why: String, digests_equal: bool },
}

/// Compares what the nodes said after `since`.
fn compare(nodes: &[NodeId], leaders: &Leaders, since: Duration) -> Compared {
    let heard = leaders.heard();
    // An answer from before the healing may be of a state that the faults had left, and would be
    // compared with one from after it.
    let fresh = |node: &&NodeId| heard.get(node).is_some_and(|heard| heard.at > since);
    let silent: Vec<String> =
        nodes.iter().filter(|node| !fresh(node)).map(ToString::to_string).collect();
    if !silent.is_empty() {
        let why = format!("no status comes from node {}", silent.join(" "));
        // Nothing was compared, so that nothing is known to differ.
        return Compared::Not { why, digests_equal: true };
    }
    let states: Vec<(&NodeId, u64, Option<&str>)> = nodes
        .iter()
        .filter_map(|node| {
            let status = &heard.get(node)?.status;
            Some((node, status.applied?, status.digest.as_deref()))
        })
        .collect();
    let applied: Vec<String> =
        states.iter().map(|(node, applied, _)| format!("node {node} {applied}")).collect();
    if states.windows(2).any(|pair| pair[0].1 != pair[1].1) {
        let why = format!("the nodes have not applied the same slots: {}", applied.join(", "));
        return Compared::Not { why, digests_equal: true };
    }
    if states.windows(2).any(|pair| pair[0].2 != pair[1].2) {
        let why = format!("the digests differ at one slot: {}", applied.join(", "));
        return Compared::Not { why, digests_equal: false };
    }
    Compared::Equal
}

fn lock(leaders: &Mutex<Leaders>) -> MutexGuard<'_, Leaders> {
    leaders.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long the nodes have to serve again.
pub const SERVE_LIMIT: Duration = Duration::from_secs(10);

/// How long the last requests may take in all.
const ASK_LIMIT: Duration = Duration::from_secs(30);

const LOOK_STEP: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::NodeStatus;
    use crate::readiness::Ready;
    use crate::status::StatusFields;

    fn hear(leaders: &mut Leaders, node: u16, at_ms: u64, applied: u64, digest: &str) {
        let status = NodeStatus {
            node,
            leads: None,
            follows: None,
            chosen: applied,
            applied: Some(applied),
            digest: Some(digest.to_owned()),
        };
        leaders.on_status(NodeId(node), Duration::from_millis(at_ms), status);
    }

    fn why(leaders: &Leaders) -> String {
        match compare(&[NodeId(1), NodeId(2)], leaders, Duration::from_millis(100)) {
            Compared::Equal => "equal".to_owned(),
            Compared::Not { why, .. } => why,
        }
    }

    #[test]
    fn nodes_serve_when_all_answered_since_with_equal_states() {
        let mut leaders = Leaders::default();
        hear(&mut leaders, 1, 150, 7, "aa");
        hear(&mut leaders, 2, 50, 7, "aa");
        assert!(why(&leaders).contains("from node 2"), "its answer is from before");
        hear(&mut leaders, 2, 160, 6, "99");
        assert!(why(&leaders).contains("node 1 7, node 2 6"));
        hear(&mut leaders, 2, 170, 7, "bb");
        assert!(why(&leaders).contains("digests differ"));
        hear(&mut leaders, 2, 180, 7, "aa");
        assert_eq!(why(&leaders), "equal");
        leaders.on_silence(NodeId(1));
        assert!(why(&leaders).contains("from node 1"));
    }

    fn signs<'a>(told: StatusFields, ready: &'a Ready, ports: &'a [(NodeId, String)]) -> Signs<'a> {
        Signs { told, ready, ports }
    }

    #[tokio::test]
    async fn without_a_status_a_port_is_asked_and_without_that_nobody() {
        let leaders = Mutex::new(Leaders::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let at = listener.local_addr().expect("it is bound").to_string();
        let ports = [(NodeId(1), at.clone())];
        let of = signs(StatusFields::NONE, &Ready::Tcp, &ports);
        let is_served = |state: Compared| matches!(state, Compared::Equal);
        assert!(of.are_of_nodes());
        assert!(is_served(look(of, &[NodeId(1)], &leaders, Duration::ZERO).await));
        drop(listener);
        let gone = look(of, &[NodeId(1)], &leaders, Duration::ZERO).await;
        let Compared::Not { why, .. } = gone else { panic!("nobody listens") };
        assert_eq!(why, format!("node 1 accepts no connection at {at}"));
        let nobody = signs(StatusFields::NONE, &Ready::ByBridge, &ports);
        assert!(!nobody.are_of_nodes());
        let now = Instant::now();
        let after = wait_until_served(&[], &leaders, now, Duration::ZERO, nobody).await;
        assert_eq!((after.digests_equal, after.unserved.len()), (None, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_stays_away_is_a_finding_after_ten_seconds() {
        let leaders = Mutex::new(Leaders::default());
        let healed = Instant::now();
        let signs = signs(StatusFields::default(), &Ready::ByBridge, &[]);
        let after = wait_until_served(&[NodeId(1)], &leaders, healed, Duration::ZERO, signs).await;
        assert_eq!(after.served_within_ms, None);
        assert!(after.unserved[0].contains("no status comes from node 1"));
        assert!(after.findings.is_empty(), "no promise is broken");
        assert!(healed.elapsed() >= SERVE_LIMIT);
    }
}
