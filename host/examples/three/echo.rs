//! A state machine without a state: it answers a question with the question.

use bytes::Bytes;
use synod_host::api::{Invalid, StateMachine};

pub(crate) struct Echo;

impl StateMachine for Echo {
    fn validate(&self, _: &[u8]) -> Result<(), Invalid> {
        Ok(())
    }
    fn apply(&mut self, _: &[u8]) -> Bytes {
        Bytes::new()
    }
    fn query(&self, query: &[u8]) -> Bytes {
        Bytes::copy_from_slice(query)
    }
    fn digest(&self) -> u64 {
        0
    }
}
