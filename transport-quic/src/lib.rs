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
mod client;
mod client_event;
mod client_port;
mod counters;
mod endpoint;
mod frame;
mod held;
mod identity;
mod inbox;
mod lanes;
pub mod limits;
mod link;
mod lock;
mod peer;
mod peer_event;
mod preface;
mod refusal;
mod replies;
mod reset;
mod setup;
mod stream;
mod tls;
mod turn;
mod verify;
mod wall;
mod window;

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
