//! The injector: does to the cluster what the plan says, when it says so.
//!
//! Faults begin and end each for itself, and may overlap. A fault whose time has come waits for
//! its trigger; all that are in force when the time of the plan is over end then. What each really
//! did is recorded: packets and bytes that were cut, processes that ended by our signal, nodes that
//! the kernel held stopped. A fault without effect is recorded as such, never left out, and so is
//! one that its witness refutes. What is done to processes and links is left to `real_world`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use synod_fault::{
    Action, FaultId, LedBefore, NodeId, ResolvedTarget, RunProgress, Scenario, TRIGGER_STEP,
    Transports, World,
};
use synod_report::FaultSpan;
use tokio::time::Instant;

use super::InjectedFault;
use super::cluster::ClusterError;
use super::leaders::Leaders;
use super::real_world::RealWorld;
use super::record::Recorder;
use super::setup::TestCluster;

/// What the injector works with.
#[derive(Debug)]
pub struct Injector<'a> {
    /// The plan, every draw of which is made.
    pub plan: &'a Scenario,
    /// The nodes, the links, and who sees what becomes of them.
    pub stage: &'a TestCluster,
    /// What they carry.
    pub transports: Transports,
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
    current: Mutex<BTreeMap<FaultId, String>>,
}

impl Happened {
    /// Returns the faults that are in force, as the status line names them.
    #[must_use]
    pub fn current(&self) -> Option<String> {
        let current = lock(&self.current);
        let names: Vec<&str> = current.values().map(String::as_str).collect();
        (!names.is_empty()).then(|| names.join(" + "))
    }

    /// Returns the faults that came and went.
    #[must_use]
    pub fn faults(&self) -> Vec<InjectedFault> {
        lock(&self.faults).clone()
    }

    /// Takes note of a fault that is in force, as the status line names it.
    pub(crate) fn begin(&self, fault: FaultId, name: String) {
        lock(&self.current).insert(fault, name);
    }

    /// Takes note that a fault is over.
    pub(crate) fn end(&self, fault: FaultId) {
        lock(&self.current).remove(&fault);
    }

    /// Adds a fault that came and went.
    pub(crate) fn add(&self, fault: InjectedFault) {
        lock(&self.faults).push(fault);
    }
}

/// What is due at an instant. What was put down first comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Begin(FaultId),
    Toggle(FaultId),
    End(FaultId),
}

/// A run of the injector: what is due, and what is in force.
struct Injection<'a> {
    injector: &'a Injector<'a>,
    world: RealWorld<'a>,
    due: BTreeSet<(Instant, u64, Due)>,
    count: u64,
    open: BTreeMap<FaultId, (ResolvedTarget, u64)>,
    /// Who led when the time of a fault came that may wait for somebody else.
    led: LedBefore,
}

impl Injector<'_> {
    /// Lets all faults of the plan come and go, whose time 0 was `start`.
    ///
    /// # Errors
    ///
    /// [`ClusterError`] if a node cannot be started again.
    pub async fn run(&self, start: Instant) -> Result<(), ClusterError> {
        let world = RealWorld::new(self.stage, self.plan, self.transports);
        let (due, open, led) = (BTreeSet::new(), BTreeMap::new(), LedBefore::default());
        let mut injection = Injection { injector: self, world, due, count: 0, open, led };
        for (place, fault) in (0..).zip(&self.plan.faults) {
            injection.put(start + fault.at_ms.duration(), Due::Begin(FaultId(place)));
        }
        let end = start + self.plan.time_ms.duration();
        while let Some((at, _, due)) = injection.due.pop_first() {
            // What comes due with the end of the plan does not begin any more.
            if at >= end {
                break;
            }
            injection.wait_until(at).await?;
            match due {
                Due::Begin(fault) => injection.begin(fault, at, start).await?,
                Due::Toggle(fault) => injection.toggle(fault),
                Due::End(fault) => injection.end(fault).await?,
            }
        }
        injection.wait_until(end).await?;
        for fault in injection.world.in_force().faults() {
            injection.end(fault).await?;
        }
        Ok(())
    }
}

impl Injection<'_> {
    fn put(&mut self, at: Instant, due: Due) {
        self.due.insert((at, self.count, due));
        self.count += 1;
    }

    /// Waits, and meanwhile starts nodes again that ended after an error of a disk that is mended:
    /// they may take their time to end.
    async fn wait_until(&mut self, at: Instant) -> Result<(), ClusterError> {
        let mut looked = Instant::now();
        loop {
            self.world.revive()?;
            if looked.elapsed() >= DETOUR_STEP {
                self.world.look_for_detours();
                looked = Instant::now();
            }
            let next = at.min(Instant::now() + REVIVE_STEP);
            tokio::time::sleep_until(next).await;
            if next == at {
                return Ok(());
            }
        }
    }

    /// Begins a fault, or waits on for what triggers it.
    async fn begin(
        &mut self,
        fault: FaultId,
        at: Instant,
        start: Instant,
    ) -> Result<(), ClusterError> {
        let Injector { plan, stage, record, happened, .. } = self.injector;
        let (cluster, planned) = (&stage.cluster, &plan.faults[fault.0 as usize]);
        let leader = self.leader();
        let led = self.led.look(fault, leader);
        let progress = RunProgress {
            waited: at.saturating_duration_since(start + planned.at_ms.duration()),
            leader,
            led,
            answered: record.counts().ok,
            in_force: self.world.in_force(),
        };
        if planned.trigger.waits(&progress) {
            self.put(at.max(Instant::now()) + TRIGGER_STEP, Due::Begin(fault));
            return Ok(());
        }
        let (action, target) = (&planned.action, &planned.target);
        let on = ResolvedTarget::resolve(action, target, leader, &cluster.ids());
        let name = planned.name();
        happened.begin(fault, format!("{name} {}", on.detail));
        record.nemesis(name, format!("begin {}", on.detail));
        // It is measured here and not by the plan: a fault that had to wait for its trigger lasts
        // as long as any.
        let begun = Instant::now();
        self.open.insert(fault, (on.clone(), record.now().as_nanos() as u64));
        self.world.apply(fault, on.clone())?;
        if matches!(action, Action::Kill | Action::PowerLoss) {
            // What the process held in memory is gone only with its end, and a power loss changes
            // its files, which nobody may have open then.
            let nodes: Vec<NodeId> = on.nodes.iter().copied().collect();
            cluster.wait_for_ends(&nodes).await?;
        }
        if *action == Action::PowerLoss {
            self.world.take_power(fault, &on)?;
        }
        self.put(begun + planned.lasts_ms.duration(), Due::End(fault));
        if let Some(period) = planned.flaps_ms {
            self.put(begun + period.duration(), Due::Toggle(fault));
        }
        Ok(())
    }

    fn toggle(&mut self, fault: FaultId) {
        let Some((on, _)) = self.open.get(&fault) else { return };
        let period = self.injector.plan.faults[fault.0 as usize].flaps_ms;
        if self.world.toggle(fault, on)
            && let Some(period) = period
        {
            self.put(Instant::now() + period.duration(), Due::Toggle(fault));
        }
    }

    async fn end(&mut self, fault: FaultId) -> Result<(), ClusterError> {
        let Some((on, start_ns)) = self.open.remove(&fault) else { return Ok(()) };
        let Injector { plan, stage, record, happened, .. } = self.injector;
        let (cluster, planned) = (&stage.cluster, &plan.faults[fault.0 as usize]);
        if planned.action.retires() {
            // Who has not ended by then will not: a node that stays cannot be started again.
            let nodes: Vec<NodeId> = on.nodes.iter().copied().collect();
            cluster.kill(&nodes, LATE).await?;
        }
        self.world.settle(&planned.action, &on).await;
        self.world.lift(fault)?;
        let (effect, overshadowed) = self.world.take_effect(fault);
        happened.end(fault);
        let name = planned.name();
        record.nemesis(name, format!("end {}: {}", on.detail, effect.words));
        let nodes = on.hit(&cluster.ids()).into_iter().map(|node| node.0).collect();
        let span = FaultSpan {
            kind: name.to_owned(),
            nodes,
            detail: on.detail,
            start_ns,
            end_ns: record.now().as_nanos() as u64,
            effect: effect.words,
            effective: effect.effective,
        };
        let planned = fault.0 as usize;
        let refuted = effect.refuted;
        happened.add(InjectedFault { planned, span, overshadowed, refuted });
        Ok(())
    }

    fn leader(&self) -> Option<NodeId> {
        let leaders = lock(self.injector.leaders);
        leaders.leader(self.injector.record.now()).map(|leader| leader.node)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How the end of a process is explained that was asked to end and stayed.
const LATE: &str = "did not end when asked by the nemesis, killed";

/// How often it is looked for connections past the proxies, while rules are in force.
const DETOUR_STEP: Duration = Duration::from_millis(500);

/// How often it is looked for nodes that ended after an error of their disks.
const REVIVE_STEP: Duration = Duration::from_millis(100);
