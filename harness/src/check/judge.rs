//! The entry point: a whole history to one verdict.
//!
//! Keys are independent, so each is judged alone; a history is legal if every key is. The keys
//! share one budget. A key that eats its first share is set aside until the others are through, so
//! that one hard key hides no violation of an easy one.

use super::budget::{Budget, Cause, Meter};
use super::core;
use super::plan::{Part, Problem};
use super::search::Found;
use super::{Judgement, ModelName, Report};
use crate::history::History;
use crate::summary::{CheckerSummary, ViolationCore};

/// Judges a history by a model, within a budget.
///
/// # Examples
///
/// ```
/// use std::path::Path;
/// use synod_harness::check::{Budget, Judgement, ModelName, check_history};
/// use synod_harness::history::jsonl;
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
/// # Ok::<(), synod_harness::history::HistoryError>(())
/// ```
#[must_use]
pub fn check_history(history: &History, model: ModelName, budget: Budget) -> Report {
    let mut meter = Meter::start(budget);
    let parts = parts(history, model);
    let judgement = judge_all(&parts, &mut meter);
    let checker = CheckerSummary {
        algorithm: ALGORITHM.to_owned(),
        operations: history.operations.len() as u64,
        keys: parts.len() as u64,
        configurations: meter.steps(),
        millis: u64::try_from(meter.elapsed().as_millis()).unwrap_or(u64::MAX),
    };
    Report { judgement, checker }
}

/// Returns whether a history is linearizable, and looks for no core if it is not.
///
/// # Errors
///
/// The cause, if the budget ran out.
pub fn is_linearizable(history: &History, model: ModelName, budget: Budget) -> Result<bool, Cause> {
    let mut meter = Meter::start(budget);
    let mut unknown = None;
    for part in parts(history, model) {
        match search(&part, &part.whole(), &mut meter) {
            Ok(Found::Order(_)) => {}
            Ok(Found::None { .. }) => return Ok(false),
            Err(cause) => unknown = Some(cause),
        }
    }
    unknown.map_or(Ok(true), Err)
}

fn judge_all(parts: &[Part<'_>], meter: &mut Meter) -> Judgement {
    let mut witness = Vec::new();
    let mut hard = Vec::new();
    let share = if parts.len() == 1 { 1 } else { SHARE };
    for part in parts {
        match meter.with_share(share, |meter| judge(part, meter)) {
            Ok(Ok(order)) => witness.extend(order),
            Ok(Err(core)) => return Judgement::Illegal { core: *core },
            Err(_) => hard.push(part),
        }
    }
    let mut unknown = None;
    for part in hard {
        match judge(part, meter) {
            Ok(Ok(order)) => witness.extend(order),
            Ok(Err(core)) => return Judgement::Illegal { core: *core },
            Err(cause) => unknown = Some(cause),
        }
    }
    match unknown {
        Some(cause) => Judgement::Unknown { cause },
        None => Judgement::Legal { witness },
    }
}

/// Judges one key: the order that explains it, or the core that no order explains.
fn judge(
    part: &Part<'_>,
    meter: &mut Meter,
) -> Result<Result<Vec<u32>, Box<ViolationCore>>, Cause> {
    let problem = part.whole();
    match search(part, &problem, meter)? {
        Found::Order(order) => Ok(Ok(in_history(&problem, &order))),
        Found::None { until } => core::core(part, until, meter).map(|core| Err(Box::new(core))),
    }
}

fn search(part: &Part<'_>, problem: &Problem<'_>, meter: &mut Meter) -> Result<Found, Cause> {
    let mut refute = |until: u32, meter: &mut Meter| core::is_refuted(part, until, meter);
    problem.search(meter, &mut refute)
}

fn in_history(problem: &Problem<'_>, order: &[u32]) -> Vec<u32> {
    order.iter().map(|place| problem.index(*place)).collect()
}

/// Splits a history by key, in the order in which the keys appear.
fn parts(history: &History, model: ModelName) -> Vec<Part<'_>> {
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
    keys.into_iter().map(|indexes| Part::new(history, indexes, model)).collect()
}

const NO_KEY: u32 = u32::MAX;

/// The first share of a key is one part in so many of the budget that is left.
const SHARE: u32 = 8;

const ALGORITHM: &str = "depth-first search over hashed configurations, by key";
