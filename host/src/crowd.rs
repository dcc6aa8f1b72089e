//! A crowded leader, and whether it hears its clients.
//!
//! A request that is refused because too much waits has crossed the network for nothing, and comes
//! again: with long values that is all that a crowded leader would do. So a shell hands over
//! nothing of clients while they are held back; its inbox fills, its streams are not read, and QUIC
//! holds the clients back. The claim kept true: clients are held back only while the leader gets
//! on, or for [`CLIENTS_HELD_BACK_MAX`] and a round of its quorum, so that those of one that does
//! not are refused and ask elsewhere.

use std::time::Duration;

use synod_clock::Moment;
use synod_paxos::Slot;

/// Whether clients are heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Crowd {
    /// They are: there is none.
    #[default]
    None,
    /// They are not, until then, or until more than these slots is chosen.
    HeldBack { until: Moment, chosen: Slot },
    /// They are, although the leader is crowded: nothing was chosen for too long.
    HeardAgain { chosen: Slot },
}

impl Crowd {
    /// Takes note of how the leader is doing, whose quorum takes so long for a round.
    pub(crate) fn look(&mut self, now: Moment, is_crowded: bool, chosen: Slot, round: Duration) {
        // Where nothing is chosen the moment stays as it was set: a round is measured as longer and
        // longer then, and a moment that moved with it would never come.
        let held_back = Self::HeldBack { until: now + CLIENTS_HELD_BACK_MAX + round, chosen };
        *self = match *self {
            _ if !is_crowded => Self::None,
            Self::None => held_back,
            Self::HeldBack { chosen: then, .. } | Self::HeardAgain { chosen: then }
                if chosen > then =>
            {
                held_back
            }
            Self::HeldBack { until, chosen } if now >= until => Self::HeardAgain { chosen },
            as_before @ (Self::HeldBack { .. } | Self::HeardAgain { .. }) => as_before,
        };
    }

    /// Tells whether what clients say is taken in by a leader that is crowded at this instant.
    pub(crate) const fn hears(&self, is_crowded: bool) -> bool {
        !is_crowded || matches!(self, Self::HeardAgain { .. })
    }

    /// Returns when clients are heard again whatever happens.
    pub(crate) const fn heard_at(&self) -> Option<Moment> {
        match self {
            Self::HeldBack { until, .. } => Some(*until),
            Self::None | Self::HeardAgain { .. } => None,
        }
    }
}

/// The longest time for which clients of a leader are held back that gets nothing chosen, beside
/// what its quorum takes for a round, as measured: a disk of which nothing is known yet may take as
/// long for one sync.
pub const CLIENTS_HELD_BACK_MAX: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Moment {
        Moment::from_nanos(ms * 1_000_000)
    }

    fn look(crowd: &mut Crowd, ms: u64, is_crowded: bool, chosen: u64) -> bool {
        crowd.look(at(ms), is_crowded, Slot::new(chosen), Duration::ZERO);
        crowd.hears(is_crowded)
    }

    #[test]
    fn whoever_takes_long_for_a_round_is_given_that_time_too() {
        let mut crowd = Crowd::default();
        crowd.look(at(0), true, Slot::new(1), Duration::from_secs(3));
        assert_eq!(crowd.heard_at(), Some(at(4_000)));
        // It gets on slowly, and hears nobody meanwhile.
        crowd.look(at(3_000), true, Slot::new(2), Duration::from_secs(3));
        assert_eq!(crowd.heard_at(), Some(at(7_000)));
        // What it takes is fixed when it last got on: a disk that hangs seems slower and slower.
        crowd.look(at(7_000), true, Slot::new(2), Duration::from_secs(8));
        assert!(crowd.hears(true));
    }

    #[test]
    fn a_crowd_is_held_back_and_its_end_is_heard() {
        let mut crowd = Crowd::default();
        assert!(look(&mut crowd, 0, false, 1));
        assert!(!crowd.hears(true), "within a turn, too");
        assert!(!look(&mut crowd, 10, true, 1));
        assert_eq!(crowd.heard_at(), Some(at(1_010)));
        assert!(look(&mut crowd, 20, false, 1));
        assert_eq!(crowd.heard_at(), None);
    }

    #[test]
    fn whoever_gets_on_holds_clients_back_for_as_long_as_it_takes() {
        let mut crowd = Crowd::default();
        let heard = (0..100).any(|turn| look(&mut crowd, turn * 900, true, turn));
        assert!(!heard);
    }

    #[test]
    fn whoever_does_not_get_on_hears_its_clients_until_it_does() {
        let mut crowd = Crowd::default();
        assert!(!look(&mut crowd, 0, true, 1));
        assert!(!look(&mut crowd, 999, true, 1));
        assert!(look(&mut crowd, 1_000, true, 1));
        assert_eq!(crowd.heard_at(), None, "it is woken once");
        assert!(look(&mut crowd, 9_000, true, 1));
        assert!(!look(&mut crowd, 9_001, true, 2));
        assert_eq!(crowd.heard_at(), Some(at(10_001)));
    }
}
