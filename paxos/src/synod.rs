//! The Synod protocol for one decree: the three roles in one node, behind one `step`.
//!
//! This is "Paxos Made Simple" (2001), section 2, as it stands. It leaves to its driver the disk,
//! the network, and when to try again. The claim kept true: all nodes that learn a decree learn the
//! same one. The log of `multi` runs the same roles once a slot, with one ballot for all slots.

use crate::acceptor::Acceptor;
use crate::ballot::{Ballot, NodeId};
use crate::effects::{CoreId, Effects, Gate, Record, Synced};
use crate::learner::Learner;
use crate::message::{AfterSync, Immediate, Message, To};
use crate::multi::decree::{Decree, Value};
use crate::multi::slot::Slot;
use crate::proposer::Proposer;
use crate::quorum::Configuration;

/// What can happen to a node of the Synod protocol.
#[derive(Debug)]
pub enum SynodInput<V> {
    /// A message came.
    Message {
        /// The sender, as the transport proved it.
        from: NodeId,
        /// The message.
        message: Message<V>,
    },
    /// Somebody here wants this value chosen, in a ballot above all that this node has seen.
    Propose(V),
    /// A batch is durable.
    Synced(Synced),
}

/// One node of the Synod protocol.
///
/// ```
/// use synod_paxos::{Synod, SynodInput};
/// use synod_paxos::{CoreId, Configuration, Decree, Effects, NodeId};
///
/// // A cluster of one: it promises to itself, votes for itself, and chooses.
/// let me = NodeId::new(1);
/// let core_id = CoreId { node: me, incarnation: 1 };
/// let mut effects = Effects::new(core_id);
/// let mut node = Synod::new(core_id, Configuration::majority([me])?);
/// node.step(SynodInput::Propose("x"), &mut effects);
/// while let Some(batch) = effects.take_batch() {
///     // A real driver writes and syncs `batch.records()` here.
///     node.step(SynodInput::Synced(batch.confirm_synced()), &mut effects);
/// }
/// assert_eq!(node.learned(), Some(&Decree::Value("x")));
/// # Ok::<(), synod_paxos::ConfigurationError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Synod<V: Value> {
    me: NodeId,
    configuration: Configuration,
    acceptor: Acceptor<V>,
    proposer: Proposer<V>,
    learned: Option<Decree<V>>,
    /// The highest ballot heard of.
    seen: Ballot,
    gate: Gate<V>,
}

impl<V: Value> Synod<V> {
    /// Makes a node that has never run.
    #[must_use]
    pub fn new(core_id: CoreId, configuration: Configuration) -> Self {
        Self::recover(core_id, configuration, [])
    }

    /// Makes the node that wrote these records, after a restart.
    ///
    /// It never uses a ballot again that it promised, so none that it proposed in.
    #[must_use]
    pub fn recover(
        core_id: CoreId,
        configuration: Configuration,
        records: impl IntoIterator<Item = Record<V>>,
    ) -> Self {
        let mut acceptor = Acceptor::new();
        for record in records {
            acceptor.on_record(record);
        }
        Self {
            me: core_id.node,
            configuration,
            seen: acceptor.promised().ballot(),
            acceptor,
            proposer: Proposer::Idle,
            learned: None,
            gate: Gate::new(core_id),
        }
    }

    /// Takes one input to completion.
    pub fn step(&mut self, input: SynodInput<V>, effects: &mut Effects<V>) {
        match input {
            SynodInput::Message { from, message } => self.on_message(from, message, effects),
            SynodInput::Propose(value) => self.propose(value, effects),
            SynodInput::Synced(proof) => self.gate.on_synced(&proof),
        }
        loop {
            self.gate.close(effects);
            let Some(own) = self.gate.open(effects) else {
                return;
            };
            self.on_message(self.me, Message::AfterSync(own), effects);
        }
    }

    /// Returns the decree, once this node knows it to be chosen.
    #[must_use]
    pub const fn learned(&self) -> Option<&Decree<V>> {
        self.learned.as_ref()
    }

    /// Returns the acceptor.
    #[must_use]
    pub const fn acceptor(&self) -> &Acceptor<V> {
        &self.acceptor
    }

    /// Returns the proposer.
    #[must_use]
    pub const fn proposer(&self) -> &Proposer<V> {
        &self.proposer
    }

    /// Begins a ballot of its own, and promises it to itself first.
    ///
    /// spec: Synod!Phase1a
    fn propose(&mut self, value: V, effects: &mut Effects<V>) {
        // All that it has promised is seen, also over a restart, so that no ballot of it comes
        // twice.
        let ballot = self.seen.next(self.me);
        self.seen = ballot;
        self.proposer.prepare(ballot, Decree::Value(value));
        // Its own promise first, so that what is claimed to the peers waits for its record.
        self.acceptor.on_prepare(ballot, effects);
        effects.claim(To::Peers, AfterSync::Prepare { ballot, first: Slot::FIRST });
    }

    fn on_message(&mut self, from: NodeId, message: Message<V>, effects: &mut Effects<V>) {
        match message {
            Message::AfterSync(AfterSync::Prepare { ballot, .. }) => {
                self.seen = self.seen.max(ballot);
                self.acceptor.on_prepare(ballot, effects);
            }
            Message::AfterSync(AfterSync::Promise { ballot, reports, .. }) => {
                let configuration = &self.configuration;
                let proposed =
                    self.proposer.on_promise(from, ballot, reports, configuration, effects);
                if let Some((ballot, decree)) = proposed {
                    self.acceptor.on_accept(ballot, decree, effects);
                }
            }
            Message::AfterSync(AfterSync::Accepted { ballot, .. }) => {
                self.on_accepted(from, ballot, effects);
            }
            Message::Immediate(Immediate::Accept { ballot, decrees, .. }) => {
                self.seen = self.seen.max(ballot);
                for decree in decrees {
                    self.acceptor.on_accept(ballot, decree, effects);
                }
            }
            Message::Immediate(Immediate::Chosen { ballot, .. }) => self.on_chosen(ballot),
            Message::Immediate(Immediate::Nack { promised, .. }) => {
                self.seen = self.seen.max(promised)
            }
        }
    }

    fn on_accepted(&mut self, from: NodeId, ballot: Ballot, effects: &mut Effects<V>) {
        let Proposer::Accepting(learner) = &mut self.proposer else {
            return;
        };
        if self.learned.is_none() && learner.on_accepted(from, ballot, &self.configuration) {
            self.learned = Some(learner.decree().clone());
            let (ballot, chosen) = (learner.ballot(), Slot::FIRST.next());
            effects.send(To::Peers, Immediate::Chosen { ballot, chosen });
        }
    }

    /// Learns its own vote, if that was cast in exactly the ballot whose decree is chosen.
    fn on_chosen(&mut self, ballot: Ballot) {
        let vote = self.acceptor.vote().filter(|vote| vote.ballot == ballot);
        if let Some(vote) = vote {
            self.learned = Some(vote.decree.clone());
        }
    }

    /// Returns the learner of the running proposal, if there is one.
    #[must_use]
    pub const fn learner(&self) -> Option<&Learner<V>> {
        match &self.proposer {
            Proposer::Accepting(learner) => Some(learner),
            Proposer::Idle | Proposer::Preparing { .. } => None,
        }
    }
}
