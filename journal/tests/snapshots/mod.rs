//! A scripted owner of snapshots, and what it may demand after a crash.
//!
//! Which scripts, crashes and faults are tried is left to the tests. Claim kept: `check` demands
//! that what was reported as durable is there and whole, that nothing unfinished is taken for a
//! snapshot, that what an opening tells of outlives a power loss, and that the store goes on.
#![allow(dead_code, reason = "each test crate uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use std::path::Path;

use synod_journal::{
    Disk, OpenError, RecoveredSnapshots, SimDisk, SnapshotBound, SnapshotError, SnapshotOptions,
    SnapshotReadError, SnapshotStore,
};

/// One step of an owner.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// Take a snapshot below this bound.
    Take(u64),
    /// Begin one, write some of it, and drop it.
    Drop(u64),
    /// Lose the process, keep the page cache, and open again.
    Kill,
}

/// What an owner did and was told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    /// The bound of the last one that was reported as durable.
    pub(crate) reported: Option<u64>,
    /// The bound of the last one that was to be made durable.
    pub(crate) finishing: Option<u64>,
}

pub(crate) fn path() -> &'static Path {
    Path::new("/srv/snapshots")
}

pub(crate) fn options(kept: usize) -> SnapshotOptions {
    let mut options = SnapshotOptions::new(b"cluster 1");
    options.chunk_bytes = 4096;
    options.kept = kept;
    options
}

pub(crate) type Opened = (SnapshotStore<SimDisk>, RecoveredSnapshots);

pub(crate) fn open(disk: &SimDisk, kept: usize) -> Result<Opened, OpenError> {
    SnapshotStore::open(disk.clone(), path(), &options(kept))
}

/// What the machine is at a bound: two chunks and a part of a third, or what is asked for.
pub(crate) fn state(bound: u64, bytes: usize) -> Vec<u8> {
    let byte = |at: usize| u8::try_from((at * 7 + bound as usize * 31 + at / 251) % 256).unwrap();
    (0..bytes).map(byte).collect()
}

/// How many bytes the machine has at a bound.
pub(crate) fn bytes_at(bound: u64) -> usize {
    8192 + bound as usize
}

pub(crate) fn meta(bound: u64) -> Vec<u8> {
    format!("slot {bound}").into_bytes()
}

/// Takes a snapshot, in pieces that fit no chunk.
pub(crate) fn take(store: &mut SnapshotStore<SimDisk>, bound: u64) -> Result<(), SnapshotError> {
    let mut writer = store.begin(SnapshotBound::new(bound), &meta(bound))?;
    for piece in state(bound, bytes_at(bound)).chunks(1000) {
        writer.append(piece)?;
    }
    store.finish(writer)?;
    Ok(())
}

/// Reads a snapshot to its end.
pub(crate) fn read(
    store: &SnapshotStore<SimDisk>,
    bound: u64,
) -> Result<(Vec<u8>, Vec<u8>), SnapshotReadError> {
    let mut reader = store.reader(SnapshotBound::new(bound))?;
    let mut all = Vec::new();
    while let Some(chunk) = reader.next_chunk()? {
        all.extend_from_slice(chunk);
    }
    Ok((reader.meta().to_vec(), all))
}

/// Demands that a snapshot is what was written.
pub(crate) fn assert_whole(store: &SnapshotStore<SimDisk>, bound: u64) {
    let (found_meta, found) = read(store, bound).unwrap();
    assert_eq!(found_meta, meta(bound));
    assert!(found == state(bound, bytes_at(bound)), "snapshot {bound} was changed");
}

/// Runs a script until its end or the first error; tells what came of it.
pub(crate) fn run(disk: &SimDisk, kept: usize, script: &[Step]) -> Ledger {
    let mut ledger = Ledger::default();
    let _ = run_into(disk, kept, script, &mut ledger);
    ledger
}

pub(crate) fn run_into(
    disk: &SimDisk,
    kept: usize,
    script: &[Step],
    ledger: &mut Ledger,
) -> Result<(), String> {
    let mut store = Some(open(disk, kept).map_err(|error| error.to_string())?.0);
    for step in script {
        let held = store.as_mut().unwrap();
        match *step {
            Step::Take(bound) => {
                ledger.finishing = Some(bound);
                take(held, bound).map_err(|error| error.to_string())?;
                ledger.reported = Some(bound);
            }
            Step::Drop(bound) => {
                let writer = held.begin(SnapshotBound::new(bound), b"");
                let mut writer = writer.map_err(|error| error.to_string())?;
                writer.append(&[1; 5000]).map_err(|error| error.to_string())?;
            }
            Step::Kill => {
                drop(store.take());
                store = Some(open(disk, kept).map_err(|error| error.to_string())?.0);
            }
        }
    }
    Ok(())
}

/// Opens the store twice, with a power loss between, and goes on with it.
pub(crate) fn check(disk: &SimDisk, kept: usize, ledger: &Ledger) {
    let (mut store, found) = open(disk, kept).unwrap();
    assert_eq!(found.damaged, [], "a crash alone damages nothing");
    store.remove_older().unwrap();
    let newest = newest(&store);
    assert!(newest >= ledger.reported, "{newest:?} after {ledger:?}");
    assert!(newest <= ledger.reported.max(ledger.finishing), "{newest:?} after {ledger:?}");
    assert!(store.snapshots().count() <= kept);
    for snapshot in store.snapshots() {
        assert_whole(&store, snapshot.bound.get());
    }
    let names = disk.list(path()).unwrap();
    let bounds = store.snapshots().map(|snapshot| snapshot.bound.get());
    let expected: Vec<_> = bounds.map(|bound| format!("snapshot-{bound:016x}.snap")).collect();
    assert_eq!(names, expected, "the folder holds what is told of, and nothing else");
    drop(store);
    // Whoever was told of a snapshot may have forgotten the log below it by then.
    let disk = disk.crash(|_| 0);
    let (mut store, found) = open(&disk, kept).unwrap();
    assert!(!found.unfinished && found.damaged.is_empty());
    assert_eq!(self::newest(&store), newest, "a snapshot that was told of is gone");
    if let Some(bound) = newest {
        assert_whole(&store, bound);
    }
    let next = newest.unwrap_or(0) + 1;
    take(&mut store, next).unwrap();
    drop(store);
    let (store, _) = open(&disk.crash(|_| 0), kept).unwrap();
    assert_eq!(self::newest(&store), Some(next), "the store goes on");
    assert_whole(&store, next);
}

pub(crate) fn newest(store: &SnapshotStore<SimDisk>) -> Option<u64> {
    store.newest().map(|snapshot| snapshot.bound.get())
}
