//! How much the table of sessions may hold, in all and for one principal.
//!
//! The limits decide who is evicted, and so they are part of the replicated rule: all nodes of a
//! cluster have the same ones, or their states come apart.

use super::KeptReply;

/// The most sessions; one more evicts another.
pub const SESSIONS_MAX: usize = 100_000;

/// The most sessions of one principal.
pub const SESSIONS_PER_PRINCIPAL_MAX: usize = 50_000;

/// The most bytes that all sessions take, with the replies that they keep.
pub const TABLE_BYTES_MAX: usize = 256 << 20;

/// The most bytes that the sessions of one principal take.
pub const TABLE_BYTES_PER_PRINCIPAL_MAX: usize = 128 << 20;

/// The longest reply that is kept for repetitions.
pub const KEPT_REPLY_BYTES_MAX: usize = 64 << 10;

/// What a session takes besides its replies, rounded up.
pub const SESSION_BYTES: usize = 256;

/// What a kept reply takes besides its own bytes, rounded up.
pub const KEPT_BYTES: usize = 96;

/// How much the table of sessions may hold; equal on all nodes of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionLimits {
    /// The most sessions.
    pub sessions: usize,
    /// The most sessions of one principal.
    pub sessions_per_principal: usize,
    /// The most bytes of all sessions.
    pub bytes: usize,
    /// The most bytes of one principal's sessions.
    pub bytes_per_principal: usize,
    /// The longest reply that is kept.
    pub kept_reply_bytes: usize,
}

impl SessionLimits {
    /// Those for whoever reads the state of a table whose limits he does not know, and lets go of
    /// its sessions: a table that evicts nobody.
    pub const UNBOUNDED: Self = Self {
        sessions: usize::MAX,
        sessions_per_principal: usize::MAX,
        bytes: usize::MAX,
        bytes_per_principal: usize::MAX,
        kept_reply_bytes: usize::MAX,
    };

    /// Returns what is kept of a reply.
    pub(super) fn kept(&self, reply: KeptReply) -> KeptReply {
        match reply {
            KeptReply::Whole(whole) if whole.len() > self.kept_reply_bytes => KeptReply::Lost,
            KeptReply::Whole(_) | KeptReply::Lost | KeptReply::TooLong => reply,
        }
    }
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self {
            sessions: SESSIONS_MAX,
            sessions_per_principal: SESSIONS_PER_PRINCIPAL_MAX,
            bytes: TABLE_BYTES_MAX,
            bytes_per_principal: TABLE_BYTES_PER_PRINCIPAL_MAX,
            kept_reply_bytes: KEPT_REPLY_BYTES_MAX,
        }
    }
}
