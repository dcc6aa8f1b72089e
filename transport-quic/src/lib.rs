//! Peers and clients over QUIC with mutual TLS: lanes, frames, limits, reconnection.
//!
//! What it leaves to others: what the bytes mean; this crate knows no Paxos. The claim it keeps
//! true: who is at the other end is read from its certificate alone, each connection is judged
//! afresh, and nothing in here grows without a bound or makes its owner wait.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

mod accept;
mod bind_error;
mod calls;
mod clients;
mod counters;
mod frames;
mod held;
pub mod limits;
mod lock;
mod peers;
mod refusal;
mod setup;
mod trust;

// The folders sort the files, and hide none of them: within the crate each has the path of its own
// name, whichever folder it is in.
use clients::{client, client_event, client_port, replies, turn};
use frames::{frame, inbox, lanes, preface, stream};
use peers::{endpoint, link, peer, peer_event, window};
use trust::{identity, reset, tls, verify, wall};

pub use bind_error::BindError;
pub use client::{ClientConnection, ClientDialer, ClientReceiver, ClientSender, ConnectError};
pub use client_event::{ClientEvent, ConnectionId};
pub use client_port::{ClientPort, ClientPortConfig, ClientPortHandle};
pub use counters::{Count, CountersSnapshot};
pub use endpoint::{PeerConfig, PeerEndpoint, PeerHandle};
pub use held::HeldPort;
pub use identity::{ClientName, ClusterId, Identity, IdentityError, PeerId, Role};
pub use inbox::Inbox;
pub use lanes::{DropReason, Epoch, Lane, LaneWaiting, Sent};
pub use peer_event::{DownReason, PeerEvent};
pub use preface::Incarnation;
pub use refusal::{CloseCode, Refusal, Refused, RefusedBy};
pub use tls::{Credentials, TlsError};
pub use turn::Turns;
pub use verify::ClientNames;
pub use wall::Wall;
