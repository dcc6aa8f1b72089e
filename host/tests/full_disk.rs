//! No write meets a full disk, on whatever path it comes, and a full disk keeps no host from
//! starting.
//!
//! A host is fed by hand; its disk has no room but that of the segments that are there. The claim:
//! no commit that it gives out is larger than the room that the journal told it.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod rig;

use rig::{
    ME, NEW, NEW_LEADER, OLD, OLD_LEADER, PEERS_JOURNAL, Rig, accept, beat, open, sized, small,
};
use synod_host::journal::{Records, SimDisk};
use synod_host::{Event, Settings};
use synod_paxos::{
    AfterSync, Decree, Message as Paxos, RECORD_COST_BYTES, Record, Report, Slot, Vote,
};
use synod_smr::wire::encode_replica_record;
use synod_smr::{Disk, Heartbeat, Message};

/// Settings for segments of 64 KiB.
fn tight() -> Settings {
    Settings { commit_bytes: 8 << 10, full_below_bytes: 12 << 10, ..Settings::default() }
}

const SEGMENT_BYTES: u64 = 64 << 10;

/// A host whose journal has a segment ahead, on a disk that takes no more from here on.
fn on_a_disk_about_to_fill(disk: &SimDisk) -> Rig {
    let mut rig = Rig::with_config(disk, SEGMENT_BYTES, tight(), |_| ());
    rig.rest();
    disk.set_capacity(Some(0));
    rig
}

/// Has the node campaign.
fn campaign(rig: &mut Rig) -> synod_paxos::Ballot {
    for peer in [OLD_LEADER, NEW_LEADER] {
        let heard = Heartbeat { hears: vec![ME], echoes: vec![0], ..beat(PEERS_JOURNAL, 1) };
        rig.hear(peer, &Message::Heartbeat(heard));
    }
    rig.flush();
    for _ in 0..20 {
        rig.now_ms += 10;
        let now = rig.now();
        rig.host.on_time(now);
        rig.settle();
    }
    rig.host.replica().paxos().preparing().unwrap().0
}

#[test]
fn what_phase_1_found_in_parts_is_proposed_no_further_than_the_room() {
    let disk = SimDisk::new(1);
    let mut rig = Rig::with_config(&disk, SEGMENT_BYTES, tight(), |_| ());
    rig.rest();
    let ballot = campaign(&mut rig);
    disk.set_capacity(Some(0));
    let vote =
        |slot| (Slot::new(slot), Report::Voted(Vote { ballot: OLD, decree: sized(3 << 10) }));
    for part in 0..4 {
        let reports: Vec<_> = (10 * part..10 * part + 10).map(vote).collect();
        let (first, end) = (Slot::new(10 * part), (part < 3).then(|| Slot::new(10 * part + 10)));
        let promise = AfterSync::Promise { ballot, first, end, chosen: Slot::FIRST, reports };
        rig.hear(NEW_LEADER, &Message::Paxos(Paxos::AfterSync(promise)));
        rig.flush();
    }
    // More than a segment was found, and what was proposed of it fits.
    assert!(rig.host.replica().paxos().log().weight() > 30 << 10, "it began");
    rig.settle();
    rig.rest();
    rig.tick();
    assert_eq!(rig.host.disk(), Disk::Full);
    assert_eq!(rig.host.replica().status().leads, None, "somebody else had better propose it");
    // Room comes back.
    disk.set_capacity(None);
    rig.rest();
    rig.tick();
    assert_eq!(rig.host.disk(), Disk::Fine);
}

#[test]
fn votes_and_copies_that_come_while_nothing_is_written_fit_the_room() {
    let disk = SimDisk::new(1);
    let mut rig = on_a_disk_about_to_fill(&disk);
    // Nothing is written meanwhile: the votes wait for their sync, and the copies behind them.
    for first in (0..60).step_by(3) {
        rig.hear(OLD_LEADER, &accept(OLD, first, vec![sized(700); 3], 0));
        rig.flush();
    }
    for first in 0..60 {
        let (first, chosen) = (Slot::new(first), Slot::new(90));
        let decrees = vec![sized(300); 30];
        rig.hear(OLD_LEADER, &Message::Decrees { first, decrees, chosen });
        rig.flush();
    }
    let voted = rig.host.replica().paxos().log().len();
    assert!(voted > 20, "most of the room is used: {voted}");
    rig.settle();
    assert!(rig.host.replica().paxos().log().len() < 60, "and no more");
    // A promise has room in the reserve.
    let before = rig.host.replica().paxos().durable_promised();
    let prepare = AfterSync::Prepare { ballot: NEW, first: Slot::FIRST };
    rig.hear(NEW_LEADER, &Message::Paxos(Paxos::AfterSync(prepare)));
    rig.settle();
    assert!(rig.host.replica().paxos().durable_promised() > before);
}

#[test]
fn a_disk_that_has_space_is_never_called_full() {
    let mut rig = Rig::with_config(&SimDisk::new(1), SEGMENT_BYTES, tight(), |_| ());
    // As many bytes as several segments hold come before the journal has a moment to work ahead.
    let mut first = 0;
    while first < 200 {
        rig.hear(OLD_LEADER, &accept(OLD, first, vec![sized(2 << 10)], 0));
        rig.flush();
        assert_eq!(rig.host.disk(), Disk::Fine, "at slot {first}");
        if rig.host.replica().paxos().log().decree(Slot::new(first)).is_some() {
            first += 1;
        } else {
            // It waits while the next segment is being made, and the leader says it again.
            rig.settle();
            rig.rest();
        }
    }
}

#[test]
fn promises_on_a_full_disk_end_with_the_reserve_and_kill_nobody() {
    let disk = SimDisk::new(1);
    let mut rig = Rig::with_config(&disk, SEGMENT_BYTES, tight(), |_| ());
    disk.set_capacity(Some(0));
    for round in 1..2_000 {
        let ballot = synod_paxos::Ballot::new(round, NEW_LEADER);
        let prepare = AfterSync::Prepare { ballot, first: Slot::FIRST };
        rig.hear(NEW_LEADER, &Message::Paxos(Paxos::AfterSync(prepare)));
        rig.settle();
    }
    let promised = rig.host.replica().paxos().durable_promised();
    assert!((100..1_999).contains(&promised.round()), "{promised}");
    assert_eq!(rig.host.replica().paxos().log().promised(), promised, "it is silent past that");
}

#[test]
fn what_is_known_of_peers_is_withheld_on_a_full_disk_until_it_has_room() {
    let disk = SimDisk::new(1);
    let mut rig = Rig::with_config(&disk, SEGMENT_BYTES, tight(), |_| ());
    disk.set_capacity(Some(0));
    let meet = |rig: &mut Rig, life| {
        rig.take(Event::PeerUp { peer: OLD_LEADER, life });
        rig.hear(OLD_LEADER, &Message::Heartbeat(beat(PEERS_JOURNAL, life)));
        rig.settle();
    };
    let first = rig.room().for_work;
    for life in 2..2_000 {
        meet(&mut rig, life);
    }
    let room = rig.room();
    assert!(room.for_work < first && room.total > room.for_work, "the reserve is left: {room:?}");
    disk.set_capacity(None);
    rig.rest();
    rig.tick();
    drop(rig);
    let mut rig = Rig::unmet(&disk.kill(), SEGMENT_BYTES);
    let unheard = rig.host.counts().unheard;
    meet(&mut rig, 1_998);
    assert_eq!(rig.host.counts().unheard, unheard + 1, "an earlier life is not heard");
}

/// The first of the inequalities that the room rests on, for the longest numbers.
#[test]
fn a_record_takes_no_more_than_the_core_counts_for_it() {
    let (ballot, slot) = (synod_paxos::Ballot::new(u64::MAX, ME), Slot::new(u64::MAX));
    for decree in [Decree::Noop, small(u128::MAX), sized(0), sized(1), sized(70_000)] {
        let weight = decree.weight() as u64;
        let of_the_decree = [
            Record::Accepted { ballot, slot, decree: decree.clone() },
            Record::Learned { slot, decree },
        ];
        let of_none = [Record::Promised(ballot), Record::Chosen(slot)];
        let all = of_the_decree.map(|record| (record, weight));
        for (record, weight) in all.into_iter().chain(of_none.map(|record| (record, 0))) {
            let mut records = Records::new();
            records.push(&encode_replica_record(&record));
            let bytes = records.frame_bytes();
            assert!(bytes <= weight + RECORD_COST_BYTES, "{record:?} takes {bytes}");
        }
    }
}

#[test]
fn a_thousand_starts_on_a_full_disk() {
    let settings = tight();
    let disk = SimDisk::new(1);
    let mut rig = on_a_disk_about_to_fill(&disk);
    for first in 0..60 {
        rig.hear(OLD_LEADER, &accept(OLD, first, vec![sized(1_000)], 0));
        rig.settle();
    }
    let votes = rig.host.replica().paxos().log().len();
    drop(rig);
    let mut disk = disk;
    let mut before = 0;
    for start in 0..1_000_u64 {
        disk = if start % 2 == 0 { disk.kill() } else { disk.crash(|_| 0) };
        disk.set_capacity(Some(0));
        let opened = open(&disk, SEGMENT_BYTES, &settings).unwrap();
        assert!(opened.incarnation > before, "each start has a number of its own");
        before = opened.incarnation;
        drop(opened);
        if start % 100 == 0 {
            // Peers that it meets, in ever later lives, are not written of on a full disk.
            let mut rig = Rig::with_config(&disk, SEGMENT_BYTES, settings, |_| ());
            let (folder, life) = (PEERS_JOURNAL, 2 + start);
            rig.hear(OLD_LEADER, &Message::Heartbeat(beat(folder, life)));
            rig.settle();
            assert_eq!(rig.host.replica().paxos().log().len(), votes);
            before += 1;
        }
    }
}
