//! When a client dials a node again, and how long it waits for the answer.
//!
//! What it leaves to others: dialing (`link`). The claim it keeps true: waits and patience grow
//! with each dial that fails, up to a bound, and waits are spread, so that many clients that lost
//! the same node at once do not call it at once, again and again.

use std::time::Duration;

use synod_host::Jitter;

/// The pace of the dials of one node.
#[derive(Debug)]
pub(crate) struct Pace {
    jitter: Jitter,
    /// Dials in a row that brought no connection.
    failures: u32,
}

impl Pace {
    /// Begins as if the last dial had gone well.
    pub(crate) const fn new(jitter: Jitter) -> Self {
        Self { jitter, failures: 0 }
    }

    /// Returns how long the next dial may take. A node that was down when a dial began is not
    /// waited for long; one that has more callers than it can greet at once is.
    pub(crate) fn patience(&self) -> Duration {
        doubled(DIAL_MIN, self.failures, DIAL_MAX)
    }

    /// Takes note that a dial brought a connection.
    pub(crate) const fn on_connected(&mut self) {
        self.failures = 0;
    }

    /// Draws the wait before the next dial: somewhere in the upper half of what the failures so far
    /// call for.
    pub(crate) fn next_wait(&mut self) -> Duration {
        let most = doubled(REDIAL_MIN, self.failures, REDIAL_MAX);
        self.failures = self.failures.saturating_add(1);
        let draw = u32::try_from(self.jitter.next() >> 48).unwrap_or(0);
        // Half of the wait is certain, so that it spares the node, and half is drawn, so that the
        // callers come apart.
        most / 2 + most / 2 * draw / (1 << 16)
    }
}

fn doubled(least: Duration, times: u32, most: Duration) -> Duration {
    least.saturating_mul(1_u32.checked_shl(times).unwrap_or(u32::MAX)).min(most)
}

/// How long the first dial of a node may take.
const DIAL_MIN: Duration = Duration::from_secs(2);

/// How long any dial may take.
const DIAL_MAX: Duration = Duration::from_secs(4);

/// The longest wait after a first failure, or after the end of a connection.
const REDIAL_MIN: Duration = Duration::from_millis(100);

/// The longest wait between two dials of one node.
const REDIAL_MAX: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_and_patience_grow_to_their_bounds_and_begin_anew() {
        let mut pace = Pace::new(Jitter::seeded(7));
        let mut earlier = (Duration::ZERO, Duration::ZERO);
        for failures in 0..40 {
            let now = (pace.patience(), pace.next_wait());
            let most = doubled(REDIAL_MIN, failures, REDIAL_MAX);
            assert!(now.1 >= most / 2 && now.1 <= most, "{now:?} after {failures} failures");
            assert!(now.0 >= earlier.0 && now.0 <= DIAL_MAX);
            earlier = now;
        }
        assert!(earlier.0 == DIAL_MAX && earlier.1 >= REDIAL_MAX / 2);
        pace.on_connected();
        assert_eq!(pace.patience(), DIAL_MIN);
        assert!(pace.next_wait() <= REDIAL_MIN);
    }

    #[test]
    fn two_clients_do_not_dial_in_step() {
        let waits = |seed| {
            let mut pace = Pace::new(Jitter::seeded(seed));
            (0..8).map(|_| pace.next_wait()).collect::<Vec<_>>()
        };
        let (one, two) = (waits(1), waits(2));
        assert!(one.iter().zip(&two).filter(|(one, two)| one == two).count() <= 1);
    }
}
