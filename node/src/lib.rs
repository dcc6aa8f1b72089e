//! The runtime of one replica: the core, its journal and its network on one loop; and its client.
//!
//! `Node::start(config, machine)` recovers a replica of any state machine from its journal and
//! runs it; `Client` talks to a cluster of such nodes. What is replicated and how is decided by
//! the floors below (`synod-smr`, `synod-paxos`), which do no IO; here they meet the clock, the
//! disk and the network, and nothing of what they rule is ruled again.

mod chance;
pub mod client;
mod clock;
pub mod config;
mod create;
mod driver;
mod flush;
mod hard_state;
mod journal;
mod log_reader;
mod metrics;
mod node;
mod ports;
mod progress;
mod slot_index;
mod start;
mod timers;
mod watch;

pub use client::{Client, ClientConfig, ClientError, Session};
pub use config::{Config, ConfigError, Timing, TlsFiles};
pub use create::{CreateError, WrongCertificate};
pub use node::{Node, NodeError};
pub use slot_index::BYTES_PER_SLOT;
pub use start::StartError;
pub use synod_paxos::{Ballot, NodeId, Slot};
pub use synod_smr::client::{Outcome, Reason};
pub use synod_smr::{Invalid, Refusal, StateMachine, Status};
