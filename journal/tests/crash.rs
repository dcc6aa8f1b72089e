//! Power loss at every boundary of scripted runs, of their recoveries, and of the making.
//!
//! Claim kept: whatever subset of the un-synced effects reaches the disk, what was acknowledged is
//! recovered, nothing is invented, and an interrupted recovery is repeated with the same result.
#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod script;

use std::path::Path;

use script::Step::{Append, Kill, Prepare, Release, Reopen, Seal, Sync};
use script::{Step, check, crashes, open, run, run_into};
use synod_journal::{Create, Disk as _, Journal, OpenError, SimDisk};

/// Halts a script before each operation that changes something and checks every crash.
fn crash_everywhere(script: &[Step], rolls: u64) {
    let whole = SimDisk::new(1);
    run_into(&whole, script, &mut script::Ledger::default()).unwrap();
    let operations = whole.operations();
    assert!(operations > 20, "the script does something");
    for halt in 0..=operations {
        let disk = SimDisk::new(1);
        disk.halt_after(halt);
        let ledger = run(&disk, script);
        for after in crashes(&disk, rolls) {
            check(&after, &ledger);
        }
    }
}

/// Halts the recovery of a crashed script before each of its own operations, and crashes it again.
fn crash_in_recovery(script: &[Step], halts: impl Iterator<Item = u64>) {
    for halt in halts {
        let disk = SimDisk::new(1);
        disk.halt_after(halt);
        let ledger = run(&disk, script);
        for crashed in crashes(&disk, 1) {
            let trial = crashed.kill();
            let _ = open(&trial);
            for inner in 0..=trial.operations() {
                let interrupted = crashed.kill();
                interrupted.halt_after(inner);
                let _ = open(&interrupted);
                for seed in 0..2 {
                    let mut dice = script::Dice::new(seed);
                    let after = interrupted.crash(|choice| dice.roll(choice.options));
                    check(&after, &ledger);
                }
                check(&interrupted.crash(|_| 0), &ledger);
                check(&interrupted.crash(|choice| choice.options - 1), &ledger);
                check(&interrupted.kill(), &ledger);
            }
        }
    }
}

/// Small commits, one frame a sync, seals and hard states between.
fn small() -> Vec<Step> {
    vec![
        Append(vec![10]),
        Sync,
        Append(vec![]),
        Sync,
        Append(vec![600, 0, 30]),
        Append(vec![5]),
        Sync,
        Seal,
        Append(vec![700]),
        Append(vec![1]),
        Append(vec![]),
        Sync,
    ]
}

/// Commits that cross segments, with and without the next one made ahead.
fn crossing() -> Vec<Step> {
    vec![
        Append(vec![2000]),
        Sync,
        Prepare,
        Append(vec![1500]),
        Append(vec![1800]),
        Sync,
        Append(vec![1700]),
        Sync,
        Append(vec![2000]),
        Append(vec![900]),
        Sync,
        Prepare,
    ]
}

/// Processes that come and go.
fn restarts() -> Vec<Step> {
    vec![
        Append(vec![100]),
        Sync,
        Kill,
        Append(vec![200]),
        Kill,
        Append(vec![3000]),
        Sync,
        Append(vec![1000]),
        Kill,
        Append(vec![40]),
        Sync,
        Reopen,
        Append(vec![2500]),
        Sync,
    ]
}

/// Segments that are released.
fn releases() -> Vec<Step> {
    vec![
        Append(vec![3000]),
        Append(vec![3000]),
        Sync,
        Append(vec![3000]),
        Append(vec![3000]),
        Sync,
        Release,
        Seal,
        Append(vec![10]),
        Sync,
        Append(vec![3000]),
        Sync,
        Release,
        Append(vec![20]),
        Kill,
        Append(vec![30]),
        Sync,
    ]
}

#[test]
fn every_crash_point_of_small_commits() {
    crash_everywhere(&small(), 12);
}

#[test]
fn every_crash_point_across_segments() {
    crash_everywhere(&crossing(), 12);
}

#[test]
fn every_crash_point_of_restarts() {
    crash_everywhere(&restarts(), 6);
}

#[test]
fn every_crash_point_of_releases() {
    crash_everywhere(&releases(), 6);
}

#[test]
fn every_crash_point_of_recoveries() {
    crash_in_recovery(&small(), (10..40).step_by(3));
    crash_in_recovery(&crossing(), (14..64).step_by(7));
    crash_in_recovery(&releases(), (20..90).step_by(17));
}

#[test]
fn every_crash_point_of_the_making() {
    crash_in_recovery(&[], 0..20);
}

/// Makes a journal some levels down, and says whether that came to its end.
fn make(disk: &SimDisk, create: Create) -> Result<bool, OpenError> {
    let mut options = script::options();
    options.create = create;
    match Journal::open(disk.clone(), Path::new("/srv/synod/a/log"), &options, |_| {}) {
        Ok(_) => Ok(true),
        Err(OpenError::Exists { .. }) => Ok(true),
        Err(error) => Err(error),
    }
}

#[test]
fn a_journal_that_was_made_is_there_after_any_crash() {
    let whole = SimDisk::new(1);
    make(&whole, Create::New).unwrap();
    // Directories that somebody made by hand before are no more durable than those made here.
    for by_hand in [&["/srv", "/srv/synod"][..], &[]] {
        for halt in 0..=whole.operations() {
            let disk = SimDisk::new(1);
            for folder in by_hand {
                disk.create_dir(Path::new(folder)).unwrap();
            }
            disk.halt_after(halt);
            let made = make(&disk, Create::New).is_ok();
            // A process that was killed in the middle leaves its directories to the next one.
            let repeated = disk.kill();
            make(&repeated, Create::New).unwrap();
            for after in crashes(&repeated, 8) {
                make(&after, Create::Never).unwrap();
            }
            for after in crashes(&disk, 8) {
                if made {
                    make(&after, Create::Never).unwrap();
                } else {
                    make(&after, Create::New).unwrap();
                    make(&after.crash(|_| 0), Create::Never).unwrap();
                }
            }
        }
    }
}
