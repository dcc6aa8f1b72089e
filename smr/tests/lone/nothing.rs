//! A machine without a state, for tests of a lone replica.

use bytes::Bytes;
use synod_smr::{Invalid, StateMachine};

/// A machine that any command leaves as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Nothing;

impl StateMachine for Nothing {
    fn validate(&self, _: &[u8]) -> Result<(), Invalid> {
        Ok(())
    }

    fn apply(&mut self, _: &[u8]) -> Bytes {
        Bytes::new()
    }

    fn query(&self, _: &[u8]) -> Bytes {
        Bytes::from_static(b"answer")
    }

    fn digest(&self) -> u64 {
        0
    }
}
