//! State machine replication over Paxos, sans-IO.
//!
//! A [`Replica`] runs one [`StateMachine`] and keeps it equal to those of its peers: it elects
//! leaders, orders commands, applies each exactly once, answers reads linearizably, and catches up
//! after a restart. It does no IO, reads no clock and draws no random number: a driver feeds it one
//! [`Input`] at a time and does what [`Effects`] say. `synod-node` is such a driver.

pub mod admission;
pub mod catch_up;
pub mod checkpoint;
pub mod client;
pub mod command;
pub mod config;
pub mod effects;
pub mod election;
pub mod executor;
pub mod message;
pub mod pace;
pub mod proposals;
pub mod read;
pub mod recovery;
pub mod replica;
pub mod request;
pub mod resend;
pub mod session;
pub mod state_machine;
pub mod status;
pub mod wire;

pub use command::{ClientId, CommandBatch, Opening, Principal};
pub use config::{Config, ConfigError};
pub use effects::{Batch, Disk, Effects, Input, LogRead, Record, SetTimer, Timer};
pub use message::{Lane, Message};
pub use recovery::Recovering;
pub use replica::Replica;
pub use request::{Connection, Refusal, Request, RequestBody, RequestId, Response};
pub use session::SessionLimits;
pub use state_machine::{Invalid, REPLY_BYTES_MAX, StateMachine};
pub use status::Status;
