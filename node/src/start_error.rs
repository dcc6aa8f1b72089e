//! Why a node does not start.
//!
//! How it starts is left to `start`. The claim kept true: each variant says whose fault it is.

use std::io;
use std::path::PathBuf;

use synod_host::RecoveryError;
use synod_transport_quic::{BindError, TlsError};

use crate::config::ConfigError;

/// Why a node cannot run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration makes no sense: the caller's fault.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The certificate belongs to somebody else.
    #[error(transparent)]
    Identity(#[from] WrongCertificate),
    /// The certificate has ended, or is not good yet: whoever was called would refuse the node.
    #[error("{}: this certificate {what} by the clock of this host: set the clock, if it is wrong, \
             or renew the certificate", path.display())]
    Outdated {
        /// The file.
        path: PathBuf,
        /// Whether it has ended or is not good yet.
        what: &'static str,
    },
    /// There is no journal. It was lost, or never made.
    #[error("this node has no journal in {}: a node that has voted must not go on without it; \
             if it never ran, make one with Node::create, as `synod-kv init --dir DIR --node N \
             --data {}` does", path.display(), path.display())]
    NoJournal {
        /// The folder.
        path: PathBuf,
    },
    /// The others refused the journal in an earlier start: the operator's to set right. Nothing
    /// was served, and no later start of the folder goes on.
    #[error("{}: {reason}", path.display())]
    Refused {
        /// The folder.
        path: PathBuf,
        /// By what the others know this node, and what to do.
        reason: String,
    },
    /// The journal was made for other members: the caller's fault.
    #[error(transparent)]
    Members(RecoveryError),
    /// The journal cannot be used.
    #[error(transparent)]
    Recovery(RecoveryError),
    /// The port for peers cannot be opened.
    #[error("peer_listen: {0}")]
    PeerPort(#[source] BindError),
    /// The port for clients cannot be opened.
    #[error("client_listen: {0}")]
    ClientPort(#[source] BindError),
    /// The port for metrics cannot be opened.
    #[error("metrics: {0}")]
    MetricsPort(#[source] BindError),
    /// The trace that was asked for cannot be written.
    #[error("{}: no trace can be written here: {source}", path.display())]
    Trace {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system has no thread, no runtime or no randomness for the node.
    #[error("the system refused {what}: {source}")]
    System {
        /// What was asked for.
        what: &'static str,
        /// What it said.
        source: io::Error,
    },
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
