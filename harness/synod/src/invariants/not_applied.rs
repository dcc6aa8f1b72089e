//! NotApplied: a command of which its client was told that it was not applied never is.
//!
//! Whoever is denied access, refused or late is told so, and may do something else instead. The
//! history would show it where somebody happens to read the key; this looks at every state.

use std::collections::{BTreeMap, BTreeSet};

use synod_paxos::NodeId;

use crate::step::Step;

/// What was applied anywhere, and what clients were told.
#[derive(Debug, Default)]
pub struct NotApplied {
    /// How many operations of each node's present life were looked at.
    seen: BTreeMap<NodeId, (u64, usize)>,
    applied: BTreeSet<u64>,
    told: BTreeSet<u64>,
}

impl NotApplied {
    /// Hears that a client was told that an operation was not applied.
    ///
    /// # Errors
    ///
    /// Fails if it was.
    pub fn on_told(&mut self, operation: u64) -> Result<(), String> {
        self.told.insert(operation);
        if self.applied.contains(&operation) {
            return Err(format!("{} was applied before its client was told", named(operation)));
        }
        Ok(())
    }

    /// Hears of a step.
    ///
    /// # Errors
    ///
    /// Fails if it applied what a client was told was not.
    pub fn on_step(&mut self, step: &Step<'_>) -> Result<(), String> {
        let order = step.replica.executor().machine().order();
        let seen = self.seen.entry(step.node).or_default();
        if seen.0 != step.life {
            *seen = (step.life, 0);
        }
        let new = &order[seen.1.min(order.len())..];
        seen.1 = order.len();
        self.applied.extend(new);
        match new.iter().find(|operation| self.told.contains(operation)) {
            None => Ok(()),
            Some(operation) => Err(format!(
                "node {} applies {}, which was not to be",
                step.node,
                named(*operation)
            )),
        }
    }
}

fn named(operation: u64) -> String {
    format!("operation {} of client {}", operation & 0xffff_ffff, operation >> 32)
}
