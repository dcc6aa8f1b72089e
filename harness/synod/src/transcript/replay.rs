//! The transcript's own core of one node, which is led through what the replica's core went
//! through.
//!
//! The replica drives its core in a fixed order: first what the step was given, then proposals,
//! then a campaign or a resignation, at last what can be forgotten. All but the first are read off
//! the replica's core; that they are right is checked by following them, not assumed.

use std::collections::VecDeque;

use synod_paxos::{
    Ballot, Batch, Configuration, CoreId, Decree, Effects, Input, LogLimits, Message as Paxos,
    MultiPaxos, NodeId, Recovery, To,
};
use synod_smr::{CommandBatch, Config, Message, Record};

use super::{Act, Content, Packet};
use crate::step::Step;

/// The core, its effects, and its batches on their way to the disk.
#[derive(Clone)]
pub(super) struct ReplayCore {
    core: MultiPaxos<CommandBatch>,
    effects: Effects<CommandBatch>,
    in_flight: VecDeque<Batch<CommandBatch>>,
    /// How many records are durable.
    durable: usize,
    life: u64,
    window: u64,
    /// How many batches may be in flight.
    batches: usize,
}

impl ReplayCore {
    /// Makes the core that these records lead to.
    pub(super) fn recover(
        (node, life): (NodeId, u64),
        voters: Configuration,
        (limits, batches): (LogLimits, usize),
        records: &[Record],
    ) -> Self {
        let core_id = CoreId { node, incarnation: life };
        let mut recovery = Recovery::new();
        for record in records {
            recovery.on_record(record.clone());
        }
        let window = Config::lan(core_id, voters.clone()).alpha;
        Self {
            core: recovery.finish(core_id, voters, window).with_limits(limits),
            effects: Effects::new(core_id),
            in_flight: VecDeque::new(),
            durable: records.len(),
            life,
            window,
            batches,
        }
    }

    pub(super) const fn core(&self) -> &MultiPaxos<CommandBatch> {
        &self.core
    }

    pub(super) const fn durable(&self) -> usize {
        self.durable
    }

    pub(super) const fn life(&self) -> u64 {
        self.life
    }

    pub(super) const fn window(&self) -> u64 {
        self.window
    }

    /// Takes what the step was given and all that followed; none if the replica came out
    /// otherwise.
    pub(super) fn follow(
        &mut self,
        given: Vec<Act>,
        step: &Step<'_>,
        packets: &[Packet],
    ) -> Option<Vec<Act>> {
        let theirs = step.replica.paxos();
        let mut acts = Vec::new();
        for act in given {
            self.take(act, packets, &mut acts)?;
        }
        while let Some(value) = self.proposal(theirs) {
            self.take(Act::Propose(value), packets, &mut acts)?;
        }
        if let Some(act) = self.turn(theirs) {
            self.take(act, packets, &mut acts)?;
        }
        if theirs.log().base() > self.core.log().base() {
            self.take(Act::Forget(theirs.log().base()), packets, &mut acts)?;
        }
        (self.brought_about(step) && self.core == *theirs).then_some(acts)
    }

    /// Takes one act; none if there is nothing to take.
    fn take(&mut self, act: Act, packets: &[Packet], acts: &mut Vec<Act>) -> Option<()> {
        let input = match &act {
            Act::Hear(packet) | Act::Learn(packet) => packets[*packet].input(),
            Act::Campaign(above) => Input::Campaign { above: *above },
            Act::Propose(value) => Input::Propose(value.clone()),
            Act::Resend(to) => Input::Resend(*to),
            Act::Announce => Input::Announce,
            Act::Resign => Input::Resign,
            Act::Forget(slot) => Input::ForgetBelow(*slot),
            Act::Sync => {
                let batch = self.in_flight.pop_front()?;
                self.durable += batch.records().len();
                Input::Synced(batch.confirm_synced())
            }
        };
        self.core.step(input, &mut self.effects);
        acts.push(act);
        Some(())
    }

    /// Returns the value that the replica proposed next: its leader votes for it at once.
    fn proposal(&self, theirs: &MultiPaxos<CommandBatch>) -> Option<CommandBatch> {
        let (ballot, slot) = (self.core.leader().leads()?, self.core.next_slot()?);
        if !self.core.can_propose() || theirs.log().voted_in(slot) != Some(ballot) {
            return None;
        }
        match theirs.log().decree(slot)? {
            Decree::Value(value) => Some(value.clone()),
            // Values alone are proposed from above.
            Decree::Noop => None,
        }
    }

    /// Returns how the replica's leadership changed beyond what follows by itself.
    fn turn(&self, theirs: &MultiPaxos<CommandBatch>) -> Option<Act> {
        let (mine, wanted) = (self.core.leader().ballot(), theirs.leader().ballot());
        match wanted {
            _ if mine == wanted => None,
            None => Some(Act::Resign),
            Some(ballot) => Some(Act::Campaign(self.above(ballot))),
        }
    }

    /// Returns what this core has to be told of to campaign in `ballot`: zero if nothing.
    fn above(&self, ballot: Ballot) -> Ballot {
        let known = self.core.seen().max(self.core.log().promised());
        // A campaign takes the round after the highest that is known, so that this leads there by
        // itself.
        if known.round() + 1 == ballot.round() {
            return Ballot::ZERO;
        }
        Ballot::new(ballot.round().saturating_sub(1), ballot.node())
    }

    /// Tells whether the same records and messages came of it.
    fn brought_about(&mut self, step: &Step<'_>) -> bool {
        // The replica leaves its records where they are, too, as long as so many batches are under
        // way.
        let has_place = self.in_flight.len() < self.batches;
        let batch = if has_place { self.effects.take_batch() } else { None };
        let same_records = batch.as_ref().map_or(&[][..], Batch::records) == step.records;
        self.in_flight.extend(batch);
        let mine: Vec<(To, Paxos<CommandBatch>)> = self.effects.outbox().collect();
        let theirs = step.sent.iter().filter_map(|(to, message)| match message {
            Message::Paxos(message) => Some((to, message)),
            Message::Heartbeat(_)
            | Message::Confirm { .. }
            | Message::Confirmed { .. }
            | Message::Fetch { .. }
            | Message::Decrees { .. }
            | Message::FetchSnapshot { .. }
            | Message::Snapshot(_)
            | Message::Known(_) => None,
        });
        same_records && mine.iter().map(|(to, message)| (to, message)).eq(theirs)
    }
}

impl Packet {
    fn input(&self) -> Input<CommandBatch> {
        match &self.content {
            Content::Paxos(message) => Input::Message { from: self.from, message: message.clone() },
            Content::Decrees(first, decrees) => {
                Input::Decrees { first: *first, decrees: decrees.clone() }
            }
        }
    }
}
