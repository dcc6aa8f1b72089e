//! The search for an order: depth first, after Wing and Gong (1993) and Lowe (2017).
//!
//! The search walks through time. At each point it may take any operation whose turn it can be,
//! that is, one that was called before the first return still ahead; it backs up when that return's
//! own operation cannot be taken. What makes it fast:
//!
//! - A configuration (which operations were taken, and the state) is visited once. It is known by
//!   128 bits: a random word per taken operation, all combined by exclusive or, with a hash of the
//!   state. Two configurations share a word with a chance of about n^2 / 2^129, that is 2^-82 for
//!   ten million; then a legal history could be called illegal. So an illegal verdict is not given
//!   on this search alone: the core is judged again by the exact search. A legal verdict carries a
//!   witness and needs no trust.
//! - A completed operation that only observes is taken at once when it fits, without an
//!   alternative: any order that takes it later stays right if it is taken here.
//! - An operation with an unknown outcome has no return, and may stay out. Equal ones are taken in
//!   the order of their calls. One that would leave the state as it is stays out.
//! - A state that a completed operation has yet to find is not left when nothing can bring it back.
//! - Where no completed operation is open, the past is only a state and the unknown operations that
//!   took effect. There old visited configurations are forgotten, save those at such places, so
//!   memory follows the longest stretch without a pause rather than the history.
//! - When it backs up for long without getting further, it asks its caller whether the place where
//!   it is stuck has no solution by itself. Else it would have to try everything that happened
//!   before, back to the beginning, to know that none of it helps.

mod links;
mod needs;
mod unknowns;
mod visited;

use std::hash::Hash;

use links::Links;
use needs::Needs;
use unknowns::Unknowns;
use visited::{Key, Recent, StateHasher, Visited, operation_key};

use super::budget::{Cause, Meter};
use super::model::{Model, Timed};

/// What a search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// An order that the model accepts: positions in the slice of operations.
    Order(Vec<u32>),
    /// There is none.
    None {
        /// The position of the last return that some order reached and none got past, or of a later
        /// call that kept all orders from it: what was called after that is likely to play no part.
        until: u32,
    },
}

/// Says whether what was called up to a position has certainly no order; `false` if it cannot tell.
pub type Refute<'a> = &'a mut dyn FnMut(u32, &mut Meter) -> bool;

/// Searches an order of the operations, which are sorted by their calls.
///
/// `refute` is asked at times about the furthest position, when the search is stuck there.
///
/// # Errors
///
/// The cause, if the meter's budget ran out.
pub fn search<M: Model>(
    model: &M,
    operations: &[Timed<M::Operation>],
    meter: &mut Meter,
    refute: Refute<'_>,
) -> Result<Found, Cause> {
    let bytes = operations.len() * BYTES_PER_OPERATION;
    meter.with_held(bytes, |meter| Search::new(model, operations).run(meter, refute))
}

struct Search<'a, M: Model> {
    model: &'a M,
    operations: &'a [Timed<M::Operation>],
    links: Links,
    unknowns: Unknowns,
    needs: Needs,
    state: M::State,
    /// The exclusive or of the keys of all operations taken.
    taken: Key,
    stack: Vec<Taken>,
    /// The states before the choices on the stack.
    states: Vec<M::State>,
    /// What these hold besides their own size.
    states_bytes: usize,
    visited: Recent,
    /// The configurations visited at pauses, which are kept.
    at_pauses: Visited,
    /// The position of the furthest return that was waited for.
    furthest: u32,
    /// The position of the last call that stood in the way of getting further.
    blamed: u32,
    /// How many steps were made since that got further, and how many are made before asking.
    stuck: u64,
    patience: u64,
}

/// One operation that was taken.
#[derive(Clone, Copy)]
enum Taken {
    /// An observer, taken because it fitted; there is no alternative.
    Forced(u32),
    /// A completed operation, by choice.
    Chosen(u32),
    /// The next unknown operation of a class, by choice.
    Unknown(u32),
}

/// Where to look for the next choice.
#[derive(Clone, Copy)]
enum Cursor {
    /// At this link of the list of calls and returns.
    Call(u32),
    /// At this class of unknown operations.
    Class(u32),
}

impl<'a, M: Model> Search<'a, M> {
    fn new(model: &'a M, operations: &'a [Timed<M::Operation>]) -> Self {
        Self {
            model,
            operations,
            links: Links::new(operations),
            unknowns: Unknowns::new(operations),
            needs: Needs::new(model, operations),
            state: model.initial(),
            taken: Key::default(),
            stack: Vec::with_capacity(operations.len()),
            states: Vec::new(),
            states_bytes: 0,
            visited: Recent::default(),
            at_pauses: Visited::default(),
            furthest: 0,
            blamed: 0,
            stuck: 0,
            patience: PATIENCE,
        }
    }

    fn run(mut self, meter: &mut Meter, refute: Refute<'_>) -> Result<Found, Cause> {
        self.force_observers();
        let mut cursor = Cursor::Call(self.links.first());
        while !self.links.is_empty() {
            if let Err(cause) = self.step(meter) {
                meter.note_reached(self.furthest.max(self.links.first_position()));
                return Err(cause);
            }
            if self.descend(cursor) {
                cursor = Cursor::Call(self.links.first());
                continue;
            }
            let until = self.furthest.max(self.blamed);
            if self.loses_patience() && refute(until, meter) {
                return Ok(Found::None { until });
            }
            match self.back_up() {
                Some(next) => cursor = next,
                None => return Ok(Found::None { until }),
            }
        }
        Ok(Found::Order(self.order()))
    }

    /// Counts a step, which copies at least one state, and looks before a set grows.
    fn step(&self, meter: &mut Meter) -> Result<(), Cause> {
        meter.work(self.model.weight(&self.state) as u64 / BYTES_PER_WORK);
        let growth = self.visited.growth() + self.at_pauses.growth();
        if growth > 0 {
            meter.look(self.bytes() + growth)?;
        }
        meter.step(|| self.bytes())
    }

    /// Takes the first operation from the cursor on that leads to a configuration not yet visited.
    fn descend(&mut self, cursor: Cursor) -> bool {
        let class = match cursor {
            Cursor::Call(link) => {
                if self.descend_completed(link) {
                    return true;
                }
                self.unknowns.first()
            }
            Cursor::Class(class) => class,
        };
        self.descend_unknown(class)
    }

    fn descend_completed(&mut self, mut link: u32) -> bool {
        while let Some(index) = self.links.call_at(link) {
            let operation = &self.operations[index as usize].operation;
            if let Some(after) = self.model.step(&self.state, operation) {
                self.links.take(index);
                if self.enter(Taken::Chosen(index), index, after) {
                    return true;
                }
            }
            // An operation that was entered in vain was given back, so its link is in the list
            // again and has the same neighbour.
            link = self.links.after(link);
        }
        let waits_for = self.links.position(link);
        if waits_for > self.furthest {
            self.furthest = waits_for;
            self.blamed = 0;
            self.stuck = 0;
        }
        false
    }

    fn descend_unknown(&mut self, mut class: u32) -> bool {
        if class == Unknowns::END {
            return false;
        }
        // It holds for the whole loop: an unknown operation has no return to unlink, and the
        // observers that it lets in are given back with it.
        let barrier = self.links.first_return();
        while let Some(index) = self.unknowns.next_of(class, barrier) {
            if let Some(index) = index {
                let operation = &self.operations[index as usize].operation;
                let after = self.model.step(&self.state, operation);
                if let Some(after) = after.filter(|after| *after != self.state) {
                    self.unknowns.take(class);
                    if self.enter(Taken::Unknown(class), index, after) {
                        return true;
                    }
                }
            }
            class = self.unknowns.after(class);
        }
        false
    }

    /// Enters the configuration after an operation that was taken by choice; leaves it again and
    /// returns false if it was visited before, or loses a state that is still needed.
    fn enter(&mut self, taken: Taken, index: u32, after: M::State) -> bool {
        let left = self.model.number(&self.state).filter(|_| after != self.state);
        let before = std::mem::replace(&mut self.state, after);
        self.states_bytes += self.model.weight(&before);
        self.stack.push(taken);
        self.states.push(before);
        self.account(index);
        // It is counted before the question, as this very operation may be the last one that had to
        // find the state that is left, or the last that could bring it back.
        let fresh = match left.and_then(|left| self.needs.lost(left)) {
            Some(blamed) => {
                self.blamed = self.blamed.max(blamed);
                false
            }
            None => {
                self.force_observers();
                self.visit()
            }
        };
        // The top of the stack holds this choice and what it forced, so backing up undoes just
        // these; the caller knows where it was.
        if !fresh {
            self.back_up();
        }
        fresh
    }

    /// Notes the configuration and returns whether it is a fresh one.
    fn visit(&mut self) -> bool {
        let mut hasher = StateHasher::default();
        self.state.hash(&mut hasher);
        let key = self.taken ^ hasher.key();
        if !self.links.at_pause() {
            return self.visited.insert(key);
        }
        let fresh = self.at_pauses.insert(key);
        // A pause that was met before sends the search back into the past, where it needs all that
        // it knows of it.
        if fresh {
            self.visited.age();
        }
        fresh
    }

    /// Takes every completed observer whose turn it can be and that fits the state.
    fn force_observers(&mut self) {
        let mut link = self.links.first();
        // One pass is enough: an observer leaves the state as it is, so what did not fit before one
        // does not fit behind it.
        while let Some(index) = self.links.call_at(link) {
            let operation = &self.operations[index as usize].operation;
            let next = self.links.after(link);
            let fits = self.model.only_observes(operation)
                && self.model.step(&self.state, operation).is_some();
            if !fits {
                link = next;
                continue;
            }
            // The return that is unlinked may be the very next link.
            let next =
                if self.links.is_return_of(next, index) { self.links.after(next) } else { next };
            self.links.take(index);
            self.account(index);
            self.stack.push(Taken::Forced(index));
            link = next;
        }
    }

    /// Gives back operations up to the last choice, and returns where to look on; none if there
    /// is no choice left.
    fn back_up(&mut self) -> Option<Cursor> {
        while let Some(taken) = self.stack.pop() {
            match taken {
                Taken::Forced(index) => {
                    self.links.give_back(index);
                    self.discount(index);
                }
                Taken::Chosen(index) => {
                    self.links.give_back(index);
                    self.discount(index);
                    self.restore_state();
                    return Some(Cursor::Call(self.links.after(self.links.call_of(index))));
                }
                Taken::Unknown(class) => {
                    let index = self.unknowns.give_back(class);
                    self.discount(index);
                    self.restore_state();
                    return Some(Cursor::Class(self.unknowns.after(class)));
                }
            }
        }
        None
    }

    /// Counts an operation as taken.
    fn account(&mut self, index: u32) {
        self.taken ^= operation_key(index);
        self.needs.take(self.model, &self.operations[index as usize]);
    }

    /// Counts an operation as not taken.
    fn discount(&mut self, index: u32) {
        self.taken ^= operation_key(index);
        self.needs.give_back(self.model, &self.operations[index as usize]);
    }

    fn restore_state(&mut self) {
        self.state = self.states.pop().expect("every choice on the stack has the state before it");
        self.states_bytes -= self.model.weight(&self.state);
    }

    /// Counts a step back and returns whether there were many since the search got further.
    fn loses_patience(&mut self) -> bool {
        self.stuck += 1;
        let lost = self.stuck >= self.patience;
        if lost {
            self.stuck = 0;
            self.patience *= 2;
        }
        lost
    }

    fn order(mut self) -> Vec<u32> {
        // The stack names the class of an unknown operation and not the operation; given back from
        // the top, each class gives up its members in the reverse of how they were taken.
        let mut order = Vec::with_capacity(self.stack.len());
        while let Some(taken) = self.stack.pop() {
            order.push(match taken {
                Taken::Forced(index) | Taken::Chosen(index) => index,
                Taken::Unknown(class) => self.unknowns.give_back(class),
            });
        }
        order.reverse();
        order
    }

    fn bytes(&self) -> usize {
        self.visited.bytes()
            + self.at_pauses.bytes()
            + self.needs.bytes()
            // The list of states is copied when it grows.
            + self.states.capacity() * size_of::<M::State>() * 2
            + self.states_bytes
    }
}

/// How many steps back the search makes before it asks for the first time; each time it asks, it
/// waits twice as long, so that asking never takes most of the time.
const PATIENCE: u64 = 20_000;

/// What links, classes of unknown operations and the stack take for each operation, while they are
/// made.
const BYTES_PER_OPERATION: usize = 84;

/// How many bytes of a state are copied and compared in a unit of work.
const BYTES_PER_WORK: u64 = 64;
