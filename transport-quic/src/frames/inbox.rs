//! The queue from the transport's tasks to the one owner, bounded in events and in bytes.
//!
//! What it leaves to others: what an event means. The claim it keeps true: a full inbox makes the
//! readers of streams wait, and through QUIC's flow control their senders, and drops datagrams.

use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc};

/// Receives the events of one endpoint; dropping it ends the deliveries.
#[derive(Debug)]
pub struct Inbox<E> {
    events: mpsc::Receiver<(E, u32)>,
    bytes: Arc<Semaphore>,
}

/// Delivers events; cloned for each task that does.
#[derive(Debug)]
pub(crate) struct EventSender<E> {
    events: mpsc::Sender<(E, u32)>,
    bytes: Arc<Semaphore>,
    bytes_max: usize,
}

/// A place in the inbox, held until the event is put into it.
#[derive(Debug)]
pub(crate) struct Permit<'a, E> {
    event: mpsc::Permit<'a, (E, u32)>,
    bytes: tokio::sync::SemaphorePermit<'a>,
    weight: u32,
}

/// Tells that nobody receives any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Closed;

/// Makes an inbox for at most `events` events that weigh at most `bytes` together.
pub(crate) fn inbox<E>(events: usize, bytes: usize) -> (EventSender<E>, Inbox<E>) {
    let (sender, receiver) = mpsc::channel(events);
    let semaphore = Arc::new(Semaphore::new(bytes));
    let outlet = EventSender { events: sender, bytes: Arc::clone(&semaphore), bytes_max: bytes };
    (outlet, Inbox { events: receiver, bytes: semaphore })
}

impl<E> Inbox<E> {
    /// Waits for the next event; `None` once the endpoint is closed and its handles are dropped.
    /// Cancel-safe.
    pub async fn recv(&mut self) -> Option<E> {
        let (event, weight) = self.events.recv().await?;
        self.bytes.add_permits(weight as usize);
        Some(event)
    }

    /// Takes the next event if one is there.
    pub fn try_recv(&mut self) -> Option<E> {
        let (event, weight) = self.events.try_recv().ok()?;
        self.bytes.add_permits(weight as usize);
        Some(event)
    }

    /// Events that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether no event waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }
}

impl<E> Drop for Inbox<E> {
    fn drop(&mut self) {
        // Those who wait for bytes would otherwise wait for ever.
        self.bytes.close();
    }
}

impl<E> EventSender<E> {
    /// Waits for a place for an event that weighs `bytes`. Cancel-safe: an unused place returns.
    pub(crate) async fn reserve(&self, bytes: usize) -> Result<Permit<'_, E>, Closed> {
        let weight = self.weight(bytes);
        // The bytes first: a place among the events that is held while bytes are waited for would
        // keep out those that weigh nothing.
        let bytes = self.bytes.acquire_many(weight).await.map_err(|_| Closed)?;
        let event = self.events.reserve().await.map_err(|_| Closed)?;
        Ok(Permit { event, bytes, weight })
    }

    /// Waits for a place and delivers.
    pub(crate) async fn send(&self, event: E, bytes: usize) -> Result<(), Closed> {
        self.reserve(bytes).await.map(|place| place.put(event))
    }

    /// Delivers if there is a place; says whether it did.
    pub(crate) fn try_send(&self, event: E, bytes: usize) -> bool {
        let weight = self.weight(bytes);
        let Ok(permit) = self.bytes.try_acquire_many(weight) else { return false };
        let sent = self.events.try_send((event, weight)).is_ok();
        if sent {
            // The bytes are given back by whoever receives the event, and not with this permit.
            permit.forget();
        }
        sent
    }

    /// An event heavier than the whole inbox takes the whole inbox.
    fn weight(&self, bytes: usize) -> u32 {
        // An event that is larger than the whole bound weighs just that, and comes through once all
        // else has been taken: it would wait for ever for more.
        u32::try_from(bytes.min(self.bytes_max)).unwrap_or(u32::MAX)
    }
}

impl<E> Clone for EventSender<E> {
    fn clone(&self) -> Self {
        Self {
            events: self.events.clone(),
            bytes: Arc::clone(&self.bytes),
            bytes_max: self.bytes_max,
        }
    }
}

impl<E> Permit<'_, E> {
    /// Delivers; the owner's taking gives the bytes back.
    pub(crate) fn put(self, event: E) {
        self.bytes.forget();
        self.event.send((event, self.weight));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_test::{assert_pending, assert_ready, task};

    #[test]
    fn bytes_bound_the_inbox_and_come_back_when_taken() {
        let (outlet, mut inbox) = inbox(8, 10);
        assert!(outlet.try_send("a", 6));
        assert!(!outlet.try_send("b", 5), "11 bytes in an inbox of 10");
        let mut waiting = task::spawn(outlet.send("c", 5));
        assert_pending!(waiting.poll());
        assert_eq!(inbox.try_recv(), Some("a"));
        assert!(waiting.is_woken());
        assert_eq!(assert_ready!(waiting.poll()), Ok(()));
        assert_eq!(inbox.try_recv(), Some("c"));
    }

    #[test]
    fn events_bound_the_inbox_however_light() {
        let (outlet, mut inbox) = inbox(2, 10);
        assert!(outlet.try_send(1, 0) && outlet.try_send(2, 0));
        assert!(!outlet.try_send(3, 0));
        assert_eq!((inbox.len(), inbox.try_recv()), (2, Some(1)));
        assert!(outlet.try_send(3, 0));
    }

    #[test]
    fn a_heavy_event_passes_alone_and_an_unused_place_returns() {
        let (outlet, mut inbox) = inbox(2, 10);
        drop(assert_ready!(task::spawn(outlet.reserve(10)).poll()));
        assert!(outlet.try_send("heavy", 1000));
        assert!(!outlet.try_send("light", 1));
        assert_eq!(inbox.try_recv(), Some("heavy"));
        assert!(outlet.try_send("light", 1));
    }

    #[test]
    fn a_dropped_inbox_ends_deliveries() {
        let (outlet, inbox) = inbox(2, 10);
        drop(inbox);
        assert_eq!(assert_ready!(task::spawn(outlet.send("x", 1)).poll()), Err(Closed));
    }
}
