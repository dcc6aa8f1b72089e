//! A node that writes its state down, lets the log below it go, and goes on from that of another.
//!
//! The claims: nothing goes that no durable snapshot stands for, and with the log go no promise and
//! nothing that is known of peers; a life begins with the snapshot and the records above it, or not
//! at all; and of the slots that a node was passed over, its journal tells nobody.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(clippy::wildcard_enum_match_arm, reason = "a test looks for one variant")]

mod rig;

use bytes::Bytes;
use rig::{NEW, NEW_LEADER, Nothing, OLD, OLD_LEADER, Rig, accept, open_above, sized, small};
use std::path::Path;
use synod_host::journal::{CallFault, Disk as _, DiskCall, Failure, SimDisk, Times};
use synod_host::{Inspected, RecoveryError, Settings, SnapshotOrder};
use synod_paxos::{AfterSync, Ballot, Decree, Message as Paxos, Slot};
use synod_smr::wire::StateDescription;
use synod_smr::{Executor, Message, StatePart};

/// Small segments, as whole ones go.
const SEGMENT_BYTES: u64 = 64 << 10;

/// How many bytes the journal keeps past a snapshot.
const LOG_BYTES: u64 = 100 << 10;

fn settings() -> Settings {
    let small =
        Settings { commit_bytes: 8 << 10, full_below_bytes: 12 << 10, ..Settings::default() };
    Settings { log_bytes: LOG_BYTES, part_bytes: 9, ..small }
}

fn rig(disk: &SimDisk) -> Rig {
    // Memory holds few slots, so that peers are answered from the journal.
    let mut settings = settings();
    settings.replica.cache_slots = 4;
    Rig::with_config(disk, SEGMENT_BYTES, settings, |_| ())
}

/// Has so many more slots chosen, each of a kibibyte, and lets the disk do what it is asked to.
fn choose(rig: &mut Rig, count: u64) {
    let first = rig.host.replica().paxos().log().len() as u64
        + rig.host.replica().paxos().log().base().number();
    for slot in first..first + count {
        rig.hear(NEW_LEADER, &accept(NEW, slot, vec![sized(1 << 10)], slot));
        rig.settle();
        rig.rest();
    }
}

fn chosen(rig: &Rig) -> u64 {
    rig.host.replica().paxos().chosen().number()
}

fn taken(rig: &Rig) -> Option<u64> {
    rig.orders.iter().find_map(|order| match order {
        SnapshotOrder::Take { description, .. } => Some(description.slot.number()),
        _ => None,
    })
}

fn bytes_of(disk: &SimDisk, folder: &str) -> u64 {
    let names = disk.list(Path::new(folder)).unwrap();
    names.iter().filter(|name| name.ends_with(".log")).count() as u64 * SEGMENT_BYTES
}

#[test]
fn a_snapshot_is_begun_when_half_of_the_log_is_full_and_one_at_a_time() {
    let mut rig = rig(&SimDisk::new(1));
    choose(&mut rig, 30);
    assert_eq!(taken(&rig), None, "30 KiB are less than half of 100");
    choose(&mut rig, 25);
    let at = taken(&rig).unwrap();
    assert!((40..=50).contains(&at), "{at}");
    choose(&mut rig, 80);
    assert_eq!(rig.orders.len(), 1, "the first is not done");
    rig.work();
    choose(&mut rig, 1);
    assert!(taken(&rig).is_some_and(|next| next > at + 80), "and then the log has grown again");
}

#[test]
fn the_log_goes_below_the_last_but_one_snapshot_once_that_is_recorded() {
    let disk = SimDisk::new(1);
    let mut rig = rig(&disk);
    let (mut most, mut snapshots) = (0, 0);
    for _ in 0..40 {
        choose(&mut rig, 10);
        snapshots += u64::from(taken(&rig).is_some());
        rig.work();
        rig.settle();
        most = most.max(bytes_of(&disk, "journal"));
    }
    assert!(snapshots >= 6, "{snapshots}");
    // What it keeps, what gathered since, a segment ahead and the spare.
    let bound = LOG_BYTES + LOG_BYTES / 2 + 4 * SEGMENT_BYTES;
    assert!(most <= bound, "{most} bytes of {bound}");
    // A peer that lags little is given decrees; one that lags far, the first part of a snapshot.
    let near = chosen(&rig) - 20;
    rig.hear(OLD_LEADER, &Message::Fetch { first: Slot::new(near) });
    rig.flush();
    assert_eq!(rig.decrees_for(OLD_LEADER).unwrap().0, Slot::new(near));
    rig.hear(OLD_LEADER, &Message::Fetch { first: Slot::new(3) });
    rig.flush();
    rig.work();
    let parts: Vec<&StatePart> = rig
        .sent
        .iter()
        .filter_map(|(_, _, message)| match message {
            Message::Snapshot(part) => Some(part),
            _ => None,
        })
        .collect();
    assert_eq!((parts.len(), parts[0].offset), (1, 0));
    assert!(parts[0].bytes.len() <= 9 && parts[0].description.slot > Slot::new(near));
}

/// A peer whose disk or way is slow asks for the next part seconds later, and has lost all that it
/// kept if another snapshot took the place of this one meanwhile.
#[test]
fn a_snapshot_stays_for_a_peer_that_takes_seconds_for_each_part() {
    let settings = Settings { part_bytes: 3, ..settings() };
    let mut rig = Rig::with_config(&SimDisk::new(1), SEGMENT_BYTES, settings, |_| ());
    choose(&mut rig, 55);
    let slot = Slot::new(taken(&rig).unwrap());
    rig.work();
    for offset in [0, 3, 6] {
        rig.hear(OLD_LEADER, &Message::FetchSnapshot { slot, offset });
        rig.flush();
        rig.work();
        let Some((_, _, Message::Snapshot(part))) = rig.sent.last() else { panic!("{offset}") };
        assert_eq!((part.description.slot, part.offset), (slot, offset));
        // The sync of a disk that is slow, and a word that was lost and is said again.
        rig.now_ms += 7_000;
        choose(&mut rig, 18);
        assert_eq!(taken(&rig), None, "it would take the one away that the peer has half of");
    }
    rig.now_ms += 20_000;
    choose(&mut rig, 1);
    assert!(taken(&rig).is_some(), "the peer asks for nothing any more");
}

#[test]
fn a_life_begins_with_the_snapshot_and_what_is_above_it() {
    let disk = SimDisk::new(1);
    let mut rig = rig(&disk);
    for _ in 0..30 {
        choose(&mut rig, 10);
        rig.work();
        rig.settle();
    }
    let (chosen, promised) = (chosen(&rig), rig.host.replica().paxos().log().promised());
    let (digest, end) = (rig.host.replica().executor().digest(), rig.host.life().journal_end);
    // The promise and the votes of the first slots are long gone with the log.
    drop(rig);
    let disk = disk.crash(|_| 0);
    let (opened, _) = open_above(&disk, SEGMENT_BYTES, &settings()).unwrap();
    assert!(opened.state_at() > Slot::new(200), "{}", opened.state_at());
    assert_eq!(opened.promised(), promised);
    drop(opened);
    assert_eq!(rig::inspect(&disk).unwrap(), Inspected::Sound, "a look says what a start would");
    let mut again = self::rig(&disk);
    assert!(self::chosen(&again) + 1 >= chosen, "all but what the last hint did not tell");
    assert!(again.host.life().journal_end >= end, "or its peers would refuse it");
    again.hear(NEW_LEADER, &accept(NEW, chosen + 1, vec![Decree::Noop], chosen));
    again.settle();
    assert_eq!(self::chosen(&again), chosen);
    assert_eq!(again.host.replica().executor().digest(), digest);
}

#[test]
fn a_life_does_not_begin_without_the_snapshot_that_stands_for_what_is_gone() {
    let disk = SimDisk::new(1);
    let mut rig = rig(&disk);
    for _ in 0..30 {
        choose(&mut rig, 10);
        rig.work();
        rig.settle();
    }
    drop(rig);
    for name in disk.list(Path::new("snapshots")).unwrap() {
        if name.ends_with(".snap") {
            disk.remove(&Path::new("snapshots").join(name)).unwrap();
        }
    }
    assert!(matches!(rig::inspect(&disk), Err(RecoveryError::NoSnapshot { .. })));
    let refused = open_above(&disk, SEGMENT_BYTES, &settings()).unwrap_err();
    assert!(matches!(refused, RecoveryError::NoSnapshot { .. }), "{refused}");
    let words = refused.to_string();
    assert!(words.contains("journal") && words.contains("folder of snapshots"), "{words}");
}

/// The node votes for nothing after its promise, and copies what others chose.
#[test]
fn a_promise_outlives_the_log_that_it_was_recorded_in() {
    let disk = SimDisk::new(1);
    let mut rig = rig(&disk);
    let ballot = Ballot::new(9, OLD_LEADER);
    let prepare = AfterSync::Prepare { ballot, first: Slot::FIRST };
    rig.hear(OLD_LEADER, &Message::Paxos(Paxos::AfterSync(prepare)));
    rig.settle();
    assert_eq!(rig.host.replica().paxos().log().promised(), ballot);
    for slot in 0..300 {
        let (first, decrees) = (Slot::new(slot), vec![sized(1 << 10)]);
        rig.hear(NEW_LEADER, &Message::Decrees { first, decrees, chosen: first.next() });
        rig.settle();
        rig.rest();
        rig.work();
    }
    drop(rig);
    let disk = disk.crash(|_| 0);
    let (opened, _) = open_above(&disk, SEGMENT_BYTES, &settings()).unwrap();
    assert!(opened.state_at() > Slot::new(200), "{}", opened.state_at());
    assert_eq!(opened.promised(), ballot);
}

/// Under load there is a batch in each place whenever a turn ends.
#[test]
fn the_log_of_a_disk_that_is_never_idle_goes_all_the_same() {
    let disk = SimDisk::new(1);
    let mut rig = rig(&disk);
    let mut most = 0;
    for slot in 0..400 {
        rig.hear(NEW_LEADER, &accept(NEW, slot, vec![sized(1 << 10)], slot));
        rig.flush();
        if rig.commits.len() > 1 {
            rig.complete_one();
        }
        rig.rest();
        rig.work();
        most = most.max(bytes_of(&disk, "journal"));
    }
    let bound = LOG_BYTES + LOG_BYTES / 2 + 4 * SEGMENT_BYTES;
    assert!(most <= bound, "{most} bytes of {bound}");
}

/// No life writes enough for a snapshot, and all of them together far more.
#[test]
fn the_log_of_a_node_that_is_started_again_and_again_goes_all_the_same() {
    let disk = SimDisk::new(1);
    let mut most = 0;
    for _ in 0..40 {
        let mut rig = rig(&disk);
        choose(&mut rig, 30);
        rig.work();
        choose(&mut rig, 4);
        most = most.max(bytes_of(&disk, "journal"));
    }
    // Each life begins a segment of its own.
    let bound = 14 * SEGMENT_BYTES;
    assert!(most <= bound, "{most} bytes of {bound}");
}

/// What such a sync forgot, only another opening owes anew; a node that never takes a snapshot
/// again keeps its whole log.
#[test]
fn a_folder_whose_sync_failed_once_takes_the_next_snapshot() {
    let disk = SimDisk::new(1);
    let mut rig = rig(&disk);
    choose(&mut rig, 55);
    assert!(taken(&rig).is_some());
    let (operation, times, failure) = (DiskCall::SyncDir, Times::Once, Failure::Io);
    disk.inject(CallFault { operation, after: 0, times, failure });
    rig.work();
    assert_eq!(rig.host.counts().snapshots_failed, 1, "the name of it is in doubt");
    disk.clear_faults();
    for _ in 0..40 {
        choose(&mut rig, 10);
        rig.work();
        rig.settle();
    }
    let counts = *rig.host.counts();
    assert!(counts.snapshots_taken >= 4 && counts.snapshots_failed == 1, "{counts:?}");
    let bound = LOG_BYTES + LOG_BYTES / 2 + 4 * SEGMENT_BYTES;
    assert!(bytes_of(&disk, "journal") <= bound, "the log goes as it did before");
}

#[test]
fn a_full_disk_without_room_for_a_folder_of_snapshots_keeps_no_node_from_starting() {
    let disk = SimDisk::new(1);
    drop(rig::open(&disk, SEGMENT_BYTES, &settings()).unwrap());
    // The folder of the journal is there.
    let (operation, after) = (DiskCall::CreateDir, 1);
    let (times, failure) = (Times::Always, Failure::Full);
    disk.inject(CallFault { operation, after, times, failure });
    let mut rig = rig(&disk);
    choose(&mut rig, 55);
    rig.work();
    assert!(disk.list(Path::new("snapshots")).is_err(), "there is no room yet");
    disk.clear_faults();
    choose(&mut rig, 55);
    rig.work();
    let names = disk.list(Path::new("snapshots")).unwrap();
    assert!(names.iter().any(|name| name.ends_with(".snap")), "{names:?}");
}

/// The state after so many decrees that do nothing, as the bytes of a snapshot.
fn noops(slot: u64) -> (StateDescription, Bytes) {
    let mut state = Executor::new(Nothing);
    for _ in 0..slot {
        state.apply(&Decree::Noop, |_, _| {});
    }
    let (description, view) = state.snapshot().unwrap();
    (description, view.concat())
}

/// Gives the node the snapshot of a peer, in parts, as it asks for them.
fn give(rig: &mut Rig, (description, state): (StateDescription, Bytes), part_bytes: usize) {
    let total = state.len() as u64;
    let mut offset = 0;
    loop {
        let from = usize::try_from(offset).unwrap();
        let bytes = state.slice(from..state.len().min(from + part_bytes));
        let part = StatePart { description, total, offset, bytes };
        rig.hear(NEW_LEADER, &Message::Snapshot(part));
        rig.flush();
        rig.work();
        rig.settle();
        let asked = rig.sent.iter().rev().find_map(|(to, _, message)| match message {
            Message::FetchSnapshot { offset, .. } if *to == NEW_LEADER => Some(*offset),
            _ => None,
        });
        match asked {
            Some(next) if next > offset => offset = next,
            _ => return,
        }
    }
}

/// Lets the node see that the new leader knows far more, until it asks for it.
fn lag(rig: &mut Rig, chosen: u64) {
    for _ in 0..4 {
        let beat = synod_smr::Heartbeat {
            chosen: Slot::new(chosen),
            hears: vec![rig::ME],
            echoes: vec![0],
            ..rig::beat(rig::PEERS_JOURNAL, 1)
        };
        rig.hear(NEW_LEADER, &Message::Heartbeat(beat));
        rig.tick();
    }
    let asks = |message: &Message| matches!(message, Message::Fetch { .. });
    assert!(rig.sent.iter().any(|(to, _, message)| *to == NEW_LEADER && asks(message)));
}

/// The old leader's proposal reaches this node alone and was never chosen. It is still on its way
/// to the disk as the node is passed over: nobody is told of it, then or later.
#[test]
fn of_slots_that_were_passed_over_the_journal_tells_nobody() {
    for late in [false, true] {
        let disk = SimDisk::new(1);
        let mut rig = rig(&disk);
        rig.hear(OLD_LEADER, &accept(OLD, 2, vec![small(1)], 0));
        if late {
            rig.flush();
        } else {
            rig.settle();
        }
        lag(&mut rig, 60);
        let (description, bytes) = noops(50);
        let (total, offset) = (bytes.len() as u64, 0);
        let whole = StatePart { description, total, offset, bytes };
        rig.hear(NEW_LEADER, &Message::Snapshot(whole));
        rig.flush();
        rig.work();
        assert_eq!(chosen(&rig), 50);
        // That the log below may go is on its way to the disk, like what came before.
        if late {
            rig.complete_one();
        }
        rig.sent.clear();
        rig.hear(OLD_LEADER, &Message::Fetch { first: Slot::new(2) });
        rig.flush();
        rig.work();
        assert_eq!(rig.decrees_for(OLD_LEADER), None, "late: {late}");
        let part = rig.sent.iter().any(|(_, _, message)| matches!(message, Message::Snapshot(_)));
        assert!(part, "a snapshot stands for it");
        assert!(rig.host.life().journal_end <= Slot::new(50));
        drop(rig);
        let again = self::rig(&disk.crash(|_| 0));
        assert_eq!(chosen(&again), 50);
        let end = again.host.life().journal_end;
        assert!(end >= Slot::new(50), "its peers would refuse it with {end}");
    }
}

#[test]
fn a_snapshot_that_is_not_what_it_was_said_to_be_is_not_gone_on_from() {
    let disk = SimDisk::new(1);
    let mut rig = rig(&disk);
    lag(&mut rig, 60);
    let (description, state) = noops(50);
    let wrong = StateDescription { digest: description.digest ^ 1, ..description };
    give(&mut rig, (wrong, state.clone()), 9);
    assert_eq!(chosen(&rig), 0);
    let names = disk.list(Path::new("snapshots")).unwrap();
    assert!(names.iter().all(|name| !name.ends_with(".snap")), "it got no name: {names:?}");
    // It rests, and then asks again.
    for _ in 0..30 {
        rig.tick();
    }
    rig.sent.clear();
    lag(&mut rig, 60);
    give(&mut rig, (description, state), 1_000);
    assert_eq!(chosen(&rig), 50);
}
