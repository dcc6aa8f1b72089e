//! What an endpoint proves itself with: authority, certificate chain and private key, out of PEM.
//!
//! What it leaves to others: judging the other end (`verify`), and making certificates. The claim
//! it keeps true: a key that others could read is never used, and no key is ever printed.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::identity::{Identity, IdentityError, not_after};
use crate::wall::{Wall, WallClock};

/// Holds what an endpoint proves itself with. Cloning shares nothing mutable.
pub struct Credentials {
    pub(crate) roots: Arc<RootCertStore>,
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
    identity: Identity,
    not_after: SystemTime,
    wall: WallClock,
}

/// Says why credentials cannot be used. The fault is the operator's, or the file system's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The private key is readable or writable by others than its owner.
    #[error(
        "{path} has mode {mode:04o}; a private key must be its owner's alone: chmod 600 {path}"
    )]
    KeyMode {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The private key belongs to another user.
    #[error("{path} belongs to user {owner}, not to user {user} that runs this process")]
    KeyOwner {
        /// The file.
        path: PathBuf,
        /// The user who owns it.
        owner: u32,
        /// The user who would use it.
        user: u32,
    },
    /// A PEM text lacks what it should hold.
    #[error("no {what} in the PEM text: {detail}")]
    Pem {
        /// What was looked for.
        what: &'static str,
        /// What the parser said.
        detail: String,
    },
    /// The endpoint's own certificate names nobody.
    #[error("own certificate: {0}")]
    Identity(#[from] IdentityError),
    /// The private key is not that of the certificate.
    #[error("the private key does not fit the certificate: {0}")]
    KeyMismatch(String),
    /// The certificate, the key and the authority do not make a TLS configuration.
    #[error("TLS configuration: {0}")]
    Config(String),
}

impl Credentials {
    /// Reads the authority, the own chain and the own key from PEM files.
    ///
    /// # Errors
    /// When a file cannot be read or parsed, or when the key file is not its owner's alone.
    pub fn load(authority: &Path, chain: &Path, key: &Path) -> Result<Self, TlsError> {
        Self::from_pem(&read(authority)?, &read(chain)?, &read_key(key)?)
    }

    /// Reads the authority, the own chain and the own key from PEM texts.
    ///
    /// # Errors
    /// When a text lacks its part, when the own certificate names no identity, or when the key is
    /// not that of the certificate.
    pub fn from_pem(authority: &[u8], chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates("authority certificate", authority)? {
            roots.add(certificate).map_err(|error| TlsError::Config(error.to_string()))?;
        }
        let chain = certificates("own certificate", chain)?;
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|error| TlsError::Pem { what: "private key", detail: error.to_string() })?;
        let own = chain.first().ok_or(IdentityError::Malformed)?;
        let identity = Identity::from_certificate(own)?;
        let not_after = not_after(own)?;
        CertifiedKey::from_der(chain.clone(), key.clone_key(), &provider())
            .map_err(|error| TlsError::KeyMismatch(error.to_string()))?;
        let (roots, wall) = (Arc::new(roots), WallClock::default());
        Ok(Self { roots, chain, key, identity, not_after, wall })
    }

    /// Makes the dates of certificates be read against `wall`, instead of the machine's clock.
    #[must_use]
    pub fn dated_by(self, wall: Wall) -> Self {
        Self { wall: WallClock(wall), ..self }
    }

    /// The clock against which dates are read.
    pub(crate) fn time(&self) -> Arc<WallClock> {
        Arc::new(self.wall.clone())
    }

    /// The end of the own certificate: from then on no connection is made with it.
    #[must_use]
    pub const fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// Who the own certificate says this endpoint is.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }
}

impl Clone for Credentials {
    fn clone(&self) -> Self {
        Self {
            roots: Arc::clone(&self.roots),
            chain: self.chain.clone(),
            key: self.key.clone_key(),
            identity: self.identity.clone(),
            not_after: self.not_after,
            wall: self.wall.clone(),
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("identity", &self.identity).finish_non_exhaustive()
    }
}

/// The one cryptography provider, always passed along and never installed for the process.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn certificates(what: &'static str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if found.is_empty() => {
            Err(TlsError::Pem { what, detail: "the text has none".to_owned() })
        }
        Ok(found) => Ok(found),
        Err(error) => Err(TlsError::Pem { what, detail: error.to_string() }),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::Read { path: path.to_owned(), source })
}

/// Reads a key through one open file, so that what was checked is what is read.
fn read_key(path: &Path) -> Result<Vec<u8>, TlsError> {
    let failed = |source| TlsError::Read { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    let (mode, owner) = (metadata.mode() & 0o7777, metadata.uid());
    if mode & 0o077 != 0 {
        return Err(TlsError::KeyMode { path: path.to_owned(), mode });
    }
    let user = rustix::process::geteuid().as_raw();
    if owner != user {
        return Err(TlsError::KeyOwner { path: path.to_owned(), owner, user });
    }
    let mut text = Vec::new();
    file.read_to_end(&mut text).map_err(failed)?;
    Ok(text)
}
