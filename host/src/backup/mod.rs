//! Backups: the state of a cluster as a snapshot that no node owns, and the beginning of another
//! cluster from it.
//!
//! A backup is a folder of snapshots with one in it, of the same format and under the same checks
//! as those of nodes, but for its owner: so it is never taken for a node's, nor a node's for one.
//! It is asked for by `client`, written by `writer`, and read by `state`. The claims kept true: a
//! backup has its name only once it was read back and came to the state that it was said to be;
//! what is cut, damaged or another's is refused by its place, with what to do; and a cluster that
//! begins with one says so in the identity of each journal.

mod client;
mod state;
mod writer;

use std::path::PathBuf;

use synod_journal::{OpenError, SnapshotDamaged};
use synod_paxos::{NodeId, Slot};
use synod_smr::Checkpoint;

pub use client::{
    BackupAct, BackupClient, BackupOptions, BackupProgress, NODE_PATIENCE_MS_MAX, RESTARTS_MAX,
    TRIES_MAX,
};
pub use state::{BackupState, BeginError};
pub use writer::{BackupStep, BackupWriter, try_lock};

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The cluster that it was made of.
    pub cluster: String,
    /// The first slot whose commands are not in it.
    pub slot: Slot,
    /// The digest of its state, with the sessions that were open.
    pub digest: u64,
    /// How many bytes the state has.
    pub bytes: u64,
    /// How many sessions were open.
    pub sessions: u64,
}

impl Summary {
    /// Returns what a cluster begins with that begins with this backup.
    #[must_use]
    pub const fn beginning(&self) -> Checkpoint {
        Checkpoint { slot: self.slot, digest: self.digest }
    }
}

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// No node gave anything for too long.
    #[error("no node gave more of a snapshot for {} s, after {bytes} bytes; {}. See whether the \
             nodes run and what they log of snapshots, and make the backup again",
            patience_ms / 1_000, told(answers))]
    Silence {
        /// For how long.
        patience_ms: u64,
        /// How many bytes came before.
        bytes: u64,
        /// What each node said last.
        answers: Vec<(NodeId, String)>,
    },
    /// No node lets this certificate read the whole state.
    #[error("no node lets this certificate read the whole state: {}. Name the client in \
             `backup_clients` of every node's configuration, and restart the nodes one after the \
             other", told(.0))]
    NotAllowed(Vec<(NodeId, String)>),
    /// The state machine gives no snapshots.
    #[error("node {0} has no snapshots to give: {none}", none = synod_smr::NoSnapshot)]
    NoSnapshots(NodeId),
    /// The snapshot was another one too often before it was there.
    #[error("the snapshot was exchanged for another one {RESTARTS_MAX} times before all of it was \
             here; {}. Make the backup again when the nodes are restarted less", told(.0))]
    Restarted(Vec<(NodeId, String)>),
    /// The folder cannot be used.
    #[error("the backup cannot be written: {0}")]
    Folder(#[source] OpenError),
    /// The caller named a folder that is there.
    #[error("{} exists already: name another folder, as no backup is overwritten", .0.display())]
    Exists(PathBuf),
    /// A part was not kept, or what was kept is not the state that it was said to be.
    #[error("the backup in {} was not made, and is none: {reason}", path.display())]
    NotKept {
        /// The folder.
        path: PathBuf,
        /// Why not, and what to do.
        reason: String,
    },
    /// The folder that was written cannot be given its name.
    #[error("{}: {source}; the backup in it is whole: give the folder its name by hand",
            path.display())]
    NotNamed {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The folder has its name, and its parent could not be synced.
    #[error("{}: {source}; the backup in it is whole, but its name may be gone after a power \
             failure: see to the disk, and copy the folder", path.display())]
    NotSynced {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// What an earlier attempt left cannot be taken away.
    #[error("{} is left of an earlier attempt and cannot be removed: {reason}", path.display())]
    Leftover {
        /// The folder.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
}

/// Why a folder holds no backup that can be gone on from.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The folder cannot be read.
    #[error("the backup cannot be read: {0}")]
    Folder(#[source] OpenError),
    /// There is no backup.
    #[error("{} holds no backup: name the folder that `synod-kv backup --out` made", .0.display())]
    Missing(PathBuf),
    /// A backup was begun there and not finished.
    #[error("the backup in {} was cut short before its end: make it again", .0.display())]
    Unfinished(PathBuf),
    /// It is the snapshot of a node, or of something else.
    #[error("{} is no backup but belongs to \"{owner}\": the snapshots of a node lack what was \
             acknowledged after them; name the folder that `synod-kv backup --out` made",
            path.display())]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// Whose it is.
        owner: String,
    },
    /// Bytes of it are not as they were written.
    #[error("{} is damaged: {} from byte {} on is not as it was written. Begin from another copy \
             of this backup, or from another backup", .0.path.display(), .0.part, .0.offset)]
    Damaged(SnapshotDamaged),
    /// Its state is not one of this program.
    #[error("the backup in {} is not of this program, or of another version: {reason}",
            path.display())]
    Malformed {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

fn told(answers: &[(NodeId, String)]) -> String {
    let each: Vec<_> = answers.iter().map(|(node, said)| format!("node {node}: {said}")).collect();
    each.join("; ")
}

/// What stands before the cluster in the identity of a backup.
const OWNER: &str = "synod-backup/";
