//! The dice of one packet, chunk or connection: draws that nothing but its number decides.
//!
//! Each number owns [`DRAWS`] draws of the stream of chance, one for each question, asked or not.
//! So a change of one rule leaves the answers to all other questions as they were.

use std::time::Duration;

use synod_rng::{Random, scale};

use super::{Millis, PartsPerMillion};

/// The draws that belong to one number.
pub(super) struct Dice<'a> {
    random: &'a Random,
    base: u64,
}

impl<'a> Dice<'a> {
    /// Takes the dice of `number`.
    pub(super) fn of(random: &'a Random, number: u64) -> Self {
        Self { random, base: number.wrapping_mul(DRAWS) }
    }

    /// Answers a question that is answered with yes so often.
    pub(super) fn says(&self, question: u64, often: PartsPerMillion) -> bool {
        scale(self.draw(question), 1_000_000) < u64::from(often.0)
    }

    /// Draws a length of time from nothing to `most`, to the microsecond.
    pub(super) fn up_to(&self, question: u64, most: Millis) -> Duration {
        // The bound is one more, as the longest time may be drawn as well.
        let micros = most.0.saturating_mul(1_000).saturating_add(1);
        Duration::from_micros(scale(self.draw(question), micros))
    }

    /// Draws a number below `bound`.
    pub(super) fn below(&self, question: u64, bound: u64) -> u64 {
        scale(self.draw(question), bound)
    }

    fn draw(&self, question: u64) -> u64 {
        self.random.at(self.base.wrapping_add(question))
    }
}

/// Draws that each number owns; questions are numbered below it.
const DRAWS: u64 = 8;
