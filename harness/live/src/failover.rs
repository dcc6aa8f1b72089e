//! How long clients wait when the leader is killed, measured many times.
//!
//! Writes are offered in open loop: one every few milliseconds whether or not those before were
//! answered, each by a client that is free. So the figure is what a client sees that comes along
//! after the kill, not what the unlucky one sees whose request died with the leader. The time runs
//! from just before SIGKILL is sent to the first answer that a write sent later is done.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant as StdInstant, SystemTime};

use serde::Serialize;
use synod_fault::{NodeId, Unsupported};
use synod_history::Request;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use super::bridge::{Bridge, BridgeError, Outcome};
use super::folder::{self, RunFolder};
use super::heal::{recover, wait_until_served};
use super::interrupt::Interrupt;
use super::leaders::Leaders;
use super::poll::StatusPoller;
use super::record::Recorder;
use super::run::{RunConfig, RunError, json, write};
use super::setup::TestCluster;
use super::system::System;

/// How long the service was away after each kill of a leader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failovers {
    /// Microseconds from each kill to the first write that was done after it.
    pub micros: Vec<u64>,
    /// Kills after which no write was done in time.
    pub unanswered: u32,
    /// Half of them took at most so long.
    pub median_micros: u64,
    /// Nine of ten took at most so long.
    pub p90_micros: u64,
    /// None took longer.
    pub max_micros: u64,
}

impl Failovers {
    /// Sums up the times of single kills; none stands for a kill without an answer.
    #[must_use]
    pub fn of(times: &[Option<Duration>]) -> Self {
        let mut micros: Vec<u64> =
            times.iter().flatten().map(|time| time.as_micros() as u64).collect();
        micros.sort_unstable();
        let rank = |percent: usize| {
            let rank = (micros.len() * percent).div_ceil(100).max(1) - 1;
            micros.get(rank).copied().unwrap_or_default()
        };
        Self {
            unanswered: times.iter().filter(|time| time.is_none()).count() as u32,
            median_micros: rank(50),
            p90_micros: rank(90),
            max_micros: rank(100),
            micros,
        }
    }
}

/// Kills the leader `kills` times and measures each time; `progress` is told of the run's
/// folder, which is not made the latest as no plan can be run again, and of every kill.
///
/// The plan of the order gives seed, nodes and clients; its faults are not used.
///
/// Returns none if the user ended it.
///
/// # Errors
///
/// [`RunError`] if the cluster cannot be set up or does not come back.
pub async fn measure(
    order: &RunConfig,
    kills: u32,
    interrupt: &Interrupt,
    mut progress: impl FnMut(&str),
) -> Result<Option<Failovers>, RunError> {
    order.under_test.check(&order.plan)?;
    check_leader(order)?;
    let failed = |source| RunError::Write { path: order.runs.clone(), source };
    let folder =
        RunFolder::create(&order.runs, order.plan.seed, SystemTime::now()).map_err(failed)?;
    progress(&format!("run folder {}", folder.path().display()));
    let measured = tokio::select! {
        measured = measure_in(order, &folder, kills, &mut progress) => measured.map(Some),
        () = interrupt.raised() => Ok(None),
    };
    // Also after an interrupt: what was set up has to go in any case.
    let left = order.under_test.tear_down(&order.plan, &folder).await;
    left.iter().for_each(|told| progress(told));
    // An old run that cannot be removed makes no figure wrong.
    drop(folder::prune(&order.runs, order.keep));
    measured
}

/// Refuses a system of which nobody can tell who leads.
fn check_leader(order: &RunConfig) -> Result<(), Unsupported> {
    if order.under_test.system.tells_leader() {
        return Ok(());
    }
    let name = &order.under_test.system.name;
    let why = format!(
        "the description of {name} says of no way to know who leads; give it `who_leads`, or \
         \"leads\" in `status`"
    );
    Err(Unsupported { world: "a live run", what: "failover".to_owned(), fault: None, why })
}

/// Does so in a folder.
async fn measure_in(
    order: &RunConfig,
    folder: &RunFolder,
    kills: u32,
    progress: &mut impl FnMut(&str),
) -> Result<Failovers, RunError> {
    let stage = order.under_test.start(&order.plan, folder).await?;
    let record = Recorder::create(&folder.file(folder::HISTORY), StdInstant::now())?;
    let scene = Scene {
        leaders: Arc::default(),
        record: Arc::new(record),
        nodes: order.plan.node_ids(),
        clients: order.plan.clients,
        system: order.under_test.system.clone(),
        stage,
    };
    let Scene { nodes, stage, record, leaders, .. } = &scene;
    // It asks for as long as this lives, and its answers say who leads.
    let _poll = StatusPoller::start(nodes, scene.clients, stage, record, leaders);
    let probes = Probes::warm(&stage.bridge, scene.clients).await?;
    let mut times = Vec::new();
    for kill in 1..=kills {
        let (victim, time) = scene.kill_leader(&probes).await?;
        let words = time.map_or_else(|| "no answer".to_owned(), |time| format!("{time:?}"));
        progress(&format!("kill {kill} of {kills}: node {victim}: {words}"));
        times.push(time);
    }
    let failovers = Failovers::of(&times);
    write(&folder.file(FAILOVERS), &json(&failovers))?;
    let left = scene.stage.cluster.stop_all(STOP_PATIENCE).await;
    left.iter().for_each(|told| progress(told));
    Ok(failovers)
}

/// A cluster under measurement.
struct Scene {
    stage: TestCluster,
    leaders: Arc<Mutex<Leaders>>,
    record: Arc<Recorder>,
    nodes: Vec<NodeId>,
    clients: u32,
    system: System,
}

impl Scene {
    /// Kills whoever leads, times the answer, and brings everything back.
    async fn kill_leader(&self, probes: &Probes) -> Result<(NodeId, Option<Duration>), RunError> {
        let victim = self.settled_leader().await?;
        let killed = Instant::now();
        self.stage.cluster.kill(&[victim], "killed to measure the failover").await?;
        let time = probes.first_done(killed).await?;
        let (healed, since) = (Instant::now(), self.record.now());
        recover(&self.stage.cluster, &self.stage.network)?;
        let signs = self.stage.signs(&self.system);
        wait_until_served(&self.nodes, &self.leaders, healed, since, signs).await;
        Ok((victim, time))
    }

    /// Waits until one node has led for a while.
    async fn settled_leader(&self) -> Result<NodeId, RunError> {
        let mut since = Instant::now();
        let deadline = since + LEADER_LIMIT;
        let mut last = None;
        loop {
            let leader = {
                let leaders = self.leaders.lock().unwrap_or_else(PoisonError::into_inner);
                leaders.leader(self.record.now())
            };
            if leader != last {
                // Another ballot of the same node counts as another leader: a cluster that still
                // elects is not what is to be measured.
                (last, since) = (leader, Instant::now());
            }
            match &last {
                Some(leader) if since.elapsed() >= SETTLED => return Ok(leader.node),
                Some(_) | None if Instant::now() < deadline => tokio::time::sleep(LOOK).await,
                Some(_) | None => return Err(RunError::NoLeader),
            }
        }
    }
}

/// Clients that write to keys of their own.
struct Probes {
    bridge: Arc<Bridge>,
    clients: u32,
}

impl Probes {
    /// Lets every client write once, so that none has to make acquaintance during a measurement.
    async fn warm(bridge: &Arc<Bridge>, clients: u32) -> Result<Self, RunError> {
        let probes = Self { bridge: Arc::clone(bridge), clients };
        let mut writes = JoinSet::new();
        for client in 0..clients {
            writes.spawn(probes.write(client));
        }
        while let Some(written) = writes.join_next().await {
            if let Ok(written) = written {
                written?;
            }
        }
        Ok(probes)
    }

    /// Writes in open loop until a write is done; returns how long after `killed` that was.
    async fn first_done(&self, killed: Instant) -> Result<Option<Duration>, RunError> {
        let mut idle: Vec<u32> = (0..self.clients).collect();
        let mut writes = JoinSet::new();
        let mut ticks = tokio::time::interval(PROBE_PERIOD);
        // A tick that was missed is not made up for by a burst of writes.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let deadline = tokio::time::sleep_until(killed + ANSWER_LIMIT);
        tokio::pin!(deadline);
        loop {
            tokio::select! {
                _ = ticks.tick() => {
                    if let Some(client) = idle.pop() {
                        let write = self.write(client);
                        writes.spawn(async move { (client, write.await) });
                    }
                }
                Some(written) = writes.join_next(), if !writes.is_empty() => {
                    let Ok((client, outcome)) = written else { continue };
                    if matches!(outcome?, Outcome::Ok(_)) {
                        return Ok(Some(killed.elapsed()));
                    }
                    idle.push(client);
                }
                () = &mut deadline => return Ok(None),
            }
        }
    }

    fn write(&self, client: u32) -> impl Future<Output = Result<Outcome, BridgeError>> + use<> {
        let bridge = Arc::clone(&self.bridge);
        let request = Request::Write { key: format!("probe{client}"), value: "1".to_owned() };
        async move { bridge.call(client, None, &request, WRITE_LIMIT).await }
    }
}

/// The file that gets the figures.
const FAILOVERS: &str = "failovers.json";

/// How often a write is offered.
const PROBE_PERIOD: Duration = Duration::from_millis(5);

/// How long a single write may take.
const WRITE_LIMIT: Duration = Duration::from_secs(5);

/// How long after a kill an answer is waited for.
const ANSWER_LIMIT: Duration = Duration::from_secs(15);

/// How long a node must have led to be killed.
const SETTLED: Duration = Duration::from_millis(700);

/// How long a leader is waited for.
const LEADER_LIMIT: Duration = Duration::from_secs(20);

const LOOK: Duration = Duration::from_millis(20);

const STOP_PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_twenty_is_the_tenth() {
        let times: Vec<_> = (1..=20).rev().map(|ms| Some(Duration::from_millis(ms))).collect();
        let seen = Failovers::of(&times);
        assert_eq!(
            (seen.median_micros, seen.p90_micros, seen.max_micros),
            (10_000, 18_000, 20_000)
        );
        assert_eq!((seen.unanswered, seen.micros.len()), (0, 20));
    }

    #[test]
    fn kills_without_an_answer_are_counted_apart() {
        let seen = Failovers::of(&[None, Some(Duration::from_millis(7))]);
        assert_eq!((seen.unanswered, seen.median_micros, seen.max_micros), (1, 7_000, 7_000));
        assert_eq!(Failovers::of(&[None]).median_micros, 0);
    }
}
