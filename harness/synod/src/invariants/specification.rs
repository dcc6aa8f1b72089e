//! Specification: every step is an action of `MultiPaxos!Next` that is enabled where it is taken.
//!
//! This is trace validation in its strictest form: no recorded run is searched for an explanation
//! afterwards, but each event is held against the transition relation as it happens. The relation
//! is `spec`; here is only what of a step it is told, and in which order: what became durable
//! first, then what was learned of it, then what left.

use synod_paxos::{Configuration, NodeId, Slot};

use super::Invariant;
use crate::journal_thread::Found;
use crate::spec::conformance::Conformance;
use crate::step::{Cause, Step};

/// Follows the cluster through the states of the specification.
pub(super) struct Specification {
    state: Conformance,
}

impl Specification {
    pub(super) fn new(voters: &Configuration) -> Self {
        Self { state: Conformance::new(voters) }
    }
}

impl Invariant for Specification {
    fn name(&self) -> &'static str {
        "specification"
    }

    fn on_recovery(&mut self, node: NodeId, found: &Found) -> Result<(), String> {
        let recovered = self.state.on_recovered(node, found.state_at, &found.records);
        recovered.map_err(|breach| breach.to_string())
    }

    fn on_step(&mut self, step: &Step<'_>) -> Result<(), String> {
        let told = |breach: crate::spec::conformance::Deviation| breach.to_string();
        if !step.durable.is_empty() {
            self.state.on_durable(step.node, step.durable).map_err(told)?;
        }
        // What a node knew when its life began, it had learned before.
        if step.cause != Cause::Start {
            let log = step.replica.paxos().log();
            if step.is_passed_over() {
                self.state.on_state(step.node, log.base()).map_err(told)?;
            }
            for slot in step.before.chosen.number()..step.after.chosen.number() {
                if let Some(decree) = log.decree(Slot::new(slot)) {
                    self.state.on_learned(step.node, Slot::new(slot), decree).map_err(told)?;
                }
            }
        }
        for (to, message) in step.sent {
            self.state.on_sent(step.node, to, message).map_err(told)?;
        }
        Ok(())
    }
}
