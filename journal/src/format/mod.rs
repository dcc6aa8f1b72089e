//! What is on the disk, byte by byte: names, headers, frames, records.
//!
//! When it is written is left to `write`, what a bad byte means to `recover` and `read`.

pub(crate) mod frame;
pub(crate) mod identity;
pub(crate) mod names;
pub(crate) mod position;
pub(crate) mod records;
pub(crate) mod records_iter;
pub(crate) mod segment;
