//! Segments larger than what recovery reads at a time: frames, headers and torn ends that lie
//! across its borders.
//!
//! The other tests keep their segments small, so that each byte of them can be tried. Claim kept:
//! what they show of small segments holds for those that a window does not span.
#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod script;

use std::path::PathBuf;

use script::{Ledger, append, assert_allowed, open_with, options, path, sync};
use synod_journal::{DamageReason, Journal, OpenError, Options, Prepared, SimDisk};

/// What recovery reads at a time; the segments here hold several such windows.
const WINDOW: usize = 256 << 10;
/// Where the first commit of a new journal begins: behind the header and the seal of the making.
const FIRST_FRAME: usize = 4096 + 96;
/// The header of a frame, and the length in front of its record.
const FRAMING: usize = 96 + 4;

fn large() -> Options {
    let mut options = options();
    options.segment_bytes = 8 * WINDOW as u64;
    options
}

fn file() -> PathBuf {
    path().join("segment-00000001.log")
}

/// A journal with one synced commit for each length.
fn filled(lengths: &[usize]) -> (SimDisk, Journal<SimDisk>, Ledger) {
    let (disk, mut ledger) = (SimDisk::new(1), Ledger::default());
    let (mut journal, _, _) = open_with(&disk, &large()).unwrap();
    for length in lengths {
        append(&mut journal, &mut ledger, &[*length]).unwrap();
        sync(&mut journal, &mut ledger).unwrap();
    }
    (disk, journal, ledger)
}

#[test]
fn frames_across_the_borders_of_what_is_read_come_back_whole() {
    // Small and large ones in turn put bodies, headers and paddings on the borders.
    let mut lengths: Vec<usize> = (0..60).map(|number| 40 + number * 397).collect();
    lengths.extend([WINDOW - 3000, 3, WINDOW + 1]);
    let (disk, _, ledger) = filled(&lengths);
    let (journal, recovered, found) = open_with(&disk.kill(), &large()).unwrap();
    assert_eq!((found.records.len(), recovered.cut_bytes), (lengths.len(), 0));
    assert_allowed(&ledger, &found);
    // A reader takes smaller bites of the file that recovery wrote anew.
    let mut reader = journal.reader();
    let read = reader.read_range(found.first..found.next, usize::MAX).unwrap();
    assert!(read == ledger.records);
}

#[test]
fn a_header_far_behind_tells_rot_from_a_torn_end() {
    // The only proof that the large commit was synced stands more than a window behind its rot,
    // and at each place in a window in turn.
    for extra in [0, 8, WINDOW - 8192, WINDOW - 104, WINDOW - 96, WINDOW - 8] {
        let (disk, journal, _) = filled(&[WINDOW + extra, 10]);
        drop(journal);
        disk.tamper(&file(), |bytes| bytes[FIRST_FRAME + FRAMING] ^= 1);
        let Err(OpenError::Damaged(damaged)) = open_with(&disk, &large()) else {
            panic!("a loss in silence: {extra}");
        };
        assert_eq!(damaged.reason, DamageReason::SyncedFrame);
    }
}

#[test]
fn a_torn_end_of_several_windows_is_cut_and_counted() {
    let (disk, mut journal, mut ledger) = filled(&[100]);
    let torn = 3 * WINDOW + 4;
    append(&mut journal, &mut ledger, &[torn]).unwrap();
    drop(journal);
    let disk = disk.kill();
    let frame = FIRST_FRAME + (FRAMING + 100);
    disk.tamper(&file(), |bytes| bytes[frame + FRAMING + 1] ^= 1);
    let (_, recovered, found) = open_with(&disk, &large()).unwrap();
    assert_allowed(&ledger, &found);
    assert_eq!(found.records.len(), 1);
    assert_eq!(recovered.cut_bytes, (FRAMING + torn) as u64);
}

#[test]
fn a_step_of_preparation_keeps_up_with_what_is_appended() {
    let mut options = large();
    options.segment_bytes = 32 * WINDOW as u64;
    for (appended, steps) in [(1, 15), (2 * WINDOW, 15), (12 * WINDOW, 10)] {
        let disk = SimDisk::new(1);
        let (mut journal, _, _) = open_with(&disk, &options).unwrap();
        let mut ledger = Ledger::default();
        append(&mut journal, &mut ledger, &[appended]).unwrap();
        sync(&mut journal, &mut ledger).unwrap();
        // The spare comes first, and its last step goes on with the segment.
        let prepared: Vec<_> = (0..steps).map(|_| journal.prepare().unwrap()).collect();
        let (last, earlier) = prepared.split_last().unwrap();
        assert_eq!(*last, Prepared::Ready, "{appended}");
        assert!(earlier.iter().all(|step| *step == Prepared::Unfinished), "{appended}");
    }
}

#[test]
fn recovery_leaves_commits_without_records_out() {
    let (disk, mut journal, mut ledger) = filled(&[100]);
    drop(journal);
    (journal, _, _) = open_with(&disk, &large()).unwrap();
    let room = journal.room();
    for _ in 0..200 {
        append(&mut journal, &mut ledger, &[]).unwrap();
        sync(&mut journal, &mut ledger).unwrap();
    }
    assert!(journal.room() < room);
    drop(journal);
    let (journal, _, found) = open_with(&disk, &large()).unwrap();
    assert_allowed(&ledger, &found);
    assert_eq!(journal.room(), room, "the last of them says all that the others did");
}
