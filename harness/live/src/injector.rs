//! The injector: does to the cluster what the plan says, and measures that it had an effect.
//!
//! One fault after the other. A fault whose time has come waits for its trigger; each is ended
//! before the next begins, and what it really did is recorded: packets and bytes that were cut,
//! processes that ended by our signal, nodes that the kernel held stopped. A fault without effect
//! is recorded as such, never left out.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use synod_fault::schedule::{Action, PlannedFault, Trigger};
use synod_fault::{LinkRules, Millis, NodeId, UnfitRule};
use synod_report::{FaultSpan, LinkCounts};
use tokio::time::Instant;

use super::InjectedFault;
use super::cluster::{Cluster, ClusterError};
use super::fabric::FaultId;
use super::leaders::Leaders;
use super::network::Network;
use super::record::Recorder;
use super::resolved_target::{Effect, ResolvedTarget, disturbance, interruption};

/// What the injector works with.
#[derive(Debug)]
pub struct Injector<'a> {
    /// The nodes.
    pub cluster: &'a Cluster,
    /// The links.
    pub network: &'a Network,
    /// Who leads.
    pub leaders: &'a Mutex<Leaders>,
    /// The history, which the faults are noted in.
    pub record: &'a Recorder,
    /// What happened, so far.
    pub happened: &'a Happened,
}

/// What happened to the cluster, shared with whoever shows it.
#[derive(Debug, Default)]
pub struct Happened {
    faults: Mutex<Vec<InjectedFault>>,
    current: Mutex<Option<String>>,
}

impl Happened {
    /// Returns the fault that is in force, as the status line names it.
    #[must_use]
    pub fn current(&self) -> Option<String> {
        lock(&self.current).clone()
    }

    /// Returns the faults that came and went.
    #[must_use]
    pub fn faults(&self) -> Vec<InjectedFault> {
        lock(&self.faults).clone()
    }
}

impl Injector<'_> {
    /// Runs all faults of a plan whose time 0 was `start`.
    ///
    /// # Errors
    ///
    /// [`ClusterError`] if a node cannot be started again.
    pub async fn run(&self, faults: &[PlannedFault], start: Instant) -> Result<(), ClusterError> {
        let mut quiet_until = start;
        for (planned, fault) in faults.iter().enumerate() {
            let at = start + fault.at_ms.duration();
            tokio::time::sleep_until(at.max(quiet_until)).await;
            let leader = match fault.trigger {
                Trigger::Time => None,
                Trigger::LeaderSeen => self.wait_for_leader().await,
            };
            let aim = ResolvedTarget::take(&fault.action, leader, &self.cluster.ids());
            let begin_ns = self.begin(fault, &aim);
            let effect = self.act(planned, fault, &aim).await?;
            self.end(planned, fault, &aim, begin_ns, effect);
            quiet_until = Instant::now() + GAP_MIN;
        }
        Ok(())
    }

    async fn wait_for_leader(&self) -> Option<NodeId> {
        let deadline = Instant::now() + LEADER_PATIENCE;
        loop {
            let leader = lock(self.leaders).leader(self.record.now());
            if leader.is_some() || Instant::now() >= deadline {
                return leader.map(|leader| leader.node);
            }
            tokio::time::sleep(LEADER_STEP).await;
        }
    }

    async fn act(
        &self,
        planned: usize,
        fault: &PlannedFault,
        aim: &ResolvedTarget,
    ) -> Result<Effect, ClusterError> {
        let lasts = fault.lasts_ms.duration();
        match &fault.action {
            Action::Partition(_) => Ok(self.cut(planned, aim, lasts, None).await),
            Action::Flap { period_ms, .. } => {
                Ok(self.cut(planned, aim, lasts, Some(*period_ms)).await)
            }
            Action::Disturb { rules, .. } => Ok(self.disturb(planned, aim, rules, lasts).await),
            Action::Kill(_) => self.kill(&aim.nodes, lasts).await,
            Action::Storm { .. } => self.storm(&aim.nodes, lasts).await,
            Action::Pause(_) => self.pause(&aim.nodes, lasts).await,
        }
    }

    async fn cut(
        &self,
        planned: usize,
        aim: &ResolvedTarget,
        lasts: Duration,
        period: Option<Millis>,
    ) -> Effect {
        let (id, end) = (FaultId(planned as u32), Instant::now() + lasts);
        let before = self.sum(aim);
        let step = period.map_or(lasts, Millis::duration);
        let mut cuts = 0_u32;
        while Instant::now() < end {
            if let Err(error) = self.network.begin(id, aim.rules.clone()) {
                return refused(&error);
            }
            cuts += 1;
            tokio::time::sleep_until(end.min(Instant::now() + step)).await;
            self.network.end(id);
            tokio::time::sleep_until(end.min(Instant::now() + step)).await;
        }
        interruption(cuts, &before, &self.sum(aim))
    }

    async fn disturb(
        &self,
        planned: usize,
        aim: &ResolvedTarget,
        rules: &LinkRules,
        lasts: Duration,
    ) -> Effect {
        let id = FaultId(planned as u32);
        let before = self.sum(aim);
        if let Err(error) = self.network.begin(id, aim.rules.clone()) {
            return refused(&error);
        }
        tokio::time::sleep(lasts).await;
        self.network.end(id);
        disturbance(rules, &before, &self.sum(aim))
    }

    async fn kill(&self, nodes: &[NodeId], lasts: Duration) -> Result<Effect, ClusterError> {
        let killed = self.cluster.kill(nodes, KILLED).await?;
        tokio::time::sleep(lasts).await;
        for node in nodes {
            self.cluster.start(*node)?;
        }
        let words = format!("{killed} of {} processes killed, started again", nodes.len());
        Ok(Effect { words, effective: killed > 0 && killed == nodes.len() })
    }

    async fn storm(&self, nodes: &[NodeId], lasts: Duration) -> Result<Effect, ClusterError> {
        let count = u32::try_from(nodes.len()).unwrap_or(u32::MAX).max(1);
        let mut killed = 0;
        for node in nodes {
            killed += self.cluster.kill(&[*node], KILLED).await?;
            self.cluster.start(*node)?;
            tokio::time::sleep(lasts / count).await;
        }
        let words = format!("{killed} processes killed, each started again at once");
        Ok(Effect { words, effective: killed > 0 })
    }

    async fn pause(&self, nodes: &[NodeId], lasts: Duration) -> Result<Effect, ClusterError> {
        for node in nodes {
            self.cluster.pause(*node)?;
        }
        tokio::time::sleep(lasts).await;
        let stopped = nodes.iter().filter(|node| self.cluster.is_stopped(**node)).count();
        for node in nodes {
            self.cluster.resume(*node)?;
        }
        let words = format!("{stopped} of {} processes stopped, then went on", nodes.len());
        Ok(Effect { words, effective: stopped > 0 && stopped == nodes.len() })
    }

    /// Adds up what the links that a fault hits did so far.
    fn sum(&self, aim: &ResolvedTarget) -> LinkCounts {
        aim.sum(&self.network.counts())
    }

    fn begin(&self, fault: &PlannedFault, aim: &ResolvedTarget) -> u64 {
        *lock(&self.happened.current) = Some(format!("{} {}", fault.kind, aim.detail));
        self.record.nemesis(fault.kind.name(), format!("begin {}", aim.detail));
        self.record.now().as_nanos() as u64
    }

    fn end(
        &self,
        planned: usize,
        fault: &PlannedFault,
        aim: &ResolvedTarget,
        start_ns: u64,
        effect: Effect,
    ) {
        *lock(&self.happened.current) = None;
        self.record.nemesis(fault.kind.name(), format!("end {}: {}", aim.detail, effect.words));
        let span = FaultSpan {
            kind: fault.kind.name().to_owned(),
            detail: aim.detail.clone(),
            start_ns,
            end_ns: self.record.now().as_nanos() as u64,
            effect: effect.words,
            effective: effect.effective,
        };
        lock(&self.happened.faults).push(InjectedFault { planned, span });
    }
}

/// A fault that the links cannot carry out, which plans are checked for before a run.
fn refused(error: &UnfitRule) -> Effect {
    Effect { words: error.to_string(), effective: false }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How the end of a process is explained that a fault killed.
const KILLED: &str = "killed by the nemesis";

/// How long a fault waits for a leader to hit.
const LEADER_PATIENCE: Duration = Duration::from_secs(5);

/// The quiet time after a fault that took longer than planned.
const GAP_MIN: Duration = Duration::from_secs(1);

const LEADER_STEP: Duration = Duration::from_millis(20);
