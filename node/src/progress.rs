//! What a node says while it reads its journal, which may take long.
//!
//! Reading is left to the journal. The claim kept true: one line when it begins, and after that at
//! most one in each second, however many records there are.

use std::time::{Duration, Instant};

/// Counts records, and says from time to time how many.
#[derive(Debug)]
pub(crate) struct Progress {
    records: u64,
    said: Instant,
}

impl Progress {
    /// Begins, and says so.
    pub(crate) fn begin(node: u16) -> Self {
        tracing::info!(node, "reading the journal");
        Self { records: 0, said: Instant::now() }
    }

    /// Takes note of one record.
    pub(crate) fn note(&mut self) {
        self.records += 1;
        // Asking for the time costs as much as a small record.
        if self.records.is_multiple_of(RECORDS_PER_LOOK) && self.is_due(Instant::now()) {
            tracing::info!(records = self.records, "reading the journal, so far");
        }
    }

    fn is_due(&mut self, now: Instant) -> bool {
        let due = now.saturating_duration_since(self.said) >= PERIOD;
        if due {
            self.said = now;
        }
        due
    }
}

/// How long nothing is said after a line.
const PERIOD: Duration = Duration::from_secs(1);

/// How many records pass between two looks at the clock: far less than a second of reading.
const RECORDS_PER_LOOK: u64 = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_at_most_one_line_a_second() {
        let mut progress = Progress::begin(1);
        let begin = progress.said;
        let lines = (1..=5_000).filter(|ms| progress.is_due(begin + Duration::from_millis(*ms)));
        assert_eq!(lines.collect::<Vec<_>>(), [1000, 2000, 3000, 4000, 5000]);
    }
}
