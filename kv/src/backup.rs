//! `synod-kv backup`: the state of a running cluster, from any of its nodes into a folder.
//!
//! A node takes the snapshot and says what is in it; the parts are asked for one after the other,
//! and another node is asked where one does not answer. The claims kept true: everything that the
//! cluster acknowledged to anybody before the backup began is in it, as it stands for the slots
//! below that of a session that was opened after; and it is one state of the log, at one slot.

use std::path::Path;
use std::time::Duration;

use synod_node::backup::{Backup, BackupError, BackupPosition, BackupStep, Covered, Summary};
use synod_node::{Client, NoPart, NodeId};
use thiserror::Error;
use tokio::time::{Instant, sleep};

use crate::client::{KvError, KvSession};
use crate::command::{Blob, Command};
use crate::config::ClientConfig;
use crate::machine::Machine;

/// Why there is no backup.
#[derive(Debug, Error)]
pub enum BackupFailed {
    /// The cluster did not take the command with which a backup begins.
    #[error("the cluster takes no command, and what it has acknowledged is not known: {0}")]
    Cluster(KvError),
    /// The nodes gave nothing for too long.
    #[error("no node gave a part of a snapshot of {covered} for {} s, after {bytes} bytes: see \
             whether the nodes run and what they log of snapshots, and make the backup again",
            PATIENCE.as_secs())]
    Silence {
        /// What the snapshot has to stand for.
        covered: Covered,
        /// How many bytes came before.
        bytes: u64,
    },
    /// The folder cannot be used.
    #[error(transparent)]
    Folder(#[from] BackupError),
}

/// Makes a backup in a folder, which is made.
///
/// # Errors
///
/// Why there is none. What there is in the folder is no backup then.
pub async fn backup(
    client: &Client,
    config: &ClientConfig,
    folder: &Path,
) -> Result<Summary, BackupFailed> {
    let covered = begin(client, config.timeout).await?;
    let mut backup = Backup::begin(folder, &config.cluster, Machine::default())?;
    let nodes: Vec<NodeId> = config.nodes.keys().map(|id| NodeId::new(*id)).collect();
    let (mut have, mut since) = (None, Instant::now());
    // There is one at least, or there were no client.
    for node in nodes.iter().copied().cycle() {
        loop {
            if since.elapsed() > PATIENCE {
                let bytes = have.map_or(0, BackupPosition::bytes);
                return Err(BackupFailed::Silence { covered, bytes });
            }
            match client.snapshot_part(node, covered, have, PART_PATIENCE).await {
                Ok(part) => {
                    since = Instant::now();
                    match backup.keep(part)? {
                        BackupStep::Part(position) => have = Some(position),
                        BackupStep::Whole(summary) => return Ok(summary),
                    }
                }
                Err(NoPart::NotYet) => {
                    sleep(NOT_YET).await;
                    // A node that lags or has a full disk may never take one.
                    if have.is_none() && since.elapsed() > PART_PATIENCE {
                        break;
                    }
                }
                Err(NoPart::NoAnswer) => break,
            }
        }
    }
    Err(BackupFailed::Silence { covered, bytes: 0 })
}

/// Opens a session; what was acknowledged before is in the slots below.
async fn begin(client: &Client, timeout: Duration) -> Result<Covered, BackupFailed> {
    let session = KvSession::new(client, timeout);
    // It changes nothing whatever the key holds: where that is what is expected, it stays.
    let (key, same) = (Blob(b"synod-kv backup"), Blob(b""));
    let nothing = Command::CompareAndSet { key, expected: Some(same), value: same };
    session.command(&nothing).await.map_err(BackupFailed::Cluster)?;
    let covered = session.covered().await;
    let gone = || KvError::Unknown("the client has ended".to_owned());
    covered.ok_or_else(|| BackupFailed::Cluster(gone()))
}

/// For how long nodes may give nothing before a backup is given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// For how long one node is waited for.
const PART_PATIENCE: Duration = Duration::from_secs(5);

/// After how long a node is asked again that takes a snapshot.
const NOT_YET: Duration = Duration::from_millis(50);
