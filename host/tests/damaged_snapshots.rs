//! A node whose newest snapshot is damaged.
//!
//! The claims: it loses no promise and no vote, and goes on as an acceptor; it neither campaigns
//! nor leads before it has the state from a peer, in whatever way; a disk that fails is no damage;
//! and whoever has no peer is refused, unless its log reaches back.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(clippy::wildcard_enum_match_arm, reason = "a test looks for one variant")]

mod rig;

use std::path::{Path, PathBuf};

use bytes::Bytes;
use rig::{NEW, NEW_LEADER, Nothing, OLD_LEADER, Rig, accept, open_above, sized};
use synod_host::journal::{
    CallFault, Disk as _, DiskCall, Failure, HardState, Journal, Options, Records,
    SNAPSHOT_CHUNK_BYTES_MIN, SimDisk, SnapshotBound, SnapshotOptions, SnapshotStore, Times,
};
use synod_host::{DataFolders, RecoveryError, Settings, SnapshotDone, SnapshotOrder, SnapshotWork};
use synod_paxos::{AfterSync, Ballot, Configuration, Message as Paxos, NodeId, Slot};
use synod_smr::wire::{JournalRecord, encode_description, encode_record};
use synod_smr::{
    Executor, Invalid, Message, NoSnapshot, RestoreError, SnapshotPieces, SnapshotView,
    StateMachine, StatePart,
};

const SEGMENT_BYTES: u64 = 64 << 10;

fn settings() -> Settings {
    let small =
        Settings { commit_bytes: 8 << 10, full_below_bytes: 12 << 10, ..Settings::default() };
    let mut settings = Settings { log_bytes: 100 << 10, part_bytes: 40, ..small };
    settings.replica.cache_slots = 4;
    settings
}

fn begin(disk: &SimDisk) -> Rig {
    Rig::with_config(disk, SEGMENT_BYTES, settings(), |_| ())
}

/// Has the slots from `first` on chosen, each of a kibibyte.
fn choose(rig: &mut Rig, first: u64, end: u64) {
    for slot in first..end {
        rig.hear(NEW_LEADER, &accept(NEW, slot, vec![sized(1 << 10)], slot));
        rig.settle();
        rig.rest();
        rig.work();
        rig.settle();
    }
}

/// The disk of a node that has had so many slots chosen, and was let go of.
fn node(slots: u64) -> SimDisk {
    let disk = SimDisk::new(1);
    let mut rig = begin(&disk);
    choose(&mut rig, 0, slots);
    drop(rig);
    disk.kill()
}

fn snapshot(disk: &SimDisk) -> (PathBuf, Slot) {
    let names = disk.list(Path::new("snapshots")).unwrap();
    let name = names.iter().filter(|name| name.ends_with(".snap")).max().unwrap();
    let slot = name.trim_start_matches("snapshot-").trim_end_matches(".snap");
    let slot = u64::from_str_radix(slot, 16).unwrap();
    (Path::new("snapshots").join(name), Slot::new(slot))
}

/// The state of the cluster after so many slots.
fn state(slots: u64) -> Executor<Nothing> {
    let mut state = Executor::with_limits(Nothing, settings().sessions);
    for _ in 0..slots {
        state.apply(&sized(1 << 10), |_, _| {});
    }
    state
}

/// Lets the node see that the new leader knows so much, until it asks; says from where on.
fn asks(rig: &mut Rig, chosen: u64) -> Option<Slot> {
    rig.sent.clear();
    for _ in 0..12 {
        let beat = synod_smr::Heartbeat {
            chosen: Slot::new(chosen),
            hears: vec![rig::ME],
            echoes: vec![0],
            ..rig::beat(rig::PEERS_JOURNAL, 1)
        };
        rig.hear(NEW_LEADER, &Message::Heartbeat(beat));
        rig.tick();
    }
    rig.sent.iter().find_map(|(to, _, message)| match message {
        Message::Fetch { first } if *to == NEW_LEADER => Some(*first),
        _ => None,
    })
}

/// Gives the node a snapshot of that slot, in parts, as it asks for them.
fn give(rig: &mut Rig, slots: u64) {
    let (description, view) = state(slots).snapshot().unwrap();
    let state = view.concat();
    let mut offset = 0;
    loop {
        let from = usize::try_from(offset).unwrap();
        let bytes = state.slice(from..state.len().min(from + 40));
        let part = StatePart { description, total: state.len() as u64, offset, bytes };
        rig.sent.clear();
        rig.hear(NEW_LEADER, &Message::Snapshot(part));
        rig.flush();
        rig.work();
        rig.settle();
        let next = rig.sent.iter().find_map(|(_, _, message)| match message {
            Message::FetchSnapshot { offset, .. } => Some(*offset),
            _ => None,
        });
        match next {
            Some(next) => offset = next,
            None => return,
        }
    }
}

/// Gives the node the decrees of so many slots.
fn decrees(rig: &mut Rig, first: u64, end: u64, chosen: u64) {
    let decrees = (first..end).map(|_| sized(1 << 10)).collect();
    let (first, chosen) = (Slot::new(first), Slot::new(chosen));
    rig.hear(NEW_LEADER, &Message::Decrees { first, decrees, chosen });
    rig.settle();
}

fn chosen(rig: &Rig) -> u64 {
    rig.host.replica().paxos().chosen().number()
}

fn applied(rig: &Rig) -> u64 {
    rig.host.replica().executor().applied().number()
}

/// Each kind of damage, at its place in the file.
fn damages() -> [fn(&mut Vec<u8>); 5] {
    [
        |bytes| bytes[20] ^= 1,
        |bytes| bytes[70] ^= 1,
        |bytes| *bytes.last_mut().unwrap() ^= 1,
        |bytes| bytes.truncate(80),
        Vec::clear,
    ]
}

#[test]
fn damage_costs_no_vote_and_the_state_comes_from_a_peer() {
    for damage in damages() {
        let disk = node(300);
        let (file, slot) = snapshot(&disk);
        let promised = open_above(&disk, SEGMENT_BYTES, &settings()).unwrap().0.promised();
        disk.tamper(&file, damage);
        let mut rig = begin(&disk);
        let replica = rig.host.replica();
        assert!(!replica.has_state() && slot > Slot::new(200));
        assert_eq!(replica.paxos().log().promised(), promised);
        assert!(replica.paxos().chosen() >= slot && replica.executor().applied() == Slot::FIRST);
        assert_eq!(rig.host.counts().snapshots_damaged, 1);
        let measured = rig.host.measure(rig.now());
        assert!(measured.readiness().unwrap_err().contains("damaged"));
        // It promises, naming all below as chosen, and votes.
        let ballot = Ballot::new(9, OLD_LEADER);
        let prepare = AfterSync::Prepare { ballot, first: Slot::new(5) };
        rig.hear(OLD_LEADER, &Message::Paxos(Paxos::AfterSync(prepare)));
        rig.settle();
        let told = rig.sent.iter().find_map(|(_, _, message)| match message {
            Message::Paxos(Paxos::AfterSync(AfterSync::Promise { chosen, reports, .. })) => {
                Some((*chosen, reports.iter().all(|(at, _)| at >= chosen)))
            }
            _ => None,
        });
        let (said, above) = told.unwrap();
        assert!(said >= slot && above);
        rig.hear(OLD_LEADER, &accept(ballot, 300, vec![sized(9)], 300));
        rig.settle();
        let votes = |message: &Message| {
            matches!(message, Message::Paxos(Paxos::AfterSync(AfterSync::Accepted { .. })))
        };
        assert!(rig.sent.iter().any(|(_, _, message)| votes(message)));
        // It does not campaign, however long nobody leads.
        rig.sent.clear();
        assert_eq!(asks(&mut rig, 310), Some(Slot::FIRST), "it has no state at all");
        let prepares = |message: &Message| {
            matches!(message, Message::Paxos(Paxos::AfterSync(AfterSync::Prepare { .. })))
        };
        assert!(!rig.sent.iter().any(|(_, _, message)| prepares(message)));
        give(&mut rig, 300);
        assert!(rig.host.replica().has_state());
        assert_eq!((applied(&rig), chosen(&rig)), (300, 300));
        assert_eq!(rig.host.replica().executor().digest(), state(300).digest());
        assert_eq!(rig.host.counts().snapshots_repaired, 1);
        assert!(rig.host.measure(rig.now()).readiness().unwrap_err().contains("leader"));
        drop(rig);
        let (again, _) = open_above(&disk.crash(|_| 0), SEGMENT_BYTES, &settings()).unwrap();
        assert!(again.has_state() && again.state_at() == Slot::new(300));
    }
}

/// A peer whose log reaches back gives decrees; and one may have an older snapshot.
#[test]
fn an_older_state_and_decrees_do_as_well_and_a_new_snapshot_follows() {
    let disk = node(300);
    disk.tamper(&snapshot(&disk).0, |bytes| bytes[70] ^= 1);
    let mut rig = begin(&disk);
    let known = chosen(&rig);
    assert_eq!(asks(&mut rig, known), Some(Slot::FIRST));
    give(&mut rig, 50);
    assert!(!rig.host.replica().has_state() && applied(&rig) == 50 && chosen(&rig) == known);
    assert_eq!(rig.host.counts().snapshots_repaired, 0, "it is older than the damaged one");
    drop(rig);
    // The next life goes on from there, and knows as well that all below the damaged one is chosen.
    let mut rig = begin(&disk.crash(|_| 0));
    assert!(!rig.host.replica().has_state() && applied(&rig) == 50 && chosen(&rig) == known);
    assert_eq!(asks(&mut rig, known), Some(Slot::new(50)));
    decrees(&mut rig, 50, 120, known);
    assert!(!rig.host.replica().has_state() && rig.orders.is_empty());
    decrees(&mut rig, 120, known, known);
    assert!(rig.host.replica().has_state() && applied(&rig) == known);
    assert_eq!(rig.host.replica().executor().digest(), state(known).digest());
    assert!(matches!(rig.orders[0], SnapshotOrder::Take { .. }), "{:?}", rig.orders);
    rig.work();
    assert_eq!(rig.host.counts().snapshots_repaired, 1);
    assert!(rig.orders.is_empty(), "once: {:?}", rig.orders);
}

/// A peer that asks for the newest snapshot finds it damaged. The state is in memory.
#[test]
fn damage_that_a_running_node_meets_is_repaired_by_a_new_snapshot() {
    let disk = SimDisk::new(1);
    let mut rig = begin(&disk);
    choose(&mut rig, 0, 300);
    let (file, slot) = snapshot(&disk);
    disk.tamper(&file, |bytes| bytes[70] ^= 1);
    rig.hear(OLD_LEADER, &Message::Fetch { first: Slot::new(3) });
    rig.flush();
    rig.work();
    assert_eq!(rig.host.counts().snapshots_damaged, 1);
    rig.work();
    assert_eq!(rig.host.counts().snapshots_repaired, 1);
    let (file, again) = snapshot(&disk);
    assert!(again >= slot && disk.list(Path::new("snapshots")).unwrap().len() <= 2, "{file:?}");
    drop(rig);
    assert!(open_above(&disk.crash(|_| 0), SEGMENT_BYTES, &settings()).unwrap().0.has_state());
}

#[test]
fn trouble_of_the_disk_is_no_damage() {
    let mut seen = 0;
    for after in 0..40 {
        let disk = node(120);
        let (operation, times, failure) = (DiskCall::Read, Times::Once, Failure::Io);
        disk.inject(CallFault { operation, after, times, failure });
        match open_above(&disk, SEGMENT_BYTES, &settings()) {
            Ok((opened, _)) => assert!(opened.has_state()),
            Err(error @ RecoveryError::UnreadSnapshot { .. }) => {
                seen += 1;
                assert!(error.to_string().contains("start this node again"), "{error}");
            }
            Err(RecoveryError::Journal(_) | RecoveryError::Snapshots(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert!(seen > 0, "no read of a snapshot failed");
}

/// Makes the folders of a node among `voters`, with a snapshot of that state, and a journal that
/// was cut there or has no record.
fn made<M: StateMachine>(voters: &[NodeId], state: &Executor<M>, cut: bool) -> (SimDisk, Options) {
    let disk = SimDisk::new(1);
    let voters = Configuration::majority(voters.iter().copied()).unwrap();
    let mut options = Options::new(synod_host::identity_of("test", rig::ME, &voters).as_bytes());
    options.segment_bytes = SEGMENT_BYTES;
    let (mut journal, _) =
        Journal::open(disk.clone(), Path::new("journal"), &options, |_| ()).unwrap();
    if cut {
        let mut records = Records::new();
        records.push(&encode_record(&JournalRecord::Snapshot(state.applied())));
        journal.append(&HardState::default(), &mut records).unwrap();
        journal.sync().unwrap();
    }
    let mut store = SnapshotOptions::new(&options.identity);
    store.chunk_bytes = SNAPSHOT_CHUNK_BYTES_MIN;
    let (mut store, _) = SnapshotStore::open(disk.clone(), Path::new("snapshots"), &store).unwrap();
    let (description, view) = state.snapshot().unwrap();
    let bound = SnapshotBound::new(description.slot.number());
    let mut writer = store.begin(bound, &encode_description(&description)).unwrap();
    for piece in view {
        writer.append(&piece).unwrap();
    }
    store.finish(writer).unwrap();
    (disk, options)
}

#[test]
fn who_has_no_peer_is_refused_unless_the_log_reaches_back() {
    let folders = DataFolders { journal: Path::new("journal"), snapshots: Path::new("snapshots") };
    let settings = settings();
    for (voters, cut) in [(1, true), (1, false), (3, true), (3, false)] {
        let voters: Vec<_> = (2..2 + voters).map(NodeId::new).collect();
        let (disk, options) = made(&voters, &state(20), cut);
        disk.tamper(&snapshot(&disk).0, |bytes| bytes[70] ^= 1);
        let opened = synod_host::open_above(disk, folders, &options, Nothing, &settings, |_, _| ());
        match (voters.len(), cut, opened) {
            (1, true, Err(error @ RecoveryError::DamagedSnapshot { .. })) => {
                assert!(error.to_string().contains("no other node"), "{error}");
            }
            (1, false, Ok((opened, _))) => assert!(opened.has_state()),
            (3, _, Ok((opened, _))) => {
                assert!(!opened.has_state() && opened.state_at() == Slot::new(20));
            }
            (_, _, opened) => panic!("{voters:?} {cut}: {:?}", opened.map(|_| ())),
        }
    }
}

/// A running node reads its newest snapshot again, whatever part of the file is damaged.
#[test]
fn what_is_read_again_is_found_and_replaced() {
    for damage in damages() {
        let disk = SimDisk::new(1);
        let mut rig = begin(&disk);
        choose(&mut rig, 0, 300);
        let (file, slot) = snapshot(&disk);
        let rest = settings().scrub.rest.as_millis() as u64;
        rig.now_ms += rest + 1;
        rig.tick();
        rig.work();
        let counts = *rig.host.counts();
        assert_eq!((counts.scrub_rounds, counts.snapshots_damaged), (1, 0), "it is whole");
        disk.tamper(&file, damage);
        rig.now_ms += rest + 1;
        rig.tick();
        rig.work();
        assert_eq!(rig.host.counts().snapshots_damaged, 1);
        assert_eq!(rig.host.measure(rig.now()).damaged_snapshot, Some(slot));
        rig.work();
        rig.settle();
        assert_eq!(rig.host.counts().snapshots_repaired, 1);
        assert_eq!(rig.host.measure(rig.now()).damaged_snapshot, None);
        drop(rig);
        let (again, _) = open_above(&disk.crash(|_| 0), SEGMENT_BYTES, &settings()).unwrap();
        assert!(again.has_state());
    }
}

/// A state of 64 KiB.
#[derive(Clone, Debug, Default)]
struct Large;

impl StateMachine for Large {
    fn validate(&self, _: &[u8]) -> Result<(), Invalid> {
        Ok(())
    }
    fn apply(&mut self, _: &[u8]) -> Bytes {
        Bytes::new()
    }
    fn query(&self, _: &[u8]) -> Bytes {
        Bytes::new()
    }
    fn digest(&self) -> u64 {
        7
    }
    fn snapshot(&self) -> Result<SnapshotView, NoSnapshot> {
        Ok(SnapshotView::whole(vec![0x5a; 64 << 10]))
    }
    fn restore(&mut self, snapshot: &mut SnapshotPieces<'_>) -> Result<(), RestoreError> {
        snapshot.rest(usize::MAX).map(drop)
    }
}

/// Every byte of a snapshot of 64 KiB in turn: a start finds it and begins without a state, a look
/// finds it where head or manifest tell, and a node that runs finds it as it reads again. No start
/// goes on from what is damaged.
#[test]
fn no_byte_of_a_snapshot_is_damaged_in_silence() {
    let folders = DataFolders { journal: Path::new("journal"), snapshots: Path::new("snapshots") };
    let mut state = Executor::with_limits(Large, settings().sessions);
    for _ in 0..20 {
        state.apply(&sized(9), |_, _| {});
    }
    let voters = [NodeId::new(1), rig::ME, NodeId::new(3)];
    let (disk, options) = made(&voters, &state, true);
    let (file, slot) = snapshot(&disk);
    let store = SnapshotOptions::new(&options.identity);
    let mut bytes = 0;
    disk.tamper(&file, |whole| bytes = whole.len());
    assert!(bytes > 64 << 10);
    for place in 0..bytes {
        disk.tamper(&file, |whole| whole[place] ^= 1 << (place % 8));
        let begins = (Large, settings().sessions);
        let folder = folders.snapshots;
        let (mut work, found) = SnapshotWork::open(disk.clone(), folder, &store, begins).unwrap();
        // A round, as the host orders it.
        let mut is_found = !found.damaged.is_empty();
        for chunk in 0.. {
            let done = work.carry_out(SnapshotOrder::Scrub { slot, chunk });
            let SnapshotDone::Scrubbed(read) = done else { panic!("{done:?}") };
            is_found |= read.is_damaged;
            if read.is_last || read.is_damaged {
                break;
            }
        }
        assert!(is_found, "byte {place} of {bytes}");
        drop(work);
        // A start writes, so it has a disk of its own.
        let copy = disk.kill();
        let opened = synod_host::open_above(copy, folders, &options, Large, &settings(), |_, _| ());
        let (opened, _) = opened.unwrap();
        assert!(!opened.has_state() && opened.state_at() == slot, "byte {place} of {bytes}");
        disk.tamper(&file, |whole| whole[place] ^= 1 << (place % 8));
    }
    let opened = synod_host::open_above(disk, folders, &options, Large, &settings(), |_, _| ());
    assert!(opened.unwrap().0.has_state());
}
