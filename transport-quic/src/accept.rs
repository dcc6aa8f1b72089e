//! The door of a port: takes incoming connections in, a bounded number at a time.
//!
//! What it leaves to others: whose handshake begins next (`calls`), and what is said after it. The
//! claim it keeps true: each call comes before those rules as soon as it is there, so that no queue
//! before them is full of the calls of one; what they say is done; and each refusal is logged and
//! counted.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use quinn::{Connection, ConnectionError, Endpoint, Incoming};
use rustls_pki_types::CertificateDer;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::calls::{CallLimits, Calls, Turned, Whence};
use crate::counters::{Count, Counters};
use crate::identity::Identity;
use crate::limits::HANDSHAKE_TIMEOUT;
use crate::refusal::{CloseCode, Refusal, Refused};

/// Greets those who call a port.
#[derive(Debug)]
pub(crate) struct Acceptor {
    pub(crate) limits: CallLimits,
    /// Where members listen, if it is they who call.
    pub(crate) members: BTreeSet<SocketAddr>,
    pub(crate) counters: Arc<Counters>,
}

/// A place among the handshakes under way. It is given back in whichever way the handshake ends.
#[derive(Debug)]
struct Place {
    from: Whence,
    ended: mpsc::Sender<Whence>,
}

impl Acceptor {
    /// Accepts until told to stop. `greet` runs for each connection within the handshake's time.
    pub(crate) async fn keep<G, F>(
        self,
        endpoint: Endpoint,
        mut stop: watch::Receiver<bool>,
        greet: G,
    ) where
        G: Fn(Connection, Identity) -> F + Clone + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let mut greetings = JoinSet::new();
        let mut calls = Calls::new(self.limits);
        // There is room for the end of each handshake that is under way.
        let (ended, mut ends) = mpsc::channel(self.under_way_max());
        loop {
            while let Some((from, incoming)) = calls.begin(Instant::now()) {
                let place = Place { from, ended: ended.clone() };
                let (greet, counters) = (greet.clone(), Arc::clone(&self.counters));
                greetings.spawn(welcome(incoming, place, counters, greet));
            }
            let due = calls.due(Instant::now());
            tokio::select! {
                // The handshakes under way end with their set.
                _ = stop.changed() => return,
                // What came of it was said in its task; here its memory is given back.
                Some(_) = greetings.join_next() => {}
                Some(from) = ends.recv() => calls.on_end(from),
                // This is evaluated even where the condition forbids it, and so needs a time in any
                // case.
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
                incoming = endpoint.accept() => {
                    let Some(incoming) = incoming else { return };
                    self.take(incoming, &mut calls);
                }
            }
        }
    }

    /// Counts all handshakes that may be under way.
    fn under_way_max(&self) -> usize {
        self.limits.under_way_max + self.members.len() * self.limits.member_max
    }

    /// Brings a call before the rules, and does what they say.
    fn take(&self, incoming: Incoming, calls: &mut Calls<Incoming>) {
        let from = Whence::of(incoming.remote_address(), |at| self.members.contains(at));
        // What cannot be sent back has proved its address, or never will.
        let is_proved = incoming.remote_address_validated() || !incoming.may_retry();
        match calls.on_call(from, is_proved, incoming) {
            None => {}
            Some(Turned::Prove(incoming)) => {
                self.counters.add(Count::Retries);
                // The only error is that no retry is possible, which was asked above.
                let _ = incoming.retry();
            }
            Some(Turned::Refused(incoming, text)) => {
                let refused = Refused::here(Refusal::Overloaded, text);
                note(&refused, incoming.remote_address(), &self.counters);
                incoming.refuse();
            }
            Some(Turned::LetGo(incoming)) => {
                self.counters.add(Count::CallsLetGo);
                incoming.ignore();
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // A port that has closed counts no places.
        let _ = self.ended.try_send(self.from);
    }
}

async fn welcome<G, F>(incoming: Incoming, place: Place, counters: Arc<Counters>, greet: G)
where
    G: Fn(Connection, Identity) -> F,
    F: Future<Output = ()>,
{
    let from = incoming.remote_address();
    let greeting = shake_hands(incoming, &counters, greet);
    if tokio::time::timeout(HANDSHAKE_TIMEOUT, greeting).await.is_err() {
        tracing::debug!(%from, "no hello in time");
    }
    // Held until here, as a hello that is waited for is part of the handshake.
    drop(place);
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
