//! Stories of the shell, each with its seed and with what must hold in the end.
//!
//! All run in virtual time on one thread each: a wait costs nothing, and no assertion is about how
//! fast this machine is.

#![allow(clippy::unwrap_used, reason = "a test may end where its premise fails")]
#![allow(clippy::print_stdout, reason = "what was measured is shown with --nocapture")]

mod certificates;
mod counts;
mod crowds;
mod disks;
mod failover;
mod hand_overs;
mod lanes;
mod links;
mod load;
mod narrow;
mod readers;
mod service;
mod storms;
mod strangers;
