//! Judges calls by a model of one's own: a whole history to one verdict.
//!
//! Keys are independent, and each is judged alone. What of a legal history may be left out, and is
//! legal without it, nobody knows here of a model: a queue without the call that put an item
//! explains no call that takes it. Only what came later can be left out: the calls up to a position
//! of a legal history are legal, if those that return later may as well not have taken effect. So
//! the counterexample is the shortest beginning that has no order, and is told by its last return
//! and by what came just before it. The claim kept true: a violation is judged by the exact search
//! before it is shown, or says why not, and a history is called legal for an order that was tried.

use std::collections::BTreeMap;

use synod_history::{Call, CallEnd, Calls, Value, visible};

use super::budget::{Budget, Cause, Meter};
use super::exhaustive::is_legal;
use super::explain::NOTHING;
use super::model::{Model, Timed, explains};
use super::search::{Found, search};
use super::{CheckerSummary, CoreOperation, Judgement, Report, ViolationCore};

/// Judges calls by a model, within a budget.
///
/// `read` says what a call is to the model, and which calls play no part: one of unknown outcome
/// that only observes says nothing. A history without calls is legal; whether what was called shows
/// anything is left to the caller.
///
/// # Panics
///
/// If two events of the calls have one position, or a call returns before it began.
///
/// # Examples
///
/// ```
/// use synod_checker::model::Model;
/// use synod_checker::{Budget, Judgement, check_calls};
/// use synod_history::{Call, CallEnd, Calls, Value};
///
/// /// Hands out each number once, in order.
/// struct Tickets;
///
/// impl Model for Tickets {
///     type State = u64;
///     /// The number that was handed out, where it is known.
///     type Operation = Option<u64>;
///
///     fn initial(&self) -> u64 {
///         0
///     }
///
///     fn step(&self, next: &u64, drawn: &Option<u64>) -> Option<u64> {
///         drawn.is_none_or(|drawn| drawn == *next).then_some(next + 1)
///     }
///
///     fn only_observes(&self, _drawn: &Option<u64>) -> bool {
///         false
///     }
/// }
///
/// let drawn = |client, called, number: &str| Call {
///     client,
///     f: "draw".into(),
///     key: "tickets".into(),
///     argument: Value::Null,
///     called,
///     call_ns: u64::from(called),
///     end: Some(CallEnd {
///         answer: Value::Text(number.into()),
///         returned: called + 1,
///         return_ns: u64::from(called) + 1,
///     }),
/// };
/// let number = |call: &Call| match call.answer() {
///     Some(Value::Text(number)) => Some(number.parse().ok()),
///     _ => Some(None),
/// };
/// let calls = Calls { calls: vec![drawn(1, 0, "0"), drawn(2, 2, "0")], ..Calls::default() };
/// let report = check_calls(&calls, &Tickets, number, Budget::default());
/// let Judgement::Illegal { core } = report.judgement else { panic!("it was drawn twice") };
/// assert_eq!(
///     core.sentence,
///     "client 2's draw of tickets answered \"0\" at event 3, and no order of the 2 calls of \
///      tickets until then explains that",
/// );
/// ```
#[must_use]
pub fn check_calls<M: Model>(
    calls: &Calls,
    model: &M,
    read: impl Fn(&Call) -> Option<M::Operation>,
    budget: Budget,
) -> Report {
    let mut meter = Meter::start(budget);
    assert_placed(&calls.calls);
    let parts = parts(calls, &read);
    let bytes =
        parts.iter().map(|part| part.timed.len()).sum::<usize>() * size_of::<Timed<M::Operation>>();
    let mut unverified = None;
    let judgement =
        meter.with_held(bytes, |meter| Ok(judge_all(calls, model, &parts, meter, &mut unverified)));
    let checker = CheckerSummary {
        algorithm: ALGORITHM.to_owned(),
        operations: calls.calls.len() as u64,
        keys: parts.len() as u64,
        configurations: meter.steps(),
        millis: u64::try_from(meter.elapsed().as_millis()).unwrap_or(u64::MAX),
        unverified,
    };
    let judgement = judgement.unwrap_or_else(|cause| Judgement::Unknown { cause });
    Report { judgement, checker, stuck: None }
}

/// Asserts that positions make an order. [`Calls::of`] takes no others; calls that are put together
/// by hand may have them, and a verdict on those would mean nothing.
fn assert_placed(calls: &[Call]) {
    let mut positions = Vec::with_capacity(calls.len() * 2);
    for Call { client, f, called, end, .. } in calls {
        positions.push(*called);
        if let Some(CallEnd { returned, .. }) = end {
            let is_after = returned > called;
            assert!(is_after, "client {client}'s {f} returns at {returned}, called at {called}");
            positions.push(*returned);
        }
    }
    positions.sort_unstable();
    let twice = positions.windows(2).find(|pair| pair[0] == pair[1]);
    assert!(twice.is_none(), "two events stand at one position: {twice:?}");
}

/// The calls of one key, as the model knows them, in their order.
struct Part<O> {
    timed: Vec<Timed<O>>,
}

/// Splits calls by key, in the order in which the keys appear.
fn parts<O>(calls: &Calls, read: &impl Fn(&Call) -> Option<O>) -> Vec<Part<O>> {
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let mut parts: Vec<Part<O>> = Vec::new();
    for (index, call) in (0_u32..).zip(&calls.calls) {
        let Some(operation) = read(call) else { continue };
        let place = *places.entry(call.key.as_str()).or_insert(parts.len());
        if place == parts.len() {
            parts.push(Part { timed: Vec::new() });
        }
        let (called, returned) = (call.called, call.returned());
        parts[place].timed.push(Timed { index, operation, called, returned });
    }
    parts.iter_mut().for_each(|part| part.timed.sort_by_key(|one| one.called));
    parts
}

/// Judges each key; one that eats its first share is set aside until the others are through.
fn judge_all<M: Model>(
    calls: &Calls,
    model: &M,
    parts: &[Part<M::Operation>],
    meter: &mut Meter,
    unverified: &mut Option<String>,
) -> Judgement {
    // With one key there is no more time than it had.
    let shares: &[u32] = if parts.len() == 1 { &[1] } else { &[SHARE, 1] };
    let (mut witness, mut unknown) = (Vec::new(), None);
    let mut left: Vec<&Part<M::Operation>> = parts.iter().collect();
    for share in shares {
        unknown = None;
        let mut hard = Vec::new();
        for part in left {
            match meter.with_share(*share, |meter| part.judge(model, meter)) {
                Ok(Ok(order)) => witness.extend(order),
                Ok(Err(Shown { end, doubt })) => {
                    *unverified = doubt;
                    return Judgement::Illegal { core: part.core(calls, end) };
                }
                Err(cause) => {
                    hard.push(part);
                    unknown = Some(cause);
                }
            }
        }
        left = hard;
    }
    match unknown {
        Some(cause) => Judgement::Unknown { cause },
        None => Judgement::Legal { witness },
    }
}

/// A beginning without an order: the position of its end, and why the exact search did not confirm
/// that, where it did not.
struct Shown {
    end: u32,
    doubt: Option<String>,
}

impl<O: Clone + Ord> Part<O> {
    /// Finds the order that explains the calls, as their places in the history, or a beginning that
    /// has none.
    fn judge<M: Model<Operation = O>>(
        &self,
        model: &M,
        meter: &mut Meter,
    ) -> Result<Result<Vec<u32>, Shown>, Cause> {
        let until = match search(model, &self.timed, meter, &mut |_, _| false)? {
            Found::Order(order) => {
                // A model that is no function of its state accepts an order once, and then not.
                if !explains(model, &self.timed, &order) {
                    return Err(Cause::Collision);
                }
                return Ok(Ok(order
                    .iter()
                    .map(|place| self.timed[*place as usize].index)
                    .collect()));
            }
            Found::None { until } => until,
        };
        let end =
            meter.with_share(2, |meter| Ok::<_, Cause>(self.shortest(model, until, meter)))?;
        let beginning = self.until(end);
        let doubt = match meter.with_share(2, |meter| is_legal(model, &beginning, meter)) {
            Ok(false) => None,
            Ok(true) => return Err(Cause::Collision),
            Err(cause) => Some(format!(
                "the {} calls of the counterexample were judged by 128-bit hashes of \
                 configurations alone; {cause} before the search without hashes had ended",
                beginning.len()
            )),
        };
        Ok(Err(Shown { end, doubt }))
    }

    /// Finds the first return at which the calls until then have no order; a later one where the
    /// budget does not last. `until` is a guess from which the search begins.
    fn shortest<M: Model<Operation = O>>(&self, model: &M, until: u32, meter: &mut Meter) -> u32 {
        let mut returns: Vec<u32> = self.timed.iter().filter_map(|one| one.returned).collect();
        returns.sort_unstable();
        // All before `low` have an order, as far as is known; that of `high` has none.
        let (mut low, mut high) = (0, returns.len().saturating_sub(1));
        // The search has told where it got stuck: that is the likeliest end, and is asked first.
        let mut guess = returns.partition_point(|end| *end < until);
        while low < high {
            let middle = guess.clamp(low, high - 1);
            if self.is_illegal(model, returns[middle], meter) {
                high = middle;
            } else {
                low = middle + 1;
            }
            guess = low + (high - low) / 2;
        }
        returns.get(high).copied().unwrap_or(until)
    }

    /// Returns whether the calls until a position have no order; no if the budget does not last.
    fn is_illegal<M: Model<Operation = O>>(&self, model: &M, end: u32, meter: &mut Meter) -> bool {
        let found = search(model, &self.until(end), meter, &mut |_, _| false);
        matches!(found, Ok(Found::None { .. }))
    }

    /// Returns the calls until a position, of which those that return later may take effect or not.
    fn until(&self, end: u32) -> Vec<Timed<O>> {
        let called = self.timed.iter().filter(|one| one.called <= end);
        let cut = |one: &Timed<O>| one.returned.filter(|returned| *returned <= end);
        called.map(|one| Timed { returned: cut(one), ..one.clone() }).collect()
    }

    /// Names the call that returned at the end of a beginning without an order, those that were
    /// open then, and some that had been called last.
    fn core(&self, calls: &Calls, end: u32) -> ViolationCore {
        let beginning: Vec<&Timed<O>> = self.timed.iter().filter(|one| one.called <= end).collect();
        let call = |one: &Timed<O>| &calls.calls[one.index as usize];
        let last = beginning.iter().find(|one| one.returned == Some(end)).map(|one| call(one));
        let key = last.map_or("", |last| last.key.as_str());
        let sentence = last.map_or_else(String::new, |last| {
            format!(
                "client {}'s {} of {key} answered {} at event {end}, and no order of the {} calls \
                 of {key} until then explains that",
                last.client,
                last.f,
                last.answer().unwrap_or(&Value::Null),
                beginning.len()
            )
        });
        let early = beginning.len().saturating_sub(STORY_MAX);
        let told = beginning.iter().enumerate().filter(|(place, one)| {
            let returned = one.returned.filter(|returned| *returned <= end);
            *place >= early || returned.is_none_or(|returned| returned == end)
        });
        ViolationCore {
            key: key.to_owned(),
            sentence: visible(&sentence).into_owned(),
            operations: told.map(|(_, one)| printed(call(one))).collect(),
        }
    }
}

/// Prints a call for people.
fn printed(call: &Call) -> CoreOperation {
    let words = |value: &Value, nothing: &str| match value {
        Value::Null => nothing.to_owned(),
        Value::Text(text) => text.clone(),
        Value::Flag(_) | Value::Pair(..) => value.to_string(),
    };
    let answer = call.answer().map(|answer| words(answer, NOTHING));
    CoreOperation {
        process: call.client,
        f: call.f.clone(),
        key: call.key.clone(),
        argument: words(&call.argument, ""),
        result: answer.unwrap_or_else(|| "unknown".to_owned()),
        call_ns: call.call_ns,
        return_ns: call.end.as_ref().map(|end| end.return_ns),
        called: call.called,
        returned: call.returned(),
    }
}

/// The first share of a key is one part in so many of the budget that is left.
const SHARE: u32 = 8;

/// How many of the last calls of a counterexample are told, besides those that are open in its end.
const STORY_MAX: usize = 8;

const ALGORITHM: &str =
    "depth-first search over hashed configurations, by key, by a model from outside";
