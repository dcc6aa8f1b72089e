//! What it took to reach a verdict.
//!
//! Measured by the checker, judged by nobody. It is written and read as a part of a run's summary.

use serde::{Deserialize, Serialize};

/// What the checker did.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CheckerSummary {
    /// The algorithm.
    pub algorithm: String,
    /// Operations checked.
    pub operations: u64,
    /// Keys checked apart.
    pub keys: u64,
    /// Configurations visited.
    pub configurations: u64,
    /// Time taken, in milliseconds.
    pub millis: u64,
    /// Why the verdict rests on hashes of configurations alone, where it does; none where it is
    /// exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unverified: Option<String>,
}
