//! The floor: the same commands and the same copies, and no protocol.

use crate::engine::{Applied, Case, Engine, slot_of};
use bytes::Bytes;
use std::collections::VecDeque;

/// Three logs.
pub struct Floor {
    case: Case,
    next: u64,
    logs: [VecDeque<Bytes>; 3],
    applied: [Applied; 3],
}

impl Floor {
    /// Makes three empty logs.
    pub fn new(case: &Case) -> Self {
        Self { case: *case, next: 0, logs: Default::default(), applied: Default::default() }
    }
}

impl Engine for Floor {
    fn run(&mut self, commands: u64) {
        let end = self.next + commands;
        while self.next < end {
            let mut batch = Vec::new();
            let stop = end.min(self.next + self.case.window);
            while self.next < stop {
                batch.push(slot_of(self.next, self.case.a_slot));
                self.next += self.case.a_slot;
            }
            for (log, applied) in self.logs.iter_mut().zip(&mut self.applied) {
                let copy = batch.clone();
                log.extend(copy);
                log.drain(..).for_each(|slot| applied.apply(&slot));
            }
        }
    }

    fn applied(&self) -> [Applied; 3] {
        self.applied
    }
}
