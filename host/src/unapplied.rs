//! The state machine of those who look at a journal: what commands do is not asked.
//!
//! It leaves the judgement of the journal to `recovery`. Claim kept: no command can be refused by
//! it, and none changes it, so that whatever machine a journal is of, its records are read alike.

use bytes::Bytes;
use synod_smr::{Invalid, StateMachine};

/// A state machine that takes every command and does nothing.
pub(crate) struct Unapplied;

impl StateMachine for Unapplied {
    fn validate(&self, _: &[u8]) -> Result<(), Invalid> {
        Ok(())
    }

    fn apply(&mut self, _: &[u8]) -> Bytes {
        Bytes::new()
    }

    fn query(&self, _: &[u8]) -> Bytes {
        Bytes::new()
    }

    fn digest(&self) -> u64 {
        0
    }
}
