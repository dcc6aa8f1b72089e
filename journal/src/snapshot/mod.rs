//! Snapshots beside the log: what stands for the entries that are forgotten.
//!
//! What is in a snapshot and which entries it stands for is left to the owner, who also says in his
//! own log that one is there, and only then forgets. Claims kept: a snapshot is reported only when
//! no power loss can take it, an older one is there until then, and no byte of one is given out
//! that is not as it was written.
//!
#![doc = include_str!("layout.md")]

pub(crate) mod error;
pub(crate) mod folder;
pub(crate) mod format;
pub(crate) mod manifest;
pub(crate) mod read;
pub(crate) mod recover;
pub(crate) mod store;
pub(crate) mod survey;
pub(crate) mod write;
