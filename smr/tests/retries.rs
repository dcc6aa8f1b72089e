//! How often refused clients come back: seldom enough for a cluster, soon enough for a new leader.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use bytes::Bytes;
use std::collections::VecDeque;
use synod_paxos::{NodeId, Slot};
use synod_smr::client::{
    Client, ClientEffects, ClientInput, Millis, NO_LEADER_MS, OVERLOAD_GROWTH_MAX, Operation,
    RETRY_MS_MAX, Ticket,
};
use synod_smr::{ClientId, Refusal, RequestBody, RequestId, Response, SessionId};

/// How long a request or a response is on its way.
const WIRE_MS: u64 = 1;

/// One client and the three nodes that it knows.
struct World {
    client: Client,
    effects: ClientEffects,
    wires: VecDeque<(u64, NodeId, RequestId, bool)>,
    now: u64,
    /// When a request was made, and to whom.
    asked: Vec<(u64, NodeId)>,
    ended: Option<u64>,
}

impl World {
    fn new(number: u128, operation: Operation) -> Self {
        let nodes = [1, 2, 3].map(NodeId::new).to_vec();
        let mut world = Self {
            client: Client::new(nodes, ClientId::new(number), 1),
            effects: ClientEffects::default(),
            wires: VecDeque::new(),
            now: 0,
            asked: Vec::new(),
            ended: None,
        };
        let (ticket, deadline) = (Ticket(1), Millis(600_000));
        world.step(ClientInput::Submit { ticket, operation, deadline });
        world
    }

    fn step(&mut self, input: ClientInput) {
        self.client.step(Millis(self.now), input, &mut self.effects);
        for (to, request) in self.effects.requests.drain(..) {
            let is_open = matches!(request.body, RequestBody::Open { .. });
            self.asked.push((self.now, to));
            self.wires.push_back((self.now + 2 * WIRE_MS, to, request.id, is_open));
        }
        if !self.effects.outcomes.is_empty() {
            self.ended = Some(self.now);
        }
    }

    /// Lets time pass up to `end`; what `answer` says of a node is what it says.
    fn run_until(&mut self, end: u64, answer: impl Fn(NodeId) -> Response) {
        while self.now < end && self.ended.is_none() {
            while self.wires.front().is_some_and(|(at, ..)| *at <= self.now)
                && let Some((_, from, id, is_open)) = self.wires.pop_front()
            {
                let mut response = answer(from);
                if is_open && matches!(response, Response::Reply(_)) {
                    response = Response::Opened(SessionId { slot: Slot::FIRST, position: 0 });
                }
                self.step(ClientInput::Response { from, id, response });
            }
            if self.effects.wake_at.is_some_and(|at| at.0 <= self.now) {
                self.step(ClientInput::Timer);
            }
            self.now += 1;
        }
    }
}

fn query() -> Operation {
    Operation::Query(Bytes::new())
}

fn command() -> Operation {
    Operation::Command(Bytes::new())
}

fn no_leader(_: NodeId) -> Response {
    Response::Refused(Refusal::NotLeader { leader: None })
}

/// Sixty-four sessions, as an application has them over one connection, and no leader.
fn sixty_four(operation: &Operation) -> Vec<World> {
    let mut worlds: Vec<_> = (0..64).map(|number| World::new(number, operation.clone())).collect();
    worlds.iter_mut().for_each(|world| world.run_until(1000, no_leader));
    worlds
}

#[test]
fn a_second_without_a_leader_costs_few_requests() {
    for operation in [query(), command()] {
        let worlds = sixty_four(&operation);
        let total: usize = worlds.iter().map(|world| world.asked.len()).sum();
        assert!((640..=1_000).contains(&total), "{total} requests of 64 sessions");
    }
}

#[test]
fn sessions_that_were_refused_together_do_not_come_back_together() {
    let worlds = sixty_four(&query());
    let late = |world: &World| world.asked.iter().find(|(at, _)| *at > 500).unwrap().0;
    let instants: std::collections::BTreeSet<_> = worlds.iter().map(late).collect();
    assert!(instants.len() > 20, "64 sessions come back at {} instants", instants.len());
}

#[test]
fn a_new_leader_is_met_soon_whenever_it_comes() {
    for operation in [query(), command()] {
        for (number, elected) in (0..).zip([0, 30, 100, 333, 1_000, 5_000, 30_000]) {
            let mut world = World::new(number, operation.clone());
            world.run_until(elected, no_leader);
            // The leader answers, and the other two name it.
            world.run_until(elected + 1_000, |node| {
                if node == NodeId::new(2) {
                    return Response::Reply(Bytes::new());
                }
                Response::Refused(Refusal::NotLeader { leader: Some(NodeId::new(2)) })
            });
            let met = world.ended.unwrap() - elected;
            // The wait that runs, and three round trips: the hint, the opening, the command.
            assert!(met <= RETRY_MS_MAX + 8 * WIRE_MS, "met {met} ms after its election");
        }
    }
}

#[test]
fn nodes_that_send_a_client_in_a_circle_are_not_asked_at_the_speed_of_the_wire() {
    let mut world = World::new(1, query());
    world.run_until(1000, |node| {
        let next = NodeId::new(node.number() % 3 + 1);
        Response::Refused(Refusal::NotLeader { leader: Some(next) })
    });
    let count = world.asked.len();
    assert!(count < 80, "{count} requests in a second");
}

#[test]
fn who_meets_too_much_load_waits_as_asked_and_longer_each_time() {
    let asked = 40;
    let mut world = World::new(7, query());
    world.run_until(5_000, |_| Response::Refused(Refusal::Overloaded { retry_after_ms: 40 }));
    let waits: Vec<u64> =
        world.asked.windows(2).map(|pair| pair[1].0 - pair[0].0 - 2 * WIRE_MS).collect();
    let most = asked * OVERLOAD_GROWTH_MAX;
    assert!(waits.iter().all(|wait| (asked..=most + 1).contains(wait)), "{waits:?}");
    assert!(waits[0] <= 2 * asked + 1 && waits[waits.len() - 1] > most / 2, "{waits:?}");
    assert!(NO_LEADER_MS < asked);
}

/// What a client asks for at one instant, where its node says `Uncertain` at the speed of the wire,
/// as a host does whose replies of a client wait beyond their bound (`host/src/clients.rs`).
#[test]
fn who_is_told_that_nothing_is_certain_does_not_come_back_at_the_speed_of_the_wire() {
    let mut client = Client::new([1, 2, 3].map(NodeId::new).to_vec(), ClientId::new(0), 0);
    let (ticket, deadline) = (Ticket(1), Millis(60_000));
    let operation = Operation::Query(Bytes::from_static(b"q"));
    let mut input = ClientInput::Submit { ticket, operation, deadline };
    let mut asked = 0;
    for now in 0..1_000 {
        let mut effects = ClientEffects::default();
        client.step(Millis(now), input, &mut effects);
        asked += effects.requests.len();
        input = match effects.requests.pop() {
            Some((from, request)) => {
                let response = Response::Uncertain { leader: Some(from) };
                ClientInput::Response { from, id: request.id, response }
            }
            None => ClientInput::Timer,
        };
    }
    // Refused ones ask at most every 100 ms in the long run.
    assert!(asked <= 50, "{asked} requests in a second of one operation");
}
