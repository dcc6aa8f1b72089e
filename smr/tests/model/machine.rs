//! The state machine of the models: a list of all that was written.
//!
//! Every answer is the whole list, the reply to a write included. So an answer tells exactly which
//! writes its state holds and in which order, and linearizability becomes a matter of prefixes.

use bytes::Bytes;
use synod_smr::{
    Invalid, NoSnapshot, RestoreError, SnapshotPieces, SnapshotView, StateMachine, fingerprint, mix,
};

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Written(Vec<u8>);

impl Written {
    pub(crate) fn list(&self) -> &[u8] {
        &self.0
    }
}

impl StateMachine for Written {
    fn validate(&self, command: &[u8]) -> Result<(), Invalid> {
        if command.len() == 1 { Ok(()) } else { Err(Invalid::new("one byte, please")) }
    }

    fn apply(&mut self, command: &[u8]) -> Bytes {
        self.0.extend_from_slice(command);
        self.query(&[])
    }

    fn query(&self, _: &[u8]) -> Bytes {
        Bytes::copy_from_slice(&self.0)
    }

    fn digest(&self) -> u64 {
        mix(fingerprint(&self.0))
    }

    fn snapshot(&self) -> Result<SnapshotView, NoSnapshot> {
        Ok(SnapshotView::whole(self.0.clone()))
    }

    fn restore(&mut self, snapshot: &mut SnapshotPieces<'_>) -> Result<(), RestoreError> {
        self.0 = snapshot.rest(usize::MAX)?.into();
        Ok(())
    }
}
