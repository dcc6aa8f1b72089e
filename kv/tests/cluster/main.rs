//! The service as its users and operators meet it: real processes, real sockets, real files.
//!
//! Each test has a cluster of its own on free ports, and kills what it started however it ends.

#![allow(clippy::unwrap_used, reason = "a test may end where its premise fails")]
#![allow(clippy::print_stderr, reason = "a failed test shows what the nodes said")]

mod backup;
mod certificates;
mod inspect;
mod life;
mod metrics;
mod operation;
mod processes;
mod refusals;
mod service;
mod snapshots;
mod storms;
mod strangers;
mod traces;
