//! A model from outside: a queue, which no history format of ours knows, is judged all the same.
#![allow(clippy::unwrap_used, reason = "a test may fail by panic")]

use std::collections::VecDeque;

use synod_checker::budget::Meter;
use synod_checker::exhaustive::is_legal;
use synod_checker::model::{Model, Timed, explains};
use synod_checker::search::{Found, search};
use synod_checker::{Budget, Judgement, Report, check_calls};
use synod_history::{Call, CallEnd, Calls, Value};

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

/// A call of client `called`, and what it was answered at which position.
fn call(key: &str, item: Option<u8>, called: u32, end: Option<(Option<u8>, u32)>) -> Call {
    let said = |item: Option<u8>| item.map_or(Value::Null, |item| Value::Text(item.to_string()));
    Call {
        client: called,
        f: if item.is_some() { "put" } else { "take" }.to_owned(),
        key: key.to_owned(),
        argument: said(item),
        called,
        call_ns: u64::from(called),
        end: end.map(|(answer, returned)| CallEnd {
            answer: said(answer),
            returned,
            return_ns: u64::from(returned),
        }),
    }
}

/// Judges calls as those of queues; a call that took something of unknown outcome plays no part.
fn judge(calls: Vec<Call>, budget: Budget) -> Report {
    let item = |value: &Value| match value {
        Value::Text(item) => Some(item.parse().unwrap()),
        Value::Null | Value::Flag(_) | Value::Pair(..) => None,
    };
    let read = |call: &Call| match (call.f.as_str(), call.answer()) {
        ("put", _) => item(&call.argument).map(Put),
        (_, answer) => answer.map(|taken| Took(item(taken))),
    };
    check_calls(&Calls { calls, ..Calls::default() }, &Queue, read, budget)
}

#[test]
fn calls_are_judged_key_by_key_and_a_legal_history_has_its_order() {
    let calls = vec![
        call("a", Some(1), 0, Some((None, 3))),
        call("b", Some(2), 1, None),
        call("a", Some(3), 2, Some((None, 4))),
        call("a", None, 5, Some((Some(3), 6))),
        call("b", None, 7, Some((Some(2), 8))),
        call("b", None, 9, None),
    ];
    let report = judge(calls, Budget::default());
    let Judgement::Legal { witness } = report.judgement else { panic!("{report:?}") };
    assert_eq!(witness, [2, 0, 3, 1, 4]);
    assert_eq!((report.checker.keys, report.checker.operations), (2, 6));
}

/// What came before cannot be left out: without the call that put an item none explains who took
/// it. So the counterexample ends with the first call that nothing before it explains.
#[test]
fn the_counterexample_is_the_shortest_beginning_without_an_order() {
    let mut calls = Vec::new();
    let (mut at, mut wrong) = (0, 0);
    for item in 0..60 {
        calls.push(call("a", Some(item), at, Some((None, at + 1))));
        calls.push(call("a", None, at + 2, Some((Some(item), at + 3))));
        at += 4;
        if item == 30 {
            wrong = at + 2;
            // It is open from before the wrong one until long after it.
            calls.push(call("a", Some(200), at, Some((None, 400))));
            calls.push(call("a", None, at + 1, Some((Some(item), wrong))));
            at += 3;
        }
    }
    let report = judge(calls, Budget::default());
    let core = report.violation().unwrap();
    let wanted = format!(
        "client {}'s take of a answered \"30\" at event {wrong}, and no order of the 64 calls of a \
         until then explains that",
        wrong - 1
    );
    assert_eq!(core.sentence, wanted);
    assert_eq!(core.operations.len(), 8);
    let last = core.operations.last().unwrap();
    assert_eq!((last.f.as_str(), last.result.as_str()), ("take", "30"));
    assert_eq!(report.checker.unverified, None);
}

/// The first call takes what is put much later, and returns later still.
#[test]
fn what_returns_after_a_beginning_may_have_taken_effect_or_not() {
    let calls = vec![
        call("a", None, 0, Some((Some(5), 9))),
        call("a", Some(5), 1, Some((None, 2))),
        call("a", Some(6), 3, Some((None, 4))),
        call("a", None, 5, Some((Some(5), 6))),
        call("a", None, 10, Some((Some(6), 11))),
    ];
    let report = judge(calls, Budget::default());
    let core = report.violation().unwrap();
    assert!(core.sentence.contains("at event 9, and no order of the 4 calls"), "{}", core.sentence);
    let open = || call("a", None, 0, Some((Some(5), 9)));
    let calls = vec![
        open(),
        call("a", Some(7), 1, Some((None, 2))),
        call("a", None, 3, Some((Some(7), 4))),
        call("a", Some(5), 5, Some((None, 6))),
        call("a", None, 10, Some((Some(99), 11))),
    ];
    let report = judge(calls, Budget::default());
    let core = report.violation().unwrap();
    assert!(
        core.sentence.contains("at event 11, and no order of the 5 calls"),
        "{}",
        core.sentence
    );
}

#[test]
fn a_budget_that_runs_out_is_told_and_hides_no_violation_of_another_key() {
    let none = Budget { bytes: 0, ..Budget::default() };
    let put = || call("a", Some(1), 0, Some((None, 1)));
    assert!(matches!(judge(vec![put()], none).judgement, Judgement::Unknown { .. }));
    // Sixteen items of unknown order, of which none is the one that was taken.
    let mut hard: Vec<Call> =
        (0..16).map(|item| call("hard", Some(item), u32::from(item), None)).collect();
    for item in 0..16_u8 {
        let at = 100 + 2 * u32::from(item);
        hard.push(call("hard", None, at, Some((Some(15 - item), at + 1))));
    }
    hard.push(call("hard", None, 200, Some((Some(99), 201))));
    hard.push(call("easy", None, 202, Some((Some(7), 203))));
    let budget = Budget { time: std::time::Duration::from_millis(800), ..Budget::default() };
    let report = judge(hard, budget);
    assert!(report.violation().is_some(), "{report:?}");
}

/// A queue that takes every call that takes for an observer.
struct Mistaken;

impl Model for Mistaken {
    type State = VecDeque<u8>;
    type Operation = QueueOperation;

    fn initial(&self) -> VecDeque<u8> {
        VecDeque::new()
    }

    fn step(&self, state: &VecDeque<u8>, operation: &QueueOperation) -> Option<VecDeque<u8>> {
        Queue.step(state, operation)
    }

    fn only_observes(&self, operation: &QueueOperation) -> bool {
        matches!(operation, Took(_))
    }
}

/// Accepts a call the first time that it is asked, and never again.
struct Unsteady(std::cell::Cell<u32>);

impl Model for Unsteady {
    type State = u8;
    type Operation = u8;

    fn initial(&self) -> u8 {
        0
    }

    fn step(&self, state: &u8, _: &u8) -> Option<u8> {
        let asked = self.0.replace(self.0.get() + 1);
        (asked == 0).then_some(*state + 1)
    }

    fn only_observes(&self, _: &u8) -> bool {
        false
    }
}

/// Whoever brings a model makes mistakes; none of them is a violation of the system, nor a panic.
#[test]
fn a_model_that_contradicts_itself_decides_nothing_and_is_named_as_the_cause() {
    let put = |at| call("a", Some(1), at, Some((None, at + 1)));
    let take = |item, at| call("a", None, at, Some((item, at + 1)));
    let read = |call: &Call| {
        let taken = call.answer().and_then(|answer| match answer {
            Value::Text(item) => item.parse().ok(),
            Value::Null | Value::Flag(_) | Value::Pair(..) => None,
        });
        Some(if call.f == "put" { Put(1) } else { Took(taken) })
    };
    let unknown = |report: Report| match report.judgement {
        Judgement::Unknown { cause } => cause.to_string(),
        Judgement::Legal { .. } | Judgement::Illegal { .. } => panic!("{report:?}"),
    };
    for calls in [
        vec![put(0), take(Some(1), 2), take(Some(1), 4)],
        vec![put(0), take(Some(1), 2), take(None, 4)],
    ] {
        let calls = Calls { calls, ..Calls::default() };
        let words = unknown(check_calls(&calls, &Mistaken, read, Budget::default()));
        assert!(words.contains("the model contradicts itself"), "{words}");
    }
    let calls = Calls { calls: vec![put(0)], ..Calls::default() };
    let unsteady = Unsteady(std::cell::Cell::new(0));
    let words = unknown(check_calls(&calls, &unsteady, |_| Some(0), Budget::default()));
    assert!(words.contains("the model contradicts itself"), "{words}");
}

#[test]
#[should_panic(expected = "client 5's put returns at 1, called at 5")]
fn a_call_that_returns_before_it_began_gets_no_verdict() {
    judge(vec![call("a", Some(1), 5, Some((None, 1)))], Budget::default());
}

#[test]
#[should_panic(expected = "two events stand at one position")]
fn events_at_one_position_get_no_verdict() {
    let calls = vec![call("a", Some(1), 0, Some((None, 1))), call("b", None, 1, None)];
    judge(calls, Budget::default());
}

#[test]
fn calls_may_be_given_in_any_order() {
    let calls = |took| {
        vec![
            call("a", None, 6, Some((Some(took), 7))),
            call("a", Some(2), 2, None),
            call("a", Some(1), 0, Some((None, 1))),
            call("a", None, 4, Some((Some(1), 5))),
        ]
    };
    assert!(judge(calls(2), Budget::default()).violation().is_none());
    assert!(judge(calls(1), Budget::default()).violation().is_some());
}
