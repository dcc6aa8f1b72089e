//! A batch is cut into commits; a crash between any two of them leaves a journal that can be read.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod rig;

use rig::{NEW, NEW_LEADER, OLD, OLD_LEADER, Rig, accept, open, sized};
use synod_host::Settings;
use synod_host::journal::SimDisk;
use synod_paxos::{AfterSync, Message as Paxos, Slot};
use synod_smr::Message;

/// Votes in one ballot, and behind them in the same batch a promise of a higher one.
fn life(disk: &SimDisk) -> Rig {
    let settings =
        Settings { commit_bytes: 4 << 10, full_below_bytes: 8 << 10, ..Settings::default() };
    let mut rig = Rig::with_config(disk, SEGMENT_BYTES, settings, |_| ());
    for slot in 0..10 {
        rig.hear(OLD_LEADER, &accept(OLD, slot, vec![sized(3 << 10)], 0));
    }
    let prepare = AfterSync::Prepare { ballot: NEW, first: Slot::FIRST };
    rig.hear(NEW_LEADER, &Message::Paxos(Paxos::AfterSync(prepare)));
    rig
}

#[test]
fn a_crash_between_any_two_commits_of_a_batch_is_recovered() {
    let commits = {
        let mut rig = life(&SimDisk::new(1));
        rig.flush();
        let mut count = 0;
        while !rig.commits.is_empty() {
            count += rig.commits.len();
            rig.write_and_complete();
        }
        count
    };
    assert!(commits > 3, "the batch is cut into {commits} commits");
    for durable in 0..=commits {
        let disk = SimDisk::new(1);
        let mut rig = life(&disk);
        rig.flush();
        for _ in 0..durable {
            rig.complete_one();
        }
        drop(rig);
        let after = disk.crash(|_| 0);
        let opened = open(&after, SEGMENT_BYTES, &Settings::default());
        let opened = opened.unwrap_or_else(|error| panic!("after {durable} commits: {error}"));
        let promised = opened.promised();
        assert_eq!(
            promised,
            if durable == commits {
                NEW
            } else if durable == 0 {
                synod_paxos::Ballot::ZERO
            } else {
                OLD
            }
        );
    }
}

/// Small segments are made quickly.
const SEGMENT_BYTES: u64 = 256 << 10;
