//! ConfirmedReads: no question is answered before a quorum said that it promised nothing higher.
//!
//! The echoes are counted as they leave, not as they come: a round can only be confirmed if a
//! phase-2 quorum, the leader among them, has at least sent its echo of that very round, and the
//! round began after the question had come.

use std::collections::{BTreeMap, VecDeque};

use synod_paxos::{Ballot, Configuration, NodeId, Tally, To};
use synod_simulator::Micros;
use synod_smr::{Connection, Message, RequestId, Response};

use super::Invariant;
use crate::step::{Cause, Given, Step, Wanted};

/// The questions that wait, and the rounds that may answer them.
pub(crate) struct ConfirmedReads {
    voters: Configuration,
    leaders: BTreeMap<NodeId, Leader>,
}

/// When a node did something, and in which of its lives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Occasion {
    /// When.
    pub(crate) now: Micros,
    /// The node.
    pub(crate) node: NodeId,
    /// The life.
    pub(crate) life: u64,
}

/// What is known of the reads of one node in its present life.
#[derive(Default)]
struct Leader {
    life: u64,
    /// When each question came; one that the network doubled came more than once.
    questions: BTreeMap<(Connection, RequestId), VecDeque<Micros>>,
    round: Option<Round>,
    /// When the last round began that a quorum has echoed.
    confirmed: Option<Micros>,
}

struct Round {
    ballot: Ballot,
    number: u64,
    began: Micros,
    echoes: Tally,
}

impl Leader {
    /// Gives up the place of a question that was asked as often as it was answered.
    fn forget_answered(&mut self, asked: (Connection, RequestId)) {
        if self.questions.get(&asked).is_some_and(VecDeque::is_empty) {
            self.questions.remove(&asked);
        }
    }
}

impl ConfirmedReads {
    pub(crate) fn new(voters: &Configuration) -> Self {
        Self { voters: voters.clone(), leaders: BTreeMap::new() }
    }

    fn leader(&mut self, node: NodeId, life: u64) -> &mut Leader {
        let leader = self.leaders.entry(node).or_default();
        if leader.life != life {
            *leader = Leader { life, ..Leader::default() };
        }
        leader
    }

    /// Hears that a client asks a node something.
    pub(crate) fn on_question(&mut self, at: Occasion, asked: (Connection, RequestId)) {
        let leader = self.leader(at.node, at.life);
        leader.questions.entry(asked).or_default().push_back(at.now);
    }

    /// Hears what leaves a node.
    pub(crate) fn on_sent(&mut self, at: Occasion, to: &To, message: &Message) {
        match message {
            Message::Confirm { ballot, round } => self.ask(at, *ballot, *round),
            Message::Confirmed { ballot, round, promised } => {
                if let To::Node(of) = to {
                    self.echo(at.node, *of, *ballot, *round, *promised);
                }
            }
            Message::Paxos(_)
            | Message::Heartbeat(_)
            | Message::Fetch { .. }
            | Message::Decrees { .. }
            | Message::FetchSnapshot { .. }
            | Message::Snapshot(_)
            | Message::Known(_) => {}
        }
    }

    fn ask(&mut self, at: Occasion, ballot: Ballot, number: u64) {
        let leader = self.leader(at.node, at.life);
        let runs = leader.round.as_ref().map(|round| (round.ballot, round.number));
        if runs != Some((ballot, number)) {
            let echoes = Tally::default();
            leader.round = Some(Round { ballot, number, began: at.now, echoes });
            // The leader confirms itself as the round begins, and no message shows that.
            self.count(at.node, at.node);
        }
    }

    /// Counts an echo, and confirms the round if it was the last that was missing.
    fn count(&mut self, of: NodeId, from: NodeId) {
        let Some(leader) = self.leaders.get_mut(&of) else { return };
        let Some(round) = &mut leader.round else { return };
        round.echoes.add(from);
        if self.voters.is_phase2_quorum(&round.echoes) {
            leader.confirmed = Some(round.began);
        }
    }

    fn echo(&mut self, from: NodeId, of: NodeId, ballot: Ballot, number: u64, promised: Ballot) {
        let round = self.leaders.get(&of).and_then(|leader| leader.round.as_ref());
        let is_of_round =
            round.is_some_and(|round| round.ballot == ballot && round.number == number);
        if is_of_round && promised <= ballot {
            self.count(of, from);
        }
    }

    /// Hears that a question was refused: the one that came in this very step, or else the one
    /// that waits longest.
    pub(crate) fn on_refused(
        &mut self,
        at: Occasion,
        asked: (Connection, RequestId),
        is_new: bool,
    ) {
        let leader = self.leader(at.node, at.life);
        let Some(came) = leader.questions.get_mut(&asked) else { return };
        if is_new {
            came.pop_back()
        } else {
            came.pop_front()
        };
        leader.forget_answered(asked);
    }

    /// Hears that a client was answered.
    ///
    /// # Errors
    ///
    /// Fails if it was a question, and nothing confirms the answer.
    pub(crate) fn on_answered(
        &mut self,
        at: Occasion,
        asked: (Connection, RequestId),
    ) -> Result<(), String> {
        let leader = self.leader(at.node, at.life);
        let came = leader.questions.get_mut(&asked).and_then(VecDeque::pop_front);
        leader.forget_answered(asked);
        // Commands are answered by replies as well, and no question waits under their names.
        let Some(came) = came else { return Ok(()) };
        // Equal instants count: a round that a question sets off begins in the question's own step.
        if leader.confirmed.is_some_and(|began| began >= came) {
            return Ok(());
        }
        Err(format!("node {} answers a question of {came} without a round since", at.node))
    }
}

impl Invariant for ConfirmedReads {
    fn name(&self) -> &'static str {
        "confirmed-reads"
    }

    fn on_step(&mut self, step: &Step<'_>) -> Result<(), String> {
        let at = Occasion { now: step.now, node: step.node, life: step.life };
        for given in step.given {
            if let Cause::Request(Wanted::Query, connection, id) = given.cause {
                self.on_question(at, (connection, id));
            }
        }
        for (to, message) in step.sent {
            self.on_sent(at, to, message);
        }
        for (connection, id, response) in step.replies {
            let asked = (*connection, *id);
            if matches!(response, Response::Reply(_)) {
                self.on_answered(at, asked)?;
            } else {
                let is_new = step.given.iter().any(|given| is_request(given, asked));
                self.on_refused(at, asked, is_new);
            }
        }
        Ok(())
    }
}

fn is_request(given: &Given, asked: (Connection, RequestId)) -> bool {
    matches!(given.cause, Cause::Request(_, connection, id) if (connection, id) == asked)
}
