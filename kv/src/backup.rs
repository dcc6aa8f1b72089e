//! `synod-kv backup`: the state of a running cluster, from any of its nodes into a folder.
//!
//! How it is fetched and judged is left to the node's library. Here it is told how far it is, and
//! how it ended. The claim kept true: while bytes come a line says so once a second at most, and
//! the last line says what was made, or what each node answered.

use std::path::Path;
use std::time::{Duration, Instant};

use synod_node::backup::{BackupError, BackupNews, BackupOrder, BackupProgress, Summary, back_up};
use synod_node::{Client, NodeId};

use crate::config::ClientConfig;
use crate::exit::Exit;
use crate::log;
use crate::machine::Machine;

/// Makes a backup in a folder, which must not be there, and returns what there is to say of it.
///
/// # Errors
///
/// Why there is none.
pub(crate) async fn backup(
    client: &Client,
    config: &ClientConfig,
    folder: &Path,
    patience: Duration,
) -> Result<String, Exit> {
    let order = BackupOrder {
        nodes: config.nodes.keys().map(|id| NodeId::new(*id)).collect(),
        cluster: config.cluster.clone(),
        folder: folder.to_owned(),
        patience,
    };
    let mut told = None;
    let tell = |news: BackupNews| match news {
        BackupNews::LeftoverRemoved(making) => log::say(&format!(
            "synod-kv: {} was left of an attempt that was cut short, and was removed",
            making.display()
        )),
        BackupNews::Progress(progress) => {
            if told.is_none_or(|told: Instant| told.elapsed() >= TOLD_EVERY) {
                told = Some(Instant::now());
                log::say(&progress_line(&progress));
            }
        }
    };
    let made = back_up(client, order, Machine::default(), tell).await;
    let Summary { cluster, slot, digest, bytes, sessions } =
        made.map_err(|error| failed(&error))?;
    let (folder, number) = (folder.display(), slot.number());
    Ok(format!(
        "backup of cluster {cluster}: the state below slot {number}, {bytes} bytes with {sessions} \
         sessions, digest {digest:016x}, in {folder}\n"
    ))
}

fn progress_line(progress: &BackupProgress) -> String {
    let BackupProgress { node, slot, bytes, total } = progress;
    let mib = |bytes: &u64| bytes.div_ceil(1 << 20);
    format!(
        "synod-kv: {} of {} MiB of the state below slot {} are here, from node {node}",
        mib(bytes),
        mib(total),
        slot.number()
    )
}

fn failed(error: &BackupError) -> Exit {
    match error {
        BackupError::Silence { .. }
        | BackupError::NotAllowed(_)
        | BackupError::NoSnapshots(_)
        | BackupError::Restarted(_) => Exit::unavailable(error),
        BackupError::Folder(_)
        | BackupError::Exists(_)
        | BackupError::NotKept { .. }
        | BackupError::NotNamed { .. }
        | BackupError::NotSynced { .. }
        | BackupError::Leftover { .. } => Exit::cannot_make(error),
        _ => Exit::internal(error),
    }
}

/// How long it is at least between two lines that say how far a backup is.
const TOLD_EVERY: Duration = Duration::from_secs(1);
