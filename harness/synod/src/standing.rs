//! Progress while faults stand: what the rest of a cluster owes its clients meanwhile.
//!
//! Faults that come and go say little of what goes on while they last. Where nothing has begun or
//! ended for as long as an election and its clients may take, and some node that runs has two-way
//! links with a quorum, somebody must have been answered. The claim checked: whoever could lead is
//! found, whatever the cluster has behind it, and writes go on without those whose disks are slow,
//! hang or are full, or whose log stands. Of links that lose, clocks that are off and disks that
//! fail nothing is asked here, and nothing in a world in which nobody can be served whatever the
//! cluster does; nor where every client asks one node alone, which may be another than the one that
//! leads; and of writes nothing where lanes of the log are narrow for a while.

use synod_fault::{
    Action, Conditions, DiskFault, FaultId, InForce, LinkRules, Millis, NodeId as Place,
    PartsPerMillion, PlannedFault, Scenario, Target,
};
use synod_paxos::{NodeId, Tally};
use synod_simulator::{Micros, Simulation};

use crate::cluster::Cluster;
use crate::tuning::{StandingLog, Tuning};

/// Follows which faults stand, and since when.
#[derive(Default)]
pub struct StandingFaults {
    stands: Option<Stands>,
    since: Micros,
}

/// What must not change meanwhile.
#[derive(PartialEq, Eq)]
struct Stands {
    faults: Vec<FaultId>,
    /// The nodes that run, and are not paused.
    up: Vec<Place>,
    /// Those of them whose disk is slow, hangs or is full, or whose lanes of the log stand. The
    /// others do without them.
    unfit: Vec<Place>,
}

impl StandingFaults {
    /// Looks at what stands; returns since when it does, if the rest can serve meanwhile.
    pub fn look(&mut self, simulation: &Simulation<Cluster>, tuning: &Tuning) -> Option<Micros> {
        let now = simulation.world().now();
        let (plan, in_force) = (simulation.plan(), simulation.in_force());
        let runs = |node: &Place| simulation.world().is_up(*node) && !in_force.pauses(*node);
        let up: Vec<Place> = plan.node_ids().into_iter().filter(runs).collect();
        let unfit = |node: &Place| is_unfit(*node, in_force, tuning, now);
        let unfit = up.iter().copied().filter(unfit).collect();
        let stands = Stands { faults: in_force.faults(), up, unfit };
        if self.stands.as_ref() != Some(&stands) {
            (self.stands, self.since) = (Some(stands), now);
            return None;
        }
        let is_asked = stands.faults.iter().all(|fault| is_asked(&plan.faults[fault.0 as usize]))
            && can_carry(&plan.conditions)
            && simulation.system.strangers_at_large() == 0
            && simulation.system.any_is_free(patience_needed_ms(plan));
        (is_asked && stands.can_lead(simulation, tuning)).then_some(self.since)
    }

    /// Tells whether writes are asked for, too. A leader cannot tell its own narrow way from a peer
    /// with much to do; what passes a lane that is narrow for a while may take longer than any
    /// bound here.
    pub const fn asks_for_writes(&self, tuning: &Tuning) -> bool {
        tuning.lane_stall_ppm == 0
    }

    /// Tells whether any link is cut, or any node is missing or unfit to lead.
    pub fn is_any(&self) -> bool {
        self.stands.as_ref().is_some_and(|stands| !stands.faults.is_empty()) || self.is_any_unfit()
    }

    /// Tells whether any node that runs is unfit to lead.
    pub fn is_any_unfit(&self) -> bool {
        self.stands.as_ref().is_some_and(|stands| !stands.unfit.is_empty())
    }
}

impl Stands {
    /// Tells whether some node that is fit has two-way links with quorums of both phases, itself
    /// included, that are fit; and whether nobody keeps that node from its lead for good.
    ///
    /// Whoever is connected to quorums with the help of the unfit may lead, and is as slow as they
    /// are; and the unfit themselves give way to those alone whom they hear.
    fn can_lead(&self, simulation: &Simulation<Cluster>, tuning: &Tuning) -> bool {
        let world = simulation.world();
        let hears = |node: Place, peer: Place| {
            node == peer || (world.is_open(node, peer) && world.is_open(peer, node))
        };
        let is_quorum = |node: Place, among: &[Place]| {
            let heard = among.iter().filter(|peer| hears(node, **peer));
            let heard: Tally = heard.map(|peer| node_of(*peer)).collect();
            tuning.voters.is_phase1_quorum(&heard) && tuning.voters.is_phase2_quorum(&heard)
        };
        let fit = self.up.iter().copied().filter(|node| !self.unfit.contains(node));
        let fit: Vec<Place> = fit.collect();
        let able: Vec<Place> = fit.iter().copied().filter(|node| is_quorum(*node, &fit)).collect();
        let gives_way = |node: &Place| {
            let hears_able = || able.iter().any(|other| hears(*node, *other));
            able.contains(node) || (self.unfit.contains(node) && hears_able())
        };
        let connected = self.up.iter().filter(|node| is_quorum(**node, &self.up));
        !able.is_empty() && connected.copied().all(|node| gives_way(&node))
    }
}

/// Tells whether the others do without a node: it neither leads well nor votes in time.
fn is_unfit(node: Place, in_force: &InForce, tuning: &Tuning, now: Micros) -> bool {
    let stands = |log: StandingLog| log.left(node_of(node), now).is_some();
    let of_disk = [DiskFault::Slow { ms: Millis(1) }, DiskFault::Hung, DiskFault::Full];
    tuning.standing_log.is_some_and(stands)
        || of_disk.into_iter().any(|fault| in_force.on_disk(node, fault).is_some())
}

/// Tells whether something is asked of the others while a fault stands.
fn is_asked(fault: &PlannedFault) -> bool {
    let stands = match &fault.action {
        Action::Isolate
        | Action::Mute
        | Action::Deafen
        | Action::Partition(_)
        | Action::Cut(_)
        | Action::Kill
        | Action::PowerLoss
        | Action::Pause
        | Action::Retire
        | Action::Upgrade
        | Action::Downgrade
        | Action::Disk(DiskFault::Slow { .. } | DiskFault::Hung | DiskFault::Full) => true,
        Action::Disturb(_)
        | Action::DisturbInbound(_)
        | Action::ClockRate { .. }
        | Action::ClockJump { .. }
        | Action::Disk(_) => false,
    };
    // What flaps does not stand, and clients that are cut off from the nodes are owed nothing.
    stands && fault.flaps_ms.is_none() && fault.target != Target::Clients
}

/// Tells whether all links pass what they are given, in about the time that the bounds count with.
fn can_carry(conditions: &Conditions) -> bool {
    let passes = |rules: &LinkRules| {
        let LinkRules { cut, loss, corrupt, rate, reorder, reorder_late_ms, .. } = *rules;
        // What is damaged fails its authentication, and is lost.
        let lost = loss.0.saturating_add(corrupt.0);
        let is_late = reorder.0 > 0 && reorder_late_ms > LATE_MAX;
        !cut && rate.is_none() && lost <= LOSS_MAX.0 && !is_late
    };
    passes(&conditions.links) && passes(&conditions.client_links)
}

/// Returns how long a client has to wait for an answer, or it may have none from the best cluster.
pub(crate) const fn patience_needed_ms(plan: &Scenario) -> u64 {
    BUSY_MS_MAX + answer_ms(plan)
}

/// Returns how long links and disks take at most to bring an answer about, where nothing is lost.
pub(crate) const fn answer_ms(plan: &Scenario) -> u64 {
    let Conditions { links, client_links, sync_us, clock_ppm: _ } = &plan.conditions;
    ANSWER_WAYS * (way_ms(links) + way_ms(client_links)) + ANSWER_SYNCS * (*sync_us / 1_000)
}

/// Returns how long a packet takes at most on a link of these rules.
pub(crate) const fn way_ms(rules: &LinkRules) -> u64 {
    rules.delay_ms.0 + rules.jitter_ms.0 + 1
}

const fn node_of(place: Place) -> NodeId {
    NodeId::new(place.0)
}

/// How many ways between clients and nodes, and between nodes, an answer may take.
const ANSWER_WAYS: u64 = 8;

/// How many syncs, one after the other: a leader's and a follower's.
const ANSWER_SYNCS: u64 = 2;

/// How long the nodes themselves may be busy with an answer, and with writing it.
const BUSY_MS_MAX: u64 = 100;

/// Links that lose more than this are asked nothing.
const LOSS_MAX: PartsPerMillion = PartsPerMillion(50_000);

/// Nor are those that hold packets back for longer, which the bounds do not count.
const LATE_MAX: Millis = Millis(20);
