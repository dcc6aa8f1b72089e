//! The making of a node's journal: a step of its own, before the first start.
//!
//! A journal that was lost looks like one that never was, and a node that began anew would vote
//! again in ballots in which it has voted. So a start makes none. The claim kept true: a journal
//! comes into being here and nowhere else, never in place of another, and is whole and durable when
//! this returns.

use std::fs;
use std::io;
use std::path::PathBuf;

use synod_host::api::StateMachine;
use synod_host::backup::{BackupState, BeginError};
use synod_host::journal::{
    Create, Disk as _, Journal, OpenError, Options, RealDisk, SEGMENT_BYTES_MIN,
};
use synod_host::smr::Checkpoint;
use synod_host::{DataFolders, RecoveryError};
use synod_transport_quic::{ClusterId, Credentials, PeerId, Role, TlsError};

use crate::config::{Config, ConfigError, SNAPSHOTS, voters};
use crate::naming::{Unnamed, give_name, making_of};
use crate::start_error::{StartError, WrongCertificate};
use crate::world::World;

/// Why a node's journal was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateError {
    /// The configuration makes no sense: the caller's fault.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The certificate belongs to somebody else.
    #[error(transparent)]
    Identity(#[from] WrongCertificate),
    /// There is a journal of this node, made for other members: the caller's fault. It is not
    /// touched.
    #[error(transparent)]
    Members(RecoveryError),
    /// There is a journal of this node, perhaps with votes: it is not touched.
    #[error("{} holds a journal already, and it is not replaced: start the node with it",
            .0.display())]
    Exists(PathBuf),
    /// The folder cannot be used.
    #[error("the data folder cannot be used: {0}")]
    Journal(#[source] OpenError),
    /// The backup is of this very cluster, whose nodes may run on.
    #[error(
        "the backup is of cluster {0}, and so is the certificate of this node: a cluster that \
             begins with a backup has a UUID and certificates of its own, or nodes of both would \
             take each other for one; make them with `synod-kv init --dir NEW --from BACKUP`"
    )]
    SameCluster(String),
    /// The data folder is there, whatever is in it.
    #[error("{} exists already, and nothing is written to it: name a folder that is to be made",
            .0.display())]
    FolderExists(PathBuf),
    /// An earlier attempt was cut short.
    #[error("{} is left of an attempt that was cut short: remove it, and try again", .0.display())]
    Leftover(PathBuf),
    /// The state of the backup cannot be written.
    #[error(transparent)]
    Begin(#[from] BeginError),
    /// The folder that was made cannot be given its name.
    #[error("cannot rename {} to {}: {source}", from.display(), to.display())]
    Rename {
        /// The folder that was made.
        from: PathBuf,
        /// The data folder.
        to: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The folder has its name, and its parent could not be synced.
    #[error("{}: {source}; its name may be gone after a power failure, so no node shall start with \
             it: see to the disk, remove the folder, and make it again", path.display())]
    NotSynced {
        /// The data folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Checks a configuration; see [`Node::check`](crate::Node::check).
pub(crate) fn check(config: &Config) -> Result<Credentials, CreateError> {
    config.check()?;
    let credentials =
        Credentials::load(&config.tls.authority, &config.tls.certificate, &config.tls.key)?;
    check_identity(config, &credentials)?;
    Ok(credentials)
}

/// Makes the journal of a node; see [`Node::create_in`](crate::Node::create_in).
pub(crate) fn create(world: &impl World, config: &Config) -> Result<(), CreateError> {
    let cluster = check(config)?.identity().cluster;
    let mut options = Options::new(journal_identity(config, cluster, None).as_bytes());
    options.create = Create::New;
    // Each start writes the last segment anew, in the size that the configuration has by then.
    options.segment_bytes = SEGMENT_BYTES_MIN;
    match Journal::open(world.disk(), &config.data, &options, |_| {}) {
        Ok((_, made)) => {
            let node = config.node.number();
            tracing::info!(node, folder = %made.folder, "made a journal");
            Ok(())
        }
        Err(OpenError::Exists { path }) => Err(CreateError::Exists(path)),
        Err(error) => {
            let error = RecoveryError::from(error);
            if let RecoveryError::Journal(error) = error {
                return Err(CreateError::Journal(error));
            }
            // An error of the journal becomes no other one but this.
            Err(CreateError::Members(error))
        }
    }
}

/// Makes the folders of a node that begins with the state of a backup; see
/// [`Node::create_from`](crate::Node::create_from).
pub(crate) fn create_from<M: StateMachine>(
    config: &Config,
    backup: &BackupState<M>,
) -> Result<(), CreateError> {
    let cluster = check(config)?.identity().cluster;
    if cluster.to_string() == backup.summary().cluster {
        return Err(CreateError::SameCluster(cluster.to_string()));
    }
    let (data, making) = (&config.data, making_of(&config.data));
    if fs::symlink_metadata(data).is_ok() {
        return Err(CreateError::FolderExists(data.clone()));
    }
    if fs::symlink_metadata(&making).is_ok() {
        return Err(CreateError::Leftover(making));
    }
    // A journal whose snapshot is not there yet would be that of a node that begins with nothing.
    // So the folder has its name once both are durable.
    let identity = journal_identity(config, cluster, Some(backup.summary().beginning()));
    let snapshots = making.join(SNAPSHOTS);
    let folders = DataFolders { journal: &making, snapshots: &snapshots };
    if let Err(error) = backup.begin_node(RealDisk, folders, &identity) {
        // It was made above, and is of no use.
        let _ = fs::remove_dir_all(&making);
        return Err(error.into());
    }
    let named = give_name(&making, data, |parent| RealDisk.sync_dir(parent));
    named.map_err(|unnamed| match unnamed {
        Unnamed::NotRenamed(source) => {
            CreateError::Rename { from: making, to: data.clone(), source }
        }
        Unnamed::NotSynced(source) => CreateError::NotSynced { path: data.clone(), source },
    })?;
    tracing::info!(node = config.node.number(), identity, "made a journal from a backup");
    Ok(())
}

/// Checks that the certificate is this node's, and returns the cluster that it names.
pub(crate) fn check_identity(
    config: &Config,
    credentials: &Credentials,
) -> Result<ClusterId, WrongCertificate> {
    let identity = credentials.identity();
    let found = identity.cluster.to_string();
    let cluster = config.cluster.as_ref().unwrap_or(&found);
    let (mine, node) = (PeerId(config.node.number()), config.node.number());
    if identity.role == Role::Node(mine) && *cluster == found {
        return Ok(identity.cluster);
    }
    let wanted = format!("synod://{cluster}/node/{node}");
    Err(WrongCertificate { found: identity.to_string(), wanted })
}

/// Says whose journal it is, as the journal itself does.
///
/// What it began with stands in the folder alone.
pub(crate) fn journal_identity(
    config: &Config,
    cluster: ClusterId,
    began: Option<Checkpoint>,
) -> String {
    synod_host::identity_from(&cluster.to_string(), config.node, &voters(config), began)
}

impl From<RecoveryError> for StartError {
    fn from(error: RecoveryError) -> Self {
        if let RecoveryError::Journal(OpenError::Missing { path }) = error {
            return Self::NoJournal { path };
        }
        if let RecoveryError::Refused { path, reason } = error {
            return Self::Refused { path, reason };
        }
        if matches!(error, RecoveryError::OtherVoters { .. }) {
            return Self::Members(error);
        }
        Self::Recovery(error)
    }
}
