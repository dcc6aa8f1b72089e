//! Copies that are more than the room at hand are taken as far as it goes: a disk that has room for
//! another segment is not full.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod rig;

use rig::{OLD_LEADER, Rig, sized};
use synod_host::Settings;
use synod_host::journal::SimDisk;
use synod_paxos::Slot;
use synod_smr::Message;

#[test]
fn a_node_that_lags_catches_up_by_answers_longer_than_its_segments() {
    let settings =
        Settings { commit_bytes: 8 << 10, full_below_bytes: 12 << 10, ..Settings::default() };
    let mut rig = Rig::with_config(&SimDisk::new(1), SEGMENT_BYTES, settings, |_| ());
    let chosen = |rig: &Rig| rig.host.replica().paxos().chosen();
    let mut answers = 0;
    while chosen(&rig) < Slot::new(SLOTS) && answers < ANSWERS_MAX {
        let first = chosen(&rig);
        let decrees = (first.number()..SLOTS).map(|_| sized(200)).collect();
        rig.hear(OLD_LEADER, &Message::Decrees { first, decrees, chosen: Slot::new(SLOTS) });
        rig.settle();
        rig.rest();
        answers += 1;
    }
    assert_eq!(chosen(&rig), Slot::new(SLOTS), "after {answers} answers");
}

/// As many as an answer has at most; together they are several segments.
const SLOTS: u64 = 1024;

/// No less than half a segment is taken of each answer.
const ANSWERS_MAX: u32 = 40;

const SEGMENT_BYTES: u64 = 64 << 10;
