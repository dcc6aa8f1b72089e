//! The delay queue: packets that wait for their time.
//!
//! Ordered by due time and then by arrival, so that equal delays keep the order of the packets. It
//! is bounded in packets and in bytes; a packet that does not fit comes back to the caller, who
//! counts it. Time is an input: nothing here reads a clock.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// Packets in the order in which they are due.
pub(crate) struct DelayQueue<P> {
    heap: BinaryHeap<Reverse<Entry<P>>>,
    bytes: usize,
    arrivals: u64,
}

impl<P> DelayQueue<P> {
    /// Makes an empty queue.
    pub(crate) fn new() -> Self {
        Self { heap: BinaryHeap::new(), bytes: 0, arrivals: 0 }
    }

    /// Keeps a packet of `size` bytes until `due`. Returns whether there was room for it.
    pub(crate) fn push(&mut self, due: Duration, size: usize, packet: P) -> bool {
        if self.heap.len() >= HELD_PACKETS_MAX || self.bytes + size > HELD_BYTES_MAX {
            return false;
        }
        self.bytes += size;
        self.arrivals += 1;
        self.heap.push(Reverse(Entry { due, arrival: self.arrivals, size, packet }));
        true
    }

    /// Returns when the next packet is due.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        self.heap.peek().map(|Reverse(entry)| entry.due)
    }

    /// Takes the next packet that is due at `now`.
    pub(crate) fn pop(&mut self, now: Duration) -> Option<P> {
        if self.next_due()? > now {
            return None;
        }
        let Reverse(entry) = self.heap.pop()?;
        self.bytes -= entry.size;
        Some(entry.packet)
    }
}

/// Packets that wait at most, over all links.
pub(crate) const HELD_PACKETS_MAX: usize = 65_536;

/// Bytes that wait at most, over all links.
const HELD_BYTES_MAX: usize = 64 << 20;

struct Entry<P> {
    due: Duration,
    arrival: u64,
    size: usize,
    packet: P,
}

impl<P> Entry<P> {
    fn key(&self) -> (Duration, u64) {
        (self.due, self.arrival)
    }
}

impl<P> PartialEq for Entry<P> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<P> Eq for Entry<P> {}

impl<P> PartialOrd for Entry<P> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<P> Ord for Entry<P> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn packets_leave_when_due_and_in_order() {
        let mut held = DelayQueue::new();
        for (due, name) in [(5, "late"), (1, "first"), (1, "second"), (3, "third")] {
            assert!(held.push(ms(due), 10, name));
        }
        assert_eq!(held.next_due(), Some(ms(1)));
        assert_eq!(held.pop(ms(0)), None);
        assert_eq!(held.pop(ms(1)), Some("first"));
        assert_eq!(held.pop(ms(1)), Some("second"));
        assert_eq!(held.pop(ms(1)), None);
        assert_eq!(held.pop(ms(9)), Some("third"));
        assert_eq!(held.pop(ms(9)), Some("late"));
        assert_eq!(held.next_due(), None);
    }

    #[test]
    fn the_queue_is_bounded_in_packets_and_in_bytes() {
        let mut held = DelayQueue::new();
        assert!((0..HELD_PACKETS_MAX).all(|n| held.push(ms(1), 1, n)));
        assert!(!held.push(ms(1), 1, 0), "no room for one more packet");
        assert_eq!(held.pop(ms(1)), Some(0));
        assert!(held.push(ms(1), 1, 0), "one left, one may come");

        let mut held = DelayQueue::new();
        assert!(held.push(ms(1), HELD_BYTES_MAX, "big"));
        assert!(!held.push(ms(1), 1, "too much"));
        assert_eq!(held.pop(ms(1)), Some("big"));
        assert!(held.push(ms(1), HELD_BYTES_MAX, "big again"));
    }
}
