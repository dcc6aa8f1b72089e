//! Power loss and kills at every boundary of the making of snapshots, and of openings.
//!
//! Claim kept: whatever subset of the un-synced effects reaches the disk, the newest snapshot that
//! was reported as durable is there and whole, nothing unfinished is taken for one, and an opening
//! that was cut short is repeated with the same result.
#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod script;
mod snapshots;

use script::crashes;
use snapshots::Step::{Drop, Kill, Take};
use snapshots::{Step, check, open, run, run_into};
use synod_journal::{CallFault, DiskCall, Failure, SimDisk, Times};

const LIVES: &[Step] =
    &[Take(10), Take(20), Drop(25), Take(30), Kill, Take(30), Kill, Drop(35), Kill, Take(40)];

/// Returns how many operations a script changes something by.
fn operations(kept: usize, script: &[Step]) -> u64 {
    let whole = SimDisk::new(1);
    run_into(&whole, kept, script, &mut snapshots::Ledger::default()).unwrap();
    assert!(whole.operations() > 20, "the script does something");
    whole.operations()
}

#[test]
fn every_crash_point_of_taking_snapshots() {
    for kept in [1, 2] {
        for halt in 0..=operations(kept, LIVES) {
            let disk = SimDisk::new(1);
            disk.halt_after(halt);
            let ledger = run(&disk, kept, LIVES);
            check(&disk.kill(), kept, &ledger);
            for after in crashes(&disk, 8) {
                check(&after, kept, &ledger);
            }
        }
    }
}

#[test]
fn every_crash_point_of_openings() {
    let kept = 1;
    for halt in 0..=operations(kept, LIVES) {
        let disk = SimDisk::new(1);
        disk.halt_after(halt);
        let ledger = run(&disk, kept, LIVES);
        for crashed in [disk.kill(), disk.crash(|_| 0), disk.crash(|choice| choice.options - 1)] {
            let trial = crashed.kill();
            let _ = open(&trial, kept);
            for inner in 0..=trial.operations() {
                let interrupted = crashed.kill();
                interrupted.halt_after(inner);
                let _ = open(&interrupted, kept);
                check(&interrupted.kill(), kept, &ledger);
                for after in crashes(&interrupted, 2) {
                    check(&after, kept, &ledger);
                }
            }
        }
    }
}

/// A sync that fails forgets what it owed, and the process that starts after it, on a system that
/// goes on, sees names that the disk never had.
#[test]
fn every_failing_operation_leaves_what_was_reported() {
    let calls = [
        DiskCall::CreateDir,
        DiskCall::Create,
        DiskCall::Write,
        DiskCall::Sync,
        DiskCall::Rename,
        DiskCall::Remove,
        DiskCall::SyncDir,
        DiskCall::Lock,
        DiskCall::List,
        DiskCall::Open,
        DiskCall::Read,
    ];
    let (kept, mut failed) = (1, 0);
    for operation in calls {
        for after in 0..40 {
            let disk = SimDisk::new(1);
            let failure = Failure::Io;
            disk.inject(CallFault { operation, after, times: Times::Once, failure });
            let mut ledger = snapshots::Ledger::default();
            failed += u32::from(run_into(&disk, kept, LIVES, &mut ledger).is_err());
            disk.clear_faults();
            check(&disk.kill(), kept, &ledger);
            check(&disk.crash(|_| 0), kept, &ledger);
            check(&disk.crash(|choice| choice.options - 1), kept, &ledger);
        }
    }
    assert!(failed > 100, "the faults were met {failed} times");
}
