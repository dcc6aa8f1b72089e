//! A test for whoever writes a state machine: is it one that can be replicated?
//!
//! Which commands it is tried with is left to its author, who knows them. The claims kept true:
//! what is refused here would make replicas differ, and the words name the place and what differs;
//! a machine that passes kept every promise of [`StateMachine`](crate::StateMachine) over these
//! commands, and no more is said of others.

mod check;
mod flaw;
mod replicas;
mod run;

pub use check::{Checked, check, check_restore};
pub use flaw::{Flaw, FlawKind, Unequal};
pub use run::{CommandRun, Draw};
