//! What becomes of each change of one file when the power goes.
//!
//! A change that a sync covers is durable, and one that stood before a sync that failed is lost, as
//! a kernel drops the pages that it could not write. What neither covers is lost, kept or torn as
//! the dice say. What then stands in the file is decided one module up. The claim kept true: what
//! a sync covered is kept whole, and no later sync brings back what a failed one lost.

use std::collections::BTreeMap;

use super::Dice;
use crate::log::{Event, Kept, Record};

/// A change of a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change {
    /// The number of its record.
    pub(super) number: u64,
    call: u64,
    pub(super) what: What,
    pub(super) fate: Fate,
    /// Whether the dice had no say: a sync covered it, or one that failed lost it.
    pub(super) is_synced: bool,
}

impl Change {
    /// Tells whether something of it is lost.
    pub(super) fn is_hurt(&self) -> bool {
        self.fate != Fate::Kept { bytes: length_of(self.what) }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    /// Bytes were written.
    Bytes { offset: u64, length: u64, kept: Kept },
    /// Bytes were cut off.
    Cut { offset: u64, length: u64, kept: Kept },
    /// The file got this size.
    Size(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Its first bytes are there.
    Kept { bytes: u64 },
    /// Nothing of it is there.
    Lost,
}

/// Returns the changes in their order, with what becomes of each.
pub(super) fn changes(records: &[&Record], dice: &mut Dice) -> Vec<Change> {
    let mut changes: Vec<Change> = Vec::new();
    // Those from here on are not covered by a sync, nor lost by one that failed.
    let mut open: Vec<usize> = Vec::new();
    for Record { number, call, event, .. } in records {
        let what = match *event {
            Event::Write { offset, length, kept } => What::Bytes { offset, length, kept },
            Event::Cut { offset, length, kept } => What::Cut { offset, length, kept },
            Event::Size(size) => What::Size(size),
            Event::Short(bytes) => {
                shorten(&mut changes, *call, bytes);
                continue;
            }
            Event::Sync(before) | Event::SyncAll(before) => {
                settle(&mut changes, &mut open, before, true);
                continue;
            }
            Event::Lost(before) => {
                settle(&mut changes, &mut open, before, false);
                continue;
            }
            // Neither changes a byte.
            Event::New | Event::Touch => continue,
        };
        open.push(changes.len());
        let fate = Fate::Kept { bytes: length_of(what) };
        changes.push(Change { number: *number, call: *call, what, fate, is_synced: true });
    }
    draw(&mut changes, &open, dice);
    changes
}

/// Lets only the first bytes of a call have happened: a size that was refused did not change. A
/// file is changed by one call at a time, so that its changes are the last ones.
fn shorten(changes: &mut [Change], call: u64, bytes: u64) {
    let others = changes.iter().rev().take_while(|change| change.call == call).count();
    let first = changes.len() - others;
    let mut left = bytes;
    for change in &mut changes[first..] {
        if let What::Bytes { length, .. } = &mut change.what {
            *length = left.min(*length);
            left -= *length;
            change.fate = Fate::Kept { bytes: *length };
        } else {
            change.what = What::Bytes { offset: 0, length: 0, kept: Kept::default() };
            change.fate = Fate::Kept { bytes: 0 };
        }
    }
}

/// Takes those before a record off the open ones: they are durable, or lost for good.
fn settle(changes: &mut [Change], open: &mut Vec<usize>, before: u64, durable: bool) {
    open.retain(|place| {
        let change = &mut changes[*place];
        if change.number >= before {
            return true;
        }
        if !durable {
            lose(change);
        }
        false
    });
}

/// Draws what becomes of those that no sync covers; the parts of a cut share it.
fn draw(changes: &mut [Change], open: &[usize], dice: &mut Dice) {
    let mut of_cuts: BTreeMap<u64, bool> = BTreeMap::new();
    for place in open {
        let change = &mut changes[*place];
        change.is_synced = false;
        let random = match dice {
            Dice::AllLost => {
                lose(change);
                continue;
            }
            Dice::Drawn(random) => random,
        };
        match change.what {
            What::Bytes { length, .. } => match random.below(4) {
                0 => {}
                1 => {
                    let sectors = random.below(length / SECTOR_BYTES + 1);
                    change.fate = Fate::Kept { bytes: (sectors * SECTOR_BYTES).min(length) };
                }
                _ => lose(change),
            },
            What::Cut { .. } | What::Size(_) => {
                // A call that cuts a file left several records, which the disk takes or leaves
                // together.
                let is_lost = *of_cuts.entry(change.call).or_insert_with(|| random.below(2) == 0);
                if is_lost {
                    lose(change);
                }
            }
        }
    }
}

fn lose(change: &mut Change) {
    if length_of(change.what) > 0 {
        change.fate = Fate::Lost;
    }
}

/// Returns how much of a change can be kept: a change of the size is one piece.
const fn length_of(what: What) -> u64 {
    match what {
        What::Bytes { length, .. } | What::Cut { length, .. } => length,
        What::Size(_) => 1,
    }
}

/// What a disk writes as one.
const SECTOR_BYTES: u64 = 512;
