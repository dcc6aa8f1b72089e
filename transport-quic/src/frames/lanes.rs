//! Lanes and the bounded queues in front of them.
//!
//! What it leaves to others: streams (`stream`) and links (`link`). The claim it keeps true:
//! putting a frame into a lane never waits, holds no more than the lane's bytes, and a log frame
//! of an older epoch is never sent after one of a newer epoch was taken.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::counters::Count;
use crate::limits;
use crate::lock::lock;

/// Names a lane: a kind of traffic with a stream of its own in either direction. Complete by
/// definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Short and urgent: goes before the others.
    Control,
    /// The log of one epoch: vanishes when a larger epoch begins.
    Log,
    /// Long and patient: catch-up and snapshots. Of what QUIC holds it goes last; for room there it
    /// takes turns with the log.
    Bulk,
}

/// Orders the lives of the log lane; a larger epoch ends the smaller ones. The owner gives it
/// meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

/// Says what became of a frame. Complete by definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It waits for its turn; it may still be lost with the link.
    Queued,
    /// It was dropped and counted; the owner's protocol sends again what matters.
    Dropped(DropReason),
}

/// Says why a frame was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DropReason {
    /// There is no link to that peer, or no such peer.
    NoLink,
    /// The lane holds as many bytes as it may.
    Full,
    /// The frame is longer than its lane allows, or the datagram than a packet.
    TooLong,
    /// A larger epoch has begun.
    Stale,
}

impl Lane {
    pub(crate) const fn frame_bytes_max(self) -> usize {
        match self {
            Self::Control => limits::CONTROL_FRAME_BYTES_MAX,
            Self::Log => limits::LOG_FRAME_BYTES_MAX,
            Self::Bulk => limits::BULK_FRAME_BYTES_MAX,
        }
    }

    /// The stream's priority; QUIC sends what is higher first.
    pub(crate) const fn priority(self) -> i32 {
        match self {
            Self::Control => 2,
            Self::Log => 1,
            Self::Bulk => 0,
        }
    }

    const fn queue_bytes_max(self) -> usize {
        match self {
            Self::Control => limits::CONTROL_QUEUE_BYTES_MAX,
            Self::Log => limits::LOG_QUEUE_BYTES_MAX,
            Self::Bulk => limits::BULK_QUEUE_BYTES_MAX,
        }
    }
}

impl DropReason {
    pub(crate) const fn count(self) -> Count {
        match self {
            Self::NoLink => Count::DroppedNoLink,
            Self::Full => Count::DroppedFull,
            Self::TooLong => Count::DroppedTooLong,
            Self::Stale => Count::DroppedStale,
        }
    }
}

/// Bounds the bytes that several queues hold together.
#[derive(Debug)]
pub(crate) struct Budget {
    used: AtomicUsize,
    max: usize,
}

/// Holds the frames that wait for one stream, in order. One task takes them.
#[derive(Debug)]
pub(crate) struct LaneQueue {
    waiting: Mutex<Waiting>,
    ready: Notify,
    drained: Notify,
    bytes_max: usize,
    frame_bytes_max: usize,
    budget: Option<Arc<Budget>>,
}

#[derive(Debug, Default)]
struct Waiting {
    frames: VecDeque<Bytes>,
    bytes: usize,
    /// What was taken out last and is not written to its end, overhead included.
    in_hand: usize,
    /// Bytes that QUIC took over, framing included.
    passed: u64,
}

/// What stands between a lane's owner and the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneWaiting {
    /// Bytes that QUIC has not taken, overhead included, those under a writer's hand among them.
    pub bytes: usize,
    /// A count that changes whenever QUIC takes some: as it holds little, the lane gets on.
    pub passed: u64,
}

/// Holds the log lane: the queue of the largest epoch.
#[derive(Debug)]
pub(crate) struct LogLane {
    current: Mutex<(Epoch, Arc<LaneQueue>)>,
    changed: Notify,
}

impl Budget {
    pub(crate) const fn new(max: usize) -> Self {
        Self { used: AtomicUsize::new(0), max }
    }

    fn take(&self, bytes: usize) -> bool {
        let fits = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= self.max);
        // The sum is all that is shared here: the frames are under the locks of their queues.
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl LaneQueue {
    pub(crate) fn new(lane: Lane) -> Self {
        Self::with_bounds(lane.queue_bytes_max(), lane.frame_bytes_max(), None)
    }

    pub(crate) fn with_bounds(
        bytes_max: usize,
        frame_bytes_max: usize,
        budget: Option<Arc<Budget>>,
    ) -> Self {
        let waiting = Mutex::default();
        let (ready, drained) = (Notify::new(), Notify::new());
        Self { waiting, ready, drained, bytes_max, frame_bytes_max, budget }
    }

    /// Puts a frame at the end of the queue, or says why not. Never waits.
    pub(crate) fn push(&self, frame: Bytes) -> Result<(), DropReason> {
        if frame.len() > self.frame_bytes_max {
            return Err(DropReason::TooLong);
        }
        let cost = cost(frame.len());
        let mut waiting = lock(&self.waiting);
        if waiting.bytes + cost > self.bytes_max {
            return Err(DropReason::Full);
        }
        // What is common to all is asked last: nothing that comes behind it can refuse, so nothing
        // has to be given back.
        if self.budget.as_ref().is_some_and(|budget| !budget.take(cost)) {
            return Err(DropReason::Full);
        }
        waiting.bytes += cost;
        waiting.frames.push_back(frame);
        let first = waiting.frames.len() == 1;
        drop(waiting);
        if first {
            // Whoever waits does so only while the lane is empty, so only its first frame has to
            // wake anybody.
            self.ready.notify_one();
        }
        Ok(())
    }

    /// Tells whether a frame of so many bytes would be one too many; one that is too long never is.
    pub(crate) fn is_full_for(&self, bytes: usize) -> bool {
        bytes <= self.frame_bytes_max && self.bytes() + cost(bytes) > self.bytes_max
    }

    /// Waits for frames and moves one write's worth of them to `frames`; those of before are
    /// written. Cancel-safe.
    pub(crate) async fn next_batch(&self, frames: &mut Vec<Bytes>) {
        // The writer asks for the next only when all that it had in hand was written.
        lock(&self.waiting).in_hand = 0;
        while !self.take(frames) {
            self.ready.notified().await;
        }
    }

    /// Waits until a frame waits. Cancel-safe.
    pub(crate) async fn ready(&self) {
        while self.bytes() == 0 {
            self.ready.notified().await;
        }
        // The wake-up belongs to the writer that is about to take the frames.
        self.ready.notify_one();
    }

    /// Waits until fewer than `bytes` wait. For one task. Cancel-safe.
    pub(crate) async fn below(&self, bytes: usize) {
        while self.bytes() >= bytes {
            self.drained.notified().await;
        }
    }

    /// Drops what waits and says how many frames that were.
    pub(crate) fn clear(&self) -> usize {
        let mut waiting = lock(&self.waiting);
        let dropped = std::mem::take(&mut *waiting);
        drop(waiting);
        self.refund(dropped.bytes);
        dropped.frames.len()
    }

    /// Takes note that QUIC took so many bytes of what was taken out last.
    pub(crate) fn on_passed(&self, bytes: usize) {
        lock(&self.waiting).passed += bytes as u64;
    }

    /// Begins the count of what passed where another queue's ended.
    fn count_from(&self, passed: u64) {
        lock(&self.waiting).passed = passed;
    }

    /// What QUIC has not taken, and whether it takes more.
    pub(crate) fn waiting(&self) -> LaneWaiting {
        let waiting = lock(&self.waiting);
        LaneWaiting { bytes: waiting.bytes + waiting.in_hand, passed: waiting.passed }
    }

    /// Bytes that wait, overhead included.
    pub(crate) fn bytes(&self) -> usize {
        lock(&self.waiting).bytes
    }

    fn take(&self, frames: &mut Vec<Bytes>) -> bool {
        let mut waiting = lock(&self.waiting);
        let mut taken = 0;
        while taken < limits::WRITE_BATCH_BYTES {
            let Some(frame) = waiting.frames.pop_front() else { break };
            taken += cost(frame.len());
            frames.push(frame);
        }
        waiting.bytes -= taken;
        waiting.in_hand = taken;
        drop(waiting);
        self.drained.notify_one();
        self.refund(taken);
        taken > 0
    }

    fn refund(&self, bytes: usize) {
        if let Some(budget) = &self.budget {
            budget.give_back(bytes);
        }
    }
}

impl Drop for LaneQueue {
    fn drop(&mut self) {
        self.clear();
    }
}

impl LogLane {
    pub(crate) fn new() -> Self {
        let first = (Epoch(0), Arc::new(LaneQueue::new(Lane::Log)));
        Self { current: Mutex::new(first), changed: Notify::new() }
    }

    /// Puts a frame into its epoch. A larger epoch drops what waits in the smaller one; the second
    /// part of the answer says how many frames that were.
    pub(crate) fn push(&self, epoch: Epoch, frame: Bytes) -> (Result<(), DropReason>, usize) {
        let mut current = lock(&self.current);
        if epoch < current.0 {
            return (Err(DropReason::Stale), 0);
        }
        let mut stale = 0;
        if epoch > current.0 {
            // The count goes on: nothing of the larger epoch has passed yet.
            let passed = current.1.waiting().passed;
            stale = current.1.clear();
            *current = (epoch, Arc::new(LaneQueue::new(Lane::Log)));
            current.1.count_from(passed);
            self.changed.notify_one();
        }
        (current.1.push(frame), stale)
    }

    /// The largest epoch and its queue.
    pub(crate) fn current(&self) -> (Epoch, Arc<LaneQueue>) {
        lock(&self.current).clone()
    }

    /// Waits until the epoch is another than `known`. For one task. Cancel-safe.
    pub(crate) async fn changed_from(&self, known: Epoch) -> (Epoch, Arc<LaneQueue>) {
        loop {
            let current = self.current();
            if current.0 != known {
                return current;
            }
            self.changed.notified().await;
        }
    }
}

const fn cost(frame_bytes: usize) -> usize {
    frame_bytes + limits::FRAME_OVERHEAD_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_test::{assert_pending, assert_ready, task};

    fn take_all(queue: &LaneQueue) -> Vec<Bytes> {
        let mut frames = Vec::new();
        while queue.take(&mut frames) {}
        frames
    }

    #[test]
    fn a_full_queue_drops_the_newest_and_keeps_the_order_of_the_rest() {
        let queue = LaneQueue::with_bounds(3 * (1 + limits::FRAME_OVERHEAD_BYTES), 1, None);
        for tag in 0..3u8 {
            assert_eq!(queue.push(Bytes::from(vec![tag])), Ok(()));
        }
        assert_eq!(queue.push(Bytes::from_static(b"x")), Err(DropReason::Full));
        assert_eq!(queue.push(Bytes::from_static(b"xy")), Err(DropReason::TooLong));
        assert!(queue.is_full_for(1) && !queue.is_full_for(2), "what is too long is never full");
        assert_eq!(take_all(&queue), [vec![0], vec![1], vec![2]]);
        assert_eq!(queue.bytes(), 0);
        assert_eq!(queue.push(Bytes::from_static(b"x")), Ok(()));
    }

    #[test]
    fn empty_frames_are_bounded_too() {
        let queue = LaneQueue::with_bounds(1024, 1, None);
        let taken = (0..10_000).filter(|_| queue.push(Bytes::new()).is_ok()).count();
        assert_eq!(taken, 1024 / limits::FRAME_OVERHEAD_BYTES);
    }

    #[test]
    fn what_a_writer_has_under_its_hand_waits_until_it_asks_for_more() {
        let queue = LaneQueue::new(Lane::Log);
        assert_eq!(queue.push(Bytes::from_static(b"abc")), Ok(()));
        let mut frames = Vec::new();
        assert_ready!(task::spawn(queue.next_batch(&mut frames)).poll());
        queue.on_passed(2);
        let bytes = 3 + limits::FRAME_OVERHEAD_BYTES;
        assert_eq!((queue.waiting(), queue.bytes()), (LaneWaiting { bytes, passed: 2 }, 0));
        queue.on_passed(2);
        assert_pending!(task::spawn(queue.next_batch(&mut frames)).poll());
        assert_eq!(queue.waiting(), LaneWaiting { bytes: 0, passed: 4 });
    }

    #[test]
    fn a_larger_epoch_alone_is_no_progress_of_the_lane() {
        let lane = LogLane::new();
        let frame = || Bytes::from_static(b"abc");
        assert_eq!(lane.push(Epoch(1), frame()), (Ok(()), 0));
        lane.current().1.on_passed(70);
        assert_eq!(lane.push(Epoch(2), frame()), (Ok(()), 1));
        assert_eq!(lane.current().1.waiting().passed, 70);
    }

    #[test]
    fn a_push_wakes_the_one_who_waits() {
        let queue = LaneQueue::new(Lane::Control);
        let mut frames = Vec::new();
        let mut waiting = task::spawn(queue.next_batch(&mut frames));
        assert_pending!(waiting.poll());
        assert_eq!(queue.push(Bytes::from_static(b"x")), Ok(()));
        assert!(waiting.is_woken());
        assert_ready!(waiting.poll());
        drop(waiting);
        assert_eq!(frames, [&b"x"[..]]);
    }

    #[test]
    fn a_batch_is_bounded() {
        let queue = LaneQueue::new(Lane::Bulk);
        for _ in 0..8 {
            assert_eq!(queue.push(Bytes::from(vec![0; limits::WRITE_BATCH_BYTES / 2])), Ok(()));
        }
        let mut frames = Vec::new();
        assert!(queue.take(&mut frames));
        assert_eq!(frames.len(), 2);
    }

    #[test]
    fn a_budget_is_shared_and_comes_back() {
        let budget = Arc::new(Budget::new(2 * limits::FRAME_OVERHEAD_BYTES));
        let make = || LaneQueue::with_bounds(usize::MAX, 1, Some(Arc::clone(&budget)));
        let (one, two) = (make(), make());
        assert_eq!(one.push(Bytes::new()), Ok(()));
        assert_eq!(two.push(Bytes::new()), Ok(()));
        assert_eq!(two.push(Bytes::new()), Err(DropReason::Full));
        assert_eq!(take_all(&one).len(), 1);
        assert_eq!(two.push(Bytes::new()), Ok(()));
        drop(two);
        assert_eq!(budget.used.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_larger_epoch_drops_the_frames_of_the_smaller() {
        let lane = LogLane::new();
        let (first, _) = lane.current();
        assert_eq!(lane.push(Epoch(3), Bytes::from_static(b"a")), (Ok(()), 0));
        assert_eq!(lane.push(Epoch(3), Bytes::from_static(b"b")), (Ok(()), 0));
        let (_, queue) = lane.current();
        assert_eq!(lane.push(Epoch(5), Bytes::from_static(b"c")), (Ok(()), 2));
        assert_eq!(lane.push(Epoch(4), Bytes::from_static(b"d")), (Err(DropReason::Stale), 0));
        assert_eq!(take_all(&queue).len(), 0, "nothing of epoch 3 is left to be sent");
        let (epoch, queue) = assert_ready!(task::spawn(lane.changed_from(first)).poll());
        assert_eq!((epoch, take_all(&queue)), (Epoch(5), vec![Bytes::from_static(b"c")]));
    }
}
