//! `paxos/spec/MultiPaxos.tla`, transcribed: Paxos for a log as a transition relation.
//!
//! Constants, variables, actions and invariants have the names that they have there, and the
//! comments that explain them are there. What is absent from a map stands for the specification's
//! -1, `NoVote` and `Unknown`. The claim kept true, by `tests/spec_counts.rs`: explored, it has
//! exactly as many states as the specification.

mod invariants;

use super::{Acceptor, Ballot, Quorum, some_quorum};
use std::collections::{BTreeMap, BTreeSet};

/// A position of the log; the first is one.
pub type Slot = u8;

/// What a slot can hold.
pub type Decree = u8;

/// A ballot and the decree that was voted for in it.
pub type Vote = (Ballot, Decree);

/// `Copied`: the ballot in which a copied decree counts as voted for, above all others.
pub const COPIED: Ballot = Ballot::MAX;

/// What was proposed or voted for, and where.
pub type Proposal = (Slot, Ballot, Decree);

/// `Broken`: the rule that is switched off, to see the exploration object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Broken {
    /// None is.
    #[default]
    No,
    /// A promise leaves its chosen prefix out and does not say so.
    SilentPrefix,
    /// The candidate ignores reported votes.
    AnyDecree,
    /// The candidate takes any reported vote, not the highest.
    AnyVote,
    /// The candidate proposes in slots that a promise calls chosen.
    BelowChosen,
    /// A vote below the promise.
    BelowPromise,
    /// Votes of different ballots are counted together.
    MixedBallots,
    /// A leader announces over slots where it proposed something else.
    CopiedSlots,
    /// A follower learns its vote of any ballot.
    LearnAny,
    /// A follower learns its vote of the ballot or a higher one.
    LearnAbove,
    /// The candidate proposes in slots that it announced.
    BelowAnnounced,
    /// A node hands on any vote that it cast in a slot.
    AnyRecord,
    /// A node hands on what it last voted for or copied in a slot.
    LastRecord,
    /// A copy takes the place of any vote, and no promise tells it.
    HiddenCopy,
    /// A promise tells of votes as if they were copies of what is chosen.
    FalseCopy,
}

/// The constants of the module, and with them the relation.
#[derive(Clone, Debug)]
pub struct MultiPaxos {
    /// `Value`.
    pub values: BTreeSet<Decree>,
    /// `Acceptor`.
    pub acceptors: BTreeSet<Acceptor>,
    /// `Quorum1`.
    pub quorum1: Vec<Quorum>,
    /// `Quorum2`.
    pub quorum2: Vec<Quorum>,
    /// `Owner`, and its domain is `Ballot`.
    pub owner: BTreeMap<Ballot, Acceptor>,
    /// `Last`: the slots are those from one to here.
    pub last: Slot,
    /// `Learner`.
    pub learners: BTreeSet<Acceptor>,
    /// `Noop`.
    pub noop: Decree,
    /// `Late`.
    pub late: bool,
    /// `Torn`.
    pub torn: bool,
    /// `Broken`.
    pub broken: Broken,
}

/// A Promise message.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Promise {
    /// Who promises.
    pub acc: Acceptor,
    /// The ballot promised.
    pub bal: Ballot,
    /// All slots below are known to the sender to be chosen.
    pub chosen: Slot,
    /// The latest votes in the other slots.
    pub votes: BTreeMap<Slot, Vote>,
}

/// The variables of the module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct State {
    /// `promised`.
    pub promised: BTreeMap<Acceptor, Ballot>,
    /// `accepted`.
    pub accepted: BTreeMap<(Acceptor, Slot), Vote>,
    /// `learned`.
    pub learned: BTreeMap<(Acceptor, Slot), Decree>,
    /// `prepares`.
    pub prepares: BTreeSet<Ballot>,
    /// `promises`.
    pub promises: BTreeSet<Promise>,
    /// `accepts`.
    pub accepts: BTreeSet<Proposal>,
    /// `cast`.
    pub cast: BTreeSet<(Acceptor, Proposal)>,
    /// `announced`.
    pub announced: BTreeSet<(Ballot, Slot)>,
}

/// An action of `Next`, with its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// A candidate asks for promises.
    Phase1a(Ballot),
    /// An acceptor promises, and calls all below a slot chosen.
    Phase1b(Acceptor, Ballot, Slot),
    /// The candidate proposes this decree.
    Phase2a(Ballot, Slot, Decree),
    /// An acceptor votes.
    Phase2b(Acceptor, Proposal),
    /// The leader counts a quorum.
    Choose(Acceptor, Proposal),
    /// The leader announces that all below a slot is chosen.
    Announce(Acceptor, Ballot, Slot),
    /// A follower takes an announcement.
    Learn(Acceptor, (Ballot, Slot)),
    /// A node copies the decree that another hands on.
    Copy(Acceptor, Acceptor, Slot, Decree),
}

impl MultiPaxos {
    /// `Init`.
    #[must_use]
    pub fn init(&self) -> State {
        State::default()
    }

    /// `Start` of `MCMultiPaxos` where it begins under a leader: everyone has promised ballot 0,
    /// and the other ballots are asked for.
    #[must_use]
    pub fn led(&self) -> State {
        let promise = |a: &Acceptor| Promise { acc: *a, bal: 0, chosen: 1, votes: BTreeMap::new() };
        State {
            promised: self.acceptors.iter().map(|a| (*a, 0)).collect(),
            prepares: self.owner.keys().copied().collect(),
            promises: self.acceptors.iter().map(promise).collect(),
            ..State::default()
        }
    }

    /// `SplitInit` of `MCMultiPaxos`: acceptor 1 voted for 1 in ballot 0, acceptor 3 for 2 in
    /// ballot 1, acceptor 2 for neither, and the ballots above are asked for.
    #[must_use]
    pub fn split(&self) -> State {
        let promise = |(acc, bal)| Promise { acc, bal, chosen: 1, votes: BTreeMap::new() };
        let accepts = [(1, 0, 1), (1, 1, 2)];
        State {
            promised: [(1, 0), (2, 1), (3, 1)].into(),
            accepted: [((1, 1), (0, 1)), ((3, 1), (1, 2))].into(),
            prepares: self.owner.keys().copied().collect(),
            promises: [(1, 0), (2, 0), (3, 0), (2, 1), (3, 1)].map(promise).into(),
            accepts: accepts.into(),
            cast: [(1, accepts[0]), (3, accepts[1])].into(),
            ..State::default()
        }
    }

    /// Lists the actions over whose parameters `Next` quantifies, enabled or not.
    #[must_use]
    pub fn candidates(&self, state: &State) -> Vec<Action> {
        let mut actions = Vec::new();
        let decrees: BTreeSet<Decree> = self.values.iter().copied().chain([self.noop]).collect();
        for b in self.owner.keys() {
            actions.push(Action::Phase1a(*b));
            let proposals = (1..=self.last).flat_map(|s| decrees.iter().map(move |d| (s, *d)));
            actions.extend(proposals.map(|(s, d)| Action::Phase2a(*b, s, d)));
        }
        for a in &self.acceptors {
            let ends = 1..=self.chosen_up_to(state, *a);
            let promises = state.prepares.iter().flat_map(|b| ends.clone().map(move |c| (*b, c)));
            actions.extend(promises.map(|(b, c)| Action::Phase1b(*a, b, c)));
            actions.extend(state.accepts.iter().map(|w| Action::Phase2b(*a, *w)));
        }
        for a in &self.learners {
            actions.extend(state.accepts.iter().map(|w| Action::Choose(*a, *w)));
            let ends = self.owner.keys().flat_map(|b| (2..=self.last + 1).map(move |c| (*b, c)));
            actions.extend(ends.map(|(b, c)| Action::Announce(*a, b, c)));
            actions.extend(state.announced.iter().map(|m| Action::Learn(*a, *m)));
            for (c, s) in self.learners.iter().flat_map(|c| (1..=self.last).map(move |s| (*c, s))) {
                let read = self.read_back(state, c, s).into_iter();
                actions.extend(read.map(|d| Action::Copy(*a, c, s, d)));
            }
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
        match *action {
            Action::Phase1a(b) => {
                let mut next = state.clone();
                next.prepares.insert(b);
                Some(next)
            }
            Action::Phase1b(a, b, c) => self.phase1b(state, a, b, c),
            Action::Phase2a(b, s, d) => self.phase2a(state, b, s, d),
            Action::Phase2b(a, w) => self.phase2b(state, a, w),
            Action::Choose(a, w) => self.choose(state, a, w),
            Action::Announce(a, b, c) => self.announce(state, a, b, c),
            Action::Learn(a, m) => self.learn(state, a, m),
            Action::Copy(a, c, s, d) => self.copy(state, a, (c, s, d)),
        }
    }

    /// `ChosenUpTo(a)`; for an acceptor that learns nothing, the first slot.
    #[must_use]
    pub fn chosen_up_to(&self, state: &State, a: Acceptor) -> Slot {
        let unknown = |s: &Slot| !state.learned.contains_key(&(a, *s));
        (1..=self.last).find(unknown).unwrap_or(self.last + 1)
    }

    /// `Told(a, s)`.
    fn told(&self, state: &State, a: Acceptor, s: Slot) -> Option<Vote> {
        let (b, d) = state.accepted.get(&(a, s)).copied()?;
        match self.broken {
            Broken::HiddenCopy if b == COPIED => None,
            Broken::FalseCopy => Some((COPIED, d)),
            Broken::HiddenCopy
            | Broken::No
            | Broken::SilentPrefix
            | Broken::AnyDecree
            | Broken::AnyVote
            | Broken::BelowChosen
            | Broken::BelowPromise
            | Broken::MixedBallots
            | Broken::CopiedSlots
            | Broken::LearnAny
            | Broken::LearnAbove
            | Broken::BelowAnnounced
            | Broken::AnyRecord
            | Broken::LastRecord => Some((b, d)),
        }
    }

    fn phase1b(&self, state: &State, a: Acceptor, b: Ballot, c: Slot) -> Option<State> {
        let end = self.chosen_up_to(state, a);
        // `c \in Prefixes(a)`.
        let is_prefix = if self.torn { (1..=end).contains(&c) } else { c == end };
        let is_free = match state.promised.get(&a) {
            None => true,
            Some(promised) => *promised < b || (self.late && *promised == b),
        };
        if !(is_prefix && state.prepares.contains(&b) && is_free) {
            return None;
        }
        let mut next = state.clone();
        next.promised.insert(a, b);
        let vote = |s: Slot| self.told(state, a, s).map(|vote| (s, vote));
        next.promises.insert(Promise {
            acc: a,
            bal: b,
            chosen: if self.broken == Broken::SilentPrefix { 1 } else { c },
            votes: (c..=self.last).filter_map(vote).collect(),
        });
        Some(next)
    }

    /// `PromiseSets(p, b)`: all choices of one promise of ballot b from each acceptor of p.
    fn promise_sets<'s>(state: &'s State, p: &Quorum, b: Ballot) -> Vec<Vec<&'s Promise>> {
        p.iter().fold(vec![Vec::new()], |sets, a| {
            let of = move |m: &&Promise| m.bal == b && m.acc == *a;
            let with = |set: Vec<&'s Promise>| {
                let more = state.promises.iter().filter(of);
                more.map(move |m| set.iter().copied().chain([m]).collect::<Vec<_>>())
            };
            sets.into_iter().flat_map(with).collect()
        })
    }

    /// Tells whether `d \in Proposals(P, s)`.
    fn is_proposal(&self, promises: &[&Promise], s: Slot, d: Decree) -> bool {
        let reported: Vec<Vote> =
            promises.iter().filter_map(|m| m.votes.get(&s).copied()).collect();
        let is_gap = promises.iter().any(|m| m.votes.keys().any(|t| *t > s));
        let highest = reported.iter().map(|w| w.0).max();
        if reported.is_empty() {
            return if is_gap { d == self.noop } else { self.values.contains(&d) };
        }
        if self.broken == Broken::AnyDecree {
            return self.values.contains(&d);
        }
        let counts = |w: &&Vote| self.broken == Broken::AnyVote || Some(w.0) == highest;
        reported.iter().filter(counts).any(|w| w.1 == d)
    }

    fn phase2a(&self, state: &State, b: Ballot, s: Slot, d: Decree) -> Option<State> {
        let is_fresh = state.accepts.iter().all(|w| w.0 != s || w.1 != b);
        let mut announced = state.announced.iter().filter(|m| m.0 == b);
        let is_ahead = self.broken == Broken::BelowAnnounced || announced.all(|m| m.1 <= s);
        let may = |promises: &Vec<&Promise>| {
            let is_open =
                self.broken == Broken::BelowChosen || promises.iter().all(|m| m.chosen <= s);
            is_open && self.is_proposal(promises, s, d)
        };
        let mut quorums = self.quorum1.iter();
        let mut allowed = || quorums.any(|p| Self::promise_sets(state, p, b).iter().any(may));
        if !(is_fresh && is_ahead && allowed()) {
            return None;
        }
        let mut next = state.clone();
        next.accepts.insert((s, b, d));
        Some(next)
    }

    fn phase2b(&self, state: &State, a: Acceptor, w: Proposal) -> Option<State> {
        let (s, b, d) = w;
        let is_free = state.promised.get(&a).is_none_or(|promised| *promised <= b);
        if !(state.accepts.contains(&w) && (is_free || self.broken == Broken::BelowPromise)) {
            return None;
        }
        let mut next = state.clone();
        next.promised.insert(a, b);
        next.accepted.insert((a, s), (b, d));
        next.cast.insert((a, w));
        Some(next)
    }

    /// `Counted(w)`.
    fn is_counted(&self, state: &State, w: Proposal) -> bool {
        some_quorum(&self.quorum2, |a| {
            if self.broken == Broken::MixedBallots {
                let alike = |x: &Proposal| x.0 == w.0 && x.2 == w.2;
                state.cast.iter().any(|(of, x)| *of == a && alike(x))
            } else {
                state.cast.contains(&(a, w))
            }
        })
    }

    fn choose(&self, state: &State, a: Acceptor, w: Proposal) -> Option<State> {
        let (s, b, d) = w;
        let is_learner = self.learners.contains(&a) && self.owner.get(&b) == Some(&a);
        let is_unknown = !state.learned.contains_key(&(a, s));
        if !(is_learner && state.accepts.contains(&w) && is_unknown && self.is_counted(state, w)) {
            return None;
        }
        Some(know(state, [((a, s), d)]))
    }

    fn announce(&self, state: &State, a: Acceptor, b: Ballot, c: Slot) -> Option<State> {
        let is_learner = self.learners.contains(&a) && self.owner.get(&b) == Some(&a);
        let is_known = c > 1 && c <= self.chosen_up_to(state, a);
        let won = |w: &Proposal| state.learned.get(&(a, w.0)) == Some(&w.2);
        let mut concerned = state.accepts.iter().filter(|w| w.1 == b && w.0 < c);
        if !(is_learner && is_known && (self.broken == Broken::CopiedSlots || concerned.all(won))) {
            return None;
        }
        let mut next = state.clone();
        next.announced.insert((b, c));
        Some(next)
    }

    /// The vote of a in s, if `Concerns(a, m, s)`.
    fn concern(&self, state: &State, a: Acceptor, m: (Ballot, Slot), s: Slot) -> Option<Vote> {
        let vote = state.accepted.get(&(a, s)).copied()?;
        let is_meant = match self.broken {
            Broken::LearnAny => true,
            Broken::LearnAbove => vote.0 >= m.0,
            Broken::No
            | Broken::SilentPrefix
            | Broken::AnyDecree
            | Broken::AnyVote
            | Broken::BelowChosen
            | Broken::BelowPromise
            | Broken::MixedBallots
            | Broken::CopiedSlots
            | Broken::BelowAnnounced
            | Broken::AnyRecord
            | Broken::LastRecord
            | Broken::HiddenCopy
            | Broken::FalseCopy => vote.0 == m.0,
        };
        (s < m.1 && !state.learned.contains_key(&(a, s)) && is_meant).then_some(vote)
    }

    fn learn(&self, state: &State, a: Acceptor, m: (Ballot, Slot)) -> Option<State> {
        let news = |s: Slot| self.concern(state, a, m, s).map(|vote| ((a, s), vote.1));
        let news: Vec<_> = (1..=self.last).filter_map(news).collect();
        let may = self.learners.contains(&a) && state.announced.contains(&m) && !news.is_empty();
        may.then(|| know(state, news))
    }

    /// `ReadBack(c, s)`.
    fn read_back(&self, state: &State, c: Acceptor, s: Slot) -> BTreeSet<Decree> {
        let Some(learned) = state.learned.get(&(c, s)) else { return BTreeSet::new() };
        match self.broken {
            Broken::AnyRecord => {
                let here = state.cast.iter().filter(|(of, w)| *of == c && w.0 == s);
                here.map(|(_, w)| w.2).collect()
            }
            Broken::LastRecord => {
                state.accepted.get(&(c, s)).map(|vote| vote.1).into_iter().collect()
            }
            Broken::No
            | Broken::SilentPrefix
            | Broken::AnyDecree
            | Broken::AnyVote
            | Broken::BelowChosen
            | Broken::BelowPromise
            | Broken::MixedBallots
            | Broken::CopiedSlots
            | Broken::LearnAny
            | Broken::LearnAbove
            | Broken::BelowAnnounced
            | Broken::HiddenCopy
            | Broken::FalseCopy => [*learned].into(),
        }
    }

    fn copy(
        &self,
        state: &State,
        a: Acceptor,
        (c, s, d): (Acceptor, Slot, Decree),
    ) -> Option<State> {
        let is_between = self.learners.contains(&a) && self.learners.contains(&c) && a != c;
        let is_open = self.torn || !state.learned.contains_key(&(a, s));
        if !(is_between && is_open && self.read_back(state, c, s).contains(&d)) {
            return None;
        }
        let mut next = know(state, [((a, s), d)]);
        // `Kept(a, s, d)`.
        let is_other = state.accepted.get(&(a, s)).is_none_or(|vote| vote.1 != d);
        if self.torn && (is_other || self.broken == Broken::HiddenCopy) {
            next.accepted.insert((a, s), (COPIED, d));
        }
        Some(next)
    }
}

fn know(state: &State, news: impl IntoIterator<Item = ((Acceptor, Slot), Decree)>) -> State {
    let mut next = state.clone();
    next.learned.extend(news);
    next
}
