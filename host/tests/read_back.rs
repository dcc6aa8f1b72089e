//! A slot is read back from the journal as it was chosen, whatever was voted for there before.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod rig;

use rig::{ME, NEW, NEW_LEADER, OLD, OLD_LEADER, Rig, accept, large, small};
use synod_host::Settings;
use synod_host::journal::SimDisk;
use synod_paxos::Slot;
use synod_smr::Message;

fn rig() -> Rig {
    Rig::start(&SimDisk::new(1), Settings::default())
}

/// The old leader's proposal reaches this node alone and is not chosen; a new leader, whose quorum
/// did not see it, proposes another decree, and that one is chosen. Both votes are in one batch.
#[test]
fn the_later_of_two_votes_in_one_batch_is_read_back() {
    let mut rig = rig();
    let (lost, chosen) = (small(1), small(2));
    rig.hear(OLD_LEADER, &accept(OLD, 0, vec![lost], 0));
    rig.hear(NEW_LEADER, &accept(NEW, 0, vec![chosen.clone()], 0));
    rig.settle();
    rig.hear(NEW_LEADER, &accept(NEW, 1, vec![small(3)], 1));
    rig.settle();
    assert_eq!(rig.host.replica().paxos().chosen(), Slot::new(1));
    // Time goes by: memory lets go of the slot, and everything is durable.
    for slot in 2..=40 {
        rig.hear(NEW_LEADER, &accept(NEW, slot, vec![large()], slot));
        rig.settle();
    }
    assert!(rig.host.replica().paxos().log().base() > Slot::FIRST);
    rig.hear(OLD_LEADER, &Message::Fetch { first: Slot::FIRST });
    rig.flush();
    let (first, decrees) = rig.decrees_for(OLD_LEADER).expect("an answer from the journal");
    assert_eq!((first, &decrees[0]), (Slot::FIRST, &chosen), "what was chosen is handed on");
}

/// The vote for what was chosen is not durable yet, and the journal still has the one before it.
#[test]
fn a_vote_whose_successor_is_not_durable_is_never_handed_on() {
    let disk = SimDisk::new(1);
    let mut rig = Rig::with_config(&disk, 64 << 20, Settings::default(), |_| ());
    let (lost, chosen) = (small(1), small(2));
    rig.hear(OLD_LEADER, &accept(OLD, 0, vec![lost], 0));
    rig.settle();
    // The disk hangs from here on: nothing of what follows becomes durable.
    rig.hear(NEW_LEADER, &accept(NEW, 0, vec![chosen.clone()], 0));
    for slot in 1..=40 {
        rig.hear(NEW_LEADER, &accept(NEW, slot, vec![large()], 1));
    }
    rig.flush();
    assert_eq!(rig.host.replica().paxos().chosen(), Slot::new(1));
    assert!(rig.host.replica().paxos().log().weight() > 32 << 20, "there is reason to let go");
    rig.hear(OLD_LEADER, &Message::Fetch { first: Slot::FIRST });
    rig.flush();
    if let Some((_, decrees)) = rig.decrees_for(OLD_LEADER) {
        assert_eq!(decrees[0], chosen, "node {ME} hands on what was never chosen");
    }
}
