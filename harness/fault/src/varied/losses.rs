//! Acts in which machines lose what they have not synced.
//!
//! A process that is killed has written almost everything that it said. Where syncs take long, many
//! records wait at any time, and what a node says too early is gone with the power. The nodes that
//! stay away longest are those whose disks are fast: who is left must have what was chosen on its
//! own. The claims kept true: a world that cannot take the power kills processes in its place; and
//! what was synced stays, so that all that was acknowledged must survive.

use synod_rng::Random;

use super::acts::{Act, one};
use crate::{Action, DiskFault, LinkRules, Millis, NodeId, PlannedFault, Target, Trigger};

impl Act<'_> {
    /// Most disks are slow, and the leader's most likely is. The power of the leader fails shortly,
    /// and that of the nodes with fast disks for long; then it fails in the middle of an election.
    pub(super) fn power_cuts(&self, at: u64, random: &mut Random) -> (Vec<PlannedFault>, u64) {
        let mut order = self.nodes.to_vec();
        random.shuffle(&mut order);
        let (fast, slow) = order.split_at(self.nodes.len().saturating_sub(1) / 2);
        let loss = |random: &mut Random| {
            // It is drawn in any world, so that all else is the same there.
            let drawn = random.chance(800_000);
            if drawn && self.power { Action::PowerLoss } else { Action::Kill }
        };
        let of = |nodes: &[NodeId]| Target::of(nodes.iter().copied().collect());
        let first = random.between(300, 700);
        let (mut faults, away) =
            one(at + first, random.between(700, 1_400), loss(random), of(fast));
        faults.extend(one(at + first, random.between(0, 200), loss(random), Target::Leader).0);
        // Who promises or votes in the next ballot has it on its way to the disk.
        let (mut second, after) = (Vec::new(), first + random.between(200, 900));
        if let Some(node) = random.pick(slow) {
            second = one(at + after, random.between(0, 200), loss(random), of(&[*node])).0;
        }
        if random.chance(500_000) {
            let at = at + first + away + random.between(300, 700);
            let (again, _) = one(at, random.between(0, 300), loss(random), Target::Leader);
            second.extend(again);
        }
        if random.chance(500_000) {
            let trigger = Trigger::NewLeader;
            second.iter_mut().for_each(|fault| fault.trigger = trigger);
        }
        faults.extend(second);
        let lasts = first + away + random.between(500, 1_000);
        let ms = Millis(random.between(20, 300));
        let slowed = if random.chance(300_000) { Target::All } else { of(slow) };
        faults.extend(one(at, lasts, Action::Disk(DiskFault::Slow { ms }), slowed).0);
        if random.chance(400_000)
            && let Some(node) = random.pick(slow)
        {
            let delay_ms = Millis(random.between(50, 250));
            let far = LinkRules { delay_ms, ..LinkRules::default() };
            faults.extend(one(at, lasts, Action::Disturb(far), of(&[*node])).0);
        }
        (faults, lasts)
    }
}
