//! The relations as models that stateright explores, and what counts as a complete exploration.
//!
//! The properties are the invariants of the modules, by their names; those about a step are held
//! for all steps that leave a state. A run that ends early is told from a complete one: it found a
//! violation, or it ran into the limit of time.

use stateright::{Checker, HasDiscoveries, Model, Property};
use std::fmt::Debug;
use std::hash::Hash;
use std::time::{Duration, Instant};
use synod_simulated::spec::multi_paxos::{self, MultiPaxos};
use synod_simulated::spec::synod::{self, Synod};

/// No run may take longer; one that does is not complete, and fails.
const LIMIT: Duration = Duration::from_secs(900);

/// Returns the count of states that the table of the specifications has for a configuration.
pub(crate) fn pinned(configuration: &str) -> usize {
    let table = include_str!("../../../../paxos/spec/counts.tsv");
    let rows = table.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let mut rows = rows.filter(|row| row.get(1) == Some(&configuration));
    let row = rows.next().unwrap_or_else(|| panic!("no row for {configuration}"));
    assert_eq!(row[3], "holds", "{configuration} explores all of its states only if it holds");
    row[5].parse().unwrap()
}

pub(crate) fn is_large() -> bool {
    std::env::var("SYNOD_MODEL").is_ok_and(|value| value == "large")
}

/// Explores all states, holds the properties in each, and counts.
pub(crate) fn explore<M>(name: &str, model: M, states: usize)
where
    M: Model + Send + Sync + 'static,
    M::State: Hash + Send + Sync + Clone + PartialEq + Debug,
    M::Action: Send + Sync + Clone + PartialEq + Debug,
{
    let (checker, seconds) = run(model, HasDiscoveries::AnyFailures);
    let (unique, depth) = (checker.unique_state_count(), checker.max_depth());
    let rate = unique as f64 / seconds;
    println!("model {name}: {unique} states, depth {depth}, {seconds:.1} s, {rate:.0} states/s");
    checker.assert_properties();
    assert!(checker.is_done(), "{name}: states are left to explore");
    assert!(seconds < LIMIT.as_secs_f64(), "{name}: not complete after {LIMIT:?}");
    assert_eq!(unique, states, "{name}: not the states of the specification");
}

/// Explores until a property is violated, which must be the one that is named.
pub(crate) fn must_fail<M>(name: &str, model: M, property: &'static str)
where
    M: Model + Send + Sync + 'static,
    M::State: Hash + Send + Sync + Clone + PartialEq + Debug,
    M::Action: Send + Sync + Clone + PartialEq + Debug,
{
    let (checker, _) = run(model, HasDiscoveries::AllOf([property].into()));
    let found = checker.discovery(property);
    let steps =
        found.unwrap_or_else(|| panic!("{name} must fail: {property} holds")).into_actions();
    let (unique, steps) = (checker.unique_state_count(), steps.len());
    println!("model {name}: {property} violated in {steps} steps, found among {unique} states");
}

fn run<M>(model: M, end: HasDiscoveries) -> (impl Checker<M>, f64)
where
    M: Model + Send + Sync + 'static,
    M::State: Hash + Send + Sync + Clone + PartialEq + Debug,
    M::Action: Send + Sync + Clone + PartialEq + Debug,
{
    let begun = Instant::now();
    let builder = model.checker().threads(2).timeout(LIMIT);
    let checker = builder.finish_when(end).spawn_bfs().join();
    (checker, begun.elapsed().as_secs_f64())
}

/// `Synod` as a model.
pub(crate) struct Single(pub(crate) Synod);

impl Model for Single {
    type State = synod::State;
    type Action = synod::Action;

    fn init_states(&self) -> Vec<synod::State> {
        vec![self.0.init()]
    }

    fn actions(&self, state: &synod::State, actions: &mut Vec<synod::Action>) {
        actions.extend(self.0.candidates(state));
    }

    fn next_state(&self, state: &synod::State, action: synod::Action) -> Option<synod::State> {
        self.0.next(state, &action)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let always = Property::<Self>::always;
        vec![
            always("Agreement", |model, state| model.0.agreement(state)),
            always("OneValuePerBallot", |model, state| model.0.one_value_per_ballot(state)),
            always("LatestVote", |model, state| model.0.latest_vote(state)),
            always("SafeAt", |model, state| model.0.safe_at(state)),
            always("PromiseMonotonic", |model, state| {
                let mut after = model.next_steps(state).into_iter();
                after.all(|(_, after)| model.0.promise_monotonic(state, &after))
            }),
        ]
    }
}

/// Where a log begins.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    Init,
    Led,
    Split,
}

/// `MCMultiPaxos` as a model.
pub(crate) struct Log {
    pub(crate) start: Start,
    pub(crate) relation: MultiPaxos,
    /// The constraint `Silent0`.
    pub(crate) is_silent0: bool,
}

impl Model for Log {
    type State = multi_paxos::State;
    type Action = multi_paxos::Action;

    fn init_states(&self) -> Vec<multi_paxos::State> {
        match self.start {
            Start::Init => vec![self.relation.init()],
            Start::Led => vec![self.relation.led()],
            Start::Split => vec![self.relation.split()],
        }
    }

    fn actions(&self, state: &multi_paxos::State, actions: &mut Vec<multi_paxos::Action>) {
        actions.extend(self.relation.candidates(state));
    }

    fn next_state(
        &self,
        state: &multi_paxos::State,
        action: multi_paxos::Action,
    ) -> Option<multi_paxos::State> {
        self.relation.next(state, &action)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let always = Property::<Self>::always;
        vec![
            always("Agreement", |model, state| model.relation.agreement(state)),
            always("OneValuePerBallot", |model, state| model.relation.one_value_per_ballot(state)),
            always("SafeAt", |model, state| model.relation.safe_at(state)),
            always("LearnedIsChosen", |model, state| model.relation.learned_is_chosen(state)),
            always("ReadBackIsChosen", |model, state| model.relation.read_back_is_chosen(state)),
            always("PromiseMonotonic", |model, state| {
                let mut after = model.next_steps(state).into_iter();
                after.all(|(_, after)| model.relation.promise_monotonic(state, &after))
            }),
            always("LearnedNeverChanges", |model, state| {
                let mut after = model.next_steps(state).into_iter();
                after.all(|(_, after)| model.relation.learned_never_changes(state, &after))
            }),
        ]
    }

    fn within_boundary(&self, state: &multi_paxos::State) -> bool {
        !self.is_silent0 || state.accepts.iter().all(|(_, ballot, _)| *ballot != 0)
    }
}
