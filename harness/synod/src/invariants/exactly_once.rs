//! ExactlyOnce: no operation changes the state twice, however often it was retried and where.

use super::Invariant;
use crate::step::Step;

/// Looks at what the state machine noticed.
pub(super) struct ExactlyOnce;

impl Invariant for ExactlyOnce {
    fn name(&self) -> &'static str {
        "exactly-once"
    }

    fn on_step(&mut self, step: &Step<'_>) -> Result<(), String> {
        match step.replica.executor().machine().applied_twice() {
            None => Ok(()),
            Some(operation) => {
                let (client, number) = (operation >> 32, operation & 0xffff_ffff);
                Err(format!(
                    "node {} applied operation {number} of client {client} twice",
                    step.node
                ))
            }
        }
    }
}
