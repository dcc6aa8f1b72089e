//! Rot: every byte and every header bit of a sealed journal, frames that stand where they do not
//! belong, and files that are cut, zeroed or gone.
//!
//! Claim kept: the outcome is the identical state, a report of damage, or a refusal; never a loss
//! in silence and never another value. The one exception that the README names is pinned here too.
#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod script;

use std::path::{Path, PathBuf};

use script::Step::{Append, Prepare, Release, Seal, Sync};
use script::{Found, Ledger, Step, assert_surveyed, inspect, open, path, run_into};
use synod_journal::{DamageReason, Disk, OpenError, SECTOR_BYTES, SimDisk};

/// What came of a disk that was tampered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Identical,
    Damaged(DamageReason),
    Refused,
}

fn judge(disk: &SimDisk, expected: &Found) -> Verdict {
    let contents = || files(disk).iter().map(|file| disk.contents(file)).collect::<Vec<_>>();
    let before = contents();
    let seen = inspect(disk);
    assert_surveyed(disk, &seen);
    assert!(contents() == before, "a look changes nothing");
    let opened = open(disk);
    assert!(opened.is_ok() || contents() == before, "a refusal changes nothing");
    match (&seen, &opened) {
        (Ok((_, seen)), Ok((_, _, found))) => assert_eq!(seen, found),
        (Err(OpenError::Damaged(seen)), Err(OpenError::Damaged(found))) => assert_eq!(seen, found),
        (Err(OpenError::Foreign { .. }), Err(OpenError::Foreign { .. }))
        | (Err(OpenError::DamagedIdentity { .. }), Err(OpenError::DamagedIdentity { .. })) => {}
        _ => panic!("a look finds {seen:?}, an opening {opened:?}"),
    }
    match opened {
        Ok((_, _, found)) => {
            assert_eq!(&found, expected, "a loss or a change in silence");
            Verdict::Identical
        }
        Err(OpenError::Damaged(damaged)) => {
            assert!(damaged.path.starts_with(path()), "the report names the file");
            Verdict::Damaged(damaged.reason)
        }
        Err(OpenError::DamagedIdentity { .. } | OpenError::Foreign { .. }) => Verdict::Refused,
        Err(other) => panic!("an outcome that rot does not explain: {other}"),
    }
}

/// A journal of three segments, sealed, with the next one made ahead.
fn sealed() -> (SimDisk, Found) {
    let script = [
        Append(vec![1500]),
        Sync,
        Append(vec![30, 0, 7]),
        Append(vec![2000]),
        Sync,
        Append(vec![2500]),
        Sync,
        Append(vec![900]),
        Seal,
        Append(vec![]),
        Sync,
        Append(vec![1200]),
        Sync,
        Append(vec![900, 1]),
        Sync,
        Prepare,
        Seal,
    ];
    whole(&script)
}

fn whole(script: &[Step]) -> (SimDisk, Found) {
    whole_of(SimDisk::new(3), script)
}

fn whole_of(disk: SimDisk, script: &[Step]) -> (SimDisk, Found) {
    let mut ledger = Ledger::default();
    run_into(&disk, script, &mut ledger).unwrap();
    // The process is gone without a clean close: a copy is recovered to learn what is expected.
    let disk = disk.crash(|_| 0);
    let (_, _, found) = open(&disk.kill()).unwrap();
    script::assert_allowed(&ledger, &found);
    (disk, found)
}

/// The files that hold the state: all but the spare, which holds nothing that is read.
fn files(disk: &SimDisk) -> Vec<PathBuf> {
    let names = disk.list(path()).unwrap();
    names.iter().filter(|name| *name != SPARE).map(|name| path().join(name)).collect()
}

/// Room that is set aside for recovery.
const SPARE: &str = "segment-spare";

fn tampered(disk: &SimDisk, file: &Path, change: impl FnOnce(&mut Vec<u8>)) -> SimDisk {
    let copy = disk.kill();
    copy.tamper(file, change);
    copy
}

#[test]
fn every_flipped_byte_of_a_sealed_journal() {
    let (disk, expected) = sealed();
    let mut seen = Vec::new();
    for file in files(&disk) {
        let bytes = disk.contents(&file).unwrap();
        for at in 0..bytes.len() {
            // Zeros beyond the data are many and alike: each 16th stands for its neighbours.
            if bytes[at] == 0 && at % 16 != 0 {
                continue;
            }
            let flipped = tampered(&disk, &file, |bytes| bytes[at] ^= 0xff);
            let verdict = judge(&flipped, &expected);
            if !seen.contains(&verdict) {
                seen.push(verdict);
            }
        }
    }
    for wanted in [
        Verdict::Identical,
        Verdict::Refused,
        Verdict::Damaged(DamageReason::SyncedFrame),
        Verdict::Damaged(DamageReason::FinishedSegment),
        Verdict::Damaged(DamageReason::SegmentHeader),
    ] {
        assert!(seen.contains(&wanted), "{wanted:?} is among {seen:?}");
    }
}

#[test]
fn every_flipped_bit_of_every_header() {
    let (disk, expected) = sealed();
    for file in files(&disk) {
        let bytes = disk.contents(&file).unwrap();
        let headers: Vec<usize> = (0..bytes.len())
            .step_by(8)
            .filter(|at| bytes[*at..].starts_with(b"SYNF") || *at == 0)
            .collect();
        for header in headers {
            for bit in 0..96 * 8 {
                let at = header + bit / 8;
                if at < bytes.len() {
                    let flip = |bytes: &mut Vec<u8>| bytes[at] ^= 1 << (bit % 8);
                    judge(&tampered(&disk, &file, flip), &expected);
                }
            }
        }
    }
}

#[test]
fn every_zeroed_sector_page_and_cut_file() {
    let (disk, expected) = sealed();
    for file in files(&disk) {
        let length = disk.contents(&file).unwrap().len();
        for unit in [SECTOR_BYTES, 4096] {
            for start in (0..length).step_by(unit) {
                let stop = length.min(start + unit);
                judge(&tampered(&disk, &file, |bytes| bytes[start..stop].fill(0)), &expected);
                judge(&tampered(&disk, &file, |bytes| bytes[start..stop].fill(0xa5)), &expected);
            }
        }
        for length in (0..length).step_by(SECTOR_BYTES) {
            let verdict = judge(&tampered(&disk, &file, |bytes| bytes.truncate(length)), &expected);
            assert_ne!(verdict, Verdict::Identical, "{} cut to {length}", file.display());
        }
    }
}

#[test]
fn every_missing_file() {
    let (disk, expected) = sealed();
    let files = files(&disk);
    let segments = files.iter().filter(|file| file.extension().is_some());
    assert_eq!(segments.count(), 4);
    for file in &files {
        let copy = disk.kill();
        copy.remove(file).unwrap();
        let verdict = judge(&copy, &expected);
        let ahead = file.ends_with("segment-00000004.log");
        assert_eq!(verdict == Verdict::Identical, ahead, "without {}", file.display());
    }
}

#[test]
fn whatever_becomes_of_the_spare_nothing_is_lost() {
    let (disk, expected) = sealed();
    let spare = path().join(SPARE);
    let length = disk.contents(&spare).unwrap().len();
    for kept in [0, 1, length / 2, length] {
        let cut = tampered(&disk, &spare, |bytes| bytes.truncate(kept));
        assert_eq!(judge(&cut, &expected), Verdict::Identical, "cut to {kept}");
    }
    for at in (0..length).step_by(64) {
        let flipped = tampered(&disk, &spare, |bytes| bytes[at] ^= 0xff);
        assert_eq!(judge(&flipped, &expected), Verdict::Identical, "byte {at}");
    }
    for from in files(&disk) {
        let bytes = disk.contents(&from).unwrap();
        let copied = tampered(&disk, &spare, |old| *old = bytes);
        assert_eq!(judge(&copied, &expected), Verdict::Identical, "{}", from.display());
        let copied = tampered(&disk, &from, |old| *old = disk.contents(&spare).unwrap());
        assert_ne!(judge(&copied, &expected), Verdict::Identical, "{}", from.display());
    }
    let copy = disk.kill();
    copy.remove(&spare).unwrap();
    assert_eq!(judge(&copy, &expected), Verdict::Identical, "it is gone");
}

/// A commit without records, the last before a start: rot of whichever frame tells of it is seen.
#[test]
fn a_hard_state_without_records_is_not_lost_to_rot_after_a_start() {
    for script in [
        &[Append(vec![]), Seal, Append(vec![0]), Append(vec![])][..],
        &[Append(vec![])],
        &[Append(vec![3000]), Sync, Append(vec![3000]), Sync, Append(vec![])],
    ] {
        let disk = SimDisk::new(3);
        let mut ledger = Ledger::default();
        run_into(&disk, script, &mut ledger).unwrap();
        let (journal, _, expected) = open(&disk).unwrap();
        journal.close().unwrap();
        for file in files(&disk).iter().filter(|file| file.extension().is_some()) {
            for at in (0..disk.contents(file).unwrap().len()).step_by(8) {
                judge(&tampered(&disk, file, |bytes| bytes[at] ^= 1), &expected);
            }
        }
    }
}

#[test]
fn swapped_and_copied_files_are_not_believed() {
    let (disk, expected) = sealed();
    let files = files(&disk);
    for from in &files {
        for to in files.iter().filter(|to| *to != from) {
            let bytes = disk.contents(from).unwrap();
            let verdict = judge(&tampered(&disk, to, |old| *old = bytes), &expected);
            assert_ne!(verdict, Verdict::Identical);
        }
    }
}

#[test]
fn a_segment_of_another_owner_is_not_believed() {
    let (disk, expected) = whole(&[Append(vec![100]), Sync]);
    let mut other = script::options();
    other.identity = b"cluster 1, node 3".to_vec();
    let elsewhere = SimDisk::new(4);
    let (mut journal, _, _) = script::open_with(&elsewhere, &other).unwrap();
    let mut records = [b"alien"].into_iter().collect();
    journal.append(&expected.hard_state, &mut records).unwrap();
    journal.close().unwrap();
    let file = path().join("segment-00000001.log");
    let alien = elsewhere.contents(&file).unwrap();
    let verdict = judge(&tampered(&disk, &file, |bytes| *bytes = alien), &expected);
    assert_eq!(verdict, Verdict::Damaged(DamageReason::SegmentHeader));
}

#[test]
fn a_segment_without_its_frames_is_missed() {
    let (disk, expected) = sealed();
    for number in 1..=4 {
        let file = path().join(format!("segment-0000000{number}.log"));
        let emptied = tampered(&disk, &file, |bytes| bytes[4096..].fill(0));
        let wanted = match number {
            4 => Verdict::Identical,
            _ => Verdict::Damaged(DamageReason::FinishedSegment),
        };
        assert_eq!(judge(&emptied, &expected), wanted, "{}", file.display());
    }
}

#[test]
fn a_segment_of_another_history_is_not_believed() {
    let histories = [&[3000, 3000, 10][..], &[3000, 0, 3000, 0]];
    let [one, other] = histories.map(|lengths| {
        let mut script = Vec::new();
        for length in lengths {
            script.extend([Append(vec![*length]), Sync]);
        }
        script.extend([Append(vec![3500]), Seal]);
        whole_of(SimDisk::new(1), &script)
    });
    // A folder that was copied and went two ways, whole files, honest checksums: the numbers of the
    // records alone tell.
    for number in 2..=3 {
        let file = path().join(format!("segment-0000000{number}.log"));
        let alien = other.0.contents(&file).unwrap();
        let verdict = judge(&tampered(&one.0, &file, |bytes| *bytes = alien), &one.1);
        assert_eq!(verdict, Verdict::Damaged(DamageReason::Order), "segment {number}");
    }
}

#[test]
fn an_older_copy_of_a_file_is_not_believed() {
    let first = [Append(vec![700]), Sync, Append(vec![700]), Sync, Append(vec![600]), Seal];
    let (disk, expected) = whole(&first);
    let file = path().join("segment-00000001.log");
    let old = disk.contents(&file).unwrap();
    // Recovery has written the segment anew, under another salt; no frame of before counts.
    let (journal, _, _) = open(&disk).unwrap();
    drop(journal);
    let fresh = disk.contents(&file).unwrap();
    assert_ne!(old, fresh);
    let data = 4096..4096 + 3 * 704;
    assert_ne!(old[data.clone()], fresh[data], "the same records under another salt");
    // Every frame of the old file, laid over the fresh one where it stood, is recognised as alien.
    for start in (4096..16384).step_by(8).filter(|at| old[*at..].starts_with(b"SYNF")) {
        let overlaid = tampered(&disk, &file, |bytes| {
            bytes[start..start + 96].copy_from_slice(&old[start..start + 96]);
        });
        let verdict = judge(&overlaid, &expected);
        let last = !fresh[start + 96..].windows(4).any(|magic| magic == b"SYNF");
        if !last {
            assert_eq!(verdict, Verdict::Damaged(DamageReason::SyncedFrame), "at {start}");
        }
    }
}

#[test]
fn every_flipped_byte_of_what_recovery_wrote_anew() {
    let (disk, expected) = whole(&[Append(vec![700]), Sync, Append(vec![30, 1]), Sync]);
    drop(open(&disk).unwrap());
    let file = path().join("segment-00000001.log");
    let bytes = disk.contents(&file).unwrap();
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    for at in 4096..used {
        // What has been streamed is durable, so its rot must never look like a torn write.
        judge(&tampered(&disk, &file, |bytes| bytes[at] ^= 0xff), &expected);
    }
}

#[test]
fn frames_of_an_earlier_salt_past_the_end_are_not_believed() {
    // A long history, of which the disk keeps the bytes where the file system has reused them.
    let long = [Append(vec![500]), Sync, Append(vec![500]), Sync, Append(vec![500]), Seal];
    let (old, _) = whole_of(SimDisk::new(4), &long);
    let file = path().join("segment-00000001.log");
    let ghosts = old.contents(&file).unwrap();
    let (disk, expected) = whole(&[Append(vec![500]), Sync]);
    let end = 4096 + 96 + 96 + 504;
    for keep in [end, end + 8, 8192] {
        let haunted = tampered(&disk, &file, |bytes| {
            bytes[keep..].copy_from_slice(&ghosts[keep..]);
        });
        assert_eq!(judge(&haunted, &expected), Verdict::Identical, "ghosts from {keep} on");
    }
}

#[test]
fn rot_of_the_last_commit_after_the_last_seal_is_the_exposed_window() {
    let exposed = [Append(vec![100]), Sync, Append(vec![200]), Sync];
    let (disk, expected) = whole(&exposed);
    let file = path().join("segment-00000001.log");
    // The seal of the making, then the first commit, then the body of the second.
    let at = 4096 + 96 + (96 + 104) + 96 + 50;
    let rotten = tampered(&disk, &file, |bytes| bytes[at] ^= 1);
    let (_, recovered, found) = open(&rotten).unwrap();
    assert_eq!(found.records, expected.records[..1], "it looks like a torn write");
    // All but the padding of the frame, whose record ends with a byte that is not zero.
    assert_eq!(recovered.cut_bytes, 96 + 4 + 200);
    // With a seal behind it, the same rot is reported.
    let sealed = [Append(vec![100]), Sync, Append(vec![200]), Sync, Prepare, Seal];
    let (disk, expected) = whole(&sealed);
    let rotten = tampered(&disk, &file, |bytes| bytes[at] ^= 1);
    let verdict = judge(&rotten, &expected);
    assert_eq!(verdict, Verdict::Damaged(DamageReason::SyncedFrame));
}

#[test]
fn damage_is_reported_each_time_and_nothing_is_changed() {
    let (disk, expected) = sealed();
    let file = path().join("segment-00000002.log");
    let rotten = tampered(&disk, &file, |bytes| bytes[5000] ^= 1);
    let before = rotten.contents(&file).unwrap();
    for _ in 0..3 {
        assert_ne!(judge(&rotten, &expected), Verdict::Identical);
        assert_eq!(rotten.contents(&file).unwrap(), before);
    }
    let error = open(&rotten).unwrap_err().to_string();
    assert!(error.contains("segment-00000002.log"), "{error}");
    assert!(error.contains("at byte"), "{error}");
}

#[test]
fn released_segments_are_not_missed_but_kept_ones_are() {
    let script = [
        Append(vec![3000]),
        Sync,
        Append(vec![3000]),
        Sync,
        Append(vec![3000]),
        Sync,
        Append(vec![3000]),
        Sync,
        Release,
        Append(vec![10]),
        Sync,
        Append(vec![20]),
        Seal,
    ];
    let (disk, expected) = whole(&script);
    assert_eq!(expected.first.get(), 3, "two segments are gone");
    for file in files(&disk) {
        let copy = disk.kill();
        copy.remove(&file).unwrap();
        let missed = judge(&copy, &expected) != Verdict::Identical;
        let released = ["segment-00000001.log", "segment-00000002.log"];
        let kept = !released.iter().any(|name| file.ends_with(name));
        assert_eq!(missed, kept, "without {}", file.display());
    }
}
