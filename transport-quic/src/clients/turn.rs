//! Turns at dialing: how many handshakes with one address this process has under way.
//!
//! What it leaves to others: dialing (`client`). The claim it keeps true: however many dialers
//! share the turns, at most [`CLIENT_DIALS_MAX`] of their dials of one address run at once, in the
//! order in which they asked; one address never waits for another.
//!
//! A thousand handshakes begun at once are a thousand that are sent again and again while each
//! waits for its turn at the processor, at both ends, until their time is up and nothing is done. A
//! few at once all end well, one after the other, and sooner.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, Mutex, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits::CLIENT_DIALS_MAX;
use crate::lock::lock;

/// The right to dial an address, given back when dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    _place: Option<OwnedSemaphorePermit>,
}

/// The turns that some dialers share, usually all of a process. Cloned freely.
#[derive(Clone, Debug, Default)]
pub struct Turns(Arc<Mutex<BTreeMap<SocketAddr, Weak<Semaphore>>>>);

impl Turns {
    /// The turns of this process, which its dialers share unless they are given others.
    #[must_use]
    pub fn of_process() -> Self {
        OF_PROCESS.clone()
    }

    /// Waits for a turn at dialing `address`. Cancel-safe.
    pub(crate) async fn turn(&self, address: SocketAddr) -> Turn {
        let places = self.places(address);
        // The semaphore is never closed; if it were, a dial without a turn does no harm.
        Turn { _place: places.acquire_owned().await.ok() }
    }

    fn places(&self, address: SocketAddr) -> Arc<Semaphore> {
        let mut all = lock(&self.0);
        if let Some(places) = all.get(&address).and_then(Weak::upgrade) {
            return places;
        }
        // Only addresses that somebody dials at this moment are kept.
        all.retain(|_, places| places.strong_count() > 0);
        let places = Arc::new(Semaphore::new(CLIENT_DIALS_MAX));
        all.insert(address, Arc::downgrade(&places));
        places
    }
}

static OF_PROCESS: LazyLock<Turns> = LazyLock::new(Turns::default);

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_test::{assert_pending, assert_ready, task};

    #[test]
    fn turns_are_bounded_for_each_address_and_come_in_order() {
        let turns = Turns::default();
        let at = |port| SocketAddr::from(([192, 0, 2, 1], port));
        let turn = |address| turns.turn(address);
        let mut taken: Vec<Turn> =
            (0..CLIENT_DIALS_MAX).map(|_| assert_ready!(task::spawn(turn(at(1))).poll())).collect();
        let mut first = task::spawn(turn(at(1)));
        assert_pending!(first.poll());
        let mut second = task::spawn(turn(at(1)));
        assert_pending!(second.poll());
        drop(assert_ready!(task::spawn(turn(at(2))).poll()));
        drop(taken.pop());
        assert!(first.is_woken() && !second.is_woken());
        drop(assert_ready!(first.poll()));
        assert!(second.is_woken());
    }
}
