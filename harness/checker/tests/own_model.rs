//! A model from outside: a queue, which no history format of ours knows, is judged all the same.
#![allow(clippy::unwrap_used, reason = "a test may fail by panic")]

use std::collections::VecDeque;

use synod_checker::Budget;
use synod_checker::budget::Meter;
use synod_checker::exhaustive::is_legal;
use synod_checker::model::{Model, Timed, explains};
use synod_checker::search::{Found, search};

/// First in, first out.
struct Queue;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum QueueOperation {
    /// Puts an item at the end.
    Put(u8),
    /// Took the first item, or found none.
    Took(Option<u8>),
}

use QueueOperation::{Put, Took};

impl Model for Queue {
    type State = VecDeque<u8>;
    type Operation = QueueOperation;

    fn initial(&self) -> VecDeque<u8> {
        VecDeque::new()
    }

    fn step(&self, state: &VecDeque<u8>, operation: &QueueOperation) -> Option<VecDeque<u8>> {
        let mut after = state.clone();
        match operation {
            Put(item) => after.push_back(*item),
            Took(taken) if after.pop_front() == *taken => {}
            Took(_) => return None,
        }
        Some(after)
    }

    fn only_observes(&self, operation: &QueueOperation) -> bool {
        *operation == Took(None)
    }

    fn weight(&self, state: &VecDeque<u8>) -> usize {
        state.capacity()
    }
}

/// Judges by the fast search, the exact one, and what the fast one found, and says whether they
/// call it legal.
fn check(history: &[(QueueOperation, u32, Option<u32>)]) -> bool {
    let timed = history.iter().zip(0..).map(|((operation, called, returned), index)| Timed {
        index,
        operation: operation.clone(),
        called: *called,
        returned: *returned,
    });
    let operations: Vec<_> = timed.collect();
    let meter = &mut Meter::start(Budget::default());
    let found = search(&Queue, &operations, meter, &mut |_, _| false).unwrap();
    let legal = is_legal(&Queue, &operations, meter).unwrap();
    match found {
        Found::Order(order) => assert!(legal && explains(&Queue, &operations, &order)),
        Found::None { .. } => assert!(!legal),
    }
    legal
}

#[test]
fn items_leave_in_the_order_in_which_they_came() {
    let puts = [(Put(1), 0, Some(1)), (Put(2), 2, Some(3))];
    let then = |took: [QueueOperation; 2]| {
        let [one, other] = took;
        [puts[0].clone(), puts[1].clone(), (one, 4, Some(5)), (other, 6, Some(7))]
    };
    assert!(check(&then([Took(Some(1)), Took(Some(2))])));
    assert!(!check(&then([Took(Some(2)), Took(Some(1))])));
    assert!(!check(&then([Took(Some(1)), Took(None)])));
    assert!(!check(&then([Took(Some(1)), Took(Some(1))])));
}

#[test]
fn operations_that_overlap_may_come_in_either_order() {
    let overlap = [(Put(1), 0, Some(3)), (Put(2), 1, Some(2)), (Took(Some(2)), 4, Some(5))];
    assert!(check(&overlap));
    let apart = [(Put(1), 0, Some(1)), (Put(2), 2, Some(3)), (Took(Some(2)), 4, Some(5))];
    assert!(!check(&apart));
}

#[test]
fn a_put_of_unknown_outcome_may_take_effect_late_or_never() {
    let unknown = (Put(1), 0, None);
    let later = |took| [unknown.clone(), (Took(None), 1, Some(2)), (took, 3, Some(4))];
    assert!(check(&later(Took(None))));
    assert!(check(&later(Took(Some(1)))));
    assert!(!check(&later(Took(Some(2)))));
}
