//! Who looks on while a history is read, and may end it.
//!
//! What is looked at, and when, is left to the readers.

/// Is asked at times while a history is read, with the bytes that it holds; an answer of
/// `false` ends the reading.
pub type Watch<'a> = &'a mut dyn FnMut(usize) -> bool;

/// How many events pass between two looks at the budget: some milliseconds.
pub(super) const EVENTS_PER_LOOK: u64 = 1024;
