//! The client, sans-IO: it finds the leader, tries again, and says truly how each operation ended.
//!
//! It leaves to its driver the connections and the clock. The claim kept true is about the three
//! outcomes: `Ok` if an answer came, to whichever attempt; `NotApplied` only if EVERY attempt of
//! the operation was refused definitely, or never left this end; `Unknown` in all other cases. An
//! attempt that was sent and never answered keeps an operation's fate open, whatever other attempts
//! were told.

mod access;
mod not_sent;
mod operation;
mod patience;
mod pending;
mod refused;
mod retry;

use crate::command::{ClientId, Opening, Sequence, SessionId, mix};
use crate::request::{Refusal, Request, RequestBody, RequestId, Response};
use crate::session::PIPELINE_MAX;
use not_sent::Took;
use patience::Inquiry;
use pending::{Attempt, Earlier, Pending};
use retry::Retries;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use synod_paxos::NodeId;

pub use not_sent::QUEUE_FULL_MS;
pub use operation::{
    ClientEffects, ClientInput, Millis, NotSent, Operation, Outcome, Reason, Ticket, Unsent,
};
pub use patience::{HELD_MS, HELD_MS_MAX};
pub use pending::{ATTEMPT_MS, ATTEMPT_MS_MAX, EARLIER_MAX};
pub use retry::{NO_LEADER_MS, OVERLOAD_GROWTH_MAX, RETRY_MS_MAX};

/// The most operations that may be submitted and not ended.
pub const OPERATIONS_MAX: usize = 4096;

/// One client with one session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Client {
    id: ClientId,
    nodes: Vec<NodeId>,
    /// Which of the nodes is thought to lead.
    guess: usize,
    /// When each node last said something.
    heard: BTreeMap<NodeId, Millis>,
    /// The nodes that deny access, for reasons that do not pass by themselves.
    denied_by: BTreeSet<NodeId>,
    /// What the others are asked about a silent node.
    inquiry: Option<Inquiry>,
    /// How long the last reply took.
    took: Option<Took>,
    session: Session,
    next_request: u64,
    operations: BTreeMap<Ticket, Pending>,
    /// Commands in the order of their submission that have no sequence number yet.
    waiting: VecDeque<Ticket>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Session {
    /// None yet; the opening that is out, when it was or may be asked for, and what refused it.
    Closed {
        opening: Opening,
        attempt: Attempt,
        earlier: Earlier,
        retries: Retries,
        refusal: Option<Refusal>,
    },
    /// Open.
    Open { id: SessionId, next: Sequence, opening: Opening },
}

impl Session {
    /// Returns the session that this opening shall open, from the instant `due` on.
    fn closed(opening: Opening, due: Millis) -> Self {
        let (attempt, earlier) = (Attempt::Due(due), Earlier::default());
        Self::Closed { opening, attempt, earlier, retries: Retries::NONE, refusal: None }
    }

    /// Returns what refused the opening of the session last, until it is open.
    const fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Closed { refusal, .. } => refusal.as_ref(),
            Self::Open { .. } => None,
        }
    }
}

impl Client {
    /// Makes a client of these nodes.
    ///
    /// Request numbers count from `first_request` on. No other client has the same `id`, of
    /// whatever certificate and in whatever process: whoever has would share its sessions.
    ///
    /// # Panics
    ///
    /// Panics without nodes.
    #[must_use]
    pub fn new(nodes: Vec<NodeId>, id: ClientId, first_request: u64) -> Self {
        assert!(!nodes.is_empty(), "a client needs a node to talk to");
        // Other clients begin with other nodes, so that none has all of them at first.
        let guess = usize::try_from(id.number() % nodes.len() as u128).unwrap_or(0);
        Self {
            id,
            nodes,
            guess,
            heard: BTreeMap::new(),
            denied_by: BTreeSet::new(),
            inquiry: None,
            took: None,
            session: Session::closed(Opening::first(id), Millis(0)),
            next_request: first_request,
            operations: BTreeMap::new(),
            waiting: VecDeque::new(),
        }
    }

    /// Takes one input to completion, at the instant `now`.
    pub fn step(&mut self, now: Millis, input: ClientInput, effects: &mut ClientEffects) {
        match input {
            ClientInput::Submit { ticket, operation, deadline } => {
                self.on_submit(now, ticket, operation, deadline, effects);
            }
            ClientInput::Response { from, id, response } => {
                self.on_response(now, from, id, response, effects);
            }
            ClientInput::NotSent(unsent) => self.on_not_sent(now, &unsent, effects),
            ClientInput::Heard(node, at) => {
                // It moves the end of patience and nothing else, so that nothing is due because of
                // it.
                self.on_heard(node, at);
                effects.wake_at = self.next_instant();
                return;
            }
            ClientInput::Lost(node) => self.on_lost(now, node),
            ClientInput::Access { node, is_denied } => self.on_access(node, is_denied),
            ClientInput::Timer => {}
        }
        // These come before attempts: nothing is sent for what is given up in the same step.
        self.expire(now, effects);
        self.end_denied(effects);
        self.attempt_all(now, effects);
        effects.wake_at = self.next_instant();
        assert!(self.waiting.len() <= self.operations.len(), "who waits was submitted");
        assert!(self.operations.len() <= OPERATIONS_MAX, "more operations are open than may be");
        let in_time = self.operations.values().all(|pending| pending.deadline > now);
        assert!(in_time, "an operation is open past its deadline");
        assert!(self.guess < self.nodes.len(), "the guess is no node");
    }

    /// Returns the node that is thought to lead.
    #[must_use]
    pub fn leader(&self) -> NodeId {
        self.nodes[self.guess]
    }

    fn on_submit(
        &mut self,
        now: Millis,
        ticket: Ticket,
        operation: Operation,
        deadline: Millis,
        effects: &mut ClientEffects,
    ) {
        // Nothing of it was sent, so it may say for certain that nothing happened.
        if self.operations.len() >= OPERATIONS_MAX {
            return effects.outcomes.push((ticket, Outcome::NotApplied(Reason::TooMany)));
        }
        let mut pending = Pending::new(operation, deadline, now);
        if matches!(pending.operation, Operation::Command(_)) {
            self.waiting.push_back(ticket);
            // Without a session nothing is sent; the reason why there is none is what its deadline
            // will tell.
            pending.refusal = self.session.refusal().cloned();
        }
        self.operations.insert(ticket, pending);
    }

    fn on_response(
        &mut self,
        now: Millis,
        from: NodeId,
        id: RequestId,
        response: Response,
        effects: &mut ClientEffects,
    ) {
        self.on_heard(from, now);
        // The number tells to what it is an answer; numbers are never used again.
        if self.inquiry.as_ref().is_some_and(|inquiry| inquiry.asked(id)) {
            return self.on_inquired(now, id, &response);
        }
        if self.is_of_opening(id, &response) {
            return self.on_opening(now, from, response);
        }
        let mut asked = self.operations.iter();
        let asked = asked.find(|(_, held)| held.is_out(id) || held.earlier.contains(id));
        let Some((&ticket, pending)) = asked else { return };
        // An attempt that was given up stays uncertain, unless it is told that it was applied.
        if !pending.is_out(id) && !is_of_the_applied(&response) {
            return;
        }
        if matches!(response, Response::Reply(_)) {
            self.took = Some(Took::by_reply_to(id, pending, now, self.took));
        }
        match response {
            Response::Reply(reply) => self.end(ticket, Outcome::Ok(reply), effects),
            Response::Refused(refusal) => self.on_refused(now, from, ticket, refusal, effects),
            Response::Uncertain { leader } => {
                // The node cannot tell, and neither can anybody from here on: no refusal of a later
                // attempt makes this one undone. It is asked again under the same number.
                let Some(pending) = self.operations.get(&ticket) else { return };
                let mut retries = pending.retries;
                let refusal = Refusal::NotLeader { leader };
                let due = self.delay_after(now, from, &refusal, &mut retries);
                if let Some(pending) = self.operations.get_mut(&ticket) {
                    pending.uncertain |= pending.sequence.is_some();
                    (pending.attempt, pending.retries) = (Attempt::Due(due), retries);
                }
            }
            Response::Opened(_) | Response::Status(_) | Response::Snapshot { .. } => {}
        }
    }

    /// Tells whether this is an answer to the opening that is wanted: to its last attempt, or one
    /// that opens the session, to whichever attempt.
    fn is_of_opening(&self, id: RequestId, response: &Response) -> bool {
        let Session::Closed { attempt, earlier, .. } = &self.session else { return false };
        matches!(attempt, Attempt::Out { id: asked, .. } if *asked == id)
            || matches!(response, Response::Opened(_)) && earlier.contains(id)
    }

    fn on_opening(&mut self, now: Millis, from: NodeId, response: Response) {
        let Session::Closed { opening, mut retries, .. } = self.session else { return };
        let due = match response {
            Response::Opened(id) => {
                self.session = Session::Open { id, next: Sequence::FIRST, opening };
                return;
            }
            Response::Refused(refusal) => {
                let due = self.delay_after(now, from, &refusal, &mut retries);
                self.note_refused_opening(&refusal);
                due
            }
            Response::Uncertain { leader } => {
                self.delay_after(now, from, &Refusal::NotLeader { leader }, &mut retries)
            }
            // A node that answers an opening with anything else is broken. It counts as a refusal,
            // so that the opening is tried again.
            Response::Reply(_) | Response::Status(_) | Response::Snapshot { .. } => {
                now.plus(retries.after_refusal(self.draw(), NO_LEADER_MS))
            }
        };
        self.try_opening_again(due, retries);
    }

    /// Whoever waits for the session was refused with it, as is who comes before it is asked for
    /// again, and is told so at its deadline.
    fn note_refused_opening(&mut self, refused: &Refusal) {
        if let Session::Closed { refusal, .. } = &mut self.session {
            *refusal = Some(refused.clone());
        }
        for ticket in &self.waiting {
            if let Some(pending) = self.operations.get_mut(ticket) {
                pending.refusal = Some(refused.clone());
            }
        }
    }

    fn try_opening_again(&mut self, due: Millis, retries: Retries) {
        if let Session::Closed { attempt, retries: held, .. } = &mut self.session {
            (*attempt, *held) = (Attempt::Due(due), retries);
        }
    }

    /// Returns a number for jitter: other clients have others, and so have its later attempts.
    const fn draw(&self) -> u64 {
        let id = self.id.number();
        mix(mix((id >> 64) as u64 ^ id as u64) ^ self.next_request)
    }

    /// Goes to the leader that `from` named, or to the next node; tells whether one was named.
    fn follow(&mut self, from: NodeId, leader: Option<NodeId>) -> bool {
        let named = leader.and_then(|leader| self.nodes.iter().position(|node| *node == leader));
        match named {
            Some(place) => self.guess = place,
            None => self.turn_from(from),
        }
        named.is_some()
    }

    /// Goes to the next node, if this one is the guess.
    fn turn_from(&mut self, node: NodeId) {
        if self.leader() == node {
            self.guess = (self.guess + 1) % self.nodes.len();
        }
    }

    fn on_lost(&mut self, now: Millis, lost: NodeId) {
        self.on_lost_inquired(now, lost);
        self.turn_from(lost);
        // All clients of a lost node lose it in the same moment: without a delay that each draws
        // for itself they would come to the next node together.
        let draw = self.draw();
        if let Session::Closed { attempt, retries, .. } = &mut self.session
            && matches!(attempt, Attempt::Out { to, .. } if *to == lost)
        {
            *attempt = Attempt::Due(now.plus(retries.after_refusal(draw, NO_LEADER_MS)));
        }
        for pending in self.operations.values_mut() {
            if matches!(pending.attempt, Attempt::Out { to, .. } if to == lost) {
                let delay = pending.retries.after_refusal(draw, NO_LEADER_MS);
                pending.lose_attempt(now.plus(delay));
            }
        }
    }

    /// Ends what is past its deadline, and doubts attempts that were not answered in time.
    fn expire(&mut self, now: Millis, effects: &mut ClientEffects) {
        let late = self.operations.iter().filter(|(_, pending)| pending.deadline <= now);
        let late: Vec<_> = late.map(|(ticket, _)| *ticket).collect();
        for ticket in late {
            if let Some(pending) = self.operations.get(&ticket) {
                let reason = Reason::Deadline(pending.refusal.clone());
                let outcome = pending.without_reply(reason, pending.is_in_flight());
                self.end(ticket, outcome, effects);
            }
        }
        self.doubt(now, effects);
        if let Session::Closed { attempt, earlier, .. } = &mut self.session
            && let Attempt::Out { id, to, until, .. } = *attempt
            && until <= now
        {
            // It may be answered all the same, and a session that is open is as good from there.
            earlier.note(id);
            *attempt = Attempt::Due(now);
            self.turn_from(to);
        }
    }

    fn attempt_all(&mut self, now: Millis, effects: &mut ClientEffects) {
        self.number_waiting();
        self.open_session(now, effects);
        let unanswered = self.unanswered();
        let to = self.leader();
        let nodes = self.nodes.len();
        for pending in self.operations.values_mut() {
            let Attempt::Due(due) = pending.attempt else { continue };
            let Some(body) = pending.body(&self.session, unanswered) else { continue };
            if due > now {
                continue;
            }
            // Each attempt has a number of its own: an answer tells of one attempt, and not of the
            // operation.
            let id = RequestId(self.next_request);
            self.next_request += 1;
            let until = now.plus(pending.patience_ms(nodes));
            pending.attempt = Attempt::Out { id, to, since: now, until };
            effects.requests.push((to, Request { id, body }));
        }
    }

    /// Gives the next numbers to the commands that wait, as far as the session's window reaches.
    fn number_waiting(&mut self) {
        let unanswered = self.unanswered();
        let Session::Open { next, .. } = &mut self.session else { return };
        while *next < unanswered.plus(PIPELINE_MAX)
            && let Some(ticket) = self.waiting.pop_front()
        {
            if let Some(pending) = self.operations.get_mut(&ticket) {
                // A second number would let one command be applied twice.
                assert!(pending.sequence.is_none(), "a command has one number");
                pending.sequence = Some(*next);
                *next = next.plus(1);
            }
        }
    }

    fn open_session(&mut self, now: Millis, effects: &mut ClientEffects) {
        let (wanted, to) = (!self.waiting.is_empty(), self.leader());
        if let Session::Closed { opening, attempt, .. } = &mut self.session
            && let Attempt::Due(due) = *attempt
            && wanted
            && due <= now
        {
            let id = RequestId(self.next_request);
            self.next_request += 1;
            *attempt = Attempt::Out { id, to, since: now, until: now.plus(ATTEMPT_MS) };
            let body = RequestBody::Open { opening: *opening };
            effects.requests.push((to, Request { id, body }));
        }
    }

    /// Returns the first number that has no answer. Numbers that were given up count as answered:
    /// nobody waits for them, and refusing them from here on keeps their fate from staying open.
    fn unanswered(&self) -> Sequence {
        let numbers = self.operations.values().filter_map(|pending| pending.sequence);
        match (numbers.min(), &self.session) {
            (Some(number), _) => number,
            (None, Session::Open { next, .. }) => *next,
            (None, Session::Closed { .. }) => Sequence::FIRST,
        }
    }

    fn end(&mut self, ticket: Ticket, outcome: Outcome, effects: &mut ClientEffects) {
        if self.operations.remove(&ticket).is_some() {
            self.waiting.retain(|waiting| *waiting != ticket);
            effects.outcomes.push((ticket, outcome));
        }
    }

    fn next_instant(&self) -> Option<Millis> {
        let operations = self.operations.values().flat_map(|pending| {
            let can_go = pending.can_go(&self.session).then(|| self.instant_of(pending.attempt));
            [Some(pending.deadline), can_go]
        });
        let opening = match &self.session {
            Session::Closed { attempt, .. } if !self.waiting.is_empty() => Some(attempt.instant()),
            Session::Closed { .. } | Session::Open { .. } => None,
        };
        operations.chain([opening]).flatten().min()
    }
}

/// Tells whether an answer says of an operation that it is done, with a reply or without.
fn is_of_the_applied(response: &Response) -> bool {
    match response {
        Response::Reply(_) => true,
        Response::Refused(refusal) => refusal.is_of_the_applied(),
        Response::Opened(_)
        | Response::Uncertain { .. }
        | Response::Status(_)
        | Response::Snapshot { .. } => false,
    }
}
