//! The messages between replicas: those of Paxos, heartbeats, read confirmations, catch-up.
//!
//! All that is added to Paxos here claims nothing durable that is not durable: a heartbeat carries
//! the DURABLE promise, and a read's echo the present one, which is never lower.

use crate::command::CommandBatch;
use crate::wire::StateDescription;
use bytes::Bytes;
use synod_paxos::{AfterSync, Ballot, Decree, Immediate, NodeId, Slot};

/// A message from one replica to another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Message {
    /// One of the protocol below.
    Paxos(synod_paxos::Message<CommandBatch>),
    /// How the sender is doing.
    Heartbeat(Heartbeat),
    /// Asks whether the leader of `ballot` is still the last one that the receiver promised.
    Confirm {
        /// The leader's ballot.
        ballot: Ballot,
        /// The number of the round; no later question has it again.
        round: u64,
    },
    /// Answers [`Message::Confirm`].
    Confirmed {
        /// The ballot asked about.
        ballot: Ballot,
        /// The number of the round.
        round: u64,
        /// The highest ballot that the sender promised.
        promised: Ballot,
    },
    /// Asks for the decrees of chosen slots.
    Fetch {
        /// The first slot.
        first: Slot,
    },
    /// Answers [`Message::Fetch`] with the decrees of consecutive chosen slots.
    Decrees {
        /// The slot of the first decree.
        first: Slot,
        /// The decrees.
        decrees: Vec<Decree<CommandBatch>>,
        /// The end of the sender's chosen prefix.
        chosen: Slot,
    },
    /// Asks for the next part of a snapshot. The host of the receiver sees to it; its replica never
    /// does.
    FetchSnapshot {
        /// The slot of the snapshot.
        slot: Slot,
        /// How many of its bytes the sender has.
        offset: u64,
    },
    /// Answers [`Message::FetchSnapshot`]; and [`Message::Fetch`], by the first part, where the
    /// decrees are gone.
    Snapshot(StatePart),
    /// Tells the receiver by which life the sender knows it. Where that is the one in which it is,
    /// the sender vouches for it; where it is of another journal or a later one, the receiver is
    /// refused. The host of the receiver sees to it; its replica never does.
    Known(PeerStart),
}

/// Some bytes of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StatePart {
    /// What the snapshot holds.
    pub description: StateDescription,
    /// How long it is.
    pub total: u64,
    /// Where in it the bytes begin.
    pub offset: u64,
    /// The bytes: one at least, and at most [`STATE_PART_BYTES_MAX`].
    pub bytes: Bytes,
}

/// The most bytes of a snapshot that one message carries.
pub const STATE_PART_BYTES_MAX: usize = 256 << 10;

impl StatePart {
    /// Returns where in the snapshot the bytes end.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.offset.saturating_add(self.bytes.len() as u64)
    }
}

/// Tells the journal of a node from every other, even of the same node: 128 bits drawn at random
/// when it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Folder(pub u128);

/// What the peers of a node remember of it durably.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PeerStart {
    /// Its journal.
    pub folder: Folder,
    /// Which start of it this is.
    pub incarnation: u64,
    /// What tells this start from one of a copy of the journal that counts the same.
    pub mark: u64,
    /// The highest ballot that it said to have promised durably.
    pub promised: Ballot,
    /// The end of the slots of which its journal holds decrees durably, as it said.
    pub journal_end: Slot,
}

/// How a replica is doing, told to all others several times in a suspicion time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Heartbeat {
    /// Which journal the node has; its peers know it by that.
    pub folder: Folder,
    /// Which start of the node this is.
    pub incarnation: u64,
    /// A number drawn at random for this start. The host fills it in.
    pub mark: u64,
    /// The highest ballot that the sender promised durably.
    pub promised: Ballot,
    /// The end of the slots of which the sender's journal holds decrees durably; no later life of
    /// that journal can have less. The host fills it in.
    pub journal_end: Slot,
    /// The backup that the cluster of the sender began with; none if it began with nothing. The
    /// host fills it in.
    pub began: Option<Checkpoint>,
    /// The ballot in which the sender leads.
    pub leads: Option<Ballot>,
    /// The ballot that the sender follows.
    pub follows: Option<Ballot>,
    /// Whether the sender sees no need for another leader.
    pub leader_ok: bool,
    /// The end of the sender's chosen prefix. It is no announcement: a receiver fetches, but does
    /// not learn from it.
    pub chosen: Slot,
    /// Whom the sender hears.
    pub hears: Vec<NodeId>,
    /// Whether quorums of both phases come about of the sender and those that it hears and that
    /// hear it.
    pub is_connected: bool,
    /// Nodes of higher priority campaign first.
    pub priority: u8,
    /// The digest of the sender's state at the last slot where all compare theirs.
    pub checkpoint: Option<Checkpoint>,
    /// The digest of the sender's state as it is.
    pub applied: Checkpoint,
    /// The sender's count of ticks.
    pub tick: u32,
    /// For each of `hears`, the last `tick` heard, moved on by the ticks since then: whoever finds
    /// its own here knows how long the way there and back takes.
    pub echoes: Vec<u32>,
    /// How many ticks a sync of the sender's disk takes, as it saw last; none if it has synced
    /// nothing yet, or is not fit to lead.
    pub sync_ticks: Option<u32>,
    /// The ballot that the sender prepares, and a number that changes as long as it gets on.
    pub prepares: Option<(Ballot, u32)>,
}

/// The digest of a replicated state after all slots below `slot`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Checkpoint {
    /// The slot.
    pub slot: Slot,
    /// The digest.
    pub digest: u64,
}

/// How a message travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Small and urgent: elections and votes.
    Control,
    /// The proposals of one ballot. Those of an earlier epoch are stale.
    Log {
        /// Grows with each ballot of the sender.
        epoch: u64,
    },
    /// Large and patient: catch-up.
    Bulk,
    /// A datagram: worth nothing once it is late.
    Datagram,
}

impl Message {
    /// Returns how the message travels.
    #[must_use]
    pub const fn lane(&self) -> Lane {
        match self {
            Self::Paxos(synod_paxos::Message::Immediate(Immediate::Accept { ballot, .. })) => {
                Lane::Log { epoch: ballot.round() }
            }
            // What is chosen is said past proposals that wait: who does not hear of it copies what
            // it has.
            Self::Paxos(
                synod_paxos::Message::Immediate(Immediate::Chosen { .. } | Immediate::Nack { .. })
                | synod_paxos::Message::AfterSync(
                    AfterSync::Prepare { .. }
                    | AfterSync::Promise { .. }
                    | AfterSync::Accepted { .. },
                ),
            )
            | Self::Fetch { .. }
            | Self::FetchSnapshot { .. }
            | Self::Known(_) => Lane::Control,
            Self::Decrees { .. } | Self::Snapshot(_) => Lane::Bulk,
            Self::Heartbeat(_) | Self::Confirm { .. } | Self::Confirmed { .. } => Lane::Datagram,
        }
    }
}
