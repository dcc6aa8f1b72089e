//! What clients ask and what they are told.
//!
//! The claim kept true is about refusals: a [`Response::Refused`] says that the attempt it answers
//! has not changed anything and will not. It says nothing of other attempts of the same command;
//! that sum is the client's to draw (`client/mod.rs`). Two refusals say the contrary, that the
//! command is applied and that its reply alone cannot be had; [`Refusal::is_of_the_applied`] tells.

use crate::command::{Opening, Sequence, SessionId};
use crate::message::StatePart;
use crate::state_machine::REPLY_BYTES_MAX;
use crate::status::Status;
use bytes::Bytes;
use std::fmt;
use synod_paxos::{NodeId, Slot};

/// Names a client's connection to this node, as long as it lasts.
///
/// A connection hands each request over at most once, as a stream does. Else a request could be
/// taken in the first time and refused the second, and the client would believe the refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Connection(pub u64);

/// Numbers the requests of a connection; the client chooses, the response repeats it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// A request of a client.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Request {
    /// Its number.
    pub id: RequestId,
    /// What is asked.
    pub body: RequestBody,
}

/// What a client asks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RequestBody {
    /// To open a session.
    Open {
        /// Which opening it is; each attempt of one has the same name.
        opening: Opening,
    },
    /// To change the state, once.
    Command {
        /// The session.
        session: SessionId,
        /// The number in the session.
        sequence: Sequence,
        /// The first number that the client still has no answer for.
        unanswered: Sequence,
        /// What the state machine is told.
        payload: Bytes,
    },
    /// To answer a question from a state that is not older than the question.
    Query(Bytes),
    /// How this node is doing.
    Status,
    /// For the next part of a snapshot that this node has durably. The host of the node sees to it;
    /// its replica never does.
    FetchSnapshot {
        /// The snapshot stands for the decrees below this slot at least; the node takes one, if it
        /// has none.
        covers: Slot,
        /// The slot of the snapshot that the client has the beginning of; none if it has nothing.
        of: Option<Slot>,
        /// How many of its bytes the client has.
        offset: u64,
    },
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Response {
    /// The session is open.
    Opened(SessionId),
    /// The command is applied, or the question answered.
    Reply(Bytes),
    /// This attempt has not changed anything and will not, unless the refusal says otherwise.
    Refused(Refusal),
    /// This attempt may still take effect, or not; the node cannot tell.
    Uncertain {
        /// Who may know more.
        leader: Option<NodeId>,
    },
    /// How the node is doing.
    Status(Status),
    /// Some bytes of a snapshot: from its beginning, if the client had those of another one.
    Snapshot {
        /// The bytes, and which they are.
        part: StatePart,
        /// The CRC32C of the bytes, by the one who read them from the disk.
        crc: u32,
    },
}

/// Why an attempt was refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// This node does not lead.
    NotLeader {
        /// Who seems to.
        leader: Option<NodeId>,
    },
    /// Too much waits here already.
    Overloaded {
        /// When to try again.
        retry_after_ms: u32,
    },
    /// The disk of the leader is full; reads are served on.
    DiskFull,
    /// The session does not exist (any more), or belongs to somebody else.
    SessionExpired,
    /// The client had said that it has the answer to this number.
    SequenceStale,
    /// The number was used for another command.
    SequenceReused,
    /// The number is too far past the first unanswered one.
    PipelineFull,
    /// The command was applied by an earlier attempt, whose reply was not kept.
    ReplyLost,
    /// The state machine cannot take the command, and says why.
    Invalid(String),
    /// The reply has more than [`REPLY_BYTES_MAX`] bytes. The command is applied; a question has
    /// changed nothing, as ever.
    ReplyTooLong,
    /// Who asks may not read the whole state: that is a right of its own.
    NotAllowed,
    /// There is no part of a snapshot for the client at this moment.
    NoPart {
        /// Why not.
        why: NoPart,
        /// When to ask again.
        retry_after_ms: u32,
    },
}

/// Why a client is given no part of a snapshot. Complete by its nature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NoPart {
    /// The node has not applied all that the snapshot is to stand for.
    Behind,
    /// The node takes one, or is about to.
    Taking,
    /// Another client is given another one.
    Held,
    /// Clients were given as much as they may have at a time.
    Paced,
    /// The state machine gives no snapshots. No node will ever have one.
    NoSnapshots,
}

impl fmt::Display for NoPart {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Behind => "it lags behind what the snapshot is to stand for",
            Self::Taking => "it takes a snapshot",
            Self::Held => "it gives another client another snapshot",
            Self::Paced => "it has given clients as much as they may have at a time",
            Self::NoSnapshots => "its state machine gives no snapshots",
        })
    }
}

impl Refusal {
    /// Tells whether it says of a command that it is applied, and that its reply cannot be had.
    #[must_use]
    pub const fn is_of_the_applied(&self) -> bool {
        match self {
            Self::ReplyLost | Self::ReplyTooLong => true,
            Self::NotLeader { .. }
            | Self::Overloaded { .. }
            | Self::DiskFull
            | Self::SessionExpired
            | Self::SequenceStale
            | Self::SequenceReused
            | Self::PipelineFull
            | Self::Invalid(_)
            | Self::NotAllowed
            | Self::NoPart { .. } => false,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotLeader { leader: Some(leader) } => {
                write!(formatter, "this node does not lead; node {leader} may")
            }
            Self::NotLeader { leader: None } => formatter.write_str("no leader is known"),
            Self::Overloaded { retry_after_ms } => {
                write!(formatter, "overloaded; try again in {retry_after_ms} ms")
            }
            Self::DiskFull => formatter.write_str("the leader's disk is full"),
            Self::SessionExpired => formatter.write_str("the session expired"),
            Self::SequenceStale => formatter.write_str("the sequence number was answered before"),
            Self::SequenceReused => {
                formatter.write_str("the sequence number was used for another command")
            }
            Self::PipelineFull => formatter.write_str("too many commands wait for an answer"),
            Self::ReplyLost => formatter.write_str("applied, but the reply was not kept"),
            Self::Invalid(reason) => write!(formatter, "invalid command: {reason}"),
            Self::ReplyTooLong => {
                write!(
                    formatter,
                    "the reply is longer than {REPLY_BYTES_MAX} bytes; a command is applied"
                )
            }
            Self::NotAllowed => formatter.write_str(
                "this certificate may not read the whole state; a node lets those do so whom its \
                 configuration names",
            ),
            Self::NoPart { why, .. } => write!(formatter, "no part of a snapshot: {why}"),
        }
    }
}
