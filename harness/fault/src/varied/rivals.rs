//! Acts in which one election follows the other: ballots overtake each other in slots that are
//! open, and what was said in an earlier one comes late.
//!
//! A lone election says little: whoever follows finds every vote, and has it chosen before the next
//! fault. So all nodes are far apart here, which keeps many slots open, and whoever leads is
//! stopped before these are chosen. The claim kept true: no fault here keeps a node away for much
//! more than a second, so that somebody leads again and again.

use std::collections::BTreeSet;

use synod_rng::Random;

use super::acts::{Act, one};
use crate::{Action, DiskFault, LinkId, LinkRules, Millis, PlannedFault, Shape, Target, Trigger};

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
                lasts + if all { random.between(900, 1_400) } else { random.between(150, 900) };
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
    /// with a quorum cannot in the next moment, in the middle of what it began.
    pub(super) fn moving_cuts(&self, at: u64, random: &mut Random) -> (Vec<PlannedFault>, u64) {
        let far = LinkRules { delay_ms: Millis(random.between(10, 90)), ..LinkRules::default() };
        let mut order = self.nodes.to_vec();
        random.shuffle(&mut order);
        let (mut faults, mut after) = (Vec::new(), random.between(200, 500));
        for _ in 0..random.between(3, CUTS_MAX) {
            if at + after >= self.until {
                break;
            }
            order.rotate_left(1);
            let alone = Shape::isolate(order[0], self.nodes);
            let shape = match random.below(4) {
                0 => Shape::minority(self.nodes, random),
                1 => Shape::ring(self.nodes, random),
                _ => alone,
            };
            let (cut, lasts) = (Action::Partition(shape), random.between(250, 900));
            faults.extend(one(at + after, lasts, cut, Target::All).0);
            after += lasts + random.between(0, 150);
        }
        faults.extend(one(at, after + 400, Action::Disturb(far), Target::All).0);
        (faults, after + 400)
    }

    /// The leader is cut off for so long that its links are given up, with all that waits on them,
    /// and somebody else leads. Then that one is cut off: the first hears from third nodes alone,
    /// and what it is told first is not that it was deposed, but what was chosen.
    pub(super) fn hearsay(&self, at: u64, random: &mut Random) -> (Vec<PlannedFault>, u64) {
        let (after, alone) = (random.between(50, 150), random.between(2_150, 2_350));
        let mut faults = one(at + after, alone, Action::Isolate, Target::Leader).0;
        let then = after + alone - HEARSAY_OVERLAP_MS;
        let lasts = random.between(400, 700);
        faults.extend(one(at + then, lasts, Action::Isolate, Target::Leader).0);
        (faults, then + lasts)
    }

    /// The leader is cut off, and goes on to propose what nobody hears of. Who follows it is
    /// stopped as soon as it is seen to lead, before what it proposes in the same slots is chosen,
    /// as nodes are far apart; and the first is back. It hears the others a little later than they
    /// it, and so it is the first to know that the way is open in both directions: it leads again,
    /// and its own disk tells what it voted for before others do.
    pub(super) fn usurpers(&self, at: u64, random: &mut Random) -> (Vec<PlannedFault>, u64) {
        let (after, ms) = (random.between(300, 450), random.between(50, 90));
        let far = random.between(30, 50);
        // By the end of it the next one was elected, and was stopped.
        let alone = 450 + 2 * ms + 2 * far + random.between(0, 100);
        let mut faults = one(at + after, alone, Action::Isolate, Target::Leader).0;
        let deaf = alone + USURPED_DEAF_MS;
        faults.extend(one(at + after, deaf, Action::Deafen, Target::Leader).0);
        let lasts = random.between(900, 1_100);
        let action = match random.below(4) {
            0 => Action::Isolate,
            1 => Action::Kill,
            _ => Action::Pause,
        };
        let struck = at + after + USURPED_MS;
        let (mut strike, _) = one(struck, lasts, action, Target::Leader);
        strike.iter_mut().for_each(|fault| fault.trigger = Trigger::NewLeader);
        faults.extend(strike);
        let lasts = after + alone + random.between(500, 700);
        let slow = Action::Disk(DiskFault::Slow { ms: Millis(ms) });
        faults.extend(one(at, lasts, slow, Target::All).0);
        let far = LinkRules { delay_ms: Millis(far), ..LinkRules::default() };
        faults.extend(one(at, lasts, Action::Disturb(far), Target::All).0);
        (faults, lasts)
    }

    /// One node does not hear another for a while, and then is not heard by it. If one of them
    /// leads, the other promises a ballot of its own, which nobody follows as all but it are
    /// content. From then on it is lost to its leader, unless that one raises its ballot: while
    /// questions wait for a round, and votes of the ballot before come from a third node that is
    /// far away.
    pub(super) fn strays(&self, at: u64, random: &mut Random) -> (Vec<PlannedFault>, u64) {
        let near = random.between(15, 40);
        let late = |delay| LinkRules { delay_ms: Millis(delay), ..LinkRules::default() };
        let (mut faults, mut after) = (Vec::new(), random.between(150, 300));
        let mut order = self.nodes.to_vec();
        random.shuffle(&mut order);
        for _ in 0..STRAYS_MAX {
            order.rotate_left(1);
            let (Some(far), Some((deaf, others))) = (order.last(), order.split_first()) else {
                break;
            };
            let unheard = others.iter().take(self.nodes.len() / 2);
            let there: BTreeSet<LinkId> = unheard.map(|from| LinkId::new(*from, *deaf)).collect();
            let back = there.iter().map(|link| LinkId::new(link.to, link.from)).collect();
            let (begins, further) = (after, random.between(120, 300));
            for links in [there, back] {
                let lasts = random.between(350, 600);
                faults.extend(one(at + after, lasts, Action::Cut(links), Target::All).0);
                after += lasts + random.between(200, 350);
            }
            let lasts = after - begins;
            let action = Action::Disturb(late(near + further));
            faults.extend(one(at + begins, lasts, action, Target::Node(*far)).0);
        }
        faults.extend(one(at, after, Action::Disturb(late(near)), Target::All).0);
        (faults, after)
    }
}

/// For how long a leader that is back is heard and does not hear: more than a heartbeat, and less
/// than lets others take it for silent.
const USURPED_DEAF_MS: u64 = 60;

/// How long after a leader is cut off it is looked for another one: nobody misses it sooner.
const USURPED_MS: u64 = 250;

/// How long both leaders are cut off.
const HEARSAY_OVERLAP_MS: u64 = 60;

/// How often in a row somebody does not hear another one at most.
const STRAYS_MAX: usize = 3;

/// How often who leads dies in a row at most.
const DEATHS_MAX: u64 = 4;

/// How often in a row who leads is struck at most.
const STRIKES_MAX: u64 = 5;

/// How many cuts follow each other at most.
const CUTS_MAX: u64 = 5;
