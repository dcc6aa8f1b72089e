//! Retries: how long a refused client waits before it tries again.
//!
//! The wait doubles, and half of it is jitter, so that the many who were refused together do not
//! come back together. The claim kept true: a client that finds no leader asks at least every
//! [`RETRY_MS_MAX`], so that it meets a new one soon after its election.

/// How long to wait at first where no leader is known, in milliseconds.
pub const NO_LEADER_MS: u64 = 15;

/// How long to wait at most where no leader is known, in milliseconds.
pub const RETRY_MS_MAX: u64 = 100;

/// How many times the wait that an overloaded node asks for a client waits at most.
pub const OVERLOAD_GROWTH_MAX: u64 = 8;

/// The refusals of one operation in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Retries {
    /// How many waits there were.
    waits: u32,
    /// How many hints were followed at once since the last wait.
    hints: u32,
}

impl Retries {
    pub(super) const NONE: Self = Self { waits: 0, hints: 0 };

    /// Tells whether the node that was named is to be asked at once, in a cluster of so many. Nodes
    /// that send a client in a circle do not know the leader.
    pub(super) fn follows_hint(&mut self, nodes: usize) -> bool {
        self.hints = self.hints.saturating_add(1);
        self.hints as usize <= nodes
    }

    /// Returns how long to wait after a refusal, in milliseconds.
    pub(super) fn after_refusal(&mut self, draw: u64, first_ms: u64) -> u64 {
        self.wait(draw, first_ms, RETRY_MS_MAX)
    }

    /// Returns how long to wait where a node has too much to do and asks for `asked_ms`.
    pub(super) fn after_overload(&mut self, draw: u64, asked_ms: u64) -> u64 {
        // The jitter comes on top: nobody is back sooner than was asked.
        let asked = asked_ms.max(1);
        let more = self.wait(draw, asked, asked.saturating_mul(OVERLOAD_GROWTH_MAX - 1));
        asked.saturating_add(more)
    }

    /// Returns a wait between half of what is due and all of it.
    fn wait(&mut self, draw: u64, first_ms: u64, most_ms: u64) -> u64 {
        let doubled = first_ms.saturating_mul(1 << self.waits.min(DOUBLINGS_MAX));
        let due = doubled.min(most_ms).max(1);
        self.waits = self.waits.saturating_add(1);
        self.hints = 0;
        let wait = due - draw % (due / 2 + 1);
        assert!(wait <= most_ms.max(1), "a wait is longer than it may be");
        wait
    }
}

/// More doublings than this change nothing.
const DOUBLINGS_MAX: u32 = 16;
