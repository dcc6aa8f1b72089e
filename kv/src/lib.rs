//! A replicated key-value service: server, client, command line.
//!
//! The service is a small state machine (`machine`) under `synod-node`; this crate gives it its
//! wire types, its configuration and its commands. What is linearizable, durable and exactly once
//! about it is due to the floors below; the claim kept here is that no command reads more into
//! their answers than they say.

mod backup;
pub mod bench;
mod blob;
pub mod bridge;
pub mod cli;
pub mod client;
pub mod command;
pub mod config;
mod digest;
pub mod exit;
pub mod expiry;
pub mod histogram;
pub mod init;
pub mod inspect;
pub mod log;
pub mod machine;
pub mod run;
pub mod serve;
mod status;
mod target;
