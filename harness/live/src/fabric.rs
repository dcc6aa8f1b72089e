//! All directed links of a run, with what each did to its packets and streams.
//!
//! The relays ask it about every packet and the pipes about every chunk; the nemesis changes its
//! rules through named faults that may overlap; the judge reads its counters. It owns no socket.
//! The claims kept true: a link obeys the joint rules of all faults in force; every packet that
//! came is in exactly one of the counters delivered, lost, cut and overflowed, and each double once
//! more in delivered; what is counted of a stream is what its receiver was given, or kept from.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use synod_fault::{
    ChunkVerdict, Copies, DropReason, FaultId, JointRules, Link, LinkId, LinkRules, StreamLink,
    Transport, UnfitRule, Verdict, check_fit,
};
use synod_report::{LinkCounts, SeenMessages, StreamCounts};
use synod_rng::Seed;

use super::messages::{self, Messages};

/// The position of a link in its fabric, which relays and pipes keep instead of the name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LinkIndex {
    place: usize,
    /// Whether what is decided about is a tracer.
    tracer: bool,
}

impl LinkIndex {
    /// Returns the same link for tracers: they obey its rules, and are in counts of their own.
    pub(crate) const fn of_tracers(self) -> Self {
        Self { tracer: true, ..self }
    }
}

/// The links between all nodes.
#[derive(Debug)]
pub(crate) struct Fabric {
    links: Vec<Wire>,
    faults: JointRules,
    messages: Messages,
    /// When its time began.
    start: Instant,
}

#[derive(Debug)]
struct Wire {
    id: LinkId,
    carries: Carries,
}

/// What a link carries, and what it did.
#[derive(Debug)]
enum Carries {
    Packets { link: Link, counts: LinkCounts, of_tracers: LinkCounts },
    Streams { link: StreamLink, counts: StreamCounts, of_tracers: StreamCounts },
}

impl Fabric {
    /// Makes the links, all of which pass everything.
    pub(crate) fn new(seed: Seed, links: impl IntoIterator<Item = (LinkId, Transport)>) -> Self {
        let wire = |(id, transport)| Wire { id, carries: Carries::new(seed, id, transport) };
        Self {
            links: links.into_iter().map(wire).collect(),
            faults: JointRules::default(),
            messages: Messages::default(),
            start: Instant::now(),
        }
    }

    /// Returns when its time began, from which relays and pipes count.
    pub(crate) const fn start(&self) -> Instant {
        self.start
    }

    /// Puts a fault in force; one of the same name is replaced. Links that are not there are not
    /// hit.
    ///
    /// # Errors
    ///
    /// [`UnfitRule`] if a link cannot obey; nothing has changed then.
    pub(crate) fn begin(
        &mut self,
        fault: FaultId,
        rules: BTreeMap<LinkId, LinkRules>,
    ) -> Result<(), UnfitRule> {
        check_fit(&rules, |id| {
            // What is said of a link that the run does not have changes nothing.
            let wire = self.links.iter().find(|wire| wire.id == id)?;
            Some(wire.carries.transport())
        })?;
        self.faults.begin(fault, rules);
        self.apply();
        Ok(())
    }

    /// Ends a fault; the others stay.
    pub(crate) fn end(&mut self, fault: FaultId) {
        self.faults.end(fault);
        self.apply();
    }

    /// Ends all faults.
    pub(crate) fn heal(&mut self) {
        self.faults.clear();
        self.apply();
    }

    /// Decides about a packet and counts it.
    pub(crate) fn decide(&mut self, index: LinkIndex, size: usize, now: Duration) -> Verdict {
        let (link, counts) = self.packets(index);
        let verdict = link.verdict(size, now);
        match verdict {
            Verdict::Deliver(copies) => count(counts, &copies),
            Verdict::Drop(DropReason::Cut) => counts.cut += 1,
            Verdict::Drop(DropReason::Lost) => counts.lost += 1,
            Verdict::Drop(DropReason::Overflow) => counts.overflowed += 1,
        }
        if let (Verdict::Drop(why), Some(id)) = (verdict, self.carries_messages(index)) {
            self.messages.dropped(id, size, now, why);
        }
        verdict
    }

    /// Takes note that a packet was given to its receiver, or bytes of a stream were.
    pub(crate) fn came(&mut self, index: LinkIndex, bytes: usize, sent: Duration, now: Duration) {
        if let Some(id) = self.carries_messages(index) {
            self.messages.came(id, bytes, sent, now);
        }
    }

    /// Takes note that a cut keeps bytes of a stream back.
    pub(crate) fn held(&mut self, index: LinkIndex, bytes: usize, now: Duration) {
        if let Some(id) = self.carries_messages(index) {
            self.messages.held(id, bytes, now);
        }
    }

    /// Returns what was carried since a run began, as far back as is remembered.
    pub(crate) fn messages_since(&self, run: Instant) -> SeenMessages {
        self.messages.since(messages::offset(self.start, run))
    }

    /// Returns the link of what is carried, unless that is a tracer.
    fn carries_messages(&self, index: LinkIndex) -> Option<LinkId> {
        (!index.tracer).then(|| self.links[index.place].id)
    }

    /// Corrects the count of a copy that was to be delivered, but found no room.
    pub(crate) fn overflowed(&mut self, index: LinkIndex, size: usize, now: Duration) {
        let (_, counts) = self.packets(index);
        // The link had decided to deliver it, and was counted so, before the socket or the queue
        // had no room.
        counts.delivered -= 1;
        counts.overflowed += 1;
        if let Some(id) = self.carries_messages(index) {
            self.messages.dropped(id, size, now, DropReason::Overflow);
        }
    }

    /// Decides about a chunk of a stream. It counts nothing: the receiver has not got it yet.
    pub(crate) fn chunk(&mut self, index: LinkIndex, size: usize, now: Duration) -> ChunkVerdict {
        self.streams(index).0.chunk(size, now)
    }

    /// Returns a link of streams and its counters, for the pipe that carries them.
    pub(crate) fn streams(&mut self, index: LinkIndex) -> (&mut StreamLink, &mut StreamCounts) {
        match &mut self.links[index.place].carries {
            Carries::Streams { link, counts, of_tracers } => {
                (link, if index.tracer { of_tracers } else { counts })
            }
            Carries::Packets { .. } => panic!("a pipe was given a link of packets"),
        }
    }

    /// Finds a link by its name.
    pub(crate) fn index(&self, id: LinkId) -> Option<LinkIndex> {
        let place = self.links.iter().position(|wire| wire.id == id)?;
        Some(LinkIndex { place, tracer: false })
    }

    /// Returns the counters of all links.
    pub(crate) fn counts(&self) -> Vec<LinkCounts> {
        let counts = |wire: &Wire| match wire.carries {
            Carries::Packets { counts, .. } => counts,
            Carries::Streams { counts, .. } => {
                let (from, to) = (wire.id.from.0, wire.id.to.0);
                LinkCounts { from, to, stream: Some(counts), ..LinkCounts::default() }
            }
        };
        self.links.iter().map(counts).collect()
    }

    /// Returns the nodes that some link touches.
    #[cfg(test)]
    fn nodes(&self) -> std::collections::BTreeSet<synod_fault::NodeId> {
        self.links.iter().flat_map(|wire| [wire.id.from, wire.id.to]).collect()
    }

    fn packets(&mut self, index: LinkIndex) -> (&mut Link, &mut LinkCounts) {
        match &mut self.links[index.place].carries {
            Carries::Packets { link, counts, of_tracers } => {
                (link, if index.tracer { of_tracers } else { counts })
            }
            Carries::Streams { .. } => panic!("a relay was given a link of streams"),
        }
    }

    fn apply(&mut self) {
        for wire in &mut self.links {
            let rules = self.faults.on(wire.id, LinkRules::default());
            match &mut wire.carries {
                Carries::Packets { link, .. } => link.set_rules(rules),
                Carries::Streams { link, .. } => link.set_rules(rules),
            }
        }
    }
}

impl Carries {
    fn new(seed: Seed, id: LinkId, transport: Transport) -> Self {
        match transport {
            Transport::Udp => Self::Packets {
                link: Link::new(seed, id),
                counts: LinkCounts { from: id.from.0, to: id.to.0, ..LinkCounts::default() },
                of_tracers: LinkCounts::default(),
            },
            Transport::Tcp => Self::Streams {
                link: StreamLink::new(seed, id),
                counts: StreamCounts::default(),
                of_tracers: StreamCounts::default(),
            },
        }
    }

    fn transport(&self) -> Transport {
        match self {
            Self::Packets { .. } => Transport::Udp,
            Self::Streams { .. } => Transport::Tcp,
        }
    }
}

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
    use synod_fault::{NodeId, PartsPerMillion, Shape, all_links};

    fn fabric() -> Fabric {
        let nodes = [NodeId(1), NodeId(2), NodeId(3)];
        Fabric::new(Seed(1), all_links(&nodes).into_iter().map(|link| (link, Transport::Udp)))
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
        assert_eq!(fabric.begin(FaultId(1), cut(&Shape::isolate(NodeId(1), &nodes))), Ok(()));
        assert_eq!(fabric.begin(FaultId(2), cut(&Shape::mute(NodeId(1), &nodes))), Ok(()));
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
        assert_eq!(fabric.begin(FaultId(1), BTreeMap::from([(link, rules)])), Ok(()));
        let index = fabric.index(link).expect("a link");
        for _ in 0..1_000 {
            fabric.decide(index, 100, Duration::ZERO);
        }
        fabric.overflowed(index, 100, Duration::ZERO);
        let counts = fabric.counts().into_iter().find(|c| (c.from, c.to) == (1, 2));
        let counts = counts.expect("a link");
        assert!(counts.lost > 0 && counts.duplicated > 0);
        let once = counts.delivered + counts.lost + counts.overflowed - counts.duplicated;
        assert_eq!(once, 1_000);
        // What was dropped is a message already; what was let pass is one when it is given.
        let seen = |fabric: &Fabric| fabric.messages_since(fabric.start()).messages.len() as u64;
        let dropped = seen(&fabric);
        assert_eq!(dropped, counts.lost + counts.overflowed);
        fabric.came(index.of_tracers(), 100, Duration::ZERO, Duration::ZERO);
        fabric.came(index, 100, Duration::ZERO, Duration::ZERO);
        assert_eq!(seen(&fabric), dropped + 1);
    }

    #[test]
    fn a_rule_that_a_link_cannot_obey_is_refused_and_changes_nothing() {
        let link = LinkId::new(NodeId(1), NodeId(2));
        let mut fabric = Fabric::new(Seed(1), [(link, Transport::Tcp)]);
        let index = fabric.index(link).expect("a link");
        let lossy = LinkRules { loss: PartsPerMillion::percent(5), ..LinkRules::CUT };
        let error = fabric.begin(FaultId(1), BTreeMap::from([(link, lossy)]));
        assert_eq!(error.expect_err("streams lose nothing").rule, "loss");
        assert!(!fabric.streams(index).0.is_cut());
        let nowhere = LinkId::new(NodeId(8), NodeId(9));
        assert_eq!(fabric.begin(FaultId(1), BTreeMap::from([(nowhere, lossy)])), Ok(()));
        assert_eq!(fabric.begin(FaultId(1), BTreeMap::from([(link, LinkRules::CUT)])), Ok(()));
        assert!(fabric.streams(index).0.is_cut());
        assert!(fabric.counts()[0].stream.is_some());
    }
}
