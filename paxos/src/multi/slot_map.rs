//! What a log holds slot by slot: slots that follow each other stand side by side.
//!
//! A log is nearly always one run of slots, which grows at its end and is let go of at its
//! beginning; a gap makes it two. So the slots are kept as runs, in order, each as long as can be:
//! the slot that is asked for is found by counting, and a slot costs the memory of what it holds.
//! The claim kept true: no two runs adjoin and none is empty, so that equal contents are equal
//! maps, however they came about.

use crate::multi::slot::Slot;
use std::collections::VecDeque;

/// A map from slots, of which most follow each other.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SlotMap<T> {
    /// There are as many as gaps and one. Gaps are closed and let go of at the beginning and come
    /// about at the end, so neither may cost a move of all others.
    runs: VecDeque<Run<T>>,
}

/// How many slots more than four times what it holds a run has room for at most.
const SPARE_SLOTS: usize = 1_024;

/// Slots without a gap.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Run<T> {
    first: Slot,
    held: VecDeque<T>,
}

impl<T> Run<T> {
    fn end(&self) -> Slot {
        self.first.plus(self.held.len() as u64)
    }

    /// Returns where in the run a slot stands that is not before it.
    fn place(&self, slot: Slot) -> usize {
        usize::try_from(slot.past(self.first)).unwrap_or(usize::MAX)
    }
}

impl<T> SlotMap<T> {
    pub(crate) const fn new() -> Self {
        Self { runs: VecDeque::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Counts the slots.
    pub(crate) fn len(&self) -> usize {
        self.runs.iter().map(|run| run.held.len()).sum()
    }

    /// Returns the first slot that is held.
    pub(crate) fn first(&self) -> Option<Slot> {
        self.runs.front().map(|run| run.first)
    }

    /// Returns what the last slot holds.
    pub(crate) fn last(&self) -> Option<&T> {
        self.runs.back().and_then(|run| run.held.back())
    }

    pub(crate) fn get(&self, slot: Slot) -> Option<&T> {
        let run = self.runs.get(self.runs_from(slot).checked_sub(1)?)?;
        run.held.get(run.place(slot))
    }

    /// Puts something into a slot, and returns what it held before.
    pub(crate) fn insert(&mut self, slot: Slot, value: T) -> Option<T> {
        let behind = self.runs_from(slot);
        if let Some(run) = behind.checked_sub(1).and_then(|place| self.runs.get_mut(place)) {
            let place = run.place(slot);
            if let Some(held) = run.held.get_mut(place) {
                return Some(std::mem::replace(held, value));
            }
            if place == run.held.len() {
                run.held.push_back(value);
                if behind < self.runs.len() {
                    self.join(behind);
                }
                return None;
            }
        }
        let run = Run { first: slot, held: VecDeque::from([value]) };
        self.runs.insert(behind, run);
        self.join(behind + 1);
        None
    }

    /// Takes out what the first slot holds, if it is below `end`.
    pub(crate) fn pop_below(&mut self, end: Slot) -> Option<T> {
        let run = self.runs.front_mut().filter(|run| run.first < end)?;
        let value = run.held.pop_front();
        run.first = run.first.next();
        if run.held.is_empty() {
            self.runs.pop_front();
        } else if run.held.capacity() > SPARE_SLOTS + 4 * run.held.len() {
            // A node that lagged once does not keep the memory of all that it lacked.
            run.held.shrink_to(2 * run.held.len());
        }
        value
    }

    /// Lists the slots from `first` on and below `end`, in order.
    pub(crate) fn range(&self, first: Slot, end: Slot) -> impl Iterator<Item = (Slot, &T)> {
        let begin = self.runs_from(first).saturating_sub(1);
        let runs = self.runs.range(begin..).take_while(move |run| run.first < end);
        runs.flat_map(move |run| {
            // The first of these runs may end before the range begins, and the last go on past it.
            let (from, to) = (first.max(run.first), end.min(run.end()));
            let places = run.place(from).min(run.place(to))..run.place(to);
            let slots = (from.number()..to.number()).map(Slot::new);
            slots.zip(run.held.range(places))
        })
    }

    /// Lists what the slots hold from `first` on and below `end`, in order, to be changed.
    pub(crate) fn range_mut(&mut self, first: Slot, end: Slot) -> impl Iterator<Item = &mut T> {
        let begin = self.runs_from(first).saturating_sub(1);
        let runs = self.runs.range_mut(begin..).take_while(move |run| run.first < end);
        runs.flat_map(move |run| {
            let (from, to) = (first.max(run.first), end.min(run.end()));
            let places = run.place(from).min(run.place(to))..run.place(to);
            run.held.range_mut(places)
        })
    }

    /// Lists all slots, in order.
    pub(crate) fn values(&self) -> impl Iterator<Item = &T> {
        self.runs.iter().flat_map(|run| &run.held)
    }

    /// Counts the runs that begin at or before `slot`.
    fn runs_from(&self, slot: Slot) -> usize {
        // It is nearly always all of them, as what is asked for stands at the end of the log.
        if self.runs.back().is_none_or(|last| last.first <= slot) {
            return self.runs.len();
        }
        self.runs.partition_point(|run| run.first <= slot)
    }

    /// Makes one run of the one at `place` and the one before it, if they adjoin.
    fn join(&mut self, place: usize) {
        let Some(before) = place.checked_sub(1) else { return };
        let ends = self.runs.get(before).map(Run::end);
        if self.runs.get(place).is_none_or(|run| Some(run.first) != ends) {
            return;
        }
        let Some(mut run) = self.runs.remove(place) else { return };
        let before = &mut self.runs[before];
        // The shorter one is moved, so that a log that is filled from behind costs no more than one
        // that grows.
        if before.held.len() >= run.held.len() {
            before.held.append(&mut run.held);
        } else {
            while let Some(value) = before.held.pop_back() {
                run.held.push_front(value);
            }
            before.held = run.held;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const SLOTS: u64 = 24;

    #[derive(Clone, Debug)]
    enum Change {
        Insert(u64, u8),
        PopBelow(u64),
        Add(u64, u64),
    }

    fn changes() -> impl Strategy<Value = Vec<Change>> {
        let change = prop_oneof![
            4 => (0..SLOTS, any::<u8>()).prop_map(|(slot, value)| Change::Insert(slot, value)),
            1 => (0..SLOTS).prop_map(Change::PopBelow),
            1 => (0..SLOTS, 0..SLOTS).prop_map(|(first, end)| Change::Add(first, end)),
        ];
        prop::collection::vec(change, 0..60)
    }

    fn listed(map: &SlotMap<u8>, first: u64, end: u64) -> Vec<(u64, u8)> {
        let range = map.range(Slot::new(first), Slot::new(end));
        range.map(|(slot, value)| (slot.number(), *value)).collect()
    }

    fn assert_equal(map: &SlotMap<u8>, model: &BTreeMap<u64, u8>) {
        let entries: Vec<_> = model.iter().map(|(slot, value)| (*slot, *value)).collect();
        assert_eq!(listed(map, 0, SLOTS), entries);
        assert_eq!(
            map.values().copied().collect::<Vec<_>>(),
            model.values().copied().collect::<Vec<_>>()
        );
        assert_eq!((map.len(), map.is_empty()), (model.len(), model.is_empty()));
        assert_eq!(map.first().map(Slot::number), model.keys().next().copied());
        assert_eq!(map.last(), model.values().next_back());
        for slot in 0..SLOTS {
            assert_eq!(map.get(Slot::new(slot)), model.get(&slot));
        }
        // The runs are as long as can be, and so equal contents are one map.
        let mut again = SlotMap::new();
        for (slot, value) in entries.iter().rev() {
            assert_eq!(again.insert(Slot::new(*slot), *value), None);
        }
        assert_eq!(&again, map);
    }

    proptest! {
        #[test]
        fn it_is_a_map(changes in changes(), first in 0..SLOTS, end in 0..SLOTS) {
            let (mut map, mut model) = (SlotMap::new(), BTreeMap::new());
            for change in changes {
                match change {
                    Change::Insert(slot, value) => {
                        assert_eq!(map.insert(Slot::new(slot), value), model.insert(slot, value));
                    }
                    Change::PopBelow(end) => {
                        let first = model.first_entry().filter(|entry| *entry.key() < end);
                        let popped = first.map(|entry| entry.remove());
                        assert_eq!(map.pop_below(Slot::new(end)), popped);
                    }
                    Change::Add(first, end) => {
                        for value in map.range_mut(Slot::new(first), Slot::new(end)) {
                            *value = value.wrapping_add(1);
                        }
                        let within = |slot: u64| first <= slot && slot < end;
                        for (_, value) in model.iter_mut().filter(|(slot, _)| within(**slot)) {
                            *value = value.wrapping_add(1);
                        }
                    }
                }
                assert_equal(&map, &model);
            }
            model.retain(|slot, _| first <= *slot && *slot < end);
            let part: Vec<_> = model.into_iter().collect();
            assert_eq!(listed(&map, first, end), part);
        }
    }

    /// A log that was long once gives the memory back as it becomes short.
    #[test]
    fn a_run_that_becomes_short_takes_little_memory() {
        let mut map = SlotMap::new();
        for slot in 0..100_000 {
            map.insert(Slot::new(slot), slot);
        }
        while map.pop_below(Slot::new(99_900)).is_some() {}
        let room: usize = map.runs.iter().map(|run| run.held.capacity()).sum();
        assert_eq!((map.len(), map.first()), (100, Some(Slot::new(99_900))));
        assert!(room <= SPARE_SLOTS + 4 * map.len(), "room for {room} slots");
    }

    /// A slot at the end of all numbers stands where it belongs.
    #[test]
    fn a_far_slot_is_a_run_of_its_own() {
        let mut map = SlotMap::new();
        let far = Slot::new(Slot::NUMBER_MAX);
        map.insert(Slot::FIRST, 'a');
        map.insert(far, 'z');
        assert_eq!((map.get(far), map.get(Slot::new(1)), map.len()), (Some(&'z'), None, 2));
        let end = Slot::new(u64::MAX);
        assert_eq!(map.range(end, end).next(), None, "there is no number behind it");
        assert_eq!(map.pop_below(far.next()), Some('a'));
        assert_eq!(map.first(), Some(far));
    }
}
