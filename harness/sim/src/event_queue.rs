//! The event_queue: what will happen, in the order of virtual time.
//!
//! Things due at the same instant happen in the order in which they were put down, so that the
//! order never depends on the heap. That is the claim on which every replay rests.

use std::cmp::{Ordering, Reverse};
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
    heap: BinaryHeap<Reverse<Entry<E>>>,
    count: u64,
}

#[derive(Clone, Debug)]
struct Entry<E> {
    at: Micros,
    number: u64,
    event: E,
}

impl<E> EventQueue<E> {
    pub(super) fn new() -> Self {
        Self { heap: BinaryHeap::new(), count: 0 }
    }

    pub(super) fn put(&mut self, at: Micros, event: E) {
        self.count += 1;
        self.heap.push(Reverse(Entry { at, number: self.count, event }));
    }

    /// Takes the next event, unless it comes after `end`.
    pub(super) fn next_until(&mut self, end: Micros) -> Option<(Micros, E)> {
        if self.heap.peek()?.0.at > end {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| (entry.at, entry.event))
    }

    /// Moves events to earlier or later instants; those that stay keep their order.
    pub(super) fn reschedule(&mut self, mut when: impl FnMut(&E, Micros) -> Micros) {
        let mut entries = std::mem::take(&mut self.heap).into_vec();
        for Reverse(entry) in &mut entries {
            entry.at = when(&entry.event, entry.at);
        }
        self.heap = entries.into();
    }
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl<E> Eq for Entry<E> {}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Entry<E> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
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
