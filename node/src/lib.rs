//! The runtime of one replica: the host, its journal and its network on one loop; and its client.
//!
//! What is replicated, written and sent is decided by the floors below (`synod-host`,
//! `synod-smr`, `synod-paxos`), which do no IO. The claim kept true: here they meet the clock, the
//! disk and the network, and nothing is decided here.
#![doc = include_str!("../README.md")]

pub mod backup;
pub mod beacon;
mod client;
mod clock;
pub mod config;
mod create;
mod driver;
mod metrics;
mod naming;
mod node;
mod ports;
mod progress;
mod reads;
mod snapshots;
mod start;
mod start_error;
pub mod survey;
#[cfg(test)]
mod test_folder;
mod trace;
pub mod world;

pub use client::{Client, ClientConfig, ClientError, Session};
pub use config::{Config, ConfigError, Timing, TlsFiles};
pub use create::CreateError;
pub use node::{Node, NodeError};
pub use start_error::{StartError, WrongCertificate};
pub use synod_host::api::*;
pub use synod_host::{BYTES_PER_SLOT, Inspected};
