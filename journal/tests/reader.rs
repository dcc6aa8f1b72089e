//! Reading back while the writer goes on.
//!
//! Claim kept: a reader returns what was appended, only once it was synced, across segments and
//! after restarts; it reports rot, and it never harms the writer.
#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod script;

use std::sync::mpsc;
use std::thread;

use script::{Ledger, append, open, open_with, options, path, sync};
use synod_journal::{
    CallFault, DiskCall, Failure, HardState, Lsn, ReadError, Reader, Records, SimDisk, Times,
};

fn lsn(number: usize) -> Lsn {
    Lsn::new(number as u64).unwrap()
}

/// Reads every record one by one, in ranges, and backwards.
fn read_everything(reader: &mut Reader<SimDisk>, ledger: &Ledger, first: usize) {
    let count = ledger.records.len();
    assert_eq!(reader.range(), lsn(first)..lsn(count + 1));
    for number in (first..=count).rev().chain(first..=count) {
        assert!(reader.read(lsn(number)).unwrap() == ledger.records[number - 1]);
    }
    for bytes_max in [0, 1000, usize::MAX] {
        let (mut at, mut found) = (first, Vec::new());
        while at <= count {
            let some = reader.read_range(lsn(at)..lsn(count + 1), bytes_max).unwrap();
            assert!(!some.is_empty(), "a range makes progress");
            let bytes: usize = some.iter().map(Vec::len).sum();
            assert!(some.len() == 1 || bytes <= bytes_max);
            at += some.len();
            found.extend(some);
        }
        assert!(found == ledger.records[first - 1..]);
    }
}

/// Commits of every shape over several segments.
fn filled(disk: &SimDisk, segment_bytes: u64, commits: usize) -> Ledger {
    let mut ledger = Ledger::default();
    let mut options = options();
    options.segment_bytes = segment_bytes;
    let (mut journal, _, _) = open_with(disk, &options).unwrap();
    let mut reader = journal.reader();
    for commit in 0..commits {
        let lengths = [commit * 37 % 900, 0, commit * 11 % 300];
        append(&mut journal, &mut ledger, &lengths[..commit % 4 % 3 + 1]).unwrap();
        if commit % 3 != 1 {
            sync(&mut journal, &mut ledger).unwrap();
        }
        if commit % 5 == 0 {
            journal.prepare().unwrap();
            journal.seal().unwrap();
        }
    }
    journal.seal().unwrap();
    sync(&mut journal, &mut ledger).unwrap();
    read_everything(&mut reader, &ledger, 1);
    journal.close().unwrap();
    ledger
}

#[test]
fn every_record_is_read_back_during_and_after() {
    for segment_bytes in [16384, 64 << 10, 1 << 20] {
        let disk = SimDisk::new(1);
        let ledger = filled(&disk, segment_bytes, 120);
        for _ in 0..2 {
            let (journal, _, _) = open(&disk).unwrap();
            read_everything(&mut journal.reader(), &ledger, 1);
        }
    }
}

#[test]
fn a_record_is_read_only_once_it_was_synced() {
    let disk = SimDisk::new(1);
    let (mut journal, _, _) = open(&disk).unwrap();
    let mut reader = journal.reader();
    let mut records: Records = [&b"a"[..], b"b"].into_iter().collect();
    journal.append(&HardState::default(), &mut records).unwrap();
    let early = reader.read(Lsn::FIRST);
    assert!(matches!(early, Err(ReadError::NotSynced { next: Lsn::FIRST, .. })), "{early:?}");
    journal.sync().unwrap();
    assert_eq!(reader.read(lsn(2)).unwrap(), b"b");
    assert!(matches!(reader.read(lsn(3)), Err(ReadError::NotSynced { .. })));
    assert_eq!(reader.read_range(lsn(1)..lsn(1), 9).unwrap(), Vec::<Vec<u8>>::new());
    assert_eq!(reader.read_range(lsn(1)..lsn(99), 9).unwrap(), [b"a", b"b"]);
}

#[test]
fn a_reader_on_another_thread_keeps_up_with_the_writer() {
    let disk = SimDisk::new(1);
    let (mut journal, _, _) = open(&disk).unwrap();
    let mut reader = journal.reader();
    let (synced, behind) = mpsc::channel::<usize>();
    let reading = thread::spawn(move || {
        let mut read = Vec::new();
        while let Ok(count) = behind.recv() {
            while read.len() < count {
                read.extend(reader.read_range(lsn(read.len() + 1)..lsn(count + 1), 3000).unwrap());
            }
        }
        read
    });
    let mut ledger = Ledger::default();
    for commit in 0..200 {
        append(&mut journal, &mut ledger, &[commit % 700, 3]).unwrap();
        sync(&mut journal, &mut ledger).unwrap();
        synced.send(ledger.records.len()).unwrap();
        journal.prepare().unwrap();
    }
    drop(synced);
    assert!(reading.join().unwrap() == ledger.records);
}

#[test]
fn rot_is_reported_and_the_writer_goes_on() {
    let disk = SimDisk::new(1);
    let (mut journal, _, _) = open(&disk).unwrap();
    let mut ledger = Ledger::default();
    append(&mut journal, &mut ledger, &[1000]).unwrap();
    append(&mut journal, &mut ledger, &[1000]).unwrap();
    sync(&mut journal, &mut ledger).unwrap();
    let mut reader = journal.reader();
    disk.tamper(&path().join("segment-00000001.log"), |bytes| bytes[4096 + 500] ^= 1);
    for _ in 0..2 {
        let rotten = reader.read(lsn(1));
        assert!(matches!(rotten, Err(ReadError::Damaged(_))), "{rotten:?}");
    }
    disk.tamper(&path().join("segment-00000001.log"), |bytes| bytes[4096 + 500] ^= 1);
    assert!(reader.read(lsn(1)).unwrap() == ledger.records[0]);
    let failure = Failure::Io;
    disk.inject(CallFault { operation: DiskCall::Read, after: 0, times: Times::Once, failure });
    assert!(matches!(reader.read(lsn(1)), Err(ReadError::Fatal(_))));
    assert!(reader.read(lsn(2)).unwrap() == ledger.records[1]);
    append(&mut journal, &mut ledger, &[10]).unwrap();
    sync(&mut journal, &mut ledger).unwrap();
}

#[test]
fn released_records_are_reported_and_their_files_go() {
    let disk = SimDisk::new(1);
    let (mut journal, _, _) = open(&disk).unwrap();
    let mut ledger = Ledger::default();
    for _ in 0..6 {
        append(&mut journal, &mut ledger, &[3000]).unwrap();
        sync(&mut journal, &mut ledger).unwrap();
    }
    let mut reader = journal.reader();
    reader.read(lsn(1)).unwrap();
    journal.release(lsn(4));
    let gone = reader.read(lsn(3));
    assert!(matches!(gone, Err(ReadError::Released { oldest, .. }) if oldest == lsn(4)));
    let file = path().join("segment-00000003.log");
    journal.sync().unwrap();
    assert!(disk.contents(&file).is_some(), "no durable frame allows the removal yet");
    append(&mut journal, &mut ledger, &[5]).unwrap();
    sync(&mut journal, &mut ledger).unwrap();
    assert!(disk.contents(&file).is_none());
    read_everything(&mut reader, &ledger, 4);
    drop(journal);
    let (mut journal, recovered, found) = open(&disk).unwrap();
    assert_eq!((recovered.first_lsn, found.records.len()), (lsn(4), 4));
    read_everything(&mut journal.reader(), &ledger, 4);
    // Everything may go but the active segment.
    journal.release(lsn(1000));
    append(&mut journal, &mut ledger, &[5]).unwrap();
    sync(&mut journal, &mut ledger).unwrap();
    drop(journal);
    let (_, recovered, _) = open(&disk).unwrap();
    assert_eq!(recovered.next_lsn, lsn(9));
    assert!(recovered.first_lsn > lsn(4));
}

#[test]
fn a_clone_reads_by_itself() {
    let disk = SimDisk::new(1);
    let ledger = filled(&disk, 16384, 30);
    let (journal, _, _) = open(&disk).unwrap();
    let first = journal.reader();
    let mut second = first.clone();
    drop(first);
    drop(journal);
    read_everything(&mut second, &ledger, 1);
}
