//! The disks of all nodes fill, and room comes back to a majority alone.
//!
//! Whichever node leads when the disks fill, and whichever of them stays full: once a majority has
//! room the clients are served again, a full leader hands over, and a node that is started anew on
//! its full disk is among those that run.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use synod_fault::{
    Action, Conditions, DiskFault, LinkRules, Millis, NodeId, PlannedFault, Scenario, Target,
};
use synod_rng::Seed;
use synod_simulated::trial;
use synod_simulated::tuning::{SEGMENT_BYTES, Tuning};

#[test]
fn a_majority_with_room_serves_although_the_others_disk_is_full() {
    for seed in 0..SEEDS {
        for stays_full in 1..=3 {
            check(&plan(seed, stays_full, false));
        }
    }
}

#[test]
fn so_it_does_with_the_full_node_started_anew_again_and_again() {
    for seed in 0..SEEDS {
        for stays_full in 1..=3 {
            check(&plan(seed, stays_full, true));
        }
    }
}

/// Runs a plan to its verdict, which needs every client served at its end, and counts what was
/// served meanwhile: with all disks full hardly anything is.
fn check(plan: &Scenario) {
    let mut tuning = Tuning::usual(plan);
    tuning.segment_bytes = SEGMENT_BYTES / 2;
    tuning.settings.commit_bytes = 4 << 10;
    tuning.settings.full_below_bytes = 2 << 10;
    let filled = trial::run_tuned(
        &Scenario { time_ms: Millis(ROOM_MS), ..plan.clone() },
        tuning.clone(),
        false,
    );
    assert!(filled.violation.is_none(), "{:#?}", filled.violation);
    let ended = trial::run_tuned(plan, tuning, false);
    assert!(ended.violation.is_none(), "{:#?}", ended.violation);
    let served = ended.outcomes.ok.saturating_sub(filled.outcomes.ok);
    let least = (plan.time_ms.0 - ROOM_MS) / 1_000 * SERVED_PER_SECOND_MIN;
    assert!(served >= least, "{served} operations of {plan:#?}");
}

fn plan(seed: u64, stays_full: u16, restarts: bool) -> Scenario {
    let full = |node: u16| {
        let until = if node == stays_full { END_MS } else { ROOM_MS };
        let (action, target) = (Action::Disk(DiskFault::Full), Target::Node(NodeId(node)));
        PlannedFault::new(Millis(FULL_MS), Millis(until - FULL_MS), action, target)
    };
    let mut faults: Vec<PlannedFault> = (1..=3).map(full).collect();
    let crash = |at_ms| {
        let target = Target::Node(NodeId(stays_full));
        PlannedFault::new(Millis(at_ms), Millis(100), Action::PowerLoss, target)
    };
    if restarts {
        faults.extend((FULL_MS + 500..END_MS).step_by(700).map(crash));
    }
    faults.sort_by_key(|fault| fault.at_ms);
    let quiet = LinkRules { jitter_ms: Millis(2), ..LinkRules::default() };
    Scenario {
        clients: 3,
        rest_ms: Millis(20),
        timeout_ms: Millis(2_000),
        faults,
        conditions: Conditions {
            links: quiet,
            client_links: quiet,
            sync_us: 500,
            clock_ppm: vec![0; 3],
        },
        ..Scenario::calm(Seed(seed), 3, Millis(END_MS))
    }
}

const SEEDS: u64 = 3;

/// When the disks fill, when a majority has room again, and when the run ends.
const FULL_MS: u64 = 1_000;
const ROOM_MS: u64 = 8_000;
const END_MS: u64 = 16_000;

/// Three clients that rest for 10 ms do some two hundred.
const SERVED_PER_SECOND_MIN: u64 = 50;
