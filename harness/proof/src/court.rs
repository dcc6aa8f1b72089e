//! The court: it shows every step to every invariant, and keeps the first objection.
//!
//! What is judged is in `invariants`, one file for each property; here is only who is heard and
//! when. The claim kept true: no step of any replica goes unseen.

use synod_harness::sim::Violation;
use synod_paxos::{Configuration, NodeId};

use crate::host::Sky;
use crate::invariants::{self, Invariant};
use crate::sometimes::Sightings;
use crate::step::Step;
use crate::storage::Found;

/// Who judges a cluster.
pub struct Court {
    invariants: Vec<Box<dyn Invariant>>,
    objection: Option<Violation>,
    /// The points of interest that were seen.
    pub sightings: Sightings,
}

impl Court {
    /// Convenes the court over a cluster of these voters.
    #[must_use]
    pub fn new(voters: &Configuration) -> Self {
        let invariants = invariants::all(voters);
        Self { invariants, objection: None, sightings: Sightings::default() }
    }

    /// Hears of a recovery, before the first step of that life.
    pub fn on_recovery(&mut self, node: NodeId, found: &Found) {
        for invariant in &mut self.invariants {
            if let Err(detail) = invariant.on_recovery(node, found) {
                let violation = Violation::new(invariant.name(), detail);
                self.objection.get_or_insert(violation);
            }
        }
        self.sightings.on_recovery(found);
    }

    /// Hears of a step.
    pub fn on_step(&mut self, step: &Step<'_>, sky: &mut Sky) {
        sky.note(print(step));
        for invariant in &mut self.invariants {
            if let Err(detail) = invariant.on_step(step) {
                let violation = Violation::new(invariant.name(), detail);
                self.objection.get_or_insert(violation);
            }
        }
        self.sightings.on_step(step);
        sky.say(|| told(step));
    }

    /// Hears an objection of somebody else.
    pub fn object(&mut self, invariant: &'static str, detail: String) {
        self.objection.get_or_insert(Violation::new(invariant, detail));
    }

    /// Returns the first objection.
    #[must_use]
    pub fn objection(&self) -> Option<&Violation> {
        self.objection.as_ref()
    }
}

/// What two equal runs agree in at a step.
fn print(step: &Step<'_>) -> u64 {
    let place = u64::from(step.node.number()) << 48 ^ step.now.0;
    let state = step.after.chosen.number() << 20 ^ step.after.promised.round();
    synod_smr::command::mix(place) ^ synod_smr::command::mix(state ^ sizes(step))
}

fn sizes(step: &Step<'_>) -> u64 {
    let sizes = [step.sent.len(), step.replies.len(), step.records.len(), step.durable.len()];
    sizes.iter().fold(0, |sum, size| sum << 8 ^ *size as u64)
}

fn told(step: &Step<'_>) -> String {
    let mut line = format!("node {} takes {:?}", step.node, step.cause);
    if step.before != step.after {
        line.push_str(&format!(", stands at {:?}", step.after));
    }
    for record in step.records {
        line.push_str(&format!(", writes {record:?}"));
    }
    for (to, message) in step.sent {
        if !matches!(message, synod_smr::Message::Heartbeat(_)) {
            line.push_str(&format!(", to {to:?}: {message:?}"));
        }
    }
    for (connection, _, response) in step.replies {
        line.push_str(&format!(", tells client {}: {response:?}", connection.0));
    }
    line
}
