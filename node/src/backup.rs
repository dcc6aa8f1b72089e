//! Backups of a running cluster, on the disk of the operating system, and what begins with them.
//!
//! Whom a backup asks for what, and what of it is kept, is the host's to say (`BackupClient`); here
//! it meets connections, the clock and the disk. The claims kept true: the folder has its name only
//! once all of it is durable; what an attempt leaves has another one; and a backup is read without
//! a byte of it being changed.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use synod_host::api::StateMachine;
use synod_host::backup::{BackupAct, BackupClient, BackupOptions, try_lock};
pub use synod_host::backup::{BackupError, BackupProgress, BackupState, ReadError, Summary};
pub use synod_host::in_words;
use synod_host::journal::{Disk as _, ReadOnlyDisk, RealDisk, is_snapshot_file_name};
use synod_host::paxos::NodeId;
use synod_host::smr::client::Millis;
use synod_host::smr::{ClientId, Opening};
use tokio::time::{Instant, sleep};

use crate::client::Client;
use crate::naming::{Unnamed, give_name, making_of};
use crate::world::{self, System};

/// What a backup is made of, and where it goes.
#[derive(Clone, Debug)]
pub struct BackupOrder {
    /// The nodes of the cluster, of which there is one at least.
    pub nodes: Vec<NodeId>,
    /// The UUID of the cluster.
    pub cluster: String,
    /// The folder, which must not be there.
    pub folder: PathBuf,
    /// For how long all nodes together may give nothing new.
    pub patience: Duration,
}

/// Something to say of a backup under way. Complete by its nature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackupNews {
    /// What an earlier attempt left in this folder was removed.
    LeftoverRemoved(PathBuf),
    /// So much is there.
    Progress(BackupProgress),
}

/// Makes a backup of a running cluster; `machine` is the one before any command.
///
/// It is written into a folder of the same name with `.making` behind it, which is given its name
/// when all of it is durable, was read back, and came to the digest that was told of it.
///
/// # Errors
///
/// Why there is none; nothing is left behind then that looks like one.
///
/// # Panics
///
/// Panics without nodes.
pub async fn back_up<M: StateMachine + Clone>(
    client: &Client,
    order: BackupOrder,
    machine: M,
    mut on_news: impl FnMut(BackupNews),
) -> Result<Summary, BackupError> {
    let BackupOrder { nodes, cluster, folder, patience } = order;
    if fs::symlink_metadata(&folder).is_ok() {
        return Err(BackupError::Exists(folder));
    }
    let making = making_of(&folder);
    if remove_leftover(&making)? {
        on_news(BackupNews::LeftoverRemoved(making.clone()));
    }
    let name = world::name(&System);
    let name = name.map_err(|error| BackupError::NotKept {
        path: making.clone(),
        reason: format!("the system refused random bytes: {error}"),
    })?;
    let options = BackupOptions {
        nodes,
        opening: Opening::first(ClientId::new(name)),
        cluster,
        path: making.clone(),
        patience_ms: millis(patience),
    };
    let made = run(client, BackupClient::new(options, RealDisk, machine, Millis(0)), on_news).await;
    match made {
        Ok(summary) => publish(&making, &folder).map(|()| summary),
        Err(error) => {
            // It is no backup, whatever there is of it. What another attempt makes there is locked;
            // and one that was not let in has made nothing.
            if !matches!(error, BackupError::Folder(_) | BackupError::Exists(_)) {
                let _ = remove_leftover(&making);
            }
            Err(error)
        }
    }
}

/// Asks and waits until the backup has ended.
async fn run<M: StateMachine + Clone>(
    client: &Client,
    mut backup: BackupClient<M, RealDisk>,
    mut on_news: impl FnMut(BackupNews),
) -> Result<Summary, BackupError> {
    let origin = Instant::now();
    let now = || Millis(millis(origin.elapsed()));
    loop {
        match backup.next(now()) {
            BackupAct::Ask { node, body, within_ms } => {
                let answer = client.ask(node, body, Duration::from_millis(within_ms)).await;
                let answer = answer.ok_or_else(|| client.trouble_with(node, within_ms));
                let before = backup.progress_made();
                backup.on_answer(now(), answer);
                let made = backup.progress_made();
                if let Some(progress) = made.filter(|_| made != before) {
                    on_news(BackupNews::Progress(progress));
                }
            }
            BackupAct::Rest(until) => {
                sleep(Duration::from_millis(until.0.saturating_sub(now().0))).await;
            }
            BackupAct::Ended(ended) => return ended,
        }
    }
}

/// Gives the folder its name, durably.
fn publish(making: &Path, folder: &Path) -> Result<(), BackupError> {
    let named = give_name(making, folder, |parent| RealDisk.sync_dir(parent));
    named.map_err(|unnamed| match unnamed {
        Unnamed::NotRenamed(source) => BackupError::NotNamed { path: making.to_owned(), source },
        Unnamed::NotSynced(source) => BackupError::NotSynced { path: folder.to_owned(), source },
    })
}

/// Removes what an attempt left that was cut short; tells whether there was anything.
fn remove_leftover(making: &Path) -> Result<bool, BackupError> {
    if fs::symlink_metadata(making).is_err() {
        return Ok(false);
    }
    let failed = |reason: String| BackupError::Leftover { path: making.to_owned(), reason };
    // Whatever is not of a backup is somebody else's.
    let entries = fs::read_dir(making).map_err(|error| failed(error.to_string()))?;
    let entries: Vec<_> = entries.flatten().collect();
    if let Some(other) = entries.iter().find(|entry| !is_of_a_backup(entry)) {
        return Err(failed(format!("{} is no part of a backup", other.file_name().display())));
    }
    // One that is being made is locked, and is not taken from under whoever makes it, though
    // nothing be in it yet.
    try_lock(RealDisk, making).map_err(|error| failed(error.to_string()))?;
    // File by file: what somebody else puts there meanwhile is not removed with it.
    for entry in entries {
        match fs::remove_file(entry.path()) {
            Ok(()) => {}
            // Whoever locks the folder clears away what was in the making.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error.to_string())),
        }
    }
    fs::remove_dir(making).map_err(|error| failed(error.to_string()))?;
    Ok(true)
}

/// Tells whether something in a folder is a file that the making of a backup leaves.
fn is_of_a_backup(entry: &fs::DirEntry) -> bool {
    let name = entry.file_name();
    let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
    is_file && name.to_str().is_some_and(is_snapshot_file_name)
}

/// Reads a backup, for a cluster that begins with it. `machine` is the one before any command.
///
/// # Errors
///
/// Why it is none, or cannot be begun from, and what to do.
pub fn read_backup<M: StateMachine>(
    folder: &Path,
    machine: M,
) -> Result<BackupState<M>, ReadError> {
    BackupState::read(ReadOnlyDisk, folder, machine)
}

/// Tells whether a folder has a snapshot in it, as that of a backup has, whatever else somebody put
/// there. A journal has none beside it: a node's snapshots have a folder of their own.
#[must_use]
pub fn looks_like_a_backup(folder: &Path) -> bool {
    let Ok(entries) = fs::read_dir(folder) else { return false };
    entries.flatten().any(|entry| entry.file_name().to_str().is_some_and(is_snapshot_file_name))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::test_folder::TestFolder;

    /// Whoever makes a backup has made the folder and written nothing yet: a second one that comes
    /// there took the folder away, and both ended without a backup.
    #[test]
    fn a_folder_that_another_attempt_holds_is_left_though_it_is_empty() {
        let folder = TestFolder::new();
        let making = folder.path().join("b.making");
        fs::create_dir(&making).unwrap();
        let held = RealDisk.lock_dir(&making).unwrap();
        let refused = remove_leftover(&making).unwrap_err();
        assert!(matches!(refused, BackupError::Leftover { .. }), "{refused}");
        assert!(making.is_dir());
        drop(held);
        assert!(remove_leftover(&making).unwrap());
        assert!(!making.exists());
    }

    #[test]
    fn a_backup_is_known_by_its_snapshot_whatever_lies_beside_it() {
        let folder = TestFolder::new();
        let file = |name: &str| fs::write(folder.path().join(name), b"").unwrap();
        file(".DS_Store");
        assert!(!looks_like_a_backup(folder.path()));
        file("snapshot-notes.txt");
        assert!(!looks_like_a_backup(folder.path()));
        file("snapshot-0000000000000abc.snap");
        assert!(looks_like_a_backup(folder.path()));
    }
}
