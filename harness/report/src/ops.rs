//! Single operations, kept for the zoomed time line while there is room for them.
//!
//! Claim kept true: memory is bounded by [`ALL_LIMIT`] and [`SOME_LIMIT`], and the page can always
//! say how many of how many operations it shows one by one.

use synod_checker::ViolationCore;

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It certainly happened.
    Ok,
    /// It certainly did not happen.
    Fail,
    /// The client gave up; nobody knows.
    Info,
    /// The history ends before it.
    Open,
}

/// One operation from call to return.
#[derive(Clone, Debug)]
pub(super) struct Op {
    /// When it was called.
    pub(super) call_ns: u64,
    /// When it ended; the end of the history where it did not.
    pub(super) return_ns: u64,
    /// The client.
    pub(super) client: u32,
    /// The operation's name, as a number that the name table gives.
    pub(super) f: u32,
    /// The key, as a number that the key table gives.
    pub(super) key: u32,
    /// How it ended.
    pub(super) end: End,
    /// The argument, printed and cut.
    pub(super) argument: String,
    /// The result or the error, printed and cut.
    pub(super) result: String,
}

/// The operations that are kept one by one.
#[derive(Debug, Default)]
pub(super) struct Kept {
    all: Vec<Op>,
    overflowed: bool,
    near: Vec<Op>,
    bad: Vec<Op>,
    total: u64,
    window: Option<(u32, u64, u64)>,
}

impl Kept {
    /// Prepares to keep what is near the core of a violation, whose key has the number `key`.
    pub(super) fn watch(&mut self, key: u32, core: &ViolationCore) {
        let calls = core.operations.iter().map(|op| op.call_ns);
        let ends = core.operations.iter().map(|op| op.return_ns.unwrap_or(op.call_ns));
        let from = calls.min().unwrap_or(0).saturating_sub(AROUND_NS);
        let to = ends.max().unwrap_or(0).saturating_add(AROUND_NS);
        self.window = Some((key, from, to));
    }

    /// Keeps an operation if there is room.
    pub(super) fn take(&mut self, op: Op) {
        self.total += 1;
        // Those near the core have room of their own, however much else goes wrong.
        let near = self.is_near(&op);
        if near && self.near.len() < SOME_LIMIT {
            self.near.push(op.clone());
        } else if op.end != End::Ok && self.bad.len() < SOME_LIMIT {
            self.bad.push(op.clone());
        }
        if self.all.len() < ALL_LIMIT && !self.overflowed {
            self.all.push(op);
        } else {
            // Once one has no room none is kept: the page shows all of them, or says that it does
            // not.
            self.overflowed = true;
            self.all = Vec::new();
        }
    }

    /// Tells whether an operation is on the key of a violation and near its core.
    pub(super) fn is_near(&self, op: &Op) -> bool {
        self.window.is_some_and(|(key, from, to)| {
            op.key == key && op.call_ns <= to && op.return_ns >= from
        })
    }

    /// Returns how many operations there were.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// Returns all operations in order of their call, or none if there was no room for all.
    pub(super) fn all(&self) -> Option<Vec<&Op>> {
        (!self.overflowed).then(|| by_call(self.all.iter().collect()))
    }

    /// Returns those near the core and those that did not end well, in order of their call.
    pub(super) fn some(&self) -> Vec<&Op> {
        by_call(self.near.iter().chain(&self.bad).collect())
    }
}

fn by_call(mut ops: Vec<&Op>) -> Vec<&Op> {
    ops.sort_by_key(|op| (op.call_ns, op.client));
    ops
}

/// How many operations are kept when all are.
const ALL_LIMIT: usize = 80_000;
/// How many operations near the core, and how many that did not end well, are kept else.
const SOME_LIMIT: usize = 4_000;
/// How far around the core operations count as near.
const AROUND_NS: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a broken setup should fail the test")]

    use super::*;
    use synod_checker::CoreOperation;

    fn op(call_ns: u64, key: u32, end: End) -> Op {
        Op {
            call_ns,
            return_ns: call_ns + 10,
            client: 0,
            f: 0,
            key,
            end,
            argument: String::new(),
            result: String::new(),
        }
    }

    #[test]
    fn all_are_kept_while_there_is_room() {
        let mut kept = Kept::default();
        kept.take(op(5, 0, End::Ok));
        kept.take(op(3, 0, End::Info));
        let calls: Vec<u64> = kept.all().unwrap().iter().map(|op| op.call_ns).collect();
        assert_eq!(calls, [3, 5]);
    }

    #[test]
    fn the_interesting_ones_survive_an_overflow() {
        let mut kept = Kept::default();
        let core = ViolationCore {
            key: "k".to_owned(),
            sentence: String::new(),
            operations: vec![CoreOperation {
                process: 0,
                f: "read".to_owned(),
                key: "k".to_owned(),
                argument: String::new(),
                result: String::new(),
                call_ns: 5_000_000_000,
                return_ns: None,
                called: 0,
                returned: None,
            }],
        };
        kept.watch(7, &core);
        for step in 0..=ALL_LIMIT as u64 {
            kept.take(op(step, 0, End::Ok));
        }
        kept.take(op(5_500_000_000, 7, End::Ok));
        kept.take(op(9_500_000_000, 7, End::Ok));
        kept.take(op(9_600_000_000, 0, End::Fail));
        assert!(kept.all().is_none());
        let calls: Vec<u64> = kept.some().iter().map(|op| op.call_ns).collect();
        assert_eq!(calls, [5_500_000_000, 9_600_000_000]);
        assert_eq!(kept.total(), ALL_LIMIT as u64 + 4);
    }
}
