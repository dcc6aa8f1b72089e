//! The poll: asks every node for its status ten times a second and tells `leaders`; or asks the
//! command that says who leads.
//!
//! Each node has its own task and its own logical client, so that one that is paused or cut off
//! delays no other.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use synod_fault::NodeId;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::bridge::Bridge;
use super::leaders::Leaders;
use super::record::Recorder;
use super::setup::TestCluster;
use super::who_leads::LeaderProbe;

/// Asks until it is dropped.
#[derive(Debug)]
pub struct StatusPoller {
    _tasks: JoinSet<()>,
}

impl StatusPoller {
    /// Starts asking the nodes what they tell; their logical clients are numbered from
    /// `first_client`.
    #[must_use]
    pub fn start(
        nodes: &[NodeId],
        first_client: u32,
        stage: &TestCluster,
        record: &Arc<Recorder>,
        leaders: &Arc<Mutex<Leaders>>,
    ) -> Self {
        let mut tasks = JoinSet::new();
        if let Some(probe) = &stage.who_leads {
            let (probe, record) = (Arc::clone(probe), Arc::clone(record));
            tasks.spawn(ask_who_leads(probe, record, Arc::clone(leaders)));
        }
        let bridge = &stage.bridge;
        let nodes = if bridge.told().are_any() { nodes } else { &[] };
        for (client, node) in (first_client..).zip(nodes) {
            let (bridge, record) = (Arc::clone(bridge), Arc::clone(record));
            tasks.spawn(ask(*node, client, bridge, record, Arc::clone(leaders)));
        }
        Self { _tasks: tasks }
    }
}

async fn ask_who_leads(
    probe: Arc<LeaderProbe>,
    record: Arc<Recorder>,
    leaders: Arc<Mutex<Leaders>>,
) {
    let mut ticks = tokio::time::interval(LEADER_PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let asked = record.now();
        // Who cannot tell says nothing; what was said before grows old.
        if let Ok(named) = probe.ask().await {
            leaders.lock().unwrap_or_else(PoisonError::into_inner).on_named(asked, named);
        }
    }
}

async fn ask(
    node: NodeId,
    client: u32,
    bridge: Arc<Bridge>,
    record: Arc<Recorder>,
    leaders: Arc<Mutex<Leaders>>,
) {
    let mut ticks = tokio::time::interval(POLL_PERIOD);
    // A node that answered late is asked a whole period after that, and not several times at once.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        // A bridge that is gone, or speaks nonsense, is told by whoever asks it next, or in the
        // end; the poll just ends.
        let Ok(answer) = bridge.status(client, node, POLL_LIMIT).await else { return };
        let mut leaders = leaders.lock().unwrap_or_else(PoisonError::into_inner);
        match answer {
            Ok(status) => leaders.on_status(node, record.now(), status),
            // Why it is silent is told where a run does not begin for that.
            Err(_) => leaders.on_silence(node),
        }
    }
}

/// How often each node is asked.
pub const POLL_PERIOD: Duration = Duration::from_millis(100);

/// How often the command is run that says who leads: each time is a process.
const LEADER_PERIOD: Duration = Duration::from_millis(200);

/// How long a node may take to answer.
const POLL_LIMIT: Duration = Duration::from_millis(400);
