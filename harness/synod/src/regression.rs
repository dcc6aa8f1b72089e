//! RegressionSeed seeds: plans that once failed, with the reason, as the folder `harness/seeds`
//! holds them.
//!
//! The plan is kept whole, because the same seed draws another plan once the drawing changes.

use serde::{Deserialize, Serialize};
use synod_simulator::Plan;

/// A plan that failed once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegressionSeed {
    /// What failed, and why, in one line.
    pub reason: String,
    /// The plan.
    pub plan: Plan,
}

impl RegressionSeed {
    /// Reads what [`RegressionSeed::to_json`] wrote.
    ///
    /// # Errors
    ///
    /// Fails with the place and the reason.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// Writes it down.
    ///
    /// # Panics
    ///
    /// Never: it is plain data.
    #[must_use]
    pub fn to_json(&self) -> String {
        let text = serde_json::to_string_pretty(self).expect("plain data can be written down");
        text + "\n"
    }
}
