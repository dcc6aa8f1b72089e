//! State machine replication over Paxos, sans-IO.
//!
//! Disks, networks and clocks are left to a driver. The claim kept true: one step per input, which
//! cannot fail, and the same inputs give the same effects.
#![doc = include_str!("../README.md")]

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
