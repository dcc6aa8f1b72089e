//! The clients of the simulation: the real client, a generator of requests, and a history.
//!
//! Each client has at most one operation open, and rests between two. What it was told goes into
//! the history word for word; an unknown outcome stays unknown.

mod access;
mod backup;
mod pinned;
mod served;
mod trespass;

use std::collections::BTreeMap;

use access::{Access, is_refused};
use backup::{Backups, is_of_backup};
use pinned::Pin;
use served::is_write;
use synod_fault::Scenario;
use synod_history::{Event, EventKind, Process, Request, Value};
use synod_paxos::NodeId;
use synod_simulator::{Address, Micros};
use synod_smr::client::{
    Client, ClientEffects, ClientInput, Millis, NotSent, Operation, Outcome, Ticket, Unsent,
};
use synod_smr::wire::{decode_response, encode_request};
use synod_smr::{ClientId, Principal, Request as Asking, RequestBody};
use synod_workload::{Generation, Generator, WorkloadName};
use trespass::sends_away;

use crate::kv_model::{self, Asked};
use crate::machine::{Packet, SimWorld, Wakeup};
use crate::misuse::{self, is_misuse};
use crate::monitor::Monitor;

pub use served::Served;
pub use trespass::is_trespass;

/// Returns the name on the certificate that a client shows. Every third one shows the same, as the
/// sessions of one application do.
#[must_use]
pub const fn name_of(client: u32) -> &'static str {
    ["amber", "basil", "coral"][client as usize % 3]
}

/// Returns who a client is by its certificate.
#[must_use]
pub fn principal_of(client: u32) -> Principal {
    Principal::of_name(name_of(client))
}

/// How outcomes were counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// Operations that were answered.
    pub ok: u64,
    /// Operations that certainly did not happen.
    pub failed: u64,
    /// Operations of which nobody knows.
    pub unknown: u64,
    /// Operations that were answered after more than a second.
    pub slow: u64,
    /// Requests that did not leave, as there was no connection.
    pub not_connected: u64,
    /// Requests that did not leave, as the queue of this end was full.
    pub queue_full: u64,
}

impl Outcomes {
    /// Counts those of others, too.
    pub fn add(&mut self, other: &Self) {
        let Self { ok, failed, unknown, slow, not_connected, queue_full } = other;
        self.ok += ok;
        self.failed += failed;
        self.unknown += unknown;
        self.slow += slow;
        self.not_connected += not_connected;
        self.queue_full += queue_full;
    }
}

/// One client.
pub struct SimClient {
    number: u32,
    /// All nodes.
    nodes: Vec<NodeId>,
    /// The node that it asks alone, if it does.
    pin: Option<Pin>,
    client: Client,
    /// The last command that it sent, and where to.
    sent: Option<(NodeId, Asking)>,
    /// The last command, if it was answered.
    answered_command: Option<(NodeId, RequestBody)>,
    /// How often it tried another's session.
    trespasses: u64,
    /// How often it misused its own.
    misuses: u64,
    generator: Generator,
    /// How many keys of each kind are in use at a time; as many as the workload has, if it is 0.
    keys: u32,
    /// How long its values are made at most.
    padding_max: u32,
    open: Option<Open>,
    wake: Option<Millis>,
    /// Until when there is no connection to a node that was lost.
    away: BTreeMap<NodeId, Micros>,
    access: Access,
    /// How many operations it began.
    count: u64,
    /// What it shall ask before it goes on with its own; none ends it.
    errands: Vec<Request>,
    resting: bool,
    stopped: bool,
    rest_ms: u64,
    timeout_ms: u64,
    /// What it was answered of late.
    served: Served,
    /// The backups that it makes, if it makes any.
    backups: Option<Backups>,
    /// How its operations ended.
    pub outcomes: Outcomes,
}

struct Open {
    /// Under which number the state machine knows it.
    number: u64,
    request: Request,
    begun: Micros,
}

impl SimClient {
    /// Makes a client.
    ///
    /// # Panics
    ///
    /// Panics if there is no such workload as the plan's.
    #[must_use]
    pub fn new(number: u32, nodes: &[NodeId], plan: &Scenario, padding_max: u32) -> Self {
        let id = ClientId::new(u128::from(number));
        let pin = Pin::of(number, plan);
        let asked: Vec<NodeId> =
            pin.as_ref().map_or_else(|| nodes.to_vec(), |pin| vec![pin.node()]);
        Self {
            number,
            nodes: nodes.to_vec(),
            access: Access::draw(number, &asked, plan),
            client: Client::new(asked, id, u64::from(number) << 40),
            pin,
            sent: None,
            answered_command: None,
            trespasses: 0,
            misuses: 0,
            generator: Generator::new(workload(plan), plan.seed, number).with_keys(plan.keys),
            keys: plan.keys,
            padding_max,
            open: None,
            wake: None,
            away: BTreeMap::new(),
            count: 0,
            errands: Vec::new(),
            resting: false,
            stopped: false,
            rest_ms: plan.rest_ms.0,
            timeout_ms: plan.patience_of(number).0,
            served: Served::default(),
            backups: None,
            outcomes: Outcomes::default(),
        }
    }

    /// Has it make backups beside its operations.
    pub fn make_backups(&mut self) {
        self.backups = Some(Backups::default());
    }

    /// Gives it reads to make before what is its own, which it asks of whoever leads.
    pub fn send_on_errands(&mut self, requests: Vec<Request>) {
        self.errands = requests;
    }

    /// Lets it wait so long for an answer, at least, from its next operation on.
    pub fn wait_at_least(&mut self, patience_ms: u64) {
        self.timeout_ms = self.timeout_ms.max(patience_ms);
    }

    /// Returns how long it waits for an answer.
    #[must_use]
    pub const fn patience_ms(&self) -> u64 {
        self.timeout_ms
    }

    /// Lets it begin nothing more but its errands.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    /// Tells whether it has nothing open and nothing to do.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.stopped && self.open.is_none() && self.errands.is_empty()
    }

    /// Returns what it was answered of late.
    #[must_use]
    pub const fn served(&self) -> &Served {
        &self.served
    }

    /// Begins an operation, unless one is open; returns its key.
    pub fn begin(
        &mut self,
        calls: u64,
        world: &mut SimWorld,
        monitor: &mut Monitor,
    ) -> Option<String> {
        if self.open.is_some() {
            return None;
        }
        let request = match self.errands.pop() {
            Some(errand) => {
                self.unpin();
                errand
            }
            None if self.stopped => return None,
            None => self.generator.next_request(Generation::after_on(calls, self.keys)),
        };
        self.count += 1;
        let (number, padding) = (u64::from(self.number) << 32 | self.count, self.padding(world));
        let operation = match kv_model::encode(number, &request, padding) {
            Asked::Command(bytes) => Operation::Command(bytes),
            Asked::Query(bytes) => Operation::Query(bytes),
        };
        world.record(self.event(&request, EventKind::Invoke, request.argument()));
        world.say(|| format!("client {} asks: {request:?}", self.number));
        let key = request.key().to_owned();
        self.served.on_begun(&request, world.now());
        self.open = Some(Open { number, request, begun: world.now() });
        let deadline = Millis(world.now().ms() + self.timeout_ms);
        let ticket = Ticket(self.count);
        self.step(ClientInput::Submit { ticket, operation, deadline }, world, monitor);
        Some(key)
    }

    /// Draws how much longer its next command is made. Most stay short, or time went by with the
    /// copying of bytes.
    fn padding(&self, world: &mut SimWorld) -> usize {
        if self.padding_max == 0 {
            return 0;
        }
        let long = world.chance().chance(LONG_PPM);
        let most = if long { self.padding_max } else { self.padding_max.min(SHORT_PADDING) };
        usize::try_from(world.chance().between(0, u64::from(most))).unwrap_or(0)
    }

    /// Returns the last command that it sent, and where to.
    #[must_use]
    pub fn sent(&self) -> Option<&(NodeId, Asking)> {
        self.sent.as_ref()
    }

    /// Takes a frame of a node.
    pub fn on_frame(
        &mut self,
        from: NodeId,
        packet: &Packet,
        world: &mut SimWorld,
        monitor: &mut Monitor,
    ) {
        match decode_response(&packet.bytes) {
            Ok((id, response)) if is_trespass(id) => {
                if !sends_away(&response) {
                    let number = self.number;
                    let detail = format!("node {from} tells client {number}: {response:?}");
                    monitor.report("own-session", detail);
                }
            }
            Ok((id, response)) if is_misuse(id) => {
                if !misuse::sends_away(&response) {
                    let detail = format!(
                        "node {from} answers misuse of client {}: {response:?}",
                        self.number
                    );
                    monitor.report("misuse", detail);
                }
            }
            Ok((id, response)) if is_of_backup(id) => {
                self.on_backup_answer(from, id, response, world, monitor);
            }
            Ok((id, response)) => {
                self.note_told(id, &response, monitor);
                self.step(ClientInput::Response { from, id, response }, world, monitor);
            }
            Err(error) => monitor.report("wire", format!("a frame of node {from}: {error}")),
        }
    }

    /// Takes what was waited for; says whether it wants to begin an operation.
    pub fn wake(&mut self, wakeup: Wakeup, world: &mut SimWorld, monitor: &mut Monitor) -> bool {
        match wakeup {
            Wakeup::Client(at) => {
                // A timer that was set anew since has left this one behind.
                if self.wake == Some(Millis(at)) {
                    self.wake = None;
                    self.step(ClientInput::Timer, world, monitor);
                }
                false
            }
            Wakeup::Lost(node) => {
                let length = Micros::from_ms(world.chance().below(AWAY_MS));
                self.away.insert(node, world.now().plus(length));
                self.step(ClientInput::Lost(node), world, monitor);
                false
            }
            Wakeup::Backup(number) => {
                self.on_backup_timer(number, world, monitor);
                false
            }
            Wakeup::Denials => {
                self.begin_denials(world);
                false
            }
            Wakeup::Access { node, is_denied } => {
                self.on_access(node, is_denied, world, monitor);
                false
            }
            Wakeup::Rested => {
                self.resting = false;
                true
            }
            Wakeup::Wake(_)
            | Wakeup::Turn
            | Wakeup::Clients
            | Wakeup::Lane(..)
            | Wakeup::Bulk(..)
            | Wakeup::Synced
            | Wakeup::Immediate(_)
            | Wakeup::Beacon(_)
            | Wakeup::Read(_)
            | Wakeup::Snapshot(_)
            | Wakeup::Wrote { .. }
            | Wakeup::Reads(_)
            | Wakeup::Closed(_)
            | Wakeup::LinkDown(_) => false,
        }
    }

    fn step(&mut self, input: ClientInput, world: &mut SimWorld, monitor: &mut Monitor) {
        let mut effects = ClientEffects::default();
        let mut inputs = vec![input];
        // What could not be sent is told at once, and the client may ask another node, which may
        // fail too.
        while let Some(input) = inputs.pop() {
            self.client.step(Millis(world.now().ms()), input, &mut effects);
            let mut unsent = Vec::new();
            for (to, request) in std::mem::take(&mut effects.requests) {
                self.judge_request(&request, monitor);
                if let Some(cause) = self.hindrance(to, world) {
                    unsent.push(Unsent { to, id: request.id, cause });
                    continue;
                }
                self.note_asked(request.id, world.now());
                self.send(to, &request, world);
                if matches!(request.body, RequestBody::Command { .. }) {
                    self.sent = Some((to, request));
                }
            }
            if !unsent.is_empty() {
                inputs.push(ClientInput::NotSent(unsent));
            }
        }
        if let Some(at) = effects.wake_at
            && self.wake != Some(at)
        {
            self.wake = Some(at);
            // At least one, so that a client that wants to be woken at once does not stop the time
            // of all.
            let length = Micros::from_ms(at.0.saturating_sub(world.now().ms()).max(1));
            world.set_timer(self.address(), Wakeup::Client(at.0), length);
        }
        let gives_up = effects.outcomes.iter().any(|(_, outcome)| is_refused(outcome));
        for (_, outcome) in effects.outcomes {
            self.end(outcome, world, monitor);
        }
        self.judge_access(gives_up, monitor);
        if self.open.is_none() && !self.resting && !(self.stopped && self.errands.is_empty()) {
            self.resting = true;
            let rest = if self.stopped { 1 } else { self.rest_ms };
            let length = Micros(world.chance().between(0, rest * 1_000));
            world.after(self.address(), Wakeup::Rested, length);
        }
    }

    /// Says what keeps a request from leaving this end, if anything does.
    fn hindrance(&mut self, to: NodeId, world: &mut SimWorld) -> Option<NotSent> {
        let is_away = self.away.get(&to).is_some_and(|until| *until > world.now());
        if is_away || self.access.is_denied_by(to) {
            self.outcomes.not_connected += 1;
            return Some(NotSent::NotConnected);
        }
        if world.chance().chance(QUEUE_FULL_PPM) {
            self.outcomes.queue_full += 1;
            return Some(NotSent::QueueFull);
        }
        None
    }

    fn send(&self, to: NodeId, request: &Asking, world: &mut SimWorld) {
        let bytes = encode_request(request);
        let length = bytes.len();
        let to = Address::Node(synod_fault::NodeId(to.number()));
        world.send(self.address(), to, Packet::of_client(bytes), length);
    }

    fn end(&mut self, outcome: Outcome, world: &mut SimWorld, monitor: &mut Monitor) {
        let Some(Open { number, request, begun }) = self.open.take() else { return };
        self.note_access(&outcome, monitor);
        if matches!(outcome, Outcome::NotApplied(_)) {
            monitor.on_told_not_applied(number);
        }
        let (kind, value, error) = match outcome {
            Outcome::Ok(reply) => match kv_model::decode(&reply) {
                Some(value) => (EventKind::Ok, value, None),
                None => (EventKind::Info, Value::Null, Some("no reply at all".to_owned())),
            },
            Outcome::NotApplied(reason) => {
                (EventKind::Fail, request.argument(), Some(format!("{reason:?}")))
            }
            Outcome::Unknown(reason) => {
                (EventKind::Info, request.argument(), Some(format!("{reason:?}")))
            }
        };
        match kind {
            EventKind::Ok => {
                self.outcomes.ok += 1;
                self.outcomes.slow += u64::from(world.now().since(begun) > SLOW);
                self.served.on_answered(&request, begun);
                // A read leaves `sent` at the last command, which may never have been answered.
                if is_write(&request) {
                    monitor.chosen.on_answered(number);
                    let sent = self.sent.as_ref();
                    self.answered_command = sent.map(|(to, asking)| (*to, asking.body.clone()));
                }
                self.generator.observe(&request, &value);
            }
            EventKind::Fail => self.outcomes.failed += 1,
            EventKind::Info | EventKind::Invoke => self.outcomes.unknown += 1,
        }
        world.say(|| format!("client {} is told {kind:?} {value:?} {error:?}", self.number));
        let mut event = self.event(&request, kind, value);
        event.error = error;
        world.record(event);
    }

    fn event(&self, request: &Request, kind: EventKind, value: Value) -> Event {
        Event {
            index: 0,
            time_ns: 0,
            process: Process::Client(self.number),
            kind,
            f: request.f().to_owned(),
            key: Some(request.key().to_owned()),
            value,
            error: None,
            node: self.pin().map(NodeId::number),
        }
    }

    fn address(&self) -> Address {
        Address::Client(self.number)
    }
}

/// For how long a lost connection is away, before it is made again: less than this.
const AWAY_MS: u64 = 100;

/// How many requests find the queue of their own end full.
const QUEUE_FULL_PPM: u32 = 1_000;

/// How many values are as long as they may be, where any are.
const LONG_PPM: u32 = 100_000;

/// How long the padding of the others is at most.
const SHORT_PADDING: u32 = 256;

/// An answer that took longer is a slow one.
const SLOW: Micros = Micros(1_000_000);

/// Returns what the clients of a plan do.
///
/// # Panics
///
/// Panics if there is no such workload, which [`trial::check`](crate::trial::check) tells.
pub(crate) fn workload(plan: &Scenario) -> WorkloadName {
    plan.workload.parse().expect("the plan was checked before it is tried")
}
