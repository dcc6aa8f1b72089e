//! The network_faults: which faults are in force, and what they make of links and packets.
//!
//! Every directed link keeps its own dice; the network_faults sets its rules as faults come and go,
//! the harsher rule winning. A fault counts as effective once something was really lost, held back,
//! ended or refused because of it: a plan whose faults hit nothing has tested nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use synod_fault::{DropReason, Link, LinkId, LinkRules, NodeId, Verdict};

use super::Address;
use super::event_queue::Micros;
use super::plan::{Action, Plan};

/// What no packet is faster than.
const FLIGHT_US: u64 = 50;

/// The number that the first client has among the ends of links.
const FIRST_CLIENT: u16 = 1_000;

/// The links and the faults in force.
#[derive(Clone, Debug)]
pub(super) struct NetworkFaults {
    nodes: u16,
    clients: u16,
    links: Vec<Link>,
    base: LinkRules,
    client_base: LinkRules,
    active: Vec<Active>,
    /// How often each fault of the plan had an effect.
    effects: Vec<u64>,
}

/// A fault in force, as far as links are concerned.
#[derive(Clone, Debug)]
struct Active {
    fault: usize,
    action: Action,
    cuts: BTreeSet<LinkId>,
    /// Whether a flapping fault cuts at the moment.
    cutting: bool,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Delivery {
    pub(super) first: Option<Micros>,
    pub(super) second: Option<Micros>,
}

impl NetworkFaults {
    pub(super) fn new(plan: &Plan) -> Self {
        let clients = u16::try_from(plan.clients).expect("fewer than 60,000 clients");
        let mut network_faults = Self {
            nodes: plan.nodes,
            clients,
            links: Vec::new(),
            base: plan.links,
            client_base: plan.client_links,
            active: Vec::new(),
            effects: vec![0; plan.faults.len()],
        };
        let ends = plan.nodes + clients;
        for from in 0..ends {
            for to in 0..ends {
                let id = LinkId::new(network_faults.end(from), network_faults.end(to));
                network_faults.links.push(Link::new(plan.seed, id));
            }
        }
        network_faults.set_rules();
        network_faults
    }

    /// Asks the link between two ends about a packet.
    pub(super) fn packet(
        &mut self,
        from: Address,
        to: Address,
        bytes: usize,
        now: Micros,
    ) -> Delivery {
        let (from, to) = (self.place(from), self.place(to));
        let ends = usize::from(self.nodes + self.clients);
        let link = &mut self.links[usize::from(from) * ends + usize::from(to)];
        let verdict = link.verdict(bytes, Duration::from_micros(now.0));
        let id = LinkId::new(self.end(from), self.end(to));
        match verdict {
            Verdict::Drop(DropReason::Cut) => self.note_cut(id),
            Verdict::Drop(DropReason::Lost | DropReason::Overflow) => self.note_disturbed(id),
            Verdict::Deliver(copies) => {
                let at = |delay: Duration| {
                    let micros = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
                    now.plus(Micros(FLIGHT_US)).plus(Micros(micros))
                };
                let slow = copies.first > self.base_delay(id);
                if copies.second.is_some() || copies.reordered || slow {
                    self.note_disturbed(id);
                }
                // A damaged packet fails its authentication, and is as good as lost.
                if copies.corrupt_bit.is_none() {
                    return Delivery {
                        first: Some(at(copies.first)),
                        second: copies.second.map(at),
                    };
                }
                self.note_disturbed(id);
            }
        }
        Delivery::default()
    }

    pub(super) fn begin(&mut self, fault: usize, action: &Action) {
        let cuts = action.cuts();
        self.active.push(Active { fault, action: action.clone(), cuts, cutting: true });
        self.set_rules();
    }

    /// Turns a flapping fault around; says whether it is in force at all.
    pub(super) fn toggle(&mut self, fault: usize) -> bool {
        let Some(active) = self.active.iter_mut().find(|active| active.fault == fault) else {
            return false;
        };
        active.cutting = !active.cutting;
        self.set_rules();
        true
    }

    /// Ends a fault; says whether it was in force.
    pub(super) fn end_fault(&mut self, fault: usize) -> bool {
        let before = self.active.len();
        self.active.retain(|active| active.fault != fault);
        self.set_rules();
        self.active.len() < before
    }

    /// Returns the faults in force.
    pub(super) fn in_force(&self) -> Vec<usize> {
        self.active.iter().map(|active| active.fault).collect()
    }

    /// From here on the links are as good as they ever are: no loss, no doubles, no reordering.
    pub(super) fn heal(&mut self) {
        let calm = |rules: LinkRules| LinkRules {
            delay_ms: rules.delay_ms,
            jitter_ms: rules.jitter_ms,
            ..LinkRules::default()
        };
        self.base = calm(self.base);
        self.client_base = calm(self.client_base);
        self.set_rules();
    }

    /// Notes that a fault did something.
    pub(super) fn note(&mut self, fault: usize) {
        self.effects[fault] += 1;
    }

    /// Notes that the faults in force that `which` picks did something.
    pub(super) fn note_where(&mut self, which: impl Fn(&Action) -> bool) {
        for active in self.active.iter().filter(|active| which(&active.action)) {
            self.effects[active.fault] += 1;
        }
    }

    /// Counts the faults that did something.
    pub(super) fn effective(&self) -> u64 {
        self.effects.iter().filter(|effects| **effects > 0).count() as u64
    }

    /// Returns whether a packet from one node to another would pass a cut.
    pub(super) fn is_open(&self, from: NodeId, to: NodeId) -> bool {
        let ends = usize::from(self.nodes + self.clients);
        let place = usize::from(from.0 - 1) * ends + usize::from(to.0 - 1);
        !self.links[place].rules().cut
    }

    fn note_cut(&mut self, link: LinkId) {
        for active in self.active.iter().filter(|active| active.cutting) {
            if active.cuts.contains(&link) {
                self.effects[active.fault] += 1;
            }
        }
    }

    fn note_disturbed(&mut self, link: LinkId) {
        let of_clients = is_client(link);
        self.note_where(|action| action.disturbance(of_clients).is_some());
    }

    fn base_delay(&self, link: LinkId) -> Duration {
        let rules = if is_client(link) { self.client_base } else { self.base };
        rules.delay_ms.duration() + rules.jitter_ms.duration()
    }

    fn set_rules(&mut self) {
        let ends = self.nodes + self.clients;
        for from in 0..ends {
            for to in 0..ends {
                let id = LinkId::new(self.end(from), self.end(to));
                let rules = self.rules(id);
                let place = usize::from(from) * usize::from(ends) + usize::from(to);
                if *self.links[place].rules() != rules {
                    self.links[place].set_rules(rules);
                }
            }
        }
    }

    fn rules(&self, link: LinkId) -> LinkRules {
        let of_clients = is_client(link);
        let mut rules = if of_clients { self.client_base } else { self.base };
        for active in &self.active {
            rules.cut |= active.cutting && active.cuts.contains(&link);
            if let Some(more) = active.action.disturbance(of_clients) {
                rules = rules.joined(more);
            }
        }
        rules
    }

    fn place(&self, address: Address) -> u16 {
        match address {
            Address::Node(node) => node.0 - 1,
            Address::Client(client) => {
                self.nodes + u16::try_from(client).expect("fewer than 60,000 clients")
            }
        }
    }

    fn end(&self, place: u16) -> NodeId {
        NodeId(if place < self.nodes { place + 1 } else { FIRST_CLIENT + place - self.nodes })
    }
}

fn is_client(link: LinkId) -> bool {
    link.from.0 >= FIRST_CLIENT || link.to.0 >= FIRST_CLIENT
}
