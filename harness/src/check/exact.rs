//! The exact search: slow, short, and without chance.
//!
//! It tries every operation whose turn it can be, in every order, and remembers whole
//! configurations instead of hashes of them. It shares no code with the fast search: the fuzz holds
//! one against the other, and every core of a violation is judged here again before it is shown.

use std::collections::HashSet;

use super::budget::{Cause, Meter};
use super::model::{Model, Timed};

/// Returns whether the model accepts the operations in some order that respects real time.
///
/// # Errors
///
/// The cause, if the meter's budget ran out.
pub fn is_legal<M: Model>(
    model: &M,
    operations: &[Timed<M::Operation>],
    meter: &mut Meter,
) -> Result<bool, Cause> {
    let mut visited = HashSet::new();
    let mut open = vec![(vec![false; operations.len()], model.initial())];
    while let Some((taken, state)) = open.pop() {
        meter.step(|| visited.len() * operations.len())?;
        let left = || operations.iter().enumerate().filter(|(index, _)| !taken[*index]);
        if left().all(|(_, operation)| operation.returned.is_none()) {
            return Ok(true);
        }
        let barrier = left().filter_map(|(_, operation)| operation.returned).min();
        for (index, next) in left() {
            let in_turn = barrier.is_none_or(|barrier| next.called < barrier);
            let after = model.step(&state, &next.operation).filter(|_| in_turn);
            if let Some(after) = after {
                let mut taken = taken.clone();
                taken[index] = true;
                if visited.insert((taken.clone(), after.clone())) {
                    open.push((taken, after));
                }
            }
        }
    }
    Ok(false)
}
