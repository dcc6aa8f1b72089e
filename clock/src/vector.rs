//! The vector clock: who knew of what, and the four possible answers to "which came first?".
//!
//! Retiring nodes and pruning below a stable cut are left to the matrix clock of a later
//! release. The claim kept here: for clocks that are ticked at each event and merged at each
//! receipt, [`VectorClock::compare`] answers `Before` exactly when the one event happened before
//! the other (Fidge 1988, Mattern 1989).

use std::cmp::Ordering;
use std::error::Error;
use std::fmt;

use crate::lamport::{Exhausted, NodeId};

/// Says how two events stand to each other. The four answers are all there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Causality {
    /// The first happened before the second.
    Before,
    /// The second happened before the first.
    After,
    /// They are the same point of the history.
    Equal,
    /// Neither can have caused the other.
    Concurrent,
}

impl Causality {
    /// Gives the answer to the question asked the other way round.
    #[must_use]
    pub const fn reverse(self) -> Self {
        match self {
            Self::Before => Self::After,
            Self::After => Self::Before,
            Self::Equal => Self::Equal,
            Self::Concurrent => Self::Concurrent,
        }
    }

    const fn from_ahead(first: bool, second: bool) -> Self {
        match (first, second) {
            (false, false) => Self::Equal,
            (false, true) => Self::Before,
            (true, false) => Self::After,
            (true, true) => Self::Concurrent,
        }
    }
}

/// Counts the events of each node that are in the past of one point.
///
/// A node that is absent has counted nothing, so membership needs no announcement. Entries are
/// kept sorted in one slice: a comparison is a single pass over both, without a lookup.
///
/// ```
/// use synod_clock::{Causality, VectorClock};
///
/// let mut left = VectorClock::from([(1, 3), (2, 1)]);
/// let right = VectorClock::from([(2, 4), (7, 1)]);
/// assert_eq!(left.compare(&right), Causality::Concurrent);
/// left.merge(&right);
/// assert_eq!(left, VectorClock::from([(1, 3), (2, 4), (7, 1)]));
/// assert!(left > right);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(
    feature = "serde",
    serde(
        try_from = "Vec<(N, u64)>",
        into = "Vec<(N, u64)>",
        bound(
            serialize = "N: NodeId + serde::Serialize",
            deserialize = "N: NodeId + serde::Deserialize<'de>"
        )
    )
)]
pub struct VectorClock<N> {
    /// Strictly ascending by node; no count is zero, so that equal clocks are equal values.
    entries: Vec<(N, u64)>,
}

impl<N> VectorClock<N> {
    /// Makes the clock that has seen nothing. It allocates nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { entries: Vec::new() }
    }
}

impl<N: NodeId> VectorClock<N> {
    /// Counts one event of `node`, and gives the count, from 1 on.
    ///
    /// spec: VectorClock!Tick
    ///
    /// # Errors
    ///
    /// [`Exhausted`] when the count is at `u64::MAX`; the clock is unchanged.
    pub fn tick(&mut self, node: &N) -> Result<u64, Exhausted> {
        match self.position(node) {
            Ok(at) => {
                let count = self.entries[at].1.checked_add(1).ok_or(Exhausted)?;
                self.entries[at].1 = count;
                Ok(count)
            }
            Err(at) => {
                self.entries.insert(at, (node.clone(), 1));
                Ok(1)
            }
        }
    }

    /// Takes in all that `other` has seen: the least clock that is not before either.
    ///
    /// One pass, and no allocation when `other` names no node that is new here.
    pub fn merge(&mut self, other: &Self) {
        let missing = self.raise_known(other);
        if missing > 0 {
            self.insert_missing(other, missing);
        }
    }

    /// Receives a message at `node` that was sent with `remote`: merges, then ticks.
    ///
    /// spec: VectorClock!Observe
    ///
    /// # Errors
    ///
    /// [`Exhausted`] when the count of `node` is at its end on either side; the clock is
    /// unchanged.
    pub fn observe(&mut self, node: &N, remote: &Self) -> Result<u64, Exhausted> {
        // It is asked before the merging, as a refusal must leave the clock as it was.
        if self.get(node).max(remote.get(node)) == u64::MAX {
            return Err(Exhausted);
        }
        self.merge(remote);
        self.tick(node)
    }

    /// Says how the point of this clock stands to the point of `other`, in one pass.
    #[must_use]
    pub fn compare(&self, other: &Self) -> Causality {
        let (mut first, mut second) = (self.entries.as_slice(), other.entries.as_slice());
        let (mut first_ahead, mut second_ahead) = (false, false);
        while let ([(node, count), rest @ ..], [(other_node, other_count), other_rest @ ..]) =
            (first, second)
        {
            match node.cmp(other_node) {
                Ordering::Less => (first_ahead, first) = (true, rest),
                Ordering::Greater => (second_ahead, second) = (true, other_rest),
                Ordering::Equal => {
                    first_ahead |= count > other_count;
                    second_ahead |= count < other_count;
                    (first, second) = (rest, other_rest);
                }
            }
            if first_ahead && second_ahead {
                return Causality::Concurrent;
            }
        }
        first_ahead |= !first.is_empty();
        second_ahead |= !second.is_empty();
        Causality::from_ahead(first_ahead, second_ahead)
    }

    /// Says whether neither point can have caused the other.
    #[must_use]
    pub fn concurrent_with(&self, other: &Self) -> bool {
        self.compare(other) == Causality::Concurrent
    }

    /// Gives the count of `node`, 0 when it has counted nothing.
    #[must_use]
    pub fn get(&self, node: &N) -> u64 {
        self.position(node).map_or(0, |at| self.entries[at].1)
    }

    /// Gives the entries in which this clock is ahead of `base`: all that must be sent to
    /// somebody known to have `base`, who merges them.
    #[must_use]
    pub fn delta_since(&self, base: &Self) -> Self {
        let ahead = |entry: &&(N, u64)| entry.1 > base.get(&entry.0);
        Self { entries: self.entries.iter().filter(ahead).cloned().collect() }
    }

    /// Walks the entries in the order of the nodes. No count is zero.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&N, u64)> {
        self.entries.iter().map(|(node, count)| (node, *count))
    }

    /// Gives the number of nodes that have counted anything.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Says whether this clock has seen nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn position(&self, node: &N) -> Result<usize, usize> {
        self.entries.binary_search_by(|(known, _)| known.cmp(node))
    }

    /// Raises the counts of nodes known on both sides; gives how many nodes are known to
    /// `other` alone.
    fn raise_known(&mut self, other: &Self) -> usize {
        let mut missing = 0;
        let mut at = 0;
        for (node, count) in &other.entries {
            while at < self.entries.len() && self.entries[at].0 < *node {
                at += 1;
            }
            match self.entries.get_mut(at) {
                Some((known, own)) if known == node => *own = (*own).max(*count),
                Some(_) | None => missing += 1,
            }
        }
        missing
    }

    /// Merges from the back, so that each entry moves at most once. Counts of nodes known on
    /// both sides are already raised.
    fn insert_missing(&mut self, other: &Self, missing: usize) {
        let mut read = self.entries.len();
        let mut write = read + missing;
        // The places have to hold something until they are written, and a node's name has no value
        // that means nothing.
        let filler = other.entries.iter().cycle().take(missing).cloned();
        self.entries.extend(filler);
        for entry in other.entries.iter().rev() {
            while read > 0 && self.entries[read - 1].0 > entry.0 {
                read -= 1;
                write -= 1;
                self.entries.swap(read, write);
            }
            if read > 0 && self.entries[read - 1].0 == entry.0 {
                continue;
            }
            write -= 1;
            self.entries[write].clone_from(entry);
            // Whatever was missing is in its place, and all that stands before it stays where it
            // is.
            if write == read {
                return;
            }
        }
    }
}

impl<N> Default for VectorClock<N> {
    fn default() -> Self {
        Self::new()
    }
}

/// Before is less, after is greater, and concurrent clocks have no order.
impl<N: NodeId> PartialOrd for VectorClock<N> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match self.compare(other) {
            Causality::Before => Some(Ordering::Less),
            Causality::After => Some(Ordering::Greater),
            Causality::Equal => Some(Ordering::Equal),
            Causality::Concurrent => None,
        }
    }
}

/// Prints `{a:3 b:1}`.
impl<N: NodeId + fmt::Display> fmt::Display for VectorClock<N> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("{")?;
        for (at, (node, count)) in self.iter().enumerate() {
            let gap = if at == 0 { "" } else { " " };
            write!(out, "{gap}{node}:{count}")?;
        }
        out.write_str("}")
    }
}

/// Takes entries in any order; of two for one node the greater counts, and zeros fall away.
impl<N: NodeId> FromIterator<(N, u64)> for VectorClock<N> {
    fn from_iter<I: IntoIterator<Item = (N, u64)>>(entries: I) -> Self {
        let mut entries: Vec<_> = entries.into_iter().filter(|(_, count)| *count > 0).collect();
        // Greater counts come first within a node, and dedup keeps the first.
        entries.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)));
        entries.dedup_by(|later, kept| later.0 == kept.0);
        Self { entries }
    }
}

impl<N: NodeId, const COUNT: usize> From<[(N, u64); COUNT]> for VectorClock<N> {
    fn from(entries: [(N, u64); COUNT]) -> Self {
        entries.into_iter().collect()
    }
}

impl<N> From<VectorClock<N>> for Vec<(N, u64)> {
    fn from(clock: VectorClock<N>) -> Self {
        clock.entries
    }
}

/// Accepts exactly what a clock gives out, so that bytes from a peer are a clock or an error.
impl<N: NodeId> TryFrom<Vec<(N, u64)>> for VectorClock<N> {
    type Error = InvalidEntries;

    fn try_from(entries: Vec<(N, u64)>) -> Result<Self, InvalidEntries> {
        if entries.iter().any(|(_, count)| *count == 0) {
            return Err(InvalidEntries::Zero);
        }
        if !entries.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(InvalidEntries::Unsorted);
        }
        Ok(Self { entries })
    }
}

/// Says what is wrong with entries that came from a peer or a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InvalidEntries {
    /// An entry counts nothing; such entries are left out.
    Zero,
    /// The nodes are not strictly ascending.
    Unsorted,
}

impl fmt::Display for InvalidEntries {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Zero => "the peer's vector clock has an entry of zero",
            Self::Unsorted => "the peer's vector clock is not strictly ascending by node",
        })
    }
}

impl Error for InvalidEntries {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;

    use super::*;

    type Clock = VectorClock<u8>;

    #[test]
    fn an_absent_node_and_a_zero_are_the_same() {
        let clock = Clock::from([(1, 0), (2, 5), (2, 7)]);
        assert_eq!(clock, Clock::from([(2, 7)]));
        assert_eq!((clock.get(&1), clock.get(&2), clock.len()), (0, 7, 1));
        assert!(Clock::new().is_empty());
        assert_eq!(clock.to_string(), "{2:7}");
    }

    #[test]
    fn a_full_count_is_refused_and_stays() {
        let mut clock = Clock::from([(1, u64::MAX)]);
        assert_eq!(clock.tick(&1), Err(Exhausted));
        assert_eq!(clock.get(&1), u64::MAX);
        let mut other = Clock::from([(2, 1)]);
        assert_eq!(other.observe(&1, &clock), Err(Exhausted));
        assert_eq!(other, Clock::from([(2, 1)]));
        assert_eq!(other.observe(&2, &clock), Ok(2));
    }

    #[test]
    fn entries_of_a_peer_are_checked() {
        assert_eq!(Clock::try_from(vec![(1, 0)]), Err(InvalidEntries::Zero));
        assert_eq!(Clock::try_from(vec![(2, 1), (1, 1)]), Err(InvalidEntries::Unsorted));
        assert_eq!(Clock::try_from(vec![(1, 1), (1, 1)]), Err(InvalidEntries::Unsorted));
        let entries = vec![(1, 4), (9, 1)];
        assert_eq!(Vec::from(Clock::try_from(entries.clone()).unwrap()), entries);
    }

    #[cfg(feature = "serde")]
    #[test]
    fn what_serde_reads_is_checked_too() {
        let clock = Clock::from([(1, 4), (9, 1)]);
        let text = serde_json::to_string(&clock).unwrap();
        assert_eq!(text, "[[1,4],[9,1]]");
        assert_eq!(serde_json::from_str::<Clock>(&text).unwrap(), clock);
        assert!(serde_json::from_str::<Clock>("[[9,1],[1,4]]").is_err());
    }

    /// Few nodes and small counts, so that equal and ordered pairs are common.
    fn clocks() -> impl Strategy<Value = Clock> {
        prop::collection::vec((0_u8..6, 0_u64..4), 0..8).prop_map(Clock::from_iter)
    }

    /// The definition, entry by entry: the oracle of the single pass.
    fn below(first: &Clock, second: &Clock) -> bool {
        (0..=u8::MAX).all(|node| first.get(&node) <= second.get(&node))
    }

    proptest! {
        #[test]
        fn compare_is_the_definition(a in clocks(), b in clocks()) {
            let expected = Causality::from_ahead(!below(&a, &b), !below(&b, &a));
            prop_assert_eq!(a.compare(&b), expected);
            prop_assert_eq!(b.compare(&a), expected.reverse());
            prop_assert_eq!(a == b, expected == Causality::Equal);
            prop_assert_eq!(a.concurrent_with(&b), a.partial_cmp(&b).is_none());
        }

        #[test]
        fn the_order_is_transitive(a in clocks(), b in clocks(), c in clocks()) {
            if a <= b && b <= c {
                prop_assert!(a <= c);
            }
        }

        #[test]
        fn merge_is_the_least_upper_bound(a in clocks(), b in clocks(), c in clocks()) {
            let join = |first: &Clock, second: &Clock| {
                let mut joined = first.clone();
                joined.merge(second);
                joined
            };
            let joined = join(&a, &b);
            for node in 0..=u8::MAX {
                prop_assert_eq!(joined.get(&node), a.get(&node).max(b.get(&node)));
            }
            prop_assert_eq!(&Clock::try_from(joined.entries.clone()).unwrap(), &joined);
            prop_assert_eq!(&joined, &join(&b, &a));
            prop_assert_eq!(&joined, &join(&joined, &a));
            prop_assert_eq!(join(&joined, &c), join(&a, &join(&b, &c)));
        }

        #[test]
        fn a_delta_and_its_base_make_the_clock(a in clocks(), b in clocks()) {
            let mut later = a.clone();
            later.merge(&b);
            let delta = later.delta_since(&a);
            let mut rebuilt = a.clone();
            rebuilt.merge(&delta);
            prop_assert_eq!(&rebuilt, &later);
            prop_assert!(delta.iter().all(|(node, count)| count > a.get(node)));
        }
    }
}
