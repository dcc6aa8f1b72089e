//! Faults of the swarm that are aimed: at whoever leads by then, or at a minority.
//!
//! The other kinds hit whom the dice name before the run, and who leads is that node by luck alone.
//! A node that leads and is not heard, or hears nobody, or hears everybody late, is what most bugs
//! of consensus need. Their chance is their own: a run that has none of them is as without them.

use synod_rng::{Random, Seed, Stream};

use super::pace::{PER_MINUTE_MAX, begin, length, minutes};
use crate::{Action, LinkRules, Millis, NodeId, PlannedFault, Target, Trigger};

/// Draws what is aimed in a run; in most runs nothing is.
pub(super) fn aimed_faults(seed: Seed, nodes: &[NodeId], time: Millis) -> Vec<PlannedFault> {
    let mut random = Random::new(seed, Stream::named("aimed"));
    if !random.chance(AIMED_PPM) {
        return Vec::new();
    }
    let count = random.between(1, PER_MINUTE_MAX * minutes(time));
    let has_minority = nodes.len() >= MINORITY_NODES_MIN;
    (0..count).map(|_| aimed(has_minority, time, &mut random)).collect()
}

fn aimed(has_minority: bool, time: Millis, random: &mut Random) -> PlannedFault {
    let (at_ms, lasts_ms) = (begin(time, random), length(random));
    let late =
        LinkRules { delay_ms: Millis(random.between(50, LATE_MS_MAX)), ..LinkRules::default() };
    let action = match random.below(7) {
        0 => Action::Isolate,
        1 => Action::Mute,
        2 => Action::Deafen,
        3 => Action::DisturbInbound(late),
        4 => Action::Kill,
        5 => Action::Pause,
        _ => Action::Retire,
    };
    let (target, trigger) = if random.chance(LEADER_PPM) || !has_minority {
        (Target::Leader, Trigger::LeaderSeen)
    } else {
        (Target::Minority, Trigger::Time)
    };
    PlannedFault { trigger, ..PlannedFault::new(at_ms, lasts_ms, action, target) }
}

/// How often a run has faults that are aimed.
const AIMED_PPM: u32 = 300_000;

/// How many of them are aimed at the leader; the others are at a minority.
const LEADER_PPM: u32 = 700_000;

/// Of fewer nodes than this none is a minority.
const MINORITY_NODES_MIN: usize = 3;

/// How late a node hears others at most: later than it takes them to miss one that leads.
const LATE_MS_MAX: u64 = 800;
