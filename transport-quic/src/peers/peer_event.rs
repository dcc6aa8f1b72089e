//! What the owner of a peer port is told.
//!
//! When it is told is left to `peer` and `link`.

use bytes::Bytes;

use crate::identity::PeerId;
use crate::lanes::Lane;
use crate::preface::Incarnation;

/// Tells the owner what happened at the peer port. Complete by definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerEvent {
    /// A link stands: the peer has answered over it.
    Up {
        /// The peer.
        peer: PeerId,
        /// The life of its process.
        incarnation: Incarnation,
    },
    /// The link is gone, and what was under way with it. Nothing of it follows.
    Down {
        /// The peer.
        peer: PeerId,
        /// Why.
        reason: DownReason,
    },
    /// A frame, in the order in which its lane took it.
    Frame {
        /// The peer, as its certificate names it.
        peer: PeerId,
        /// The lane.
        lane: Lane,
        /// The payload.
        bytes: Bytes,
    },
    /// A datagram, in any order, if it came at all.
    Datagram {
        /// The peer, as its certificate names it.
        peer: PeerId,
        /// The payload.
        bytes: Bytes,
    },
}

/// Says why a link went down.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DownReason {
    /// Nothing was heard for two suspicion times.
    Silent,
    /// Another connection of the same pair took its place; `Up` follows.
    Superseded,
    /// The peer closed it.
    ClosedByPeer {
        /// The close code, a [`CloseCode`](crate::CloseCode) if the peer is of this kind.
        code: u64,
        /// The peer's reason, shortened.
        text: String,
    },
    /// The peer broke a rule, named in the text.
    Violation(String),
    /// QUIC lost the connection, for the reason in the text.
    Lost(String),
    /// This endpoint shuts down.
    ShuttingDown,
}
