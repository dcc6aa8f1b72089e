//! Why an endpoint cannot begin.
//!
//! How one begins is left to `setup`.

use std::net::SocketAddr;

use crate::tls::TlsError;

/// Says why an endpoint cannot begin. The fault is the environment's, or the configuration's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// The socket cannot be had.
    #[error("cannot listen on {address}: {source}")]
    Socket {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The credentials cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The own certificate has the wrong role for this endpoint.
    #[error("own certificate names {identity}, but a {wanted} is wanted here")]
    Role {
        /// Who the certificate names.
        identity: String,
        /// The role that is wanted.
        wanted: &'static str,
    },
    /// A setting is out of its range.
    #[error("{0}")]
    Setting(String),
}
