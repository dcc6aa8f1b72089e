//! The making of a node's journal: a step of its own, before the first start.
//!
//! A journal that was lost looks like one that never was, and a node that began anew would vote
//! again in ballots in which it has voted. So a start makes none. The claim kept true: a journal
//! comes into being here and nowhere else, never in place of another, and is whole and durable when
//! this returns.

use std::path::PathBuf;

use synod_host::RecoveryError;
use synod_host::journal::{Create, Journal, OpenError, Options, SEGMENT_BYTES_MIN};
use synod_transport_quic::{ClusterId, Credentials, PeerId, Role, TlsError};

use crate::config::{Config, ConfigError, voters};
use crate::start::StartError;
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
}

/// The certificate belongs to somebody else.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the certificate is that of {found}, and the configuration says {wanted}")]
pub struct WrongCertificate {
    /// Who the certificate names.
    pub found: String,
    /// Who the configuration names.
    pub wanted: String,
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
    let mut options = Options::new(journal_identity(config, cluster).as_bytes());
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
pub(crate) fn journal_identity(config: &Config, cluster: ClusterId) -> String {
    synod_host::identity_of(&cluster.to_string(), config.node, &voters(config))
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
