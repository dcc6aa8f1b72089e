//! The links of a simulated network, and what the faults in force make of them.
//!
//! Every directed link keeps its own dice; its rules are set as faults come and go. What several
//! faults are together is decided by `synod-fault`; here every packet is asked about, and what
//! became of it is told to the faults that it is an effect of. To a fault all clients are one.

use std::time::Duration;

use synod_fault::{
    Action, Active, CLIENTS, DropReason, FaultId, InForce, Link, LinkId, LinkRules, NodeId,
    ResolvedTarget, Scenario, Verdict,
};

use super::Address;
use super::event_queue::Micros;

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
    in_force: InForce,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Delivery {
    pub(super) first: Option<Micros>,
    pub(super) second: Option<Micros>,
}

impl NetworkFaults {
    pub(super) fn new(plan: &Scenario) -> Self {
        let clients = u16::try_from(plan.clients).expect("fewer than 60,000 clients");
        let mut network_faults = Self {
            nodes: plan.nodes,
            clients,
            links: Vec::new(),
            base: plan.conditions.links,
            client_base: plan.conditions.client_links,
            in_force: InForce::of(plan.faults.len()),
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
            Verdict::Drop(DropReason::Cut) => self.in_force.note_cut(place_of(id)),
            Verdict::Drop(DropReason::Lost | DropReason::Overflow) => {
                self.in_force.note_disturbed(place_of(id))
            }
            Verdict::Deliver(copies) => {
                let at = |delay: Duration| {
                    let micros = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
                    now.plus(Micros(FLIGHT_US)).plus(Micros(micros))
                };
                let slow = copies.first > self.base_delay(id);
                if copies.second.is_some() || copies.reordered || slow {
                    self.in_force.note_disturbed(place_of(id));
                }
                // A damaged packet fails its authentication, and is as good as lost.
                if copies.corrupt_bit.is_none() {
                    return Delivery {
                        first: Some(at(copies.first)),
                        second: copies.second.map(at),
                    };
                }
                self.in_force.note_disturbed(place_of(id));
            }
        }
        Delivery::default()
    }

    pub(super) fn begin(&mut self, fault: FaultId, action: &Action, on: ResolvedTarget) {
        self.in_force.begin(fault, action.clone(), on);
        self.set_rules();
    }

    /// Turns a flapping fault around; says whether it is in force at all.
    pub(super) fn toggle(&mut self, fault: FaultId) -> bool {
        let turned = self.in_force.toggle(fault).is_some();
        if turned {
            self.set_rules();
        }
        turned
    }

    /// Ends a fault; returns it if it was in force.
    pub(super) fn end_fault(&mut self, fault: FaultId) -> Option<Active> {
        let ended = self.in_force.end(fault);
        self.set_rules();
        ended
    }

    /// Returns the faults in force.
    pub(super) fn in_force(&self) -> &InForce {
        &self.in_force
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
    pub(super) fn note(&mut self, fault: FaultId) {
        self.in_force.note(fault);
    }

    /// Notes that the faults in force that `which` picks did something.
    pub(super) fn note_where(&mut self, which: impl Fn(&Active) -> bool) {
        self.in_force.note_where(which);
    }

    /// Counts the faults that did something.
    pub(super) fn effective(&self) -> u64 {
        self.in_force.effective()
    }

    /// Returns whether a packet from one node to another would pass a cut.
    pub(super) fn is_open(&self, from: NodeId, to: NodeId) -> bool {
        let ends = usize::from(self.nodes + self.clients);
        let place = usize::from(from.0 - 1) * ends + usize::from(to.0 - 1);
        !self.links[place].rules().cut
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
        let base = if is_client(link) { self.client_base } else { self.base };
        self.in_force.on_link(place_of(link), base)
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

/// Returns the link as faults name it: to them, all clients are in one place.
fn place_of(link: LinkId) -> LinkId {
    let place = |end: NodeId| if end.0 >= FIRST_CLIENT { CLIENTS } else { end };
    LinkId::new(place(link.from), place(link.to))
}
