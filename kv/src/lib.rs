//! A replicated key-value service: server, client, command line.

mod blob;
pub mod command;
mod digest;
pub mod machine;
