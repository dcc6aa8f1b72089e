//! NoGapApplied: what is chosen is applied in order and at once, and nothing is ever unapplied.

use std::collections::BTreeMap;

use synod_paxos::{NodeId, Slot};

use super::Invariant;
use crate::step::Step;

/// How far each node got in its present life.
#[derive(Default)]
pub(super) struct NoGapApplied {
    applied: BTreeMap<NodeId, (u64, Slot)>,
}

impl Invariant for NoGapApplied {
    fn name(&self) -> &'static str {
        "no-gap-applied"
    }

    fn on_step(&mut self, step: &Step<'_>) -> Result<(), String> {
        let (chosen, applied) = (step.after.chosen, step.after.applied);
        if chosen != applied {
            return Err(format!("node {} chose up to {chosen}, applied {applied}", step.node));
        }
        let last = self.applied.insert(step.node, (step.life, applied));
        match last {
            Some((life, before)) if life == step.life && before > applied => {
                Err(format!("node {} fell back from {before} to {applied}", step.node))
            }
            Some(_) | None => Ok(()),
        }
    }
}
