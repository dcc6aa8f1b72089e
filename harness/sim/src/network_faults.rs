//! The links of a simulated network, and what the faults in force make of them.
//!
//! Every directed link keeps its own dice; its rules are set as faults come and go. What several
//! faults are together is decided by `synod-fault`; here every packet is asked about, and what
//! became of it is told to the faults that it is an effect of. To a fault all clients are one.

use std::time::Duration;

use synod_fault::{
    Action, Active, CLIENTS, Copies, DropReason, FaultId, InForce, Link, LinkId, LinkRules, NodeId,
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
        network_faults.links = network_faults.ids().map(|id| Link::new(plan.seed, id)).collect();
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
        let Some(link) = self.index(from, to) else {
            // Clients are in one place to every fault: none comes between two of them.
            return Delivery { first: Some(now.plus(Micros(FLIGHT_US))), second: None };
        };
        let verdict = self.links[link].verdict(bytes, Duration::from_micros(now.0));
        let id = LinkId::new(self.end(from), self.end(to));
        match verdict {
            Verdict::Drop(DropReason::Cut) => self.in_force.note_cut(place_of(id)),
            Verdict::Drop(DropReason::Lost) => self.note(id, |rules| rules.loss.0 > 0),
            Verdict::Drop(DropReason::Overflow) => self.note(id, |rules| rules.rate.is_some()),
            Verdict::Deliver(copies) => {
                self.note_copies(id, copies);
                // A damaged packet fails its authentication, and is as good as lost.
                if copies.corrupt_bit.is_none() {
                    let at = |delay: Duration| {
                        let micros = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
                        now.plus(Micros(FLIGHT_US)).plus(Micros(micros))
                    };
                    return Delivery {
                        first: Some(at(copies.first)),
                        second: copies.second.map(at),
                    };
                }
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
    pub(super) fn note_effect(&mut self, fault: FaultId) {
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
        let link = self.index(from.0 - 1, to.0 - 1);
        link.is_none_or(|link| !self.links[link].rules().cut)
    }

    /// Notes what became of a packet of a link, for the faults that asked for it.
    fn note(&mut self, link: LinkId, asked: impl Fn(&LinkRules) -> bool) {
        let base = self.base_of(link);
        self.in_force.note_disturbed(place_of(link), |rules| asked(&rules.beyond(base)));
    }

    /// Returns what a link does without a fault.
    fn base_of(&self, link: LinkId) -> LinkRules {
        if is_client(link) { self.client_base } else { self.base }
    }

    /// Notes what became of the copies of a packet.
    fn note_copies(&mut self, link: LinkId, copies: Copies) {
        let Copies { first, second, corrupt_bit, reordered } = copies;
        let (doubled, damaged) = (second.is_some(), corrupt_bit.is_some());
        // What lets others overtake it is late for that reason already.
        let slow = !reordered && first > self.base_delay(link);
        if doubled || damaged || reordered || slow {
            self.note(link, |rules| {
                (doubled && rules.duplicate.0 > 0)
                    || (damaged && rules.corrupt.0 > 0)
                    || (reordered && (rules.reorder.0 > 0 || rules.reorder_late_ms.0 > 0))
                    || (slow && delays(rules))
            });
        }
    }

    fn base_delay(&self, link: LinkId) -> Duration {
        let rules = self.base_of(link);
        rules.delay_ms.duration() + rules.jitter_ms.duration()
    }

    fn set_rules(&mut self) {
        let rules: Vec<LinkRules> = self.ids().map(|id| self.rules(id)).collect();
        for (link, rules) in self.links.iter_mut().zip(rules) {
            if *link.rules() != rules {
                link.set_rules(rules);
            }
        }
    }

    /// Names all links, in their order: from each node to all ends, then from each client to all
    /// nodes. There is none between two clients: of thousands there would be millions.
    fn ids(&self) -> impl Iterator<Item = LinkId> {
        let (nodes, ends) = (self.nodes, self.nodes + self.clients);
        let reached = move |from| if from < nodes { 0..ends } else { 0..nodes };
        let pairs = (0..ends).flat_map(move |from| reached(from).map(move |to| (from, to)));
        pairs.map(|(from, to)| LinkId::new(self.end(from), self.end(to)))
    }

    /// Returns the place of a link in that order.
    fn index(&self, from: u16, to: u16) -> Option<usize> {
        let (nodes, ends) = (usize::from(self.nodes), usize::from(self.nodes + self.clients));
        let (from, to) = (usize::from(from), usize::from(to));
        if from < nodes {
            return Some(from * ends + to);
        }
        (to < nodes).then(|| nodes * ends + (from - nodes) * nodes + to)
    }

    fn rules(&self, link: LinkId) -> LinkRules {
        self.in_force.on_link(place_of(link), self.base_of(link))
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

fn delays(rules: &LinkRules) -> bool {
    rules.delay_ms.0 > 0 || rules.jitter_ms.0 > 0 || rules.rate.is_some()
}

fn is_client(link: LinkId) -> bool {
    link.from.0 >= FIRST_CLIENT || link.to.0 >= FIRST_CLIENT
}

/// Returns the link as faults name it: to them, all clients are in one place.
fn place_of(link: LinkId) -> LinkId {
    let place = |end: NodeId| if end.0 >= FIRST_CLIENT { CLIENTS } else { end };
    LinkId::new(place(link.from), place(link.to))
}

#[cfg(test)]
mod tests {
    use synod_fault::{Millis, PartsPerMillion, PlannedFault, Target};
    use synod_rng::Seed;

    use super::*;

    const THERE: (Address, Address) = (Address::Node(NodeId(1)), Address::Node(NodeId(2)));

    fn network(base: LinkRules, actions: &[(Action, Target)]) -> NetworkFaults {
        let mut plan = Scenario::calm(Seed(3), 3, Millis(1_000));
        plan.conditions.links = base;
        let fault = |(action, target): &(Action, Target)| {
            PlannedFault::new(Millis(0), Millis(1), action.clone(), target.clone())
        };
        plan.faults = actions.iter().map(fault).collect();
        let mut network = NetworkFaults::new(&plan);
        for (place, (action, target)) in (0..).zip(actions) {
            let on = ResolvedTarget::resolve(action, target, None, &plan.node_ids());
            network.begin(FaultId(place), action, on);
        }
        network
    }

    /// Sends packets over the link and returns what was noted of each fault.
    fn effects(network: &mut NetworkFaults, faults: u32) -> Vec<u64> {
        for number in 0..2_000 {
            network.packet(THERE.0, THERE.1, 100, Micros(number));
        }
        (0..faults).map(|fault| network.in_force.effects(FaultId(fault))).collect()
    }

    #[test]
    fn what_a_node_hears_late_is_an_effect_as_what_all_hear_late_is() {
        let late = LinkRules { delay_ms: Millis(80), ..LinkRules::default() };
        let to_the_second = (Action::DisturbInbound(late), Target::Node(NodeId(2)));
        let to_the_first = (Action::DisturbInbound(late), Target::Node(NodeId(1)));
        let mut network = network(LinkRules::default(), &[to_the_second, to_the_first]);
        assert_eq!(effects(&mut network, 2), [2_000, 0]);
    }

    #[test]
    fn what_links_do_all_the_time_is_no_effect_of_a_fault_that_asks_for_something_else() {
        let some = PartsPerMillion::percent(20);
        let base = LinkRules {
            loss: some,
            duplicate: some,
            reorder: some,
            reorder_late_ms: Millis(30),
            ..LinkRules::default()
        };
        let damaging = LinkRules { corrupt: PartsPerMillion(1), ..LinkRules::default() };
        let late = LinkRules { delay_ms: Millis(1), ..LinkRules::default() };
        let of = |rules| (Action::Disturb(rules), Target::All);
        assert_eq!(effects(&mut network(base, &[of(damaging)]), 1), [0]);
        let seen = effects(&mut network(base, &[of(damaging), of(late)]), 2);
        assert!(seen[0] == 0 && seen[1] > 500, "{seen:?}");
    }

    #[test]
    fn what_links_do_all_the_time_is_no_effect_of_a_fault_that_asks_for_no_more() {
        let lossy =
            |percent| LinkRules { loss: PartsPerMillion::percent(percent), ..LinkRules::default() };
        let of = |percent| (Action::Disturb(lossy(percent)), Target::All);
        let seen = effects(&mut network(lossy(20), &[of(10), of(20), of(60)]), 3);
        assert!(seen[..2] == [0, 0] && seen[2] > 500, "{seen:?}");
    }

    #[test]
    fn every_link_has_a_place_of_its_own_and_thousands_of_clients_have_no_millions_of_them() {
        let mut plan = Scenario::calm(Seed(1), 9, Millis(1_000));
        plan.clients = synod_fault::CLIENTS_MAX;
        let network = NetworkFaults::new(&plan);
        assert_eq!(network.links.len(), 9 * 9 + 2 * 9 * 4_096);
        let ends = network.nodes + network.clients;
        for (place, id) in network.ids().enumerate() {
            let number = |end: NodeId| (0..ends).position(|place| network.end(place) == end);
            if place % 4_001 == 0 || place < 30 {
                let (from, to) = (number(id.from).expect("an end"), number(id.to).expect("an end"));
                assert_eq!(network.index(from as u16, to as u16), Some(place), "{id}");
            }
        }
        assert_eq!(network.index(9, 10), None);
    }
}
