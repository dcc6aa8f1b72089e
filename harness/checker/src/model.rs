//! What a sequential object does: the definition that a history is held against.
//!
//! A model says what one operation does to one state, result included; linearizability is the claim
//! that some order of all operations, none before one that had ended when it began, is accepted by
//! the model step by step. An object with independent parts, such as a map of keys, is given to the
//! search one part at a time.

use std::hash::Hash;

/// A sequential object, one independent part of it.
///
/// # Examples
///
/// ```
/// use synod_checker::model::Model;
///
/// /// A switch that can be set once; the result says whether this call did it.
/// struct Latch;
///
/// impl Model for Latch {
///     type State = bool;
///     type Operation = bool;
///
///     fn initial(&self) -> bool {
///         false
///     }
///
///     fn step(&self, set: &bool, did_it: &bool) -> Option<bool> {
///         (*did_it != *set).then_some(true)
///     }
///
///     fn only_observes(&self, did_it: &bool) -> bool {
///         !did_it
///     }
/// }
/// assert_eq!(Latch.step(&false, &true), Some(true));
/// assert_eq!(Latch.step(&true, &true), None);
/// ```
pub trait Model {
    /// The object's state.
    type State: Clone + Eq + Hash;

    /// One operation, with what is known of its result. Two that are equal can stand for each
    /// other.
    type Operation: Clone + Ord;

    /// Returns the state before the first operation.
    fn initial(&self) -> Self::State;

    /// Returns the state after an operation, or none if its result is impossible in this state.
    ///
    /// An operation whose outcome is unknown accepts every result.
    fn step(&self, state: &Self::State, operation: &Self::Operation) -> Option<Self::State>;

    /// Returns whether the operation leaves every state that accepts it as it was.
    fn only_observes(&self, operation: &Self::Operation) -> bool;

    /// Returns how many bytes a state holds besides its own size.
    fn weight(&self, _state: &Self::State) -> usize {
        0
    }

    /// Returns the number of a state, where states are numbered, from 0 without large gaps.
    ///
    /// Together with [`Model::needs`] and [`Model::leaves`] this lets a search see that it leaves a
    /// state for good that some operation still has to find.
    fn number(&self, _state: &Self::State) -> Option<u32> {
        None
    }

    /// Returns the number of the only state that accepts the operation, if there is only one.
    fn needs(&self, _operation: &Self::Operation) -> Option<u32> {
        None
    }

    /// Returns the number of the state that the operation may change others to.
    fn leaves(&self, _operation: &Self::Operation) -> Option<u32> {
        None
    }
}

/// One operation with its place in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timed<O> {
    /// Which operation of the history this is.
    pub index: u32,
    /// What it does.
    pub operation: O,
    /// The position of its call. All positions of a history differ.
    pub called: u32,
    /// The position of its return; none if its outcome is unknown: it may then take effect at any
    /// time after its call, or never.
    pub returned: Option<u32>,
}

/// Runs operations one after the other and returns whether the model accepts each.
pub fn accepts<'a, M: Model>(
    model: &M,
    operations: impl IntoIterator<Item = &'a M::Operation>,
) -> bool
where
    M::Operation: 'a,
{
    let mut state = model.initial();
    for operation in operations {
        match model.step(&state, operation) {
            Some(after) => state = after,
            None => return false,
        }
    }
    true
}

/// Returns whether an order of places among the operations is one that real time and the model
/// allow, in which no completed operation is missing and none is twice.
pub fn explains<M: Model>(model: &M, operations: &[Timed<M::Operation>], order: &[u32]) -> bool {
    let mut missing: Vec<bool> = vec![true; operations.len()];
    let mut state = model.initial();
    let mut called_last = 0;
    for place in order {
        let Timed { operation, called, returned, .. } = &operations[*place as usize];
        // Positions are those of one history, so no call shares its position with a return, and the
        // sign need not say which comes first.
        let is_late = returned.is_some_and(|returned| returned < called_last);
        let is_first = std::mem::replace(&mut missing[*place as usize], false);
        let Some(after) = model.step(&state, operation).filter(|_| is_first && !is_late) else {
            return false;
        };
        state = after;
        called_last = called_last.max(*called);
    }
    let mut left = operations.iter().zip(missing).filter(|(_, missing)| *missing);
    left.all(|(operation, _)| operation.returned.is_none())
}
