//! One step of a replica as its judges see it: what it was given, and what it brought about.
//!
//! Plain data. Invariants, the specification and the points of interest look at nothing else, so
//! that none of them needs a hook in the core.

use synod_host::Host;
use synod_paxos::{AfterSync, Ballot, Immediate, Message as Paxos, NodeId, Report, Slot, To};
use synod_simulator::Micros;
use synod_smr::{Connection, Message, Record, Replica, RequestBody, RequestId, Response, Timer};

use crate::kv_model::KvModel;

/// What a step was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The node began another life.
    Start,
    /// A message of a peer.
    Message(NodeId, Kind),
    /// A request of a client.
    Request(Wanted, Connection, RequestId),
    /// A timer.
    Timer(Timer),
    /// A link broke, or its peer began another life.
    LinkDown(NodeId),
    /// A batch is durable.
    Synced,
    /// Old decrees were read.
    OldDecrees,
    /// A snapshot was taken, a part of one kept or read, or one is gone on from.
    Snapshot,
    /// The transport has written replies.
    Wrote,
    /// A message that the host did not hear: nothing is known of the life that sent it.
    Unheard(NodeId),
    /// A client came, or is gone.
    Client,
    /// The node shall hand over.
    Drain,
    /// Several of these, in one turn.
    Several,
}

/// One of the things that a step took.
#[derive(Clone, Copy, Debug)]
pub struct Given {
    /// What it was.
    pub cause: Cause,
    /// How the replica stood before it.
    pub before: Stance,
}

/// What kind of message it was, with what matters of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Phase 1a.
    Prepare(Ballot),
    /// Phase 1b: which slots it is about, and how many votes and chosen decrees it reports.
    Promise {
        /// The ballot.
        ballot: Ballot,
        /// The first slot that was asked for.
        first: Slot,
        /// Where it goes on, if it was cut.
        cut: Option<Slot>,
        /// The end of the slots that it reports, or of those that it calls chosen.
        told: Slot,
        /// The votes reported.
        votes: usize,
        /// The chosen decrees reported.
        chosen: usize,
    },
    /// Phase 2a: the first slot, and how many decrees.
    Accept(Ballot, Slot, usize),
    /// Phase 2b: the first slot and the one after the last.
    Accepted(Ballot, Slot, Slot),
    /// An announcement.
    Chosen(Ballot, Slot),
    /// A refusal.
    Nack,
    /// A heartbeat.
    Heartbeat,
    /// A question whether the leader still leads.
    Confirm,
    /// Its answer.
    Confirmed,
    /// A question for decrees.
    Fetch,
    /// Its answer: so many decrees.
    Decrees(usize),
    /// A question for more of a snapshot.
    FetchSnapshot,
    /// A part of a snapshot.
    Snapshot,
    /// By which life its sender knows the node.
    Known,
}

/// What a client wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A session.
    Open,
    /// A change.
    Command,
    /// An answer.
    Query,
    /// The status.
    Status,
    /// A part of a snapshot.
    Snapshot,
}

/// How a replica stood before a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stance {
    /// The highest ballot promised.
    pub promised: Ballot,
    /// The ballot led.
    pub leads: Option<Ballot>,
    /// The ballot led or prepared.
    pub ballot: Option<Ballot>,
    /// The end of the chosen prefix.
    pub chosen: Slot,
    /// The first slot not applied.
    pub applied: Slot,
    /// How the disk is thought to be doing.
    pub disk: synod_smr::Disk,
}

/// One step of a replica.
#[derive(Debug)]
pub struct Step<'a> {
    /// When.
    pub now: Micros,
    /// Whose.
    pub node: NodeId,
    /// In which life.
    pub life: u64,
    /// What it was given.
    pub cause: Cause,
    /// The same one by one, in the order in which they were taken; none at a start.
    pub given: &'a [Given],
    /// Whether its folder is not the one that it had: what it does counts for nothing.
    pub is_stranger: bool,
    /// How it stood before.
    pub before: Stance,
    /// How it stands after.
    pub after: Stance,
    /// The replica, after.
    pub replica: &'a Replica<KvModel>,
    /// The records of the batch that is durable with this step.
    pub durable: &'a [Record],
    /// The records of the batch that was taken after this step.
    pub records: &'a [Record],
    /// What left.
    pub sent: &'a [(To, Message)],
    /// What clients were told.
    pub replies: &'a [(Connection, RequestId, Response)],
}

impl Step<'_> {
    /// Tells whether a state took the place of decrees that the node did not know.
    #[must_use]
    pub fn is_passed_over(&self) -> bool {
        let has_work = self.given.iter().any(|given| given.cause == Cause::Snapshot);
        has_work && self.replica.paxos().log().base() > self.before.chosen
    }
}

impl Stance {
    /// Looks at a host.
    #[must_use]
    pub fn of(host: &Host<KvModel>) -> Self {
        Self::of_replica(host.replica(), host.disk())
    }

    /// Looks at a replica whose disk is thought to be doing so.
    #[must_use]
    pub fn of_replica(replica: &Replica<KvModel>, disk: synod_smr::Disk) -> Self {
        let paxos = replica.paxos();
        Self {
            promised: paxos.log().promised(),
            leads: paxos.leader().leads(),
            ballot: paxos.leader().ballot(),
            chosen: paxos.chosen(),
            applied: replica.executor().applied(),
            disk,
        }
    }
}

impl Kind {
    /// Looks at a message.
    #[must_use]
    pub fn of(message: &Message) -> Self {
        match message {
            Message::Paxos(Paxos::AfterSync(bound)) => Self::of_bound(bound),
            Message::Paxos(Paxos::Immediate(free)) => match free {
                Immediate::Accept { ballot, first, decrees, .. } => {
                    Self::Accept(*ballot, *first, decrees.len())
                }
                Immediate::Chosen { ballot, chosen } => Self::Chosen(*ballot, *chosen),
                Immediate::Nack { .. } => Self::Nack,
            },
            Message::Heartbeat(_) => Self::Heartbeat,
            Message::Confirm { .. } => Self::Confirm,
            Message::Confirmed { .. } => Self::Confirmed,
            Message::Fetch { .. } => Self::Fetch,
            Message::Decrees { decrees, .. } => Self::Decrees(decrees.len()),
            Message::FetchSnapshot { .. } => Self::FetchSnapshot,
            Message::Snapshot(_) => Self::Snapshot,
            Message::Known(_) => Self::Known,
        }
    }

    fn of_bound<V>(bound: &AfterSync<V>) -> Self {
        match bound {
            AfterSync::Prepare { ballot, .. } => Self::Prepare(*ballot),
            AfterSync::Promise { ballot, first, end, chosen, reports } => {
                let is_vote = |report: &Report<V>| matches!(report, Report::Voted(_));
                let votes = reports.iter().filter(|(_, report)| is_vote(report)).count();
                let told = reports.iter().map(|(slot, _)| slot.next()).max();
                Self::Promise {
                    ballot: *ballot,
                    first: *first,
                    cut: *end,
                    told: told.map_or(*chosen, |told| told.max(*chosen)),
                    votes,
                    chosen: reports.len() - votes,
                }
            }
            AfterSync::Accepted { ballot, first, end } => Self::Accepted(*ballot, *first, *end),
        }
    }
}

impl Wanted {
    /// Looks at a request.
    #[must_use]
    pub fn of(body: &RequestBody) -> Self {
        match body {
            RequestBody::Open { .. } => Self::Open,
            RequestBody::Command { .. } => Self::Command,
            RequestBody::Query(_) => Self::Query,
            RequestBody::Status => Self::Status,
            RequestBody::FetchSnapshot { .. } => Self::Snapshot,
        }
    }
}
