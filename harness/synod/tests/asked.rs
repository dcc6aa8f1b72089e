//! What a trial asks of a cluster, each time of one that does not give it; and what it cannot ask.
//!
//! The systems here are sound, and a bound of the world around them is not: a state machine that
//! holds up its node over each thing that it applies, or for longer than anybody counts.
//! So each ask of a trial is seen to fail. The other way around, a world in which nobody could be
//! served says nothing of the system in it. That the history is judged is asked beside the trial.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use synod_fault::{
    Action, DiskFault, LinkRules, Millis, NodeId as Place, PartsPerMillion, PlannedFault,
    RateLimit, Scenario, Target,
};
use synod_paxos::NodeId;
use synod_rng::Seed;
use synod_simulated::trial;
use synod_simulated::tuning::{HoldUps, Tuning};
use synod_simulator::Micros;

/// Longer than it takes until something is asked while faults stand.
const LONG: Millis = Millis(20_000);

/// The same, where state machines, links and disks take their time.
const LONG_AND_BAD: Millis = Millis(90_000);

fn calm(time_ms: Millis) -> Scenario {
    Scenario { rest_ms: Millis(100), ..Scenario::calm(Seed(4), 3, time_ms) }
}

/// Runs a plan in a world of these bounds, and returns what is violated.
fn violated(plan: &Scenario, change: impl FnOnce(&mut Tuning)) -> Option<&'static str> {
    let mut tuning = Tuning::usual(plan);
    change(&mut tuning);
    trial::run_tuned(plan, tuning, false).violation.map(|violation| violation.invariant)
}

/// Holds up these nodes over each thing that they apply from an instant on.
fn held_up(from_ms: u64, length_ms: u64, only: Option<NodeId>) -> impl Fn(&mut Tuning) {
    move |tuning| {
        tuning.hold_ups = HoldUps {
            ppm: 1_000_000,
            shortest_ms: length_ms,
            longest_ms: length_ms,
            from: Micros::from_ms(from_ms),
            until: Micros::from_ms(9_000_000),
            only,
        };
    }
}

/// An answer takes several such turns, and the bounds count with one.
fn unanswered() -> impl Fn(&mut Tuning) {
    held_up(0, 20_000, None)
}

#[test]
fn a_cluster_whose_answers_do_not_come_is_found_whether_faults_stand_or_not() {
    assert_eq!(violated(&calm(LONG_AND_BAD), unanswered()), Some("progress-meanwhile"));
    let mut gone = calm(LONG_AND_BAD);
    let kill = PlannedFault::new(Millis(0), LONG_AND_BAD, Action::Kill, Target::Node(Place(3)));
    gone.faults = vec![kill];
    let found = violated(&gone, unanswered());
    assert_eq!(found, Some("progress-meanwhile"), "two of three are a quorum");
    // With one of three nothing can be asked until all is healed, and then it is.
    gone.faults[0].target = Target::of([2, 3].map(Place).into());
    assert_eq!(violated(&gone, unanswered()), Some("progress"));
    assert_eq!(violated(&calm(Millis(1_000)), unanswered()), Some("progress"));
    for plan in [calm(LONG_AND_BAD), gone] {
        assert_eq!(violated(&plan, |_| ()), None, "and one whose answers come is not");
    }
}

#[test]
fn a_replica_that_does_not_come_to_the_state_of_the_others_is_found() {
    let plan = calm(Millis(4_000));
    let held_up = |node| held_up(3_000, 100_000, Some(NodeId::new(node)));
    let found: Vec<_> = (1..=3).map(|node| violated(&plan, held_up(node))).collect();
    assert!(found.contains(&Some("convergence")), "{found:?}");
    assert_eq!(violated(&plan, |_| ()), None);
}

/// Whoever would refuse a node with another folder is held up, and the node goes on unknown.
#[test]
fn a_node_that_nobody_refuses_is_found() {
    let mut plan = calm(Millis(4_000));
    let made_anew = Action::Disk(DiskFault::MadeAnew);
    let target = Target::Node(Place(2));
    plan.faults = vec![PlannedFault::new(Millis(3_500), Millis(50), made_anew, target)];
    assert_eq!(violated(&plan, held_up(3_000, 100_000, None)), Some("stranger-at-large"));
    assert_eq!(violated(&plan, |_| ()), None);
}

/// Links that pass nothing, or hardly anything, and clients that give up before an answer can be
/// there: nobody is served, and nothing of that is the cluster's doing.
#[test]
fn a_world_in_which_nobody_can_be_served_is_no_lack_of_progress() {
    let (none, all) = (LinkRules::default(), PartsPerMillion::percent(100));
    let narrow = Some(RateLimit { bytes_per_s: 10, queue_bytes: 10 });
    for rules in [
        LinkRules { cut: true, ..none },
        LinkRules { loss: all, ..none },
        LinkRules { corrupt: all, ..none },
        LinkRules { rate: narrow, ..none },
        LinkRules { reorder: all, reorder_late_ms: Millis(5_000), ..none },
    ] {
        let mut peers = calm(LONG);
        peers.conditions.links = rules;
        let mut clients = calm(LONG);
        clients.conditions.client_links = rules;
        for plan in [peers, clients] {
            assert_eq!(violated(&plan, |_| ()), None, "{:?}", plan.conditions);
        }
    }
    let mut far = calm(LONG);
    far.timeout_ms = Millis(100);
    far.conditions.client_links.delay_ms = Millis(200);
    assert_eq!(violated(&far, |_| ()), None);
    let mut slow = calm(LONG_AND_BAD);
    (slow.timeout_ms, slow.conditions.sync_us) = (Millis(100), 1_000_000);
    assert_eq!(violated(&slow, |_| ()), None);
    // Whoever could be served asks one node alone, and the others do not wait for the way.
    let mut hasty = calm(LONG);
    (hasty.clients, hasty.hasty_ms, hasty.pinned) = (2, Millis(60), PartsPerMillion(500_000));
    hasty.conditions.client_links.delay_ms = Millis(50);
    let is_pinned = |plan: &Scenario| [0, 1].map(|client| plan.pin_of(client).is_some());
    let mut count = 0;
    for seed in (0..40).map(Seed) {
        let plan = Scenario { seed, ..hasty.clone() };
        if is_pinned(&plan) == [true, false] {
            assert_eq!(violated(&plan, |_| ()), None, "{seed:?}");
            count += 1;
        }
    }
    assert!(count > 4, "{count} of 40 seeds");
}

/// What most worlds are like keeps nobody from being asked: losses, doubles and delays.
#[test]
fn a_world_that_is_a_little_bad_excuses_nothing() {
    let none = LinkRules::default();
    let some = PartsPerMillion::percent(3);
    let (mut lossy, mut damaging, mut late, mut far) =
        (calm(LONG_AND_BAD), calm(LONG_AND_BAD), calm(LONG_AND_BAD), calm(LONG_AND_BAD));
    lossy.conditions.links =
        LinkRules { loss: some, jitter_ms: Millis(4), duplicate: some, ..none };
    (lossy.conditions.client_links.delay_ms, lossy.conditions.sync_us) = (Millis(30), 40_000);
    damaging.conditions.links = LinkRules { corrupt: some, ..none };
    let all = PartsPerMillion::percent(100);
    late.conditions.links = LinkRules { reorder: all, reorder_late_ms: Millis(20), ..none };
    (far.timeout_ms, far.conditions.client_links.delay_ms) = (Millis(2_000), Millis(200));
    for plan in [lossy, damaging, late, far] {
        let found = violated(&plan, unanswered());
        assert_eq!(found, Some("progress-meanwhile"), "{:?}", plan.conditions);
        assert_eq!(violated(&plan, |_| ()), None, "{:?}", plan.conditions);
    }
}
