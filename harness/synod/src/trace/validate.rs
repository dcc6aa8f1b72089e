//! The search for an order: greedy, with the messages filled in.
//!
//! Why it is complete is in the documentation of the module above. Here is how: one walker for
//! each journal, all of them telling one [`Conformance`] what happens. The claim kept true: what is
//! explained is a behaviour that the conformance took step by step; nothing is skipped.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use synod_paxos::{
    AfterSync, Ballot, Configuration, ConfigurationError, Decree, Immediate, Message as Paxos,
    NodeId, Report, Slot, To, Vote,
};
use synod_smr::wire::JournalRecord;
use synod_smr::{CommandBatch, Message, Record};

use super::NodeJournal;
use super::static_checks::{self, Contradiction};
use crate::spec::conformance::{Conformance, Deviation};

/// Finds an order of the journals' records that is a behaviour of the specification.
///
/// The nodes of the journals are taken to be all voters, and majorities to be quorums.
///
/// # Errors
///
/// Fails where there is no such order, with the reason for each node; see the module for what is
/// not seen.
///
/// ```
/// use synod_paxos::{Ballot, NodeId};
/// use synod_simulated::trace::{NodeJournal, explain};
/// use synod_smr::Record;
/// use synod_smr::wire::JournalRecord;
///
/// let promise = JournalRecord::Replica(Record::Promised(Ballot::new(1, NodeId::new(1))));
/// let journal = |node, records| NodeJournal { node: NodeId::new(node), records };
/// let (empty, asked) = (journal(1, vec![]), journal(1, vec![promise.clone()]));
/// let promised = journal(2, vec![promise]);
/// explain(&[promised.clone(), asked])?;
/// assert!(explain(&[promised, empty]).is_err(), "node 1 never asked for it");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn explain(journals: &[NodeJournal]) -> Result<Explained, Unexplained> {
    let voters = Configuration::majority(journals.iter().map(|journal| journal.node))?;
    // These come first, as they name two records that cannot both be; the search can only say where
    // it stopped.
    static_checks::check_facts(&voters, journals)?;
    let mut search = Search::new(&voters, journals);
    loop {
        while search.advance() {}
        let blocked = search.blocked();
        if blocked.is_empty() {
            return Ok(search.conclude(journals));
        }
        if !search.promise_again() {
            return Err(Unexplained::Blocked(blocked));
        }
    }
}

/// How many records of each kind a journal holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Starts of the node.
    pub lives: u64,
    /// What nodes remember of their peers.
    pub peers: u64,
    /// Promises.
    pub promised: u64,
    /// Votes.
    pub accepted: u64,
    /// Copies.
    pub learned: u64,
    /// Chosen prefixes.
    pub chosen: u64,
    /// Snapshots that stand for what is below them.
    pub snapshots: u64,
}

impl Counts {
    fn of(journal: &NodeJournal) -> Self {
        let mut counts = Self::default();
        for record in &journal.records {
            let count = match record {
                JournalRecord::Incarnation(_) => &mut counts.lives,
                JournalRecord::Peer(..) => &mut counts.peers,
                JournalRecord::Snapshot(_) => &mut counts.snapshots,
                JournalRecord::Replica(Record::Promised(_)) => &mut counts.promised,
                JournalRecord::Replica(Record::Accepted { .. }) => &mut counts.accepted,
                JournalRecord::Replica(Record::Learned { .. }) => &mut counts.learned,
                JournalRecord::Replica(Record::Chosen(_)) => &mut counts.chosen,
            };
            *count += 1;
        }
        counts
    }

    /// Returns how many records that is.
    #[must_use]
    pub const fn records(&self) -> u64 {
        let records = self.promised + self.accepted + self.learned + self.chosen;
        self.lives + self.peers + self.snapshots + records
    }
}

/// Journals that the specification explains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// What each journal holds.
    pub nodes: BTreeMap<NodeId, Counts>,
    /// How many ballots were promised or voted in.
    pub ballots: usize,
    /// How many slots have a chosen decree.
    pub slots: usize,
    /// How often each action was taken, messages that were filled in included.
    pub actions: BTreeMap<&'static str, u64>,
    /// How many promises had to be given again to tell of a copy.
    pub repeated: u64,
}

impl Explained {
    /// Returns how many records were explained.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.nodes.values().map(Counts::records).sum()
    }
}

impl fmt::Display for Explained {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (node, counts) in &self.nodes {
            let Counts { lives, peers, promised, accepted, learned, chosen, snapshots } = counts;
            writeln!(
                formatter,
                "node {node}: {} records: {lives} lives, {peers} peers, {promised} promises, \
                 {accepted} votes, {learned} copies, {chosen} hints, {snapshots} snapshots",
                counts.records()
            )?;
        }
        let actions: Vec<_> =
            self.actions.iter().map(|(name, count)| format!("{count} {name}")).collect();
        writeln!(formatter, "actions: {}", actions.join(", "))?;
        write!(
            formatter,
            "{} records explained: {} ballots, {} slots chosen, {} promises repeated",
            self.records(),
            self.ballots,
            self.slots,
            self.repeated
        )
    }
}

/// Why journals are no trace of the specification; the fault of the nodes that wrote them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unexplained {
    /// The nodes cannot be voters.
    #[error("these nodes are no configuration: {0}")]
    Voters(#[from] ConfigurationError),
    /// No order at all makes the records true.
    #[error(transparent)]
    Contradiction(#[from] Contradiction),
    /// No node's next record can be taken.
    #[error("no order explains the journals:{}", lines(.0))]
    Blocked(Vec<Blocked>),
}

/// The record at which a node's journal cannot be followed any further.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("record {at} of {of} of node {node}, {record}: {breach}")]
pub struct Blocked {
    /// The node.
    pub node: NodeId,
    /// Which of its records it is, counted from 0.
    pub at: usize,
    /// How many records its journal holds.
    pub of: usize,
    /// The record, in a few words.
    pub record: String,
    /// The guard that fails.
    pub breach: Deviation,
}

fn lines(blocked: &[Blocked]) -> String {
    blocked.iter().map(|blocked| format!("\n  {blocked}")).collect()
}

fn show(record: &JournalRecord) -> String {
    match record {
        JournalRecord::Incarnation(life) => format!("life {life}"),
        JournalRecord::Peer(peer, _) => format!("what is known of node {peer}"),
        JournalRecord::Snapshot(slot) => format!("a snapshot of all below slot {slot}"),
        JournalRecord::Replica(Record::Promised(ballot)) => format!("a promise of {ballot}"),
        JournalRecord::Replica(Record::Accepted { ballot, slot, .. }) => {
            format!("a vote in {ballot} for slot {slot}")
        }
        JournalRecord::Replica(Record::Learned { slot, .. }) => format!("a copy of slot {slot}"),
        JournalRecord::Replica(Record::Chosen(end)) => format!("the hint {end}"),
    }
}

/// What a Promise lists.
type Reports = Vec<(Slot, Report<CommandBatch>)>;

/// Journals on their way into a conformance.
struct Search<'j> {
    conformance: Conformance,
    walkers: Vec<Walker<'j>>,
    /// By ballot: slots copied by a node after it had promised the ballot, lowest first.
    later: BTreeMap<Ballot, BTreeMap<(Slot, NodeId), &'j Decree<CommandBatch>>>,
    repeated: u64,
}

/// One journal, as far as it is taken.
struct Walker<'j> {
    node: NodeId,
    records: &'j [JournalRecord],
    next: usize,
    promised: Ballot,
    hinted: Slot,
    /// What a promise would report: the last record of each slot from the hint on.
    held: BTreeMap<Slot, Report<CommandBatch>>,
    breach: Option<Deviation>,
}

impl<'j> Search<'j> {
    fn new(voters: &Configuration, journals: &'j [NodeJournal]) -> Self {
        let walker = |journal: &'j NodeJournal| Walker {
            node: journal.node,
            records: &journal.records,
            next: 0,
            promised: Ballot::ZERO,
            hinted: Slot::FIRST,
            held: BTreeMap::new(),
            breach: None,
        };
        Self {
            conformance: Conformance::new(voters),
            walkers: journals.iter().map(walker).collect(),
            later: BTreeMap::new(),
            repeated: 0,
        }
    }

    /// Takes what can be taken of each journal in turn; tells whether that was anything.
    fn advance(&mut self) -> bool {
        let mut any = false;
        for at in 0..self.walkers.len() {
            while let Some(record) = self.walkers[at].records.get(self.walkers[at].next) {
                let done = match record {
                    JournalRecord::Incarnation(_)
                    | JournalRecord::Peer(..)
                    | JournalRecord::Snapshot(_) => Ok(()),
                    JournalRecord::Replica(record) => self.take(at, record),
                };
                if let Err(breach) = done {
                    self.walkers[at].breach = Some(breach);
                    break;
                }
                self.walkers[at].next += 1;
                any = true;
            }
        }
        any
    }

    /// Takes the next record of a journal, with the messages that it needs and brings about.
    fn take(&mut self, at: usize, record: &'j Record) -> Result<(), Deviation> {
        let node = self.walkers[at].node;
        // No journal tells of a proposal: that it was made shows in the votes for it, and the first
        // of them stands for it.
        if let Record::Accepted { ballot, slot, decree } = record {
            propose(&mut self.conformance, (*ballot, *slot), decree)?;
        }
        self.conformance.on_durable(node, std::slice::from_ref(record))?;
        match record {
            Record::Promised(ballot) => self.promise(at, *ballot)?,
            Record::Accepted { ballot, slot, decree } => {
                self.promise(at, *ballot)?;
                let vote = Vote { ballot: *ballot, decree: decree.clone() };
                self.walkers[at].held.insert(*slot, Report::Voted(vote));
                self.count(*ballot, *slot, decree);
            }
            Record::Learned { slot, decree } => {
                self.walkers[at].held.insert(*slot, Report::Chosen(decree.clone()));
                let later = self.later.entry(self.walkers[at].promised).or_default();
                later.insert((*slot, node), decree);
            }
            Record::Chosen(end) => self.walkers[at].hint(*end),
        }
        Ok(())
    }

    /// Fills in the Promise of a node that came to a ballot: what it held before this record.
    fn promise(&mut self, at: usize, ballot: Ballot) -> Result<(), Deviation> {
        let walker = &mut self.walkers[at];
        if ballot <= walker.promised {
            return Ok(());
        }
        walker.promised = ballot;
        if ballot.node() == walker.node {
            return Ok(()); // The conformance fills in what a candidate promises itself.
        }
        let reports: Reports =
            walker.held.range(walker.hinted..).map(|(slot, said)| (*slot, said.clone())).collect();
        let (first, end, chosen) = (Slot::FIRST, None, walker.hinted);
        let promise = AfterSync::Promise { ballot, first, end, chosen, reports };
        let message = Message::Paxos(Paxos::AfterSync(promise));
        self.conformance.on_sent(walker.node, &To::Node(ballot.node()), &message)
    }

    /// Lets the owner of a ballot count the votes in a slot, if they are a quorum.
    fn count(&mut self, ballot: Ballot, slot: Slot, decree: &Decree<CommandBatch>) {
        if self.conformance.chosen(slot) == Some(decree) {
            // It is refused where a lower ballot chose the decree and this one has too few votes.
            drop(self.conformance.on_learned(ballot.node(), slot, decree));
        }
    }

    /// Lists where each journal stands that is not at its end.
    fn blocked(&self) -> Vec<Blocked> {
        let blocked = |walker: &Walker<'_>| {
            let record = walker.records.get(walker.next)?;
            Some(Blocked {
                node: walker.node,
                at: walker.next,
                of: walker.records.len(),
                record: show(record),
                breach: walker.breach.clone()?,
            })
        };
        self.walkers.iter().filter_map(blocked).collect()
    }

    /// Lets promises be given again that tell of copies, if that lets a proposal pass.
    fn promise_again(&mut self) -> bool {
        (0..self.walkers.len()).any(|at| {
            let Some((ballot, slot, decree)) = self.walkers[at].wanted() else { return false };
            self.later.contains_key(&ballot) && {
                self.propose_ahead(ballot);
                self.justify(ballot, slot, decree)
            }
        })
    }

    /// Fills in all proposals of a ballot that are allowed already: those that tell of a value are
    /// allowed while promises tell least.
    fn propose_ahead(&mut self, ballot: Ballot) {
        for record in self.walkers.iter().flat_map(|walker| &walker.records[walker.next..]) {
            if let JournalRecord::Replica(Record::Accepted { ballot: of, slot, decree }) = record
                && *of == ballot
            {
                drop(propose(&mut self.conformance, (ballot, *slot), decree));
            }
        }
    }

    /// Tells of one copy after the other, from `slot` on, until the proposal is allowed.
    fn justify(&mut self, ballot: Ballot, slot: Slot, decree: &Decree<CommandBatch>) -> bool {
        let Some(later) = self.later.get(&ballot) else { return false };
        // What is tried in vain must leave no trace in what is told.
        let mut conformance = self.conformance.clone();
        let mut told = BTreeSet::new();
        for ((copied, node), known) in later.range((slot, NodeId::new(0))..) {
            // A value is allowed by what is told of its own slot. Only a gap needs a later slot to
            // be told.
            if *copied > slot && *decree != Decree::Noop {
                break;
            }
            let reports: Reports = vec![(*copied, Report::Chosen((*known).clone()))];
            let (first, end, chosen) = (*copied, Some(copied.next()), Slot::FIRST);
            let promise = AfterSync::Promise { ballot, first, end, chosen, reports };
            let message = Message::Paxos(Paxos::AfterSync(promise));
            let sent = conformance.on_sent(*node, &To::Node(ballot.node()), &message);
            if sent.is_ok() {
                told.insert((*copied, *node));
            }
            if propose(&mut conformance, (ballot, slot), decree).is_ok() {
                self.conformance = conformance;
                self.repeated += told.len() as u64;
                if let Some(later) = self.later.get_mut(&ballot) {
                    later.retain(|copy, _| !told.contains(copy));
                }
                return true;
            }
        }
        false
    }

    fn conclude(&self, journals: &[NodeJournal]) -> Explained {
        let (mut ballots, mut slots) = (BTreeSet::new(), BTreeSet::new());
        for record in journals.iter().flat_map(|journal| &journal.records) {
            match record {
                JournalRecord::Replica(Record::Promised(ballot)) => {
                    ballots.insert(*ballot);
                }
                JournalRecord::Replica(Record::Accepted { ballot, slot, .. }) => {
                    ballots.insert(*ballot);
                    slots.insert(*slot);
                }
                JournalRecord::Replica(Record::Learned { .. } | Record::Chosen(_))
                | JournalRecord::Incarnation(_)
                | JournalRecord::Peer(..)
                | JournalRecord::Snapshot(_) => {}
            }
        }
        slots.retain(|slot| self.conformance.chosen(*slot).is_some());
        Explained {
            nodes: journals.iter().map(|journal| (journal.node, Counts::of(journal))).collect(),
            ballots: ballots.len(),
            slots: slots.len(),
            actions: self.conformance.actions(),
            repeated: self.repeated,
        }
    }
}

impl<'j> Walker<'j> {
    /// Takes note of a chosen prefix: promises report nothing below it.
    fn hint(&mut self, end: Slot) {
        if self.hinted < end {
            self.hinted = end;
            self.held = self.held.split_off(&end);
        }
    }

    /// Returns the proposal that the next record is a vote for.
    fn wanted(&self) -> Option<(Ballot, Slot, &'j Decree<CommandBatch>)> {
        match self.records.get(self.next)? {
            JournalRecord::Replica(Record::Accepted { ballot, slot, decree }) => {
                Some((*ballot, *slot, decree))
            }
            JournalRecord::Replica(
                Record::Promised(_) | Record::Learned { .. } | Record::Chosen(_),
            )
            | JournalRecord::Incarnation(_)
            | JournalRecord::Peer(..)
            | JournalRecord::Snapshot(_) => None,
        }
    }
}

/// Fills in the Accept of one proposal.
fn propose(
    conformance: &mut Conformance,
    (ballot, first): (Ballot, Slot),
    decree: &Decree<CommandBatch>,
) -> Result<(), Deviation> {
    let decrees = vec![decree.clone()];
    let accept = Immediate::Accept { ballot, first, decrees, chosen: Slot::FIRST };
    conformance.on_sent(ballot.node(), &To::Peers, &Message::Paxos(Paxos::Immediate(accept)))
}
