//! A client that asks for the state: what it is given covers what it asked for, and costs the
//! others nothing.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(clippy::wildcard_enum_match_arm, reason = "a test looks for one variant")]

mod rig;

use rig::{NEW, NEW_LEADER, Nothing, Rig, accept, sized};
use std::path::Path;
use synod_host::backup::{BackupError, BackupState, BackupStep, BackupWriter};
use synod_host::journal::SimDisk;
use synod_host::smr::wire::{decode_response, encode_request};
use synod_host::smr::{Connection, Refusal, Request, RequestBody, RequestId, Response};
use synod_host::{Event, Settings, SnapshotOrder};
use synod_paxos::Slot;

const CONNECTION: Connection = Connection(1);

fn rig(disk: &SimDisk) -> Rig {
    let mut rig = Rig::with_config(disk, 16 << 20, Settings::default(), |_| ());
    rig.take(Event::ClientUp { connection: CONNECTION, name: "alice".to_owned() });
    rig
}

fn choose(rig: &mut Rig, slots: std::ops::Range<u64>) {
    for slot in slots {
        rig.hear(NEW_LEADER, &accept(NEW, slot, vec![sized(100)], slot));
        rig.settle();
        rig.rest();
    }
}

/// Asks for a part, and returns what is said before any work on snapshots is done.
fn ask(rig: &mut Rig, covers: u64, of: Option<Slot>, offset: u64) -> Option<Response> {
    let body = RequestBody::FetchSnapshot { covers: Slot::new(covers), of, offset };
    let request = Request { id: RequestId(9), body };
    rig.replies.clear();
    rig.take(Event::ClientFrame { connection: CONNECTION, bytes: encode_request(&request) });
    rig.settle();
    said(rig)
}

fn said(rig: &Rig) -> Option<Response> {
    let (id, response) = decode_response(rig.replies.first()?).unwrap();
    assert_eq!(id, RequestId(9));
    Some(response)
}

fn is_not_yet(response: Option<Response>) -> bool {
    matches!(response, Some(Response::Refused(Refusal::Overloaded { .. })))
}

#[test]
fn a_client_is_given_a_snapshot_that_covers_what_it_asked_for_and_one_is_taken_for_it() {
    let mut rig = rig(&SimDisk::new(1));
    choose(&mut rig, 0..20);
    let chosen = rig.host.replica().executor().applied().number();
    assert!(is_not_yet(ask(&mut rig, chosen + 1, None, 0)), "it is not applied here");
    assert!(rig.orders.is_empty(), "and no snapshot would do");
    assert!(is_not_yet(ask(&mut rig, chosen, None, 0)), "there is none yet");
    assert!(matches!(rig.orders[..], [SnapshotOrder::Take { .. }]), "{:?}", rig.orders);
    assert!(is_not_yet(ask(&mut rig, chosen, None, 0)), "it is not written yet");
    rig.work();
    assert_eq!(ask(&mut rig, chosen, None, 0), None, "it is being read");
    rig.work();
    let Some(Response::Snapshot(part)) = said(&rig) else { panic!("{:?}", said(&rig)) };
    assert!(part.offset == 0 && part.description.slot >= Slot::new(chosen));
    // The log stays for peers that lag, and the same snapshot serves who asks for less.
    assert_eq!(ask(&mut rig, 1, None, 0), None);
    assert!(matches!(rig.orders[..], [SnapshotOrder::Read { .. }]), "{:?}", rig.orders);
}

#[test]
fn a_backup_is_what_it_was_said_to_be_or_none_and_a_node_begins_with_it() {
    let mut rig = rig(&SimDisk::new(1));
    choose(&mut rig, 0..20);
    let chosen = rig.host.replica().executor().applied().number();
    ask(&mut rig, chosen, None, 0);
    rig.work();
    ask(&mut rig, chosen, None, 0);
    rig.work();
    let Some(Response::Snapshot(part)) = said(&rig) else { panic!("{:?}", said(&rig)) };
    let (disk, folder) = (SimDisk::new(2), Path::new("backup"));
    let begin = || BackupWriter::begin(disk.clone(), folder, "5f3a", Nothing);
    let mut forged = part.clone();
    forged.description.digest ^= 1;
    let refused = begin().unwrap().keep(forged).unwrap_err();
    assert!(matches!(refused, BackupError::NotKept { .. }), "{refused}");
    let read = || BackupState::read(disk.clone(), folder, Nothing);
    assert!(matches!(read(), Err(BackupError::Missing(_))), "what is wrong has no name");
    let BackupStep::Whole(summary) = begin().unwrap().keep(part.clone()).unwrap() else {
        panic!("it is one part")
    };
    assert!(matches!(begin(), Err(BackupError::Exists(_))));
    let state = read().unwrap();
    assert_eq!(state.summary(), &summary);
    assert_eq!((summary.cluster.as_str(), summary.slot), ("5f3a", part.description.slot));
}
