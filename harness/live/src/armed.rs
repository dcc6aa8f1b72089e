//! Calls that faults let fail, one for each fault: which of them has struck.
//!
//! Faults overlap, and a disk knows no fault, it counts: so many calls of a kind may fail in all,
//! and so many did. Here is who of those that wait for a call has had one. Whoever began first
//! strikes first. Claim kept true: no call that failed counts for two faults, and the end of one
//! takes nothing from another.

use std::collections::{BTreeSet, VecDeque};

use synod_fault::FaultId;

/// The faults of one kind on one disk.
#[derive(Debug, Default)]
pub(crate) struct Armed {
    waiting: VecDeque<FaultId>,
    struck: BTreeSet<FaultId>,
    /// How many calls failed that are somebody's.
    settled: u64,
}

impl Armed {
    /// Lets a fault wait for a call.
    pub(crate) fn begin(&mut self, fault: FaultId) {
        self.waiting.push_back(fault);
    }

    /// Returns how many calls may fail in all. Without a fault, if it does not wait any more.
    pub(crate) fn limit(&self, without: Option<FaultId>) -> u64 {
        let waiting = self.waiting.iter().filter(|fault| Some(**fault) != without);
        self.settled + waiting.count() as u64
    }

    /// Takes note of how many calls have failed.
    pub(crate) fn settle(&mut self, failed: u64) {
        while self.settled < failed {
            // A call that failed while nobody waited counts as well: the limit is a sum of all that
            // ever failed, and would let one more fail without it.
            self.settled += 1;
            self.struck.extend(self.waiting.pop_front());
        }
    }

    /// Takes a fault away that has not struck.
    pub(crate) fn end(&mut self, fault: FaultId) {
        self.waiting.retain(|other| *other != fault);
    }

    /// Returns whether a call failed for a fault.
    pub(crate) fn has_struck(&self, fault: FaultId) -> bool {
        self.struck.contains(&fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_call_that_failed_is_one_faults_and_none_ends_anothers() {
        let (mut armed, [a, b, c]) = (Armed::default(), [0, 1, 2].map(FaultId));
        armed.begin(a);
        armed.begin(b);
        assert_eq!((armed.limit(None), armed.limit(Some(a))), (2, 1));
        armed.settle(1);
        assert!(armed.has_struck(a) && !armed.has_struck(b));
        armed.end(a);
        assert_eq!(armed.limit(None), 2, "the other one waits on");
        armed.begin(c);
        armed.end(b);
        assert_eq!(armed.limit(None), 2);
        armed.settle(2);
        assert!(armed.has_struck(c) && !armed.has_struck(b));
        armed.settle(3);
        assert_eq!(armed.limit(None), 3, "what nobody waited for is nobody's");
    }
}
