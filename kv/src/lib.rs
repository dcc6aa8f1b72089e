//! A replicated key-value service: server, client, command line.

mod blob;
pub mod bridge;
pub mod cli;
pub mod command;
pub mod config;
mod digest;
pub mod histogram;
pub mod init;
pub mod machine;
