//! Histories made up for measuring and testing the checker: a map of registers that behaves.
//!
//! Every operation is open for a random time and takes effect at a random moment of it; half of
//! them read, written values are unique, and clients are busy half of the time. A stale read can be
//! planted: one that returns a value which had certainly been replaced before it began.

use synod_rng::{Random, Seed, Stream};

use super::{Action, Answer, History, Operation, Text};

/// What a simulated history is like.
///
/// # Examples
///
/// ```
/// use synod_history::synthetic::SyntheticHistory;
/// use synod_rng::Seed;
///
/// let simulation =
///     SyntheticHistory { keys: 3, clients: 5, unknown_ppm: 10_000, stale_read: false };
/// assert_eq!(simulation.run(Seed(1), 100).operations.len(), 100);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyntheticHistory {
    /// How many keys there are.
    pub keys: u32,
    /// How many clients there are, at least one.
    pub clients: u32,
    /// How many operations in a million have an unknown outcome; half of them take effect.
    pub unknown_ppm: u32,
    /// Whether one read in the second half is stale, the first that can be.
    pub stale_read: bool,
}

impl SyntheticHistory {
    /// Makes a history of so many operations, fewer than 2^30.
    ///
    /// # Panics
    ///
    /// If there is no client, or there are too many operations.
    #[must_use]
    pub fn run(&self, seed: Seed, operations: u32) -> History {
        let mut random = Random::new(seed, Stream::named("simulated history"));
        let mut play = Play { history: History::default(), moments: Vec::new() };
        let mut free = vec![0; self.clients as usize];
        for index in 0..operations {
            let soonest = (0..).zip(&free).min_by_key(|(_, free)| **free);
            let (process, from): (u32, u64) =
                soonest.map(|(process, from)| (process, *from)).expect("at least one client");
            free[process as usize] = play.operation(self, &mut random, index, process, from);
        }
        play.run(self.stale_read)
    }
}

/// What happens to an operation at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Moment {
    Call,
    Effect,
    Return,
}

struct Play {
    history: History,
    /// Time, operation, and what happens.
    moments: Vec<(u64, u32, Moment)>,
}

/// What a key holds.
#[derive(Clone, Copy, Default)]
struct Held {
    value: Option<Text>,
    writer: Option<u32>,
    /// What it certainly holds no more since a position.
    stale: Option<(Option<Text>, u32)>,
}

impl Play {
    /// Plans an operation of a client that is free from a time on, and returns until when it is
    /// busy.
    fn operation(
        &mut self,
        simulation: &SyntheticHistory,
        random: &mut Random,
        index: u32,
        process: u32,
        from: u64,
    ) -> u64 {
        let call_ns = from + random.between(1, PAUSE_MAX);
        let return_ns = call_ns + random.between(2, PAUSE_MAX);
        let effect = random.between(call_ns + 1, return_ns - 1);
        let key = random.below(u64::from(simulation.keys.max(1)));
        let key = self.history.texts.intern(&format!("key {key}"));
        let action = if random.chance(HALF) {
            Action::Read
        } else {
            Action::Write(self.history.texts.intern(&index.to_string()))
        };
        let unknown = random.chance(simulation.unknown_ppm);
        self.moments.push((call_ns, index, Moment::Call));
        if !unknown || random.chance(HALF) {
            self.moments.push((effect, index, Moment::Effect));
        }
        if !unknown {
            self.moments.push((return_ns, index, Moment::Return));
        }
        self.history.operations.push(Operation {
            process,
            key,
            action,
            answer: Answer::Unknown,
            called: 0,
            returned: None,
            call_ns,
            // An unknown operation is known by this until it is clear that it has no return.
            return_ns: if unknown { call_ns } else { return_ns },
        });
        return_ns
    }

    /// Lets everything happen in the order of time.
    fn run(mut self, stale_read: bool) -> History {
        self.moments.sort_unstable();
        let moments = std::mem::take(&mut self.moments);
        let mut held = vec![Held::default(); self.history.texts.len()];
        let mut replaced = vec![Held::default(); self.history.operations.len()];
        let mut plant_from = if stale_read { moments.len() / 2 } else { usize::MAX };
        for (position, (_, index, moment)) in moments.into_iter().enumerate() {
            let mut operation = self.history.operations[index as usize];
            let held = &mut held[operation.key.0 as usize];
            let now = u32::try_from(position).expect("fewer than 2^32 moments");
            match (moment, operation.action) {
                (Moment::Call, _) => operation.called = now,
                (Moment::Effect, Action::Write(text)) => {
                    replaced[index as usize] = *held;
                    *held = Held { value: Some(text), writer: Some(index), ..*held };
                    operation.answer = Answer::Done;
                }
                (Moment::Effect, _) => {
                    let stale = held.stale.filter(|(_, since)| *since < operation.called);
                    let returns = operation.return_ns > operation.call_ns;
                    let stale = stale.filter(|_| position >= plant_from && returns);
                    plant_from = if stale.is_some() { usize::MAX } else { plant_from };
                    operation.answer = Answer::Seen(stale.map_or(held.value, |(value, _)| value));
                }
                (Moment::Return, action) => {
                    operation.returned = Some(now);
                    let Held { value, writer, .. } = replaced[index as usize];
                    let writer = writer.map(|writer| self.history.operations[writer as usize]);
                    // Where the two writes overlapped, what a read sees after both may rightly be
                    // the earlier one.
                    let is_over = writer.is_some_and(|writer| writer.precedes(&operation));
                    if action != Action::Read && is_over {
                        held.stale = Some((value, now));
                    }
                }
            }
            self.history.operations[index as usize] = operation;
        }
        self.finish()
    }

    fn finish(mut self) -> History {
        for operation in &mut self.history.operations {
            if operation.returned.is_none() {
                operation.answer = Answer::Unknown;
                self.history.counts.info += 1;
            } else {
                self.history.counts.ok += 1;
            }
        }
        self.history.operations.sort_by_key(|operation| operation.called);
        self.history
    }
}

/// The longest time that an operation is open, and that a client waits for the next, in
/// nanoseconds.
const PAUSE_MAX: u64 = 4000;

const HALF: u32 = 500_000;
