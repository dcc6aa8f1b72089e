//! Real processes and links as a world of faults.
//!
//! A fault begins and ends here without a wait: signals are sent, rules are set. What several
//! faults make of a node together is decided by the faults in force: it is started when nothing
//! keeps it down any more, and stopped again if something still pauses it. What a fault did is
//! measured between its begin and its end, and left to `effect` to be told.

use std::collections::BTreeMap;

use synod_fault::{
    Abilities, Action, FaultId, InForce, LinkRules, NodeId, ResolvedTarget, Scenario, Transports,
    World,
};
use synod_report::LinkCounts;

use super::cluster::{Cluster, ClusterError};
use super::effect::{self, Effect, disturbance, interruption};
use super::network::Network;

/// The nodes and links of a run, with the faults that are in force on them.
#[derive(Debug)]
pub(crate) struct RealWorld<'a> {
    cluster: &'a Cluster,
    network: &'a Network,
    plan: &'a Scenario,
    transports: Transports,
    in_force: InForce,
    measured: BTreeMap<FaultId, Measured>,
}

/// What was seen of a fault so far.
#[derive(Debug, Default)]
struct Measured {
    /// What its links had done before it.
    before: LinkCounts,
    /// How many processes it hit.
    hit: usize,
    /// How often it cut.
    cuts: u32,
    /// Whether others had done to all its nodes what it does.
    overshadowed: bool,
    /// What it did, once it has ended.
    effect: Option<Effect>,
}

impl<'a> RealWorld<'a> {
    /// Makes the world of a plan, in which no fault is in force.
    pub(crate) fn new(
        cluster: &'a Cluster,
        network: &'a Network,
        plan: &'a Scenario,
        transports: Transports,
    ) -> Self {
        let in_force = InForce::of(plan.faults.len());
        Self { cluster, network, plan, transports, in_force, measured: BTreeMap::new() }
    }

    /// Turns a cut around that comes and goes; says whether it is in force at all.
    pub(crate) fn toggle(&mut self, fault: FaultId, on: &ResolvedTarget) -> bool {
        match self.in_force.toggle(fault) {
            None => return false,
            Some(false) => self.network.end(fault),
            Some(true) => {
                self.begin_rules(fault, on);
                self.measured.entry(fault).or_default().cuts += 1;
            }
        }
        true
    }

    /// Returns the faults in force.
    pub(crate) fn faults(&self) -> Vec<FaultId> {
        self.in_force.faults()
    }

    /// Takes out what a fault did that has ended, and whether others hid it.
    pub(crate) fn take_effect(&mut self, fault: FaultId) -> (Effect, bool) {
        let measured = self.measured.remove(&fault).unwrap_or_default();
        let nothing = || Effect { words: "it did not end".to_owned(), effective: false };
        (measured.effect.unwrap_or_else(nothing), measured.overshadowed)
    }

    fn action(&self, fault: FaultId) -> &'a Action {
        &self.plan.faults[fault.0 as usize].action
    }

    fn begin_rules(&mut self, fault: FaultId, on: &ResolvedTarget) {
        if let Err(error) = self.network.begin(fault, on.rules.clone()) {
            // Plans are checked for this before a run.
            let effect = Effect { words: error.to_string(), effective: false };
            self.measured.entry(fault).or_default().effect = Some(effect);
        }
    }

    /// Starts a node again, unless a fault keeps it down; one that is paused stands still at once.
    fn start(&self, node: NodeId) -> Result<(), ClusterError> {
        if self.in_force.keeps_down(node) {
            return Ok(());
        }
        self.cluster.start(node)?;
        if self.in_force.pauses(node) {
            self.cluster.pause(node)?;
        }
        Ok(())
    }

    fn told(&self, action: &Action, on: &ResolvedTarget, measured: &Measured) -> Effect {
        let after = || effect::sum(on, &self.network.counts());
        let (hit, nodes) = (measured.hit, on.nodes.len());
        let all = hit > 0 && hit == nodes;
        match action {
            Action::Disturb(rules) | Action::DisturbInbound(rules) => {
                disturbance(rules, &measured.before, &after())
            }
            Action::Isolate
            | Action::Mute
            | Action::Deafen
            | Action::Partition(_)
            | Action::Cut(_) => interruption(measured.cuts, &measured.before, &after()),
            Action::Kill => Effect {
                words: format!("{hit} of {nodes} processes killed, started again"),
                effective: all,
            },
            Action::Retire => Effect {
                words: format!("{hit} of {nodes} processes asked to end, started again"),
                effective: all,
            },
            Action::Pause => {
                let stopped = on.nodes.iter().filter(|node| self.cluster.is_stopped(**node));
                let stopped = stopped.count();
                Effect {
                    words: format!("{stopped} of {nodes} processes stopped, then went on"),
                    effective: stopped > 0 && stopped == nodes,
                }
            }
            Action::PowerLoss
            | Action::ClockRate { .. }
            | Action::ClockJump { .. }
            | Action::Disk(_) => {
                Effect { words: "a live run cannot do it".to_owned(), effective: false }
            }
        }
    }
}

impl World for RealWorld<'_> {
    type Error = ClusterError;

    fn abilities(&self) -> Abilities {
        Abilities::live(self.transports)
    }

    fn apply(&mut self, fault: FaultId, on: ResolvedTarget) -> Result<(), ClusterError> {
        let action = self.action(fault);
        let nodes: Vec<NodeId> = on.nodes.iter().copied().collect();
        let held = |node: &NodeId| {
            let paused = *action == Action::Pause && self.in_force.pauses(*node);
            paused || (!action.is_cut() && self.in_force.keeps_down(*node))
        };
        let overshadowed = !nodes.is_empty() && nodes.iter().all(held);
        let before = effect::sum(&on, &self.network.counts());
        let hit = match action {
            Action::Kill => self.cluster.begin_kill(&nodes, KILLED)?,
            Action::Retire => self.cluster.begin_retire(&nodes, RETIRED)?,
            Action::Pause => {
                let mut hit = 0;
                for node in &nodes {
                    hit += usize::from(self.cluster.pause(*node)?);
                }
                hit
            }
            Action::Isolate
            | Action::Mute
            | Action::Deafen
            | Action::Partition(_)
            | Action::Cut(_)
            | Action::Disturb(_)
            | Action::DisturbInbound(_)
            | Action::PowerLoss
            | Action::ClockRate { .. }
            | Action::ClockJump { .. }
            | Action::Disk(_) => 0,
        };
        let measured = Measured { before, hit, cuts: 1, overshadowed, effect: None };
        self.measured.insert(fault, measured);
        if on.rules.values().any(|rules| *rules != LinkRules::default()) {
            self.begin_rules(fault, &on);
        }
        self.in_force.begin(fault, action.clone(), on);
        Ok(())
    }

    fn lift(&mut self, fault: FaultId) -> Result<(), ClusterError> {
        let Some(active) = self.in_force.end(fault) else { return Ok(()) };
        let measured = self.measured.remove(&fault).unwrap_or_default();
        let effect = self.told(&active.action, &active.on, &measured);
        self.network.end(fault);
        for node in &active.on.nodes {
            if active.action.keeps_down() {
                self.start(*node)?;
            } else if active.action == Action::Pause && !self.in_force.pauses(*node) {
                self.cluster.resume(*node)?;
            }
        }
        let effect = measured.effect.or(Some(effect));
        self.measured.insert(fault, Measured { effect, ..measured });
        Ok(())
    }
}

/// How the end of a process is explained that a fault killed.
const KILLED: &str = "killed by the nemesis";

/// How the end of a process is explained that a fault asked to end.
const RETIRED: &str = "asked to end by the nemesis";
