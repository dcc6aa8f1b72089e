//! What the owner of a client port is told.
//!
//! When it is told is left to `client_port` and `replies`.

use bytes::Bytes;

use crate::identity::Identity;
use crate::peer_event::DownReason;

/// Names one connection of a client for as long as the port is open; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// Tells the owner what happened at the client port. Complete by definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientEvent {
    /// A client is there.
    Connected {
        /// Its connection.
        connection: ConnectionId,
        /// Who it is, as its certificate says.
        identity: Identity,
    },
    /// A client asks for something. Requests of one connection come in the order they were sent.
    Request {
        /// Its connection.
        connection: ConnectionId,
        /// The payload.
        bytes: Bytes,
    },
    /// Replies have been handed to QUIC, so that there is room for others. Of all that was handed
    /// over less than [`CLIENT_WRITTEN_STEP_BYTES`][step] is not told of while the connection
    /// lives; what was not told of when it closes is gone with it.
    ///
    /// [step]: crate::limits::CLIENT_WRITTEN_STEP_BYTES
    Written {
        /// Its connection.
        connection: ConnectionId,
        /// The payload bytes of replies written since the last such event of this connection.
        bytes: usize,
    },
    /// The connection is gone. Nothing of it follows.
    Closed {
        /// The connection.
        connection: ConnectionId,
        /// Why.
        reason: DownReason,
    },
}
