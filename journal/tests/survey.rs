//! Surveys: what is told of a folder past its damage, and that nothing in it changes.
//!
//! That a survey agrees with an opening is asked by the tests of rot and crashes, of each disk that
//! they make. Claim kept: what was lost is told by its place and its records, what is behind it is
//! read; and whatever the bytes and names of a folder are, a survey comes to an end.
#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod script;

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use script::Step::{Append, Sync};
use script::{Ledger, Step, assert_surveyed, inspect, options, path, run_into};
use synod_journal::{
    DAMAGE_LISTED_MAX, DamageReason, Disk, DiskFile as _, HardState, Journal, Lsn, OpenError,
    ReadOnlyDisk, RealDisk, Records, SegmentState, SimDisk, SnapshotBound, SnapshotOptions,
    SnapshotPart, SnapshotStore, Survey,
};

fn survey(disk: &SimDisk) -> (Survey, Vec<u64>) {
    let mut read = Vec::new();
    let survey = Journal::survey(disk.clone(), path(), |record| read.push(record.lsn.get()));
    (survey.unwrap(), read)
}

fn segment(number: u32) -> PathBuf {
    path().join(format!("segment-{number:08x}.log"))
}

/// Appends one record of so many bytes in each of so many commits.
fn commits(count: usize, bytes: usize) -> Vec<Step> {
    (0..count).flat_map(|_| [Append(vec![bytes]), Sync]).collect()
}

/// Six commits of one record each in one segment; and where their frames are.
fn six() -> (SimDisk, Vec<usize>) {
    let disk = SimDisk::new(3);
    run_into(&disk, &commits(6, 100), &mut Ledger::default()).unwrap();
    let disk = disk.crash(|_| 0);
    let bytes = disk.contents(&segment(1)).unwrap();
    let starts = (4096..bytes.len()).step_by(8);
    let frames = starts.filter(|at| bytes[*at..].starts_with(b"SYNF"));
    // The first frame is that of the making.
    let holding = frames.filter(|at| bytes[at + 44] == 1).collect();
    (disk, holding)
}

/// Three segments of which the first two are finished.
fn three() -> SimDisk {
    let disk = SimDisk::new(3);
    run_into(&disk, &commits(7, 1500), &mut Ledger::default()).unwrap();
    disk.crash(|_| 0)
}

fn lost(survey: &Survey) -> Vec<(u64, Option<u64>, Option<u64>)> {
    let damage = survey.damage.iter();
    let told = damage
        .map(|one| (one.place.offset, one.lost.from.map(Lsn::get), one.lost.before.map(Lsn::get)));
    told.collect()
}

#[test]
fn a_sound_journal_is_told_of_segment_by_segment() {
    let (survey, read) = survey(&three());
    assert_eq!(read, [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!((survey.first_lsn.get(), survey.next_lsn.get()), (1, 8));
    assert_eq!((survey.identity.as_slice(), survey.format), (&b"cluster 1, node 2"[..], 2));
    let states: Vec<_> = survey.segments.iter().map(|segment| segment.state).collect();
    let (full, last) = (SegmentState::Finished, SegmentState::Active);
    assert_eq!(states.first(), Some(&full), "{states:?}");
    assert!(states.contains(&last) && states.len() >= 3, "{states:?}");
    assert_eq!(survey.segments[0].first_lsn, Lsn::new(1));
    assert!(survey.segments.iter().all(|one| one.bytes == Some(script::SEGMENT)));
    assert_eq!(survey.damage, []);
}

#[test]
fn what_a_bad_body_took_is_told_and_what_follows_it_is_read() {
    let (disk, frames) = six();
    disk.tamper(&segment(1), |bytes| bytes[frames[2] + 100] ^= 1);
    let (found, read) = survey(&disk);
    assert_eq!(lost(&found), [(frames[2] as u64, Some(3), Some(4))]);
    assert_eq!(found.damage[0].place.reason, DamageReason::SyncedFrame);
    assert_eq!(found.damage[0].lost.to_string(), "records 3 to 3");
    assert_eq!(read, [1, 2, 4, 5, 6]);
    assert_eq!((found.segments[0].records, found.segments[0].state), (5, SegmentState::Damaged));
}

#[test]
fn what_bad_headers_took_is_told_by_their_neighbours() {
    let (disk, frames) = six();
    disk.tamper(&segment(1), |bytes| bytes[frames[1]..frames[3] + 8].fill(0));
    disk.tamper(&segment(1), |bytes| bytes[frames[4] + 100] ^= 1);
    let (found, read) = survey(&disk);
    let places = [(frames[1] as u64, Some(2), Some(5)), (frames[4] as u64, Some(5), Some(6))];
    assert_eq!(lost(&found), places);
    assert_eq!(read, [1, 6]);
}

#[test]
fn what_a_missing_segment_took_is_told_by_its_neighbours() {
    let disk = three();
    let (whole, _) = survey(&disk);
    let [from, before] = [1, 2].map(|at| whole.segments[at].first_lsn.unwrap().get());
    disk.remove(&segment(2)).unwrap();
    let (found, read) = survey(&disk);
    assert_eq!(lost(&found), [(0, Some(from), Some(before))]);
    assert_eq!(found.damage[0].place.reason, DamageReason::Missing);
    assert_eq!((found.segments[1].bytes, found.segments[1].records), (None, 0));
    assert!(read.iter().all(|lsn| !(from..before).contains(lsn)) && read.contains(&before));
}

#[test]
fn a_torn_tail_is_no_damage_and_its_bytes_are_counted() {
    let (disk, frames) = six();
    // Nothing behind the last frame tells that it was synced.
    disk.tamper(&segment(1), |bytes| bytes[frames[5] + 100..].fill(0));
    let (found, read) = survey(&disk);
    assert_eq!((found.damage.len(), read), (0, vec![1, 2, 3, 4, 5]));
    assert!(found.cut_bytes > 0 && found.cut_bytes <= 100, "{}", found.cut_bytes);
    assert_eq!(found.segments[0].state, SegmentState::Active);
}

#[test]
fn more_damage_than_is_listed_is_counted() {
    let disk = SimDisk::new(3);
    let commits = DAMAGE_LISTED_MAX + 20;
    let mut options = options();
    options.segment_bytes = 1 << 20;
    let (mut journal, _) = Journal::open(disk.clone(), path(), &options, |_| {}).unwrap();
    for number in 0..commits {
        let mut records: Records = [[u8::try_from(number).unwrap()]].into_iter().collect();
        journal.append(&HardState([1; 32]), &mut records).unwrap();
        journal.sync().unwrap();
    }
    journal.close().unwrap();
    disk.tamper(&segment(1), |bytes| {
        for at in (4096..bytes.len()).step_by(8) {
            if bytes[at..].starts_with(b"SYNF") && bytes[at + 44] == 1 {
                bytes[at + 100] ^= 1;
            }
        }
    });
    let (found, read) = survey(&disk);
    assert_eq!((found.damage.len(), read), (DAMAGE_LISTED_MAX, vec![]));
    assert_eq!(found.damage_unlisted, 20);
}

/// What happens to a file.
#[derive(Clone, Debug)]
enum Harm {
    Flip(usize, u8),
    Fill(usize, usize, u8),
    Cut(usize),
    Grow(usize, u8),
    Move(usize, usize, usize),
    Remove,
    Name(u32, usize),
}

fn harm() -> impl Strategy<Value = (usize, Harm)> {
    let at = || 0_usize..20_000;
    let harm = prop_oneof![
        6 => (at(), 1_u8..).prop_map(|(at, bits)| Harm::Flip(at, bits)),
        3 => (at(), 1_usize..6_000, any::<u8>()).prop_map(|(at, n, byte)| Harm::Fill(at, n, byte)),
        1 => at().prop_map(Harm::Cut),
        1 => (1_usize..9_000, any::<u8>()).prop_map(|(bytes, byte)| Harm::Grow(bytes, byte)),
        3 => (at(), at(), 1_usize..6_000).prop_map(|(from, to, n)| Harm::Move(from, to, n)),
        1 => Just(Harm::Remove),
        1 => (any::<u32>(), at()).prop_map(|(number, bytes)| Harm::Name(number, bytes)),
        1 => Just(Harm::Name(u32::MAX, 4096)),
    ];
    (0_usize..6, harm)
}

fn suffer(disk: &SimDisk, (index, harm): &(usize, Harm)) {
    let names = disk.list(path()).unwrap();
    let file = path().join(&names[index % names.len()]);
    let change = |change: &dyn Fn(&mut Vec<u8>)| disk.tamper(&file, change);
    match harm {
        Harm::Flip(at, bits) => change(&|bytes| {
            let length = bytes.len().max(1);
            if let Some(byte) = bytes.get_mut(at % length) {
                *byte ^= bits;
            }
        }),
        Harm::Fill(at, count, byte) => change(&|bytes| {
            let (from, to) = ((*at).min(bytes.len()), (at + count).min(bytes.len()));
            bytes[from..to].fill(*byte);
        }),
        Harm::Cut(at) => change(&|bytes| bytes.truncate(*at)),
        Harm::Grow(count, byte) => change(&|bytes| bytes.resize(bytes.len() + count, *byte)),
        Harm::Move(from, to, count) => change(&|bytes| {
            let (from, to) = ((*from).min(bytes.len()), (*to).min(bytes.len()));
            let count = (*count).min(bytes.len() - from).min(bytes.len() - to);
            bytes.copy_within(from..from + count, to);
        }),
        Harm::Remove => disk.remove(&file).unwrap(),
        Harm::Name(number, bytes) => {
            let made = disk.create(&segment(*number), *bytes as u64);
            if let Ok(file) = made {
                file.write_at(&vec![0xa5; *bytes], 0).unwrap();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn whatever_becomes_of_a_folder_a_survey_ends_and_agrees_with_a_look(
        harms in prop::collection::vec(harm(), 1..6),
    ) {
        let disk = three();
        harms.iter().for_each(|harm| suffer(&disk, harm));
        let contents = || {
            let names = disk.list(path()).unwrap();
            names.iter().map(|name| disk.contents(&path().join(name))).collect::<Vec<_>>()
        };
        let before = contents();
        assert_surveyed(&disk, &inspect(&disk));
        prop_assert!(contents() == before, "a survey changes nothing");
    }
}

const SNAPSHOTS: &str = "/snapshots";

fn with_snapshot(bytes: usize) -> SimDisk {
    let disk = SimDisk::new(5);
    let mut options = SnapshotOptions::new(b"cluster 1, node 2");
    options.chunk_bytes = 4096;
    let (mut store, _) = SnapshotStore::open(disk.clone(), Path::new(SNAPSHOTS), &options).unwrap();
    let mut writer = store.begin(SnapshotBound::new(7), b"seven").unwrap();
    writer.append(&vec![9; bytes]).unwrap();
    store.finish(writer).unwrap();
    disk
}

#[test]
fn snapshots_are_read_to_their_ends_and_damage_is_named() {
    let folder = Path::new(SNAPSHOTS);
    let disk = with_snapshot(20_000);
    let whole = SnapshotStore::survey(disk.clone(), folder).unwrap();
    let [one] = &whole.snapshots[..] else { panic!("{whole:?}") };
    assert_eq!((one.bound.get(), one.damage.len(), whole.unfinished), (7, 0, false));
    assert_eq!(
        (one.identity.as_slice(), one.meta.as_slice()),
        (&b"cluster 1, node 2"[..], &b"seven"[..])
    );
    assert_eq!(one.snapshot.map(|one| (one.bytes, one.chunks)), Some((20_000, 5)));
    let file = one.path.clone();
    disk.tamper(&file, |bytes| bytes[64 + 4096 * 3] ^= 1);
    disk.tamper(&file, |bytes| bytes[64] ^= 1);
    let seen = SnapshotStore::survey(disk.clone(), folder).unwrap();
    let parts: Vec<_> = seen.snapshots[0].damage.iter().map(|one| (one.part, one.offset)).collect();
    let at = |chunk: u32| (SnapshotPart::Chunk(chunk), 64 + 4096 * u64::from(chunk));
    assert_eq!(parts, [at(0), at(3)]);
    disk.tamper(&file, |bytes| bytes.truncate(30));
    let seen = SnapshotStore::survey(disk, folder).unwrap();
    assert_eq!(seen.snapshots[0].damage[0].part, SnapshotPart::Head);
    assert_eq!((seen.snapshots[0].snapshot, seen.snapshots[0].file_bytes), (None, 30));
}

#[test]
fn each_flipped_byte_of_a_snapshot_is_found() {
    let disk = with_snapshot(9_000);
    let survey = || SnapshotStore::survey(disk.clone(), Path::new(SNAPSHOTS));
    let file = survey().unwrap().snapshots[0].path.clone();
    for at in 0..disk.contents(&file).unwrap().len() {
        disk.tamper(&file, |bytes| bytes[at] ^= 0x10);
        let seen = survey();
        let damage = seen.map(|seen| seen.snapshots[0].damage.len());
        assert_eq!(damage.ok(), Some(1), "byte {at}");
        disk.tamper(&file, |bytes| bytes[at] ^= 0x10);
    }
    let none = SnapshotStore::survey(SimDisk::new(1), Path::new(SNAPSHOTS)).unwrap();
    assert!(none.snapshots.is_empty(), "a node that took none has no folder");
}

#[test]
fn a_disk_for_reading_changes_nothing() {
    let folder =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("survey-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    let mut options = options();
    options.segment_bytes = 1 << 20;
    let (mut journal, _) = Journal::open(RealDisk, &folder, &options, |_| {}).unwrap();
    let mut records: Records = [b"one"].into_iter().collect();
    journal.append(&HardState([7; 32]), &mut records).unwrap();
    journal.sync().unwrap();
    let busy = Journal::survey(ReadOnlyDisk, &folder, |_| {});
    assert!(matches!(busy, Err(OpenError::Locked { .. })), "its owner has it");
    drop(journal);
    let file = folder.join("segment-00000001.log");
    let before = (fs::read(&file).unwrap(), fs::metadata(&file).unwrap().modified().unwrap());
    let survey = Journal::survey(ReadOnlyDisk, &folder, |_| {}).unwrap();
    assert_eq!((survey.next_lsn, survey.hard_state), (Lsn::new(2).unwrap(), HardState([7; 32])));
    assert!(Journal::open(ReadOnlyDisk, &folder, &options, |_| {}).is_err(), "it has to write");
    let opened = ReadOnlyDisk.open(&file).unwrap();
    assert!(opened.write_at(b"x", 0).is_err() && opened.sync().is_err());
    assert!(ReadOnlyDisk.remove(&file).is_err() && ReadOnlyDisk.rename(&file, &folder).is_err());
    assert!(ReadOnlyDisk.create(&folder.join("x"), 1).is_err());
    assert!(ReadOnlyDisk.create_dir(&folder.join("x")).is_err());
    assert!(ReadOnlyDisk.open(&folder).is_err(), "it is no file");
    let after = (fs::read(&file).unwrap(), fs::metadata(&file).unwrap().modified().unwrap());
    assert!(before == after);
    fs::remove_dir_all(&folder).unwrap();
}
