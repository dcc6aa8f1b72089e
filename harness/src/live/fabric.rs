//! All directed links of a run, with what each did to its packets.
//!
//! The relays ask it about every packet; the nemesis changes its rules through named faults that
//! may overlap; the judge reads its counters. It owns no socket. The claim kept true: a link obeys
//! the joint rules of all faults in force, and every packet that came is in exactly one of the
//! counters delivered, lost, cut and overflowed, and each double once more in delivered.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::fault::{Copies, DropReason, Link, LinkId, LinkRules, NodeId, Verdict};
use crate::random::Seed;
use crate::summary::LinkCounts;

/// The name of a fault on the network while it is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FaultId(pub u32);

/// The position of a link in its fabric, which relays keep instead of the name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LinkIndex(usize);

/// The links between all nodes.
#[derive(Debug)]
pub(crate) struct Fabric {
    links: Vec<Wire>,
    faults: BTreeMap<FaultId, BTreeMap<LinkId, LinkRules>>,
}

#[derive(Debug)]
struct Wire {
    id: LinkId,
    link: Link,
    counts: LinkCounts,
}

impl Fabric {
    /// Makes the links, all of which pass everything.
    pub(crate) fn new(seed: Seed, links: impl IntoIterator<Item = LinkId>) -> Self {
        let wire = |id: LinkId| Wire {
            id,
            link: Link::new(seed, id),
            counts: LinkCounts { from: id.from.0, to: id.to.0, ..LinkCounts::default() },
        };
        Self { links: links.into_iter().map(wire).collect(), faults: BTreeMap::new() }
    }

    /// Puts a fault in force; one of the same name is replaced.
    pub(crate) fn begin(&mut self, fault: FaultId, rules: BTreeMap<LinkId, LinkRules>) {
        self.faults.insert(fault, rules);
        self.apply();
    }

    /// Ends a fault; the others stay.
    pub(crate) fn end(&mut self, fault: FaultId) {
        self.faults.remove(&fault);
        self.apply();
    }

    /// Ends all faults.
    pub(crate) fn heal(&mut self) {
        self.faults.clear();
        self.apply();
    }

    /// Decides about a packet and counts it.
    pub(crate) fn decide(&mut self, index: LinkIndex, size: usize, now: Duration) -> Verdict {
        let wire = &mut self.links[index.0];
        let verdict = wire.link.verdict(size, now);
        match verdict {
            Verdict::Deliver(copies) => count(&mut wire.counts, &copies),
            Verdict::Drop(DropReason::Cut) => wire.counts.cut += 1,
            Verdict::Drop(DropReason::Lost) => wire.counts.lost += 1,
            Verdict::Drop(DropReason::Overflow) => wire.counts.overflowed += 1,
        }
        verdict
    }

    /// Corrects the count of a copy that was to be delivered, but found no room.
    pub(crate) fn overflowed(&mut self, index: LinkIndex) {
        let counts = &mut self.links[index.0].counts;
        counts.delivered -= 1;
        counts.overflowed += 1;
    }

    /// Finds a link by its name.
    pub(crate) fn index(&self, id: LinkId) -> Option<LinkIndex> {
        self.links.iter().position(|wire| wire.id == id).map(LinkIndex)
    }

    /// Returns the counters of all links.
    pub(crate) fn counts(&self) -> Vec<LinkCounts> {
        self.links.iter().map(|wire| wire.counts).collect()
    }

    /// Returns the nodes that some link touches.
    #[cfg(test)]
    fn nodes(&self) -> std::collections::BTreeSet<NodeId> {
        self.links.iter().flat_map(|wire| [wire.id.from, wire.id.to]).collect()
    }

    fn apply(&mut self) {
        for wire in &mut self.links {
            let on_link = self.faults.values().filter_map(|rules| rules.get(&wire.id));
            wire.link
                .set_rules(on_link.fold(LinkRules::default(), |sum, rules| sum.joined(*rules)));
        }
    }
}

/// The clients' place in the network: no node of the system has this number.
pub const CLIENTS: NodeId = NodeId(0);

fn count(counts: &mut LinkCounts, copies: &Copies) {
    counts.delivered += 1 + u64::from(copies.second.is_some());
    counts.delayed += u64::from(!copies.first.is_zero());
    counts.duplicated += u64::from(copies.second.is_some());
    counts.reordered += u64::from(copies.reordered);
    counts.corrupted += u64::from(copies.corrupt_bit.is_some());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{PartsPerMillion, Shape, all_links};

    fn fabric() -> Fabric {
        let nodes = [NodeId(1), NodeId(2), NodeId(3)];
        Fabric::new(Seed(1), all_links(&nodes))
    }

    fn cut(shape: &Shape) -> BTreeMap<LinkId, LinkRules> {
        shape.cuts().into_iter().map(|link| (link, LinkRules::CUT)).collect()
    }

    fn passes(fabric: &mut Fabric, from: u16, to: u16) -> bool {
        let index = fabric.index(LinkId::new(NodeId(from), NodeId(to))).expect("a link");
        matches!(fabric.decide(index, 100, Duration::ZERO), Verdict::Deliver(_))
    }

    #[test]
    fn faults_overlap_and_end_apart() {
        let mut fabric = fabric();
        let nodes: Vec<NodeId> = fabric.nodes().into_iter().collect();
        fabric.begin(FaultId(1), cut(&Shape::isolate(NodeId(1), &nodes)));
        fabric.begin(FaultId(2), cut(&Shape::mute(NodeId(1), &nodes)));
        assert!(!passes(&mut fabric, 1, 2) && !passes(&mut fabric, 2, 1));
        assert!(passes(&mut fabric, 2, 3));
        fabric.end(FaultId(1));
        assert!(!passes(&mut fabric, 1, 2), "the second fault is still in force");
        assert!(passes(&mut fabric, 2, 1));
        fabric.heal();
        assert!(passes(&mut fabric, 1, 2));
        let counts = fabric.counts();
        let link = counts.iter().find(|c| (c.from, c.to) == (1, 2)).expect("a link");
        assert_eq!((link.cut, link.delivered), (2, 1));
    }

    #[test]
    fn every_packet_is_counted_once() {
        let mut fabric = fabric();
        let link = LinkId::new(NodeId(1), NodeId(2));
        let rules = LinkRules {
            loss: PartsPerMillion::percent(30),
            duplicate: PartsPerMillion::percent(30),
            ..LinkRules::default()
        };
        fabric.begin(FaultId(1), BTreeMap::from([(link, rules)]));
        let index = fabric.index(link).expect("a link");
        for _ in 0..1_000 {
            fabric.decide(index, 100, Duration::ZERO);
        }
        fabric.overflowed(index);
        let counts = fabric.counts().into_iter().find(|c| (c.from, c.to) == (1, 2));
        let counts = counts.expect("a link");
        assert!(counts.lost > 0 && counts.duplicated > 0);
        let once = counts.delivered + counts.lost + counts.overflowed - counts.duplicated;
        assert_eq!(once, 1_000);
    }
}
