//! Patience: how long a node that has an attempt may be silent, and who is asked then.
//!
//! A payload is long and a question to the others is short: so they are asked whether the silent
//! node leads before the payload goes to another. The claims kept true: of a node that says nothing
//! and is named by nobody an attempt is given up after [`ATTEMPT_MS`]; no payload goes elsewhere
//! while others name the node that has it as the leader; and no attempt is waited for longer than
//! [`HELD_MS_MAX`], since a request may be lost.

use super::Client;
use super::operation::{ClientEffects, Millis};
use super::pending::{ATTEMPT_MS, ATTEMPT_MS_MAX, Attempt};
use crate::request::{Request, RequestBody, RequestId, Response};
use crate::status::Status;
use synod_paxos::{Ballot, NodeId};

/// How long an attempt waits at a node that the others name as the leader, or that is the only one,
/// in milliseconds, where the last reply took less than half as long. Then it is made again, at the
/// same node. A loaded leader with long values needs some two seconds; a request that is lost
/// without its connection waits as long.
pub const HELD_MS: u64 = 3000;

/// How long such an attempt waits at most, in milliseconds, where replies take longer: what is sent
/// twice to a leader that is loaded has all others wait longer still.
pub const HELD_MS_MAX: u64 = 6000;

/// A question to all other nodes: does this one lead?
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Inquiry {
    /// The silent node.
    of: NodeId,
    /// How long the answers are waited for.
    until: Millis,
    /// The questions without an answer, one for each other node.
    open: Vec<(RequestId, NodeId)>,
}

impl Inquiry {
    pub(super) fn asked(&self, id: RequestId) -> bool {
        self.open.iter().any(|(asked, _)| *asked == id)
    }
}

impl Client {
    /// Takes note that a node said something.
    pub(super) fn on_heard(&mut self, node: NodeId, at: Millis) {
        if self.nodes.contains(&node) {
            let heard = self.heard.entry(node).or_insert(at);
            *heard = at.max(*heard);
        }
    }

    /// Ends the patience of attempts: what is out at the guess waits for what others say of it, and
    /// what is out elsewhere is given up, as others have been sent after it already.
    pub(super) fn doubt(&mut self, now: Millis, effects: &mut ClientEffects) {
        if let Some(inquiry) = self.inquiry.take_if(|inquiry| inquiry.until <= now) {
            self.leave(now, inquiry.of, None);
        }
        let (nodes, guess) = (self.nodes.len(), self.leader());
        let mut is_doubted = false;
        for pending in self.operations.values_mut() {
            let patience = pending.patience_ms(nodes);
            let Attempt::Out { to, since, until, .. } = &mut pending.attempt else { continue };
            // Whatever it said of others shows that it lives. But one that talks and never answers
            // this operation is not waited for without end.
            if let Some(heard) = self.heard.get(to) {
                let most = since.plus(ATTEMPT_MS_MAX);
                *until = heard.plus(patience).min(most).max(*until);
            }
            if *until > now {
                continue;
            }
            if *to == guess {
                is_doubted = true;
            } else {
                pending.give_attempt_up(now);
            }
        }
        if is_doubted && nodes == 1 {
            self.stay(now, guess);
        } else if is_doubted && self.inquiry.as_ref().is_none_or(|inquiry| inquiry.of != guess) {
            self.inquire(now, guess, effects);
        }
    }

    /// Takes the answer of one of the others. The first that names a leader decides, for a node
    /// that is cut off names nobody.
    pub(super) fn on_inquired(&mut self, now: Millis, id: RequestId, response: &Response) {
        let named = match response {
            Response::Status(status) => leader_of(status),
            Response::Opened(_)
            | Response::Reply(_)
            | Response::Refused(_)
            | Response::Uncertain { .. }
            | Response::Snapshot { .. } => None,
        };
        let Some(of) = self.inquiry.as_ref().map(|inquiry| inquiry.of) else { return };
        match named {
            Some(leader) if leader == of => {
                self.inquiry = None;
                self.stay(now, of);
            }
            Some(leader) => {
                self.inquiry = None;
                self.leave(now, of, Some(leader));
            }
            // It names nobody, which proves nothing: one of the others may still name a leader.
            None => self.end_questions(now, |asked, _| asked == id),
        }
    }

    /// Takes note that a node is gone: what it was asked has no answer.
    pub(super) fn on_lost_inquired(&mut self, now: Millis, lost: NodeId) {
        // The loss of the node answers the question whether it is waited for.
        self.inquiry.take_if(|inquiry| inquiry.of == lost);
        self.end_questions(now, |_, asked| asked == lost);
    }

    /// Returns when an attempt wants to be looked at again.
    pub(super) fn instant_of(&self, attempt: Attempt) -> Millis {
        match (attempt, &self.inquiry) {
            (Attempt::Out { to, until, .. }, Some(inquiry)) if to == inquiry.of => {
                until.max(inquiry.until)
            }
            (Attempt::Out { .. } | Attempt::Due(_), _) => attempt.instant(),
        }
    }

    fn inquire(&mut self, now: Millis, of: NodeId, effects: &mut ClientEffects) {
        let mut open = Vec::new();
        for node in self.nodes.iter().filter(|node| **node != of) {
            let id = RequestId(self.next_request);
            self.next_request += 1;
            open.push((id, *node));
            effects.requests.push((*node, Request { id, body: RequestBody::Status }));
        }
        self.inquiry = Some(Inquiry { of, until: now.plus(ATTEMPT_MS), open });
    }

    /// Strikes questions that are answered or will not be; without any, nobody names the node.
    pub(super) fn end_questions(&mut self, now: Millis, ends: impl Fn(RequestId, NodeId) -> bool) {
        let Some(inquiry) = &mut self.inquiry else { return };
        inquiry.open.retain(|(id, asked)| !ends(*id, *asked));
        if inquiry.open.is_empty() {
            let of = inquiry.of;
            self.inquiry = None;
            self.leave(now, of, None);
        }
    }

    /// Waits on at a silent node that others name, or that has no others, or asks it once more.
    fn stay(&mut self, now: Millis, of: NodeId) {
        let nodes = self.nodes.len();
        let held_ms = self.took.map_or(HELD_MS, |took| (2 * took.ms()).clamp(HELD_MS, HELD_MS_MAX));
        for pending in self.operations.values_mut().filter(|held| held.is_silent(now, of)) {
            let Attempt::Out { since, .. } = pending.attempt else { continue };
            let last = since.plus(held_ms);
            if last <= now {
                pending.give_attempt_up(now);
                continue;
            }
            pending.silences = pending.silences.saturating_add(1);
            let patience = pending.patience_ms(nodes);
            if let Attempt::Out { until, .. } = &mut pending.attempt {
                *until = now.plus(patience).min(last);
            }
        }
    }

    /// Goes to the node that was named, or to the next one, with all that a silent node has.
    fn leave(&mut self, now: Millis, of: NodeId, named: Option<NodeId>) {
        let mut is_left = false;
        for pending in self.operations.values_mut().filter(|held| held.is_silent(now, of)) {
            pending.give_attempt_up(now);
            is_left = true;
        }
        if is_left && self.leader() == of {
            self.follow(of, named);
        }
    }
}

/// Returns whom a node takes for the leader: nobody, if it wants another one.
fn leader_of(status: &Status) -> Option<NodeId> {
    status.follows.filter(|_| status.leader_ok).map(Ballot::node)
}
