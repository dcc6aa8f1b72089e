//! `paxos/spec/Synod.tla`, transcribed: Paxos for one decree as a transition relation.
//!
//! Constants, variables, actions and invariants have the names that they have there, and the
//! comments that explain them are there. What is absent from a map stands for the specification's
//! -1 and `NoVote`. The claim kept true, by `tests/spec_counts.rs`: explored, it has exactly as
//! many states as the specification.

use super::{Acceptor, Ballot, Quorum, some_quorum};
use std::collections::{BTreeMap, BTreeSet};

/// What is to be agreed on.
pub type Value = u8;

/// A ballot and the value that was voted for in it; also a proposal.
pub type Vote = (Ballot, Value);

/// `Broken`: the rule that is switched off, to see the exploration object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Broken {
    /// None is.
    #[default]
    No,
    /// The candidate ignores what the promises report.
    AnyValue,
    /// The candidate takes any reported vote, not the highest.
    AnyVote,
    /// A candidate proposes twice in its ballot.
    TwoValues,
    /// An acceptor votes below its promise.
    BelowPromise,
}

/// The constants of the module, and with them the relation.
#[derive(Clone, Debug)]
pub struct Synod {
    /// `Value`.
    pub values: BTreeSet<Value>,
    /// `Acceptor`.
    pub acceptors: BTreeSet<Acceptor>,
    /// `Quorum1`.
    pub quorum1: Vec<Quorum>,
    /// `Quorum2`.
    pub quorum2: Vec<Quorum>,
    /// `Ballot`.
    pub ballots: BTreeSet<Ballot>,
    /// `Broken`.
    pub broken: Broken,
}

/// A Promise message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Promise {
    /// Who promises.
    pub acc: Acceptor,
    /// The ballot promised.
    pub bal: Ballot,
    /// The sender's latest vote.
    pub vote: Option<Vote>,
}

/// The variables of the module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct State {
    /// `promised`.
    pub promised: BTreeMap<Acceptor, Ballot>,
    /// `accepted`.
    pub accepted: BTreeMap<Acceptor, Vote>,
    /// `prepares`.
    pub prepares: BTreeSet<Ballot>,
    /// `promises`.
    pub promises: BTreeSet<Promise>,
    /// `accepts`.
    pub accepts: BTreeSet<Vote>,
    /// `votes`.
    pub votes: BTreeSet<(Acceptor, Vote)>,
}

/// An action of `Next`, with its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// A candidate asks for promises.
    Phase1a(Ballot),
    /// An acceptor promises.
    Phase1b(Acceptor, Ballot),
    /// The candidate proposes.
    Phase2a(Ballot, Value),
    /// An acceptor votes.
    Phase2b(Acceptor, Vote),
}

impl Synod {
    /// `Init`.
    #[must_use]
    pub fn init(&self) -> State {
        State::default()
    }

    /// Lists the actions over whose parameters `Next` quantifies, enabled or not.
    #[must_use]
    pub fn candidates(&self, state: &State) -> Vec<Action> {
        let mut actions = Vec::new();
        for ballot in &self.ballots {
            actions.push(Action::Phase1a(*ballot));
            actions.extend(self.values.iter().map(|value| Action::Phase2a(*ballot, *value)));
        }
        for acceptor in &self.acceptors {
            let prepares = state.prepares.iter();
            actions.extend(prepares.map(|ballot| Action::Phase1b(*acceptor, *ballot)));
            actions.extend(state.accepts.iter().map(|vote| Action::Phase2b(*acceptor, *vote)));
        }
        actions
    }

    /// Lists the actions that are enabled.
    #[must_use]
    pub fn enabled(&self, state: &State) -> Vec<Action> {
        let mut actions = self.candidates(state);
        actions.retain(|action| self.next(state, action).is_some());
        actions
    }

    /// Takes an action; none if it is not enabled.
    #[must_use]
    pub fn next(&self, state: &State, action: &Action) -> Option<State> {
        let mut next = state.clone();
        match *action {
            Action::Phase1a(b) => {
                next.prepares.insert(b);
            }
            Action::Phase1b(a, b) => {
                let free = state.promised.get(&a).is_none_or(|promised| *promised < b);
                if !(state.prepares.contains(&b) && free) {
                    return None;
                }
                next.promised.insert(a, b);
                let vote = state.accepted.get(&a).copied();
                next.promises.insert(Promise { acc: a, bal: b, vote });
            }
            Action::Phase2a(b, v) => {
                let is_fresh = state.accepts.iter().all(|(ballot, _)| *ballot != b);
                let may = is_fresh || self.broken == Broken::TwoValues;
                if !(may && self.is_allowed_by_some_quorum(state, b, v)) {
                    return None;
                }
                next.accepts.insert((b, v));
            }
            Action::Phase2b(a, w) => {
                let free = state.promised.get(&a).is_none_or(|promised| *promised <= w.0);
                let may = free || self.broken == Broken::BelowPromise;
                if !(state.accepts.contains(&w) && may) {
                    return None;
                }
                next.promised.insert(a, w.0);
                next.accepted.insert(a, w);
                next.votes.insert((a, w));
            }
        }
        Some(next)
    }

    fn is_allowed_by_some_quorum(&self, state: &State, b: Ballot, v: Value) -> bool {
        self.quorum1.iter().any(|p| {
            let of = |m: &&Promise| m.bal == b && p.contains(&m.acc);
            let promises: Vec<&Promise> = state.promises.iter().filter(of).collect();
            let accs: Quorum = promises.iter().map(|m| m.acc).collect();
            accs == *p && self.allowed(&promises, v)
        })
    }

    fn allowed(&self, promises: &[&Promise], v: Value) -> bool {
        let reported: BTreeSet<Vote> = promises.iter().filter_map(|m| m.vote).collect();
        let is_high = |w: &Vote| {
            self.broken == Broken::AnyVote || reported.iter().all(|other| other.0 <= w.0)
        };
        reported.is_empty()
            || self.broken == Broken::AnyValue
            || reported.iter().any(|w| w.1 == v && is_high(w))
    }
}

/// The invariants of the module.
impl Synod {
    /// `chosen`.
    #[must_use]
    pub fn chosen(&self, state: &State) -> BTreeSet<Value> {
        let is_chosen = |w: &&Vote| some_quorum(&self.quorum2, |a| state.votes.contains(&(a, **w)));
        state.accepts.iter().filter(is_chosen).map(|w| w.1).collect()
    }

    /// `Agreement`.
    #[must_use]
    pub fn agreement(&self, state: &State) -> bool {
        self.chosen(state).len() <= 1
    }

    /// `OneValuePerBallot`.
    #[must_use]
    pub fn one_value_per_ballot(&self, state: &State) -> bool {
        let ballots: BTreeSet<Ballot> = state.accepts.iter().map(|w| w.0).collect();
        ballots.len() == state.accepts.len()
    }

    /// `LatestVote`.
    #[must_use]
    pub fn latest_vote(&self, state: &State) -> bool {
        self.acceptors.iter().all(|a| {
            let latest = state.accepted.get(a);
            let is_cast = latest.is_none_or(|w| state.votes.contains(&(*a, *w)));
            let is_promised = latest.map(|w| &w.0) <= state.promised.get(a);
            let mut votes = state.votes.iter().filter(|(of, _)| of == a);
            is_cast && is_promised && votes.all(|(_, w)| Some(w.0) <= latest.map(|w| w.0))
        })
    }

    /// `SafeAt`: the votes are safe.
    #[must_use]
    pub fn safe_at(&self, state: &State) -> bool {
        let is_safe = |(b, v): &Vote| {
            (0..*b).all(|c| {
                some_quorum(&self.quorum1, |a| {
                    let voted = |vote: &Vote| state.votes.contains(&(a, *vote));
                    let promised = state.promised.get(&a).is_some_and(|promised| *promised > c);
                    voted(&(c, *v))
                        || (promised && self.values.iter().all(|other| !voted(&(c, *other))))
                })
            })
        };
        state.accepts.iter().all(is_safe)
    }

    /// `PromiseMonotonic`, for one step.
    #[must_use]
    pub fn promise_monotonic(&self, before: &State, after: &State) -> bool {
        self.acceptors.iter().all(|a| after.promised.get(a) >= before.promised.get(a))
    }
}
