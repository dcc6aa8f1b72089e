//! What every frame of the journal repeats about the acceptor: its life, and its promise.
//!
//! The journal carries these bytes and never reads them. A life is durable before anything leaves
//! the node, and no two lives of one journal have the same number; that is all that the core needs
//! to tell its proofs, and its peers to tell a restart, apart.

use synod_journal::HardState;
use synod_paxos::{Ballot, NodeId};

/// The state that survives even where records are damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NodeHardState {
    /// Which start of the node this is, counted from 1; 0 before the first.
    pub(crate) incarnation: u64,
    /// The highest ballot promised.
    pub(crate) promised: Ballot,
}

impl NodeHardState {
    /// Reads what a journal says; all zeros is a journal that was never written.
    ///
    /// Returns none if another version wrote it.
    pub(crate) fn decode(state: HardState) -> Option<Self> {
        let bytes = state.0;
        if bytes == HardState::default().0 {
            return Some(Self { incarnation: 0, promised: Ballot::ZERO });
        }
        // Bytes beyond what this version writes mean something to the one that wrote them.
        if bytes[0] != VERSION || bytes[19..].iter().any(|byte| *byte != 0) {
            return None;
        }
        let number = |at: usize| {
            u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes were cut"))
        };
        let node = NodeId::new(u16::from_le_bytes([bytes[17], bytes[18]]));
        Some(Self { incarnation: number(1), promised: Ballot::new(number(9), node) })
    }

    pub(crate) fn encode(self) -> HardState {
        let mut bytes = HardState::default().0;
        bytes[0] = VERSION;
        bytes[1..9].copy_from_slice(&self.incarnation.to_le_bytes());
        bytes[9..17].copy_from_slice(&self.promised.round().to_le_bytes());
        bytes[17..19].copy_from_slice(&self.promised.node().number().to_le_bytes());
        HardState(bytes)
    }
}

const VERSION: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_reads_back_as_it_was_written() {
        let first = NodeHardState { incarnation: 0, promised: Ballot::ZERO };
        assert_eq!(NodeHardState::decode(HardState::default()), Some(first));
        let promised = Ballot::new(0x0102_0304_0506_0708, NodeId::new(0x0a0b));
        let life = NodeHardState { incarnation: 3, promised };
        assert_eq!(NodeHardState::decode(life.encode()), Some(life));
        assert_eq!(
            life.encode().0[..19],
            [1, 3, 0, 0, 0, 0, 0, 0, 0, 8, 7, 6, 5, 4, 3, 2, 1, 11, 10]
        );
    }

    #[test]
    fn another_version_is_not_misread() {
        let mut state = NodeHardState { incarnation: 3, promised: Ballot::ZERO }.encode();
        state.0[0] = 2;
        assert_eq!(NodeHardState::decode(state), None);
        state.0[0] = 1;
        state.0[31] = 1;
        assert_eq!(NodeHardState::decode(state), None);
    }
}
