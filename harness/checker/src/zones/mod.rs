//! Registers judged in n log n, without a search.
//!
//! Where every value that somebody found was written once, what each value was there for is one
//! stretch of every order: its write, and then its reads. Gibbons and Korach (1997, section 4) show
//! that an order exists exactly if these stretches do not exclude each other in pairs. A swap ties
//! the stretch of the value that it found to that of the value that it wrote, so a chain of swaps
//! is one stretch, a [`blocks`] of it, and the same argument holds of chains.
//!
//! Where some values were written more than once, or a swap missed, the same conditions are still
//! necessary for the rest. So a history can always be found illegal here, and is then, with a few
//! operations that show it; it is found legal only where the conditions are sufficient. What is
//! left is the search's. No clock, no hash and no chance enters.

mod blocks;
mod conflict;
mod overwrite;
mod writers;

use super::budget::{Cause, Meter};
use super::model::Timed;
use super::models::{RegisterOperation, Value};
use blocks::Blocks;
pub(super) use overwrite::Changes;
use writers::Writers;

/// One operation on a register with its place in time.
pub(super) type Step = Timed<RegisterOperation>;

/// What could be said without a search. Operations are places in the slice that was judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ruling {
    /// This order explains all that was seen.
    Legal(Vec<u32>),
    /// No order does, as these operations show.
    Illegal(Vec<u32>),
    /// A search has to tell.
    Open,
}

/// Judges the operations on a register, which are sorted by their calls.
///
/// # Errors
///
/// The cause, if the meter's budget ran out.
pub(super) fn rule(initial: Value, steps: &[Step], meter: &mut Meter) -> Result<Ruling, Cause> {
    meter.with_held(steps.len() * BYTES_PER_OPERATION, |meter| {
        let writers = match Writers::new(initial, steps) {
            Ok(writers) => writers,
            Err(places) => return Ok(Ruling::Illegal(places)),
        };
        meter.look(0)?;
        let ruling = by_blocks(&writers, steps, meter)?;
        if matches!(ruling, Ruling::Legal(_)) {
            return Ok(ruling);
        }
        // An observer of an overwritten value is a plainer sight than two blocks.
        Ok(overwrite::certain(&writers, steps).map_or(ruling, Ruling::Illegal))
    })
}

fn by_blocks(writers: &Writers, steps: &[Step], meter: &Meter) -> Result<Ruling, Cause> {
    let blocks = match Blocks::new(writers, steps) {
        Ok(blocks) => blocks,
        Err(places) => return Ok(Ruling::Illegal(places)),
    };
    meter.look(0)?;
    if let Some((one, other)) = conflict::first(&blocks) {
        let mut places = blocks.bounds_of(steps, one);
        places.extend(blocks.bounds_of(steps, other));
        return Ok(Ruling::Illegal(places));
    }
    if !writers.decide_all(steps) {
        return Ok(Ruling::Open);
    }
    meter.look(0)?;
    Ok(Ruling::Legal(conflict::order(&blocks, steps)))
}

/// A position in time; the beginning is before all others, and what never returned ends after them.
type Moment = i64;

const BEGINNING: Moment = -1;

fn called(step: &Step) -> Moment {
    Moment::from(step.called)
}

fn returned(step: &Step) -> Moment {
    step.returned.map_or(Moment::MAX, Moment::from)
}

/// Returns the value that an operation certainly found, where it has returned.
fn found(step: &Step) -> Option<Value> {
    match step.operation {
        RegisterOperation::Read(value) | RegisterOperation::Swap(value, _) => {
            step.returned.map(|_| value)
        }
        RegisterOperation::Write(_)
        | RegisterOperation::Miss(_)
        | RegisterOperation::MaybeSwap(..) => None,
    }
}

/// Returns the value that an operation certainly gave the register, where it has returned.
fn changed(step: &Step) -> Option<Value> {
    match step.operation {
        RegisterOperation::Write(_) | RegisterOperation::Swap(..) => {
            step.returned.and_then(|_| step.operation.written())
        }
        RegisterOperation::Read(_)
        | RegisterOperation::Miss(_)
        | RegisterOperation::MaybeSwap(..) => None,
    }
}

fn place(index: usize) -> u32 {
    u32::try_from(index).expect("fewer than 2^32 operations")
}

/// What writers, blocks, changes and the order take for each operation at the same time.
const BYTES_PER_OPERATION: usize = 96;
