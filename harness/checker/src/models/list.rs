//! A list that grows by appends and is read whole.
//!
//! In a correct history every read is a prefix of the longest one. So a state is only how many of
//! the longest read's elements are there: a number. Elements that no read holds can only have come
//! after the longest read, and once one did, no read fits any more.

use crate::model::Model;

/// A list, seen along its longest read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct List {
    /// The length of the longest read.
    pub(crate) longest: u32,
}

/// One operation on a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum ListOperation {
    /// Saw that many first elements of the longest read.
    Read(u32),
    /// Saw what is no prefix of the longest read.
    Contradiction,
    /// Appended the element at this place of the longest read.
    Append(u32),
    /// Appended an element that no read holds.
    AppendUnread,
}

impl Model for List {
    type State = u32;
    type Operation = ListOperation;

    fn initial(&self) -> u32 {
        0
    }

    fn step(&self, state: &u32, operation: &ListOperation) -> Option<u32> {
        match *operation {
            ListOperation::Read(length) => (length == *state).then_some(length),
            ListOperation::Contradiction => None,
            ListOperation::Append(place) => (place == *state).then_some(place + 1),
            ListOperation::AppendUnread => (*state >= self.longest).then_some(self.longest + 1),
        }
    }

    fn only_observes(&self, operation: &ListOperation) -> bool {
        matches!(operation, ListOperation::Read(_))
    }
}
