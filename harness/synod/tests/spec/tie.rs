//! Holds a model of `paxos/proof` against a relation in Rust, in every state and for every step.
//!
//! Two things must agree on all actions over all elements of a small world: the relation, which has
//! the counts of its TLA+ module, and the model, which is proved in worlds of any size. An action
//! that the relation takes must pass the model's guards and lead where the relation leads; one that
//! the relation does not take, the model must refuse, or it must change nothing. In each state that
//! is reached all invariants must hold. What maps one to the other is the business of `image_...`.

use std::collections::{HashSet, VecDeque};
use std::fmt::{self, Debug, Display};
use std::hash::Hash;
use std::time::Instant;
use synod_prove::finite::{Choice, Claims, Finite, State, World};
use synod_prove::{MODELS, Model};

/// A relation that explores, and its map to a model.
pub(crate) trait Tied {
    type State: Clone + Debug + Eq + Hash;
    type Action: Debug;
    /// A state of the specification.
    type Plain: Eq + Hash;

    /// Where it begins, and whether that is `Init`.
    fn first(&self) -> (Self::State, bool);

    /// Lists the actions over all elements, possible or not.
    fn universe(&self) -> Vec<Self::Action>;

    fn next(&self, state: &Self::State, action: &Self::Action) -> Option<Self::State>;

    /// Tells whether the relation takes the action for some value of the constants that the model
    /// leaves open.
    fn is_ever_taken(&self, state: &Self::State, action: &Self::Action) -> bool;

    /// Counts the messages that have a number in the model.
    fn messages(&self, state: &Self::State) -> usize;

    /// Makes the world for so many messages and one more.
    fn world(&self, finite: &Finite, messages: usize) -> World;

    /// Maps a state.
    fn image(&self, finite: &Finite, world: &World, state: &Self::State) -> State;

    /// Maps the state after an action, with the message that it sent, if it sent one, as the last.
    fn image_after(
        &self,
        finite: &Finite,
        world: &World,
        step: (&Self::State, &Self::Action, &Self::State),
    ) -> State;

    /// Lists the ways in which the model may take an action; all others are refused by the first
    /// guards for reasons that no rule has a part in.
    fn choices(
        &self,
        finite: &Finite,
        world: &World,
        state: &Self::State,
        action: &Self::Action,
    ) -> Vec<Choice>;

    /// Drops what only the model remembers, to count as the specification does.
    fn plain(&self, state: &Self::State) -> Self::Plain;
}

/// How the two differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Drift {
    /// The model refuses what the relation takes.
    Refused(String),
    /// The model takes what the relation does not.
    Taken(String),
    /// Both take it, and come to different states.
    Elsewhere(String),
    /// A claim of the model does not hold where the relation comes.
    Violated(String, String),
}

/// What was compared.
#[derive(Debug, Default)]
pub(crate) struct Compared {
    pub(crate) states: usize,
    pub(crate) steps: u64,
    pub(crate) refusals: u64,
}

impl Display for Drift {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(what) => write!(out, "the model refuses a step: {what}"),
            Self::Taken(what) => write!(out, "the model takes a step of its own: {what}"),
            Self::Elsewhere(what) => write!(out, "the steps lead to different states: {what}"),
            Self::Violated(claim, _) => write!(out, "{claim} does not hold"),
        }
    }
}

/// Makes a model ready, by its name, perhaps with a rule switched off.
pub(crate) fn model(name: &str, broken: Option<&str>) -> Finite {
    let source = MODELS.iter().find(|source| source.name == name).unwrap();
    Finite::new(&Model::read(source.path, source.text).unwrap(), broken)
}

/// Explores the relation to its end, or to the first difference.
pub(crate) fn compare<T: Tied>(name: &str, finite: &Finite, tied: &T) -> Result<Compared, Drift> {
    let begun = Instant::now();
    let mut walk = Walk { finite, tied, worlds: Vec::new(), compared: Compared::default() };
    walk.explore(usize::MAX)?;
    let Compared { states, steps, refusals } = walk.compared;
    let seconds = begun.elapsed().as_secs_f64();
    println!("model {name}: {states} states, {steps} steps, {refusals} refusals, {seconds:.1} s");
    Ok(walk.compared)
}

/// Explores so many states of the relation at most, and returns the first difference.
pub(crate) fn difference<T: Tied>(finite: &Finite, tied: &T, states: usize) -> Option<Drift> {
    let mut walk = Walk { finite, tied, worlds: Vec::new(), compared: Compared::default() };
    walk.explore(states).err()
}

struct Walk<'t, T> {
    finite: &'t Finite,
    tied: &'t T,
    /// By the number of messages.
    worlds: Vec<World>,
    compared: Compared,
}

impl<T: Tied> Walk<'_, T> {
    fn explore(&mut self, states: usize) -> Result<(), Drift> {
        let (first, is_init) = self.tied.first();
        let world = self.world(self.tied.messages(&first));
        let image = self.tied.image(self.finite, &world, &first);
        self.claim(Claims::Axioms, &world, &image, &first)?;
        if is_init {
            self.claim(Claims::Inits, &world, &image, &first)?;
        }
        let universe = self.tied.universe();
        let mut plain = HashSet::from([self.tied.plain(&first)]);
        let mut seen = HashSet::from([first.clone()]);
        let mut open = VecDeque::from([first]);
        let mut left = states;
        while let Some(state) = open.pop_front().filter(|_| left > 0) {
            left -= 1;
            let world = self.world(self.tied.messages(&state));
            let image = self.tied.image(self.finite, &world, &state);
            self.claim(Claims::Invariants, &world, &image, &state)?;
            self.claim(Claims::Safety, &world, &image, &state)?;
            for action in &universe {
                match self.tied.next(&state, action) {
                    Some(next) => {
                        self.follow(&world, (&state, &image), action, &next)?;
                        if !seen.contains(&next) {
                            plain.insert(self.tied.plain(&next));
                            seen.insert(next.clone());
                            open.push_back(next);
                        }
                    }
                    None => self.refuse(&world, (&state, &image), action)?,
                }
            }
        }
        self.compared.states = plain.len();
        Ok(())
    }

    fn world(&mut self, messages: usize) -> World {
        while self.worlds.len() <= messages {
            self.worlds.push(self.tied.world(self.finite, self.worlds.len()));
        }
        self.worlds[messages].clone()
    }

    fn claim(
        &self,
        claims: Claims,
        world: &World,
        image: &State,
        state: &T::State,
    ) -> Result<(), Drift> {
        match self.finite.violated(claims, world, image) {
            Some(claim) => Err(Drift::Violated(claim.into(), format!("{state:?}"))),
            None => Ok(()),
        }
    }

    /// The relation takes the action: so must the model, to the same state.
    fn follow(
        &mut self,
        world: &World,
        (state, image): (&T::State, &State),
        action: &T::Action,
        next: &T::State,
    ) -> Result<(), Drift> {
        self.compared.steps += 1;
        let expected = self.tied.image_after(self.finite, world, (state, action, next));
        let choices = self.tied.choices(self.finite, world, state, action);
        let mut guard = None;
        for choice in &choices {
            guard = self.finite.refused(world, image, choice);
            if guard.is_none() {
                let after = self.finite.take(world, image, choice);
                if let Some((relation, tuple)) = self.finite.difference(&after, &expected) {
                    let what = format!("{action:?}, {relation} {tuple:?}");
                    return Err(Drift::Elsewhere(what));
                }
                if let Some(claim) = self.finite.violated_by_step(world, image, &after) {
                    return Err(Drift::Violated(claim.into(), format!("{action:?} in {state:?}")));
                }
                return Ok(());
            }
        }
        Err(Drift::Refused(format!("{action:?}, guard {guard:?} of {} choices", choices.len())))
    }

    /// The relation does not take the action: the model must refuse it, or stand still.
    fn refuse(
        &mut self,
        world: &World,
        (state, image): (&T::State, &State),
        action: &T::Action,
    ) -> Result<(), Drift> {
        if self.tied.is_ever_taken(state, action) {
            return Ok(());
        }
        self.compared.refusals += 1;
        for choice in self.tied.choices(self.finite, world, state, action) {
            let refused = self.finite.refused(world, image, &choice).is_some();
            if !refused && self.finite.take(world, image, &choice) != *image {
                return Err(Drift::Taken(format!("{action:?}")));
            }
        }
        Ok(())
    }
}
