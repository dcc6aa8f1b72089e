//! The one task that owns the sessions of a client and steps their sans-IO cores.
//!
//! Orders of the sessions, events of the connections and the clock come in; requests go out over
//! whichever connection stands. The number of a request says whose it is, so one connection
//! carries many sessions without a table. The claim kept true: a session that was dropped leaves
//! nothing behind, whatever it had under way and however full the queue of orders is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use synod_host::paxos::NodeId;
use synod_host::smr::client::{
    Client as Core, ClientEffects, ClientInput, Millis, NotSent, Operation, Outcome, Ticket, Unsent,
};
use synod_host::smr::wire::{decode_response, encode_request};
use synod_host::smr::{ClientId, Request, RequestBody, RequestId, Response};
use synod_transport_quic::{DropReason, Sent};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::SessionKey;
use super::link::{LinkEvent, LinkSender, Links};

/// What sessions ask of the task.
#[derive(Debug)]
pub(crate) enum ClientOrder {
    /// To have something done.
    Submit {
        /// The session.
        key: SessionKey,
        /// What.
        operation: Operation,
        /// How long it may take.
        timeout: Duration,
        /// Where the outcome goes.
        answer: oneshot::Sender<Outcome>,
    },
    /// To ask one node something outside of any session.
    Ask {
        /// The node.
        node: NodeId,
        /// What.
        question: RequestBody,
        /// Where the answer goes; dropped if there is none.
        answer: oneshot::Sender<Response>,
    },
}

/// What is asked of one node, and where its answer goes.
type Question = (NodeId, RequestBody, oneshot::Sender<Response>);

/// The sessions, their connections and their clock.
pub(crate) struct ClientTask {
    nodes: Vec<NodeId>,
    links: Links,
    up: BTreeMap<NodeId, LinkSender>,
    /// The nodes that deny access for good, as each session is told.
    denied_by: BTreeSet<NodeId>,
    /// The name of this process among all clients; each session counts on from it.
    name: u128,
    origin: Instant,
    sessions: BTreeMap<SessionKey, Held>,
    /// When each session wants to be woken.
    wakes: BTreeSet<(Millis, SessionKey)>,
    last_ticket: u64,
    /// When a node last said anything, to whichever session.
    heard: BTreeMap<NodeId, Millis>,
    asked: BTreeMap<RequestId, (NodeId, oneshot::Sender<Response>)>,
    /// Questions to nodes that are not connected; they are asked as soon as they are.
    unasked: Vec<Question>,
    last_asked: u64,
}

struct Held {
    core: Core,
    wake: Option<Millis>,
    /// Where the outcomes go: as many as the core has operations. They end with the session.
    answers: BTreeMap<Ticket, oneshot::Sender<Outcome>>,
}

impl ClientTask {
    pub(crate) fn new(nodes: Vec<NodeId>, links: Links, name: u128) -> Self {
        Self {
            nodes,
            links,
            up: BTreeMap::new(),
            denied_by: BTreeSet::new(),
            name,
            origin: Instant::now(),
            sessions: BTreeMap::new(),
            wakes: BTreeSet::new(),
            last_ticket: 0,
            heard: BTreeMap::new(),
            asked: BTreeMap::new(),
            unasked: Vec::new(),
            last_asked: 0,
        }
    }

    /// Runs until the last handle is gone.
    pub(crate) async fn run(
        mut self,
        mut orders: mpsc::Receiver<ClientOrder>,
        mut closes: mpsc::UnboundedReceiver<SessionKey>,
    ) {
        loop {
            let wake = self.wakes.first().map(|(at, _)| self.instant(*at));
            let idle = Instant::now() + IDLE;
            tokio::select! {
                biased;
                Some(event) = self.links.events.recv() => self.on_link(event),
                Some(key) = closes.recv() => self.on_close(key),
                order = orders.recv() => match order {
                    Some(order) => self.on_order(order),
                    None => return,
                },
                () = sleep_until(wake.unwrap_or(idle)) => {}
            }
            for _ in 0..EVENTS_PER_TURN {
                let Ok(event) = self.links.events.try_recv() else { break };
                self.on_link(event);
            }
            while let Ok(key) = closes.try_recv() {
                self.on_close(key);
            }
            for _ in 0..EVENTS_PER_TURN {
                let Ok(order) = orders.try_recv() else { break };
                self.on_order(order);
            }
            self.wake_due();
            // The writers of the connections share this thread with the task.
            tokio::task::yield_now().await;
        }
    }

    fn on_order(&mut self, order: ClientOrder) {
        match order {
            ClientOrder::Submit { key, operation, timeout, answer } => {
                // Whoever asked has gone away, and the session may have been closed before this
                // was read: it must not come to life again.
                if answer.is_closed() {
                    return;
                }
                self.last_ticket += 1;
                let ticket = Ticket(self.last_ticket);
                let timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
                let deadline = Millis(self.now().0.saturating_add(timeout_ms));
                let (nodes, id) = (&self.nodes, client_id(self.name, key));
                let held = self.sessions.entry(key).or_insert_with(|| Held {
                    core: Core::new(nodes.clone(), id, first_request(key)),
                    wake: None,
                    answers: BTreeMap::new(),
                });
                held.answers.insert(ticket, answer);
                let denied = self.denied_by.iter();
                let denied = denied.map(|&node| ClientInput::Access { node, is_denied: true });
                let submit = ClientInput::Submit { ticket, operation, deadline };
                self.step_all(key, [submit].into_iter().chain(denied).collect());
            }
            ClientOrder::Ask { node, question, answer } => self.ask((node, question, answer)),
        }
    }

    fn on_close(&mut self, key: SessionKey) {
        if let Some(wake) = self.sessions.remove(&key).and_then(|held| held.wake) {
            self.wakes.remove(&(wake, key));
        }
    }

    fn on_link(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Up(node, sender) => {
                self.up.insert(node, sender);
                self.on_access(node, false);
                for question in std::mem::take(&mut self.unasked) {
                    self.ask(question);
                }
            }
            LinkEvent::Down(node) => {
                self.up.remove(&node);
                // Whoever waits sees the answer dropped at once, where it would otherwise wait for
                // its own patience to end.
                self.asked.retain(|_, (asked, _)| *asked != node);
                self.step_each(&ClientInput::Lost(node));
            }
            LinkEvent::NotUp { node, is_denied } => self.on_access(node, is_denied),
            LinkEvent::Reply(from, bytes) => self.on_reply(from, &bytes),
        }
    }

    /// Tells all sessions what changed of who denies access.
    fn on_access(&mut self, node: NodeId, is_denied: bool) {
        let changed =
            if is_denied { self.denied_by.insert(node) } else { self.denied_by.remove(&node) };
        if changed {
            self.step_each(&ClientInput::Access { node, is_denied });
        }
    }

    fn on_reply(&mut self, from: NodeId, bytes: &Bytes) {
        self.heard.insert(from, self.now());
        match decode_response(bytes) {
            Ok((id, response)) if owner(id) == NO_SESSION => {
                if let Some((_, answer)) = self.asked.remove(&id) {
                    // Whoever asked may have lost patience.
                    let _ = answer.send(response);
                }
            }
            Ok((id, response)) => {
                self.step(owner(id), ClientInput::Response { from, id, response })
            }
            Err(error) => tracing::warn!(node = %from, %error, "a reply could not be read"),
        }
    }

    fn ask(&mut self, (node, body, answer): Question) {
        // Whoever has lost patience makes room for others.
        self.asked.retain(|_, (_, answer)| !answer.is_closed());
        self.unasked.retain(|(_, _, answer)| !answer.is_closed());
        let Some(link) = self.up.get(&node) else {
            if self.unasked.len() < UNASKED_MAX {
                self.unasked.push((node, body, answer));
            }
            return;
        };
        self.last_asked += 1;
        let id = RequestId(self.last_asked);
        if link.send(encode_request(&Request { id, body })) == Sent::Queued {
            self.asked.insert(id, (node, answer));
        }
    }

    fn wake_due(&mut self) {
        let now = self.now();
        while let Some(&(at, key)) = self.wakes.first().filter(|(at, _)| *at <= now) {
            self.wakes.remove(&(at, key));
            if let Some(held) = self.sessions.get_mut(&key) {
                held.wake = None;
            }
            // The session weighs its patience by what the others were told over its connections.
            let heard = self.heard.iter().map(|(&node, &at)| ClientInput::Heard(node, at));
            let inputs: Vec<_> = [ClientInput::Timer].into_iter().chain(heard).collect();
            self.step_all(key, inputs);
        }
    }

    fn step_each(&mut self, input: &ClientInput) {
        let keys: Vec<_> = self.sessions.keys().copied().collect();
        for key in keys {
            self.step(key, input.clone());
        }
    }

    fn step(&mut self, key: SessionKey, input: ClientInput) {
        self.step_all(key, vec![input]);
    }

    /// Steps a session, the last input first, until every request of it has left.
    fn step_all(&mut self, key: SessionKey, mut inputs: Vec<ClientInput>) {
        let now = self.now();
        let Some(held) = self.sessions.get_mut(&key) else { return };
        let mut effects = ClientEffects::default();
        // They are taken from the end: what the core is told of nodes comes before what is asked of
        // it, and what could not be sent before anything else.
        while let Some(input) = inputs.pop() {
            held.core.step(now, input, &mut effects);
            let requests = effects.requests.drain(..);
            let unsent = requests.filter_map(|(to, request)| {
                let cause = send(&self.up, to, &request).err()?;
                Some(Unsent { to, id: request.id, cause })
            });
            let unsent: Vec<_> = unsent.collect();
            if !unsent.is_empty() {
                inputs.push(ClientInput::NotSent(unsent));
            }
        }
        if held.wake != effects.wake_at {
            if let Some(earlier) = held.wake {
                self.wakes.remove(&(earlier, key));
            }
            held.wake = effects.wake_at;
            self.wakes.extend(held.wake.map(|at| (at, key)));
        }
        for (ticket, outcome) in effects.outcomes {
            if let Some(answer) = held.answers.remove(&ticket) {
                // Whoever asked may have gone away.
                let _ = answer.send(outcome);
            }
        }
    }

    fn now(&self) -> Millis {
        Millis(u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    fn instant(&self, at: Millis) -> Instant {
        self.origin + Duration::from_millis(at.0)
    }
}

/// Sends a request, or says why it certainly did not leave.
fn send(up: &BTreeMap<NodeId, LinkSender>, node: NodeId, request: &Request) -> Result<(), NotSent> {
    let link = up.get(&node).ok_or(NotSent::NotConnected)?;
    // Many sessions try again and again while the queue is full: long payloads copied for nothing
    // would be all that this thread does.
    if link.is_full_for(payload_bytes(&request.body)) {
        return Err(NotSent::QueueFull);
    }
    match link.send(encode_request(request)) {
        Sent::Queued => Ok(()),
        Sent::Dropped(DropReason::Full) => Err(NotSent::QueueFull),
        Sent::Dropped(DropReason::TooLong) => Err(NotSent::TooLong),
        Sent::Dropped(_) => Err(NotSent::NotConnected),
    }
}

/// Returns how long the payload of a request is, which the request is longer than.
fn payload_bytes(body: &RequestBody) -> usize {
    match body {
        RequestBody::Command { payload, .. } | RequestBody::Query(payload) => payload.len(),
        RequestBody::Open { .. } | RequestBody::Status | RequestBody::FetchSnapshot { .. } => 0,
    }
}

/// Names a session's client: another session has another key, another process another name.
const fn client_id(name: u128, key: SessionKey) -> ClientId {
    ClientId::new(name.wrapping_add(key.0 as u128))
}

/// Returns the first request number of a session; those of no session are statuses that were asked
/// for by name, and probes.
fn first_request(key: SessionKey) -> u64 {
    u64::from(key.0) << REQUEST_BITS
}

fn owner(id: RequestId) -> SessionKey {
    SessionKey(u32::try_from(id.0 >> REQUEST_BITS).unwrap_or(u32::MAX))
}

/// No session has this key.
const NO_SESSION: SessionKey = SessionKey(0);

/// A session has numbers for this many bits of requests: three months at a million a second.
const REQUEST_BITS: u32 = 40;

/// How many events and orders a turn takes before the writers get their turn.
const EVENTS_PER_TURN: usize = 256;

/// How many questions may wait for nodes that are not connected.
const UNASKED_MAX: usize = 256;

/// How long a task without any timer sleeps.
const IDLE: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may end where its premise fails")]

    use super::*;

    fn task() -> ClientTask {
        let (_, events) = mpsc::channel(1);
        ClientTask::new(vec![NodeId::new(1)], Links::of(events), 7)
    }

    fn submit(task: &mut ClientTask, key: SessionKey) -> oneshot::Receiver<Outcome> {
        let (answer, answered) = oneshot::channel();
        let operation = Operation::Command(b"x"[..].into());
        task.on_order(ClientOrder::Submit { key, operation, timeout: Duration::MAX, answer });
        answered
    }

    fn is_empty(task: &ClientTask) -> bool {
        task.sessions.is_empty() && task.wakes.is_empty()
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_that_is_closed_leaves_nothing_behind() {
        let mut task = task();
        let mut answers: Vec<_> = (0..100).map(|_| submit(&mut task, SessionKey(1))).collect();
        let other = submit(&mut task, SessionKey(2));
        task.on_close(SessionKey(1));
        assert_eq!((task.sessions.len(), task.wakes.len()), (1, 1));
        let gone = oneshot::error::TryRecvError::Closed;
        assert!(answers.iter_mut().all(|answer| answer.try_recv() == Err(gone.clone())));
        task.on_close(SessionKey(2));
        assert!(is_empty(&task));
        drop(other);
    }

    /// The order was read after the news that its session is closed.
    #[tokio::test(start_paused = true)]
    async fn an_order_that_nobody_waits_for_brings_no_session_back() {
        let mut task = task();
        let (answer, answered) = oneshot::channel();
        let operation = Operation::Query(b"x"[..].into());
        drop(answered);
        let (key, timeout) = (SessionKey(1), Duration::MAX);
        task.on_order(ClientOrder::Submit { key, operation, timeout, answer });
        assert!(is_empty(&task));
    }
}
