//! What faults let fail on the disk of a node, and what that excuses.
//!
//! A process that is told by its disk that a sync or a write failed may do the safe thing and end,
//! at once or seconds later, with a panic or without. Nobody knows how long that takes, so what a
//! fault made fail is an excuse for as long as the process lives that was told, and for none
//! before or after it; a fault that made nothing fail is no excuse. What counts the failures is
//! the shim, so faults that overlap cannot end one another's. Claim kept true: a process that no
//! fault gave an error answers for its own end.

use std::ops::Range;

/// How many logs a node has.
pub(crate) const LOG_COUNT: usize = 2;

/// How long each log of a node is, in bytes.
pub(crate) type LogBytes = [u64; LOG_COUNT];

/// The errors that faults made on the disk of a node, and the lives that had them.
#[derive(Debug, Default)]
pub(crate) struct DiskErrors {
    /// How many calls had failed before this life.
    before: u64,
    /// How long the logs were when the first call of this life could fail.
    log_from: LogBytes,
    /// The parts of each log that lives wrote which had an error.
    logs: [Vec<Range<u64>>; LOG_COUNT],
    /// Whether the last life ended by itself after an error.
    ended: bool,
}

impl DiskErrors {
    /// Begins another life, before which so many calls had failed, and the logs were so long.
    pub(crate) fn on_start(&mut self, failed: u64, log_bytes: LogBytes) {
        (self.before, self.log_from, self.ended) = (failed, log_bytes, false);
    }

    /// Notes that a call may fail from here on.
    pub(crate) fn expect(&mut self, failed: u64, log_bytes: LogBytes) {
        // The excuse begins with the first error of a life, and a later fault must not shorten it.
        if !self.has_failed(failed) {
            self.log_from = log_bytes;
        }
    }

    /// Ends a life; returns why it ended, if nobody `asked` and an error of its disk is a reason.
    pub(crate) fn on_end(
        &mut self,
        asked: bool,
        failed: u64,
        log_bytes: LogBytes,
    ) -> Option<&'static str> {
        let has_failed = self.has_failed(failed);
        if has_failed {
            self.excuse(log_bytes);
        }
        self.ended = has_failed && !asked;
        self.before = failed;
        self.ended.then_some(DISK_FAILED)
    }

    /// Returns whether the last life ended by itself after an error of its disk.
    pub(crate) const fn ended(&self) -> bool {
        self.ended
    }

    /// Returns the parts of each log that tell of nothing but errors.
    pub(crate) fn excused(&self, failed: u64) -> [Vec<Range<u64>>; LOG_COUNT] {
        let mut logs = self.logs.clone();
        if self.has_failed(failed) {
            for (parts, from) in logs.iter_mut().zip(self.log_from) {
                // The life goes on, and with it what the error excuses.
                parts.push(from..u64::MAX);
            }
        }
        logs
    }

    fn excuse(&mut self, until: LogBytes) {
        for ((parts, from), until) in self.logs.iter_mut().zip(self.log_from).zip(until) {
            parts.push(from..until);
        }
    }

    const fn has_failed(&self, failed: u64) -> bool {
        failed > self.before
    }
}

/// How the end of a process is explained that had an error of its disk, by a fault.
const DISK_FAILED: &str = "after the nemesis let its disk fail";

#[cfg(test)]
mod tests {
    use super::*;

    /// Both logs have the same excuse, the second at places 1,000 bytes further on.
    fn both(part: Range<u64>) -> [Vec<Range<u64>>; LOG_COUNT] {
        let later = |at: u64| if at == u64::MAX { at } else { at + 1_000 };
        let second = later(part.start)..later(part.end);
        [part, second].map(|part| std::iter::once(part).collect())
    }

    fn at(bytes: u64) -> LogBytes {
        [bytes, bytes + 1_000]
    }

    #[test]
    fn an_error_excuses_the_life_that_had_it_and_no_other() {
        let mut errors = DiskErrors::default();
        errors.on_start(0, at(0));
        errors.expect(0, at(50));
        assert_eq!(errors.on_end(false, 0, at(90)), None, "a fault that made nothing fail");
        assert!(!errors.ended());
        errors.on_start(0, at(90));
        errors.expect(0, at(100));
        errors.expect(1, at(150));
        assert_eq!(errors.excused(1), both(100..u64::MAX), "from the fault that made it fail");
        assert_eq!(errors.on_end(false, 1, at(200)), Some(DISK_FAILED), "however late");
        assert!(errors.ended());
        errors.on_start(1, at(200));
        assert!(!errors.ended());
        assert_eq!(errors.on_end(false, 1, at(260)), None, "the next life had no error");
        assert_eq!(errors.excused(1), both(100..200));
    }

    #[test]
    fn one_that_was_asked_to_end_did_not_end_by_its_disk() {
        let mut errors = DiskErrors::default();
        errors.on_start(0, at(0));
        assert_eq!(errors.on_end(true, 1, at(40)), None);
        assert!(!errors.ended());
        assert_eq!(errors.excused(1), both(0..40), "its panic is excused all the same");
    }
}
