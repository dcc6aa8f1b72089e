//! The real roles, explored exhaustively: every order of messages, every crash point.
//!
//! The network is a set that never shrinks: a message in it may be delivered at any time, again, or
//! never, so loss, repetition, delay and reordering are all in. Nodes crash between any two steps
//! and keep any prefix of the records that were not synced. Each run is complete, and its count of
//! states is pinned: a change of the protocol's reach shows as a change of a number.
//! `cargo xtask model` runs the larger bounds, too (`SYNOD_MODEL=large`).
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "a test reads clocks and says what it explored; the core that it drives does not"
)]

#[path = "model/explore.rs"]
mod explore;
#[path = "model/log.rs"]
mod log;
#[path = "model/single.rs"]
mod single;
#[path = "model/world.rs"]
mod world;

use explore::{explore, is_large};
use log::{LOG, Log};
use single::Single;
use world::Quorums;

#[test]
fn two_rivals_and_no_crash() {
    explore("single, 2 rivals", Single { rounds: [1, 1], crashes: 0 }, 4_025);
}

#[test]
fn two_rivals_and_a_crash() {
    explore("single, 2 rivals, 1 crash", Single { rounds: [1, 1], crashes: 1 }, 75_991);
}

#[test]
fn a_candidate_that_comes_back() {
    let model = Single { rounds: [2, 0], crashes: 1 };
    explore("single, 1 candidate twice, 1 crash", model, 24_487);
}

#[test]
fn a_log_and_two_leaders() {
    let model = Log { values: [1, 1], ..LOG };
    explore("log, 2 leaders", model, 120_431);
}

#[test]
fn a_log_with_copies() {
    let model = Log { values: [1, 0], copies: true, ..LOG };
    explore("log, 2 leaders, copies", model, 6_832);
}

#[test]
fn a_log_of_two_slots() {
    let model = Log { values: [2, 0], ..LOG };
    explore("log, 2 leaders, 2 slots", model, 163_706);
}

#[test]
fn a_log_whose_leader_crashes() {
    let model = Log { campaigns: [2, 0], values: [1, 0], crashes: 1, ..LOG };
    explore("log, 1 leader twice, 1 crash", model, 28_428);
}

#[test]
fn a_log_with_two_leaders_and_a_crash() {
    let model = Log { values: [1, 0], crashes: 1, ..LOG };
    explore("log, 2 leaders, 1 crash", model, 45_876);
}

#[test]
fn a_log_with_copies_and_a_crash() {
    let model = Log { values: [1, 0], crashes: 1, copies: true, ..LOG };
    explore("log, 2 leaders, copies, 1 crash", model, 149_742);
}

#[test]
fn a_log_with_copies_whose_leader_crashes() {
    let model = Log { campaigns: [2, 0], values: [1, 0], crashes: 1, copies: true, ..LOG };
    explore("log, 1 leader twice, copies, 1 crash", model, 106_351);
}

/// A leader needs the promises of all three, and one vote of anybody.
#[test]
fn a_log_in_which_one_vote_chooses() {
    let quorums = Quorums(3, 1);
    let model = Log { values: [1, 1], copies: true, quorums, ..LOG };
    explore("log, 2 leaders, copies, quorums of 3 and 1", model, 31_546);
    let model = Log { values: [1, 0], crashes: 1, quorums, ..LOG };
    explore("log, 2 leaders, 1 crash, quorums of 3 and 1", model, 10_019);
}

/// A leader needs nobody's promise but its own, and the votes of all three.
#[test]
fn a_log_in_which_one_promise_elects() {
    let quorums = Quorums(1, 3);
    let model = Log { values: [1, 1], copies: true, quorums, ..LOG };
    explore("log, 2 leaders, copies, quorums of 1 and 3", model, 177_937);
    let model = Log { values: [1, 0], crashes: 1, quorums, ..LOG };
    explore("log, 2 leaders, 1 crash, quorums of 1 and 3", model, 30_652);
}

/// Nodes keep states in place of what was chosen, and go on from those of others.
#[test]
fn a_log_with_states() {
    let model = Log { values: [1, 0], states: true, ..LOG };
    explore("log, 2 leaders, states", model, 14_279);
}

#[test]
fn a_log_with_states_and_a_crash() {
    let model = Log { values: [1, 0], crashes: 1, states: true, ..LOG };
    explore("log, 2 leaders, states, 1 crash", model, 452_012);
}

#[test]
fn larger_bounds_where_asked_for() {
    if !is_large() {
        println!("skipped: SYNOD_MODEL=large explores the larger bounds");
        return;
    }
    let model = Log { values: [1, 1], copies: true, ..LOG };
    explore("log, 2 leaders, 2 values, copies", model, 888_640);
    let model = Log { values: [1, 1], states: true, ..LOG };
    explore("log, 2 leaders, 2 values, states", model, 1_168_963);
    explore("single, 2 rivals, 2 crashes", Single { rounds: [1, 1], crashes: 2 }, 375_228);
}
