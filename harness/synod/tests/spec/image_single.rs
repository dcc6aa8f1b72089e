//! The states of `Synod` in Rust as states of the model `Synod`.
//!
//! Ballot b of the relation is element b + 1 of the model, and element 0 is the one that stands for
//! none. Promises are numbered in their order, and the one that a step sends comes last.

use synod_prove::finite::{self, Choice, Finite, World};
use synod_simulated::spec::synod::{Action, Promise, State, Synod, Vote};
use synod_simulated::spec::{Acceptor, Ballot};

use super::tie::Tied;

/// The relation, and the one whose state a step of the model follows.
pub(crate) struct Single(pub(crate) Synod);

impl Tied for Single {
    type State = State;
    type Action = Action;
    type Plain = State;

    fn first(&self) -> (State, bool) {
        (self.0.init(), true)
    }

    fn universe(&self) -> Vec<Action> {
        let mut actions = Vec::new();
        for b in &self.0.ballots {
            actions.push(Action::Phase1a(*b));
            actions.extend(self.0.values.iter().map(|v| Action::Phase2a(*b, *v)));
            for a in &self.0.acceptors {
                actions.push(Action::Phase1b(*a, *b));
                actions.extend(self.0.values.iter().map(|v| Action::Phase2b(*a, (*b, *v))));
            }
        }
        actions
    }

    fn next(&self, state: &State, action: &Action) -> Option<State> {
        self.0.next(state, action)
    }

    fn is_ever_taken(&self, _: &State, _: &Action) -> bool {
        false
    }

    fn messages(&self, state: &State) -> usize {
        state.promises.len()
    }

    fn world(&self, finite: &Finite, messages: usize) -> World {
        let relation = &self.0;
        let ballots = relation.ballots.len() + 1;
        let mut world = finite.world(&[
            ("value", relation.values.len()),
            ("ballot", ballots),
            ("quorum1", relation.quorum1.len()),
            ("quorum2", relation.quorum2.len()),
            ("acceptor", relation.acceptors.len()),
            ("msg", messages + 1),
        ]);
        for b in 0..ballots {
            (0..b).for_each(|c| finite.rigid(&mut world, "lt").insert(&[c, b]));
        }
        for (name, quorums) in [("in1", &relation.quorum1), ("in2", &relation.quorum2)] {
            for (q, quorum) in quorums.iter().enumerate() {
                quorum.iter().for_each(|a| finite.rigid(&mut world, name).insert(&[node(*a), q]));
            }
        }
        world
    }

    fn image(&self, finite: &Finite, world: &World, state: &State) -> finite::State {
        let promises: Vec<Promise> = state.promises.iter().copied().collect();
        self.image_of(finite, world, state, &promises)
    }

    fn image_after(
        &self,
        finite: &Finite,
        world: &World,
        (before, action, after): (&State, &Action, &State),
    ) -> finite::State {
        let mut promises: Vec<Promise> = before.promises.iter().copied().collect();
        if matches!(action, Action::Phase1b(..)) {
            let silent = State { promises: [].into(), ..before.clone() };
            promises.extend(self.0.next(&silent, action).unwrap().promises);
        }
        self.image_of(finite, world, after, &promises)
    }

    fn choices(
        &self,
        finite: &Finite,
        world: &World,
        state: &State,
        action: &Action,
    ) -> Vec<Choice> {
        let fresh = state.promises.len();
        match *action {
            Action::Phase1a(b) => vec![finite.choose(world, "Phase1a", &[("b", ballot(b))])],
            Action::Phase1b(a, b) => {
                let chosen = [("a", node(a)), ("b", ballot(b)), ("m", fresh)];
                vec![finite.choose(world, "Phase1b", &chosen)]
            }
            Action::Phase2b(a, (b, v)) => {
                let chosen = [("a", node(a)), ("b", ballot(b)), ("v", value(v))];
                vec![finite.choose(world, "Phase2b", &chosen)]
            }
            Action::Phase2a(b, v) => self.proposals(finite, world, state, (b, v)),
        }
    }

    fn plain(&self, state: &State) -> State {
        state.clone()
    }
}

impl Single {
    /// The quorum, its promises, and the one that reports the highest vote.
    fn proposals(
        &self,
        finite: &Finite,
        world: &World,
        state: &State,
        (b, v): Vote,
    ) -> Vec<Choice> {
        let mut choices = Vec::new();
        for (p, quorum) in self.0.quorum1.iter().enumerate() {
            let mut members: Vec<(usize, &Promise)> = state.promises.iter().enumerate().collect();
            members.retain(|(_, m)| m.bal == b && quorum.contains(&m.acc));
            let reports = members.iter().map(|(at, m)| (*at, m.vote.map_or(0, |w| ballot(w.0))));
            for (m0, r) in reports.chain([(0, 0)]) {
                let chosen = [("b", ballot(b)), ("v", value(v)), ("p", p), ("m0", m0), ("r", r)];
                let mut choice = finite.choose(world, "Phase2a", &chosen);
                members.iter().for_each(|(at, _)| choice.free(0).insert(&[*at]));
                choices.push(choice);
            }
        }
        choices
    }

    fn image_of(
        &self,
        finite: &Finite,
        world: &World,
        state: &State,
        promises: &[Promise],
    ) -> finite::State {
        let mut image = finite.state(world);
        let mut put =
            |name: &str, tuple: &[usize]| image.table(finite.relation(name)).insert(tuple);
        let ballots = 0..=self.0.ballots.len();
        for a in &self.0.acceptors {
            let promised = state.promised.get(a).map_or(0, |b| ballot(*b));
            let accepted = state.accepted.get(a).copied();
            let voted = accepted.map_or(0, |(b, _)| ballot(b));
            ballots
                .clone()
                .filter(|b| *b <= promised)
                .for_each(|b| put("promised>=", &[node(*a), b]));
            ballots
                .clone()
                .filter(|b| *b < promised)
                .for_each(|b| put("promised>", &[node(*a), b]));
            ballots.clone().filter(|b| *b >= voted).for_each(|b| put("accepted<=", &[node(*a), b]));
            put("accepted=", &[node(*a), voted]);
            accepted.iter().for_each(|(_, v)| put("accepted.value", &[node(*a), value(*v)]));
        }
        for (at, m) in promises.iter().enumerate() {
            let voted = m.vote.map_or(0, |(b, _)| ballot(b));
            put("sent", &[at]);
            put("acc", &[at, node(m.acc)]);
            put("bal", &[at, ballot(m.bal)]);
            ballots.clone().filter(|b| *b >= voted).for_each(|b| put("vote<=", &[at, b]));
            put("vote=", &[at, voted]);
            m.vote.iter().for_each(|(_, v)| put("vote.value", &[at, value(*v)]));
        }
        state.prepares.iter().for_each(|b| put("prepares", &[ballot(*b)]));
        state.accepts.iter().for_each(|(b, v)| put("accepts", &[ballot(*b), value(*v)]));
        for (a, (b, v)) in &state.votes {
            put("votes", &[node(*a), ballot(*b), value(*v)]);
        }
        image
    }
}

fn node(a: Acceptor) -> usize {
    usize::from(a) - 1
}

fn ballot(b: Ballot) -> usize {
    usize::from(b) + 1
}

fn value(v: u8) -> usize {
    usize::from(v) - 1
}
