//! The limits of a node of the log: what of it may grow, and how far.
//!
//! They are settings, so that a test or a simulation can make them so small that they bind. No rule
//! of safety depends on them, and nodes with other limits work together.

/// The most bytes of decrees in one part of a promise; one larger decree is a part alone.
pub const PROMISE_BYTES_MAX: usize = 1 << 20;

/// How many parts of a promise are on their way at once, asked for by one Prepare. Parts of one
/// decree of a little more than a mebibyte fit the transport's queue for what is long.
pub const PROMISE_PARTS_MAX: u32 = 7;

/// The bytes of decrees in slots that are not known to be chosen, at which a leader opens no
/// further slot and an acceptor votes in none.
pub const UNCHOSEN_BYTES_MAX: usize = 64 << 20;

/// The bytes of records on their way to the disk at which a node votes and copies no more.
pub const UNSYNCED_BYTES_MAX: usize = 64 << 20;

/// How far the parts of a node of the log may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LogLimits {
    /// The most bytes of decrees in one part of a promise; one larger decree is a part alone.
    pub promise_bytes: usize,
    /// How many parts of a promise one Prepare brings. A candidate asks for more once so many came;
    /// one that expects more than its voters send asks when it resends.
    pub promise_parts: u32,
    /// The bytes of decrees in slots not known to be chosen. A leader opens a slot only below it,
    /// unless none is open, and an acceptor votes in a further slot only below it, unless it is
    /// the first that it does not know to be chosen; so one decree may pass it.
    pub unchosen_bytes: usize,
    /// The bytes of records on their way to the disk. A node with so many takes no votes, copies
    /// or proposals on until a sync; promises are short, and always taken.
    pub unsynced_bytes: usize,
}

impl LogLimits {
    /// The limits of a node that serves.
    pub const DEFAULT: Self = Self {
        promise_bytes: PROMISE_BYTES_MAX,
        promise_parts: PROMISE_PARTS_MAX,
        unchosen_bytes: UNCHOSEN_BYTES_MAX,
        unsynced_bytes: UNSYNCED_BYTES_MAX,
    };
}

impl Default for LogLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
