//! What the disk holds of the promise and of the chosen prefix.
//!
//! Both run ahead of the disk in memory. Heartbeats tell of the durable promise, as a crash may
//! lose the present one, and memory lets go of no slot before the durable prefix has passed it. The
//! claim kept true: in each slot below [`Durable::chosen`], but for those that an installed state
//! stands for, what is read back from the disk is the chosen decree, for the record of an earlier
//! vote there may be durable long before the last one.

use crate::ballot::Ballot;
use crate::effects::Gate;
use crate::multi::decree::Value;
use crate::multi::slot::Slot;
use std::collections::VecDeque;

/// The promise and the chosen prefix, as a crash would leave them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Durable {
    promised: Durably<Ballot>,
    chosen: Durably<Slot>,
}

/// Something that only grows, as the disk has it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Durably<T> {
    held: T,
    /// Later values, and how many records must be durable for each. No two wait for the same
    /// number of records, so there are never more than records that wait for the disk.
    waiting: VecDeque<(Mark, T)>,
}

/// A count of records; equal to all others, as it grows for ever. What waits for the same records
/// waits in the gate, too, which compares such counts from the last sync on.
#[derive(Clone, Copy, Debug)]
struct Mark(u64);

impl PartialEq for Mark {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Mark {}

impl std::hash::Hash for Mark {
    fn hash<H: std::hash::Hasher>(&self, _: &mut H) {}
}

impl Durable {
    /// Begins with what was found on the disk.
    pub(super) const fn new(promised: Ballot, chosen: Slot) -> Self {
        Self { promised: Durably::new(promised), chosen: Durably::new(chosen) }
    }

    pub(super) const fn promised(&self) -> Ballot {
        self.promised.held
    }

    pub(super) const fn chosen(&self) -> Slot {
        self.chosen.held
    }

    /// Takes note that a state on the disk stands for all slots below this one, whatever waits.
    pub(super) fn on_installed(&mut self, slot: Slot) {
        self.chosen.held = self.chosen.held.max(slot);
    }

    /// Takes note of a step, after its records were counted.
    pub(super) fn on_step<V: Value>(&mut self, promised: Ballot, chosen: Slot, gate: &Gate<V>) {
        self.promised.on_step(promised, gate);
        self.chosen.on_step(chosen, gate);
    }
}

impl<T: Copy + Ord> Durably<T> {
    const fn new(held: T) -> Self {
        Self { held, waiting: VecDeque::new() }
    }

    fn on_step<V: Value>(&mut self, now: T, gate: &Gate<V>) {
        let last = self.waiting.back().map_or(self.held, |(_, value)| *value);
        if now > last {
            // Values of one mark become durable together, so the queue is never longer than the
            // records that wait.
            let mark = gate.written();
            match self.waiting.back_mut() {
                Some((same, value)) if same.0 == mark => *value = now,
                Some(_) | None => self.waiting.push_back((Mark(mark), now)),
            }
        }
        while let Some((mark, value)) = self.waiting.front()
            && mark.0 <= gate.synced()
        {
            // An installed state may have passed what waited.
            self.held = self.held.max(*value);
            self.waiting.pop_front();
        }
    }
}
