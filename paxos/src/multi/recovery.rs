//! Recovery: a node's records, read again in the order of writing, make the node again.
//!
//! The caller may apply and forget decrees as their hints come, so that memory holds a window of
//! the log and not all of it. A journal that was cut below a state may lack earlier records of a
//! slot of which it has the latest, so a hint counts as far as decrees were read. The claim kept
//! true: the recovered node promised at least what it promised durably, has every vote that it told
//! of at and above its state, and leads nothing.

use super::MultiPaxos;
use super::acceptor::LogAcceptor;
use super::decree::{Decree, Value};
use super::slot::Slot;
use crate::ballot::Ballot;
use crate::effects::{CoreId, Record};
use crate::quorum::Configuration;

/// A node on its way back.
#[derive(Debug)]
pub struct Recovery<V: Value> {
    log: LogAcceptor<V>,
    chosen: Slot,
    /// How far hints say that all is chosen.
    hinted: Slot,
}

impl<V: Value> Recovery<V> {
    /// Begins before the first record.
    #[must_use]
    pub const fn new() -> Self {
        Self { log: LogAcceptor::new(), chosen: Slot::FIRST, hinted: Slot::FIRST }
    }

    /// Begins with a state that stands for all slots below this one.
    #[must_use]
    pub fn above(slot: Slot) -> Self {
        let mut log = LogAcceptor::new();
        log.on_chosen(slot);
        log.forget_below(slot);
        Self { log, chosen: slot, hinted: slot }
    }

    /// Takes the next record in.
    pub fn on_record(&mut self, record: Record<V>) {
        if let Record::Chosen(chosen) = record {
            self.hinted = self.hinted.max(chosen);
        }
        self.log.on_record(record);
        // Hints are recorded after what they speak of. Where an earlier record of such a slot was
        // cut off with the log, its latest one follows, and it is of the chosen decree, too.
        while self.chosen < self.hinted && self.log.decree(self.chosen).is_some() {
            self.chosen = self.chosen.next();
        }
        self.log.on_chosen(self.chosen);
    }

    /// Returns how far the records say that all is chosen. Where that is past [`Self::chosen`] at
    /// their end, some are missing.
    #[must_use]
    pub const fn hinted(&self) -> Slot {
        self.hinted
    }

    /// Returns the end of the prefix that is known to be chosen.
    #[must_use]
    pub const fn chosen(&self) -> Slot {
        self.chosen
    }

    /// Returns the first slot that is not forgotten.
    #[must_use]
    pub const fn base(&self) -> Slot {
        self.log.base()
    }

    /// Returns the promise read so far.
    #[must_use]
    pub const fn promised(&self) -> Ballot {
        self.log.promised()
    }

    /// Returns the decree in `slot`; it is the chosen one if `slot` is below [`Self::chosen`].
    #[must_use]
    pub fn decree(&self, slot: Slot) -> Option<&Decree<V>> {
        self.log.decree(slot)
    }

    /// Counts the chosen slots and their bytes held here.
    #[must_use]
    pub const fn held(&self) -> (u64, usize) {
        (self.chosen.past(self.log.base()), self.log.chosen_weight())
    }

    /// Forgets slots below `base` that are chosen and were applied.
    pub fn forget_below(&mut self, base: Slot) {
        self.log.forget_below(base.min(self.chosen));
    }

    /// Makes the node, in its next life.
    ///
    /// # Panics
    ///
    /// Panics if `alpha` is zero.
    #[must_use]
    pub fn finish(
        self,
        core_id: CoreId,
        configuration: Configuration,
        alpha: u64,
    ) -> MultiPaxos<V> {
        MultiPaxos::restore(core_id, configuration, alpha, self.log, self.chosen)
    }
}

impl<V: Value> Default for Recovery<V> {
    fn default() -> Self {
        Self::new()
    }
}
