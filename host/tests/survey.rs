//! Surveys of a node's folders: what its records and snapshots say, and what a start would say.
//!
//! The claims: what is told is what the node was; damage anywhere is told, and never takes a survey
//! down; and nothing counts as sound that a start would refuse.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(clippy::wildcard_enum_match_arm, reason = "a test looks for one variant")]

mod rig;

use std::path::{Path, PathBuf};

use rig::{ME, NEW, NEW_LEADER, Rig, accept, open_above, sized};
use synod_host::journal::{Disk as _, SimDisk};
use synod_host::survey::{NodeSurvey, survey};
use synod_host::{DataFolders, Inspected, Settings};
use synod_paxos::Slot;

const SEGMENT_BYTES: u64 = 64 << 10;

fn settings() -> Settings {
    let small =
        Settings { commit_bytes: 8 << 10, full_below_bytes: 12 << 10, ..Settings::default() };
    Settings { log_bytes: 100 << 10, ..small }
}

/// A node that has had so many slots chosen, with snapshots of them, and is gone.
fn node(slots: u64) -> (SimDisk, Rig) {
    let disk = SimDisk::new(1);
    let mut rig = Rig::with_config(&disk, SEGMENT_BYTES, settings(), |_| ());
    for slot in 0..slots {
        rig.hear(NEW_LEADER, &accept(NEW, slot, vec![sized(1 << 10)], slot));
        rig.settle();
        rig.rest();
        if slot % 10 == 9 {
            rig.work();
            rig.settle();
        }
    }
    (disk, rig)
}

fn surveyed(disk: &SimDisk) -> NodeSurvey {
    let folders = DataFolders { journal: Path::new("journal"), snapshots: Path::new("snapshots") };
    survey(disk.clone(), folders).unwrap()
}

fn snapshot_file(disk: &SimDisk) -> Option<PathBuf> {
    let names = disk.list(Path::new("snapshots")).unwrap();
    let name = names.iter().find(|name| name.ends_with(".snap"))?;
    Some(Path::new("snapshots").join(name))
}

#[test]
fn what_a_node_was_is_told() {
    let (disk, rig) = node(300);
    let promised = rig.host.replica().paxos().log().promised();
    let chosen = rig.host.replica().paxos().chosen();
    drop(rig);
    let disk = disk.crash(|_| 0);
    let seen = surveyed(&disk);
    assert!(seen.is_sound(), "{:?}", seen.refusal);
    let owner = seen.owner.clone().unwrap();
    assert_eq!(
        (owner.cluster.as_str(), owner.node, owner.voters.as_str()),
        ("test", ME, "1, 2, 3")
    );
    assert_eq!((seen.starts, seen.promised), (1, promised));
    // A power loss may bring one back that was removed.
    let snapshot = seen.snapshots.last().unwrap();
    assert_eq!(snapshot.description.unwrap().slot, snapshot.slot);
    assert_eq!(seen.applied_below(), snapshot.slot);
    // The log below the snapshot before this one is gone, and what is left goes on to the end.
    let slots = seen.slots;
    assert!(Slot::FIRST < slots.cut_below && slots.cut_below <= snapshot.slot, "{slots:?}");
    assert!(slots.first.unwrap() <= slots.cut_below && slots.end >= chosen, "{slots:?}");
    assert!(slots.chosen_below <= chosen);
    assert_eq!(slots.votes_above, slots.end.past(slots.chosen_below), "no slot was left out");
    let counts = seen.records;
    let told = counts.starts + counts.promised + counts.accepted + counts.learned;
    let told = told + counts.chosen + counts.peers + counts.snapshots;
    assert_eq!(told, seen.journal.next_lsn.get() - seen.journal.first_lsn.get());
    assert_eq!(counts.unreadable, 0);
}

#[test]
fn damage_of_a_snapshot_is_told_and_a_start_goes_on_without_a_state() {
    let (disk, rig) = node(60);
    drop(rig);
    let disk = disk.crash(|_| 0);
    disk.tamper(&snapshot_file(&disk).unwrap(), |bytes| bytes[20] ^= 1);
    let seen = surveyed(&disk);
    assert_eq!((seen.snapshots[0].damage.len(), seen.applied_below()), (1, Slot::FIRST));
    assert!(!seen.is_sound() && seen.refusal.is_none(), "{:?}", seen.refusal);
    let Inspected::DamagedSnapshot(damaged) = rig::inspect(&disk).unwrap() else { panic!("sound") };
    assert!(damaged.to_string().contains("the head from byte 0"), "{damaged}");
    let (started, _) = open_above(&disk, SEGMENT_BYTES, &settings()).unwrap();
    assert!(!started.has_state() && started.state_at() == seen.snapshots[0].slot);
}

#[test]
fn a_snapshot_that_is_gone_is_told_as_a_start_tells_it() {
    let (disk, rig) = node(300);
    drop(rig);
    let disk = disk.crash(|_| 0);
    while let Some(file) = snapshot_file(&disk) {
        disk.remove(&file).unwrap();
    }
    let seen = surveyed(&disk);
    assert!(seen.journal.damage.is_empty() && seen.snapshots.is_empty() && !seen.is_sound());
    assert!(seen.refusal.unwrap().contains("its snapshots were lost or exchanged"));
}

#[test]
fn what_lost_records_promised_is_told_by_later_frames() {
    let (disk, rig) = node(20);
    let promised = rig.host.replica().paxos().log().promised();
    drop(rig);
    let disk = disk.crash(|_| 0);
    disk.tamper(Path::new("journal/segment-00000001.log"), |bytes| {
        let starts = (4096..bytes.len()).step_by(8);
        let frames: Vec<_> = starts.filter(|at| bytes[*at..].starts_with(b"SYNF")).collect();
        let holding = frames.iter().filter(|at| bytes[*at + 44] > 0).copied().collect::<Vec<_>>();
        for at in &holding[..holding.len() - 3] {
            bytes[at + 96] ^= 1;
        }
    });
    let seen = surveyed(&disk);
    assert!(!seen.journal.damage.is_empty() && !seen.is_sound());
    assert_eq!((seen.promised, seen.starts), (promised, 1));
    assert!(seen.refusal.unwrap().contains("is damaged at byte"));
}

#[test]
fn the_journal_of_nobody_is_told() {
    let disk = SimDisk::new(1);
    let options = synod_host::journal::Options::new(b"somebody");
    let opened =
        synod_host::journal::Journal::open(disk.clone(), Path::new("journal"), &options, |_| {});
    drop(opened.unwrap());
    let seen = surveyed(&disk);
    assert_eq!((seen.owner.clone(), seen.is_sound()), (None, false));
    assert!(seen.refusal.unwrap().contains("\"somebody\""));
}
