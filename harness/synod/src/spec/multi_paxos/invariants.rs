//! The invariants of `MultiPaxos.tla`, as questions to a state or to a step of the relation.
//!
//! It leaves the actions to the relation. The claim kept true: each says what the definition of its
//! name says in the module, of the same states.

use super::{Acceptor, Decree, MultiPaxos, Proposal, Slot, State};
use crate::spec::{Ballot, some_quorum};
use std::collections::BTreeSet;

impl MultiPaxos {
    /// `Chosen`.
    #[must_use]
    pub fn chosen(&self, state: &State) -> BTreeSet<Proposal> {
        let is_chosen =
            |w: &&Proposal| some_quorum(&self.quorum2, |a| state.cast.contains(&(a, **w)));
        state.accepts.iter().filter(is_chosen).copied().collect()
    }

    /// `Agreement`.
    #[must_use]
    pub fn agreement(&self, state: &State) -> bool {
        let decrees: BTreeSet<(Slot, Decree)> =
            self.chosen(state).into_iter().map(|(s, _, d)| (s, d)).collect();
        let slots: BTreeSet<Slot> = decrees.iter().map(|(s, _)| *s).collect();
        slots.len() == decrees.len()
    }

    /// `OneValuePerBallot`.
    #[must_use]
    pub fn one_value_per_ballot(&self, state: &State) -> bool {
        let places: BTreeSet<(Slot, Ballot)> =
            state.accepts.iter().map(|(s, b, _)| (*s, *b)).collect();
        places.len() == state.accepts.len()
    }

    /// `SafeAt`: the votes are safe.
    #[must_use]
    pub fn safe_at(&self, state: &State) -> bool {
        let is_safe = |(s, b, d): &Proposal| {
            (0..*b).all(|c| {
                some_quorum(&self.quorum1, |a| {
                    let there = |(of, x): &&(Acceptor, Proposal)| *of == a && x.0 == *s && x.1 == c;
                    let promised = state.promised.get(&a).is_some_and(|promised| *promised > c);
                    state.cast.contains(&(a, (*s, c, *d)))
                        || (promised && !state.cast.iter().any(|cast| there(&cast)))
                })
            })
        };
        state.accepts.iter().all(is_safe)
    }

    /// `LearnedIsChosen`.
    #[must_use]
    pub fn learned_is_chosen(&self, state: &State) -> bool {
        let chosen = self.chosen(state);
        let is_chosen =
            |s: Slot, d: Decree| chosen.iter().any(|(slot, _, decree)| (*slot, *decree) == (s, d));
        state.learned.iter().all(|((_, s), d)| is_chosen(*s, *d))
    }

    /// `ReadBackIsChosen`.
    #[must_use]
    pub fn read_back_is_chosen(&self, state: &State) -> bool {
        let chosen = self.chosen(state);
        let is_chosen = |s: Slot, d: Decree| chosen.iter().any(|w| (w.0, w.2) == (s, d));
        let mut places = state.learned.keys();
        places.all(|(c, s)| self.read_back(state, *c, *s).iter().all(|d| is_chosen(*s, *d)))
    }

    /// `PromiseMonotonic`, for one step.
    #[must_use]
    pub fn promise_monotonic(&self, before: &State, after: &State) -> bool {
        self.acceptors.iter().all(|a| after.promised.get(a) >= before.promised.get(a))
    }

    /// `LearnedNeverChanges`, for one step.
    #[must_use]
    pub fn learned_never_changes(&self, before: &State, after: &State) -> bool {
        before.learned.iter().all(|(at, d)| after.learned.get(at) == Some(d))
    }
}
