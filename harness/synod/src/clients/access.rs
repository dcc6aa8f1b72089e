//! Access: nodes that deny a client a connection for a while, and what it may be told meanwhile.
//!
//! In some runs the certificate of a client is of no use to some nodes, or to all of them, until it
//! is mended: its connections break, and none comes about. It is told of each node as the driver of
//! a real client tells it. What is drawn here comes of dice of its own and moves nothing else. The
//! claims checked, of the real client: it gives up as soon as every node denies it and not before,
//! and asks nobody meanwhile. That what it then calls not applied is not is an invariant.

use std::collections::BTreeSet;

use synod_fault::Scenario;
use synod_paxos::NodeId;
use synod_rng::{Random, Seed, Stream};
use synod_simulator::Micros;
use synod_smr::client::{ClientInput, Outcome, Reason};
use synod_smr::{Request, RequestBody};

use super::SimClient;
use crate::coverage::Point;
use crate::machine::{SimWorld, Wakeup};
use crate::monitor::Monitor;

/// Which nodes deny one client.
#[derive(Debug)]
pub(super) struct Access {
    nodes: Vec<NodeId>,
    denied_by: BTreeSet<NodeId>,
    /// Whether every node has denied it since it was answered last.
    was_shut_out: bool,
    /// Whether it is ever denied anything.
    is_at_risk: bool,
    dice: Random,
}

/// That a node denies access for a while.
#[derive(Clone, Copy, Debug)]
pub(super) struct Denial {
    pub(super) node: NodeId,
    /// After how long it begins.
    pub(super) from: Micros,
    /// After how long it ends.
    pub(super) until: Micros,
}

impl Access {
    /// Draws whether a client of a plan is denied anything.
    pub(super) fn draw(number: u32, nodes: &[NodeId], plan: &Scenario) -> Self {
        let stream = Stream::named("denials");
        // Every client draws this from the same numbers, so that all of a run agree.
        let is_denying = Random::new(plan.seed, stream).chance(RUNS_PPM);
        let mut dice = Random::new(plan.seed, stream.part(u64::from(number)));
        let is_at_risk = is_denying && dice.chance(CLIENTS_PPM);
        let (nodes, denied_by) = (nodes.to_vec(), BTreeSet::new());
        Self { nodes, denied_by, was_shut_out: false, is_at_risk, dice }
    }

    /// Returns that nothing is denied by any of these, and never will be.
    pub(super) fn none(nodes: &[NodeId]) -> Self {
        let (nodes, denied_by) = (nodes.to_vec(), BTreeSet::new());
        let dice = Random::new(Seed(0), Stream::named("denials"));
        Self { nodes, denied_by, was_shut_out: false, is_at_risk: false, dice }
    }

    /// Draws how long nothing is denied; none if nothing ever is.
    pub(super) fn next_rest(&mut self) -> Option<Micros> {
        self.is_at_risk.then(|| Micros::from_ms(self.dice.between(100, REST_MS_MAX)))
    }

    /// Draws who denies access next: every node, or some of them.
    pub(super) fn next_denials(&mut self) -> Vec<Denial> {
        let all = self.dice.chance(ALL_PPM);
        let (dice, nodes) = (&mut self.dice, &self.nodes);
        let chosen = nodes.iter().filter(|_| all || dice.chance(500_000));
        let chosen: Vec<NodeId> = chosen.copied().collect();
        let denial = |node| {
            let from = Micros::from_ms(self.dice.below(APART_MS));
            let length = Micros::from_ms(self.dice.between(APART_MS, LENGTH_MS_MAX));
            Denial { node, from, until: from.plus(length) }
        };
        chosen.into_iter().map(denial).collect()
    }

    /// Ends all denials for good; returns whose.
    pub(super) fn calm_down(&mut self) -> BTreeSet<NodeId> {
        self.is_at_risk = false;
        std::mem::take(&mut self.denied_by)
    }

    /// Tells whether a denial, or the end of one, says something new.
    pub(super) fn is_news(&self, node: NodeId, is_denied: bool) -> bool {
        // A denial that was still to come when the faults ended is left out; the end of one never
        // is.
        self.is_denied_by(node) != is_denied && (self.is_at_risk || !is_denied)
    }

    /// Takes note of a denial, or of its end.
    pub(super) fn set(&mut self, node: NodeId, is_denied: bool) {
        if is_denied {
            self.denied_by.insert(node);
        } else {
            self.denied_by.remove(&node);
        }
        self.was_shut_out |= self.is_shut_out();
    }

    /// Takes note of an answer, and tells whether every node denied the client before it.
    pub(super) fn on_answer(&mut self) -> bool {
        std::mem::take(&mut self.was_shut_out)
    }

    pub(super) fn is_denied_by(&self, node: NodeId) -> bool {
        self.denied_by.contains(&node)
    }

    /// Tells whether every node denies access.
    pub(super) fn is_shut_out(&self) -> bool {
        self.denied_by.len() == self.nodes.len()
    }
}

impl SimClient {
    /// Has the next time drawn at which nodes deny it access, if any ever does.
    pub fn await_denials(&mut self, world: &mut SimWorld) {
        if let Some(length) = self.access.next_rest() {
            world.after(self.address(), Wakeup::Denials, length);
        }
    }

    /// Tells whether a node denies it access.
    #[must_use]
    pub fn is_denied_by(&self, node: NodeId) -> bool {
        self.access.is_denied_by(node)
    }

    /// Takes note that all faults have ended.
    pub fn calm_down(&mut self, world: &mut SimWorld, monitor: &mut Monitor) {
        for node in self.access.calm_down() {
            self.step(ClientInput::Access { node, is_denied: false }, world, monitor);
        }
    }

    /// Has it drawn which nodes deny it access, and for how long.
    pub(super) fn begin_denials(&mut self, world: &mut SimWorld) {
        let mut over = Micros(0);
        for denial in self.access.next_denials() {
            for (is_denied, after) in [(true, denial.from), (false, denial.until)] {
                let wakeup = Wakeup::Access { node: denial.node, is_denied };
                world.after(self.address(), wakeup, after);
            }
            over = over.max(denial.until);
        }
        // The next ones begin after the last of these: a denial that overlapped with an earlier one
        // of its node would be ended by it.
        if let Some(rest) = self.access.next_rest() {
            world.after(self.address(), Wakeup::Denials, over.plus(rest));
        }
    }

    /// A node denies access: the connection breaks, and none comes about until it grants it again.
    pub(super) fn on_access(
        &mut self,
        node: NodeId,
        is_denied: bool,
        world: &mut SimWorld,
        monitor: &mut Monitor,
    ) {
        if !self.access.is_news(node, is_denied) {
            return;
        }
        if is_denied {
            world.say(|| format!("node {node} denies client {} access", self.number));
            self.step(ClientInput::Lost(node), world, monitor);
        }
        self.access.set(node, is_denied);
        if is_denied && !self.access.is_shut_out() {
            monitor.tracker.see(Point::AccessDenied);
        }
        self.step(ClientInput::Access { node, is_denied }, world, monitor);
    }

    /// Holds a request against what the client was told: who is shut out asks for nothing.
    pub(super) fn judge_request(&self, request: &Request, monitor: &mut Monitor) {
        let is_question = matches!(request.body, RequestBody::Status);
        if self.access.is_shut_out() && !is_question {
            let (number, body) = (self.number, &request.body);
            monitor.report("access", format!("client {number}, shut out, asks for {body:?}"));
        }
    }

    /// Holds what the client waits for, or has given up for lack of access, against what it was
    /// told.
    pub(super) fn judge_access(&self, gives_up: bool, monitor: &mut Monitor) {
        let number = self.number;
        if self.access.is_shut_out() && self.open.is_some() {
            let detail = format!("client {number} waits for nodes that all deny it access");
            monitor.report("access", detail);
        }
        if gives_up && !self.access.is_shut_out() {
            let detail = format!("client {number} gives up, and a node may grant it access");
            monitor.report("access", detail);
        }
    }

    /// Counts what an end has to do with access.
    pub(super) fn note_access(&mut self, outcome: &Outcome, monitor: &mut Monitor) {
        match outcome {
            Outcome::Ok(_) => {
                if self.access.on_answer() {
                    monitor.tracker.see(Point::AccessAgain);
                }
            }
            Outcome::NotApplied(Reason::AccessDenied) => monitor.tracker.see(Point::AccessRefused),
            Outcome::Unknown(Reason::AccessDenied) => {
                monitor.tracker.see(Point::AccessRefusedMidway);
            }
            Outcome::NotApplied(_) | Outcome::Unknown(_) => {}
        }
    }
}

/// Tells whether an operation ended as no node grants access.
pub(super) const fn is_refused(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::NotApplied(reason) | Outcome::Unknown(reason) => {
            matches!(reason, Reason::AccessDenied)
        }
        Outcome::Ok(_) => false,
    }
}

/// In how many runs clients are denied access.
const RUNS_PPM: u32 = 200_000;

/// How many clients of such a run are.
const CLIENTS_PPM: u32 = 500_000;

/// How often it is every node that denies access.
const ALL_PPM: u32 = 700_000;

/// For how long a client is denied nothing at most.
const REST_MS_MAX: u64 = 10_000;

/// Within this time all nodes begin to deny access that do.
const APART_MS: u64 = 300;

/// For how long a node denies access at most.
const LENGTH_MS_MAX: u64 = 4_000;
