//! Patience: how long a phase 1, an answer and a leader are waited for, as links and disks are.
//!
//! No rule of safety rests on this. The claims: a candidate keeps a ballot that gets on, and nobody
//! else ends it; one that does not get on is given up after a time that follows the last syncs and
//! ways; neither slow disks nor peers that are held up by their machines make a leader discontent;
//! a peer is asked again at its own pace.

#[path = "lone/beat.rs"]
mod beat;

use beat::{ME, beat};
use synod_paxos::{Ballot, Configuration, CoreId, NodeId, Slot};
use synod_smr::{
    Awaited, Config, Election, ElectionAction, ElectionView, Heartbeat, PATH_SYNCS, Pace, Progress,
    RESEND_PATH_TICKS_MAX, RESEND_TICKS, Resends, SLOW_SYNC_MS, STALL_TICKS, SYNC_TICKS_MAX,
    TAKE_IN_TICKS_MAX,
};

const PEER: NodeId = NodeId::new(2);
const OTHER: NodeId = NodeId::new(3);
const MINE: Ballot = Ballot::new(4, ME);
const SUSPICION_TICKS: u32 = 5;
/// A sync of two seconds, in ticks.
const SLOW: u32 = 50;

/// The election of node 1 of three, whose peers tell such syncs.
struct World {
    election: Election,
    situation: ElectionView,
    sync_ticks: Option<u32>,
    prepares: Option<(Ballot, u32)>,
    /// Whether who prepares that ballot says that a quorum hears it.
    is_connected: bool,
    /// The peers whose last heartbeat is said again for them, as they are held up.
    held_up: Vec<NodeId>,
}

impl World {
    fn new(sync_ticks: Option<u32>) -> Self {
        let voters = Configuration::majority([ME, PEER, OTHER]).expect("three are a configuration");
        let election = Election::new(Config::lan(CoreId { node: ME, incarnation: 1 }, voters));
        let situation = ElectionView {
            leads: None,
            preparing: None,
            promised: Ballot::ZERO,
            durable: Ballot::ZERO,
            sync_ticks,
            seen: Ballot::ZERO,
            pending: false,
            log_pending: false,
            progress: Progress { chosen: Slot::FIRST, reads: 0 },
            fit: true,
        };
        let mut world = Self {
            election,
            situation,
            sync_ticks,
            prepares: None,
            is_connected: true,
            held_up: Vec::new(),
        };
        world.tick();
        world.election.on_campaign_timer(&world.situation);
        world
    }

    /// Lets a tick pass, in which both peers say that they have no leader.
    fn tick(&mut self) -> ElectionAction {
        self.election.on_tick(&self.situation);
        for peer in [PEER, OTHER] {
            let prepares = self.prepares.filter(|(ballot, _)| ballot.node() == peer);
            let (sync_ticks, now) = (self.sync_ticks, self.election.ticks());
            let tick = if self.held_up.contains(&peer) { 0 } else { now };
            let is_connected = prepares.is_none() || self.is_connected;
            let beat = Heartbeat { sync_ticks, prepares, is_connected, tick, ..beat(0) };
            self.election.on_heartbeat(peer, beat);
        }
        self.election.assess(&self.situation)
    }

    /// Lets this node lead and wait for votes in vain, and counts the ticks until it is discontent.
    fn ticks_until_stalled(&mut self) -> u32 {
        self.situation.leads = Some(MINE);
        self.situation.pending = true;
        self.tick();
        let ticks = (0..2_000).find(|_| {
            let leader_ok = self.election.is_leader_ok();
            self.tick();
            !leader_ok
        });
        ticks.expect("nobody waits for ever")
    }

    /// Counts the ticks until this node would campaign.
    fn ticks_until_it_campaigns(&mut self) -> u32 {
        let ticks = (1..2_000).find(|_| matches!(self.tick(), ElectionAction::Arm(..)));
        ticks.expect("it campaigns in the end")
    }

    /// Brings this node into phase 1 of its ballot.
    fn prepare(&mut self, is_durable: bool) {
        self.election.on_campaign_timer(&self.situation);
        self.election.on_campaign(&self.situation);
        let mine = self.situation.promised.max(Ballot::new(3, ME)).next(ME);
        self.situation.preparing = Some((mine, 0));
        self.situation.promised = mine;
        if is_durable {
            self.situation.durable = mine;
        }
        self.election.assess(&self.situation);
    }
}

#[test]
fn a_candidate_waits_for_its_own_disk_however_long_that_takes() {
    let mut world = World::new(None);
    world.prepare(false);
    for _ in 0..500 {
        assert_eq!(
            world.tick(),
            ElectionAction::Nothing,
            "another ballot would wait for the same disk"
        );
    }
    world.situation.durable = MINE;
    assert!(matches!(world.tick(), ElectionAction::Arm(..)));
}

#[test]
fn a_candidate_waits_for_others_as_long_as_their_disks_took() {
    for (sync_ticks, syncs) in [(None, 0), (Some(0), 0), (Some(SLOW), SLOW), (Some(9_999), 75)] {
        let mut world = World::new(sync_ticks);
        world.prepare(true);
        let patience = SUSPICION_TICKS + PATH_SYNCS * syncs;
        assert_eq!(world.ticks_until_it_campaigns(), patience + 1);
    }
    assert_eq!(SYNC_TICKS_MAX, 75, "the longest sync that is waited for");
}

#[test]
fn a_candidate_keeps_its_ballot_as_long_as_parts_come_in() {
    let mut world = World::new(None);
    world.prepare(true);
    for parts in 1..100 {
        world.situation.preparing = Some((MINE, parts));
        for _ in 0..SUSPICION_TICKS {
            assert_eq!(world.tick(), ElectionAction::Nothing);
        }
    }
    assert_eq!(world.ticks_until_it_campaigns(), 2, "they do not any more");
}

#[test]
fn each_failed_ballot_doubles_patience_and_jitter() {
    let mut world = World::new(None);
    for failures in 0..8_u32 {
        world.prepare(true);
        let doubled = 1 << failures.min(5);
        assert_eq!(world.ticks_until_it_campaigns(), SUSPICION_TICKS * doubled + 1);
        world.election.on_campaign_timer(&world.situation);
        let ElectionAction::Arm(earliest, latest) = world.election.assess(&world.situation) else {
            panic!("it would campaign");
        };
        assert_eq!(latest - earliest, 10 * doubled);
    }
}

#[test]
fn a_rival_waits_for_a_ballot_that_gets_on() {
    let mut world = World::new(None);
    let theirs = Ballot::new(1, PEER);
    for parts in 0..20 {
        world.prepares = Some((theirs, parts));
        for _ in 0..SUSPICION_TICKS {
            assert_eq!(world.tick(), ElectionAction::Nothing);
        }
    }
    assert_eq!(world.ticks_until_it_campaigns(), 2, "it does not get on any more");
}

#[test]
fn a_rival_waits_as_long_as_disks_take() {
    let mut world = World::new(Some(SLOW));
    world.prepares = Some((Ballot::new(1, PEER), 0));
    let patience = SUSPICION_TICKS + PATH_SYNCS * SLOW;
    assert_eq!(world.ticks_until_it_campaigns(), patience + 2);
}

#[test]
fn a_rival_does_not_wait_for_disks_where_no_quorum_hears_the_candidate() {
    let mut world = World::new(Some(SLOW));
    (world.prepares, world.is_connected) = (Some((Ballot::new(1, PEER), 0)), false);
    assert_eq!(world.ticks_until_it_campaigns(), SUSPICION_TICKS + 2, "no promise can come");
    let mut world = World::new(Some(SLOW));
    for parts in 0..20 {
        (world.prepares, world.is_connected) = (Some((Ballot::new(1, PEER), parts)), false);
        for _ in 0..SUSPICION_TICKS {
            assert_eq!(world.tick(), ElectionAction::Nothing, "what was on its way comes in");
        }
    }
    world.is_connected = true;
    for _ in 0..PATH_SYNCS * SLOW {
        assert_eq!(world.tick(), ElectionAction::Nothing, "it is heard again");
    }
}

#[test]
fn nobody_waits_for_a_ballot_that_it_cannot_help_or_whose_node_is_gone() {
    let mut world = World::new(None);
    world.situation.promised = Ballot::new(2, OTHER);
    world.prepares = Some((Ballot::new(1, PEER), 0));
    assert_eq!(world.ticks_until_it_campaigns(), 1, "it promised a higher one");
    let mut world = World::new(Some(SLOW));
    world.prepares = Some((Ballot::new(1, PEER), 0));
    assert_eq!(world.tick(), ElectionAction::Nothing);
    world.election.on_link_down(PEER);
    assert!(matches!(world.election.assess(&world.situation), ElectionAction::Arm(..)));
}

/// Lets a leader wait for votes in vain, and counts the ticks until it is discontent.
fn ticks_until_stalled(sync_ticks: Option<u32>) -> u32 {
    World::new(sync_ticks).ticks_until_stalled()
}

#[test]
fn a_leader_is_not_stalled_by_slow_disks_alone() {
    assert_eq!(ticks_until_stalled(None), STALL_TICKS);
    assert_eq!(ticks_until_stalled(Some(SLOW)), STALL_TICKS + PATH_SYNCS * SLOW);
}

/// Lets a leader confirm reads in each tick while its log stands, and counts the ticks until it is
/// discontent; none if it goes on for long.
fn ticks_until_stalled_with_reads(mine: Option<u32>, theirs: Option<u32>) -> Option<u32> {
    let mut world = World::new(theirs);
    world.situation.leads = Some(MINE);
    (world.situation.pending, world.situation.log_pending) = (true, true);
    world.situation.sync_ticks = mine;
    world.tick();
    (0..2_000).find(|_| {
        let leader_ok = world.election.is_leader_ok();
        world.situation.progress.reads += 1;
        world.tick();
        !leader_ok
    })
}

#[test]
fn reads_that_go_on_do_not_excuse_a_log_that_stands() {
    assert_eq!(ticks_until_stalled_with_reads(Some(1), Some(0)), Some(STALL_TICKS));
    let syncs = STALL_TICKS + 2 * PATH_SYNCS;
    assert_eq!(ticks_until_stalled_with_reads(Some(0), Some(2)), Some(syncs));
    // What its disk does is another matter: the peers are a quorum without it.
    let ticks = ticks_until_stalled_with_reads(Some(SLOW), Some(1));
    assert!(ticks.is_some_and(|ticks| ticks <= STALL_TICKS + PATH_SYNCS), "{ticks:?}");
}

/// It knows most of the log, and would win again.
#[test]
fn a_leader_that_gives_up_lets_others_campaign_first() {
    let mut world = World::new(None);
    world.ticks_until_stalled();
    assert!(!world.election.is_leader_ok());
    assert_eq!(world.ticks_until_it_campaigns(), SUSPICION_TICKS - 1);
}

#[test]
fn where_no_other_leader_would_do_better_reads_go_on() {
    let slow = SLOW_SYNC_MS / 40;
    for (mine, theirs, stays) in [
        // The disks of both peers hang, or are slow.
        (Some(1), Some(slow + 1), true),
        (Some(1), Some(9_999), true),
        (Some(1), Some(slow), false),
        // Neither of them is fit to lead.
        (Some(1), None, true),
    ] {
        let ticks = ticks_until_stalled_with_reads(mine, theirs);
        assert_eq!(ticks.is_none(), stays, "{mine:?}, {theirs:?}: {ticks:?}");
    }
}

#[test]
fn questions_alone_are_served_for_as_long_as_rounds_are_confirmed() {
    let mut world = World::new(Some(0));
    (world.situation.leads, world.situation.pending) = (Some(MINE), true);
    for _ in 0..2_000 {
        world.situation.progress.reads += 1;
        world.tick();
        assert!(world.election.is_leader_ok());
    }
}

#[test]
fn a_peer_that_takes_in_is_waited_for_within_the_bound_though_reads_go_on() {
    let mut world = World::new(Some(0));
    world.situation.leads = Some(MINE);
    (world.situation.pending, world.situation.log_pending) = (true, true);
    let ticks = (0..2_000).find(|_| {
        world.situation.progress.reads += 1;
        [PEER, OTHER].into_iter().for_each(|peer| world.election.on_lane_moved(peer));
        world.tick();
        !world.election.is_leader_ok()
    });
    let bound = TAKE_IN_TICKS_MAX + STALL_TICKS;
    assert!(ticks.is_some_and(|ticks| ticks >= TAKE_IN_TICKS_MAX && ticks <= bound), "{ticks:?}");
}

#[test]
fn a_leader_is_not_stalled_by_peers_that_are_held_up() {
    let mut world = World::new(None);
    (world.situation.leads, world.situation.pending) = (Some(MINE), true);
    world.held_up = vec![PEER, OTHER];
    for _ in 0..500 {
        world.tick();
        assert!(world.election.is_leader_ok(), "they are alive, and will vote");
    }
    // One of them makes a quorum with this node, and is free to vote.
    world.held_up = vec![PEER];
    assert!(world.ticks_until_stalled().abs_diff(STALL_TICKS) < 3);
    // A silent one is not held up.
    let mut world = World::new(None);
    world.held_up = vec![PEER, OTHER];
    (world.situation.leads, world.situation.pending) = (Some(MINE), true);
    for _ in 0..100 {
        world.tick();
    }
    let ticks = (0..100).find(|_| {
        world.election.on_tick(&world.situation);
        world.election.assess(&world.situation);
        !world.election.is_leader_ok()
    });
    assert_eq!(ticks, Some(SUSPICION_TICKS), "it is lost like any other");
}

#[test]
fn a_heartbeat_that_is_said_again_shows_life_and_no_longer_way() {
    let mut world = World::new(None);
    let said = Heartbeat { tick: 7, echoes: vec![world.election.ticks()], ..beat(0) };
    for _ in 0..50 {
        world.election.on_heartbeat(PEER, said.clone());
        assert!(world.election.is_up(PEER));
        assert_eq!(world.election.rtt_ticks(PEER), 0);
        assert_eq!(world.election.echoes()[0], 7, "its ticks stand still");
        world.election.on_tick(&world.situation);
    }
}

#[test]
fn a_leader_is_not_stalled_by_the_time_that_its_phase_1_took() {
    let mut world = World::new(None);
    world.prepare(true);
    world.situation.pending = true;
    for parts in 0..4 * STALL_TICKS {
        world.situation.preparing = Some((MINE, parts));
        world.tick();
    }
    world.situation.preparing = None;
    world.situation.leads = Some(MINE);
    world.tick();
    assert!(world.election.is_leader_ok(), "it leads since a tick ago");
}

#[test]
fn a_slow_disk_hands_over_to_one_twice_as_fast_and_to_no_other() {
    for (mine, theirs, outpaced) in [
        (Some(26), Some(13), true),
        (Some(26), Some(14), false),
        (Some(25), Some(0), false),
        (Some(26), None, false),
        (None, Some(0), false),
    ] {
        let world = World::new(theirs);
        assert_eq!(world.election.is_outpaced(mine), outpaced, "{mine:?}, {theirs:?}");
    }
}

#[test]
fn the_way_there_and_back_is_measured_by_echoes() {
    let mut world = World::new(None);
    for _ in 0..20 {
        world.tick();
    }
    let now = world.election.ticks();
    let echo = |tick, echo| Heartbeat { tick, echoes: vec![echo], ..beat(0) };
    world.election.on_heartbeat(PEER, echo(100, now - 10));
    assert_eq!(world.election.rtt_ticks(PEER), 9, "counts tick at different moments");
    world.election.on_heartbeat(PEER, echo(99, now - 20));
    assert_eq!(world.election.rtt_ticks(PEER), 9, "a heartbeat that was overtaken");
    world.election.on_heartbeat(PEER, echo(101, now));
    assert_eq!(world.election.rtt_ticks(PEER), 7, "shorter by and by");
    assert_eq!(world.election.echoes()[0], 101);
    world.election.on_tick(&world.situation);
    assert_eq!(world.election.echoes()[0], 102, "it was held for a tick");
}

#[test]
fn silence_is_measured_by_the_way_up_to_a_bound() {
    for (way, heard) in [(0, SUSPICION_TICKS), (3, 8), (200, 2 * SUSPICION_TICKS)] {
        let mut world = World::new(None);
        let echo = world.election.ticks().wrapping_sub(way + u32::from(way > 0));
        let later = Heartbeat { tick: 1, echoes: vec![echo], ..beat(0) };
        world.election.on_heartbeat(PEER, later);
        let ticks = (0..100).find(|_| {
            let up = world.election.is_up(PEER);
            world.election.on_tick(&world.situation);
            !up
        });
        assert_eq!(ticks, Some(heard + 1));
    }
}

#[test]
fn a_sync_is_measured_from_what_waits_to_its_end() {
    let mut pace = Pace::default();
    assert_eq!(pace.sync_ticks(), None);
    let tick = |pace: &mut Pace, count| (0..count).for_each(|_| pace.on_tick());
    tick(&mut pace, 9);
    pace.on_step(true);
    assert_eq!(pace.sync_ticks(), None, "it has just begun");
    tick(&mut pace, 3);
    pace.on_step(true);
    assert_eq!(pace.sync_ticks(), Some(3), "it takes that long already");
    tick(&mut pace, 13);
    pace.on_synced();
    pace.on_step(true);
    assert_eq!(pace.sync_ticks(), Some(16));
    // The next one ends at once, and the one after it takes longer.
    pace.on_synced();
    assert_eq!(pace.sync_ticks(), Some(14));
    tick(&mut pace, 50);
    assert_eq!(pace.sync_ticks(), Some(14), "nothing waits");
    pace.on_step(true);
    tick(&mut pace, 20);
    assert_eq!(pace.sync_ticks(), Some(20));
}

/// Lists the ticks of `count` at which a peer is sent to again.
fn resent(resends: &mut Resends, count: u32, path_ticks: u32, awaited: Awaited) -> Vec<u32> {
    (1..=count).filter(|_| resends.on_tick(PEER, path_ticks, awaited)).collect()
}

#[test]
fn what_has_no_answer_is_sent_again_at_the_peers_pace_and_ever_more_slowly() {
    let mut resends = Resends::default();
    assert_eq!(resent(&mut resends, 40, 0, Awaited::Promise), [2, 6, 14, 30]);
    resends.on_answer(PEER);
    assert_eq!(
        resent(&mut resends, 8, 0, Awaited::Promise),
        [1, 5],
        "the last one was ten ticks ago"
    );
    resends.begin();
    let slow = RESEND_TICKS + RESEND_PATH_TICKS_MAX;
    let path = RESEND_PATH_TICKS_MAX;
    assert_eq!(resent(&mut resends, 120, path, Awaited::Promise), [slow, 2 * slow]);
    resends.begin();
    // What was seen last may be over; where it is not, the peer is asked at its own pace soon.
    assert_eq!(resent(&mut resends, 400, 9 * path, Awaited::Promise), [slow, 3 * slow, 7 * slow]);
    resends.begin();
    let own = RESEND_TICKS + 3 * path;
    assert_eq!(
        resent(&mut resends, 420, 3 * path, Awaited::Promise),
        [slow, 3 * slow, 3 * slow + own]
    );
    assert_eq!(resent(&mut resends, 60, 23, Awaited::Promise), [1, 26, 51], "a second at most");
}

#[test]
fn where_nothing_is_awaited_the_announcement_keeps_its_pace() {
    let mut resends = Resends::default();
    assert_eq!(resent(&mut resends, 9, 0, Awaited::Nothing), [2, 4, 6, 8]);
}

/// The first call only marks what is open; what it marked is said again a pace later.
#[test]
fn a_call_that_marks_what_is_open_makes_no_repetition_later() {
    let mut resends = Resends::default();
    assert_eq!(resent(&mut resends, 5, 0, Awaited::Nothing), [2, 4]);
    assert_eq!(resent(&mut resends, 16, 0, Awaited::Votes), [1, 3, 7, 15]);
    resends.begin();
    let slow = RESEND_TICKS + RESEND_PATH_TICKS_MAX;
    let asked = [1, 1 + slow, 1 + 3 * slow];
    assert_eq!(resent(&mut resends, 200, 9 * slow, Awaited::Votes), asked);
}

#[test]
fn a_leader_is_not_stalled_by_peers_that_take_in_what_is_long() {
    let leading = || {
        let mut world = World::new(None);
        (world.situation.leads, world.situation.pending) = (Some(MINE), true);
        world
    };
    // What counts is that they get on, however slowly, and that no quorum comes about otherwise.
    let mut world = leading();
    let stalled = (0..2_000_u32).find(|tick| {
        if tick % 4 == 0 {
            world.election.on_lane_moved(PEER);
            world.election.on_lane_moved(OTHER);
        }
        world.tick();
        !world.election.is_leader_ok()
    });
    let stalled = stalled.expect("nobody waits for ever");
    assert!(stalled.abs_diff(TAKE_IN_TICKS_MAX + STALL_TICKS) < 8, "after {stalled} ticks");
    let mut world = leading();
    let stalled = (0..2_000_u32).find(|_| {
        world.election.on_lane_moved(PEER);
        world.tick();
        !world.election.is_leader_ok()
    });
    let stalled = stalled.expect("the other one makes a quorum and does not vote");
    assert!(stalled.abs_diff(STALL_TICKS) < 3, "after {stalled} ticks");
    // One that gets on no more is waited for like any other.
    let mut world = leading();
    for _ in 0..100 {
        world.election.on_lane_moved(PEER);
        world.election.on_lane_moved(OTHER);
        world.tick();
        assert!(world.election.is_leader_ok());
    }
    // A fifth of a second without anything is part of it.
    let stalled = world.ticks_until_stalled();
    assert!((STALL_TICKS..=STALL_TICKS + 5).contains(&stalled), "after {stalled} ticks");
}
