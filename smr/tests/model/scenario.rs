//! A scenario: who campaigns, what is asked where, what may crash; and what must hold in all of it.
//!
//! Each begins with node 1 elected and settled, a session opened, and one write chosen, applied
//! everywhere and acknowledged. From there everything may happen at any moment, as often as the
//! scenario says. The voters are data: a scenario may name any configuration of its nodes.

use crate::history::{Ask, Fault, History, Stage, What, has_twice, is_line};
use crate::node::Reply;
use crate::world::{Act, World};
use bytes::Bytes;
use stateright::{Model, Property};
use std::collections::BTreeMap;
use synod_paxos::{Configuration, Decree, NodeId, Slot};
use synod_smr::{
    ClientId, CommandBatch, Connection, Input, Opening, Principal, Refusal, Request, RequestBody,
    RequestId, Response, Sequence, SessionId, fingerprint,
};

/// The write of the beginning.
const FIRST: u8 = 0;

/// What is done, and how often at most.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) nodes: usize,
    pub(crate) voters: Configuration,
    /// How often each node campaigns.
    pub(crate) campaigns: Vec<u8>,
    /// How often a leader raises its ballot for a voter that promised a higher one.
    pub(crate) raises: u8,
    pub(crate) asks: Vec<Ask>,
    pub(crate) crashes: u8,
    /// Whether nodes copy decrees, beside hearing announcements.
    pub(crate) copies: bool,
    /// What must be reachable, so that the scenario shows something.
    pub(crate) witnesses: Vec<Witness>,
}

/// A name, and what holds in some state.
pub(crate) type Witness = (&'static str, fn(&State) -> bool);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    world: World,
    pub(crate) history: History,
    campaigns: Vec<u8>,
    raises: u8,
    /// Fingerprints of all decrees that any node ever knew to be chosen, crashes included.
    known: Vec<u64>,
    /// The digests of the states at each slot, as far as any node ever had them.
    digests: BTreeMap<Slot, u64>,
    /// Whether two nodes knew different decrees in one slot, or had different states there.
    broken: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    Environment(Act),
    Campaign(usize),
    Raise(usize),
    Fetch { place: usize, of: usize },
    Ask(usize),
}

impl Scenario {
    /// Three nodes with a vote each, of which nothing is asked yet.
    pub(crate) fn three() -> Self {
        Self {
            nodes: 3,
            voters: Configuration::majority([1, 2, 3].map(NodeId::new)).unwrap(),
            campaigns: vec![0; 3],
            raises: 0,
            asks: Vec::new(),
            crashes: 0,
            copies: false,
            witnesses: Vec::new(),
        }
    }

    fn begin(&self) -> State {
        let mut world = World::new(self.nodes, &self.voters, self.crashes);
        world.campaign(0);
        world.calm();
        world.ask(0, request(0, RequestBody::Open { opening: Opening::first(ClientId::new(0)) }));
        world.calm();
        let mut replies = world.ask(0, request(0, write(FIRST)));
        replies.extend(world.calm());
        let acknowledged = Response::Reply(Bytes::from_static(&[FIRST]));
        assert!(replies.iter().any(|(_, _, response)| *response == acknowledged), "{replies:?}");
        let mut state = State {
            world,
            history: History::new(&self.asks, &[FIRST]),
            campaigns: self.campaigns.clone(),
            raises: self.raises,
            known: Vec::new(),
            digests: BTreeMap::new(),
            broken: false,
        };
        (0..self.nodes).for_each(|place| self.observe(&mut state, place));
        state
    }

    /// Compares what a node knows with what was known before.
    fn observe(&self, state: &mut State, place: usize) {
        let node = &state.world.nodes[place];
        let status = node.replica.status();
        let digest = *state.digests.entry(status.applied).or_insert(status.digest);
        state.broken |= digest != status.digest;
        for number in 0..status.chosen.number() {
            let mark = mark(node.replica.paxos().log().decree(Slot::new(number)).unwrap());
            match state.known.get(usize::try_from(number).unwrap()) {
                Some(known) => state.broken |= *known != mark,
                None => state.known.push(mark),
            }
        }
    }

    fn take(&self, state: &mut State, replies: Vec<Reply>) {
        for (Connection(number), _, response) in replies {
            let number = usize::try_from(number).unwrap();
            let history = &mut state.history;
            match response {
                Response::Reply(list) => history.on_answer(&self.asks, number, &list),
                Response::Refused(_) => history.on_end(&self.asks, number, Stage::Refused),
                Response::Uncertain { .. } => {
                    history.on_end(&self.asks, number, Stage::Uncertain);
                }
                Response::Opened(_) | Response::Status(_) | Response::Snapshot { .. } => {
                    unreachable!("nobody asked for it")
                }
            }
        }
    }

    fn ask(&self, state: &mut State, number: usize) -> Option<Vec<Reply>> {
        let Ask { place, what } = self.asks[number];
        let body = match what {
            What::Read => RequestBody::Query(Bytes::new()),
            What::Write(value) => write(value),
        };
        let connection = u64::try_from(number).unwrap();
        let replies = state.world.ask(place, request(connection, body));
        state.history.on_ask(&self.asks, number);
        // A node that does not lead sends the client away, and nothing has happened.
        let away = replies.iter().any(|(_, _, response)| {
            matches!(response, Response::Refused(Refusal::NotLeader { .. }))
        });
        (!away).then_some(replies)
    }
}

fn mark(decree: &Decree<CommandBatch>) -> u64 {
    match decree {
        Decree::Noop => 0,
        Decree::Value(batch) => fingerprint(batch.bytes()),
    }
}

fn request(connection: u64, body: RequestBody) -> Input {
    let (connection, id) = (Connection(connection), RequestId(connection));
    let principal = Principal::of_name("alice");
    Input::Request { connection, principal, request: Request { id, body } }
}

/// Each value is one command of one session.
fn write(value: u8) -> RequestBody {
    RequestBody::Command {
        session: SessionId { slot: Slot::FIRST, position: 0 },
        sequence: Sequence::FIRST.plus(u64::from(value)),
        unanswered: Sequence::FIRST,
        payload: Bytes::copy_from_slice(&[value]),
    }
}

impl Model for Scenario {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.begin()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let places = 0..self.nodes;
        let world = &state.world;
        actions.extend(world.acts().into_iter().map(Action::Environment));
        let asks = 0..self.asks.len();
        let asks = asks.filter(|number| state.history.may_ask(&self.asks, *number));
        actions.extend(asks.map(Action::Ask));
        for place in places.clone() {
            let status = world.nodes[place].replica.status();
            if state.campaigns[place] > 0 && status.leads.is_none() {
                actions.push(Action::Campaign(place));
            }
            let is_reading = state.history.is_reading(&self.asks, place);
            if is_reading && state.raises > 0 && world.is_superseded(place) {
                actions.push(Action::Raise(place));
            }
            if self.copies {
                let others = places.clone().filter(|of| *of != place && world.lacks(place, *of));
                actions.extend(others.map(|of| Action::Fetch { place, of }));
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        let mut replies = match action {
            Action::Environment(act) => {
                if let Act::Crash { place, .. } = act {
                    state.history.on_crash(&self.asks, place);
                }
                state.world.act(&act, &self.voters)
            }
            Action::Campaign(place) => {
                state.campaigns[place] -= 1;
                state.world.campaign(place)
            }
            Action::Raise(place) => {
                state.raises -= 1;
                state.world.raise(place)
            }
            Action::Fetch { place, of } => state.world.fetch(place, of),
            Action::Ask(number) => self.ask(&mut state, number)?,
        };
        for place in 0..self.nodes {
            replies.extend(state.world.end_raise(place));
        }
        self.take(&mut state, replies);
        for place in 0..self.nodes {
            if state.world.nodes[place] != last.world.nodes[place] {
                self.observe(&mut state, place);
            }
        }
        let history = &state.history;
        state.world.bury_the_dead(|place| history.may_read(&self.asks, place));
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always("agreement", |_: &Self, state: &State| !state.broken),
            Property::always("linearizable", |_: &Self, state: &State| {
                !matches!(
                    state.history.fault(),
                    Some(Fault::Stale | Fault::Forked | Fault::Misplaced)
                ) && state.lists().all(|list| is_line(list, state.history.longest()))
            }),
            Property::always("exactly once", |_: &Self, state: &State| {
                state.history.fault() != Some(Fault::Twice) && !state.lists().any(has_twice)
            }),
            Property::always("a refusal is definite", |model: &Self, state: &State| {
                let mut held = state.lists().flatten();
                held.all(|value| state.history.may_hold(&model.asks, *value))
            }),
        ];
        // A property cannot carry data, so each witness has its place.
        let witnesses = self.witnesses.iter().zip(WITNESSES);
        properties.extend(witnesses.map(|((name, _), holds)| Property::sometimes(name, holds)));
        properties
    }
}

/// Tells whether the witness of each place holds.
const WITNESSES: [fn(&Scenario, &State) -> bool; 3] = [
    |model, state| model.witnesses[0].1(state),
    |model, state| model.witnesses[1].1(state),
    |model, state| model.witnesses[2].1(state),
];

impl State {
    /// Returns how far the asks are, in the order of the scenario.
    pub(crate) fn stages(&self) -> &[Stage] {
        self.history.stages()
    }

    /// Tells whether a node leads in a ballot of that round.
    pub(crate) fn leads(&self, place: usize, round: u64) -> bool {
        let leads = self.world.nodes[place].replica.status().leads;
        leads.is_some_and(|ballot| ballot.round() == round)
    }

    /// Tells whether a node is in a later life than its first.
    pub(crate) fn has_crashed(&self, place: usize) -> bool {
        self.world.nodes[place].replica.status().incarnation > 0
    }

    fn lists(&self) -> impl Iterator<Item = &[u8]> {
        self.world.nodes.iter().map(|node| node.replica.executor().machine().list())
    }
}
