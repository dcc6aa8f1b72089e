//! Folders that are changed for other ones: every such node is refused, whatever comes with it.
//!
//! The swarm changes a folder in few of its runs, among many other faults; here it is done in each
//! run, at a moment at which a rule would have to be there. What is known of peers is remembered
//! durably at once, so that all of them notice.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(clippy::print_stdout, reason = "a test that panics has said at which seed")]

use synod_fault::{
    Action, Conditions, DiskFault, LinkRules, Millis, NodeId, PlannedFault, Scenario, Target,
};
use synod_rng::Seed;
use synod_simulated::coverage::{HitCounts, Point};
use synod_simulated::trial;
use synod_simulated::tuning::Tuning;

/// How many seeds are run of each case.
const SEEDS: u64 = 12;

/// When the folder is changed: all have heard of each other by then.
const CHANGED_MS: u64 = 3_000;

const CHANGED: NodeId = NodeId(2);

fn fault(at_ms: u64, lasts_ms: u64, action: Action) -> PlannedFault {
    PlannedFault::new(Millis(at_ms), Millis(lasts_ms), action, Target::Node(CHANGED))
}

fn folder(at_ms: u64, lasts_ms: u64, fault_of: DiskFault) -> PlannedFault {
    fault(at_ms, lasts_ms, Action::Disk(fault_of))
}

fn stop(at_ms: u64, lasts_ms: u64) -> PlannedFault {
    fault(at_ms, lasts_ms, Action::Kill)
}

/// Nobody hears the node, which hears all others.
fn mute(at_ms: u64, lasts_ms: u64) -> PlannedFault {
    fault(at_ms, lasts_ms, Action::Mute)
}

fn plan(seed: u64, mut faults: Vec<PlannedFault>) -> Scenario {
    faults.sort_by_key(|fault| fault.at_ms);
    Scenario {
        clients: 4,
        rest_ms: Millis(50),
        timeout_ms: Millis(4_000),
        faults,
        conditions: Conditions {
            links: LinkRules { jitter_ms: Millis(2), ..LinkRules::default() },
            sync_us: 1_000,
            ..Conditions::default()
        },
        ..Scenario::calm(Seed(seed), 3, Millis(8_000))
    }
}

/// Runs all seeds of a case; the folder is changed in each, and found out.
fn check(changed: Point, faults: impl Fn(u64) -> Vec<PlannedFault>) -> HitCounts {
    let mut sum = HitCounts::default();
    for seed in 0..SEEDS {
        println!("seed {seed}");
        let plan = plan(seed, faults(seed));
        let mut tuning = Tuning::usual(&plan);
        tuning.settings.peer_end_step = 1;
        let ended = trial::run_tuned(&plan, tuning, false);
        assert_eq!(ended.violation, None, "seed {seed}");
        sum.add(&ended.hit_counts);
    }
    for point in [changed, Point::StrangerRefused, Point::RefusedAgain] {
        assert_eq!(sum.of(point).runs, SEEDS, "{}", point.name());
    }
    sum
}

#[test]
fn a_node_that_is_made_anew_is_refused() {
    check(Point::FolderMadeAnew, |_| vec![folder(CHANGED_MS, 50, DiskFault::MadeAnew)]);
}

#[test]
fn a_node_with_the_folder_of_another_is_refused() {
    check(Point::FolderOfAnother, |_| vec![folder(CHANGED_MS, 50, DiskFault::Foreign)]);
}

#[test]
fn a_node_with_an_older_copy_is_refused() {
    check(Point::FolderRolledBack, |_| {
        vec![folder(CHANGED_MS - 1_000, 1_000, DiskFault::RolledBack)]
    });
}

/// The copy counts its next start as the original has counted one.
#[test]
fn a_node_with_a_copy_of_the_same_start_is_refused() {
    check(Point::FolderRolledBack, |_| {
        let begins = CHANGED_MS - 1_500;
        vec![stop(begins - 20, 40), folder(begins, 1_500, DiskFault::RolledBack)]
    });
}

/// While nobody hears it, it hears all others, and must not grow past what it lacks.
#[test]
fn a_node_with_an_older_copy_that_is_not_heard_at_first_is_refused_later() {
    check(Point::FolderRolledBack, |seed| {
        let (begins, back) = (CHANGED_MS - 1_000, CHANGED_MS + 2_500 + 100 * seed);
        vec![
            folder(begins, 1_000, DiskFault::RolledBack),
            mute(CHANGED_MS - 100, back + 100 - CHANGED_MS),
            stop(back, 200),
        ]
    });
}

/// It is found out, and its power fails before it has written why.
#[test]
fn a_node_whose_power_fails_as_it_is_refused_is_refused_again() {
    check(Point::FolderRolledBack, |seed| {
        let begins = CHANGED_MS - 1_000;
        let mut faults = vec![folder(begins, 1_000, DiskFault::RolledBack)];
        for round in 0..8 {
            let at_ms = CHANGED_MS + 100 * round + 13 * seed;
            faults.push(fault(at_ms, 30, Action::PowerLoss));
        }
        faults
    });
}
