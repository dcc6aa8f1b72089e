//! The event queue: what will happen, in the order of virtual time.
//!
//! Things due at the same instant happen in the order in which they were put down, so that the
//! order never depends on the heap. That is the claim on which every replay rests.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::fmt;

/// An instant or a length of virtual time, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Micros(pub u64);

impl Micros {
    /// Reads whole milliseconds.
    #[must_use]
    pub const fn from_ms(ms: u64) -> Self {
        Self(ms.saturating_mul(1_000))
    }

    /// Returns the whole milliseconds.
    #[must_use]
    pub const fn ms(self) -> u64 {
        self.0 / 1_000
    }

    /// Returns the instant so much later.
    #[must_use]
    pub const fn plus(self, length: Self) -> Self {
        Self(self.0.saturating_add(length.0))
    }

    /// Returns the length since an earlier instant, or zero.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Micros {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{:06} s", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

/// Events in the order of their instants.
#[derive(Clone, Debug)]
pub(super) struct EventQueue<E> {
    heap: BinaryHeap<Entry>,
    /// The events, which stay where they are while the heap moves what stands for them.
    events: Vec<Option<E>>,
    /// The places of `events` that are free.
    free: Vec<usize>,
    count: u64,
}

/// What stands for an event in the heap.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Its instant, and below that its number, of which there are no two: one comparison of them
    /// is all that the heap does to an entry, again and again.
    when: u128,
    place: usize,
}

impl Entry {
    fn new(at: Micros, number: u64, place: usize) -> Self {
        Self { when: u128::from(at.0) << 64 | u128::from(number), place }
    }

    const fn at(self) -> Micros {
        Micros((self.when >> 64) as u64)
    }

    /// Moves it to another instant; its number stays.
    fn move_to(&mut self, at: Micros) {
        *self = Self::new(at, self.when as u64, self.place);
    }
}

// The heap gives the greatest first, which is the earliest.

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        other.when.cmp(&self.when)
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.when == other.when
    }
}

impl Eq for Entry {}

impl<E> EventQueue<E> {
    pub(super) fn new() -> Self {
        Self { heap: BinaryHeap::new(), events: Vec::new(), free: Vec::new(), count: 0 }
    }

    pub(super) fn put(&mut self, at: Micros, event: E) {
        self.count += 1;
        let place = self.free.pop().unwrap_or_else(|| {
            self.events.push(None);
            self.events.len() - 1
        });
        self.events[place] = Some(event);
        self.heap.push(Entry::new(at, self.count, place));
    }

    /// Takes the next event, unless it comes after `end`.
    pub(super) fn next_until(&mut self, end: Micros) -> Option<(Micros, E)> {
        if self.heap.peek()?.at() > end {
            return None;
        }
        let entry = self.heap.pop()?;
        self.free.push(entry.place);
        self.events[entry.place].take().map(|event| (entry.at(), event))
    }

    /// Moves events to earlier or later instants; those that stay keep their order.
    pub(super) fn reschedule(&mut self, mut when: impl FnMut(&E, Micros) -> Micros) {
        let mut entries = std::mem::take(&mut self.heap).into_vec();
        for entry in &mut entries {
            if let Some(event) = &self.events[entry.place] {
                // The numbers stay, so events that come to one instant by this keep the order in
                // which they were put down.
                entry.move_to(when(event, entry.at()));
            }
        }
        self.heap = entries.into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_one_instant_keep_the_order_of_their_entry() {
        let mut event_queue = EventQueue::new();
        for number in 0..100 {
            event_queue.put(Micros(number % 3), number);
        }
        let mut seen = Vec::new();
        while let Some((at, number)) = event_queue.next_until(Micros(9)) {
            assert_eq!(at, Micros(number % 3));
            seen.push((at, number));
        }
        assert!(seen.is_sorted());
        assert_eq!(seen.len(), 100);
    }

    #[test]
    fn a_place_is_used_again_and_for_one_event_at_a_time() {
        let mut event_queue = EventQueue::new();
        for round in 0..50 {
            for number in 0..4 {
                event_queue.put(Micros(round * 10 + number), (round, number));
            }
            let taken = [0, 1, 2].map(|_| event_queue.next_until(Micros(9_999)).expect("one of 4"));
            assert!(taken.is_sorted());
            assert!(taken.iter().all(|(at, (round, number))| at.0 == round * 10 + number));
        }
        assert_eq!(event_queue.events.len(), 53, "as many as waited at once");
    }

    #[test]
    fn nothing_comes_before_its_time_and_moved_events_come_at_theirs() {
        let mut event_queue = EventQueue::new();
        event_queue.put(Micros(5), 'a');
        event_queue.put(Micros(9), 'b');
        assert_eq!(event_queue.next_until(Micros(4)), None);
        event_queue.reschedule(|event, at| if *event == 'b' { Micros(2) } else { at });
        assert_eq!(event_queue.next_until(Micros(4)), Some((Micros(2), 'b')));
        assert_eq!(event_queue.next_until(Micros(5)), Some((Micros(5), 'a')));
    }
}
