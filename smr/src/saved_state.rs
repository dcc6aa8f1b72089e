//! The replicated state of a node as a snapshot: sessions first, then the machine.
//!
//! Where it is kept is the driver's, what the machine's part means the machine's own. The claim
//! kept true: a state that was restored is the one that its description tells of, or it is refused.

use crate::executor::Executor;
use crate::session::{PIPELINE_MAX, SessionLimits, Sessions};
use crate::snapshot::{NoSnapshot, RestoreError, SnapshotPieces, SnapshotView};
use crate::state_machine::{REPLY_BYTES_MAX, StateMachine};
use crate::wire::{StateDescription, decode_session, encode_session};
use bytes::{BufMut, Bytes, BytesMut};

/// Returns how long a session of a snapshot may be: as many replies as may be kept, each as long as
/// a table with these limits keeps any.
fn session_bytes_max(limits: &SessionLimits) -> usize {
    256 + PIPELINE_MAX as usize * (limits.kept_reply_bytes.min(REPLY_BYTES_MAX) + 64)
}

impl<M: StateMachine> Executor<M> {
    /// Returns the state of this moment: what it must come to, and a view of it that is read while
    /// commands go on. The sessions are copied before this returns; their replies are shared.
    ///
    /// # Errors
    ///
    /// Fails where the machine gives no snapshots.
    pub fn snapshot(&self) -> Result<(StateDescription, SnapshotView), NoSnapshot> {
        let machine = self.machine().snapshot()?;
        let sessions: Vec<_> = self.sessions().saved().collect();
        let description = StateDescription {
            slot: self.applied(),
            chain: self.chain(),
            sessions: sessions.len() as u64,
            digest: self.digest(),
        };
        let sessions = sessions.into_iter().map(|session| framed(&encode_session(&session)));
        Ok((description, SnapshotView::pieces(sessions.chain(machine))))
    }

    /// Makes the state of a snapshot out of a machine in any state.
    ///
    /// # Errors
    ///
    /// Fails where the bytes are not of this description, or of another machine.
    pub fn restore(
        mut machine: M,
        limits: SessionLimits,
        description: &StateDescription,
        pieces: &mut SnapshotPieces<'_>,
    ) -> Result<Self, RestoreError> {
        let mut sessions = Sessions::new(limits);
        let bytes_max = session_bytes_max(&limits);
        for _ in 0..description.sessions {
            let session = decode_session(&session_in(pieces, bytes_max)?).map_err(malformed)?;
            sessions.take_back(session).map_err(malformed)?;
        }
        machine.restore(pieces)?;
        pieces.end()?;
        let StateDescription { slot, chain, digest, .. } = *description;
        let state = Self::taken_back(machine, sessions, slot, chain);
        // It covers the machine, the sessions and the log below. What differs here would differ
        // from the other nodes.
        if state.digest() != digest {
            let found = state.digest();
            let reason = format!("its state has digest {found:016x} in place of {digest:016x}");
            return Err(RestoreError::Malformed(reason));
        }
        Ok(state)
    }
}

/// Puts the length before a session.
fn framed(session: &Bytes) -> Bytes {
    let mut framed = BytesMut::with_capacity(4 + session.len());
    framed.put_u32_le(u32::try_from(session.len()).expect("a session is far below 4 GiB"));
    framed.extend_from_slice(session);
    framed.freeze()
}

fn session_in(pieces: &mut SnapshotPieces<'_>, bytes_max: usize) -> Result<Bytes, RestoreError> {
    let length = u32::from_le_bytes(pieces.take_array()?) as usize;
    if length > bytes_max {
        return Err(malformed(format!("a session of {length} bytes")));
    }
    pieces.take(length)
}

fn malformed(reason: impl ToString) -> RestoreError {
    RestoreError::Malformed(reason.to_string())
}
