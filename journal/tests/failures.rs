//! A disk that fails, fills, takes a few bytes at a time, or belongs to somebody else.
//!
//! Claim kept: an error of the disk is reported once and is final; a full disk is refused before
//! anything is written and leaves the journal usable; a directory that is not the owner's is
//! refused with a line that names it and the remedy.
#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod script;

use std::path::Path;

use script::Step::{Append, Prepare, Reopen, Seal, Sync};
use script::{Ledger, append, assert_allowed, check, open, open_with, options, path, run, sync};
use synod_journal::{
    AppendError, CallFault, Create, Disk, DiskCall, DiskFile, Failure, HardState, Journal,
    OpenError, Options, OptionsError, Prepared, Records, SimDisk, SyncError, Times,
};

fn fault(operation: DiskCall, failure: Failure, times: Times) -> CallFault {
    CallFault { operation, after: 0, times, failure }
}

fn one(bytes: usize) -> Records {
    [vec![7; bytes]].into_iter().collect()
}

#[test]
fn a_failed_sync_is_reported_once_and_never_tried_again() {
    let disk = SimDisk::new(1);
    let mut ledger = Ledger::default();
    let (mut journal, _, _) = open(&disk).unwrap();
    append(&mut journal, &mut ledger, &[100]).unwrap();
    sync(&mut journal, &mut ledger).unwrap();
    append(&mut journal, &mut ledger, &[200]).unwrap();
    disk.inject(fault(DiskCall::Sync, Failure::Io, Times::Once));
    let error = journal.sync().unwrap_err();
    assert!(matches!(error, SyncError::Fatal(_)), "{error}");
    assert!(error.to_string().contains("segment-00000001.log"), "{error}");
    // The disk would accept everything from here on, and lie: nothing reaches it.
    let operations = disk.operations();
    assert!(matches!(journal.sync(), Err(SyncError::Poisoned)));
    assert!(matches!(journal.seal(), Err(SyncError::Poisoned)));
    assert!(matches!(journal.prepare(), Err(SyncError::Poisoned)));
    let more = journal.append(&HardState::default(), &mut one(1));
    assert!(matches!(more, Err(AppendError::Poisoned)));
    assert!(matches!(journal.close(), Err(SyncError::Poisoned)));
    assert_eq!(disk.operations(), operations);
    // A restart before any power loss reads the lost frame in the page cache. It may count only
    // once it was written anew.
    let (journal, _, found) = open(&disk).unwrap();
    assert_eq!(found.records.len(), 2);
    drop(journal);
    let (_, _, after) = open(&disk.crash(|_| 0)).unwrap();
    assert_eq!(after, found);
}

#[test]
fn every_failing_operation_ends_the_journal_without_a_loss() {
    let script =
        [Append(vec![3000]), Sync, Append(vec![3000]), Sync, Prepare, Append(vec![50]), Seal];
    let mutating = [
        DiskCall::CreateDir,
        DiskCall::Create,
        DiskCall::Write,
        DiskCall::Sync,
        DiskCall::Rename,
        DiskCall::SyncDir,
    ];
    let reading = [DiskCall::Lock, DiskCall::List, DiskCall::Open, DiskCall::Read];
    for operation in mutating.into_iter().chain(reading) {
        for after in 0..40 {
            let disk = SimDisk::new(1);
            let failure = Failure::Io;
            disk.inject(CallFault { operation, after, times: Times::Once, failure });
            let ledger = run(&disk, &script);
            disk.clear_faults();
            check(&disk.crash(|_| 0), &ledger);
            check(&disk.crash(|choice| choice.options - 1), &ledger);
            check(&disk.kill(), &ledger);
        }
    }
}

#[test]
fn an_error_of_a_write_ends_the_journal() {
    let disk = SimDisk::new(1);
    let (mut journal, _, _) = open(&disk).unwrap();
    disk.inject(fault(DiskCall::Write, Failure::Io, Times::Once));
    let error = journal.append(&HardState::default(), &mut one(10)).unwrap_err();
    assert!(matches!(error, AppendError::Fatal(_)), "{error}");
    assert!(matches!(journal.sync(), Err(SyncError::Poisoned)));
}

#[test]
fn an_error_of_a_read_refuses_to_open_and_changes_nothing() {
    let disk = SimDisk::new(1);
    let ledger = run(&disk, &[Append(vec![3000]), Sync, Append(vec![3000]), Sync]);
    let before = disk.operations();
    for after in 0..8 {
        let copy = disk.kill();
        copy.inject(CallFault {
            operation: DiskCall::Read,
            after,
            times: Times::Always,
            failure: Failure::Io,
        });
        assert!(matches!(open(&copy), Err(OpenError::Fatal(_))));
        copy.clear_faults();
        assert_allowed(&ledger, &open(&copy).unwrap().2);
    }
    assert_eq!(disk.operations(), before);
}

#[test]
fn writes_of_a_few_bytes_at_a_time_are_gone_on_with() {
    let disk = SimDisk::new(1);
    disk.limit_writes(Some(7));
    let script = [Append(vec![300]), Sync, Append(vec![3500, 1]), Sync, Reopen, Append(vec![9])];
    let ledger = run(&disk, &script);
    assert_eq!(ledger.commits.len(), 3, "the script ran to its end");
    check(&disk.kill(), &ledger);
}

#[test]
fn a_full_disk_is_refused_before_anything_is_written_and_recovers() {
    let disk = SimDisk::new(1);
    let mut ledger = Ledger::default();
    let (mut journal, _, _) = open_with(&disk, &roomy()).unwrap();
    disk.set_capacity(Some(roomy().segment_bytes + 4096));
    assert_eq!(journal.prepare().unwrap(), Prepared::Full);
    let room = journal.room();
    assert!(room > journal.room_for_work(), "something is kept back");
    while one(200).frame_bytes() <= journal.room() {
        append(&mut journal, &mut ledger, &[200]).unwrap();
        sync(&mut journal, &mut ledger).unwrap();
    }
    let operations = disk.operations();
    let refused = journal.append(&HardState([8; 32]), &mut one(9000)).unwrap_err();
    let AppendError::Full { bytes, room } = refused else { panic!("{refused}") };
    assert_eq!((bytes, room), (one(9000).frame_bytes(), journal.room()));
    assert!(disk.operations() - operations <= 2, "a creation and its taking back");
    assert_ne!(journal.hard_state(), HardState([8; 32]), "nothing of the commit counts");
    // What was acknowledged is safe, and a restart on the full disk serves it.
    check_full(&disk, &ledger);
    // Space returns, and so does the journal, without a restart.
    disk.set_capacity(None);
    append(&mut journal, &mut ledger, &[9000]).unwrap();
    sync(&mut journal, &mut ledger).unwrap();
    check(&disk.crash(|_| 0), &ledger);
}

/// Segments of 16 pages.
fn roomy() -> Options {
    let mut options = options();
    options.segment_bytes = 64 << 10;
    options
}

/// A restart with just the room for the rewriting, and none for a segment ahead.
fn check_full(disk: &SimDisk, ledger: &Ledger) {
    let disk = disk.crash(|_| 0);
    disk.set_capacity(Some(2 * roomy().segment_bytes + 4096));
    let (mut journal, _, found) = open_with(&disk, &roomy()).unwrap();
    assert_allowed(ledger, &found);
    disk.set_capacity(Some(roomy().segment_bytes + 4096));
    assert_eq!(journal.prepare().unwrap(), Prepared::Full);
}

#[test]
fn room_is_what_can_be_appended_however_it_is_cut() {
    for ahead in [false, true] {
        for cut in [1_usize, 5, 900, 2000, 3900] {
            let disk = SimDisk::new(1);
            let (mut journal, _, _) = open(&disk).unwrap();
            if ahead {
                assert_eq!(journal.prepare().unwrap(), Prepared::Ready);
            }
            disk.inject(fault(DiskCall::Create, Failure::Full, Times::Always));
            let mut left = journal.room();
            loop {
                let commit = one(cut.min(usize::try_from(left).unwrap().saturating_sub(104)));
                if commit.frame_bytes() > left {
                    break;
                }
                left -= commit.frame_bytes();
                journal.append(&HardState::default(), &mut commit.clone()).unwrap();
                journal.sync().unwrap();
            }
        }
    }
}

#[test]
fn a_full_disk_lets_recovery_through_with_a_smaller_segment() {
    let disk = SimDisk::new(1);
    let options = roomy();
    let (mut journal, _, _) = open_with(&disk, &options).unwrap();
    let mut ledger = Ledger::default();
    append(&mut journal, &mut ledger, &[50]).unwrap();
    sync(&mut journal, &mut ledger).unwrap();
    assert_eq!(journal.prepare().unwrap(), Prepared::Ready);
    append(&mut journal, &mut ledger, &[60]).unwrap();
    sync(&mut journal, &mut ledger).unwrap();
    drop(journal);
    // As in a journal of an earlier version, or after somebody cleaned up.
    disk.remove(&path().join("segment-spare")).unwrap();
    // Two segments and an identity are there; a third full one does not fit, a small one does.
    disk.set_capacity(Some(2 * options.segment_bytes + (24 << 10)));
    let (mut journal, _, found) = open_with(&disk, &options).unwrap();
    assert_allowed(&ledger, &found);
    append(&mut journal, &mut ledger, &[3000]).unwrap();
    sync(&mut journal, &mut ledger).unwrap();
    drop(journal);
    // With less, the segment ahead gives way, and there is room for promises all the same.
    let copy = disk.kill();
    copy.set_capacity(Some((24 << 10) + options.segment_bytes + (16 << 10)));
    let (mut promising, _, found) = open_with(&copy, &options).unwrap();
    assert_allowed(&ledger, &found);
    assert!(copy.contents(&path().join("segment-00000002.log")).is_none());
    copy.set_capacity(Some(0));
    assert_eq!(promising.prepare().unwrap(), Prepared::Full);
    for _ in 0..20 {
        promising.append(&HardState([4; 32]), &mut Records::new()).unwrap();
        promising.sync().unwrap();
    }
    drop(promising);
    // With no room at all, nothing is lost.
    let copy = disk.kill();
    copy.set_capacity(Some(0));
    assert!(matches!(open_with(&copy, &options), Err(OpenError::Full { .. })));
    copy.set_capacity(None);
    assert_allowed(&ledger, &open_with(&copy, &options).unwrap().2);
}

#[test]
fn a_thousand_starts_on_a_full_disk_cost_nothing() {
    let disk = SimDisk::new(1);
    let options = roomy();
    let (mut journal, _, _) = open_with(&disk, &options).unwrap();
    let mut ledger = Ledger::default();
    append(&mut journal, &mut ledger, &[3000]).unwrap();
    sync(&mut journal, &mut ledger).unwrap();
    // The spare is there, and the next segment is not; whatever is freed, somebody else takes.
    disk.set_capacity(Some(2 * options.segment_bytes + 4096));
    assert_eq!(journal.prepare().unwrap(), Prepared::Full);
    while one(200).frame_bytes() <= journal.room() {
        append(&mut journal, &mut ledger, &[200]).unwrap();
        sync(&mut journal, &mut ledger).unwrap();
    }
    drop(journal);
    let mut disk = disk;
    let mut room = None;
    for start in 0..1_000_u64 {
        disk = if start % 2 == 0 { disk.kill() } else { disk.crash(|_| 0) };
        disk.set_capacity(Some(0));
        let (mut journal, _, found) = open_with(&disk, &options).unwrap();
        assert_allowed(&ledger, &found);
        let first = *room.get_or_insert_with(|| journal.room());
        assert_eq!(journal.room(), first, "start {start}");
        // What a start writes: a commit without records.
        append(&mut journal, &mut ledger, &[]).unwrap();
        sync(&mut journal, &mut ledger).unwrap();
        assert_eq!(journal.prepare().unwrap(), Prepared::Full);
        journal.seal().unwrap();
    }
}

#[test]
fn a_start_on_a_full_disk_goes_on_in_the_segment_ahead_where_the_last_one_is_used_up() {
    let options = roomy();
    let disk = SimDisk::new(1);
    let (mut journal, _, _) = open_with(&disk, &options).unwrap();
    let mut ledger = Ledger::default();
    append(&mut journal, &mut ledger, &[50]).unwrap();
    sync(&mut journal, &mut ledger).unwrap();
    assert_eq!(journal.prepare().unwrap(), Prepared::Ready);
    // To the last bytes of the first segment, and no further.
    for _ in 0..25 {
        append(&mut journal, &mut ledger, &[1980]).unwrap();
        sync(&mut journal, &mut ledger).unwrap();
    }
    drop(journal);
    let mut disk = disk;
    for _ in 0..3 {
        disk = disk.crash(|_| 0);
        disk.set_capacity(Some(0));
        let (mut journal, _, found) = open_with(&disk, &options).unwrap();
        assert_allowed(&ledger, &found);
        append(&mut journal, &mut ledger, &[]).unwrap();
        sync(&mut journal, &mut ledger).unwrap();
    }
}

#[test]
fn a_start_over_the_spare_that_is_cut_short_anywhere_is_gone_on_with() {
    let options = roomy();
    let disk = SimDisk::new(1);
    let (mut journal, _, _) = open_with(&disk, &options).unwrap();
    let mut ledger = Ledger::default();
    append(&mut journal, &mut ledger, &[3000]).unwrap();
    sync(&mut journal, &mut ledger).unwrap();
    disk.set_capacity(Some(2 * options.segment_bytes + 4096));
    assert_eq!(journal.prepare().unwrap(), Prepared::Full);
    drop(journal);
    let mut ended = false;
    for operations in 0.. {
        assert!(operations < 200, "a start ends");
        for mood in 0..3 {
            let before = disk.kill();
            before.set_capacity(Some(0));
            before.halt_after(operations);
            ended = open_with(&before, &options).is_ok();
            let mut turn = 0;
            let after = before.crash(|choice| {
                turn += 1;
                [0, choice.options - 1, turn % choice.options][mood]
            });
            after.set_capacity(Some(0));
            let (journal, _, found) = open_with(&after, &options).unwrap();
            assert_allowed(&ledger, &found);
            assert!(journal.room() > 0);
            drop(journal);
            let names = after.list(path()).unwrap();
            assert_eq!(names, ["IDENTITY", "segment-00000001.log", "segment-spare"]);
        }
        if ended {
            break;
        }
    }
    assert!(ended);
}

#[test]
fn a_commit_that_no_segment_takes_is_refused_for_good() {
    let disk = SimDisk::new(1);
    let (mut journal, _, _) = open(&disk).unwrap();
    let error = journal.append(&HardState::default(), &mut one(4000)).unwrap_err();
    assert!(matches!(error, AppendError::TooLarge { bytes: 4104, max: 4096 }), "{error}");
    journal.append(&HardState::default(), &mut one(3996)).unwrap();
    journal.sync().unwrap();
}

#[test]
fn a_second_opener_is_told_which_directory_is_locked() {
    let disk = SimDisk::new(1);
    let (journal, _, _) = open(&disk).unwrap();
    let error = open(&disk).unwrap_err();
    assert!(matches!(error, OpenError::Locked { .. }));
    assert!(error.to_string().starts_with("/log is locked"), "{error}");
    drop(journal);
    open(&disk).unwrap();
}

#[test]
fn another_identity_is_refused_by_name() {
    let disk = SimDisk::new(1);
    drop(open(&disk).unwrap());
    let mut other = options();
    other.identity = b"cluster 1, node 3".to_vec();
    let error = open_with(&disk, &other).unwrap_err();
    assert!(matches!(error, OpenError::OtherIdentity { .. }));
    let line = error.to_string();
    assert!(line.contains("\"cluster 1, node 2\", not to \"cluster 1, node 3\""), "{line}");
}

#[test]
fn a_foreign_directory_is_refused_and_left_alone() {
    let disk = SimDisk::new(1);
    disk.create_dir(path()).unwrap();
    disk.create(&path().join("photos"), 0).unwrap();
    let error = open(&disk).unwrap_err();
    assert!(matches!(&error, OpenError::Foreign { found, .. } if found == "photos"), "{error}");
    assert_eq!(disk.list(path()).unwrap(), ["photos"]);
}

/// Whoever follows what a refusal says must not be refused for it.
#[test]
fn the_remedy_for_a_foreign_directory_is_one() {
    let disk = SimDisk::new(1);
    let (foreign, empty) = (Path::new("/foreign"), Path::new("/empty"));
    for directory in [foreign, empty] {
        disk.create_dir(directory).unwrap();
    }
    disk.create(&foreign.join("photos"), 0).unwrap();
    let refused = |create, directory: &Path| {
        let mut options = options();
        options.create = create;
        let opened = Journal::open(disk.clone(), directory, &options, |_| {});
        opened.map(drop).map_err(|error| error.to_string())
    };
    let told = refused(Create::Never, foreign).unwrap_err();
    assert!(told.ends_with("name the directory of the journal"), "{told}");
    refused(Create::Never, empty).unwrap_err();
    let told = refused(Create::New, foreign).unwrap_err();
    assert!(told.contains("name an empty directory, or one that is not there yet"), "{told}");
    refused(Create::New, empty).unwrap();
    refused(Create::New, Path::new("/not/there/yet")).unwrap();
    refused(Create::Never, empty).unwrap();
}

/// Its owner would be told to start with it, and be refused.
#[test]
fn a_journal_of_another_owner_is_not_told_as_one_that_is_there_already() {
    let disk = SimDisk::new(1);
    drop(open(&disk).unwrap());
    let mut other = options();
    (other.create, other.identity) = (Create::New, b"cluster 1, node 3".to_vec());
    let error = open_with(&disk, &other).unwrap_err();
    assert!(matches!(error, OpenError::OtherIdentity { .. }), "{error}");
}

#[test]
fn a_journal_that_must_exist_is_not_made() {
    let disk = SimDisk::new(1);
    let mut existing = options();
    existing.create = Create::Never;
    assert!(matches!(open_with(&disk, &existing), Err(OpenError::Missing { .. })));
    assert!(disk.list(path()).is_err(), "not even the directory is made");
    disk.create_dir(path()).unwrap();
    assert!(matches!(open_with(&disk, &existing), Err(OpenError::Missing { .. })));
    drop(open(&disk).unwrap());
    open_with(&disk, &existing).unwrap();
}

#[test]
fn a_journal_that_must_be_new_does_not_take_the_place_of_another() {
    let disk = SimDisk::new(1);
    let mut new = options();
    new.create = Create::New;
    let (journal, recovered, _) = open_with(&disk, &new).unwrap();
    assert!(recovered.created);
    drop(journal);
    let before = disk.operations();
    let error = open_with(&disk, &new).unwrap_err();
    assert!(matches!(&error, OpenError::Exists { path } if path == script::path()), "{error}");
    assert!(error.to_string().contains("holds a journal already"), "{error}");
    // Names that were there are synced again; nothing is written.
    assert!(disk.operations() - before <= 3, "a creation that is refused, and two syncs");
    let (_, again, _) = open(&disk).unwrap();
    assert_eq!((again.created, again.folder), (false, recovered.folder));
}

#[test]
fn a_directory_above_that_cannot_be_synced_stops_the_making_if_it_matters() {
    let make = |by_hand: bool, failure| {
        let disk = SimDisk::new(1);
        if by_hand {
            disk.create_dir(Path::new("/srv")).unwrap();
        }
        // The first sync is that of the parent, the second that of the root above it.
        let fault =
            CallFault { operation: DiskCall::SyncDir, after: 1, times: Times::Once, failure };
        disk.inject(fault);
        Journal::open(disk, Path::new("/srv/log"), &options(), |_| {}).map(drop)
    };
    make(true, Failure::Permission).unwrap();
    make(true, Failure::ReadOnly).unwrap();
    for (by_hand, failure) in
        [(true, Failure::Io), (false, Failure::Permission), (false, Failure::ReadOnly)]
    {
        assert!(make(by_hand, failure).is_err(), "made by hand {by_hand}, {failure:?}");
    }
}

#[test]
fn each_journal_has_an_id_of_its_own_that_stays() {
    let disk = SimDisk::new(1);
    let (journal, first, _) = open(&disk).unwrap();
    assert_eq!(journal.folder(), first.folder);
    drop(journal);
    let (journal, again, _) = open(&disk.crash(|_| 0)).unwrap();
    assert_eq!((journal.folder(), again.folder), (first.folder, first.folder));
    let elsewhere = Path::new("/elsewhere");
    let (other, _) = Journal::open(disk, elsewhere, &options(), |_| {}).unwrap();
    assert_ne!(other.folder(), first.folder, "one owner, two journals");
    assert_eq!(first.folder.to_string().len(), 32);
}

#[test]
fn a_segment_of_another_journal_of_the_owner_is_refused() {
    let disk = SimDisk::new(1);
    drop(run(&disk, &[Append(vec![300]), Sync]));
    let elsewhere = Path::new("/elsewhere");
    drop(Journal::open(disk.clone(), elsewhere, &options(), |_| {}).unwrap());
    let stranger = disk.contents(&elsewhere.join("segment-00000001.log")).unwrap();
    disk.tamper(&path().join("segment-00000001.log"), |bytes| *bytes = stranger);
    let error = open(&disk).unwrap_err();
    assert!(matches!(error, OpenError::Damaged(_)), "{error}");
}

#[test]
fn another_format_is_refused_with_both_numbers() {
    let disk = SimDisk::new(1);
    drop(open(&disk).unwrap());
    let file = path().join("IDENTITY");
    disk.tamper(&file, |bytes| {
        bytes[12] = 9;
        let crc = crc32c::crc32c(&bytes[12..]);
        bytes[8..12].copy_from_slice(&crc.to_le_bytes());
    });
    let error = open(&disk).unwrap_err();
    let line = error.to_string();
    assert!(matches!(error, OpenError::OtherVersion { found: 9, supported: 2, .. }), "{line}");
    assert!(line.contains("IDENTITY has format 9"), "{line}");
}

#[test]
fn a_directory_without_permission_is_refused_with_the_remedy() {
    for failure in [Failure::Permission, Failure::ReadOnly] {
        for operation in [DiskCall::Lock, DiskCall::Open, DiskCall::Create] {
            let disk = SimDisk::new(1);
            drop(open(&disk).unwrap());
            disk.inject(fault(operation, failure, Times::Always));
            let error = open(&disk).unwrap_err();
            assert!(matches!(error, OpenError::Permission { .. }), "{error}");
            assert!(error.to_string().contains("/log"), "{error}");
            let remedy = if failure == Failure::ReadOnly {
                "mount the file system for writing"
            } else {
                "must own the journal's directory, mode 0700, and every file in it"
            };
            assert!(error.to_string().contains(remedy), "{error}");
        }
    }
}

#[test]
fn options_out_of_bounds_are_refused() {
    let disk = SimDisk::new(1);
    for bytes in [0, 4096, 12288, 16385, 4 << 30] {
        let mut options = options();
        options.segment_bytes = bytes;
        let error = open_with(&disk, &options).unwrap_err();
        let expected = OptionsError::SegmentBytes(bytes);
        assert!(matches!(error, OpenError::Options(found) if found == expected));
    }
    let mut options = options();
    options.identity = vec![0; 1025];
    assert!(matches!(open_with(&disk, &options), Err(OpenError::Options(_))));
}

#[test]
fn segments_of_other_options_are_gone_on_with() {
    let disk = SimDisk::new(1);
    let mut ledger = run(&disk, &[Append(vec![300]), Sync, Prepare]);
    let mut larger = options();
    larger.segment_bytes = 32 << 10;
    let (mut journal, _, found) = open_with(&disk, &larger).unwrap();
    assert_allowed(&ledger, &found);
    // Larger than any segment of before takes, and more than the rewritten one has left.
    for _ in 0..4 {
        append(&mut journal, &mut ledger, &[15000]).unwrap();
        sync(&mut journal, &mut ledger).unwrap();
    }
    drop(journal);
    let (mut journal, _, found) = open(&disk).unwrap();
    assert_allowed(&ledger, &found);
    append(&mut journal, &mut ledger, &[3000]).unwrap();
    sync(&mut journal, &mut ledger).unwrap();
    check(&disk.crash(|_| 0), &ledger);
}

#[test]
fn a_file_in_place_of_the_directory_is_refused() {
    let disk = SimDisk::new(1);
    let file = disk.create(path(), 0).unwrap();
    file.write_at(b"x", 0).unwrap();
    assert!(matches!(open(&disk), Err(OpenError::Fatal(_))));
    let nested = path().join("log");
    let error = Journal::open(disk, &nested, &options(), |_| {}).unwrap_err();
    assert!(error.to_string().contains("/log/log"), "{error}");
}

/// Starts on a disk that gives nothing more, in each of which all room that was told is used up.
fn assert_starts_on_a_full_disk(
    (mut disk, mut journal): (SimDisk, Journal<SimDisk>),
    mut ledger: Ledger,
    options: &Options,
) {
    for start in 0..4 {
        let is_full = journal.prepare().unwrap() == Prepared::Full;
        assert_eq!(journal.is_refused(), is_full, "whether room is on its way");
        let (mut left, commit) = (journal.room(), one(200).frame_bytes());
        while commit <= left {
            append(&mut journal, &mut ledger, &[200]).unwrap();
            sync(&mut journal, &mut ledger).unwrap();
            left -= commit;
            assert!(journal.room() >= left, "what was told stays true");
        }
        drop(journal);
        disk = disk.crash(|_| 0);
        disk.set_capacity(Some(0));
        let (again, _, found) =
            open_with(&disk, options).unwrap_or_else(|error| panic!("start {start}: {error}"));
        assert_allowed(&ledger, &found);
        journal = again;
        // What a start writes.
        append(&mut journal, &mut ledger, &[]).unwrap();
        sync(&mut journal, &mut ledger).unwrap();
    }
}

/// A start without a spare made do with a small segment. Once there is a spare, the small one may
/// come to take its place: then no more is written than that takes.
#[test]
fn no_more_is_written_than_the_next_start_can_write_over_a_small_spare() {
    for has_segment_ahead in [false, true] {
        let options = roomy();
        let disk = SimDisk::new(1);
        let (mut journal, _, _) = open_with(&disk, &options).unwrap();
        let mut ledger = Ledger::default();
        append(&mut journal, &mut ledger, &[3000]).unwrap();
        sync(&mut journal, &mut ledger).unwrap();
        drop(journal);
        let small = 36 << 10;
        disk.set_capacity(Some(options.segment_bytes + 4096 + small));
        let (mut journal, _, _) = open_with(&disk, &options).unwrap();
        // Room for a spare returns, or for a spare and a segment ahead, and no more.
        let made = if has_segment_ahead { 2 } else { 1 };
        disk.set_capacity(Some(made * options.segment_bytes + 8192 + small));
        let prepared = if has_segment_ahead { Prepared::Ready } else { Prepared::Full };
        assert_eq!(journal.prepare().unwrap(), prepared);
        assert!(disk.contents(&path().join("segment-spare")).is_some());
        drop(journal);
        let disk = disk.crash(|_| 0);
        disk.set_capacity(Some(0));
        let (journal, _, _) = open_with(&disk, &options).unwrap();
        assert_starts_on_a_full_disk((disk, journal), ledger, &options);
    }
}

#[test]
fn no_more_is_written_than_fits_the_spare_of_an_earlier_size_of_segments() {
    let mut smaller = roomy();
    smaller.segment_bytes = 32 << 10;
    let disk = SimDisk::new(1);
    let (mut journal, _, _) = open_with(&disk, &smaller).unwrap();
    let mut ledger = Ledger::default();
    append(&mut journal, &mut ledger, &[3000]).unwrap();
    sync(&mut journal, &mut ledger).unwrap();
    assert_eq!(journal.prepare().unwrap(), Prepared::Ready);
    drop(journal);
    let larger = roomy();
    let (mut journal, _, found) = open_with(&disk, &larger).unwrap();
    assert_allowed(&ledger, &found);
    disk.set_capacity(Some(0));
    assert_eq!(journal.prepare().unwrap(), Prepared::Full);
    assert_starts_on_a_full_disk((disk, journal), ledger, &larger);
}
