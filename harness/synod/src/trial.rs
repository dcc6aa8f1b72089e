//! A trial: one plan, run to its verdict.
//!
//! First the faults come and go. Then everything is healed, and within bounds that are computed
//! from the settings, not guessed, every client must be answered, every key is read once more, and
//! all replicas must agree. At last the whole history of the clients is judged.

use synod_checker::budget::Budget;
use synod_checker::{Judgement, check_history};
use synod_fault::{Abilities, FaultId, SIMULATED_NODES_MAX, Scenario};
use synod_live::system::SYNOD_KV;
use synod_paxos::{Configuration, CoreId, NodeId};
use synod_simulator::{Micros, RunTally, Simulation, Violation};
use synod_smr::client::HELD_MS_MAX;
use synod_smr::{Config, FETCH_SLOTS_MAX};
use synod_workload::WorkloadName;

use crate::clients::{self, Outcomes};
use crate::cluster::Cluster;
use crate::coverage::{HitCounts, Point};
use crate::machine::READ_US_MAX;
use crate::standing::{StandingFaults, answer_ms, patience_needed_ms, way_ms};
use crate::trace::{NodeTrace, RecordedTraces};
use crate::tuning::Tuning;

/// How a trial ended.
#[derive(Debug)]
pub struct RunResult {
    /// What was violated, if anything was.
    pub violation: Option<Violation>,
    /// What the simulation amounted to.
    pub tally: RunTally,
    /// The first fault of the plan that never began, counted from 1, if there is one.
    pub unbegun: Option<u32>,
    /// How the operations of the clients ended.
    pub outcomes: Outcomes,
    /// The points of interest that were seen.
    pub hit_counts: HitCounts,
    /// Equal for equal runs.
    pub trace: u64,
    /// How much virtual time passed.
    pub time: Micros,
    /// What happened, line by line, if it was asked for.
    pub log: Vec<String>,
    /// The steps of Paxos as commands for nodes of the core alone, if they were asked for.
    pub transcript: Option<String>,
}

/// Runs a plan to its end, of bounds drawn from its seed; `keep_log` asks for all that can be told.
#[must_use]
pub fn run(plan: &Scenario, keep_log: bool) -> RunResult {
    run_tuned(plan, Tuning::draw(plan), keep_log)
}

/// Runs a plan to its end as [`run`] does, and judges it as a run of real processes is judged: by
/// what clients saw, and by the states in the end.
///
/// What happens inside is seen long before it shows outside, if it ever does. A plan that was made
/// smaller by this judgement fails where nobody can look inside.
#[must_use]
pub fn run_judged_outside(plan: &Scenario, keep_log: bool) -> RunResult {
    let tuning = Tuning::draw(plan);
    let mut cluster = Cluster::new(plan, tuning.clone());
    cluster.judge_outside_alone();
    run_cluster(plan, cluster, &tuning, keep_log)
}

/// Runs a plan to its end as [`run`] does, and returns what its nodes would write down of
/// themselves, too.
#[must_use]
pub fn run_traced(plan: &Scenario) -> (RunResult, Vec<NodeTrace>) {
    let tuning = Tuning::draw(plan);
    let mut cluster = Cluster::new(plan, tuning.clone());
    cluster.record_traces();
    let mut traces = None;
    let ended = run_cluster_to(plan, cluster, &tuning, false, &mut traces);
    (ended, traces.map_or_else(Vec::new, RecordedTraces::finish))
}

/// Runs a plan to its end, of these bounds.
#[must_use]
pub fn run_tuned(plan: &Scenario, tuning: Tuning, keep_log: bool) -> RunResult {
    let cluster = Cluster::new(plan, tuning.clone());
    run_cluster(plan, cluster, &tuning, keep_log)
}

fn run_cluster(plan: &Scenario, cluster: Cluster, tuning: &Tuning, keep_log: bool) -> RunResult {
    run_cluster_to(plan, cluster, tuning, keep_log, &mut None)
}

fn run_cluster_to(
    plan: &Scenario,
    mut cluster: Cluster,
    tuning: &Tuning,
    keep_log: bool,
    traces: &mut Option<RecordedTraces>,
) -> RunResult {
    if keep_log {
        cluster.keep_transcript();
    }
    let mut simulation = Simulation::new(plan, cluster);
    if keep_log {
        simulation.parts().1.keep_log();
    }
    let workload = clients::workload(plan);
    let violation = Trial { simulation: &mut simulation, workload, tuning }.run().err();
    let tally = simulation.tally();
    let mut faults = (0..).map(FaultId).take(plan.faults.len());
    let unbegun = faults.find(|fault| !simulation.has_begun(*fault)).map(|fault| fault.0 + 1);
    let (cluster, world) = simulation.parts();
    let outcomes = cluster.outcomes();
    *traces = cluster.monitor.traces.take();
    RunResult {
        violation,
        tally,
        unbegun,
        outcomes,
        hit_counts: cluster.monitor.tracker.finish(outcomes),
        trace: world.trace(),
        time: world.now(),
        log: world.take_log(),
        transcript: cluster.monitor.write_transcript(cluster.replicas()),
    }
}

/// Says whether a scenario can be tried: a world, a size and a workload that there are.
///
/// # Errors
///
/// Says what cannot be, and what can.
pub fn check(plan: &Scenario) -> Result<(), String> {
    let world = Abilities::SIMULATED;
    world.check_system(plan, SYNOD_KV).map_err(|refused| refused.to_string())?;
    world.check_all(plan).map_err(|refused| refused.to_string())?;
    plan.workload.parse::<WorkloadName>().map(drop).map_err(|error| error.to_string())
}

struct Trial<'a> {
    simulation: &'a mut Simulation<Cluster>,
    workload: WorkloadName,
    tuning: &'a Tuning,
}

impl Trial<'_> {
    fn run(&mut self) -> Result<(), Violation> {
        let (cluster, world) = self.simulation.parts();
        cluster.begin(world);
        self.faults()?;
        self.simulation.heal();
        let patience_ms = self.patience_ms();
        let (cluster, world) = self.simulation.parts();
        cluster.calm_down(world, patience_ms);
        self.refuse_strangers()?;
        self.progress()?;
        self.read_everything()?;
        self.converge()?;
        self.judge_history()
    }

    /// Faults come and go; while some stand, somebody is answered within the bound.
    fn faults(&mut self) -> Result<(), Violation> {
        let end = Micros::from_ms(self.simulation.plan().time_ms.0);
        let mut standing = StandingFaults::default();
        while self.simulation.world().now() < end {
            let now = self.simulation.world().now().plus(STANDING_LOOK_EVERY).min(end);
            self.simulation.run_until(now)?;
            let Some(since) = standing.look(self.simulation, self.tuning) else { continue };
            let bound = self.standing_bound();
            let from = Micros(now.0.saturating_sub(bound.0));
            // Nothing is owed before what stands has stood for the whole bound.
            if from < since {
                continue;
            }
            let needed_ms = patience_needed_ms(self.simulation.plan());
            let (cluster, _) = self.simulation.parts();
            if !cluster.any_answered_since(from) {
                let detail = format!("nobody was answered within {bound} while faults stood");
                return Err(self.stuck("progress-meanwhile", detail));
            }
            if standing.is_any() {
                cluster.monitor.tracker.see(Point::ServedMeanwhile);
            }
            if !standing.asks_for_writes(self.tuning) {
                continue;
            }
            if cluster.writers_wait_since(from, needed_ms) {
                let detail = format!("no write was answered within {bound} while faults stood");
                return Err(self.stuck("progress-meanwhile", detail));
            }
            if standing.is_any_unfit() {
                cluster.monitor.tracker.see(Point::WrittenMeanwhile);
            }
        }
        Ok(())
    }

    /// How long it may take until somebody is answered while faults stand.
    fn standing_bound(&mut self) -> Micros {
        let held_up = Micros::from_ms(self.tuning.hold_ups.longest_ms);
        self.bound(STANDING_ROUNDS).plus(self.catching_up()).plus(held_up)
    }

    /// A node whose folder is not the one that it had is refused within the bound: every link is
    /// up, and all others remember what it lacks.
    fn refuse_strangers(&mut self) -> Result<(), Violation> {
        let healed = self.simulation.world().now();
        let end = healed.plus(self.bound(STRANGER_ROUNDS));
        let none = |cluster: &Cluster, _: &_| cluster.strangers_at_large() == 0;
        if self.simulation.run_to(end, LOOK_EVERY, none)? {
            return Ok(());
        }
        let detail = format!("a stranger was not refused within {}", end.since(healed));
        Err(self.stuck("stranger-at-large", detail))
    }

    /// Every client is answered within the bound: one that asks a node alone by that node, which is
    /// up again and says at least that it does not lead.
    fn progress(&mut self) -> Result<(), Violation> {
        let healed = self.simulation.world().now();
        // Who leads may lack the most, and serves once it has fetched that.
        let end = healed.plus(self.bound(PROGRESS_ROUNDS)).plus(self.catching_up());
        // A turn that began before the end of the faults may go on.
        let end = end.plus(Micros::from_ms(self.tuning.hold_ups.longest_ms));
        let answered = |cluster: &Cluster, world: &_| cluster.all_served_since(healed, world);
        if self.simulation.run_to(end, LOOK_EVERY, answered)? {
            return Ok(());
        }
        let detail = format!("a client was not answered within {}", end.since(healed));
        Err(self.stuck("progress", detail))
    }

    /// Every key is read, which also ends what the clients had open.
    fn read_everything(&mut self) -> Result<(), Violation> {
        let (cluster, world) = self.simulation.parts();
        cluster.read_everything(world);
        let begun = self.simulation.world().now();
        let end = begun.plus(self.bound(READING_ROUNDS)).plus(self.last_of_the_pinned());
        if self.simulation.run_to(end, LOOK_EVERY, |cluster, _| cluster.is_quiet())? {
            return Ok(());
        }
        let detail = format!("the last reads were not answered within {}", end.since(begun));
        Err(self.stuck("progress", detail))
    }

    /// How long a client may wait in vain that asks one node alone, before it reads as all do.
    fn last_of_the_pinned(&mut self) -> Micros {
        let patience_ms = self.simulation.plan().timeout_ms.0.max(self.patience_ms());
        let any = self.simulation.parts().0.any_is_pinned();
        Micros::from_ms(if any { patience_ms } else { 0 })
    }

    /// All replicas that can run do, and have the same state.
    fn converge(&mut self) -> Result<(), Violation> {
        let begun = self.simulation.world().now();
        let end = begun.plus(self.bound(CONVERGENCE_ROUNDS)).plus(self.catching_up());
        let alike = |cluster: &Cluster, world: &crate::machine::SimWorld| {
            let statuses = cluster.statuses();
            let up = (1..=cluster.size()).map(synod_fault::NodeId);
            let runs = up.filter(|node| !world.is_ruined(*node)).count();
            let first = statuses.first().map(|status| (status.applied, status.digest));
            statuses.len() == runs
                && statuses.iter().all(|status| Some((status.applied, status.digest)) == first)
        };
        if self.simulation.run_to(end, LOOK_EVERY, alike)? {
            return Ok(());
        }
        let detail = format!("the replicas are not alike after {}", end.since(begun));
        Err(self.stuck("convergence", detail))
    }

    /// What it may take the last replica to fetch what it lacks: an answer carries as many decrees
    /// as fit, one of the largest at least, and each takes a way there and back, a read, a sync,
    /// and, where the room for copies ran out, a tick until the next question.
    fn catching_up(&mut self) -> Micros {
        let lag = self.lag();
        let (cluster, _) = self.simulation.parts();
        let largest = cluster.monitor.largest_decree().max(1);
        let fetched = (cluster.fetch_bytes() / largest).max(1) as u64;
        let plan = self.simulation.plan();
        let flight = way_ms(&plan.conditions.links);
        let tick = u64::from(lan().heartbeat_ms) * self.drift();
        let each = 2 * flight + READ_MS_MAX + plan.conditions.sync_us / 1_000 + 1 + tick;
        Micros::from_ms(lag.div_ceil(fetched.min(FETCH_SLOTS_MAX)) * each)
    }

    /// Counts the slots by which the last replica is behind the first.
    fn lag(&mut self) -> u64 {
        let statuses = self.simulation.parts().0.statuses();
        let applied = || statuses.iter().map(|status| status.applied.number());
        applied().max().unwrap_or(0) - applied().min().unwrap_or(0)
    }

    fn judge_history(&mut self) -> Result<(), Violation> {
        let history = self.simulation.take_history();
        let report = check_history(&history, self.workload.model(), Budget::default());
        match report.judgement {
            Judgement::Legal { .. } => Ok(()),
            Judgement::Illegal { core } => {
                Err(Violation::new("linearizability", format!("{core:#?}")))
            }
            Judgement::Unknown { cause } => Err(Violation::new("undecided", cause.to_string())),
        }
    }

    /// What so many rounds may take: in each, a peer is suspected, everyone campaigns in turn, the
    /// slowest link and disk are waited for, and a client finds the node that came of it.
    fn bound(&self, rounds: u64) -> Micros {
        let plan = self.simulation.plan();
        let config = lan();
        let suspicion = u64::from(config.suspicion_ticks * config.heartbeat_ms);
        let stagger = u64::from(config.stagger_ms) * u64::from(plan.nodes + 1);
        let flight = way_ms(&plan.conditions.links);
        let disk = plan.conditions.sync_us / 1_000 + 1;
        let election = (2 * suspicion + stagger) * self.drift() + 4 * flight + 2 * disk;
        let client_flight = way_ms(&plan.conditions.client_links);
        let client = HELD_MS_MAX + plan.rest_ms.0 + 2 * flight + 2 * client_flight;
        Micros::from_ms(rounds * (election + client))
    }

    /// How many times longer than the true time the slowest clock takes: it decides how long a
    /// suspicion lasts.
    fn drift(&self) -> u64 {
        let slowest =
            self.simulation.plan().conditions.clock_ppm.iter().min().copied().unwrap_or(0);
        1_000_000 / u64::try_from(1_000_000 + i64::from(slowest)).unwrap_or(1) + 1
    }

    /// How long a client waits for an answer once all is well, at least: the usual time, and what
    /// links and disks take. One that gives up sooner is answered by nobody, which says nothing of
    /// the system.
    fn patience_ms(&self) -> u64 {
        PATIENCE_MS_MIN + answer_ms(self.simulation.plan())
    }

    fn stuck(&self, invariant: &'static str, detail: String) -> Violation {
        let statuses = self.simulation.system.statuses();
        Violation::new(invariant, format!("{detail}: {statuses:#?}"))
    }
}

/// The most nodes of a simulated cluster.
pub const NODES_MAX: u16 = SIMULATED_NODES_MAX;

/// How often it is looked at which faults stand, and whether somebody is served.
const STANDING_LOOK_EVERY: Micros = Micros(100_000);

/// How often the end of a phase is looked for.
const LOOK_EVERY: Micros = Micros(10_000);

/// How long a client waits for an answer once all is well, if nothing is far away.
const PATIENCE_MS_MIN: u64 = 2_000;

/// A node that comes back may disturb the first leader, and its clients try the others first.
const PROGRESS_ROUNDS: u64 = 4;

/// Whoever leads when faults begin to stand may be cut off, and clients find the next one alone.
const STANDING_ROUNDS: u64 = 2;

/// A heartbeat there and a word back are less than an election takes.
const STRANGER_ROUNDS: u64 = 1;

/// The clients read some dozens of keys each.
const READING_ROUNDS: u64 = 8;

/// What a node lacks, if it is little, it fetches within a few ticks.
const CONVERGENCE_ROUNDS: u64 = 3;

/// How long a read of old decrees takes at most.
const READ_MS_MAX: u64 = READ_US_MAX / 1_000;

/// Returns the settings that every replica has.
fn lan() -> Config {
    let voters = Configuration::majority([NodeId::new(1)]).expect("one voter is a quorum");
    Config::lan(CoreId { node: NodeId::new(1), incarnation: 1 }, voters)
}

#[cfg(test)]
mod tests {
    use synod_fault::Millis;
    use synod_history::{Event, EventKind, Process, Request, Value};
    use synod_rng::Seed;

    use super::*;

    /// All else of such a run is in order: what somebody was told is judged, and by this alone.
    #[test]
    fn a_wrong_answer_in_the_history_is_found() {
        let plan = Scenario::calm(Seed(4), 3, Millis(500));
        let tuning = Tuning::usual(&plan);
        let judged = |told: Value| {
            let mut simulation = Simulation::new(&plan, Cluster::new(&plan, tuning.clone()));
            let (_, world) = simulation.parts();
            let request = Request::Read { key: "a key that nobody writes".to_owned() };
            let event = |kind, value| Event {
                index: 0,
                time_ns: 0,
                process: Process::Client(1_000),
                kind,
                f: request.f().to_owned(),
                key: Some(request.key().to_owned()),
                value,
                error: None,
                node: None,
            };
            world.record(event(EventKind::Invoke, request.argument()));
            world.record(event(EventKind::Ok, told));
            let workload = clients::workload(&plan);
            let ended = Trial { simulation: &mut simulation, workload, tuning: &tuning }.run();
            ended.err().map(|violation| violation.invariant)
        };
        assert_eq!(judged(Value::Text("7".to_owned())), Some("linearizability"));
        assert_eq!(judged(Value::Null), None, "a key that nobody wrote has no value");
    }
}
