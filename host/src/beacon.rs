//! The beacon: what is said for a node whose loop is held up by its state machine.
//!
//! A command or a question may take its machine seconds, and the loop that applies it sends no
//! heartbeat meanwhile. Whoever runs a host has a thread beside the loop that asks the beacon:
//! while a turn is long it repeats the node's last heartbeat, so that its peers know it for alive.
//! A repeated message is one that the network has doubled, which no rule of safety minds; and a
//! heartbeat carries no vote and confirms no read. What a turn does is left to the host.
//!
//! The claim kept true: nothing is repeated but the last heartbeat, nothing between two turns,
//! nothing for longer than [`HELD_UP_MAX`], and nothing of a node that was told to end.

use std::time::Duration;

use bytes::Bytes;
use synod_clock::Moment;

/// For how long one turn may hold up its node before its peers may take it for dead: a machine that
/// needs longer may never come back, and somebody else had better lead.
pub const HELD_UP_MAX: Duration = Duration::from_secs(30);

/// Says again, while a turn is long, what a node said last.
#[derive(Clone, Debug)]
pub struct Beacon {
    period: Duration,
    /// The last heartbeat; none before the first.
    said: Option<Bytes>,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The loop is free and speaks for itself.
    Free,
    /// A turn runs.
    Turn {
        /// When it is too long.
        until: Moment,
        /// When the heartbeat is due again.
        due: Moment,
    },
    /// The node was told to end.
    Ended,
}

impl Beacon {
    /// Makes the beacon of a node that sends a heartbeat each `period`.
    #[must_use]
    pub const fn new(period: Duration) -> Self {
        Self { period, said: None, phase: Phase::Free }
    }

    /// Takes in the heartbeat that the node sends.
    pub fn on_heartbeat(&mut self, bytes: Bytes) {
        self.said = Some(bytes);
    }

    /// Takes note that a turn begins. The last heartbeat is at most a period old.
    pub fn on_turn(&mut self, now: Moment) {
        if self.phase != Phase::Ended {
            self.phase = Phase::Turn { until: now + HELD_UP_MAX, due: now + self.period };
        }
    }

    /// Takes note that the turn is over.
    pub fn on_turn_end(&mut self) {
        if self.phase != Phase::Ended {
            self.phase = Phase::Free;
        }
    }

    /// Takes note that the node was told to end: others shall not wait for it.
    pub fn end(&mut self) {
        self.phase = Phase::Ended;
    }

    /// Tells whether a turn has run for so long that the node does not speak for itself.
    #[must_use]
    pub fn is_held_up(&self, now: Moment) -> bool {
        matches!(self.phase, Phase::Turn { due, .. } if now >= due)
    }

    /// Returns what is to be sent to every peer at this moment, if anything is.
    pub fn on_time(&mut self, now: Moment) -> Option<Bytes> {
        let Phase::Turn { until, due } = self.phase else { return None };
        if now < due || now >= until {
            return None;
        }
        self.phase = Phase::Turn { until, due: now + self.period };
        self.said.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_millis(40);
    const BEAT: Bytes = Bytes::from_static(b"beat");

    fn ms(ms: u64) -> Moment {
        Moment::ORIGIN + Duration::from_millis(ms)
    }

    fn in_a_turn() -> Beacon {
        let mut beacon = Beacon::new(PERIOD);
        beacon.on_heartbeat(BEAT);
        beacon.on_turn(ms(100));
        beacon
    }

    #[test]
    fn a_long_turn_repeats_the_last_heartbeat_once_a_period() {
        let mut beacon = in_a_turn();
        assert_eq!(beacon.on_time(ms(139)), None, "the loop may still speak for itself");
        let said: Vec<u64> =
            (140..300).filter(|at| beacon.on_time(ms(*at)) == Some(BEAT)).collect();
        assert_eq!(said, [140, 180, 220, 260]);
        beacon.on_turn_end();
        assert_eq!(beacon.on_time(ms(400)), None);
        beacon.on_heartbeat(Bytes::from_static(b"later"));
        beacon.on_turn(ms(500));
        assert_eq!(beacon.on_time(ms(540)), Some(Bytes::from_static(b"later")));
    }

    #[test]
    fn a_turn_past_the_bound_is_silent() {
        let mut beacon = in_a_turn();
        let end = 100 + u64::try_from(HELD_UP_MAX.as_millis()).unwrap_or(u64::MAX);
        assert_eq!(beacon.on_time(ms(end - 1)), Some(BEAT));
        assert_eq!(beacon.on_time(ms(end + 1_000)), None);
    }

    #[test]
    fn a_node_that_was_told_to_end_is_silent_for_good() {
        let mut beacon = in_a_turn();
        beacon.end();
        assert_eq!(beacon.on_time(ms(200)), None);
        beacon.on_turn_end();
        beacon.on_turn(ms(300));
        assert_eq!(beacon.on_time(ms(400)), None);
    }

    #[test]
    fn nothing_is_said_before_the_first_heartbeat() {
        let mut beacon = Beacon::new(PERIOD);
        beacon.on_turn(ms(0));
        assert_eq!(beacon.on_time(ms(80)), None);
    }
}
