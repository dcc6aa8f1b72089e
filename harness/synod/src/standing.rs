//! Progress while faults stand: what the rest of a cluster owes its clients meanwhile.
//!
//! Faults that come and go say little of what goes on while they last. Where nothing has begun or
//! ended for as long as an election and its clients may take, and some node that runs has two-way
//! links with a quorum, somebody must have been answered. The claim checked: whoever could lead is
//! found, whatever the cluster has behind it. Of links that lose, clocks that are off and disks
//! that misbehave nothing is asked here.

use synod_fault::{Action, FaultId, NodeId as Place, PartsPerMillion, PlannedFault, Target};
use synod_paxos::Tally;
use synod_simulator::{Micros, Simulation};

use crate::cluster::Cluster;
use crate::tuning::Tuning;

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
}

impl StandingFaults {
    /// Looks at what stands; returns since when it does, if the rest can serve meanwhile.
    pub fn look(&mut self, simulation: &Simulation<Cluster>, tuning: &Tuning) -> Option<Micros> {
        let now = simulation.world().now();
        let (plan, in_force) = (simulation.plan(), simulation.in_force());
        let runs = |node: &Place| simulation.world().is_up(*node) && !in_force.pauses(*node);
        let up = plan.node_ids().into_iter().filter(runs).collect();
        let stands = Stands { faults: in_force.faults(), up };
        if self.stands.as_ref() != Some(&stands) {
            (self.stands, self.since) = (Some(stands), now);
            return None;
        }
        let is_asked = stands.faults.iter().all(|fault| is_asked(&plan.faults[fault.0 as usize]))
            && plan.conditions.links.loss <= LOSS_MAX
            && plan.conditions.client_links.loss <= LOSS_MAX
            && simulation.system.strangers_at_large() == 0;
        (is_asked && can_lead(simulation, &stands.up, tuning, now)).then_some(self.since)
    }

    /// Tells whether any link is cut or any node is missing.
    pub fn is_any(&self) -> bool {
        self.stands.as_ref().is_some_and(|stands| !stands.faults.is_empty())
    }
}

/// Tells whether some node that runs has two-way links with quorums of both phases, itself
/// included, without those whose lanes of the log stand.
fn can_lead(simulation: &Simulation<Cluster>, up: &[Place], tuning: &Tuning, now: Micros) -> bool {
    let world = simulation.world();
    let node_of = |place: Place| synod_paxos::NodeId::new(place.0);
    let moves = |place: &Place| {
        tuning.standing_log.is_none_or(|standing| standing.left(node_of(*place), now).is_none())
    };
    let able: Vec<Place> = up.iter().copied().filter(moves).collect();
    able.iter().any(|node| {
        let both = |peer: Place| world.is_open(*node, peer) && world.is_open(peer, *node);
        let heard = able.iter().copied().filter(|peer| peer == node || both(*peer));
        let heard: Tally = heard.map(node_of).collect();
        tuning.voters.is_phase1_quorum(&heard) && tuning.voters.is_phase2_quorum(&heard)
    })
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
        | Action::Retire => true,
        Action::Disturb(_)
        | Action::DisturbInbound(_)
        | Action::ClockRate { .. }
        | Action::ClockJump { .. }
        | Action::Disk(_) => false,
    };
    stands && fault.flaps_ms.is_none() && fault.target != Target::Clients
}

/// Links that lose more than this are asked nothing.
const LOSS_MAX: PartsPerMillion = PartsPerMillion(50_000);
