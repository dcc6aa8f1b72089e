//! Full and failing disks, several writers and readers, and the bounds of snapshots.
//!
//! Claim kept: a disk without room costs the snapshot in the making and gives its room back, the
//! one before it stays, and each misuse is refused with an error that says what to do.
#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod snapshots;

use snapshots::{assert_whole, bytes_at, newest, open, options, path, state, take};
use std::path::Path;
use synod_journal::{
    CallFault, Disk, DiskCall, Failure, OpenError, OptionsError, RealDisk, SNAPSHOT_META_BYTES_MAX,
    SNAPSHOT_SYNC_STEP_BYTES, SNAPSHOTS_KEPT_MAX, SimDisk, SnapshotBound, SnapshotError,
    SnapshotOptions, SnapshotReadError, SnapshotStore, Times,
};

fn fault(operation: DiskCall, after: u64, failure: Failure) -> CallFault {
    CallFault { operation, after, times: Times::Once, failure }
}

/// Demands that the store has the snapshot below 10 alone, and takes one below 20 once it can.
fn assert_kept_and_goes_on(disk: &SimDisk, store: &mut SnapshotStore<SimDisk>) {
    assert_eq!(disk.list(path()).unwrap(), ["snapshot-000000000000000a.snap"]);
    assert_whole(store, 10);
    let (after, _) = open(&disk.crash(|_| 0), 1).unwrap();
    assert_whole(&after, 10);
    take(store, 20).unwrap();
    assert_eq!(disk.list(path()).unwrap(), ["snapshot-0000000000000014.snap"]);
    assert_whole(store, 20);
}

#[test]
fn a_disk_that_fills_at_any_byte_keeps_the_snapshot_before() {
    let disk = SimDisk::new(1);
    take(&mut open(&disk, 1).unwrap().0, 10).unwrap();
    let held = disk.contents(&path().join("snapshot-000000000000000a.snap")).unwrap().len() as u64;
    // Each chunk, the manifest and the head: what a snapshot below 20 takes beside the other.
    let needed = held + 10;
    for room in (0..needed).step_by(61).chain([needed - 1]) {
        let disk = disk.kill();
        let (mut store, _) = open(&disk, 1).unwrap();
        disk.set_capacity(Some(held + room));
        let error = take(&mut store, 20).unwrap_err();
        assert!(matches!(error, SnapshotError::Full { .. }), "{room}: {error}");
        assert!(error.to_string().contains("/srv/snapshots has no room"), "{error}");
        disk.set_capacity(None);
        assert_kept_and_goes_on(&disk, &mut store);
    }
    disk.set_capacity(Some(held + needed));
    take(&mut open(&disk, 1).unwrap().0, 20).unwrap();
}

#[test]
fn every_call_that_finds_the_disk_full_keeps_the_snapshot_before() {
    let calls = [DiskCall::Create, DiskCall::Write, DiskCall::Sync, DiskCall::Rename];
    let mut met = 0;
    for (operation, after) in calls.into_iter().flat_map(|call| (0..8).map(move |at| (call, at))) {
        let disk = SimDisk::new(1);
        let (mut store, _) = open(&disk, 1).unwrap();
        take(&mut store, 10).unwrap();
        disk.inject(fault(operation, after, Failure::Full));
        match take(&mut store, 20) {
            Ok(()) => continue,
            Err(error) => assert!(matches!(error, SnapshotError::Full { .. }), "{error}"),
        }
        met += 1;
        assert_kept_and_goes_on(&disk, &mut store);
    }
    assert_eq!(met, 1 + 5 + 1 + 1, "a creation, five writes, a sync and a renaming");
}

#[test]
fn what_fails_before_the_renaming_costs_the_snapshot_in_the_making_alone() {
    for operation in [DiskCall::Create, DiskCall::Write, DiskCall::Sync, DiskCall::Rename] {
        let disk = SimDisk::new(1);
        let (mut store, _) = open(&disk, 1).unwrap();
        take(&mut store, 10).unwrap();
        disk.inject(fault(operation, 0, Failure::Io));
        let error = take(&mut store, 20).unwrap_err();
        assert!(matches!(error, SnapshotError::GivenUp(_)), "{error}");
        assert!(error.to_string().contains("/srv/snapshots/snapshot.new"), "{error}");
        assert_kept_and_goes_on(&disk, &mut store);
    }
}

#[test]
fn a_writer_that_failed_takes_nothing_more() {
    let disk = SimDisk::new(1);
    let (mut store, _) = open(&disk, 1).unwrap();
    let mut writer = store.begin(SnapshotBound::new(1), b"").unwrap();
    disk.inject(fault(DiskCall::Write, 0, Failure::Io));
    assert!(matches!(writer.append(&[0; 5000]), Err(SnapshotError::GivenUp(_))));
    assert!(matches!(writer.append(&[0; 5000]), Err(SnapshotError::Ended)));
    assert!(matches!(store.finish(writer), Err(SnapshotError::Ended)));
    assert!(disk.list(path()).unwrap().is_empty());
}

#[test]
fn a_name_that_cannot_be_synced_ends_the_store_and_removes_nothing() {
    let disk = SimDisk::new(1);
    let (mut store, _) = open(&disk, 1).unwrap();
    take(&mut store, 10).unwrap();
    disk.inject(fault(DiskCall::SyncDir, 0, Failure::Io));
    let error = take(&mut store, 20).unwrap_err();
    assert!(matches!(error, SnapshotError::Fatal(_)), "{error}");
    assert!(disk.contents(&path().join("snapshot-000000000000000a.snap")).is_some());
    assert!(matches!(take(&mut store, 30), Err(SnapshotError::Poisoned)));
    drop(store);
    // The names were forgotten by the sync that failed; what the next life tells of is durable.
    let (store, _) = open(&disk, 1).unwrap();
    assert_eq!(newest(&store), Some(20));
    drop(store);
    let (store, _) = open(&disk.crash(|_| 0), 1).unwrap();
    assert_eq!(newest(&store), Some(20));
}

#[test]
fn writes_of_a_few_bytes_at_a_time_are_gone_on_with() {
    let disk = SimDisk::new(1);
    disk.limit_writes(Some(7));
    let (mut store, _) = open(&disk, 1).unwrap();
    take(&mut store, 10).unwrap();
    assert_whole(&store, 10);
}

#[test]
fn a_reader_goes_on_past_the_snapshot_that_takes_its_place() {
    let disk = SimDisk::new(1);
    let (mut store, _) = open(&disk, 1).unwrap();
    take(&mut store, 10).unwrap();
    let mut reader = store.reader(SnapshotBound::new(10)).unwrap();
    let first = reader.next_chunk().unwrap().unwrap().to_vec();
    take(&mut store, 20).unwrap();
    let missing = store.reader(SnapshotBound::new(10)).unwrap_err();
    assert!(matches!(missing, SnapshotReadError::Missing { .. }), "{missing}");
    let mut all = first;
    while let Some(chunk) = reader.next_chunk().unwrap() {
        all.extend_from_slice(chunk);
    }
    assert!(all == state(10, bytes_at(10)));
    let error = reader.chunk(3).unwrap_err();
    assert_eq!(error.to_string(), "the snapshot has 3 chunks, and none of number 3");
    assert_eq!((reader.checksum(2).is_some(), reader.checksum(3)), (true, None));
}

#[test]
fn one_snapshot_is_in_the_making_and_a_bound_never_goes_back() {
    let disk = SimDisk::new(1);
    let (mut store, _) = open(&disk, 1).unwrap();
    let writer = store.begin(SnapshotBound::new(5), b"").unwrap();
    let error = store.begin(SnapshotBound::new(6), b"").unwrap_err();
    assert!(matches!(error, SnapshotError::Busy), "{error}");
    drop(writer);
    assert!(disk.list(path()).unwrap().is_empty(), "what was dropped takes no room");
    take(&mut store, 6).unwrap();
    let error = take(&mut store, 5).unwrap_err();
    let wanted = "a snapshot below 5 was asked for where one below 6 is there: a bound never goes";
    assert!(error.to_string().starts_with(wanted), "{error}");
    take(&mut store, 6).unwrap();
    assert_whole(&store, 6);
}

#[test]
fn bounds_are_held_to() {
    let disk = SimDisk::new(1);
    let refused = |change: fn(&mut SnapshotOptions)| {
        let mut options = options(1);
        change(&mut options);
        match SnapshotStore::open(disk.clone(), path(), &options) {
            Err(OpenError::Options(error)) => error,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(refused(|o| o.chunk_bytes = 4095), OptionsError::SnapshotChunkBytes(4095));
    let large = (4 << 20) + 1;
    assert_eq!(refused(|o| o.chunk_bytes = (4 << 20) + 1), OptionsError::SnapshotChunkBytes(large));
    assert_eq!(refused(|o| o.kept = 0), OptionsError::SnapshotsKept(0));
    let more = SNAPSHOTS_KEPT_MAX + 1;
    assert_eq!(refused(|o| o.kept = SNAPSHOTS_KEPT_MAX + 1), OptionsError::SnapshotsKept(more));
    assert_eq!(refused(|o| o.identity = vec![0; 1025]), OptionsError::Identity(1025));
    let (mut store, _) = open(&disk, 1).unwrap();
    let long = vec![0; SNAPSHOT_META_BYTES_MAX + 1];
    let error = store.begin(SnapshotBound::new(1), &long).unwrap_err();
    assert!(matches!(error, SnapshotError::MetaTooLong { bytes: 65_537, max: 65_536 }), "{error}");
    let longest = &long[..SNAPSHOT_META_BYTES_MAX];
    let writer = store.begin(SnapshotBound::new(1), longest).unwrap();
    let empty = store.finish(writer).unwrap();
    assert_eq!((empty.bytes, empty.chunks), (0, 0));
    let mut reader = store.reader(SnapshotBound::new(1)).unwrap();
    assert_eq!(reader.next_chunk().unwrap(), None);
    assert_eq!(reader.meta(), longest);
}

#[test]
fn a_second_process_is_kept_out() {
    let disk = SimDisk::new(1);
    let (store, _) = open(&disk, 1).unwrap();
    assert!(matches!(open(&disk, 1), Err(OpenError::Locked { .. })));
    drop(store);
    assert!(open(&disk, 1).is_ok());
}

#[test]
fn a_large_snapshot_is_synced_a_step_at_a_time() {
    let disk = SimDisk::new(1);
    let mut options = SnapshotOptions::new(b"large");
    options.chunk_bytes = 1 << 20;
    let (mut store, _) = SnapshotStore::open(disk.clone(), path(), &options).unwrap();
    let mut writer = store.begin(SnapshotBound::new(1), b"").unwrap();
    let step = SNAPSHOT_SYNC_STEP_BYTES as usize;
    let before = disk.operations();
    writer.append(&vec![1; 3 * step + 5]).unwrap();
    let chunks = ((3 * step) >> 20) as u64;
    assert_eq!(disk.operations() - before, chunks + 3, "one sync for each step");
    let snapshot = store.finish(writer).unwrap();
    assert_eq!(snapshot.bytes, 3 * step as u64 + 5);
    // What a step covered is not owed any more: of the whole, a power loss takes nothing.
    let (store, _) = SnapshotStore::open(disk.crash(|_| 0), path(), &options).unwrap();
    let mut reader = store.reader(SnapshotBound::new(1)).unwrap();
    let mut bytes = 0;
    while let Some(chunk) = reader.next_chunk().unwrap() {
        bytes += chunk.len();
    }
    assert_eq!(bytes, 3 * step + 5);
}

#[test]
fn snapshots_survive_on_the_files_of_the_system() {
    let name = format!("snapshots-{}", std::process::id());
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    let options = options(1);
    let whole = state(3, 100_000);
    for bound in [1, 2, 2, 3] {
        let (mut store, _) = SnapshotStore::open(RealDisk, &folder, &options).unwrap();
        let mut writer = store.begin(SnapshotBound::new(bound), b"real").unwrap();
        writer.append(&whole).unwrap();
        store.finish(writer).unwrap();
    }
    let (store, found) = SnapshotStore::open(RealDisk, &folder, &options).unwrap();
    assert!(found.damaged.is_empty() && !found.unfinished);
    let mut reader = store.reader(SnapshotBound::new(3)).unwrap();
    let mut all = Vec::new();
    while let Some(chunk) = reader.next_chunk().unwrap() {
        all.extend_from_slice(chunk);
    }
    assert!(all == whole);
    let names: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap()).collect();
    assert_eq!(names.len(), 1);
    std::fs::remove_dir_all(&folder).unwrap();
}
