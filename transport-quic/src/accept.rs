//! The door of a port: takes incoming connections in, a bounded number at a time.
//!
//! What it leaves to others: what is said after the handshake. The claim it keeps true: strangers
//! cost a bounded number of handshakes, must prove their address when there are many, and each
//! refusal is logged and counted; and where callers wait, so many handshakes begin at most in any
//! time as long as a period, so that a storm of them leaves time to whoever else runs on the
//! thread.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::{Connection, ConnectionError, Endpoint, Incoming};
use rustls_pki_types::CertificateDer;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::counters::{Count, Counters};
use crate::identity::Identity;
use crate::limits::HANDSHAKE_TIMEOUT;
use crate::refusal::{CloseCode, Refusal, Refused};

/// Bounds what a port spends on connections that have not said their hello.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Acceptor {
    pub(crate) handshakes_max: usize,
    pub(crate) handshakes_free: usize,
    pub(crate) when_full: WhenFull,
}

/// Says what becomes of a call when as many handshakes are under way as may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhenFull {
    /// It is refused, and its caller knows at once.
    Refuse,
    /// It waits for its turn, in a queue that QUIC bounds. So many handshakes begin in a period.
    Wait {
        /// How many.
        begin_max: usize,
        /// In how long.
        period: Duration,
    },
}

/// The moments at which the last handshakes began: as many as may begin in a period.
#[derive(Clone, Debug, Default)]
struct Pace(VecDeque<Instant>);

impl Pace {
    /// Takes note that a handshake begins.
    fn on_begin(&mut self, now: Instant, begin_max: usize) {
        if self.0.len() == begin_max {
            self.0.pop_front();
        }
        self.0.push_back(now);
    }

    /// Returns when the next handshake may begin, if not at once.
    fn is_due_at(&self, begin_max: usize, period: Duration) -> Option<Instant> {
        let first = self.0.front().filter(|_| self.0.len() >= begin_max);
        first.map(|first| *first + period)
    }
}

impl Acceptor {
    /// Accepts until told to stop. `greet` runs for each connection within the handshake's time.
    pub(crate) async fn keep<G, F>(
        self,
        endpoint: Endpoint,
        counters: Arc<Counters>,
        mut stop: watch::Receiver<bool>,
        greet: G,
    ) where
        G: Fn(Connection, Identity) -> F + Clone + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let mut greetings = JoinSet::new();
        let mut pace = Pace::default();
        loop {
            let due = self.is_due_at(&pace);
            tokio::select! {
                _ = stop.changed() => return,
                Some(_) = greetings.join_next() => {}
                incoming = next(&endpoint, due), if self.has_place(greetings.len()) => {
                    let Some(incoming) = incoming else { return };
                    let Some(incoming) = self.admit(incoming, greetings.len(), &counters) else {
                        continue;
                    };
                    if let WhenFull::Wait { begin_max, .. } = self.when_full {
                        pace.on_begin(Instant::now(), begin_max);
                    }
                    let (greet, counters) = (greet.clone(), Arc::clone(&counters));
                    greetings.spawn(async move {
                        let from = incoming.remote_address();
                        let greeting = shake_hands(incoming, &counters, greet);
                        if tokio::time::timeout(HANDSHAKE_TIMEOUT, greeting).await.is_err() {
                            tracing::debug!(%from, "no hello in time");
                        }
                    });
                }
            }
        }
    }

    fn has_place(self, under_way: usize) -> bool {
        match self.when_full {
            WhenFull::Refuse => true,
            WhenFull::Wait { .. } => under_way < self.handshakes_max,
        }
    }

    /// Returns when the next handshake may begin, if not at once.
    fn is_due_at(self, pace: &Pace) -> Option<Instant> {
        match self.when_full {
            WhenFull::Refuse => None,
            WhenFull::Wait { begin_max, period } => pace.is_due_at(begin_max, period),
        }
    }

    fn admit(self, incoming: Incoming, under_way: usize, counters: &Counters) -> Option<Incoming> {
        if under_way >= self.handshakes_max {
            let text = format!("{under_way} handshakes are under way");
            note(&Refused::here(Refusal::Overloaded, text), incoming.remote_address(), counters);
            incoming.refuse();
            return None;
        }
        if under_way >= self.handshakes_free && incoming.may_retry() {
            counters.add(Count::Retries);
            // The only error is that no retry is possible, which was asked above.
            let _ = incoming.retry();
            return None;
        }
        Some(incoming)
    }
}

/// Waits until a handshake may begin, and then for somebody who calls. Cancel-safe.
async fn next(endpoint: &Endpoint, due: Option<Instant>) -> Option<Incoming> {
    if let Some(due) = due {
        sleep_until(due).await;
    }
    endpoint.accept().await
}

async fn shake_hands<G, F>(incoming: Incoming, counters: &Counters, greet: G)
where
    G: Fn(Connection, Identity) -> F,
    F: Future<Output = ()>,
{
    let from = incoming.remote_address();
    let connected = match incoming.accept() {
        Ok(connecting) => connecting.await,
        Err(error) => Err(error),
    };
    let connection = match connected {
        Ok(connection) => connection,
        Err(error) => return note_error(&error, from, counters),
    };
    match identity_of(&connection) {
        Ok(identity) => greet(connection, identity).await,
        Err(refused) => {
            note(&refused, from, counters);
            connection.close(CloseCode::Identity.varint(), refused.text.as_bytes());
        }
    }
}

/// The identity in the certificate that this connection's handshake verified.
pub(crate) fn identity_of(connection: &Connection) -> Result<Identity, Refused> {
    let refuse = |text: String| Refused::here(Refusal::Profile, text);
    let shown = connection.peer_identity().and_then(|any| any.downcast::<Chain>().ok());
    let chain = shown.ok_or_else(|| refuse("no certificate was kept".to_owned()))?;
    let leaf = chain.first().ok_or_else(|| refuse("the chain is empty".to_owned()))?;
    Identity::from_certificate(leaf).map_err(|error| refuse(error.to_string()))
}

/// Counts a refusal by either end, and logs it unless its like was logged a moment ago.
pub(crate) fn note(refused: &Refused, at: SocketAddr, counters: &Counters) {
    let (by, reason, text) = (refused.by, refused.reason, refused.text.as_str());
    if let Some(unlogged) = counters.refuse(refused) {
        tracing::warn!(%at, %by, %reason, text, unlogged, "connection refused");
    } else {
        tracing::debug!(%at, %by, %reason, text, "connection refused");
    }
}

/// Logs the way an attempt ended, and counts it if it was refused.
pub(crate) fn note_error(error: &ConnectionError, at: SocketAddr, counters: &Counters) {
    match Refused::from_error(error) {
        Some(refused) => note(&refused, at, counters),
        None => tracing::debug!(%at, %error, "connection attempt ended"),
    }
}

type Chain = Vec<CertificateDer<'static>>;

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_millis(10);
    const BEGIN_MAX: usize = 3;

    /// Begins handshakes as soon as they may, but not before the moments at which callers come.
    async fn begin(callers: impl IntoIterator<Item = Duration>) -> Vec<Duration> {
        let (mut pace, start) = (Pace::default(), Instant::now());
        let mut begun = Vec::new();
        for caller in callers {
            sleep_until(start + caller).await;
            if let Some(due) = pace.is_due_at(BEGIN_MAX, PERIOD) {
                sleep_until(due).await;
            }
            begun.push(start.elapsed());
            pace.on_begin(Instant::now(), BEGIN_MAX);
        }
        begun
    }

    fn assert_paced(begun: &[Duration]) {
        let mut more = begun.windows(BEGIN_MAX + 1);
        assert!(more.all(|more| more[BEGIN_MAX] - more[0] >= PERIOD), "{begun:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_storm_begins_no_faster_than_it_may_and_no_slower() {
        let begun = begin([Duration::ZERO; 30]).await;
        assert_paced(&begun);
        assert_eq!(begun[29], 9 * PERIOD);
    }

    /// One caller and a storm that comes late in his period: there is no end of a period at which
    /// twice as many begin.
    #[tokio::test(start_paused = true)]
    async fn no_time_as_long_as_a_period_begins_more_than_it_may() {
        for late in 0..=20 {
            let storm = [Duration::from_millis(late); 12];
            assert_paced(&begin([Duration::ZERO].into_iter().chain(storm)).await);
        }
    }

    /// Time that nobody used is not saved up for a storm.
    #[tokio::test(start_paused = true)]
    async fn a_quiet_hour_allows_no_more_in_the_next_period() {
        let hour = Duration::from_secs(3600);
        let begun = begin([Duration::ZERO; 2].into_iter().chain([hour; 9])).await;
        assert_paced(&begun);
        assert_eq!(begun[2..5], [hour; BEGIN_MAX]);
    }
}
