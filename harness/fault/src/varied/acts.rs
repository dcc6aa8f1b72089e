//! The acts of a varied run: what each kind of act lets happen, and for how long.
//!
//! An act is a stretch of time and one or two kinds of trouble, which come again and again in it.
//! The kinds that take elections one after the other, what was not synced, or slow disks, are in
//! `rivals`, `losses` and `slow`. The claim kept true: no fault of an act is planned to begin after
//! the act.

use synod_rng::Random;

use crate::{
    Action, DiskFault, LinkRules, Millis, NodeId, PartsPerMillion, PlannedFault, Shape, Target,
    Trigger,
};

/// What an act may consist of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// What the leader is told takes long, and then nobody hears it, or it hears nobody: it is
    /// deposed, and does not know.
    FarLeader,
    /// The leader is killed, and sometimes the one that follows it as soon as it is seen.
    Deaths,
    /// The leader stands still, shorter and longer than it is waited for.
    Pauses,
    /// The leader is cut off.
    Isolation,
    /// A majority, or everybody, is killed and started again.
    Majority,
    /// Nodes are torn apart, in some cases again and again.
    Partition,
    /// Packets between nodes are lost, late, doubled, and come long after.
    Disturbed,
    /// The same between clients and nodes.
    DisturbedClients,
    /// One node is not heard, or does not hear.
    OneWay,
    /// A node is asked to end.
    Retirement,
    /// Who leads, or everybody, dies and is back at once, several times in a row.
    Comebacks,
    /// Who leads is stopped or cut off again and again while all are far apart, and one node more
    /// than the others.
    Rivals,
    /// The nodes are torn apart in one shape after the other, without a word between two.
    MovingCuts,
    /// Syncs take long, and machines lose their power.
    PowerCuts,
    /// One node does not hear another one, and a third is further than both: who is lost to its
    /// leader promises a ballot of its own, and the leader has to raise its own.
    Strays,
    /// The leader is cut off until another one leads, which then is cut off in its place: the first
    /// hears of what was chosen from those who only heard of it.
    Hearsay,
    /// Most disks become slow, the leader dies, and links become longer at once.
    SlowDisks,
    /// The leader, whose disk is slow, stands still or is not heard for about as long as it takes
    /// to miss it.
    Standstills,
    /// The leader dies, and links become longer just when others ask for their promises, or most
    /// of what is said then is lost.
    Jumps,
    /// The leader is cut off until another one leads, which is stopped as soon as it is seen to:
    /// the first is back with what it alone proposed, before what the other one did is chosen.
    Usurpers,
    /// The disks of the leader and of a minority are about as slow, and links become longer at
    /// once.
    Laggards,
}

/// What each run has, an act each, with its share of the time: what the act is made of takes about
/// so many milliseconds where a run is half a minute.
pub(super) const MUSTS: [(Kind, u64); 12] = [
    (Kind::FarLeader, 3_100),
    (Kind::Comebacks, 2_300),
    (Kind::Rivals, 2_300),
    (Kind::PowerCuts, 2_500),
    (Kind::Strays, 2_500),
    (Kind::Hearsay, 3_500),
    (Kind::Hearsay, 3_500),
    (Kind::SlowDisks, 2_700),
    (Kind::Standstills, 2_500),
    (Kind::Usurpers, 2_500),
    (Kind::Jumps, 2_300),
    (Kind::Laggards, 2_700),
];

/// What an act may have besides.
const EXTRAS: [Kind; 10] = [
    Kind::Deaths,
    Kind::Pauses,
    Kind::Isolation,
    Kind::Majority,
    Kind::Partition,
    Kind::MovingCuts,
    Kind::Disturbed,
    Kind::DisturbedClients,
    Kind::OneWay,
    Kind::Retirement,
];

/// Names what an act consists of: what it must have, and perhaps one more. Some kinds are left
/// alone, as each rests on when an election comes, and on what it finds.
pub(super) fn kinds_of(must: Kind, random: &mut Random) -> Vec<Kind> {
    let mut extras = EXTRAS.to_vec();
    random.shuffle(&mut extras);
    let more = usize::try_from(random.below(EXTRAS_MAX + 1)).unwrap_or(0);
    let is_chain = matches!(
        must,
        Kind::Hearsay | Kind::Usurpers | Kind::Standstills | Kind::Jumps | Kind::Laggards
    );
    let more = if is_chain { 0 } else { more };
    let mut kinds = vec![must];
    kinds.extend(extras.into_iter().take(more));
    kinds.sort_unstable();
    kinds
}

/// An act, in which faults may begin.
pub(super) struct Act<'a> {
    pub(super) nodes: &'a [NodeId],
    pub(super) from: u64,
    pub(super) until: u64,
    /// Whether machines can lose their power here.
    pub(super) power: bool,
}

impl Act<'_> {
    /// Lets faults of a kind come again and again until the act is over.
    pub(super) fn faults_of(&self, kind: Kind, random: &mut Random) -> Vec<PlannedFault> {
        let mut faults = Vec::new();
        let mut at = self.from + random.below(BEGIN_MS_MAX);
        while at < self.until {
            let (some, took) = self.next(kind, at, random);
            faults.extend(some);
            at += took + random.between(REST_MS_MIN, REST_MS_MAX);
        }
        // What is made of several faults may reach past the end of the act.
        faults.retain(|fault| fault.at_ms.0 < self.until);
        faults
    }

    /// Draws what happens next, and says how long it takes.
    fn next(&self, kind: Kind, at: u64, random: &mut Random) -> (Vec<PlannedFault>, u64) {
        match kind {
            Kind::FarLeader => self.far_leader(at, random),
            Kind::Deaths => self.deaths(at, random),
            Kind::Pauses => one(at, random.between(200, 1_500), Action::Pause, Target::Leader),
            Kind::Isolation => one(at, random.between(300, 2_500), Action::Isolate, Target::Leader),
            Kind::Majority => {
                let target = self.majority(random);
                let (mut faults, took) = one(at, random.between(50, 800), Action::Kill, target);
                faults.iter_mut().for_each(|fault| fault.trigger = Trigger::Time);
                (faults, took + 1_500)
            }
            Kind::Partition => self.partition(at, random),
            Kind::Disturbed => self.disturbed(at, Target::All, random),
            Kind::DisturbedClients => self.disturbed(at, Target::Clients, random),
            Kind::OneWay => {
                let action = if random.chance(500_000) { Action::Mute } else { Action::Deafen };
                let leader = random.chance(500_000);
                let target = if leader { Target::Leader } else { self.node(random) };
                one(at, random.between(300, 2_500), action, target)
            }
            Kind::Retirement => {
                let leader = random.chance(500_000);
                let target = if leader { Target::Leader } else { self.node(random) };
                let (faults, took) = one(at, random.between(500, 1_500), Action::Retire, target);
                (faults, took + 1_000)
            }
            Kind::Comebacks => self.comebacks(at, random),
            Kind::Rivals => self.rivals(at, random),
            Kind::MovingCuts => self.moving_cuts(at, random),
            Kind::Strays => self.strays(at, random),
            Kind::Hearsay => self.hearsay(at, random),
            Kind::PowerCuts => self.power_cuts(at, random),
            Kind::SlowDisks => self.slow_disks(at, random),
            Kind::Standstills => self.standstills(at, random),
            Kind::Jumps => self.jumps(at, random),
            Kind::Usurpers => self.usurpers(at, random),
            Kind::Laggards => self.laggards(at, random),
        }
    }

    /// What the leader is told comes later and later, so slowly that it takes nobody for silent;
    /// and then nobody hears it, or it hears nobody. Another one is elected, of which it does not
    /// know for as long. Where it is the one that does not hear, what it proposes is voted for, and
    /// it never learns of that.
    fn far_leader(&self, at: u64, random: &mut Random) -> (Vec<PlannedFault>, u64) {
        let (steps, hold) = (random.between(4, 9), random.between(300, 800));
        let far = steps * FAR_STEP_MS;
        let muted_at = steps * FAR_PERIOD_MS + hold;
        let muted = far + random.between(300, 900);
        let cut = if random.chance(650_000) { Action::Mute } else { Action::Deafen };
        let mut faults = one(at + muted_at, muted, cut, Target::Leader).0;
        for step in 0..steps {
            let delay_ms = Millis((step + 1) * FAR_STEP_MS);
            let late = Action::DisturbInbound(LinkRules { delay_ms, ..LinkRules::default() });
            let after = step * FAR_PERIOD_MS;
            faults.extend(one(at + after, muted_at + muted - after, late, Target::Leader).0);
        }
        (faults, muted_at + muted)
    }

    /// The leader dies; in some cases so does the next one, once it is seen to lead. Much is under
    /// way then, and what its successor finds of that takes long to be chosen, while clients repeat
    /// the same: all nodes are far apart, in most cases from the death on, so that those who are
    /// left expect answers sooner than they come; and disks are slow around it, so that what is
    /// under way waits for them.
    fn deaths(&self, at: u64, random: &mut Random) -> (Vec<PlannedFault>, u64) {
        let (lasts, before) = (random.between(100, 1_500), random.between(300, 700));
        let mut faults = one(at + before, lasts, Action::Kill, Target::Leader).0;
        let after = lasts + random.between(500, 1_200);
        let (from, delay) = match random.below(4) {
            0 => (at, random.between(40, 150)),
            _ => (at + before - JUMP_BEFORE_MS, random.between(JUMP_MS_MIN, JUMP_MS_MAX)),
        };
        let rules = LinkRules { delay_ms: Millis(delay), ..LinkRules::default() };
        faults.extend(one(from, at + before + after - from, Action::Disturb(rules), Target::All).0);
        let ms = Millis(random.between(SLOW_MS_MIN, SLOW_MS_MAX));
        let slowed = if random.chance(600_000) { Target::All } else { self.node(random) };
        let slow_for = before + random.between(100, 600);
        faults.extend(one(at, slow_for, Action::Disk(DiskFault::Slow { ms }), slowed).0);
        if random.chance(350_000) {
            let at = at + before + 1;
            let (mut next, _) = one(at, random.between(100, 700), Action::Kill, Target::Leader);
            next.iter_mut().for_each(|fault| fault.trigger = Trigger::NewLeader);
            faults.extend(next);
        }
        (faults, before + lasts + 1_200)
    }

    fn partition(&self, at: u64, random: &mut Random) -> (Vec<PlannedFault>, u64) {
        let shape = match random.below(4) {
            0 => Shape::halves(self.nodes, random),
            1 => Shape::minority(self.nodes, random),
            2 => Shape::bridge(self.nodes, random),
            _ => Shape::ring(self.nodes, random),
        };
        let lasts = random.between(500, 2_500);
        let (mut faults, took) = one(at, lasts, Action::Partition(shape), Target::All);
        if random.chance(400_000) {
            let period = Millis(random.between(100, 500));
            faults.iter_mut().for_each(|fault| fault.flaps_ms = Some(period));
        }
        (faults, took)
    }

    fn disturbed(&self, at: u64, target: Target, random: &mut Random) -> (Vec<PlannedFault>, u64) {
        let percent = |random: &mut Random, low, high| {
            PartsPerMillion::percent(u32::try_from(random.between(low, high)).unwrap_or(0))
        };
        let rules = LinkRules {
            loss: percent(random, 2, 20),
            delay_ms: Millis(random.between(0, 40)),
            jitter_ms: Millis(random.between(0, 60)),
            duplicate: percent(random, 0, 40),
            duplicate_late_ms: Millis(random.between(0, 3_000)),
            reorder: percent(random, 0, 40),
            reorder_late_ms: Millis(random.between(1, 400)),
            ..LinkRules::default()
        };
        one(at, random.between(1_000, 4_000), Action::Disturb(rules), target)
    }

    pub(super) fn node(&self, random: &mut Random) -> Target {
        Target::Node(random.pick(self.nodes).copied().unwrap_or(NodeId(1)))
    }

    /// More than half of the nodes, and sometimes all.
    fn majority(&self, random: &mut Random) -> Target {
        if random.chance(300_000) {
            return Target::All;
        }
        let mut shuffled = self.nodes.to_vec();
        random.shuffle(&mut shuffled);
        let size = self.nodes.len() / 2 + 1;
        Target::of(shuffled.into_iter().take(size).collect())
    }
}

/// Plans a fault; one on the leader waits until there is one.
pub(super) fn one(at: u64, lasts: u64, action: Action, target: Target) -> (Vec<PlannedFault>, u64) {
    let leader = target == Target::Leader;
    let trigger = if leader { Trigger::LeaderSeen } else { Trigger::Time };
    let fault = PlannedFault::new(Millis(at), Millis(lasts), action, target);
    (vec![PlannedFault { trigger, ..fault }], lasts)
}

/// How long after its beginning an act has its first fault at most.
const BEGIN_MS_MAX: u64 = 200;

/// The most kinds of an act beside the one that it must have.
const EXTRAS_MAX: u64 = 1;

/// How long nothing of a kind happens between two times at least.
const REST_MS_MIN: u64 = 1_000;

/// How long nothing of a kind happens between two times at most.
const REST_MS_MAX: u64 = 2_200;

/// How far apart nodes come at once at least when a leader dies.
const JUMP_MS_MIN: u64 = 110;

/// How far apart they come at most: less than what a node waits for another, so that nobody is
/// taken for silent.
const JUMP_MS_MAX: u64 = 180;

/// How long before the leader dies they do.
const JUMP_BEFORE_MS: u64 = 20;

/// By how much longer a sync takes around a death, at least; it is more than what a leader waits
/// before it says something again.
const SLOW_MS_MIN: u64 = 300;

/// By how much longer at most.
const SLOW_MS_MAX: u64 = 600;

/// By how much later the leader hears of others with each step: less than it waits for them.
const FAR_STEP_MS: u64 = 120;

/// How long each step takes.
const FAR_PERIOD_MS: u64 = 160;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::ResolvedTarget;
    use synod_rng::{Seed, Stream};

    /// A minority that dies leaves a quorum, and no log that has to be found again.
    #[test]
    fn a_majority_is_more_than_half() {
        let nodes: Vec<NodeId> = (1..=3).map(NodeId).collect();
        let act = Act { nodes: &nodes, from: 0, until: 4_000, power: true };
        let mut random = Random::new(Seed(1), Stream::named("majority"));
        let kill = |target: &Target| ResolvedTarget::resolve(&Action::Kill, target, None, &nodes);
        let sizes: BTreeSet<usize> =
            (0..200).map(|_| kill(&act.majority(&mut random)).nodes.len()).collect();
        assert_eq!(sizes, BTreeSet::from([2, 3]));
    }

    #[test]
    fn no_fault_begins_after_its_act() {
        let nodes: Vec<NodeId> = (1..=5).map(NodeId).collect();
        let act = Act { nodes: &nodes, from: 1_000, until: 4_800, power: true };
        let kinds = MUSTS.iter().map(|(kind, _)| kind).chain(&EXTRAS);
        for (kind, seed) in kinds.flat_map(|kind| (0..40).map(move |seed| (*kind, seed))) {
            let mut random = Random::new(Seed(seed), Stream::named("act"));
            let faults = act.faults_of(kind, &mut random);
            assert!(!faults.is_empty(), "{kind:?} {seed}");
            let within = |fault: &PlannedFault| (1_000..4_800).contains(&fault.at_ms.0);
            assert!(faults.iter().all(within), "{kind:?} {seed}: {faults:?}");
        }
    }
}
