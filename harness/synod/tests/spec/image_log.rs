//! The states of `MultiPaxos` in Rust as states of the model `MultiPaxos`.
//!
//! Ballot b of the relation is element b + 1 of the model; element 0 stands for none, and the last
//! one for `Copied`. Slot s is element s - 1, and one slot more is what all slots can be before.
//! Promises are numbered in their order, and the one that a step sends comes last. What was counted
//! is history, which the relation forgets: it is kept beside the state.

use synod_prove::finite::{self, Choice, Finite, World};
use synod_simulated::spec::multi_paxos::{
    Action, COPIED, Decree, MultiPaxos, Promise, Proposal, Slot, State, Vote,
};
use synod_simulated::spec::{Acceptor, Ballot};

use super::explore::Start;
use super::tie::Tied;
use std::collections::BTreeSet;

/// The relation, and where it begins.
pub(crate) struct Log {
    pub(crate) relation: MultiPaxos,
    pub(crate) start: Start,
}

/// A state, and what leaders counted on the way to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Told {
    state: State,
    counted: BTreeSet<Proposal>,
}

impl Tied for Log {
    type State = Told;
    type Action = Action;
    type Plain = State;

    fn first(&self) -> (Told, bool) {
        let state = match self.start {
            Start::Init => self.relation.init(),
            Start::Led => self.relation.led(),
            Start::Split => self.relation.split(),
        };
        (Told { state, counted: BTreeSet::new() }, self.start == Start::Init)
    }

    fn universe(&self) -> Vec<Action> {
        let MultiPaxos { owner, acceptors, learners, last, .. } = &self.relation;
        let proposals: Vec<Proposal> = owner
            .keys()
            .flat_map(|b| (1..=*last).map(move |s| (s, *b)))
            .flat_map(|(s, b)| self.decrees().into_iter().map(move |d| (s, b, d)))
            .collect();
        let ends = || owner.keys().flat_map(|b| (2..=last + 1).map(move |c| (*b, c)));
        let mut actions: Vec<Action> = owner.keys().map(|b| Action::Phase1a(*b)).collect();
        actions.extend(proposals.iter().map(|(s, b, d)| Action::Phase2a(*b, *s, *d)));
        for a in acceptors {
            let promises = owner.keys().flat_map(|b| (1..=last + 1).map(move |c| (*b, c)));
            actions.extend(promises.map(|(b, c)| Action::Phase1b(*a, b, c)));
            actions.extend(proposals.iter().map(|w| Action::Phase2b(*a, *w)));
        }
        // Those that learn nothing are asked, too, unless nobody learns.
        for a in acceptors.iter().filter(|_| !learners.is_empty()) {
            actions.extend(proposals.iter().map(|w| Action::Choose(*a, *w)));
            actions.extend(ends().map(|(b, c)| Action::Announce(*a, b, c)));
            actions.extend(ends().map(|m| Action::Learn(*a, m)));
            for (c, s) in acceptors.iter().flat_map(|c| (1..=*last).map(move |s| (*c, s))) {
                actions.extend(self.decrees().into_iter().map(|d| Action::Copy(*a, c, s, d)));
            }
        }
        actions
    }

    fn next(&self, told: &Told, action: &Action) -> Option<Told> {
        let state = self.relation.next(&told.state, action)?;
        let mut counted = told.counted.clone();
        if let Action::Choose(_, w) = action {
            counted.insert(*w);
        }
        Some(Told { state, counted })
    }

    /// The model is that of both values of `Late` and `Torn`.
    fn is_ever_taken(&self, told: &Told, action: &Action) -> bool {
        let loose = MultiPaxos { late: true, torn: true, ..self.relation.clone() };
        loose.next(&told.state, action).is_some()
    }

    fn messages(&self, told: &Told) -> usize {
        told.state.promises.len()
    }

    fn world(&self, finite: &Finite, messages: usize) -> World {
        let relation = &self.relation;
        let (ballots, slots) = (relation.owner.len() + 2, usize::from(relation.last) + 1);
        let mut world = finite.world(&[
            ("slot", slots),
            ("decree", self.decrees().len()),
            ("ballot", ballots),
            ("quorum1", relation.quorum1.len()),
            ("quorum2", relation.quorum2.len()),
            ("acceptor", relation.acceptors.len()),
            ("msg", messages + 1),
        ]);
        finite.set_constant(&mut world, "top", ballots - 1);
        finite.set_constant(&mut world, "Noop", self.decree(relation.noop));
        for (name, size) in [("lt", ballots), ("before", slots)] {
            for later in 0..size {
                (0..later).for_each(|one| finite.rigid(&mut world, name).insert(&[one, later]));
            }
        }
        for (name, quorums) in [("in1", &relation.quorum1), ("in2", &relation.quorum2)] {
            for (q, quorum) in quorums.iter().enumerate() {
                quorum.iter().for_each(|a| finite.rigid(&mut world, name).insert(&[node(*a), q]));
            }
        }
        let values = relation.values.iter().map(|d| self.decree(*d));
        values.for_each(|d| finite.rigid(&mut world, "Value").insert(&[d]));
        let learners = relation.learners.iter().map(|a| node(*a));
        learners.for_each(|a| finite.rigid(&mut world, "Learner").insert(&[a]));
        let owners = relation.owner.values().map(|a| node(*a));
        let owners: Vec<usize> = [0].into_iter().chain(owners).chain([0]).collect();
        finite.set_function(&mut world, "Owner", &owners);
        world
    }

    fn image(&self, finite: &Finite, world: &World, told: &Told) -> finite::State {
        self.image_of(finite, world, told, &told.state.promises.iter().collect::<Vec<_>>())
    }

    fn image_after(
        &self,
        finite: &Finite,
        world: &World,
        (before, action, after): (&Told, &Action, &Told),
    ) -> finite::State {
        let mut promises: Vec<&Promise> = before.state.promises.iter().collect();
        let silent = State { promises: [].into(), ..before.state.clone() };
        let sent = match action {
            Action::Phase1b(..) => self.relation.next(&silent, action).unwrap().promises,
            Action::Phase1a(..)
            | Action::Phase2a(..)
            | Action::Phase2b(..)
            | Action::Choose(..)
            | Action::Announce(..)
            | Action::Learn(..)
            | Action::Copy(..) => BTreeSet::new(),
        };
        promises.extend(&sent);
        self.image_of(finite, world, after, &promises)
    }

    fn choices(&self, finite: &Finite, world: &World, told: &Told, action: &Action) -> Vec<Choice> {
        let choose = |name, elements: &[(&str, usize)]| finite.choose(world, name, elements);
        let proposal =
            |(s, b, d): Proposal| [("s", slot(s)), ("b", ballot(b)), ("d", self.decree(d))];
        match *action {
            Action::Phase1a(b) => vec![choose("Phase1a", &[("b", ballot(b))])],
            Action::Phase1b(a, b, c) => {
                let m = told.state.promises.len();
                vec![choose(
                    "Phase1b",
                    &[("a", node(a)), ("b", ballot(b)), ("c", slot(c)), ("m", m)],
                )]
            }
            Action::Phase2a(b, s, d) => self.proposals(finite, world, &told.state, (s, b, d)),
            Action::Phase2b(a, w) => {
                vec![choose("Phase2b", &[&proposal(w)[..], &[("a", node(a))]].concat())]
            }
            Action::Choose(a, w) => {
                let counts = |q| [&proposal(w)[..], &[("a", node(a)), ("q", q)]].concat();
                let quorums = 0..self.relation.quorum2.len();
                quorums.map(|q| choose("Choose", &counts(q))).collect()
            }
            Action::Announce(a, b, c) => {
                vec![choose("Announce", &[("a", node(a)), ("b", ballot(b)), ("c", slot(c))])]
            }
            Action::Learn(a, (b, c)) => {
                vec![choose("Learn", &[("a", node(a)), ("b", ballot(b)), ("c", slot(c))])]
            }
            Action::Copy(a, o, s, d) => {
                let chosen =
                    [("a", node(a)), ("o", node(o)), ("s", slot(s)), ("d", self.decree(d))];
                let mut choice = choose("Copy", &chosen);
                let held = told.state.accepted.get(&(a, s)).map(|vote| vote.1);
                choice.set_flag(0, self.relation.torn && held != Some(d));
                vec![choice]
            }
        }
    }

    fn plain(&self, told: &Told) -> State {
        told.state.clone()
    }
}

impl Log {
    fn decrees(&self) -> BTreeSet<Decree> {
        self.relation.values.iter().copied().chain([self.relation.noop]).collect()
    }

    fn decree(&self, d: Decree) -> usize {
        self.decrees().iter().position(|known| *known == d).unwrap()
    }

    fn ballot(&self, b: Ballot) -> usize {
        if b == COPIED { self.relation.owner.len() + 1 } else { ballot(b) }
    }

    /// The quorum and a promise of each of its members; the highest vote that they report in the
    /// slot, and a later slot that one of them reports. More promises of one member allow no more.
    fn proposals(
        &self,
        finite: &Finite,
        world: &World,
        state: &State,
        (s, b, d): Proposal,
    ) -> Vec<Choice> {
        let mut choices = Vec::new();
        for (p, quorum) in self.relation.quorum1.iter().enumerate() {
            for set in promise_sets(state, quorum, b) {
                let told = |(at, m): &(usize, &Promise)| Some((*at, m.votes.get(&s)?.0));
                let reports = set.iter().filter_map(told).map(|(at, r)| (at, self.ballot(r)));
                let later = |(at, m): &(usize, &Promise)| {
                    m.votes.keys().find(|t| **t > s).map(|t| (*at, slot(*t)))
                };
                let (mg, t) = set.iter().find_map(later).unwrap_or((0, 0));
                for (m0, r) in reports.chain([(0, 0)]) {
                    let mut choice = finite.choose(
                        world,
                        "Phase2a",
                        &[
                            ("b", ballot(b)),
                            ("s", slot(s)),
                            ("d", self.decree(d)),
                            ("p", p),
                            ("m0", m0),
                            ("r", r),
                            ("mg", mg),
                            ("t", t),
                        ],
                    );
                    set.iter().for_each(|(at, _)| choice.free(0).insert(&[*at]));
                    choices.push(choice);
                }
            }
        }
        choices
    }

    fn image_of(
        &self,
        finite: &Finite,
        world: &World,
        told: &Told,
        promises: &[&Promise],
    ) -> finite::State {
        let state = &told.state;
        let mut image = finite.state(world);
        let mut put =
            |name: &str, tuple: &[usize]| image.table(finite.relation(name)).insert(tuple);
        let ballots = 0..=self.relation.owner.len() + 1;
        let slots = 1..=self.relation.last + 1;
        for a in &self.relation.acceptors {
            let promised = state.promised.get(a).map_or(0, |b| ballot(*b));
            ballots
                .clone()
                .filter(|b| *b <= promised)
                .for_each(|b| put("promised>=", &[node(*a), b]));
            ballots
                .clone()
                .filter(|b| *b < promised)
                .for_each(|b| put("promised>", &[node(*a), b]));
            for s in slots.clone() {
                let place = [node(*a), slot(s)];
                self.vote(&mut put, "accepted", &place, state.accepted.get(&(*a, s)).copied());
            }
        }
        for ((a, s), d) in &state.learned {
            put("known", &[node(*a), slot(*s)]);
            put("learned", &[node(*a), slot(*s), self.decree(*d)]);
        }
        for (at, m) in promises.iter().enumerate() {
            put("sent", &[at]);
            put("acc", &[at, node(m.acc)]);
            put("bal", &[at, ballot(m.bal)]);
            for s in slots.clone() {
                self.vote(&mut put, "vote", &[at, slot(s)], m.votes.get(&s).copied());
                if s < m.chosen {
                    put("prefix", &[at, slot(s)]);
                }
            }
        }
        state.prepares.iter().for_each(|b| put("prepares", &[ballot(*b)]));
        let proposal = |(s, b, d): &Proposal| [slot(*s), ballot(*b), self.decree(*d)];
        state.accepts.iter().for_each(|w| put("accepts", &proposal(w)));
        for (a, w) in &state.cast {
            put("cast", &[&[node(*a)][..], &proposal(w)].concat());
        }
        state.announced.iter().for_each(|(b, c)| put("announced", &[ballot(*b), slot(*c)]));
        for w in &told.counted {
            put("counted", &proposal(w));
            put("won", &[slot(w.0), self.decree(w.2)]);
        }
        image
    }

    /// Puts a vote, or none, into the three relations that say it.
    fn vote(
        &self,
        put: &mut impl FnMut(&str, &[usize]),
        name: &str,
        place: &[usize],
        vote: Option<Vote>,
    ) {
        let voted = vote.map_or(0, |(b, _)| self.ballot(b));
        for b in voted..=self.relation.owner.len() + 1 {
            put(&format!("{name}<="), &[place, &[b]].concat());
        }
        put(&format!("{name}="), &[place, &[voted]].concat());
        if let Some((_, d)) = vote {
            put(&format!("{name}.decree"), &[place, &[self.decree(d)]].concat());
        }
    }
}

/// All choices of one promise of each member of a quorum, with their numbers: of ballot b where the
/// member has one, and else of another, or none, which the model must not take.
fn promise_sets<'s>(
    state: &'s State,
    quorum: &BTreeSet<Acceptor>,
    b: Ballot,
) -> Vec<Vec<(usize, &'s Promise)>> {
    quorum.iter().fold(vec![Vec::new()], |sets, a| {
        let of = |(_, m): &(usize, &Promise)| m.acc == *a;
        let mut all: Vec<(usize, &Promise)> =
            state.promises.iter().enumerate().filter(of).collect();
        if all.iter().any(|(_, m)| m.bal == b) {
            all.retain(|(_, m)| m.bal == b);
        }
        if all.is_empty() {
            return sets;
        }
        let with = |set: Vec<(usize, &'s Promise)>| {
            all.iter().map(|m| set.iter().copied().chain([*m]).collect()).collect::<Vec<_>>()
        };
        sets.into_iter().flat_map(with).collect()
    })
}

fn node(a: Acceptor) -> usize {
    usize::from(a) - 1
}

fn slot(s: Slot) -> usize {
    usize::from(s) - 1
}

fn ballot(b: Ballot) -> usize {
    usize::from(b) + 1
}
