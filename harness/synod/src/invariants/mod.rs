//! What must be true after every step, one file for each property.
//!
//! The names are those of the specifications where they have one. Each invariant keeps what it
//! needs of the past, looks at one step at a time, and costs next to nothing where nothing of its
//! concern happened.

mod agreement;
mod applied;
mod ballots;
mod bounds;
mod by_node;
mod campaigns;
mod confirmed_reads;
mod exactly_once;
mod inductive;
mod not_applied;
mod one_value;
mod promise;
mod read_back;
mod repetitions;
mod room;
mod settled;
mod specification;
mod state_equality;
mod told;

pub(crate) use confirmed_reads::{ConfirmedReads, Occasion};
pub use inductive::is_asked;
pub use not_applied::NotApplied;
pub use repetitions::nothing_twice_on_its_way;
pub use room::room_given;
pub(crate) use settled::SettledReads;

use synod_paxos::{Configuration, NodeId};

use crate::journal_thread::Found;
use crate::step::Step;

/// A property of a whole run that one step can violate.
pub trait Invariant {
    /// Returns its name.
    fn name(&self) -> &'static str;

    /// Tells whether it judges nodes, too, whose folder is not the one that they had: their votes
    /// are no votes, yet what they learn was chosen.
    fn judges_strangers(&self) -> bool {
        false
    }

    /// Hears what a node's journal gave back, before the first step of that life.
    ///
    /// # Errors
    ///
    /// Fails with what is wrong.
    fn on_recovery(&mut self, _node: NodeId, _found: &Found) -> Result<(), String> {
        Ok(())
    }

    /// Hears of a step.
    ///
    /// # Errors
    ///
    /// Fails with what is wrong.
    fn on_step(&mut self, step: &Step<'_>) -> Result<(), String>;
}

/// Returns all invariants, for a cluster of these voters; those of the proof if they are asked.
#[must_use]
pub fn all(voters: &Configuration, is_proof_asked: bool) -> Vec<Box<dyn Invariant>> {
    let mut all: Vec<Box<dyn Invariant>> = vec![
        Box::new(specification::Specification::new(voters)),
        Box::new(agreement::Agreement::default()),
        Box::new(read_back::ReadBackIsChosen::default()),
        Box::new(state_equality::StateEquality::default()),
        Box::new(applied::NoGapApplied::default()),
        Box::new(promise::PromiseMonotone::default()),
        Box::new(ballots::BallotsUnique::default()),
        Box::new(one_value::OneValuePerBallot::default()),
        Box::new(told::PersistBeforeSend::default()),
        Box::new(exactly_once::ExactlyOnce),
        Box::new(SettledReads::default()),
        Box::new(ConfirmedReads::new(voters)),
        Box::new(campaigns::Campaigns::new(voters)),
        Box::new(bounds::Bounds::default()),
    ];
    if is_proof_asked {
        all.push(Box::new(inductive::Inductive::new(voters)));
    }
    all
}
