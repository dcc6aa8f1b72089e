//! Tier (a) of trace validation: every event of a run is an action of `MultiPaxos!Next`.
//!
//! A [`Conformance`] holds the state of `paxos/spec/MultiPaxos.tla` for a whole cluster of real
//! replicas. It is told what becomes durable, what leaves a node, and what a node treats as
//! chosen; it finds the action that this is, checks its guards in the state so far, and takes it.
//! An event that is no enabled action is a [`Deviation`], and is not taken.
//!
//! # When an event counts
//!
//! The acceptors' state in the specification is what is DURABLE (`SynodDurable` says why), so
//! records speak and memory does not: a promise or a vote happens when its record is synced, or is
//! found by the recovery. A message happens when it leaves the outbox. So the driver calls
//! [`Conformance::on_durable`] before it steps the replica with the proof of the sync,
//! [`Conformance::on_recovered`] before anything else of a node's next life, and
//! [`Conformance::on_sent`] for all of an outbox before any of it arrives. In detail:
//!
//! | event | action | whose guards |
//! |---|---|---|
//! | `Record::Promised(b)` at b's owner | `Phase1a`, `Phase1b` | b is fresh; no message says so |
//! | `Record::Promised(b)` elsewhere | `Phase1b` | b was asked for, the promise grows |
//! | `Record::Accepted` | `Phase2b` | what is voted for was proposed, and not below the promise |
//! | `Record::Learned` | `Copy` | it is chosen |
//! | `Record::Chosen` | those that learn | all below is chosen, and on this disk |
//! | `Prepare` leaves | none: it says that `Phase1a` was | b is the sender's, and on its disk |
//! | `Promise` leaves | none, or a late `Phase1b` | it tells the votes on the sender's disk |
//! | `Accept` leaves | `Phase2a`, `Announce` | a quorum of promises, and what they allow |
//! | `Accepted` leaves | none: it says that `Phase2b` was | the votes are on the sender's disk |
//! | `Chosen` leaves | `Announce` | what the ballot proposed below is what was chosen |
//! | `Heartbeat`, `Decrees` leave | those that learn | promises durable, decrees chosen |
//!
//! Where a leader crashed and its own vote is all that is left of a proposal, the vote's record is
//! `Phase2a`, too. A repetition of what was taken already is a step that changes nothing: messages
//! are sent again, and a recovery reads all records since a node's birth.
//!
//! # What is no action
//!
//! Loss, delay, repetition and reordering: the network of the specification is a set that only
//! grows. A crash: it takes away what was not durable, and that was never taken in here. What a
//! node knew to be chosen it may forget, and learn again, which changes nothing. So this follows
//! the specification where `Torn` is true: a promise may call fewer slots chosen than its sender
//! knew, and tells of a copy above them (`Report::Chosen`) as of a vote in a ballot above all. A
//! candidate's own promise, which no message shows, calls chosen what its disk says is.
//!
//! # Where it is looser than the specification
//!
//! - A promise that is cut is as good as its parts: votes below a promised ballot are final.
//! - A node learns by any road that is open to it: which one it took, no message shows.
//!
//! # Costs
//!
//! An event costs a few look-ups in a tree of slots, which comes to well under a microsecond.
//! Memory grows by a few hundred bytes a slot and by what each decree takes.

mod ballots;
mod deviation;
mod heard;
mod learning;
mod phases;
mod promise;
mod slots;

use synod_paxos::{AfterSync, Ballot, Configuration, Decree, Immediate, NodeId, Slot, Tally, To};
use synod_smr::{CommandBatch, Message, Record};

pub use deviation::{Action, Deviation};

use ballots::BallotState;
use deviation::{Failed, fails};
use heard::Heard;
use slots::{Place, SlotState};
use std::collections::BTreeMap;

/// The state of the specification for one cluster, and how often each action was taken.
///
/// ```
/// use synod_paxos::{Ballot, Configuration, NodeId};
/// use synod_simulated::spec::conformance::Conformance;
/// use synod_smr::Record;
///
/// let nodes = [1, 2, 3].map(NodeId::new);
/// let mut conformance = Conformance::new(&Configuration::majority(nodes)?);
/// let ballot = Ballot::new(1, nodes[0]);
/// let promise = [Record::Promised(ballot)];
/// let breach = conformance.on_durable(nodes[1], &promise).unwrap_err();
/// assert_eq!(breach.guard, "b \\in prepares", "nobody asked for it");
/// conformance.on_durable(nodes[0], &promise)?;
/// conformance.on_durable(nodes[1], &promise)?;
/// assert_eq!(conformance.actions()["Phase1b"], 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Conformance {
    voters: Vec<NodeId>,
    /// How many voters are a quorum of phase 1, and of phase 2.
    quorums: (usize, usize),
    acceptors: Vec<Acceptor>,
    ballots: BTreeMap<Ballot, BallotState>,
    slots: BTreeMap<Slot, SlotState>,
    /// The first slot in which nothing is chosen.
    chosen_end: Slot,
    /// What nodes heard, where that is told: then it alone counts for them.
    heard: Option<Heard>,
    /// Counts the promises, votes and copies.
    clock: u64,
    taken: [u64; Action::ALL.len()],
}

/// What the specification holds of one acceptor besides its votes.
#[derive(Clone, Debug)]
struct Acceptor {
    /// `promised[a]`; the ballot zero stands for none.
    promised: Ballot,
    /// All that `promised[a]` ever was, and since when.
    promises: BTreeMap<Ballot, u64>,
    /// All slots below are learned.
    learned_end: Slot,
    /// The chosen prefix that its disk tells of.
    hinted: Slot,
    /// Its own ballots up to here were of lives that are over.
    retired: Ballot,
}

impl Conformance {
    /// Begins where `MultiPaxos!Init` does: nobody promised, proposed or voted anything.
    #[must_use]
    pub fn new(voters: &Configuration) -> Self {
        let nodes = voters.voters().to_vec();
        let smallest = |is_quorum: &dyn Fn(&Tally) -> bool| {
            // Quorums are counted, so that the first voters stand for any others.
            let tally = |count| nodes.iter().copied().take(count).collect::<Tally>();
            let sizes = 1..=nodes.len();
            sizes.into_iter().find(|count| is_quorum(&tally(*count))).unwrap_or(nodes.len())
        };
        let phase1 = smallest(&|tally| voters.is_phase1_quorum(tally));
        let phase2 = smallest(&|tally| voters.is_phase2_quorum(tally));
        let acceptor = Acceptor {
            promised: Ballot::ZERO,
            promises: BTreeMap::new(),
            learned_end: Slot::FIRST,
            hinted: Slot::FIRST,
            retired: Ballot::ZERO,
        };
        Self {
            quorums: (phase1, phase2),
            acceptors: vec![acceptor; nodes.len()],
            voters: nodes,
            ballots: BTreeMap::new(),
            slots: BTreeMap::new(),
            chosen_end: Slot::FIRST,
            heard: None,
            clock: 0,
            taken: [0; Action::ALL.len()],
        }
    }

    /// Lets a promise count for a candidate, and a vote for a leader, only once it heard of it, as
    /// [`Self::on_heard`] tells: what is on its way may be lost, and justifies nothing.
    #[must_use]
    pub fn where_hearing_is_told(self) -> Self {
        Self { heard: Some(Heard::default()), ..self }
    }

    /// Takes in that a node took a claim of another one in.
    ///
    /// # Errors
    ///
    /// Fails if it was never so.
    pub fn on_heard(
        &mut self,
        node: NodeId,
        from: NodeId,
        message: &Message,
    ) -> Result<(), Deviation> {
        let (by, of) = (self.place(node)?, self.place(from)?);
        let Message::Paxos(synod_paxos::Message::AfterSync(bound)) = message else {
            return Ok(());
        };
        let done = match bound {
            AfterSync::Prepare { .. } => Ok(()),
            AfterSync::Promise { ballot, first, end, chosen, reports } => {
                let part = ballots::PromisePart::new(*first, *end, *chosen);
                self.promise_heard(of, *ballot, part, reports)
            }
            AfterSync::Accepted { ballot, first, end } => {
                self.votes_heard((by, of), *ballot, *first..*end)
            }
        };
        done.map_err(|failed| breach(from, failed))
    }

    /// Takes in records of a node that are durable: just synced, or found by a recovery.
    ///
    /// # Errors
    ///
    /// Fails at the first record that is no enabled action; those before it are taken.
    pub fn on_durable(&mut self, node: NodeId, records: &[Record]) -> Result<(), Deviation> {
        let place = self.place(node)?;
        let mut records = records.iter();
        records
            .try_for_each(|record| self.record(place, record))
            .map_err(|failed| breach(node, failed))
    }

    fn record(&mut self, place: Place, record: &Record) -> Result<(), Failed> {
        match record {
            Record::Promised(ballot) => self.promised(place, *ballot),
            Record::Accepted { ballot, slot, decree } => {
                self.voted(place, (*ballot, *slot), decree)
            }
            Record::Learned { slot, decree } => self.copied(place, *slot, decree),
            Record::Chosen(end) => self.hinted(place, *end),
        }
    }

    /// Takes in that a durable state stands at a node for all slots below `state_at`: it knows what
    /// is chosen there as if it had copied it, and need not hold it.
    ///
    /// # Errors
    ///
    /// Fails where something below is not chosen.
    pub fn on_state(&mut self, node: NodeId, state_at: Slot) -> Result<(), Deviation> {
        let place = self.place(node)?;
        let known = self.knows(Action::Copy, place, state_at);
        known.map_err(|failed| breach(node, failed))?;
        let hinted = &mut self.acceptors[place].hinted;
        *hinted = state_at.max(*hinted);
        Ok(())
    }

    /// Takes in all records that the recovery of a node found above its state, and that its life
    /// before is over.
    ///
    /// Those that were told before change nothing. Beyond what [`Self::on_durable`] does with the
    /// others it checks that nothing durable is missing, and from then on that the node leads no
    /// ballot of a life that is over.
    ///
    /// # Errors
    ///
    /// Fails as `on_durable` does, and where a promise or a vote that was durable is lost.
    pub fn on_recovered(
        &mut self,
        node: NodeId,
        state_at: Slot,
        records: &[Record],
    ) -> Result<(), Deviation> {
        let place = self.place(node)?;
        self.on_state(node, state_at)?;
        self.kept(place, state_at, records).map_err(|failed| breach(node, failed))?;
        let mut copies: BTreeMap<Slot, usize> = BTreeMap::new();
        for record in records {
            if let Record::Learned { slot, .. } = record {
                let found = copies.entry(*slot).or_default();
                *found += 1;
                if self.slots.get(slot).is_some_and(|state| *found <= state.copies(place)) {
                    continue;
                }
            }
            self.record(place, record).map_err(|failed| breach(node, failed))?;
        }
        let acceptor = &mut self.acceptors[place];
        let own = acceptor.promises.keys().rev().find(|ballot| ballot.node() == node);
        acceptor.retired = own.copied().unwrap_or(Ballot::ZERO);
        Ok(())
    }

    /// Takes in that a message left the outbox of a node, whether or not it arrives anywhere.
    ///
    /// # Errors
    ///
    /// Fails if the message is no enabled action, or says something that is not true.
    pub fn on_sent(&mut self, from: NodeId, _to: &To, message: &Message) -> Result<(), Deviation> {
        let place = self.place(from)?;
        let done = match message {
            Message::Paxos(synod_paxos::Message::AfterSync(bound)) => self.claimed(place, bound),
            Message::Paxos(synod_paxos::Message::Immediate(free)) => self.sent(place, free),
            Message::Heartbeat(beat) => self.beat(place, beat),
            Message::Decrees { first, decrees, chosen } => {
                self.handed_on(place, *first, decrees, *chosen)
            }
            Message::Confirmed { promised, .. } => self.echoed(place, *promised),
            Message::Confirm { .. }
            | Message::Fetch { .. }
            | Message::FetchSnapshot { .. }
            | Message::Snapshot(_)
            | Message::Known(_) => Ok(()),
        };
        done.map_err(|failed| breach(from, failed))
    }

    /// Takes in that a node treats `decree` as the one that is chosen in `slot`.
    ///
    /// # Errors
    ///
    /// Fails if it is not, or if the node cannot have come to know it.
    pub fn on_learned(
        &mut self,
        node: NodeId,
        slot: Slot,
        decree: &Decree<CommandBatch>,
    ) -> Result<(), Deviation> {
        let place = self.place(node)?;
        let done =
            self.is_chosen(Action::Choose, slot, decree).and_then(|()| self.learn(place, slot));
        done.map_err(|failed| breach(node, failed))
    }

    /// Returns the decree that a quorum durably voted for in one ballot.
    #[must_use]
    pub fn chosen(&self, slot: Slot) -> Option<&Decree<CommandBatch>> {
        self.slots.get(&slot)?.chosen_decree()
    }

    /// Counts the actions taken, by name; those that were never taken count zero.
    #[must_use]
    pub fn actions(&self) -> BTreeMap<&'static str, u64> {
        Action::ALL.iter().map(|action| (action.name(), self.taken[*action as usize])).collect()
    }

    fn claimed(&mut self, place: Place, bound: &AfterSync<CommandBatch>) -> Result<(), Failed> {
        match bound {
            AfterSync::Prepare { ballot, first: _ } => self.asked(place, *ballot),
            AfterSync::Promise { ballot, first, end, chosen, reports } => {
                let part = ballots::PromisePart::new(*first, *end, *chosen);
                self.told(place, *ballot, part, reports)
            }
            AfterSync::Accepted { ballot, first, end } => {
                self.answered(place, *ballot, *first..*end)
            }
        }
    }

    fn sent(&mut self, place: Place, free: &Immediate<CommandBatch>) -> Result<(), Failed> {
        match free {
            Immediate::Accept { ballot, first, decrees, chosen } => {
                let mut slot = *first;
                for decree in decrees {
                    self.proposed(place, (*ballot, slot), decree)?;
                    slot = slot.next();
                }
                self.announced(place, *ballot, *chosen)
            }
            Immediate::Chosen { ballot, chosen } => self.announced(place, *ballot, *chosen),
            Immediate::Nack { .. } => Ok(()),
        }
    }

    /// Finds a node among the voters; others take no part.
    fn place(&self, node: NodeId) -> Result<Place, Deviation> {
        let place = self.voters.binary_search(&node);
        place.map_err(|_| {
            let found = format!("node {node} is none of {:?}", self.voters);
            breach(node, (Action::Phase1b, "a \\in Acceptor", found))
        })
    }

    /// Checks that a ballot is the node's own.
    fn owns(&self, action: Action, place: Place, ballot: Ballot) -> Result<(), Failed> {
        if ballot.node() == self.voters[place] {
            return Ok(());
        }
        fails(action, "a = Owner[b]", format!("ballot {ballot} belongs to node {}", ballot.node()))
    }

    const fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    const fn take(&mut self, action: Action) {
        self.taken[action as usize] += 1;
    }
}

fn breach(node: NodeId, (action, guard, found): Failed) -> Deviation {
    Deviation { node, action, guard, found }
}
