//! The faults in force: what they are together, and how often each of them did something.
//!
//! Faults overlap, and each ends for itself: a link obeys the harshest of all rules on it, a disk
//! is as slow as the slowest of its faults says, and a node that two faults keep down is started
//! when the second ends. A fault counts as effective once something was really lost, held back,
//! ended or refused because of it: a plan whose faults hit nothing has tested nothing. The claim
//! kept true: ending one fault never softens another.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Action, DiskFault, LinkId, LinkRules, NodeId, ResolvedTarget};

/// The place of a fault in its plan, which names it while it is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FaultId(pub u32);

/// The rules of several faults on the links that they hit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JointRules {
    faults: BTreeMap<FaultId, BTreeMap<LinkId, LinkRules>>,
}

impl JointRules {
    /// Puts the rules of a fault in force; those of the same fault are replaced.
    pub fn begin(&mut self, fault: FaultId, rules: BTreeMap<LinkId, LinkRules>) {
        self.faults.insert(fault, rules);
    }

    /// Ends a fault; the others stay.
    pub fn end(&mut self, fault: FaultId) {
        self.faults.remove(&fault);
    }

    /// Ends all faults.
    pub fn clear(&mut self) {
        self.faults.clear();
    }

    /// Returns what a link does that does `base` without a fault.
    #[must_use]
    pub fn on(&self, link: LinkId, base: LinkRules) -> LinkRules {
        let rules = self.faults.values().filter_map(|rules| rules.get(&link));
        rules.fold(base, |sum, rules| sum.joined(*rules))
    }
}

/// A fault in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Active {
    /// Its place in the plan.
    pub fault: FaultId,
    /// What it does.
    pub action: Action,
    /// What it hits.
    pub on: ResolvedTarget,
    /// Whether a cut that comes and goes cuts at the moment.
    pub cutting: bool,
}

/// The faults in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InForce {
    active: Vec<Active>,
    /// Those that began, whether or not they ended.
    begun: BTreeSet<FaultId>,
    rules: JointRules,
    /// How often each fault of the plan had an effect.
    effects: Vec<u64>,
}

impl InForce {
    /// Makes the state in which none of so many faults is in force.
    #[must_use]
    pub fn of(faults: usize) -> Self {
        Self { effects: vec![0; faults], ..Self::default() }
    }

    /// Puts a fault in force.
    pub fn begin(&mut self, fault: FaultId, action: Action, on: ResolvedTarget) {
        self.rules.begin(fault, on.rules.clone());
        self.begun.insert(fault);
        self.active.push(Active { fault, action, on, cutting: true });
    }

    /// Turns a cut around that comes and goes; says whether it cuts, if it is in force at all.
    pub fn toggle(&mut self, fault: FaultId) -> Option<bool> {
        let active = self.active.iter_mut().find(|active| active.fault == fault)?;
        // The fault stays in force while it lets everything pass: it ends at its own time, and not
        // with a flap.
        active.cutting = !active.cutting;
        if active.cutting {
            self.rules.begin(fault, active.on.rules.clone());
        } else {
            self.rules.end(fault);
        }
        Some(active.cutting)
    }

    /// Ends a fault; returns it if it was in force.
    pub fn end(&mut self, fault: FaultId) -> Option<Active> {
        let place = self.active.iter().position(|active| active.fault == fault)?;
        self.rules.end(fault);
        Some(self.active.remove(place))
    }

    /// Returns the faults in force, in the order in which they began.
    #[must_use]
    pub fn faults(&self) -> Vec<FaultId> {
        self.active.iter().map(|active| active.fault).collect()
    }

    /// Tells whether a fault began, whether or not it ended.
    #[must_use]
    pub fn has_begun(&self, fault: FaultId) -> bool {
        self.begun.contains(&fault)
    }

    /// Tells whether a fault began and ended.
    #[must_use]
    pub fn has_ended(&self, fault: FaultId) -> bool {
        self.has_begun(fault) && self.active.iter().all(|active| active.fault != fault)
    }

    /// Tells whether a fault in force keeps a node from being started.
    #[must_use]
    pub fn keeps_down(&self, node: NodeId) -> bool {
        self.active.iter().any(|active| active.action.keeps_down() && active.hits(node))
    }

    /// Tells whether a fault in force stops a node's process.
    #[must_use]
    pub fn pauses(&self, node: NodeId) -> bool {
        self.active.iter().any(|active| active.action == Action::Pause && active.hits(node))
    }

    /// Returns how badly a node's disk misbehaves in the way of `fault`: as the worst of those in
    /// force has it, if one is.
    #[must_use]
    pub fn on_disk(&self, node: NodeId, fault: DiskFault) -> Option<DiskFault> {
        let of_node = self.active.iter().filter(|active| active.hits(node));
        let of_disk = of_node.filter_map(|active| active.action.disk_fault());
        of_disk.filter(|other| other.is_like(fault)).reduce(DiskFault::worse)
    }

    /// Tells whether a fault in force is a reason for a node's process to end by itself.
    #[must_use]
    pub fn may_end_a_process(&self, node: NodeId) -> bool {
        let of_node = self.active.iter().filter(|active| active.hits(node));
        let mut of_disk = of_node.filter_map(|active| active.action.disk_fault());
        of_disk.any(DiskFault::may_end_a_process)
    }

    /// Returns by how many parts of a million the faults in force let a node's clock be fast.
    #[must_use]
    pub fn clock_ppm(&self, node: NodeId) -> i32 {
        let of_node = self.active.iter().filter(|active| active.hits(node));
        // A description may add up to more than there is room for; such a clock is off by the most.
        of_node.filter_map(|active| active.action.clock_ppm()).fold(0, i32::saturating_add)
    }

    /// Returns what a link does that does `base` without a fault.
    #[must_use]
    pub fn on_link(&self, link: LinkId, base: LinkRules) -> LinkRules {
        self.rules.on(link, base)
    }

    /// Notes that a fault did something.
    pub fn note(&mut self, fault: FaultId) {
        if let Some(effects) = self.effects.get_mut(fault.0 as usize) {
            *effects += 1;
        }
    }

    /// Notes that the faults in force that `which` picks did something.
    pub fn note_where(&mut self, which: impl Fn(&Active) -> bool) {
        for active in self.active.iter().filter(|active| which(active)) {
            if let Some(effects) = self.effects.get_mut(active.fault.0 as usize) {
                *effects += 1;
            }
        }
    }

    /// Notes that a packet was lost to a cut of its link.
    pub fn note_cut(&mut self, link: LinkId) {
        let cuts = |on: &ResolvedTarget| on.rules.get(&link).is_some_and(|rules| rules.cut);
        self.note_where(|active| active.cutting && cuts(&active.on));
    }

    /// Notes that a packet was lost, held back, doubled or damaged on its link, which only those
    /// faults did whose rules there `asked` for it: what a link does all the time is no effect.
    pub fn note_disturbed(&mut self, link: LinkId, asked: impl Fn(&LinkRules) -> bool) {
        self.note_where(|active| active.on.rules.get(&link).is_some_and(&asked));
    }

    /// Returns how often a fault had an effect.
    #[must_use]
    pub fn effects(&self, fault: FaultId) -> u64 {
        self.effects.get(fault.0 as usize).copied().unwrap_or(0)
    }

    /// Counts the faults that did something.
    #[must_use]
    pub fn effective(&self) -> u64 {
        self.effects.iter().filter(|effects| **effects > 0).count() as u64
    }
}

impl Active {
    /// Tells whether it hits a node's process, clock or disk.
    #[must_use]
    pub fn hits(&self, node: NodeId) -> bool {
        self.on.nodes.contains(&node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Millis, PartsPerMillion, Target};

    const NODES: [NodeId; 3] = [NodeId(1), NodeId(2), NodeId(3)];

    fn begin(in_force: &mut InForce, fault: u32, action: Action, target: &Target) {
        let on = ResolvedTarget::resolve(&action, target, None, &NODES);
        in_force.begin(FaultId(fault), action, on);
    }

    fn link(from: u16, to: u16) -> LinkId {
        LinkId::new(NodeId(from), NodeId(to))
    }

    #[test]
    fn clocks_are_off_by_all_that_hits_them_together() {
        let mut in_force = InForce::of(3);
        for (fault, ppm, node) in [(0, 300, 1), (1, -100, 1), (2, 7, 2)] {
            let action = Action::ClockRate { ppm };
            begin(&mut in_force, fault, action, &Target::Node(NodeId(node)));
        }
        assert_eq!([1, 2, 3].map(|node| in_force.clock_ppm(NodeId(node))), [200, 7, 0]);
        assert!(in_force.end(FaultId(0)).is_some());
        assert_eq!(in_force.clock_ppm(NodeId(1)), -100);
    }

    #[test]
    fn a_node_that_two_faults_keep_down_waits_for_the_second() {
        let mut in_force = InForce::of(3);
        begin(&mut in_force, 0, Action::Kill, &Target::Node(NodeId(1)));
        begin(&mut in_force, 1, Action::PowerLoss, &Target::All);
        begin(&mut in_force, 2, Action::Pause, &Target::Node(NodeId(1)));
        assert!(in_force.end(FaultId(0)).is_some() && in_force.end(FaultId(0)).is_none());
        assert!(in_force.keeps_down(NodeId(1)) && in_force.pauses(NodeId(1)));
        assert!(in_force.end(FaultId(1)).is_some());
        assert!(!in_force.keeps_down(NodeId(1)) && in_force.pauses(NodeId(1)));
        assert!(!in_force.pauses(NodeId(2)));
        assert_eq!(in_force.faults(), [FaultId(2)]);
    }

    #[test]
    fn a_link_obeys_the_harshest_of_all_and_the_rest_when_one_ends() {
        let lossy = LinkRules { loss: PartsPerMillion::percent(20), ..LinkRules::default() };
        let base = LinkRules { loss: PartsPerMillion::percent(1), ..LinkRules::default() };
        let mut in_force = InForce::of(2);
        begin(&mut in_force, 0, Action::Disturb(lossy), &Target::All);
        begin(&mut in_force, 1, Action::Isolate, &Target::Node(NodeId(1)));
        assert!(in_force.on_link(link(1, 2), base).cut);
        assert_eq!(in_force.on_link(link(2, 3), base), lossy);
        assert_eq!(in_force.toggle(FaultId(1)), Some(false));
        assert_eq!(in_force.on_link(link(1, 2), base), lossy);
        assert_eq!(in_force.toggle(FaultId(1)), Some(true));
        assert!(in_force.end(FaultId(0)).is_some());
        assert_eq!(in_force.on_link(link(1, 2), LinkRules::default()), LinkRules::CUT);
        assert_eq!(in_force.on_link(link(2, 3), base), base);
        assert_eq!(in_force.toggle(FaultId(0)), None);
    }

    #[test]
    fn a_disk_is_as_bad_as_the_worst_fault_of_a_kind_says() {
        let slow = |ms| DiskFault::Slow { ms: Millis(ms) };
        let one = Target::Node(NodeId(1));
        let mut in_force = InForce::of(4);
        for (fault, disk) in [(0, slow(50)), (1, slow(7)), (2, DiskFault::Full)] {
            begin(&mut in_force, fault, Action::Disk(disk), &one);
        }
        begin(&mut in_force, 3, Action::Disk(slow(90)), &Target::Node(NodeId(2)));
        let slowest = |in_force: &InForce| in_force.on_disk(NodeId(1), slow(0));
        assert_eq!(slowest(&in_force), Some(slow(50)));
        assert!(in_force.end(FaultId(0)).is_some());
        assert_eq!(slowest(&in_force), Some(slow(7)));
        assert!(in_force.end(FaultId(1)).is_some());
        assert_eq!(slowest(&in_force), None);
        assert_eq!(in_force.on_disk(NodeId(1), DiskFault::Full), Some(DiskFault::Full));
        assert_eq!(in_force.on_disk(NodeId(1), DiskFault::Hung), None);
    }

    #[test]
    fn an_effect_counts_for_every_fault_that_could_have_had_it() {
        let mut in_force = InForce::of(4);
        begin(&mut in_force, 0, Action::Isolate, &Target::Node(NodeId(1)));
        begin(&mut in_force, 1, Action::Mute, &Target::Node(NodeId(1)));
        let late = LinkRules { delay_ms: Millis(9), ..LinkRules::default() };
        begin(&mut in_force, 2, Action::Disturb(late), &Target::Clients);
        let is_late = |rules: &LinkRules| rules.delay_ms.0 > 0;
        in_force.note_cut(link(1, 2));
        in_force.note_cut(link(2, 1));
        in_force.note_disturbed(link(1, 2), is_late);
        let seen = |in_force: &InForce| [0, 1, 2].map(|fault| in_force.effects(FaultId(fault)));
        assert_eq!(seen(&in_force), [2, 1, 0]);
        assert_eq!(in_force.toggle(FaultId(0)), Some(false));
        in_force.note_cut(link(1, 2));
        in_force.note_disturbed(link(0, 2), is_late);
        assert_eq!(seen(&in_force), [2, 2, 1]);
        assert_eq!(in_force.effective(), 3);
    }

    #[test]
    fn a_disturbance_is_credited_to_the_faults_that_asked_for_it_alone() {
        let late = LinkRules { delay_ms: Millis(9), ..LinkRules::default() };
        let lossy = LinkRules { loss: PartsPerMillion::percent(9), ..LinkRules::default() };
        let mut in_force = InForce::of(3);
        begin(&mut in_force, 0, Action::DisturbInbound(late), &Target::Node(NodeId(1)));
        begin(&mut in_force, 1, Action::Disturb(lossy), &Target::All);
        begin(&mut in_force, 2, Action::Isolate, &Target::Node(NodeId(1)));
        let seen = |in_force: &InForce| [0, 1, 2].map(|fault| in_force.effects(FaultId(fault)));
        in_force.note_disturbed(link(2, 1), |rules| rules.delay_ms.0 > 0);
        assert_eq!(seen(&in_force), [1, 0, 0], "what a node hears late is an effect, too");
        in_force.note_disturbed(link(1, 2), |rules| rules.delay_ms.0 > 0);
        assert_eq!(seen(&in_force), [1, 0, 0], "nobody asked for that there");
        in_force.note_disturbed(link(2, 1), |rules| rules.loss.0 > 0);
        assert_eq!(seen(&in_force), [1, 1, 0]);
    }

    #[test]
    fn a_process_may_end_by_itself_until_the_last_failure_of_its_disk_is_over() {
        let one = Target::Node(NodeId(1));
        let mut in_force = InForce::of(3);
        begin(&mut in_force, 0, Action::Disk(DiskFault::SyncFails), &one);
        begin(&mut in_force, 1, Action::Disk(DiskFault::WriteFails), &one);
        begin(&mut in_force, 2, Action::Disk(DiskFault::Full), &Target::All);
        assert!(in_force.may_end_a_process(NodeId(1)) && !in_force.may_end_a_process(NodeId(2)));
        assert!(in_force.end(FaultId(0)).is_some());
        assert!(in_force.may_end_a_process(NodeId(1)), "a write may fail still");
        assert!(in_force.end(FaultId(1)).is_some());
        assert!(!in_force.may_end_a_process(NodeId(1)));
    }
}
