//! Names that become numbers: keys, operations, error texts, each with its counts.
//!
//! Claim kept true: a history with a million keys costs as much as one with [`NAME_LIMIT`]; what
//! does not fit is counted under one last entry and said to be there.

use std::collections::BTreeMap;

use super::bins::Join;

/// A bounded table of names with a record each.
#[derive(Clone, Debug)]
pub(super) struct Names<T> {
    numbers: BTreeMap<String, u32>,
    records: Vec<(String, T)>,
    rest: T,
    limit: usize,
    turned_away: bool,
}

impl<T: Join> Names<T> {
    /// Makes an empty table of at most `limit` names, and never more than [`NAME_LIMIT`].
    pub(super) fn new(limit: usize) -> Self {
        Self {
            numbers: BTreeMap::new(),
            records: Vec::new(),
            rest: T::default(),
            limit: limit.min(NAME_LIMIT),
            turned_away: false,
        }
    }

    /// Returns the number of a name; [`REST`] if the table is full.
    ///
    /// Names that agree in their first [`KNOWN_LETTERS`] letters are one.
    pub(super) fn number(&mut self, name: &str) -> u32 {
        // Cut before it is looked for, so that the table holds no long names.
        let name = match name.char_indices().nth(KNOWN_LETTERS) {
            Some((cut, _)) => &name[..cut],
            None => name,
        };
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        if self.records.len() >= self.limit {
            self.turned_away = true;
            return REST;
        }
        let number = self.records.len() as u32;
        let shown: String = name.chars().take(NAME_LETTERS).collect();
        self.numbers.insert(name.to_owned(), number);
        self.records.push((shown, T::default()));
        number
    }

    /// Returns the record of a number, or the one of all the rest.
    pub(super) fn record(&mut self, number: u32) -> &mut T {
        match self.records.get_mut(number as usize) {
            Some((_, record)) => record,
            None => &mut self.rest,
        }
    }

    /// Returns names and records in order of their numbers.
    pub(super) fn as_slice(&self) -> &[(String, T)] {
        &self.records
    }

    /// Returns the record of the names that did not fit, if there were any.
    pub(super) fn rest(&self) -> Option<&T> {
        self.turned_away.then_some(&self.rest)
    }
}

/// The number of every name that did not fit.
pub(super) const REST: u32 = u32::MAX;
/// How many names any table holds.
const NAME_LIMIT: usize = 4096;
/// Letters by which a name is known; it bounds what a table of error texts can hold.
const KNOWN_LETTERS: usize = 256;
/// Letters of a name that are shown.
const NAME_LETTERS: usize = 80;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a broken setup should fail the test")]

    use super::*;
    use crate::bins::Tally;

    #[test]
    fn what_does_not_fit_is_counted() {
        let mut names: Names<Tally> = Names::new(2);
        for name in ["a", "b", "a", "c", "d"] {
            let number = names.number(name);
            names.record(number).ok += 1;
        }
        let shown: Vec<(&str, u64)> =
            names.as_slice().iter().map(|(name, tally)| (name.as_str(), tally.ok)).collect();
        assert_eq!(shown, [("a", 2), ("b", 1)]);
        assert_eq!(names.rest().unwrap().ok, 2);
    }

    #[test]
    fn endless_names_do_not_fill_memory() {
        let mut names: Names<Tally> = Names::new(10);
        let long = "x".repeat(100_000);
        let number = names.number(&long);
        assert_eq!(names.number(&long[1..]), number);
        assert!(names.numbers.keys().all(|name| name.len() <= KNOWN_LETTERS));
    }

    #[test]
    fn a_table_with_room_has_no_rest() {
        let mut names: Names<Tally> = Names::new(2);
        names.number("a");
        assert!(names.rest().is_none());
    }
}
