//! From a commit to bytes that are synced, on the caller's thread or on one of its own.
//!
//! What the bytes are is left to `format`. Claim kept: a commit is complete after a sync that
//! covers it, and after an error none is.

pub(crate) mod commit;
pub(crate) mod committer;
pub(crate) mod draft;
pub(crate) mod group_commit;
pub(crate) mod journal;
pub(crate) mod next_segment;
pub(crate) mod queue;
pub(crate) mod spare;
