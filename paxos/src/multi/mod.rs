//! Multi-Paxos: one Synod instance a slot, one ballot for all of them, behind one `step`.
//!
//! This is "Paxos Made Simple" (2001), section 3. The node has an acceptor (`acceptor.rs`), knows
//! a chosen prefix (`chosen.rs`), and may be a leader (`leader.rs`); here the three are joined. It
//! leaves to others when to campaign, what to propose, how to fetch decrees, and what they mean.
//! The claim kept true: the chosen prefixes of all nodes are prefixes of one another.

pub(crate) mod acceptor;
pub(crate) mod candidate;
pub(crate) mod chosen;
pub(crate) mod decree;
mod durable;
pub(crate) mod leader;
pub(crate) mod limits;
mod questions;
pub(crate) mod recovery;
pub(crate) mod role;
pub(crate) mod slot;

use crate::ballot::{Ballot, NodeId, ROUND_STEP_MAX};
use crate::effects::{CoreId, Effects, Gate, Record, Synced};
use crate::message::{AfterSync, Immediate, Message, To};
use crate::quorum::Configuration;
use acceptor::{LogAcceptor, Window};
use candidate::{Candidate, PromisePart, Promised};
use chosen::ChosenPrefix;
use decree::{Decree, Value};
use durable::Durable;
use leader::Leader;
use limits::LogLimits;
use role::Role;
use slot::{Slot, SlotRange};

/// The slots that may be open past the chosen prefix, unless the caller says otherwise.
pub const ALPHA_DEFAULT: u64 = 256;

/// What can happen to a node of the log.
#[derive(Debug)]
pub enum Input<V> {
    /// A message came.
    Message {
        /// The sender, as the transport proved it.
        from: NodeId,
        /// The message.
        message: Message<V>,
    },
    /// This node shall try to lead, in a ballot above all that it has seen.
    Campaign {
        /// A ballot that somebody is known to have promised; zero if none is known.
        above: Ballot,
    },
    /// The leader shall propose this value in the next slot; see [`MultiPaxos::can_propose`].
    Propose(V),
    /// These decrees of consecutive slots, from `first` on, are known to be chosen.
    Decrees {
        /// The slot of the first decree.
        first: Slot,
        /// The decrees.
        decrees: Vec<Decree<V>>,
    },
    /// The state that the decrees below this slot lead to is durable here: it stands for them.
    Install(Slot),
    /// Time passed without an answer: what waits for one is sent again, to everybody.
    ResendTimer,
    /// Time passed without an answer of this node: what waits for it is sent again.
    Resend(NodeId),
    /// A leader shall say to all what is chosen.
    Announce,
    /// This node shall not lead.
    Resign,
    /// The decrees below this slot are applied and held elsewhere: those below
    /// [`MultiPaxos::durable_chosen`] are let go of.
    ForgetBelow(Slot),
    /// A batch is durable.
    Synced(Synced),
}

/// One node of the log.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MultiPaxos<V: Value> {
    me: NodeId,
    configuration: Configuration,
    alpha: u64,
    log: LogAcceptor<V>,
    chosen: ChosenPrefix,
    leader: Role<V>,
    /// The highest ballot heard of.
    seen: Ballot,
    /// The chosen prefix that the last hint in the journal tells.
    hinted: Slot,
    durable: Durable,
    limits: LogLimits,
    gate: Gate<V>,
}

impl<V: Value> MultiPaxos<V> {
    /// Makes a node that has never run, with `alpha` slots open at most.
    ///
    /// # Panics
    ///
    /// Panics if `alpha` is zero: no slot could ever be proposed.
    #[must_use]
    pub fn new(core_id: CoreId, configuration: Configuration, alpha: u64) -> Self {
        Self::restore(core_id, configuration, alpha, LogAcceptor::new(), Slot::FIRST)
    }

    /// Sets limits other than [`LogLimits::DEFAULT`].
    #[must_use]
    pub const fn with_limits(mut self, limits: LogLimits) -> Self {
        self.limits = limits;
        self
    }

    fn restore(
        core_id: CoreId,
        configuration: Configuration,
        alpha: u64,
        log: LogAcceptor<V>,
        chosen: Slot,
    ) -> Self {
        assert!(alpha > 0, "a window of no slots lets nobody propose");
        let mut node = Self {
            me: core_id.node,
            configuration,
            alpha,
            chosen: ChosenPrefix::new(chosen),
            leader: Role::Idle,
            seen: log.promised(),
            hinted: chosen,
            durable: Durable::new(log.promised(), chosen),
            limits: LogLimits::DEFAULT,
            log,
            gate: Gate::new(core_id),
        };
        node.chosen.advance(&node.log, |_| false);
        node.log.on_chosen(node.chosen.end());
        // All of it was found on the disk.
        node.durable = Durable::new(node.log.promised(), node.chosen.end());
        node
    }

    /// Takes one input to completion.
    ///
    /// # Panics
    ///
    /// Panics where agreement is broken already: two decrees in one slot and ballot, or two that
    /// are said to be chosen in one slot.
    pub fn step(&mut self, input: Input<V>, effects: &mut Effects<V>) {
        match input {
            Input::Message { from, message } => self.on_message(from, message, effects),
            Input::Campaign { above } => self.on_campaign(above, effects),
            Input::Propose(value) => self.propose(value, effects),
            Input::Decrees { first, decrees } => self.on_decrees(first, decrees, effects),
            Input::Install(slot) => self.install(slot),
            Input::ResendTimer => {
                for node in self.configuration.voters().to_vec() {
                    self.resend(node, effects);
                }
                self.announce(To::Peers, effects);
            }
            Input::Resend(node) => {
                self.resend(node, effects);
                self.announce(To::Node(node), effects);
            }
            Input::Announce => self.announce(To::Peers, effects),
            Input::Resign => self.leader = Role::Idle,
            // What a crash may take from the disk is kept: it could be read from nowhere else.
            Input::ForgetBelow(slot) => self.log.forget_below(slot.min(self.durable.chosen())),
            Input::Synced(proof) => self.gate.on_synced(&proof),
        }
        self.settle(effects);
    }

    fn on_message(&mut self, from: NodeId, message: Message<V>, effects: &mut Effects<V>) {
        if !self.is_plausible(from, &message) {
            return;
        }
        match message {
            Message::AfterSync(bound) => self.on_bound(from, bound, effects),
            Message::Immediate(Immediate::Accept { ballot, first, decrees, chosen }) => {
                // What it announces makes room for what it proposes.
                self.chosen.on_chosen(ballot, chosen);
                self.advance();
                if !self.is_backlogged() {
                    let bytes = self.limits.unchosen_bytes;
                    let window = Window { chosen: self.chosen.end(), bytes };
                    self.log.on_accept(ballot, first, decrees, window, effects);
                }
            }
            Message::Immediate(Immediate::Chosen { ballot, chosen }) => {
                self.chosen.on_chosen(ballot, chosen);
            }
            // It ends no ballot: whoever refuses may be alone, and a quorum may still promise this
            // one. It only keeps the next ballot from being too low.
            Message::Immediate(Immediate::Nack { promised, .. }) => {
                self.seen = self.seen.max(promised)
            }
        }
    }

    fn on_bound(&mut self, from: NodeId, bound: AfterSync<V>, effects: &mut Effects<V>) {
        match bound {
            AfterSync::Prepare { ballot, first } => {
                self.promise(ballot, first, effects);
            }
            AfterSync::Promise { ballot, first, end, chosen, reports } => {
                let Role::Preparing(preparing) = &mut self.leader else {
                    return;
                };
                // A promise of an earlier ballot says nothing about this one.
                if ballot != preparing.ballot() {
                    return;
                }
                let part = PromisePart { first, end, chosen, reports };
                match preparing.on_promise(from, part, &self.configuration) {
                    Promised::Waiting => {}
                    Promised::Cut(first) => {
                        let to = To::Node(from);
                        if from == self.me {
                            self.promise(ballot, first, effects);
                        } else {
                            effects.claim(to, AfterSync::Prepare { ballot, first });
                        }
                    }
                    Promised::Elected => self.leader = Role::Leading(preparing.lead()),
                }
            }
            AfterSync::Accepted { ballot, first, end } => {
                // A vote in an earlier ballot of this node needs no look here: each learner counts
                // those of its own ballot alone.
                if let Role::Leading(leading) = &mut self.leader {
                    let range = SlotRange { first, end };
                    leading.on_accepted(from, ballot, range, &self.configuration);
                }
            }
        }
    }

    /// Checks what only a broken or foreign sender gets wrong; such a message counts as lost.
    fn is_plausible(&mut self, from: NodeId, message: &Message<V>) -> bool {
        let (ballot, owner) = match message {
            Message::AfterSync(AfterSync::Prepare { ballot, .. }) => (*ballot, Some(ballot.node())),
            Message::AfterSync(
                AfterSync::Promise { ballot, .. } | AfterSync::Accepted { ballot, .. },
            ) => (*ballot, None),
            Message::Immediate(
                Immediate::Accept { ballot, .. } | Immediate::Chosen { ballot, .. },
            ) => (*ballot, Some(ballot.node())),
            Message::Immediate(Immediate::Nack { promised, .. }) => (*promised, None),
        };
        // Both are asked: a ballot that is seen counts even where its sender is not its owner.
        self.see(ballot) && owner.is_none_or(|owner| owner == from)
    }

    /// Takes note of a ballot, unless its round jumps so far that it must be corrupt.
    fn see(&mut self, ballot: Ballot) -> bool {
        // A round near the end of its numbers would leave no ballot above it, for ever.
        let sane = ballot.round() <= self.seen.round().saturating_add(ROUND_STEP_MAX);
        if sane {
            self.seen = self.seen.max(ballot);
        }
        sane
    }

    /// Begins phase 1 in a ballot that this node never used, and promises it to itself first; none
    /// where the disk has no room for that promise, as nobody asks it for it again.
    ///
    /// spec: MultiPaxos!Phase1a
    fn on_campaign(&mut self, above: Ballot, effects: &mut Effects<V>) {
        if !self.configuration.contains(self.me) || !effects.has_room_for_promise() {
            return;
        }
        self.see(above);
        // Above what was promised durably and all that was heard of: no earlier life of this node
        // has used it, as it promised each ballot to itself before it asked anybody.
        let ballot = self.seen.max(self.log.promised()).next(self.me);
        assert!(ballot > self.log.promised(), "a ballot of its own was promised before it began");
        self.seen = ballot;
        let first = self.chosen.end();
        self.leader = Role::Preparing(Candidate::new(ballot, first, self.limits.promise_parts));
        // Its own promise comes first, so that the claim to the peers waits for its record: a
        // ballot that a crash forgets was never heard of.
        self.promise(ballot, first, effects);
        effects.claim(To::Peers, AfterSync::Prepare { ballot, first });
    }

    /// Proposes a value of its own; dropped where [`Self::can_propose`] says no, or the disk has no
    /// room for it.
    fn propose(&mut self, value: V, effects: &mut Effects<V>) {
        if self.can_propose() && effects.has_room_for(value.weight()) {
            self.propose_decree(Decree::Value(value), effects);
        }
    }

    fn propose_decree(&mut self, decree: Decree<V>, effects: &mut Effects<V>) {
        let Role::Leading(leading) = &mut self.leader else {
            return;
        };
        let (ballot, chosen) = (leading.ballot(), self.chosen.end());
        let first = leading.open(decree.clone());
        let decrees = vec![decree.clone()];
        // Proposing says nothing about this node's disk, so the peers write at the same time as it
        // does; its own vote counts after its own sync, as theirs do.
        effects.send(To::Peers, Immediate::Accept { ballot, first, decrees, chosen });
        // Its window was looked at before; and what it counts it must have the decree of.
        let window = Window { chosen, bytes: usize::MAX };
        self.log.on_accept(ballot, first, std::iter::once(decree), window, effects);
    }

    /// Lets this node's acceptor promise.
    fn promise(&mut self, ballot: Ballot, first: Slot, effects: &mut Effects<V>) {
        self.log.on_prepare(ballot, first, self.chosen.end(), &self.limits, effects);
    }

    /// Copies decrees that are known to be chosen, as far as the disk has room for them.
    ///
    /// A leader that proposed something else in such a slot has been superseded: it resigns, as
    /// what it would announce from here on would not be true of its own proposals.
    ///
    /// spec: MultiPaxos!Copy
    fn on_decrees(&mut self, first: Slot, decrees: Vec<Decree<V>>, effects: &mut Effects<V>) {
        if self.is_backlogged() {
            return;
        }
        let mut slot = first;
        for decree in decrees {
            // What lies behind a gap is left out: all that is known of a log is where its chosen
            // prefix ends, and the gap would be taken for chosen.
            if slot == self.chosen.end() {
                let mine =
                    self.log.voted_in(slot).filter(|voted| self.leader.leads() == Some(*voted));
                let superseded = mine.is_some() && self.log.decree(slot) != Some(&decree);
                if !self.log.on_decree(slot, decree, effects) {
                    return;
                }
                // It resigns after the copy: from here on its log is that of the ballot which won.
                if superseded {
                    self.leader = Role::Idle;
                }
                self.chosen.extend_to(slot.next());
                self.log.on_chosen(slot.next());
            } else if slot < self.chosen.end() {
                let known = self.log.decree(slot);
                let agrees = known.is_none_or(|known| *known == decree);
                assert!(agrees, "agreement is broken: two decrees are chosen in slot {slot}");
            }
            slot = slot.next();
        }
    }

    /// Passes over the slots below `slot`, of which a durable state is here in place of decrees; an
    /// older state than this node's is no news.
    ///
    /// Votes at and above the slot stay: others count on them. A leader that waits for votes below
    /// it cannot tell whether what was chosen there is what it proposed. It resigns, as what it
    /// would announce might not be true of its own proposals.
    ///
    /// spec: Snapshot!Install
    fn install(&mut self, slot: Slot) {
        if slot <= self.chosen.end() {
            return;
        }
        if self.leading().is_some_and(|leading| leading.has_open_below(slot)) {
            self.leader = Role::Idle;
        }
        self.chosen.extend_to(slot);
        self.log.on_chosen(slot);
        self.log.forget_below(slot);
        self.durable.on_installed(slot);
    }

    /// Sends what `node` has not answered again, in runs.
    fn resend(&mut self, node: NodeId, effects: &mut Effects<V>) {
        if node == self.me {
            return;
        }
        let to = To::Node(node);
        match &mut self.leader {
            Role::Idle => {}
            Role::Preparing(preparing) => {
                let ballot = preparing.ballot();
                if let Some(first) = preparing.ask_again(node) {
                    effects.claim(to, AfterSync::Prepare { ballot, first });
                }
            }
            Role::Leading(leading) => {
                let (ballot, chosen) = (leading.ballot(), self.chosen.end());
                for (first, decree) in leading.overdue(node) {
                    let decrees = vec![decree];
                    effects.send(to, Immediate::Accept { ballot, first, decrees, chosen });
                }
            }
        }
    }

    /// Says again what is chosen, as every announcement may be lost.
    fn announce(&self, to: To, effects: &mut Effects<V>) {
        if let Some(ballot) = self.leader.leads()
            && to != To::Node(self.me)
        {
            effects.send(to, Immediate::Chosen { ballot, chosen: self.chosen.end() });
        }
    }

    /// Draws the conclusions: the prefix grows, gaps are filled, claims wait or leave.
    fn settle(&mut self, effects: &mut Effects<V>) {
        loop {
            self.conclude(effects);
            let hints = effects.has_records() && effects.has_room_for(0);
            if hints && self.chosen.end() > self.hinted {
                self.hinted = self.chosen.end();
                effects.record(Record::Chosen(self.hinted));
            }
            // A hint saves a restart from asking which slots are chosen. It is written only along
            // with other records, as it is worth no sync of its own.
            self.gate.close(effects);
            self.durable.on_step(self.log.promised(), self.chosen.end(), &self.gate);
            // What this node claims to itself may let it conclude more, and so claim more: around
            // again.
            let Some(own) = self.gate.open(effects) else {
                return self.assert_in_order();
            };
            self.on_bound(self.me, own, effects);
        }
    }

    /// Asserts what holds between two steps.
    fn assert_in_order(&self) {
        let (promised, chosen) = (self.log.promised(), self.chosen.end());
        assert!(self.durable.promised() <= promised, "the disk is ahead of the promise");
        assert!(self.durable.chosen() <= chosen, "the disk is ahead of the chosen prefix");
        assert!(self.log.base() <= self.durable.chosen(), "memory let go of what a crash may lose");
        assert!(self.hinted <= chosen, "a hint told of slots that are not known to be chosen");
        let ballot = self.leader.ballot();
        assert!(ballot.is_none_or(|ballot| ballot >= promised), "it leads below its own promise");
        assert!(ballot.is_none_or(|ballot| ballot <= self.seen), "it leads in a ballot unseen");
    }

    fn conclude(&mut self, effects: &mut Effects<V>) {
        // Its own acceptor follows a higher ballot, so this node votes for another leader.
        if self.leader.ballot().is_some_and(|ballot| ballot < self.log.promised()) {
            self.leader = Role::Idle;
        }
        let before = self.chosen.end();
        self.advance();
        let Role::Leading(leading) = &mut self.leader else {
            return;
        };
        leading.on_prefix(self.chosen.end());
        if self.chosen.end() > before {
            let (ballot, chosen) = (leading.ballot(), self.chosen.end());
            effects.send(To::Peers, Immediate::Chosen { ballot, chosen });
        }
        self.propose_bound(effects);
    }

    fn advance(&mut self) {
        let (leader, configuration) = (&self.leader, &self.configuration);
        self.chosen.advance(&self.log, |slot| match leader {
            Role::Leading(leading) => leading.counted(slot, configuration),
            Role::Idle | Role::Preparing(_) => false,
        });
        self.log.on_chosen(self.chosen.end());
    }

    /// Proposes what phase 1 found, as far as the windows and the room on the disk reach.
    fn propose_bound(&mut self, effects: &mut Effects<V>) {
        while let Role::Leading(leading) = &self.leader
            && self.is_in_window(leading)
            && let Some(decree) = leading.bound_decree()
            && effects.has_room_for(decree.weight())
        {
            self.propose_decree(decree, effects);
        }
    }

    /// Tells whether another slot may be opened: in the window of slots, in that of bytes, and
    /// while the disk follows.
    fn is_in_window(&self, leading: &Leader<V>) -> bool {
        leading.next() < self.chosen.end().plus(self.alpha)
            && (!leading.has_open() || leading.open_bytes() < self.limits.unchosen_bytes)
            && !self.is_backlogged()
    }
}
