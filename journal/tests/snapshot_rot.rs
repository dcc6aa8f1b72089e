//! Rot of snapshots: every byte, every length, every file; and the bytes of the format itself.
//!
//! Claim kept: damage is found and named by file, part and byte, no changed byte is ever given
//! out, a damaged snapshot keeps no store from opening, and a whole one takes its place.
#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod snapshots;

use snapshots::{meta, newest, open, options, path, read, state};
use std::path::PathBuf;
use synod_journal::{
    OpenError, SimDisk, SnapshotBound, SnapshotDamaged, SnapshotOptions, SnapshotPart,
    SnapshotReadError, SnapshotStore,
};

const BYTES: usize = 64 << 10;
const CHUNK: usize = 4096;
const HEAD: usize = 64;

fn file(bound: u64) -> PathBuf {
    path().join(format!("snapshot-{bound:016x}.snap"))
}

/// Takes a snapshot of 64 KiB.
fn write(store: &mut SnapshotStore<SimDisk>, bound: u64) {
    let mut writer = store.begin(SnapshotBound::new(bound), &meta(bound)).unwrap();
    writer.append(&state(bound, BYTES)).unwrap();
    store.finish(writer).unwrap();
}

fn flip(disk: &SimDisk, at: usize, bits: u8) {
    disk.tamper(&file(7), |bytes| bytes[at] ^= bits);
}

/// Returns the damage that an opening tells of, or else the one that reading meets.
fn found(disk: &SimDisk) -> SnapshotDamaged {
    let (store, recovered) = open(disk, 1).unwrap();
    let reading = read(&store, 7);
    let Err(SnapshotReadError::Damaged(damaged)) = reading else {
        panic!("damage in silence: {:?}", reading.map(|(meta, bytes)| (meta, bytes.len())))
    };
    match recovered.damaged.as_slice() {
        // The rest of the snapshot is as good as it was, chunk by chunk.
        [] => assert_others_whole(&store, damaged.part),
        [told] => {
            assert_eq!((told, newest(&store)), (&damaged, None), "it is told of once, and alike");
        }
        more => panic!("one snapshot cannot be damaged {} times", more.len()),
    }
    assert_eq!((damaged.path.clone(), damaged.bound.get()), (file(7), 7));
    damaged
}

fn assert_others_whole(store: &SnapshotStore<SimDisk>, part: SnapshotPart) {
    let SnapshotPart::Chunk(bad) = part else { panic!("an opening must have told of {part}") };
    let mut reader = store.reader(SnapshotBound::new(7)).unwrap();
    let other = (bad + 2) % reader.snapshot().chunks;
    let expected = state(7, BYTES);
    let at = other as usize * CHUNK;
    assert!(reader.chunk(other).unwrap() == &expected[at..at + CHUNK]);
    assert!(reader.chunk(bad).is_err());
}

/// Returns the damage that reading one chunk meets, and looks at no other.
fn found_in(disk: &SimDisk, index: u32) -> SnapshotDamaged {
    let (store, recovered) = open(disk, 1).unwrap();
    assert_eq!(recovered.damaged, []);
    match store.reader(SnapshotBound::new(7)).unwrap().chunk(index) {
        Err(SnapshotReadError::Damaged(damaged)) => damaged,
        other => panic!("damage in silence: {:?}", other.map(<[u8]>::len)),
    }
}

fn written() -> SimDisk {
    let disk = SimDisk::new(1);
    write(&mut open(&disk, 1).unwrap().0, 7);
    disk
}

#[test]
fn every_flipped_byte_of_a_snapshot_is_found_and_named() {
    let disk = written();
    let manifest = HEAD + BYTES;
    for at in 0..disk.contents(&file(7)).unwrap().len() {
        let bits = if (HEAD..manifest).contains(&at) { 1 << (at % 8) } else { 1 };
        flip(&disk, at, bits);
        let (part, offset) = match at {
            0..HEAD => (SnapshotPart::Head, 0),
            at if at < manifest => {
                let index = (at - HEAD) / CHUNK;
                (SnapshotPart::Chunk(u32::try_from(index).unwrap()), HEAD + index * CHUNK)
            }
            _ => (SnapshotPart::Manifest, manifest),
        };
        // Reading all of it for each byte would take minutes.
        let damaged = match part {
            SnapshotPart::Chunk(index) if at % 61 != 0 => found_in(&disk, index),
            SnapshotPart::Chunk(_)
            | SnapshotPart::Head
            | SnapshotPart::Manifest
            | SnapshotPart::End => found(&disk),
        };
        assert_eq!((damaged.part, damaged.offset), (part, offset as u64), "byte {at}");
        flip(&disk, at, bits);
    }
    let (store, recovered) = open(&disk, 1).unwrap();
    assert_eq!(recovered.damaged, []);
    assert!(read(&store, 7).unwrap() == (meta(7), state(7, BYTES)));
}

#[test]
fn every_flipped_bit_of_head_and_manifest_is_found() {
    let disk = written();
    let length = disk.contents(&file(7)).unwrap().len();
    for at in (0..HEAD).chain(HEAD + BYTES..length) {
        for bit in 0..8 {
            flip(&disk, at, 1 << bit);
            found(&disk);
            flip(&disk, at, 1 << bit);
        }
    }
}

#[test]
fn a_file_that_is_too_short_or_too_long_is_found() {
    let disk = written();
    let whole = disk.contents(&file(7)).unwrap();
    let lengths = (0..80).chain((80..whole.len()).step_by(997)).chain([whole.len() - 1]);
    for length in lengths {
        disk.tamper(&file(7), |bytes| bytes.truncate(length));
        let part = if length < HEAD { SnapshotPart::Head } else { SnapshotPart::End };
        assert_eq!(found(&disk).part, part, "{length} bytes");
        disk.tamper(&file(7), |bytes| bytes.clone_from(&whole));
    }
    for more in [1, 512, 4096] {
        disk.tamper(&file(7), |bytes| bytes.resize(whole.len() + more, 0));
        assert_eq!(found(&disk).part, SnapshotPart::End, "{more} bytes more");
        disk.tamper(&file(7), |bytes| bytes.clone_from(&whole));
    }
}

#[test]
fn chunks_that_changed_places_are_found() {
    let disk = written();
    disk.tamper(&file(7), |bytes| {
        let (one, other) = bytes[HEAD..].split_at_mut(CHUNK);
        one.swap_with_slice(&mut other[..CHUNK]);
    });
    assert_eq!(found(&disk).part, SnapshotPart::Chunk(0));
}

#[test]
fn a_snapshot_under_the_name_of_another_is_not_believed() {
    let (disk, other) = (written(), written());
    write(&mut open(&other, 1).unwrap().0, 9);
    let nine = other.contents(&file(9)).unwrap();
    disk.tamper(&file(7), |bytes| *bytes = nine);
    assert_eq!(found(&disk).part, SnapshotPart::Head);
}

#[test]
fn a_whole_snapshot_takes_the_place_of_a_damaged_one_and_none_goes_below_a_whole_one() {
    let disk = written();
    flip(&disk, 20, 1);
    let (mut store, recovered) = open(&disk, 1).unwrap();
    let told = recovered.damaged[0].to_string();
    assert!(told.contains("snapshot-0000000000000007.snap"), "{told}");
    assert!(told.contains("the head from byte 0 on"), "{told}");
    // An older state is better than none. The damaged file stays, as what is below 7 was told of as
    // chosen.
    write(&mut store, 6);
    assert_eq!((newest(&store), store.greatest_bound()), (Some(6), Some(SnapshotBound::new(7))));
    assert!(disk.contents(&file(7)).is_some());
    write(&mut store, 7);
    assert!(read(&store, 7).unwrap() == (meta(7), state(7, BYTES)));
    assert!(disk.contents(&file(6)).is_none());
    let error = store.begin(SnapshotBound::new(6), b"").unwrap_err();
    assert!(error.to_string().contains("below 6"), "{error}");
    drop(store);
    let (store, recovered) = open(&disk.crash(|_| 0), 1).unwrap();
    assert_eq!((recovered.damaged, newest(&store)), (vec![], Some(7)));
}

#[test]
fn a_damaged_snapshot_stays_until_a_whole_one_above_it_is_durable() {
    let disk = SimDisk::new(1);
    let (mut store, _) = open(&disk, 2).unwrap();
    write(&mut store, 5);
    write(&mut store, 7);
    drop(store);
    flip(&disk, 20, 1);
    let (mut store, recovered) = open(&disk, 2).unwrap();
    assert_eq!((recovered.damaged.len(), newest(&store)), (1, Some(5)));
    assert!(disk.contents(&file(7)).is_some(), "it may be looked at");
    write(&mut store, 9);
    assert!(disk.contents(&file(7)).is_none());
    let bounds: Vec<u64> = store.snapshots().map(|snapshot| snapshot.bound.get()).collect();
    assert_eq!(bounds, [5, 9]);
}

/// An opening looks at no chunk: what is older than the newest one stays until that was read.
#[test]
fn an_older_snapshot_stays_until_the_newest_one_was_read() {
    let disk = SimDisk::new(1);
    let (mut store, _) = open(&disk, 2).unwrap();
    write(&mut store, 5);
    write(&mut store, 7);
    drop(store);
    flip(&disk, 70, 1);
    let (mut store, recovered) = open(&disk, 1).unwrap();
    assert_eq!((recovered.damaged.len(), newest(&store)), (0, Some(7)));
    let Err(SnapshotReadError::Damaged(damaged)) = read(&store, 7) else { panic!("it is damaged") };
    store.note_damage(damaged);
    store.remove_older().unwrap();
    assert_eq!((newest(&store), disk.contents(&file(7)).is_some()), (Some(5), true));
    flip(&disk, 70, 1);
    let (mut store, _) = {
        drop(store);
        open(&disk, 1).unwrap()
    };
    store.remove_older().unwrap();
    assert_eq!((newest(&store), disk.contents(&file(5)).is_none()), (Some(7), true));
}

#[test]
fn snapshots_of_another_owner_or_format_are_refused_and_left() {
    let disk = written();
    let before = disk.contents(&file(7)).unwrap();
    let theirs = SnapshotOptions::new(b"cluster 2");
    let error = SnapshotStore::open(disk.clone(), path(), &theirs).unwrap_err();
    assert!(matches!(error, OpenError::OtherIdentity { .. }), "{error}");
    assert!(error.to_string().contains("\"cluster 1\", not to \"cluster 2\""), "{error}");
    disk.tamper(&file(7), |bytes| {
        bytes[12] = 2;
        let crc = crc32c::crc32c(&bytes[12..HEAD]);
        bytes[8..12].copy_from_slice(&crc.to_le_bytes());
    });
    let error = open(&disk, 1).unwrap_err();
    assert!(matches!(error, OpenError::OtherVersion { found: 2, supported: 1, .. }), "{error}");
    assert_eq!(disk.contents(&file(7)).unwrap().len(), before.len());
}

/// The bytes of format 1, which programs of later formats must go on reading.
#[test]
fn a_known_snapshot_keeps_its_bytes() {
    let disk = SimDisk::new(1);
    let (mut store, _) = SnapshotStore::open(disk.clone(), path(), &options(1)).unwrap();
    let mut writer = store.begin(SnapshotBound::new(0x0102), b"meta").unwrap();
    writer.append(&[0xab; CHUNK]).unwrap();
    writer.append(b"rest").unwrap();
    store.finish(writer).unwrap();
    let bytes = disk.contents(&file(0x0102)).unwrap();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert!(bytes[HEAD..HEAD + CHUNK].iter().all(|byte| *byte == 0xab));
    assert_eq!(hex(&bytes[..HEAD]), GOLDEN_HEAD);
    assert_eq!(hex(&bytes[HEAD + CHUNK..]), GOLDEN_END);
}

const GOLDEN_HEAD: &str = "53594e4f44534e504790ebe90100000002010000000000000410000000000000\
                           001000000200000009000000040000007e19aeab000000000000000000000000";
const GOLDEN_END: &str = "72657374636c757374657220316d65746193413794b260e542";
