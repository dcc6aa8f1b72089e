//! What became of a plan's faults: when each really came and went, and what it did.
//!
//! It depends on the machine, so it is no part of the plan. The injector writes it down, the
//! verdict asks whether every planned fault is there and had an effect.

use serde::{Deserialize, Serialize};
use synod_report::FaultSpan;

/// A planned fault as it really happened: one entry of `schedule.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InjectedFault {
    /// The fault's position in the plan.
    pub planned: usize,
    /// When it came and went, and what it did.
    pub span: FaultSpan,
    /// Whether other faults had done to all its nodes what it does, so that nothing was left to do.
    #[serde(default)]
    pub overshadowed: bool,
    /// What its witnesses saw that it cannot have done, one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refuted: Vec<String>,
}
