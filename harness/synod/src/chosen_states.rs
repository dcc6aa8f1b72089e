//! What is known of the chosen prefix, to hold backups against.
//!
//! Who makes backups is left to the clients. The claim kept true: a backup is judged by what nodes
//! came to and clients were answered, and by nothing that it says itself.

use std::collections::{BTreeMap, BTreeSet};

use synod_host::backup::{BackupState, Summary};
use synod_paxos::Slot;

use crate::kv_model::KvModel;
use crate::step::Step;

/// What is known of the chosen prefix, to hold backups against.
#[derive(Debug, Default)]
pub struct ChosenStates {
    /// Whether anybody makes backups.
    pub is_asked: bool,
    digests: BTreeMap<Slot, u64>,
    /// The numbers of commands that any client was answered, in that order.
    answered: Vec<u64>,
}

impl ChosenStates {
    /// Hears of a step.
    pub fn on_step(&mut self, step: &Step<'_>) {
        if !self.is_asked {
            return;
        }
        let digest = || step.replica.executor().digest();
        self.digests.entry(step.after.applied).or_insert_with(digest);
    }

    /// Counts the commands that clients were answered.
    #[must_use]
    pub fn answered(&self) -> usize {
        self.answered.len()
    }

    /// Hears that a client was answered a command.
    pub fn on_answered(&mut self, operation: u64) {
        if self.is_asked {
            self.answered.push(operation);
        }
    }

    /// Judges a backup that is whole, which began when so many commands were answered
    /// (`BackedUpIsChosen` of Backup.tla).
    ///
    /// # Errors
    ///
    /// What it lacks, or how it differs.
    pub fn judge(&self, backup: &BackupState<KvModel>, before: usize) -> Result<(), String> {
        let Summary { slot, digest, .. } = backup.summary();
        match self.digests.get(slot) {
            Some(known) if known == digest => {}
            known => {
                return Err(format!(
                    "a backup at {slot} has digest {digest:016x}, and the nodes have {known:x?}"
                ));
            }
        }
        let has: BTreeSet<u64> = backup.state().machine().order().iter().copied().collect();
        match self.answered[..before].iter().find(|operation| !has.contains(operation)) {
            Some(lacks) => Err(format!("a backup at {slot} lacks operation {lacks:x}")),
            None => Ok(()),
        }
    }
}

/// The clients that show this name may read all.
pub const READER: &str = "amber";
