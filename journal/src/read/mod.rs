//! From bytes on the disk to records: frame after frame, or from any record on.
//!
//! What is done about a bad frame is left to `recover`.

pub(crate) mod gaps;
pub(crate) mod index;
pub(crate) mod reader;
pub(crate) mod scan;
