//! The Synod protocol for one decree, as a model.

use super::world::{Act, Core, Disk, MAJORITIES, V, World};
use stateright::{Model, Property};
use synod_paxos::{
    AfterSync, Configuration, CoreId, Decree, Effects, Immediate, Message, NodeId, Proposer,
    Synced, Synod, SynodInput,
};

impl Core for Synod<V> {
    fn recover(core_id: CoreId, configuration: Configuration, disk: &Disk) -> Self {
        Self::recover(core_id, configuration, disk.records.iter().cloned())
    }

    fn on_message(&mut self, from: NodeId, message: Message<V>, effects: &mut Effects<V>) {
        self.step(SynodInput::Message { from, message }, effects);
    }

    fn on_synced(&mut self, proof: Synced, effects: &mut Effects<V>) {
        self.step(SynodInput::Synced(proof), effects);
    }

    fn is_live(&self, from: NodeId, message: &Message<V>, _: bool) -> bool {
        match message {
            Message::AfterSync(AfterSync::Promise { ballot: of, .. }) => match self.proposer() {
                Proposer::Preparing { ballot, promises, .. } => {
                    ballot == of && !promises.contains(from)
                }
                Proposer::Idle | Proposer::Accepting(_) => false,
            },
            Message::AfterSync(AfterSync::Accepted { ballot, .. }) => {
                let counting = self.learner().filter(|_| self.learned().is_none());
                counting.is_some_and(|held| held.ballot() == *ballot && !held.has_vote_of(from))
            }
            // It tells of a ballot that Prepare and Accept tell of, too.
            Message::Immediate(Immediate::Nack { .. }) => false,
            Message::AfterSync(AfterSync::Prepare { .. })
            | Message::Immediate(Immediate::Accept { .. } | Immediate::Chosen { .. }) => true,
        }
    }
}

/// The first two nodes propose, each its own value, up to so many times.
pub(crate) struct Single {
    pub(crate) rounds: [u8; 2],
    pub(crate) crashes: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    world: World<Synod<V>>,
    rounds: [u8; 2],
    /// What any node ever learned, crashes included.
    learned: Vec<Decree<V>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    Environment(Act),
    Propose(usize),
}

impl Model for Single {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let world = World::new(self.crashes, MAJORITIES);
        vec![State { world, rounds: self.rounds, learned: Vec::new() }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        actions.extend(state.world.acts().into_iter().map(Action::Environment));
        let left = (0..2).filter(|place| state.rounds[*place] > 0);
        actions.extend(left.map(Action::Propose));
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Environment(act) => state.world.act(act),
            Action::Propose(place) => {
                state.rounds[place] -= 1;
                let value = u8::try_from(place).unwrap();
                state.world.step(place, |core, effects| {
                    core.step(SynodInput::Propose(value), effects);
                });
            }
        }
        for node in &state.world.nodes {
            if let Some(decree) = node.core.learned()
                && !state.learned.contains(decree)
            {
                state.learned.push(decree.clone());
            }
        }
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always("agreement", |_: &Self, state: &State| state.learned.len() <= 1),
            Property::sometimes("the first value can be chosen", |_: &Self, state: &State| {
                state.learned.contains(&Decree::Value(0))
            }),
        ];
        if self.rounds[1] > 0 {
            properties.push(Property::sometimes(
                "the second value can be chosen",
                |_: &Self, state: &State| state.learned.contains(&Decree::Value(1)),
            ));
        }
        properties
    }
}
