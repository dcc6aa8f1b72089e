//! What a life may say, and when: nothing before its own number is durable, nothing durable before
//! the disk says so, and another life of a peer is another peer.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(clippy::wildcard_enum_match_arm, reason = "a test looks for one variant")]

mod rig;

use std::path::Path;
use std::time::Duration;

use rig::{
    LARGE_SEGMENTS, ME, NEW_LEADER, Nothing, OLD, OLD_LEADER, PEERS_JOURNAL, Rig, accept, beat,
    open, open_watched, small,
};
use synod_host::journal::{Options, SimDisk};
use synod_host::{Event, RecoveryError, Settings, identity_of};
use synod_paxos::{AfterSync, Configuration, Message as Paxos};
use synod_smr::wire::JournalRecord;
use synod_smr::{Heartbeat, Message};

#[test]
fn a_life_has_its_number_before_it_says_anything() {
    let disk = SimDisk::new(1);
    let first = open(&disk, LARGE_SEGMENTS, &Settings::default()).unwrap();
    assert_eq!(first.incarnation, 1);
    drop(first);
    // Nothing survives but what was synced.
    let after = disk.crash(|_| 0);
    assert_eq!(open(&after, LARGE_SEGMENTS, &Settings::default()).unwrap().incarnation, 2);
}

#[test]
fn whoever_reads_the_journal_finds_the_number_of_each_life() {
    let disk = SimDisk::new(1);
    for life in 1..=3_u64 {
        let mut numbers = Vec::new();
        let opened = open_watched(&disk, LARGE_SEGMENTS, &Settings::default(), |record| {
            if let JournalRecord::Incarnation(number) = record {
                numbers.push(*number);
            }
        });
        drop(opened.unwrap());
        assert_eq!(numbers, (1..life).collect::<Vec<_>>());
    }
}

/// A driver that is woken too early turns for nothing, and one that is woken at once never rests.
#[test]
fn a_driver_is_woken_when_something_is_due_and_not_before() {
    let mut rig = Rig::start(&SimDisk::new(1), Settings::default());
    for _ in 0..20 {
        let due = rig.host.next_wake().expect("the next heartbeat is due at some time");
        assert!(due > rig.now(), "what was due is done");
        let soonest = rig.now() + Duration::from_millis(50);
        assert!(due <= soonest, "a heartbeat is due by then");
        rig.tick();
    }
}

/// With fewer voters than the others it would be a majority by itself.
#[test]
fn a_life_does_not_begin_among_other_voters_than_its_journal_was_made_for() {
    let disk = SimDisk::new(1);
    drop(open(&disk, LARGE_SEGMENTS, &Settings::default()).unwrap());
    for others in [vec![ME], vec![ME, OLD_LEADER]] {
        let voters = Configuration::majority(others).unwrap();
        let options = Options::new(identity_of("test", ME, &voters).as_bytes());
        let settings = Settings::default();
        let opened = synod_host::open(
            disk.clone(),
            Path::new("journal"),
            &options,
            Nothing,
            &settings,
            |_, _| (),
        );
        assert!(matches!(opened, Err(RecoveryError::OtherVoters { .. })), "{opened:?}");
    }
    let again = open(&disk, LARGE_SEGMENTS, &Settings::default()).unwrap();
    assert_eq!(again.incarnation, 2, "a start that was refused counts for nothing");
}

fn tells_of_a_vote(rig: &Rig) -> bool {
    rig.sent.iter().any(|(_, _, message)| {
        matches!(message, Message::Paxos(Paxos::AfterSync(AfterSync::Accepted { .. })))
    })
}

#[test]
fn a_vote_is_told_of_when_the_disk_has_it_and_not_when_it_is_given_to_the_disk() {
    let mut rig = Rig::start(&SimDisk::new(1), Settings::default());
    rig.hear(OLD_LEADER, &accept(OLD, 0, vec![small(1)], 0));
    rig.flush();
    assert_eq!(rig.commits.len(), 1, "the vote is on its way");
    assert!(!tells_of_a_vote(&rig));
    rig.write();
    rig.flush();
    assert!(!tells_of_a_vote(&rig), "it is written and not synced");
    rig.settle();
    assert!(!tells_of_a_vote(&rig), "the commit that was written waits for its completion");
    rig.complete_written();
    assert!(tells_of_a_vote(&rig));
}

#[test]
fn a_leader_that_begins_another_life_leads_no_more() {
    let mut rig = Rig::start(&SimDisk::new(1), Settings::default());
    rig.take(Event::PeerUp { peer: NEW_LEADER, life: 1 });
    rig.meet(NEW_LEADER, PEERS_JOURNAL, 1);
    let leads = Some(rig::NEW);
    let of_the_leader = beat(PEERS_JOURNAL, 1);
    let heard =
        Heartbeat { leads, leader_ok: true, hears: vec![ME], echoes: vec![0], ..of_the_leader };
    rig.hear(NEW_LEADER, &Message::Heartbeat(heard));
    assert_eq!(rig.host.replica().status().follows, leads);
    rig.take(Event::PeerUp { peer: NEW_LEADER, life: 2 });
    assert_eq!(rig.host.replica().status().follows, None, "its word was that of an earlier life");
}
