//! A cluster of the shipped code as a state of the model `MultiPaxos` in `paxos/proof`.
//!
//! The cluster's state is kept as the model's relations have it, slot by slot; who asks says what
//! happened. An invariant speaks of all slots, ballots and messages, each of at most one slot and
//! one announcement. A claim about all elements holds in a part of a world if it holds in the
//! whole, so each slot is looked at alone, with everything that says something of it: its
//! proposals, votes and copies, the ballots of these, all acceptors and quorums, and those Promises
//! whose ballot is above some vote that their sender cast there. Others promise nothing that a vote
//! can break. One slot more stands for all later ones. The claims kept true: what fails in the part
//! fails in the whole; and what can start to fail in a step, fails in the part of a slot that the
//! step touched.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use synod_paxos::{Ballot, Configuration, Decree, NodeId, Slot, Tally};
use synod_prove::finite::{Claims, Finite, State, World};
use synod_prove::{MODELS, Model};
use synod_smr::CommandBatch;

/// An acceptor's place among the voters.
pub(crate) type Place = usize;

/// A decree of a slot, by its number there; zero is the Noop.
type Number = usize;

/// The ballot of a vote, and none for a copy; and the decree.
pub(crate) type Held = (Option<Ballot>, Number);

/// A Promise that left.
#[derive(Clone, Debug)]
pub(crate) struct Promise {
    pub(crate) place: Place,
    pub(crate) ballot: Ballot,
    /// It says nothing of the slots below.
    pub(crate) first: Slot,
    /// Nor of those from here on, where it was cut.
    pub(crate) end: Option<Slot>,
    /// It calls all slots below chosen.
    pub(crate) chosen: Slot,
    pub(crate) reports: BTreeMap<Slot, Held>,
}

/// One slot.
#[derive(Clone, Debug, Default)]
pub(crate) struct SlotState {
    /// The values, in the order in which the slot saw them.
    values: Vec<CommandBatch>,
    accepts: Vec<(Ballot, Number)>,
    cast: BTreeSet<(Place, Ballot, Number)>,
    accepted: BTreeMap<Place, Held>,
    learned: BTreeMap<Place, Number>,
    counted: Vec<(Ballot, Number)>,
}

/// The cluster.
pub(crate) struct Cluster {
    voters: Vec<NodeId>,
    quorum1: Vec<Vec<Place>>,
    quorum2: Vec<Vec<Place>>,
    pub(crate) promised: Vec<Ballot>,
    pub(crate) prepares: BTreeSet<Ballot>,
    pub(crate) announced: BTreeMap<Ballot, Slot>,
    pub(crate) promises: Vec<Promise>,
    pub(crate) slots: BTreeMap<Slot, SlotState>,
    finite: Finite,
    names: Names,
    /// By the number of ballots, decrees and messages.
    worlds: BTreeMap<(usize, usize, usize), Known>,
    /// Kept for its memory.
    words: Vec<u64>,
}

/// A world, and the states in it of which every invariant was seen to hold.
///
/// An invariant is asked of nothing but these two, and most slots go through the same few states.
struct Known {
    world: World,
    /// The state that is asked about; kept for its memory.
    image: State,
    /// By their words ([`State::write_words`]).
    sound: HashSet<Box<[u64]>>,
}

impl SlotState {
    /// Numbers a decree.
    pub(crate) fn number(&mut self, decree: &Decree<CommandBatch>) -> Number {
        let Decree::Value(value) = decree else { return 0 };
        let at = self.values.iter().position(|known| known == value);
        1 + at.unwrap_or_else(|| {
            self.values.push(value.clone());
            self.values.len() - 1
        })
    }

    /// Adds a proposal, and tells whether it was none before.
    pub(crate) fn propose(&mut self, ballot: Ballot, decree: &Decree<CommandBatch>) -> bool {
        let proposal = (ballot, self.number(decree));
        let is_new = !self.accepts.contains(&proposal);
        if is_new {
            self.accepts.push(proposal);
        }
        is_new
    }

    pub(crate) fn is_proposed(&self, ballot: Ballot) -> bool {
        self.accepts.iter().any(|(of, _)| *of == ballot)
    }

    /// Notes what an acceptor knows to be chosen.
    pub(crate) fn learn(&mut self, place: Place, decree: &Decree<CommandBatch>) {
        let number = self.number(decree);
        self.learned.insert(place, number);
    }

    /// Notes that a state stands for the slot at a node: it knows what others know.
    pub(crate) fn pass_over(&mut self, place: Place) {
        if let Some(number) = self.learned.values().next().copied() {
            self.learned.entry(place).or_insert(number);
        }
    }

    /// Notes a copy, which takes the place of a vote for another decree.
    pub(crate) fn copy(&mut self, place: Place, decree: &Decree<CommandBatch>) {
        self.learn(place, decree);
        let number = self.number(decree);
        if self.accepted.get(&place).is_none_or(|held| held.1 != number) {
            self.accepted.insert(place, (None, number));
        }
    }

    /// Returns the latest vote of an acceptor, or the copy that took its place.
    pub(crate) fn accepted(&self, place: Place) -> Option<Held> {
        self.accepted.get(&place).copied()
    }

    /// Returns the lowest ballot in which an acceptor voted.
    fn lowest(&self, place: Place) -> Option<Ballot> {
        // The set is in the order of acceptors and, for each, of ballots.
        let votes = self.cast.range((place, Ballot::ZERO, 0)..);
        votes.take_while(|(of, _, _)| *of == place).map(|(_, ballot, _)| *ballot).next()
    }
}

impl Cluster {
    pub(crate) fn new(voters: &Configuration) -> Self {
        let nodes = voters.voters().to_vec();
        let source = MODELS.iter().find(|source| source.name == "MultiPaxos");
        let source = source.expect("the log is among the models");
        let model = Model::read(source.path, source.text).expect("a listed model can be read");
        let finite = Finite::new(&model, None);
        Self {
            quorum1: quorums(&nodes, |tally| voters.is_phase1_quorum(tally)),
            quorum2: quorums(&nodes, |tally| voters.is_phase2_quorum(tally)),
            promised: vec![Ballot::ZERO; nodes.len()],
            voters: nodes,
            prepares: BTreeSet::new(),
            announced: BTreeMap::new(),
            promises: Vec::new(),
            slots: BTreeMap::new(),
            names: Names::of(&finite),
            finite,
            worlds: BTreeMap::new(),
            words: Vec::new(),
        }
    }

    pub(crate) fn place(&self, node: NodeId) -> Option<Place> {
        self.voters.binary_search(&node).ok()
    }

    pub(crate) fn slot(&mut self, slot: Slot) -> &mut SlotState {
        self.slots.entry(slot).or_default()
    }

    /// Notes a vote, and whether it is the one that makes a quorum.
    pub(crate) fn vote(
        &mut self,
        place: Place,
        slot: Slot,
        ballot: Ballot,
        decree: &Decree<CommandBatch>,
    ) {
        let state = self.slots.entry(slot).or_default();
        let number = state.number(decree);
        state.accepted.insert(place, (Some(ballot), number));
        if !state.cast.insert((place, ballot, number)) || state.counted.contains(&(ballot, number))
        {
            return;
        }
        let voted = |place: &Place| state.cast.contains(&(*place, ballot, number));
        if self.quorum2.iter().any(|quorum| quorum.iter().all(voted)) {
            state.counted.push((ballot, number));
        }
    }

    /// Forgets what an acceptor holds, and returns what it held, slot by slot.
    pub(crate) fn forget(&mut self, place: Place, state_at: Slot) -> BTreeMap<Slot, Held> {
        self.promised[place] = Ballot::ZERO;
        // Below it votes and copies are cut off with the log; they were cast all the same.
        let slots = self.slots.range_mut(state_at..);
        slots.filter_map(|(slot, state)| Some((*slot, state.accepted.remove(&place)?))).collect()
    }

    /// Checks what is about a Promise alone: `promise_kept`.
    pub(crate) fn keeps(&self, promise: &Promise) -> Result<(), String> {
        let promised = self.promised[promise.place];
        if promised >= promise.ballot {
            return Ok(());
        }
        let Promise { place, ballot, .. } = promise;
        let node = self.voters[*place];
        Err(format!("promise_kept: node {node} promises {ballot}, durable is {promised}"))
    }

    /// Asks all invariants about one slot; `sent` are the messages of the step at hand.
    pub(crate) fn ask(&mut self, slot: Slot, sent: &[Promise]) -> Result<(), String> {
        let Some(state) = self.slots.get(&slot) else { return Ok(()) };
        let binds = |promise: &&Promise| {
            let covers = promise.first <= slot && promise.end.is_none_or(|end| slot < end);
            covers && state.lowest(promise.place).is_some_and(|vote| vote < promise.ballot)
        };
        let told = |promise: &&Promise| promise.reports.contains_key(&slot);
        let promises: Vec<&Promise> = self
            .promises
            .iter()
            .filter(binds)
            .chain(sent.iter().filter(|promise| binds(promise) || told(promise)))
            .collect();
        let ballots = ballots(state, &promises);
        // On top of the slot's own there are the ballot of no vote and that of copies, the Noop,
        // and a message that was not sent.
        let key = (ballots.len() + 2, state.values.len() + 1, promises.len() + 1);
        let Known { world, image, sound } = self.worlds.entry(key).or_insert_with(|| {
            let world = world(&self.finite, (&self.quorum1, &self.quorum2), key);
            let image = self.finite.state(&world);
            Known { world, image, sound: HashSet::new() }
        });
        let part = Part { slot, state, ballots: &ballots, promises: &promises };
        image.clear();
        part.acceptors(&self.names, &self.promised, image);
        part.messages(&self.names, image);
        part.proposals(&self.names, image);
        part.announcements(&self.names, &self.announced, image);
        for (at, ballot) in ballots.iter().enumerate() {
            if self.prepares.contains(ballot) {
                image.table(self.names.prepares).insert(&[at + 1]);
            }
        }
        image.write_words(&mut self.words);
        let is_sound = sound.contains(&self.words[..]);
        // Builds with assertions ask again what was asked before.
        if is_sound && !cfg!(debug_assertions) {
            return Ok(());
        }
        match self.finite.violated(Claims::Invariants, world, image) {
            None => {
                if sound.len() < SOUND_MAX {
                    sound.insert(self.words.as_slice().into());
                }
                Ok(())
            }
            Some(claim) if is_sound => panic!("{claim} fails in a state in which it held"),
            Some(claim) => Err(format!("{claim} of paxos/proof, slot {slot}: {state:?}")),
        }
    }
}

/// Lists the ballots that say something of a slot, in order.
fn ballots(state: &SlotState, promises: &[&Promise]) -> Vec<Ballot> {
    let mut ballots: Vec<Ballot> = state.accepts.iter().map(|(ballot, _)| *ballot).collect();
    ballots.extend(state.cast.iter().map(|(_, ballot, _)| *ballot));
    ballots.extend(state.accepted.values().filter_map(|(ballot, _)| *ballot));
    ballots.extend(promises.iter().map(|promise| promise.ballot));
    ballots.sort_unstable();
    ballots.dedup();
    ballots
}

/// Lists the smallest quorums.
fn quorums(nodes: &[NodeId], is_quorum: impl Fn(&Tally) -> bool) -> Vec<Vec<Place>> {
    let count = u8::try_from(nodes.len()).expect("voters are few");
    let sets = (1..=nodes.len()).map(|size| super::quorums(count, size));
    let places = |quorum: &super::Quorum| {
        quorum.iter().map(|acceptor| Place::from(*acceptor) - 1).collect::<Vec<_>>()
    };
    let is_such = |quorum: &super::Quorum| {
        is_quorum(&places(quorum).iter().map(|place| nodes[*place]).collect::<Tally>())
    };
    // The smallest are enough: every larger quorum has one of them in it, and whatever it shows
    // that one shows too.
    let mut smallest = sets.skip_while(|sets| !sets.first().is_some_and(is_such));
    smallest.next().unwrap_or_default().iter().map(places).collect()
}

/// Makes the world of one slot and all later ones.
fn world(
    finite: &Finite,
    (quorum1, quorum2): (&[Vec<Place>], &[Vec<Place>]),
    (ballots, decrees, messages): (usize, usize, usize),
) -> World {
    let acceptors = quorum1.iter().chain(quorum2).flatten().max().map_or(1, |place| place + 1);
    let mut world = finite.world(&[
        ("slot", 2),
        ("decree", decrees),
        ("ballot", ballots),
        ("quorum1", quorum1.len()),
        ("quorum2", quorum2.len()),
        ("acceptor", acceptors),
        ("msg", messages),
    ]);
    finite.set_constant(&mut world, "top", ballots - 1);
    finite.rigid(&mut world, "before").insert(&[0, 1]);
    for higher in 0..ballots {
        (0..higher).for_each(|lower| finite.rigid(&mut world, "lt").insert(&[lower, higher]));
    }
    for (name, quorums) in [("in1", quorum1), ("in2", quorum2)] {
        for (at, quorum) in quorums.iter().enumerate() {
            quorum.iter().for_each(|place| finite.rigid(&mut world, name).insert(&[*place, at]));
        }
    }
    (1..decrees).for_each(|value| finite.rigid(&mut world, "Value").insert(&[value]));
    (0..acceptors).for_each(|place| finite.rigid(&mut world, "Learner").insert(&[place]));
    world
}

/// The part of the world that says something of one slot.
struct Part<'c> {
    slot: Slot,
    state: &'c SlotState,
    ballots: &'c [Ballot],
    promises: &'c [&'c Promise],
}

impl Part<'_> {
    /// Finds the element of a ballot: zero stands for none, the last one for that of copies.
    fn ballot(&self, ballot: Option<Ballot>) -> usize {
        let among = |ballot| self.ballots.partition_point(|known| *known < ballot) + 1;
        ballot.map_or(self.ballots.len() + 1, among)
    }

    fn held(
        &self,
        [at_most, is, decree]: [usize; 3],
        place: usize,
        held: Option<Held>,
        image: &mut State,
    ) {
        let voted = held.map_or(0, |(ballot, _)| self.ballot(ballot));
        let above = voted..=self.ballots.len() + 1;
        above.for_each(|ballot| image.table(at_most).insert(&[place, 0, ballot]));
        image.table(is).insert(&[place, 0, voted]);
        if let Some((_, number)) = held {
            image.table(decree).insert(&[place, 0, number]);
        }
        // Nothing is in the slot that stands for all later ones.
        (0..self.ballots.len() + 2).for_each(|b| image.table(at_most).insert(&[place, 1, b]));
        image.table(is).insert(&[place, 1, 0]);
    }

    fn acceptors(&self, names: &Names, promised: &[Ballot], image: &mut State) {
        for (place, promised) in promised.iter().enumerate() {
            image.table(names.promised_at_least).insert(&[place, 0]);
            if *promised > Ballot::ZERO {
                image.table(names.promised_above).insert(&[place, 0]);
            }
            for (at, ballot) in self.ballots.iter().enumerate() {
                if promised >= ballot {
                    image.table(names.promised_at_least).insert(&[place, at + 1]);
                }
                if promised > ballot {
                    image.table(names.promised_above).insert(&[place, at + 1]);
                }
            }
            self.held(names.accepted, place, self.state.accepted(place), image);
            if let Some(number) = self.state.learned.get(&place) {
                image.table(names.known).insert(&[place, 0]);
                image.table(names.learned).insert(&[place, 0, *number]);
            }
        }
    }

    fn messages(&self, names: &Names, image: &mut State) {
        for (at, promise) in self.promises.iter().enumerate() {
            image.table(names.sent).insert(&[at]);
            image.table(names.acc).insert(&[at, promise.place]);
            image.table(names.bal).insert(&[at, self.ballot(Some(promise.ballot))]);
            self.held(names.vote, at, promise.reports.get(&self.slot).copied(), image);
            if self.slot < promise.chosen {
                image.table(names.prefix).insert(&[at, 0]);
            }
        }
    }

    fn proposals(&self, names: &Names, image: &mut State) {
        for (ballot, number) in &self.state.accepts {
            image.table(names.accepts).insert(&[0, self.ballot(Some(*ballot)), *number]);
        }
        for (place, ballot, number) in &self.state.cast {
            image.table(names.cast).insert(&[*place, 0, self.ballot(Some(*ballot)), *number]);
        }
        for (ballot, number) in &self.state.counted {
            image.table(names.counted).insert(&[0, self.ballot(Some(*ballot)), *number]);
            image.table(names.won).insert(&[0, *number]);
        }
    }

    fn announcements(&self, names: &Names, ends: &BTreeMap<Ballot, Slot>, image: &mut State) {
        for (at, ballot) in self.ballots.iter().enumerate() {
            if ends.get(ballot).is_some_and(|end| self.slot < *end) {
                image.table(names.announced).insert(&[at + 1, 1]);
            }
        }
    }
}

/// The places of the model's relations.
struct Names {
    promised_at_least: usize,
    promised_above: usize,
    /// `<=`, `=` and `.decree`.
    accepted: [usize; 3],
    known: usize,
    learned: usize,
    prepares: usize,
    sent: usize,
    acc: usize,
    bal: usize,
    prefix: usize,
    /// As for `accepted`.
    vote: [usize; 3],
    accepts: usize,
    cast: usize,
    announced: usize,
    counted: usize,
    won: usize,
}

impl Names {
    fn of(finite: &Finite) -> Self {
        let name = |name| finite.relation(name);
        Self {
            promised_at_least: name("promised>="),
            promised_above: name("promised>"),
            accepted: ["accepted<=", "accepted=", "accepted.decree"].map(name),
            known: name("known"),
            learned: name("learned"),
            prepares: name("prepares"),
            sent: name("sent"),
            acc: name("acc"),
            bal: name("bal"),
            prefix: name("prefix"),
            vote: ["vote<=", "vote=", "vote.decree"].map(name),
            accepts: name("accepts"),
            cast: name("cast"),
            announced: name("announced"),
            counted: name("counted"),
            won: name("won"),
        }
    }
}

/// How many states are remembered of each world: more than a run goes through.
const SOUND_MAX: usize = 65_536;
