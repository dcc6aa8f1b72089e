//! How much waits somewhere, beside how much may.
//!
//! Who counts it is left to `observe.rs`, and to the host and the node for their own queues.

/// What waits in one queue, and the bound of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue {
    /// What waits, in lower case, such as `reads`; what is counted in bytes says so.
    pub name: &'static str,
    /// How much waits.
    pub depth: u64,
    /// How much may.
    pub bound: u64,
}

impl Queue {
    /// Puts a depth beside its bound.
    #[must_use]
    pub const fn new(name: &'static str, depth: usize, bound: usize) -> Self {
        Self { name, depth: depth as u64, bound: bound as u64 }
    }
}
