//! Pinned clients: those that ask one node alone, whoever leads.
//!
//! Which clients are, and whom they ask, is the scenario's to say, with one draw for both worlds. A
//! leader that was deposed and does not know is shown by whoever asks it still. A client that is
//! pinned to a follower is sent away by it and stays: it is served once its node leads, and told
//! who leads until then. The claims kept true: until the last reads no request of such a client's
//! own goes to another node; and those go to whoever leads, as in a run of real processes.

use synod_fault::Scenario;
use synod_paxos::NodeId;
use synod_simulator::Micros;
use synod_smr::client::Client;
use synod_smr::{ClientId, Refusal, RequestId, Response};

use super::SimClient;
use super::access::Access;
use crate::coverage::Point;
use crate::monitor::Monitor;

/// The one node that a client asks.
#[derive(Debug)]
pub(super) struct Pin {
    node: NodeId,
    /// The last request that the node was sent, and when.
    asked: Option<(RequestId, Micros)>,
    /// When the last request was sent of those to which the node said anything.
    told: Option<Micros>,
}

impl Pin {
    /// Returns the pin that a plan has for a client, if it has one.
    pub(super) fn of(number: u32, plan: &Scenario) -> Option<Self> {
        let node = NodeId::new(plan.pin_of(number)?.0);
        Some(Self { node, asked: None, told: None })
    }

    pub(super) const fn node(&self) -> NodeId {
        self.node
    }
}

impl SimClient {
    /// Returns the node that it asks alone, if it does.
    #[must_use]
    pub fn pin(&self) -> Option<NodeId> {
        self.pin.as_ref().map(|pin| pin.node)
    }

    /// Tells whether its node has said something to a request that was sent since.
    #[must_use]
    pub fn was_told_since(&self, instant: Micros) -> bool {
        let told = self.pin.as_ref().and_then(|pin| pin.told);
        told.is_some_and(|told| told >= instant)
    }

    /// Lets it ask whoever leads from here on, which it may as long as it has nothing open. It
    /// begins as another client, for what it knows of nodes is of one alone.
    pub(super) fn unpin(&mut self) {
        assert!(self.open.is_none(), "an operation stays with the client that it was begun by");
        if self.pin.take().is_none() {
            return;
        }
        let number = u64::from(self.number);
        let id = ClientId::new(u128::from(number) | UNPINNED);
        self.client = Client::new(self.nodes.clone(), id, number << 40 | UNPINNED_REQUESTS);
        self.access = Access::none(&self.nodes);
    }

    /// Takes note of a request that leaves for its node.
    pub(super) fn note_asked(&mut self, id: RequestId, now: Micros) {
        if let Some(pin) = &mut self.pin {
            pin.asked = Some((id, now));
        }
    }

    /// Takes note of what its node says.
    pub(super) fn note_told(&mut self, id: RequestId, response: &Response, monitor: &mut Monitor) {
        let Some(pin) = &mut self.pin else { return };
        if let Some((_, at)) = pin.asked.filter(|(asked, _)| *asked == id) {
            pin.told = Some(at);
        }
        if let Response::Refused(Refusal::NotLeader { leader: Some(leader) }) = response
            && *leader != pin.node
        {
            monitor.tracker.see(Point::PinnedSentAway);
        }
    }
}

/// Sets the client that asks whoever leads apart from the pinned one that it was.
const UNPINNED: u128 = 1 << 64;

/// The numbers of its requests, which the pinned one does not reach.
const UNPINNED_REQUESTS: u64 = 1 << 39;

#[cfg(test)]
mod tests {
    use synod_fault::{Millis, PartsPerMillion};
    use synod_rng::Seed;
    use synod_simulator::{Simulation, System as _};

    use super::*;
    use crate::cluster::Cluster;
    use crate::tuning::Tuning;

    fn ran(seed: u64, pinned: u32) -> Simulation<Cluster> {
        let plan = Scenario {
            clients: 6,
            rest_ms: Millis(20),
            timeout_ms: Millis(1_000),
            pinned: PartsPerMillion(pinned),
            ..Scenario::calm(Seed(seed), 3, Millis(10_000))
        };
        let cluster = Cluster::new(&plan, Tuning::usual(&plan));
        let mut simulation = Simulation::new(&plan, cluster);
        let (cluster, world) = simulation.parts();
        cluster.begin(world);
        simulation.run_until(Micros::from_ms(10_000)).expect("a run without a fault");
        simulation
    }

    #[test]
    fn whoever_is_pinned_asks_its_node_alone_and_is_served_where_that_leads() {
        for seed in 0..6 {
            let simulation = ran(seed, 1_000_000);
            let cluster = &simulation.system;
            let leader = cluster.leader().expect("nothing goes wrong");
            for client in cluster.clients() {
                let pin = client.pin().expect("all of them are pinned");
                let leads = pin.number() == leader.0;
                let (outcomes, number) = (client.outcomes, client.number);
                assert_eq!(outcomes.ok > 100, leads, "seed {seed}, {number}: {outcomes:?}");
                assert_eq!(outcomes.ok == 0, !leads, "seed {seed}, {number}: {outcomes:?}");
                assert!(client.sent().is_none_or(|(to, _)| *to == pin), "seed {seed}, {number}");
            }
            assert!(!cluster.any_is_free(0), "seed {seed}");
        }
    }

    #[test]
    fn a_client_of_a_follower_is_well_as_long_as_it_is_told_so() {
        let mut simulation = ran(1, 1_000_000);
        let since = Micros::from_ms(5_000);
        let (cluster, world) = simulation.parts();
        assert!(cluster.all_served_since(since, world));
        // Who was told so once is not well for ever.
        assert!(!cluster.all_served_since(world.now(), world));
    }

    #[test]
    fn those_that_are_not_pinned_follow_the_leader() {
        let simulation = ran(2, 500_000);
        let clients = simulation.system.clients();
        let (pinned, free): (Vec<_>, Vec<_>) = clients.iter().partition(|it| it.pin().is_some());
        assert!(!pinned.is_empty() && !free.is_empty() && simulation.system.any_is_free(1_000));
        assert!(!simulation.system.any_is_free(1_001), "none waits for longer");
        assert!(free.iter().all(|client| client.outcomes.ok > 100));
    }
}
