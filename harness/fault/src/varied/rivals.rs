//! Acts in which one election follows the other: ballots overtake each other in slots that are
//! open, and what was said in an earlier one comes late.
//!
//! A lone election says little: whoever follows finds every vote, and has it chosen before the next
//! fault. So all nodes are far apart here, which keeps many slots open, and whoever leads is
//! stopped before these are chosen. The claim kept true: no fault here keeps a node away for much
//! more than a second, so that somebody leads again and again.

use synod_rng::Random;

use super::acts::{Act, one};
use crate::{Action, LinkRules, Millis, PlannedFault, Shape, Target, Trigger};

impl Act<'_> {
    /// Who leads dies and is back at once, before the others miss it, several times in a row; in
    /// half of the cases everybody does, so that whoever led may lead again.
    pub(super) fn comebacks(&self, at: u64, random: &mut Random) -> (Vec<PlannedFault>, u64) {
        let all = random.chance(500_000);
        let (mut faults, mut after) = (Vec::new(), 0);
        for _ in 0..random.between(2, DEATHS_MAX) {
            let (target, lasts) = if all { (Target::All, 0) } else { (Target::Leader, 50) };
            let lasts = random.between(0, lasts);
            faults.extend(one(at + after, lasts, Action::Kill, target).0);
            // Nodes that all begin at once take longer to be served by one.
            after +=
                lasts + if all { random.between(1_000, 1_800) } else { random.between(150, 900) };
        }
        (faults, after)
    }

    /// Who leads is stopped, cut off, not heard or killed, and so is whoever follows it, as soon as
    /// it is seen in some cases. Meanwhile all are far apart, and one node more than the others:
    /// what that one says of a ballot comes when the next one is under way.
    pub(super) fn rivals(&self, at: u64, random: &mut Random) -> (Vec<PlannedFault>, u64) {
        let far = random.between(10, 80);
        let further = far + random.between(150, 900);
        let (mut faults, mut after) = (Vec::new(), random.between(300, 600));
        for _ in 0..random.between(3, STRIKES_MAX) {
            if at + after >= self.until {
                break;
            }
            let lasts = random.between(200, 700);
            let (action, lasts) = match random.below(6) {
                0 => (Action::Mute, lasts),
                1 => (Action::Deafen, lasts),
                2 => (Action::Isolate, lasts),
                3 => (Action::Kill, lasts / 4),
                _ => (Action::Pause, lasts),
            };
            let (mut strike, took) = one(at + after, lasts, action, Target::Leader);
            if random.chance(400_000) {
                strike.iter_mut().for_each(|fault| fault.trigger = Trigger::NewLeader);
            }
            faults.extend(strike);
            after += took / 2 + random.between(200, 700);
        }
        let lasts = after + 500;
        let late = |delay| LinkRules { delay_ms: Millis(delay), ..LinkRules::default() };
        faults.extend(one(at, lasts, Action::Disturb(late(far)), Target::All).0);
        let node = self.node(random);
        faults.extend(one(at, lasts, Action::Disturb(late(further)), node).0);
        (faults, lasts)
    }

    /// One cut follows the other, each in another shape, while all are far apart: who could talk
    /// with a quorum cannot in the next moment, in the middle of what it began. In half of the
    /// cases a node is cut off for so long that somebody else leads, and then hears of that from a
    /// third one alone: a leader that was deposed copies what was chosen before it knows by whom.
    pub(super) fn moving_cuts(&self, at: u64, random: &mut Random) -> (Vec<PlannedFault>, u64) {
        let far = LinkRules { delay_ms: Millis(random.between(10, 90)), ..LinkRules::default() };
        let mut order = self.nodes.to_vec();
        random.shuffle(&mut order);
        let (mut faults, mut after) = (Vec::new(), random.between(200, 500));
        let hearsay = random.chance(500_000);
        for _ in 0..random.between(3, CUTS_MAX) {
            if at + after >= self.until {
                break;
            }
            order.rotate_left(1);
            let alone = Shape::isolate(order[0], self.nodes);
            let shapes = match random.below(4) {
                _ if hearsay => {
                    let last = order.len() - 1;
                    let bridge = Shape::bridge_at(order[last], &order[..last]);
                    vec![(alone, random.between(800, 1_200)), (bridge, random.between(400, 700))]
                }
                0 => vec![(Shape::minority(self.nodes, random), random.between(250, 900))],
                1 => vec![(Shape::ring(self.nodes, random), random.between(250, 900))],
                _ => vec![(alone, random.between(250, 900))],
            };
            for (shape, lasts) in shapes {
                let cut = Action::Partition(shape);
                faults.extend(one(at + after, lasts, cut, Target::All).0);
                after += lasts;
            }
            after += random.between(0, 150);
        }
        faults.extend(one(at, after + 400, Action::Disturb(far), Target::All).0);
        (faults, after + 400)
    }
}

/// How often who leads dies in a row at most.
const DEATHS_MAX: u64 = 4;

/// How often in a row who leads is struck at most.
const STRIKES_MAX: u64 = 5;

/// How many cuts follow each other at most.
const CUTS_MAX: u64 = 5;
