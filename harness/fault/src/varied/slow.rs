//! Acts in which disks are slow: what a node said it would remember waits, and others ask it again.
//!
//! Where syncs take as long as elections, promises and votes of one ballot are still on their way to
//! the disk when the next is asked for, and who waits for them says again what was heard already.
//! The claims kept true: a minority of the disks is fast, so that something is always chosen; and no
//! sync takes as long as makes a node unfit to lead.

use synod_rng::Random;

use super::acts::{Act, one};
use crate::{Action, DiskFault, LinkRules, Millis, PlannedFault, Target};

impl Act<'_> {
    /// Most disks become slow, and the leader dies before anybody knows it: votes wait at those who
    /// are asked for promises, and what the next leader found is long in being chosen, while clients
    /// ask again. Then links become longer than anybody expects, and what is said is said twice.
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

    /// Most disks are slow, and nobody hears the leader until others ask for promises. It hears them
    /// all the while, and what it had chosen meanwhile is told when these are on their way.
    pub(super) fn mutes(&self, at: u64, random: &mut Random) -> (Vec<PlannedFault>, u64) {
        let (mut faults, mut after) = (Vec::new(), random.between(200, 400));
        for _ in 0..MUTES {
            let lasts = random.between(320, 460);
            faults.extend(one(at + after, lasts, Action::Mute, Target::Leader).0);
            after += lasts + random.between(380, 560);
        }
        let ms = Millis(random.between(SYNC_MS_MIN / 2, SYNC_MS_MAX / 2));
        let slow = Action::Disk(DiskFault::Slow { ms });
        faults.extend(one(at, after, slow, self.most(random)).0);
        (faults, after)
    }

    /// The leader dies, and links become longer when others have missed it and ask for promises:
    /// these come when whoever asked has given its ballot up for the next one.
    pub(super) fn jumps(&self, at: u64, random: &mut Random) -> (Vec<PlannedFault>, u64) {
        let (mut faults, mut after) = (Vec::new(), random.between(50, 200));
        for _ in 0..JUMPS {
            let lasts = random.between(550, 700);
            faults.extend(one(at + after, lasts, Action::Kill, Target::Leader).0);
            let missed = after + random.between(200, 300);
            let far = longer(random.between(JUMP_MS_MIN, JUMP_MS_MAX));
            faults.extend(one(at + missed, random.between(400, 550), far, Target::All).0);
            after += lasts + random.between(400, 600);
        }
        (faults, after)
    }

    /// Draws more than half of the nodes.
    fn most(&self, random: &mut Random) -> Target {
        let mut order = self.nodes.to_vec();
        random.shuffle(&mut order);
        let (_, most) = order.split_at(self.nodes.len().saturating_sub(1) / 2);
        Target::of(most.iter().copied().collect())
    }
}

/// Makes links longer.
fn longer(by_ms: u64) -> Action {
    Action::Disturb(LinkRules { delay_ms: Millis(by_ms), ..LinkRules::default() })
}

/// How often in a row nobody hears the leader.
const MUTES: u64 = 3;

/// How often in a row the leader dies.
const JUMPS: u64 = 2;

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
