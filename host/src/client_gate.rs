//! The gate between a crowded leader and its clients.
//!
//! A request that is refused because too much waits has crossed the network for nothing, and comes
//! again: with long values that is all that a crowded leader would do. So a shell hands over
//! nothing of clients while the gate is shut; its inbox fills, its streams are not read, and QUIC
//! holds the clients back. The claim kept true: a gate is shut only while the leader gets on, or
//! for [`CLIENTS_HELD_BACK_MAX`], so that clients of one that does not are refused and ask
//! elsewhere.

use std::time::Duration;

use synod_clock::Moment;
use synod_paxos::Slot;

/// Whether clients are heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ClientGate {
    /// They are.
    #[default]
    Open,
    /// They are not, until then, or until more than these slots is chosen.
    Shut { until: Moment, chosen: Slot },
    /// They are, although the leader is crowded: nothing was chosen for too long.
    Yielding { chosen: Slot },
}

impl ClientGate {
    /// Takes note of how the leader is doing.
    pub(crate) fn look(&mut self, now: Moment, is_crowded: bool, chosen: Slot) {
        let shut = Self::Shut { until: now + CLIENTS_HELD_BACK_MAX, chosen };
        *self = match *self {
            _ if !is_crowded => Self::Open,
            Self::Open => shut,
            Self::Shut { chosen: then, .. } | Self::Yielding { chosen: then } if chosen > then => {
                shut
            }
            Self::Shut { until, chosen } if now >= until => Self::Yielding { chosen },
            as_before @ (Self::Shut { .. } | Self::Yielding { .. }) => as_before,
        };
    }

    /// Tells whether what clients say is taken in by a leader that is crowded at this instant.
    pub(crate) const fn hears(&self, is_crowded: bool) -> bool {
        !is_crowded || matches!(self, Self::Yielding { .. })
    }

    /// Returns when the gate opens by itself.
    pub(crate) const fn opens_at(&self) -> Option<Moment> {
        match self {
            Self::Shut { until, .. } => Some(*until),
            Self::Open | Self::Yielding { .. } => None,
        }
    }
}

/// The longest time for which clients of a leader are held back that gets nothing chosen: a disk
/// may take as long for one sync.
pub const CLIENTS_HELD_BACK_MAX: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Moment {
        Moment::from_nanos(ms * 1_000_000)
    }

    fn look(gate: &mut ClientGate, ms: u64, is_crowded: bool, chosen: u64) -> bool {
        gate.look(at(ms), is_crowded, Slot::new(chosen));
        gate.hears(is_crowded)
    }

    #[test]
    fn a_crowd_shuts_the_gate_and_its_end_opens_it() {
        let mut gate = ClientGate::default();
        assert!(look(&mut gate, 0, false, 1));
        assert!(!gate.hears(true), "within a turn, too");
        assert!(!look(&mut gate, 10, true, 1));
        assert_eq!(gate.opens_at(), Some(at(1_010)));
        assert!(look(&mut gate, 20, false, 1));
        assert_eq!(gate.opens_at(), None);
    }

    #[test]
    fn whoever_gets_on_holds_clients_back_for_as_long_as_it_takes() {
        let mut gate = ClientGate::default();
        let heard = (0..100).any(|turn| look(&mut gate, turn * 900, true, turn));
        assert!(!heard);
    }

    #[test]
    fn whoever_does_not_get_on_hears_its_clients_until_it_does() {
        let mut gate = ClientGate::default();
        assert!(!look(&mut gate, 0, true, 1));
        assert!(!look(&mut gate, 999, true, 1));
        assert!(look(&mut gate, 1_000, true, 1));
        assert_eq!(gate.opens_at(), None, "it is woken once");
        assert!(look(&mut gate, 9_000, true, 1));
        assert!(!look(&mut gate, 9_001, true, 2));
        assert_eq!(gate.opens_at(), Some(at(10_001)));
    }
}
