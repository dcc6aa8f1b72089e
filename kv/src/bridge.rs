//! Speaks line-JSON for many logical clients of the cluster.

mod protocol;
