//! Why a life cannot begin, each with what an operator does about it.
//!
//! What leads to it is left to `recovery`. The claim kept true: trouble of a disk is told from
//! damage, and both from what another program wrote.

use std::path::PathBuf;

use synod_journal::{AppendError, Fatal, OpenError, SnapshotDamaged};
use synod_paxos::Slot;

/// Why a life cannot begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecoveryError {
    /// The journal cannot be opened.
    #[error("the data folder cannot be used: {0}")]
    Journal(OpenError),
    /// The journal was made for a cluster of other voters.
    #[error("the journal in {} was made for the members {made}, and the configuration names \
             {asked}: with others this node would count another majority. Name {made}, as every \
             other node does; where those name others, this journal is of no use, and if this node \
             has never run, take the folder away and make its journal anew", path.display())]
    OtherVoters {
        /// The folder.
        path: PathBuf,
        /// The voters it was made for.
        made: String,
        /// The voters that were asked for.
        asked: String,
    },
    /// The journal was refused by the others in an earlier start: the operator's to set right.
    #[error("{}: {reason}", path.display())]
    Refused {
        /// The folder.
        path: PathBuf,
        /// By what the others know this node, and what to do.
        reason: String,
    },
    /// The folder of snapshots cannot be used.
    #[error("the folder of snapshots cannot be used: {0}")]
    Snapshots(OpenError),
    /// The newest snapshot is damaged, the log below it is gone, and there is no peer to have the
    /// state from.
    #[error("the newest snapshot in {} cannot be gone on from: {damaged}. The log below it is \
             gone, and there is no other node: give this one the folder as it was, or begin a new \
             cluster with a backup", path.display())]
    DamagedSnapshot {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        damaged: SnapshotDamaged,
    },
    /// The disk did not give the newest snapshot: nothing is known to be damaged.
    #[error("the newest snapshot in {} cannot be read: {fatal}. This is trouble of the disk, and \
             not damage of the snapshot: look at the disk, and start this node again",
            path.display())]
    UnreadSnapshot {
        /// The folder.
        path: PathBuf,
        /// What the disk said.
        fatal: Fatal,
    },
    /// The newest snapshot is as it was written, and not by this program.
    #[error("the newest snapshot in {} is whole, and this program cannot go on from it: {reason}. \
             Start this node with the program that wrote it", path.display())]
    ForeignSnapshot {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The journal was opened, and failed with the first write.
    #[error("the data folder cannot be written: {0}")]
    FirstWrite(#[from] AppendError),
    /// Records are gone that a snapshot stands for, and that is not there.
    #[error("the journal in {} was cut at slot {needed}, and the newest snapshot is of slot \
             {found}: its snapshots were lost or exchanged. Give this node the folder of \
             snapshots that it had; without it the node cannot come back, and a new one takes \
             its place", path.display())]
    NoSnapshot {
        /// The folder of the journal.
        path: PathBuf,
        /// The least slot of a snapshot that would do.
        needed: Slot,
        /// The slot of the newest one that is there; the first slot where there is none.
        found: Slot,
    },
    /// The journal holds what no version of this program wrote.
    #[error("the journal in {} holds what this program cannot read: {reason}", path.display())]
    ForeignRecord {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}
