//! The state machine: what the user of the toolkit writes.
//!
//! Each replica runs one, and feeds it the same commands in the same order (Lamport, "Time, Clocks,
//! and the Ordering of Events in a Distributed System", 1978; Schneider, 1990). The claim that its
//! author must keep true: [`StateMachine::apply`] depends on nothing but the state and the command.

use crate::snapshot::{NoSnapshot, RestoreError, SnapshotPieces, SnapshotView};
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
/// use synod_smr::testing::{CommandRun, check};
/// use synod_smr::{
///     Invalid, NoSnapshot, RestoreError, SnapshotPieces, SnapshotView, StateMachine,
/// };
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
///     fn snapshot(&self) -> Result<SnapshotView, NoSnapshot> {
///         Ok(SnapshotView::whole(self.query(&[])))
///     }
///     fn restore(&mut self, snapshot: &mut SnapshotPieces<'_>) -> Result<(), RestoreError> {
///         self.0 = u64::from_le_bytes(snapshot.take_array()?);
///         snapshot.end()
///     }
/// }
/// assert_eq!(Counter::default().apply(&[3])[0], 3);
/// check(Counter::default, &[CommandRun::drawn(1, 30, |draw| vec![draw.byte()])])?;
/// # Ok::<(), synod_smr::testing::Flaw>(())
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

    /// Returns the state of this moment, as a view that is read later, on another thread, while
    /// commands go on. A machine that does not have it gives none, and its log is kept whole.
    ///
    /// The bytes follow from the commands applied alone, as the state does. A small state is
    /// written out at once: [`SnapshotView::whole`]. [`Self::restore`] reads what this returns, in
    /// any later version as well: begin it with a number for its format.
    ///
    /// # Errors
    ///
    /// Fails where the machine gives no snapshots.
    fn snapshot(&self) -> Result<SnapshotView, NoSnapshot> {
        Err(NoSnapshot)
    }

    /// Becomes the state of a snapshot, whatever the state was: nothing of that is left.
    ///
    /// What follows, replies and digests, is as it would have been without. The bytes are those of
    /// [`Self::snapshot`] on this node or another, cut anywhere.
    ///
    /// # Errors
    ///
    /// Fails where the bytes are no snapshot of this machine. It must not be used then.
    fn restore(&mut self, snapshot: &mut SnapshotPieces<'_>) -> Result<(), RestoreError> {
        let _ = snapshot;
        Err(NoSnapshot.into())
    }
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
