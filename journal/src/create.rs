//! Whether an opening may make a journal.
//!
//! The making is left to `recover`. Claim kept: who must not go on without a journal has a word for
//! that, and who must not replace one, too.

/// Whether a journal that is not there is made. Complete by its nature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Create {
    /// Make it when the directory is missing or empty, with the directories above it. This cannot
    /// tell a journal that was lost from one that never was.
    IfMissing,
    /// Refuse: whoever expects promises in a journal must not go on without them.
    Never,
    /// Make it as [`Create::IfMissing`] does, and refuse where there is one.
    New,
}
