//! Elections by themselves: who campaigns, when, and who does not.
//!
//! No rule of safety rests on this, so nothing else would notice a mistake here: a cluster in which
//! all campaign at once, or one alone and cut off, elects somebody in the end all the same.

#[path = "lone/beat.rs"]
mod beat;

use beat::{ME, beat};
use synod_paxos::{Ballot, Configuration, CoreId, NodeId, Slot};
use synod_smr::{Config, Election, ElectionAction, ElectionView, Heartbeat, Progress};

const STAGGER_MS: u32 = 20;

/// The election of node 1 of five, which has heard nobody.
fn election() -> Election {
    let nodes = (1..=5).map(NodeId::new);
    let voters = Configuration::majority(nodes).expect("five voters are a configuration");
    Election::new(Config::lan(CoreId { node: ME, incarnation: 1 }, voters))
}

/// A node that leads nothing, with five slots chosen.
fn situation() -> ElectionView {
    ElectionView {
        leads: None,
        preparing: None,
        promised: Ballot::ZERO,
        durable: Ballot::ZERO,
        sync_ticks: None,
        seen: Ballot::ZERO,
        pending: false,
        log_pending: false,
        progress: Progress { chosen: Slot::new(5), reads: 0 },
        fit: true,
    }
}

#[test]
fn who_knows_most_campaigns_first_and_the_others_later_by_rank() {
    for (chosen, rank) in [([4, 4], 0), ([4, 6], 1), ([6, 6], 2)] {
        let mut election = election();
        election.on_heartbeat(NodeId::new(2), beat(chosen[0]));
        election.on_heartbeat(NodeId::new(3), beat(chosen[1]));
        let soonest = rank * STAGGER_MS;
        // The windows of two ranks do not meet, and no two nodes draw the same moment in one.
        assert_eq!(
            election.assess(&situation()),
            ElectionAction::Arm(soonest, soonest + STAGGER_MS / 2)
        );
    }
}

#[test]
fn without_a_discontent_quorum_nobody_campaigns() {
    let mut election = election();
    election.on_heartbeat(NodeId::new(2), beat(0));
    assert_eq!(election.assess(&situation()), ElectionAction::Nothing, "two of five");
    election.on_heartbeat(NodeId::new(3), Heartbeat { leader_ok: true, ..beat(0) });
    assert_eq!(election.assess(&situation()), ElectionAction::Nothing, "the third is content");
    election.on_heartbeat(NodeId::new(3), beat(0));
    assert_eq!(election.assess(&situation()), ElectionAction::Arm(0, STAGGER_MS / 2));
    assert!(election.on_campaign_timer(&situation()));
}

#[test]
fn a_leader_that_hears_no_quorum_of_phase_1_does_not_raise_its_ballot() {
    let nodes = (1..=3).map(NodeId::new);
    let voters = Configuration::flexible(nodes, 3, 1).expect("the quorums of the phases meet");
    for (peers, wish) in [(2..=2, ElectionAction::Nothing), (2..=3, ElectionAction::Raise)] {
        let config = Config::lan(CoreId { node: ME, incarnation: 1 }, voters.clone());
        let mut election = Election::new(config);
        let mine = Ballot::new(1, ME);
        // A voter that is not heard any more refused an Accept: it promised a higher ballot.
        let seen = Ballot::new(2, NodeId::new(3));
        let leading = ElectionView { leads: Some(mine), seen, ..situation() };
        for _ in 0..5 {
            election.on_tick(&leading);
        }
        for peer in peers {
            election.on_heartbeat(NodeId::new(peer), Heartbeat { leader_ok: true, ..beat(5) });
        }
        assert_eq!(election.assess(&leading), wish);
        assert!(election.is_leader_ok(), "it has all that it takes to go on");
    }
}

#[test]
fn a_leader_raises_its_ballot_for_a_stranded_voter_and_without_a_quorum_it_does_not() {
    for (peers, wish) in [(2..=2, ElectionAction::Nothing), (2..=3, ElectionAction::Raise)] {
        let mut election = election();
        let mine = Ballot::new(1, NodeId::new(1));
        let leading = ElectionView { leads: Some(mine), ..situation() };
        for _ in 0..5 {
            election.on_tick(&leading);
        }
        for peer in peers {
            let promised = Ballot::new(2, NodeId::new(5));
            let follower = Heartbeat { promised, leader_ok: true, ..beat(5) };
            election.on_heartbeat(NodeId::new(peer), follower);
        }
        assert_eq!(election.assess(&leading), wish);
    }
}
