//! The entry point: a whole history to one verdict.
//!
//! Keys are independent, so each is judged alone; a history is legal if every key is. The keys
//! share one budget. A key that eats its first share is set aside until the others are through, so
//! that one hard key hides no violation of an easy one.

use synod_history::History;

use super::budget::{Budget, Cause, Meter};
use super::counterexample::{self, Shown};
use super::reduce::{KeyHistory, Problem};
use super::search::Found;
use super::stuck::Stuck;
use super::zones::{self, Ruling};
use super::{Judgement, ModelName, Report, Rules};
use crate::CheckerSummary;

/// Judges a history by a model, within a budget.
///
/// # Examples
///
/// ```
/// use std::path::Path;
/// use synod_checker::{Budget, Judgement, ModelName, check_history};
/// use synod_history::jsonl;
///
/// let lines =
/// r#"{"index":0,"time_ns":1,"process":1,"type":"invoke","f":"add","key":"x","value":"1"}
/// {"index":1,"time_ns":2,"process":1,"type":"ok","f":"add","key":"x","value":"1"}
/// {"index":2,"time_ns":3,"process":2,"type":"invoke","f":"read","key":"x"}
/// {"index":3,"time_ns":4,"process":2,"type":"ok","f":"read","key":"x","value":null}
/// "#;
/// let history = jsonl::read(lines.as_bytes(), Path::new("example"))?;
/// let report = check_history(&history, ModelName::Counter, Budget::default());
/// assert!(matches!(report.judgement, Judgement::Illegal { .. }));
/// # Ok::<(), synod_history::HistoryError>(())
/// ```
#[must_use]
pub fn check_history(history: &History, model: ModelName, budget: Budget) -> Report {
    check_by_rules(history, &Rules::from(model), &mut Meter::start(budget))
}

/// Judges a history by some rules, with what is left of a budget.
#[must_use]
pub fn check_by_rules(history: &History, rules: &Rules, meter: &mut Meter) -> Report {
    let bytes = history.bytes() + history.operations.len() * BYTES_PER_OPERATION;
    let started = meter.elapsed();
    let mut findings = Findings::default();
    let mut keys = 0;
    let judgement = meter.with_held(bytes, |meter| {
        let parts = parts(history, rules);
        keys = parts.len() as u64;
        Ok(findings.judge_all(&parts, meter))
    });
    let judgement = judgement.unwrap_or_else(|cause| Judgement::Unknown { cause });
    let checker = CheckerSummary {
        algorithm: ALGORITHM.to_owned(),
        operations: history.operations.len() as u64,
        keys,
        configurations: meter.steps(),
        millis: u64::try_from((meter.elapsed() - started).as_millis()).unwrap_or(u64::MAX),
        unverified: findings.unverified,
    };
    Report { judgement, checker, stuck: findings.stuck }
}

/// Returns whether a history is linearizable, and looks for no core if it is not.
///
/// # Errors
///
/// The cause, if the budget ran out.
pub fn is_linearizable(history: &History, model: ModelName, budget: Budget) -> Result<bool, Cause> {
    let mut meter = Meter::start(budget);
    let mut unknown = None;
    for part in parts(history, &Rules::from(model)) {
        let problem = part.whole();
        match decide(&part, &problem, &mut meter) {
            Ok(Decision::Legal(_)) => {}
            Ok(Decision::Illegal(_) | Decision::IllegalUntil(_)) => return Ok(false),
            // The other keys are still looked at: one that is illegal settles it, whatever this one
            // is.
            Err(cause) => unknown = Some(cause),
        }
    }
    unknown.map_or(Ok(true), Err)
}

/// What is noted while the keys are judged.
#[derive(Default)]
struct Findings {
    unverified: Option<String>,
    stuck: Option<Stuck>,
}

impl Findings {
    fn judge_all(&mut self, parts: &[KeyHistory<'_>], meter: &mut Meter) -> Judgement {
        let mut witness = Vec::new();
        let mut hard = Vec::new();
        // A single key hides nobody behind it, so it has all of the budget at once.
        let share = if parts.len() == 1 { 1 } else { SHARE };
        for part in parts {
            match meter.with_share(share, |meter| judge(part, meter)) {
                Ok(Ok(order)) => witness.extend(order),
                Ok(Err(shown)) => return self.illegal(*shown),
                // What it reached is kept for the case that its second try does not come to a
                // verdict either.
                Err(undecided) => hard.push((part, undecided)),
            }
        }
        let mut unknown = None;
        for (part, undecided) in hard {
            // With one key there is no more time than it had.
            let again = if share == 1 { Err(undecided) } else { judge(part, meter) };
            match again {
                Ok(Ok(order)) => witness.extend(order),
                Ok(Err(shown)) => return self.illegal(*shown),
                Err(Undecided { cause, stuck }) => {
                    self.stuck = stuck.map(|stuck| *stuck).or_else(|| self.stuck.take());
                    unknown = Some(cause);
                }
            }
        }
        match unknown {
            Some(cause) => Judgement::Unknown { cause },
            None => Judgement::Legal { witness },
        }
    }

    fn illegal(&mut self, Shown { core, unverified }: Shown) -> Judgement {
        self.unverified = unverified;
        Judgement::Illegal { core }
    }
}

/// Why a key has no verdict, and where the search was, if there was one.
struct Undecided {
    cause: Cause,
    stuck: Option<Box<Stuck>>,
}

/// Judges one key: the order that explains it, or the core that no order explains.
fn judge(
    part: &KeyHistory<'_>,
    meter: &mut Meter,
) -> Result<Result<Vec<u32>, Box<Shown>>, Undecided> {
    let problem = part.whole();
    let shown = match decide(part, &problem, meter) {
        Ok(Decision::Legal(order)) => {
            let explained = problem.is_explained_by(&order);
            assert!(explained, "a witness is an order that the model accepts");
            return Ok(Ok(in_history(&problem, &order)));
        }
        Ok(Decision::Illegal(places)) => {
            counterexample::core_of(part, in_history(&problem, &places), meter)
        }
        Ok(Decision::IllegalUntil(until)) => counterexample::core(part, until, meter),
        Err(cause) => {
            let reached = meter.take_reached();
            let stuck = reached.map(|until| Box::new(Stuck::new(part, &problem, until)));
            return Err(Undecided { cause, stuck });
        }
    };
    let undecided = |cause| Undecided { cause, stuck: None };
    shown.map(|shown| Err(Box::new(shown))).map_err(undecided)
}

/// What was found of one key. Operations are places in its problem.
enum Decision {
    /// This order explains it.
    Legal(Vec<u32>),
    /// No order does, as these operations show.
    Illegal(Vec<u32>),
    /// No order does, and what was called after this position is likely to play no part.
    IllegalUntil(u32),
}

/// Decides without a search where that can be, and else by a search.
fn decide(
    part: &KeyHistory<'_>,
    problem: &Problem<'_>,
    meter: &mut Meter,
) -> Result<Decision, Cause> {
    if let Problem::Register(model, steps) = problem {
        match zones::rule(model.initial, steps, meter)? {
            Ruling::Legal(order) => return Ok(Decision::Legal(order)),
            Ruling::Illegal(places) => return Ok(Decision::Illegal(places)),
            Ruling::Open => {}
        }
    }
    let mut refute = |until: u32, meter: &mut Meter| counterexample::is_refuted(part, until, meter);
    Ok(match problem.search(meter, &mut refute)? {
        Found::Order(order) => Decision::Legal(order),
        Found::None { until } => Decision::IllegalUntil(until),
    })
}

fn in_history(problem: &Problem<'_>, order: &[u32]) -> Vec<u32> {
    order.iter().map(|place| problem.index(*place)).collect()
}

/// Splits a history by key, in the order in which the keys appear.
fn parts<'a>(history: &'a History, rules: &'a Rules) -> Vec<KeyHistory<'a>> {
    let mut numbers = vec![NO_KEY; history.texts.len()];
    let mut keys: Vec<Vec<u32>> = Vec::new();
    for (index, operation) in (0_u32..).zip(&history.operations) {
        let number = &mut numbers[operation.key.0 as usize];
        if *number == NO_KEY {
            *number = u32::try_from(keys.len()).expect("fewer than 2^32 keys");
            keys.push(Vec::new());
        }
        keys[*number as usize].push(index);
    }
    keys.into_iter().map(|indexes| KeyHistory::new(history, indexes, rules)).collect()
}

const NO_KEY: u32 = u32::MAX;

/// The first share of a key is one part in so many of the budget that is left.
const SHARE: u32 = 8;

/// What the parts and their problems take for each operation.
const BYTES_PER_OPERATION: usize = 72;

const ALGORITHM: &str =
    "zones of unique values, and depth-first search over hashed configurations, by key";
