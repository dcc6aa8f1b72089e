//! Multi-Paxos, as a model: campaigns, proposals and copies at any moment.

use super::world::{Act, Core, Disk, MAJORITIES, Quorums, V, World};
use stateright::{Model, Property};
use synod_paxos::{
    AfterSync, Ballot, Configuration, CoreId, Decree, Effects, Immediate, Input, Message,
    MultiPaxos, NodeId, Recovery, Role, Slot, Synced,
};

/// The window of the modelled log.
const ALPHA: u64 = 2;

impl Core for MultiPaxos<V> {
    fn recover(core_id: CoreId, configuration: Configuration, disk: &Disk) -> Self {
        let mut recovery = Recovery::above(disk.state_at);
        for record in &disk.records {
            recovery.on_record(record.clone());
        }
        recovery.finish(core_id, configuration, ALPHA)
    }

    fn on_message(&mut self, from: NodeId, message: Message<V>, effects: &mut Effects<V>) {
        self.step(Input::Message { from, message }, effects);
    }

    fn on_synced(&mut self, proof: Synced, effects: &mut Effects<V>) {
        self.step(Input::Synced(proof), effects);
    }

    fn is_live(&self, _: NodeId, message: &Message<V>, may_crash: bool) -> bool {
        let promised = self.log().promised();
        match message {
            Message::AfterSync(AfterSync::Promise { ballot, .. }) => {
                matches!(self.leader(), Role::Preparing(_))
                    && self.leader().ballot() == Some(*ballot)
            }
            Message::AfterSync(AfterSync::Accepted { ballot, end, .. }) => {
                self.leader().leads() == Some(*ballot) && *end > self.chosen()
            }
            // It tells of a ballot that Prepare and Accept tell of, too.
            Message::Immediate(Immediate::Nack { .. }) => false,
            Message::AfterSync(AfterSync::Prepare { ballot, .. }) => {
                may_crash || *ballot >= promised
            }
            Message::Immediate(Immediate::Accept { ballot, first, decrees, chosen }) => {
                let end = first.number() + decrees.len() as u64;
                let mut slots = (first.number()..end).map(Slot::new);
                may_crash
                    || *ballot >= promised
                        && (*chosen > self.chosen()
                            || slots.any(|slot| self.log().voted_in(slot) != Some(*ballot)))
            }
            Message::Immediate(Immediate::Chosen { chosen, .. }) => {
                may_crash || *chosen > self.chosen()
            }
        }
    }
}

/// The first two nodes campaign and propose, up to so many times; all nodes copy.
pub(crate) struct Log {
    pub(crate) campaigns: [u8; 2],
    pub(crate) values: [u8; 2],
    pub(crate) crashes: u8,
    /// Whether decrees are copied, beside being announced.
    pub(crate) copies: bool,
    /// Whether nodes keep states and cut their journals, and install the states of others.
    pub(crate) states: bool,
    pub(crate) quorums: Quorums,
}

/// Two leaders that have nothing to propose, for others to be built upon.
pub(crate) const LOG: Log = Log {
    campaigns: [1, 1],
    values: [0, 0],
    crashes: 0,
    copies: false,
    states: false,
    quorums: MAJORITIES,
};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    world: World<MultiPaxos<V>>,
    campaigns: [u8; 2],
    values: [u8; 2],
    /// What any node ever knew to be chosen, slot by slot, crashes included.
    known: Vec<Decree<V>>,
    /// Whether two nodes knew different decrees to be chosen in one slot.
    broken: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    Environment(Act),
    Campaign(usize),
    Propose(usize),
    Copy { from: usize, to: usize },
    Take(usize),
    Install { from: usize, to: usize },
}

impl State {
    /// Compares what the nodes know with what was known before.
    fn observe(&mut self) {
        for node in &self.world.nodes {
            let log = node.core.log();
            for number in log.base().number()..node.core.chosen().number() {
                let decree = log.decree(Slot::new(number)).unwrap();
                let place = usize::try_from(number).unwrap();
                match self.known.get(place) {
                    Some(known) => self.broken |= known != decree,
                    None => self.known.push(decree.clone()),
                }
            }
        }
    }

    /// Counts the nodes of which something holds.
    fn count(&self, holds: impl Fn(&MultiPaxos<V>) -> bool) -> usize {
        self.world.nodes.iter().filter(|node| holds(&node.core)).count()
    }

    /// Tells whether each leader was promised its ballot by a quorum of phase 1.
    fn are_elected(&self, Quorums(phase1, _): Quorums) -> bool {
        let led = self.world.nodes.iter().filter_map(|node| node.core.leader().leads());
        let mut promised = led.map(|led| self.count(|core| core.log().promised() >= led));
        promised.all(|count| count >= phase1)
    }

    /// Tells whether a quorum of phase 2 holds something in each slot in which a decree is known.
    fn are_voted_for(&self, Quorums(_, phase2): Quorums) -> bool {
        let mut slots = (0..self.known.len() as u64).map(Slot::new);
        let holds = |core: &MultiPaxos<V>, slot| {
            slot < core.log().base() || core.log().decree(slot).is_some()
        };
        slots.all(|slot| self.count(|core| holds(core, slot)) >= phase2)
    }

    /// Returns the next decree that one node could copy from another.
    fn to_copy(&self, from: usize, to: usize) -> Option<(Slot, Decree<V>)> {
        let first = self.world.nodes[to].core.chosen();
        let source = &self.world.nodes[from].core;
        let decree = (first < source.chosen()).then(|| source.log().decree(first))?;
        decree.map(|decree| (first, decree.clone()))
    }

    /// Returns the state of one node that another one could install.
    fn to_install(&self, from: usize, to: usize) -> Option<Slot> {
        let state_at = self.world.nodes[from].disk.state_at;
        (state_at > self.world.nodes[to].core.chosen()).then_some(state_at)
    }
}

impl Model for Log {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let (campaigns, values) = (self.campaigns, self.values);
        let world = World::new(self.crashes, self.quorums);
        vec![State { world, campaigns, values, known: Vec::new(), broken: false }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        actions.extend(state.world.acts().into_iter().map(Action::Environment));
        for place in 0..2 {
            if state.campaigns[place] > 0 {
                actions.push(Action::Campaign(place));
            }
            if state.values[place] > 0 && state.world.nodes[place].core.can_propose() {
                actions.push(Action::Propose(place));
            }
        }
        for (from, to) in (0..3).flat_map(|from| (0..3).map(move |to| (from, to))) {
            if self.copies && from != to && state.to_copy(from, to).is_some() {
                actions.push(Action::Copy { from, to });
            }
            if self.states && from != to && state.to_install(from, to).is_some() {
                actions.push(Action::Install { from, to });
            }
        }
        for (place, node) in state.world.nodes.iter().enumerate() {
            if self.states && node.core.chosen() > node.disk.state_at {
                actions.push(Action::Take(place));
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Environment(act) => state.world.act(act),
            Action::Campaign(place) => {
                state.campaigns[place] -= 1;
                state.world.step(place, |core, effects| {
                    core.step(Input::Campaign { above: Ballot::ZERO }, effects)
                });
            }
            Action::Propose(place) => {
                state.values[place] -= 1;
                let value = u8::try_from(place).unwrap() * 10 + state.values[place];
                state.world.step(place, |core, effects| {
                    core.step(Input::Propose(value), effects);
                });
            }
            Action::Copy { from, to } => {
                let (first, decree) = state.to_copy(from, to)?;
                state.world.step(to, |core, effects| {
                    core.step(Input::Decrees { first, decrees: vec![decree] }, effects);
                });
            }
            Action::Take(place) => {
                let node = &mut state.world.nodes[place];
                node.disk.keep_state(node.core.chosen());
            }
            Action::Install { from, to } => {
                let slot = state.to_install(from, to)?;
                // The state is durable before the node hears of it.
                state.world.nodes[to].disk.keep_state(slot);
                state.world.step(to, |core, effects| core.step(Input::Install(slot), effects));
            }
        }
        state.observe();
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("agreement", |_: &Self, state: &State| !state.broken),
            Property::always("a quorum promises", |model: &Self, state: &State| {
                state.are_elected(model.quorums)
            }),
            Property::always("a quorum votes", |model: &Self, state: &State| {
                state.are_voted_for(model.quorums)
            }),
            Property::always("nontriviality", |model: &Self, state: &State| {
                state.known.iter().all(|decree| match decree {
                    Decree::Noop => true,
                    Decree::Value(value) => {
                        let (place, number) = (usize::from(value / 10), value % 10);
                        model.values[place] > number && state.values[place] <= number
                    }
                })
            }),
            Property::sometimes("something is chosen", |_: &Self, state: &State| {
                !state.known.is_empty()
            }),
        ]
    }
}
