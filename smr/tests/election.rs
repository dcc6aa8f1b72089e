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
fn who_wins_ballots_alone_and_hears_no_quorum_of_phase_2_does_not_campaign() {
    let nodes = (1..=3).map(NodeId::new);
    let voters = Configuration::flexible(nodes, 1, 3).expect("the quorums of the phases meet");
    let config = Config::lan(CoreId { node: ME, incarnation: 1 }, voters);
    let mut election = Election::new(config);
    for (peer, wish) in [(2, ElectionAction::Nothing), (3, ElectionAction::Arm(0, STAGGER_MS / 2))]
    {
        election.on_heartbeat(NodeId::new(peer), beat(0));
        assert_eq!(election.assess(&situation()), wish);
    }
    assert!(election.on_campaign_timer(&situation()), "it could have something chosen");
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

/// What peers 2 to 5 say of themselves: whether they are connected to quorums; all have fast disks,
/// and none is not heard here.
fn connected(peers: [Option<bool>; 4]) -> Election {
    let mut election = election();
    for (peer, is_connected) in (2..).zip(peers) {
        if let Some(is_connected) = is_connected {
            let beat = Heartbeat { is_connected, sync_ticks: Some(0), ..beat(0) };
            election.on_heartbeat(NodeId::new(peer), beat);
        }
    }
    election
}

/// In a star the hub alone is connected to a quorum: if it gave way nobody would lead.
#[test]
fn a_node_with_a_slow_disk_gives_way_to_who_could_lead_and_to_nobody_else() {
    let slow = Some(2 * 25);
    let (able, leaf) = (Some(true), Some(false));
    assert!(!connected([leaf, leaf, leaf, leaf]).is_outpaced(slow), "a star");
    assert!(connected([able, leaf, leaf, leaf]).is_outpaced(slow));
    assert!(connected([able, None, None, None]).is_outpaced(slow), "by those not heard here");
    assert!(!connected([None, None, None, None]).is_outpaced(slow), "nobody is heard");
}

/// Whoever hears a node may be deaf to it: of a quorum that is heard not all may be of use.
#[test]
fn a_node_says_that_it_is_connected_where_quorums_of_both_phases_hear_it_too() {
    let nodes = || (1..=3).map(NodeId::new);
    for (phase1, phase2) in [(3, 1), (1, 3), (3, 3)] {
        let voters = Configuration::flexible(nodes(), phase1, phase2).expect("they meet");
        let mut election = Election::new(Config::lan(CoreId { node: ME, incarnation: 1 }, voters));
        election.on_heartbeat(NodeId::new(2), beat(0));
        assert!(!election.is_connected_to_both(), "two of three");
        election.on_heartbeat(NodeId::new(3), Heartbeat { hears: Vec::new(), ..beat(0) });
        assert_eq!(election.hears().len(), 2);
        assert!(!election.is_connected_to_both(), "the third is deaf");
        election.on_heartbeat(NodeId::new(3), beat(0));
        assert!(election.is_connected_to_both());
    }
}

#[test]
fn a_node_with_a_slow_disk_does_not_give_way_to_who_is_held_up() {
    let mut election = connected([Some(true), None, None, None]);
    let slow = Some(2 * 25);
    assert!(election.is_outpaced(slow));
    for _ in 0..3 {
        election.on_tick(&situation());
        // It is said again for it, as its state machine takes long.
        let beat = Heartbeat { is_connected: true, sync_ticks: Some(0), ..beat(0) };
        election.on_heartbeat(NodeId::new(2), beat);
    }
    assert!(!election.is_outpaced(slow));
}

/// A node that wins says two things in one tick, and datagrams may change places. Until its next
/// tick it is believed to prepare still, and whoever prepares is let go on.
#[test]
fn a_word_of_the_same_tick_that_comes_late_ends_no_new_lead() {
    let won = Ballot::new(1, NodeId::new(2));
    let asked = Heartbeat { prepares: Some((won, 1)), ..beat(5) };
    let leads = Some(won);
    let leader = Heartbeat { leads, follows: leads, leader_ok: true, promised: won, ..beat(5) };
    let mut election = election();
    election.on_heartbeat(NodeId::new(3), beat(5));
    for said in [&asked, &leader, &asked] {
        election.on_heartbeat(NodeId::new(2), said.clone());
    }
    assert_eq!(election.follows(None), None, "the older word is believed");
    for _ in 0..5 {
        assert_eq!(election.assess(&situation()), ElectionAction::Nothing, "and does no harm");
        election.on_tick(&situation());
    }
    election.on_heartbeat(NodeId::new(2), Heartbeat { tick: 1, ..leader });
    election.on_heartbeat(NodeId::new(2), asked);
    assert_eq!(election.follows(None), leads, "of two ticks the later one counts");
}

#[test]
fn a_peer_that_was_suspended_is_not_waited_for_as_long_as_that_took() {
    let mut election = election();
    let echoes = vec![election.ticks().wrapping_sub(1 << 20)];
    election.on_heartbeat(NodeId::new(2), Heartbeat { echoes, ..beat(0) });
    assert_eq!(election.rtt_ticks(NodeId::new(2)), 100, "four seconds at 40 ms");
}
