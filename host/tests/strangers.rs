//! A node that lost its journal, or comes back with an older copy, is refused by all who know it.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(clippy::wildcard_enum_match_arm, reason = "a test looks for one variant")]

mod rig;

use rig::{
    LARGE_SEGMENTS, ME, NEW_LEADER, OLD, OLD_LEADER, PEERS_JOURNAL, Rig, accept, beat, open, small,
};
use synod_host::journal::{IN_FLIGHT_MAX, OpenError, SimDisk};
use synod_host::{Event, Inspected, RecoveryError, Settings};
use synod_paxos::{Ballot, Slot};
use synod_smr::{Folder, Heartbeat, Message, PeerStart};

fn rig(disk: &SimDisk) -> Rig {
    Rig::with_config(disk, LARGE_SEGMENTS, Settings::default(), |_| ())
}

/// Looks at the journal on a disk without a start.
fn look(disk: &SimDisk) -> String {
    match rig::inspect(disk) {
        Ok(Inspected::Sound) => "sound".to_owned(),
        Ok(Inspected::InUse) => "in use".to_owned(),
        Ok(Inspected::DamagedSnapshot(damaged)) => damaged.to_string(),
        Err(RecoveryError::Journal(OpenError::Missing { .. })) => "no journal".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// Tells whether the host took a vote that the old leader asks for in a link of that life.
fn hears(rig: &mut Rig, journal: u128, life: u64) -> bool {
    rig.take(Event::PeerUp { peer: OLD_LEADER, life });
    rig.meet(OLD_LEADER, journal, life);
    rig.hear(OLD_LEADER, &accept(OLD, 0, vec![small(1)], 0));
    rig.settle();
    rig.host.replica().paxos().log().voted_in(Slot::FIRST) == Some(OLD)
}

#[test]
fn a_known_journal_is_heard_in_its_next_life_and_another_never() {
    assert!(hears(&mut rig(&SimDisk::new(1)), PEERS_JOURNAL, 2));
    let mut rig = rig(&SimDisk::new(1));
    assert!(!hears(&mut rig, PEERS_JOURNAL + 1, 1), "it began anew");
    let told = rig.sent.iter().find_map(|(to, _, message)| match message {
        Message::Known(known) if *to == OLD_LEADER => Some(*known),
        _ => None,
    });
    let folder = Folder(PEERS_JOURNAL);
    assert_eq!(
        told,
        Some(PeerStart {
            folder,
            incarnation: 1,
            mark: 0,
            promised: Ballot::ZERO,
            journal_end: Slot::FIRST
        })
    );
}

#[test]
fn nothing_is_heard_before_the_first_heartbeat_of_a_life() {
    let mut rig = rig(&SimDisk::new(1));
    rig.take(Event::PeerUp { peer: OLD_LEADER, life: 2 });
    rig.hear(OLD_LEADER, &accept(OLD, 0, vec![small(1)], 0));
    rig.settle();
    assert_eq!(rig.host.replica().paxos().log().voted_in(Slot::FIRST), None);
}

/// It could grow past what it lacks, and be heard in its next start.
#[test]
fn nothing_is_heard_of_a_peer_before_it_has_vouched_for_this_life() {
    let mut rig = rig(&SimDisk::new(1));
    rig.take(Event::PeerUp { peer: OLD_LEADER, life: 2 });
    rig.hear(OLD_LEADER, &Message::Heartbeat(beat(PEERS_JOURNAL, 2)));
    let earlier = PeerStart { mark: 0, ..rig.host.life() };
    rig.hear(OLD_LEADER, &Message::Known(PeerStart { incarnation: 0, ..earlier }));
    rig.hear(OLD_LEADER, &accept(OLD, 0, vec![small(1)], 0));
    rig.settle();
    assert_eq!(rig.host.replica().paxos().log().voted_in(Slot::FIRST), None);
    rig.hear(OLD_LEADER, &Message::Known(rig.host.life()));
    rig.hear(OLD_LEADER, &accept(OLD, 0, vec![small(1)], 0));
    rig.settle();
    assert_eq!(rig.host.replica().paxos().log().voted_in(Slot::FIRST), Some(OLD));
}

#[test]
fn a_peer_is_told_that_it_is_known_until_it_hears_this_node() {
    let mut rig = rig(&SimDisk::new(1));
    rig.take(Event::PeerUp { peer: OLD_LEADER, life: 2 });
    let told = |rig: &mut Rig, hears: Vec<synod_paxos::NodeId>| {
        let echoes = vec![0; hears.len()];
        let tells = Heartbeat { hears, echoes, ..beat(PEERS_JOURNAL, 2) };
        rig.sent.clear();
        rig.hear(OLD_LEADER, &Message::Heartbeat(tells));
        rig.flush();
        let is_word = |(to, _, message): &(_, _, Message)| {
            *to == OLD_LEADER && matches!(message, Message::Known(known) if known.incarnation == 2)
        };
        rig.sent.iter().any(is_word)
    };
    rig.hear(OLD_LEADER, &Message::Known(rig.host.life()));
    assert!(told(&mut rig, vec![NEW_LEADER]));
    assert!(told(&mut rig, vec![]), "the first may be lost");
    assert!(!told(&mut rig, vec![ME]));
}

/// Where one connection of a pair takes the place of another, both ends begin anew with it, and
/// neither has been silent: each still says that it hears the other. Nobody is to stay deaf for it
/// until suspicion ends that.
#[test]
fn a_peer_is_told_that_it_is_known_on_each_link_though_it_says_that_it_hears() {
    let mut rig = rig(&SimDisk::new(1));
    let tells = Heartbeat { hears: vec![ME], echoes: vec![0], ..beat(PEERS_JOURNAL, 1) };
    let words = |rig: &mut Rig| {
        rig.sent.clear();
        rig.hear(OLD_LEADER, &Message::Heartbeat(tells.clone()));
        rig.flush();
        let is_word = |(to, _, message): &&(_, _, Message)| {
            *to == OLD_LEADER && matches!(message, Message::Known(_))
        };
        rig.sent.iter().filter(is_word).count()
    };
    assert_eq!(words(&mut rig), 0, "it was told");
    rig.take(Event::PeerUp { peer: OLD_LEADER, life: 1 });
    assert_eq!(words(&mut rig), 1, "the other end has begun anew, too");
    assert_eq!(words(&mut rig), 0, "once is enough");
}

#[test]
fn what_is_known_of_peers_outlives_a_power_loss() {
    let disk = SimDisk::new(1);
    drop(rig(&disk));
    let after = disk.crash(|_| 0);
    let mut again = Rig::unmet(&after, LARGE_SEGMENTS);
    assert!(!hears(&mut again, PEERS_JOURNAL + 1, 1));
}

#[test]
fn a_node_that_is_refused_stops_and_says_what_to_do() {
    let disk = SimDisk::new(1);
    let mut rig = rig(&disk);
    let known = PeerStart {
        folder: Folder(99),
        incarnation: 4,
        mark: 0,
        promised: OLD,
        journal_end: Slot::FIRST,
    };
    rig.hear(NEW_LEADER, &Message::Known(known));
    rig.flush();
    assert_eq!(rig.host.halted(), None, "its journal does not know yet");
    rig.settle();
    let reason = rig.host.halted().expect("it must not go on");
    assert!(reason.contains("knows this node by journal"), "{reason}");
    assert!(reason.contains("Give it the folder that it had last"), "{reason}");
    rig.sent.clear();
    rig.hear(OLD_LEADER, &accept(OLD, 0, vec![small(1)], 0));
    rig.settle();
    assert!(rig.sent.is_empty(), "node {ME} says nothing more");
    drop(rig);
    let after = disk.crash(|_| 0);
    assert_eq!(look(&SimDisk::new(2)), "no journal", "nothing is made");
    let refused = look(&after);
    assert!(
        refused.starts_with("journal: this journal was refused in an earlier start"),
        "{refused}"
    );
    assert!(refused.ends_with("Give it the folder that it had last, or leave it off"), "{refused}");
    for _ in 0..2 {
        let opened = open(&after, LARGE_SEGMENTS, &Settings::default()).unwrap();
        let reason = opened.refused(ME).expect("whoever starts it may ask before");
        assert!(refused.ends_with(&reason), "{reason}");
        drop(opened);
        let again = Rig::unmet(&after, LARGE_SEGMENTS);
        let reason = again.host.halted().expect("no later start goes on");
        assert!(reason.contains("in an earlier start"), "{reason}");
    }
}

/// A look at a journal finds what a start would, and leaves the number of starts as it is.
#[test]
fn a_look_at_a_journal_begins_no_life() {
    let disk = SimDisk::new(1);
    drop(open(&disk, LARGE_SEGMENTS, &Settings::default()).unwrap());
    let running = rig(&disk);
    assert_eq!(look(&disk), "in use");
    drop(running);
    for _ in 0..2 {
        assert_eq!(look(&disk), "sound");
    }
    assert_eq!(open(&disk, LARGE_SEGMENTS, &Settings::default()).unwrap().incarnation, 3);
}

#[test]
fn what_is_known_of_peers_does_not_pile_up_before_a_disk_that_hangs() {
    let mut rig = rig(&SimDisk::new(1));
    for round in 1..=200 {
        let promised = Ballot::new(round, OLD_LEADER);
        let told = Heartbeat { promised, tick: 1, ..beat(PEERS_JOURNAL, 1) };
        rig.hear(OLD_LEADER, &Message::Heartbeat(told));
        rig.flush();
    }
    let (mut commits, mut rounds) = (rig.commits.len(), 0);
    assert!(commits > 1, "it is remembered");
    while !rig.commits.is_empty() {
        rig.write_and_complete();
        commits += rig.commits.len();
        rounds += 1;
        assert!(rounds < 10, "{commits} commits");
    }
    assert!(commits <= IN_FLIGHT_MAX + 2, "{commits} commits");
}
