//! Operations: what a client is asked to do, how that can end, and what a step of it says.
//!
//! Plain types; the rules are in `mod.rs` and `pending.rs`.

use crate::request::{Refusal, Request, RequestId, Response};
use bytes::Bytes;
use synod_paxos::NodeId;

/// An instant of the driver's clock, in milliseconds from any beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub u64);

impl Millis {
    pub(super) const fn plus(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }
}

/// Names an operation to its submitter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What shall be done.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// A change, once.
    Command(Bytes),
    /// A question.
    Query(Bytes),
}

/// How an operation ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It took effect once, and this is the reply.
    Ok(Bytes),
    /// It did not take effect and never will.
    NotApplied(Reason),
    /// It may have taken effect, may still, or may never; or it did, and the reason says so
    /// ([`Refusal::is_of_the_applied`]).
    Unknown(Reason),
}

/// Why an operation has no reply.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The deadline came; the last refusal by a node, if there was one.
    Deadline(Option<Refusal>),
    /// It cannot be done.
    Refused(Refusal),
    /// Too many operations were submitted at once.
    TooMany,
    /// It is longer than a frame may be.
    TooLong,
    /// Every node denies this client a connection, for a reason that does not pass by itself, such
    /// as a certificate that they do not trust.
    AccessDenied,
}

/// A request that did not leave this end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Unsent {
    /// The node that it was for.
    pub to: NodeId,
    /// The number of the request.
    pub id: RequestId,
    /// Why it did not leave.
    pub cause: NotSent,
}

/// Why a request did not leave this end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NotSent {
    /// There is no connection to the node.
    NotConnected,
    /// This end's own queue of requests to the node is full.
    QueueFull,
    /// It is longer than a frame may be, to whichever node.
    TooLong,
}

/// What can happen to a client.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ClientInput {
    /// Somebody wants something done.
    Submit {
        /// The name of the operation.
        ticket: Ticket,
        /// The operation.
        operation: Operation,
        /// When to give up.
        deadline: Millis,
    },
    /// A response came.
    Response {
        /// The node that sent it.
        from: NodeId,
        /// The number of the request.
        id: RequestId,
        /// The response.
        response: Response,
    },
    /// Requests of one step certainly did not leave this end.
    NotSent(Vec<Unsent>),
    /// A node said something at that instant, to this client or to another one that shares its
    /// connection. Nothing but patience follows; the next timer or response weighs it.
    Heard(NodeId, Millis),
    /// The connection to a node is gone, or could not be made: its answers will not come.
    Lost(NodeId),
    /// What became of the last try to connect to a node. One that denies access, for a reason that
    /// does not pass by itself, counts as doing so until it is said otherwise.
    Access {
        /// The node.
        node: NodeId,
        /// Whether it denies access so.
        is_denied: bool,
    },
    /// The instant that [`ClientEffects::wake_at`] named has come.
    Timer,
}

/// What a step of the client brings about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ClientEffects {
    /// Requests to be sent.
    pub requests: Vec<(NodeId, Request)>,
    /// Operations that ended.
    pub outcomes: Vec<(Ticket, Outcome)>,
    /// When to call with [`ClientInput::Timer`]; it replaces the earlier wish.
    pub wake_at: Option<Millis>,
}
