//! What counts as a complete exploration: no property fails, nothing is left, the count is the
//! pinned one. What is explored is for the tests; those of other crates use this file, too.

use stateright::{Checker, HasDiscoveries, Model};
use std::time::{Duration, Instant};

/// No run may take longer; one that does is not complete, and fails.
const LIMIT: Duration = Duration::from_secs(900);

/// Explores all states, holds the properties in each, and counts.
pub(crate) fn explore<M>(name: &str, model: M, states: usize)
where
    M: Model + Send + Sync + 'static,
    M::State: std::hash::Hash + Send + Sync + Clone + PartialEq + std::fmt::Debug,
    M::Action: Send + Sync + Clone + PartialEq + std::fmt::Debug,
{
    let begun = Instant::now();
    let checker = model
        .checker()
        .threads(2)
        .timeout(LIMIT)
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    let seconds = begun.elapsed().as_secs_f64();
    let (unique, depth) = (checker.unique_state_count(), checker.max_depth());
    let rate = unique as f64 / seconds;
    println!("model {name}: {unique} states, depth {depth}, {seconds:.1} s, {rate:.0} states/s");
    checker.assert_properties();
    assert!(begun.elapsed() < LIMIT, "{name}: not complete after {LIMIT:?}");
    assert_eq!(unique, states, "{name}: the count of states changed");
}

/// Tells whether the larger bounds are asked for.
pub(crate) fn is_large() -> bool {
    std::env::var("SYNOD_MODEL").is_ok_and(|value| value == "large")
}
