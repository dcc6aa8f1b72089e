//! Acts in which disks are slow: what a node said it would remember waits, and others ask it again.
//!
//! Where syncs take as long as elections, promises and votes of one ballot are still on their way
//! to the disk when the next is asked for, and who waits for them says again what was heard
//! already. The claims kept true: no disk hangs, so that something is chosen in the end; and no
//! sync takes as long as makes a node unfit to lead.

use std::collections::BTreeSet;

use synod_rng::Random;

use super::acts::{Act, one};
use crate::{Action, DiskFault, LinkRules, Millis, NodeId, PartsPerMillion, PlannedFault, Target};

impl Act<'_> {
    /// Most disks become slow, and the leader dies before anybody knows it: votes wait at those who
    /// are asked for promises, and what the next leader found is long in being chosen, while
    /// clients ask again. Then links become longer than anybody expects, and what is said is said
    /// twice.
    pub(super) fn slow_disks(&self, at: u64, random: &mut Random) -> (Vec<PlannedFault>, u64) {
        let (after, lasts) = (random.between(60, 300), random.between(500, 900));
        let mut faults = one(at + after, lasts, Action::Kill, Target::Leader).0;
        let after = after + lasts + random.between(500, 800);
        let lasts = random.between(400, 700);
        let far = longer(random.between(LONGER_MS_MIN, LONGER_MS_MAX));
        faults.extend(one(at + after, lasts, far, Target::All).0);
        let ms = Millis(random.between(SYNC_MS_MIN, SYNC_MS_MAX));
        let until = after + lasts;
        let slow = Action::Disk(DiskFault::Slow { ms });
        faults.extend(one(at, until, slow, self.most(random)).0);
        (faults, until)
    }

    /// Disks are slow, and that of the leader is slower. Nobody hears the leader until others ask
    /// for promises. What it had chosen by then it tells at once, while what the others promise
    /// waits for their disks, and what it promises itself comes later still.
    pub(super) fn standstills(&self, at: u64, random: &mut Random) -> (Vec<PlannedFault>, u64) {
        let (mut faults, mut after) = (Vec::new(), 0);
        for _ in 0..STANDSTILLS {
            let (before, lasts) = (random.between(200, 300), random.between(330, 420));
            faults.extend(one(at + after + before, lasts, Action::Mute, Target::Leader).0);
            let slow_for = before + lasts + random.between(400, 500);
            let slow = Action::Disk(DiskFault::Slow { ms: Millis(random.between(240, 380)) });
            faults.extend(one(at + after, slow_for, slow, Target::All).0);
            let slower = Action::Disk(DiskFault::Slow { ms: Millis(random.between(780, 900)) });
            faults.extend(one(at + after, slow_for, slower, Target::Leader).0);
            after += slow_for + random.between(100, 150);
        }
        (faults, after)
    }

    /// The disks of the leader and of a minority are about as slow, once of one minority and once
    /// of another. While those of a majority are fast enough, the leader goes on ahead of its own
    /// disk; and then one slot has to wait for it, in which a fast node has voted. Links become
    /// longer than anybody expects meanwhile, so that this node is asked again for what it said.
    pub(super) fn laggards(&self, at: u64, random: &mut Random) -> (Vec<PlannedFault>, u64) {
        let (mut faults, mut after) = (Vec::new(), 0);
        let mut order = self.nodes.to_vec();
        random.shuffle(&mut order);
        let few = self.nodes.len().saturating_sub(1) / 2;
        for _ in 0..LAGGARDS {
            let (before, lasts) = (random.between(450, 600), random.between(400, 500));
            let slow_for = before + lasts;
            let slow = |random: &mut Random| {
                Action::Disk(DiskFault::Slow { ms: Millis(random.between(450, 850)) })
            };
            faults.extend(one(at + after, slow_for, slow(random), Target::Leader).0);
            let minority = Target::of(order.iter().take(few).copied().collect());
            faults.extend(one(at + after, slow_for, slow(random), minority).0);
            let far = longer(random.between(LONGER_MS_MIN, LONGER_MS_MAX));
            faults.extend(one(at + after + before, lasts, far, Target::All).0);
            after += slow_for + random.between(100, 200);
            // Whoever leads is in one of them at most.
            order.rotate_left(few);
        }
        (faults, after)
    }

    /// The leader dies, and links become longer when others have missed it and ask for promises, or
    /// most of what is said then is lost and said again: these come when whoever asked has given
    /// its ballot up for the next one.
    pub(super) fn jumps(&self, at: u64, random: &mut Random) -> (Vec<PlannedFault>, u64) {
        let (mut faults, mut after) = (Vec::new(), random.between(50, 200));
        let far = longer(random.between(JUMP_MS_MIN, JUMP_MS_MAX));
        let percent = u32::try_from(random.between(45, 60)).unwrap_or(0);
        let loss = PartsPerMillion::percent(percent);
        let lossy = Action::Disturb(LinkRules { loss, ..LinkRules::default() });
        // One after the other: a candidate that failed has more patience with its next ballot,
        // until somebody leads.
        for action in [far, lossy] {
            let lasts = random.between(550, 700);
            faults.extend(one(at + after, lasts, Action::Kill, Target::Leader).0);
            let missed = after + random.between(200, 300);
            let disturbed = random.between(450, 600);
            faults.extend(one(at + missed, disturbed, action, Target::All).0);
            after += lasts + random.between(400, 600);
        }
        (faults, after)
    }

    /// Draws more than half of the nodes.
    fn most(&self, random: &mut Random) -> Target {
        let (_, most) = self.parted(random);
        Target::of(most)
    }

    /// Draws a minority that is as large as may be, and the others.
    fn parted(&self, random: &mut Random) -> (BTreeSet<NodeId>, BTreeSet<NodeId>) {
        let mut order = self.nodes.to_vec();
        random.shuffle(&mut order);
        let (few, most) = order.split_at(self.nodes.len().saturating_sub(1) / 2);
        (few.iter().copied().collect(), most.iter().copied().collect())
    }
}

/// Makes links longer.
fn longer(by_ms: u64) -> Action {
    Action::Disturb(LinkRules { delay_ms: Millis(by_ms), ..LinkRules::default() })
}

/// How often in a row the leader is not heard.
const STANDSTILLS: u64 = 2;

/// How often in a row the leader and a minority have slow disks.
const LAGGARDS: u64 = 2;

/// How far apart nodes come at least when they ask for promises: the answer comes later than a
/// candidate expects it, and its next ballot is on its way.
const JUMP_MS_MIN: u64 = 145;

/// How far apart they come at most: less than what a node waits for another.
const JUMP_MS_MAX: u64 = 190;

/// By how much longer a sync takes, at least: longer than an election.
const SYNC_MS_MIN: u64 = 400;

/// By how much longer at most; less than lets a node ask for another leader.
const SYNC_MS_MAX: u64 = 900;

/// How far apart nodes come at once, at least: more than what a leader waits before it says
/// something again.
const LONGER_MS_MIN: u64 = 80;

/// How far apart they come at most: less than what a node waits for another.
const LONGER_MS_MAX: u64 = 180;

#[cfg(test)]
mod tests {
    use super::*;
    use synod_rng::{Seed, Stream};

    fn act(nodes: &[NodeId]) -> Act<'_> {
        Act { nodes, from: 0, until: 4_000, power: true }
    }

    #[test]
    fn a_minority_and_the_others_are_all_nodes() {
        for size in [3_u16, 5] {
            let nodes: Vec<NodeId> = (1..=size).map(NodeId).collect();
            let mut random = Random::new(Seed(size.into()), Stream::named("parted"));
            let (few, most) = act(&nodes).parted(&mut random);
            assert_eq!((few.len(), most.len()), (nodes.len() / 2, nodes.len() / 2 + 1));
            assert!(few.is_disjoint(&most));
        }
    }

    /// A sync of a second makes a node unfit to lead, and a jump of 200 ms a peer look silent.
    #[test]
    fn no_sync_makes_a_leader_unfit_and_no_link_looks_silent() {
        let nodes: Vec<NodeId> = (1..=3).map(NodeId).collect();
        for seed in 0..100 {
            let mut random = Random::new(Seed(seed), Stream::named("slow"));
            let act = act(&nodes);
            let mut faults = act.slow_disks(0, &mut random).0;
            faults.extend(act.standstills(0, &mut random).0);
            faults.extend(act.jumps(0, &mut random).0);
            faults.extend(act.laggards(0, &mut random).0);
            for fault in &faults {
                if let Action::Disk(DiskFault::Slow { ms }) = &fault.action {
                    assert!(ms.0 <= 900, "{seed}: {ms}");
                }
                if let Action::Disturb(rules) = &fault.action {
                    assert!(rules.delay_ms.0 < 200, "{seed}: {rules}");
                }
            }
        }
    }
}
