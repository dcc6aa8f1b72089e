//! What a run amounted to, in numbers.
//!
//! Who counts is left to `world` and `run`.

/// What a run amounted to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunTally {
    /// Events of all kinds.
    pub events: u64,
    /// Steps of nodes, as the system counts them.
    pub steps: u64,
    /// Messages sent.
    pub sent: u64,
    /// Messages that never came.
    pub lost: u64,
    /// Messages that came twice.
    pub doubled: u64,
    /// Processes that ended without a word.
    pub crashes: u64,
    /// Nodes that will never start again.
    pub ruined: u64,
    /// Faults that had an effect.
    pub effective: u64,
}
