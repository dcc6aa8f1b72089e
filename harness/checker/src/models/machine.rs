//! A key of a text map with every operation: the model for keys that no narrower one fits.
//!
//! The narrower models say the same with a number for a state; the fuzz holds them against this
//! one.

use std::sync::Arc;

use synod_history::{Text, Texts};

use crate::model::Model;

/// A key of a text map.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine<'a> {
    /// The texts that the operations name.
    pub(crate) texts: &'a Texts,
    /// Whether a key that was never written, or deleted, holds the empty text.
    pub(crate) absent_is_empty: bool,
    /// What it holds before the first operation, if that is not absence.
    pub(crate) initial: Option<&'a str>,
}

/// One operation on a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum MachineOperation {
    /// Saw this text, or absence.
    Read(Option<Text>),
    /// Wrote this text.
    Write(Text),
    /// Removed the key.
    Delete,
    /// Found the first and replaced it by the second.
    Swap(Option<Text>, Text),
    /// Found something else than this.
    Miss(Option<Text>),
    /// Replaces the first by the second where it finds it.
    MaybeSwap(Option<Text>, Text),
    /// Added this text at the end.
    Append(Text),
    /// Added the first number and made the second.
    Add(i64, i64),
    /// Adds this number; what it makes is unknown.
    MaybeAdd(i64),
}

/// What a key holds; none where it is absent.
type Held = Option<Arc<str>>;

impl Model for Machine<'_> {
    type State = Held;
    type Operation = MachineOperation;

    fn initial(&self) -> Held {
        self.initial.map_or_else(|| self.absent(), |initial| Some(Arc::from(initial)))
    }

    fn step(&self, state: &Held, operation: &MachineOperation) -> Option<Held> {
        match *operation {
            MachineOperation::Read(seen) => self.holds(state, seen).then(|| state.clone()),
            MachineOperation::Write(text) => Some(self.held(text)),
            MachineOperation::Delete => Some(self.absent()),
            MachineOperation::Swap(from, to) => self.holds(state, from).then(|| self.held(to)),
            MachineOperation::Miss(from) => (!self.holds(state, from)).then(|| state.clone()),
            MachineOperation::MaybeSwap(from, to) => {
                Some(if self.holds(state, from) { self.held(to) } else { state.clone() })
            }
            MachineOperation::Append(text) => {
                let before = state.as_deref().unwrap_or_default();
                Some(Some(Arc::from([before, self.texts.text(text)].concat())))
            }
            MachineOperation::Add(delta, sum) => {
                let after = number(state)?.checked_add(delta)?;
                (after == sum).then(|| Some(Arc::from(after.to_string())))
            }
            MachineOperation::MaybeAdd(delta) => {
                let after = number(state).and_then(|before| before.checked_add(delta));
                Some(after.map_or_else(|| state.clone(), |sum| Some(Arc::from(sum.to_string()))))
            }
        }
    }

    fn weight(&self, state: &Held) -> usize {
        state.as_ref().map_or(0, |text| text.len() + BYTES_PER_TEXT)
    }

    fn only_observes(&self, operation: &MachineOperation) -> bool {
        matches!(operation, MachineOperation::Read(_) | MachineOperation::Miss(_))
    }
}

impl Machine<'_> {
    fn absent(&self) -> Held {
        self.absent_is_empty.then(|| Arc::from(""))
    }

    fn holds(&self, state: &Held, text: Option<Text>) -> bool {
        match text {
            Some(text) => state.as_deref() == Some(self.texts.text(text)),
            None if self.absent_is_empty => state.as_deref() == Some(""),
            None => state.is_none(),
        }
    }

    fn held(&self, text: Text) -> Held {
        Some(Arc::from(self.texts.text(text)))
    }
}

/// Reads a number; an absent key counts as 0.
fn number(state: &Held) -> Option<i64> {
    match state.as_deref() {
        None | Some("") => Some(0),
        Some(text) => text.parse().ok(),
    }
}

/// What a text takes besides its letters: its counts, and what the allocator adds.
const BYTES_PER_TEXT: usize = 32;
