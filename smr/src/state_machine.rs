//! The state machine: what the user of the toolkit writes.
//!
//! Each replica runs one, and feeds it the same commands in the same order (Lamport, "Time, Clocks,
//! and the Ordering of Events in a Distributed System", 1978; Schneider, 1990). The claim that its
//! author must keep true: [`StateMachine::apply`] depends on nothing but the state and the command.

use bytes::Bytes;
use std::fmt;

/// The longest reply that a client can be given: a value of 1 MiB, a key, and their framing.
///
/// With the header of a response it fits a client's frame of the transport, which takes 64 KiB past
/// 1 MiB.
pub const REPLY_BYTES_MAX: usize = (1 << 20) + (48 << 10);

/// A deterministic service, replicated.
///
/// While it applies or answers, its node does nothing else. A node of this project tells its peers
/// meanwhile that it is alive, for 30 s; a cluster whose machine takes longer changes its leader.
///
/// ```
/// use bytes::Bytes;
/// use synod_smr::{Invalid, StateMachine};
///
/// /// Counts; a command adds one byte's worth.
/// #[derive(Clone, Debug, Default)]
/// struct Counter(u64);
///
/// impl StateMachine for Counter {
///     fn validate(&self, command: &[u8]) -> Result<(), Invalid> {
///         if command.len() == 1 { Ok(()) } else { Err(Invalid::new("one byte, please")) }
///     }
///     fn apply(&mut self, command: &[u8]) -> Bytes {
///         self.0 = self.0.wrapping_add(u64::from(command[0]));
///         self.query(&[])
///     }
///     fn query(&self, _: &[u8]) -> Bytes {
///         Bytes::copy_from_slice(&self.0.to_le_bytes())
///     }
///     fn digest(&self) -> u64 {
///         self.0
///     }
/// }
/// assert_eq!(Counter::default().apply(&[3])[0], 3);
/// ```
pub trait StateMachine {
    /// Keeps out of the log what cannot be applied. The leader asks; it may look at the state, but
    /// the state may be another one when the command is applied.
    ///
    /// # Errors
    ///
    /// Fails with what the client did wrong.
    fn validate(&self, command: &[u8]) -> Result<(), Invalid>;

    /// Applies a command that passed [`Self::validate`] at some leader, and returns the reply.
    ///
    /// Total and deterministic: no clock, no randomness, no iteration over hash maps. A reply of
    /// more than [`REPLY_BYTES_MAX`] bytes reaches nobody: the command is applied, and its client
    /// is told [`ReplyTooLong`](crate::Refusal::ReplyTooLong).
    fn apply(&mut self, command: &[u8]) -> Bytes;

    /// Answers a question without changing anything. An answer of more than [`REPLY_BYTES_MAX`]
    /// bytes reaches nobody: its client is told [`ReplyTooLong`](crate::Refusal::ReplyTooLong).
    fn query(&self, query: &[u8]) -> Bytes;

    /// Returns a number that tells different states apart; replicas compare it. It is asked for
    /// with every heartbeat, so it should be kept up to date as the state changes.
    fn digest(&self) -> u64;
}

/// Says what is wrong with a command; the client's fault.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Invalid(String);

impl Invalid {
    /// The most bytes of the reason that are kept.
    pub const REASON_BYTES_MAX: usize = 256;

    /// Makes the refusal with this reason, cut to [`Self::REASON_BYTES_MAX`].
    #[must_use]
    pub fn new(reason: impl Into<String>) -> Self {
        let mut reason = reason.into();
        let mut end = reason.len().min(Self::REASON_BYTES_MAX);
        // A letter is kept whole or not at all.
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        reason.truncate(end);
        Self(reason)
    }

    /// Returns the reason.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl std::error::Error for Invalid {}
