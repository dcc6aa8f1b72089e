//! By what the nodes of a system show that they serve: their status, or their ports, or nothing.
//!
//! Looking at them is left to `heal`. The claim kept true: where nodes show nothing by themselves,
//! that is known, and is never taken for serving.

use synod_fault::NodeId;

use super::readiness::Ready;
use super::status::StatusFields;

/// By what nodes show that they serve.
#[derive(Clone, Copy, Debug)]
pub struct Signs<'a> {
    /// What their status tells.
    pub told: StatusFields,
    /// How they are asked where they tell no status.
    pub ready: &'a Ready,
    /// Where each serves clients.
    pub ports: &'a [(NodeId, String)],
}

impl Signs<'_> {
    /// Returns whether each node is asked by itself.
    #[must_use]
    pub fn are_of_nodes(&self) -> bool {
        self.told.are_any() || self.ready.needs_tcp()
    }
}
