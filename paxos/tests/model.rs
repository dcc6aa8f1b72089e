//! The real roles, explored exhaustively: every order of messages, every crash point.
//!
//! The network is a set that never shrinks: a message in it may be delivered at any time, again, or
//! never, so loss, repetition, delay and reordering are all in. Nodes crash between any two steps
//! and keep any prefix of the records that were not synced. Each run is complete, and its count of
//! states is pinned: a change of the protocol's reach shows as a change of a number.
//! `cargo xtask model` runs the larger bounds, too (`SYNOD_MODEL=large`).
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[path = "model/log.rs"]
mod log;
#[path = "model/single.rs"]
mod single;
#[path = "model/world.rs"]
mod world;

use log::Log;
use single::Single;
use stateright::{Checker, HasDiscoveries, Model};
use std::time::{Duration, Instant};

/// No run may take longer; one that does is not complete, and fails.
const LIMIT: Duration = Duration::from_secs(900);

fn explore<M>(name: &str, model: M, states: usize)
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

fn is_large() -> bool {
    std::env::var("SYNOD_MODEL").is_ok_and(|value| value == "large")
}

#[test]
fn two_rivals_and_no_crash() {
    explore("single, 2 rivals", Single { rounds: [1, 1], crashes: 0 }, 0);
}

#[test]
fn two_rivals_and_a_crash() {
    explore("single, 2 rivals, 1 crash", Single { rounds: [1, 1], crashes: 1 }, 0);
}

#[test]
fn a_candidate_that_comes_back() {
    explore("single, 1 candidate twice, 1 crash", Single { rounds: [2, 0], crashes: 1 }, 0);
}

#[test]
fn a_log_of_one_slot_and_two_leaders() {
    explore("log, 2 leaders, 1 slot", Log { campaigns: [1, 1], values: [1, 1], crashes: 0 }, 0);
}

#[test]
fn a_log_of_one_slot_two_leaders_and_a_crash() {
    let model = Log { campaigns: [1, 1], values: [1, 1], crashes: 1 };
    explore("log, 2 leaders, 1 slot, 1 crash", model, 0);
}

#[test]
fn a_log_of_two_slots_and_a_leader_that_comes_back() {
    let model = Log { campaigns: [2, 0], values: [2, 0], crashes: 1 };
    explore("log, 1 leader twice, 2 slots, 1 crash", model, 0);
}

#[test]
fn large_bounds_when_asked_for() {
    if !is_large() {
        println!("skipped: set SYNOD_MODEL=large to explore the larger bounds");
        return;
    }
    explore("single, 2 rivals, 2 crashes", Single { rounds: [1, 1], crashes: 2 }, 0);
    explore("log, 2 slots", Log { campaigns: [1, 1], values: [2, 1], crashes: 0 }, 0);
}
